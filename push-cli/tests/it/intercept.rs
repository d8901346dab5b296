//! The service as a proxy, as a sender meets it: `push env --intercept`, `push send --proxy`, and curl.

use std::process::Command;

use serde_json::Value;

use crate::service::{Service, command};

fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}

/// A subscription with the endpoint that a vendor would have given out.
fn vendors_subscription(service: &Service, label: &str) -> Value {
    let made = service.push(&["sub", "new", label]);
    let mut subscription: Value = serde_json::from_slice(&made.stdout).unwrap();
    let endpoint = subscription["endpoint"].as_str().unwrap();
    let path = endpoint.strip_prefix(&service.url()).unwrap();
    subscription["endpoint"] =
        format!("https://fcm.googleapis.com{}", path.replace("/p/", "/fcm/send/cQd3x_aBcDe:APA91b")).into();
    subscription
}

/// Ways in of the messages for a label, the last one first.
fn vias(service: &Service, label: &str) -> Vec<String> {
    let list = service.push(&["msg", "ls", "-q", &format!("to:{label}"), "--json"]);
    let via = |line: &str| {
        let message: Value = serde_json::from_str(line).unwrap();
        message["request"]["via"].as_str().unwrap().to_owned()
    };
    text(&list.stdout).lines().map(via).collect()
}

#[test]
fn env_makes_the_service_the_proxy_in_every_shell() {
    let service = Service::start(&[]);
    let url = service.url();

    for (shell, expected) in [
        ("bash", format!("export HTTPS_PROXY='{url}'\nexport https_proxy='{url}'\n")),
        ("fish", format!("set -gx HTTPS_PROXY '{url}'\nset -gx https_proxy '{url}'\n")),
        ("powershell", format!("$env:HTTPS_PROXY = '{url}'\n$env:https_proxy = '{url}'\n")),
        ("dotenv", format!("HTTPS_PROXY={url}\nhttps_proxy={url}\n")),
        ("github", format!("HTTPS_PROXY={url}\nhttps_proxy={url}\n")),
    ] {
        let with = text(&service.push(&["env", "--intercept", "--shell", shell]).stdout);
        assert!(with.contains(&expected), "{shell}: {with}");
        assert!(
            with.contains("NODE_USE_ENV_PROXY") && with.contains("NODE_EXTRA_CA_CERTS"),
            "{shell}: {with}"
        );
        let without = text(&service.push(&["env", "--shell", shell]).stdout);
        assert!(!without.to_lowercase().contains("_proxy"), "{shell}: {without}");
        assert!(with.starts_with(&without), "{shell}: {with}");
    }
}

#[test]
fn what_goes_to_no_proxy_already_stays() {
    let service = Service::start(&[]);
    let home = tempfile::tempdir().unwrap();
    let env = |kept: &str| -> Value {
        let mut env = command(home.path());
        env.env_remove("no_proxy").env("NO_PROXY", kept).env("PUSH_URL", service.url());
        let output = env.args(["env", "--intercept", "--json"]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    };

    assert_eq!(env("db.test, localhost")["env"]["NO_PROXY"], "db.test,localhost,127.0.0.1,::1");
    assert_eq!(env("")["env"]["no_proxy"], "localhost,127.0.0.1,::1");
    assert_eq!(env("")["env"]["NODE_USE_ENV_PROXY"], "1");
}

#[test]
fn env_says_when_nothing_is_intercepted() {
    let service = Service::start(&["--intercept", "off"]);

    let output = service.push(&["env", "--intercept"]);

    assert_eq!(output.status.code(), Some(9));
    let said = text(&output.stderr);
    assert!(said.contains("--intercept off") && said.contains("  do    push serve --intercept on"), "{said}");
    assert!(service.push(&["env"]).status.success());
}

#[test]
fn push_send_reaches_the_service_through_its_proxy() {
    let service = Service::start(&[]);
    let subscription = vendors_subscription(&service, "phone").to_string();
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("phone.json"), subscription).unwrap();
    let send = |flags: &[&str]| {
        let mut send = command(home.path());
        send.envs(service.environment())
            .env("HTTPS_PROXY", "")
            .env("NO_PROXY", "")
            .args(["send", "phone.json"]);
        let output = send.args(["Hello", "--vapid", "none", "--json"]).args(flags).output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };

    let through = send(&["--proxy", &service.url()]);
    let to = format!("fcm.googleapis.com:443:localhost:{}", service.port);
    let led = send(&["--connect-to", &to]);

    assert_eq!(
        (&through["outcome"], &led["outcome"]),
        (&"accepted".into(), &"accepted".into()),
        "{through} {led}"
    );
    let mut vias = vias(&service, "phone");
    vias.sort();
    assert_eq!(vias, ["alias", "intercept"]);
}

/// curl of this machine with the variables of `push env --intercept`; none where there is no curl.
fn curl(service: &Service, line: &[&str]) -> Option<(String, bool)> {
    let env = service.push(&["env", "--intercept", "--json"]);
    let env: Value = serde_json::from_slice(&env.stdout).unwrap();
    let mut curl = Command::new("curl");
    for (name, value) in env["env"].as_object().unwrap() {
        curl.env(name, value.as_str().unwrap());
    }
    // A variable of the machine's own would win over ours.
    curl.env_remove("SSL_CERT_DIR").args(["-q", "-sS", "--max-time", "30", "-w", "%{http_code}"]).args(line);
    let output = curl.output().ok()?;
    Some((text(&output.stdout) + &text(&output.stderr), output.status.success()))
}

#[test]
fn curl_reaches_the_service_with_either_way_and_nothing_else() {
    let service = Service::start(&[]);
    let subscription = vendors_subscription(&service, "curl");
    let endpoint = subscription["endpoint"].as_str().unwrap();
    let post = ["-X", "POST", "-H", "TTL: 60", endpoint];

    let Some((said, done)) = curl(&service, &post) else { return };
    assert!(done && said.ends_with("201"), "{said}");
    let to = format!("fcm.googleapis.com:443:localhost:{}", service.port);
    let (said, done) =
        curl(&service, &[&["--noproxy", "*", "--connect-to", &to], post.as_slice()].concat()).unwrap();
    assert!(done && said.ends_with("201"), "{said}");
    let (said, done) = curl(&service, &["https://example.com/"]).unwrap();
    assert!(!done && said.contains("403"), "{said}");

    let mut vias = vias(&service, "curl");
    vias.sort();
    assert_eq!(vias, ["alias", "intercept"]);
}

#[test]
fn a_host_of_ones_own_is_intercepted_and_a_wrong_one_explained() {
    let service = Service::start(&["--intercept-host", "push.example.org"]);
    if let Some((said, _)) = curl(&service, &["https://push.example.org/p/none", "-X", "POST"]) {
        assert!(said.contains("404"), "{said}");
    }

    let home = tempfile::tempdir().unwrap();
    for (host, fix) in [("*.example.org", "give every name"), ("push.example.org:443", "give the name only")]
    {
        let output = command(home.path()).args(["serve", "--intercept-host", host]).output().unwrap();
        assert_eq!(output.status.code(), Some(9), "{host}");
        let said = text(&output.stderr);
        assert!(said.contains(host) && said.contains(&format!("  do    {fix}")), "{said}");
    }
}

#[test]
fn the_mode_comes_from_the_environment_too() {
    let home = tempfile::tempdir().unwrap();

    let output =
        command(home.path()).env("PUSH_INTERCEPT", "pass").args(["serve", "--show-config"]).output().unwrap();

    let said = text(&output.stdout);
    let line = said.lines().find(|line| line.starts_with("intercept ")).unwrap_or_default();
    assert_eq!(
        line.split_whitespace().collect::<Vec<_>>(),
        ["intercept", "pass", "environment", "PUSH_INTERCEPT"]
    );
}
