use serde_json::json;

use super::*;
use crate::{
    matcher::Match,
    sample::sample,
    service::{exchange::State, finding::Payload},
};

fn report(value: &Value, considered: &[Arc<Exchange>]) -> Report {
    let wanted = Match::from_value(value).unwrap();
    let headline = format!("nothing matched within 5 s: {wanted}");
    let to = wanted.addressee().map(str::to_owned);
    Report::too_few(headline, &wanted, considered, &[]).advised(to.as_deref(), "default")
}

#[test]
fn the_caret_stands_under_the_first_difference() {
    let considered = [
        sample(1, "alice").octets(b"{\"title\":\"Kick-off\"}").topic("score").build(),
        sample(2, "bob").octets(b"{\"title\":\"Goal!\"}").build(),
        sample(3, "alice").octets(b"{\"title\":\"Goal\"}").build(),
        sample(4, "alice").octets(b"Hello").build(),
    ];
    let report = report(&json!({"to": "alice", "payload": {"json": {"title": "Goal!"}}}), &considered);

    insta::assert_snapshot!(report, @r#"
    nothing matched within 5 s: to alice, payload includes {"title":"Goal!"}
      3 messages went to alice. Closest: 0003, 1 of 2 conditions
        ✓ to       alice
        ✗ payload  /title   expected "Goal!"   was "Goal"
                                                        ^
      Next: 0001, 1 of 2 conditions
        ✓ to       alice
        ✗ payload  /title   expected "Goal!"   was "Kick-off"
      Next: 0004, 1 of 2 conditions
        ✓ to       alice
        ✗ payload  expected to include {"title":"Goal!"}   was the text "Hello", which is not JSON
      do    push show 0003      or  push wait --to alice --explain
    "#);
    insta::assert_snapshot!(report.near_misses()[1].to_json(), @r#"{"message":"msg_01M8Z3KQ4VM2V7N6T0XW9B0001","met":1,"of":2,"differences":[{"member":"payload","pointer":"/title","expected":"Goal!","actual":"Kick-off"}]}"#);
}

/// The report of the documentation, character by character.
#[test]
fn the_documented_report_is_what_is_printed() {
    let considered = [sample(1, "alice")
        .octets(b"{\"title\":\"Goal\"}")
        .with(|e| e.id = "msg_01M8Z3KQ4VM2V7N6T0XW9B7F3K".into())
        .build()];
    let report = report(&json!({"to": "alice", "payload": {"json": {"title": "Goal!"}}}), &considered);

    assert_eq!(
        report.to_string(),
        "nothing matched within 5 s: to alice, payload includes {\"title\":\"Goal!\"}\n  \
           1 message went to alice. Closest: 7F3K, 1 of 2 conditions\n    \
             ✓ to       alice\n    \
             ✗ payload  /title   expected \"Goal!\"   was \"Goal\"\n                                                    ^\n  \
           do    push show 7F3K      or  push wait --to alice --explain"
    );
}

#[test]
fn nothing_at_all_is_said_plainly() {
    insta::assert_snapshot!(report(&json!({"to": "alice"}), &[]), @r#"
    nothing matched within 5 s: to alice
      No message arrived, neither for alice nor for another subscription.
      do    push sub ls      and check that the sender uses one of these endpoints
    "#);
    insta::assert_snapshot!(report(&json!({}), &[]), @r#"
    nothing matched within 5 s: 
      No message arrived.
      do    push sub ls      and check that the sender uses one of these endpoints
    "#);
}

#[test]
fn messages_to_others_are_counted() {
    let considered = [
        sample(1, "bob").build(),
        sample(2, "bob").build(),
        sample(3, "carol").build(),
        sample(4, "dan").build(),
        sample(5, "eve").with(|e| e.to = None).build(),
    ];

    insta::assert_snapshot!(report(&json!({"to": "alicia", "topic": "score"}), &considered), @r#"
    nothing matched within 5 s: to alicia, topic score
      No message went to alicia, but 2 to bob, 1 to carol, 1 to dan, …. Closest: 0004, 0 of 2 conditions
        ✗ to     expected alicia   was dan
        ✗ topic  expected score   was absent
      Next: 0003, 0 of 2 conditions
        ✗ to     expected alicia   was carol
        ✗ topic  expected score   was absent
      Next: 0002, 0 of 2 conditions
        ✗ to     expected alicia   was bob
        ✗ topic  expected score   was absent
      do    push show 0004      or  push wait --to alicia --explain
    "#);
}

#[test]
fn a_refused_message_is_the_closest_miss() {
    let considered = [
        sample(1, "alice").octets(b"Hallo").build(),
        sample(2, "alice").payload(Payload::Undecryptable).build(),
        sample(3, "alice").refused(403, "vapid/aud-mismatch").build(),
    ];

    insta::assert_snapshot!(report(&json!({"to": "alice", "payload": {"text": "Hello"}}), &considered), @r#"
    nothing matched within 5 s: to alice, payload equals "Hello"
      3 messages went to alice. Closest: 0001, 1 of 2 conditions
        ✓ to       alice
        ✗ payload  expected "Hello"   was "Hallo"
                                            ^
      Next: 0003, 2 of 3 conditions
        ✓ to       alice
        ✗ state    expected accepted   was refused (403 vapid/aud-mismatch)
        ✓ payload  equals "Hello"
      Next: 0002, 1 of 2 conditions
        ✓ to       alice
        ✗ payload  expected to equal "Hello"   was undecryptable
      do    push show 0001      or  push wait --to alice --explain
    "#);
}

#[test]
fn every_kind_of_condition_has_its_line() {
    let exchange = sample(1, "alice").state(State::Queued, Some("offline")).build();
    let wanted = json!({
        "to": "alice", "state": ["delivered", "acknowledged"], "topic": ["a", null], "urgency": "high",
        "ttl": {"gte": 7200}, "bodyBytes": {"lte": 100}, "findings": {"all": ["ttl/*"]},
        "vapid": {"signature": "valid"}, "fault": true,
    });

    insta::assert_snapshot!(report(&wanted, &[exchange]), @r#"
    nothing matched within 5 s: to alice, state delivered or acknowledged, topic a or absent, urgency high, ttl ≥ 7200, bodyBytes ≤ 100, findings all of ttl/*, vapid signature valid, fault any
      1 message went to alice. Closest: 0001, 2 of 9 conditions
        ✓ to         alice
        ✗ state      expected delivered or acknowledged   was queued (offline)
        ✓ topic      a or absent
        ✗ urgency    expected high   was normal
        ✗ ttl        expected ≥ 7200   was 3600
        ✗ bodyBytes  expected ≤ 100   was 118
        ✗ findings   expected all of ttl/*   was none
        ✗ vapid      /signature   expected valid   was absent
        ✗ fault      expected any   was none
      do    push show 0001      or  push wait --to alice --explain
    "#);
}

#[test]
fn long_texts_are_shown_around_their_difference() {
    let actual: &'static str = format!("{}left{}", "x".repeat(500), "y".repeat(500)).leak();
    let expected = format!("{}lift{}", "x".repeat(500), "y".repeat(500));
    let exchange = sample(1, "a").octets(actual.as_bytes()).build();

    insta::assert_snapshot!(report(&json!({"payload": {"text": expected}}), &[exchange]), @r#"
    nothing matched within 5 s: payload equals "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
      1 message arrived. Closest: 0001, 0 of 1 condition
        ✗ payload  expected …xxxxxxxxxxxxxxxxxxxxxxxxxxxxxliftyyyyyyyyyyyyyyyyyyyyyyyyyyy…   was …xxxxxxxxxxxxxxxxxxxxxxxxxxxxxleftyyyyyyyyyyyyyyyyyyyyyyyyyyy…
                                                                                                                                ^
      do    push show 0001      or  push msg ls
    "#);
}

#[test]
fn what_a_message_says_cannot_steer_the_terminal() {
    let exchange = sample(1, "a\u{1b}[2J").octets(b"\x1b[2J\r\n").build();
    let wanted = json!({"to": "b\u{7}", "payload": {"text": "x\u{1b}"}});

    let text = report(&wanted, &[exchange]).to_string();

    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
}

#[test]
fn too_many_are_listed() {
    let matched: Vec<_> = (1..=7).map(|seq| sample(seq, "alice").build()).collect();
    let report =
        Report::too_many("7 messages matched, at most 1 was expected: to alice".to_owned(), &matched)
            .advised(Some("alice"), "t1");

    insta::assert_snapshot!(report, @r#"
    7 messages matched, at most 1 was expected: to alice
        0001  alice  201 acknowledged  ttl 3600  "Hello"
        0002  alice  201 acknowledged  ttl 3600  "Hello"
        0003  alice  201 acknowledged  ttl 3600  "Hello"
        0004  alice  201 acknowledged  ttl 3600  "Hello"
        0005  alice  201 acknowledged  ttl 3600  "Hello"
        … and 2 more
      do    push show 0001 --space t1      or  push wait --to alice --space t1 --explain
    "#);
    assert_eq!(report.matched().len(), 7);
}

#[test]
fn the_problem_has_three_members() {
    let json = report(&json!({"to": "bob"}), &[sample(1, "alice").build()]).to_json();

    insta::assert_snapshot!(serde_json::to_string_pretty(&json).unwrap(), @r#"
    {
      "matched": [],
      "nearMisses": [
        {
          "message": "msg_01M8Z3KQ4VM2V7N6T0XW9B0001",
          "met": 0,
          "of": 1,
          "differences": [
            {
              "member": "to",
              "pointer": "",
              "expected": "bob",
              "actual": "alice"
            }
          ]
        }
      ],
      "report": "nothing matched within 5 s: to bob\n  No message went to bob, but 1 to alice. Closest: 0001, 0 of 1 condition\n    ✗ to  expected bob   was alice\n  do    push show 0001      or  push wait --to bob --explain"
    }
    "#);
}
