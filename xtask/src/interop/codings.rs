//! Bodies and header fields of every coding, against every library that knows it.

use std::num::NonZeroU16;

use push_crypto::{
    ContentCoding, EncryptJob, EncryptOptions, Encrypted, HeaderFields, Padding, Schedule, UserAgentKeys,
    base64url,
    provider::{CryptoProvider, aws_lc_rs, rust_crypto},
};
use serde_json::{Value, json};

use super::{Cases, Peers, Place};
use crate::failure::{Context, Failure};

const PROVIDERS: [&CryptoProvider; 2] = [&rust_crypto::PROVIDER, &aws_lc_rs::PROVIDER];

/// One library: what it can and where its own habits end.
struct Library {
    name: &'static str,
    place: Place,
    schedules: &'static [Schedule],
    /// Name of its operation that encrypts; all take the same members.
    encrypt: &'static str,
    /// Whether it opens messages too.
    decrypts: bool,
    /// Reads and writes more than one record.
    records: bool,
    /// Takes an empty text in these codings.
    empty: &'static [Schedule],
    /// Most octets of text it encrypts.
    longest: usize,
    /// Puts one octet too many in front of the text (see [`LIBRARIES`]).
    second_pad_octet: bool,
}

const PLAIN: Library = Library {
    name: "",
    place: Place::Node,
    schedules: &[],
    encrypt: "encrypt",
    decrypts: true,
    records: true,
    empty: &[],
    longest: 3993,
    second_pad_octet: false,
};

/// aesgcm128 with context has one foreign implementation only, npm http_ece 0.4.1 to 0.4.3, and that one writes and
/// expects two octets of padding length where the draft has one. With a zero octet in front of the text both sides
/// agree again, which is enough to compare the keys.
const LIBRARIES: &[Library] = &[
    Library {
        name: "npm http_ece 1.2.1",
        schedules: &[Schedule::Aes128gcm, Schedule::Aesgcm],
        empty: &[Schedule::Aes128gcm, Schedule::Aesgcm],
        ..PLAIN
    },
    Library {
        name: "npm http_ece 0.7.2",
        schedules: &[Schedule::Aes128gcm, Schedule::Aesgcm, Schedule::Aesgcm128Bare],
        empty: &[Schedule::Aes128gcm, Schedule::Aesgcm, Schedule::Aesgcm128Bare],
        ..PLAIN
    },
    Library {
        name: "npm http_ece 0.4.3",
        schedules: &[Schedule::Aesgcm128Bare],
        empty: &[Schedule::Aesgcm128Bare],
        ..PLAIN
    },
    Library {
        name: "npm http_ece 0.4.3",
        schedules: &[Schedule::Aesgcm128AuthContext],
        records: false,
        second_pad_octet: true,
        ..PLAIN
    },
    Library {
        name: "npm web-push 3.6.7",
        schedules: &[Schedule::Aes128gcm, Schedule::Aesgcm],
        encrypt: "web-push-build",
        decrypts: false,
        ..PLAIN
    },
    Library {
        name: "PyPI http_ece 1.2.1",
        place: Place::Python,
        schedules: &[Schedule::Aes128gcm, Schedule::Aesgcm, Schedule::Aesgcm128Bare],
        empty: &[Schedule::Aesgcm, Schedule::Aesgcm128Bare],
        ..PLAIN
    },
    Library {
        name: "PyPI pywebpush 2.5.0",
        place: Place::Python,
        schedules: &[Schedule::Aes128gcm, Schedule::Aesgcm],
        encrypt: "encode",
        decrypts: false,
        ..PLAIN
    },
    // Refuses empty text, writes several records only by accident of its limit.
    Library {
        name: "crate ece 2.4.2",
        place: Place::Rust,
        schedules: &[Schedule::Aes128gcm, Schedule::Aesgcm],
        records: false,
        longest: 3000,
        ..PLAIN
    },
    Library {
        name: "crate web-push 0.11.0",
        place: Place::Rust,
        schedules: &[Schedule::Aes128gcm, Schedule::Aesgcm],
        encrypt: "web-push-build",
        decrypts: false,
        longest: 3052,
        ..PLAIN
    },
];

/// Every library, every coding it knows, both directions.
pub(super) fn run(peers: &mut Peers, cases: &mut Cases) {
    for library in LIBRARIES {
        for schedule in library.schedules {
            let Library { name, decrypts, .. } = library;
            if *decrypts {
                cases.case(&format!("{name} opens our {schedule}"), || they_open(peers, library, *schedule));
            }
            cases.case(&format!("we open {schedule} of {name}"), || we_open(peers, library, *schedule));
        }
    }
}

/// A text and how it is packed.
struct Sample {
    text: Vec<u8>,
    options: EncryptOptions,
}

fn samples(library: &Library, schedule: Schedule) -> Vec<Sample> {
    let plain = EncryptOptions::new(schedule);
    let mut found = Vec::new();
    for octets in [1, 2, 100, 1024, 2800, library.longest.min(schedule.plaintext_limit(4096))] {
        found.push(Sample { text: text(octets), options: plain });
    }
    if library.empty.contains(&schedule) {
        found.push(Sample { text: Vec::new(), options: plain });
    }
    let multiple = NonZeroU16::new(128).unwrap_or(NonZeroU16::MIN);
    for padding in [Padding::Exactly(37), Padding::ToMultiple(multiple), Padding::Maximum] {
        found.push(Sample { text: text(300), options: EncryptOptions { padding, ..plain } });
    }
    if library.records {
        // 40 and 100 octets of text in records of 50 and 100: borders fall inside and at the end
        for (octets, record_size) in [(40, 50), (83, 100), (98, 100), (1000, 100), (3000, 1000)] {
            let options = EncryptOptions { record_size: Some(record_size), ..plain };
            found.push(Sample { text: text(octets), options });
        }
    }
    found
}

/// Recognisable octets of every value.
fn text(octets: usize) -> Vec<u8> {
    (0..octets).map(|at| (at * 7 + octets).to_le_bytes().first().copied().unwrap_or(0)).collect()
}

fn they_open(peers: &mut Peers, library: &Library, schedule: Schedule) -> Result<String, Failure> {
    let mut count = 0_usize;
    for provider in PROVIDERS {
        let receiver = UserAgentKeys::generate(provider).context("keys")?;
        for sample in samples(library, schedule) {
            let mut plaintext = sample.text.clone();
            let mut options = sample.options;
            if library.second_pad_octet {
                if options.padding != Padding::None {
                    continue;
                }
                plaintext.insert(0, 0);
                options.body_limit += 1;
            }
            let keys = receiver.subscription_keys();
            let job = EncryptJob { keys: &keys, plaintext: &plaintext };
            let message = push_crypto::encrypt(provider, &options, job).context("we encrypt")?;
            let answer = peers.get(library.place).ask(&decryption(library, schedule, &receiver, &message))?;
            let opened = octets(&answer, "text")?;
            if opened != sample.text {
                let (seen, sent) = (opened.len(), sample.text.len());
                return Err(Failure::new(format!(
                    "{sent} octets became {seen} other ones ({})",
                    provider.name
                )));
            }
            count += 1;
        }
    }
    Ok(format!("{count} messages"))
}

fn decryption(library: &Library, schedule: Schedule, receiver: &UserAgentKeys, message: &Encrypted) -> Value {
    let mut request = json!({
        "op": "decrypt",
        "name": package(library),
        "coding": schedule.coding().as_str(),
        "private": base64url::encode(receiver.private().expose()),
        "public": receiver.public().to_base64url(),
        "auth": receiver.auth().map(|auth| base64url::encode(auth.expose())),
        "body": base64url::encode(message.body()),
    });
    if schedule == Schedule::Aesgcm128Bare {
        request["schedule"] = json!("bare");
    }
    if schedule != Schedule::Aes128gcm {
        request["dh"] = json!(message.sender_key().to_base64url());
        request["salt"] = json!(base64url::encode(message.salt()));
        request["rs"] = json!(message.record_size());
    }
    request
}

/// The name by which the Node.js side chooses among versions.
fn package(library: &Library) -> &str {
    library.name.split_once(' ').map_or(library.name, |(_, rest)| rest)
}

fn we_open(peers: &mut Peers, library: &Library, schedule: Schedule) -> Result<String, Failure> {
    let mut count = 0_usize;
    for provider in PROVIDERS {
        let receiver = UserAgentKeys::generate(provider).context("keys")?;
        for sample in samples(library, schedule) {
            if sample.options.padding != Padding::None {
                continue;
            }
            if sample.options.record_size.is_some() && library.encrypt != "encrypt" {
                continue;
            }
            let answer = peers.get(library.place).ask(&encryption(library, schedule, &receiver, &sample))?;
            let message = read(schedule, &answer)?;
            let opened = push_crypto::decrypt(provider, &receiver, &message).context("we decrypt")?;
            let expected = if library.second_pad_octet {
                [&[0], sample.text.as_slice()].concat()
            } else {
                sample.text.clone()
            };
            if opened.plaintext != expected {
                let (seen, sent) = (opened.plaintext.len(), expected.len());
                return Err(Failure::new(format!(
                    "{sent} octets became {seen} other ones ({})",
                    provider.name
                )));
            }
            count += 1;
        }
    }
    Ok(format!("{count} messages"))
}

fn encryption(library: &Library, schedule: Schedule, receiver: &UserAgentKeys, sample: &Sample) -> Value {
    let mut request = json!({
        "op": library.encrypt,
        "name": package(library),
        "coding": schedule.coding().as_str(),
        "endpoint": "https://push.example.net/p/0",
        "ttl": 60,
        "public": receiver.public().to_base64url(),
        "auth": receiver.auth().map(|auth| base64url::encode(auth.expose())),
        "text": base64url::encode(&sample.text),
    });
    if schedule == Schedule::Aesgcm128Bare {
        request["schedule"] = json!("bare");
    }
    if let Some(record_size) = sample.options.record_size {
        request["rs"] = json!(record_size);
    }
    request
}

/// The answer as header fields and body, read the way a received request is.
fn read(schedule: Schedule, answer: &Value) -> Result<Encrypted, Failure> {
    let mut lines = Lines::default();
    for header in answer["headers"].as_array().into_iter().flatten() {
        let part = |at| header.get(at).and_then(Value::as_str).unwrap_or_default();
        lines.add(part(0), part(1).to_owned());
    }
    if let (Some(dh), Some(salt)) = (answer["dh"].as_str(), answer["salt"].as_str()) {
        let field = if schedule == Schedule::Aesgcm128Bare { "encryption-key" } else { "crypto-key" };
        let rs = answer["rs"].as_u64().map(|rs| format!(";rs={rs}")).unwrap_or_default();
        lines.add("encryption", format!("salt={salt}{rs}"));
        lines.add(field, format!("dh={dh}"));
    }
    let [encryption, crypto_key, encryption_key] =
        [&lines.encryption, &lines.crypto_key, &lines.encryption_key]
            .map(|lines| lines.iter().map(String::as_str).collect::<Vec<_>>());
    let fields =
        HeaderFields { encryption: &encryption, crypto_key: &crypto_key, encryption_key: &encryption_key };
    let coding: ContentCoding = schedule.coding();
    Encrypted::read(coding, &fields, octets(answer, "body")?).context("we read what they wrote")
}

#[derive(Default)]
struct Lines {
    encryption: Vec<String>,
    crypto_key: Vec<String>,
    encryption_key: Vec<String>,
}

impl Lines {
    fn add(&mut self, name: &str, value: String) {
        match name.to_ascii_lowercase().as_str() {
            "encryption" => self.encryption.push(value),
            "crypto-key" => self.crypto_key.push(value),
            "encryption-key" => self.encryption_key.push(value),
            _ => {}
        }
    }
}

fn octets(answer: &Value, member: &str) -> Result<Vec<u8>, Failure> {
    let text = answer[member].as_str().ok_or_else(|| Failure::new(format!("no {member} in {answer}")))?;
    base64url::decode(text).context(member)
}
