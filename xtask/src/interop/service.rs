//! Whole sends: other libraries into `push serve`, `push send` into another push service, and the commands
//! `push encrypt` and `push decrypt` beside other libraries.

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
};

use push_crypto::{base64url, provider::rust_crypto, vapid::VapidKey};
use serde_json::{Value, json};

use super::{Cases, Peer, Peers, Place};
use crate::{
    failure::{Context, Failure},
    install,
    service::{self, Build, Service},
};

const SUBJECT: &str = "mailto:interop@example.com";
const TEXT: &str = r#"{"title":"1:0","body":"ünïcödé ⚽"}"#;

/// All cases that need the binary.
pub(super) fn run(peers: &mut Peers, cases: &mut Cases) -> Result<(), Failure> {
    let program = service::binary(Build::Debug)?;
    let service = Service::start(&program, "interop")?;
    // Node.js reads the certificates to trust when it starts.
    let mut trusting = super::node(Some(&service.certificate()))?;
    for coding in ["aes128gcm", "aesgcm"] {
        cases.case(&format!("npm web-push 3.6.7 sends {coding} over TLS to push serve"), || {
            send(&service, &mut trusting, Sender::NpmWebPush, coding)
        });
        cases.case(&format!("PyPI pywebpush 2.5.0 sends {coding} to push serve"), || {
            send(&service, &mut peers.python, Sender::Pywebpush, coding)
        });
        cases.case(&format!("crate web-push 0.11.0 writes {coding} for push serve"), || {
            let built = |question: &Value| peers.rust.ask(question);
            send_built(&service, &mut trusting, built, coding)
        });
    }
    let mut proxied = super::python(&proxy_variables(&service)?)?;
    for coding in ["aes128gcm", "aesgcm"] {
        cases.case(&format!("npm web-push 3.6.7 with its option proxy reaches push serve, {coding}"), || {
            send_through(&service, &mut trusting, Sender::NpmWebPush, coding)
        });
        cases.case(&format!("PyPI pywebpush 2.5.0 with HTTPS_PROXY reaches push serve, {coding}"), || {
            send_through(&service, &mut proxied, Sender::Pywebpush, coding)
        });
    }
    cases.case("npm web-push 3.6.7 sends a tickle to push serve", || tickle(&service, &mut trusting));
    cases.case("npm web-push 3.6.7 with another key is refused by push serve", || {
        other_key(&service, &mut trusting)
    });
    for coding in ["aes128gcm", "aesgcm"] {
        cases.case(&format!("npm http_ece 1.2.1 opens push encrypt, {coding}"), || {
            they_open(&service, peers, coding)
        });
        cases.case(&format!("push decrypt opens {coding} of npm http_ece 1.2.1"), || {
            we_open(&service, peers, coding)
        });
    }
    for coding in ["aes128gcm", "aesgcm"] {
        cases.case(&format!("push send delivers {coding} to npm web-push-testing 1.2.2"), || {
            into_other_service(&service, &mut trusting, coding)
        });
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Sender {
    NpmWebPush,
    Pywebpush,
}

/// A subscription restricted to a fresh key.
struct Receiver {
    label: String,
    subscription: Value,
    key: VapidKey,
}

impl Receiver {
    fn subscribe(service: &Service, label: &str, style: &str) -> Result<Self, Failure> {
        let key = VapidKey::generate(&rust_crypto::PROVIDER).context("key")?;
        let public = key.public().to_base64url();
        let subscription = service.push_json(&["sub", "new", label, "--style", style, "--key", &public])?;
        if subscription["keys"]["p256dh"].is_null() {
            return Err(Failure::new(format!("push sub new printed {subscription}")));
        }
        Ok(Self { label: label.to_owned(), subscription, key })
    }

    /// The same with the endpoint that a vendor would have given out.
    fn at_vendor(mut self) -> Self {
        let token = self.endpoint().rsplit('/').next().unwrap_or_default().to_owned();
        self.subscription["endpoint"] =
            format!("https://fcm.googleapis.com/fcm/send/cQd3x_aBcDe:APA91b{token}").into();
        self
    }

    fn endpoint(&self) -> &str {
        self.subscription["endpoint"].as_str().unwrap_or_default()
    }

    fn details(&self) -> Value {
        json!({
            "subject": SUBJECT,
            "publicKey": self.key.public().to_base64url(),
            "privateKey": *self.key.to_base64url(),
        })
    }

    /// The one message that has arrived for this subscription.
    fn message(&self, service: &Service) -> Result<Value, Failure> {
        let found = service.push(&["msg", "ls", "-q", &format!("to:{}", self.label), "--json"])?;
        let mut lines = found.lines().filter(|line| !line.trim().is_empty());
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return Err(Failure::new(format!("not one message for {}: {found}", self.label)));
        };
        let listed: Value = serde_json::from_str(line)?;
        let id = listed["id"].as_str().unwrap_or_default().to_owned();
        service.push_json(&["msg", "show", &id, "--json"])
    }
}

fn send(service: &Service, peer: &mut Peer, sender: Sender, coding: &str) -> Result<String, Failure> {
    let (label, style, question) = match sender {
        Sender::NpmWebPush => (format!("npm-{coding}"), "tls", "web-push-send"),
        Sender::Pywebpush => (format!("pypi-{coding}"), "local", "send"),
    };
    let receiver = Receiver::subscribe(service, &label, style)?;
    let scheme = receiver.endpoint().split(':').next().unwrap_or_default().to_owned();
    let message = ask_to_send(service, peer, (question, coding, None), &receiver)?;
    let note = check(&message, coding, &receiver)?;
    Ok(format!("{scheme}, {note}"))
}

/// The variables that `push env --intercept` gives.
fn proxy_variables(service: &Service) -> Result<Vec<(String, String)>, Failure> {
    let env = service.push_json(&["env", "--intercept", "--json"])?;
    let variables = env["env"].as_object().into_iter().flatten();
    Ok(variables.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect())
}

/// To an endpoint at a vendor's host, with the service as the proxy.
fn send_through(service: &Service, peer: &mut Peer, sender: Sender, coding: &str) -> Result<String, Failure> {
    let (label, question) = match sender {
        Sender::NpmWebPush => (format!("npm-proxy-{coding}"), "web-push-send"),
        Sender::Pywebpush => (format!("pypi-proxy-{coding}"), "send"),
    };
    let receiver = Receiver::subscribe(service, &label, "local")?.at_vendor();
    let message = ask_to_send(service, peer, (question, coding, Some(service.url())), &receiver)?;
    let note = check(&message, coding, &receiver)?;
    match message["request"]["via"].as_str() {
        Some("intercept") => Ok(note),
        via => Err(Failure::new(format!("it came by {via:?}"))),
    }
}

/// Asks a library to send; the message that came of it.
fn ask_to_send(
    service: &Service,
    peer: &mut Peer,
    (question, coding, proxy): (&str, &str, Option<&str>),
    receiver: &Receiver,
) -> Result<Value, Failure> {
    let audience = receiver.endpoint().split('/').take(3).collect::<Vec<_>>().join("/");
    let answer = peer.ask(&json!({
        "op": question, "subscription": receiver.subscription, "coding": coding, "ttl": 600,
        "text": base64url::encode(TEXT.as_bytes()), "topic": "goal", "urgency": "high",
        // npm
        "vapid": receiver.details(), "proxy": proxy,
        // PyPI
        "private": *receiver.key.to_base64url(), "claims": { "sub": SUBJECT, "aud": audience },
        "headers": { "Topic": "goal", "Urgency": "high" },
    }))?;
    if answer["status"] != 201 {
        return Err(Failure::new(format!("answered {}: {}", answer["status"], answer["body"])));
    }
    receiver.message(service)
}

/// What the service made of a message that was written as we expect.
fn check(message: &Value, coding: &str, receiver: &Receiver) -> Result<String, Failure> {
    for (pointer, expected) in [
        ("/state", json!("acknowledged")),
        ("/coding", json!(coding)),
        ("/ttl", json!(600)),
        ("/topic", json!("goal")),
        ("/urgency", json!("high")),
        ("/payload/state", json!("decrypted")),
        ("/payload/text", json!(TEXT)),
        ("/vapid/signature", json!("valid")),
        ("/vapid/boundKey", json!("match")),
        ("/vapid/sub", json!(SUBJECT)),
    ] {
        let seen = message.pointer(pointer).unwrap_or(&Value::Null);
        if *seen != expected {
            return Err(Failure::new(format!(
                "{pointer} is {seen}, expected {expected} (to {})",
                receiver.label
            )));
        }
    }
    let findings: Vec<_> = message["findings"].as_array().into_iter().flatten().collect();
    if let Some(error) = findings.iter().find(|finding| finding["level"] == "error") {
        return Err(Failure::new(format!("finding {}: {}", error["code"], error["seen"])));
    }
    let codes: Vec<_> = findings.iter().filter_map(|finding| finding["code"].as_str()).collect();
    Ok(if codes.is_empty() { "no findings".to_owned() } else { format!("found {}", codes.join(", ")) })
}

/// A library that writes requests and sends none: Node.js posts what it wrote.
fn send_built(
    service: &Service,
    node: &mut Peer,
    mut build: impl FnMut(&Value) -> Result<Value, Failure>,
    coding: &str,
) -> Result<String, Failure> {
    let receiver = Receiver::subscribe(service, &format!("crate-{coding}"), "local")?;
    let built = build(&json!({
        "op": "web-push-build", "endpoint": receiver.endpoint(), "coding": coding, "ttl": 600,
        "public": receiver.subscription["keys"]["p256dh"], "auth": receiver.subscription["keys"]["auth"],
        "text": base64url::encode(TEXT.as_bytes()),
        "vapid": *receiver.key.to_base64url(), "subject": SUBJECT,
    }))?;
    let mut headers = built["headers"].as_array().cloned().unwrap_or_default();
    headers.extend([json!(["topic", "goal"]), json!(["urgency", "high"])]);
    let answer = node.ask(&json!({
        "op": "post", "url": receiver.endpoint(), "headers": headers, "body": built["body"],
    }))?;
    if answer["status"] != 201 {
        return Err(Failure::new(format!("answered {}: {}", answer["status"], answer["body"])));
    }
    check(&receiver.message(service)?, coding, &receiver)
}

fn tickle(service: &Service, node: &mut Peer) -> Result<String, Failure> {
    let receiver = Receiver::subscribe(service, "npm-tickle", "tls")?;
    let answer = node.ask(&json!({
        "op": "web-push-send", "subscription": receiver.subscription, "coding": "aes128gcm", "ttl": 600,
        "vapid": receiver.details(),
    }))?;
    let message = receiver.message(service)?;
    if answer["status"] == 201 && message["payload"]["state"] == "empty" && message["state"] == "acknowledged"
    {
        return Ok("an empty payload, acknowledged".to_owned());
    }
    Err(Failure::new(format!("answered {}, payload {}", answer["status"], message["payload"])))
}

fn other_key(service: &Service, node: &mut Peer) -> Result<String, Failure> {
    let mut receiver = Receiver::subscribe(service, "npm-other-key", "tls")?;
    receiver.key = VapidKey::generate(&rust_crypto::PROVIDER).context("key")?;
    let answer = node.ask(&json!({
        "op": "web-push-send", "subscription": receiver.subscription, "coding": "aes128gcm", "ttl": 600,
        "text": base64url::encode(TEXT.as_bytes()), "vapid": receiver.details(),
    }))?;
    let message = receiver.message(service)?;
    let mut codes =
        message["findings"].as_array().into_iter().flatten().filter_map(|finding| finding["code"].as_str());
    if answer["status"] == 403
        && message["state"] == "refused"
        && codes.any(|code| code == "vapid/key-mismatch")
    {
        return Ok("403, vapid/key-mismatch".to_owned());
    }
    Err(Failure::new(format!("answered {}, findings {}", answer["status"], message["findings"])))
}

/// Keys of a user agent as a file for the command line.
fn keys_file(service: &Service, name: &str) -> Result<(Value, std::path::PathBuf), Failure> {
    let text = service.push(&["sub", "new", name, "--secrets"])?;
    let keys: Value = serde_json::from_str(&text).context("push sub new --secrets")?;
    if keys["privateKey"].is_null() {
        return Err(Failure::new(format!("no privateKey in {keys}")));
    }
    Ok((keys, service.file(&format!("{name}.json"), &text)?))
}

fn they_open(service: &Service, peers: &mut Peers, coding: &str) -> Result<String, Failure> {
    let (keys, file) = keys_file(service, &format!("encrypt-{coding}"))?;
    let made = service.push_json(&["encrypt", "--sub", shown(&file), TEXT, "--coding", coding, "--json"])?;
    let header = |name: &str| made["headers"][name].as_str().unwrap_or_default().to_owned();
    let answer = peers.get(Place::Node).ask(&json!({
        "op": "decrypt", "name": "http_ece 1.2.1", "coding": coding,
        "private": keys["privateKey"], "auth": keys["keys"]["auth"], "body": made["body"],
        "dh": header("crypto-key").strip_prefix("dh="), "salt": header("encryption").strip_prefix("salt="),
    }))?;
    if answer["text"] == base64url::encode(TEXT.as_bytes()) {
        return Ok("the same text".to_owned());
    }
    Err(Failure::new(format!("they read {}", answer["text"])))
}

fn we_open(service: &Service, peers: &mut Peers, coding: &str) -> Result<String, Failure> {
    let (keys, file) = keys_file(service, &format!("decrypt-{coding}"))?;
    let made = peers.get(Place::Node).ask(&json!({
        "op": "encrypt", "name": "http_ece 1.2.1", "coding": coding,
        "public": keys["keys"]["p256dh"], "auth": keys["keys"]["auth"], "text": base64url::encode(TEXT.as_bytes()),
    }))?;
    let body = base64url::decode(made["body"].as_str().unwrap_or_default()).context("body")?;
    let encryption = format!("salt={}", made["salt"].as_str().unwrap_or_default());
    let crypto_key = format!("dh={}", made["dh"].as_str().unwrap_or_default());
    let mut arguments = vec!["decrypt", "--sub", shown(&file), "--raw", "--coding", coding];
    if coding != "aes128gcm" {
        arguments.extend(["--encryption", &encryption, "--crypto-key", &crypto_key]);
    }
    let text = service.push_with_input(&arguments, &body)?;
    if text == TEXT {
        Ok("the same text".to_owned())
    } else {
        Err(Failure::new(format!("push decrypt printed {text}")))
    }
}

fn shown(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

/// The other mock: our sender into it.
fn into_other_service(service: &Service, node: &mut Peer, coding: &str) -> Result<String, Failure> {
    let other = OtherService::start(node)?;
    let key = VapidKey::generate(&rust_crypto::PROVIDER).context("key")?;
    let made =
        other.ask(node, "subscribe", &json!({ "applicationServerKey": key.public().to_base64url() }))?;
    let data = &made["data"];
    let subscription = json!({ "endpoint": data["endpoint"], "keys": data["keys"] }).to_string();
    let file = service.file(&format!("other-{coding}.json"), &subscription)?;
    let vapid = service.file(&format!("other-{coding}.key"), &key.to_base64url())?;
    service.push(&[
        "send",
        shown(&file),
        TEXT,
        "--coding",
        coding,
        "--vapid",
        shown(&vapid),
        "--vapid-subject",
        SUBJECT,
    ])?;
    let got = other.ask(node, "get-notifications", &json!({ "clientHash": data["clientHash"] }))?;
    if got["data"]["messages"] == json!([TEXT]) {
        return Ok("it lists the text".to_owned());
    }
    Err(Failure::new(format!("it lists {got}")))
}

/// npm web-push-testing on a free port; ended when dropped.
pub(crate) struct OtherService {
    child: Child,
    port: u16,
}

impl OtherService {
    /// Starts it and waits until it answers.
    pub(crate) fn start(node: &mut Peer) -> Result<Self, Failure> {
        let program = install::node_packages("xtask/interop", "node")?
            .join("node_modules/web-push-testing/src/bin/server.js");
        // It takes no port 0, so a free one is found for it.
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let mut command = Command::new("node");
        command.arg("--no-warnings").arg(program).arg(port.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().context("web-push-testing")?;
        // Its first line says that it listens.
        let output = child.stdout.take().ok_or_else(|| Failure::new("no output"))?;
        let mut output = std::io::BufReader::new(output);
        std::io::BufRead::read_line(&mut output, &mut String::new())?;
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        let other = Self { child, port };
        let headers: [[&str; 2]; 0] = [];
        let url = other.url("status");
        node.ask(&json!({ "op": "post", "url": url, "headers": headers, "body": "" }))
            .context("web-push-testing")?;
        Ok(other)
    }

    /// One of its routes.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://localhost:{}/{path}", self.port)
    }

    #[cfg_attr(not(feature = "bench"), expect(dead_code, reason = "only figures look inside"))]
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// A management call.
    pub(crate) fn ask(&self, node: &mut Peer, route: &str, body: &Value) -> Result<Value, Failure> {
        let answer = node.ask(&json!({
            "op": "post", "url": self.url(route), "headers": [["content-type", "application/json"]],
            "body": base64url::encode(body.to_string().as_bytes()),
        }))?;
        let text = answer["body"].as_str().unwrap_or_default();
        if answer["status"] != 200 {
            return Err(Failure::new(format!("web-push-testing answered {}: {text}", answer["status"])));
        }
        serde_json::from_str(text).context("web-push-testing")
    }
}

impl Drop for OtherService {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
