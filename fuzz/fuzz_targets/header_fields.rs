//! `Encryption`, `Crypto-Key` and `Encryption-Key` in any number of lines.
#![no_main]

use libfuzzer_sys::fuzz_target;
use push_crypto::{ContentCoding, HeaderFields, coding::fields, danger};

fuzz_target!(|text: &str| {
    let lines: Vec<&str> = text.lines().collect();
    if let Ok(entries) = fields::entries("Crypto-Key", &lines) {
        for entry in &entries {
            assert!(entry.parameters().all(|(name, _)| !name.is_empty()));
        }
    }
    let (encryption, keys) = lines.split_at(lines.len().min(1));
    for coding in [ContentCoding::Aesgcm, ContentCoding::Aesgcm128] {
        for (crypto_key, encryption_key) in [(keys, &[][..]), (&[][..], keys)] {
            let fields = HeaderFields { encryption, crypto_key, encryption_key };
            if let Ok(read) = danger::read_fields(coding, &fields) {
                assert!(!read.salt.is_empty() && !read.dh.is_empty() && read.rs >= 2);
            }
        }
    }
});
