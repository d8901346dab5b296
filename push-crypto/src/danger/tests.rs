//! What no sender writes must not bring the crate down either.

use alloc::vec;

use super::*;
use crate::{DecryptError, UserAgentKeys, decrypt, provider::rust_crypto::PROVIDER};

const RECORD_SIZES: [u64; 9] = [0, 1, 2, 15, 16, 17, 18, u32::MAX as u64 + 1, u64::MAX];

#[test]
fn record_sizes_of_any_value_never_panic() {
    let receiver = UserAgentKeys::generate(&PROVIDER).unwrap();
    for schedule in Schedule::ALL {
        for rs in RECORD_SIZES {
            for octets in [0, 1, 16, 17, 18, 40, 200] {
                let message = from_parts(*schedule, [0; 16], rs, *receiver.public(), vec![0; octets]);
                assert!(decrypt(&PROVIDER, &receiver, &message).is_err(), "{schedule} {rs} {octets}");
            }
        }
    }
    for rs in RECORD_SIZES {
        let paper = PaperSchedule::Aes128gcmExplicit { keyid: b"" };
        assert!(open_on_paper(paper, &[1; 16], [0; 16], rs, &[0; 40]).is_err(), "{rs}");
    }
}

#[test]
fn what_the_coding_cannot_say_is_refused() {
    let sender = PrivateKey::from_octets(&[1; 32]).unwrap();
    let receiver = UserAgentKeys::generate(&PROVIDER).unwrap();
    let keys = receiver.subscription_keys();
    let encrypt = |schedule, rs, padding| {
        let chosen = Chosen { sender: &sender, salt: [0; 16], rs, padding };
        let job = EncryptJob { keys: &keys, plaintext: b"x" };
        let message = encrypt(&PROVIDER, schedule, job, &chosen)?;
        Ok(decrypt(&PROVIDER, &receiver, &message).map(|opened| opened.padding))
    };
    let most = u64::from(u32::MAX);

    assert_eq!(encrypt(Schedule::Aes128gcm, most, 3), Ok(Ok(3)));
    for rs in [0, 17, most + 1, u64::MAX] {
        assert_eq!(
            encrypt(Schedule::Aes128gcm, rs, 0),
            Err(EncryptError::RecordSize { rs, least: 18, most })
        );
    }
    assert!(matches!(
        encrypt(Schedule::Aes128gcm, 4096, usize::MAX),
        Err(EncryptError::PaddingTooLong { .. })
    ));
}

#[test]
#[cfg(feature = "legacy")]
fn padding_that_cannot_be_spread_is_refused() {
    let sender = PrivateKey::from_octets(&[1; 32]).unwrap();
    let receiver = UserAgentKeys::generate(&PROVIDER).unwrap();
    let chosen = Chosen { sender: &sender, salt: [0; 16], rs: 4096, padding: 256 };
    let job = EncryptJob { keys: &receiver.subscription_keys(), plaintext: b"x" };

    let result = encrypt(&PROVIDER, Schedule::Aesgcm128AuthContext, job, &chosen);

    assert_eq!(result.err(), Some(EncryptError::PaddingTooLong { octets: 1, padding: 256, most: 255 }));
    let paper = PaperSchedule::BareExplicit;
    assert!(seal_on_paper(paper, &[1; 16], [0; 16], 4096, 256, b"x").is_err());
}

#[test]
fn a_shared_secret_needs_its_authentication_secret() {
    let receiver = UserAgentKeys::generate(&PROVIDER).unwrap();
    let message = from_parts(Schedule::Aes128gcm, [0; 16], 4096, *receiver.public(), vec![0; 120]);

    let result = decrypt_with_shared_secret(receiver.public(), None, &SharedSecret::new([1; 32]), &message);

    assert_eq!(result, Err(DecryptError::NoAuth));
}
