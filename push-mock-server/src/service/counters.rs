//! `Counters`: how many messages of a space are in which state, since its last reset.

use super::exchange::State;

/// Messages by state. Forgotten exchanges stay counted.
///
/// Invariant: the accepted ones are in one of the eight states but `refused`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    accepted: u64,
    states: [u64; State::ALL.len()],
}

impl Counters {
    /// Messages that were ever accepted.
    #[must_use]
    pub const fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Messages in that state now.
    #[must_use]
    pub fn in_state(&self, state: State) -> u64 {
        self.states.get(state as usize).copied().unwrap_or_default()
    }

    /// Whether every accepted message is in exactly one state.
    #[must_use]
    pub fn balanced(&self) -> bool {
        let sum: u64 = State::ALL
            .into_iter()
            .filter(|state| *state != State::Refused)
            .map(|state| self.in_state(state))
            .sum();
        sum == self.accepted
    }

    pub(crate) fn enter(&mut self, state: State) {
        if state != State::Refused {
            self.accepted += 1;
        }
        self.add(state);
    }

    pub(crate) fn change(&mut self, from: State, to: State) {
        if let Some(count) = self.states.get_mut(from as usize) {
            *count = count.saturating_sub(1);
        }
        self.add(to);
    }

    fn add(&mut self, state: State) {
        if let Some(count) = self.states.get_mut(state as usize) {
            *count += 1;
        }
    }
}
