//! `Window`: how many requests to one origin may be under way at once. Additive increase, multiplicative decrease.
//!
//! Pure: latencies are arguments. One more per hundred accepted; half of it when the push service asks for less,
//! fails, or answers in twice its usual time. What was under way at such a moment says nothing new, so only
//! requests that began after it can lower the window again.

use std::time::Duration;

/// Where a window begins (our choice: a third of the streams that servers usually allow).
pub(crate) const START: usize = 32;
/// Accepted messages for one request more at once (our choice: from 32 to 100 within 7 000 messages).
const ACCEPTED_PER_STEP: u32 = 100;
/// Answers whose median is compared with the running one (our choice: a single slow answer means nothing).
const SAMPLE: usize = 32;
/// A doubled latency below this is no sign of a push service in trouble (our choice: a busy network does that).
const NOTABLE: Duration = Duration::from_millis(50);

/// The window of one origin.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    size: usize,
    most: usize,
    accepted: u32,
    round: u32,
    /// Latencies in microseconds since the last comparison.
    recent: Vec<u32>,
    /// Running median in microseconds.
    usual: Option<u32>,
}

/// When a request began, as far as the window is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Round(u32);

impl Window {
    /// A window that never grows over `most`.
    pub(crate) fn new(most: usize) -> Self {
        let most = most.max(1);
        let recent = Vec::with_capacity(SAMPLE);
        Self { size: START.min(most), most, accepted: 0, round: 0, recent, usual: None }
    }

    /// How many requests may be under way.
    pub(crate) const fn size(&self) -> usize {
        self.size
    }

    /// To be kept with a request that begins now.
    pub(crate) const fn round(&self) -> Round {
        Round(self.round)
    }

    /// A message was accepted after so long.
    pub(crate) fn accepted(&mut self, began: Round, latency: Duration) {
        self.accepted += 1;
        if self.accepted >= ACCEPTED_PER_STEP {
            self.accepted = 0;
            self.size = (self.size + 1).min(self.most);
        }
        self.answered(began, latency);
    }

    /// An answer came after so long, of whatever kind.
    pub(crate) fn answered(&mut self, began: Round, latency: Duration) {
        self.recent.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
        if self.recent.len() < SAMPLE {
            return;
        }
        let (_, median, _) = self.recent.select_nth_unstable(SAMPLE / 2);
        let median = *median;
        self.recent.clear();
        let usual = self.usual.unwrap_or(median);
        let slow = u64::from(median) > 2 * u64::from(usual) && u128::from(median) >= NOTABLE.as_micros();
        // An eighth of the way, so that a latency that stays becomes the usual one.
        self.usual = Some(u32::try_from((7 * u64::from(usual) + u64::from(median)) / 8).unwrap_or(u32::MAX));
        if slow {
            self.congested(began);
        }
    }

    /// The push service asked for less, or failed.
    pub(crate) fn congested(&mut self, began: Round) {
        if began.0 == self.round {
            self.round = self.round.wrapping_add(1);
            self.size = (self.size / 2).max(1);
            self.accepted = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUICK: Duration = Duration::from_millis(20);

    fn accept(window: &mut Window, count: usize, latency: Duration) {
        for _ in 0..count {
            window.accepted(window.round(), latency);
        }
    }

    #[test]
    fn it_grows_by_one_per_hundred_accepted_up_to_its_bound() {
        let mut window = Window::new(34);
        assert_eq!(window.size(), 32);

        accept(&mut window, 99, QUICK);
        assert_eq!(window.size(), 32);
        accept(&mut window, 1, QUICK);
        assert_eq!(window.size(), 33);
        accept(&mut window, 500, QUICK);
        assert_eq!(window.size(), 34);
    }

    #[test]
    fn the_bound_holds_from_the_start() {
        for (most, size) in [(0, 1), (1, 1), (31, 31), (32, 32), (33, 32)] {
            assert_eq!(Window::new(most).size(), size, "{most}");
        }
    }

    #[test]
    fn congestion_halves_it_once_for_all_that_was_under_way() {
        let mut window = Window::new(100);
        let before = window.round();
        for _ in 0..32 {
            window.congested(before);
        }
        assert_eq!(window.size(), 16);

        window.congested(window.round());
        assert_eq!(window.size(), 8);
    }

    #[test]
    fn it_is_never_below_one() {
        let mut window = Window::new(100);
        for _ in 0..20 {
            window.congested(window.round());
        }
        assert_eq!(window.size(), 1);
    }

    #[test]
    fn a_doubled_latency_halves_it_and_becomes_the_usual_one_when_it_stays() {
        let mut window = Window::new(32);
        accept(&mut window, 10 * SAMPLE, QUICK);
        accept(&mut window, SAMPLE, 5 * QUICK);
        assert_eq!(window.size(), 16);

        accept(&mut window, 100 * SAMPLE, 5 * QUICK);

        assert_eq!(window.size(), 32, "back at its bound");
    }

    #[test]
    fn single_slow_answers_and_quick_ones_mean_nothing() {
        let mut window = Window::new(32);
        for _ in 0..100 {
            accept(&mut window, SAMPLE - 1, Duration::from_millis(1));
            accept(&mut window, 1, Duration::from_secs(5));
        }
        accept(&mut window, SAMPLE, Duration::from_millis(49));

        assert_eq!(window.size(), 32);
    }

    #[derive(Clone, Copy, Debug)]
    enum Event {
        Accepted(u64),
        Congested,
        Late,
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            20 => (0_u64..400_000).prop_map(Event::Accepted),
            1 => Just(Event::Congested),
            1 => Just(Event::Late),
        ]
    }

    proptest! {
        /// Whatever happens: between one and the bound, up by one at most, down by half at most and only once a round.
        #[test]
        fn it_stays_within_its_bounds(most in 0_usize..300, events in prop::collection::vec(event(), 0..2000)) {
            let mut window = Window::new(most);
            let mut old = window.round();
            for event in events {
                let (size, round) = (window.size(), window.round());
                match event {
                    Event::Accepted(micros) => window.accepted(round, Duration::from_micros(micros)),
                    Event::Congested => { window.congested(round); old = round; }
                    Event::Late => if old != round { window.congested(old); prop_assert_eq!(window.size(), size); },
                }
                prop_assert!((1..=most.max(1)).contains(&window.size()));
                prop_assert!(window.size() <= size + 1);
                prop_assert!(window.size() >= (size / 2).max(1));
                prop_assert!(window.size() >= size || window.round() != round);
            }
        }
    }
}
