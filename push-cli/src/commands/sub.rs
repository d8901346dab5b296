//! `push sub`: subscriptions, and the airplane mode of their user agents.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::{
    api::{Api, encode},
    cli::ServiceArgs,
    diagnostic::{Diagnostic, Result},
    exit_code::ExitCode,
    input,
    message::{member, pointer},
    output::{DIM, Output, styled},
    text,
};

/// Subscriptions and their user agents, simulated ones and browsers.
#[derive(Args, Debug)]
pub(crate) struct SubArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a subscription and print its JSON, as a browser would give it
    #[command(
        after_help = "Examples:\n  push sub new alice > alice.json\n  push sub new phone --offline --key auto --space air"
    )]
    New(Box<NewArgs>),
    /// List subscriptions
    #[command(after_help = "Examples:\n  push sub ls\n  push sub ls --json")]
    Ls(ListArgs),
    /// Show one subscription
    #[command(after_help = "Examples:\n  push sub show alice\n  push sub show alice --secrets --json")]
    Show(ShowArgs),
    /// End airplane mode; prints what was delivered
    #[command(after_help = "Examples:\n  push sub online phone\n  push sub online phone tablet --space air")]
    Online(SwitchArgs),
    /// Airplane mode: the user agent is absent
    #[command(after_help = "Examples:\n  push sub offline phone\n  push sub offline phone --hard")]
    Offline(SwitchArgs),
    /// Let the endpoint be gone, as after an unsubscribe
    #[command(after_help = "Examples:\n  push sub expire alice\n  push sub expire alice --status 410")]
    Expire(ExpireArgs),
    /// New endpoint and keys; the old ones are gone
    #[command(after_help = "Examples:\n  push sub rotate alice\n  push sub rotate alice > alice.json")]
    Rotate(ShowArgs),
    /// Remove a subscription; its endpoint is unknown then
    #[command(after_help = "Examples:\n  push sub rm alice\n  push sub rm alice bob")]
    Rm(NamesArgs),
    /// Make subscriptions from a file that export wrote
    #[command(
        after_help = "Examples:\n  push sub import subs.jsonl\n  push sub export | push sub import - --space t2"
    )]
    Import(ImportArgs),
    /// Write all subscriptions, one JSON object per line
    #[command(
        after_help = "Examples:\n  push sub export subs.jsonl\n  push sub export --space t1 > subs.jsonl"
    )]
    Export(ExportArgs),
}

#[derive(Args, Debug)]
struct NewArgs {
    /// Its name [default: a free one]
    label: Option<String>,
    /// How the service answers for it
    #[arg(long, value_name = "P")]
    profile: Option<String>,
    /// Start in airplane mode
    #[arg(long)]
    offline: bool,
    /// Restrict it to this VAPID key; auto: the service's own
    #[arg(long, value_name = "KEY|auto|none")]
    key: Option<String>,
    /// Shape of the endpoint
    #[arg(long, value_name = "local|tls|vendor", value_parser = ["local", "tls", "vendor"], hide_possible_values = true)]
    style: Option<String>,
    /// Codings its user agent can open, comma-separated
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    codings: Vec<String>,
    /// Print the private key, too
    #[arg(long)]
    secrets: bool,
    #[command(flatten)]
    service: ServiceArgs,
}

#[derive(Args, Debug)]
struct ListArgs {
    #[command(flatten)]
    service: ServiceArgs,
}

#[derive(Args, Debug)]
struct ShowArgs {
    /// Label or id
    label: String,
    /// With the private key
    #[arg(long)]
    secrets: bool,
    #[command(flatten)]
    service: ServiceArgs,
}

#[derive(Args, Debug)]
struct SwitchArgs {
    /// Labels or ids
    #[arg(required = true)]
    label: Vec<String>,
    /// Close the connection and refuse new ones
    #[arg(long)]
    hard: bool,
    #[command(flatten)]
    service: ServiceArgs,
}

#[derive(Args, Debug)]
struct ExpireArgs {
    /// Labels or ids
    #[arg(required = true)]
    label: Vec<String>,
    /// What its endpoint answers [default: as the profile says]
    #[arg(long, value_name = "404|410", value_parser = clap::builder::PossibleValuesParser::new(["404", "410"]))]
    status: Option<String>,
    #[command(flatten)]
    service: ServiceArgs,
}

#[derive(Args, Debug)]
struct NamesArgs {
    /// Labels or ids
    #[arg(required = true)]
    label: Vec<String>,
    #[command(flatten)]
    service: ServiceArgs,
}

#[derive(Args, Debug)]
struct ImportArgs {
    /// The file, or - for stdin
    file: String,
    #[command(flatten)]
    service: ServiceArgs,
}

#[derive(Args, Debug)]
struct ExportArgs {
    /// The file [default: stdout]
    file: Option<PathBuf>,
    #[command(flatten)]
    service: ServiceArgs,
}

/// Runs the command.
pub(crate) async fn run(args: SubArgs, out: Output) -> Result<()> {
    match args.action {
        Action::New(args) => new(&args, out).await,
        Action::Ls(args) => list(&args, out).await,
        Action::Show(args) => show(&args, out).await,
        Action::Online(args) => switch(&args, true, out).await,
        Action::Offline(args) => switch(&args, false, out).await,
        Action::Expire(args) => expire(&args, out).await,
        Action::Rotate(args) => rotate(&args, out).await,
        Action::Rm(args) => remove(&args, out).await,
        Action::Import(args) => import(&args, out).await,
        Action::Export(args) => export(&args, out).await,
    }
}

mod browser;

/// The path of a subscription in the API.
pub(crate) fn path(label: &str) -> String {
    format!("/subscriptions/{}", encode(label))
}

async fn new(args: &NewArgs, out: Output) -> Result<()> {
    let api = Api::new(&args.service)?;
    let mut body = Map::new();
    for (name, value) in [("label", &args.label), ("profile", &args.profile), ("style", &args.style)] {
        if let Some(value) = value {
            body.insert(name.into(), value.as_str().into());
        }
    }
    if args.offline {
        body.insert("online".into(), false.into());
    }
    if let Some(key) = args.key.as_deref().filter(|key| *key != "none") {
        body.insert("applicationServerKey".into(), input::value_text(key)?.into());
    }
    if !args.codings.is_empty() {
        body.insert("codings".into(), json!(args.codings));
    }
    let mut made = api.post("/subscriptions", &Value::Object(body)).await?;
    if args.secrets {
        made = api.get(&path(member(&made, "id")), &[("secrets", "1")]).await?;
    }
    if out.is_json() {
        return out.object(made);
    }
    if out.is_terminal() { describe(&made, out) } else { out.line(subscription_json(&made).to_string()) }
}

/// The subscription as `JSON.stringify` gives it; the private key behind it where the object has one.
fn subscription_json(object: &Value) -> Value {
    let inner = |at: &str| object.pointer(at).cloned().unwrap_or(Value::Null);
    let mut json = json!({
        "endpoint": inner("/subscription/endpoint"),
        "expirationTime": inner("/subscription/expirationTime"),
        "keys": {"p256dh": inner("/subscription/keys/p256dh"), "auth": inner("/subscription/keys/auth")},
    });
    if let (Some(key), Some(members)) = (object.get("privateKey"), json.as_object_mut()) {
        members.insert("privateKey".into(), key.clone());
    }
    json
}

async fn list(args: &ListArgs, out: Output) -> Result<()> {
    let api = Api::new(&args.service)?;
    let items = api.items("/subscriptions", &[]).await?;
    if !out.is_json() && items.is_empty() {
        out.note(format!("no subscriptions in space {}", text::escape(api.space())));
    }
    let width = items.iter().map(|item| member(item, "label").chars().count()).max().unwrap_or(0);
    for item in &items {
        if out.is_json() { out.record(item)? } else { out.line(list_line(item, width))? }
    }
    Ok(())
}

/// `● alice  simulated  rfc  online   3 queued  sub_01M8…A9QX`
fn list_line(item: &Value, width: usize) -> String {
    let label = text::escape(member(item, "label"));
    let gone = member(item, "status") == "gone";
    let online = item.pointer("/userAgent/online").and_then(Value::as_bool).unwrap_or(false);
    let (mark, state) = match (gone, online, is_connected(item)) {
        (true, ..) => ("✗", "gone"),
        (false, false, _) => ("○", "offline"),
        (false, true, Some(false)) => ("○", "absent"),
        (false, true, _) => ("●", "online"),
    };
    let mut counts = String::new();
    for name in ["queued", "delivered", "acknowledged", "refused"] {
        match item.pointer(&format!("/counts/{name}")).and_then(Value::as_u64) {
            None | Some(0) => {}
            Some(number) => counts.push_str(&format!("  {number} {name}")),
        }
    }
    let kind = text::escape(pointer(item, "/userAgent/kind"));
    let profile = text::escape(member(item, "profile"));
    let id = styled(DIM, &text::cut_id(member(item, "id")));
    format!("{mark} {label:width$}  {kind}  {profile}  {state:<7}{counts}  {id}")
}

/// Whether a browser has a connection; none for simulated user agents, which need none.
fn is_connected(object: &Value) -> Option<bool> {
    if matches!(pointer(object, "/userAgent/kind"), "" | "simulated") {
        return None;
    }
    object.pointer("/userAgent/connected").and_then(Value::as_bool)
}

async fn show(args: &ShowArgs, out: Output) -> Result<()> {
    let api = Api::new(&args.service)?;
    let query: &[(&str, &str)] = if args.secrets { &[("secrets", "1")] } else { &[] };
    let object = api.get(&path(&args.label), query).await?;
    if out.is_json() {
        return out.object(object);
    }
    describe(&object, out)?;
    if is_connected(&object).is_none() {
        return Ok(());
    }
    let agent = api.get(&format!("/user-agents/{}", encode(pointer(&object, "/userAgent/id"))), &[]).await?;
    browser::describe(&agent, out)
}

fn describe(object: &Value, out: Output) -> Result<()> {
    let online = object.pointer("/userAgent/online").and_then(Value::as_bool).unwrap_or(false);
    let state = if online { "online" } else { "offline" };
    let status = match (member(object, "status"), member(object, "goneReason")) {
        ("gone", "") => "gone".to_owned(),
        ("gone", why) => format!("gone ({})", text::escape(why)),
        (other, _) => text::escape(other),
    };
    let key = match member(object, "applicationServerKey") {
        "" => "none: any application server may send".to_owned(),
        key => text::escape(key),
    };
    let codings = object.get("codings").and_then(Value::as_array).cloned().unwrap_or_default();
    let codings: Vec<_> = codings.iter().filter_map(Value::as_str).map(text::escape).collect();
    let mut rows = vec![
        ("label", text::escape(member(object, "label"))),
        ("id", member(object, "id").to_owned()),
        ("status", status),
        ("profile", text::escape(member(object, "profile"))),
        ("user agent", format!("{}, {state}", text::escape(pointer(object, "/userAgent/kind")))),
        ("endpoint", text::escape(pointer(object, "/subscription/endpoint"))),
        ("p256dh", key_text(object, "/subscription/keys/p256dh")),
        ("auth", key_text(object, "/subscription/keys/auth")),
        ("VAPID key", key),
        ("codings", codings.join(", ")),
    ];
    if let Some(private) = object.get("privateKey").and_then(Value::as_str) {
        rows.push(("private", private.to_owned()));
    }
    if let Some(counts) = object.get("counts").and_then(Value::as_object) {
        let counts: Vec<_> = counts.iter().map(|(name, number)| format!("{number} {name}")).collect();
        rows.push(("messages", counts.join(", ")));
    }
    for (name, value) in rows {
        out.line(format!("{name:<11}{value}"))?;
    }
    Ok(())
}

fn key_text(object: &Value, at: &str) -> String {
    match pointer(object, at) {
        "" => "known to the browser's page only".to_owned(),
        key => text::escape(key),
    }
}

async fn switch(args: &SwitchArgs, online: bool, out: Output) -> Result<()> {
    let api = Api::new(&args.service)?;
    for label in &args.label {
        let mut body = json!({"online": online});
        if let (true, Some(members)) = (args.hard, body.as_object_mut()) {
            members.insert("hard".into(), true.into());
        }
        let object = api.patch(&path(label), &body).await?;
        if out.is_json() {
            if args.label.len() == 1 { out.object(object)? } else { out.record(&object)? }
        } else if online {
            out.line(arrival(&api, &object).await?)?;
        }
    }
    Ok(())
}

/// `phone is online: 1 delivered and acknowledged (K7Q2)`
async fn arrival(api: &Api, object: &Value) -> Result<String> {
    let label = text::escape(member(object, "label"));
    let ids = object.get("delivered").and_then(Value::as_array).cloned().unwrap_or_default();
    let ids: Vec<_> = ids.iter().filter_map(Value::as_str).collect();
    if ids.is_empty() {
        return Ok(format!("{label} is online: nothing to deliver"));
    }
    let mut states = Vec::new();
    for id in &ids {
        let message = api.get(&format!("/messages/{}", encode(id)), &[]).await?;
        states.push(member(&message, "state").to_owned());
    }
    let short: Vec<_> = ids.iter().map(|id| text::short_id(id)).collect();
    let number = ids.len();
    let all = |state: &str| states.iter().all(|seen| seen == state);
    Ok(if all("acknowledged") {
        format!("{label} is online: {number} delivered and acknowledged ({})", short.join(", "))
    } else if all("delivered") {
        format!("{label} is online: {number} delivered ({})", short.join(", "))
    } else {
        let each: Vec<_> = short.iter().zip(&states).map(|(id, state)| format!("{id} {state}")).collect();
        format!("{label} is online: {number} delivered: {}", each.join(", "))
    })
}

async fn expire(args: &ExpireArgs, out: Output) -> Result<()> {
    let api = Api::new(&args.service)?;
    // The service decides by the profile when no status is given.
    let body = match args.status.as_deref().and_then(|status| status.parse::<u16>().ok()) {
        Some(status) => json!({"status": status}),
        None => json!({}),
    };
    for label in &args.label {
        let object = api.post(&format!("{}/expire", path(label)), &body).await?;
        if out.is_json() {
            if args.label.len() == 1 { out.object(object)? } else { out.record(&object)? }
        } else {
            out.line(format!("{} is gone", text::escape(member(&object, "label"))))?;
        }
    }
    Ok(())
}

async fn rotate(args: &ShowArgs, out: Output) -> Result<()> {
    let api = Api::new(&args.service)?;
    let mut answer = api.post(&format!("{}/rotate", path(&args.label)), &json!({})).await?;
    if args.secrets {
        let id = pointer(&answer, "/new/id").to_owned();
        let with = api.get(&path(&id), &[("secrets", "1")]).await?;
        if let Some(members) = answer.as_object_mut() {
            members.insert("new".into(), with);
        }
    }
    if out.is_json() {
        return out.object(answer);
    }
    let new = answer.get("new").cloned().unwrap_or(Value::Null);
    out.note(format!(
        "{} has a new endpoint and new keys; the old endpoint is gone",
        text::escape(&args.label)
    ));
    if out.is_terminal() { describe(&new, out) } else { out.line(subscription_json(&new).to_string()) }
}

async fn remove(args: &NamesArgs, out: Output) -> Result<()> {
    let api = Api::new(&args.service)?;
    for label in &args.label {
        api.delete(&path(label), &[]).await?;
        if !out.is_json() {
            out.line(format!("{}: removed", text::escape(label)))?;
        }
    }
    if out.is_json() { out.object(json!({"removed": args.label})) } else { Ok(()) }
}

async fn export(args: &ExportArgs, out: Output) -> Result<()> {
    let api = Api::new(&args.service)?;
    let items = api.items("/subscriptions", &[]).await?;
    let lines: String = items.iter().map(|item| format!("{}\n", settings_of(item))).collect();
    match &args.file {
        None => out.octets(lines.as_bytes()),
        Some(file) => {
            input::write_private(file, lines.as_bytes())?;
            if out.is_json() {
                return out.object(json!({"exported": items.len(), "file": file}));
            }
            out.line(format!("{} in {}", text::count(items.len(), "subscription"), file.display()))
        }
    }
}

/// What makes the same subscription again elsewhere, and its JSON for whoever reads the file.
fn settings_of(item: &Value) -> Value {
    let mut line = Map::new();
    for name in ["label", "profile", "applicationServerKey", "codings"] {
        if let Some(value) = item.get(name).filter(|value| !value.is_null()) {
            line.insert(name.into(), value.clone());
        }
    }
    if let Some(online) = item.pointer("/userAgent/online") {
        line.insert("online".into(), online.clone());
    }
    line.insert("subscription".into(), subscription_json(item));
    Value::Object(line)
}

/// Makes subscriptions with the labels and settings of the lines; endpoints and keys are new, since the service
/// seals its own endpoints and user agents make their own keys.
async fn import(args: &ImportArgs, out: Output) -> Result<()> {
    let api = Api::new(&args.service)?;
    let text = input::read_text(&args.file)?;
    let mut made = 0;
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = || {
            Diagnostic::input(
                "sub/line",
                format!("{}, line {}: not a line of push sub export", args.file, index + 1),
            )
            .why("each line is a JSON object with label, profile, online, codings and applicationServerKey")
            .detail(if made == 0 { String::new() } else { format!("{made} were made before") })
        };
        let Ok(Value::Object(mut settings)) = serde_json::from_str::<Value>(line) else {
            return Err(wrong());
        };
        if settings.remove("subscription").is_none() && !settings.contains_key("label") {
            return Err(wrong());
        }
        let object = api.post("/subscriptions", &Value::Object(settings)).await?;
        made += 1;
        if out.is_json() {
            out.record(&object)?;
        } else {
            out.line(subscription_json(&object).to_string())?;
        }
    }
    if made == 0 {
        return Err(Diagnostic::new(ExitCode::INPUT, "sub/empty", format!("{} has no lines", args.file)));
    }
    out.note(format!("{} made, with new endpoints and keys", text::count(made, "subscription")));
    Ok(())
}
