//! `push recipient`: the sender's address book, independent of any service.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use push_client::{Recipient, Registry, RegistryError, registry::Added};
use serde_json::{Value, json};

use crate::{
    commands::encrypt,
    diagnostic::{Diagnostic, Result},
    environment::{self, Directory},
    exit_code::ExitCode,
    input,
    output::{DIM, Output, styled},
    text,
};

/// The sender's address book: names and their subscriptions.
#[derive(Args, Debug)]
pub(crate) struct RecipientArgs {
    #[command(subcommand)]
    action: Action,
}

/// Where the address book is.
#[derive(Args, Clone, Debug)]
pub(crate) struct RegistryArgs {
    /// File of the address book [default: in the user's data directory]
    #[arg(long, env = "PUSH_REGISTRY", value_name = "FILE", hide_env_values = true)]
    pub(crate) registry: Option<PathBuf>,
}

impl RegistryArgs {
    /// The file.
    pub(crate) fn path(&self) -> Result<PathBuf> {
        match &self.registry {
            Some(path) => Ok(path.clone()),
            None => Directory::Data.path().map(|dir| dir.join("recipients.jsonl")).ok_or_else(|| {
                Diagnostic::input(
                    "recipient/directory",
                    "there is no home directory to keep the address book in",
                )
                .fix("name a file with --registry FILE, or PUSH_REGISTRY")
            }),
        }
    }

    /// For changes.
    pub(crate) fn open(&self) -> Result<Registry> {
        let path = self.path()?;
        Registry::open(&path).map_err(|error| unusable(&error, &path))
    }

    /// For reading; an absent file is empty.
    pub(crate) fn open_read_only(&self) -> Result<Registry> {
        let path = self.path()?;
        Registry::open_read_only(&path).map_err(|error| unusable(&error, &path))
    }

    fn unusable(&self, error: &RegistryError) -> Diagnostic {
        self.path().map_or_else(|error| error, |path| unusable(error, &path))
    }
}

/// Why the address book cannot be read or written.
pub(crate) fn unusable(error: &RegistryError, path: &Path) -> Diagnostic {
    let exit = match error {
        RegistryError::Io { .. } | RegistryError::InUse => ExitCode::UNEXPECTED,
        _ => ExitCode::INPUT,
    };
    let text = error.to_string();
    let (why, fix) = text.split_once("; ").unwrap_or((&text, ""));
    let diagnostic = Diagnostic::new(
        exit,
        "recipient/registry",
        format!("the address book {} cannot be used", path.display()),
    )
    .why(why)
    .caused_by(error);
    if fix.is_empty() { diagnostic } else { diagnostic.fix(fix) }
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a recipient; the same endpoint again updates it
    #[command(
        after_help = "Examples:\n  push recipient add alice alice.json --tag news\n  push sub new bob | push recipient add bob -"
    )]
    Add(AddArgs),
    /// List recipients
    #[command(after_help = "Examples:\n  push recipient ls\n  push recipient ls --tag news --json")]
    Ls(ListArgs),
    /// Show the subscriptions of one recipient
    #[command(after_help = "Examples:\n  push recipient show alice\n  push recipient show alice --json")]
    Show(NameArgs),
    /// Remove recipients
    #[command(after_help = "Examples:\n  push recipient rm alice\n  push recipient rm alice bob")]
    Rm(NamesArgs),
    /// Add what another address book exported
    #[command(
        after_help = "Examples:\n  push recipient import book.jsonl\n  push recipient import - < book.jsonl"
    )]
    Import(ImportArgs),
    /// Write the address book, one JSON object per line
    #[command(
        after_help = "Examples:\n  push recipient export > book.jsonl\n  push recipient export --tag news"
    )]
    Export(ListArgs),
    /// Remove the subscriptions that are gone
    #[command(after_help = "Examples:\n  push recipient prune\n  push recipient prune --registry book.jsonl")]
    Prune(PruneArgs),
}

#[derive(Args, Debug)]
struct AddArgs {
    /// Its name
    name: String,
    /// File with the subscription's JSON, or - for stdin
    file: String,
    /// A tag; repeat for several
    #[arg(long, value_name = "T")]
    tag: Vec<String>,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Args, Debug)]
struct ListArgs {
    /// Only those with this tag
    #[arg(long, value_name = "T")]
    tag: Option<String>,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Args, Debug)]
struct NameArgs {
    /// The name
    name: String,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Args, Debug)]
struct NamesArgs {
    /// The names
    #[arg(required = true)]
    name: Vec<String>,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Args, Debug)]
struct ImportArgs {
    /// The file, or - for stdin
    file: String,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Args, Debug)]
struct PruneArgs {
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Runs the command.
pub(crate) fn run(args: RecipientArgs, out: Output) -> Result<()> {
    match args.action {
        Action::Add(args) => add(&args, out),
        Action::Ls(args) => list(&args, out),
        Action::Show(args) => show(&args, out),
        Action::Rm(args) => remove(&args, out),
        Action::Import(args) => import(&args, out),
        Action::Export(args) => export(&args, out),
        Action::Prune(args) => prune(&args, out),
    }
}

fn add(args: &AddArgs, out: Output) -> Result<()> {
    let subscription = encrypt::read_subscription(&input::read_text(&args.file)?, &args.file)?;
    let mut registry = args.registry.open()?;
    let recipient = Recipient::new(&args.name, subscription, environment::now());
    let recipient = args.tag.iter().fold(recipient, |recipient, tag| recipient.tag(tag));
    let added = registry.add(recipient).map_err(|error| args.registry.unusable(&error))?;
    let subscriptions = registry.find(&args.name).count();
    let updated = added == Added::Updated;
    if out.is_json() {
        return out.object(json!({"name": args.name, "updated": updated, "subscriptions": subscriptions}));
    }
    let what = if updated { "updated" } else { "added" };
    out.line(format!("{}: {what}, {}", text::escape(&args.name), text::count(subscriptions, "subscription")))
}

fn tagged<'a>(registry: &'a Registry, tag: Option<&'a str>) -> Vec<&'a Recipient> {
    match tag {
        None => registry.iter().collect(),
        Some(tag) => registry.by_tag(tag).collect(),
    }
}

fn list(args: &ListArgs, out: Output) -> Result<()> {
    let registry = args.registry.open_read_only()?;
    let found = tagged(&registry, args.tag.as_deref());
    if found.is_empty() && !out.is_json() {
        out.note(format!("nobody is in the address book {}", args.registry.path()?.display()));
    }
    let width = found.iter().map(|recipient| recipient.name.chars().count()).max().unwrap_or(0);
    for recipient in found {
        if out.is_json() { record(recipient, out)? } else { out.line(line(recipient, width))? }
    }
    Ok(())
}

fn record(recipient: &Recipient, out: Output) -> Result<()> {
    out.octets(format!("{}\n", recipient.to_json()).as_bytes())
}

fn line(recipient: &Recipient, width: usize) -> String {
    let name = text::escape(&recipient.name);
    let state = match (&recipient.gone_at, &recipient.last_outcome) {
        (Some(_), _) => "gone",
        (None, Some(last)) => &last.outcome,
        (None, None) => "new",
    };
    let tags = recipient.tags.iter().map(|tag| format!("  #{}", text::escape(tag))).collect::<String>();
    let origin = styled(DIM, &recipient.subscription.endpoint.origin().to_string());
    format!("{name:width$}  {state:<10}  {origin}{tags}")
}

fn show(args: &NameArgs, out: Output) -> Result<()> {
    let registry = args.registry.open_read_only()?;
    let found: Vec<_> = registry.find(&args.name).collect();
    if found.is_empty() {
        return Err(unknown(&args.name, &registry, &args.registry));
    }
    for recipient in found {
        if out.is_json() {
            record(recipient, out)?;
            continue;
        }
        out.line(format!("name       {}", text::escape(&recipient.name)))?;
        out.line(format!("endpoint   {}", recipient.subscription.endpoint.expose()))?;
        let payloads = if recipient.subscription.keys.is_some() { "yes" } else { "no keys: tickles only" };
        out.line(format!("payloads   {payloads}"))?;
        out.line(format!("added      {}", text::rfc3339(recipient.added_at)))?;
        if let Some(last) = &recipient.last_outcome {
            out.line(format!("last       {}, {}", text::escape(&last.outcome), text::rfc3339(last.at)))?;
        }
        if let Some(gone) = recipient.gone_at {
            out.line(format!("gone       {}", text::rfc3339(gone)))?;
        }
        if !recipient.tags.is_empty() {
            out.line(format!("tags       {}", text::escape(&recipient.tags.join(", "))))?;
        }
    }
    Ok(())
}

/// There is no such name.
pub(crate) fn unknown(name: &str, registry: &Registry, args: &RegistryArgs) -> Diagnostic {
    let path = args.path().map(|path| path.display().to_string()).unwrap_or_default();
    Diagnostic::input("recipient/unknown", format!("no recipient is called {}", text::quote(name, 60)))
        .why(format!("the address book is {path}, with {}", text::count(registry.len(), "subscription")))
        .fix("push recipient ls")
}

fn remove(args: &NamesArgs, out: Output) -> Result<()> {
    let mut registry = args.registry.open()?;
    if let Some(name) = args.name.iter().find(|name| registry.find(name).next().is_none()) {
        return Err(unknown(name, &registry, &args.registry));
    }
    let mut removed = 0;
    for name in &args.name {
        removed += registry.remove(name).map_err(|error| args.registry.unusable(&error))?.len();
    }
    report("removed", removed, out)
}

fn import(args: &ImportArgs, out: Output) -> Result<()> {
    let text = input::read_text(&args.file)?;
    let mut read = Vec::new();
    // All lines are read before the first is added: a damaged file changes nothing.
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let recipient = Recipient::from_json(line, environment::now()).map_err(|error| {
            let file = text::escape(&args.file);
            Diagnostic::input(
                "recipient/line",
                format!("{file}, line {}: not an entry of an address book", index + 1),
            )
            .why(error.to_string())
            .fix("each line is {\"name\":…,\"subscription\":{…}}; correct or remove it")
        })?;
        read.push(recipient);
    }
    let number = read.len();
    let mut registry = args.registry.open()?;
    for recipient in read {
        registry.add(recipient).map_err(|error| args.registry.unusable(&error))?;
    }
    report("imported", number, out)
}

fn export(args: &ListArgs, out: Output) -> Result<()> {
    let registry = args.registry.open_read_only()?;
    tagged(&registry, args.tag.as_deref()).into_iter().try_for_each(|recipient| record(recipient, out))
}

fn prune(args: &PruneArgs, out: Output) -> Result<()> {
    let mut registry = args.registry.open()?;
    let removed = registry.prune().map_err(|error| args.registry.unusable(&error))?.len();
    report("removed", removed, out)
}

fn report(what: &str, number: usize, out: Output) -> Result<()> {
    if out.is_json() {
        let mut object = serde_json::Map::new();
        object.insert(what.to_owned(), number.into());
        return out.object(Value::Object(object));
    }
    out.line(format!("{} {what}", text::count(number, "subscription")))
}
