//! The API as its users see it: shapes of the answers, strict requests, errors that say what to do.

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::Full;
use push_mock_server::{ClockStart, Config};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::support::{Running, json, push, start, within};

async fn get(running: &Running, path: &str) -> Value {
    let (status, object) = running.call(Method::GET, path, Value::Null).await;
    assert_eq!(status, StatusCode::OK, "{path}: {object}");
    object
}

async fn post(running: &Running, path: &str, body: Value) -> Value {
    let (status, object) = running.call(Method::POST, path, body).await;
    assert!(status.is_success(), "{path}: {status} {object}");
    object
}

/// Status, code and pointer of a refused call.
async fn refused(
    running: &Running,
    method: Method,
    path: &str,
    body: Value,
) -> (u16, String, Option<String>) {
    let (status, problem) = running.call(method, path, body).await;
    assert_eq!(problem["status"], status.as_u16(), "{problem}");
    assert_eq!(problem["type"], format!("/help/{}", problem["code"].as_str().unwrap()));
    for member in ["title", "detail", "fix"] {
        assert!(!problem[member].as_str().unwrap().is_empty(), "{member} of {problem}");
    }
    (
        status.as_u16(),
        problem["code"].as_str().unwrap().to_owned(),
        problem["pointer"].as_str().map(str::to_owned),
    )
}

fn ids(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn subscription_has_the_documented_members() {
    let running = start(Config::default());

    let (_, object) = running.subscribe(json!({"label": "alice", "space": "t1", "online": false})).await;

    let members: Vec<_> = object.as_object().unwrap().keys().map(String::as_str).collect();
    for member in [
        "id",
        "label",
        "space",
        "profile",
        "status",
        "goneReason",
        "userAgent",
        "applicationServerKey",
        "codings",
        "subscription",
        "endpoints",
        "counts",
        "createdAt",
        "links",
    ] {
        assert!(members.contains(&member), "{member} is missing in {members:?}");
    }
    assert_eq!(
        (&object["label"], &object["space"], &object["status"]),
        (&json!("alice"), &json!("t1"), &json!("active"))
    );
    assert_eq!(object["userAgent"]["online"], false);
    assert_eq!(object.get("privateKey"), None);
    assert_eq!(object["endpoints"]["http"], object["subscription"]["endpoint"]);
    assert!(object["endpoints"]["https"].as_str().unwrap().starts_with("https://localhost:"));
    let shown = get(&running, "/subscriptions/alice?space=t1&secrets=1").await;
    assert_eq!(shown["privateKey"].as_str().unwrap().len(), 43);
    assert_eq!(ids(&get(&running, "/subscriptions?space=t1").await), [object["id"].as_str().unwrap()]);
    assert_eq!(ids(&get(&running, "/subscriptions").await).len(), 0);
}

#[tokio::test]
async fn space_is_named_by_query_field_or_member() {
    let running = start(Config::default());
    post(&running, "/subscriptions?space=by-query", json!({"label": "a"})).await;
    post(&running, "/subscriptions", json!({"label": "b", "space": "by-member"})).await;
    let request = running.request(Method::POST, "/api/v1/subscriptions").header("push-space", "by-field");
    let response = running.send(request.body(Full::new(Bytes::from(r#"{"label":"c"}"#))).unwrap()).await;

    assert_eq!(json(&response)["space"], "by-field");
    assert_eq!(get(&running, "/subscriptions/a?space=by-query").await["space"], "by-query");
    assert_eq!(get(&running, "/subscriptions/b?space=by-member").await["space"], "by-member");
    assert_eq!(
        refused(&running, Method::GET, "/subscriptions?space=a%2Fb", Value::Null).await.1,
        "api/bad-field"
    );
}

#[tokio::test]
async fn typing_errors_never_pass() {
    let running = start(Config::default());
    let check = async |method: Method, path: &str, body: Value, pointer: &str| {
        let seen = refused(&running, method, path, body.clone()).await;
        assert_eq!(seen, (400, "api/bad-field".to_owned(), Some(pointer.to_owned())), "{path} {body}");
    };

    check(Method::POST, "/subscriptions", json!({"lable": "alice"}), "/lable").await;
    check(Method::POST, "/subscriptions", json!({"online": "yes"}), "/online").await;
    check(Method::POST, "/subscriptions", json!({"codings": ["aes256"]}), "/codings/0").await;
    check(Method::POST, "/subscriptions", json!({"applicationServerKey": "BFW3"}), "/applicationServerKey")
        .await;
    check(Method::POST, "/subscriptions", json!({"style": "remote"}), "/style").await;
    check(Method::POST, "/subscriptions", json!({"profile": "mozilla"}), "/profile").await;
    check(Method::POST, "/subscriptions", json!({"expirationTime": "tomorrow"}), "/expirationTime").await;
    check(Method::POST, "/subscriptions", json!([]), "").await;
    check(Method::POST, "/wait", json!({"match": {"too": "alice"}}), "/match/too").await;
    check(Method::POST, "/wait", json!({"timeout": 5}), "/timeout").await;
    check(Method::POST, "/clock", json!({"freeze": true, "real": true}), "/real").await;
    check(Method::POST, "/clock", json!({"advance": "1 hour"}), "/advance").await;
    check(Method::POST, "/clock", json!({}), "").await;
    check(Method::POST, "/spaces", json!({}), "/name").await;
    check(Method::POST, "/spaces", json!({"name": "a", "clock": "stopped"}), "/clock").await;
    check(Method::POST, "/reset", json!({}), "/space").await;
    check(Method::POST, "/reset", json!({"all": true, "space": "a"}), "/all").await;
    check(Method::POST, "/inspect", json!({}), "/input").await;
    check(Method::GET, "/messages?query=x", Value::Null, "").await;
    check(Method::GET, "/messages?limit=0", Value::Null, "").await;
    check(Method::GET, "/messages?limit=1001", Value::Null, "").await;
    check(Method::GET, "/messages?cursor=x", Value::Null, "").await;
    check(Method::GET, "/messages?q=to:", Value::Null, "").await;
}

#[tokio::test]
async fn broken_json_says_where() {
    let running = start(Config::default());
    let request =
        running.request(Method::POST, "/api/v1/wait").body(Full::new(Bytes::from("{\"match\":}"))).unwrap();

    let problem = json(&running.send(request).await);

    assert_eq!(problem["code"], "api/bad-json");
    assert!(problem["detail"].as_str().unwrap().contains("line 1 column 10"), "{problem}");
}

#[tokio::test]
async fn unknown_routes_list_those_that_exist() {
    let running = start(Config::default());

    let (status, problem) = running.call(Method::GET, "/subscription", Value::Null).await;
    let response =
        running.send(running.request(Method::PUT, "/api/v1/wait").body(Full::default()).unwrap()).await;

    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("api/not-found")));
    assert!(problem["routes"].as_array().unwrap().contains(&json!("GET /api/v1/subscriptions")), "{problem}");
    assert_eq!(
        (response.status(), &response.headers()["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"POST".parse().unwrap())
    );
}

#[tokio::test]
async fn errors_of_the_service_keep_their_code() {
    let running = start(Config::default());
    running.subscribe(json!({"label": "alice"})).await;

    let (status, code, _) =
        refused(&running, Method::POST, "/subscriptions", json!({"label": "alice"})).await;
    assert_eq!((status, code.as_str()), (409, "api/exists"));
    let (status, code, _) = refused(&running, Method::GET, "/subscriptions/alcie", Value::Null).await;
    assert_eq!((status, code.as_str()), (404, "api/not-found"));
    let (_, problem) = running.call(Method::GET, "/subscriptions/alcie", Value::Null).await;
    assert!(problem["detail"].as_str().unwrap().contains("there is \"alice\""), "{problem}");
    assert_eq!(refused(&running, Method::DELETE, "/spaces/none", Value::Null).await.0, 404);
    assert_eq!(
        refused(&running, Method::POST, "/subscriptions/alice/expire", json!({"status": 400})).await.1,
        "api/bad-field"
    );
}

#[tokio::test]
async fn messages_come_newest_first_and_page_by_page() {
    let running = start(Config::default());
    let (path, _) = running.subscribe(json!({"label": "alice"})).await;
    for text in ["one", "two", "three", "four", "five"] {
        running.send(push(&path, text)).await;
    }

    let all = get(&running, "/messages").await;
    let first = get(&running, "/messages?limit=2").await;
    let second =
        get(&running, &format!("/messages?limit=2&cursor={}", first["cursor"].as_str().unwrap())).await;
    let third =
        get(&running, &format!("/messages?limit=2&cursor={}", second["cursor"].as_str().unwrap())).await;

    let sequence: Vec<_> =
        all["items"].as_array().unwrap().iter().map(|item| item["seq"].as_u64().unwrap()).collect();
    assert_eq!(sequence, [5, 4, 3, 2, 1]);
    assert_eq!(all["cursor"], Value::Null);
    let paged: Vec<_> = [&first, &second, &third].into_iter().flat_map(ids).collect();
    assert_eq!(paged, ids(&all));
    assert_eq!(third["cursor"], Value::Null);
}

#[tokio::test]
async fn lists_come_page_by_page() {
    let running = start(Config::default());
    for label in ["a", "b", "c"] {
        running.subscribe(json!({"label": label})).await;
        post(&running, "/spaces", json!({"name": label})).await;
    }

    for path in ["/subscriptions", "/user-agents", "/spaces"] {
        // A space is named and has a clock that goes on.
        let keys = |list: &Value| -> Vec<Value> {
            list["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item.get("id").unwrap_or(&item["name"]).clone())
                .collect()
        };
        let whole = keys(&get(&running, path).await);
        let mut paged = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = get(&running, &format!("{path}?limit=2{cursor}")).await;
            let items = keys(&page);
            assert!((1..=2).contains(&items.len()), "{page}");
            paged.extend(items);
            let Some(next) = page["cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(paged, whole, "{path}");
    }
}

#[tokio::test]
async fn message_is_shown_reproduced_and_forgotten() {
    let running = start(Config::default());
    let (path, _) = running.subscribe(json!({"label": "alice"})).await;
    running.send(push(&path, "plain words")).await;
    running.send(push(&path, "other words")).await;
    let list = get(&running, "/messages?q=other").await;
    let id = list["items"][0]["id"].as_str().unwrap().to_owned();
    let short = &id[id.len() - 4..];

    assert_eq!(get(&running, &format!("/messages/{short}")).await["id"], id);
    let curl = running.get(&format!("/api/v1/messages/{id}/curl")).await;
    assert!(String::from_utf8_lossy(curl.body()).contains("curl "), "{curl:?}");
    assert!(curl.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
    let http = running.get(&format!("/api/v1/messages/{id}/http")).await;
    assert!(String::from_utf8_lossy(http.body()).starts_with("POST "));
    let payload = running.get(&format!("/api/v1/messages/{id}/payload")).await;
    assert_eq!(payload.body().as_ref(), b"other words");
    assert_eq!(payload.headers()["content-type"], "application/octet-stream");
    assert!(payload.headers()["content-disposition"].to_str().unwrap().starts_with("attachment"));
    assert_eq!(
        running.call(Method::DELETE, &format!("/messages/{id}"), Value::Null).await.1,
        json!({"removed": 1})
    );
    assert_eq!(
        running.call(Method::DELETE, "/messages?q=to:alice", Value::Null).await.1,
        json!({"removed": 1})
    );
    assert_eq!(ids(&get(&running, "/messages").await).len(), 0);
}

#[tokio::test]
async fn airplane_mode_by_patch() {
    let running = start(Config::default());
    let (path, object) = running.subscribe(json!({"label": "alice", "online": false})).await;
    running.send(push(&path, "")).await;
    let id = get(&running, "/messages").await["items"][0]["id"].clone();

    let (status, changed) =
        running.call(Method::PATCH, "/subscriptions/alice", json!({"online": true})).await;

    assert_eq!(status, StatusCode::OK);
    assert_eq!(changed["delivered"], json!([id]));
    assert_eq!(changed["userAgent"]["online"], true);
    assert_eq!(changed["counts"]["acknowledged"], 1);
    let agent = object["userAgent"]["id"].as_str().unwrap();
    let (_, agent_object) =
        running.call(Method::PATCH, &format!("/user-agents/{agent}"), json!({"online": false})).await;
    assert_eq!((&agent_object["online"], agent_object.get("delivered")), (&json!(false), None));
    assert_eq!(ids(&get(&running, "/user-agents").await), [agent]);
    assert_eq!(get(&running, &format!("/user-agents/{agent}")).await["subscriptions"][0]["label"], "alice");
}

#[tokio::test]
async fn manual_steps_and_their_refusal() {
    let running = start(Config::default());
    let (path, _) = running.subscribe(json!({"label": "alice", "ack": "manual"})).await;
    running.send(push(&path, "x")).await;
    let id = get(&running, "/messages").await["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(get(&running, &format!("/messages/{id}")).await["state"], "delivered");

    let acknowledged = post(&running, &format!("/messages/{id}/acknowledge"), Value::Null).await;
    let again = refused(&running, Method::POST, &format!("/messages/{id}/discard"), Value::Null).await;

    assert_eq!(acknowledged["state"], "acknowledged");
    assert_eq!((again.0, again.1.as_str()), (409, "api/gone-state"));
}

#[tokio::test]
async fn replay_sends_the_same_octets_again() {
    let running = start(Config::default());
    let (path, _) = running.subscribe(json!({"label": "alice"})).await;
    running.send(push(&path, "again and again")).await;
    let id = get(&running, "/messages").await["items"][0]["id"].as_str().unwrap().to_owned();

    let repeated = post(&running, &format!("/messages/{id}/replay"), Value::Null).await;

    assert_ne!(repeated["id"], id);
    assert_eq!(repeated["request"]["via"], "api");
    assert_eq!(repeated["response"]["status"], 201);
    let raw = running.get(&format!("/api/v1/messages/{}/raw", repeated["id"].as_str().unwrap())).await;
    assert_eq!(raw.body().as_ref(), b"again and again");
}

#[tokio::test]
async fn replay_of_a_body_that_was_not_kept_is_refused() {
    let running = start(Config::default());
    let (path, _) = running.subscribe(json!({})).await;
    running.send(push(&path, vec![0; 5000])).await;
    let id = get(&running, "/messages").await["items"][0]["id"].as_str().unwrap().to_owned();

    let (status, code, _) =
        refused(&running, Method::POST, &format!("/messages/{id}/replay"), Value::Null).await;

    assert_eq!((status, code.as_str()), (409, "api/gone-state"));
}

#[tokio::test]
async fn wait_is_met_by_what_came_before() {
    let running = start(Config::default());
    let (path, _) = running.subscribe(json!({"label": "alice"})).await;
    running.send(push(&path, "x")).await;

    let met = post(&running, "/wait", json!({"match": {"to": "alice"}, "timeout": "0s"})).await;

    assert_eq!(met["messages"][0]["to"], "alice");
    assert_eq!(met["cursor"], 1);
}

#[tokio::test]
async fn wait_is_met_by_what_comes() {
    let running = start(Config::default());
    let (path, _) = running.subscribe(json!({"label": "alice"})).await;

    let (met, sent) = tokio::join!(
        running.call(Method::POST, "/wait", json!({"match": {"to": "alice"}, "timeout": "30s"})),
        running.send(push(&path, "x")),
    );

    assert_eq!((met.0, sent.status()), (StatusCode::OK, StatusCode::CREATED));
}

#[tokio::test]
async fn unmet_wait_is_409_with_a_report() {
    let running = start(Config::default());
    let (path, _) = running.subscribe(json!({"label": "alice"})).await;
    running.send(push(&path, "Goal")).await;
    let wanted = json!({"match": {"to": "alice", "topic": "score"}, "timeout": "0s"});

    let (status, problem) = running.call(Method::POST, "/wait", wanted.clone()).await;
    let (verify, _) = running.call(Method::POST, "/verify", json!({"expect": [wanted["match"]]})).await;
    let verified = json!({"expect": [{"match": wanted["match"]}], "ordered": true});
    let (unmet, other) = running.call(Method::POST, "/verify", verified).await;

    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("api/not-met")));
    assert_eq!(problem["matched"], json!([]));
    assert_eq!(problem["nearMisses"][0]["met"], 1);
    assert!(problem["report"].as_str().unwrap().contains("topic"), "{problem}");
    assert_eq!(verify, StatusCode::BAD_REQUEST);
    assert_eq!((unmet, &other["code"]), (StatusCode::CONFLICT, &json!("api/not-met")));
}

/// A client that hangs up ends its wait: the connection is gone long before the time of the wait.
#[tokio::test]
async fn client_that_hangs_up_ends_its_wait() {
    let running = start(Config::default());
    let body = json!({"timeout": "600s"}).to_string();
    let mut stream = running.connect().await;
    let head = format!(
        "POST /api/v1/wait HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    running.get("/livez").await;

    drop(stream);

    let closed = async {
        loop {
            let text = String::from_utf8_lossy(running.get("/metrics").await.body()).into_owned();
            // The one that asks.
            if text.contains("\npush_connections_open 1\n") {
                break;
            }
        }
    };
    within(closed).await;
}

#[tokio::test]
async fn clock_is_moved_and_says_what_happened() {
    let running = start(Config { clock: ClockStart::Frozen, ..Config::default() });
    let (path, _) = running.subscribe(json!({"label": "phone", "online": false})).await;
    running.send(push(&path, "x")).await;
    let before = get(&running, "/clock").await;

    let after = post(&running, "/clock", json!({"advance": "1m"})).await;

    assert_eq!((&before["mode"], &before["next"]["what"]), (&json!("frozen"), &json!("expire")));
    assert_eq!(before.get("fired"), None);
    assert_eq!(after["fired"][0]["what"], "expired");
    assert_eq!(after["fired"][0]["to"], "phone");
    assert_eq!(get(&running, "/messages").await["items"][0]["state"], "expired");
    assert_eq!(
        refused(&running, Method::POST, "/clock", json!({"set": "2000-01-01T00:00:00Z"})).await.0,
        400
    );
    let vapid = post(&running, "/clock", json!({"vapidClock": "space"})).await;
    assert_eq!(vapid["vapidClock"], "space");
}

#[tokio::test]
async fn spaces_are_made_listed_reset_and_removed() {
    let running = start(Config::default());
    let new = json!({"name": "t1", "clock": "frozen", "now": "2020-01-02T03:04:05Z"});

    let (created, space) = running.call(Method::POST, "/spaces", new.clone()).await;
    let (same, _) = running.call(Method::POST, "/spaces", new).await;
    let (other, _) = running.call(Method::POST, "/spaces", json!({"name": "t1", "clock": "real"})).await;

    assert_eq!((created, same, other), (StatusCode::CREATED, StatusCode::OK, StatusCode::CONFLICT));
    assert_eq!(space["clock"]["now"], "2020-01-02T03:04:05.000Z");
    running.subscribe(json!({"space": "t1"})).await;
    assert_eq!(post(&running, "/reset", json!({"space": "t1"})).await, json!({"space": "t1"}));
    assert_eq!(ids(&get(&running, "/subscriptions?space=t1").await).len(), 0);
    let (removed, _) = running.call(Method::DELETE, "/spaces/t1", Value::Null).await;
    assert_eq!(removed, StatusCode::NO_CONTENT);
    let names = get(&running, "/spaces").await;
    assert!(names["items"].as_array().unwrap().iter().all(|space| space["name"] != "t1"), "{names}");
}

/// T56: nothing of one space is seen or reset from another.
#[tokio::test]
async fn spaces_do_not_see_each_other() {
    let running = start(Config::default());
    let (path, _) = running.subscribe(json!({"space": "one", "label": "alice"})).await;
    running.subscribe(json!({"space": "two", "label": "alice"})).await;
    running.send(push(&path, "x")).await;
    post(&running, "/reset", json!({"space": "two"})).await;

    assert_eq!(ids(&get(&running, "/messages?space=one").await).len(), 1);
    assert_eq!(ids(&get(&running, "/messages?space=two").await).len(), 0);
    assert_eq!(ids(&get(&running, "/subscriptions?space=one").await).len(), 1);
}

#[tokio::test]
async fn rotation_gives_the_old_and_the_new_one() {
    let running = start(Config::default());
    let (old_path, _) = running.subscribe(json!({"label": "alice"})).await;

    let rotated = post(&running, "/subscriptions/alice/rotate", json!({})).await;

    assert_eq!((&rotated["old"]["status"], &rotated["new"]["status"]), (&json!("gone"), &json!("active")));
    assert_ne!(rotated["old"]["subscription"]["keys"], rotated["new"]["subscription"]["keys"]);
    assert_eq!(running.send(push(&old_path, "x")).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn catalogue_profiles_and_explanations() {
    let running = start(Config::default());

    let findings = get(&running, "/findings").await;
    let missing = get(&running, "/findings/ttl/missing").await;
    let profiles = get(&running, "/profiles").await;
    let profile = get(&running, "/profiles/rfc").await;
    let explained = post(
        &running,
        "/inspect",
        json!({"input": r#"{"endpoint":"https://push.example.net/p/a"}"#, "as": "subscription"}),
    )
    .await;

    assert!(findings["items"].as_array().unwrap().len() > 50);
    assert_eq!((&missing["code"], &missing["status"]), (&json!("ttl/missing"), &json!(400)));
    assert_eq!(profiles["items"].as_array().unwrap().len(), 1);
    assert!(profile["answers"].as_array().unwrap().iter().all(|answer| answer["evidence"] == "documented"));
    assert_eq!(explained["kind"], "subscription");
    assert!(explained["parts"].is_array() && explained["findings"].is_array());
    assert_eq!(refused(&running, Method::GET, "/profiles/mozilla", Value::Null).await.0, 404);
    assert_eq!(refused(&running, Method::GET, "/findings/no/such", Value::Null).await.0, 404);
    assert_eq!(refused(&running, Method::POST, "/inspect", json!({"input": ""})).await.1, "api/bad-field");
}

#[tokio::test]
async fn info_says_where_and_what_it_is() {
    let running = start(Config::default());

    let info = get(&running, "/info").await;

    assert_eq!((&info["url"], &info["publicUrl"]), (&json!(running.url), &json!(running.url)));
    assert_eq!(
        (&info["profile"], &info["store"], &info["strict"]),
        (&json!("rfc"), &json!("memory"), &json!(false))
    );
    assert_eq!(info["intercept"], if cfg!(feature = "browsers") { "on" } else { "off" });
    assert_eq!(info["caPem"], running.ca_pem);
    assert_eq!(info["vapidPublicKey"].as_str().unwrap().len(), 87);
}

/// T38: nothing of a message can act as a page.
#[tokio::test]
async fn answers_are_never_sniffed_or_kept() {
    let running = start(Config::default());
    let (path, _) = running.subscribe(json!({})).await;
    running.send(push(&path, "<script>alert(1)</script>")).await;
    let id = get(&running, "/messages").await["items"][0]["id"].as_str().unwrap().to_owned();

    for path in ["", "/raw", "/payload", "/curl", "/http"] {
        let response = running.get(&format!("/api/v1/messages/{id}{path}")).await;
        assert_eq!(response.headers()["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert!(!response.headers()["content-type"].to_str().unwrap().contains("html"));
    }
}
