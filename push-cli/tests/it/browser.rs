//! `push browser` with a program in the place of the browser, which records how it was started.
#![cfg(unix)]

use std::{
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

use crate::service::{Service, command};

/// Records its arguments, its process id and what stands in its profile, then does what the test wants.
struct Fake {
    directory: tempfile::TempDir,
}

impl Fake {
    fn new(then: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().display();
        let script = format!(
            "#!/bin/sh\n[ \"$1\" = --version ] && echo 'Mozilla Firefox 1.2' && exit 0\n\
             printf '%s\\n' \"$@\" > '{at}/args.part'\n\
             for word in \"$@\"; do case $word in --user-data-dir=*) profile=${{word#*=}};; esac; done\n\
             [ \"$1\" = --profile ] && profile=$2\n\
             echo \"$profile\" > '{at}/profile'; cat \"$profile/user.js\" \"$profile/Default/Preferences\" \
             > '{at}/files' 2> /dev/null\n\
             mv '{at}/args.part' '{at}/args'\n{then}\n"
        );
        let path = directory.path().join("browser");
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { directory }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("browser")
    }

    fn recorded(&self, name: &str) -> String {
        std::fs::read_to_string(self.directory.path().join(name)).unwrap()
    }

    fn args(&self) -> Vec<String> {
        self.recorded("args").lines().map(str::to_owned).collect()
    }

    fn profile(&self) -> PathBuf {
        PathBuf::from(self.recorded("profile").trim())
    }
}

fn line(service: &Service, fake: &Fake, words: &[&str]) -> Command {
    let home = service.home().to_string();
    let mut command = command(Path::new(&home));
    command.arg("browser").arg("--binary").arg(fake.path()).args(words).env("PUSH_URL", service.url());
    command
}

fn run(service: &Service, fake: &Fake, words: &[&str]) -> Output {
    line(service, fake, words).output().unwrap()
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// Starts the command and returns what it prints first, when the browser runs.
fn start(mut command: Command) -> (Child, String, impl Iterator<Item = String>) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let first = lines.next().unwrap();
    (child, first, lines)
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// False also for a process that has ended and is only not yet asked for.
fn is_running(id: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

#[test]
fn it_ends_with_the_browser_and_removes_the_fresh_profile() {
    let (service, fake) = (Service::start(&[]), Fake::new("exit 0"));

    let run = run(&service, &fake, &["firefox", "http://localhost:3000/page"]);

    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    assert!(
        text(&run.stdout).starts_with("  Firefox 1.2 with a fresh profile, push service ws://localhost:")
    );
    let args = fake.args();
    assert_eq!(
        (args[0].as_str(), args.last().unwrap().as_str()),
        ("--profile", "http://localhost:3000/page")
    );
    let wired = format!("ws://localhost:{}/ua/firefox/default?label=firefox-1", service.port);
    assert!(fake.recorded("files").contains(&wired), "{}", fake.recorded("files"));
    assert!(!fake.profile().exists());
}

#[test]
fn chromium_gets_its_switches_and_its_permission() {
    let (service, fake) = (Service::start(&[]), Fake::new("exit 0"));

    let run = run(
        &service,
        &fake,
        &["chromium", "--headless", "--space", "t1", "--label", "pc", "--", "--mute-audio"],
    );

    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    let args = fake.args();
    let url = service.url();
    assert!(args.contains(&format!("--gcm-checkin-url={url}/ua/chromium/t1/checkin?label=pc")), "{args:?}");
    assert!(args.contains(&format!("--gcm-mcs-endpoint={}", url.replace("http:", "https:"))), "{args:?}");
    assert!(
        args.contains(&"--headless=new".to_owned()) && args.contains(&"--mute-audio".to_owned()),
        "{args:?}"
    );
    assert_eq!(args.last().unwrap(), &format!("{url}/try?space=t1"));
    assert!(fake.recorded("files").contains("\"notifications\":1"));
}

#[test]
fn a_browser_that_fails_is_told_with_its_last_words() {
    let (service, fake) = (Service::start(&[]), Fake::new("echo 'cannot open display' >&2; exit 1"));

    let run = run(&service, &fake, &["firefox"]);

    assert_eq!(run.status.code(), Some(3));
    let said = text(&run.stderr);
    assert!(said.contains("did not keep running") && said.contains("cannot open display"), "{said}");
    assert!(said.contains("add --headless"), "{said}");
    assert!(!fake.profile().exists());
}

#[test]
fn without_a_subscription_in_time_it_exits_with_4_and_ends_the_browser() {
    let (service, fake) = (Service::start(&[]), Fake::new("exec sleep 600"));

    let run = run(&service, &fake, &["firefox", "--expect-subscription", "200ms"]);

    assert_eq!(run.status.code(), Some(4), "{}", text(&run.stderr));
    assert!(text(&run.stderr).contains("no page subscribed within 200 ms"), "{}", text(&run.stderr));
    assert!(!fake.profile().exists());
}

#[test]
fn a_signal_ends_the_browser_by_its_id() {
    for name in ["-TERM", "-HUP", "-QUIT"] {
        let (service, fake) = (Service::start(&[]), Fake::new("exec sleep 600"));

        let (mut child, first, rest) = start(line(&service, &fake, &["firefox", "--json"]));
        let started: Value = serde_json::from_str(&first).unwrap();
        assert_eq!((&started["type"], &started["label"]), (&"browser.started".into(), &"firefox-1".into()));
        signal(&child, name);
        let _ = rest.count();

        assert_eq!(child.wait().unwrap().code(), Some(0), "{name}");
        let id = started["pid"].as_u64().unwrap();
        assert!(!is_running(&id.to_string()), "the browser {id} still runs after {name}");
        let profile = PathBuf::from(started["profile"].as_str().unwrap());
        assert!(profile.is_absolute() && !profile.exists());
    }
}

#[test]
fn what_a_wrapper_has_started_ends_with_it() {
    let fake = Fake::new("sleep 600 & echo $! > \"${0%/*}/inner\"; kill -TERM $PPID; wait");
    let service = Service::start(&[]);

    let run = run(&service, &fake, &["firefox"]);

    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    let inner = fake.recorded("inner");
    assert!(!is_running(inner.trim()), "the browser {inner} still runs");
    assert!(!fake.profile().exists());
}

#[test]
fn a_crash_is_a_failure_and_an_end_by_hand_is_none() {
    let service = Service::start(&[]);

    let crashed = run(&service, &Fake::new("echo 'heap corrupted' >&2; kill -ABRT $$"), &["firefox"]);
    assert_eq!(crashed.status.code(), Some(3));
    let said = text(&crashed.stderr);
    assert!(said.contains("heap corrupted") && said.contains("signal"), "{said}");

    let ended = run(&service, &Fake::new("kill -KILL $$"), &["firefox"]);
    assert_eq!(ended.status.code(), Some(0), "{}", text(&ended.stderr));
}

#[test]
fn a_kept_profile_that_cannot_be_kept_is_refused_with_9() {
    let (service, fake) = (Service::start(&[]), Fake::new("exit 0"));
    let directory = tempfile::tempdir().unwrap();
    let profile = directory.path().join("new");
    let words = ["chromium", "--profile", profile.to_str().unwrap()];

    assert_eq!(run(&service, &fake, &words).status.code(), Some(0));
    assert_eq!(std::fs::metadata(&profile).unwrap().permissions().mode() & 0o777, 0o700);
    let preferences = profile.join("Default/Preferences");
    std::fs::write(&preferences, "{\"a\":").unwrap();
    let broken = run(&service, &fake, &words);
    assert_eq!(broken.status.code(), Some(9));
    assert!(text(&broken.stderr).contains("Preferences is no JSON object"), "{}", text(&broken.stderr));
    assert_eq!(std::fs::read_to_string(&preferences).unwrap(), "{\"a\":");
    std::fs::write(&preferences, [0xff, 0xfe]).unwrap();
    assert_eq!(run(&service, &fake, &words).status.code(), Some(9));
}

#[test]
fn a_browser_that_ignores_the_request_to_end_is_killed() {
    let fake = Fake::new("trap '' TERM; while :; do sleep 1; done");
    let service = Service::start(&[]);

    let run = run(&service, &fake, &["firefox", "--json", "--expect-subscription", "500ms"]);

    assert_eq!(run.status.code(), Some(4));
    let started: Value = serde_json::from_str(text(&run.stdout).lines().next().unwrap()).unwrap();
    let id = started["pid"].as_u64().unwrap();
    assert!(!Path::new(&format!("/proc/{id}")).exists(), "the browser {id} still runs");
    assert!(!fake.profile().exists());
}

#[test]
fn a_profile_that_is_named_is_kept_with_what_was_in_it() {
    let (service, fake) = (Service::start(&[]), Fake::new("exit 0"));
    let kept = tempfile::tempdir().unwrap();
    std::fs::write(kept.path().join("user.js"), "user_pref(\"mine\", 1);\n").unwrap();
    let directory = kept.path().display().to_string();

    for _ in 0..2 {
        let run = run(&service, &fake, &["firefox", "--profile", &directory]);
        assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    }

    let user_js = std::fs::read_to_string(kept.path().join("user.js")).unwrap();
    assert!(user_js.starts_with("user_pref(\"mine\", 1);\n"), "{user_js}");
    assert_eq!(user_js.matches("dom.push.serverURL").count(), 1, "{user_js}");
}

#[test]
fn what_is_missing_is_told_with_3() {
    let service = Service::start(&[]);
    let home = service.home().to_string();
    let at = |words: &[&str]| {
        let mut command = command(Path::new(&home));
        command
            .arg("browser")
            .args(words)
            .env("PUSH_URL", service.url())
            .env("PATH", "/nowhere")
            .output()
            .unwrap()
    };

    let nowhere = at(&["chromium", "--binary", "/nowhere/chromium"]);
    assert_eq!(nowhere.status.code(), Some(3));
    assert!(text(&nowhere.stderr).contains("--binary names /nowhere/chromium"));
    let shell = at(&["chromium", "--binary", "/usr/bin/chromium-headless-shell"]);
    assert_eq!(shell.status.code(), Some(3));
    assert!(text(&shell.stderr).contains("has no push service"));
    let silent = at(&["firefox", "--url", "http://localhost:1"]);
    assert_eq!(silent.status.code(), Some(3));
    assert!(text(&silent.stderr).contains("no push service answers"));
}

#[test]
fn print_shows_what_the_api_gives_and_starts_nothing() {
    let (service, fake) = (Service::start(&[]), Fake::new("exit 0"));

    for kind in ["firefox", "chromium"] {
        let printed = run(&service, &fake, &[kind, "--label", "x", "--print", "json"]);
        assert_eq!(printed.status.code(), Some(0), "{}", text(&printed.stderr));
        let printed: Value = serde_json::from_slice(&printed.stdout).unwrap();
        assert_eq!(printed["kind"], kind);
        assert!(printed["service"].as_str().unwrap().ends_with("?label=x"), "{printed}");
    }
    let shell = run(&service, &fake, &["firefox", "--headless", "--print", "shell"]);
    let script = text(&shell.stdout);
    assert!(script.starts_with("profile=$(mktemp -d)\n") && script.contains("user_pref("), "{script}");
    let checked = Command::new("sh").args(["-n", "-c", &script]).status().unwrap();
    assert!(checked.success());
    assert!(!fake.directory.path().join("args").exists());
}
