use http::Request;

use super::*;
use crate::config::ApiToken;

const PEER: &str = "127.0.0.1:9";

fn guard(config: &Config) -> Guard {
    let public = config.public_url.clone().unwrap_or_else(|| "http://localhost:8030".parse().unwrap());
    Guard::new(config, &public)
}

fn check(guard: &Guard, request: http::request::Builder) -> Result<(), &'static str> {
    let peer = Peer { address: PEER.parse().unwrap(), tls: false, intercepted: false };
    guard.check(&request.body(()).unwrap().into_parts().0, peer).map_err(|problem| match problem.code {
        std::borrow::Cow::Borrowed(code) => code,
        std::borrow::Cow::Owned(_) => "not constant",
    })
}

fn get(host: &str) -> http::request::Builder {
    Request::get("/api/v1/info").header("host", host)
}

#[test]
fn only_names_of_the_service_are_hosts() {
    let config = Config {
        public_url: Some("https://push.example.org".parse().unwrap()),
        allow_hosts: vec!["Other.test".into()],
        ..Config::default()
    };
    let guard = guard(&config);

    for host in [
        "localhost:8030",
        "LOCALHOST",
        "127.0.0.1:1",
        "[::1]:8030",
        "a.localhost",
        "push.example.org",
        "other.test:80",
    ] {
        assert_eq!(check(&guard, get(host)), Ok(()), "{host}");
    }
    for host in [
        "rebound.example",
        "localhost.evil.example",
        "evil-localhost",
        "10.0.0.1",
        "",
        "a b",
        "fcm.googleapis.com",
    ] {
        assert_eq!(check(&guard, get(host)), Err("api/unknown-host"), "{host}");
    }
    assert_eq!(check(&guard, Request::get("/api/v1/info")), Err("api/unknown-host"));
}

#[test]
fn pages_of_other_origins_are_refused() {
    let config = Config { allow_origins: vec!["https://app.example/".into()], ..Config::default() };
    let guard = guard(&config);
    let from = |origin: &str| check(&guard, get("localhost:8030").header("origin", origin));

    assert_eq!(from("http://localhost:8030"), Ok(()));
    assert_eq!(from("https://app.example"), Ok(()));
    for origin in ["http://localhost:3000", "https://localhost:8030", "null", "https://evil.example", ""] {
        assert_eq!(from(origin), Err("api/cross-site"), "{origin}");
    }
    let fetched = |site: &str| check(&guard, get("localhost:8030").header("sec-fetch-site", site));
    assert_eq!(fetched("cross-site"), Err("api/cross-site"));
    for site in ["same-origin", "same-site", "none"] {
        assert_eq!(fetched(site), Ok(()), "{site}");
    }
}

#[test]
fn changes_need_json() {
    let guard = guard(&Config::default());
    let post = |kind: Option<&str>| {
        let request = Request::post("/api/v1/reset").header("host", "localhost");
        check(&guard, kind.into_iter().fold(request, |request, kind| request.header("content-type", kind)))
    };

    assert_eq!(post(Some("application/json")), Ok(()));
    assert_eq!(post(Some("Application/JSON; charset=utf-8")), Ok(()));
    for kind in
        [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonx")]
    {
        assert_eq!(post(kind), Err("api/content-type"), "{kind:?}");
    }
    let delete = || Request::delete("/api/v1/spaces/a").header("host", "localhost");
    assert_eq!(check(&guard, delete()), Ok(()));
    assert_eq!(check(&guard, delete().header("content-length", "2")), Err("api/content-type"));
    assert_eq!(check(&guard, delete().header("transfer-encoding", "chunked")), Err("api/content-type"));
}

#[test]
fn token_is_asked_for_when_there_is_one() {
    let guard = guard(&Config { token: Some(ApiToken::new("s3cret")), ..Config::default() });
    let with = |value: &str| check(&guard, get("localhost").header("authorization", value));

    assert_eq!(with("Bearer s3cret"), Ok(()));
    assert_eq!(with("bearer s3cret"), Ok(()));
    for value in ["Bearer s3cre", "Bearer s3crets", "Bearer ", "Basic s3cret", "s3cret", "Bearer"] {
        assert_eq!(with(value), Err("api/unauthorized"), "{value}");
    }
    assert_eq!(check(&guard, get("localhost")), Err("api/unauthorized"));
    assert!(!format!("{guard:?}").contains("s3cret"));
}

/// T37: pages are told from user agents.
#[cfg(feature = "browsers")]
#[test]
fn what_browsers_ask_themselves_is_not_asked_by_pages() {
    let guard = guard(&Config {
        public_url: Some("https://push.test".parse().unwrap()),
        allow_origins: vec!["https://app.example".into()],
        ..Config::default()
    });
    let check = |host: &str, field: &str, value: &str| {
        let request = Request::post("/checkin").header("host", host).header(field, value);
        let parts = request.body(()).unwrap().into_parts().0;
        guard.check_no_page(&parts.uri, &parts.headers).is_ok()
    };

    for (host, origin) in [
        ("localhost:8030", "http://localhost:8030"),
        ("localhost:8030", "ws://localhost:8030/ua/firefox/x?label=a"),
        ("push.services.mozilla.com", "wss://push.services.mozilla.com/"),
        ("inside:8030", "https://push.test"),
        ("inside:8030", "wss://push.test/ua/firefox/x"),
        ("localhost:8030", "https://app.example"),
    ] {
        assert!(check(host, "origin", origin), "{host} {origin}");
    }
    for (host, origin) in [
        ("localhost:8030", "https://evil.example"),
        ("localhost:8030", "http://localhost:3000"),
        ("localhost:8030", "https://push.services.mozilla.com"),
        ("localhost:8030", "ws://evil.example/"),
        ("evil.example", "http://evil.example"),
        ("evil.example", "ws://evil.example/"),
        ("localhost:8030", "null"),
        ("localhost:8030", ""),
    ] {
        assert!(!check(host, "origin", origin), "{host} {origin}");
    }
    for (site, is_allowed) in
        [("cross-site", false), ("same-site", false), ("same-origin", true), ("none", true)]
    {
        assert_eq!(check("localhost", "sec-fetch-site", site), is_allowed, "{site}");
    }
}
