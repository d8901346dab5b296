//! Judges a whole request's identification, as a push service does for a restricted subscription (RFC 8292 §4.2).

use alloc::{string::String, vec::Vec};
use core::{fmt, time::Duration};

use super::{
    authorization::{AuthorizationError, SchemeName, read_authorization},
    claims::{Claims, Subject, SubjectError},
    key::{PublicKeyTextError, VapidPublicKey},
    token::{AudienceProblem, ExpiryProblem, SignatureProblem, TokenError, UnverifiedToken},
};
use crate::{
    protocol::{Origin, Timestamp},
    provider::CryptoProvider,
};

/// What a token is judged against.
#[derive(Clone, Copy)]
pub struct VerifyRequest<'a> {
    /// Value of `Authorization`.
    pub authorization: &'a str,
    /// All lines of `Crypto-Key`; only the older scheme needs them.
    pub crypto_key: &'a [&'a str],
    /// Origins by which the push resource can be reached; one of them must be in `aud`.
    pub origins: &'a [Origin],
    /// The time of the request.
    pub now: Timestamp,
    /// Tolerance for clocks that disagree; zero is what RFC 8292 says.
    pub skew: Duration,
    /// The key which the subscription was restricted to, if it was.
    pub restricted_to: Option<&'a VapidPublicKey>,
}

impl fmt::Debug for VerifyRequest<'_> {
    /// Without the fields, which hold the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { authorization: _, crypto_key: _, origins, now, skew, restricted_to } = self;
        f.debug_struct("VerifyRequest")
            .field("origins", origins)
            .field("now", now)
            .field("skew", skew)
            .field("restricted_to", restricted_to)
            .finish_non_exhaustive()
    }
}

/// A request's identification, proven; the contact itself remains an unproven statement (PS-122).
#[derive(Clone, PartialEq, Eq)]
pub struct Verified {
    /// The scheme that carried it.
    pub scheme: SchemeName,
    /// The key that signed.
    pub key: VapidPublicKey,
    /// The origin in `aud` that fits.
    pub audience: Origin,
    /// `exp`.
    pub expires: Timestamp,
    /// `sub`.
    pub subject: Option<String>,
    /// Departures that were tolerated.
    pub remarks: Vec<VapidRemark>,
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, key, audience, expires, subject: _, remarks } = self;
        f.debug_struct("Verified")
            .field("scheme", scheme)
            .field("key", key)
            .field("audience", audience)
            .field("expires", expires)
            .field("remarks", remarks)
            .finish_non_exhaustive()
    }
}

/// Something tolerated in an identification that some service refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VapidRemark {
    /// Valid only thanks to the tolerance for clocks.
    ByTolerance,
    /// `k` or `p256ecdsa` has padding or the standard alphabet.
    KeyForm,
    /// `WebPush` or `Bearer`.
    LegacyScheme,
    /// Within five minutes of the longest life, so that a clock that runs ahead makes it invalid.
    NearLimit,
    /// `nbf` is later than now.
    NotBefore,
    /// `sub` is no contact.
    Subject(SubjectError),
    /// `sub` is a contact with a local host, or a placeholder.
    SubjectDoubtful(super::SubjectRemark),
    /// No `sub`.
    SubjectMissing,
}

impl VapidRemark {
    /// The code of the finding which explains this.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ByTolerance => "vapid/exp-skew",
            Self::KeyForm => "vapid/k-padded",
            Self::LegacyScheme => "vapid/legacy-scheme",
            Self::NearLimit => "vapid/exp-near-limit",
            Self::NotBefore => "vapid/nbf-future",
            Self::Subject(error) => error.code(),
            Self::SubjectDoubtful(remark) => remark.code(),
            Self::SubjectMissing => "vapid/sub-missing",
        }
    }
}

/// Checks everything that RFC 8292 §4.2 names and stops at the first fault.
///
/// # Errors
/// [`VapidError`].
///
/// ```
/// # use core::time::Duration;
/// # use push_crypto::{Timestamp, provider::rust_crypto, vapid::*};
/// # let provider = &rust_crypto::PROVIDER;
/// # let key = VapidKey::generate(provider)?;
/// # let now = Timestamp::from_unix_seconds(1_700_000_000);
/// # let claims = Claims::new("https://push.example.net".parse()?, now, Claims::USUAL, None)?;
/// let fields = Token::sign(provider, &key, &claims)?.authorization(AuthorizationScheme::Vapid, key.public());
/// let origins = ["https://push.example.net".parse()?];
/// let verified = verify(provider, &VerifyRequest {
///     authorization: &fields.authorization,
///     crypto_key: &[],
///     origins: &origins,
///     now,
///     skew: Duration::ZERO,
///     restricted_to: Some(key.public()),
/// })?;
/// assert_eq!(verified.expires, claims.expires());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn verify(provider: &CryptoProvider, request: &VerifyRequest<'_>) -> Result<Verified, VapidError> {
    let credentials = read_authorization(request.authorization, request.crypto_key)?;
    let (key, form) = VapidPublicKey::from_text(&credentials.key)?;
    let token = UnverifiedToken::parse(&credentials.token)?;
    if token.alg() != Some("ES256") {
        return Err(VapidError::Algorithm);
    }
    token.verify_signature(provider, &key)?;
    let audience = token.check_audience(request.origins)?.clone();
    let validity = token.check_expiry(request.now, request.skew)?;
    if token.sub_is_not_text() {
        return Err(VapidError::Subject);
    }
    if request.restricted_to.is_some_and(|restricted| *restricted != key) {
        return Err(VapidError::KeyMismatch);
    }

    let mut remarks = subject_remark(&token).into_iter().collect::<Vec<_>>();
    let legacy = credentials.scheme != SchemeName::Vapid;
    let ahead = validity.expires.since(request.now);
    let not_before = token.nbf().is_some_and(|nbf| Timestamp::from_unix_seconds(nbf) > request.now);
    for (holds, remark) in [
        (legacy, VapidRemark::LegacyScheme),
        (!form.is_canonical(), VapidRemark::KeyForm),
        (validity.by_tolerance, VapidRemark::ByTolerance),
        (ahead + NEAR_LIMIT > Claims::LONGEST, VapidRemark::NearLimit),
        (not_before, VapidRemark::NotBefore),
    ] {
        if holds {
            remarks.push(remark);
        }
    }
    let subject = token.sub().map(Into::into);
    Ok(Verified { scheme: credentials.scheme, key, audience, expires: validity.expires, subject, remarks })
}

/// Clocks of servers that nobody looks after are wrong by minutes (our choice, `vapid/exp-near-limit`).
const NEAR_LIMIT: Duration = Duration::from_secs(300);

fn subject_remark(token: &UnverifiedToken) -> Option<VapidRemark> {
    match token.sub().map(str::parse::<Subject>) {
        None => Some(VapidRemark::SubjectMissing),
        Some(Err(error)) => Some(VapidRemark::Subject(error)),
        Some(Ok(subject)) => subject.remark().map(VapidRemark::SubjectDoubtful),
    }
}

/// Why a request is not identified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VapidError {
    /// `alg` is not `ES256`.
    Algorithm,
    /// `aud`.
    Audience(AudienceProblem),
    /// The fields.
    Authorization(AuthorizationError),
    /// `exp`.
    Expiry(ExpiryProblem),
    /// `k` or `p256ecdsa`.
    Key(PublicKeyTextError),
    /// Valid, but by another key than the subscription's.
    KeyMismatch,
    /// The signature.
    Signature(SignatureProblem),
    /// `sub` is no text.
    Subject,
    /// The token's form.
    Token(TokenError),
}

impl VapidError {
    /// The code of the finding which explains this.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Algorithm => "vapid/alg",
            Self::Audience(problem) => problem.code(),
            Self::Authorization(error) => error.code(),
            Self::Expiry(problem) => problem.code(),
            Self::Key(error) => error.code(),
            Self::KeyMismatch => "vapid/key-mismatch",
            Self::Signature(problem) => problem.code(),
            Self::Subject => "vapid/sub-not-contact",
            Self::Token(error) => error.code(),
        }
    }
}

impl fmt::Display for VapidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Algorithm => f.write_str("the token's alg is not ES256, the only one allowed; sign with ES256"),
            Self::Audience(problem) => problem.fmt(f),
            Self::Authorization(error) => error.fmt(f),
            Self::Expiry(problem) => problem.fmt(f),
            Self::Key(error) => error.fmt(f),
            Self::KeyMismatch => f.write_str(
                "the token is valid but not of the key of this subscription; sign with that key or subscribe anew",
            ),
            Self::Signature(problem) => problem.fmt(f),
            Self::Subject => f.write_str("the token's sub is no text; write mailto:you@yourdomain.example"),
            Self::Token(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for VapidError {}

macro_rules! from {
    ($($error:ident => $variant:ident),+) => {$(
        impl From<$error> for VapidError {
            fn from(error: $error) -> Self {
                Self::$variant(error)
            }
        }
    )+};
}
from!(
    AudienceProblem => Audience, AuthorizationError => Authorization, ExpiryProblem => Expiry,
    PublicKeyTextError => Key, SignatureProblem => Signature, TokenError => Token
);
