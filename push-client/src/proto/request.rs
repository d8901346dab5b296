//! The request for one message: method, target, fields in lower case, body.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header, uri};
use push_crypto::{
    ContentCoding, Encrypted, Origin, PushResource, Schedule, Scheme, Ttl, vapid::AuthorizationFields,
};

use super::receipts::RELATION;
use crate::{
    message::{DeliveryMethod, PushMessage},
    outcome::{Invalid, ReceiptSubscription},
};

/// Body and coding fields of a message, encrypted once and sent as often as needed.
#[derive(Clone, Debug)]
pub struct Sealed {
    schedule: Schedule,
    body: Bytes,
    /// What the older codings have beside `content-encoding`; aes128gcm has it in the body.
    fields: Vec<(&'static str, String)>,
}

impl Sealed {
    /// Coding and key schedule.
    #[must_use]
    pub const fn schedule(&self) -> Schedule {
        self.schedule
    }
}

impl From<Encrypted> for Sealed {
    fn from(encrypted: Encrypted) -> Self {
        let schedule = encrypted.schedule();
        let mut fields = Vec::new();
        if schedule.coding() != ContentCoding::Aes128gcm {
            fields = encrypted.headers();
            fields.retain(|(name, _)| *name != header::CONTENT_ENCODING.as_str());
        }
        Self { schedule, fields, body: encrypted.into_body().into() }
    }
}

/// Everything a request is made of.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// Where to.
    pub endpoint: &'a PushResource,
    /// Topic, urgency, method, and whether a receipt is asked for.
    pub message: &'a PushMessage,
    /// The TTL to send, which shrinks from attempt to attempt.
    pub ttl: Ttl,
    /// The payload; `None` for a tickle, which has neither body nor coding fields.
    pub sealed: Option<&'a Sealed>,
    /// The VAPID token.
    pub authorization: Option<&'a AuthorizationFields>,
    /// The receipt subscription of this origin from an earlier answer (AS-005).
    pub receipt: Option<&'a ReceiptSubscription>,
}

/// Builds the request, with an absolute URI.
///
/// # Errors
/// [`Invalid::Url`] when the endpoint cannot be carried by HTTP.
///
/// ```
/// use push_client::{PushMessage, Ttl, proto::request::{Delivery, build}};
/// let request = build(&Delivery {
///     endpoint: &"https://push.example/p/1".parse().unwrap(),
///     message: &PushMessage::tickle(Ttl::seconds(60)),
///     ttl: Ttl::seconds(60),
///     sealed: None,
///     authorization: None,
///     receipt: None,
/// })
/// .unwrap();
/// assert_eq!(request.uri(), "https://push.example/p/1");
/// assert_eq!(request.headers()["ttl"], "60");
/// assert_eq!(request.headers()["content-length"], "0");
/// ```
pub fn build(delivery: &Delivery<'_>) -> Result<Request<Bytes>, Invalid> {
    let site = Site::of(delivery.endpoint.origin())?;
    let authorization = delivery.authorization.map(|fields| secret(&fields.authorization)).transpose()?;
    assemble(delivery, &site, authorization)
}

/// What all requests to one origin have in common, made once.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    scheme: uri::Scheme,
    authority: uri::Authority,
    is_windows: bool,
}

impl Site {
    pub(crate) fn of(origin: &Origin) -> Result<Self, Invalid> {
        let scheme = match origin.scheme() {
            Scheme::Http => uri::Scheme::HTTP,
            Scheme::Https => uri::Scheme::HTTPS,
        };
        let authority = origin.authority().parse().map_err(|_| Invalid::Url)?;
        Ok(Self { scheme, authority, is_windows: origin.host().ends_with(".notify.windows.com") })
    }

    fn target(&self, endpoint: &PushResource) -> Result<Uri, Invalid> {
        let path = Bytes::copy_from_slice(endpoint.expose_path().as_bytes());
        let mut parts = uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(uri::PathAndQuery::from_maybe_shared(path).map_err(|_| Invalid::Url)?);
        Uri::from_parts(parts).map_err(|_| Invalid::Url)
    }
}

/// The request, from what was prepared for its origin; `authorization` is the value of `delivery`'s.
pub(crate) fn assemble(
    delivery: &Delivery<'_>,
    site: &Site,
    authorization: Option<HeaderValue>,
) -> Result<Request<Bytes>, Invalid> {
    let Delivery { endpoint, message, ttl, sealed, authorization: signed, receipt } = *delivery;
    let body = sealed.map_or_else(Bytes::new, |sealed| sealed.body.clone());
    let length = body.len();
    let mut request = Request::new(body);
    *request.method_mut() = match message.method {
        DeliveryMethod::Post => Method::POST,
        DeliveryMethod::Put => Method::PUT,
    };
    *request.uri_mut() = site.target(endpoint)?;
    let fields = request.headers_mut();
    fields.reserve(FIELDS);
    fields.insert(TTL, HeaderValue::from(ttl.as_seconds()));
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if let Some(topic) = &message.topic {
        fields.insert(TOPIC, open(topic.as_str())?);
    }
    if let Some(urgency) = message.urgency {
        fields.insert(URGENCY, HeaderValue::from_static(urgency.as_str()));
    }
    if let Some(sealed) = sealed {
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        let coding = sealed.schedule.coding().as_str();
        fields.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    let p256ecdsa = signed.and_then(|authorization| authorization.p256ecdsa.as_deref());
    for (name, value) in key_fields(sealed, p256ecdsa) {
        fields.insert(HeaderName::from_static(name), open(&value)?);
    }
    if let Some(authorization) = authorization {
        fields.insert(header::AUTHORIZATION, authorization);
    }
    if message.receipt {
        fields.insert(PREFER, HeaderValue::from_static("respond-async"));
        if let Some(receipt) = receipt {
            fields.insert(header::LINK, secret(&format!("<{}>; rel=\"{RELATION}\"", receipt.expose()))?);
        }
    }
    // Windows' service refuses a TTL of zero without it (400, "Ttl value conflicts with X-WNS-Cache-Policy").
    if ttl.is_zero() && site.is_windows {
        fields.insert(CACHE_POLICY, HeaderValue::from_static("no-cache"));
    }
    Ok(request)
}

/// Fields of a usual request, for which room is made at once (TTL, length, type, coding, token, urgency, topic).
const FIELDS: usize = 7;
const TTL: HeaderName = HeaderName::from_static("ttl");
const TOPIC: HeaderName = HeaderName::from_static("topic");
const URGENCY: HeaderName = HeaderName::from_static("urgency");
const PREFER: HeaderName = HeaderName::from_static("prefer");
const CACHE_POLICY: HeaderName = HeaderName::from_static("x-wns-cache-policy");

/// The fields with keys, that of the signer in the same entry as the message's: `dh=…;p256ecdsa=…`.
///
/// One entry, because services and browsers of 2016 took only the first of several.
fn key_fields<'a>(sealed: Option<&'a Sealed>, p256ecdsa: Option<&str>) -> Vec<(&'static str, Cow<'a, str>)> {
    let mut fields: Vec<(&'static str, Cow<'a, str>)> = sealed
        .into_iter()
        .flat_map(|sealed| &sealed.fields)
        .map(|(name, value)| (*name, Cow::Borrowed(value.as_str())))
        .collect();
    if let Some(key) = p256ecdsa {
        match fields.iter_mut().find(|(name, _)| *name == "crypto-key") {
            Some((_, value)) => *value = Cow::Owned(format!("{value};p256ecdsa={key}")),
            None => fields.push(("crypto-key", Cow::Owned(format!("p256ecdsa={key}")))),
        }
    }
    fields
}

fn open(value: &str) -> Result<HeaderValue, Invalid> {
    HeaderValue::from_str(value).map_err(|_| Invalid::Url)
}

/// A value that neither `Debug` shows nor HTTP/2 keeps in its compression table.
pub(crate) fn secret(value: &str) -> Result<HeaderValue, Invalid> {
    let mut value = open(value)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests;
