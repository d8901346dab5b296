//! `HandedOut`: recognises a push token that was changed on its way through somebody's database.

use std::{
    collections::{HashSet, VecDeque},
    fmt,
};

use super::Sealer;

/// Characters that identify a token, compared without case: key id, nonce and the first of the sealed part.
const COMPARED: usize = 24;
/// Tokens that are remembered (our choice).
const REMEMBERED: usize = 10_000;

/// The push tokens handed out last, by their first characters.
#[derive(Default)]
pub(crate) struct HandedOut {
    known: HashSet<Box<str>>,
    order: VecDeque<Box<str>>,
}

impl fmt::Debug for HandedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HandedOut({} tokens)", self.known.len())
    }
}

impl HandedOut {
    /// Remembers a token.
    pub(crate) fn remember(&mut self, token: &str) {
        let Some(start) = compared(token) else { return };
        if self.known.insert(start.clone()) {
            self.order.push_back(start);
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// Whether a text that opens nothing is one of our tokens, changed by a cut, by case, by percent-encoding, by a
    /// backslash, or behind its first characters.
    pub(crate) fn is_altered(&self, sealer: &Sealer, text: &str) -> bool {
        if sealer.open_push(text).is_some() {
            // It is as it was handed out; its subscription was removed.
            return false;
        }
        let cleaned = undo_escapes(text);
        if cleaned != text && sealer.open_push(&cleaned).is_some() {
            return true;
        }
        compared(&cleaned).is_some_and(|start| self.known.contains(&start))
    }
}

fn compared(text: &str) -> Option<Box<str>> {
    text.get(..COMPARED).map(|start| start.to_ascii_lowercase().into())
}

/// Percent-decoding of ASCII, and backslashes dropped.
fn undo_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let decoded = rest
            .strip_prefix('%')
            .and_then(|after| after.get(..2))
            .and_then(|hex| u8::from_str_radix(hex, 16).ok().filter(u8::is_ascii).map(char::from));
        match (decoded, character) {
            (Some(decoded), _) => {
                out.push(decoded);
                rest = rest.get(3..).unwrap_or_default();
                continue;
            }
            (None, '\\') => {}
            (None, character) => out.push(character),
        }
        rest = rest.get(character.len_utf8()..).unwrap_or_default();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone() {
        let check = |text, expected: &str| assert_eq!(undo_escapes(text), expected);

        check("abc", "abc");
        check("a%5Fb%2db", "a_b-b");
        check("a\\_b", "a_b");
        check("%5C_", "\\_");
        check("%", "%");
        check("%5", "%5");
        check("%zz", "%zz");
        check("%ffé%", "%ffé%");
    }

    /// At one below, at, and one above the number of tokens that are remembered.
    #[test]
    fn the_oldest_token_is_forgotten() {
        let known = |count: usize, number: usize| {
            let mut handed_out = HandedOut::default();
            (0..count).for_each(|number| handed_out.remember(&format!("{number:024}x")));
            handed_out.known.contains(&*format!("{number:024}"))
        };

        assert!(known(REMEMBERED - 1, 0));
        assert!(known(REMEMBERED, 0));
        assert!(!known(REMEMBERED + 1, 0));
        assert!(known(REMEMBERED + 1, 1));
    }
}
