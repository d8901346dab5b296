use super::*;

fn origin() -> Origin {
    "https://push.example".parse().unwrap()
}

fn check(outcome: &Outcome, name: &str, text: &str) {
    assert_eq!(outcome.as_str(), name);
    assert_eq!(outcome.to_string(), text);
    assert_eq!(outcome.origin(), &origin());
}

/// The table of names that JSON, the report and the registry use.
#[test]
fn each_outcome_has_its_name_and_one_sentence() {
    check(
        &Outcome::Accepted(Accepted {
            origin: origin(),
            status: 201,
            message_resource: None,
            ttl: Some(Ttl::seconds(10)),
            receipt_subscription: None,
            attempts: 1,
        }),
        "accepted",
        "https://push.example accepted the message (201) for 10 s; that is not yet delivery",
    );
    check(
        &Outcome::Gone(Gone { origin: origin(), status: Some(410), attempts: 1 }),
        "gone",
        "the subscription at https://push.example has ended (410); delete it, the user agent subscribes anew when it wants messages",
    );
    check(
        &Outcome::Refused(Refused {
            origin: origin(),
            status: 403,
            reason: RefusedReason::KeyMismatch,
            code: Some("vapid/key-mismatch".into()),
            text: Some("no".into()),
            clock_skew: None,
            attempts: 1,
        }),
        "refused",
        "https://push.example refused the message (403, vapid/key-mismatch): the subscription belongs to another \
         application server key; sign with that one, or subscribe anew; it said: no",
    );
}

#[test]
fn each_temporary_outcome_says_what_to_do() {
    check(
        &Outcome::Deferred(Deferred {
            origin: origin(),
            status: 429,
            not_before: Some(Timestamp::from_unix_seconds(784_111_777)),
            code: None,
            text: None,
            attempts: 4,
        }),
        "deferred",
        "https://push.example could not take the message now (429, 4 attempts); send it again, not before \
         Sun, 06 Nov 1994 08:49:37 GMT",
    );
    check(
        &Outcome::Unanswered(Unanswered {
            origin: origin(),
            phase: Phase::Headers,
            problem: Problem::TimedOut,
            attempts: 1,
        }),
        "unanswered",
        "https://push.example may have received the message but did not answer (it took too long while waiting for \
         the answer, 1 attempt); sent again it may arrive twice, which a topic makes harmless",
    );
    check(
        &Outcome::Unsent(Unsent {
            origin: origin(),
            reason: UnsentReason::Invalid(Invalid::TooLarge { octets: 3994, limit: 3993 }),
            attempts: 0,
        }),
        "unsent",
        "the message for https://push.example was not sent: the text has 3994 octets, at most 3993 fit; shorten it, \
         or send a tickle and let the worker fetch",
    );
}

/// AS-003
#[test]
fn accepted_is_a_result_of_its_own() {
    let gone = Outcome::Gone(Gone { origin: origin(), status: Some(404), attempts: 1 });

    let error = gone.clone().accepted().unwrap_err();

    assert_eq!(error.outcome(), &gone);
    assert_eq!(error.to_string(), gone.to_string());
}

#[test]
fn the_clock_here_is_said_to_be_behind_or_ahead() {
    let mut refused = Refused {
        origin: origin(),
        status: 401,
        reason: RefusedReason::Vapid,
        code: None,
        text: None,
        clock_skew: Some(3600),
        attempts: 2,
    };
    assert!(refused.to_string().ends_with("; the clock here is 3600 s behind the push service's"));

    refused.clock_skew = Some(-60);
    assert!(refused.to_string().ends_with("; the clock here is 60 s ahead of the push service's"));
}

#[test]
fn locations_are_resolved_and_nonsense_is_dropped() {
    let base: PushResource = "https://push.example:8443/p/abc?x".parse().unwrap();
    let check = |reference: &str, expected: Option<&str>| {
        let resolved = MessageResource::resolve(reference, &base);
        assert_eq!(resolved.as_ref().map(MessageResource::expose), expected, "{reference:?}");
    };

    check("https://other.example/m/1", Some("https://other.example/m/1"));
    check("https://fcm.googleapis.com/0:1700000000%abc", Some("https://fcm.googleapis.com/0:1700000000%abc"));
    check("/m/1", Some("https://push.example:8443/m/1"));
    check("//evil.example/m", None);
    check("m/1", None);
    check("", None);
    check("http://inside.example/m", None);
    check("https://user@other.example/", None);
    check(&format!("/{}", "x".repeat(3000)), None);
}

#[test]
fn capabilities_are_unprintable() {
    let secret = MessageResource::parse("https://push.example/m/secret").unwrap();

    assert_eq!(format!("{secret:?}"), "MessageResource(https://push.example/…)");
}

#[test]
fn dates_beyond_http_are_written_as_its_last() {
    assert_eq!(http_date(Timestamp::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
}
