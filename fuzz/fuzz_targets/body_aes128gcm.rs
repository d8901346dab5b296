//! A body of aes128gcm: header block and records (RFC 8188 §2, RFC 8291 §4).
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use push_crypto::{ContentCoding, HeaderFields, UserAgentKeys};

mod receiver;

static KEYS: LazyLock<UserAgentKeys> = LazyLock::new(receiver::keys);

fuzz_target!(|body: &[u8]| {
    receiver::receive(&KEYS, ContentCoding::Aes128gcm, &HeaderFields::default(), body);
});
