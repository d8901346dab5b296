//! The flags of `push serve`, and the configuration they make.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener},
    num::NonZeroU32,
    path::PathBuf,
    time::Duration,
};

use clap::{Args, ValueEnum};
use push_crypto::{Origin, Ttl};
use push_mock_server::{ApiToken, ClockStart, Config, Intercept, Limits, Profile, Rate, TlsSource};

use super::limits;
use crate::{
    commands::ca,
    config::LimitSetting,
    diagnostic::{Diagnostic, Result},
    exit_code::ExitCode,
    text,
};

/// Run the service on one port: push resources and API, in clear text on
/// loopback, with TLS on the same port.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  push serve --demo
  push serve --port 0 --port-file port.txt --clock frozen --seed 7 -q
  push serve --sink")]
pub(crate) struct ServeArgs {
    /// Address to listen on; repeat for several [default: port 8030 of
    /// 127.0.0.1 and ::1]
    #[arg(long, env = "PUSH_LISTEN", value_name = "A:P", value_delimiter = ',', hide_env_values = true)]
    listen: Vec<SocketAddr>,
    /// The port only; 0 picks a free one
    #[arg(long, value_name = "N")]
    port: Option<u16>,
    /// Write the port into this file when it is open
    #[arg(long, value_name = "F")]
    pub(super) port_file: Option<PathBuf>,
    /// Clear text beyond loopback
    #[arg(long)]
    allow_clear_text: bool,
    /// Origin of endpoints, also accepted as aud [default:
    /// http://localhost:PORT]
    #[arg(long, env = "PUSH_PUBLIC_URL", value_name = "URL", value_parser = text::parse_origin, hide_env_values = true)]
    public_url: Option<Origin>,
    /// How many finished messages are kept for looking
    #[arg(long, value_name = "N", default_value = "1000")]
    max_messages: usize,
    /// How long they are kept
    #[arg(long, value_name = "DUR", value_parser = text::parse_duration)]
    max_age: Option<Duration>,
    /// Profile of new subscriptions
    #[arg(long, env = "PUSH_PROFILE", value_name = "P", default_value = "rfc", value_parser = parse_profile, hide_env_values = true)]
    profile: Profile,
    /// Refuse what no receiver can read, PUT, aud without port; no clock
    /// tolerance
    #[arg(long)]
    strict: bool,
    /// Answer PUT with 405
    #[arg(long)]
    refuse_put: bool,
    /// Longest TTL that is granted
    #[arg(long, value_name = "DUR", default_value = "30d", value_parser = text::parse_duration)]
    max_ttl: Duration,
    /// Most octets of a body, 4096 or more
    #[arg(long, value_name = "N", default_value = "4096")]
    max_body: usize,
    /// Requests per second to one subscription
    #[arg(long, value_name = "N/s", value_parser = parse_rate)]
    rate: Option<Rate>,
    /// Certificate and chain, PEM
    #[arg(long, value_name = "F", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "F", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Directory of the local CA [default: in the user's state directory]
    #[arg(long, value_name = "D", conflicts_with = "tls_cert")]
    ca_dir: Option<PathBuf>,
    /// As a proxy, stand in for the vendors' push hosts: on, off, or pass,
    /// which lets other hosts through
    #[arg(
        long,
        env = "PUSH_INTERCEPT",
        value_enum,
        value_name = "MODE",
        default_value = "on",
        hide_possible_values = true,
        hide_env_values = true
    )]
    intercept: Interception,
    /// Further host to stand in for; repeat for several
    #[arg(long, value_name = "H")]
    intercept_host: Vec<String>,
    /// Bearer token of the API, or @FILE; needed beyond loopback
    #[arg(long, env = "PUSH_TOKEN", value_name = "T", hide_env_values = true)]
    token: Option<String>,
    /// Host names that requests may name, besides loopback
    #[arg(long, value_name = "H", value_parser = parse_host)]
    allow_host: Vec<String>,
    /// Origins of pages that may use the API
    #[arg(long, value_name = "O", value_parser = parse_allowed_origin)]
    allow_origin: Vec<String>,
    /// Start of every space's clock
    #[arg(long, value_enum, value_name = "real|frozen", default_value = "real", hide_possible_values = true)]
    clock: Clock,
    /// Seed of ids, keys and tokens, for reproducible tests only
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Play the demo at start, in space demo
    #[arg(long)]
    pub(super) demo: bool,
    /// A target for measuring senders: admit and count only; any well-formed
    /// token is taken, nothing is decrypted, recorded or delivered
    #[arg(long, conflicts_with_all = ["demo", "rate", "strict", "refuse_put"])]
    pub(super) sink: bool,
    /// Print only the URL (as --quiet)
    #[arg(short = 'q')]
    pub(super) only_url: bool,
    /// Form of the messages on stdout
    #[arg(long, value_enum, value_name = "text|json", default_value = "text", hide_possible_values = true)]
    pub(super) log_format: LogFormat,
    /// Print each setting and where it came from, and stop
    #[arg(long)]
    pub(super) show_config: bool,
    /// Print all limits, and stop
    #[arg(long)]
    pub(super) print_limits: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Clock {
    /// Wall time.
    Real,
    /// Moves only when told.
    Frozen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Interception {
    /// Push hosts of the vendors end here, others are refused.
    On,
    /// All are refused.
    Off,
    /// Push hosts of the vendors end here, others are let through.
    Pass,
}

/// Form of what the service tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

fn parse_host(text: &str) -> std::result::Result<String, String> {
    if text.contains('*') {
        return Err(
            "a pattern would let any page in by DNS rebinding; write each name, like push.test".to_owned()
        );
    }
    let is_address = text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    if !is_address && let Some((name, _)) = text.rsplit_once(':').filter(|(name, _)| !name.is_empty()) {
        return Err(format!("a name counts on every port; write it without the port: {name}"));
    }
    let host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if is_address || !text.is_empty() && text.chars().all(host) {
        Ok(text.to_owned())
    } else {
        Err("it is no host name; write the name only, like push.test".to_owned())
    }
}

fn parse_allowed_origin(text: &str) -> std::result::Result<String, String> {
    if text.contains('*') {
        return Err(
            "any page could then use the API; write each origin, like http://localhost:3000".to_owned()
        );
    }
    text::parse_origin(text).map(|origin| origin.to_string())
}

fn parse_profile(text: &str) -> std::result::Result<Profile, String> {
    text.parse::<Profile>().map_err(|error| error.to_string())
}

fn parse_rate(text: &str) -> std::result::Result<Rate, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    number
        .parse::<NonZeroU32>()
        .map(Rate::per_second)
        .map_err(|_| "it is no number of requests; write it like 10/s".to_owned())
}

impl ServeArgs {
    /// The configuration: files' limits first, then the flags.
    pub(super) fn config(&self, settings: &[LimitSetting]) -> Result<Config> {
        let Profile::Rfc = self.profile else {
            return Err(Diagnostic::input("profile", "this profile is not offered").fix("--profile rfc"));
        };
        let config = Config {
            listen: self.addresses(),
            allow_clear_text: self.allow_clear_text,
            public_url: self.public_url.clone(),
            tls: self.tls()?,
            token: self.token.as_deref().map(super::secret).transpose()?.map(|token| ApiToken::new(&token)),
            allow_hosts: self.allow_host.clone(),
            allow_origins: self.allow_origin.clone(),
            strict: self.strict,
            refuse_put: self.refuse_put,
            sink: self.sink,
            clock: match self.clock {
                Clock::Real => ClockStart::Real,
                Clock::Frozen => ClockStart::Frozen,
            },
            seed: self.seed,
            intercept: match self.intercept {
                Interception::On => Intercept::On,
                Interception::Off => Intercept::Off,
                Interception::Pass => Intercept::Pass,
            },
            intercept_hosts: self.intercept_host.clone(),
            limits: self.limits(settings)?,
            ..Config::default()
        };
        config.check().map_err(|error| {
            let text = error.to_string();
            let (what, fix) = text.split_once("; ").unwrap_or((&text, ""));
            let diagnostic = Diagnostic::input("serve/config", what);
            if fix.is_empty() { diagnostic } else { diagnostic.fix(fix) }
        })?;
        Ok(config)
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        let mut addresses = self.listen.clone();
        if addresses.is_empty() {
            addresses = Config::default().listen;
            // Many containers have no IPv6; nobody asked for it by name.
            if TcpListener::bind(SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 0)).is_err() {
                addresses.retain(SocketAddr::is_ipv4);
            }
        }
        if let Some(port) = self.port {
            addresses.iter_mut().for_each(|address| address.set_port(port));
        }
        addresses
    }

    fn tls(&self) -> Result<TlsSource> {
        if let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) {
            for file in [certificate, key] {
                std::fs::File::open(file)
                    .map_err(|error| Diagnostic::file(ExitCode::INPUT, "read", file, &error))?;
            }
            return Ok(TlsSource::Files { certificate: certificate.clone(), key: key.clone() });
        }
        Ok(TlsSource::Authority { directory: Some(ca::directory(self.ca_dir.as_deref())?) })
    }

    fn limits(&self, settings: &[LimitSetting]) -> Result<Limits> {
        let mut limits = Limits::default();
        limits::apply(&mut limits, settings)?;
        let defaults = Limits::default();
        // A flag at its default says nothing, so that the file's value stays.
        if self.max_messages != defaults.exchanges {
            limits.exchanges = self.max_messages;
        }
        if self.max_body != defaults.body_octets {
            limits.body_octets = self.max_body;
        }
        let ttl = Ttl::seconds(self.max_ttl.as_secs());
        if ttl != defaults.ttl_longest {
            limits.ttl_longest = ttl;
        }
        limits.exchange_age = self.max_age.or(limits.exchange_age);
        limits.rate_per_subscription = self.rate.or(limits.rate_per_subscription);
        Ok(limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_origins_are_named_one_by_one() {
        for good in ["push.test", "my_host", "192.0.2.7", "::1", "[2001:db8::1]"] {
            assert_eq!(parse_host(good).as_deref(), Ok(good));
        }
        for (wrong, fix) in [
            ("*", "write each name"),
            ("*.test", "write each name"),
            ("push.test:8030", "without the port: push.test"),
            ("[::1]:8030", "without the port: [::1]"),
            ("a b", "like push.test"),
            ("", "like push.test"),
        ] {
            let error = parse_host(wrong).unwrap_err();
            assert!(error.contains(fix), "{wrong}: {error}");
        }
        assert!(parse_allowed_origin("*").unwrap_err().contains("write each origin"));
        assert_eq!(parse_allowed_origin("https://app.example").as_deref(), Ok("https://app.example"));
    }
}
