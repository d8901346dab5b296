//! Sizes, limits and faults of the codings; known answers are in `tests/vectors`.

mod legacy;

use alloc::{format, string::String, vec, vec::Vec};

use proptest::prelude::*;

use super::*;
use crate::{
    DecryptError, EncryptError, EncryptJob, EncryptOptions, Padding, PublicKey, RecordError,
    SubscriptionKeys, UserAgentKeys, base64url, decrypt, encrypt,
    provider::{CryptoProvider, rust_crypto::PROVIDER},
};

fn receiver() -> UserAgentKeys {
    UserAgentKeys::generate(&PROVIDER).unwrap()
}

fn receiver_for(schedule: Schedule) -> UserAgentKeys {
    let receiver = receiver();
    match schedule {
        Schedule::Aesgcm128Bare => UserAgentKeys::new(&PROVIDER, receiver.private().clone(), None).unwrap(),
        _ => receiver,
    }
}

fn seal(receiver: &UserAgentKeys, options: &EncryptOptions, text: &[u8]) -> Result<Encrypted, EncryptError> {
    encrypt(&PROVIDER, options, EncryptJob { keys: &receiver.subscription_keys(), plaintext: text })
}

/// Sends the message over the wire: headers and body are written and read again.
fn reread(message: &Encrypted) -> Encrypted {
    let headers = message.headers();
    let line = |name| headers.iter().filter(|(n, _)| *n == name).map(|(_, v)| v.as_str()).collect::<Vec<_>>();
    let fields = HeaderFields {
        encryption: &line("encryption"),
        crypto_key: &line("crypto-key"),
        encryption_key: &line("encryption-key"),
    };
    let coding = headers[0].1.parse().unwrap();
    Encrypted::read(coding, &fields, message.body().to_vec()).unwrap()
}

/// AS-014, AS-036, AS-037, AS-041: limits and sizes of one record in 4 096 octets.
#[test]
fn the_longest_text_fills_a_body_of_4096_octets_and_one_octet_more_is_refused() {
    for (schedule, limit) in Schedule::ALL.iter().zip([3993, 4078, 4079, 4079]) {
        let receiver = receiver_for(*schedule);
        let options = EncryptOptions::new(*schedule);

        let longest = seal(&receiver, &options, &vec![7; limit]).unwrap();
        let longer = seal(&receiver, &options, &vec![7; limit + 1]);

        assert_eq!(longest.body().len(), 4096, "{schedule}");
        assert_eq!(longest.record_size(), 4096, "{schedule}");
        assert_eq!(longer.err(), Some(EncryptError::TooLong { octets: limit + 1, limit }), "{schedule}");
        let opened = decrypt(&PROVIDER, &receiver, &reread(&longest)).unwrap();
        assert_eq!((opened.plaintext.len(), opened.padding, opened.records), (limit, 0, 1), "{schedule}");
        assert_eq!(seal(&receiver, &options, b"").unwrap().body().len(), schedule.overhead(), "{schedule}");
    }
}

#[test]
fn padding_to_the_maximum_fills_the_body_except_where_its_length_has_one_octet() {
    for (schedule, octets) in Schedule::ALL.iter().zip([4096, 4096, 17 + 5 + 255, 17 + 5 + 255]) {
        let receiver = receiver_for(*schedule);
        let options = EncryptOptions { padding: Padding::Maximum, ..EncryptOptions::new(*schedule) };

        let message = seal(&receiver, &options, b"Hello").unwrap();

        assert_eq!(message.body().len(), octets, "{schedule}");
        assert_eq!(decrypt(&PROVIDER, &receiver, &reread(&message)).unwrap().plaintext, b"Hello");
    }
}

#[test]
fn exact_padding_that_does_not_fit_is_refused() {
    let receiver = receiver();
    let with = |octets, schedule| {
        let options = EncryptOptions { padding: Padding::Exactly(octets), ..EncryptOptions::new(schedule) };
        seal(&receiver, &options, b"Hello").map(|message| message.body().len())
    };

    assert_eq!(with(3988, Schedule::Aes128gcm), Ok(4096));
    assert_eq!(
        with(3989, Schedule::Aes128gcm),
        Err(EncryptError::PaddingTooLong { octets: 5, padding: 3989, most: 3988 })
    );
    assert_eq!(with(255, Schedule::Aesgcm128AuthContext), Ok(17 + 5 + 255));
    assert_eq!(
        with(256, Schedule::Aesgcm128AuthContext),
        Err(EncryptError::PaddingTooLong { octets: 5, padding: 256, most: 255 })
    );
}

#[test]
fn several_records_are_written_and_read_at_every_border() {
    for (schedule, least) in Schedule::ALL.iter().zip([18, 3, 2, 2]) {
        let receiver = receiver_for(*schedule);
        for rs in [least, least + 1, 40] {
            for length in 0..60 {
                for padding in [0, 1, 25] {
                    let options = EncryptOptions {
                        record_size: Some(rs),
                        padding: Padding::Exactly(padding),
                        ..EncryptOptions::new(*schedule)
                    };
                    let text = vec![9; length];
                    let message = seal(&receiver, &options, &text).unwrap();

                    let opened = decrypt(&PROVIDER, &receiver, &reread(&message)).unwrap();

                    assert_eq!(
                        opened.plaintext, text,
                        "{schedule} rs {rs} length {length} padding {padding}"
                    );
                    assert_eq!(opened.padding, usize::from(padding));
                }
            }
        }
        let options = EncryptOptions { record_size: Some(least - 1), ..EncryptOptions::new(*schedule) };
        assert_eq!(
            seal(&receiver, &options, b"x").err(),
            Some(EncryptError::RecordSize {
                rs: u64::from(least) - 1,
                least: u64::from(least),
                most: schedule.layout().most_record_size()
            })
        );
    }
}

/// AS-030, AS-035, AS-038: header block, and a fresh key and salt for each message.
#[test]
fn the_header_block_carries_a_fresh_salt_and_a_fresh_key() {
    let receiver = receiver();
    let messages: Vec<_> =
        (0..64).map(|_| seal(&receiver, &EncryptOptions::default(), b"x").unwrap()).collect();

    for (at, message) in messages.iter().enumerate() {
        let body = message.body();
        assert_eq!(body[..16], message.salt()[..]);
        assert_eq!(body[16..21], [0, 0, 0x10, 0, 65]);
        assert_eq!(body[21..86], message.sender_key().as_octets()[..]);
        assert_eq!(body[21], 4);
        for other in &messages[..at] {
            assert_ne!(message.salt(), other.salt());
            assert_ne!(message.sender_key(), other.sender_key());
        }
    }
}

/// AS-039: exactly one coding.
#[test]
fn headers_name_one_coding_and_legacy_ones_carry_their_parameters() {
    let names = |schedule: Schedule| {
        let receiver = receiver_for(schedule);
        let message = seal(&receiver, &EncryptOptions::new(schedule), b"x").unwrap();
        message
            .headers()
            .into_iter()
            .map(|(name, value)| format!("{name}: {}", shape(&value)))
            .collect::<Vec<_>>()
    };
    fn shape(value: &str) -> String {
        value.split('=').next().unwrap_or_default().into()
    }

    assert_eq!(names(Schedule::Aes128gcm), ["content-encoding: aes128gcm"]);
    assert_eq!(names(Schedule::Aesgcm), ["content-encoding: aesgcm", "encryption: salt", "crypto-key: dh"]);
    assert_eq!(
        names(Schedule::Aesgcm128Bare),
        ["content-encoding: aesgcm128", "encryption: salt", "encryption-key: dh"]
    );
}

#[test]
fn a_larger_body_limit_takes_more_text_in_one_record() {
    for schedule in Schedule::ALL {
        let receiver = receiver_for(*schedule);
        let options = EncryptOptions { body_limit: 5630, ..EncryptOptions::new(*schedule) };
        let text = vec![1; schedule.plaintext_limit(5630)];

        let message = seal(&receiver, &options, &text).unwrap();

        assert_eq!(message.body().len(), 5630);
        let opened = decrypt(&PROVIDER, &receiver, &reread(&message)).unwrap();
        assert_eq!((opened.records, opened.plaintext.len()), (1, text.len()), "{schedule}");
    }
}

/// UA-020: no prefix of a body opens.
#[test]
fn a_truncated_body_is_never_taken_for_whole() {
    for schedule in Schedule::ALL {
        let receiver = receiver_for(*schedule);
        for record_size in [None, Some(24)] {
            let options = EncryptOptions { record_size, ..EncryptOptions::new(*schedule) };
            let whole =
                reread(&seal(&receiver, &options, b"a text of forty octets, in two records..").unwrap());
            for length in 0..whole.body().len() {
                let mut cut = whole.clone();
                cut.body.truncate(length);
                assert!(decrypt(&PROVIDER, &receiver, &cut).is_err(), "{schedule} {length}");
            }
        }
    }
}

/// UA-016, UA-017, UA-018, UA-023, UA-024
#[test]
fn crafted_records_are_refused_by_name() {
    let receiver = receiver();
    let craft = |rs: u32, records: &[&[u8]]| {
        let message = seal(&receiver, &EncryptOptions::default(), b"").unwrap();
        let shared = PROVIDER.shared_secret(receiver.private(), message.sender_key()).unwrap();
        let keys = crate::decrypt::content_keys(&receiver, &message, &shared, |_, _| {});
        let mut body = message.body()[..86].to_vec();
        body[16..20].copy_from_slice(&rs.to_be_bytes());
        for (number, record) in records.iter().enumerate() {
            let mut octets = record.to_vec();
            record::seal_raw(&keys, number as u64, &mut octets);
            body.extend_from_slice(&octets);
        }
        let read = Encrypted::read(ContentCoding::Aes128gcm, &HeaderFields::default(), body);
        read.map_err(|error| error.code()).and_then(|message| {
            decrypt(&PROVIDER, &receiver, &message)
                .map(|opened| opened.plaintext.clone())
                .map_err(|e| e.code())
        })
    };

    assert_eq!(craft(4096, &[b"ok\x02\0\0"]).unwrap(), b"ok");
    assert_eq!(craft(4096, &[]), Err("aes128gcm/no-record"));
    assert_eq!(craft(4096, &[b""]), Err("body/truncated"));
    assert_eq!(craft(4096, &[b"\0\0\0"]), Err("aes128gcm/delimiter"));
    assert_eq!(craft(4096, &[b"x\x01"]), Err("body/truncated"));
    assert_eq!(craft(4096, &[b"x\x03"]), Err("aes128gcm/delimiter"));
    assert_eq!(craft(18, &[b"x\x02", b"y\x02"]), Err("aes128gcm/delimiter"));
    assert_eq!(craft(18, &[b"x\x01", b"y\x02"]).unwrap(), b"xy");
    assert_eq!(craft(19, &[b"x\x01", b"y\x02"]), Err("decrypt/failed"));
    for rs in 0..18 {
        assert_eq!(craft(rs, &[b"x\x02"]), Err("aes128gcm/rs-too-small"));
    }
    assert_eq!(craft(u32::MAX, &[b"x\x02"]).unwrap(), b"x");
}

/// UA-025: the key in the header block is checked like any other.
#[test]
fn a_bad_sender_key_is_refused_before_any_key_derivation() {
    let receiver = receiver();
    let body = seal(&receiver, &EncryptOptions::default(), b"x").unwrap().into_body();
    let read = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut body = body.clone();
        change(&mut body);
        Encrypted::read(ContentCoding::Aes128gcm, &HeaderFields::default(), body)
            .map_err(|error| error.code())
    };

    assert!(read(&|_| {}).is_ok());
    assert_eq!(read(&|body| body[85] ^= 1), Err("aes128gcm/key-off-curve"));
    assert_eq!(read(&|body| body[21] = 3), Err("aes128gcm/key-off-curve"));
    assert_eq!(read(&|body| body[20] = 64), Err("aes128gcm/keyid-length"));
    assert_eq!(read(&|body| body.truncate(85)), Err("aes128gcm/header-short"));
    assert_eq!(read(&|body| body.clear()), Err("aes128gcm/header-short"));
}

#[test]
fn wrong_keys_and_changed_octets_look_alike() {
    let (receiver, other) = (receiver(), receiver());
    for schedule in [Schedule::Aes128gcm, Schedule::Aesgcm, Schedule::Aesgcm128AuthContext] {
        let message = reread(&seal(&receiver, &EncryptOptions::new(schedule), b"x").unwrap());
        let mut changed = message.clone();
        *changed.body.last_mut().unwrap() ^= 1;

        let expected = Err(DecryptError::Record(RecordError::Tag { record: 0 }));
        assert_eq!(decrypt(&PROVIDER, &other, &message), expected);
        assert_eq!(decrypt(&PROVIDER, &receiver, &changed), expected);
    }
}

#[test]
fn a_subscription_without_secret_takes_only_the_bare_form() {
    let bare = receiver_for(Schedule::Aesgcm128Bare);
    let keys: SubscriptionKeys = bare.subscription_keys();

    assert_eq!(Schedule::for_keys(ContentCoding::Aesgcm128, &keys), Ok(Schedule::Aesgcm128Bare));
    assert_eq!(Schedule::for_keys(ContentCoding::Aes128gcm, &keys), Err(Unsuited::NoAuth));
    assert_eq!(
        seal(&bare, &EncryptOptions::default(), b"x").err(),
        Some(EncryptError::Unsuited(Unsuited::NoAuth))
    );
}

#[test]
fn a_bad_recipient_does_not_spoil_its_batch() {
    let (good, bare) = (receiver(), receiver_for(Schedule::Aesgcm128Bare));
    let (good_keys, bare_keys) = (good.subscription_keys(), bare.subscription_keys());
    let long = vec![0; 3994];
    let jobs = [
        EncryptJob { keys: &good_keys, plaintext: b"first" },
        EncryptJob { keys: &bare_keys, plaintext: b"second" },
        EncryptJob { keys: &good_keys, plaintext: &long },
        EncryptJob { keys: &good_keys, plaintext: b"last" },
    ];
    let mut out = Vec::new();

    crate::encrypt_batch(&PROVIDER, &EncryptOptions::default(), &jobs, &mut out).unwrap();

    let text = |at: usize| {
        let message = out[at].as_ref().unwrap();
        decrypt(&PROVIDER, &good, message).unwrap().plaintext.clone()
    };
    assert_eq!((text(0), text(3)), (b"first".to_vec(), b"last".to_vec()));
    assert_eq!(out[1], Err(EncryptError::Unsuited(Unsuited::NoAuth)));
    assert_eq!(out[2], Err(EncryptError::TooLong { octets: 3994, limit: 3993 }));
}

/// AS-032
#[test]
fn without_randomness_nothing_is_encrypted() {
    #[derive(Debug)]
    struct Broken;
    impl crate::provider::SecureRandom for Broken {
        fn fill(&self, _: &mut [u8]) -> Result<(), crate::provider::RandomUnavailable> {
            Err(crate::provider::RandomUnavailable)
        }
    }
    let broken: CryptoProvider = crate::provider::rust_crypto::provider(&Broken);
    let keys = receiver().subscription_keys();
    let mut out = Vec::new();

    let job = EncryptJob { keys: &keys, plaintext: b"x" };
    let result = crate::encrypt_batch(&broken, &EncryptOptions::default(), &[job], &mut out);

    assert_eq!(result, Err(crate::provider::ProviderError::Random));
    assert!(out.is_empty());
}

#[test]
fn fields_are_read_with_everything_that_senders_write() {
    let check = |encryption: &[&str], keys: &[&str], expected: Result<(u64, bool), &'static str>| {
        let read = fields::read(ContentCoding::Aesgcm, encryption, fields::KeyField::CryptoKey, keys);
        let seen = read.map(|fields| {
            assert_eq!((fields.salt, fields.dh), (vec![1, 2, 3], vec![4, 5, 6]));
            (fields.rs, fields.padded)
        });
        assert_eq!(seen.map_err(|error| error.code()), expected, "{encryption:?} {keys:?}");
    };

    check(&["salt=AQID"], &["dh=BAUG"], Ok((4096, false)));
    check(&["keyid=p256dh;salt=AQID"], &["keyid=p256dh;dh=BAUG"], Ok((4096, false)));
    check(&["Salt = \"AQID\" ; RS = 77 ;; "], &[" , dh=\"BAUG\";p256ecdsa=x/y==,"], Ok((77, false)));
    check(&["salt=AQID"], &["p256ecdsa=abc", "dh=BAUG"], Ok((4096, false)));
    check(&["salt=AQID"], &["keyid=a;dh=BAUG"], Ok((4096, false)));
    check(&["keyid=a;salt=AQID"], &["keyid=b;dh=AAAA,keyid=a;dh=BAUG"], Ok((4096, false)));
    check(&[], &["dh=BAUG"], Err("encryption/missing"));
    check(&[""], &["dh=BAUG"], Err("encryption/missing"));
    check(&["rs=5"], &["dh=BAUG"], Err("encryption/salt-length"));
    check(&["salt=A+ID"], &["dh=BAUG"], Err("encryption/salt-length"));
    check(&["salt=\"AQID"], &["dh=BAUG"], Err("encryption/salt-length"));
    check(&["salt"], &["dh=BAUG"], Err("encryption/salt-length"));
    check(&["salt=AQID,salt=AQID"], &["dh=BAUG"], Err("encryption/several"));
    check(&["salt=AQID;salt=AQID"], &["dh=BAUG"], Err("encryption/several"));
    check(&["salt=AQID"], &[], Err("crypto-key/missing"));
    check(&["salt=AQID"], &["p256ecdsa=abc"], Err("crypto-key/dh-invalid"));
    check(&["salt=AQID"], &["dh="], Err("crypto-key/dh-invalid"));
    check(&["salt=AQID"], &["dh=BAUG,dh=BAUG"], Err("crypto-key/several-dh"));
    check(&["keyid=a;salt=AQID"], &["dh=BAUG"], Err("crypto-key/keyid-mismatch"));
    for rs in ["", "x", "-1", "+5", "4096x", "4096.0", "0", "2", "68719476706"] {
        check(&[&format!("salt=AQID;rs=\"{rs}\"")], &["dh=BAUG"], Err("encryption/rs-invalid"));
    }
    check(&["salt=AQID;rs=68719476705"], &["dh=BAUG"], Ok((68_719_476_705, false)));
    check(&["salt=AQID;rs=3"], &["dh=BAUG"], Ok((3, false)));
}

/// Names are compared without regard to case, and however many there are, reading takes a moment.
#[test]
fn parameters_twice_are_refused_and_many_are_read_quickly() {
    let many: String = (0..50_000).map(|number| format!("a{number}=1;")).collect();
    let read = |line: &str| fields::entries("Crypto-Key", &[line]);

    assert_eq!(read(&many).unwrap().len(), 1);
    assert_eq!(read(&format!("{many}A7=2")).unwrap_err().code(), "crypto-key/several-dh");
    let long = "x".repeat(100);
    let error = read(&format!("{long}=1;{long}=2")).unwrap_err();
    assert_eq!(
        format!("{error}"),
        "Crypto-Key has xxxxxxxxxxxxxxxxxxxxxxxx twice in one entry; send it once"
    );
}

#[test]
fn exact_padding_of_values_is_tolerated_and_told() {
    let read = |salt: &str| {
        let encryption = format!("salt={salt}");
        fields::read(ContentCoding::Aesgcm, &[&encryption], fields::KeyField::CryptoKey, &["dh=BAUG"])
    };

    assert!(read("AQIDBA==").unwrap().padded);
    assert!(read("AQIDBA=").is_err());
    assert!(!read("AQIDBA").unwrap().padded);
}

#[test]
fn aesgcm128_chooses_its_schedule_by_field() {
    let message = seal(&receiver(), &EncryptOptions::new(Schedule::Aesgcm128AuthContext), b"x").unwrap();
    let (salt, key) = (base64url::encode(message.salt()), message.sender_key().to_base64url());
    let (salt, key): (&str, &str) = (&format!("salt={salt}"), &format!("dh={key}"));
    let read = |crypto_key: &[&str], encryption_key: &[&str]| {
        let fields = HeaderFields { encryption: &[salt], crypto_key, encryption_key };
        Encrypted::read(ContentCoding::Aesgcm128, &fields, vec![0; 20]).map(|message| message.schedule())
    };

    assert_eq!(read(&[key], &[]), Ok(Schedule::Aesgcm128AuthContext));
    assert_eq!(read(&[], &[key]), Ok(Schedule::Aesgcm128Bare));
    assert_eq!(read(&["p256ecdsa=abc"], &[key]), Ok(Schedule::Aesgcm128Bare));
    assert_eq!(read(&[key], &[key]), Ok(Schedule::Aesgcm128AuthContext));
    assert_eq!(read(&["dh"], &[key]), Ok(Schedule::Aesgcm128Bare));
    let error = read(&["dh"], &[]).unwrap_err();
    assert!(format!("{error}").starts_with("Crypto-Key cannot be read"), "{error}");
}

#[test]
fn explaining_never_fails_and_covers_the_body() {
    let message = seal(&receiver(), &EncryptOptions::default(), b"Hello").unwrap();

    let parts = explain::parts(ContentCoding::Aes128gcm, 4096, message.body());

    let names: Vec<_> = parts.iter().map(|part| (part.name, part.at, part.octets)).collect();
    assert_eq!(
        names,
        [("salt", 0, 16), ("rs", 16, 4), ("idlen", 20, 1), ("keyid", 21, 65), ("record", 86, 22)]
    );
    for length in 0..message.body().len() {
        let parts = explain::parts(ContentCoding::Aes128gcm, 4096, &message.body()[..length]);
        assert_eq!(parts.iter().map(|part| part.octets).sum::<usize>(), length, "every octet has a name");
    }
}

/// Whoever sends the body chooses rs, but not how much memory its explanation takes.
#[test]
fn a_record_size_without_room_is_explained_in_one_part() {
    let mut body = seal(&receiver(), &EncryptOptions::default(), &[1; 3000]).unwrap().into_body();
    body[16..20].copy_from_slice(&[0, 0, 0, 17]);

    let parts = explain::parts(ContentCoding::Aes128gcm, 4096, &body);
    let legacy = explain::parts(ContentCoding::Aesgcm, 2, &body);

    assert_eq!(parts.len(), 5);
    assert_eq!(parts[4].meaning, "not split, because rs is 17, below 18");
    assert_eq!((legacy.len(), legacy[0].octets), (1, body.len()));
    assert!(explain::parts(ContentCoding::Aesgcm128, u64::MAX, &body).len() == 1);
}

#[test]
fn key_steps_are_those_of_the_specification() {
    let receiver = receiver();
    let message = seal(&receiver, &EncryptOptions::default(), b"Hello").unwrap();

    let steps = explain::key_steps(&PROVIDER, &receiver, &message).unwrap();

    let names: Vec<_> = steps.iter().map(|step| (step.name, step.octets.len())).collect();
    assert_eq!(
        names,
        [
            ("ecdh_secret", 32),
            ("key_info", 144),
            ("prk_key", 32),
            ("ikm", 32),
            ("prk", 32),
            ("cek_info", 28),
            ("cek", 16),
            ("nonce_info", 24),
            ("nonce", 12)
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// AS-037: rs is over plaintext + delimiter + padding + tag, in every coding one record is not full.
    #[test]
    fn what_is_encrypted_opens_again(
        text in prop::collection::vec(any::<u8>(), 0..600),
        at in 0_usize..4,
        padding in 0_u16..300,
        rs in prop::option::of(18_u32..700),
    ) {
        let schedule = Schedule::ALL[at];
        let receiver = receiver_for(schedule);
        let options = EncryptOptions {
            padding: Padding::Random { at_most: padding }, record_size: rs, body_limit: 100_000,
            ..EncryptOptions::new(schedule)
        };
        let message = reread(&seal(&receiver, &options, &text).unwrap());
        let opened = decrypt(&PROVIDER, &receiver, &message).unwrap();
        prop_assert_eq!(&opened.plaintext, &text);
        prop_assert!(opened.padding <= usize::from(padding));
        if rs.is_none() {
            prop_assert_eq!(opened.records, 1);
            prop_assert!(opened.record_size > (text.len() + opened.padding + schedule.layout().overhead()) as u64);
        }
    }

    #[test]
    fn arbitrary_octets_and_fields_never_panic(
        body in prop::collection::vec(any::<u8>(), 0..200),
        encryption in ".{0,60}",
        keys in ".{0,60}",
    ) {
        let receiver = receiver();
        for coding in ContentCoding::ALL {
            let fields = HeaderFields { encryption: &[&encryption], crypto_key: &[&keys], encryption_key: &[&keys] };
            let _ = explain::parts(coding, 3, &body);
            if let Ok(message) = Encrypted::read(coding, &fields, body.clone()) {
                prop_assert!(decrypt(&PROVIDER, &receiver, &message).is_err());
            }
        }
    }

    #[test]
    fn fields_never_panic(line in "[a-z=;, \"\\\\]{0,40}") {
        if let Ok(entries) = fields::entries("Crypto-Key", &[&line]) {
            for entry in entries {
                prop_assert!(entry.parameters().next().is_some());
            }
        }
    }
}

#[test]
fn debug_shows_no_key_and_no_text() {
    let receiver = receiver();
    let message = seal(&receiver, &EncryptOptions::default(), b"canary").unwrap();
    let opened = decrypt(&PROVIDER, &receiver, &message).unwrap();

    let shown = format!("{message:?} {opened:?} {:?}", PublicKey::clone(message.sender_key()));

    assert!(!shown.contains("canary") && !shown.contains("99, 97"), "{shown}");
    assert!(!shown.contains(&message.sender_key().to_base64url()), "{shown}");
}

/// Padding of aesgcm128 has 255 octets per record at most, and a record that is not full ends the message.
#[test]
fn padding_that_no_record_can_hold_is_refused_and_all_other_opens() {
    let mut refused = 0;
    for schedule in Schedule::ALL {
        let receiver = receiver_for(*schedule);
        for record_size in [None, Some(100), Some(256), Some(300), Some(1000), Some(9000)] {
            for padding in [0, 99, 254, 255, 256, 511, 600] {
                for length in [0, 1, 44, 45, 700, 2000] {
                    let options = EncryptOptions {
                        padding: Padding::Exactly(padding),
                        record_size,
                        ..EncryptOptions::new(*schedule)
                    };
                    let text = vec![7; length];
                    let Ok(message) = seal(&receiver, &options, &text) else {
                        refused += 1;
                        continue;
                    };
                    let opened = decrypt(&PROVIDER, &receiver, &reread(&message)).unwrap();
                    assert_eq!((&opened.plaintext, opened.padding), (&text, usize::from(padding)));
                }
            }
        }
    }
    assert!(refused > 0);
}
