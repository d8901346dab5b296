//! Web Push cryptography: encryption and decryption in every content coding ever deployed, and VAPID.
//!
//! ```text
//!  application server                                              user agent
//!  Subscription { endpoint, keys { p256dh, auth } } <──────────── UserAgentKeys { private, public, auth }
//!        │ encrypt(provider, options, job)                               ▲ decrypt(provider, keys, message)
//!        ▼                                                               │
//!  Encrypted { body, headers() } ── POST to the push resource ──> Encrypted::read(coding, fields, body)
//! ```
//!
//! The crate is `no_std` (with `alloc`) and knows no clock, no socket and no HTTP type: time comes in as a
//! [`Timestamp`], randomness through the [`provider`], and header fields go out as names and values.
//!
//! * [`protocol`] — the standards' own terms as types that hold only legal values.
//! * [`coding`] — aes128gcm, aesgcm and both schedules of aesgcm128; [`encrypt`], [`decrypt`], and batches.
//! * [`vapid`] — keys, claims, tokens and the `Authorization` field of application servers, written and judged.
//! * [`provider`] — RustCrypto (always there) and AWS-LC (feature `aws_lc_rs`) for the curve and the signature.
//! * `danger` — chosen salts and keys, for published vectors only (feature `danger`).
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `legacy` | yes | aesgcm and aesgcm128 |
//! | `os_random` | yes | the system's generator |
//! | `aws_lc_rs` | no | the provider of that name |
//! | `p256_ifma` | no | the provider of that name, for batches; needs `std` |
//! | `danger` | no | reproducible encryption |
#![no_std]

extern crate alloc;
#[cfg(any(test, feature = "p256_ifma"))]
extern crate std;

pub mod base64url;
pub mod coding;
#[cfg(feature = "danger")]
pub mod danger;
mod decrypt;
mod encrypt;
mod padding;
pub mod protocol;
pub mod provider;
mod secret;
pub mod vapid;

pub use coding::{Encrypted, HeaderFields, ReadError, Schedule, Unsuited, record::RecordError};
pub use decrypt::{DecryptError, DecryptJob, Decrypted, decrypt, decrypt_batch};
pub use encrypt::{BODY_LIMIT, EncryptError, EncryptJob, EncryptOptions, encrypt, encrypt_batch};
pub use padding::Padding;
pub use protocol::*;
pub use provider::CryptoProvider;
pub use secret::Secret;

/// The code of the README is compiled and run with the doc tests.
#[cfg(doctest)]
#[cfg(feature = "os_random")]
#[doc = include_str!("../README.md")]
struct Readme;
