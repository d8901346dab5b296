//! The bus of events: numbered, the last ones kept, nobody waits for a slow reader.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use push_crypto::Timestamp;
use tokio::sync::watch;

use super::{
    exchange::{Exchange, State},
    subscription::{SubscriptionView, UserAgentView},
};
use crate::{clock::ClockView, space::SpaceName};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// A message entered that state.
    Message(State),
    /// A message was handed over again.
    MessageRedelivered,
    /// A subscription was made.
    SubscriptionCreated,
    /// A subscription ended.
    SubscriptionGone,
    /// A subscription got a new push resource and keys.
    SubscriptionRotated,
    /// Something was learnt about a message: its worker failed, or told what it saw.
    MessageNoted,
    /// A browser connected.
    UserAgentConnected,
    /// A browser's connection ended.
    UserAgentDisconnected,
    /// A user agent was switched on.
    UserAgentOnline,
    /// A user agent was switched off.
    UserAgentOffline,
    /// A clock changed its mode or was moved.
    ClockChanged,
    /// A space was made.
    SpaceCreated,
    /// A space was emptied.
    SpaceReset,
    /// A space was removed.
    SpaceRemoved,
}

impl EventKind {
    /// The name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Message(State::Queued) => "message.queued",
            Self::Message(State::Delivered) => "message.delivered",
            Self::Message(State::Acknowledged) => "message.acknowledged",
            Self::Message(State::Discarded) => "message.discarded",
            Self::Message(State::Expired) => "message.expired",
            Self::Message(State::Replaced) => "message.replaced",
            Self::Message(State::Withdrawn) => "message.withdrawn",
            Self::Message(State::Dropped) => "message.dropped",
            Self::Message(State::Refused) => "message.refused",
            Self::MessageRedelivered => "message.redelivered",
            Self::SubscriptionCreated => "subscription.created",
            Self::SubscriptionGone => "subscription.gone",
            Self::SubscriptionRotated => "subscription.rotated",
            Self::MessageNoted => "message.noted",
            Self::UserAgentConnected => "userAgent.connected",
            Self::UserAgentDisconnected => "userAgent.disconnected",
            Self::UserAgentOnline => "userAgent.online",
            Self::UserAgentOffline => "userAgent.offline",
            Self::ClockChanged => "clock.changed",
            Self::SpaceCreated => "space.created",
            Self::SpaceReset => "space.reset",
            Self::SpaceRemoved => "space.removed",
        }
    }
}

/// What an event is about, as it was then.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum About {
    /// The clock of the space.
    Clock(ClockView),
    /// A message.
    Message(Arc<Exchange>),
    /// The space itself.
    Space,
    /// A subscription.
    Subscription(Box<SubscriptionView>),
    /// A user agent.
    UserAgent(UserAgentView),
}

impl About {
    /// Octets of a message that are held on to by its event; the rest is small.
    fn octets(&self) -> usize {
        let Self::Message(exchange) = self else { return 0 };
        let request = &exchange.request;
        let fields = request.headers.iter().map(|(name, value)| name.len() + value.len());
        request.body.len() + request.url.len() + fields.sum::<usize>()
    }
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// Number, from 1, over all spaces.
    pub cursor: u64,
    /// What happened.
    pub kind: EventKind,
    /// Where.
    pub space: SpaceName,
    /// Wall time.
    pub at: Timestamp,
    /// Simulated time.
    pub clock: Timestamp,
    /// To what.
    pub about: About,
}

/// What a reader gets.
#[derive(Clone, Debug)]
pub enum Notice {
    /// The next event.
    Event(Arc<Event>),
    /// Events up to this cursor were lost; those behind it follow.
    Gap {
        /// The last cursor that was lost.
        lost_to: u64,
    },
}

/// The events of all spaces, the last ones kept.
#[derive(Debug)]
pub(crate) struct Events {
    kept: Mutex<Kept>,
    latest: watch::Sender<u64>,
    capacity: usize,
    octets: usize,
}

/// Invariant: `octets` is the sum over `events`, which are numbered without a gap up to `last`.
#[derive(Debug, Default)]
struct Kept {
    events: VecDeque<Arc<Event>>,
    octets: usize,
    last: u64,
}

impl Events {
    /// Keeps that many events, and messages of that many octets with them; the newest event in any case.
    pub(crate) fn new(capacity: usize, octets: usize) -> Self {
        Self { kept: Mutex::default(), latest: watch::Sender::new(0), capacity, octets }
    }

    pub(crate) fn publish(
        &self,
        kind: EventKind,
        space: &SpaceName,
        at: Timestamp,
        clock: Timestamp,
        about: About,
    ) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.last += 1;
        let cursor = kept.last;
        kept.octets += about.octets();
        kept.events.push_back(Arc::new(Event { cursor, kind, space: space.clone(), at, clock, about }));
        while kept.events.len() > 1 && (kept.events.len() > self.capacity || kept.octets > self.octets) {
            if let Some(oldest) = kept.events.pop_front() {
                kept.octets -= oldest.about.octets();
            }
        }
        // Sent under the lock, so that readers see numbers which only grow.
        self.latest.send_replace(cursor);
    }
}

/// A reader of events; dropping it ends it. It costs nothing while it is not read.
#[derive(Debug)]
pub struct EventStream {
    events: Arc<Events>,
    changed: watch::Receiver<u64>,
    space: Option<SpaceName>,
    cursor: u64,
}

impl EventStream {
    /// Reads what comes after `since`; none: only what comes from now on.
    pub(crate) fn new(events: &Arc<Events>, space: Option<SpaceName>, since: Option<u64>) -> Self {
        let changed = events.latest.subscribe();
        let cursor = since.unwrap_or(*changed.borrow());
        Self { events: Arc::clone(events), changed, space, cursor }
    }

    /// The number of the last event that was read or passed over.
    #[must_use]
    pub const fn cursor(&self) -> u64 {
        self.cursor
    }

    /// The next event, or a gap; waits for it. Cancel-safe: an event is either returned or still there.
    pub async fn next(&mut self) -> Notice {
        loop {
            if let Some(notice) = self.try_next() {
                return notice;
            }
            // The sender lives as long as `self.events`, so this cannot fail.
            let _ = self.changed.changed().await;
        }
    }

    /// The next event, if there is one already.
    pub fn try_next(&mut self) -> Option<Notice> {
        self.changed.mark_unchanged();
        let kept = self.events.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if self.cursor > kept.last {
            // A cursor of an earlier run: start over.
            self.cursor = 0;
        }
        let first = kept.last + 1 - kept.events.len() as u64;
        if self.cursor + 1 < first {
            self.cursor = first - 1;
            return Some(Notice::Gap { lost_to: self.cursor });
        }
        let skip = usize::try_from(self.cursor + 1 - first).unwrap_or(usize::MAX);
        for event in kept.events.iter().skip(skip) {
            self.cursor = event.cursor;
            if self.space.as_ref().is_none_or(|space| *space == event.space) {
                return Some(Notice::Event(Arc::clone(event)));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(events: &Events, space: &str, times: usize) {
        for _ in 0..times {
            let space = space.parse().unwrap();
            events.publish(EventKind::SpaceReset, &space, Timestamp::MAX, Timestamp::MAX, About::Space);
        }
    }

    fn read(stream: &mut EventStream) -> Vec<Result<u64, u64>> {
        core::iter::from_fn(|| stream.try_next())
            .map(|notice| match notice {
                Notice::Event(event) => Ok(event.cursor),
                Notice::Gap { lost_to } => Err(lost_to),
            })
            .collect()
    }

    #[test]
    fn a_reader_gets_everything_after_its_cursor_once() {
        let events = Arc::new(Events::new(4, usize::MAX));
        publish(&events, "a", 2);
        let mut from_start = EventStream::new(&events, None, Some(0));
        let mut from_now = EventStream::new(&events, None, None);
        publish(&events, "a", 1);

        assert_eq!(read(&mut from_start), [Ok(1), Ok(2), Ok(3)]);
        assert_eq!(read(&mut from_now), [Ok(3)]);
        assert_eq!(read(&mut from_now), []);
    }

    /// `events_buffered` at one below, at, and one above.
    #[test]
    fn what_was_forgotten_is_told_as_a_gap() {
        let check = |published, expected: &[Result<u64, u64>]| {
            let events = Arc::new(Events::new(3, usize::MAX));
            publish(&events, "a", published);
            assert_eq!(read(&mut EventStream::new(&events, None, Some(0))), expected);
        };

        check(2, &[Ok(1), Ok(2)]);
        check(3, &[Ok(1), Ok(2), Ok(3)]);
        check(4, &[Err(1), Ok(2), Ok(3), Ok(4)]);
    }

    /// `events_octets` at one below, at, and one above; the newest stays, whatever its size.
    #[test]
    fn events_hold_on_to_so_many_octets_of_messages() {
        let message = |octets: usize| {
            About::Message(
                crate::sample::sample(1, "alice")
                    .request(|request| {
                        (request.headers, request.url) = (Vec::new(), String::new());
                        request.body = vec![0; octets].into();
                    })
                    .build(),
            )
        };
        let check = |octets: [usize; 3], expected: &[Result<u64, u64>]| {
            let events = Arc::new(Events::new(9, 100));
            for octets in octets {
                let (kind, space) = (EventKind::Message(State::Refused), SpaceName::default_space());
                events.publish(kind, &space, Timestamp::MAX, Timestamp::MAX, message(octets));
            }
            let kept = events.kept.lock().unwrap().octets;
            assert!(kept <= 100.max(octets[2]), "{kept}");
            assert_eq!(read(&mut EventStream::new(&events, None, Some(0))), expected, "{octets:?}");
        };

        check([50, 29, 20], &[Ok(1), Ok(2), Ok(3)]);
        check([50, 30, 20], &[Ok(1), Ok(2), Ok(3)]);
        check([50, 30, 21], &[Err(1), Ok(2), Ok(3)]);
        check([50, 30, 1000], &[Err(2), Ok(3)]);
    }

    #[test]
    fn a_filter_passes_over_other_spaces() {
        let events = Arc::new(Events::new(9, usize::MAX));
        publish(&events, "a", 1);
        publish(&events, "b", 1);
        publish(&events, "a", 1);

        let mut only = EventStream::new(&events, Some("a".parse().unwrap()), Some(0));
        assert_eq!(read(&mut only), [Ok(1), Ok(3)]);
        assert_eq!(only.cursor(), 3);
    }

    #[test]
    fn a_cursor_of_another_run_starts_over() {
        let events = Arc::new(Events::new(9, usize::MAX));
        publish(&events, "a", 1);

        assert_eq!(read(&mut EventStream::new(&events, None, Some(77))), [Ok(1)]);
    }

    #[tokio::test]
    async fn a_waiting_reader_is_woken() {
        let events = Arc::new(Events::new(9, usize::MAX));
        let mut stream = EventStream::new(&events, None, None);
        let reader = tokio::spawn(async move { stream.next().await });
        tokio::task::yield_now().await;
        publish(&events, "a", 1);

        assert!(matches!(reader.await.unwrap(), Notice::Event(event) if event.cursor == 1));
    }
}
