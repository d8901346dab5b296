//! `Outcome`: what became of one message, as a value that nobody has to parse.

use std::{fmt, time::Duration};

use push_crypto::{Origin, PushResource, PushResourceError, Timestamp, Ttl};

use crate::{
    error::SendError,
    transport::{AddressClass, Phase, Problem},
};

/// What became of one message.
///
/// `Display` says in one sentence what happened, why, and what to do; it names origins only.
/// Closed on purpose: these six are a promise, and each caller should think of all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The push service took it over; it is not delivered yet.
    Accepted(Accepted),
    /// The subscription has ended: delete it.
    Gone(Gone),
    /// The push service refused it, and will refuse it again.
    Refused(Refused),
    /// The push service could not take it now, until attempts or TTL ran out.
    Deferred(Deferred),
    /// The push service may have received it but gave no answer.
    Unanswered(Unanswered),
    /// It never left.
    Unsent(Unsent),
}

impl Outcome {
    /// The name in JSON, reports and the registry.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted(_) => "accepted",
            Self::Gone(_) => "gone",
            Self::Refused(_) => "refused",
            Self::Deferred(_) => "deferred",
            Self::Unanswered(_) => "unanswered",
            Self::Unsent(_) => "unsent",
        }
    }

    /// The origin of the push resource.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        match self {
            Self::Accepted(it) => &it.origin,
            Self::Gone(it) => &it.origin,
            Self::Refused(it) => &it.origin,
            Self::Deferred(it) => &it.origin,
            Self::Unanswered(it) => &it.origin,
            Self::Unsent(it) => &it.origin,
        }
    }

    /// The status of the last answer, if there was one.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Accepted(it) => Some(it.status),
            Self::Gone(it) => it.status,
            Self::Refused(it) => Some(it.status),
            Self::Deferred(it) => Some(it.status),
            Self::Unanswered(_) | Self::Unsent(_) => None,
        }
    }

    /// How many requests were made.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        match self {
            Self::Accepted(it) => it.attempts,
            Self::Gone(it) => it.attempts,
            Self::Refused(it) => it.attempts,
            Self::Deferred(it) => it.attempts,
            Self::Unanswered(it) => it.attempts,
            Self::Unsent(it) => it.attempts,
        }
    }

    /// The finding which explains a refusal, a deferral or an unusable message.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(it) => it.code.as_deref(),
            Self::Deferred(it) => it.code.as_deref(),
            Self::Unsent(Unsent { reason: UnsentReason::Invalid(invalid), .. }) => invalid.code(),
            Self::Gone(_) | Self::Accepted(_) | Self::Unanswered(_) | Self::Unsent(_) => None,
        }
    }

    /// The acceptance, or everything else as an error.
    ///
    /// # Errors
    /// [`SendError`], which holds the outcome.
    pub fn accepted(self) -> Result<Accepted, SendError> {
        match self {
            Self::Accepted(accepted) => Ok(accepted),
            other => Err(SendError::new(other)),
        }
    }
}

/// 200, 201 or 202: the push service took the message over. Whether it arrives is another matter (AS-003).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepted {
    /// The push service.
    pub origin: Origin,
    /// 200, 201 or 202.
    pub status: u16,
    /// Where the message can be looked after (`Location`), if the answer says so legibly.
    pub message_resource: Option<MessageResource>,
    /// The TTL which counts: that of the answer (AS-010); `None` when the answer has none.
    pub ttl: Option<Ttl>,
    /// Where receipts come from, when one was asked for and granted.
    pub receipt_subscription: Option<ReceiptSubscription>,
    /// How many requests were made.
    pub attempts: u32,
}

/// 404 or 410, or a host that stands for removed subscriptions: delete the subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gone {
    /// The push service.
    pub origin: Origin,
    /// 404 or 410; `None` when nobody had to be asked.
    pub status: Option<u16>,
    /// How many requests were made; 0 when the end was known before.
    pub attempts: u32,
}

/// Another 3xx or 4xx: the same request will be refused again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// The push service.
    pub origin: Origin,
    /// The status.
    pub status: u16,
    /// What kind of refusal it is.
    pub reason: RefusedReason,
    /// The code of the finding which explains it, where the answer lets one tell.
    pub code: Option<String>,
    /// The push service's own words: at most 1 KiB, control characters escaped.
    pub text: Option<String>,
    /// How much the push service's clock was ahead, when its answer spoke of the clock: seconds.
    pub clock_skew: Option<i64>,
    /// How many requests were made.
    pub attempts: u32,
}

/// Kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RefusedReason {
    /// Something in the request is wrong.
    BadRequest,
    /// The subscription belongs to another application server key; it is not gone.
    KeyMismatch,
    /// Another reason.
    Other,
    /// The answer points elsewhere; no redirect is followed.
    Redirect,
    /// The body is over the push service's limit.
    TooLarge,
    /// The VAPID token or its absence.
    Vapid,
}

impl RefusedReason {
    /// The name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::KeyMismatch => "key-mismatch",
            Self::Other => "other",
            Self::Redirect => "redirect",
            Self::TooLarge => "too-large",
            Self::Vapid => "vapid",
        }
    }

    const fn advice(self) -> &'static str {
        match self {
            Self::BadRequest => {
                "something in the request is wrong; look at the reason and send it differently"
            }
            Self::KeyMismatch => {
                "the subscription belongs to another application server key; sign with that one, or subscribe anew"
            }
            Self::Other => "the same request will be refused again; look at the reason",
            Self::Redirect => "redirects are not followed; store the endpoint as the browser gave it",
            Self::TooLarge => {
                "the message is too large; shorten it, or send a tickle and let the worker fetch"
            }
            Self::Vapid => "the VAPID token was not accepted; check key, subject and clock",
        }
    }
}

/// 429, a throttled 406, or 5xx, until attempts or TTL ran out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deferred {
    /// The push service.
    pub origin: Origin,
    /// The last status.
    pub status: u16,
    /// Before this instant a further attempt is useless.
    pub not_before: Option<Timestamp>,
    /// The code of the finding which explains it, where the answer lets one tell.
    pub code: Option<String>,
    /// The push service's own words: at most 1 KiB, control characters escaped.
    pub text: Option<String>,
    /// How many requests were made; 0 when the origin was failing for others already.
    pub attempts: u32,
}

/// Reset or timeout after the request may have been received.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unanswered {
    /// The push service.
    pub origin: Origin,
    /// How far it got.
    pub phase: Phase,
    /// What was seen.
    pub problem: Problem,
    /// How many requests were made.
    pub attempts: u32,
}

/// No push service can have received it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unsent {
    /// The push service it was meant for.
    pub origin: Origin,
    /// Why.
    pub reason: UnsentReason,
    /// How many attempts failed before the request left.
    pub attempts: u32,
}

/// Why a message never left.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnsentReason {
    /// TTL or deadline ran out while it waited.
    Expired,
    /// The message, the subscription or the configuration is not usable together.
    Invalid(Invalid),
    /// The run was stopped before it was its turn.
    Stopped,
    /// No connection: name, TCP, TLS, proxy.
    Unreachable {
        /// How far it got.
        phase: Phase,
        /// What was seen.
        problem: Problem,
    },
}

impl UnsentReason {
    /// The name in JSON.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Invalid(_) => "invalid",
            Self::Stopped => "stopped",
            Self::Unreachable { .. } => "unreachable",
        }
    }
}

/// What makes a message unusable before it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invalid {
    /// The endpoint's host stands for an address that is not allowed.
    AddressNotAllowed(AddressClass),
    /// A payload, but the subscription has no authentication secret, which this coding needs.
    NoAuth,
    /// A payload, but the subscription has no keys: only a tickle is possible.
    NoKeys,
    /// The message asks for a VAPID key that the client does not have (AS-027).
    NoVapidKey,
    /// The endpoint's port is not among the allowed ones.
    PortNotAllowed(u16),
    /// The system gave no randomness, or a part of the provider broke its contract.
    Provider,
    /// The signer refused to sign, or the subject and life make no legal token.
    Token,
    /// The plaintext is over the limit.
    TooLarge {
        /// Octets of plaintext.
        octets: usize,
        /// The limit.
        limit: usize,
    },
    /// The subscription's keys do not suit the coding asked for.
    Unsuited,
    /// The endpoint is no URL that HTTP can carry.
    Url,
}

impl Invalid {
    /// The code of the finding which explains this, where there is one.
    #[must_use]
    pub const fn code(&self) -> Option<&'static str> {
        match self {
            Self::AddressNotAllowed(_) => Some("subscription/endpoint-private"),
            Self::NoAuth => Some("subscription/auth-length"),
            Self::NoKeys => Some("subscription/keys-missing"),
            Self::NoVapidKey => Some("vapid/key-mismatch"),
            Self::TooLarge { .. } => Some("body/too-large"),
            Self::Unsuited => Some("coding/not-supported"),
            Self::Url => Some("subscription/endpoint-missing"),
            Self::PortNotAllowed(_) | Self::Provider | Self::Token => None,
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddressNotAllowed(class) => write!(
                f,
                "its host stands for {class}; this protects your network from endpoints of strangers, \
                 use allow_loopback() or allow_private() if you mean it"
            ),
            Self::NoAuth => f.write_str("the subscription has no auth secret; store the whole subscription"),
            Self::NoKeys => f.write_str("the subscription has no keys; only a tickle can be sent to it"),
            Self::NoVapidKey => f.write_str(
                "the client does not have the VAPID key which the message asks for; add it when building the client",
            ),
            Self::PortNotAllowed(port) => {
                write!(f, "port {port} is not allowed; push services use 443, others need allow_port()")
            }
            Self::Provider => f.write_str("the system gave no randomness, so nothing can be encrypted or signed"),
            Self::Token => f.write_str("no VAPID token could be made; check the signer and the token's life"),
            Self::TooLarge { octets, limit } => write!(
                f,
                "the text has {octets} octets, at most {limit} fit; shorten it, or send a tickle and let the worker fetch"
            ),
            Self::Unsuited => {
                f.write_str("the subscription's keys do not suit the coding asked for; use aes128gcm")
            }
            Self::Url => f.write_str("the endpoint is no URL that HTTP can carry; store it as the browser gave it"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted(it) => it.fmt(f),
            Self::Gone(it) => it.fmt(f),
            Self::Refused(it) => it.fmt(f),
            Self::Deferred(it) => it.fmt(f),
            Self::Unanswered(it) => it.fmt(f),
            Self::Unsent(it) => it.fmt(f),
        }
    }
}

impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} accepted the message ({})", self.origin, self.status)?;
        if let Some(ttl) = self.ttl {
            write!(f, " for {ttl} s")?;
        }
        f.write_str("; that is not yet delivery")
    }
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the subscription at {} has ended", self.origin)?;
        if let Some(status) = self.status {
            write!(f, " ({status})")?;
        }
        f.write_str("; delete it, the user agent subscribes anew when it wants messages")
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} refused the message ({}", self.origin, self.status)?;
        if let Some(code) = &self.code {
            write!(f, ", {code}")?;
        }
        write!(f, "): {}", self.reason.advice())?;
        if let Some(skew) = self.clock_skew.filter(|skew| *skew != 0) {
            let side = if skew > 0 { "behind" } else { "ahead of" };
            write!(f, "; the clock here is {} s {side} the push service's", skew.unsigned_abs())?;
        }
        said(f, self.text.as_deref())
    }
}

impl fmt::Display for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} could not take the message now ({}, {})",
            self.origin,
            self.status,
            tries(self.attempts)
        )?;
        match self.not_before {
            Some(at) => write!(f, "; send it again, not before {}", http_date(at))?,
            None => f.write_str("; send it again later")?,
        }
        said(f, self.text.as_deref())
    }
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} may have received the message but did not answer ({} while {}, {}); \
             sent again it may arrive twice, which a topic makes harmless",
            self.origin,
            self.problem,
            self.phase,
            tries(self.attempts)
        )
    }
}

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the message for {} was not sent: ", self.origin)?;
        match &self.reason {
            UnsentReason::Expired => {
                f.write_str("its TTL ran out while it waited; give it a longer one or send it earlier")
            }
            UnsentReason::Invalid(invalid) => invalid.fmt(f),
            UnsentReason::Stopped => {
                f.write_str("the run was stopped before it was its turn; send it again in another run")
            }
            UnsentReason::Unreachable { phase, problem } => {
                write!(f, "{problem} while {phase} ({}); check network, name and trust", tries(self.attempts))
            }
        }
    }
}

fn said(f: &mut fmt::Formatter<'_>, text: Option<&str>) -> fmt::Result {
    text.map_or(Ok(()), |text| write!(f, "; it said: {text}"))
}

fn tries(attempts: u32) -> String {
    if attempts == 1 { "1 attempt".to_owned() } else { format!("{attempts} attempts") }
}

fn http_date(at: Timestamp) -> String {
    // Beyond the year 9999 an HTTP date cannot be written.
    let seconds = at.as_unix_seconds().min(253_402_300_799);
    httpdate::fmt_http_date(std::time::UNIX_EPOCH + Duration::from_secs(seconds))
}

macro_rules! capability {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        /// A capability: whoever knows it can use it. `Debug` shows the origin only.
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name(PushResource);

        impl $name {
            /// Reads an absolute URL.
            ///
            /// # Errors
            /// [`PushResourceError`] when it is none that may be used.
            pub fn parse(text: &str) -> Result<Self, PushResourceError> {
                text.parse().map(Self)
            }

            /// Reads an absolute or relative reference in an answer of this push resource (RFC 3986 §5.2).
            #[must_use]
            pub(crate) fn resolve(reference: &str, base: &PushResource) -> Option<Self> {
                if reference.contains("://") {
                    return reference.parse().ok().map(Self);
                }
                // Push services give absolute URLs or absolute paths; anything else is nobody's form.
                if !reference.starts_with('/') || reference.starts_with("//") {
                    return None;
                }
                base.with_target(reference).ok().map(Self)
            }

            /// Its origin.
            #[must_use]
            pub const fn origin(&self) -> &Origin {
                self.0.origin()
            }

            /// The whole URL: never for a log or an error.
            #[must_use]
            pub fn expose(&self) -> &str {
                self.0.expose()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({}/…)"), self.0.origin())
            }
        }
    };
}

capability! {
    /// The URL of one message at its push service (RFC 8030 §5, `Location`).
    MessageResource
}
capability! {
    /// The URL where an application server reads receipts (RFC 8030 §5.1).
    ReceiptSubscription
}

#[cfg(test)]
mod tests;
