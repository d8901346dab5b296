//! `BrowserError`: why a browser cannot be wired to the service.

use std::fmt;

/// Why a browser cannot be wired to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BrowserError {
    /// The service speaks no TLS.
    NoTls,
    /// The certificate comes from files.
    UnknownKey,
}

impl BrowserError {
    /// What to do about it.
    #[must_use]
    pub const fn fix(self) -> &'static str {
        match self {
            Self::NoTls => "start the service with its own CA, which is the default",
            Self::UnknownKey => {
                "start the service without --tls-cert and --tls-key, or wire Chromium by hand with the key's digest"
            }
        }
    }
}

impl fmt::Display for BrowserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoTls => "the service speaks no TLS, and Chromium's push connection speaks nothing else",
            Self::UnknownKey => {
                "the certificate comes from files, so the key that Chromium has to trust is not known here"
            }
        })
    }
}

impl std::error::Error for BrowserError {}
