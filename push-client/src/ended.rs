//! `Ended`: the subscriptions that a run has found to have ended, so that nobody is asked twice (AS-004).

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
};

use push_crypto::PushResource;

/// Most subscriptions remembered (our choice: 2.5 MB); the oldest are forgotten, and asked about once more.
const MOST: usize = 100_000;

/// Keyed digests of endpoints and the status each ended with.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    keys: [RandomState; 2],
    by_digest: HashMap<[u64; 2], u16>,
    oldest_first: VecDeque<[u64; 2]>,
}

impl Ended {
    pub(crate) fn status(&self, endpoint: &PushResource) -> Option<u16> {
        if self.by_digest.is_empty() {
            return None;
        }
        self.by_digest.get(&self.digest(endpoint)).copied()
    }

    pub(crate) fn remember(&mut self, endpoint: &PushResource, status: u16) {
        let digest = self.digest(endpoint);
        if self.by_digest.insert(digest, status).is_none() {
            self.oldest_first.push_back(digest);
        }
        if self.oldest_first.len() > MOST
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.by_digest.remove(&oldest);
        }
    }

    /// 128 bits under two random keys: two endpoints share it with probability 2^-128.
    fn digest(&self, endpoint: &PushResource) -> [u64; 2] {
        self.keys.each_ref().map(|key| key.hash_one(endpoint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten() {
        let endpoint = |number: usize| format!("https://push.example/p/{number}").parse().unwrap();
        let mut ended = Ended::default();
        for number in 0..=MOST {
            ended.remember(&endpoint(number), 410);
            ended.remember(&endpoint(number), 404);
        }

        assert_eq!(ended.status(&endpoint(0)), None);
        assert_eq!(ended.status(&endpoint(1)), Some(404));
        assert_eq!(ended.status(&endpoint(MOST)), Some(404));
        assert_eq!(ended.by_digest.len(), MOST);
    }
}
