//! `push decrypt`: captured octets and keys to plaintext; with `--steps` every value on the way.

use clap::Args;
use push_crypto::{
    AuthSecret, ContentCoding, DecryptError, Decrypted, Encrypted, HeaderFields, PrivateKey, ReadError,
    UserAgentKeys, base64url,
    coding::{explain, fields::DEFAULT_RECORD_SIZE},
};
use serde_json::{Value, json};

use crate::{
    commands::keys::PROVIDER,
    diagnostic::{Diagnostic, Result},
    input,
    output::{BOLD, Output, styled},
    text,
};

/// Decrypt a captured body with the keys of its subscription.
///
/// KEYS is JSON with privateKey and auth, a JWK with auth, or what
/// push sub new --secrets prints.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  push decrypt --sub keys.json body.bin
  push decrypt --sub keys.json body.bin --steps --coding aesgcm \\
    --encryption 'salt=DGv6ra1nlYgDCS1FRnbzlw' --crypto-key 'dh=BP4z9Ks…'")]
pub(crate) struct DecryptArgs {
    /// File with the keys, or - for stdin
    #[arg(long, value_name = "KEYS")]
    sub: String,
    /// File with the body, or - for stdin
    #[arg(default_value = "-")]
    body: String,
    /// aes128gcm, aesgcm or aesgcm128
    #[arg(long, value_name = "C", default_value = "aes128gcm", value_parser = parse_coding)]
    coding: ContentCoding,
    /// Value of the Encryption field
    #[arg(long, value_name = "H")]
    encryption: Vec<String>,
    /// Value of the Crypto-Key field
    #[arg(long, value_name = "H")]
    crypto_key: Vec<String>,
    /// Value of the Encryption-Key field
    #[arg(long, value_name = "H")]
    encryption_key: Vec<String>,
    /// The body is base64url text
    #[arg(long)]
    base64: bool,
    /// The plaintext's octets and nothing else
    #[arg(long)]
    raw: bool,
    /// Print every derived value; they are as secret as the keys
    #[arg(long)]
    steps: bool,
}

fn parse_coding(text: &str) -> std::result::Result<ContentCoding, String> {
    text.parse().map_err(|_| "known are aes128gcm, aesgcm and aesgcm128".to_owned())
}

/// Runs the command.
pub(crate) fn run(args: &DecryptArgs, out: Output) -> Result<()> {
    if args.sub == "-" && args.body == "-" {
        return Err(
            Diagnostic::usage("keys and body cannot both come from stdin").fix("name a file for one of them")
        );
    }
    let keys = read_keys(&input::read_text(&args.sub)?)?;
    let mut body = input::read(&args.body)?;
    if args.base64 {
        body = from_base64(&body)?;
    }
    let (encryption, crypto_key, encryption_key) =
        (refs(&args.encryption), refs(&args.crypto_key), refs(&args.encryption_key));
    let fields =
        HeaderFields { encryption: &encryption, crypto_key: &crypto_key, encryption_key: &encryption_key };
    let message =
        Encrypted::read(args.coding, &fields, body.clone()).map_err(|error| unread(args, &body, &error))?;
    if args.steps && !out.is_json() {
        steps(&keys, &message, out)?;
    }
    let opened =
        push_crypto::decrypt(PROVIDER, &keys, &message).map_err(|error| unopened(&keys, &message, error))?;
    show(args, (&keys, &message), &opened, out)
}

fn refs(values: &[String]) -> Vec<&str> {
    values.iter().map(String::as_str).collect()
}

fn from_base64(body: &[u8]) -> Result<Vec<u8>> {
    let text = String::from_utf8_lossy(body);
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    base64url::decode_tolerant(&text).map(|read| read.octets).map_err(|error| {
        Diagnostic::input("body/base64-text", "the body is not base64").why(error.to_string())
    })
}

/// The keys of the receiver: `{"privateKey","auth"}`, a JWK with `auth`, or a subscription with `privateKey`.
fn read_keys(text: &str) -> Result<UserAgentKeys> {
    let wrong = |why: String| {
        Diagnostic::input("decrypt/keys", "these are no keys to decrypt with")
            .why(why)
            .fix("give {\"privateKey\":…,\"auth\":…}; push sub show LABEL --secrets --json has both")
    };
    let value: Value =
        serde_json::from_str(text.trim()).map_err(|error| wrong(format!("not JSON: {error}")))?;
    let inner = value.get("subscription").unwrap_or(&Value::Null);
    let find = |names: &[&str]| {
        [&value, inner].into_iter().find_map(|object| {
            names.iter().find_map(|name| object.pointer(name).and_then(Value::as_str).map(str::to_owned))
        })
    };
    let private = find(&["/privateKey", "/d"])
        .ok_or_else(|| wrong("there is no privateKey (or d of a JWK)".to_owned()))?;
    let octets =
        base64url::decode_tolerant(&private).map_err(|error| wrong(format!("privateKey: {error}")))?.octets;
    let private = PrivateKey::from_octets(&octets).map_err(|error| wrong(error.to_string()))?;
    let auth = match find(&["/auth", "/keys/auth"]) {
        None => None,
        Some(auth) => {
            let octets =
                base64url::decode_tolerant(&auth).map_err(|error| wrong(format!("auth: {error}")))?.octets;
            Some(AuthSecret::from_octets(&octets).map_err(|error| wrong(error.to_string()))?)
        }
    };
    UserAgentKeys::new(PROVIDER, private, auth).map_err(|error| wrong(error.to_string()))
}

/// The body could not even be tried: says which part looked sane and which not.
fn unread(args: &DecryptArgs, body: &[u8], error: &ReadError) -> Diagnostic {
    let mut diagnostic =
        Diagnostic::input(error.code(), format!("this is no {} message", args.coding)).why(error.to_string());
    for part in explain::parts(args.coding, DEFAULT_RECORD_SIZE, body) {
        diagnostic = diagnostic.detail(part_line(&part));
    }
    if args.coding == ContentCoding::Aes128gcm && body.is_ascii() && !body.is_empty() {
        diagnostic = diagnostic.fix("the body is ASCII text: if it is base64url, add --base64");
    }
    diagnostic.see(format!("push help {}", error.code()))
}

fn part_line(part: &explain::Part) -> String {
    format!("{:<8}{:>5} octets at {:<5} {}", part.name, part.octets, part.at, part.meaning)
}

/// The tag or the padding is wrong: says what looked sane.
fn unopened(keys: &UserAgentKeys, message: &Encrypted, error: DecryptError) -> Diagnostic {
    let mut diagnostic = Diagnostic::input(error.code(), "the message does not open with these keys")
        .why(error.to_string())
        .detail(format!("salt        16 octets, {}", base64url::encode(message.salt())))
        .detail(format!("rs          {}", message.record_size()))
        .detail("sender key  65 octets, a point of P-256")
        .detail(format!("our key     {}", keys.public().to_base64url()));
    if message.sender_key() == keys.public() {
        diagnostic =
            diagnostic.fix("the sender's key is the receiver's own: sender and receiver were exchanged");
    } else {
        diagnostic =
            diagnostic.fix("check that p256dh of the subscription is the key above, and auth its own");
    }
    diagnostic.see(format!("push help {}", error.code()))
}

fn show(
    args: &DecryptArgs,
    message: (&UserAgentKeys, &Encrypted),
    opened: &Decrypted,
    out: Output,
) -> Result<()> {
    if args.raw {
        return out.octets(&opened.plaintext);
    }
    let text = std::str::from_utf8(&opened.plaintext).ok();
    let json: Option<Value> =
        text.and_then(|text| serde_json::from_str(text).ok()).filter(|value: &Value| !value.is_number());
    let kind = if json.is_some() {
        "json"
    } else if text.is_some() {
        "text"
    } else {
        "bytes"
    };
    if out.is_json() {
        let mut object = json!({
            "kind": kind, "text": text, "json": json, "padding": opened.padding, "records": opened.records,
            "rs": opened.record_size, "salt": base64url::encode(&opened.salt),
            "senderKey": opened.sender_key.to_base64url(),
        });
        if let Some(members) = object.as_object_mut() {
            if text.is_none() {
                members.insert("base64".into(), base64url::encode(&opened.plaintext).into());
            }
            if args.steps {
                members.insert("steps".into(), steps_json(message.0, message.1)?);
            }
        }
        return out.object(object);
    }
    match text {
        Some(text) if out.is_terminal() => out.line(text::escape_block(text))?,
        Some(text) => out.line(text)?,
        None if out.is_terminal() => {
            return Err(Diagnostic::usage("the plaintext is not text, so it is not sent to a terminal")
                .fix("push decrypt … --raw > FILE"));
        }
        None => out.octets(&opened.plaintext)?,
    }
    let records = text::count(opened.records, "record");
    out.note(format!(
        "{}, {kind}; {} in {records}, rs {}, {} octets of padding",
        text::count(opened.plaintext.len(), "octet"),
        message.1.coding(),
        opened.record_size,
        opened.padding
    ));
    Ok(())
}

fn steps(keys: &UserAgentKeys, message: &Encrypted, out: Output) -> Result<()> {
    let schedule = message.schedule();
    out.line(styled(BOLD, &format!("{}: {}", message.coding(), schedule.describe())))?;
    for part in explain::parts(message.coding(), message.record_size(), message.body()) {
        out.line(format!("  {}", part_line(&part)))?;
    }
    for (name, value) in given(keys, message) {
        out.line(format!("  {name:<12} {value}"))?;
    }
    for step in derived(keys, message)? {
        out.line(format!(
            "  {:<12} {:>3} octets  {}",
            step.name,
            step.octets.len(),
            base64url::encode(&step.octets)
        ))?;
    }
    Ok(())
}

fn given(keys: &UserAgentKeys, message: &Encrypted) -> Vec<(&'static str, String)> {
    let mut given = vec![
        ("ua_public", keys.public().to_base64url()),
        ("as_public", message.sender_key().to_base64url()),
        ("salt", base64url::encode(message.salt())),
    ];
    if let Some(auth) = keys.auth() {
        given.push(("auth_secret", base64url::encode(auth.expose())));
    }
    given
}

fn derived(keys: &UserAgentKeys, message: &Encrypted) -> Result<Vec<explain::KeyStep>> {
    explain::key_steps(PROVIDER, keys, message).map_err(|error| {
        Diagnostic::new(crate::exit_code::ExitCode::UNEXPECTED, "provider", "the keys could not be derived")
            .why(error.to_string())
    })
}

fn steps_json(keys: &UserAgentKeys, message: &Encrypted) -> Result<Value> {
    let mut object = serde_json::Map::new();
    for (name, value) in given(keys, message) {
        object.insert(name.to_owned(), value.into());
    }
    for step in derived(keys, message)? {
        object.insert(step.name.to_owned(), base64url::encode(&step.octets).into());
    }
    Ok(Value::Object(object))
}
