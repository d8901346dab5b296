//! What is asked of subscriptions and user agents, and how they are shown.

use std::fmt;

use push_crypto::{
    ContentCoding, Origin, PublicKey, Subscription, SubscriptionKeys, Timestamp, Urgency, base64url,
};

use super::inspect::Gone;
use crate::{
    config::Style,
    error::ServiceError,
    ids::{SubscriptionId, UserAgentId},
    profile::Profile,
    space::SpaceName,
};

/// Most characters of a label; our choice.
pub const LONGEST_LABEL: usize = 100;

/// Whether a text can be the label of a subscription or a user agent.
///
/// # Errors
/// [`ServiceError::BadField`] says what is wrong with it.
pub fn check_label(label: &str) -> Result<(), ServiceError> {
    let characters = label.chars().count();
    let detail = if characters == 0 || characters > LONGEST_LABEL {
        format!("the label has {characters} characters, 1 to {LONGEST_LABEL} are allowed")
    } else if label.chars().any(char::is_control) || label.trim() != label {
        "the label has control characters, or blanks at its ends".to_owned()
    } else {
        return Ok(());
    };
    let fix = format!("give 1 to {LONGEST_LABEL} printable characters");
    Err(ServiceError::BadField { pointer: "/label", detail, fix })
}

/// When a simulated user agent acknowledges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AckMode {
    /// At once.
    #[default]
    Auto,
    /// When it is told to.
    Manual,
    /// Never, not even when told to.
    Never,
}

impl AckMode {
    /// The name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Manual => "manual",
            Self::Never => "never",
        }
    }
}

/// Kind of a user agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AgentKind {
    /// Data of the service, which holds its keys.
    Simulated,
    /// Firefox, over autopush.
    Firefox,
    /// Chromium, over MCS.
    Chromium,
}

impl AgentKind {
    /// The name in JSON, and of a browser on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Simulated => "simulated",
            Self::Firefox => "firefox",
            Self::Chromium => "chromium",
        }
    }

    /// What its connection speaks; none without one.
    #[must_use]
    pub const fn connection(self) -> Option<&'static str> {
        match self {
            Self::Simulated => None,
            Self::Firefox => Some("autopush"),
            Self::Chromium => Some("mcs"),
        }
    }

    /// Whether it is a real browser.
    #[must_use]
    pub const fn is_browser(self) -> bool {
        !matches!(self, Self::Simulated)
    }
}

/// The application server key of a new subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyChoice {
    /// Any application server may send.
    #[default]
    Unrestricted,
    /// The service's own key, `"auto"`.
    Auto,
    /// That key.
    Key(PublicKey),
}

/// A subscription to be made for a simulated user agent; everything has a default.
#[derive(Clone, Debug, Default)]
pub struct NewSubscription {
    /// Name in the space; none: `ua-1`, `ua-2`, …
    pub label: Option<String>,
    /// Profile; none: that of the space.
    pub profile: Option<Profile>,
    /// Whether the user agent is connected; none: it is, or stays as it is when it is shared.
    pub online: Option<bool>,
    /// Who may send.
    pub application_server_key: KeyChoice,
    /// Form of the push resource; none: that of the configuration.
    pub style: Option<Style>,
    /// Id or label of a simulated user agent to share; none: a new one.
    pub user_agent: Option<String>,
    /// What the user agent can open; none: all three.
    pub codings: Option<Vec<ContentCoding>>,
    /// When it ends, on the clock of the space.
    pub expiration_time: Option<Timestamp>,
    /// Least urgency that is delivered.
    pub min_urgency: Option<Urgency>,
    /// When messages are acknowledged.
    pub ack: AckMode,
}

/// Changes to a subscription; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct SubscriptionChange {
    /// Connects or disconnects its user agent.
    pub online: Option<bool>,
    /// With `online: false`: the connection itself is cut, and none is taken until it is switched on again. For a
    /// simulated user agent this is only remembered.
    pub hard: bool,
    /// Another name.
    pub label: Option<String>,
    /// Another profile.
    pub profile: Option<Profile>,
    /// Another least urgency.
    pub min_urgency: Option<Urgency>,
    /// Another way to acknowledge.
    pub ack: Option<AckMode>,
}

/// Changes to a user agent and with it to all of its subscriptions; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct UserAgentChange {
    /// Connects or disconnects it.
    pub online: Option<bool>,
    /// As in [`SubscriptionChange`].
    pub hard: bool,
    /// Another name.
    pub label: Option<String>,
    /// Another least urgency.
    pub min_urgency: Option<Urgency>,
    /// Another way to acknowledge.
    pub ack: Option<AckMode>,
}

/// A push resource: whoever knows it can send. `Debug` and errors never show it.
#[derive(Clone, PartialEq, Eq)]
pub struct ResourceUrl(pub(crate) Box<str>);

impl ResourceUrl {
    pub(crate) fn new(origin: &Origin, path: &str) -> Self {
        Self(format!("{origin}{path}").into())
    }

    /// The URL.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ResourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResourceUrl(…)")
    }
}

/// Messages of one subscription by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Waiting.
    pub queued: u64,
    /// Handed over, not acknowledged.
    pub delivered: u64,
    /// Received.
    pub acknowledged: u64,
    /// Not accepted.
    pub refused: u64,
}

/// The user agent as part of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserAgentSummary {
    /// Id.
    pub id: UserAgentId,
    /// Kind.
    pub kind: AgentKind,
    /// Whether it is switched on; a simulated one is then connected.
    pub online: bool,
    /// Whether it is connected.
    pub connected: bool,
}

/// A subscription as it is shown.
#[derive(Clone, Debug)]
pub struct SubscriptionView {
    /// Id.
    pub id: SubscriptionId,
    /// Name.
    pub label: String,
    /// Space.
    pub space: SpaceName,
    /// Profile.
    pub profile: Profile,
    /// Set when it is no longer in use.
    pub gone: Option<Gone>,
    /// Its user agent.
    pub user_agent: UserAgentSummary,
    /// Who may send.
    pub application_server_key: Option<PublicKey>,
    /// What its user agent can open.
    pub codings: Vec<ContentCoding>,
    /// The push resource as handed out.
    pub endpoint: ResourceUrl,
    /// The same in clear text, and over TLS.
    pub endpoints: Endpoints,
    /// When it ends.
    pub expiration_time: Option<Timestamp>,
    /// What the application server encrypts with; none for a browser's whose page has not told it.
    pub keys: Option<SubscriptionKeys>,
    /// The private key of a simulated user agent; shown only on request.
    pub private_key: Option<push_crypto::PrivateKey>,
    /// Least urgency that is delivered.
    pub min_urgency: Urgency,
    /// When messages are acknowledged.
    pub ack: AckMode,
    /// Messages by state.
    pub counts: Counts,
    /// Wall time of creation.
    pub created_at: Timestamp,
}

/// The push resource under both schemes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// In clear text.
    pub http: Option<ResourceUrl>,
    /// Over TLS.
    pub https: Option<ResourceUrl>,
}

impl SubscriptionView {
    /// `active` or `gone`.
    #[must_use]
    pub const fn status(&self) -> &'static str {
        if self.gone.is_some() { "gone" } else { "active" }
    }

    /// What a browser's `JSON.stringify(subscription)` gives, byte for byte.
    ///
    /// The endpoint of a service with a public URL in clear text is no [`Subscription`], so this writes the JSON
    /// itself where it must.
    #[must_use]
    pub fn subscription_json(&self) -> String {
        match self.endpoint.expose().parse() {
            Ok(endpoint) => {
                let keys = self.keys.clone();
                Subscription { endpoint, expiration_time: self.expiration_time, keys }.to_json()
            }
            Err(_) => format!(
                "{{\"endpoint\":\"{}\",\"expirationTime\":{}{}}}",
                self.endpoint.expose(),
                self.expiration_time.map_or("null".into(), |time| time.as_unix_millis().to_string()),
                self.keys.as_ref().map(keys_json).unwrap_or_default(),
            ),
        }
    }
}

fn keys_json(keys: &SubscriptionKeys) -> String {
    format!(
        ",\"keys\":{{\"p256dh\":\"{}\",\"auth\":\"{}\"}}",
        keys.p256dh.to_base64url(),
        keys.auth.as_ref().map(|auth| base64url::encode(auth.expose())).unwrap_or_default(),
    )
}

/// A changed subscription, and what was delivered because of it.
#[derive(Clone, Debug)]
pub struct Changed<T> {
    /// What it is now.
    pub now: T,
    /// Ids of the messages that were delivered on coming online, in order of acceptance.
    pub delivered: Vec<String>,
}

/// A subscription whose push resource and keys were replaced.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The one that is gone.
    pub old: SubscriptionView,
    /// The one in its place; none for a browser's, which makes the next one itself.
    pub new: Option<SubscriptionView>,
}

/// A user agent as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserAgentView {
    /// Id.
    pub id: UserAgentId,
    /// Kind.
    pub kind: AgentKind,
    /// Version of the browser, as it says itself.
    pub version: Option<String>,
    /// Name.
    pub label: String,
    /// Space.
    pub space: SpaceName,
    /// Whether it is switched on.
    pub online: bool,
    /// Whether it was switched off the hard way.
    pub hard: bool,
    /// Whether it is connected: a simulated one while it is switched on.
    pub connected: bool,
    /// How often it acknowledged with which code; Chromium has none and counts as `stream`.
    pub acks: std::collections::BTreeMap<&'static str, u64>,
    /// Ids and labels of its subscriptions.
    pub subscriptions: Vec<(SubscriptionId, String)>,
}
