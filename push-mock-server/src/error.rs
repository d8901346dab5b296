//! `ServiceError` and `StartError`: what the service could not do, and what whoever asked can do about it.

use std::fmt;

use crate::{config::ConfigError, space::SpaceNameError, store::StoreError};

/// Why a request to the service, not a push message, was not carried out.
///
/// [`Display`](fmt::Display) gives the detail; code, status, title and fix are derived here and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceError {
    /// Several things end in the given characters.
    AmbiguousId {
        /// `subscription`, `message`, `user agent`.
        what: &'static str,
        /// What was asked for.
        named: String,
        /// The ids that fit.
        fits: Vec<String>,
    },
    /// A member of the request cannot be used.
    BadField {
        /// JSON pointer, e.g. `/label`.
        pointer: &'static str,
        /// What was seen and why it is wrong.
        detail: String,
        /// What to do.
        fix: String,
    },
    /// The name is taken.
    Exists {
        /// `subscription`, `space`.
        what: &'static str,
        /// The name.
        named: String,
        /// The space.
        space: String,
    },
    /// The thing is in a state in which the action is impossible.
    GoneState {
        /// What is wrong.
        detail: String,
        /// What to do.
        fix: String,
    },
    /// A part of the program broke its contract.
    Internal {
        /// Which.
        detail: &'static str,
    },
    /// A limit of the service is reached.
    Limit {
        /// Name in [`Limits`](crate::Limits).
        name: &'static str,
        /// The limit.
        limit: usize,
    },
    /// There is no such thing.
    NotFound {
        /// `subscription`, `message`, `user agent`, `space`.
        what: &'static str,
        /// What was asked for.
        named: String,
        /// The space.
        space: String,
        /// Names that are there and look alike, closest first.
        alike: Vec<String>,
    },
    /// The name of a space cannot be used.
    SpaceName(SpaceNameError),
    /// The store could not do its work.
    Store(StoreError),
}

impl ServiceError {
    /// The stable code, `api/…`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AmbiguousId { .. } => "api/ambiguous-id",
            Self::BadField { .. } | Self::SpaceName(_) => "api/bad-field",
            Self::Exists { .. } => "api/exists",
            Self::GoneState { .. } => "api/gone-state",
            Self::Internal { .. } => "api/internal",
            Self::Limit { .. } => "api/limit",
            Self::NotFound { .. } => "api/not-found",
            Self::Store(_) => "api/store",
        }
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::BadField { .. } | Self::SpaceName(_) => 400,
            Self::NotFound { .. } => 404,
            Self::AmbiguousId { .. } | Self::Exists { .. } | Self::GoneState { .. } => 409,
            Self::Limit { .. } => 429,
            Self::Internal { .. } => 500,
            Self::Store(_) => 503,
        }
    }

    /// What kind of error it is, in a few words.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            Self::AmbiguousId { what, .. } => format!("Several {what}s fit"),
            Self::BadField { .. } | Self::SpaceName(_) => "A value cannot be used".into(),
            Self::Exists { what, .. } => format!("The {what} exists already"),
            Self::GoneState { .. } => "Not possible in this state".into(),
            Self::Internal { .. } => "The service failed".into(),
            Self::Limit { .. } => "A limit is reached".into(),
            Self::NotFound { what, .. } => format!("No such {what}"),
            Self::Store(_) => "The store cannot be used now".into(),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn fix(&self) -> String {
        match self {
            Self::AmbiguousId { fits, .. } => format!("use the whole id: {}", fits.join(", ")),
            Self::BadField { fix, .. } | Self::GoneState { fix, .. } => fix.clone(),
            Self::Exists { .. } => "use another name, or the one that is there".into(),
            Self::Internal { .. } => "please report this as a bug".into(),
            Self::Limit { name, .. } => format!("remove what is not needed, or raise {name}"),
            Self::NotFound { what, space, .. } => {
                let route = match *what {
                    "message" => "messages",
                    "user agent" => "user-agents",
                    "space" => return "GET /api/v1/spaces".into(),
                    _ => "subscriptions",
                };
                format!("GET /api/v1/{route}?space={space}")
            }
            Self::SpaceName(_) => "choose another name".into(),
            Self::Store(error) => error.fix().into(),
        }
    }

    /// JSON pointer of the member at fault.
    #[must_use]
    pub const fn pointer(&self) -> Option<&'static str> {
        match self {
            Self::BadField { pointer, .. } => Some(pointer),
            Self::SpaceName(_) => Some("/space"),
            _ => None,
        }
    }

    /// Seconds after which it makes sense to try again.
    #[must_use]
    pub const fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Store(_) => Some(1),
            _ => None,
        }
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AmbiguousId { what, named, fits } => {
                write!(f, "{} {what}s end in \"{}\"", fits.len(), named.escape_debug())
            }
            Self::BadField { detail, .. } | Self::GoneState { detail, .. } => f.write_str(detail),
            Self::Exists { what, named, space } => {
                write!(f, "a {what} \"{}\" exists in space {space}", named.escape_debug())
            }
            Self::Internal { detail } => f.write_str(detail),
            Self::Limit { name, limit } => write!(f, "the limit {name} of {limit} is reached"),
            Self::NotFound { what, named, space, alike } => {
                write!(f, "no {what} is called \"{}\"", named.escape_debug())?;
                if *what != "space" {
                    write!(f, " in space {space}")?;
                }
                match alike.as_slice() {
                    [] => Ok(()),
                    [first, ..] => write!(f, "; there is \"{}\"", first.escape_debug()),
                }
            }
            Self::SpaceName(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ServiceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::SpaceName(error) => Some(error),
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<SpaceNameError> for ServiceError {
    fn from(error: SpaceNameError) -> Self {
        Self::SpaceName(error)
    }
}

impl From<push_crypto::provider::RandomUnavailable> for ServiceError {
    fn from(_: push_crypto::provider::RandomUnavailable) -> Self {
        Self::Internal { detail: "the system gave no randomness, so no id and no key can be made" }
    }
}

impl From<push_crypto::provider::ProviderError> for ServiceError {
    fn from(_: push_crypto::provider::ProviderError) -> Self {
        Self::Internal { detail: "the cryptography provider failed on valid keys" }
    }
}

/// Why the service could not be started.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// An address cannot be listened on.
    Bind {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// The configuration contradicts itself.
    Config(ConfigError),
    /// No key or id could be made.
    Service(ServiceError),
    /// The thread or runtime of the service could not be made.
    Thread(std::io::Error),
    /// The certificate, its key or the local authority cannot be used.
    Tls {
        /// What was seen and what to do.
        detail: String,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind { address, error } if error.kind() == std::io::ErrorKind::AddrInUse => write!(
                f,
                "{address} is already in use; use the service that is there, or start a second one on port 0"
            ),
            Self::Bind { address, .. } => write!(f, "cannot listen on {address}"),
            Self::Config(error) => error.fmt(f),
            Self::Service(error) => error.fmt(f),
            Self::Thread(_) => f.write_str("the thread of the service could not be started"),
            Self::Tls { detail } => f.write_str(detail),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Bind { error, .. } | Self::Thread(error) => Some(error),
            Self::Config(error) => Some(error),
            Self::Service(error) => Some(error),
            Self::Tls { .. } => None,
        }
    }
}

impl From<ConfigError> for StartError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<ServiceError> for StartError {
    fn from(error: ServiceError) -> Self {
        Self::Service(error)
    }
}
