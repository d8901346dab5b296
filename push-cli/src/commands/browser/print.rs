//! `--print shell`: the same start as lines of a shell, for scripts and for reading.

use std::fmt::Write as _;

use serde_json::Value;

use super::Kind;

/// Lines that make a profile and start the browser with it.
pub(super) fn shell(kind: Kind, setup: &Value, page: &str, headless: bool, more: &[String]) -> String {
    let mut text = String::from("profile=$(mktemp -d)\n");
    for (name, content) in setup.get("files").and_then(Value::as_object).into_iter().flatten() {
        if let Some((directory, _)) = name.rsplit_once('/') {
            let _ = writeln!(text, "mkdir -p \"$profile/{directory}\"");
        }
        let content = content.as_str().unwrap_or_default().trim_end();
        let _ = writeln!(text, "cat > \"$profile/{name}\" <<'END'\n{content}\nEND");
    }
    for (name, value) in setup.get("env").and_then(Value::as_object).into_iter().flatten() {
        let _ = writeln!(text, "export {name}={}", word(value.as_str().unwrap_or_default()));
    }
    for note in setup.get("notes").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        let _ = writeln!(text, "# {note}");
    }
    let (program, profile) = match kind {
        Kind::Firefox => ("firefox", "--profile \"$profile\""),
        Kind::Chromium => ("chromium", "--user-data-dir=\"$profile\""),
    };
    let _ = write!(text, "{program} {profile}");
    let args = setup.get("args").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    for arg in args.chain(more.iter().map(String::as_str)) {
        let _ = write!(text, " \\\n  {}", word(arg));
    }
    if !(kind == Kind::Firefox && headless) {
        let _ = write!(text, " \\\n  {}", word(page));
    }
    text.push('\n');
    text
}

/// One word of a POSIX shell.
fn word(text: &str) -> String {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:=".contains(c));
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_read_more_into_them() {
        assert_eq!(
            word("--gcm-checkin-url=http://localhost:8030/x"),
            "--gcm-checkin-url=http://localhost:8030/x"
        );
        assert_eq!(word("http://localhost/?a&b"), "'http://localhost/?a&b'");
        assert_eq!(word("it's"), "'it'\\''s'");
    }
}
