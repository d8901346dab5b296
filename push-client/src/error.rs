//! `Error` and its parts, grouped by who can act: what was sent, what was configured, what is stored.

use std::fmt;

use crate::{outcome::Outcome, registry::RegistryError};

/// Anything this crate can fail with.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The client could not be built: the caller changes its configuration.
    Build(BuildError),
    /// A payload could not be written as JSON: the caller changes the value.
    Message(MessageError),
    /// The registry's file cannot be used: whoever runs the program looks at it.
    Registry(RegistryError),
    /// The message was not accepted.
    Send(SendError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Build(error) => error.fmt(f),
            Self::Message(error) => error.fmt(f),
            Self::Registry(error) => error.fmt(f),
            Self::Send(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Build(error) => error.source(),
            Self::Message(error) => error.source(),
            Self::Registry(error) => error.source(),
            Self::Send(error) => error.source(),
        }
    }
}

impl From<BuildError> for Error {
    fn from(error: BuildError) -> Self {
        Self::Build(error)
    }
}

impl From<MessageError> for Error {
    fn from(error: MessageError) -> Self {
        Self::Message(error)
    }
}

impl From<RegistryError> for Error {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

/// An outcome other than acceptance, for callers who prefer `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendError(Box<Outcome>);

impl SendError {
    pub(crate) fn new(outcome: Outcome) -> Self {
        Self(Box::new(outcome))
    }

    /// What happened.
    #[must_use]
    pub fn outcome(&self) -> &Outcome {
        &self.0
    }

    /// True when the subscription has ended and is to be deleted.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(*self.0, Outcome::Gone(_))
    }

    /// True when the same message can succeed later without any change.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        use crate::outcome::{Unsent, UnsentReason};
        match &*self.0 {
            Outcome::Deferred(_) | Outcome::Unanswered(_) => true,
            Outcome::Unsent(Unsent { reason, .. }) => {
                matches!(reason, UnsentReason::Unreachable { .. } | UnsentReason::Stopped)
            }
            Outcome::Accepted(_) | Outcome::Gone(_) | Outcome::Refused(_) => false,
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for SendError {}

/// Why a payload cannot be written as JSON; the value itself is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageError;

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the payload cannot be written as JSON (a map with keys that are no text, or its own refusal); change its type")
    }
}

impl std::error::Error for MessageError {}

/// Why a client cannot be built.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// A host to redirect is empty or has a port that is no number.
    ConnectTo,
    /// The crate is built without the feature `transport`, and no other transport was given.
    NoTransport,
    /// No certificate could be read from the PEM text.
    Pem,
    /// The proxy's URL is not `http://[user:password@]host[:port]`.
    Proxy,
    /// Neither a certificate of the system nor one of the compiled-in list could be loaded.
    Roots,
    /// The provider has no usable TLS.
    Tls,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ConnectTo => "the host to redirect is not host or host:port; write it as in the endpoint",
            Self::NoTransport => "there is no transport; enable the feature transport, or give one of your own",
            Self::Pem => "the root certificates are not PEM with at least one certificate; give the authority's own file",
            Self::Proxy => "the proxy is not http://host:port; other kinds of proxy are not offered",
            Self::Roots => "no trusted root certificate was found; install the system's, or add one by add_root_pem()",
            Self::Tls => "TLS could not be set up; please report this as a bug",
        })
    }
}

impl std::error::Error for BuildError {}
