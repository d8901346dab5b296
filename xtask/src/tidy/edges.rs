//! Dependency edges: which crate may know which, over `cargo metadata` and `cargo tree`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{failure::Failure, process, workspace::cargo};

/// Edges between members that may exist; anything else is an error. Development-only ones are marked.
const ALLOWED: &[(&str, &str, bool)] = &[
    ("push-client", "push-crypto", false),
    // the mock is the sender's test bench, and shares none of its code
    ("push-client", "push-mock-server", true),
    ("push-mock-server", "push-crypto", false),
    ("push-cli", "push-crypto", false),
    ("push-cli", "push-client", false),
    ("push-cli", "push-mock-server", false),
    ("xtask", "push-crypto", false),
    // what `cargo xtask bench` measures
    ("xtask", "push-client", false),
];

/// What must not be in the tree of push-crypto, whatever features are on.
const NOT_IN_CRYPTO: &[&str] =
    &["tokio", "hyper", "http", "mio", "socket2", "rustls", "time", "chrono", "jiff", "tracing"];

/// Packages in the tree of push-crypto with its default features: 61 with p256 0.14, aes-gcm 0.11 and
/// serde_json 1 (`cargo tree --package push-crypto --edges normal`), and a little room.
const CRYPTO_PACKAGES: usize = 64;

/// Adds a line for each edge that must not be.
pub(super) fn check(metadata: &Value, problems: &mut Vec<String>) {
    let graph = Graph::read(metadata);
    for (from, to, development) in &graph.between_members {
        let allowed = ALLOWED.iter().any(|(a, b, only)| a == from && b == to && (*development || !only));
        if !allowed {
            let kind = if *development { " for development" } else { "" };
            problems
                .push(format!("{from} must not depend{kind} on {to}; see the picture in ARCHITECTURE.md"));
        }
    }
    let tree = graph.tree("push-crypto");
    for name in NOT_IN_CRYPTO.iter().filter(|name| tree.contains(**name)) {
        problems.push(format!("push-crypto must not depend on {name}, not even through others"));
    }
}

/// The default tree of the cryptographic crate stays small.
pub(super) fn check_size(problems: &mut Vec<String>) -> Result<(), Failure> {
    let tree = process::output(cargo().args([
        "tree",
        "--locked",
        "--package",
        "push-crypto",
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]))?;
    let packages: BTreeSet<&str> = tree.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    if packages.len() > CRYPTO_PACKAGES {
        let count = packages.len();
        problems
            .push(format!("push-crypto has {count} packages in its default tree, at most {CRYPTO_PACKAGES}"));
    }
    Ok(())
}

struct Graph {
    /// From, to, whether only for development.
    between_members: Vec<(String, String, bool)>,
    /// Normal and build edges between all packages, by name.
    edges: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn read(metadata: &Value) -> Self {
        let mut names = BTreeMap::new();
        let mut members = BTreeSet::new();
        for package in list(&metadata["packages"]) {
            let (id, name) = (text(&package["id"]), text(&package["name"]));
            names.insert(id, name);
            if package["source"].is_null() {
                members.insert(name);
            }
        }
        let mut graph = Self { between_members: Vec::new(), edges: BTreeMap::new() };
        for node in list(&metadata["resolve"]["nodes"]) {
            let from = names.get(text(&node["id"])).copied().unwrap_or_default();
            for dependency in list(&node["deps"]) {
                let to = names.get(text(&dependency["pkg"])).copied().unwrap_or_default();
                let development = list(&dependency["dep_kinds"]).iter().all(|kind| kind["kind"] == "dev");
                if members.contains(from) && members.contains(to) {
                    graph.between_members.push((from.to_owned(), to.to_owned(), development));
                }
                if !development {
                    graph.edges.entry(from.to_owned()).or_default().insert(to.to_owned());
                }
            }
        }
        graph
    }

    /// Everything a package is built with.
    fn tree(&self, root: &str) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let mut open = vec![root];
        while let Some(name) = open.pop() {
            for next in self.edges.get(name).into_iter().flatten() {
                if found.insert(next.as_str()) {
                    open.push(next);
                }
            }
        }
        found
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(edges: &[(&str, &str, Option<&str>)]) -> Vec<String> {
        let names = ["push-crypto", "push-client", "push-mock-server", "push-cli", "tokio", "mio"];
        let package = |name: &&str| {
            let source = if name.starts_with("push") { Value::Null } else { json!("registry") };
            json!({ "id": name, "name": name, "source": source })
        };
        let node = |name: &&str| {
            let deps = edges.iter().filter(|(from, _, _)| from == name);
            let deps = deps.map(|(_, to, kind)| json!({ "pkg": to, "dep_kinds": [{ "kind": kind }] }));
            json!({ "id": name, "deps": deps.collect::<Vec<_>>() })
        };
        let packages: Vec<Value> = names.iter().map(package).collect();
        let nodes: Vec<Value> = names.iter().map(node).collect();
        let mut problems = Vec::new();
        check(&json!({ "packages": packages, "resolve": { "nodes": nodes } }), &mut problems);
        problems
    }

    #[test]
    fn sender_and_service_do_not_know_each_other() {
        assert_eq!(found(&[("push-client", "push-crypto", None)]), [""; 0]);
        assert_eq!(found(&[("push-client", "push-mock-server", Some("dev"))]), [""; 0]);
        assert_eq!(found(&[("push-client", "push-mock-server", None)]).len(), 1);
        assert_eq!(found(&[("push-mock-server", "push-client", Some("dev"))]).len(), 1);
    }

    #[test]
    fn a_runtime_behind_another_crate_is_found() {
        assert_eq!(found(&[("push-crypto", "mio", None), ("mio", "tokio", None)]).len(), 2);
        assert_eq!(found(&[("push-crypto", "mio", Some("dev"))]), [""; 0]);
    }
}
