//! `TransportError`: why there is no answer, and whether the push service can have received the request.

use std::fmt;

use super::address_policy::AddressClass;

/// A request got no answer.
///
/// The variants answer the sender's question: may the same message be sent again?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportError {
    /// The address policy allows none of what the name stands for; nothing was sent, nothing will be.
    AddressNotAllowed(AddressClass),
    /// The endpoint's port is not among the allowed ones.
    PortNotAllowed(u16),
    /// The request cannot have been processed: it may be sent again.
    Unreachable {
        /// How far it got.
        phase: Phase,
        /// What was seen.
        problem: Problem,
    },
    /// The request may have been received: sent again, it may arrive twice.
    Unanswered {
        /// How far it got.
        phase: Phase,
        /// What was seen.
        problem: Problem,
    },
}

impl TransportError {
    /// False when the next attempt will fail in the same way: a certificate, a proxy's refusal, an address.
    #[must_use]
    pub const fn is_worth_retrying(&self) -> bool {
        match self {
            Self::AddressNotAllowed(_) | Self::PortNotAllowed(_) => false,
            Self::Unreachable { problem, .. } | Self::Unanswered { problem, .. } => !problem.is_permanent(),
        }
    }

    /// True when it is a matter of one connection, and not of the push service: another may be tried at once.
    pub(crate) const fn is_of_connection(&self) -> bool {
        matches!(self, Self::Unreachable { problem: Problem::Leaving, .. })
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddressNotAllowed(class) => {
                write!(
                    f,
                    "the host stands for {class}, which is not allowed; use allow_loopback() or allow_private() if you mean it"
                )
            }
            Self::PortNotAllowed(port) => {
                write!(f, "port {port} is not allowed; push services use 443, others need allow_port()")
            }
            Self::Unreachable { phase, problem } | Self::Unanswered { phase, problem } => {
                write!(f, "{problem} while {phase}")
            }
        }
    }
}

impl std::error::Error for TransportError {}

/// The steps of one attempt, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Looking the host's addresses up.
    Resolve,
    /// Opening the TCP connection.
    Connect,
    /// Asking the proxy for a tunnel.
    Proxy,
    /// The TLS handshake.
    Tls,
    /// Sending the request, or waiting for a connection that is free for it.
    Send,
    /// Waiting for the header fields of the answer.
    Headers,
    /// Reading the body of the answer.
    Body,
}

impl Phase {
    /// The name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Proxy => "proxy",
            Self::Tls => "tls",
            Self::Send => "send",
            Self::Headers => "headers",
            Self::Body => "body",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "looking up the host's addresses",
            Self::Connect => "connecting",
            Self::Proxy => "asking the proxy for a tunnel",
            Self::Tls => "establishing TLS",
            Self::Send => "sending the request",
            Self::Headers => "waiting for the answer",
            Self::Body => "reading the answer",
        })
    }
}

/// What was seen on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The answer broke HTTP: not HTTP at all, header fields over the limit, too many informational answers.
    BadAnswer,
    /// The certificate was not accepted.
    Certificate(CertificateProblem),
    /// The connection was closed or reset.
    Closed,
    /// No one listens there.
    ConnectionRefused,
    /// The system reported another failure.
    Io(std::io::ErrorKind),
    /// The push service is closing this connection and has not processed the request (HTTP/2 `GOAWAY` without an
    /// error). That says nothing about another connection.
    Leaving,
    /// The name has no address.
    NameNotFound,
    /// The push service said that it has not processed the request (HTTP/2 `REFUSED_STREAM`), or no
    /// stream was opened for it.
    NotProcessed,
    /// The proxy refused the tunnel with this status.
    ProxyRefused(u16),
    /// It took longer than allowed.
    TimedOut,
    /// TLS failed for another reason than the certificate.
    Tls,
}

impl Problem {
    const fn is_permanent(self) -> bool {
        matches!(self, Self::Certificate(_) | Self::ProxyRefused(400..=499))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadAnswer => f.write_str("what came is no legal HTTP answer within the limits"),
            Self::Certificate(problem) => problem.fmt(f),
            Self::Closed => f.write_str("the connection was closed"),
            Self::ConnectionRefused => f.write_str("the connection was refused"),
            Self::Io(kind) => write!(f, "the system reported \"{kind}\""),
            Self::NameNotFound => f.write_str("the host name has no address"),
            Self::Leaving => {
                f.write_str("the push service closed the connection before it processed the request")
            }
            Self::NotProcessed => f.write_str("the push service turned the request away unprocessed"),
            Self::ProxyRefused(status) => write!(f, "the proxy refused the tunnel ({status})"),
            Self::TimedOut => f.write_str("it took too long"),
            Self::Tls => f.write_str("TLS failed"),
        }
    }
}

/// Why a server's certificate was not accepted (AS-002).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateProblem {
    /// Its validity has ended.
    Expired,
    /// Its validity has not begun.
    NotYetValid,
    /// Damaged, revoked, or of a form that is not supported.
    Other,
    /// Signed by nobody who is trusted here.
    UnknownIssuer,
    /// Made out to another name.
    WrongName,
}

impl fmt::Display for CertificateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "the certificate has expired",
            Self::NotYetValid => "the certificate is not valid yet (is the clock right?)",
            Self::Other => "the certificate is not usable",
            Self::UnknownIssuer => {
                "the certificate is signed by nobody trusted here (add the authority with add_root_pem())"
            }
            Self::WrongName => "the certificate is made out to another name",
        })
    }
}
