//! `push keys`: VAPID keys in every form people store them in.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use push_crypto::{
    provider::{CryptoProvider, aws_lc_rs},
    vapid::{self, ImportedKey, KeyFormat, PemKind, VapidKey, VapidKeyError, VapidPublicKey},
};
use serde_json::{Value, json};

use crate::{
    api::Api,
    cli::ServiceArgs,
    diagnostic::{Diagnostic, Result},
    exit_code::ExitCode,
    input,
    message::member,
    output::Output,
    text,
};

/// The cryptography of all commands.
pub(crate) const PROVIDER: &CryptoProvider = &aws_lc_rs::PROVIDER;

/// VAPID keys: make, show, convert, check.
#[derive(Args, Debug)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key pair
    New(NewArgs),
    /// Show the key pair of the running service
    #[command(after_help = "Examples:\n  push keys show\n  push keys show --secrets --json")]
    Show(ShowArgs),
    /// Read a key in any form and write it in another
    #[command(
        after_help = "Examples:\n  push keys convert vapid.pem --to jwk\n  push keys convert --to pem - < key.txt"
    )]
    Convert(ConvertArgs),
    /// Say what a key is: form, private or public, and whether a pair fits
    #[command(
        after_help = "Examples:\n  push keys check vapid.pem\n  push keys check vapid.pem --public BFW3KCgw… --json"
    )]
    Check(CheckArgs),
}

/// Make a VAPID key pair.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  push keys new --pem > vapid.pem\n  push keys new --json > vapid.json")]
pub(crate) struct NewArgs {
    /// Print the private key as PEM (PKCS#8)
    #[arg(long)]
    pem: bool,
}

#[derive(Args, Debug)]
struct ShowArgs {
    /// With the private key
    #[arg(long)]
    secrets: bool,
    #[command(flatten)]
    service: ServiceArgs,
}

#[derive(Args, Debug)]
struct ConvertArgs {
    /// A file, - for stdin, or the key itself
    key: String,
    /// Form to write
    #[arg(long, value_enum, value_name = "FORM")]
    to: Form,
    /// Write the public half only
    #[arg(long)]
    public: bool,
    /// Write here instead of stdout
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// base64url of the raw octets, as browsers and most libraries take it
    Raw,
    /// The same as raw
    Base64url,
    /// PEM: PKCS#8, or SubjectPublicKeyInfo of a public key
    Pem,
    /// The DER octets of the same
    Der,
    /// JSON Web Key
    Jwk,
}

#[derive(Args, Debug)]
struct CheckArgs {
    /// A file, - for stdin, or the key itself
    key: String,
    /// Does this public key belong to it?
    #[arg(long, value_name = "KEY")]
    public: Option<String>,
}

/// Runs the command.
pub(crate) async fn run(args: KeysArgs, out: Output) -> Result<()> {
    match args.action {
        Action::New(args) => new(&args, out),
        Action::Show(args) => show(&args, out).await,
        Action::Convert(args) => convert(&args, out),
        Action::Check(args) => check(&args, out),
    }
}

/// Runs `push keys new`.
pub(crate) fn new(args: &NewArgs, out: Output) -> Result<()> {
    let key = VapidKey::generate(PROVIDER).map_err(|error| {
        Diagnostic::new(ExitCode::UNEXPECTED, "random", "no key could be made").why(error.to_string())
    })?;
    if out.is_json() {
        return out.object(pair(&key));
    }
    if args.pem {
        return out.octets(key.to_pem(PemKind::Pkcs8).as_bytes());
    }
    out.line(pair(&key).to_string())
}

fn pair(key: &VapidKey) -> Value {
    json!({"publicKey": key.public().to_base64url(), "privateKey": key.to_base64url().as_str()})
}

async fn show(args: &ShowArgs, out: Output) -> Result<()> {
    let api = Api::new(&args.service)?;
    let query: &[(&str, &str)] = if args.secrets { &[("secrets", "1")] } else { &[] };
    let keys = api.get("/keys", query).await?;
    if out.is_json() {
        return out.object(keys);
    }
    out.line(format!("public   {}", text::escape(member(&keys, "publicKey"))))?;
    match member(&keys, "privateKey") {
        "" => Ok(()),
        private => out.line(format!("private  {}", text::escape(private))),
    }
}

fn convert(args: &ConvertArgs, out: Output) -> Result<()> {
    let (key, from) = read(&args.key)?;
    let key = match key {
        ImportedKey::Private(key) if args.public => ImportedKey::Public(*key.public()),
        other => other,
    };
    let octets = write(&key, args.to);
    if let Some(path) = &args.output {
        input::write_private(path, &octets)?;
        out.note(format!("{} written to {}", what(&key), path.display()));
    } else if out.is_json() {
        let text = match args.to {
            Form::Der => push_crypto::base64url::encode(&octets),
            _ => String::from_utf8_lossy(&octets).trim_end().to_owned(),
        };
        return out.object(json!({"from": from.to_string(), "private": is_private(&key), "key": text}));
    } else if args.to == Form::Der && out.is_terminal() {
        return Err(Diagnostic::usage("DER octets are not sent to a terminal")
            .fix("push keys convert … --to der > FILE, or --output FILE"));
    } else {
        out.octets(&octets)?;
    }
    Ok(())
}

fn write(key: &ImportedKey, form: Form) -> Vec<u8> {
    let line = |text: &str| format!("{text}\n").into_bytes();
    match (key, form) {
        (ImportedKey::Private(key), Form::Raw | Form::Base64url) => line(&key.to_base64url()),
        (ImportedKey::Private(key), Form::Pem) => key.to_pem(PemKind::Pkcs8).as_bytes().to_vec(),
        (ImportedKey::Private(key), Form::Der) => key.to_der().to_vec(),
        (ImportedKey::Private(key), Form::Jwk) => line(&key.to_jwk()),
        (ImportedKey::Public(key), Form::Raw | Form::Base64url) => line(&key.to_base64url()),
        (ImportedKey::Public(key), Form::Pem) => key.to_pem().into_bytes(),
        (ImportedKey::Public(key), Form::Der) => key.to_der(),
        (ImportedKey::Public(key), Form::Jwk) => line(&key.to_jwk()),
    }
}

fn check(args: &CheckArgs, out: Output) -> Result<()> {
    let (key, format) = read(&args.key)?;
    let other = args.public.as_deref().map(read).transpose()?;
    let other = other.map(|(key, _)| *key.public());
    let fits = other.map(|other| other == *key.public());
    if fits == Some(false) {
        return Err(Diagnostic::input("vapid/key-mismatch", "the public key does not belong to this key")
            .why(format!("this key's public half is {}", short(key.public())))
            .fix("use the two halves of one pair; push keys convert KEY --public --to raw prints the right one"));
    }
    if out.is_json() {
        return out.object(json!({
            "format": format.to_string(), "private": is_private(&key),
            "publicKey": key.public().to_base64url(), "pair": fits,
        }));
    }
    out.line(format!("form     {format}"))?;
    out.line(format!("holds    {}", what(&key)))?;
    out.line(format!("public   {}", key.public().to_base64url()))?;
    if fits == Some(true) {
        out.line("pair     fits")?;
    }
    Ok(())
}

fn what(key: &ImportedKey) -> &'static str {
    if is_private(key) { "a private key of P-256" } else { "a public key of P-256" }
}

const fn is_private(key: &ImportedKey) -> bool {
    matches!(key, ImportedKey::Private(_))
}

/// `BFW3KCgw…OJw`
pub(crate) fn short(key: &VapidPublicKey) -> String {
    text::middle_cut(&key.to_base64url(), 8, 5)
}

/// A key from a file, stdin, `@file`, or the argument itself.
fn read(argument: &str) -> Result<(ImportedKey, KeyFormat)> {
    let octets = octets(argument)?;
    vapid::import(PROVIDER, &octets).map_err(|error| unreadable(argument, &error))
}

/// A private key from a file, stdin, `@file`, or the argument itself.
pub(crate) fn read_private(argument: &str) -> Result<VapidKey> {
    let octets = octets(argument)?;
    let read = VapidKey::import(PROVIDER, &octets);
    read.map(|(key, _)| key).map_err(|error| unreadable(argument, &error))
}

fn octets(argument: &str) -> Result<Vec<u8>> {
    // Keys are longer than names of files usually are, and have no dots or slashes in base64url.
    let names_file = argument.len() < 200
        && !argument.trim_start().starts_with(['{', '-'])
        && std::path::Path::new(argument).is_file();
    if names_file { input::read(argument) } else { input::value(argument) }
}

fn unreadable(argument: &str, error: &VapidKeyError) -> Diagnostic {
    let given = argument.strip_prefix('@').unwrap_or(argument);
    let exists = given.len() < 200 && std::path::Path::new(given).is_file();
    // No form of a key is shorter than the 43 characters of a private one.
    let is_short = argument.len() < 43 || argument.contains(['.', '/']) && argument.len() < 200;
    let looks_like_file = !exists && is_short && !argument.is_empty() && !argument.contains('{');
    let diagnostic = Diagnostic::input("keys/unreadable", "this is no VAPID key").why(error.to_string());
    if looks_like_file && !argument.starts_with('@') {
        return diagnostic.fix(format!("if {} is a file, it does not exist", text::quote(argument, 60)));
    }
    diagnostic.fix("read are base64url, PEM, DER and JWK; push keys new makes a pair")
}
