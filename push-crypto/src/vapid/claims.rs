//! What a token claims: audience, end of validity and contact (RFC 8292 §2).

use alloc::{borrow::ToOwned, boxed::Box, string::String};
use core::{fmt, str::FromStr, time::Duration};

use serde_json::Value;

use crate::protocol::{Origin, Timestamp};

/// The contact of whoever runs the application server: a `mailto:` or `https:` URI (RFC 8292 §2.1).
///
/// Services read it when something goes wrong; Apple refuses tokens without a public one.
///
/// ```
/// use push_crypto::vapid::{Subject, SubjectError};
/// let subject: Subject = "mailto:ops@example.com".parse()?;
/// assert_eq!(subject.as_str(), "mailto:ops@example.com");
/// assert_eq!("ops@example.com".parse::<Subject>(), Err(SubjectError::BareAddress));
/// # Ok::<(), SubjectError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Subject(Box<str>);

impl Subject {
    /// Most octets of the URI (our choice: claims should stay small, RFC 8292 §2.2).
    pub const MAX_OCTETS: usize = 256;

    /// The URI.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What services may hold against a contact that is formally right.
    #[must_use]
    pub fn remark(&self) -> Option<SubjectRemark> {
        let host = match self.0.split_once(':')? {
            ("mailto", address) => {
                let address = address.split(['?', ',']).next().unwrap_or_default();
                if address.eq_ignore_ascii_case("example@example.com") {
                    return Some(SubjectRemark::Placeholder);
                }
                address.rsplit('@').next().unwrap_or_default()
            }
            (_, url) => authority(url).split(':').next().unwrap_or_default(),
        };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let last = host.rsplit('.').next().unwrap_or_default();
        matches!(last, "localhost" | "local" | "invalid").then_some(SubjectRemark::Local)
    }
}

/// `//authority/…` → `authority`.
fn authority(url: &str) -> &str {
    url.trim_start_matches('/').split(['/', '?', '#']).next().unwrap_or_default()
}

impl FromStr for Subject {
    type Err = SubjectError;
    fn from_str(text: &str) -> Result<Self, SubjectError> {
        if text.is_empty() {
            return Err(SubjectError::Empty);
        }
        if text.len() > Self::MAX_OCTETS {
            return Err(SubjectError::TooLong { octets: text.len() });
        }
        if text.contains(['<', '>']) {
            return Err(SubjectError::AngleBrackets);
        }
        if let Some(at) = text.bytes().position(|b| b.is_ascii_whitespace()) {
            return Err(SubjectError::Blank { at });
        }
        if let Some(at) = text.bytes().position(|b| !b.is_ascii_graphic() || matches!(b, b'"' | b'\\')) {
            return Err(SubjectError::Character { at });
        }
        let scheme_end = text.find([':', '/', '?', '#', '@']);
        match scheme_end.map(|at| text.split_at(at)) {
            Some((scheme, rest)) if rest.starts_with(':') => Self::with_scheme(scheme, rest.split_at(1).1),
            Some((_, rest)) if rest.starts_with('@') => Err(SubjectError::BareAddress),
            _ => Err(SubjectError::NoScheme),
        }
    }
}

impl Subject {
    fn with_scheme(scheme: &str, rest: &str) -> Result<Self, SubjectError> {
        let scheme = scheme.to_ascii_lowercase();
        match scheme.as_str() {
            "mailto" if rest.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("mailto:")) => {
                return Err(SubjectError::MailtoTwice);
            }
            "mailto" => check_addresses(rest)?,
            "https" => check_https(rest)?,
            "http" => return Err(SubjectError::ClearText),
            _ => return Err(SubjectError::Scheme { found: scheme.chars().take(24).collect() }),
        }
        Ok(Self(alloc::format!("{scheme}:{rest}").into()))
    }
}

/// One or several addresses, then perhaps header fields (RFC 6068 §2).
fn check_addresses(rest: &str) -> Result<(), SubjectError> {
    let addresses = rest.split('?').next().unwrap_or_default();
    let legal = |address: &str| {
        address.rsplit_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !domain.starts_with('.') && !domain.contains("..")
        })
    };
    if addresses.split(',').all(legal) { Ok(()) } else { Err(SubjectError::Address) }
}

fn check_https(rest: &str) -> Result<(), SubjectError> {
    let authority = match rest.strip_prefix("//") {
        Some(url) if !url.starts_with('/') => authority(url),
        _ => return Err(SubjectError::Url),
    };
    alloc::format!("https://{authority}").parse::<Origin>().map(|_| ()).map_err(|_| SubjectError::Url)
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({self})")
    }
}

/// Why some services may refuse a contact that is formally right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubjectRemark {
    /// A host that nobody outside reaches: `localhost`, `.local`, `.invalid`. Apple answers 403.
    Local,
    /// `example@example.com`, which a library puts in when it is told none.
    Placeholder,
}

impl SubjectRemark {
    /// The code of the finding which explains this.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Local => "vapid/sub-localhost",
            Self::Placeholder => "vapid/sub-placeholder",
        }
    }
}

/// Why a text is no contact for `sub`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubjectError {
    /// `mailto:` with something that is no address.
    Address,
    /// `<` or `>`, as in an address copied from a mail program.
    AngleBrackets,
    /// An address without `mailto:`.
    BareAddress,
    /// White space.
    Blank {
        /// Octet position.
        at: usize,
    },
    /// A character that no URI has.
    Character {
        /// Octet position.
        at: usize,
    },
    /// `http:`.
    ClearText,
    /// Nothing.
    Empty,
    /// `mailto:mailto:`.
    MailtoTwice,
    /// Neither a scheme nor an `@`.
    NoScheme,
    /// Another scheme.
    Scheme {
        /// The scheme in lower case.
        found: String,
    },
    /// Over [`Subject::MAX_OCTETS`].
    TooLong {
        /// How many octets there are.
        octets: usize,
    },
    /// `https:` without a usable host.
    Url,
}

impl SubjectError {
    /// The code of the finding which explains this.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "vapid/sub-missing",
            _ => "vapid/sub-not-contact",
        }
    }
}

impl fmt::Display for SubjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str(
                "the subject starts with mailto: but no mail address follows; write mailto:you@yourdomain.example",
            ),
            Self::AngleBrackets => f.write_str(
                "the subject contains < or >; write the address alone: mailto:you@yourdomain.example",
            ),
            Self::BareAddress => f.write_str(
                "the subject is a bare mail address; put mailto: in front of it, without a blank",
            ),
            Self::Blank { at } => write!(
                f,
                "the subject has white space at position {at}; write it without any: mailto:you@yourdomain.example"
            ),
            Self::Character { at } => write!(
                f,
                "the subject has a character at position {at} that no URI has; write it in ASCII, percent-encoded"
            ),
            Self::ClearText => {
                f.write_str("the subject is an http: URL, only https: and mailto: are allowed; use https:")
            }
            Self::Empty => f.write_str(
                "the subject is empty; give mailto:you@yourdomain.example or an https: URL of a contact page",
            ),
            Self::MailtoTwice => f.write_str("the subject starts with mailto:mailto:; remove one of them"),
            Self::NoScheme => f.write_str(
                "the subject is no URI; give mailto:you@yourdomain.example or an https: URL of a contact page",
            ),
            Self::Scheme { found } => write!(
                f,
                "the subject has the scheme {found}:, only mailto: and https: are allowed; use one of these"
            ),
            Self::TooLong { octets } => write!(
                f,
                "the subject has {octets} octets, at most {} are allowed; shorten it",
                Subject::MAX_OCTETS
            ),
            Self::Url => f.write_str(
                "the subject starts with https: but names no host; write https://yourdomain.example/contact",
            ),
        }
    }
}

impl core::error::Error for SubjectError {}

/// What one token says: valid for one origin, for at most 24 hours (RFC 8292 §2).
///
/// ```
/// use core::time::Duration;
/// use push_crypto::{Timestamp, vapid::Claims};
/// let now = Timestamp::from_unix_seconds(1_453_480_568);
/// let claims = Claims::new("https://push.example.net".parse()?, now, Duration::from_secs(12 * 3600), None)?;
/// assert_eq!(claims.expires().as_unix_seconds(), 1_453_523_768);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    audience: Origin,
    expires: Timestamp,
    subject: Option<Subject>,
}

impl Claims {
    /// The longest life of a token (RFC 8292 §2).
    pub const LONGEST: Duration = Duration::from_secs(24 * 3600);
    /// A life that leaves room for clocks that disagree (our choice, as `web-push` for Node).
    pub const USUAL: Duration = Duration::from_secs(12 * 3600);

    /// Claims for the origin of a push resource, from `now` for `life`, in whole seconds rounded down.
    ///
    /// # Errors
    /// [`ClaimsError`] when `life` is over 24 hours or under a second (AS-021).
    pub fn new(
        audience: Origin,
        now: Timestamp,
        life: Duration,
        subject: Option<Subject>,
    ) -> Result<Self, ClaimsError> {
        if life > Self::LONGEST {
            return Err(ClaimsError::TooLong { seconds: life.as_secs() });
        }
        if life < Duration::from_secs(1) {
            return Err(ClaimsError::TooShort);
        }
        // Whole seconds, as AS-020 wants; rounding down keeps the bound of 24 hours.
        let expires = Timestamp::from_unix_seconds(now.after(life).as_unix_seconds());
        Ok(Self { audience, expires, subject })
    }

    /// `aud`.
    #[must_use]
    pub const fn audience(&self) -> &Origin {
        &self.audience
    }

    /// `exp`.
    #[must_use]
    pub const fn expires(&self) -> Timestamp {
        self.expires
    }

    /// `sub`.
    #[must_use]
    pub const fn subject(&self) -> Option<&Subject> {
        self.subject.as_ref()
    }

    /// The claims as the JSON object that is signed.
    pub(crate) fn to_json(&self) -> String {
        let mut text =
            alloc::format!(r#"{{"aud":"{}","exp":{}"#, self.audience, self.expires.as_unix_seconds());
        if let Some(subject) = &self.subject {
            text.push_str(",\"sub\":");
            text.push_str(&alloc::format!("{}", Value::String(subject.as_str().to_owned())));
        }
        text.push('}');
        text
    }
}

/// Why a token cannot have this life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClaimsError {
    /// Over 24 hours.
    TooLong {
        /// What was asked for.
        seconds: u64,
    },
    /// Under a second.
    TooShort,
}

impl ClaimsError {
    /// The code of the finding which explains this.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLong { .. } => "vapid/exp-too-far",
            Self::TooShort => "vapid/exp-past",
        }
    }
}

impl fmt::Display for ClaimsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { seconds } => write!(
                f,
                "the token would live {seconds} s, at most 86400 s (24 h) are allowed; 12 h leave room for clock skew"
            ),
            Self::TooShort => f.write_str(
                "the token would live less than a second; give it at least a second, usually 12 h",
            ),
        }
    }
}

impl core::error::Error for ClaimsError {}
