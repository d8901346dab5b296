//! Web Push cryptography.
#![no_std]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod base64url;
pub mod protocol;
pub mod provider;
mod secret;

pub use protocol::*;
pub use secret::Secret;
