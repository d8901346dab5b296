use std::task::{Context, Poll, Waker};

use push_crypto::{
    ContentCoding, EncryptJob, EncryptOptions, HeaderFields, PrivateKey, PublicKey, Timestamp, Urgency,
    encrypt,
    provider::{CryptoProvider, KeyAgreement, ProviderError, SharedSecret, best},
};

use super::*;
use crate::{
    config::Style,
    ids::{SubscriptionId, UserAgentId},
    profile::Profile,
    service::subscription::AckMode,
    space::SpaceName,
    store::{Address, Receiver},
};

/// Notes how many agreements were asked for at once.
#[derive(Debug, Default)]
struct Counting(Mutex<Vec<usize>>);

impl KeyAgreement for Counting {
    fn public_keys(&self, private: &[PrivateKey], out: &mut Vec<PublicKey>) -> Result<(), ProviderError> {
        best().key_agreement.public_keys(private, out)
    }

    fn agree(
        &self,
        pairs: &[(&PrivateKey, &PublicKey)],
        out: &mut Vec<SharedSecret>,
    ) -> Result<(), ProviderError> {
        self.0.lock().unwrap().push(pairs.len());
        best().key_agreement.agree(pairs, out)
    }
}

fn counting() -> (CryptoProvider, &'static Counting) {
    let counting: &'static Counting = Box::leak(Box::default());
    (CryptoProvider { key_agreement: counting, ..best() }, counting)
}

fn record() -> Arc<SubscriptionRecord> {
    let space = SpaceName::default_space().id();
    Arc::new(SubscriptionRecord {
        at: Address { space, agent: UserAgentId(1), subscription: SubscriptionId(1) },
        label: "alice".to_owned(),
        profile: Profile::default(),
        application_server_key: None,
        key_digest: None,
        receiver: Receiver::Simulated { keys: UserAgentKeys::generate(&best()).unwrap(), stale: Vec::new() },
        codings: ContentCoding::ALL.to_vec(),
        min_urgency: Urgency::VeryLow,
        ack: AckMode::Auto,
        style: Style::Local,
        token: "".into(),
        created_at: Timestamp::MAX,
        expires_at: None,
        gone: None,
    })
}

fn message(to: &SubscriptionRecord, text: &str) -> Encrypted {
    let keys = to.keys().unwrap().subscription_keys();
    let job = EncryptJob { keys: &keys, plaintext: text.as_bytes() };
    let body = encrypt(&best(), &EncryptOptions::default(), job).unwrap().into_body();
    let fields = HeaderFields { encryption: &[], crypto_key: &[], encryption_key: &[] };
    Encrypted::read(ContentCoding::Aes128gcm, &fields, body).unwrap()
}

/// What was opened, as text.
fn text(opening: Option<Opening>) -> Result<String, DecryptError> {
    opening.unwrap().result.map(|opened| String::from_utf8(opened.into_plaintext()).unwrap())
}

#[tokio::test]
async fn what_waits_together_is_opened_in_one_batch_and_each_gets_its_own() {
    let (provider, counting) = counting();
    let openings = Arc::new(Openings::default());
    let (alice, bob) = (record(), record());
    let number = 40;
    let tasks: Vec<_> = (0..number)
        .map(|number| {
            // The third of each five is for somebody else, and does not open.
            let (to, sealed_for) = match number % 5 {
                2 => (&alice, &bob),
                3 => (&bob, &bob),
                _ => (&alice, &alice),
            };
            let (openings, to) = (Arc::clone(&openings), Arc::clone(to));
            let message = message(sealed_for, &number.to_string());
            tokio::spawn(async move { openings.open(&provider, &to, message).await })
        })
        .collect();

    for (number, task) in tasks.into_iter().enumerate() {
        let opened = text(task.await.unwrap());
        if number % 5 == 2 {
            assert!(opened.is_err(), "{number}");
        } else {
            assert_eq!(opened, Ok(number.to_string()));
        }
    }

    assert_eq!(*counting.0.lock().unwrap(), [number]);
    assert!(!lock(&openings.0).is_led);
}

/// A batch at one below, at, and one above the most.
#[tokio::test]
async fn a_batch_has_a_largest_size_and_the_rest_is_led_by_another() {
    let alice = record();
    for (number, batches) in [(MOST - 1, vec![MOST - 1]), (MOST, vec![MOST]), (MOST + 1, vec![MOST, 1])] {
        let (provider, counting) = counting();
        let openings = Arc::new(Openings::default());
        let tasks: Vec<_> = (0..number)
            .map(|_| {
                let (openings, to, message) =
                    (Arc::clone(&openings), Arc::clone(&alice), message(&alice, "x"));
                tokio::spawn(async move { openings.open(&provider, &to, message).await })
            })
            .collect();
        for task in tasks {
            assert_eq!(text(task.await.unwrap()), Ok("x".to_owned()));
        }
        assert_eq!(*counting.0.lock().unwrap(), batches);
    }
}

/// Nobody is left behind, whoever goes away, in whatever order, before and after the lead was passed on.
#[test]
fn whoever_goes_away_passes_the_lead_on() {
    const MANY: usize = 5;
    let alice = record();
    let (provider, _) = counting();
    let mut cx = Context::from_waker(Waker::noop());
    // Each bit says of one of them whether it goes away.
    for gone in 0..1_u32 << MANY {
        for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3]] {
            let openings = Arc::new(Openings::default());
            let mut waiting: Vec<_> = (0..MANY)
                .map(|number| {
                    let message = message(&alice, &number.to_string());
                    Some(Box::pin(openings.open(&provider, &alice, message)))
                })
                .collect();
            for one in waiting.iter_mut().flatten() {
                assert!(one.as_mut().poll(&mut cx).is_pending());
            }

            for number in order.into_iter().filter(|number| gone & 1 << number != 0) {
                waiting[number] = None;
            }

            // Whoever leads needs a look to learn it and one to open; the others one more.
            for _ in 0..3 {
                for (number, slot) in waiting.iter_mut().enumerate() {
                    let Some(one) = slot else { continue };
                    if let Poll::Ready(opened) = one.as_mut().poll(&mut cx) {
                        assert_eq!(text(opened), Ok(number.to_string()));
                        *slot = None;
                    }
                }
            }
            assert!(waiting.iter().all(Option::is_none), "{gone:b} in the order {order:?}");
            let left = lock(&openings.0);
            assert!(!left.is_led && left.jobs.is_empty(), "{gone:b} in the order {order:?}");
        }
    }
}
