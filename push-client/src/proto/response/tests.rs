use super::*;

const NOW: Timestamp = Timestamp::from_unix_seconds(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT

fn endpoint() -> PushResource {
    "https://push.example/p/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV".parse().unwrap()
}

fn answer(status: u16, fields: &[(&str, &str)], body: &str) -> Answer {
    let mut response = Response::builder().status(status);
    for (name, value) in fields {
        response = response.header(*name, *value);
    }
    classify(&response.body(body.to_owned()).unwrap(), &endpoint(), NOW)
}

/// Every status a push service answers, and what a sender should conclude. AS-003, AS-004
#[test]
fn statuses_are_sorted_by_what_the_sender_should_do() {
    let kind = |status| match answer(status, &[], "") {
        Answer::Accepted { .. } => "accepted",
        Answer::Gone { .. } => "gone",
        Answer::Refused { reason, .. } => reason.as_str(),
        Answer::Deferred { .. } => "deferred",
    };
    for status in [200, 201, 202, 204, 299] {
        assert_eq!(kind(status), "accepted", "{status}");
    }
    for status in [404, 410] {
        assert_eq!(kind(status), "gone", "{status}");
    }
    for status in [300, 301, 302, 303, 304, 307, 308] {
        assert_eq!(kind(status), "redirect", "{status}");
    }
    for status in [401, 403] {
        assert_eq!(kind(status), "vapid", "{status}");
    }
    for status in [400, 402, 405, 406, 408, 409, 411, 415, 421, 431, 451] {
        assert_eq!(kind(status), "bad-request", "{status}");
    }
    for status in [429, 500, 501, 502, 503, 504, 507, 599] {
        assert_eq!(kind(status), "deferred", "{status}");
    }
    assert_eq!(kind(413), "too-large");
    assert_eq!(kind(101), "other");
    assert_eq!(kind(600), "other");
}

/// AS-028: another key is not the end of the subscription.
#[test]
fn a_key_mismatch_is_told_apart_from_everything_else() {
    for (status, body) in [
        (400, r#"{"reason":"VapidPkHashMismatch"}"#),
        (
            403,
            "the VAPID credentials in the authorization header do not correspond to the credentials used to create the subscriptions.\n",
        ),
        (401, r#"{"code":401,"errno":109,"error":"Unauthorized","message":"VAPID public key mismatch"}"#),
        (403, r#"{"code":"vapid/key-mismatch","status":403}"#),
    ] {
        let Answer::Refused { reason, said, clock, .. } =
            answer(status, &[("date", "Sun, 06 Nov 1994 18:49:37 GMT")], body)
        else {
            panic!("{status} {body}")
        };

        assert_eq!(reason, RefusedReason::KeyMismatch, "{body}");
        assert_eq!(said.code.as_deref(), Some("vapid/key-mismatch"));
        assert_eq!(clock, None, "no new token for {body}");
    }
}

/// AS-010
#[test]
fn the_fields_of_an_acceptance_are_read() {
    let accepted = answer(
        202,
        &[("location", "/m/1"), ("ttl", "10"), ("link", "</r/1>; rel=\"urn:ietf:params:push:receipt\"")],
        "",
    );

    assert_eq!(
        accepted,
        Answer::Accepted {
            status: 202,
            message_resource: MessageResource::parse("https://push.example/m/1").ok(),
            ttl: Some(Ttl::seconds(10)),
            receipt_subscription: ReceiptSubscription::parse("https://push.example/r/1").ok(),
        }
    );
}

/// T4: nonsense in `TTL`, `Location`, `Link`.
#[test]
fn nonsense_in_an_acceptance_is_dropped() {
    for (ttl, location) in [("-1", "http://inside.example/"), ("x", "::"), ("", "ftp://x"), ("1e9", "//y")] {
        let accepted = answer(201, &[("ttl", ttl), ("location", location), ("link", location)], "");

        assert_eq!(
            accepted,
            Answer::Accepted { status: 201, message_resource: None, ttl: None, receipt_subscription: None }
        );
    }
}

/// AS-016
#[test]
fn retry_after_is_measured_by_the_clock_of_the_answer() {
    let wait = |fields: &[(&str, &str)]| match answer(503, fields, "") {
        Answer::Deferred { retry_after, .. } => retry_after.map(|wait| wait.as_secs()),
        other => panic!("{other:?}"),
    };

    assert_eq!(wait(&[("retry-after", "5")]), Some(5));
    assert_eq!(wait(&[("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT")]), Some(10));
    assert_eq!(
        wait(&[("retry-after", "Mon, 07 Nov 1994 08:49:47 GMT"), ("date", "Mon, 07 Nov 1994 08:49:37 GMT")]),
        Some(10)
    );
    assert_eq!(wait(&[("retry-after", "never")]), None);
    assert_eq!(wait(&[]), None);
}

#[test]
fn only_a_throttled_406_of_wns_is_temporary() {
    let deferred = |status: &str| {
        matches!(answer(406, &[("x-wns-status", status)], ""), Answer::Deferred { status: 406, .. })
    };

    assert!(deferred("appthrottled"));
    assert!(deferred("channelThrottled"));
    assert!(!deferred("dropped"));
    assert!(!deferred("throttled-not"));
}

/// T10
#[test]
fn the_clock_is_named_by_words_or_by_a_date_far_from_ours() {
    let clock = |status, date: &str, body: &str| match answer(status, &[("date", date)], body) {
        Answer::Refused { clock, .. } => clock.map(Timestamp::as_unix_seconds),
        other => panic!("{other:?}"),
    };
    let expired = r#"{"errno":109,"message":"Invalid VAPID token: ExpiredSignature"}"#;

    assert_eq!(clock(401, "Sun, 06 Nov 1994 08:49:38 GMT", expired), Some(784_111_778));
    assert_eq!(clock(403, "Sun, 06 Nov 1994 08:59:37 GMT", "invalid JWT"), None);
    assert_eq!(clock(403, "Sun, 06 Nov 1994 08:59:38 GMT", "invalid JWT"), Some(784_112_378));
    assert_eq!(clock(403, "Sun, 06 Nov 1994 08:39:36 GMT", "invalid JWT"), Some(784_111_176));
    assert_eq!(clock(400, "Sun, 06 Nov 1994 18:49:37 GMT", expired), None);
    assert_eq!(clock(401, "yesterday", expired), None);
}
