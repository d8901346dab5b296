//! `ClientLimits`: every bound of the sender in one place.

use std::time::Duration;

/// What the client allows itself, a message and a push service.
///
/// ```
/// use std::time::Duration;
/// use push_client::ClientLimits;
/// let limits = ClientLimits { total: Duration::from_secs(10), ..ClientLimits::default() };
/// assert_eq!(limits.plaintext, 3993);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// Octets of plaintext: 3 993, so that an aes128gcm body has 4 096 at most (RFC 8291 §4, RFC 8030 §7.2).
    pub plaintext: usize,
    /// To look the name up and connect by TCP: 5 s (our choice).
    pub connect: Duration,
    /// For the TLS handshake: 5 s (our choice).
    pub tls: Duration,
    /// From the request to the header fields of its answer: 10 s (our choice).
    pub headers_within: Duration,
    /// For one attempt as a whole, waiting for a free connection included: 30 s (our choice).
    pub total: Duration,
    /// Octets of an answer's body that are read: 64 KiB; the rest is cut and the stream reset (our choice).
    pub response_body: usize,
    /// Octets of an answer's header fields: 16 KiB (our choice).
    pub response_headers: usize,
    /// Informational answers (1xx) before the final one, over HTTP/1.1: 8 (our choice).
    pub informational: usize,
    /// Least wait after `Retry-After`: 1 s (our choice).
    pub retry_after_least: Duration,
    /// Longest wait after `Retry-After`: 1 h (our choice).
    pub retry_after_longest: Duration,
    /// Repeats of one message: 3 (our choice).
    pub retries: u32,
    /// Repeats in percent of an origin's messages: 10 (our choice).
    pub retry_budget: u32,
    /// Life of a VAPID token: 12 h, of the 24 h allowed (RFC 8292 §2).
    pub token_life: Duration,
    /// A token is renewed so long before it lapses, and a clock may be off by so much: 10 min (our choice).
    pub token_margin: Duration,
    /// Messages of one `send_all` that are under way at once: 512 (our choice).
    pub max_in_flight: usize,
    /// Requests of one `send_all` to one origin under way at once: 256, so that one origin alone cannot take every
    /// place (our choice: half of `max_in_flight`).
    pub per_origin: usize,
    /// Messages of one `send_all` that wait for an origin which takes no more now: 512 (our choice: as many as are
    /// under way, so that a run that ends at once leaves little undone).
    pub parked: usize,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            plaintext: 3993,
            connect: Duration::from_secs(5),
            tls: Duration::from_secs(5),
            headers_within: Duration::from_secs(10),
            total: Duration::from_secs(30),
            response_body: 64 * 1024,
            response_headers: 16 * 1024,
            informational: 8,
            retry_after_least: Duration::from_secs(1),
            retry_after_longest: Duration::from_secs(3600),
            retries: 3,
            retry_budget: 10,
            token_life: Duration::from_secs(12 * 3600),
            token_margin: Duration::from_secs(600),
            max_in_flight: 512,
            per_origin: 256,
            parked: 512,
        }
    }
}
