use super::*;
use crate::outcome::{Deferred, Gone, Refused, RefusedReason};

const NOW: Timestamp = Timestamp::from_unix_millis(1_800_000_000_123);

fn subscription(number: usize) -> Subscription {
    Subscription::from_json(&format!(
        r#"{{"endpoint":"https://push.example/p/{number}","keys":{{"p256dh":"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4","auth":"BTBZMqHH6r4Tts7J_aSIgg"}}}}"#
    ))
    .unwrap()
}

fn recipient(name: &str, number: usize) -> Recipient {
    Recipient::new(name, subscription(number), NOW)
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
    fn path(&self) -> PathBuf {
        self.0.path().join("deep").join("recipients.jsonl")
    }
    fn open(&self) -> Registry {
        Registry::open(self.path()).unwrap()
    }
    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }
}

fn gone() -> Outcome {
    let origin = "https://push.example".parse().unwrap();
    Outcome::Gone(Gone { origin, status: Some(410), attempts: 1 })
}

fn names(registry: &Registry) -> Vec<&str> {
    registry.iter().map(|recipient| recipient.name.as_str()).collect()
}

#[test]
fn what_was_added_is_there_after_opening_again() {
    let place = Place::new();
    let mut registry = place.open();
    assert_eq!(registry.add(recipient("alice", 1).tag("staff")).unwrap(), Added::New);
    assert_eq!(registry.add(recipient("bob", 2)).unwrap(), Added::New);
    assert_eq!(registry.add(recipient("alice", 3)).unwrap(), Added::NewSubscription);
    let before: Vec<_> = registry.iter().cloned().collect();
    drop(registry);

    let registry = place.open();

    assert_eq!(registry.iter().cloned().collect::<Vec<_>>(), before);
    assert_eq!(names(&registry), ["alice", "bob", "alice"]);
    assert_eq!(registry.find("alice").count(), 2);
    assert_eq!(registry.by_tag("staff").count(), 1);
    assert_eq!(registry.len(), 3);
}

#[test]
fn the_same_endpoint_is_updated_and_keeps_its_age() {
    let place = Place::new();
    let mut registry = place.open();
    registry.add(recipient("alice", 1)).unwrap();
    let mut later = recipient("alicia", 1);
    later.added_at = NOW.after(std::time::Duration::from_secs(60));

    assert_eq!(registry.add(later).unwrap(), Added::Updated);

    assert_eq!(names(&registry), ["alicia"]);
    assert_eq!(registry.iter().next().unwrap().added_at, NOW);
    drop(registry);
    assert_eq!(names(&place.open()), ["alicia"]);
}

/// AS-004, AS-028: only 404 and 410 end a subscription.
#[test]
fn only_gone_marks_an_entry_as_gone() {
    let place = Place::new();
    let mut registry = place.open();
    for number in 1..=3 {
        registry.add(recipient("alice", number)).unwrap();
    }
    let origin: push_crypto::Origin = "https://push.example".parse().unwrap();
    let refused = Outcome::Refused(Refused {
        origin: origin.clone(),
        status: 403,
        reason: RefusedReason::KeyMismatch,
        code: None,
        text: None,
        clock_skew: None,
        attempts: 1,
    });
    let deferred = Outcome::Deferred(Deferred {
        origin,
        status: 503,
        not_before: None,
        code: None,
        text: None,
        attempts: 1,
    });

    for (number, outcome) in [(1, &gone()), (2, &refused), (3, &deferred)] {
        assert!(registry.record(&subscription(number).endpoint, outcome, NOW).unwrap());
    }
    assert!(!registry.record(&subscription(9).endpoint, &gone(), NOW).unwrap());
    drop(registry);
    let mut registry = place.open();

    let seen: Vec<_> =
        registry.iter().map(|it| (it.last_outcome.as_ref().unwrap().outcome.as_str(), it.gone_at)).collect();
    assert_eq!(seen, [("gone", Some(NOW)), ("refused", None), ("deferred", None)]);
    let pruned = registry.prune().unwrap();
    assert_eq!(pruned.len(), 1);
    assert_eq!(pruned[0].subscription, subscription(1));
    assert_eq!(registry.len(), 2);
    assert_eq!(place.text().lines().count(), 2, "pruning compacts");
    drop(registry);
    assert_eq!(place.open().len(), 2);
}

#[test]
fn what_was_removed_stays_removed() {
    let place = Place::new();
    let mut registry = place.open();
    for number in 1..=2 {
        registry.add(recipient("alice", number)).unwrap();
    }
    registry.add(recipient("bob", 3)).unwrap();

    assert_eq!(registry.remove("alice").unwrap().len(), 2);
    assert!(registry.remove("carol").unwrap().is_empty());

    drop(registry);
    assert_eq!(names(&place.open()), ["bob"]);
}

/// A crash can cut the file anywhere in the last line: everything before it stays.
#[test]
fn a_cut_last_line_is_dropped_at_every_octet() {
    let place = Place::new();
    let mut registry = place.open();
    registry.add(recipient("alice", 1)).unwrap();
    let whole = place.text().len();
    registry.add(recipient("bob", 2)).unwrap();
    drop(registry);
    let octets = fs::read(place.path()).unwrap();

    for end in whole..octets.len() {
        fs::write(place.path(), &octets[..end]).unwrap();
        let mut registry = place.open();
        assert_eq!(names(&registry), ["alice"], "{end}");
        registry.add(recipient("carol", 3)).unwrap();
        drop(registry);
        assert_eq!(names(&place.open()), ["alice", "carol"], "{end}");
    }
}

/// A crash between writing and renaming leaves the old file, and the rest is no obstacle.
#[test]
fn a_left_over_of_compacting_is_no_obstacle() {
    let place = Place::new();
    place.open().add(recipient("alice", 1)).unwrap();
    fs::write(beside(&place.path(), ".new"), "{\"name\":\"al").unwrap();

    let mut registry = place.open();
    registry.compact().unwrap();

    assert_eq!(names(&registry), ["alice"]);
    registry.add(recipient("bob", 2)).unwrap();
    drop(registry);
    assert_eq!(names(&place.open()), ["alice", "bob"]);
}

#[test]
fn many_outcomes_do_not_grow_the_file_without_bound() {
    let place = Place::new();
    let mut registry = place.open();
    registry.add(recipient("alice", 1)).unwrap();

    for _ in 0..2_000 {
        registry.record(&subscription(1).endpoint, &gone(), NOW).unwrap();
    }

    assert!(place.text().lines().count() <= SPARE_LINES + 3);
    drop(registry);
    assert_eq!(place.open().len(), 1);
}

#[test]
fn damage_before_the_end_is_named_by_its_line() {
    let place = Place::new();
    place.open().add(recipient("alice", 1)).unwrap();
    let good = place.text();
    let check = |bad: &str, expected: LineError| {
        fs::write(place.path(), format!("{good}{bad}\n{good}")).unwrap();
        match Registry::open(place.path()) {
            Err(RegistryError::Damaged { line: 2, reason }) => assert_eq!(reason, expected, "{bad}"),
            other => panic!("{bad}: {other:?}"),
        }
    };

    check("", LineError::NotJson);
    check("[]", LineError::NotJson);
    check("{}", LineError::NotARecipient);
    check(&"x".repeat(LINE_OCTETS + 10), LineError::NotJson);
    check(&good.trim_end().replace("\"tags\":[]", "\"tags\":[1]"), LineError::Tags);
    check(&good.trim_end().replace("2027-01-15", "yesterday"), LineError::Time);
    check(
        r#"{"name":"x","subscription":{}}"#,
        LineError::Subscription(push_crypto::SubscriptionError::EndpointMissing),
    );
}

#[test]
fn one_process_changes_it_and_others_read() {
    let place = Place::new();
    let mut registry = place.open();
    registry.add(recipient("alice", 1)).unwrap();

    assert!(matches!(Registry::open(place.path()), Err(RegistryError::InUse)));
    let mut reader = Registry::open_read_only(place.path()).unwrap();
    assert_eq!(names(&reader), ["alice"]);
    assert!(matches!(reader.add(recipient("bob", 2)), Err(RegistryError::ReadOnly)));
    assert!(matches!(reader.remove("alice"), Err(RegistryError::ReadOnly)));
    assert!(matches!(reader.compact(), Err(RegistryError::ReadOnly)));

    assert!(Registry::open_read_only(place.path().with_file_name("absent")).unwrap().is_empty());
}

#[test]
fn words_and_lines_have_their_limits() {
    let place = Place::new();
    let mut registry = place.open();

    for name in ["", "a\nb", &"x".repeat(129)] {
        assert!(matches!(registry.add(recipient(name, 1)), Err(RegistryError::Name)), "{name:?}");
    }
    registry.add(recipient(&"é".repeat(128), 1)).unwrap();
    let mut much = recipient("alice", 2);
    much.tags = vec!["x".repeat(128); 130];
    assert!(matches!(registry.add(much), Err(RegistryError::TooLong { .. })));
    assert_eq!(registry.len(), 1);
}

#[test]
fn lines_can_be_exported_and_imported() {
    let mut exported = recipient("alice", 1).tag("staff");
    exported.gone_at = Some(NOW);
    exported.last_outcome = Some(LastOutcome { outcome: "gone".into(), at: NOW });

    assert!(exported.to_json().contains(r#""addedAt":"2027-01-15T08:00:00.123Z""#), "{}", exported.to_json());
    assert_eq!(Recipient::from_json(&exported.to_json(), Timestamp::default()).unwrap(), exported);
    let least = format!(r#"{{"name":"bob","subscription":{}}}"#, subscription(2).to_json());
    assert_eq!(Recipient::from_json(&least, NOW).unwrap(), recipient("bob", 2));
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let mut registry = place.open();
    registry.add(recipient("alice", 1)).unwrap();
    registry.compact().unwrap();

    let mode = fs::metadata(place.path()).unwrap().permissions().mode();

    assert_eq!(mode & 0o777, 0o600);
}
