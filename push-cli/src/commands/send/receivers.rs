//! Whom TO means.

use push_client::Registry;
use push_crypto::{Origin, PushResource, Subscription};
use serde_json::Value;

use super::SendArgs;
use crate::{
    api::Api,
    commands::{encrypt, recipient, sub},
    diagnostic::{Diagnostic, Result},
    exit_code::ExitCode,
    input,
    message::{member, pointer},
    text,
};

/// Somebody to send to.
#[derive(Clone, Debug)]
pub(super) struct Receiver {
    /// What the user called it.
    pub(super) name: String,
    /// The subscription.
    pub(super) subscription: Subscription,
    /// The service's own key is the one it was restricted to, or it is restricted to none.
    pub(super) is_own: bool,
    /// A browser holds its keys, so they may be unknown here.
    pub(super) is_browser: bool,
}

/// Resolves every TO, in order.
pub(super) async fn resolve(
    to: &[String],
    args: &SendArgs,
    api: &Api,
    book: &Registry,
) -> Result<Vec<Receiver>> {
    let mut found = Vec::new();
    for name in to {
        found.extend(one(name, args, api, book).await?);
    }
    Ok(found)
}

async fn one(name: &str, args: &SendArgs, api: &Api, book: &Registry) -> Result<Vec<Receiver>> {
    if let Some(label) = name.strip_prefix("sub:") {
        return match subscription_here(label, api).await? {
            Some(receiver) => Ok(vec![receiver]),
            None => Err(unknown(label, api)),
        };
    }
    if let Some(entry) = name.strip_prefix("rcp:") {
        let found = recipients(entry, book, api);
        return if found.is_empty() {
            Err(recipient::unknown(entry, book, &args.registry))
        } else {
            Ok(found)
        };
    }
    if name.contains("://") {
        return endpoint(name, args, api).map(|receiver| vec![receiver]);
    }
    if name == "-" || std::path::Path::new(name).is_file() {
        let subscription = encrypt::read_subscription(&input::read_text(name)?, name)?;
        return Ok(vec![receiver(name, subscription, api)]);
    }
    let entries = recipients(name, book, api);
    // A service that does not answer matters only when nobody else knows the name.
    match (subscription_here(name, api).await, entries.is_empty()) {
        (Ok(Some(_)), false) => Err(Diagnostic::input(
            "send/ambiguous",
            format!("{} is both a subscription and a recipient", text::quote(name, 60)),
        )
        .fix(format!("push send sub:{name} …      or  push send rcp:{name} …"))),
        (Ok(Some(receiver)), true) => Ok(vec![receiver]),
        (_, false) => Ok(entries),
        (Ok(None), true) => Err(unknown(name, api)),
        (Err(error), true) => Err(error),
    }
}

async fn subscription_here(label: &str, api: &Api) -> Result<Option<Receiver>> {
    match api.get(&sub::path(label), &[]).await {
        Ok(object) => {
            let mut subscription = encrypt::read_subscription(&object.to_string(), label)?;
            let label = member(&object, "label").to_owned();
            let is_browser = !matches!(pointer(&object, "/userAgent/kind"), "" | "simulated");
            if is_browser {
                // A browser may have an endpoint of its vendor's origin; the service has the same resource here.
                let local = ["/endpoints/http", "/endpoints/https"].map(|at| pointer(&object, at));
                let local = local.iter().find_map(|url| url.parse::<PushResource>().ok());
                subscription.endpoint = local.unwrap_or(subscription.endpoint);
            }
            Ok(Some(Receiver { name: label, subscription, is_own: true, is_browser }))
        }
        Err(error) if error.code() == "api/not-found" => Ok(None),
        Err(error) => Err(error),
    }
}

fn recipients(name: &str, book: &Registry, api: &Api) -> Vec<Receiver> {
    book.find(name).map(|entry| receiver(&entry.name, entry.subscription.clone(), api)).collect()
}

fn endpoint(url: &str, args: &SendArgs, api: &Api) -> Result<Receiver> {
    let endpoint: PushResource = url.parse().map_err(|error: push_crypto::PushResourceError| {
        Diagnostic::input(error.code(), "this is not the URL of a push resource")
            .why(error.to_string())
            .see(format!("push help {}", error.code()))
    })?;
    let keys = match (&args.compatible.key, &args.compatible.auth) {
        (Some(key), auth) => Some(encrypt::keys_from(key, auth.as_deref())?),
        (None, Some(_)) => return Err(Diagnostic::usage("--auth needs --key")),
        (None, None) => None,
    };
    let name = endpoint.origin().to_string();
    Ok(receiver(&name, Subscription { endpoint, expiration_time: None, keys }, api))
}

fn receiver(name: &str, subscription: Subscription, api: &Api) -> Receiver {
    let is_own = is_own(subscription.endpoint.origin(), api.origin());
    Receiver { name: name.to_owned(), subscription, is_own, is_browser: false }
}

/// True for endpoints of the service of this origin.
pub(crate) fn is_own(origin: &Origin, service: &Origin) -> bool {
    // http and https of one port are one service; so are the names of loopback.
    let same_host = origin.host() == service.host() || origin.is_loopback() && service.is_loopback();
    same_host && origin.port() == service.port()
}

fn unknown(name: &str, api: &Api) -> Diagnostic {
    let space = text::escape(api.space());
    Diagnostic::new(ExitCode::INPUT, "send/unknown", format!("nobody is called {}", text::quote(name, 60)))
        .why(format!("it is no subscription of space {space} at {}, no recipient and no file", api.origin()))
        .fix(format!(
            "push sub new {}      or  push sub ls, push recipient ls",
            shell_word(&text::cut(name, 60))
        ))
}

fn shell_word(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if plain { name.to_owned() } else { Value::String(name.to_owned()).to_string() }
}
