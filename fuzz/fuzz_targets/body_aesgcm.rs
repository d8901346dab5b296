//! A message of aesgcm: three lines of header fields (Encryption, Crypto-Key, Encryption-Key), then the body.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use push_crypto::{ContentCoding, HeaderFields, UserAgentKeys};

mod receiver;

static KEYS: LazyLock<UserAgentKeys> = LazyLock::new(receiver::keys);

fuzz_target!(|message: &[u8]| {
    let mut parts = message.splitn(4, |octet| *octet == b'\n');
    let mut line = || parts.next().and_then(|line| str::from_utf8(line).ok()).unwrap_or_default();
    let (encryption, crypto_key, encryption_key) = ([line()], [line()], [line()]);
    let fields =
        HeaderFields { encryption: &encryption, crypto_key: &crypto_key, encryption_key: &encryption_key };
    receiver::receive(&KEYS, ContentCoding::Aesgcm, &fields, parts.next().unwrap_or_default());
});
