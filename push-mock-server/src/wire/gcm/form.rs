//! The form of a registration, and the `AidLogin` field beside it; pure.

use std::{borrow::Cow, fmt};

use push_crypto::{PublicKey, base64url};

use crate::wire::paths::percent_decoded;

/// `app` of the browser's own registration, once per profile.
const OWN_APP: &str = "com.google.android.gms";

/// The names that a Chromium shows: android id and security token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct AidLogin {
    pub(crate) android_id: u64,
    pub(crate) security_token: u64,
}

impl AidLogin {
    /// `AidLogin <android id>:<security token>`, both decimal and not zero.
    pub(crate) fn read(field: &str) -> Option<Self> {
        let (scheme, pair) = field.trim().split_once(' ')?;
        let (id, token) = pair.trim().split_once(':')?;
        let number = |text: &str| decimal(text).filter(|number| *number != 0);
        if !scheme.eq_ignore_ascii_case("AidLogin") {
            return None;
        }
        Some(Self { android_id: number(id)?, security_token: number(token)? })
    }
}

/// A number in digits alone.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    // `parse` would take a sign.
    if text.bytes().all(|digit| digit.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// What a registration asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A token of the browser itself, which it never uses for Web Push.
    Own,
    /// A push resource.
    Subscribe(Subscribe),
    /// Its end; the `X-subtype`.
    Unsubscribe(String),
}

/// A subscription that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subscribe {
    pub(crate) app: String,
    /// `X-subtype`, decoded.
    pub(crate) subtype: String,
    /// As it came: Chromium looks its keys up by it.
    pub(crate) sender: String,
    pub(crate) key: PublicKey,
}

/// Why nothing is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FormError {
    /// The form is no UTF-8.
    Text,
    /// A parameter is missing or empty.
    Missing(&'static str),
    /// `device` is another android id than that of `AidLogin`.
    Device,
    /// `sender` is no application server key.
    Sender,
}

impl FormError {
    /// What Chromium is told; each of them fails at once (GCM-012, GCM-013).
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Sender => "INVALID_SENDER",
            Self::Text | Self::Missing(_) | Self::Device => "INVALID_PARAMETERS",
        }
    }
}

impl fmt::Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("the form is no UTF-8"),
            Self::Missing(name) => write!(f, "{name} is missing or empty in the form; send it"),
            Self::Device => f.write_str("device is another android id than that of AidLogin; send the same"),
            Self::Sender => f.write_str(
                "sender is no application server key: 65 octets of a point of P-256 in base64url are needed; \
                 call subscribe() with applicationServerKey",
            ),
        }
    }
}

impl std::error::Error for FormError {}

/// Reads the form that came with this login.
pub(crate) fn read(form: &[u8], login: &AidLogin) -> Result<Asked, FormError> {
    let form = std::str::from_utf8(form).map_err(|_| FormError::Text)?;
    let need = |name: &'static str| match parameter(form, name) {
        Some(value) if !value.is_empty() => Ok(value),
        _ => Err(FormError::Missing(name)),
    };
    if decimal(&need("device")?) != Some(login.android_id) {
        return Err(FormError::Device);
    }
    let app = need("app")?;
    if app == OWN_APP {
        return Ok(Asked::Own);
    }
    let subtype = need("X-subtype")?;
    if parameter(form, "delete").is_some_and(|delete| delete.eq_ignore_ascii_case("true")) {
        return Ok(Asked::Unsubscribe(subtype.into_owned()));
    }
    let sender = need("sender")?;
    let octets = base64url::decode(&sender).map_err(|_| FormError::Sender)?;
    let key = PublicKey::from_octets(&octets).map_err(|_| FormError::Sender)?;
    let (app, subtype, sender) = (app.into_owned(), subtype.into_owned(), sender.into_owned());
    Ok(Asked::Subscribe(Subscribe { app, subtype, sender, key }))
}

/// The first parameter of that name, decoded.
fn parameter<'a>(form: &'a str, name: &str) -> Option<Cow<'a, str>> {
    form.split('&').find_map(|pair| {
        let (named, value) = pair.split_once('=').unwrap_or((pair, ""));
        (named == name).then(|| decoded(value))
    })
}

fn decoded(value: &str) -> Cow<'_, str> {
    if value.contains('+') {
        return percent_decoded(&value.replace('+', " ")).into_owned().into();
    }
    percent_decoded(value)
}

#[cfg(test)]
mod tests;
