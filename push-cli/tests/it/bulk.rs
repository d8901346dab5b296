//! `push bulk` against a service in this process, whose books say who got what: killed, interrupted, with a full disk.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use push_mock_server::MockServer;
use serde_json::Value;

use crate::service::command;

/// Long enough for any machine; nothing waits for it to pass.
const LONG: Duration = Duration::from_secs(120);

/// A service, a list of its subscriptions, and a directory.
struct Scene {
    push: MockServer,
    home: tempfile::TempDir,
    number: usize,
}

impl Scene {
    async fn new(number: usize) -> Self {
        let push = MockServer::start().await;
        let mut list = String::new();
        for user in 0..number {
            let agent = push.user_agent(&format!("u{user}")).offline().await;
            list.push_str(&format!(
                "{{\"id\":\"u{user}\",\"subscription\":{}}}\n",
                agent.subscription_json()
            ));
        }
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("users.jsonl"), list).unwrap();
        Self { push, home, number }
    }

    fn command(&self, flags: &[&str]) -> Command {
        let mut command = command(self.home.path());
        command.args(["bulk", "users.jsonl", "--payload", "Hello {{id}}", "--ttl", "3600"]);
        command.args(flags).env("PUSH_URL", self.push.url());
        command
    }

    fn start(&self, flags: &[&str]) -> Child {
        self.command(flags).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn run(&self, flags: &[&str]) -> Output {
        self.command(flags).output().unwrap()
    }

    /// Waits until so many messages have come.
    async fn until(&self, messages: usize) {
        self.push.expect().at_least(messages as u64).all_within(LONG).await;
    }

    /// How many messages each got.
    async fn received(&self) -> BTreeMap<String, usize> {
        let mut received = BTreeMap::new();
        for message in self.push.received().await {
            let to = message.to().unwrap().to_owned();
            assert_eq!(message.payload().text().unwrap(), format!("Hello {to}"));
            *received.entry(to).or_default() += 1;
        }
        received
    }

    fn lines(&self, file: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.home.path().join(file)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Kills the program each time so many more messages have come; tells how often it was still running.
async fn kill(scene: &Scene, flags: &[&str], times: usize, step: usize) -> usize {
    let mut kills = 0;
    for _ in 0..times {
        let before: usize = scene.received().await.values().sum();
        let mut child = scene.start(flags);
        scene.until(before + step).await;
        kills += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    kills
}

/// G12, T12: nobody is skipped, and only what was under way comes twice.
#[tokio::test]
async fn ten_kills_skip_nobody_and_repeat_no_more_than_was_under_way() {
    let scene = Scene::new(400).await;
    let in_flight = 16;
    let flags = ["--max-in-flight", "16", "--out", "out.jsonl"];

    let slow = [&flags[..], &["--rate", "200"]].concat();
    let kills = kill(&scene, &slow, 10, 20).await;
    let last = scene.run(&flags);

    assert!(last.status.success(), "{}", stderr(&last));
    let received = scene.received().await;
    assert_eq!(received.len(), scene.number, "somebody was skipped");
    let repeats = received.values().sum::<usize>() - scene.number;
    assert!(kills > 0 && repeats <= kills * in_flight, "{repeats} repeats after {kills} kills");
    // Whoever has an outcome in the ledger is in the other file as well.
    let mut told: Vec<_> = scene.lines("out.jsonl").iter().map(|line| line["id"].to_string()).collect();
    told.sort();
    told.dedup();
    assert_eq!(told.len(), scene.number);

    let again = scene.run(&flags);
    assert!(stderr(&again).contains("everybody has an outcome already"), "{}", stderr(&again));
    assert_eq!(scene.received().await, received, "a finished run sends nothing");
}

/// With the bounds that nobody has set: what is under way and what waits beside it.
#[tokio::test]
async fn kills_with_default_flags_skip_nobody_and_send_no_message_twice_at_most_once() {
    for at_most_once in [false, true] {
        let scene = Scene::new(300).await;
        let flags: &[&str] = if at_most_once { &["--at-most-once"] } else { &[] };
        let flags = [&["--out", "out.jsonl"], flags].concat();

        let slow = [&flags[..], &["--rate", "200"]].concat();
        let kills = kill(&scene, &slow, 1, 20).await;
        let last = scene.run(&flags);

        let received = scene.received().await;
        assert!(kills > 0, "{}", stderr(&last));
        let outcomes = scene.lines("out.jsonl");
        for user in 0..scene.number {
            let id = format!("u{user}");
            let is_told = outcomes.iter().any(|line| line["id"] == id.as_str());
            assert!(is_told, "{id} is nowhere");
            assert!(at_most_once || received.contains_key(&id), "{id} was skipped");
        }
        let repeats = received.values().sum::<usize>() - received.len();
        assert!(repeats <= if at_most_once { 0 } else { kills * (512 + 512) }, "{repeats}");
    }
}

#[tokio::test]
async fn at_most_once_sends_to_nobody_twice_and_lists_who_may_have_got_it() {
    let scene = Scene::new(400).await;
    let in_flight = 16;
    let flags = ["--max-in-flight", "16", "--out", "out.jsonl", "--at-most-once"];

    let slow = [&flags[..], &["--rate", "200"]].concat();
    let kills = kill(&scene, &slow, 4, 20).await;
    let last = scene.run(&flags);

    assert_eq!(last.status.code(), Some(8), "{}", stderr(&last));
    let received = scene.received().await;
    assert!(received.values().all(|number| *number == 1), "{received:?}");
    let outcomes = scene.lines("out.jsonl");
    let ambiguous: Vec<_> = outcomes
        .iter()
        .filter(|line| line["outcome"] == "ambiguous")
        .map(|line| line["id"].as_str().unwrap())
        .collect();
    assert!(
        kills > 0 && ambiguous.len() <= kills * (in_flight + 4 * 16),
        "{} after {kills}",
        ambiguous.len()
    );
    for user in 0..scene.number {
        let id = format!("u{user}");
        let is_told = outcomes.iter().any(|line| line["id"] == id.as_str());
        assert!(is_told, "{id} is nowhere");
        assert!(received.contains_key(&id) || ambiguous.contains(&id.as_str()), "{id} was left out silently");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_finishes_what_is_under_way_and_the_rest_comes_once() {
    let scene = Scene::new(200).await;
    let flags = ["--max-in-flight", "16"];
    let child = scene.start(&[&flags[..], &["--rate", "100"]].concat());
    scene.until(20).await;

    let process = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    let stopped = child.wait_with_output().unwrap();

    assert_eq!(stopped.status.code(), Some(130), "{}", stderr(&stopped));
    assert!(stderr(&stopped).contains("run the same command again to go on"), "{}", stderr(&stopped));
    let before: usize = scene.received().await.values().sum();
    assert!(before < scene.number);
    let rest = scene.run(&[&flags[..], &["--at-most-once"]].concat());
    assert!(rest.status.success(), "{}", stderr(&rest));
    assert!(stdout(&rest).contains(&format!("({before} before)")), "{}", stdout(&rest));
    let received = scene.received().await;
    assert_eq!((received.len(), received.values().sum::<usize>()), (scene.number, scene.number));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_stops_the_run_and_the_next_one_skips_nobody() {
    let scene = Scene::new(60).await;

    let full = scene.run(&["--max-in-flight", "8", "--out", "/dev/full"]);

    assert_eq!(full.status.code(), Some(1), "{}", stderr(&full));
    assert!(stderr(&full).contains("cannot write /dev/full"), "{}", stderr(&full));
    assert!(stderr(&full).contains("o space left"), "{}", stderr(&full));
    let before: usize = scene.received().await.values().sum();
    assert!(before <= 16, "{before} were sent after the disk was full");
    let rest = scene.run(&["--max-in-flight", "8"]);
    assert!(rest.status.success(), "{}", stderr(&rest));
    // What had an outcome when the file took no more is in the ledger all the same.
    assert!(stdout(&rest).contains(" before)"), "{}", stdout(&rest));
    let received = scene.received().await;
    assert_eq!(received.len(), scene.number);
    let repeats = received.values().sum::<usize>() - scene.number;
    assert!(repeats <= 8, "{repeats} came twice, and 8 were under way");
}

#[tokio::test]
async fn a_file_that_is_named_twice_is_refused_and_stays_as_it_is() {
    let scene = Scene::new(1).await;
    let list = std::fs::read_to_string(scene.home.path().join("users.jsonl")).unwrap();

    for flags in [
        &["--out", "users.jsonl"][..],
        &["--gone-out", "./users.jsonl"],
        &["--rejects", "users.jsonl.ledger"],
        &["--ledger", "new", "--out", "new"],
        &["--out", "r.jsonl", "--rejects", "./r.jsonl"],
    ] {
        let output = scene.run(flags);
        assert_eq!(output.status.code(), Some(9), "{flags:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("are the same file"), "{flags:?}: {}", stderr(&output));
    }

    assert_eq!(std::fs::read_to_string(scene.home.path().join("users.jsonl")).unwrap(), list);
    let names = std::fs::read_dir(scene.home.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(
        names.into_iter().all(|name| !["r.jsonl", "new", "users.jsonl.ledger"].iter().any(|it| name == *it))
    );
    assert_eq!(scene.received().await.len(), 0);
}

#[tokio::test]
async fn outcomes_on_stdout_are_json_lines_alone() {
    let scene = Scene::new(2).await;

    let output = scene.run(&["--out", "-"]);

    let text = stdout(&output);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() == 2 && lines.iter().all(|line| line["outcome"] == "accepted"), "{text}");
    assert!(stderr(&output).contains("Done: 2 in"), "{}", stderr(&output));
}

#[tokio::test]
async fn a_line_that_cannot_be_sent_to_is_in_the_way_of_no_later_one() {
    let scene = Scene::new(1).await;
    let path = scene.home.path().join("users.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let good: Value = serde_json::from_str(&text).unwrap();
    let no_keys = serde_json::json!({"id": "u9", "endpoint": good["subscription"]["endpoint"]});
    std::fs::write(&path, format!("{no_keys}\n{text}{text}")).unwrap();

    let output = scene.run(&["--json"]);
    let again = scene.run(&["--json"]);

    for output in [&output, &again] {
        let summary: Value = serde_json::from_str(stdout(output).lines().last().unwrap()).unwrap();
        let counts = ["accepted", "invalid", "duplicate"].map(|name| summary[name].as_u64());
        assert_eq!(counts, [Some(1); 3], "{summary}");
    }
    assert_eq!(scene.received().await, BTreeMap::from([("u0".to_owned(), 1)]));
}

#[tokio::test]
async fn whoever_lacked_a_flag_is_tried_again_with_it() {
    let [scene, other] = [Scene::new(1).await, Scene::new(1).await];
    let [path, others] = [&scene, &other].map(|scene| scene.home.path().join("users.jsonl"));
    let text = std::fs::read_to_string(&path).unwrap() + &std::fs::read_to_string(others).unwrap();
    std::fs::write(&path, text).unwrap();

    let first = scene.run(&[]);
    let second = scene.run(&["--allow-private", "--json"]);

    assert_eq!(first.status.code(), Some(8), "{}", stdout(&first));
    assert!(stderr(&first).contains("the same command tries them again"), "{}", stderr(&first));
    let summary: Value = serde_json::from_str(stdout(&second).lines().last().unwrap()).unwrap();
    // Only the first line has ended for good; nobody signs for the other service, so it stays open.
    assert_eq!((&summary["before"], &summary["again"]), (&1.into(), &1.into()), "{summary}");
    assert_eq!(scene.received().await.len(), 1);
}

#[tokio::test]
async fn a_ledger_of_another_list_or_message_is_refused_and_nothing_is_sent() {
    let scene = Scene::new(3).await;
    assert!(scene.run(&[]).status.success());

    let other_message = scene.run(&["--topic", "x"]);
    let list = scene.home.path().join("users.jsonl");
    let text = std::fs::read_to_string(&list).unwrap();
    std::fs::write(&list, format!("{text}\n")).unwrap();
    let other_list = scene.run(&[]);

    assert_eq!((other_message.status.code(), other_list.status.code()), (Some(9), Some(9)));
    assert!(
        stderr(&other_message).contains("the ledger is about other messages"),
        "{}",
        stderr(&other_message)
    );
    assert!(stderr(&other_list).contains("the ledger is about another input"), "{}", stderr(&other_list));
    assert_eq!(scene.received().await.len(), 3);
}

#[tokio::test]
async fn recipients_of_the_address_book_are_marked_gone() {
    let scene = Scene::new(0).await;
    for name in ["alice", "bob", "carol"] {
        let agent = scene.push.user_agent(name).await;
        std::fs::write(scene.home.path().join("sub.json"), agent.subscription_json()).unwrap();
        let tag = if name == "carol" { "other" } else { "news" };
        let added =
            command(scene.home.path()).args(["recipient", "add", name, "sub.json", "--tag", tag]).output();
        assert!(added.unwrap().status.success());
        if name == "bob" {
            agent.expire(410).await;
        }
    }
    let bulk = |flags: &[&str]| {
        let mut command = command(scene.home.path());
        command.args(["bulk", "--recipients", "--tag", "news", "--payload", "Hello {{name}}", "--json"]);
        command.args(flags).env("PUSH_URL", scene.push.url()).output().unwrap()
    };

    let first = bulk(&["--fail-on", "gone", "--gone-out", "gone.jsonl"]);
    let second = bulk(&[]);

    assert_eq!(first.status.code(), Some(6), "{}", stdout(&first));
    let gone = scene.lines("gone.jsonl");
    assert_eq!((gone.len(), &gone[0]["id"], &gone[0]["status"]), (1, &"bob".into(), &410.into()));
    let book = command(scene.home.path()).args(["recipient", "ls"]).output().unwrap();
    let book = stdout(&book);
    assert!(book.contains("bob    gone") && book.contains("alice  accepted"), "{book}");
    // The second time bob is not asked any more.
    let summary: Value = serde_json::from_str(stdout(&second).lines().last().unwrap()).unwrap();
    assert_eq!(
        (&summary["accepted"], &summary["gone"], &summary["ok"]),
        (&1.into(), &1.into(), &true.into())
    );
    assert_eq!(scene.push.received().await.len(), 2);
    assert_eq!(scene.push.refused().await.len(), 1);
}

#[tokio::test]
async fn json_gives_a_line_for_each_receiver_and_the_summary_last() {
    let scene = Scene::new(3).await;
    let path = scene.home.path().join("users.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let first = text.lines().next().unwrap();
    std::fs::write(&path, format!("{text}{first}\nnonsense\n")).unwrap();

    let output = scene.run(&["--json", "--rejects", "rejects.jsonl"]);

    assert_eq!(output.status.code(), Some(8));
    assert_eq!(stderr(&output), "", "there is no progress beside JSON");
    let text = stdout(&output);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 5, "{text}");
    let accepted = lines.iter().filter(|line| line["outcome"] == "accepted" && line["status"] == 201).count();
    assert_eq!((accepted, lines.iter().filter(|line| line["outcome"] == "duplicate").count()), (3, 1));
    for line in lines.iter().filter(|line| line["outcome"] == "accepted") {
        assert!(line["ms"].is_u64() && line["attempts"] == 1, "{line}");
        assert!(line["origin"].as_str().unwrap().starts_with("http://localhost:"), "{line}");
    }
    assert_eq!(
        (&lines[4]["ok"], &lines[4]["total"], &lines[4]["rejected"]),
        (&false.into(), &5.into(), &1.into())
    );
    assert_eq!(scene.lines("rejects.jsonl")[0]["line"], 5);
}

#[tokio::test]
async fn stdin_is_a_list_and_a_named_ledger_makes_it_go_on() {
    let scene = Scene::new(3).await;
    let list = scene.home.path().join("users.jsonl");
    let run = |flags: &[&str]| {
        let mut command = command(scene.home.path());
        command.args(["bulk", "-", "--payload", "Hello {{id}}", "--json"]).args(flags);
        command.env("PUSH_URL", scene.push.url()).stdin(std::fs::File::open(&list).unwrap()).output().unwrap()
    };

    let ledger = ["--ledger", "run.ledger"];
    assert!(run(&ledger).status.success());
    assert!(run(&ledger).status.success());
    assert_eq!(scene.received().await.values().sum::<usize>(), 3);

    assert!(run(&[]).status.success());
    assert_eq!(
        scene.received().await.values().sum::<usize>(),
        6,
        "without a ledger nothing is known of before"
    );
    assert!(!Path::new(&scene.home.path().join("-.ledger")).exists());
}

#[tokio::test]
async fn a_wrong_key_stops_early_and_all_refused_is_exit_5() {
    let scene = Scene::new(0).await;
    let key = push_client::vapid::VapidKey::generate(&push_client::provider::rust_crypto::PROVIDER).unwrap();
    let mut list = String::new();
    for user in 0..100 {
        let agent = scene.push.user_agent(&format!("u{user}")).application_server_key(key.public()).await;
        list.push_str(&format!("{}\n", agent.subscription_json()));
    }
    std::fs::write(scene.home.path().join("users.jsonl"), list).unwrap();

    let flags = ["--max-in-flight", "8", "--stop-after-refused", "10", "--payload", "x", "--json"];
    let mut command = command(scene.home.path());
    let output =
        command.args(["bulk", "users.jsonl"]).args(flags).env("PUSH_URL", scene.push.url()).output().unwrap();

    assert_eq!(output.status.code(), Some(5), "{}", stdout(&output));
    let summary: Value = serde_json::from_str(stdout(&output).lines().last().unwrap()).unwrap();
    let refused = summary["refused"].as_u64().unwrap();
    assert!((10..=30).contains(&refused), "{refused}");
    assert_eq!(
        (&summary["stopped"], &summary["reasons"][0]["what"]),
        (&true.into(), &"403 vapid/key-mismatch".into())
    );
}
