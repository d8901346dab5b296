//! Check-in and registration.

use std::collections::HashSet;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use push_crypto::{EncryptOptions, Schedule, provider::aws_lc_rs::PROVIDER, vapid::VapidKey};
use push_mock_server::{Config, Limits};

use super::{
    client::{
        Device, Mcs, Page, check_in, check_in_body, device_of, limits, post, post_tls, register3,
        register3_at,
    },
    octets::Fields,
};
use crate::support::{Running, start};

fn running() -> Running {
    start(Config { limits: limits(), ..Config::default() })
}

/// GCM-001, GCM-005.
#[tokio::test]
async fn a_check_in_gives_names_and_no_settings() {
    let running = running();

    let response = post(&running, "/checkin", check_in_body(0, 0)).await;

    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.headers()["content-type"].to_str().unwrap().contains("protobuf"));
    let device = device_of(&response);
    assert!(device.id != 0 && device.token != 0);
    assert!(!Fields::read(response.body()).has(5));
}

/// GCM-002.
#[tokio::test]
async fn each_fresh_device_has_names_of_its_own() {
    let running = running();
    let (mut ids, mut tokens) = (HashSet::new(), HashSet::new());

    for _ in 0..100 {
        let device = check_in(&running, "/ua/chromium/t1/checkin").await;
        ids.insert(device.id);
        tokens.insert(device.token);
    }

    assert_eq!((ids.len(), tokens.len()), (100, 100));
}

/// GCM-003: known here or not, also after a restart without state.
#[tokio::test]
async fn a_later_check_in_gives_the_same_names() {
    let first = running();
    let known = check_in(&first, "/checkin").await;
    let foreign = Device { id: 5_000_000_000_000_000_001, token: 8_000_000_000_000_000_003 };
    let second = running();

    for service in [&first, &second] {
        for device in [known, foreign] {
            let response = post(service, "/checkin", check_in_body(device.id, device.token)).await;
            assert_eq!(device_of(&response), device);
        }
    }
}

/// GCM-004: Chromium would throw everything away.
#[tokio::test]
async fn a_check_in_is_never_answered_with_400_or_401() {
    let running = running();
    let known = check_in(&running, "/checkin").await;
    let garbage: [(&str, Vec<u8>); 6] = [
        ("/checkin", Vec::new()),
        ("/checkin", vec![0xff; 300]),
        ("/checkin", b"hello".to_vec()),
        ("/checkin", check_in_body(known.id, known.token ^ 1)),
        ("/checkin", check_in_body(known.id, 0)),
        ("/ua/chromium/%20/checkin", check_in_body(0, 0)),
    ];

    for (path, body) in garbage {
        let response = post(&running, path, body.clone()).await;
        let status = response.status();
        assert!(status == StatusCode::OK || status.is_server_error(), "{path} {body:?}: {status}");
        if status == StatusCode::OK {
            assert!(device_of(&response).id != 0);
        }
    }
}

/// `gcm_form` one below, at and one above, for both requests.
#[tokio::test]
async fn gcm_form() {
    let running = start(Config { limits: Limits { gcm_form: 2000, ..limits() }, ..Config::default() });
    let device = check_in(&running, "/checkin").await;
    let page = Page::new(device, "A");
    for octets in [1999, 2000, 2001] {
        let padded = format!("{}&pad=", page.form());
        let form = format!("{padded}{}", "x".repeat(octets - padded.len()));

        let registered = register3(&running, device, &form).await;
        let checked_in = post(&running, "/checkin", vec![b'x'; octets]).await.status();

        assert_eq!(registered.starts_with("token="), octets <= 2000, "{octets}: {registered}");
        assert_eq!(checked_in == StatusCode::OK, octets <= 2000, "{octets}: {checked_in}");
        assert!(octets <= 2000 || (registered == "Error=INVALID_PARAMETERS" && checked_in == 503));
    }
}

#[tokio::test]
async fn both_are_posted() {
    let running = running();

    for path in ["/checkin", "/c2dm/register3", "/ua/chromium/t1/checkin"] {
        let response = running.send(running.request(Method::GET, path).body(Full::default()).unwrap()).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()["allow"], "POST");
    }
}

/// T37, T52: a page of another site makes neither a space nor a user agent.
#[tokio::test]
async fn both_are_refused_to_pages() {
    let running = running();
    let device = check_in(&running, "/checkin").await;

    for path in ["/checkin", "/ua/chromium/evil1/checkin", "/ua/chromium/evil1/register3", "/c2dm/register3"]
    {
        for (field, value) in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            let request = Request::post(path)
                .header("host", format!("localhost:{}", running.address.port()))
                .header("authorization", format!("AidLogin {}:{}", device.id, device.token))
                .header(field, value);
            let body = if path.ends_with("checkin") {
                Bytes::from(check_in_body(0, 0))
            } else {
                Bytes::from(Page::new(device, "A").form())
            };
            let response = running.send(request.body(Full::new(body)).unwrap()).await;
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path} {field}: {value}");
            let problem: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
            assert_eq!(problem["code"], "api/cross-site", "{problem}");
        }
    }

    let spaces = running.get("/api/v1/spaces").await;
    let spaces = String::from_utf8_lossy(spaces.body());
    assert!(spaces.contains("default") && !spaces.contains("evil1"), "{spaces}");
}

/// GCM-006.
#[tokio::test]
async fn both_are_served_over_tls_as_well() {
    let running = running();

    let response = post_tls(&running, "/checkin", check_in_body(0, 0)).await;
    let device = device_of(&response);
    let refused = post_tls(&running, "/c2dm/register3", Page::new(device, "A").form()).await;

    assert_eq!(refused.body(), "Error=INVALID_PARAMETERS", "without AidLogin");
    assert!(check_in(&running, "/checkin").await != device);
}

/// GCM-007.
#[tokio::test]
async fn the_browsers_own_token_is_no_push_resource() {
    let running = running();
    let device = check_in(&running, "/checkin").await;
    let form = format!("app=com.google.android.gms&device={}&sender=745476177629", device.id);

    let answer = register3(&running, device, &form).await;

    let token = answer.strip_prefix("token=").unwrap();
    assert!(!token.is_empty());
    let path = format!("/fcm/send/{token}");
    assert_eq!(post(&running, &path, Bytes::new()).await.status(), StatusCode::NOT_FOUND);
}

/// GCM-008, GCM-010.
#[tokio::test]
async fn each_subscription_has_a_token_of_plain_characters() {
    let running = running();
    let device = check_in(&running, "/checkin").await;

    let tokens = [
        Page::subscribe(&running, device, "A").await.token,
        Page::subscribe(&running, device, "B").await.token,
    ];

    assert_ne!(tokens[0], tokens[1]);
    for token in tokens {
        assert!(token.contains(":APA91b"), "{token}");
        assert!(
            token.chars().all(|one| one.is_ascii_alphanumeric() || matches!(one, '-' | '_' | ':')),
            "{token}"
        );
    }
}

/// GCM-012, GCM-013: refused for good with what `subscribe()` shows at once.
#[tokio::test]
async fn refused_registrations_fail_at_once() {
    let running = running();
    let device = check_in(&running, "/checkin").await;
    let page = Page::new(device, "A");
    let sender = format!("sender={}", page.sender());
    let other = Device { id: device.id ^ 1, ..device };

    let check = async |device, form: String| register3(&running, device, &form).await;

    assert_eq!(
        check(device, page.form().replace(&sender, "sender=745476177629")).await,
        "Error=INVALID_SENDER"
    );
    assert_eq!(check(device, page.form().replace(&sender, "")).await, "Error=INVALID_PARAMETERS");
    assert_eq!(check(device, String::new()).await, "Error=INVALID_PARAMETERS");
    assert_eq!(check(other, page.form()).await, "Error=INVALID_PARAMETERS", "device is not that of AidLogin");
}

/// T51: a known android id belongs to whoever knows its security token.
#[tokio::test]
async fn a_known_android_id_is_of_use_with_its_token_only() {
    let running = running();
    let device = check_in(&running, "/checkin").await;
    let stranger = Device { token: device.token ^ 1, ..device };

    let before = register3(&running, stranger, &Page::new(device, "A").form()).await;
    Page::subscribe(&running, device, "B").await;
    let after = register3(&running, stranger, &Page::new(device, "C").form()).await;
    let (mut mcs, answer) = Mcs::log_in(&running, stranger, &[]).await;

    assert_eq!((before.as_str(), after.as_str()), ("Error=INVALID_PARAMETERS", "Error=INVALID_PARAMETERS"));
    let error = Fields::read(answer.fields.octets(3).expect("an error"));
    assert_eq!(error.number(1), Some(401));
    mcs.is_closed().await;
}

/// GCM-014, GCM-015.
#[tokio::test]
async fn giving_up_is_answered_the_same_for_what_is_not_there() {
    let running = running();
    let device = check_in(&running, "/checkin").await;
    let (page, other) =
        (Page::subscribe(&running, device, "A").await, Page::subscribe(&running, device, "B").await);

    let answers = [page.unregister(&running).await, page.unregister(&running).await];

    assert!(answers[0].starts_with("token="), "{answers:?}");
    assert_eq!(answers[0], answers[1]);
    let request = page.request(&page.vapid, "https://jmt17.google.com").header("ttl", 60);
    assert_eq!(running.send(request.body(Full::default()).unwrap()).await.status(), StatusCode::NOT_FOUND);
    other.send(&running, 60, None, "still there").await;
}

#[tokio::test]
async fn a_repeated_registration_has_the_same_token_and_another_key_is_refused() {
    let running = running();
    let device = check_in(&running, "/checkin").await;
    let page = Page::subscribe(&running, device, "A").await;

    let again = register3(&running, device, &page.form()).await;
    let other = register3(&running, device, &Page::new(device, "A").form()).await;

    assert_eq!(again, format!("token={}", page.token));
    assert_eq!(other, "Error=INVALID_PARAMETERS");
}

/// `subscriptions` of the service.
#[tokio::test]
async fn a_full_service_says_so_at_once() {
    let running = start(Config { limits: Limits { subscriptions: 1, ..limits() }, ..Config::default() });
    let device = check_in(&running, "/checkin").await;
    Page::subscribe(&running, device, "A").await;

    let answer = register3(&running, device, &Page::new(device, "B").form()).await;

    assert_eq!(answer, "Error=TOO_MANY_REGISTRATIONS");
}

#[tokio::test]
async fn the_query_names_the_user_agent() {
    let running = running();
    let device = check_in(&running, "/ua/chromium/t1/checkin?label=phone").await;
    let page = Page::new(device, "A");

    let answer = register3_at(&running, "/ua/chromium/t1/register3?label=phone", device, &page.form()).await;

    assert!(answer.body().starts_with(b"token="));
    let (status, shown) = running.call(Method::GET, "/user-agents?space=t1", serde_json::Value::Null).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(shown["items"][0]["label"], "phone");
    assert_eq!(shown["items"][0]["kind"], "chromium");
}

/// GCM-043, GCM-044, GCM-045.
#[tokio::test]
async fn push_resources_are_reached_at_every_host_by_their_key_only() {
    let running = running();
    let device = check_in(&running, "/checkin").await;
    let page = Page::subscribe(&running, device, "A").await;
    let google = "https://jmt17.google.com";
    let send = async |request: http::request::Builder| {
        running.send(request.header("ttl", 60).body(Full::default()).unwrap()).await.status()
    };

    for prefix in ["/fcm/send/", "/wp/", "/preprod/wp/"] {
        for host in ["jmt17.google.com", "fcm.googleapis.com", "localhost"] {
            let mut request = page.request(&page.vapid, google);
            request.headers_mut().unwrap().insert("host", host.parse().unwrap());
            let request = request.uri(format!("{prefix}{}", page.token));
            assert_eq!(send(request).await, StatusCode::CREATED, "{prefix} at {host}");
        }
    }
    for origin in [google, "https://fcm.googleapis.com", running.url.trim_end_matches('/')] {
        assert_eq!(send(page.request(&page.vapid, origin)).await, StatusCode::CREATED, "{origin}");
    }
    assert!(send(page.request(&page.vapid, "https://push.example.net")).await.is_client_error());
    let other = VapidKey::generate(&PROVIDER).unwrap();
    assert!(send(page.request(&other, google)).await.is_client_error());
    let bare = Request::post(format!("/fcm/send/{}", page.token)).header("host", "localhost");
    assert!(send(bare).await.is_client_error());
}

/// GCM-033, GCM-046.
#[tokio::test]
async fn bodies_that_no_chromium_reads_are_refused() {
    let running = running();
    let device = check_in(&running, "/checkin").await;
    let page = Page::subscribe(&running, device, "A").await;
    let (mut mcs, _) = Mcs::log_in(&running, device, &[]).await;
    let send = async |coding: Option<&str>, body: Bytes| {
        let mut request = page.request(&page.vapid, "https://jmt17.google.com").header("ttl", 60);
        if let Some(coding) = coding {
            request = request.header("content-encoding", coding);
        }
        running.send(request.body(Full::new(body)).unwrap()).await.status()
    };
    let (_, good) = page.encrypt(&EncryptOptions::default(), b"text");

    assert_eq!(send(None, good.clone()).await, StatusCode::BAD_REQUEST);
    assert_eq!(send(Some("gzip"), good.clone()).await, StatusCode::BAD_REQUEST);
    assert_eq!(send(Some("aesgcm128"), good).await, StatusCode::BAD_REQUEST);
    let padded = EncryptOptions { schedule: Schedule::Aes128gcm, ..EncryptOptions::default() };
    let (_, largest) = page.encrypt(&padded, &[b'x'; 3993]);
    assert_eq!(largest.len(), 4096);
    let above = Bytes::from([&largest[..], b"x"].concat());
    assert_eq!(send(Some("aes128gcm"), above).await, StatusCode::PAYLOAD_TOO_LARGE);
    mcs.is_quiet(2).await;
    assert_eq!(send(Some("aes128gcm"), largest.clone()).await, StatusCode::CREATED);
    assert_eq!(mcs.next().await.fields.octets(21), Some(&largest[..]));
}
