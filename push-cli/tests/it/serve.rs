//! `push serve` as a process: what it says, how it starts, how it ends.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Command, Stdio},
};

use crate::service::{Service, command};
use serde_json::Value;

fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}

/// One line of a command's output, within the time of a test.
fn first_line(command: &mut Command) -> (std::process::Child, String) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    reader.read_line(&mut line).unwrap();
    std::thread::spawn(move || {
        let mut rest = Vec::new();
        let _ = reader.read_to_end(&mut rest);
    });
    (child, line.trim_end().to_owned())
}

#[test]
fn quiet_prints_the_url_only_and_sigterm_ends_it_with_success() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("port.txt");
    let mut serve = command(home.path());
    serve.args(["serve", "-q", "--port", "0", "--port-file"]).arg(&file);

    let (mut child, line) = first_line(&mut serve);

    let port = std::fs::read_to_string(&file).unwrap().trim().to_owned();
    assert_eq!(line, format!("http://localhost:{port}"));
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn interrupt_ends_it_with_success() {
    let home = tempfile::tempdir().unwrap();
    let mut serve = command(home.path());

    let (mut child, _) = first_line(serve.args(["serve", "-q", "--port", "0"]));

    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// A million made-up subscriptions can be sent to: nothing but their form counts.
#[test]
fn a_sink_takes_any_token_and_tells_its_counts_at_the_end() {
    let home = tempfile::tempdir().unwrap();
    let mut serve = command(home.path());
    serve.args(["serve", "--sink", "--port", "0", "--log-format", "json"]).stdout(Stdio::piped());
    let mut child = serve.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    let url = ready["url"].as_str().unwrap();
    let keys = push_crypto::UserAgentKeys::generate(&push_crypto::provider::aws_lc_rs::PROVIDER).unwrap();
    let made_up = push_crypto::Subscription {
        endpoint: format!("{url}/p/never-handed-out").parse().unwrap(),
        keys: Some(keys.subscription_keys()),
        expiration_time: None,
    };
    std::fs::write(home.path().join("made-up.json"), made_up.to_json()).unwrap();

    let sent = command(home.path()).args(["send", "made-up.json", "Hello"]).env("PUSH_URL", url).output();

    let sent = sent.unwrap();
    assert!(sent.status.success(), "{}{}", text(&sent.stdout), text(&sent.stderr));
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let told = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let counts = told.last().unwrap();
    assert_eq!((&counts["type"], &counts["accepted"]), (&"sink".into(), &1.into()), "{counts}");
    assert_eq!(counts["statuses"]["201"], 1);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_sink_says_what_it_is_and_judges_nothing() {
    let home = tempfile::tempdir().unwrap();
    let mut serve = command(home.path());

    let (mut child, line) = first_line(serve.args(["serve", "--sink", "--port", "0"]));

    let _ = child.kill();
    let _ = child.wait();
    assert!(line.contains("sink: a target for measuring senders"), "{line}");
    let output = command(home.path()).args(["serve", "--sink", "--strict"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
}

#[test]
fn a_taken_port_is_asked_who_is_there() {
    let service = Service::start(&["--seed", "7"]);

    let second = service.push(&["serve", "--listen", &format!("127.0.0.1:{}", service.port)]);

    assert_eq!(second.status.code(), Some(1));
    let said = text(&second.stderr);
    assert!(said.starts_with(&format!("error: port {} is already in use\n", service.port)), "{said}");
    assert!(said.contains("another push service answers there (push 0.1.0, started "), "{said}");
    assert!(said.contains(", 0 messages)"), "{said}");
    assert!(said.contains("push serve --port 0"), "{said}");
}

#[test]
fn a_port_taken_by_another_program_is_told_apart() {
    let home = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            drop(stream)
        }
    });

    let output = command(home.path()).args(["serve", "--listen", &address]).output().unwrap();

    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("it is no push service"), "{}", text(&output.stderr));
}

#[test]
fn settings_come_from_flag_environment_file_and_default_in_this_order() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(
        home.path().join("push.toml"),
        "[serve]\nport = 1\nmax-body = 5000\npublic-url = \"http://localhost:5\"\n[limits]\nspaces = 7\n",
    )
    .unwrap();
    std::fs::create_dir_all(home.path().join("config/push")).unwrap();
    std::fs::write(home.path().join("config/push/push.toml"), "[serve]\nmax-body = 6000\nseed = 9\n")
        .unwrap();

    let mut serve = command(home.path());
    serve.env("PUSH_PUBLIC_URL", "http://localhost:6").env("PUSH_TOKEN", "canary");
    let output = serve.args(["serve", "--port", "2", "--show-config"]).output().unwrap();

    let said = text(&output.stdout);
    let origin = |name: &str| {
        let line = said.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap_or_default();
        line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(origin("port"), "2 command line");
    assert_eq!(origin("public-url"), "http://localhost:6 environment PUSH_PUBLIC_URL");
    assert_eq!(origin("max-body"), "5000 push.toml");
    assert_eq!(origin("seed"), format!("9 {}", home.path().join("config/push/push.toml").display()));
    assert_eq!(origin("clock"), "real default");
    assert_eq!(origin("limits.spaces"), "7 push.toml");
    assert_eq!(origin("token"), "••• environment PUSH_TOKEN");
    assert!(!said.contains("canary"));
}

#[test]
fn an_unknown_key_of_a_file_is_an_error() {
    let home = tempfile::tempdir().unwrap();
    let check = |file: &str, expected: &str| {
        std::fs::write(home.path().join("push.toml"), file).unwrap();
        let output = command(home.path()).args(["serve", "--print-limits"]).output().unwrap();
        assert_eq!(output.status.code(), Some(9), "{file}");
        assert!(text(&output.stderr).contains(expected), "{file}: {}", text(&output.stderr));
    };

    check("[serve]\nportt = 1\n", "push.toml: unknown key \"serve.portt\"");
    check("[serve]\nport = \"many\"\n", "push.toml: serve.port has a value that it cannot have");
    check("[limits]\nbody = 1\n", "push.toml: unknown limit \"body\"");
    check("[limits]\nspaces = \"many\"\n", "push.toml: limits.spaces cannot be \"many\"");
    check("[serve\n", "push.toml, line 1");
    check("[serve]\nport = \"many\"\n", "  do    write digits only");
    check("[serve]\nclock = \"slow\"\n", "  do    write one of real, frozen");
    // Help is there all the same.
    assert!(command(home.path()).args(["help", "serve"]).output().unwrap().status.success());
}

#[test]
fn limits_are_printed_with_their_origin() {
    let home = tempfile::tempdir().unwrap();

    let output =
        command(home.path()).args(["serve", "--print-limits", "--max-body", "5630"]).output().unwrap();

    let said = text(&output.stdout);
    assert!(
        said.lines().any(|line| line.starts_with("body_octets") && line.contains("5630 octets")),
        "{said}"
    );
    assert!(said.lines().all(|line| line.split_whitespace().count() >= 3), "{said}");
}

#[test]
fn json_tells_of_readiness_first_and_then_of_each_event() {
    let home = tempfile::tempdir().unwrap();
    let mut serve = command(home.path());
    serve.args(["serve", "--log-format", "json", "--port", "0", "--demo"]).stdout(Stdio::piped());
    let mut child = serve.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = move || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();

    let ready = next();
    assert_eq!(ready["type"], "ready");
    assert_eq!(ready["pid"], child.id());
    assert_eq!(ready["url"], format!("http://localhost:{}", ready["port"]));

    // The last event of the demo: the message of the airplane story that came too late.
    let mut states = Vec::new();
    loop {
        let event = next();
        if event["space"] == "demo" && event["type"] == "message.expired" {
            states.push(event["message"]["state"].clone());
        }
        if states.len() == 2 {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_first_words_name_the_service_and_what_to_try() {
    let home = tempfile::tempdir().unwrap();
    let mut serve = command(home.path());
    serve.args(["serve", "--port", "0", "--seed", "7"]).stdout(Stdio::piped());
    let mut child = serve.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();

    let words: Vec<String> = lines.by_ref().take(15).map(|line| line.unwrap()).collect();

    let said = words.join("\n");
    let port =
        said.split("http://localhost:").nth(1).and_then(|rest| rest.split('/').next()).unwrap().to_owned();
    let send = command(home.path())
        .args(["send", "demo", "Hello", "--url", &format!("http://localhost:{port}")])
        .output()
        .unwrap();
    assert!(send.status.success(), "{}", text(&send.stderr));
    let line = lines.next().unwrap().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let said = said.replace(&port, "[PORT]");
    let said = regex_like(&said, "ready in ", " ms");
    insta::assert_snapshot!(said);
    let (time, rest) = line.trim_start().split_once("  ").unwrap();
    assert_eq!(time.len(), 8, "{line}");
    assert!(rest.starts_with("demo    201 acknowledged  aes128gcm  ttl 60  \"Hello\"  "), "{line}");
    assert!(rest.ends_with(" ms"), "{line}");
}

/// The text with what stands between two marks replaced, since a time is in it.
fn regex_like(text: &str, before: &str, after: &str) -> String {
    let (head, rest) = text.split_once(before).unwrap();
    let (_, tail) = rest.split_once(after).unwrap();
    format!("{head}{before}[TIME]{after}{tail}")
}

#[test]
fn a_token_keeps_the_api_closed_and_push_resources_open() {
    let service = Service::start(&["--token", "letmein"]);

    let without = service.push(&["sub", "ls"]);
    let with = service.push(&["sub", "ls", "--token", "letmein"]);

    assert_eq!(without.status.code(), Some(5), "{}", text(&without.stderr));
    assert!(text(&without.stderr).contains("PUSH_TOKEN"), "{}", text(&without.stderr));
    assert!(with.status.success(), "{}", text(&with.stderr));
}

#[test]
fn the_port_speaks_tls_and_env_makes_it_trusted() {
    let service = Service::start(&[]);
    let url = format!("https://localhost:{}", service.port);

    let ready = service.push(&["ready", "--url", &url]);
    assert!(ready.status.success(), "{}", text(&ready.stderr));
    let env = service.push(&["env", "--shell", "bash"]);
    let env = text(&env.stdout);
    assert!(env.contains(&format!("export PUSH_URL='http://localhost:{}'\n", service.port)), "{env}");
    let bundle = env.lines().find_map(|line| line.strip_prefix("export SSL_CERT_FILE='")).unwrap();
    let bundle = std::fs::read_to_string(bundle.trim_end_matches('\'')).unwrap();
    let ca = text(&service.push(&["ca", "--pem"]).stdout);
    assert!(ca.starts_with("-----BEGIN CERTIFICATE-----\n"));
    assert!(bundle.ends_with(ca.trim_start()), "the bundle does not end in our certificate");
    assert!(!bundle.contains("PRIVATE KEY"));
}

#[test]
fn a_message_goes_over_tls_to_an_endpoint_of_style_tls() {
    let service = Service::start(&[]);
    let made = service.push(&["sub", "new", "secure", "--style", "tls"]);
    assert!(text(&made.stdout).contains("\"endpoint\":\"https://localhost:"), "{}", text(&made.stdout));

    let sent = service.push(&["send", "secure", "Hello", "--json"]);

    let outcome: Value = serde_json::from_slice(&sent.stdout).unwrap();
    assert_eq!(outcome["outcome"], "accepted", "{outcome}");
    let shown = service.push(&["show", outcome["message"].as_str().unwrap(), "--json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["request"]["via"], "https", "{shown}");
    assert_eq!(shown["request"]["httpVersion"], "2", "{shown}");
}

#[test]
fn strict_refuses_what_the_page_of_2016_says() {
    let service = Service::start(&["--refuse-put"]);

    let put = service.push(&["send", "demo", "Hello", "--method", "PUT", "--json"]);

    assert_eq!(put.status.code(), Some(5));
    let outcome: Value = serde_json::from_slice(&put.stdout).unwrap();
    assert_eq!(outcome["status"], 405, "{outcome}");
}

#[test]
fn export_writes_every_subscription_and_message_of_the_space() {
    let service = Service::start(&[]);
    assert!(service.push(&["send", "demo", "Hello"]).status.success());

    let export = service.push(&["msg", "export", "-"]);

    let lines: Vec<Value> =
        text(&export.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!((&lines[0]["pushlog"], &lines[0]["space"]), (&1.into(), &"default".into()));
    assert_eq!((&lines[1]["type"], &lines[1]["label"]), (&"subscription".into(), &"demo".into()));
    assert_eq!((&lines[2]["type"], &lines[2]["payload"]["text"]), (&"message".into(), &"Hello".into()));
    assert!(!text(&export.stdout).contains("privateKey"));
}

#[test]
fn json_holds_for_octets_and_for_texts() {
    let service = Service::start(&[]);
    assert!(service.push(&["send", "demo", "Hello"]).status.success());
    let list = service.push(&["msg", "ls", "--json"]);
    let id = serde_json::from_slice::<Value>(&list.stdout).unwrap()["id"].as_str().unwrap().to_owned();
    let json = |line: &[&str]| serde_json::from_slice::<Value>(&service.push(line).stdout).unwrap();

    assert_eq!(json(&["show", &id, "--payload", "--json"])["text"], "Hello");
    assert!(json(&["show", &id, "--raw", "--json"])["base64"].is_string());
    assert!(json(&["show", &id, "--as-test", "rust", "--json"])["text"].is_string());
    assert!(json(&["completions", "bash", "--json"])["script"].is_string());
    assert!(json(&["man", "--json"])["roff"].is_string());
    assert_eq!(json(&["help", "sub", "new", "--json"])["command"], "push sub new");
    assert_eq!(json(&["show", "", "--json"])["error"]["code"], "api/empty");
}

#[test]
fn files_that_are_no_pem_are_named_with_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("not.pem"), "hello").unwrap();

    let serve = ["serve", "--port", "0", "--tls-cert", "not.pem", "--tls-key", "not.pem"];
    let output = command(home.path()).args(serve).output().unwrap();

    assert_eq!(output.status.code(), Some(9));
    let said = text(&output.stderr);
    assert!(
        said.contains("--tls-cert could not be read as PEM: ") && said.contains("  do    give a PEM file"),
        "{said}"
    );
}

#[test]
fn variables_that_are_set_to_nothing_count_as_absent() {
    let service = Service::start(&[]);
    let home = tempfile::tempdir().unwrap();
    let with = |name: &str, line: &[&str]| {
        let url = service.url();
        command(home.path()).env("PUSH_URL", &url).env(name, "").args(line).output().unwrap()
    };

    assert!(with("PUSH_SPACE", &["sub", "ls"]).status.success());
    assert!(with("PUSH_TOKEN", &["sub", "ls"]).status.success());
    assert!(with("PUSH_PROFILE", &["serve", "--show-config"]).status.success());
    let here = with("PUSH_URL", &["ready"]);
    assert!(!text(&here.stderr).contains("is not the URL"), "{}", text(&here.stderr));
}

#[test]
fn a_space_of_the_environment_does_not_stand_against_reset_all() {
    let service = Service::start(&[]);
    let home = tempfile::tempdir().unwrap();

    let mut reset = command(home.path());
    let output =
        reset.env("PUSH_URL", service.url()).env("PUSH_SPACE", "t1").args(["reset", "--all"]).output();

    assert_eq!(text(&output.unwrap().stdout), "all spaces: clean\n");
}
