//! `Turns`: who is served next, so that everybody with something to do gets the same share.
//!
//! Pure. Members are small numbers given by the caller; who has nothing to do leaves by not being put back.

use std::collections::VecDeque;

/// Members that wait for their turn, each at most once.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    order: VecDeque<usize>,
    waits: Vec<bool>,
}

impl Turns {
    /// Puts a member at the end, unless it waits already.
    pub(crate) fn join(&mut self, member: usize) {
        if self.waits.len() <= member {
            self.waits.resize(member + 1, false);
        }
        if let Some(waits) = self.waits.get_mut(member).filter(|waits| !**waits) {
            *waits = true;
            self.order.push_back(member);
        }
    }

    /// The member whose turn it is.
    pub(crate) fn next(&mut self) -> Option<usize> {
        let member = self.order.pop_front()?;
        if let Some(waits) = self.waits.get_mut(member) {
            *waits = false;
        }
        Some(member)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn members_are_served_in_turn() {
        let mut turns = Turns::default();
        for member in [2, 0, 1, 0, 2] {
            turns.join(member);
        }

        let mut served = Vec::new();
        for _ in 0..7 {
            let member = turns.next().unwrap();
            served.push(member);
            turns.join(member);
        }

        assert_eq!(served, [2, 0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn who_does_not_come_back_is_not_served() {
        let mut turns = Turns::default();
        turns.join(0);
        turns.join(1);

        assert_eq!((turns.next(), turns.next(), turns.next()), (Some(0), Some(1), None));
    }

    proptest! {
        /// Whatever joins, nobody is served twice while another one waits.
        #[test]
        fn between_two_turns_of_one_everybody_who_waited_had_one(joins in prop::collection::vec(0_usize..8, 1..60)) {
            let mut turns = Turns::default();
            for member in &joins {
                turns.join(*member);
            }
            let mut expected = Vec::new();
            for member in &joins {
                if !expected.contains(member) {
                    expected.push(*member);
                }
            }
            let served: Vec<_> = std::iter::from_fn(|| turns.next()).collect();
            prop_assert_eq!(served, expected);
        }
    }
}
