//! Nothing that must be fresh is ever used twice (AS-031, AS-035, UA-021, UA-030).
//!
//! 10^5 messages take seconds; the 10^6 of the requirement:
//! `PUSH_CRYPTO_MESSAGES=1000000 cargo test -p push-crypto --release --features aws_lc_rs --test freshness`

#![expect(clippy::expect_used, reason = "a test ends where something is wrong")]
#![expect(clippy::disallowed_methods, reason = "the number of messages is a choice of whoever runs this")]

use std::{collections::HashSet, env, iter};

use push_crypto::{
    AuthSecret, EncryptJob, EncryptOptions, UserAgentKeys, encrypt_batch,
    provider::{OsRandom, aws_lc_rs::PROVIDER},
};

/// As large as a batch gets in practice, so that repetition within and between batches would show.
const BATCH: usize = 10_000;

fn count() -> usize {
    env::var("PUSH_CRYPTO_MESSAGES").map_or(100_000, |count| count.parse().expect("a number of messages"))
}

/// AS-031, AS-035
#[test]
fn messages_to_one_subscription_have_distinct_salts_and_sender_keys() {
    let keys = UserAgentKeys::generate(&PROVIDER).expect("randomness").subscription_keys();
    let job = EncryptJob { keys: &keys, plaintext: b"the same text every time" };
    let jobs: Vec<_> = iter::repeat_n(job, BATCH).collect();
    let (mut salts, mut sender_keys, mut wanted) = (HashSet::new(), HashSet::new(), 0);

    while wanted < count() {
        let mut messages = Vec::with_capacity(BATCH);
        encrypt_batch(&PROVIDER, &EncryptOptions::default(), &jobs, &mut messages).expect("randomness");
        for message in messages {
            let message = message.expect("a short text");
            salts.insert(*message.salt());
            sender_keys.insert(*message.sender_key());
        }
        wanted += BATCH;
    }

    assert_eq!((salts.len(), sender_keys.len()), (wanted, wanted));
}

/// UA-021, UA-030
#[test]
fn authentication_secrets_are_distinct() {
    let secrets: HashSet<Vec<u8>> = (0..count())
        .map(|_| AuthSecret::generate(&OsRandom).expect("randomness").expose().to_vec())
        .collect();

    assert_eq!(secrets.len(), count());
    assert!(secrets.iter().all(|secret| secret.len() == AuthSecret::LENGTH));
}
