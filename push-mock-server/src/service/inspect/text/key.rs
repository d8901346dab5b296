//! A public or private key in any form.

use push_crypto::{
    provider::rust_crypto,
    vapid::{ImportedKey, import},
};

use super::{Explained, Kind, Mark, Part};

pub(super) fn explain(input: &[u8]) -> Explained {
    let (title, parts) = match import(&rust_crypto::PROVIDER, input) {
        Ok((key, format)) => {
            let public = key.public().to_base64url();
            let (title, secret) = match key {
                ImportedKey::Private(_) => ("Private key, P-256", true),
                ImportedKey::Public(_) => ("Public key, P-256", false),
            };
            let mut parts = vec![part("format", format.to_string(), Mark::Ok, "")];
            if secret {
                parts.push(part(
                    "private",
                    "32 octets, not shown".to_owned(),
                    Mark::Ok,
                    "whoever has it can send in your name",
                ));
            }
            parts.push(part("public", public, Mark::Ok, "65 octets: k, p256ecdsa and applicationServerKey"));
            (title, parts)
        }
        Err(error) => ("Key", vec![part("key", "not usable".to_owned(), Mark::Error, &error.to_string())]),
    };
    Explained { kind: Kind::Key, title: title.to_owned(), parts, findings: Vec::new() }
}

fn part(name: &str, value: String, mark: Mark, note: &str) -> Part {
    Part { name: name.to_owned(), value, mark, code: None, note: note.to_owned() }
}
