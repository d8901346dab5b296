//! Exchanges for tests.

use std::sync::Arc;

use bytes::Bytes;
use push_crypto::{ContentCoding, Timestamp, Ttl, Urgency};

use crate::service::{
    exchange::{Arrival, Exchange, ShownRequest, ShownResponse, State, Step},
    finding::{Finding, Level, Opened, Payload, VapidView, VendorAnswer},
    request::Via,
};

/// 2026-11-23T07:31:09.118Z
pub(crate) const AT: Timestamp = Timestamp::from_unix_millis(1_795_419_069_118);

/// What an application server knows of some user agent.
#[cfg(feature = "browsers")]
pub(crate) fn subscription_keys() -> push_crypto::SubscriptionKeys {
    let provider = push_crypto::provider::aws_lc_rs::PROVIDER;
    let private = push_crypto::PrivateKey::generate(provider.random).unwrap();
    let auth = push_crypto::AuthSecret::generate(provider.random).unwrap();
    push_crypto::UserAgentKeys::new(&provider, private, Some(auth)).unwrap().subscription_keys()
}

/// A message builder whose product is accepted, acknowledged, and as plain as can be.
pub(crate) struct Sample(Exchange);

pub(crate) fn sample(seq: u64, to: &str) -> Sample {
    let headers = vec![
        ("host".to_owned(), "localhost:8030".to_owned()),
        ("ttl".to_owned(), "3600".to_owned()),
        ("content-encoding".to_owned(), "aes128gcm".to_owned()),
    ];
    let arrival = Arrival {
        id: format!("msg_01M8Z3KQ4VM2V7N6T0XW9B{seq:04}"),
        space: "t1".to_owned(),
        subscription: Some(format!("sub_01M8Z3KQ4VM2V7N6T0XW9B{}", to.to_uppercase())),
        to: Some(to.to_owned()),
        at: AT,
        clock: AT.after(std::time::Duration::from_secs(3600)),
        expires_at: Some(AT.after(std::time::Duration::from_secs(7200))),
        ttl: Some(Ttl::seconds(3600)),
        ttl_requested: Some(Ttl::seconds(3600)),
        topic: None,
        urgency: Urgency::Normal,
        coding: Some(ContentCoding::Aes128gcm),
        request: ShownRequest {
            via: Via::Http,
            http_version: "1.1",
            method: "POST".to_owned(),
            url: "http://localhost:8030/p/AbC".to_owned(),
            headers,
            body_bytes: 118,
            body: Bytes::from_static(b"\x00\x01\x02\xFF"),
        },
        response: ShownResponse { status: Some(201), headers: vec![("ttl", "3600".to_owned())], ms: 3 },
        payload: Payload::Empty,
        vapid: None,
    };
    Sample(Exchange {
        arrival: Arc::new(arrival),
        seq,
        state: State::Acknowledged,
        reason: None,
        replaced_by: None,
        findings: Vec::new(),
        timeline: vec![Step { event: "accepted", clock: AT, why: None, by: None }],
        deliveries: Vec::new(),
        seen: None,
    })
    .octets(b"Hello")
}

impl Sample {
    pub(crate) fn octets(self, plaintext: &'static [u8]) -> Self {
        self.payload(Payload::Decrypted(Opened {
            plaintext: Bytes::from_static(plaintext),
            padding: 0,
            records: 1,
            rs: 4096,
        }))
    }

    pub(crate) fn payload(self, payload: Payload) -> Self {
        self.with(|e| e.payload = payload)
    }

    pub(crate) fn topic(self, topic: &str) -> Self {
        self.with(|e| e.topic = Some(topic.parse().unwrap()))
    }

    pub(crate) fn state(self, state: State, reason: Option<&'static str>) -> Self {
        self.with(|e| {
            e.state = state;
            e.reason = reason;
        })
    }

    pub(crate) fn refused(self, status: u16, code: &'static str) -> Self {
        self.finding(code, Level::Error).state(State::Refused, Some(code)).with(|e| {
            e.response.status = Some(status);
            e.ttl = None;
            e.expires_at = None;
        })
    }

    pub(crate) fn finding(self, code: &'static str, level: Level) -> Self {
        static APPLE: &[VendorAnswer] = &[VendorAnswer {
            profile: "apple",
            status: Some(403),
            body: "{\"reason\":\"BadJwtToken\"}",
            evidence: "observed",
            line: "apple/7",
        }];
        self.with(|e| {
            e.findings.push(Finding {
                code,
                level,
                place: "header:authorization#sub".to_owned(),
                seen: "mailto:a@localhost".to_owned(),
                expected: "a contact with a public domain".to_owned(),
                why: "because",
                fix: "do",
                vendors: APPLE,
                spec: &["RFC 8292 §2.1"],
                row: Some("AS-022"),
                help: format!("/help/{code}"),
                refuses: None,
            });
        })
    }

    pub(crate) fn signed(self) -> Self {
        self.with(|e| {
            let token = "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJ4In0.c2lnbmF0dXJl";
            e.request.headers.push(("authorization".to_owned(), format!("vapid t={token}, k=BFW3KCgw")));
            e.vapid = Some(VapidView {
                scheme: "vapid",
                aud: Some("http://localhost:8030".to_owned()),
                sub: Some("mailto:a@localhost".to_owned()),
                exp: Some(Timestamp::from_unix_seconds(1_795_462_262)),
                key: Some("BFW3KCgw".to_owned()),
                signature: "valid",
                bound_key: "match",
            });
        })
    }

    pub(crate) fn request(self, change: impl FnOnce(&mut ShownRequest)) -> Self {
        self.with(|e| change(&mut e.request))
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Exchange)) -> Self {
        change(&mut self.0);
        self
    }

    pub(crate) fn build(self) -> Arc<Exchange> {
        Arc::new(self.0)
    }
}
