//! The limits at their ends: tiny and huge bodies, small records, padding that must be spread over records.

use alloc::{format, string::ToString, vec};

use super::*;
use crate::{
    AuthSecret, HeaderFields, UserAgentKeys, decrypt,
    provider::{RandomUnavailable, SecureRandom, rust_crypto::PROVIDER},
};

fn receiver() -> UserAgentKeys {
    UserAgentKeys::generate(&PROVIDER).unwrap()
}

fn seal(receiver: &UserAgentKeys, options: &EncryptOptions, text: &[u8]) -> Result<Encrypted, EncryptError> {
    encrypt(&PROVIDER, options, EncryptJob { keys: &receiver.subscription_keys(), plaintext: text })
}

/// Through header fields and body, as the other side gets it.
fn open(receiver: &UserAgentKeys, message: &Encrypted) -> (usize, usize, usize) {
    let headers = message.headers();
    let line = |name| headers.iter().filter(|(n, _)| *n == name).map(|(_, v)| v.as_str()).collect::<Vec<_>>();
    let fields = HeaderFields {
        encryption: &line("encryption"),
        crypto_key: &line("crypto-key"),
        encryption_key: &line("encryption-key"),
    };
    let message = Encrypted::read(message.coding(), &fields, message.body().to_vec()).unwrap();
    let opened = decrypt(&PROVIDER, receiver, &message).unwrap();
    (opened.plaintext.len(), opened.padding, opened.records)
}

#[test]
fn a_body_limit_below_an_empty_message_is_refused_by_its_own_name() {
    let receiver = receiver();
    for (schedule, least) in [(Schedule::Aes128gcm, 103), (Schedule::Aesgcm, 18)] {
        for record_size in [None, Some(4096)] {
            for body_limit in [0, 1, least - 1] {
                let options = EncryptOptions { record_size, body_limit, ..EncryptOptions::new(schedule) };
                assert_eq!(
                    seal(&receiver, &options, b"").err(),
                    Some(EncryptError::BodyLimit { octets: body_limit, least }),
                    "{schedule} {record_size:?}"
                );
            }
            let options = EncryptOptions { record_size, body_limit: least, ..EncryptOptions::new(schedule) };
            assert_eq!(seal(&receiver, &options, b"").unwrap().body().len(), least);
            assert_eq!(
                seal(&receiver, &options, b"x").err(),
                Some(EncryptError::TooLong { octets: 1, limit: 0 })
            );
        }
    }
}

#[test]
fn text_that_fits_one_record_but_not_several_is_too_long_for_these() {
    let receiver = receiver();
    // 4010 octets of records: 222 of 18 octets carry one octet each, and 14 octets are left.
    let options = EncryptOptions { record_size: Some(18), ..EncryptOptions::default() };

    assert_eq!(open(&receiver, &seal(&receiver, &options, &[7; 222]).unwrap()), (222, 0, 222));
    assert_eq!(
        seal(&receiver, &options, &[7; 223]).err(),
        Some(EncryptError::TooLong { octets: 223, limit: 222 })
    );
}

#[test]
fn a_body_without_limit_does_not_overflow() {
    let receiver = receiver();
    for schedule in Schedule::ALL {
        for record_size in [None, Some(18), Some(u32::MAX)] {
            let options =
                EncryptOptions { record_size, body_limit: usize::MAX, ..EncryptOptions::new(*schedule) };
            let text = [1; 50];
            assert!(seal(&receiver, &options, &text).is_ok(), "{schedule} {record_size:?}");
        }
    }
    // A record size has 32 bits in aes128gcm: 2^32 - 1 is over text, padding, delimiter and tag.
    let room = Room { layout: Schedule::Aes128gcm.layout(), rs: None, octets: usize::MAX };
    assert_eq!(room.most_data(), u32::MAX as usize - 18);
    assert_eq!(room.most_padding(1), u32::MAX as usize - 19);
}

/// aesgcm128 counts the padding of a record in one octet: more has to go into further records, and those in
/// front of them have to be full.
#[test]
fn padding_that_cannot_be_spread_over_full_records_is_refused() {
    let receiver = receiver();
    let with = |rs, padding, length| {
        let options = EncryptOptions {
            record_size: Some(rs),
            padding: Padding::Exactly(padding),
            ..EncryptOptions::new(Schedule::Aesgcm128AuthContext)
        };
        seal(&receiver, &options, &vec![9; length]).map(|message| open(&receiver, &message))
    };

    assert_eq!(with(4096, 255, 5), Ok((5, 255, 1)));
    assert_eq!(with(4096, 256, 5), Err(EncryptError::PaddingTooLong { octets: 5, padding: 256, most: 255 }));
    assert_eq!(with(300, 300, 10), Err(EncryptError::PaddingTooLong { octets: 10, padding: 300, most: 255 }));
    assert_eq!(with(300, 300, 100), Ok((100, 300, 2)));
    assert_eq!(with(256, 600, 0), Ok((0, 600, 3)));
}

#[test]
fn every_padding_that_is_taken_opens_again_in_small_records() {
    let receiver = receiver();
    for schedule in Schedule::ALL {
        for rs in [40, 256, 257, 300, 600] {
            for (length, padding) in [(0, 0), (0, 300), (10, 511), (255, 255), (400, 513), (600, 1)] {
                let options = EncryptOptions {
                    record_size: Some(rs),
                    padding: Padding::Exactly(padding),
                    ..EncryptOptions::new(*schedule)
                };
                match seal(&receiver, &options, &vec![9; length]) {
                    Ok(message) => {
                        let (octets, padded, _) = open(&receiver, &message);
                        assert_eq!((octets, padded), (length, usize::from(padding)), "{schedule} {rs}");
                    }
                    Err(EncryptError::PaddingTooLong { most, .. }) => assert!(most < usize::from(padding)),
                    Err(error) => panic!("{schedule} {rs} {length} {padding}: {error}"),
                }
            }
            let options = EncryptOptions {
                record_size: Some(rs),
                padding: Padding::Maximum,
                ..EncryptOptions::new(*schedule)
            };
            let message = seal(&receiver, &options, &[9; 400]).unwrap();
            assert!(message.body().len() <= 4096);
            assert_eq!(open(&receiver, &message).0, 400, "{schedule} {rs}");
        }
    }
}

/// A secret of 12 octets belongs to pre-release Firefox, which read aesgcm128 only.
#[test]
fn a_short_secret_is_told_before_anything_is_encrypted() {
    let full = receiver();
    let short = AuthSecret::from_octets(&[7; 12]).unwrap();
    let receiver = UserAgentKeys::new(&PROVIDER, full.private().clone(), Some(short)).unwrap();
    let keys = receiver.subscription_keys();

    for coding in [ContentCoding::Aes128gcm, ContentCoding::Aesgcm] {
        assert_eq!(Schedule::for_keys(coding, &keys), Err(Unsuited::AuthPreRelease));
    }
    for schedule in [Schedule::Aes128gcm, Schedule::Aesgcm] {
        let result = seal(&receiver, &EncryptOptions::new(schedule), b"x");
        assert_eq!(result.err().and_then(|error| error.code()), Some("subscription/auth-length"));
    }
    let schedule = Schedule::for_keys(ContentCoding::Aesgcm128, &keys).unwrap();
    let message = seal(&receiver, &EncryptOptions::new(schedule), b"x").unwrap();
    assert_eq!(open(&receiver, &message), (1, 0, 1));
}

/// AS-032: a source that fails after the keys leaves nothing behind either.
#[test]
fn randomness_that_ends_half_way_appends_nothing() {
    #[derive(Debug)]
    struct Keys;
    impl SecureRandom for Keys {
        fn fill(&self, out: &mut [u8]) -> Result<(), RandomUnavailable> {
            if out.len() == 32 {
                out.fill(1);
                return Ok(());
            }
            Err(RandomUnavailable)
        }
    }
    let provider = crate::provider::rust_crypto::provider(&Keys);
    let keys = receiver().subscription_keys();
    let mut out = Vec::new();

    let job = EncryptJob { keys: &keys, plaintext: b"x" };
    let result = encrypt_batch(&provider, &EncryptOptions::default(), &[job], &mut out);

    assert_eq!(result, Err(ProviderError::Random));
    assert!(out.is_empty());
}

#[test]
fn errors_say_what_to_do() {
    let text = |error: EncryptError| error.to_string();

    assert_eq!(
        text(EncryptError::BodyLimit { octets: 50, least: 103 }),
        "a body of at most 50 octets holds no message, not even an empty one; allow at least 103"
    );
    assert_eq!(
        format!("{:?}", EncryptJob { keys: &receiver().subscription_keys(), plaintext: b"ab" }),
        "EncryptJob(2 octets)"
    );
}
