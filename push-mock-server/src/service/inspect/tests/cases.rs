//! For every code what brings it up, and what is nearly the same and does not. Split by the parts of a request.

mod body;
mod fields;
mod vapid;

use super::{Setup, catalogue::Case};

/// Changes to the good request.
pub(crate) struct Row(pub(super) &'static str, pub(super) fn(&mut Setup), pub(super) fn(&mut Setup));

/// All cases about requests.
pub(crate) fn all() -> Vec<Case> {
    let rows = [fields::ROWS, vapid::ROWS, body::ROWS].concat();
    rows.into_iter()
        .map(|Row(code, bad, good)| {
            let codes = move |change: fn(&mut Setup)| {
                let mut setup = Setup::good();
                change(&mut setup);
                setup.codes()
            };
            Case { code, bad: codes(bad), good: codes(good) }
        })
        .collect()
}

impl Clone for Row {
    fn clone(&self) -> Self {
        Self(self.0, self.1, self.2)
    }
}
