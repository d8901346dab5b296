//! One case per row AS-042 to AS-049, each as an application would write it, and a property.

use alloc::vec;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn read(payload: &Value) -> DeclarativeReading {
    Declarative::read(payload.to_string().as_bytes())
}

#[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
fn message(notification: Value) -> Value {
    json!({"web_push": 8030, "notification": notification})
}

/// `{"title", "navigate"}` and one more member.
fn with(name: &str, value: Value) -> Value {
    let mut notification = json!({"title": "t", "navigate": "/n"});
    notification[name] = value;
    message(notification)
}

#[track_caller]
fn check(payload: &Value, declarative: bool, problems: &[(&str, &str)]) {
    let reading = read(payload);
    let found: Vec<_> = reading.problems().iter().map(|p| (p.code(), p.pointer())).collect();

    assert_eq!(found, problems, "{payload}");
    assert_eq!(matches!(reading, DeclarativeReading::Declarative(_)), declarative, "{payload}");
}

/// AS-042
#[test]
fn only_the_number_8030_makes_a_message_declarative() {
    let notification = json!({"title": "t", "navigate": "/n"});
    let version = [("declarative/version", "/web_push")];

    check(&message(notification.clone()), true, &[]);
    check(&json!({"web_push": 8030.0, "notification": notification}), true, &[]);
    check(&json!({"notification": notification}), false, &version);
    check(&json!({"web_push": "8030", "notification": notification}), false, &version);
    check(&json!({"web_push": 8031, "notification": notification}), false, &version);
    check(&json!({"web_push": [8030], "notification": notification}), false, &version);
    check(&json!({"title": "t"}), false, &[]);
    check(&json!([8030]), false, &[]);
    for other in [&b""[..], b"Hello", b"\xff\xfe", b"8030"] {
        assert_eq!(Declarative::read(other), DeclarativeReading::NotDeclarative(vec![]));
    }
    let with_mark = [b"\xef\xbb\xbf", message(notification).to_string().as_bytes()].concat();
    assert!(matches!(Declarative::read(&with_mark), DeclarativeReading::Declarative(_)));
}

/// AS-043
#[test]
fn title_and_navigate_are_needed() {
    let title = ("declarative/title", "/notification/title");
    let navigate = ("declarative/navigate", "/notification/navigate");

    check(&message(json!({"navigate": "/n"})), false, &[title]);
    check(&message(json!({"title": 7, "navigate": "/n"})), false, &[title]);
    check(&message(json!({"title": "t"})), false, &[navigate]);
    check(&message(json!({"title": "t", "navigate": null})), false, &[navigate]);
    check(&message(json!({})), false, &[title, navigate]);
    check(&json!({"web_push": 8030}), false, &[("declarative/title", "/notification")]);
    check(&message(json!("t")), false, &[("declarative/title", "/notification")]);
    check(&message(json!({"title": "", "navigate": ""})), true, &[]);
}

/// AS-044
#[test]
fn navigate_is_a_url() {
    let bad = [("declarative/navigate", "/notification/navigate")];

    check(&with("navigate", json!("https://[bad")), false, &bad);
    check(&with("navigate", json!("https://")), false, &bad);
    check(&with("navigate", json!("/path")), true, &[]);
    check(&with("navigate", json!("https://example.com/a?b#c")), true, &[]);
}

/// AS-045
#[test]
fn optional_members_of_the_wrong_type_are_skipped() {
    let good = json!({
        "title": "t", "navigate": "/n", "dir": "rtl", "lang": "de", "body": "b", "tag": "g", "image": "/i.png",
        "icon": "/c.png", "badge": "/b.png", "vibrate": [200, 100], "timestamp": 1_700_000_000_000_u64,
        "renotify": true, "silent": false, "requireInteraction": true, "data": {"id": 7},
        "actions": [{"action": "a", "title": "b", "navigate": "/c", "icon": "/d"}], "unknown": 1
    });
    let DeclarativeReading::Declarative(read) = read(&message(good)) else { panic!("not declarative") };
    assert_eq!(read.problems, []);
    let notification = &read.notification;
    assert_eq!(notification.dir, Some(TextDirection::Rtl));
    assert_eq!(notification.vibrate.as_deref(), Some(&[200, 100][..]));
    assert_eq!(notification.timestamp, Some(Timestamp::from_unix_millis(1_700_000_000_000)));
    assert_eq!(notification.data.as_deref(), Some(r#"{"id":7}"#));
    assert!(notification.renotify && notification.require_interaction);
    assert_eq!(notification.silent, Some(false));
    assert_eq!(notification.actions[0].icon.as_deref(), Some("/d"));

    for (name, value) in [
        ("dir", json!("up")),
        ("dir", json!(1)),
        ("lang", json!(1)),
        ("body", json!(["b"])),
        ("tag", json!(null)),
        ("image", json!("https://[")),
        ("icon", json!({})),
        ("badge", json!(false)),
        ("vibrate", json!("200")),
        ("vibrate", json!([-1])),
        ("timestamp", json!("2026-01-01")),
        ("timestamp", json!(-1)),
        ("renotify", json!("true")),
        ("silent", json!(1)),
        ("requireInteraction", json!("yes")),
        ("actions", json!({})),
    ] {
        let pointer = format!("/notification/{name}");
        check(&with(name, value), true, &[("declarative/member-type", &pointer)]);
    }
    check(&with("silent", json!(null)), true, &[]);
}

/// AS-046
#[test]
fn an_action_is_complete_or_the_message_fails() {
    let action =
        |value: Value| with("actions", json!([{"action": "a", "title": "b", "navigate": "/c"}, value]));
    let at = |member: &'static str| [("declarative/action", member)];

    check(&action(json!({"action": "a", "title": "b", "navigate": "/c"})), true, &[]);
    check(
        &action(json!({"action": 1, "title": "b", "navigate": "/c"})),
        false,
        &at("/notification/actions/1/action"),
    );
    check(&action(json!({"action": "a", "navigate": "/c"})), false, &at("/notification/actions/1/title"));
    check(&action(json!({"action": "a", "title": "b"})), false, &at("/notification/actions/1/navigate"));
    check(
        &action(json!({"action": "a", "title": "b", "navigate": "https://["})),
        false,
        &at("/notification/actions/1/navigate"),
    );
    check(&action(json!("a")), false, &at("/notification/actions/1"));
    check(
        &action(json!({"action": "a", "title": "b", "navigate": "/c", "icon": 1})),
        true,
        &[("declarative/member-type", "/notification/actions/1/icon")],
    );
}

/// AS-047
#[test]
fn what_a_notification_cannot_be_fails_the_message() {
    let combine = |more: Value| {
        let mut payload = with("body", json!("b"));
        for (name, value) in more.as_object().unwrap() {
            payload["notification"][name] = value.clone();
        }
        payload
    };
    let vibrate = [("declarative/combination", "/notification/vibrate")];
    let renotify = [("declarative/combination", "/notification/renotify")];

    check(&combine(json!({"silent": true, "vibrate": [1]})), false, &vibrate);
    check(&combine(json!({"silent": false, "vibrate": [1]})), true, &[]);
    check(&combine(json!({"renotify": true})), false, &renotify);
    check(&combine(json!({"renotify": true, "tag": ""})), false, &renotify);
    check(&combine(json!({"renotify": true, "tag": "a"})), true, &[]);
}

/// AS-048, AS-049
#[test]
fn mutable_and_app_badge_stand_at_the_top() {
    let top = |name: &str, value: Value| {
        let mut payload = with("body", json!("b"));
        payload[name] = value;
        payload
    };
    let mutable = |payload: &Value| match read(payload) {
        DeclarativeReading::Declarative(message) => (message.mutable, message.app_badge),
        DeclarativeReading::NotDeclarative(_) => panic!("not declarative"),
    };

    assert_eq!(mutable(&with("body", json!("b"))), (false, None));
    assert_eq!(mutable(&top("mutable", json!(true))), (true, None));
    assert_eq!(mutable(&top("mutable", json!("true"))), (false, None));
    assert_eq!(mutable(&top("mutable", json!(1))), (false, None));
    assert_eq!(mutable(&with("mutable", json!(true))), (false, None));
    check(&top("mutable", json!(1)), true, &[("declarative/member-type", "/mutable")]);
    check(&with("mutable", json!(true)), true, &[("declarative/misplaced", "/notification/mutable")]);

    assert_eq!(mutable(&top("app_badge", json!(true))).1, Some(AppBadge::Flag(true)));
    assert_eq!(mutable(&top("app_badge", json!(u64::MAX))).1, Some(AppBadge::Number(u64::MAX)));
    check(&top("app_badge", json!(-1)), true, &[("declarative/member-type", "/app_badge")]);
    check(&top("app_badge", json!("7")), true, &[("declarative/member-type", "/app_badge")]);
    check(&with("app_badge", json!(7)), true, &[("declarative/misplaced", "/notification/app_badge")]);
}

#[test]
fn problems_say_what_to_do_and_show_no_plaintext() {
    let reading = read(&json!({"web_push": "secret", "notification": {}}));
    assert_eq!(
        reading.problems()[0].to_string(),
        "/web_push is an unfit string, so the worker gets the message; write the number 8030"
    );
    let reading = read(&message(json!({"title": 7, "navigate": "/n", "dir": "secret"})));
    let texts: Vec<_> = reading.problems().iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "/notification/title is an unfit number, a string is needed; add it",
            "/notification/dir is an unfit string and is skipped; write auto, ltr or rtl",
        ]
    );
    let reading = read(&with("body", json!("secret")));
    assert!(!format!("{reading:?}").contains("secret"));
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(json!(8030)),
        ".{0,12}".prop_map(Value::from),
        Just(json!("/path")),
    ];
    let name = proptest::sample::select(vec![
        "web_push",
        "notification",
        "title",
        "navigate",
        "dir",
        "vibrate",
        "actions",
        "action",
        "icon",
        "silent",
        "renotify",
        "tag",
        "mutable",
        "app_badge",
        "timestamp",
        "x/~y",
    ]);
    leaf.prop_recursive(4, 64, 8, move |inner| {
        let members = proptest::collection::vec((name.clone(), inner.clone()), 0..8);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Value::from),
            members.prop_map(|members| {
                Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn every_problem_points_at_something(notification in json_value(), top in json_value(), badge in json_value()) {
        let payload = json!({"web_push": 8030, "notification": notification, "mutable": top, "app_badge": badge});
        let reading = read(&payload);

        let fatal = reading.problems().iter().any(DeclarativeProblem::is_fatal);
        prop_assert_eq!(fatal, matches!(reading, DeclarativeReading::NotDeclarative(_)));
        for problem in reading.problems() {
            let (parent, _) = problem.pointer().rsplit_once('/').unwrap();
            prop_assert!(payload.pointer(parent).is_some(), "{}", problem.pointer());
        }
    }

    #[test]
    fn no_octets_panic(octets in proptest::collection::vec(any::<u8>(), 0..64), text in ".{0,64}") {
        let _ = Declarative::read(&octets);
        let _ = Declarative::read(text.as_bytes());
        let _ = read(&with("navigate", json!(text)));
        let _ = read(&with("navigate", json!(format!("https://{text}"))));
        let _ = read(&with("navigate", json!(format!("x://{text}"))));
    }
}
