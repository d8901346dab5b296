//! The token: a compact JWS with ES256 and nothing else (RFC 8292 §2, RFC 7515 §7.1, RFC 7518 §3.4).
//!
//! `part1 "." part2 "." part3`, each base64url without padding: header, claims, and `r (32) ‖ s (32)`.

use alloc::{
    borrow::ToOwned,
    string::{String, ToString},
    vec::Vec,
};
use core::{fmt, time::Duration};

use serde_json::{Map, Value};

use super::{
    SignerError, VapidSigner,
    claims::Claims,
    key::{VapidKey, VapidPublicKey},
};
use crate::{
    base64url::{self, Base64Error},
    protocol::{Origin, Timestamp},
    provider::{CryptoProvider, ProviderError, Signature},
};

/// A signed token, ready to be sent. Whoever has it can send in the application server's name: unprintable.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    text: String,
    expires: Timestamp,
}

impl Token {
    /// Signs with a key that is in memory (AS-018).
    ///
    /// # Errors
    /// [`ProviderError`] when there is no randomness.
    ///
    /// ```
    /// use core::time::Duration;
    /// use push_crypto::{Timestamp, provider::rust_crypto, vapid::{Claims, Token, UnverifiedToken, VapidKey}};
    /// let provider = &rust_crypto::PROVIDER;
    /// let key = VapidKey::generate(provider)?;
    /// let now = Timestamp::from_unix_seconds(1_700_000_000);
    /// let claims = Claims::new("https://push.example.net".parse()?, now, Claims::USUAL, None)?;
    /// let token = Token::sign(provider, &key, &claims)?;
    /// let read = UnverifiedToken::parse(token.as_str())?;
    /// read.verify_signature(provider, key.public())?;
    /// assert_eq!(read.audiences(), ["https://push.example.net"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sign(provider: &CryptoProvider, key: &VapidKey, claims: &Claims) -> Result<Self, ProviderError> {
        Self::assemble(claims, |message| provider.signature.sign(key.private(), message))
    }

    /// Signs with a key that is elsewhere, such as in a hardware module.
    ///
    /// # Errors
    /// [`SignerError`] of the signer.
    pub fn sign_with(signer: &dyn VapidSigner, claims: &Claims) -> Result<Self, SignerError> {
        Self::assemble(claims, |message| signer.sign(message))
    }

    fn assemble<E>(claims: &Claims, sign: impl FnOnce(&[u8]) -> Result<Signature, E>) -> Result<Self, E> {
        let mut text = base64url::encode(br#"{"typ":"JWT","alg":"ES256"}"#);
        text.push('.');
        text.push_str(&base64url::encode(claims.to_json().as_bytes()));
        let signature = sign(text.as_bytes())?;
        text.push('.');
        text.push_str(&base64url::encode(&signature));
        Ok(Self { text, expires: claims.expires() })
    }

    /// The compact form, for the `Authorization` field and nothing else.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `exp`.
    #[must_use]
    pub const fn expires(&self) -> Timestamp {
        self.expires
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({} octets)", self.text.len())
    }
}

/// A token that was taken apart and not believed: nothing in it is proven before its signature is checked (PS-107).
#[derive(Clone)]
pub struct UnverifiedToken {
    signed: String,
    header: Map<String, Value>,
    claims: Map<String, Value>,
    audiences: Vec<String>,
    signature: Vec<u8>,
}

impl UnverifiedToken {
    /// Takes a compact JWS apart: three parts of base64url without padding, the first two JSON objects.
    ///
    /// Algorithm, signature and claims are not judged here.
    ///
    /// # Errors
    /// [`TokenError`], code `vapid/jwt-malformed`.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let parts: Vec<&str> = text.split('.').take(6).collect();
        let &[header_text, claims_text, signature_text] = parts.as_slice() else {
            return Err(TokenError::Parts { found: if text.is_empty() { 0 } else { parts.len() } });
        };
        let decode =
            |part, text: &str| base64url::decode(text).map_err(|error| TokenError::Base64 { part, error });
        let header = read_object(TokenPart::Header, &decode(TokenPart::Header, header_text)?)?;
        let claims = read_object(TokenPart::Claims, &decode(TokenPart::Claims, claims_text)?)?;
        let signature = decode(TokenPart::Signature, signature_text)?;
        // A receiver that does not know an extension marked critical must refuse (RFC 7515 §4.1.11); we know none.
        if header.contains_key("crit") {
            return Err(TokenError::Critical);
        }
        let audiences = match claims.get("aud") {
            Some(Value::String(one)) => Vec::from([one.clone()]),
            Some(Value::Array(several)) => {
                several.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
            }
            _ => Vec::new(),
        };
        let signed = alloc::format!("{header_text}.{claims_text}");
        Ok(Self { signed, header, claims, audiences, signature })
    }

    /// `alg`, when it is a text; only `ES256` is legal.
    #[must_use]
    pub fn alg(&self) -> Option<&str> {
        self.header.get("alg").and_then(Value::as_str)
    }

    /// `typ`, when it is a text.
    #[must_use]
    pub fn typ(&self) -> Option<&str> {
        self.header.get("typ").and_then(Value::as_str)
    }

    /// `aud`, one or several (RFC 7519 §4.1.3); empty when it is missing or no text.
    #[must_use]
    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// `exp` as it stands there.
    #[must_use]
    pub fn exp(&self) -> Expiry {
        let Some(value) = self.claims.get("exp") else { return Expiry::Missing };
        let Value::Number(number) = value else {
            return Expiry::NotANumber(value.to_string().chars().take(40).collect());
        };
        match number.as_u64() {
            // Thirteen digits: milliseconds from 2001 to 2286.
            Some(1_000_000_000_000..=9_999_999_999_999) => Expiry::Milliseconds(number.to_string()),
            Some(seconds) => Expiry::Seconds(seconds),
            None if number.to_string().starts_with('-') => Expiry::Negative(number.to_string()),
            None => Expiry::Fraction(number.to_string()),
        }
    }

    /// `sub`, when it is a text.
    #[must_use]
    pub fn sub(&self) -> Option<&str> {
        self.claims.get("sub").and_then(Value::as_str)
    }

    /// True when there is a `sub` that is no text.
    #[must_use]
    pub fn sub_is_not_text(&self) -> bool {
        self.claims.get("sub").is_some_and(|sub| !sub.is_string() && !sub.is_null())
    }

    /// `nbf` in seconds since 1970, when it is a number.
    #[must_use]
    pub fn nbf(&self) -> Option<u64> {
        let value = self.claims.get("nbf")?;
        value.as_u64().or_else(|| {
            // Saturates, and exact below 2^53 (RFC 7519 §2 allows fractions).
            value.as_f64().map(|seconds| seconds.clamp(0.0, 9_007_199_254_740_992.0) as u64)
        })
    }

    /// The third part, decoded; 64 octets in a legal token.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// The claims as compact JSON, for display to their owner only.
    #[must_use]
    pub fn claims_json(&self) -> String {
        Value::Object(self.claims.clone()).to_string()
    }

    /// The header as compact JSON.
    #[must_use]
    pub fn header_json(&self) -> String {
        Value::Object(self.header.clone()).to_string()
    }

    /// Checks the signature over the first two parts with this key (PS-117).
    ///
    /// # Errors
    /// [`SignatureProblem`].
    pub fn verify_signature(
        &self,
        provider: &CryptoProvider,
        key: &VapidPublicKey,
    ) -> Result<(), SignatureProblem> {
        let Ok(signature) = <&Signature>::try_from(self.signature.as_slice()) else {
            return Err(SignatureProblem::of_wrong_length(&self.signature));
        };
        provider
            .signature
            .verify(key.point(), self.signed.as_bytes(), signature)
            .map_err(|_| SignatureProblem::Bad)
    }

    /// Looks for one of these origins in `aud` (PS-119) and gives the one that was found.
    ///
    /// # Errors
    /// [`AudienceProblem`]: the one nearest to being right.
    pub fn check_audience<'a>(&self, origins: &'a [Origin]) -> Result<&'a Origin, AudienceProblem> {
        let found = origins.iter().find(|origin| self.audiences.contains(&origin.to_string()));
        if let Some(origin) = found {
            return Ok(origin);
        }
        let problems = self.audiences.iter().map(|audience| AudienceProblem::of(audience, origins));
        Err(problems.max().unwrap_or(AudienceProblem::Missing))
    }

    /// Checks `exp` against the time of the request with a tolerance for clocks (PS-118).
    ///
    /// # Errors
    /// [`ExpiryProblem`].
    pub fn check_expiry(&self, now: Timestamp, skew: Duration) -> Result<Validity, ExpiryProblem> {
        let expires = match self.exp() {
            Expiry::Seconds(seconds) => Timestamp::from_unix_seconds(seconds),
            Expiry::Missing => return Err(ExpiryProblem::Missing),
            Expiry::Milliseconds(_) => return Err(ExpiryProblem::Milliseconds),
            Expiry::Fraction(_) | Expiry::Negative(_) | Expiry::NotANumber(_) => {
                return Err(ExpiryProblem::NotANumber);
            }
        };
        // "Later than" makes the very instant of exp valid (RFC 8292 §4.2), and exactly 24 h too.
        let (past, ahead) = (now.since(expires), expires.since(now));
        if past > skew {
            return Err(ExpiryProblem::Past { by: past });
        }
        if ahead > Claims::LONGEST.saturating_add(skew) {
            return Err(ExpiryProblem::TooFar { by: ahead });
        }
        Ok(Validity { expires, by_tolerance: !past.is_zero() || ahead > Claims::LONGEST })
    }
}

fn read_object(part: TokenPart, octets: &[u8]) -> Result<Map<String, Value>, TokenError> {
    match serde_json::from_slice(octets) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(TokenError::NotObject { part }),
        Err(_) => Err(TokenError::NotJson { part }),
    }
}

impl fmt::Debug for UnverifiedToken {
    /// Sizes only: neither token nor claims belong into a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "UnverifiedToken({} signed octets, {} of signature)",
            self.signed.len(),
            self.signature.len()
        )
    }
}

/// A token's end, judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// `exp`.
    pub expires: Timestamp,
    /// Valid only thanks to the tolerance for clocks that disagree.
    pub by_tolerance: bool,
}

/// `exp` as a token has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// A number that is not whole, or beyond 64 bits; its text.
    Fraction(String),
    /// Thirteen digits: `Date.now()` instead of seconds; its text.
    Milliseconds(String),
    /// No `exp`.
    Missing,
    /// A negative number; its text.
    Negative(String),
    /// No number; its JSON text, cut to 40 characters.
    NotANumber(String),
    /// Seconds since 1970.
    Seconds(u64),
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fraction(text)
            | Self::Milliseconds(text)
            | Self::Negative(text)
            | Self::NotANumber(text) => f.write_str(text),
            Self::Missing => f.write_str("no exp"),
            Self::Seconds(seconds) => write!(f, "{seconds}"),
        }
    }
}

/// A part of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenPart {
    /// The first.
    Header,
    /// The second.
    Claims,
    /// The third.
    Signature,
}

impl fmt::Display for TokenPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header (part 1)",
            Self::Claims => "claims (part 2)",
            Self::Signature => "signature (part 3)",
        })
    }
}

/// Why a text is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenError {
    /// A part is not base64url without padding.
    Base64 {
        /// Which.
        part: TokenPart,
        /// Why not.
        error: Base64Error,
    },
    /// The header has `crit`.
    Critical,
    /// A part is not JSON.
    NotJson {
        /// Which.
        part: TokenPart,
    },
    /// A part is JSON, but no object.
    NotObject {
        /// Which.
        part: TokenPart,
    },
    /// Not three parts.
    Parts {
        /// How many, counted up to six.
        found: usize,
    },
}

impl TokenError {
    /// The code of the finding which explains this.
    #[must_use]
    pub const fn code(self) -> &'static str {
        "vapid/jwt-malformed"
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base64 { part, error } => write!(f, "the token's {part} is not base64url: {error}"),
            Self::Critical => f.write_str(
                "the token's header has crit, which names extensions nobody knows here; leave it out",
            ),
            Self::NotJson { part } => {
                write!(f, "the token's {part} is not JSON; build it with a JWT library")
            }
            Self::NotObject { part } => {
                write!(f, "the token's {part} is JSON, but no object; build it with a JWT library")
            }
            Self::Parts { found: 0 } => f.write_str("the token is empty; a token has three parts"),
            Self::Parts { found: 5 } => {
                f.write_str("the token has 5 parts: it is encrypted; a signed token of three parts is needed")
            }
            Self::Parts { found } => {
                write!(f, "the token has {found} parts separated by dots, a signed token has 3; was it cut?")
            }
        }
    }
}

impl core::error::Error for TokenError {}

/// Why a signature is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureProblem {
    /// It does not verify with the key.
    Bad,
    /// It is a DER structure, as general-purpose libraries give it.
    Der {
        /// How many octets it has.
        octets: usize,
    },
    /// Neither 64 octets nor DER.
    Length {
        /// How many octets it has.
        octets: usize,
    },
}

impl SignatureProblem {
    fn of_wrong_length(signature: &[u8]) -> Self {
        let octets = signature.len();
        // SEQUENCE of exactly this length that starts with an INTEGER.
        match signature {
            [0x30, length, 0x02, ..] if usize::from(*length) + 2 == octets => Self::Der { octets },
            _ => Self::Length { octets },
        }
    }

    /// The code of the finding which explains this.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Bad | Self::Length { .. } => "vapid/signature",
            Self::Der { .. } => "vapid/signature-der",
        }
    }
}

impl fmt::Display for SignatureProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bad => f.write_str(
                "the signature does not verify with this key; were private and public key made as one pair?",
            ),
            Self::Der { octets } => write!(
                f,
                "the signature is a DER structure of {octets} octets; JWS wants r and s, 32 octets each"
            ),
            Self::Length { octets } => {
                write!(f, "the signature has {octets} octets; ES256 has 64, r and s of 32 octets each")
            }
        }
    }
}

impl core::error::Error for SignatureProblem {}

/// Why no accepted origin is in `aud`; ordered by how near it is to being right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum AudienceProblem {
    /// No `aud`, or none that is a text.
    Missing,
    /// Another origin.
    Other,
    /// The right host with another port, which is another service.
    OtherPort,
    /// The right host without the port that belongs to the origin.
    Port,
    /// The right origin with a path, a query or a slash behind it.
    Path,
    /// The right origin, written otherwise: capitals, or the scheme's default port.
    Form,
}

impl AudienceProblem {
    fn of(audience: &str, origins: &[Origin]) -> Self {
        let (scheme, rest) = audience.split_once("://").unwrap_or_default();
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let Ok(named) = alloc::format!("{scheme}://{authority}").parse::<Origin>() else {
            return Self::Other;
        };
        if origins.contains(&named) {
            return if path.is_empty() { Self::Form } else { Self::Path };
        }
        let but_for_port =
            |origin: &Origin| origin.scheme() == named.scheme() && origin.host() == named.host();
        match named_port(authority) {
            _ if !path.is_empty() || !origins.iter().any(but_for_port) => Self::Other,
            Some(_) => Self::OtherPort,
            None => Self::Port,
        }
    }

    /// The code of the finding which explains this.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "vapid/aud-missing",
            Self::Other | Self::OtherPort | Self::Form => "vapid/aud-mismatch",
            Self::Port => "vapid/aud-port-missing",
            Self::Path => "vapid/aud-path",
        }
    }
}

/// The port that an authority names; a colon with nothing behind it names none.
fn named_port(authority: &str) -> Option<&str> {
    let (_, port) = authority.rsplit_once(':')?;
    // The last colon of `[::1]` stands inside the address.
    (!port.is_empty() && !port.ends_with(']')).then_some(port)
}

impl fmt::Display for AudienceProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the token has no aud; set it to the origin of the endpoint",
            Self::Other => "the token is for another origin; make one token per origin of the endpoints",
            Self::OtherPort => "the token's aud names another port than the endpoint; write the endpoint's origin",
            Self::Port => "the token's aud lacks the port of the endpoint's origin; keep the port",
            Self::Path => "the token's aud has a path or a slash behind the origin; write the origin only",
            Self::Form => "the token's aud is not in the form of an origin; write it in lower case, without default port",
        })
    }
}

impl core::error::Error for AudienceProblem {}

/// Why `exp` is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExpiryProblem {
    /// Thirteen digits.
    Milliseconds,
    /// No `exp`.
    Missing,
    /// A text, a fraction or a negative number.
    NotANumber,
    /// Expired.
    Past {
        /// For how long.
        by: Duration,
    },
    /// More than 24 hours ahead.
    TooFar {
        /// How far ahead.
        by: Duration,
    },
}

impl ExpiryProblem {
    /// The code of the finding which explains this.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Milliseconds => "vapid/exp-milliseconds",
            Self::Missing => "vapid/exp-missing",
            Self::NotANumber => "vapid/exp-not-number",
            Self::Past { .. } => "vapid/exp-past",
            Self::TooFar { .. } => "vapid/exp-too-far",
        }
    }
}

/// Rounded up, so that half a second is not told as none.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}

impl fmt::Display for ExpiryProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Milliseconds => {
                f.write_str("the token's exp has 13 digits, as milliseconds have; it is in seconds since 1970")
            }
            Self::Missing => f.write_str("the token has no exp; set it to now + 12 h in seconds since 1970"),
            Self::NotANumber => f.write_str(
                "the token's exp is no whole number of seconds since 1970; write a positive integer, not a text",
            ),
            Self::Past { by } => {
                write!(f, "the token expired {} s ago; sign anew and check the clock", whole_seconds(*by))
            }
            Self::TooFar { by } => write!(
                f,
                "the token's exp is {} s ahead, at most 86400 s (24 h) are allowed; use 12 h",
                whole_seconds(*by)
            ),
        }
    }
}

impl core::error::Error for ExpiryProblem {}
