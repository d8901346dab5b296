//! Stanzas ⇄ typed commands: what Chromium says, and what is said to it; pure.

use std::{fmt, time::Duration};

use prost::Message as _;
use push_crypto::Timestamp;

use super::{
    super::{
        form::decimal,
        protobuf::{
            AppData, DataMessageStanza, ErrorInfo, Heartbeat, HeartbeatConfig, IqStanza, LoginRequest,
            LoginResponse, UpstreamStanza,
        },
    },
    frame::{Frame, Tag},
};
use crate::service::attached::Handed;

/// What a frame says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The browser ends the connection.
    Close,
    Login(Login),
    /// Nothing that is understood here.
    Other,
    Ping,
}

/// A frame that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) said: Said,
    /// The last stream id that the browser has received, as far as the frame tells.
    pub(super) last_received: Option<i32>,
}

/// Who logs in.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Login {
    /// Comes back in the answer.
    pub(super) id: String,
    pub(super) android_id: u64,
    /// None: it is no number.
    pub(super) security_token: Option<u64>,
    /// Messages that the browser has from earlier connections.
    pub(super) received: Vec<String>,
}

impl Login {
    /// The version of the browser, as it says itself.
    pub(super) fn version(&self) -> Option<String> {
        self.id.strip_prefix("chrome-").map(str::to_owned)
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why a frame says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StanzaError {
    /// Its body is no message of its tag.
    Broken(Tag),
    /// The android id is no number, or zero.
    AndroidId,
}

impl fmt::Display for StanzaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(Tag(tag)) => write!(f, "a frame of tag {tag} is no message of its kind"),
            Self::AndroidId => f.write_str("the login has no android id, a decimal number that is not zero"),
        }
    }
}

/// Reads a frame; unknown tags are passed over (GCM-041).
pub(super) fn read(frame: &Frame) -> Result<Heard, StanzaError> {
    let broken = |_| StanzaError::Broken(frame.tag);
    let octets = frame.body.clone();
    let (said, last_received) = match frame.tag {
        Tag::HEARTBEAT_PING => (Said::Ping, heartbeat(octets).map_err(broken)?),
        Tag::HEARTBEAT_ACK => (Said::Other, heartbeat(octets).map_err(broken)?),
        Tag::LOGIN_REQUEST => (Said::Login(login(LoginRequest::decode(octets).map_err(broken)?)?), None),
        Tag::CLOSE => (Said::Close, None),
        Tag::IQ_STANZA => (Said::Other, IqStanza::decode(octets).map_err(broken)?.last_stream_id_received),
        Tag::DATA_MESSAGE_STANZA => {
            (Said::Other, UpstreamStanza::decode(octets).map_err(broken)?.last_stream_id_received)
        }
        Tag(_) => (Said::Other, None),
    };
    Ok(Heard { said, last_received })
}

fn heartbeat(octets: bytes::Bytes) -> Result<Option<i32>, prost::DecodeError> {
    Ok(Heartbeat::decode(octets)?.last_stream_id_received)
}

fn login(request: LoginRequest) -> Result<Login, StanzaError> {
    let android_id = request.user.as_deref().and_then(decimal).filter(|id| *id != 0);
    Ok(Login {
        id: request.id.unwrap_or_default(),
        android_id: android_id.ok_or(StanzaError::AndroidId)?,
        security_token: request.auth_token.as_deref().and_then(decimal),
        received: request.received_persistent_id,
    })
}

/// Reads the octets of a browser in pieces of that size; the number of frames that say something.
#[cfg(any(test, feature = "__fuzz"))]
pub(crate) fn check(octets: &[u8], limit: usize, piece: usize) -> usize {
    let mut decoder = super::frame::Decoder::new(limit);
    let mut count = 0;
    for piece in octets.chunks(piece.max(1)) {
        decoder.feed(piece);
        loop {
            match decoder.next() {
                Ok(Some(frame)) => count += usize::from(read(&frame).is_ok()),
                Ok(None) => break,
                Err(_) => return count,
            }
        }
    }
    count
}

/// The login is taken. Stream id 1 of both sides, which confirms what the login lists as received (GCM-022, GCM-025).
pub(super) fn login_response(login: &Login, heartbeat: Duration, now: Timestamp) -> LoginResponse {
    LoginResponse {
        id: login.id.clone(),
        error: None,
        stream_id: Some(1),
        last_stream_id_received: Some(1),
        heartbeat_config: Some(HeartbeatConfig { interval_ms: i32::try_from(heartbeat.as_millis()).ok() }),
        server_timestamp: i64::try_from(now.as_unix_millis()).ok(),
    }
}

/// The login is not taken.
pub(super) fn login_error(login: &Login, code: u16, message: &str) -> LoginResponse {
    // Zero would say that there is no error.
    let code = i32::from(code.max(1));
    LoginResponse {
        id: login.id.clone(),
        error: Some(ErrorInfo { code, message: Some(message.to_owned()) }),
        ..LoginResponse::default()
    }
}

pub(super) fn heartbeat_of(last_received: i32) -> Heartbeat {
    Heartbeat { last_stream_id_received: Some(last_received) }
}

/// A message (GCM-030 to GCM-036).
pub(super) fn data_message(handed: &Handed, last_received: i32) -> DataMessageStanza {
    let mut app_data = Vec::with_capacity(4);
    let mut add = |key: &str, value: &str| {
        app_data.push(AppData { key: key.to_owned(), value: value.to_owned() });
    };
    add("subtype", &handed.channel.name);
    if let Some(coded) = &handed.coded {
        add("content-encoding", coded.coding.as_str());
        if let Some(encryption) = &coded.encryption {
            add("encryption", encryption);
        }
        if let Some(crypto_key) = &coded.crypto_key {
            add("crypto-key", crypto_key);
        }
    }
    DataMessageStanza {
        from: handed.channel.sender.clone(),
        category: handed.channel.app.clone(),
        token: handed.topic.clone(),
        app_data,
        persistent_id: Some(handed.version.clone()),
        last_stream_id_received: Some(last_received),
        ttl: i32::try_from(handed.ttl.as_seconds()).ok(),
        sent: i64::try_from(handed.sent.as_unix_millis() / 1000).ok(),
        // Octets without a coding would reach the page as if nothing had been sent.
        raw_data: handed.coded.is_some().then(|| handed.body.clone()),
        immediate_ack: Some(true),
    }
}

#[cfg(test)]
mod tests;
