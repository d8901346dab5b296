//! One push connection of Chromium: its login, then messages and their acknowledgements, to its end.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    time::{Instant, timeout, timeout_at},
};

use super::{
    frame::{self, Tag},
    line::{Ended, Line},
    stanza::{self, Heard, Login, Said},
};
use crate::{
    clock,
    ids::UserAgentId,
    limits::Limits,
    service::{
        PushService,
        attached::{Ack, Arriving, Attached, Closing, Handed, Moment, Refused, ToAgent},
        subscription::AgentKind,
    },
    space::SpaceName,
    wire::listener::stopped,
};

/// Serves the connection; its first octet is the version.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    service: PushService,
    stream: S,
    mut stop: watch::Receiver<bool>,
) {
    let mut line = Line::new(stream, &service.config().limits);
    let ended = match log_in(&service, &mut line, &mut stop).await {
        Ok((login, attached)) => converse(&service, &mut line, &login, attached, &mut stop).await,
        Err(ended) => {
            tracing::warn!(why = %ended, "a Chromium did not log in at its push connection");
            ended
        }
    };
    line.end(&ended).await;
}

/// Waits for the login and takes it; nothing is written before it (GCM-027).
async fn log_in<S: AsyncRead + AsyncWrite + Unpin>(
    service: &PushService,
    line: &mut Line<S>,
    stop: &mut watch::Receiver<bool>,
) -> Result<(Login, Attached), Ended> {
    let patience = service.config().limits.mcs_login;
    let heard = tokio::select! {
        heard = timeout(patience, line.hear()) => heard.map_err(|_| Ended::Silent)??,
        () = stopped(stop) => return Err(Ended::Told(Closing::Shutdown)),
    };
    let Said::Login(login) = heard.said else { return Err(Ended::Order) };
    let agent = UserAgentId::from_android(login.android_id);
    let space = service.space_of_android(login.android_id);
    let effects = service.effects(&space, AgentKind::Chromium, Some(agent), Moment::Hello);
    if let Some(delay) = effects.delay {
        tokio::select! {
            () = clock::pause(delay) => {}
            // It does not wait any longer, and may be there again by another connection.
            heard = line.hear() => return Err(heard.err().unwrap_or(Ended::Order)),
            () = stopped(stop) => return Err(Ended::Told(Closing::Shutdown)),
        }
    }
    if effects.omit {
        return Err(unanswered(line, patience).await);
    }
    if effects.status.is_some() || effects.error.is_some() {
        let message = effects.error.as_deref().unwrap_or("a test refuses the login");
        return Err(refuse(line, &login, effects.status.unwrap_or(500), message).await);
    }
    match service.attach(arriving(space, agent, &login)).await {
        Ok(attached) => Ok((login, attached)),
        Err(refused) => {
            let (code, message) = match refused {
                Refused::Offline => (503, "the user agent is switched off".to_owned()),
                Refused::Secret => (401, "the android id is known with another security token".to_owned()),
                Refused::Service(error) => (error.status(), error.to_string()),
            };
            tracing::warn!(code, message = %message.escape_debug(), "a Chromium may not log in");
            Err(refuse(line, &login, code, &message).await)
        }
    }
}

fn arriving(space: SpaceName, agent: UserAgentId, login: &Login) -> Arriving {
    Arriving {
        space,
        kind: AgentKind::Chromium,
        id: Some(agent),
        secret: login.security_token,
        label: None,
        version: login.version(),
        received: login.received.clone(),
    }
}

/// Never answers; listens until the browser gives up.
async fn unanswered<S: AsyncRead + AsyncWrite + Unpin>(line: &mut Line<S>, patience: Duration) -> Ended {
    let listen = async {
        loop {
            if let Err(ended) = line.hear().await {
                return ended;
            }
        }
    };
    timeout(patience, listen).await.unwrap_or(Ended::Refused("a test leaves the answer out"))
}

async fn refuse<S>(line: &mut Line<S>, login: &Login, code: u16, message: &str) -> Ended
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match line.greet(&stanza::login_error(login, code, message)).await {
        Ok(()) => Ended::Refused("the login"),
        Err(ended) => ended,
    }
}

/// Answers the login and goes on to the end.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    service: &PushService,
    line: &mut Line<S>,
    login: &Login,
    attached: Attached,
    stop: &mut watch::Receiver<bool>,
) -> Ended {
    let limits = &service.config().limits;
    let label = attached.label();
    tracing::info!(label, "a Chromium is connected");
    let mut conversation = Conversation::new(line, attached, limits);
    let ended = conversation.run(&stanza::login_response(login, limits.heartbeat, clock::wall()), stop).await;
    tracing::info!(label, why = %ended, "a Chromium is no longer connected");
    conversation.attached.detach(&ended.to_string()).await;
    ended
}

struct Conversation<'a, S> {
    line: &'a mut Line<S>,
    attached: Attached,
    limits: &'a Limits,
    /// Since when a message waits for its acknowledgement.
    waiting_since: Option<Instant>,
    pinged_at: Option<Instant>,
}

/// What happens next.
enum Event {
    Heard(Heard),
    Told(ToAgent),
    Stop,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Conversation<'a, S> {
    fn new(line: &'a mut Line<S>, attached: Attached, limits: &'a Limits) -> Self {
        Self { line, attached, limits, waiting_since: None, pinged_at: None }
    }

    async fn run(&mut self, answer: &impl prost::Message, stop: &mut watch::Receiver<bool>) -> Ended {
        if let Err(ended) = self.line.greet(answer).await {
            return ended;
        }
        self.attached.begin().await;
        loop {
            if let Err(ended) = self.step(stop).await {
                return ended;
            }
        }
    }

    async fn step(&mut self, stop: &mut watch::Receiver<bool>) -> Result<(), Ended> {
        let wake = wake_at(self.limits, self.line.heard_at, self.waiting_since, self.pinged_at);
        let next = async {
            tokio::select! {
                heard = self.line.hear() => heard.map(Event::Heard),
                told = self.attached.next(true) => Ok(Event::Told(told)),
                () = stopped(stop) => Ok(Event::Stop),
            }
        };
        match timeout_at(wake, next).await {
            Ok(event) => match event? {
                Event::Heard(heard) => self.take(heard).await,
                Event::Told(ToAgent::Message(handed)) => self.hand(&handed).await,
                Event::Told(ToAgent::Close(closing)) => Err(Ended::Told(closing)),
                Event::Stop => Err(Ended::Told(Closing::Shutdown)),
            },
            Err(_) if Instant::now() >= silent_at(self.limits, self.line.heard_at) => Err(Ended::Silent),
            Err(_) => self.ping().await,
        }
    }

    async fn take(&mut self, heard: Heard) -> Result<(), Ended> {
        if let Some(last) = heard.last_received {
            self.acknowledge(last).await;
        }
        match heard.said {
            Said::Close => Err(Ended::Gone),
            Said::Login(_) => Err(Ended::Order),
            Said::Other => Ok(()),
            Said::Ping => {
                let last = self.line.streams.last_received();
                self.line.say(Tag::HEARTBEAT_ACK, &stanza::heartbeat_of(last)).await
            }
        }
    }

    /// Everything up to that stream id was received (GCM-037).
    async fn acknowledge(&mut self, last: i32) {
        let covered = self.line.streams.acknowledged(last);
        if covered.is_empty() {
            return;
        }
        self.waiting_since = self.line.streams.is_waiting().then(Instant::now);
        let acks: Vec<_> = covered.into_iter().map(|version| (version, Ack::Received)).collect();
        self.attached.acknowledge(&acks).await;
    }

    async fn hand(&mut self, handed: &Arc<Handed>) -> Result<(), Ended> {
        let stanza = stanza::data_message(handed, self.line.streams.last_received());
        self.line.streams.send_message(handed.version.clone());
        self.waiting_since.get_or_insert_with(Instant::now);
        self.line.write(&frame::encode(Tag::DATA_MESSAGE_STANZA, &stanza)).await
    }

    /// Makes the browser say what it has received (GCM-040), or that it is there.
    async fn ping(&mut self) -> Result<(), Ended> {
        self.pinged_at = Some(Instant::now());
        let last = self.line.streams.last_received();
        self.line.say(Tag::HEARTBEAT_PING, &stanza::heartbeat_of(last)).await
    }
}

/// When the browser counts as gone: it says something once in each interval.
fn silent_at(limits: &Limits, heard_at: Instant) -> Instant {
    heard_at + limits.heartbeat * 2 + limits.mcs_login
}

/// When something is to be done without being told: a ping for an acknowledgement that is due or after one and a half
/// intervals of silence, or the end.
fn wake_at(
    limits: &Limits,
    heard_at: Instant,
    waiting_since: Option<Instant>,
    pinged_at: Option<Instant>,
) -> Instant {
    let after = |since: Instant, time: Duration| pinged_at.map_or(since, |pinged| pinged.max(since)) + time;
    let overdue = waiting_since.map(|since| after(since, limits.mcs_ack));
    let quiet = after(heard_at, limits.heartbeat + limits.heartbeat / 2);
    let ping = overdue.map_or(quiet, |overdue| overdue.min(quiet));
    ping.min(silent_at(limits, heard_at))
}

#[cfg(test)]
mod tests;
