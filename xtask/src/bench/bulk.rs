//! `push bulk` as a person would use it: a file with a million subscriptions into `push serve --sink` on this machine,
//! and the same killed ten times on the way and started again, into a server that counts each subscription.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{BufWriter, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use push_crypto::{
    PrivateKey, base64url,
    provider::{self, CryptoProvider, aws_lc_rs},
    vapid::VapidKey,
};
use serde_json::Value;
use tokio::{runtime, time};

use super::{
    Part,
    crypto::OCTETS,
    figures::{Claim, Figure, Scale},
    floor::{Floor, Role},
    machine, push_build,
};
use crate::{
    failure::{Context, Failure},
    service::{self, Service},
    workspace,
};

/// Lines of the file, as many as the target names.
const SUBSCRIPTIONS: u32 = 1_000_000;
/// Times that the sender is killed.
const KILLS: u32 = 10;
/// What `push bulk` has under way at once, and so what a kill can make it send again.
const IN_FLIGHT: f64 = 512.0;
/// Public keys that are computed together: more gains nothing.
const TOGETHER: usize = 1024;
/// How often the sender is looked at (our choice: often enough to catch its peak, and to kill it where it is meant).
const LOOK: Duration = Duration::from_millis(20);

/// Measures.
pub(super) fn run(scale: Scale, subscriptions: Option<u32>) -> Result<Part, Failure> {
    let count = scale.or(subscriptions.unwrap_or(SUBSCRIPTIONS), 2000);
    let bench = Bench::prepare(&service::binary(push_build(scale))?)?;
    let (seconds, peak) = bench.straight(count)?;
    let killed = bench.killed(count, scale.or(KILLS, 2))?;
    let count = f64::from(count);
    let figures = vec![
        Figure::once("from start to end of push bulk", "s", seconds),
        Figure::once("messages per second", "", count / seconds),
        Figure::once("peak of resident memory of push bulk", "MB", peak),
        Figure::once("killed and started again", "times", f64::from(killed.kills)),
        Figure::once("subscriptions that got no message then", "", killed.skipped),
        Figure::once("messages that were sent again then", "", killed.repeats),
    ];
    let most = IN_FLIGHT * f64::from(killed.kills);
    let least = if machine::has_lanes() { 40_000.0 } else { 15_000.0 };
    let claims = vec![
        Claim::at_least(
            least,
            count / seconds,
            "push bulk into push serve --sink, both on the same cores: messages per second",
        ),
        Claim::at_most(100.0, peak, "push bulk: peak of resident memory, MB"),
        Claim::at_most(0.0, killed.skipped, "push bulk killed and resumed: subscriptions without a message"),
        Claim::at_most(
            most,
            killed.repeats,
            "push bulk killed and resumed: repeats, at most what was in flight",
        ),
    ];
    let notes = vec![format!(
        "Wall time, one run: {count} subscriptions with keys of their own, {OCTETS} octets of payload, sender and service on the same {} cores; reading the input and writing ledger and report are part of it.",
        std::thread::available_parallelism().map_or(1, usize::from),
    )];
    Ok(Part { name: "bulk", title: "Bulk sending", figures, claims, notes })
}

/// What came of the run with kills.
struct Killed {
    kills: u32,
    skipped: f64,
    repeats: f64,
}

/// The program, and where its files are.
struct Bench {
    program: PathBuf,
    folder: PathBuf,
    key: String,
}

impl Bench {
    fn prepare(program: &Path) -> Result<Self, Failure> {
        let folder = workspace::target().join("bench/bulk");
        if folder.exists() {
            fs::remove_dir_all(&folder).context(folder.display())?;
        }
        fs::create_dir_all(&folder).context(folder.display())?;
        let key = VapidKey::generate(&aws_lc_rs::PROVIDER).context("key")?;
        Ok(Self { program: program.to_owned(), folder, key: key.to_base64url().to_string() })
    }

    /// One run without disturbance; its seconds, and the megabytes at its peak.
    fn straight(&self, count: u32) -> Result<(f64, f64), Failure> {
        let sink = Service::start_with(&self.program, "bulk", &["--sink"])?;
        let input = self.subscriptions(sink.port()?, count)?;
        let clock = Instant::now();
        let mut sender = self.sender(&input)?;
        let mut peak = 0.0_f64;
        let status = watch(&mut sender, |process| {
            peak = peak.max(machine::peak_kibibytes(process).unwrap_or_default());
            Ok(true)
        })?;
        let took = clock.elapsed().as_secs_f64();
        if !status {
            return Err(Failure::new("push bulk failed; what it said is above"));
        }
        let accepted = get(sink.port()?, "/api/v1/sink")?["accepted"].as_u64().unwrap_or_default();
        if accepted < u64::from(count) {
            return Err(Failure::new(format!("the sink took {accepted} messages of {count}")));
        }
        Ok((took, peak * 1024.0 / 1e6))
    }

    /// Killed so many times at even distances, and resumed; then to the end.
    fn killed(&self, count: u32, wanted: u32) -> Result<Killed, Failure> {
        let sink = Floor::start(Role::Http)?;
        let input = self.subscriptions(sink.port, count)?;
        let mut kills = 0;
        for kill in 1..=wanted {
            let until = u64::from(count) * u64::from(kill) / u64::from(wanted + 1);
            let mut sender = self.sender(&input)?;
            let ended = watch(&mut sender, |_| Ok(distinct(sink.port)? < until))?;
            if ended {
                return Err(Failure::new(format!("push bulk ended before it could be killed at {until}")));
            }
            kills += 1;
        }
        let mut sender = self.sender(&input)?;
        if !watch(&mut sender, |_| Ok(true))? {
            return Err(Failure::new("push bulk did not resume; what it said is above"));
        }
        let counts = get(sink.port, "/")?;
        let number =
            |name: &str| counts[name].as_f64().ok_or_else(|| Failure::new(format!("{name} in {counts}")));
        Ok(Killed { kills, skipped: f64::from(count) - number("distinct")?, repeats: number("repeats")? })
    }

    fn sender(&self, input: &Path) -> Result<Child, Failure> {
        let payload = format!("@{}", self.folder.join("payload.txt").display());
        fs::write(self.folder.join("payload.txt"), "x".repeat(OCTETS))?;
        let mut command = Command::new(&self.program);
        command.current_dir(&self.folder).arg("bulk").arg(input);
        // The list names this machine, which a list may not do unasked.
        command.args(["--payload", &payload, "--ttl", "600", "--http2", "--allow-private", "--json"]);
        command.args(["--vapid", "env", "--vapid-subject", "mailto:bench@example.com"]);
        command.arg("--out").arg(self.folder.join("outcomes.jsonl"));
        command.env("HOME", &self.folder).env("PUSH_VAPID_PRIVATE_KEY", &self.key);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
        command.spawn().context("push bulk")
    }

    /// A file with so many subscriptions at a port of this machine, each with keys of its own.
    fn subscriptions(&self, port: u16, count: u32) -> Result<PathBuf, Failure> {
        let path = self.folder.join(format!("{port}.jsonl"));
        let mut file = BufWriter::new(File::create(&path).context(path.display())?);
        let provider = provider::best();
        let mut number = 0_u32;
        while number < count {
            let size = TOGETHER.min(usize::try_from(count - number).context("count")?);
            for line in lines(&provider, port, number, size)? {
                file.write_all(line.as_bytes())?;
                number += 1;
            }
        }
        file.flush()?;
        Ok(path)
    }
}

/// Lines of the file from this number on.
fn lines(provider: &CryptoProvider, port: u16, first: u32, size: usize) -> Result<Vec<String>, Failure> {
    let private: Vec<_> =
        (0..size).map(|_| PrivateKey::generate(provider.random)).collect::<Result<_, _>>().context("keys")?;
    let mut public = Vec::with_capacity(size);
    provider.key_agreement.public_keys(&private, &mut public).context("keys")?;
    let mut lines = Vec::with_capacity(size);
    for (number, key) in (first..).zip(public) {
        let mut auth = [0; 16];
        provider.random.fill(&mut auth).context("randomness")?;
        let mut line = format!(r#"{{"endpoint":"http://127.0.0.1:{port}/p/{number}","keys":{{"p256dh":""#);
        line.push_str(&key.to_base64url());
        _ = writeln!(line, r#"","auth":"{}"}}}}"#, base64url::encode(&auth));
        lines.push(line);
    }
    Ok(lines)
}

/// Looks at the sender again and again until it ends, or is killed because `goes_on` says so; whether it ended well.
fn watch(sender: &mut Child, mut goes_on: impl FnMut(u32) -> Result<bool, Failure>) -> Result<bool, Failure> {
    let runtime = runtime::Builder::new_current_thread().enable_time().build()?;
    let outcome = runtime.block_on(async {
        let mut look = time::interval(LOOK);
        loop {
            look.tick().await;
            if let Some(status) = sender.try_wait()? {
                return Ok(status.success());
            }
            if !goes_on(sender.id())? {
                return Ok(false);
            }
        }
    });
    // Here it has ended, or it is to be killed, also when looking at it failed.
    _ = sender.kill();
    sender.wait()?;
    outcome
}

/// How many subscriptions have got a message so far.
fn distinct(port: u16) -> Result<u64, Failure> {
    Ok(get(port, "/")?["distinct"].as_u64().unwrap_or_default())
}

/// What a server on this machine says about itself.
fn get(port: u16, path: &str) -> Result<Value, Failure> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).context("the sink")?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    serde_json::from_str(body).context(format_args!("GET {path}"))
}

#[cfg(test)]
mod tests {
    use push_crypto::Subscription;

    use super::*;

    #[test]
    fn every_line_is_a_subscription_of_its_own() {
        let lines = lines(&provider::best(), 8030, 17, 9).unwrap();

        let read: Vec<_> = lines.iter().map(|line| Subscription::from_json(line.trim()).unwrap()).collect();
        assert_eq!(read.len(), 9);
        assert!(read[0].endpoint.expose().ends_with("/p/17") && read[8].endpoint.expose().ends_with("/p/25"));
        let key = |at: usize| read[at].keys.as_ref().unwrap().p256dh.to_base64url();
        assert_ne!(key(0), key(1));
    }
}
