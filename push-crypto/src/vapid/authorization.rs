//! The `Authorization` field of both schemes: `vapid t=…, k=…` (RFC 8292 §3) and `WebPush <jwt>` with
//! `Crypto-Key: p256ecdsa=…` (draft-ietf-webpush-vapid-01). The token itself is `token`'s.

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::fmt;

use super::{key::VapidPublicKey, token::Token};
use crate::coding::fields;

/// The scheme in which an application server identifies itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AuthorizationScheme {
    /// `vapid t=…, k=…` (RFC 8292 §3), which goes with every coding.
    #[default]
    Vapid,
    /// `WebPush …` with `Crypto-Key: p256ecdsa=…`, as senders of 2016 and 2017 wrote it beside aesgcm.
    WebPush,
}

/// What goes into the request's fields; unprintable, because it holds the token.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthorizationFields {
    /// Value of `Authorization`.
    pub authorization: String,
    /// For `Crypto-Key`, to be written into the entry of the message's key as `dh=…;p256ecdsa=…`; none with RFC 8292.
    pub p256ecdsa: Option<String>,
}

impl fmt::Debug for AuthorizationFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthorizationFields({} octets)", self.authorization.len())
    }
}

impl Token {
    /// The fields that carry this token and the key that signed it (AS-025).
    ///
    /// ```
    /// # use push_crypto::{Timestamp, provider::rust_crypto, vapid::{AuthorizationScheme, Claims, Token, VapidKey}};
    /// # let provider = &rust_crypto::PROVIDER;
    /// # let key = VapidKey::generate(provider)?;
    /// # let now = Timestamp::from_unix_seconds(1_700_000_000);
    /// # let claims = Claims::new("https://push.example.net".parse()?, now, Claims::USUAL, None)?;
    /// let token = Token::sign(provider, &key, &claims)?;
    /// let fields = token.authorization(AuthorizationScheme::Vapid, key.public());
    /// assert!(fields.authorization.starts_with("vapid t=ey"));
    /// assert!(fields.authorization.contains(", k=B"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn authorization(&self, scheme: AuthorizationScheme, key: &VapidPublicKey) -> AuthorizationFields {
        let (token, key) = (self.as_str(), key.to_base64url());
        match scheme {
            AuthorizationScheme::Vapid => AuthorizationFields {
                authorization: alloc::format!("vapid t={token}, k={key}"),
                p256ecdsa: None,
            },
            AuthorizationScheme::WebPush => {
                AuthorizationFields { authorization: alloc::format!("WebPush {token}"), p256ecdsa: Some(key) }
            }
        }
    }
}

/// The scheme's name as it was received, in any case (RFC 9110 §11.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SchemeName {
    /// `vapid`.
    Vapid,
    /// `WebPush`.
    WebPush,
    /// `Bearer`, as web-push 2 for Node wrote instead of `WebPush`.
    Bearer,
}

impl SchemeName {
    /// The name in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vapid => "vapid",
            Self::WebPush => "webpush",
            Self::Bearer => "bearer",
        }
    }
}

/// Token and key as texts, not yet judged; unprintable.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// The scheme.
    pub scheme: SchemeName,
    /// The token's text, for [`super::UnverifiedToken::parse`].
    pub token: Cow<'a, str>,
    /// The key's text, for [`VapidPublicKey::from_text`].
    pub key: String,
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({}, {} octets)", self.scheme.as_str(), self.token.len())
    }
}

/// What could be taken out of the fields, either half possibly absent; unprintable.
#[derive(Clone, PartialEq, Eq)]
pub struct PartialCredentials<'a> {
    /// The scheme.
    pub scheme: SchemeName,
    /// `t`, or what follows the scheme.
    pub token: Option<Cow<'a, str>>,
    /// `k`, or `p256ecdsa`.
    pub key: Option<String>,
}

impl fmt::Debug for PartialCredentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (token, key) = (self.token.is_some(), self.key.is_some());
        write!(f, "PartialCredentials({}, token: {token}, key: {key})", self.scheme.as_str())
    }
}

/// Reads `Authorization`, and for the older scheme the lines of `Crypto-Key`; both token and key are needed.
///
/// # Errors
/// [`AuthorizationError`].
///
/// ```
/// use push_crypto::vapid::{SchemeName, read_authorization};
/// let read = read_authorization("VAPID k=\"BA1H\" ,t=e30.e30.AA, realm=\"a, b\"", &[])?;
/// assert_eq!((read.scheme, &*read.token, &*read.key), (SchemeName::Vapid, "e30.e30.AA", "BA1H"));
/// # Ok::<(), push_crypto::vapid::AuthorizationError>(())
/// ```
pub fn read_authorization<'a>(
    authorization: &'a str,
    crypto_key: &[&str],
) -> Result<Credentials<'a>, AuthorizationError> {
    let PartialCredentials { scheme, token, key } = split_authorization(authorization, crypto_key)?;
    let token = token.ok_or(AuthorizationError::TokenMissing)?;
    let key = key.ok_or(AuthorizationError::KeyMissing { scheme })?;
    Ok(Credentials { scheme, token, key })
}

/// Like [`read_authorization`], for whoever wants to judge one half when the other is absent.
///
/// # Errors
/// [`AuthorizationError`] when the fields cannot be read at all.
pub fn split_authorization<'a>(
    authorization: &'a str,
    crypto_key: &[&str],
) -> Result<PartialCredentials<'a>, AuthorizationError> {
    let text = authorization.trim_matches([' ', '\t']);
    if text.is_empty() {
        return Err(AuthorizationError::Empty);
    }
    let (name, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    let rest = rest.trim_start_matches([' ', '\t']);
    let scheme = match name {
        _ if name.eq_ignore_ascii_case("vapid") => return split_vapid(rest),
        _ if name.eq_ignore_ascii_case("webpush") => SchemeName::WebPush,
        _ if name.eq_ignore_ascii_case("bearer") => SchemeName::Bearer,
        _ if name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("key=")) => {
            return Err(AuthorizationError::GcmKey);
        }
        _ => return Err(AuthorizationError::UnknownScheme),
    };
    if rest.contains([' ', '\t', ',', '=', '"']) {
        // `token68` of RFC 9110 §11.2 is all that may follow; its `=` would be padding, which a token has not.
        return Err(AuthorizationError::AfterToken { scheme });
    }
    let token = (!rest.is_empty()).then_some(Cow::Borrowed(rest));
    Ok(PartialCredentials { scheme, token, key: p256ecdsa(crypto_key)? })
}

/// `auth-param` of RFC 9110 §11.2: separated by commas, any order, names in any case, tokens or quoted texts.
fn split_vapid(text: &str) -> Result<PartialCredentials<'_>, AuthorizationError> {
    // The grammar of an entry without `;` is that of an `auth-param`.
    let entries = fields::entries("Authorization", &[text]).map_err(|error| match error {
        fields::FieldError::Twice { .. } => AuthorizationError::Duplicate,
        _ => AuthorizationError::Syntax,
    })?;
    let mut parameters = Vec::with_capacity(entries.len());
    for entry in &entries {
        let mut of_entry = entry.parameters();
        let (Some(parameter), None) = (of_entry.next(), of_entry.next()) else {
            return Err(AuthorizationError::Syntax);
        };
        parameters.push(parameter);
    }
    if fields::twice(parameters.iter().map(|(name, _)| *name)).is_some() {
        return Err(AuthorizationError::Duplicate);
    }
    // Unknown parameters are ignored (PS-108).
    let value = |wanted: &str| {
        let (_, value) = parameters.iter().find(|(name, value)| *name == wanted && !value.is_empty())?;
        Some(String::from(*value))
    };
    Ok(PartialCredentials { scheme: SchemeName::Vapid, token: value("t").map(Cow::Owned), key: value("k") })
}

/// The one `p256ecdsa` in the entries of all lines of `Crypto-Key`.
fn p256ecdsa(crypto_key: &[&str]) -> Result<Option<String>, AuthorizationError> {
    let entries = fields::entries("Crypto-Key", crypto_key).map_err(|error| match error {
        fields::FieldError::Twice { parameter, .. } if parameter == "p256ecdsa" => {
            AuthorizationError::SeveralKeys
        }
        _ => AuthorizationError::CryptoKey,
    })?;
    let mut keys = entries.iter().filter_map(|entry| entry.value("p256ecdsa"));
    match (keys.next(), keys.next()) {
        (_, Some(_)) => Err(AuthorizationError::SeveralKeys),
        (Some(key), None) if !key.is_empty() => Ok(Some(key.into())),
        _ => Ok(None),
    }
}

/// Why the fields do not identify an application server. Nothing of their content is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthorizationError {
    /// More than a token behind `WebPush` or `Bearer`.
    AfterToken {
        /// The scheme.
        scheme: SchemeName,
    },
    /// `Crypto-Key` does not follow its grammar.
    CryptoKey,
    /// A parameter twice.
    Duplicate,
    /// An empty value.
    Empty,
    /// `key=…`, the server key of GCM.
    GcmKey,
    /// No `k`, or no `p256ecdsa` in `Crypto-Key`.
    KeyMissing {
        /// The scheme.
        scheme: SchemeName,
    },
    /// More than one `p256ecdsa`.
    SeveralKeys,
    /// The parameters of `vapid` do not follow their grammar.
    Syntax,
    /// No `t`, or nothing behind the scheme.
    TokenMissing,
    /// Another scheme.
    UnknownScheme,
}

impl AuthorizationError {
    /// The code of the finding which explains this.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::AfterToken { .. } | Self::Duplicate | Self::Empty | Self::Syntax | Self::UnknownScheme => {
                "vapid/scheme"
            }
            Self::GcmKey => "vapid/gcm-key",
            Self::CryptoKey | Self::SeveralKeys => "vapid/k-invalid",
            Self::KeyMissing { .. } => "vapid/k-missing",
            Self::TokenMissing => "vapid/t-missing",
        }
    }
}

impl fmt::Display for AuthorizationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AfterToken { .. } => {
                "Authorization has more than a token behind its scheme; write vapid t=…, k=… instead"
            }
            Self::CryptoKey => {
                "Crypto-Key is not a list of name=value parameters; write dh=…;p256ecdsa=… with both in one entry"
            }
            Self::Duplicate => "Authorization names a parameter twice; write vapid t=…, k=… with each once",
            Self::Empty => "Authorization is empty; write vapid t=…, k=…",
            Self::GcmKey => {
                "Authorization has key=…, the old GCM server key, which no service takes; write vapid t=…, k=…"
            }
            Self::KeyMissing { scheme: SchemeName::Vapid } => {
                "Authorization has no k, the application server key; write vapid t=…, k=…"
            }
            Self::KeyMissing { .. } => {
                "there is a token but no p256ecdsa in Crypto-Key; add it, or write vapid t=…, k=…"
            }
            Self::SeveralKeys => "Crypto-Key has more than one p256ecdsa; send the one that signed the token",
            Self::Syntax => "Authorization is not a list of name=value parameters; write vapid t=…, k=…",
            Self::TokenMissing => "Authorization has no token; write vapid t=…, k=…",
            Self::UnknownScheme => "Authorization has an unknown scheme; write vapid t=…, k=…",
        })
    }
}

impl core::error::Error for AuthorizationError {}
