//! autopush: the push connection of Firefox, JSON in a WebSocket.
//!
//! | part | what |
//! |---|---|
//! | `upgrade` | the handshake, and whose connection it is |
//! | [`frame`], `reply` | what comes and what goes, as JSON; pure |
//! | `meter` | counts fragments and progress below the WebSocket |
//! | `socket` | one event after the other: frames, times, limits |
//! | `connection` | `Unidentified` → `Identified`, and what each may ask |
//!
//! What a message is and who gets it is decided in [`crate::service::attached`].

mod connection;
pub(crate) mod frame;
mod meter;
mod reply;
mod socket;
mod upgrade;

pub(super) use upgrade::upgrade;
