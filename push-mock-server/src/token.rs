//! Sealed tokens: what a capability in a URL says, readable and writable by this service only.
//!
//! A token is base64url of `key id (1) ‖ nonce (12) ‖ sealed part ‖ tag (16)`, sealed with AES-128-GCM; additional
//! data is `key id ‖ kind`, so that a token of one kind of resource does not pass for another. Sealed parts:
//!
//! | kind | layout, integers big-endian |
//! |---|---|
//! | push | space (4) ‖ user agent (16) ‖ subscription (16) ‖ SHA-256 of the application server key (32 or 0) |
//! | message | space (4) ‖ user agent (16) ‖ sequence number (8) ‖ id (16) |
//!
//! The paths and the forms of vendors are the wire's affair.

mod altered;

use std::fmt;

use aes_gcm::{
    Aes128Gcm,
    aead::{AeadInOut, KeyInit},
};
pub(crate) use altered::HandedOut;
use base64ct::{Base64UrlUnpadded, Encoding};
use push_crypto::provider::RandomUnavailable;

use crate::{
    ids::{MessageId, Purpose, Randomness, SubscriptionId, UserAgentId},
    space::SpaceId,
    store::{Address, AgentKey, MessageKey},
};

/// The text behind `/p/` or in its place in another shape of push resource; not decoded, not changed.
///
/// `Debug` shows its length only: whoever knows a token can send.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PushTokenText<'a>(pub &'a str);

impl fmt::Debug for PushTokenText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PushTokenText({} characters)", self.0.len())
    }
}

/// Kind of resource a token is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Push = 1,
    Message = 2,
}

const NONCE: usize = 12;
const TAG: usize = 16;
const HEAD: usize = 1 + NONCE;
/// Sealed part of a message token.
const MESSAGE: usize = 4 + 16 + 8 + 16;
/// Sealed part of the push token of an unrestricted subscription.
const PUSH: usize = 4 + 16 + 16;
/// SHA-256 of an application server key.
pub(crate) const DIGEST: usize = 32;
/// The longest sealed token.
const LONGEST: usize = HEAD + PUSH + DIGEST + TAG;

/// Seals and opens the tokens of one service.
pub(crate) struct Sealer {
    cipher: Aes128Gcm,
    key_id: u8,
}

impl Sealer {
    /// A sealer with a fresh key; everything it sealed dies with it.
    pub(crate) fn generate(random: &Randomness) -> Result<Self, RandomUnavailable> {
        let mut key = zeroize::Zeroizing::new([0; 16]);
        random.fill(Purpose::Token, &mut *key)?;
        let cipher = Aes128Gcm::new_from_slice(&*key).map_err(|_| RandomUnavailable)?;
        Ok(Self { cipher, key_id: 1 })
    }

    /// The token of a push resource.
    pub(crate) fn seal_push(
        &self,
        random: &Randomness,
        at: &Address,
        key_digest: Option<&[u8; DIGEST]>,
    ) -> Result<String, RandomUnavailable> {
        let mut plain = Vec::with_capacity(PUSH + DIGEST);
        plain.extend(at.space.0.to_be_bytes());
        plain.extend(at.agent.octets());
        plain.extend(at.subscription.octets());
        plain.extend(key_digest.into_iter().flatten());
        self.seal(random, Kind::Push, &plain)
    }

    /// What a push token says.
    pub(crate) fn open_push(&self, text: &str) -> Option<(Address, Option<[u8; DIGEST]>)> {
        let mut buffer = [0; LONGEST];
        let mut plain = Reader(self.open(Kind::Push, text, &mut buffer)?);
        let address = Address {
            space: SpaceId(u32::from_be_bytes(plain.take()?)),
            agent: UserAgentId(u128::from_be_bytes(plain.take()?)),
            subscription: SubscriptionId(u128::from_be_bytes(plain.take()?)),
        };
        match plain.0.len() {
            0 => Some((address, None)),
            DIGEST => Some((address, Some(plain.take()?))),
            _ => None,
        }
    }

    /// The token of a message resource.
    pub(crate) fn seal_message(
        &self,
        random: &Randomness,
        key: &MessageKey,
        id: MessageId,
    ) -> Result<String, RandomUnavailable> {
        let mut plain = [0; MESSAGE];
        let parts: [&[u8]; 4] =
            [&key.of.space.0.to_be_bytes(), &key.of.agent.octets(), &key.seq.to_be_bytes(), &id.octets()];
        plain.iter_mut().zip(parts.into_iter().flatten()).for_each(|(to, from)| *to = *from);
        self.seal(random, Kind::Message, &plain)
    }

    /// What a message token says.
    pub(crate) fn open_message(&self, text: &str) -> Option<(MessageKey, MessageId)> {
        let mut buffer = [0; LONGEST];
        let mut plain = Reader(self.open(Kind::Message, text, &mut buffer)?);
        let of = AgentKey {
            space: SpaceId(u32::from_be_bytes(plain.take()?)),
            agent: UserAgentId(u128::from_be_bytes(plain.take()?)),
        };
        let key = MessageKey { of, seq: u64::from_be_bytes(plain.take()?) };
        let id = MessageId(u128::from_be_bytes(plain.take()?));
        plain.0.is_empty().then_some((key, id))
    }

    fn seal(&self, random: &Randomness, kind: Kind, plain: &[u8]) -> Result<String, RandomUnavailable> {
        let mut nonce = [0; NONCE];
        random.fill(Purpose::Token, &mut nonce)?;
        let mut out = Vec::with_capacity(HEAD + plain.len() + TAG);
        out.push(self.key_id);
        out.extend(nonce);
        out.extend(plain);
        let (_, part) = out.split_at_mut(HEAD);
        let additional = [self.key_id, kind as u8];
        // Fails for more than 2^36 octets only, and a sealed part has at most 68.
        let tag = self.cipher.encrypt_inout_detached(&nonce.into(), &additional, part.into());
        out.extend(tag.map_err(|_| RandomUnavailable)?);
        Ok(Base64UrlUnpadded::encode_string(&out))
    }

    /// The same time for every text that is no token of ours, but for its length and the alphabet.
    fn open<'a>(&self, kind: Kind, text: &str, buffer: &'a mut [u8; LONGEST]) -> Option<&'a [u8]> {
        let octets = Base64UrlUnpadded::decode(text, buffer).ok()?.len();
        let sealed = buffer.get_mut(..octets)?;
        let (head, rest) = sealed.split_at_mut_checked(HEAD)?;
        let (part, tag) = rest.split_at_mut_checked(rest.len().checked_sub(TAG)?)?;
        let (key_id, nonce) = head.split_first()?;
        let nonce: [u8; NONCE] = nonce.try_into().ok()?;
        let tag: [u8; TAG] = (&*tag).try_into().ok()?;
        let additional = [*key_id, kind as u8];
        self.cipher
            .decrypt_inout_detached(&nonce.into(), &additional, (&mut *part).into(), &tag.into())
            .ok()?;
        Some(part)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer(key {})", self.key_id)
    }
}

/// Takes fixed parts off the front.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (part, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*part)
    }
}

#[cfg(test)]
mod tests;
