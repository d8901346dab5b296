//! `push encrypt`: subscription and payload to body and header fields; nothing is sent.

use std::num::NonZeroU16;

use clap::Args;
use push_crypto::{
    AuthSecret, ContentCoding, EncryptError, EncryptJob, EncryptOptions, Encrypted, Padding, PublicKey,
    Schedule, Subscription, SubscriptionError, SubscriptionKeys,
};
use serde_json::{Map, Value, json};

use crate::{
    commands::keys::PROVIDER,
    diagnostic::{Diagnostic, Result},
    exit_code::ExitCode,
    input,
    output::Output,
    text,
};

/// Encrypt a payload for a subscription: the body to stdout, header fields to
/// stderr. Nothing is sent.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  push encrypt --sub alice.json \"Hello\" > body.bin
  push encrypt --sub alice.json --data @news.json --coding aesgcm --json")]
pub(crate) struct EncryptArgs {
    /// File with the subscription's JSON, or - for stdin
    #[arg(long, value_name = "FILE")]
    sub: String,
    /// The payload as text
    payload: Option<String>,
    /// The payload from @FILE, or - for stdin
    #[arg(long, value_name = "@FILE|-", conflicts_with = "payload")]
    data: Option<String>,
    #[command(flatten)]
    form: FormArgs,
    /// Record size
    #[arg(long, value_name = "N")]
    rs: Option<u32>,
}

/// How a payload is packed.
#[derive(Args, Clone, Debug)]
pub(crate) struct FormArgs {
    /// aes128gcm, aesgcm, aesgcm128, aesgcm128:bare
    #[arg(long, value_name = "C", default_value = "aes128gcm", value_parser = parse_coding)]
    pub(crate) coding: Coding,
    /// Octets of padding; max: as many as fit
    #[arg(long, value_name = "N|max", value_parser = parse_padding)]
    pub(crate) pad: Option<Padding>,
}

/// A coding as it is named on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// The schedule which suits the keys.
    Named(ContentCoding),
    /// aesgcm128 without authentication secret.
    Bare,
}

fn parse_coding(text: &str) -> std::result::Result<Coding, String> {
    if text.eq_ignore_ascii_case("aesgcm128:bare") {
        return Ok(Coding::Bare);
    }
    text.parse()
        .map(Coding::Named)
        .map_err(|_| "known are aes128gcm, aesgcm, aesgcm128 and aesgcm128:bare".to_owned())
}

fn parse_padding(text: &str) -> std::result::Result<Padding, String> {
    match text {
        "max" => Ok(Padding::Maximum),
        "0" => Ok(Padding::None),
        _ => match text.strip_prefix("multiple:") {
            None => text.parse().map(Padding::Exactly).map_err(|_| "a number of octets, or max".to_owned()),
            Some(rest) => {
                rest.parse::<NonZeroU16>().map(Padding::ToMultiple).map_err(|_| "multiple:N".to_owned())
            }
        },
    }
}

impl FormArgs {
    /// The schedule for these keys.
    pub(crate) fn schedule(&self, keys: &SubscriptionKeys) -> Result<Schedule> {
        match self.coding {
            Coding::Bare => Ok(Schedule::Aesgcm128Bare),
            Coding::Named(coding) => Schedule::for_keys(coding, keys).map_err(|error| {
                Diagnostic::input("coding/not-supported", "the coding does not suit this subscription")
                    .why(error.to_string())
                    .fix("take a coding that works without authentication secret: --coding aesgcm128:bare")
            }),
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &EncryptArgs, out: Output) -> Result<()> {
    let keys = read_keys(&args.sub)?;
    let plaintext = match (&args.payload, &args.data) {
        (Some(text), _) => text.clone().into_bytes(),
        (None, Some(data)) if data == "-" && args.sub == "-" => {
            return Err(Diagnostic::usage("--sub - and --data - cannot both read stdin"));
        }
        (None, Some(data)) => input::value(data)?,
        (None, None) => {
            return Err(Diagnostic::usage("there is no payload to encrypt")
                .fix("push encrypt --sub FILE \"text\", or --data @FILE; a tickle has no body and needs no encryption"));
        }
    };
    if !out.is_json() && out.is_terminal() {
        return Err(Diagnostic::usage("the encrypted octets are not sent to a terminal")
            .fix("push encrypt … > body.bin, or --json"));
    }
    let options = EncryptOptions {
        padding: args.form.pad.unwrap_or_default(),
        record_size: args.rs,
        ..EncryptOptions::new(args.form.schedule(&keys)?)
    };
    let job = EncryptJob { keys: &keys, plaintext: &plaintext };
    let encrypted = push_crypto::encrypt(PROVIDER, &options, job).map_err(|error| refused(&error))?;
    show(&encrypted, out)
}

/// Why nothing was encrypted.
pub(crate) fn refused(error: &EncryptError) -> Diagnostic {
    let code = error.code().unwrap_or("encrypt");
    let exit =
        if matches!(error, EncryptError::Provider(_)) { ExitCode::UNEXPECTED } else { ExitCode::INPUT };
    let text = error.to_string();
    let (message, fix) = text.split_once("; ").unwrap_or((&text, ""));
    let mut diagnostic = Diagnostic::new(exit, code, message);
    if !fix.is_empty() {
        diagnostic = diagnostic.fix(fix);
    }
    if code.contains('/') { diagnostic.see(format!("push help {code}")) } else { diagnostic }
}

fn show(encrypted: &Encrypted, out: Output) -> Result<()> {
    let headers = encrypted.headers();
    if out.is_json() {
        let headers: Map<String, Value> =
            headers.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        return out.object(json!({
            "coding": encrypted.coding().as_str(), "headers": headers,
            "body": push_crypto::base64url::encode(encrypted.body()),
        }));
    }
    for (name, value) in headers {
        out.note(format!("{name}: {value}"));
    }
    out.octets(encrypted.body())
}

/// The keys of a subscription in a file: its JSON, or a line of a run file around it.
fn read_keys(file: &str) -> Result<SubscriptionKeys> {
    let text = input::read_text(file)?;
    let subscription = read_subscription(&text, file)?;
    subscription.keys.ok_or_else(|| {
        Diagnostic::input("subscription/keys-missing", "the subscription has no keys, so it takes no payload")
            .why("the browser that made it supports tickles only")
            .fix("send it a message without a payload: push send FILE --empty")
            .see("push help subscription/keys-missing")
    })
}

/// A subscription's JSON, or an object with `subscription` in it (the API's, a run file's, a recipient's).
pub(crate) fn read_subscription(text: &str, name: &str) -> Result<Subscription> {
    if let Ok(value) = serde_json::from_str::<Value>(text)
        && let Some(inner) = value.get("subscription").filter(|inner| inner.is_object())
    {
        return Subscription::from_value(inner)
            .map(|parsed| parsed.subscription)
            .map_err(|error| unusable(error, name));
    }
    Subscription::from_json(text.trim()).map_err(|error| unusable(error, name))
}

/// Why a text is no subscription, in the usual shape.
pub(crate) fn unusable(error: SubscriptionError, name: &str) -> Diagnostic {
    let code = error.code();
    let what = match (&error, error.member()) {
        (SubscriptionError::P256dh(_), _) => "subscription.keys.p256dh is not a P-256 point".to_owned(),
        (_, Some(member)) => format!("subscription.keys.{member} is not usable"),
        (_, None) => format!("{} holds no usable subscription", text::cut(name, 60)),
    };
    let why = error.to_string();
    let why = why.strip_prefix(&format!("{what}: ")).unwrap_or(&why).to_owned();
    let diagnostic = Diagnostic::input(code, what).why(why);
    let diagnostic = match code {
        "subscription/p256dh-der" => diagnostic.fix("push keys convert --to raw <that value>"),
        _ => diagnostic.fix("pass on what JSON.stringify(subscription) gives, unchanged"),
    };
    diagnostic.see(format!("push help {code}"))
}

/// Keys given one by one, as with `--key` and `--auth`.
pub(crate) fn keys_from(key: &str, auth: Option<&str>) -> Result<SubscriptionKeys> {
    let octets = |name: &'static str, value: &str| {
        push_crypto::base64url::decode_tolerant(value.trim()).map(|read| read.octets).map_err(|error| {
            Diagnostic::input("keys/base64", format!("--{name} is not base64")).why(error.to_string())
        })
    };
    let p256dh = PublicKey::from_octets(&octets("key", key)?)
        .map_err(|error| unusable(SubscriptionError::P256dh(error), "--key"))?;
    let auth = match auth {
        None => None,
        Some(auth) => Some(AuthSecret::from_octets(&octets("auth", auth)?).map_err(|error| {
            Diagnostic::input("subscription/auth-length", "--auth is not an authentication secret")
                .why(error.to_string())
                .see("push help subscription/auth-length")
        })?),
    };
    Ok(SubscriptionKeys { p256dh, auth })
}
