//! Expectations of a test: what should arrive, how often, within what time.
//!
//! A failed expectation panics at the line that awaits it, with the report of `near_miss`; the `try_` forms
//! return the report instead. Conditions are those of `matcher`, counting and waiting those of `wait`.

use core::{
    fmt,
    future::{Future, IntoFuture},
    ops::RangeBounds,
    panic::Location,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use std::sync::Arc;

use push_crypto::{ContentCoding, Topic, Urgency};
use serde_json::Value;

use crate::{
    matcher::{Bounds, CodePattern, Condition, Match, Matcher, PayloadMatch},
    near_miss::Report,
    received::ReceivedMessage,
    service::{
        PushService,
        exchange::{Exchange, State},
        finding::Level,
        request::Via,
    },
    space::SpaceName,
    wait::{Count, Expected, ExpectedAll, Met, SpaceWatch, WaitError, verify_all, wait_for},
};

/// Something that has the label of a subscription.
pub trait Addressee {
    /// The label, or the id of a subscription.
    fn address(&self) -> &str;
}

impl Addressee for str {
    fn address(&self) -> &str {
        self
    }
}

impl Addressee for String {
    fn address(&self) -> &str {
        self
    }
}

impl<T: Addressee + ?Sized> Addressee for &T {
    fn address(&self) -> &str {
        (**self).address()
    }
}

/// What should arrive in a space. Without [`state`](Self::state) every message but refused ones counts.
///
/// Made by `MockServer::expect`; ends in [`within`](Self::within), [`all_within`](Self::all_within),
/// [`try_within`](Self::try_within), or [`none`](Self::none). An expectation before or after the send both work:
/// messages that are there already count.
///
/// ```
/// use push_mock_server::{MockServer, millis};
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let push = MockServer::start().await;
/// let alice = push.user_agent("alice").await;
///
/// // The application under test sends nothing, so this expectation is not met:
/// let report = push.expect().to(&alice).topic("score").once().try_within(millis(0)).await.unwrap_err();
/// assert_eq!(report.headline(), "nothing matched: to alice, topic score");
///
/// push.expect().to(&alice).none().within(millis(0)).await;
/// # });
/// ```
#[derive(Clone, Debug)]
#[must_use = "an expectation does nothing until it is awaited"]
pub struct Expect {
    service: PushService,
    space: SpaceName,
    wanted: Wanted,
    settle: Duration,
}

/// The conditions of the API and those that a test brought along.
#[derive(Clone, Debug, Default)]
struct Wanted {
    conditions: Match,
    own: Vec<Arc<dyn Matcher>>,
    count: Count,
    since: u64,
}

impl Matcher for Wanted {
    fn conditions(&self, exchange: &Exchange) -> Vec<Condition> {
        let mut conditions = self.conditions.conditions(exchange);
        conditions.extend(self.own.iter().flat_map(|matcher| matcher.conditions(exchange)));
        conditions
    }

    fn description(&self) -> String {
        let own = self.own.iter().map(|matcher| matcher.description());
        let all = core::iter::once(self.conditions.description()).chain(own).filter(|text| !text.is_empty());
        all.collect::<Vec<_>>().join(", ")
    }

    fn addressee(&self) -> Option<&str> {
        self.conditions.addressee()
    }

    fn matches(&self, exchange: &Exchange) -> bool {
        self.conditions.matches(exchange) && self.own.iter().all(|matcher| matcher.matches(exchange))
    }
}

impl Wanted {
    fn expected(&self) -> Expected<'_> {
        Expected { matcher: self, count: self.count, since: self.since }
    }
}

/// Conditions; several calls of one method allow any of their values, where that makes sense.
impl Expect {
    /// Any message of that space.
    pub fn new(service: &PushService, space: &SpaceName) -> Self {
        Self {
            service: service.clone(),
            space: space.clone(),
            wanted: Wanted::default(),
            settle: Duration::ZERO,
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Match)) -> Self {
        change(&mut self.wanted.conditions);
        self
    }

    /// To that subscription: a user agent, a label or an id.
    pub fn to(self, whom: impl Addressee) -> Self {
        self.with(|m| m.to.get_or_insert_default().push(whom.address().to_owned()))
    }

    /// In that state.
    pub fn state(self, state: State) -> Self {
        self.with(|m| m.state.get_or_insert_default().push(state))
    }

    /// With that topic.
    ///
    /// # Panics
    ///
    /// When the text is no topic: no message could have it.
    #[track_caller]
    pub fn topic(self, topic: &str) -> Self {
        let topic: Topic = match topic.parse() {
            Ok(topic) => topic,
            Err(error) => misuse(&error),
        };
        self.with(|m| m.topic.get_or_insert_default().push(Some(topic)))
    }

    /// Without a topic.
    pub fn no_topic(self) -> Self {
        self.with(|m| m.topic.get_or_insert_default().push(None))
    }

    /// With that urgency.
    pub fn urgency(self, urgency: Urgency) -> Self {
        self.with(|m| m.urgency.get_or_insert_default().push(urgency))
    }

    /// With that content coding.
    pub fn coding(self, coding: ContentCoding) -> Self {
        self.with(|m| m.coding.get_or_insert_default().push(Some(coding)))
    }

    /// Answered with that status.
    pub fn status(self, status: u16) -> Self {
        self.with(|m| m.status.get_or_insert_default().push(status))
    }

    /// Received that way.
    pub fn via(self, via: Via) -> Self {
        self.with(|m| m.via.get_or_insert_default().push(via))
    }

    /// With a granted TTL in that range, in seconds: `60..`, `..=3600`, `60..=60`.
    pub fn ttl(self, seconds: impl RangeBounds<u64>) -> Self {
        self.with(|m| m.ttl = Some(bounds(&seconds)))
    }

    /// With a body of so many octets, as sent: `..=4096`.
    pub fn body_bytes(self, octets: impl RangeBounds<u64>) -> Self {
        self.with(|m| m.body_bytes = Some(bounds(&octets)))
    }

    fn payload(self, payload: PayloadMatch) -> Self {
        self.with(|m| m.payload = Some(payload))
    }

    /// With JSON that has these members with these values, at every depth; others are ignored, arrays are not.
    pub fn json(self, value: Value) -> Self {
        self.payload(PayloadMatch::JsonIncludes(value))
    }

    /// With exactly this JSON.
    pub fn json_equals(self, value: Value) -> Self {
        self.payload(PayloadMatch::JsonEquals(value))
    }

    /// With exactly this text.
    pub fn text(self, text: &str) -> Self {
        self.payload(PayloadMatch::TextEquals(text.to_owned()))
    }

    /// With this text somewhere in it.
    pub fn text_includes(self, text: &str) -> Self {
        self.payload(PayloadMatch::TextIncludes(text.to_owned()))
    }

    /// With a text that this regular expression finds; classes such as `\w` are ASCII.
    ///
    /// # Panics
    ///
    /// When it is no regular expression.
    #[track_caller]
    pub fn text_matches(self, pattern: &str) -> Self {
        match regex_lite::Regex::new(pattern) {
            Ok(pattern) => self.payload(PayloadMatch::TextMatches(pattern)),
            Err(error) => misuse(&error),
        }
    }

    /// With exactly these octets.
    pub fn octets(self, octets: &[u8]) -> Self {
        self.payload(PayloadMatch::Octets(octets.to_vec()))
    }

    /// Without a body: a tickle.
    pub fn empty(self) -> Self {
        self.payload(PayloadMatch::Empty(true))
    }

    /// With a finding of that code; it may end in `*`. Several calls ask for all of them.
    pub fn finding(self, code: &str) -> Self {
        self.with(|m| m.findings.all.push(CodePattern(code.to_owned())))
    }

    /// Without a finding of that level or a worse one.
    pub fn no_finding(self, level: Level) -> Self {
        self.with(|m| m.findings.none = Some(level))
    }

    /// With that VAPID subject.
    pub fn vapid_sub(self, sub: &str) -> Self {
        self.with(|m| m.vapid.sub = Some(sub.to_owned()))
    }

    /// Signed with that key, as base64url, and the signature is valid.
    pub fn signed_by(self, key: &str) -> Self {
        self.with(|m| {
            m.vapid.key = Some(key.to_owned());
            m.vapid.signature = Some("valid".to_owned());
        })
    }

    /// With conditions of the test's own.
    pub fn matching(mut self, matcher: impl Matcher + 'static) -> Self {
        self.wanted.own.push(Arc::new(matcher));
        self
    }
}

/// How often, and since when.
impl Expect {
    /// Exactly once.
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// Exactly so often.
    pub fn times(self, number: u64) -> Self {
        self.count(Count::exactly(number))
    }

    /// So often or more; once or more is what an expectation says by itself.
    pub fn at_least(self, number: u64) -> Self {
        self.count(Count::at_least(number))
    }

    /// So often, as a [`Count`].
    pub fn count(mut self, count: Count) -> Self {
        self.wanted.count = count;
        self
    }

    /// Only messages with a greater `seq`.
    pub fn since(mut self, seq: u64) -> Self {
        self.wanted.since = seq;
        self
    }

    /// Once the number is reached, watch so long for surplus messages.
    pub fn settle(mut self, time: Duration) -> Self {
        self.settle = time;
        self
    }
}

/// The ends of an expectation.
impl Expect {
    /// Not a single message: [`NoneExpected::within`] watches for that whole time.
    pub fn none(self) -> NoneExpected {
        NoneExpected(self.count(Count::NONE))
    }

    /// Waits, and gives the first message that matched.
    ///
    /// Awaiting it panics at that line with a report when the expectation fails, or expects no message.
    #[track_caller]
    pub fn within(self, time: Duration) -> Awaited<ReceivedMessage> {
        Awaited::of(self.try_within(time))
    }

    /// Waits, and gives all messages that matched, in the order of arrival.
    ///
    /// Awaiting it panics at that line with a report when the expectation fails.
    #[track_caller]
    pub fn all_within(self, time: Duration) -> Awaited<Vec<ReceivedMessage>> {
        Awaited::of(self.try_all_within(time))
    }

    /// As [`within`](Self::within), with the report instead of a panic.
    ///
    /// # Errors
    ///
    /// [`Report`] says why the expectation was not met.
    pub async fn try_within(self, time: Duration) -> Result<ReceivedMessage, Report> {
        let first = self.try_all_within(time).await?.into_iter().next();
        first.ok_or_else(|| {
            Report::remark("the expectation was met by silence; end it with none() or all_within()")
        })
    }

    /// As [`all_within`](Self::all_within), with the report instead of a panic.
    ///
    /// # Errors
    ///
    /// [`Report`] says why the expectation was not met.
    pub async fn try_all_within(self, time: Duration) -> Result<Vec<ReceivedMessage>, Report> {
        let mut watch = SpaceWatch::new(&self.service, &self.space);
        received(wait_for(&mut watch, &self.wanted.expected(), time, self.settle).await)
    }
}

/// An expectation of silence.
#[derive(Clone, Debug)]
#[must_use = "an expectation does nothing until it is awaited"]
pub struct NoneExpected(Expect);

impl NoneExpected {
    /// Watches for the whole time.
    ///
    /// Awaiting it panics at that line as soon as a message matches.
    #[track_caller]
    pub fn within(self, time: Duration) -> Awaited<()> {
        Awaited::of(self.try_within(time))
    }

    /// As [`within`](Self::within), with the report instead of a panic.
    ///
    /// # Errors
    ///
    /// [`Report`] names the messages that matched.
    pub async fn try_within(self, time: Duration) -> Result<(), Report> {
        self.0.try_all_within(time).await.map(drop)
    }
}

/// Several expectations together; await it, or end it in [`try_run`](Self::try_run).
///
/// It is a builder and takes no closure: expectations are values, so they can come out of a loop or a helper of the
/// test, and the panic names the line that awaits. Each is written as it would be alone.
///
/// ```
/// use push_mock_server::MockServer;
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let push = MockServer::start().await;
///
/// let report = push.verify().no_others().expect(push.expect().to("alice").once()).try_run().await.unwrap_err();
/// assert_eq!(report.headline(), "nothing matched: to alice");
/// # });
/// ```
#[derive(Clone, Debug)]
#[must_use = "a verification does nothing until it is awaited"]
pub struct Verify {
    service: PushService,
    space: SpaceName,
    expect: Vec<Wanted>,
    ordered: bool,
    no_others: bool,
    time: Duration,
}

impl Verify {
    /// Of that space; looks once.
    pub fn new(service: &PushService, space: &SpaceName) -> Self {
        Self {
            service: service.clone(),
            space: space.clone(),
            expect: Vec::new(),
            ordered: false,
            no_others: false,
            time: Duration::ZERO,
        }
    }

    /// One more expectation, with its count; its space and its `settle` do not matter here.
    pub fn expect(mut self, expect: Expect) -> Self {
        self.expect.push(expect.wanted);
        self
    }

    /// The first matches must have come in the order of the expectations.
    pub fn ordered(mut self) -> Self {
        self.ordered = true;
        self
    }

    /// Every message of the space, refused ones too, must be matched by an expectation.
    pub fn no_others(mut self) -> Self {
        self.no_others = true;
        self
    }

    /// Waits so long until all of it holds.
    pub fn within(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// Looks, or waits, and panics when something does not hold; gives all messages that matched.
    #[track_caller]
    pub fn run(self) -> Awaited<Vec<ReceivedMessage>> {
        Awaited::of(self.try_run())
    }

    /// As [`run`](Self::run), with the report instead of a panic.
    ///
    /// # Errors
    ///
    /// [`Report`] says what does not hold.
    pub async fn try_run(self) -> Result<Vec<ReceivedMessage>, Report> {
        let mut watch = SpaceWatch::new(&self.service, &self.space);
        let all = self.expect.iter().map(Wanted::expected).collect();
        let expected = ExpectedAll { all, ordered: self.ordered, no_others: self.no_others };
        received(verify_all(&mut watch, &expected, self.time).await)
    }
}

/// As [`run`](Verify::run).
impl IntoFuture for Verify {
    type Output = Vec<ReceivedMessage>;
    type IntoFuture = Awaited<Vec<ReceivedMessage>>;

    #[track_caller]
    fn into_future(self) -> Awaited<Vec<ReceivedMessage>> {
        self.run()
    }
}

fn received(result: Result<Met, WaitError>) -> Result<Vec<ReceivedMessage>, Report> {
    match result {
        Ok(met) => Ok(met.messages.into_iter().map(ReceivedMessage::new).collect()),
        Err(WaitError::NotMet(not_met)) => Err(not_met.report),
        Err(WaitError::Service(error)) => {
            Err(Report::remark(format!("the messages could not be read: {error}")))
        }
    }
}

/// The result of an expectation that is awaited: its value, or a panic at the line that awaits it.
///
/// Dropping it before it is ready ends the wait without a panic.
#[must_use = "an expectation does nothing until it is awaited"]
pub struct Awaited<T> {
    work: Pin<Box<dyn Future<Output = Result<T, Report>> + Send>>,
    made_at: &'static Location<'static>,
}

impl<T> Awaited<T> {
    #[track_caller]
    fn of(work: impl Future<Output = Result<T, Report>> + Send + 'static) -> Self {
        Self { work: Box::pin(work), made_at: Location::caller() }
    }
}

impl<T> Future for Awaited<T> {
    type Output = T;

    /// # Panics
    ///
    /// When the expectation is not met. While the thread is panicking already it unwinds without a second report.
    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let result = match self.work.as_mut().poll(context) {
            Poll::Ready(result) => result,
            Poll::Pending => return Poll::Pending,
        };
        match result {
            Ok(value) => Poll::Ready(value),
            Err(report) => fail(&report, self.made_at),
        }
    }
}

impl<T> fmt::Debug for Awaited<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Awaited").field("made_at", &self.made_at).finish_non_exhaustive()
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "a failed expectation of the harness is a failed test")]
fn fail(report: &Report, made_at: &'static Location<'static>) -> ! {
    if std::thread::panicking() {
        // There is no value to go on with; unwinding without the hook leaves the first report the last word.
        std::panic::resume_unwind(Box::new(report.to_string()));
    }
    let here = Location::caller();
    if (here.file(), here.line()) == (made_at.file(), made_at.line()) {
        panic!("{report}");
    }
    panic!("{report}\n  expected at {made_at}");
}

#[track_caller]
#[expect(clippy::panic, reason = "the test itself is wrong")]
fn misuse(error: &dyn fmt::Display) -> ! {
    panic!("{error}")
}

/// Both ends of the range, included.
fn bounds(range: &impl RangeBounds<u64>) -> Bounds {
    use core::ops::Bound::{Excluded, Included, Unbounded};
    Bounds {
        gte: match range.start_bound() {
            Included(start) => Some(*start),
            Excluded(start) => Some(start.saturating_add(1)),
            Unbounded => None,
        },
        lte: match range.end_bound() {
            Included(end) => Some(*end),
            Excluded(end) => Some(end.saturating_sub(1)),
            Unbounded => None,
        },
    }
}

#[cfg(test)]
mod tests;
