//! Foreign implementations of Web Push behind one line protocol: one JSON request per line on standard
//! input, one JSON answer per line on standard output. What the answers mean is judged by `cargo xtask`.
//!
//! Octets travel as base64url without padding. An answer is `{"ok":…}` or `{"error":"…"}`.

mod timing;

use std::io::{BufRead, Write, stdin, stdout};

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use web_push::{
    ContentEncoding, SubscriptionInfo, VapidSignatureBuilder, WebPushMessageBuilder, request_builder,
};

type Failure = Box<dyn std::error::Error>;

/// What can be asked.
#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
enum Request {
    /// Encrypt with crate `ece`.
    Encrypt { coding: String, public: String, auth: String, text: String },
    /// Decrypt with crate `ece`; `dh`, `salt` and `rs` belong to aesgcm only.
    Decrypt {
        coding: String,
        private: String,
        public: String,
        auth: String,
        body: String,
        dh: Option<String>,
        salt: Option<String>,
        rs: Option<u32>,
    },
    /// Build a whole request with crate `web-push`.
    WebPushBuild(Job),
    /// Time `count` messages of crate `ece`, aes128gcm.
    TimeEce { public: String, auth: String, text: String, count: u32 },
    /// Time `count` messages of crate `web-push`, each with a token of its own or with one for all.
    TimeWebPush {
        #[serde(flatten)]
        job: Job,
        count: u32,
        token_per_message: bool,
    },
    /// Time `count` messages of crate `web-push-native`, a token each, which is all it can do.
    TimeWebPushNative {
        #[serde(flatten)]
        job: Job,
        count: u32,
    },
    /// Send `count` messages with crate `web-push` over hyper, one token for all, so many at once.
    SendWebPush {
        #[serde(flatten)]
        job: Job,
        count: u32,
        at_once: usize,
    },
}

/// One message for crate `web-push`.
#[derive(Clone, Deserialize)]
struct Job {
    endpoint: String,
    public: String,
    auth: String,
    text: String,
    coding: String,
    /// Private VAPID key, 32 octets.
    vapid: Option<String>,
    subject: Option<String>,
    ttl: u32,
}

/// A request as crate `web-push` would send it.
#[derive(Serialize)]
struct Built {
    headers: Vec<(String, String)>,
    body: String,
}

fn main() -> Result<(), Failure> {
    let mut output = stdout().lock();
    for line in stdin().lock().lines() {
        let answer = match serde_json::from_str(&line?).map_err(Failure::from).and_then(answer) {
            Ok(value) => json!({ "ok": value }),
            Err(error) => json!({ "error": error.to_string() }),
        };
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}

fn answer(request: Request) -> Result<Value, Failure> {
    match request {
        Request::Encrypt { coding, public, auth, text } => {
            ece_encrypt(&coding, &octets(&public)?, &octets(&auth)?, &octets(&text)?)
        }
        Request::Decrypt { coding, private, public, auth, body, dh, salt, rs } => {
            let keys = ece::EcKeyComponents::new(octets(&private)?, octets(&public)?);
            let auth = octets(&auth)?;
            let text = match coding.as_str() {
                "aes128gcm" => ece::decrypt(&keys, &auth, &octets(&body)?)?,
                "aesgcm" => {
                    let (Some(dh), Some(salt)) = (dh, salt) else {
                        return Err("dh and salt are needed".into());
                    };
                    let block = ece::legacy::AesGcmEncryptedBlock::new(
                        &octets(&dh)?,
                        &octets(&salt)?,
                        rs.unwrap_or(4096),
                        octets(&body)?,
                    )?;
                    ece::legacy::decrypt_aesgcm(&keys, &auth, &block)?
                }
                other => return Err(format!("crate ece does not know {other}").into()),
            };
            Ok(json!({ "text": text_of(&text) }))
        }
        Request::WebPushBuild(job) => Ok(serde_json::to_value(build(&job)?)?),
        Request::TimeEce { public, auth, text, count } => {
            timing::ece(&octets(&public)?, &octets(&auth)?, &octets(&text)?, count)
        }
        Request::TimeWebPush { job, count, token_per_message } => {
            timing::web_push(&job, count, token_per_message)
        }
        Request::TimeWebPushNative { job, count } => timing::web_push_native(&job, count),
        Request::SendWebPush { job, count, at_once } => timing::send_web_push(&job, count, at_once),
    }
}

fn ece_encrypt(coding: &str, public: &[u8], auth: &[u8], text: &[u8]) -> Result<Value, Failure> {
    match coding {
        "aes128gcm" => Ok(json!({ "headers": [], "body": text_of(&ece::encrypt(public, auth, text)?) })),
        "aesgcm" => {
            let block = ece::legacy::encrypt_aesgcm(public, auth, text)?;
            let headers = block.headers(None);
            Ok(json!({ "headers": headers, "body": block.body() }))
        }
        other => Err(format!("crate ece does not know {other}").into()),
    }
}

fn build(job: &Job) -> Result<Built, Failure> {
    let text = octets(&job.text)?;
    let subscription = SubscriptionInfo::new(&job.endpoint, &job.public, &job.auth);
    let mut builder = WebPushMessageBuilder::new(&subscription);
    builder.set_ttl(job.ttl);
    builder.set_payload(coding_of(&job.coding)?, &text);
    if let Some(key) = &job.vapid {
        let mut signature = VapidSignatureBuilder::from_base64(key, &subscription)?;
        if let Some(subject) = &job.subject {
            signature.add_claim("sub", subject.clone());
        }
        builder.set_vapid_signature(signature.build()?);
    }
    let request = request_builder::build_request::<Vec<u8>>(builder.build()?);
    let mut headers = Vec::new();
    for (name, value) in request.headers() {
        headers.push((name.as_str().to_owned(), value.to_str()?.to_owned()));
    }
    Ok(Built { headers, body: text_of(request.body()) })
}

fn coding_of(name: &str) -> Result<ContentEncoding, Failure> {
    match name {
        "aes128gcm" => Ok(ContentEncoding::Aes128Gcm),
        "aesgcm" => Ok(ContentEncoding::AesGcm),
        other => Err(format!("crate web-push does not know {other}").into()),
    }
}

fn octets(text: &str) -> Result<Vec<u8>, Failure> {
    Base64UrlUnpadded::decode_vec(text).map_err(|error| format!("not base64url: {error}").into())
}

fn text_of(octets: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(octets)
}
