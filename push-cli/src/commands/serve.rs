//! `push serve`: runs the service and tells what arrives.

use std::time::Instant;

use push_mock_server::{Intercept, Server, SpaceName, TlsSource, service::subscription::NewSubscription};
use tokio::{sync::oneshot, task::JoinHandle};

use self::args::LogFormat;
pub(crate) use self::args::ServeArgs;
use crate::{
    api::Api,
    commands::demo,
    config::{self, LimitSetting, Setting},
    diagnostic::{Diagnostic, Result},
    exit_code::ExitCode,
    input,
    output::Output,
    signals::Signals,
};

mod args;
mod limits;
mod log;
mod start;

/// What the command line knows besides the flags.
#[derive(Debug)]
pub(crate) struct Run {
    /// Every flag with its origin.
    pub(crate) settings: Vec<Setting>,
    /// `[limits]` of the files.
    pub(crate) limits: Vec<LimitSetting>,
    /// How often `-v` was given.
    pub(crate) verbose: u8,
}

/// Runs the command until Ctrl-C or SIGTERM.
pub(crate) async fn run(args: ServeArgs, run: Run, out: Output) -> Result<ExitCode> {
    let began = Instant::now();
    let out = if args.only_url { out.quieter() } else { out };
    let config = args.config(&run.limits)?;
    if args.print_limits {
        return limits::print(&config.limits, out).map(|()| ExitCode::SUCCESS);
    }
    if args.show_config {
        return show_config(&run, out).map(|()| ExitCode::SUCCESS);
    }
    install_log(run.verbose, args.log_format);
    let signals = Signals::install("the service")?;
    let (token, exchanges) = (config.token.clone(), config.limits.exchanges);
    let intercepts = config.intercept != Intercept::Off && config.tls != TlsSource::Off;
    let server = match Server::bind(config) {
        Ok(server) => server,
        Err(error) => return Err(start::failed(error).await),
    };
    let (url, port) =
        (server.url().clone(), server.addresses().first().map_or(0, std::net::SocketAddr::port));
    let service = server.service().clone();
    let json = out.is_json() || args.log_format == LogFormat::Json;
    // Nobody is woken for events that are told to nobody.
    let events = (json || !out.is_quiet()).then(|| service.subscribe_events(None, None));
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async move {
        let _ = stopped.await;
    }));
    // The receiver of the first message that anybody sends: see the text of the start.
    let receiver = NewSubscription { label: Some("demo".to_owned()), ..NewSubscription::default() };
    service.subscribe(&SpaceName::default(), receiver).await.map_err(|error| {
        Diagnostic::new(ExitCode::UNEXPECTED, error.code(), "the subscription demo cannot be made")
            .why(error.to_string())
    })?;
    if let Some(file) = &args.port_file {
        std::fs::write(file, format!("{port}\n"))
            .map_err(|error| Diagnostic::file(ExitCode::UNEXPECTED, "write", file, &error))?;
    }
    let ready = start::Ready { url: &url, port, took: began.elapsed(), intercepts, exchanges, json };
    start::announce(&service, &ready, out).await?;
    let telling = events
        .map(|events| tokio::spawn(log::follow(events, log::Form { json, base: url.to_string() }, out)));
    let demo = args.demo.then(|| {
        let api = Api::to(url.clone(), token.map(|token| token.expose().to_owned()), None);
        tokio::spawn(async move {
            if let Err(error) = demo::play(&api, demo::Tell::Nothing, out).await {
                out.failure(&error);
            }
        })
    });
    let told = until_over(signals, stop, running).await;
    demo.iter().chain(&telling).for_each(JoinHandle::abort);
    if let Some(counts) = service.sink_counts() {
        start::counted(&counts, json, out)?;
    }
    if told { Ok(ExitCode::SUCCESS) } else { Err(start::ended()) }
}

/// True when the service ended because it was told to.
async fn until_over(signals: Signals, stop: oneshot::Sender<()>, mut running: JoinHandle<()>) -> bool {
    tokio::select! {
        () = signals.wait() => {}
        _ = &mut running => return false,
    }
    let _ = stop.send(());
    let _ = running.await;
    true
}

fn show_config(run: &Run, out: Output) -> Result<()> {
    for setting in &run.settings {
        let value = if setting.value.is_empty() { "-" } else { &setting.value };
        if out.is_json() {
            out.record(&serde_json::json!({
                "name": setting.name, "value": setting.value, "origin": setting.origin.to_string(),
            }))?;
        } else {
            out.line(format!("{:<18} {value:<34} {}", setting.name, setting.origin))?;
        }
    }
    for limit in &run.limits {
        if out.is_json() {
            out.record(&serde_json::json!({
                "name": format!("limits.{}", limit.name), "value": limit.value,
                "origin": limit.file.display().to_string(),
            }))?;
        } else {
            out.line(format!("limits.{:<11} {:<34} {}", limit.name, limit.value, limit.file.display()))?;
        }
    }
    Ok(())
}

/// The program's own log goes to stderr; the libraries only emit.
fn install_log(verbose: u8, format: LogFormat) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = config::log_filter()
        .unwrap_or_else(|| format!("push={level},push_mock_server={level},push_client={level}"));
    let filter = tracing_subscriber::EnvFilter::try_new(filter).unwrap_or_else(|_| level.into());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second subscriber is no failure of the service: the first one stays.
    let _ = match format {
        LogFormat::Json => builder.json().try_init(),
        LogFormat::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
    };
}

/// A token from the command line, a file or stdin.
fn secret(text: &str) -> Result<String> {
    let token = input::value_text(text)?;
    let token = token.trim();
    if token.is_empty() || !token.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Err(Diagnostic::input(
            "serve/token",
            "the token is empty, or has characters that no header field carries",
        )
        .fix("take letters and digits, e.g. the output of: openssl rand -hex 16"));
    }
    Ok(token.to_owned())
}
