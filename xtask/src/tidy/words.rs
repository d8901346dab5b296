//! Words that must not stand in a folder: the layers of ARCHITECTURE.md as one table.

use super::files::SourceFile;

/// One row: these words, in code under these paths, except under those.
struct Forbidden {
    under: &'static [&'static str],
    except: &'static [&'static str],
    words: &'static [&'static str],
    why: &'static str,
}

/// Only code is looked at: comments are free to speak of other layers, and tests to use a runtime.
const TABLE: &[Forbidden] = &[
    Forbidden {
        under: &["push-crypto/src/"],
        except: &[],
        words: &[
            "std::net",
            "std::time",
            "SystemTime",
            "Instant::now",
            "async fn",
            ".await",
            "tokio",
            "http::",
            "tracing::",
        ],
        why: "push-crypto knows no clock, socket, task or HTTP type",
    },
    Forbidden {
        under: &["push-client/src/proto/"],
        except: &[],
        words: &[
            "async fn",
            "async move",
            ".await",
            "tokio",
            "hyper",
            "rustls",
            "SystemTime",
            "Instant::now",
            "tracing::",
        ],
        why: "push-client::proto is pure: requests and answers are values, time is an argument",
    },
    Forbidden {
        under: &["push-mock-server/src/service/", "push-mock-server/src/store/"],
        except: &[],
        words: &["crate::wire", "hyper", "http::", "axum", "tungstenite"],
        why: "rules and records know nothing of bytes on the wire",
    },
    Forbidden {
        under: &[
            "push-mock-server/src/service/inspect/",
            "push-mock-server/src/profile/",
            "push-mock-server/src/matcher",
            "push-mock-server/src/near_miss",
            "push-mock-server/src/store/memory/model",
        ],
        except: &[],
        words: &[
            "async fn",
            "async move",
            ".await",
            "tokio",
            "SystemTime",
            "Instant::now",
            "Clock",
            "tracing::",
        ],
        why: "this is pure: no task, no clock, no log",
    },
    Forbidden {
        under: &["push-mock-server/src/store/"],
        except: &[],
        words: &["vapid", "serde_json"],
        why: "a store keeps records; it knows neither identification nor JSON",
    },
    Forbidden {
        under: &["push-mock-server/src/"],
        except: &[
            "push-mock-server/src/wire/",
            "push-mock-server/src/store/record",
            "push-mock-server/src/service/history",
            // the parts of the message object, which is JSON and the persisted record at once
            "push-mock-server/src/service/exchange.rs",
            "push-mock-server/src/service/finding.rs",
            "push-mock-server/src/service/request.rs",
            // what people write: conditions of wait and verify; and what inspection says about pasted text
            "push-mock-server/src/matcher/read.rs",
            "push-mock-server/src/wait/read.rs",
            "push-mock-server/src/service/inspect/text/",
        ],
        words: &["derive(Serialize", "Serialize,", "Serialize)", "Deserialize,", "Deserialize)"],
        why: "serde traits belong to the wire, the records and the history",
    },
    Forbidden {
        under: &[
            "push-cli/src/",
            "push-client/src/",
            "push-crypto/src/",
            "push-mock-server/src/",
            "xtask/src/",
        ],
        except: &["push-crypto/src/provider/p256_ifma/lanes.rs", "xtask/src/tidy/words.rs"],
        words: &["unsafe ", "unsafe_code"],
        why: "one file calls functions with target features, and nothing else is unsafe",
    },
    Forbidden {
        under: &["push-client/src/", "push-crypto/src/", "push-mock-server/src/"],
        except: &[],
        words: &["println!", "eprintln!", "std::process::exit"],
        why: "libraries emit events and return errors; they neither print nor exit",
    },
];

/// Words that stand nowhere: work left undone, machines of developers, boasting.
/// Each is written in two halves, so that this file passes its own rule.
const NOWHERE: &[((&str, &str), &str)] = &[
    (("TO", "DO"), "finish it or open an issue"),
    (("FIX", "ME"), "finish it or open an issue"),
    (("X", "XX"), "finish it or open an issue"),
    (("/ho", "me/"), "a path of one machine"),
    (("/ro", "ot/"), "a path of one machine"),
    (("/wo", "rk/"), "a path of one machine"),
    (("/Us", "ers/"), "a path of one machine"),
    (("blaz", "ing"), "say what was measured"),
    (("military", "-grade"), "say what was tested"),
];

/// Adds a line for every word in the wrong place.
pub(super) fn check(files: &[SourceFile], problems: &mut Vec<String>) {
    for file in files {
        let path = file.path.as_str();
        for row in TABLE.iter().filter(|row| row.covers(path)) {
            check_code(file, row, problems);
        }
        if !path.ends_with(".lock") && !path.ends_with("package-lock.json") && !path.starts_with("LICENSE") {
            check_nowhere(file, problems);
        }
    }
}

impl Forbidden {
    fn covers(&self, path: &str) -> bool {
        let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| path.starts_with(prefix));
        path.ends_with(".rs") && starts(self.under) && !starts(self.except) && !is_test(path)
    }
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

fn check_code(file: &SourceFile, row: &Forbidden, problems: &mut Vec<String>) {
    for (number, line) in file.text.lines().enumerate() {
        if line.trim_start().starts_with("#[cfg(test)]") {
            break;
        }
        let code = code_of(line);
        for word in row.words.iter().filter(|word| stands_in(code, word)) {
            problems.push(format!("{}:{}: {word:?} must not stand here: {}", file.path, number + 1, row.why));
        }
    }
}

fn check_nowhere(file: &SourceFile, problems: &mut Vec<String>) {
    for (number, line) in file.text.lines().enumerate() {
        for ((left, right), why) in NOWHERE {
            let word = format!("{left}{right}");
            if stands_in(line, &word) {
                problems.push(format!(
                    "{}:{}: {word:?} stands nowhere in this project: {why}",
                    file.path,
                    number + 1
                ));
            }
        }
    }
}

/// A line without its comment and without documentation.
fn code_of(line: &str) -> &str {
    let end =
        line.match_indices("//").map(|(at, _)| at).find(|at| !line.get(..*at).unwrap_or("").ends_with(':'));
    end.and_then(|end| line.get(..end)).unwrap_or(line)
}

/// Whether the word stands there on its own: no letter continues it on a side where it begins or ends with one.
fn stands_in(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|text| text.chars().next());
        let opens = !word.starts_with(is_letter) || !before.is_some_and(is_letter);
        let closes = !word.ends_with(is_letter) || !after.is_some_and(is_letter);
        opens && closes
    })
}

fn is_letter(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        let mut problems = Vec::new();
        check(&[SourceFile { path: path.to_owned(), text: text.to_owned() }], &mut problems);
        problems.len()
    }

    #[test]
    fn a_rule_that_uses_the_wire_is_found() {
        assert_eq!(found("push-mock-server/src/service/deliver.rs", "use crate::wire::push;\n"), 1);
        assert_eq!(found("push-mock-server/src/service/deliver.rs", "use crate::space;\n"), 0);
        assert_eq!(found("push-mock-server/src/wire/push/mod.rs", "use hyper::body::Incoming;\n"), 0);
    }

    #[test]
    fn comments_and_tests_may_name_other_layers() {
        assert_eq!(found("push-crypto/src/lib.rs", "//! no tokio here\nlet a = 1; // tokio\n"), 0);
        assert_eq!(found("push-client/src/proto/retry.rs", "#[cfg(test)]\nmod tests { use tokio; }\n"), 0);
        assert_eq!(found("push-mock-server/src/service/tests.rs", "use hyper;\n"), 0);
    }

    #[test]
    fn a_word_is_found_whole_only() {
        assert!(stands_in("use http::Request", "http::") && !stands_in("use my_http::Request", "http::"));
        assert!(stands_in("a.await;", ".await") && !stands_in("fn clock_of()", "Clock"));
    }

    #[test]
    fn unfinished_work_is_found_everywhere() {
        assert_eq!(found("docs/limits.md", concat!("to be written: TO", "DO\n")), 1);
    }
}
