//! The sender of the demo: like any application server, but able to make each mistake on purpose.

use http::Method;
use push_crypto::{
    EncryptJob, EncryptOptions, Origin, Schedule, Subscription, SubscriptionKeys, UserAgentKeys,
    coding::fields::with_vapid_key,
    vapid::{AuthorizationScheme, Claims, Subject, Token, VapidKey},
};
use serde_json::json;

use super::Stage;
use crate::{
    commands::{encrypt, keys::PROVIDER},
    diagnostic::{Diagnostic, Result},
    environment,
    exit_code::ExitCode,
};

/// A subscription, and where it lives.
#[derive(Clone, Debug)]
pub(super) struct Receiver {
    /// Its label.
    pub(super) label: &'static str,
    subscription: Subscription,
}

/// What is sent; each field departs from a good message in one way.
#[derive(Clone, Debug)]
pub(super) struct Draft<'a> {
    /// The text; none is a tickle.
    pub(super) text: Option<&'a [u8]>,
    /// TTL in seconds.
    pub(super) ttl: u32,
    /// Topic.
    pub(super) topic: Option<&'a str>,
    /// How it is encrypted.
    pub(super) schedule: Schedule,
    /// Octets of the body that are allowed; above 4 096 the service refuses.
    pub(super) body_limit: usize,
    /// Encrypt for somebody else.
    pub(super) wrong_keys: bool,
    /// `aud`, when it is not the origin of the endpoint.
    pub(super) audience: Option<&'a str>,
    /// `sub`.
    pub(super) subject: &'a str,
    /// The request of the page of 2016: `PUT` to its path, without VAPID.
    pub(super) page_2016: bool,
}

impl<'a> Draft<'a> {
    /// A good message.
    pub(super) const fn new(text: &'a [u8]) -> Self {
        Self {
            text: Some(text),
            ttl: 60,
            topic: None,
            schedule: Schedule::Aes128gcm,
            body_limit: push_crypto::BODY_LIMIT,
            wrong_keys: false,
            audience: None,
            subject: "mailto:you@example.com",
            page_2016: false,
        }
    }
}

/// Sends to the service of the stage.
pub(super) struct Sender<'a> {
    stage: &'a Stage,
    key: VapidKey,
}

impl<'a> Sender<'a> {
    /// With a fresh VAPID key.
    pub(super) fn new(stage: &'a Stage) -> Result<Self> {
        let key = VapidKey::generate(PROVIDER).map_err(|error| internal(&error))?;
        Ok(Self { stage, key })
    }

    /// Makes a subscription, as a page would with `subscribe()`.
    pub(super) async fn receiver(&self, label: &'static str) -> Result<Receiver> {
        let made = self.stage.api.post("/subscriptions", &json!({"label": label})).await?;
        let subscription = encrypt::read_subscription(&made.to_string(), label)?;
        Ok(Receiver { label, subscription })
    }

    /// Sends, and gives the id under which the service recorded it.
    pub(super) async fn send(&self, to: &Receiver, draft: &Draft<'_>) -> Result<String> {
        let mut fields = vec![("ttl".to_owned(), draft.ttl.to_string())];
        fields.extend(draft.topic.map(|topic| ("topic".to_owned(), topic.to_owned())));
        let body = match draft.text {
            None => Vec::new(),
            Some(text) => {
                fields.push(("content-type".to_owned(), "application/octet-stream".to_owned()));
                seal(to, draft, text, &mut fields)?
            }
        };
        let mut path = to.subscription.endpoint.expose_path().to_owned();
        let mut method = Method::POST;
        if draft.page_2016 {
            method = Method::PUT;
            path = path_2016(&path);
        } else {
            self.identify(to, draft, &mut fields)?;
        }
        self.stage.api.push(method, &path, &fields, body).await?;
        self.stage.newest().await
    }

    fn identify(&self, to: &Receiver, draft: &Draft<'_>, fields: &mut Vec<(String, String)>) -> Result<()> {
        let audience: Origin = match draft.audience {
            Some(text) => text.parse().map_err(|error| internal(&error))?,
            None => to.subscription.endpoint.origin().clone(),
        };
        let subject: Subject = draft.subject.parse().map_err(|error| internal(&error))?;
        let claims = Claims::new(audience, environment::now(), Claims::USUAL, Some(subject));
        let claims = claims.map_err(|error| internal(&error))?;
        let token = Token::sign(PROVIDER, &self.key, &claims).map_err(|error| internal(&error))?;
        let authorization = token.authorization(AuthorizationScheme::Vapid, self.key.public());
        fields.push(("authorization".to_owned(), authorization.authorization));
        if let Some(key) = authorization.p256ecdsa {
            let dh = fields.iter().position(|(name, _)| name == "crypto-key").map(|at| fields.remove(at).1);
            fields.push(("crypto-key".to_owned(), with_vapid_key(dh.as_deref(), &key)));
        }
        Ok(())
    }
}

/// The path that the page of 2016 names, for the same token.
pub(crate) fn path_2016(path: &str) -> String {
    path.strip_prefix("/p/").map_or_else(|| path.to_owned(), |token| format!("/push-service/send/{token}"))
}

fn seal(
    to: &Receiver,
    draft: &Draft<'_>,
    text: &[u8],
    fields: &mut Vec<(String, String)>,
) -> Result<Vec<u8>> {
    let keys: SubscriptionKeys = if draft.wrong_keys {
        UserAgentKeys::generate(PROVIDER).map_err(|error| internal(&error))?.subscription_keys()
    } else {
        let keys = to.subscription.keys.clone();
        keys.ok_or_else(|| {
            Diagnostic::new(ExitCode::UNEXPECTED, "demo/keys", "the subscription has no keys")
        })?
    };
    let options = EncryptOptions { body_limit: draft.body_limit, ..EncryptOptions::new(draft.schedule) };
    let job = EncryptJob { keys: &keys, plaintext: text };
    let sealed = push_crypto::encrypt(PROVIDER, &options, job).map_err(|error| encrypt::refused(&error))?;
    fields.extend(sealed.headers().into_iter().map(|(name, value)| (name.to_owned(), value)));
    Ok(sealed.into_body())
}

fn internal(error: &dyn std::fmt::Display) -> Diagnostic {
    Diagnostic::new(ExitCode::UNEXPECTED, "demo/internal", "the demo cannot make its message")
        .why(error.to_string())
}
