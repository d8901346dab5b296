//! Settings from flags, environment, `./push.toml` and the user's `push.toml`, in this order, with their origins.
//!
//! What stands in a file becomes the default value of its flag, so that a file is read by the same rules as the
//! command line: same names, same values, same checks.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, parser::ValueSource};

use crate::{
    cli::Cli,
    diagnostic::{Diagnostic, Result},
    environment::{self, Directory},
    exit_code::ExitCode,
    text, usage,
};

/// The command line, and where its values came from.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// The command.
    pub(crate) cli: Cli,
    /// Every flag of the command with its value and origin, in order of declaration.
    pub(crate) settings: Vec<Setting>,
    /// `[limits]` of the files, by name.
    pub(crate) limits: Vec<LimitSetting>,
}

/// One flag as it was decided.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// Long flag without dashes.
    pub(crate) name: String,
    /// The value as text; secrets are masked.
    pub(crate) value: String,
    /// Where it came from.
    pub(crate) origin: Origin,
}

/// One entry of `[limits]`.
#[derive(Clone, Debug)]
pub(crate) struct LimitSetting {
    /// Name, as in `--print-limits`.
    pub(crate) name: String,
    /// Value as written.
    pub(crate) value: String,
    /// The file.
    pub(crate) file: PathBuf,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Built in.
    Default,
    /// A variable.
    Environment(String),
    /// A file.
    File(PathBuf),
    /// The command line.
    Flag,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Flag => f.write_str("command line"),
        }
    }
}

/// Why there is no command to run.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Help, version, or wrong usage.
    Usage(Box<clap::Error>),
    /// A `push.toml` is not usable.
    File(Diagnostic),
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::File(diagnostic)
    }
}

/// Commands which read no file, so that a broken one never locks the user out of help.
const WITHOUT_FILES: [&str; 4] = ["help", "completions", "man", "version"];
/// Flags whose value `--show-config` does not show.
const SECRET: [&str; 1] = ["token"];
/// What may stand at the top of a file, for all commands.
const TOP: [&str; 3] = ["url", "space", "token"];

/// Reads the arguments, the environment and the files.
///
/// # Errors
/// [`Failure`].
pub(crate) fn parse(arguments: &[OsString]) -> std::result::Result<Parsed, Failure> {
    let tree = without_empty_variables(Cli::command());
    // The first pass finds the command and the errors that no file can cause.
    let first =
        tree.clone().try_get_matches_from(arguments).map_err(|error| Failure::Usage(Box::new(error)))?;
    let path = command_path(&first);
    let name = path.first().cloned().unwrap_or_default();
    let files =
        if WITHOUT_FILES.contains(&name.as_str()) { Vec::new() } else { read_files(&locations(), &tree)? };
    let (tree, origins) = with_defaults(tree, &path, &files)?;
    let matches =
        tree.clone().try_get_matches_from(arguments).map_err(|error| Failure::Usage(Box::new(error)))?;
    let cli = Cli::from_arg_matches(&matches)
        .map_err(|error| Failure::Usage(Box::new(error.format(&mut tree.clone()))))?;
    let settings = settings(&tree, &matches, &path, &origins);
    Ok(Parsed { cli, settings, limits: limits(&files) })
}

/// The tree without variables that are set to nothing: they count as absent, like all others of this program.
fn without_empty_variables(tree: clap::Command) -> clap::Command {
    let empty = |argument: &clap::Arg| argument.get_env().is_some_and(environment::is_empty);
    let ids: Vec<_> = tree
        .get_arguments()
        .filter(|argument| empty(argument))
        .map(|argument| argument.get_id().clone())
        .collect();
    let tree = ids.into_iter().fold(tree, |tree, id| tree.mut_arg(id, |argument| argument.env(None::<&str>)));
    tree.mut_subcommands(without_empty_variables)
}

/// The files that may exist, the more important first.
fn locations() -> Vec<PathBuf> {
    let mut paths = vec![PathBuf::from("push.toml")];
    paths.extend(Directory::Config.path().map(|directory| directory.join("push.toml")));
    paths
}

/// One file, checked against the tree of commands.
#[derive(Debug)]
struct File {
    path: PathBuf,
    table: toml::Table,
}

fn read_files(paths: &[PathBuf], tree: &clap::Command) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for path in paths {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                return Err(Diagnostic::input(
                    "config/toml",
                    format!("{} is not text in UTF-8", path.display()),
                ));
            }
            Err(error) => return Err(Diagnostic::file(ExitCode::INPUT, "read", path, &error)),
        };
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error
                .span()
                .map_or(1, |span| text.get(..span.start).unwrap_or_default().lines().count().max(1));
            Diagnostic::input("config/toml", format!("{}, line {line}: {}", path.display(), error.message()))
        })?;
        check_file(path, &table, tree)?;
        files.push(File { path: path.clone(), table });
    }
    Ok(files)
}

fn check_file(path: &Path, table: &toml::Table, tree: &clap::Command) -> Result<()> {
    for (key, value) in table {
        match (value, tree.find_subcommand(key)) {
            (toml::Value::String(_), _) if TOP.contains(&key.as_str()) => {}
            (_, _) if TOP.contains(&key.as_str()) => {
                return Err(Diagnostic::input(
                    "config/value",
                    format!("{}: {key} must be text", path.display()),
                ));
            }
            (toml::Value::Table(_), _) if key == "limits" => {}
            (toml::Value::Table(inner), Some(command)) => check_table(path, key, inner, command)?,
            _ => {
                let known = tree.get_subcommands().filter(|command| !command.is_hide_set());
                let mut known: Vec<_> = known.map(|command| format!("[{}]", command.get_name())).collect();
                known.push("[limits]".to_owned());
                return Err(unknown_key(
                    path,
                    key,
                    &TOP.iter().map(|name| (*name).to_owned()).chain(known).collect::<Vec<_>>(),
                ));
            }
        }
    }
    Ok(())
}

fn check_table(path: &Path, at: &str, table: &toml::Table, command: &clap::Command) -> Result<()> {
    for (key, value) in table {
        if let (toml::Value::Table(inner), Some(child)) = (value, command.find_subcommand(key)) {
            check_table(path, &format!("{at}.{key}"), inner, child)?;
            continue;
        }
        let full = format!("{at}.{key}");
        let Some(argument) = flag(command, key) else {
            let known: Vec<_> = flags(command).map(|argument| name_of(argument).to_owned()).collect();
            return Err(unknown_key(path, &full, &known));
        };
        let words = as_words(path, &full, value)?;
        check_value(path, &full, &words, argument)?;
    }
    Ok(())
}

/// Tries the value where the flag would take it, alone, so that an error can name the file.
fn check_value(path: &Path, key: &str, words: &[String], argument: &clap::Arg) -> Result<()> {
    let wrong = |why: String| {
        Diagnostic::input(
            "config/value",
            format!("{}: {key} has a value that it cannot have", path.display()),
        )
        .because(&why)
    };
    if !argument.get_action().takes_values() {
        return if words.iter().all(|word| word == "true" || word == "false") {
            Ok(())
        } else {
            Err(wrong("it is a switch: write true or false".to_owned()))
        };
    }
    let several = matches!(argument.get_action(), clap::ArgAction::Append);
    if words.len() != 1 && !several {
        return Err(wrong("it takes one value, not a list".to_owned()));
    }
    let alone = argument.clone().global(false).required(false).env(None::<&str>);
    let probe = clap::Command::new("push").no_binary_name(true).arg(alone.index(None::<usize>));
    let given = words.iter().map(|word| format!("--{}={word}", name_of(argument)));
    // Relations to other flags do not exist here; a relation that is missing is not the value's fault.
    match probe.try_get_matches_from(given) {
        Err(error)
            if matches!(
                error.kind(),
                clap::error::ErrorKind::InvalidValue | clap::error::ErrorKind::ValueValidation
            ) =>
        {
            Err(wrong(usage::reason(&error)))
        }
        _ => Ok(()),
    }
}

fn unknown_key(path: &Path, key: &str, known: &[String]) -> Diagnostic {
    Diagnostic::input(
        "config/unknown-key",
        format!("{}: unknown key {}", path.display(), text::quote(key, 60)),
    )
    .why(format!("known here: {}", known.join(", ")))
    .fix("remove it, or correct its name; keys are the long flags without dashes in front")
}

fn as_words(path: &Path, key: &str, value: &toml::Value) -> Result<Vec<String>> {
    let word = |value: &toml::Value| match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(switch) => Some(switch.to_string()),
        toml::Value::Datetime(time) => Some(time.to_string()),
        toml::Value::Array(_) | toml::Value::Table(_) => None,
    };
    let words = match value {
        toml::Value::Array(items) => items.iter().map(word).collect(),
        other => word(other).map(|word| vec![word]),
    };
    words.ok_or_else(|| {
        Diagnostic::input(
            "config/value",
            format!("{}: {key} is neither a value nor a list of values", path.display()),
        )
    })
}

fn command_path(matches: &ArgMatches) -> Vec<String> {
    let mut path = Vec::new();
    let mut here = matches;
    while let Some((name, inner)) = here.subcommand() {
        path.push(name.to_owned());
        here = inner;
    }
    path
}

fn flags(command: &clap::Command) -> impl Iterator<Item = &clap::Arg> {
    command
        .get_arguments()
        .filter(|argument| argument.get_long().is_some_and(|name| name != "help" && name != "version"))
}

fn flag<'a>(command: &'a clap::Command, name: &str) -> Option<&'a clap::Arg> {
    flags(command).find(|argument| argument.get_long() == Some(name))
}

fn name_of(argument: &clap::Arg) -> &str {
    argument.get_long().unwrap_or_default()
}

/// The tree with the files' values as defaults of the active command, and the file of each.
fn with_defaults(
    tree: clap::Command,
    path: &[String],
    files: &[File],
) -> Result<(clap::Command, BTreeMap<String, PathBuf>)> {
    let mut origins = BTreeMap::new();
    let Some(leaf) = find(&tree, path) else { return Ok((tree, origins)) };
    let mut values: Vec<(clap::Id, Vec<String>)> = Vec::new();
    for argument in flags(leaf) {
        let name = name_of(argument);
        let found = files.iter().find_map(|file| value_in(file, path, name).map(|value| (file, value)));
        let Some((file, value)) = found else { continue };
        values.push((argument.get_id().clone(), as_words(&file.path, name, value)?));
        origins.insert(name.to_owned(), file.path.clone());
    }
    Ok((set_defaults(tree, path, &values), origins))
}

fn find<'a>(tree: &'a clap::Command, path: &[String]) -> Option<&'a clap::Command> {
    path.iter().try_fold(tree, |command, name| command.find_subcommand(name))
}

/// A value of the table of the command, the deepest table first; then of the top.
fn value_in<'a>(file: &'a File, path: &[String], name: &str) -> Option<&'a toml::Value> {
    let mut found = file.table.get(name).filter(|_| TOP.contains(&name));
    let mut table = &file.table;
    for step in path {
        let Some(inner) = table.get(step).and_then(toml::Value::as_table) else { break };
        found = inner.get(name).filter(|value| !value.is_table()).or(found);
        table = inner;
    }
    found
}

fn set_defaults(
    command: clap::Command,
    path: &[String],
    values: &[(clap::Id, Vec<String>)],
) -> clap::Command {
    let Some((name, rest)) = path.split_first() else {
        return values.iter().fold(command, |command, (id, words)| {
            command.mut_arg(id.clone(), |argument| argument.default_values(words.clone()))
        });
    };
    command.mut_subcommand(name.clone(), |child| set_defaults(child, rest, values))
}

fn settings(
    tree: &clap::Command,
    matches: &ArgMatches,
    path: &[String],
    origins: &BTreeMap<String, PathBuf>,
) -> Vec<Setting> {
    let Some(leaf) = find(tree, path) else { return Vec::new() };
    let mut here = matches;
    while let Some((_, inner)) = here.subcommand() {
        here = inner;
    }
    let mut settings = Vec::new();
    for argument in flags(leaf) {
        let (id, name) = (argument.get_id().as_str(), name_of(argument));
        let origin = match here.value_source(id) {
            Some(ValueSource::CommandLine) => Origin::Flag,
            Some(ValueSource::EnvVariable) => {
                Origin::Environment(argument.get_env().unwrap_or_default().to_string_lossy().into_owned())
            }
            Some(_) | None => origins.get(name).cloned().map_or(Origin::Default, Origin::File),
        };
        let value = if argument.get_action().takes_values() {
            let raw = here.try_get_raw(id).ok().flatten().into_iter().flatten();
            raw.map(|value| value.to_string_lossy().into_owned()).collect::<Vec<_>>().join(", ")
        } else {
            let on = here.try_get_one::<bool>(id).ok().flatten().copied();
            on.map_or_else(String::new, |on| if on { "on".to_owned() } else { "off".to_owned() })
        };
        let masked = SECRET.contains(&name) && !value.is_empty();
        let value = if masked { "•••".to_owned() } else { value };
        settings.push(Setting { name: name.to_owned(), value, origin });
    }
    settings
}

fn limits(files: &[File]) -> Vec<LimitSetting> {
    let mut out: Vec<LimitSetting> = Vec::new();
    for file in files {
        let Some(table) = file.table.get("limits").and_then(toml::Value::as_table) else { continue };
        for (name, value) in table {
            if out.iter().any(|setting| setting.name == *name) {
                continue;
            }
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            out.push(LimitSetting { name: name.clone(), value, file: file.path.clone() });
        }
    }
    out
}

/// True when the user's environment asks for it: the variables which clap does not read itself.
pub(crate) fn log_filter() -> Option<String> {
    environment::variable("PUSH_LOG")
}

#[cfg(test)]
mod tests;
