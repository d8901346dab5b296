//! Bulk sending: the pipeline behind [`PushClient::send_all`](crate::PushClient::send_all), and what feeds it from a
//! file and keeps account of it.
//!
//! ```text
//! items ──take──▶ waiting, by origin ──64 in turn──▶ encryption ──▶ ready, by origin ──window──▶ under way ──▶ outcome
//!       ▲                                  (threads)                     ▲                          │
//!       └── no faster than they go         at most 2 batches ahead       └── later: repeats, freezes ┘
//! ```
//!
//! | module | responsible for |
//! |---|---|
//! | `conductor` | moving messages along, one task for each run |
//! | `queue` | the messages of one origin: where they are, whether they may go |
//! | `desk` | outcomes that nobody has taken, and the wish to stop |
//! | `batch` | encrypting what is taken together |
//! | `window` | how many requests to one origin are under way (pure) |
//! | `fair` | whose turn it is (pure) |
//! | `rate` | messages per second, if they are bounded (pure) |
//! | `input` | receivers from JSON lines and CSV |
//! | `template` | payloads filled from the fields of a line (pure) |
//! | `ledger` | what became of each line, so that a run goes on after a crash |

mod batch;
mod conductor;
mod desk;
mod fair;
#[cfg(feature = "bulk")]
pub mod input;
#[cfg(feature = "bulk")]
pub mod ledger;
mod queue;
mod rate;
#[cfg(feature = "bulk")]
pub mod template;
mod window;

pub(crate) use batch::{Work, Works};
pub(crate) use conductor::{Report, conduct};
pub(crate) use desk::Desk;
#[cfg(feature = "bulk")]
pub use ledger::Ledger;

use crate::limits::ClientLimits;

/// Messages encrypted together (measured: more gains nothing, and delays the first).
pub(crate) const BATCH: usize = 64;

/// Bounds of one run of [`PushClient::send_all_with`](crate::PushClient::send_all_with).
///
/// ```
/// use push_client::{BulkOptions, ClientLimits};
/// let options = BulkOptions { rate: Some(500), ..BulkOptions::of(&ClientLimits::default()) };
/// assert_eq!(options.max_in_flight, 512);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkOptions {
    /// Messages under way at once: being encrypted, ready, sent and not answered, or with an outcome that nobody has
    /// taken yet. At least 1.
    pub max_in_flight: usize,
    /// Requests to one origin under way at once; the working value begins at 32 and adapts below this. At least 1.
    pub per_origin: usize,
    /// Messages taken that wait for an origin which takes no more now, so that others are served meanwhile.
    /// Zero: none beyond `max_in_flight`.
    pub parked: usize,
    /// Requests per second, repeats included; `None` for no bound, zero counts as one.
    pub rate: Option<u32>,
}

impl BulkOptions {
    /// What these limits say, and no bound on the rate.
    #[must_use]
    pub const fn of(limits: &ClientLimits) -> Self {
        let ClientLimits { max_in_flight, per_origin, parked, .. } = *limits;
        Self { max_in_flight, per_origin, parked, rate: None }
    }
}

impl Default for BulkOptions {
    fn default() -> Self {
        Self::of(&ClientLimits::default())
    }
}
