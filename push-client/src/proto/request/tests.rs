use push_crypto::{
    ContentCoding, EncryptJob, EncryptOptions, Schedule, Urgency, UserAgentKeys,
    provider::rust_crypto::PROVIDER,
};

use super::*;

fn endpoint() -> PushResource {
    "https://push.example:8443/p/JzLQ3raZ?a=%2B".parse().unwrap()
}

fn sealed(schedule: Schedule) -> Sealed {
    let keys = UserAgentKeys::generate(&PROVIDER).unwrap().subscription_keys();
    let options = EncryptOptions::new(schedule);
    push_crypto::encrypt(&PROVIDER, &options, EncryptJob { keys: &keys, plaintext: b"Hello" }).unwrap().into()
}

fn authorization(p256ecdsa: Option<&str>) -> AuthorizationFields {
    AuthorizationFields { authorization: "WebPush token".into(), p256ecdsa: p256ecdsa.map(Into::into) }
}

fn request(message: &PushMessage, sealed: Option<&Sealed>, p256ecdsa: Option<&str>) -> Request<Bytes> {
    let authorization = authorization(p256ecdsa);
    let endpoint = endpoint();
    build(&Delivery {
        endpoint: &endpoint,
        message,
        ttl: message.ttl,
        sealed,
        authorization: Some(&authorization),
        receipt: None,
    })
    .unwrap()
}

fn names(request: &Request<Bytes>) -> Vec<&str> {
    let mut names: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

/// AS-008, AS-039
#[test]
fn a_message_in_aes128gcm_has_exactly_these_fields() {
    let message = PushMessage::text(Ttl::seconds(60), "Hello");
    let sealed = sealed(Schedule::Aes128gcm);

    let request = request(&message, Some(&sealed), None);

    assert_eq!(request.method(), Method::POST);
    assert_eq!(request.uri(), "https://push.example:8443/p/JzLQ3raZ?a=%2B");
    assert_eq!(
        names(&request),
        ["authorization", "content-encoding", "content-length", "content-type", "ttl"]
    );
    assert_eq!(request.headers()["content-encoding"], "aes128gcm");
    assert_eq!(request.headers()["content-length"], "108");
    assert_eq!(request.body().len(), 108);
    assert!(request.headers()["authorization"].is_sensitive());
}

#[test]
fn a_tickle_has_neither_body_nor_coding_fields() {
    let request = request(&PushMessage::tickle(Ttl::ZERO), None, None);

    assert_eq!(names(&request), ["authorization", "content-length", "ttl"]);
    assert_eq!(request.headers()["content-length"], "0");
    assert_eq!(request.headers()["ttl"], "0");
    assert!(request.body().is_empty());
}

#[cfg(feature = "legacy")]
#[test]
fn the_signing_key_joins_the_entry_of_the_message_key() {
    let message = PushMessage::text(Ttl::ZERO, "Hello").coding(ContentCoding::Aesgcm);
    let sealed = sealed(Schedule::Aesgcm);

    let request = request(&message, Some(&sealed), Some("BKEY"));

    let value = request.headers()["crypto-key"].to_str().unwrap();
    assert!(value.starts_with("dh=B") && value.ends_with(";p256ecdsa=BKEY"), "{value}");
    assert!(!value.contains([',', ' ', '"']));
    assert!(request.headers()["encryption"].to_str().unwrap().starts_with("salt="));
    assert_eq!(request.headers()["content-encoding"], "aesgcm");
}

#[cfg(feature = "legacy")]
#[test]
fn without_a_message_key_in_the_field_the_signing_key_stands_alone() {
    let message = PushMessage::text(Ttl::ZERO, "Hello");
    let sealed = sealed(Schedule::Aesgcm128Bare);

    let bare = request(&message, Some(&sealed), Some("BKEY"));
    let tickle = request(&message, None, Some("BKEY"));

    assert!(bare.headers()["encryption-key"].to_str().unwrap().starts_with("dh=B"));
    assert_eq!(bare.headers()["crypto-key"], "p256ecdsa=BKEY");
    assert_eq!(tickle.headers()["crypto-key"], "p256ecdsa=BKEY");
}

/// AS-011, AS-012
#[test]
fn each_urgency_is_written_exactly_so_and_absent_when_unset() {
    let urgency = |message: PushMessage| request(&message, None, None).headers().get("urgency").cloned();

    assert_eq!(urgency(PushMessage::tickle(Ttl::ZERO)), None);
    for (value, text) in Urgency::ALL.into_iter().zip(["very-low", "low", "normal", "high"]) {
        assert_eq!(urgency(PushMessage::tickle(Ttl::ZERO).urgency(value)).unwrap(), text);
    }
}

/// AS-005, AS-006
#[test]
fn receipts_are_asked_for_only_on_request_and_name_the_earlier_subscription() {
    let endpoint = endpoint();
    let receipt = ReceiptSubscription::parse("https://push.example:8443/r/1").unwrap();
    let fields = |message: &PushMessage| {
        let request = build(&Delivery {
            endpoint: &endpoint,
            message,
            ttl: Ttl::ZERO,
            sealed: None,
            authorization: None,
            receipt: Some(&receipt),
        })
        .unwrap();
        (request.headers().get("prefer").cloned(), request.headers().get("link").cloned())
    };

    assert_eq!(fields(&PushMessage::tickle(Ttl::ZERO)), (None, None));
    let (prefer, link) = fields(&PushMessage::tickle(Ttl::ZERO).receipt());
    assert_eq!(prefer.unwrap(), "respond-async");
    assert_eq!(link.unwrap(), "<https://push.example:8443/r/1>; rel=\"urn:ietf:params:push:receipt\"");
}

#[test]
fn put_is_the_method_of_2016() {
    let message = PushMessage::tickle(Ttl::ZERO).method(DeliveryMethod::Put).topic("t".parse().unwrap());

    let request = request(&message, None, None);

    assert_eq!(request.method(), Method::PUT);
    assert_eq!(request.headers()["topic"], "t");
}

#[test]
fn windows_is_told_that_a_ttl_of_zero_is_meant() {
    let policy = |endpoint: &str, ttl| {
        let endpoint: PushResource = endpoint.parse().unwrap();
        let message = PushMessage::tickle(ttl);
        let delivery = Delivery {
            endpoint: &endpoint,
            message: &message,
            ttl,
            sealed: None,
            authorization: None,
            receipt: None,
        };
        build(&delivery).unwrap().headers().get("x-wns-cache-policy").cloned()
    };

    assert_eq!(policy("https://wns2-am3p.notify.windows.com/w/?token=x", Ttl::ZERO).unwrap(), "no-cache");
    assert_eq!(policy("https://wns2-am3p.notify.windows.com/w/?token=x", Ttl::seconds(1)), None);
    assert_eq!(policy("https://push.example/w/?token=x", Ttl::ZERO), None);
}
