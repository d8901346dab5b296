//! How requests get there: connections, limits, trust; alike for one message and for many.

use std::{net::SocketAddr, time::Duration};

use clap::Args;
use push_client::{
    ClientLimits, PushClient, PushClientBuilder,
    transport::{HttpVersion, Transport, TransportOptions},
};

use super::identity::Signer;
use crate::{
    commands::ca,
    diagnostic::{Diagnostic, Result},
    environment, text,
};

/// How the request gets there.
#[derive(Args, Debug)]
#[command(next_help_heading = "Connection")]
pub(crate) struct WayArgs {
    /// How often to try again
    #[arg(long, value_name = "N", default_value = "3")]
    pub(crate) retry: u32,
    /// Time for one request
    #[arg(long, value_name = "DUR", default_value = "10s", value_parser = text::parse_duration)]
    pub(crate) timeout: Duration,
    /// HTTP/1.1 only
    #[arg(long, conflicts_with = "http2")]
    pub(crate) http1: bool,
    /// HTTP/2 only
    #[arg(long)]
    pub(crate) http2: bool,
    /// Proxy, never for loopback [default: HTTPS_PROXY]
    #[arg(long, value_name = "URL")]
    pub(crate) proxy: Option<String>,
    /// Connect to another address: HOST:PORT:ADDR:PORT
    #[arg(long, value_name = "H:P:H:P")]
    pub(crate) connect_to: Vec<String>,
    /// Accept any certificate
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Permit endpoints at private addresses
    #[arg(long)]
    pub(crate) allow_private: bool,
}

impl WayArgs {
    /// Limits of the client.
    pub(crate) fn limits(&self) -> ClientLimits {
        let defaults = ClientLimits::default();
        let timeout = self.timeout;
        ClientLimits {
            connect: defaults.connect.min(timeout),
            tls: defaults.tls.min(timeout),
            headers_within: timeout,
            total: timeout,
            // aesgcm and aesgcm128 add less than aes128gcm, so more text fits into 4 096 octets; the body is what counts.
            ..defaults
        }
    }

    /// A client which signs with these keys, the first one where a message asks for none.
    pub(crate) fn client(
        &self,
        limits: ClientLimits,
        signers: &[Signer],
        transport: impl Transport,
    ) -> Result<PushClient> {
        let builder = PushClient::builder().limits(limits).retries(self.retry).transport(transport);
        built(signed(builder, signers))
    }

    /// How connections are made; to the service itself with trust in its CA.
    pub(crate) fn options(&self, is_own: bool) -> Result<TransportOptions> {
        // The user named this endpoint: any port is meant, and loopback is always permitted.
        self.options_from(TransportOptions::default().allow_loopback().allow_any_port(), is_own)
    }

    /// The same for endpoints of a list, which strangers may have written: this machine only when the list is about
    /// the local service, or when private addresses are permitted.
    pub(crate) fn options_for_list(&self, is_own: bool) -> Result<TransportOptions> {
        let options = TransportOptions::default();
        let is_permitted = is_own || self.allow_private;
        let options = if is_permitted { options.allow_loopback().allow_any_port() } else { options };
        self.options_from(options, is_own)
    }

    fn options_from(&self, options: TransportOptions, is_own: bool) -> Result<TransportOptions> {
        let unusable = |error: push_client::BuildError| {
            Diagnostic::usage("the connection cannot be made so").why(error.to_string())
        };
        let mut options = options.limits(self.limits());
        if self.allow_private {
            options = options.allow_private();
        }
        if self.http1 || self.http2 {
            options = options.http_version(if self.http1 { HttpVersion::Http1 } else { HttpVersion::Http2 });
        }
        for (host, address) in self.connections()? {
            options = options.connect_to(&host, address).map_err(unusable)?;
        }
        if let Some(proxy) = self.proxy.clone().or_else(|| environment::variable("HTTPS_PROXY")) {
            options = options.proxy(&proxy).map_err(unusable)?;
            for host in environment::variable("NO_PROXY").unwrap_or_default().split(',') {
                options = options.no_proxy(host.trim());
            }
        }
        if self.insecure {
            options = options.danger_accept_any_certificate();
        }
        if is_own || !self.connect_to.is_empty() || self.proxy.is_some() {
            for pem in ca::local_pems() {
                options = options.add_root_pem(pem.as_bytes()).map_err(unusable)?;
            }
        }
        Ok(options)
    }

    /// `HOST:PORT:ADDR:PORT` as host and address.
    fn connections(&self) -> Result<Vec<(String, SocketAddr)>> {
        self.connect_to
            .iter()
            .map(|text| {
                let wrong = || {
                    Diagnostic::usage(format!("--connect-to {} is not usable", text::quote(text, 60)))
                        .fix("--connect-to fcm.googleapis.com:443:127.0.0.1:8030")
                };
                let (host, rest) = text.split_once(':').ok_or_else(wrong)?;
                let (_, address) = rest.split_once(':').ok_or_else(wrong)?;
                let address = address.replacen("localhost:", "127.0.0.1:", 1);
                Ok((host.to_owned(), address.parse().map_err(|_| wrong())?))
            })
            .collect()
    }
}

/// A builder whose client signs with these keys.
pub(crate) fn signed(builder: PushClientBuilder, signers: &[Signer]) -> PushClientBuilder {
    signers.iter().fold(builder, |builder, Signer { key, subject }| match subject {
        Some(subject) => builder.vapid(key.clone(), subject.clone()),
        None => builder.vapid_without_subject(key.clone()),
    })
}

/// The client.
pub(crate) fn built(builder: PushClientBuilder) -> Result<PushClient> {
    builder
        .build()
        .map_err(|error| Diagnostic::usage("these options do not fit together").why(error.to_string()))
}
