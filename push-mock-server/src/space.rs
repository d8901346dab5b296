//! `SpaceName` and `SpaceId`: what isolates the subscriptions, messages and clock of one test from another's.

use std::{fmt, str::FromStr};

use sha2::{Digest, Sha256};

/// Name of a space: 1 to 64 characters of `A-Z a-z 0-9 - _ . ~ :` (our choice: they need no escaping in a path).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpaceName(std::sync::Arc<str>);

impl SpaceName {
    /// Most characters of a name.
    pub const MAX_LENGTH: usize = 64;

    /// The space that is used when none is named.
    #[must_use]
    pub fn default_space() -> Self {
        Self("default".into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// First 31 bits of SHA-256 of the name, so that it survives a restart without a table.
    pub(crate) fn id(&self) -> SpaceId {
        let digest = Sha256::digest(self.0.as_bytes());
        let octets = digest.first_chunk::<4>().copied().unwrap_or_default();
        SpaceId(u32::from_be_bytes(octets) >> 1)
    }
}

impl Default for SpaceName {
    fn default() -> Self {
        Self::default_space()
    }
}

impl FromStr for SpaceName {
    type Err = SpaceNameError;
    fn from_str(text: &str) -> Result<Self, SpaceNameError> {
        if text.is_empty() {
            return Err(SpaceNameError::Empty);
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | ':');
        if let Some((at, character)) = text.char_indices().find(|(_, character)| !allowed(*character)) {
            return Err(SpaceNameError::Character { at, character });
        }
        if text.len() > Self::MAX_LENGTH {
            return Err(SpaceNameError::TooLong { characters: text.len() });
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for SpaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SpaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpaceName({})", self.0)
    }
}

/// Why a text names no space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpaceNameError {
    /// A character that is not allowed.
    Character {
        /// Position in octets.
        at: usize,
        /// The character.
        character: char,
    },
    /// No characters.
    Empty,
    /// More than 64 characters.
    TooLong {
        /// How many there are.
        characters: usize,
    },
}

impl fmt::Display for SpaceNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Character { at, character } => write!(
                f,
                "the name of the space has '{}' at position {at}; only A-Z a-z 0-9 - _ . ~ : are allowed",
                character.escape_default()
            ),
            Self::Empty => f.write_str("the name of the space is empty; give 1 to 64 characters"),
            Self::TooLong { characters } => write!(
                f,
                "the name of the space has {characters} characters, at most {} are allowed; shorten it",
                SpaceName::MAX_LENGTH
            ),
        }
    }
}

impl std::error::Error for SpaceNameError {}

/// The space inside tokens and store keys, 31 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpaceId(pub(crate) u32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_1_to_64_plain_characters() {
        let check = |text: &str, expected: Result<(), SpaceNameError>| {
            assert_eq!(text.parse::<SpaceName>().map(|_| ()), expected, "{text}");
        };

        check("default", Ok(()));
        check(&"a".repeat(63), Ok(()));
        check(&"a".repeat(64), Ok(()));
        check(&"a".repeat(65), Err(SpaceNameError::TooLong { characters: 65 }));
        check("", Err(SpaceNameError::Empty));
        check("a/b", Err(SpaceNameError::Character { at: 1, character: '/' }));
        check("é", Err(SpaceNameError::Character { at: 0, character: 'é' }));
    }

    #[test]
    fn the_id_has_31_bits_and_follows_from_the_name() {
        let id = |name: &str| name.parse::<SpaceName>().unwrap().id();

        // First four octets of `printf default | sha256sum`, 37a8eec1, without the last bit.
        assert_eq!(id("default"), SpaceId(0x37a8_eec1 >> 1));
        assert_ne!(id("a"), id("b"));
        assert!(id("w0").0 < 1 << 31);
    }
}
