//! Which endpoints a run has met: 16 octets each, in one table.

use std::fmt;

use push_crypto::PushResource;
use sha2::{Digest as _, Sha256};

/// Endpoints met so far, as the first 16 octets of their SHA-256: nobody can make two that are taken for one.
///
/// ```
/// use push_client::bulk::input::Seen;
/// let mut seen = Seen::with_capacity(2);
/// let endpoint = "https://push.example/p/1".parse().unwrap();
/// assert!(seen.insert(&endpoint));
/// assert!(!seen.insert(&endpoint));
/// ```
#[derive(Clone)]
pub struct Seen {
    /// Invariant: more than a quarter is zero, which stands for nothing.
    table: Vec<u128>,
    count: usize,
}

impl Seen {
    /// With room for so many: 21 octets each. Without, it would grow by doubling.
    #[must_use]
    pub fn with_capacity(endpoints: u64) -> Self {
        // Half a gigabyte at the begin; the rest comes when it is needed (our choice).
        let endpoints = usize::try_from(endpoints.min(1 << 24)).unwrap_or(1 << 24);
        Self { table: vec![0; endpoints + endpoints / 3 + 8], count: 0 }
    }

    /// True when it is new.
    pub fn insert(&mut self, endpoint: &PushResource) -> bool {
        let digest = Sha256::digest(endpoint.expose().as_bytes());
        let digest = digest.first_chunk::<16>().map_or(1, |head| u128::from_be_bytes(*head));
        if self.count + self.count / 3 + 8 > self.table.len() {
            self.grow();
        }
        let is_new = put(&mut self.table, digest.max(1));
        self.count += usize::from(is_new);
        is_new
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// True when there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn grow(&mut self) {
        let mut larger = vec![0; self.table.len() * 2];
        for digest in self.table.iter().filter(|digest| **digest != 0) {
            put(&mut larger, *digest);
        }
        self.table = larger;
    }
}

/// Linear probing from the place which the digest's first 64 bits name; false when it is there already.
fn put(table: &mut [u128], digest: u128) -> bool {
    let scaled = (digest >> 64) * table.len() as u128;
    let begin = usize::try_from(scaled >> 64).unwrap_or(0);
    let (head, tail) = table.split_at_mut(begin.min(table.len()));
    for place in tail.iter_mut().chain(head) {
        if *place == digest {
            return false;
        }
        if *place == 0 {
            *place = digest;
            return true;
        }
    }
    // Cannot be: a quarter of the table is free.
    true
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seen({} endpoints)", self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(number: u32) -> PushResource {
        format!("https://push.example/p/{number}").parse().unwrap()
    }

    #[test]
    fn each_endpoint_is_new_once_however_small_the_table_was() {
        for capacity in [0, 1, 5000] {
            let mut seen = Seen::with_capacity(capacity);
            assert!((0..5000).all(|number| seen.insert(&endpoint(number))));
            assert!((0..5000).all(|number| !seen.insert(&endpoint(number))));
            assert_eq!(seen.len(), 5000);
        }
    }

    #[test]
    fn the_table_is_a_ring() {
        let mut table = vec![0; 4];

        // Both begin at the last place.
        assert!(put(&mut table, u128::MAX) && put(&mut table, u128::MAX - 1));
        assert!(!put(&mut table, u128::MAX - 1));
        assert_eq!(table, [u128::MAX - 1, 0, 0, u128::MAX]);
    }
}
