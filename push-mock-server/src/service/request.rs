//! `DeliveryRequest`: one request to a push resource, as plain values, before any rule has looked at it.

use bytes::Bytes;
use push_crypto::{Origin, Timestamp};
use serde::{Deserialize, Serialize};

/// The way a request came in (`request.via` of the message object).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Via {
    /// Vendor-shaped path without a proxy.
    Alias,
    /// Through the API (replay).
    Api,
    /// Clear text.
    Http,
    /// TLS.
    Https,
    /// Through `CONNECT` to a vendor's host.
    Intercept,
}

/// The body, or what was kept of one that is over the limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestBody {
    /// All of it.
    Whole(Bytes),
    /// Over the limit, so not read to its end.
    TooLarge {
        /// The octets that were kept for the history.
        kept: Bytes,
        /// `Content-Length`, if the request had one.
        declared: Option<u64>,
    },
}

impl RequestBody {
    /// The octets at hand.
    #[must_use]
    pub fn octets(&self) -> &Bytes {
        match self {
            Self::Whole(octets) | Self::TooLarge { kept: octets, .. } => octets,
        }
    }

    /// The size in octets, as far as it is known.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Whole(octets) => octets.len() as u64,
            Self::TooLarge { kept, declared } => declared.unwrap_or(kept.len() as u64),
        }
    }

    /// True for a tickle.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One request to a push resource: raw fields, nothing judged yet. `Debug` gives neither its URL nor its fields: both
/// hold capabilities.
#[derive(Clone)]
pub struct DeliveryRequest {
    /// Method as received, e.g. `POST`.
    pub method: String,
    /// The way in.
    pub via: Via,
    /// `1.1` or `2`.
    pub http_version: &'static str,
    /// The URL as received: scheme, authority, path and query.
    pub url: String,
    /// Origin of the request as received, when the authority was usable.
    pub origin: Option<Origin>,
    /// Fields in the order received, names in lower case, values with octets over 0x7F as U+FFFD.
    pub headers: Vec<(String, String)>,
    /// True when the body came without `Content-Length` (chunked, or HTTP/2 without the field).
    pub streamed: bool,
    /// The body.
    pub body: RequestBody,
    /// Wall time of arrival.
    pub at: Timestamp,
}

impl core::fmt::Debug for DeliveryRequest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "DeliveryRequest({} by {:?}, {} octets)",
            self.method.escape_debug(),
            self.via,
            self.body.len()
        )
    }
}

impl DeliveryRequest {
    /// The values of all fields of that name (lower case), in order.
    pub fn fields<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}
