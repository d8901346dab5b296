//! `Limits`: every bound of the service in one struct, each with its default, unit and origin.

use std::{fmt, num::NonZeroU32, time::Duration};

use push_crypto::Ttl;

/// A rate with a burst: `10/s` means 10 per second and at most 10 at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many per second in the long run.
    pub per_second: NonZeroU32,
    /// How many at once after a pause.
    pub burst: NonZeroU32,
}

impl Rate {
    /// That many per second, and as many at once.
    #[must_use]
    pub const fn per_second(per_second: NonZeroU32) -> Self {
        Self { per_second, burst: per_second }
    }

    /// Another burst.
    #[must_use]
    pub const fn with_burst(self, burst: NonZeroU32) -> Self {
        Self { burst, ..self }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s, at most {} at once", self.per_second, self.burst)
    }
}

/// A limit's value as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitValue {
    /// No bound.
    Off,
    /// A number of the row's unit.
    Number(u64),
    /// A time.
    Time(Duration),
    /// A rate.
    Rate(Rate),
}

impl fmt::Display for LimitValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Number(number) => number.fmt(f),
            Self::Time(time) => write!(f, "{time:?}"),
            Self::Rate(rate) => rate.fmt(f),
        }
    }
}

impl From<usize> for LimitValue {
    fn from(number: usize) -> Self {
        Self::Number(number as u64)
    }
}

impl From<Duration> for LimitValue {
    fn from(time: Duration) -> Self {
        Self::Time(time)
    }
}

impl From<Ttl> for LimitValue {
    fn from(ttl: Ttl) -> Self {
        Self::Number(u64::from(ttl.as_seconds()))
    }
}

impl From<Rate> for LimitValue {
    fn from(rate: Rate) -> Self {
        Self::Rate(rate)
    }
}

impl<T: Into<Self>> From<Option<T>> for LimitValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Off, Into::into)
    }
}

/// The type of a limit, read from a value.
trait Read: Sized {
    fn read(value: LimitValue) -> Option<Self>;
}

impl Read for usize {
    fn read(value: LimitValue) -> Option<Self> {
        if let LimitValue::Number(number) = value { number.try_into().ok() } else { None }
    }
}

impl Read for Duration {
    fn read(value: LimitValue) -> Option<Self> {
        if let LimitValue::Time(time) = value { Some(time) } else { None }
    }
}

impl Read for Ttl {
    fn read(value: LimitValue) -> Option<Self> {
        match value {
            LimitValue::Number(seconds) => Some(Self::seconds(seconds)),
            LimitValue::Time(time) => Some(Self::seconds(time.as_secs())),
            LimitValue::Off | LimitValue::Rate(_) => None,
        }
    }
}

impl Read for Rate {
    fn read(value: LimitValue) -> Option<Self> {
        match value {
            LimitValue::Rate(rate) => Some(rate),
            LimitValue::Number(number) => {
                u32::try_from(number).ok().and_then(NonZeroU32::new).map(Self::per_second)
            }
            LimitValue::Off | LimitValue::Time(_) => None,
        }
    }
}

impl<T: Read> Read for Option<T> {
    fn read(value: LimitValue) -> Option<Self> {
        if value == LimitValue::Off { Some(None) } else { T::read(value).map(Some) }
    }
}

/// Why a limit was not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitSetError {
    /// No limit has this name.
    Unknown,
    /// The value is of another kind, such as a time for a number.
    Kind,
}

impl fmt::Display for LimitSetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "no limit has this name; Limits::rows names them all",
            Self::Kind => "the value is of another kind than the limit; see its row in Limits::rows",
        })
    }
}

impl std::error::Error for LimitSetError {}

/// One line of the table of limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitRow {
    /// Name of the field.
    pub name: &'static str,
    /// Value in force.
    pub value: LimitValue,
    /// What is bounded, and what happens beyond.
    pub meaning: &'static str,
    /// Unit; empty where the value says it.
    pub unit: &'static str,
    /// Where the default comes from: a section, a measurement, or `our choice`.
    pub origin: &'static str,
}

macro_rules! limits {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:expr, $unit:literal, $origin:literal;)+) => {
        /// Every limit of the service; the defaults are those of the documentation.
        ///
        /// ```
        /// use push_mock_server::Limits;
        /// let small = Limits { queue_messages: 10, ..Limits::default() };
        /// assert_eq!(small.body_octets, 4096);
        /// ```
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Limits {
            $($(#[doc = $doc])+ pub $name: $type,)+
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        impl Limits {
            /// Sets the limit of that name, for settings that come as text.
            ///
            /// ```
            /// use push_mock_server::{LimitSetError, LimitValue, Limits};
            /// let mut limits = Limits::default();
            /// limits.set("queue_messages", LimitValue::Number(10))?;
            /// assert_eq!(limits.queue_messages, 10);
            /// assert_eq!(limits.set("spaces", LimitValue::Off), Err(LimitSetError::Kind));
            /// # Ok::<(), LimitSetError>(())
            /// ```
            ///
            /// # Errors
            /// [`LimitSetError`]; the limit then stays as it was.
            pub fn set(&mut self, name: &str, value: LimitValue) -> Result<(), LimitSetError> {
                match name {
                    $(stringify!($name) => self.$name = <$type>::read(value).ok_or(LimitSetError::Kind)?,)+
                    _ => return Err(LimitSetError::Unknown),
                }
                Ok(())
            }

            /// All limits in the order of the documentation.
            #[must_use]
            pub fn rows(&self) -> Vec<LimitRow> {
                vec![$(LimitRow {
                    name: stringify!($name), value: self.$name.into(), meaning: concat!($($doc,)+).trim_ascii(), unit: $unit,
                    origin: $origin,
                },)+]
            }
        }
    };
}

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

limits! {
    /// Octets of a body; 4 096 or more. Above: 413.
    body_octets: usize = 4096, "octets", "RFC 8030 §7.2";
    /// Finished exchanges that are kept for looking; the oldest is forgotten.
    exchanges: usize = 1000, "exchanges", "our choice";
    /// Wall time after which a finished exchange is forgotten.
    exchange_age: Option<Duration> = None, "", "our choice";
    /// Header fields of a request. Above: 431.
    header_fields: usize = 64, "fields", "our choice";
    /// Octets of all header fields. Above: 431.
    header_octets: usize = 16 * KIB, "octets", "our choice";
    /// Time for the header fields of a request.
    header_timeout: Duration = Duration::from_secs(10), "", "our choice";
    /// Time for a body, unless it comes at `body_rate`.
    body_timeout: Duration = Duration::from_secs(15), "", "our choice";
    /// Octets per second that keep a slow body alive.
    body_rate: usize = 500, "octets/s", "our choice";
    /// Time without a request on an open connection.
    idle_timeout: Duration = Duration::from_secs(60), "", "our choice";
    /// Connections; off: as many as there are descriptors, less the reserve.
    connections: Option<usize> = None, "connections", "descriptors of the process";
    /// Connections per address; not counted on loopback.
    connections_per_address: usize = 256, "connections", "our choice";
    /// Concurrent HTTP/2 streams of a connection.
    streams: usize = 128, "streams", "our choice";
    /// HTTP/2 streams that were reset before they were answered.
    pending_resets: usize = 20, "streams", "h2";
    /// HTTP/2 streams that we reset because of errors.
    local_resets: usize = 256, "streams", "our choice; h2 has 1024";
    /// Send buffer of an HTTP/2 stream.
    stream_send_buffer: usize = 64 * KIB, "octets", "our choice; h2 has 400 KiB";
    /// Octets of a WebSocket frame. Above: closed with 1009.
    frame_octets: usize = 64 * KIB, "octets", "our choice";
    /// Octets of a WebSocket message, all fragments together. Above: closed with 1009.
    message_octets: usize = 64 * KIB, "octets", "our choice";
    /// Fragments of a WebSocket message. Above: closed with 1008.
    fragments: usize = 64, "fragments", "our choice";
    /// PING and PONG frames of a WebSocket within a second. Above: closed with 1008.
    control_frames_per_second: usize = 10, "frames", "our choice";
    /// Read buffer of a WebSocket.
    ws_read_buffer: usize = KIB, "octets", "held by each idle connection; most frames of a browser are smaller";
    /// Time in which a user agent says hello. Later: closed with 1008.
    hello_timeout: Duration = Duration::from_secs(5), "", "Mozilla's service";
    /// Time between two PING frames to a user agent.
    ping_every: Duration = Duration::from_secs(300), "", "Mozilla's service";
    /// Time in which a PING is answered. Later: the connection is cut.
    pong_within: Duration = Duration::from_secs(10), "", "our choice; Mozilla's service waits 4 s";
    /// Least time between two pings in JSON. Sooner: closed with 1008.
    json_ping_interval: Option<Duration> = None, "", "our choice; Mozilla's service has 45 s";
    /// Time in which a connection takes something that is written, and in which a message of a Firefox comes in. Later: closed.
    no_progress: Duration = Duration::from_secs(30), "", "our choice";
    /// Messages handed to a user agent that it has not acknowledged.
    window_messages: usize = 32, "messages", "our choice";
    /// Octets handed to a user agent that it has not acknowledged.
    window_octets: usize = 64 * KIB, "octets", "our choice";
    /// Wall time after a Chromium's subscription was made in which a message of TTL 0 waits for its connection.
    ttl_zero_grace: Duration = Duration::from_secs(1), "", "our choice: Chromium subscribes before it connects";
    /// Chromiums that have checked in and not subscribed yet, per space; the oldest is forgotten.
    checked_in: usize = 256, "user agents", "our choice";
    /// Octets of a Chromium's check-in or registration. Above: 503 or an error that ends the registration.
    gcm_form: usize = 16 * KIB, "octets", "our choice";
    /// Octets of one frame of a Chromium's push connection. Above: closed.
    mcs_message: usize = 64 * KIB, "octets", "our choice";
    /// Time for the login of a Chromium's push connection.
    mcs_login: Duration = Duration::from_secs(10), "", "our choice, as header_timeout";
    /// Time after which a Chromium is asked for an acknowledgement that has not come.
    mcs_ack: Duration = Duration::from_secs(10), "", "our choice";
    /// Interval in which a Chromium shows that it is there; closed after two of them without a word, and `mcs_login`.
    heartbeat: Duration = Duration::from_secs(300), "", "our choice; Chromium's own is 15 or 28 minutes";
    /// Messages waiting for one subscription. Above: 429, or the oldest is dropped.
    queue_messages: usize = 100, "messages", "our choice";
    /// Octets waiting for one subscription. Above: 429, or the oldest is dropped.
    queue_octets: usize = 256 * KIB, "octets", "our choice";
    /// Octets waiting for one user agent. Above: 429.
    agent_octets: usize = 10 * MIB, "octets", "our choice";
    /// Octets waiting in the whole store. Above: 503.
    store_octets: usize = 512 * MIB, "octets", "our choice";
    /// Longest TTL that is granted.
    ttl_longest: Ttl = Ttl::seconds(2_592_000), "s", "30 days, as Mozilla's service";
    /// Requests to one subscription. Above: 429 with `Retry-After`.
    rate_per_subscription: Option<Rate> = None, "", "our choice";
    /// Subscriptions of all spaces. Above: 429.
    subscriptions: usize = 100_000, "subscriptions", "our choice";
    /// Spaces. Above: 429.
    spaces: usize = 1000, "spaces", "our choice";
    /// Octets of a VAPID token.
    vapid_token: usize = 2 * KIB, "octets", "our choice";
    /// Tolerance for `exp`; none when strict.
    vapid_skew: Duration = Duration::from_secs(60), "", "our choice";
    /// Verified tokens that a space remembers; the oldest goes first.
    vapid_cache: usize = 10_000, "tokens", "our choice";
    /// Octets of a request body of the API.
    api_body: usize = MIB, "octets", "our choice";
    /// Time that `wait` takes without being told.
    wait_default: Duration = Duration::from_secs(5), "", "our choice";
    /// Longest time of `wait`.
    wait_longest: Duration = Duration::from_secs(600), "", "our choice";
    /// Readers of events.
    event_clients: usize = 64, "readers", "our choice";
    /// Events that a reader can come back to.
    events_buffered: usize = 4096, "events", "our choice";
    /// Octets of messages that events hold on to after everything else has forgotten them.
    events_octets: usize = 64 * MIB, "octets", "our choice: 4096 bodies of 4 KiB fit four times";
    /// Longest step of a clock.
    clock_advance: Duration = Duration::from_secs(10 * 366 * 24 * 3600), "", "our choice: 10 years";
    /// Messages that one step of expiry removes.
    expire_step: usize = 2000, "messages", "our choice";
    /// Descriptors kept for the API.
    reserved_descriptors: usize = 64, "descriptors", "our choice";
}

/// Longest time of the wire and of a wait in milliseconds, so that it can be added to any now (our choice: a day).
const LONGEST_MILLIS: usize = 24 * 3600 * 1000;

impl Limits {
    /// Whether the values lie in their ranges.
    ///
    /// # Errors
    /// [`LimitError`] for the first one that does not.
    pub fn check(&self) -> Result<(), LimitError> {
        let range = |name, value: usize, least: usize, most: usize| {
            if (least..=most).contains(&value) {
                Ok(())
            } else {
                Err(LimitError { name, value: value as u64, least: least as u64, most: most as u64 })
            }
        };
        let time = |name, value: Duration| {
            range(name, usize::try_from(value.as_millis()).unwrap_or(usize::MAX), 1, LONGEST_MILLIS)
        };
        time("header_timeout (milliseconds)", self.header_timeout)?;
        time("body_timeout (milliseconds)", self.body_timeout)?;
        time("idle_timeout (milliseconds)", self.idle_timeout)?;
        time("hello_timeout (milliseconds)", self.hello_timeout)?;
        time("ping_every (milliseconds)", self.ping_every)?;
        time("pong_within (milliseconds)", self.pong_within)?;
        time("no_progress (milliseconds)", self.no_progress)?;
        time("wait_longest (milliseconds)", self.wait_longest)?;
        time("mcs_login (milliseconds)", self.mcs_login)?;
        time("mcs_ack (milliseconds)", self.mcs_ack)?;
        time("heartbeat (milliseconds)", self.heartbeat)?;
        range("gcm_form", self.gcm_form, 1024, MIB)?;
        range("mcs_message", self.mcs_message, 1024, MIB)?;
        range("connections_per_address", self.connections_per_address, 1, usize::MAX)?;
        range("streams", self.streams, 1, u32::MAX as usize)?;
        range("stream_send_buffer", self.stream_send_buffer, 1, u32::MAX as usize)?;
        range("frame_octets", self.frame_octets, 1, 16 * MIB)?;
        range("message_octets", self.message_octets, 1, 16 * MIB)?;
        range("fragments", self.fragments, 1, 1_000_000)?;
        range("control_frames_per_second", self.control_frames_per_second, 1, 1_000_000)?;
        range("ws_read_buffer", self.ws_read_buffer, 14, 16 * MIB)?;
        range("body_octets", self.body_octets, 4096, 16 * MIB)?;
        range("exchanges", self.exchanges, 0, 1_000_000)?;
        range("header_fields", self.header_fields, 1, 10_000)?;
        range("window_messages", self.window_messages, 1, 100_000)?;
        range("window_octets", self.window_octets, self.body_octets, usize::MAX)?;
        range("queue_messages", self.queue_messages, 1, 100_000)?;
        range("queue_octets", self.queue_octets, self.body_octets, usize::MAX)?;
        range("spaces", self.spaces, 1, 1_000_000)?;
        range("event_clients", self.event_clients, 0, 1_000_000)?;
        range("events_buffered", self.events_buffered, 1, 1_000_000)?;
        range("expire_step", self.expire_step, 1, 1_000_000)
    }
}

/// A limit lies outside of its range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitError {
    /// Which.
    pub name: &'static str,
    /// What it was.
    pub value: u64,
    /// Least value.
    pub least: u64,
    /// Greatest value.
    pub most: u64,
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "limit {} is {}, it must lie between {} and {}",
            self.name, self.value, self.least, self.most
        )
    }
}

impl std::error::Error for LimitError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// PS-086: no service may refuse 4 096 octets.
    #[test]
    fn a_body_limit_below_4096_octets_is_refused() {
        let check = |body_octets| Limits { body_octets, ..Limits::default() }.check().is_ok();

        assert!(!check(4095));
        assert!(check(4096));
        assert!(check(4097));
    }

    #[test]
    fn ranges_are_inclusive() {
        let exchanges = |exchanges| Limits { exchanges, ..Limits::default() }.check().is_ok();
        let queue = |queue_messages| Limits { queue_messages, ..Limits::default() }.check().is_ok();

        assert!(exchanges(0) && exchanges(1_000_000) && !exchanges(1_000_001));
        assert!(!queue(0) && queue(1) && queue(100_000) && !queue(100_001));
    }

    /// At one below the least, at it, at the greatest, and one above.
    #[test]
    fn times_and_sizes_of_the_wire_have_ranges() {
        let day = Duration::from_secs(24 * 3600);
        let ok = |change: fn(&mut Limits, Duration), value: Duration| {
            let mut limits = Limits::default();
            change(&mut limits, value);
            limits.check().is_ok()
        };
        let times: [fn(&mut Limits, Duration); 11] = [
            |limits, value| limits.header_timeout = value,
            |limits, value| limits.body_timeout = value,
            |limits, value| limits.idle_timeout = value,
            |limits, value| limits.wait_longest = value,
            |limits, value| limits.hello_timeout = value,
            |limits, value| limits.ping_every = value,
            |limits, value| limits.pong_within = value,
            |limits, value| limits.no_progress = value,
            |limits, value| limits.mcs_login = value,
            |limits, value| limits.mcs_ack = value,
            |limits, value| limits.heartbeat = value,
        ];
        for change in times {
            assert!(!ok(change, Duration::from_micros(999)) && ok(change, Duration::from_millis(1)));
            assert!(ok(change, day) && !ok(change, day + Duration::from_millis(1)));
            assert!(!ok(change, Duration::MAX));
        }
        let frame = |frame_octets| Limits { frame_octets, ..Limits::default() }.check().is_ok();
        assert!(!frame(0) && frame(1) && frame(16 * MIB) && !frame(16 * MIB + 1));
        let message = |message_octets| Limits { message_octets, ..Limits::default() }.check().is_ok();
        assert!(!message(0) && message(1) && message(16 * MIB) && !message(16 * MIB + 1));
        let read = |ws_read_buffer| Limits { ws_read_buffer, ..Limits::default() }.check().is_ok();
        assert!(!read(13) && read(14) && read(16 * MIB) && !read(16 * MIB + 1));
        let fragments = |fragments| Limits { fragments, ..Limits::default() }.check().is_ok();
        assert!(!fragments(0) && fragments(1));
        let control = |control_frames_per_second| {
            Limits { control_frames_per_second, ..Limits::default() }.check().is_ok()
        };
        assert!(!control(0) && control(1));
        let buffer = |stream_send_buffer| Limits { stream_send_buffer, ..Limits::default() }.check().is_ok();
        assert!(!buffer(0) && buffer(1) && buffer(u32::MAX as usize) && !buffer(u32::MAX as usize + 1));
        let streams = |streams| Limits { streams, ..Limits::default() }.check().is_ok();
        assert!(!streams(0) && streams(1));
        let form = |gcm_form| Limits { gcm_form, ..Limits::default() }.check().is_ok();
        assert!(!form(1023) && form(1024) && form(MIB) && !form(MIB + 1));
        let frame = |mcs_message| Limits { mcs_message, ..Limits::default() }.check().is_ok();
        assert!(!frame(1023) && frame(1024) && frame(MIB) && !frame(MIB + 1));
        let each =
            |connections_per_address| Limits { connections_per_address, ..Limits::default() }.check().is_ok();
        assert!(!each(0) && each(1));
    }

    #[test]
    fn every_limit_takes_back_its_own_value_by_name() {
        let mut limits = Limits::default();

        for row in Limits::default().rows() {
            assert_eq!(limits.set(row.name, row.value), Ok(()), "{}", row.name);
        }

        assert_eq!(limits, Limits::default());
        assert_eq!(limits.set("octets", LimitValue::Number(1)), Err(LimitSetError::Unknown));
        assert_eq!(limits.set("streams", LimitValue::Time(Duration::ZERO)), Err(LimitSetError::Kind));
    }

    #[test]
    fn every_limit_has_a_row() {
        let rows = Limits::default().rows();

        assert_eq!(
            rows.first().map(|row| (row.name, row.value)),
            Some(("body_octets", LimitValue::Number(4096)))
        );
        assert!(rows.iter().all(|row| !row.origin.is_empty()));
        assert_eq!(
            rows.iter().find(|row| row.name == "exchange_age").map(|row| row.value),
            Some(LimitValue::Off)
        );
    }
}
