//! A key in any form: what is read as a key is the same key in every form that is written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use push_crypto::{
    provider::rust_crypto,
    vapid::{ImportedKey, PemKind, import},
};

fuzz_target!(|octets: &[u8]| {
    let provider = &rust_crypto::PROVIDER;
    let read = |octets: &[u8]| import(provider, octets).expect("what is written can be read").0;
    match import(provider, octets) {
        Ok((ImportedKey::Private(key), _)) => {
            let same = ImportedKey::Private(key.clone());
            assert_eq!(read(key.to_pem(PemKind::Pkcs8).as_bytes()), same);
            assert_eq!(read(key.to_pem(PemKind::Sec1).as_bytes()), same);
            assert_eq!(read(key.to_jwk().as_bytes()), same);
            assert_eq!(read(&key.to_der()), same);
        }
        Ok((ImportedKey::Public(key), _)) => {
            let same = ImportedKey::Public(key);
            assert_eq!(read(key.to_pem().as_bytes()), same);
            assert_eq!(read(key.to_jwk().as_bytes()), same);
            assert_eq!(read(&key.to_der()), same);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
