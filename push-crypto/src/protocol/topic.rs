//! `Topic`: which pending message a new one replaces (RFC 8030 §5.4).

use alloc::{boxed::Box, string::String};
use core::{fmt, str::FromStr};

/// 1 to 32 characters of the base64url alphabet (RFC 8030 §5.4).
///
/// ```
/// use push_crypto::Topic;
/// assert!("score".parse::<Topic>().is_ok());
/// assert_eq!(
///     "a=b".parse::<Topic>().unwrap_err().to_string(),
///     "topic has '=' at position 1; only A-Z a-z 0-9 - and _ are allowed",
/// );
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(Box<str>);

impl Topic {
    /// Most characters of a topic (RFC 8030 §5.4).
    pub const MAX_LENGTH: usize = 32;

    /// The characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// False for the lengths that Apple's service refuses, because they are no base64url of any octets:
    /// a remainder of 1 when divided by 4.
    #[must_use]
    pub fn is_decodable(&self) -> bool {
        self.0.len() % 4 != 1
    }
}

impl FromStr for Topic {
    type Err = TopicError;
    fn from_str(text: &str) -> Result<Self, TopicError> {
        if text.is_empty() {
            return Err(TopicError::Empty);
        }
        for (at, character) in text.char_indices() {
            if !(character.is_ascii_alphanumeric() || matches!(character, '-' | '_')) {
                return Err(TopicError::Character { at, character });
            }
        }
        if text.len() > Self::MAX_LENGTH {
            return Err(TopicError::TooLong { characters: text.len() });
        }
        Ok(Self(text.into()))
    }
}

impl From<Topic> for String {
    fn from(topic: Topic) -> Self {
        topic.0.into()
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Topic({})", self.0)
    }
}

/// Why a text is not a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopicError {
    /// A character outside the base64url alphabet.
    Character {
        /// Octet position.
        at: usize,
        /// The character.
        character: char,
    },
    /// No character.
    Empty,
    /// Over [`Topic::MAX_LENGTH`].
    TooLong {
        /// How many there are.
        characters: usize,
    },
}

impl TopicError {
    /// The code of the finding which explains this.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Character { .. } => "topic/bad-character",
            Self::Empty => "topic/empty",
            Self::TooLong { .. } => "topic/too-long",
        }
    }
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Character { at, character } => write!(
                f,
                "topic has '{}' at position {at}; only A-Z a-z 0-9 - and _ are allowed",
                character.escape_default()
            ),
            Self::Empty => f.write_str("topic is empty; send without a topic, or give 1 to 32 characters"),
            Self::TooLong { characters } => write!(
                f,
                "topic has {characters} characters, at most 32 are allowed; shorten it or send without a topic"
            ),
        }
    }
}

impl core::error::Error for TopicError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// AS-013, PS-059
    #[test]
    fn a_topic_has_1_to_32_characters_of_base64url() {
        for text in ["a", "Az09-_", &"x".repeat(31), &"x".repeat(32)] {
            assert_eq!(text.parse::<Topic>().unwrap().as_str(), text);
        }
        let check = |text: &str, expected| assert_eq!(text.parse::<Topic>(), Err(expected), "{text:?}");

        check("", TopicError::Empty);
        check(&"x".repeat(33), TopicError::TooLong { characters: 33 });
        check("a=", TopicError::Character { at: 1, character: '=' });
        check("a.b", TopicError::Character { at: 1, character: '.' });
        check("a b", TopicError::Character { at: 1, character: ' ' });
        check("é", TopicError::Character { at: 0, character: 'é' });
        check("a\0", TopicError::Character { at: 1, character: '\0' });
        check("a\r\nX: y", TopicError::Character { at: 1, character: '\r' });
    }

    #[test]
    fn lengths_that_no_base64url_has_are_known() {
        assert!("a".repeat(12).parse::<Topic>().unwrap().is_decodable());
        assert!(!"a".repeat(13).parse::<Topic>().unwrap().is_decodable());
    }
}
