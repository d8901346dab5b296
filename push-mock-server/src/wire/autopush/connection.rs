//! A connection of Firefox: `Unidentified` until hello, `Identified` from then on, by value.

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    time::Instant,
};

use super::{
    frame::{self, ChannelId, Frame},
    reply,
    socket::{End, Event, Socket},
};
use crate::{
    clock,
    ids::UserAgentId,
    service::{
        PushService,
        attached::{
            Ack, Arriving, Attached, Closing, Effects, Moment, NewChannel, Refused, ToAgent, Unregistered,
        },
        subscription::AgentKind,
    },
    space::SpaceName,
    wire::listener::stopped,
};

/// What the handshake says about a user agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Visitor {
    pub(super) space: SpaceName,
    pub(super) label: Option<String>,
    pub(super) version: Option<String>,
}

/// Serves a connection from the end of its handshake to its own end.
pub(super) async fn serve<S>(
    service: PushService,
    visitor: Visitor,
    stream: S,
    mut stop: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    // Boxed: what happens once shall not make every connection larger.
    let identified = Box::pin(async {
        let socket = Socket::new(stream, &service.config().limits).await;
        Unidentified { service, visitor, socket }.identify(&mut stop).await
    });
    let (socket, end) = match identified.await {
        Ok(mut identified) => {
            let end = identified.until_end(&mut stop).await;
            (Box::pin(identified.leave(&end)).await, end)
        }
        Err(ended) => *ended,
    };
    tracing::debug!(code = end.code(), why = end.why(), "connection of a user agent ended");
    Box::pin(socket.finish(&end)).await;
}

/// A connection whose user agent has not said who it is.
struct Unidentified<S> {
    service: PushService,
    visitor: Visitor,
    socket: Socket<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Unidentified<S> {
    /// What is there for long is boxed: a future moves it about otherwise, and keeps room for each place.
    async fn identify(
        mut self,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Box<Identified<S>>, Box<(Socket<S>, End)>> {
        match self.attach(stop).await {
            Ok((attached, effects)) => Ok(Box::new(Identified::greet(self, attached, &effects).await)),
            Err(end) => Err(Box::new((self.socket, end))),
        }
    }

    async fn attach(&mut self, stop: &mut watch::Receiver<bool>) -> Result<(Attached, Effects), End> {
        let event = tokio::select! {
            () = stopped(stop) => return Err(stopping()),
            event = self.socket.event() => event,
        };
        let text = match event {
            Event::Text(text) => text,
            Event::End(end) => return Err(end),
            // Nothing is told before hello.
            Event::Drained => return Err(End::close(1011, "hello has to be the first frame")),
        };
        let id = match Frame::read(&text) {
            Ok(Frame::Hello(id)) => id,
            Ok(_) => return Err(End::close(1011, "hello has to be the first frame")),
            Err(error) => return Err(End::close(1011, error.to_string())),
        };
        self.socket.greeted();
        let effects = self.service.effects(&self.visitor.space, AgentKind::Firefox, id, Moment::Hello);
        if effects.delay.is_some() {
            self.hold_back(&effects, stop).await?;
        }
        let attached = self.service.attach(self.arriving(id)).await.map_err(|refused| match refused {
            // 1013: try again later; Firefox comes back by itself.
            Refused::Offline => End::close(1013, "the user agent is switched off"),
            Refused::Secret => End::close(1008, "the user agent is another one"),
            Refused::Service(error) => End::close(1013, error.to_string()),
        })?;
        Ok((attached, effects))
    }

    fn arriving(&self, id: Option<UserAgentId>) -> Arriving {
        Arriving {
            space: self.visitor.space.clone(),
            kind: AgentKind::Firefox,
            id,
            secret: None,
            label: self.visitor.label.clone(),
            version: self.visitor.version.clone(),
            received: Vec::new(),
        }
    }

    /// A test holds the answer to hello back; until it comes there is nothing to be said.
    async fn hold_back(&mut self, effects: &Effects, stop: &mut watch::Receiver<bool>) -> Result<(), End> {
        let delay = effects.delay.unwrap_or_default();
        tokio::select! {
            () = clock::pause(delay) => Ok(()),
            () = stopped(stop) => Err(stopping()),
            event = self.socket.event() => Err(match event {
                Event::Text(_) | Event::Drained => End::close(1011, "a frame came before the answer to hello"),
                Event::End(end) => end,
            }),
        }
    }
}

/// A connection of a known user agent.
struct Identified<S> {
    service: PushService,
    attached: Attached,
    socket: Socket<S>,
    /// A test left the answer to hello out: the user agent waits, and takes nothing.
    silent: bool,
    last_json_ping: Option<Instant>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Identified<S> {
    /// Answers hello; what waits follows.
    async fn greet(from: Unidentified<S>, attached: Attached, effects: &Effects) -> Self {
        let Unidentified { service, visitor: _, socket } = from;
        let mut greeted = Self { service, attached, socket, silent: effects.omit, last_json_ping: None };
        if !greeted.silent {
            let status = effects.status.unwrap_or(200);
            greeted.socket.reply(reply::hello(greeted.attached.agent(), status));
            greeted.attached.begin().await;
        }
        greeted
    }

    /// The user agent is detached, so that what it has not acknowledged waits again.
    async fn leave(self: Box<Self>, end: &End) -> Socket<S> {
        let Self { attached, socket, .. } = *self;
        attached.detach(end.why()).await;
        socket
    }

    /// Until something ends it.
    async fn until_end(&mut self, stop: &mut watch::Receiver<bool>) -> End {
        loop {
            let has_room = self.socket.has_room();
            tokio::select! {
                () = stopped(stop) => return stopping(),
                event = self.socket.event() => match event {
                    Event::End(end) => return end,
                    Event::Drained => {}
                    // Boxed: it is gone before the next frame.
                    Event::Text(text) => if let Err(end) = Box::pin(self.hear(&text)).await {
                        return end;
                    },
                },
                next = self.attached.next(has_room) => match next {
                    ToAgent::Close(closing) => return end_of(closing),
                    // Not sent, so not acknowledged: it comes again.
                    ToAgent::Message(_) if self.silent => {}
                    ToAgent::Message(message) => {
                        self.socket.tell(reply::notification(&message));
                        self.tell_what_waits();
                    }
                },
            }
        }
    }

    /// What is there already goes out in the same write.
    fn tell_what_waits(&mut self) {
        while self.socket.has_room()
            && let Some(message) = self.attached.unwritten()
        {
            self.socket.tell(reply::notification(&message));
        }
    }

    async fn hear(&mut self, text: &str) -> Result<(), End> {
        let frame = Frame::read(text).map_err(|error| End::close(1011, error.to_string()))?;
        tracing::trace!(kind = frame.name(), octets = text.len(), "heard");
        match frame {
            Frame::Ack(updates) => {
                let codes: Vec<_> = updates.iter().map(|update| update.code).collect();
                tracing::trace!(?codes, "acknowledged");
                let acks: Vec<_> =
                    updates.into_iter().map(|update| (update.version, Ack::Code(update.code))).collect();
                self.attached.acknowledge(&acks).await;
            }
            Frame::BroadcastSubscribe => {}
            Frame::Hello(_) => return Err(End::close(1011, "hello came a second time")),
            Frame::Nack { version: Some(version), code } => self.attached.nack(&version, code).await,
            Frame::Nack { version: None, .. } => {}
            Frame::Ping => return self.ping(),
            Frame::Register { channel, key } => self.register(&channel, key.as_deref()).await,
            Frame::Unregister { channel, code } => self.unregister(&channel, code).await,
        }
        Ok(())
    }

    fn ping(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if let (Some(least), Some(last)) =
            (self.service.config().limits.json_ping_interval, self.last_json_ping.replace(now))
            && now.saturating_duration_since(last) < least
        {
            return Err(End::close(1008, "pings come sooner than json_ping_interval allows"));
        }
        self.socket.reply(reply::PONG);
        Ok(())
    }

    async fn register(&mut self, channel: &ChannelId, key: Option<&str>) {
        let effects = self.effects(Moment::Register);
        let (status, endpoint) = match effects.status.filter(|status| *status != 200) {
            Some(status) => (status, String::new()),
            None => registered(&self.attached, channel, key).await,
        };
        self.answer(&effects, reply::register(channel, status, &endpoint));
    }

    /// Unknown and foreign ones are answered like others (AP-022): a browser may give up what an older uaid had.
    async fn unregister(&mut self, channel: &str, code: Option<u64>) {
        let effects = self.effects(Moment::Unregister);
        let status = match effects.status.filter(|status| *status != 200) {
            Some(status) => status,
            None => {
                let why = match code {
                    Some(201) => Unregistered::Quota,
                    Some(202) => Unregistered::PermissionRevoked,
                    _ => Unregistered::Unsubscribed,
                };
                match self.attached.unregister(channel, why).await {
                    Ok(_) => 200,
                    Err(error) => error.status(),
                }
            }
        };
        self.answer(&effects, reply::unregister(channel, status));
    }

    fn effects(&self, moment: Moment) -> Effects {
        let agent = Some(self.attached.agent());
        self.service.effects(self.attached.space(), AgentKind::Firefox, agent, moment)
    }

    fn answer(&mut self, effects: &Effects, text: String) {
        match effects.delay {
            _ if effects.omit => {}
            None => self.socket.reply(text),
            Some(delay) => self.socket.reply_after(delay, text),
        }
    }
}

/// Status and push resource.
async fn registered(attached: &Attached, channel: &ChannelId, key: Option<&str>) -> (u16, String) {
    let application_server_key = match key.map(frame::application_server_key).transpose() {
        Ok(key) => key,
        Err(problem) => {
            tracing::debug!(status = 400, why = problem.as_str(), "a subscription was refused");
            return (400, "Failed to generate endpoint".into());
        }
    };
    let new = NewChannel {
        name: channel.as_str().to_owned(),
        app: None,
        sender: None,
        application_server_key,
        secret: None,
        label: None,
        version: None,
    };
    match attached.register(new).await {
        Ok(registered) => (200, registered.endpoint),
        Err(error) => {
            tracing::debug!(status = error.status(), code = error.code(), "a subscription was refused");
            (error.status(), String::new())
        }
    }
}

fn stopping() -> End {
    End::close(1001, "the service stops")
}

fn end_of(closing: Closing) -> End {
    match closing {
        Closing::Code(code) => End::close(code, "a test asked for it"),
        Closing::Fin => End::Fin("a test asked for an end"),
        Closing::Offline => End::close(1013, "the user agent was switched off"),
        Closing::Replaced => End::close(1000, "a newer connection of this user agent is there"),
        Closing::Reset => End::Reset("a test asked for a reset"),
        Closing::Shutdown => stopping(),
    }
}

#[cfg(test)]
mod tests;
