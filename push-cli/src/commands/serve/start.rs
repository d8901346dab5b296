//! The first words of the service, and what is said when it cannot start.

use std::{io, net::SocketAddr, time::Duration};

use push_crypto::{Origin, Timestamp};
use push_mock_server::{PushService, StartError, service::sink::SinkCounts};
use serde_json::json;

use crate::{
    api::Api,
    diagnostic::{Diagnostic, Result},
    exit_code::ExitCode,
    message::member,
    output::{BOLD, Output, styled},
    text,
};

/// What is known once the port is open.
#[derive(Debug)]
pub(super) struct Ready<'a> {
    /// The service's origin.
    pub(super) url: &'a Origin,
    /// The port.
    pub(super) port: u16,
    /// Time from the start of the command.
    pub(super) took: Duration,
    /// Whether programs may have the service as their proxy.
    pub(super) intercepts: bool,
    /// How many finished messages are kept.
    pub(super) exchanges: usize,
    /// JSON instead of text.
    pub(super) json: bool,
}

/// Tells that the service is ready: text, the ready object, or only the URL.
pub(super) async fn announce(service: &PushService, ready: &Ready<'_>, out: Output) -> Result<()> {
    let Ready { url, port, .. } = ready;
    if ready.json {
        return out.record(
            &json!({"type": "ready", "url": url.to_string(), "port": port, "pid": std::process::id()}),
        );
    }
    if out.is_quiet() {
        return out.line(url.to_string());
    }
    if service.sink_counts().is_some() {
        return announce_sink(ready, out);
    }
    let info = service.info();
    let vapid = text::middle_cut(&info.vapid_public_key.to_base64url(), 9, 5);
    let https = match &info.urls.https {
        Some(_) if url.scheme() == push_crypto::Scheme::Http => "     (https:// works on the same port)",
        _ => "",
    };
    let secure = info.urls.https.as_ref().map_or_else(|| url.to_string(), ToString::to_string);
    let name = |name: &str| styled(BOLD, &format!("{name:<10}"));
    let proxy = info.urls.http.as_ref().unwrap_or(url);
    let intercept = ready.intercepts.then(|| {
        format!("{} HTTPS_PROXY={proxy}     (push hosts of the vendors end here)", name("Intercept"))
    });
    let mut lines = vec![
        format!(
            "push {}   local Web Push service, ready in {} ms",
            env!("CARGO_PKG_VERSION"),
            ready.took.as_millis()
        ),
        String::new(),
        format!("{} {url}/p/…{https}", name("Endpoint")),
        format!("{} {url}/api/v1", name("API")),
    ];
    lines.extend(intercept);
    lines.extend([
        format!("{} {vapid}", name("VAPID")),
        String::new(),
        format!("{} push send demo \"Hello\"          in another terminal", name("Try it")),
        format!("{:<10} push demo                       one message of every kind", ""),
        format!("{:<10} push browser firefox            a real browser, subscribed to this service", ""),
        format!("{:<10} eval \"$(push env)\"              let Node, Python, … trust {secure}", ""),
        format!("{:<10} (npm web-push and Ruby web-push speak https only: do this first)", ""),
        String::new(),
        format!("Memory only, last {} messages. Stop with Ctrl-C.", ready.exchanges),
        String::new(),
    ]);
    for line in lines {
        out.line(if line.is_empty() { line } else { format!("  {line}") })?;
    }
    Ok(())
}

/// The first words of a service that only counts.
fn announce_sink(ready: &Ready<'_>, out: Output) -> Result<()> {
    let Ready { url, took, .. } = ready;
    let name = |name: &str| styled(BOLD, &format!("{name:<10}"));
    let lines = [
        format!(
            "push {}   sink: a target for measuring senders, ready in {} ms",
            env!("CARGO_PKG_VERSION"),
            took.as_millis()
        ),
        String::new(),
        format!("{} {url}/p/TOKEN     (any TOKEN of A-Z a-z 0-9 - _)", name("Endpoint")),
        format!("{} {url}/api/v1/sink", name("Counts")),
        String::new(),
        "Messages are admitted by form and counted; nothing is decrypted, recorded or delivered.".to_owned(),
        "Stop with Ctrl-C: the counts are told then.".to_owned(),
        String::new(),
    ];
    lines
        .iter()
        .try_for_each(|line| out.line(if line.is_empty() { String::new() } else { format!("  {line}") }))
}

/// What a sink has counted, at its end.
pub(super) fn counted(counts: &SinkCounts, json: bool, out: Output) -> Result<()> {
    if json {
        let statuses: serde_json::Map<_, _> =
            counts.statuses.iter().map(|(status, count)| (status.to_string(), (*count).into())).collect();
        return out.record(&json!({
            "type": "sink", "accepted": counts.accepted(), "octets": counts.octets, "statuses": statuses,
        }));
    }
    if out.is_quiet() {
        return Ok(());
    }
    let others = counts.statuses.iter().filter(|(status, count)| *status != 201 && *count > 0);
    let refused: Vec<_> = others.map(|(status, count)| format!("{count} answered {status}")).collect();
    let refused = if refused.is_empty() { "none refused".to_owned() } else { refused.join(", ") };
    out.line(format!("  {} messages of {} octets accepted, {refused}", counts.accepted(), counts.octets))
}

/// The service is over, although nobody told it to end.
pub(super) fn ended() -> Diagnostic {
    Diagnostic::new(ExitCode::UNEXPECTED, "serve/ended", "the service ended by itself")
        .why("a part of the program failed; what it said stands above")
        .fix("start it again, and report what it said")
}

/// Why the service did not start; a taken port is asked who is there.
pub(super) async fn failed(error: StartError) -> Diagnostic {
    match error {
        StartError::Bind { address, error } if error.kind() == io::ErrorKind::AddrInUse => {
            in_use(address).await
        }
        StartError::Bind { address, error } => {
            let diagnostic =
                Diagnostic::new(ExitCode::UNEXPECTED, "serve/listen", format!("cannot listen on {address}"))
                    .why(text::io_error(&error));
            if error.kind() == io::ErrorKind::PermissionDenied {
                diagnostic.fix("take a port above 1023: push serve --port 8030")
            } else {
                diagnostic.fix("take an address of this machine: --listen 127.0.0.1:8030")
            }
        }
        StartError::Config(error) => {
            Diagnostic::input("serve/config", "the service cannot start with these settings")
                .because(&error.to_string())
        }
        StartError::Tls { detail } => {
            let diagnostic =
                Diagnostic::input("serve/certificate", "the certificate or its key cannot be used");
            let detail = text::without_number(&detail);
            if detail.contains("; ") {
                diagnostic.because(&detail)
            } else {
                diagnostic.why(detail).fix("name a directory that can be written with --ca-dir")
            }
        }
        other => Diagnostic::new(ExitCode::UNEXPECTED, "serve/start", "the service cannot start")
            .why(other.to_string()),
    }
}

async fn in_use(address: SocketAddr) -> Diagnostic {
    let port = address.port();
    let diagnostic =
        Diagnostic::new(ExitCode::UNEXPECTED, "serve/port-in-use", format!("port {port} is already in use"));
    let origin: Option<Origin> = format!("http://{address}").parse().ok();
    let Some(origin) = origin else { return diagnostic };
    let asking = tokio::time::timeout(Duration::from_secs(2), who(Api::to(origin, None, None)));
    match asking.await {
        Ok(Some(who)) => diagnostic
            .why(format!("another push service answers there ({who})"))
            .fix("use it as it is, or start a second one: push serve --port 0"),
        Ok(None) | Err(_) => diagnostic
            .why("another program listens there; it is no push service")
            .fix("stop it, or take another port: push serve --port 0"),
    }
}

/// `push 0.1.0, started 07:12, 31 messages`; less of a service that wants a token.
async fn who(api: Api) -> Option<String> {
    let info = match api.get("/info", &[]).await {
        Ok(info) => info,
        Err(error) if error.code() == "api/unauthorized" => return Some("with a token".to_owned()),
        Err(_) => return None,
    };
    let version = member(&info, "version");
    if version.is_empty() {
        return None;
    }
    let started = text::parse_time(member(&info, "startedAt")).map_or_else(|_| String::new(), started);
    let messages = api.list("/messages", &[("view", "summary")], 1000).await.ok();
    let messages = messages.map(|messages| format!(", {}", text::count(messages.len(), "message")));
    Some(format!("push {}{started}{}", text::escape(version), messages.unwrap_or_default()))
}

fn started(at: Timestamp) -> String {
    let time = text::rfc3339(at);
    format!(", started {}", time.get(11..16).unwrap_or_default())
}
