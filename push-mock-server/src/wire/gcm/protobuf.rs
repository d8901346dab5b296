//! The messages of Chromium's protocols, with the fields that are read or written here; others are passed over.
//!
//! Everything is optional when it is read: what is missing is judged by whoever needs it. Messages with a security
//! token show nothing in `Debug`.

use std::fmt;

/// What a browser asks at its check-in.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(super) struct CheckinRequest {
    #[prost(int64, optional, tag = "2")]
    pub(super) android_id: Option<i64>,
    #[prost(message, optional, tag = "4")]
    pub(super) checkin: Option<Checkin>,
    #[prost(fixed64, optional, tag = "13")]
    pub(super) security_token: Option<u64>,
}

impl fmt::Debug for CheckinRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckinRequest").field("checkin", &self.checkin).finish_non_exhaustive()
    }
}

/// Which program checks in.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Checkin {
    #[prost(message, optional, tag = "13")]
    pub(super) chrome_build: Option<ChromeBuild>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ChromeBuild {
    #[prost(string, optional, tag = "2")]
    pub(super) version: Option<String>,
}

/// The names that a browser gets.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(super) struct CheckinResponse {
    #[prost(bool, required, tag = "1")]
    pub(super) stats_ok: bool,
    #[prost(int64, optional, tag = "3")]
    pub(super) time_msec: Option<i64>,
    #[prost(fixed64, optional, tag = "7")]
    pub(super) android_id: Option<u64>,
    #[prost(fixed64, optional, tag = "8")]
    pub(super) security_token: Option<u64>,
}

impl fmt::Debug for CheckinResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckinResponse").field("stats_ok", &self.stats_ok).finish_non_exhaustive()
    }
}

/// First stanza of a browser.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(super) struct LoginRequest {
    #[prost(string, optional, tag = "1")]
    pub(super) id: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub(super) user: Option<String>,
    #[prost(string, optional, tag = "5")]
    pub(super) auth_token: Option<String>,
    #[prost(string, repeated, tag = "10")]
    pub(super) received_persistent_id: Vec<String>,
}

impl fmt::Debug for LoginRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginRequest").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The answer to it.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct LoginResponse {
    #[prost(string, required, tag = "1")]
    pub(super) id: String,
    #[prost(message, optional, tag = "3")]
    pub(super) error: Option<ErrorInfo>,
    #[prost(int32, optional, tag = "5")]
    pub(super) stream_id: Option<i32>,
    #[prost(int32, optional, tag = "6")]
    pub(super) last_stream_id_received: Option<i32>,
    #[prost(message, optional, tag = "7")]
    pub(super) heartbeat_config: Option<HeartbeatConfig>,
    #[prost(int64, optional, tag = "8")]
    pub(super) server_timestamp: Option<i64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ErrorInfo {
    #[prost(int32, required, tag = "1")]
    pub(super) code: i32,
    #[prost(string, optional, tag = "2")]
    pub(super) message: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct HeartbeatConfig {
    #[prost(int32, optional, tag = "3")]
    pub(super) interval_ms: Option<i32>,
}

/// A ping, or its answer.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Heartbeat {
    #[prost(int32, optional, tag = "2")]
    pub(super) last_stream_id_received: Option<i32>,
}

/// Nothing, as in a `Close`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Nothing {}

/// The one field of an `IqStanza` that is read.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct IqStanza {
    #[prost(int32, optional, tag = "10")]
    pub(super) last_stream_id_received: Option<i32>,
}

/// The one field of a browser's own `DataMessageStanza` that is read.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct UpstreamStanza {
    #[prost(int32, optional, tag = "11")]
    pub(super) last_stream_id_received: Option<i32>,
}

/// A message for a browser.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(super) struct DataMessageStanza {
    #[prost(string, required, tag = "3")]
    pub(super) from: String,
    #[prost(string, required, tag = "5")]
    pub(super) category: String,
    #[prost(string, optional, tag = "6")]
    pub(super) token: Option<String>,
    #[prost(message, repeated, tag = "7")]
    pub(super) app_data: Vec<AppData>,
    #[prost(string, optional, tag = "9")]
    pub(super) persistent_id: Option<String>,
    #[prost(int32, optional, tag = "11")]
    pub(super) last_stream_id_received: Option<i32>,
    #[prost(int32, optional, tag = "17")]
    pub(super) ttl: Option<i32>,
    #[prost(int64, optional, tag = "18")]
    pub(super) sent: Option<i64>,
    #[prost(bytes = "bytes", optional, tag = "21")]
    pub(super) raw_data: Option<bytes::Bytes>,
    #[prost(bool, optional, tag = "24")]
    pub(super) immediate_ack: Option<bool>,
}

impl fmt::Debug for DataMessageStanza {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets = self.raw_data.as_ref().map(bytes::Bytes::len);
        f.debug_struct("DataMessageStanza").field("octets", &octets).finish_non_exhaustive()
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct AppData {
    #[prost(string, required, tag = "1")]
    pub(super) key: String,
    #[prost(string, required, tag = "2")]
    pub(super) value: String,
}
