//! The request for one message: method, target, fields in lower case, body.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use push_crypto::{Encrypted, PushResource, Schedule, Ttl, vapid::AuthorizationFields};

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
        let (schedule, fields) = (encrypted.schedule(), encrypted.headers());
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
    let Delivery { endpoint, message, ttl, sealed, authorization, receipt } = *delivery;
    let body = sealed.map_or_else(Bytes::new, |sealed| sealed.body.clone());
    let mut request = Request::new(body);
    *request.method_mut() = match message.method {
        DeliveryMethod::Post => Method::POST,
        DeliveryMethod::Put => Method::PUT,
    };
    *request.uri_mut() = target(endpoint)?;
    let length = request.body().len();
    let mut fields = Fields(request.headers_mut());
    fields.set(HeaderName::from_static("ttl"), &ttl.to_string())?;
    fields.set(header::CONTENT_LENGTH, &length.to_string())?;
    if let Some(topic) = &message.topic {
        fields.set(HeaderName::from_static("topic"), topic.as_str())?;
    }
    if let Some(urgency) = message.urgency {
        fields.set(HeaderName::from_static("urgency"), urgency.as_str())?;
    }
    if sealed.is_some() {
        fields.set(header::CONTENT_TYPE, "application/octet-stream")?;
    }
    let p256ecdsa = authorization.and_then(|authorization| authorization.p256ecdsa.as_deref());
    for (name, value) in coding_fields(sealed, p256ecdsa) {
        fields.set(HeaderName::from_static(name), &value)?;
    }
    if let Some(authorization) = authorization {
        fields.set_secret(header::AUTHORIZATION, &authorization.authorization)?;
    }
    if message.receipt {
        fields.set(HeaderName::from_static("prefer"), "respond-async")?;
        if let Some(receipt) = receipt {
            fields.set_secret(header::LINK, &format!("<{}>; rel=\"{RELATION}\"", receipt.expose()))?;
        }
    }
    // Windows' service refuses a TTL of zero without it (400, "Ttl value conflicts with X-WNS-Cache-Policy").
    if ttl.is_zero() && endpoint.origin().host().ends_with(".notify.windows.com") {
        fields.set(HeaderName::from_static("x-wns-cache-policy"), "no-cache")?;
    }
    Ok(request)
}

/// The coding fields, with the signing key in the same entry as the message's key: `dh=…;p256ecdsa=…`.
///
/// One entry, because services and browsers of 2016 took only the first of several.
fn coding_fields<'a>(
    sealed: Option<&'a Sealed>,
    p256ecdsa: Option<&str>,
) -> Vec<(&'static str, Cow<'a, str>)> {
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

fn target(endpoint: &PushResource) -> Result<Uri, Invalid> {
    let origin = endpoint.origin();
    Uri::builder()
        .scheme(origin.scheme().as_str())
        .authority(origin.authority())
        .path_and_query(endpoint.expose_path())
        .build()
        .map_err(|_| Invalid::Url)
}

struct Fields<'a>(&'a mut http::HeaderMap);

impl Fields<'_> {
    fn set(&mut self, name: HeaderName, value: &str) -> Result<(), Invalid> {
        self.0.insert(name, HeaderValue::from_str(value).map_err(|_| Invalid::Url)?);
        Ok(())
    }

    /// A value that neither `Debug` shows nor HTTP/2 keeps in its compression table.
    fn set_secret(&mut self, name: HeaderName, value: &str) -> Result<(), Invalid> {
        let mut value = HeaderValue::from_str(value).map_err(|_| Invalid::Url)?;
        value.set_sensitive(true);
        self.0.insert(name, value);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
