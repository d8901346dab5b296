//! What tests and pages ask about real browsers: controls of their connections, and what workers tell.

use std::sync::Arc;

use push_crypto::{ContentCoding, SubscriptionKeys};

use super::{
    PushService,
    controls::{Control, MOST_CONTROLS, Target},
    deliver::Looked,
    delivery::Turn,
    events::{About, EventKind},
    exchange::{Exchange, Seen, State},
    inspect::{self, Gone},
    link::{Closing, Handed, Order},
    lookup::Found,
    state::{Agent, Space, lock},
    subscribe::NO_AGENT,
    subscription::{AgentKind, Rotated},
};
use crate::{
    error::ServiceError,
    ids::{MessageId, SubscriptionId},
    space::SpaceName,
    store::{Change, Coded, Store, StoredMessage, SubscriptionRecord},
    token::PushTokenText,
};

/// Octets of a body beyond its plaintext: header block, delimiter and tag of aes128gcm, one record.
const AES128GCM_OVERHEAD: usize = 86 + 1 + 16;
/// Octets of a body beyond its plaintext: length of the padding and tag of aesgcm.
const AESGCM_OVERHEAD: usize = 2 + 16;

impl PushService {
    /// Tells the connection of a browser what to do. Controls of replies may also name a kind, `firefox` or
    /// `chromium`, for whichever browser of the space comes next.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::GoneState`] when it is not connected, [`ServiceError::BadField`]
    /// for what cannot be done to such a user agent, [`ServiceError::Limit`].
    pub async fn control(&self, space: &SpaceName, id: &str, control: Control) -> Result<(), ServiceError> {
        let space = self.space(space)?;
        self.settle(&space).await;
        let found = self.find_agent(&space, id);
        if let Control::Reply { of, then, times } = control {
            let target = match (found, kind_named(id)) {
                (Ok(agent), _) => Target::Agent(browser(agent)?.key.agent),
                (Err(ServiceError::NotFound { .. }), Some(kind)) => Target::Any(kind),
                (Err(error), _) => return Err(error),
            };
            let added = lock(&space.controls).add(target, of, then, times);
            return if added {
                Ok(())
            } else {
                Err(ServiceError::Limit { name: "controls", limit: MOST_CONTROLS })
            };
        }
        let agent = browser(found?)?;
        let turn = self.turn(&space, &agent).await;
        let closing = match control {
            Control::Close(code) => Closing::Code(code),
            Control::Reset => Closing::Reset,
            Control::Fin => Closing::Fin,
            Control::NewUaid => {
                drop(turn);
                return self.renew_uaid(&space, &agent).await;
            }
            Control::Resend(message) => return self.resend(&turn, &message).await,
            Control::Reply { .. } => return Ok(()),
        };
        if !agent.is_linked() {
            return Err(not_connected(&agent));
        }
        turn.cut(closing, "was cut off by a test").await;
        Ok(())
    }

    /// A browser's subscription ends, and its worker is told as far as that is possible.
    pub(super) async fn rotate_browser(
        &self,
        space: &Arc<Space>,
        agent: &Arc<Agent>,
        old: &Arc<SubscriptionRecord>,
    ) -> Result<Rotated, ServiceError> {
        if agent.kind != AgentKind::Firefox {
            return Err(ServiceError::GoneState {
                detail: format!(
                    "{} is a Chromium, which no push service can tell to subscribe anew",
                    old.label
                ),
                fix: format!(
                    "end the subscription: push sub expire {}; its page finds out by itself",
                    old.label
                ),
            });
        }
        self.renew_uaid(space, agent).await?;
        let record = self.0.store.find(space.now(), &old.at).await?.ok_or(NO_AGENT)?;
        Ok(Rotated { old: self.subscription_view(space, &record), new: None })
    }

    /// All subscriptions of a Firefox end; its connection is cut, and when it comes back it gets another uaid.
    async fn renew_uaid(&self, space: &Arc<Space>, agent: &Arc<Agent>) -> Result<(), ServiceError> {
        if agent.kind != AgentKind::Firefox {
            return Err(ServiceError::BadField {
                pointer: "/newUaid",
                detail: "only Firefox has a uaid".into(),
                fix: "name a Firefox".into(),
            });
        }
        lock(&agent.state).retired = true;
        let owned: Vec<_> = {
            let directory = lock(&space.directory);
            let own = directory.own(agent.key.agent).filter(|(_, listed)| listed.active);
            own.map(|(_, listed)| listed.at).collect()
        };
        for at in owned {
            if let Some(record) = self.0.store.find(space.now(), &at).await? {
                let gone = Gone { reason: "rotated", status: 404 };
                self.end(space, &record, gone, EventKind::SubscriptionRotated).await?;
            }
        }
        lock(&space.directory).give_back(agent);
        // 1001: going away; Firefox comes back by itself.
        self.turn(space, agent).await.cut(Closing::Code(1001), "takes a new name").await;
        Ok(())
    }

    /// Sends a message once more, as a service does that has missed the acknowledgement.
    async fn resend(&self, turn: &Turn, message: &str) -> Result<(), ServiceError> {
        let Found { id, exchange } = self.find_exchange(&turn.space, message)?;
        let of = exchange.subscription.as_deref().and_then(|of| of.parse::<SubscriptionId>().ok());
        let record = match of {
            Some(of) => turn.record(of).await?,
            None => None,
        };
        let foreign = || ServiceError::BadField {
            pointer: "/resend",
            detail: format!("{} was not for {}", exchange.id, lock(&turn.agent.state).label),
            fix: "name a message that this user agent was given".into(),
        };
        let record = record.ok_or_else(foreign)?;
        let channel = record.channel().ok_or_else(foreign)?;
        let message = stored_again(id, &exchange, &record);
        let handed = Arc::new(Handed::new(channel, &message));
        let state = lock(&turn.agent.state);
        match &state.link {
            Some(link) if link.orders.send(Order::Again(handed)).is_ok() => Ok(()),
            _ => {
                drop(state);
                Err(not_connected(&turn.agent))
            }
        }
    }

    /// A page tells the keys of its subscription, so that the service's own tools can send to it; returns the space
    /// and the label. The token of the push resource is what allows it.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] when the token is of no browser's subscription in use.
    pub async fn report_subscription(
        &self,
        token: PushTokenText<'_>,
        keys: SubscriptionKeys,
    ) -> Result<(SpaceName, String), ServiceError> {
        let (space, record) = self.reporting(token).await?;
        self.0.store.update(space.now(), &record.at, Change::Told(keys)).await?;
        Ok((space.name.clone(), record.label.clone()))
    }

    /// The worker of a page tells what it saw; returns the id of the message that it is taken for: the oldest one
    /// that was handed over, that nothing is told of yet, and that can have held as much.
    ///
    /// # Errors
    /// As [`report_subscription`](Self::report_subscription).
    pub async fn report_seen(
        &self,
        token: PushTokenText<'_>,
        seen: Seen,
    ) -> Result<Option<String>, ServiceError> {
        let (space, record) = self.reporting(token).await?;
        let of = record.at.subscription.to_string();
        let noted = {
            let mut history = lock(&space.history);
            let mut shown = history.shown();
            let told = shown
                .find(|(_, exchange)| exchange.subscription.as_ref() == Some(&of) && fits(exchange, &seen));
            let Some(id) = told.map(|(id, _)| id) else { return Ok(None) };
            drop(shown);
            let silent = (seen.shown == Some(false)).then(|| inspect::silent(&record.label)).flatten();
            history.note(id, |exchange| {
                exchange.findings.extend(silent);
                exchange.seen = Some(seen);
            })
        };
        let Some(exchange) = noted else { return Ok(None) };
        let id = exchange.id.clone();
        self.0.publish(&space, EventKind::MessageNoted, About::Message(exchange));
        Ok(Some(id))
    }

    async fn reporting(
        &self,
        token: PushTokenText<'_>,
    ) -> Result<(Arc<Space>, Arc<SubscriptionRecord>), ServiceError> {
        match self.look_up(token.0).await? {
            (space, Looked::Known(record, agent)) if agent.kind.is_browser() && record.gone.is_none() => {
                Ok((space, record))
            }
            (space, _) => Err(ServiceError::NotFound {
                what: "subscription",
                named: "behind this push resource".into(),
                space: space.name.to_string(),
                alike: Vec::new(),
            }),
        }
    }
}

/// Whether the worker can have seen this message.
fn fits(exchange: &Exchange, seen: &Seen) -> bool {
    let handed = matches!(exchange.state, State::Delivered | State::Acknowledged);
    if !handed || exchange.deliveries.is_empty() || exchange.seen.is_some() {
        return false;
    }
    let body = exchange.request.body.len();
    match (&seen.data, exchange.coding) {
        (None, _) => body == 0,
        (Some(data), Some(ContentCoding::Aes128gcm)) => body >= data.len() + AES128GCM_OVERHEAD,
        (Some(data), _) => body >= data.len() + AESGCM_OVERHEAD,
    }
}

/// The message as it was when it was accepted; the store may have forgotten it.
fn stored_again(id: MessageId, exchange: &Exchange, record: &SubscriptionRecord) -> StoredMessage {
    let field = |name: &str| {
        let values = exchange.request.headers.iter().filter(|(field, _)| field == name);
        let values: Vec<_> = values.map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    };
    let coding = exchange.coding.filter(|_| !exchange.request.body.is_empty());
    StoredMessage {
        key: crate::store::MessageKey { of: record.at.owner(), seq: 0 },
        id,
        subscription: record.at.subscription,
        body: exchange.request.body.clone(),
        coded: coding.map(|coding| Coded {
            coding,
            encryption: field("encryption"),
            crypto_key: field("crypto-key"),
        }),
        ttl: exchange.ttl.unwrap_or(push_crypto::Ttl::ZERO),
        expires_at: exchange.expires_at.unwrap_or(exchange.clock),
        urgency: exchange.urgency,
        topic: exchange.topic.clone(),
    }
}

fn kind_named(text: &str) -> Option<AgentKind> {
    [AgentKind::Firefox, AgentKind::Chromium].into_iter().find(|kind| kind.as_str() == text)
}

fn browser(agent: Arc<Agent>) -> Result<Arc<Agent>, ServiceError> {
    if agent.kind.is_browser() {
        return Ok(agent);
    }
    Err(ServiceError::BadField {
        pointer: "",
        detail: format!("{} is simulated and has no connection to control", lock(&agent.state).label),
        fix: "name a real browser: push browser firefox".into(),
    })
}

fn not_connected(agent: &Agent) -> ServiceError {
    let label = lock(&agent.state).label.clone();
    ServiceError::GoneState {
        detail: format!("{label} is not connected"),
        fix: "start the browser again, or wait until it comes back".into(),
    }
}
