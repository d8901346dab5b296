//! `MockServer`: a push service for tests, on a thread and a port of its own; it stops when it is dropped.

use std::{sync::Arc, thread, time::Duration};

use push_crypto::Timestamp;
use tokio::sync::oneshot;

#[cfg(feature = "browsers")]
use crate::browser::{self, Browser, BrowserError, BrowserSetup, BrowserWish, Reach};
use crate::{
    builder::Builder,
    clock::{Clock, ClockAction, ClockView, Due, Fired},
    config::Config,
    error::{ServiceError, StartError},
    expect::{Expect, Verify},
    received::ReceivedMessage,
    server::Server,
    service::{
        PushService,
        exchange::State,
        spaces::{Browsers, Scope},
    },
    space::SpaceName,
    step::TestStep,
    user_agent::NewUserAgent,
};

/// A push service for tests.
///
/// It listens when [`start`](Self::start) is ready, and stops when it is dropped, which neither panics nor blocks.
///
/// ```
/// use push_mock_server::{Clock, MockServer, secs};
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let push = MockServer::builder().clock(Clock::frozen()).start().await;
/// let phone = push.user_agent("phone").offline().await;
///
/// // What a browser would have sent to the application under test.
/// assert!(phone.subscription_json().contains("endpoint"));
///
/// push.expect().to(&phone).none().within(secs(0)).await;
/// assert!(push.clock().advance(secs(60)).await.is_empty());
/// # });
/// ```
#[derive(Debug)]
pub struct MockServer {
    space: Space,
    ca_pem: Option<Arc<str>>,
    /// The service stops when this is gone.
    stop: Option<oneshot::Sender<()>>,
    stopped: Option<oneshot::Receiver<()>>,
}

impl MockServer {
    /// Starts a service with default settings.
    ///
    /// # Panics
    /// When it is awaited and the service cannot start.
    #[track_caller]
    pub fn start() -> TestStep<Self> {
        Self::builder().start()
    }

    /// A service with other settings.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A thread and a runtime of its own, so that a test that blocks its runtime does not block the service.
    pub(crate) async fn launch(config: Config) -> Result<Self, StartError> {
        let (stop, stopping) = oneshot::channel();
        let (ready, started) = oneshot::channel();
        let (ended, stopped) = oneshot::channel();
        let serve = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(error) => return drop(ready.send(Err(StartError::Thread(error)))),
            };
            runtime.block_on(async move {
                match Server::bind(config) {
                    Err(error) => drop(ready.send(Err(error))),
                    Ok(server) => {
                        let spki = server.spki();
                        let known = (server.service().clone(), server.ca_pem().map(Arc::from), spki);
                        if ready.send(Ok(known)).is_ok() {
                            // An error says that the handle is gone, which is how it is stopped.
                            server.run(async { drop(stopping.await) }).await;
                        }
                    }
                }
            });
            drop(ended);
        };
        thread::Builder::new().name("push-mock-server".into()).spawn(serve).map_err(StartError::Thread)?;
        let gone =
            || StartError::Service(ServiceError::Internal { detail: "the service ended while it started" });
        let (service, ca_pem, spki) = started.await.map_err(|_| gone())??;
        let space = Space { service, name: SpaceName::default_space(), spki };
        Ok(Self { space, ca_pem, stop: Some(stop), stopped: Some(stopped) })
    }

    /// The origin in clear text, for example `http://localhost:8030`.
    #[must_use]
    pub fn url(&self) -> String {
        let urls = self.handle().urls();
        urls.http.as_ref().unwrap_or(&urls.public).to_string()
    }

    /// The origin over TLS; none when TLS is off.
    #[must_use]
    pub fn https_url(&self) -> Option<String> {
        self.handle().urls().https.as_ref().map(ToString::to_string)
    }

    /// The certificate of the local authority as PEM, for the client under test to trust; none without one.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// The service itself: calls without sockets, which return errors.
    #[must_use]
    pub fn handle(&self) -> &PushService {
        &self.space.service
    }

    /// A space of its own: other subscriptions, other messages, another clock.
    ///
    /// # Panics
    /// When the name cannot be one; see [`SpaceName`].
    #[must_use]
    #[track_caller]
    #[expect(
        clippy::panic,
        reason = "a name that is written in a test is either right or a mistake of the test"
    )]
    pub fn space(&self, name: &str) -> Space {
        match name.parse() {
            Ok(name) => Space { name, ..self.space.clone() },
            Err(error) => panic!("{error}"),
        }
    }

    /// What Firefox is started with so that it subscribes here, in the space `default`.
    #[cfg(feature = "browsers")]
    #[must_use]
    pub fn browser_firefox(&self) -> BrowserSetup {
        self.space.browser_firefox()
    }

    /// What Chromium is started with so that it subscribes here, in the space `default`.
    ///
    /// # Errors
    /// [`BrowserError`] when the service was started without TLS, or with certificates from files.
    #[cfg(feature = "browsers")]
    pub fn browser_chromium(&self) -> Result<BrowserSetup, BrowserError> {
        self.space.browser_chromium()
    }

    /// A simulated user agent with one subscription, in the space `default`.
    #[track_caller]
    pub fn user_agent(&self, label: &str) -> NewUserAgent {
        self.space.user_agent(label)
    }

    /// An expectation of the space `default`.
    pub fn expect(&self) -> Expect {
        self.space.expect()
    }

    /// Several expectations of the space `default`.
    #[track_caller]
    pub fn verify(&self) -> Verify {
        self.space.verify()
    }

    /// The clock of the space `default`.
    #[must_use]
    pub fn clock(&self) -> SpaceClock {
        self.space.clock()
    }

    /// All messages of the space `default` but refused ones, in order of acceptance.
    #[track_caller]
    pub fn received(&self) -> TestStep<Vec<ReceivedMessage>> {
        self.space.received()
    }

    /// Requests to the space `default` that were refused, and those that found no subscription, in order of arrival.
    #[track_caller]
    pub fn refused(&self) -> TestStep<Vec<ReceivedMessage>> {
        self.space.refused()
    }

    /// No messages, no subscriptions, and all clocks real, in all spaces; also a clock that was started frozen. A
    /// test that needs another clock each time takes a server, or a [`space`](Self::space), of its own.
    #[track_caller]
    pub fn reset(&self) -> TestStep<()> {
        let service = self.space.service.clone();
        TestStep::new(async move { service.reset(&Scope::All, Browsers::Stay).await })
    }

    /// Stops the service and waits until it has stopped.
    pub async fn shutdown(mut self) {
        drop(self.stop.take());
        if let Some(stopped) = self.stopped.take() {
            // The sender is dropped when the thread ends, which is the error that we wait for.
            let _ = stopped.await;
        }
    }
}

/// An isolated part of a [`MockServer`].
#[derive(Clone, Debug)]
pub struct Space {
    service: PushService,
    name: SpaceName,
    /// Digest of the key that Chromium has to trust.
    #[cfg_attr(not(feature = "browsers"), expect(dead_code, reason = "only browsers ask for it"))]
    spki: Option<[u8; 32]>,
}

impl Space {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &SpaceName {
        &self.name
    }

    /// What Firefox is started with so that its subscriptions appear in this space. Headless, a label and other
    /// wishes: [`browser_setup`](Self::browser_setup).
    #[cfg(feature = "browsers")]
    #[must_use]
    pub fn browser_firefox(&self) -> BrowserSetup {
        browser::firefox(&self.reach(), &self.wish())
    }

    /// What Chromium is started with so that its subscriptions appear in this space.
    ///
    /// # Errors
    /// As [`MockServer::browser_chromium`].
    #[cfg(feature = "browsers")]
    pub fn browser_chromium(&self) -> Result<BrowserSetup, BrowserError> {
        browser::chromium(&self.reach(), &self.wish())
    }

    /// The same with wishes; whatever space they name, it is this one.
    ///
    /// # Errors
    /// As [`MockServer::browser_chromium`].
    #[cfg(feature = "browsers")]
    pub fn browser_setup(&self, browser: Browser, wish: &BrowserWish) -> Result<BrowserSetup, BrowserError> {
        browser.setup(&self.reach(), &BrowserWish { space: self.name.clone(), ..wish.clone() })
    }

    #[cfg(feature = "browsers")]
    fn reach(&self) -> Reach {
        Reach::of(self.service.urls(), self.spki)
    }

    #[cfg(feature = "browsers")]
    fn wish(&self) -> BrowserWish {
        BrowserWish { space: self.name.clone(), as_root: browser::runs_as_root(), ..BrowserWish::default() }
    }

    /// A simulated user agent with one subscription; await it.
    #[track_caller]
    pub fn user_agent(&self, label: &str) -> NewUserAgent {
        NewUserAgent::new(&self.service, &self.name, label)
    }

    /// An expectation.
    pub fn expect(&self) -> Expect {
        Expect::new(&self.service, &self.name)
    }

    /// Several expectations, which are checked together.
    #[track_caller]
    pub fn verify(&self) -> Verify {
        Verify::new(&self.service, &self.name)
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> SpaceClock {
        SpaceClock { service: self.service.clone(), space: self.name.clone() }
    }

    /// All messages but refused ones, in order of acceptance.
    #[track_caller]
    pub fn received(&self) -> TestStep<Vec<ReceivedMessage>> {
        let this = self.clone();
        TestStep::new(async move {
            let all = this.service.exchanges(&this.name).await?;
            let accepted = all.into_iter().rev().filter(|exchange| exchange.state != State::Refused);
            Ok::<_, ServiceError>(accepted.map(ReceivedMessage::new).collect())
        })
    }

    /// Requests that were refused, in order of arrival.
    #[track_caller]
    pub fn refused(&self) -> TestStep<Vec<ReceivedMessage>> {
        let this = self.clone();
        TestStep::new(async move {
            let all = this.service.exchanges(&this.name).await?;
            let refused = all.into_iter().rev().filter(|exchange| exchange.state == State::Refused);
            Ok::<_, ServiceError>(refused.map(ReceivedMessage::new).collect())
        })
    }

    /// No messages, no subscriptions, the clock real.
    #[track_caller]
    pub fn reset(&self) -> TestStep<()> {
        let this = self.clone();
        TestStep::new(async move { this.service.reset(&Scope::Space(this.name), Browsers::Stay).await })
    }
}

/// The clock of a space, as a test moves it.
#[derive(Clone, Debug)]
pub struct SpaceClock {
    service: PushService,
    space: SpaceName,
}

impl SpaceClock {
    #[track_caller]
    fn change(&self, action: ClockAction) -> TestStep<Vec<Fired>> {
        let this = self.clone();
        TestStep::new(async move {
            let (_, fired) = this.service.change_clock(&this.space, action.into()).await?;
            Ok::<_, ServiceError>(fired)
        })
    }

    /// Moves on; returns what became due, after all of it has happened.
    #[track_caller]
    pub fn advance(&self, by: Duration) -> TestStep<Vec<Fired>> {
        self.change(ClockAction::Advance(by))
    }

    /// Moves on to that time.
    #[track_caller]
    pub fn set(&self, to: Timestamp) -> TestStep<Vec<Fired>> {
        self.change(ClockAction::Set(to))
    }

    /// Stops.
    #[track_caller]
    pub fn freeze(&self) -> TestStep<Vec<Fired>> {
        self.change(ClockAction::Freeze)
    }

    /// Runs at that speed, in seconds per second.
    #[track_caller]
    pub fn run(&self, speed: f64) -> TestStep<Vec<Fired>> {
        self.change(ClockAction::Run(speed))
    }

    /// Goes with the wall clock.
    #[track_caller]
    pub fn real(&self) -> TestStep<Vec<Fired>> {
        self.change(ClockAction::Real)
    }

    /// Its time, its mode, and what is due next.
    #[track_caller]
    pub fn view(&self) -> TestStep<ClockView> {
        let this = self.clone();
        TestStep::new(async move { this.service.clock(&this.space).await })
    }

    /// Waits on this clock, so that a part of the application under test can live on it: whoever advances the clock
    /// past that time waits until the [`Due`] is dropped. Needs a tokio runtime with time.
    #[track_caller]
    pub fn sleep_until(&self, deadline: Timestamp) -> TestStep<Due> {
        let this = self.clone();
        TestStep::new(async move {
            let clock: Clock = this.service.clock_of(&this.space)?;
            Ok::<_, ServiceError>(clock.sleep_until(deadline).await)
        })
    }
}

/// That many milliseconds.
#[must_use]
pub const fn millis(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// That many seconds.
#[must_use]
pub const fn secs(number: u64) -> Duration {
    Duration::from_secs(number)
}

/// That many minutes.
#[must_use]
pub const fn minutes(number: u64) -> Duration {
    Duration::from_secs(60 * number)
}

/// That many hours.
#[must_use]
pub const fn hours(number: u64) -> Duration {
    Duration::from_secs(3600 * number)
}

#[cfg(test)]
mod tests;
