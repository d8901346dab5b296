//! The laws of a store as tests, the same for every store, and random operations against a naive model.

mod model;

use std::time::Duration;

use push_crypto::{UserAgentKeys, provider::rust_crypto};

use super::*;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds)
}

fn address(space: u32, agent: u128, subscription: u128) -> Address {
    Address { space: SpaceId(space), agent: UserAgentId(agent), subscription: SubscriptionId(subscription) }
}

fn keys() -> UserAgentKeys {
    static KEYS: std::sync::OnceLock<UserAgentKeys> = std::sync::OnceLock::new();
    KEYS.get_or_init(|| UserAgentKeys::generate(&rust_crypto::PROVIDER).unwrap()).clone()
}

fn record(at: Address) -> SubscriptionRecord {
    SubscriptionRecord {
        at,
        label: at.subscription.to_string(),
        profile: Profile::Rfc,
        application_server_key: None,
        key_digest: None,
        receiver: Receiver::Simulated { keys: keys(), stale: Vec::new() },
        codings: ContentCoding::ALL.to_vec(),
        min_urgency: Urgency::VeryLow,
        ack: AckMode::Auto,
        style: Style::Local,
        token: "".into(),
        created_at: Timestamp::from_unix_millis(at.subscription.0 as u64),
        expires_at: None,
        gone: None,
    }
}

const CAPS: Caps = Caps { messages: 100, octets: 1000, agent_octets: 10_000, policy: QueuePolicy::Newest };

fn message(at: Address, id: u128, ttl: u64) -> NewMessage {
    NewMessage {
        at,
        id: MessageId(id),
        body: Bytes::from_static(&[0; 10]),
        coded: None,
        ttl: Ttl::seconds(ttl),
        urgency: Urgency::Normal,
        topic: None,
        caps: CAPS,
        held: Vec::new(),
    }
}

fn with_topic(message: NewMessage, topic: &str) -> NewMessage {
    NewMessage { topic: Some(topic.parse().unwrap()), ..message }
}

fn ids(messages: &[Arc<StoredMessage>]) -> Vec<u128> {
    messages.iter().map(|message| message.id.0).collect()
}

async fn accept(store: &impl Store, now: Timestamp, message: NewMessage) -> (u64, Option<u128>, Vec<u128>) {
    match store.accept(now, message).await.unwrap() {
        Acceptance::Accepted { message, replaced, dropped } => {
            (message.key.seq, replaced.map(|replaced| replaced.id.0), ids(&dropped))
        }
        other => panic!("{other:?}"),
    }
}

fn everything(of: Address) -> QueueQuery {
    QueueQuery { of: of.owner(), after: 0, least: Urgency::VeryLow, at_most: usize::MAX, octets: usize::MAX }
}

async fn queue(store: &impl Store, now: Timestamp, of: Address) -> Vec<u128> {
    ids(&store.queue(now, everything(of)).await.unwrap())
}

async fn with_subscriptions(store: &impl Store, all: &[Address]) {
    for at in all {
        assert_eq!(store.register(Timestamp::default(), record(*at)).await, Ok(Registered::Created));
    }
}

/// Law 2, PS-045: at the very deadline it is gone, whether or not `expire` has run.
async fn nothing_is_shown_at_its_deadline(store: &impl Store) {
    let of = address(1, 1, 1);
    with_subscriptions(store, &[of]).await;
    store
        .register(at(0), SubscriptionRecord { expires_at: Some(at(50)), ..record(address(1, 1, 2)) })
        .await
        .unwrap();
    let (seq, ..) = accept(store, at(100), with_topic(message(of, 1, 10), "t")).await;
    let key = MessageKey { of: of.owner(), seq };
    let just_before = at(110).before(Duration::from_millis(1));

    assert_eq!(queue(store, just_before, of).await, [1]);
    assert_eq!(queue(store, at(110), of).await, [] as [u128; 0]);
    assert!(store.acknowledge(at(110), &[key]).await.unwrap().is_empty());
    assert!(store.withdraw(at(110), &key, MessageId(1)).await.unwrap().is_none());
    assert_eq!(accept(store, at(110), with_topic(message(of, 2, 10), "t")).await.1, None);
    assert!(store.find(at(49), &address(1, 1, 2)).await.unwrap().is_some());
    assert!(store.find(at(50), &address(1, 1, 2)).await.unwrap().is_none());
    assert!(matches!(store.accept(at(50), message(address(1, 1, 2), 3, 10)).await, Ok(Acceptance::Missing)));
    let page = Page { after: None, at_most: 9 };
    assert_eq!(store.list(at(50), SpaceId(1), page).await.unwrap().len(), 1);

    // What had expired is still named by `expire`.
    let expired = store.expire(at(110), SpaceId(1), 9).await.unwrap();
    assert_eq!(ids(&expired.messages), [1]);
    assert_eq!(expired.subscriptions.len(), 1);
    assert_eq!(expired.next, Some(at(120)));
}

/// Law 4, PS-060 to PS-065.
async fn a_topic_replaces_in_one_step(store: &impl Store) {
    let (of, sibling) = (address(1, 1, 1), address(1, 1, 2));
    with_subscriptions(store, &[of, sibling]).await;

    assert_eq!(accept(store, at(0), with_topic(message(of, 1, 99), "t")).await, (1, None, vec![]));
    assert_eq!(accept(store, at(0), with_topic(message(sibling, 2, 99), "t")).await, (2, None, vec![]));
    assert_eq!(accept(store, at(0), with_topic(message(of, 3, 99), "u")).await, (3, None, vec![]));
    assert_eq!(accept(store, at(0), message(of, 4, 99)).await, (4, None, vec![]));
    assert_eq!(accept(store, at(0), with_topic(message(of, 5, 99), "t")).await, (5, Some(1), vec![]));
    assert_eq!(queue(store, at(1), of).await, [2, 3, 4, 5]);

    // TTL 0 replaces, takes a number, and is not kept.
    assert_eq!(accept(store, at(1), with_topic(message(of, 6, 0), "t")).await, (6, Some(5), vec![]));
    assert_eq!(accept(store, at(1), with_topic(message(of, 7, 99), "t")).await, (7, None, vec![]));
    assert_eq!(queue(store, at(1), of).await, [2, 3, 4, 7]);

    // A late acknowledgement of a replaced message removes nothing.
    assert!(store.acknowledge(at(1), &[MessageKey { of: of.owner(), seq: 5 }]).await.unwrap().is_empty());
    assert_eq!(queue(store, at(1), of).await, [2, 3, 4, 7]);
}

/// Law 4: numbers only grow, also when nothing is left.
async fn sequence_numbers_only_grow(store: &impl Store) {
    let of = address(1, 1, 1);
    with_subscriptions(store, &[of]).await;
    accept(store, at(0), message(of, 1, 9)).await;
    store.unregister(at(0), &of).await.unwrap();
    with_subscriptions(store, &[address(1, 1, 2)]).await;

    assert_eq!(accept(store, at(0), message(address(1, 1, 2), 2, 9)).await.0, 2);
}

/// Law 5: both policies, by messages, octets, and octets of the user agent; three fit, the fourth does not.
async fn a_full_queue_does_as_it_is_told(store: &impl Store) {
    let cases = [
        (Caps { messages: 3, ..CAPS }, Fullness::Messages(3)),
        (Caps { octets: 30, ..CAPS }, Fullness::Octets(30)),
        (Caps { octets: 39, ..CAPS }, Fullness::Octets(39)),
        (Caps { agent_octets: 30, ..CAPS }, Fullness::AgentOctets(30)),
    ];
    for (number, (caps, fullness)) in (1_u128..).zip(cases) {
        let of = address(1, number, number);
        with_subscriptions(store, &[of]).await;
        let sized = |id| NewMessage { caps, ..message(of, id, 99) };
        accept(store, at(0), with_topic(sized(1), "t")).await;
        accept(store, at(0), sized(2)).await;
        accept(store, at(0), sized(3)).await;

        let refused = store.accept(at(0), sized(4)).await.unwrap();
        assert!(matches!(refused, Acceptance::Full(what) if what == fullness), "{refused:?}");
        assert_eq!(queue(store, at(0), of).await, [1, 2, 3]);
        // What is replaced makes room, and TTL 0 needs none.
        assert_eq!(accept(store, at(0), with_topic(sized(5), "t")).await.1, Some(1));
        accept(store, at(0), NewMessage { ttl: Ttl::ZERO, ..sized(6) }).await;
        assert_eq!(queue(store, at(0), of).await, [2, 3, 5]);

        let caps = Caps { policy: QueuePolicy::Oldest, ..caps };
        assert_eq!(accept(store, at(0), NewMessage { caps, ..sized(7) }).await.2, [2]);
        assert_eq!(queue(store, at(0), of).await, [3, 5, 7]);
        // What is held stays; with nothing else to drop, the newest is refused.
        let waiting = store.queue(at(0), everything(of)).await.unwrap();
        let held: Vec<_> = waiting.iter().map(|message| message.key.seq).collect();
        let all = store.accept(at(0), NewMessage { caps, held: held.clone(), ..sized(9) }).await.unwrap();
        assert!(matches!(all, Acceptance::Full(what) if what == fullness), "{all:?}");
        let first_two = held[..2].to_vec();
        assert_eq!(accept(store, at(0), NewMessage { caps, held: first_two, ..sized(10) }).await.2, [7]);
        assert_eq!(queue(store, at(0), of).await, [3, 5, 10]);
        // What has expired needs no room, though it is not cleared yet.
        assert_eq!(accept(store, at(99), sized(8)).await.2, [] as [u128; 0]);
    }
}

/// A user agent that is full of the messages of one subscription takes none of another, whatever the policy.
async fn a_full_user_agent_refuses_its_other_subscriptions(store: &impl Store) {
    let (of, sibling) = (address(1, 1, 1), address(1, 1, 2));
    with_subscriptions(store, &[of, sibling]).await;
    let caps = Caps { agent_octets: 15, policy: QueuePolicy::Oldest, ..CAPS };
    accept(store, at(0), message(of, 1, 99)).await;

    let refused = store.accept(at(0), NewMessage { caps, ..message(sibling, 2, 99) }).await.unwrap();

    assert!(matches!(refused, Acceptance::Full(Fullness::AgentOctets(15))), "{refused:?}");
    assert_eq!(queue(store, at(0), of).await, [1]);
}

/// Law 6.
async fn queues_are_read_in_order_within_limits(store: &impl Store) {
    let (of, sibling) = (address(1, 1, 1), address(1, 1, 2));
    with_subscriptions(store, &[of, sibling]).await;
    for (id, urgency) in (1..).zip(Urgency::ALL) {
        let target = if id % 2 == 0 { sibling } else { of };
        accept(store, at(0), NewMessage { urgency, ..message(target, id, 99) }).await;
    }
    let read = async |query| ids(&store.queue(at(1), query).await.unwrap());

    assert_eq!(read(everything(of)).await, [1, 2, 3, 4]);
    assert_eq!(read(QueueQuery { after: 2, ..everything(of) }).await, [3, 4]);
    assert_eq!(read(QueueQuery { after: u64::MAX, ..everything(of) }).await, [] as [u128; 0]);
    for (least, expected) in Urgency::ALL.into_iter().zip([&[1, 2, 3, 4][..], &[2, 3, 4], &[3, 4], &[4]]) {
        assert_eq!(read(QueueQuery { least, ..everything(of) }).await, expected);
    }
    for (at_most, expected) in [(0, &[][..]), (1, &[1]), (3, &[1, 2, 3])] {
        assert_eq!(read(QueueQuery { at_most, ..everything(of) }).await, expected);
    }
    for (octets, expected) in [(0, &[1][..]), (19, &[1]), (20, &[1, 2]), (21, &[1, 2]), (30, &[1, 2, 3])] {
        assert_eq!(read(QueueQuery { octets, ..everything(of) }).await, expected, "{octets}");
    }
}

/// Law 7, T35: only the owner's keys act, and only once.
async fn acknowledging_is_idempotent_and_scoped(store: &impl Store) {
    let (of, other) = (address(1, 1, 1), address(2, 1, 1));
    with_subscriptions(store, &[of, other]).await;
    let (seq, ..) = accept(store, at(0), message(of, 1, 99)).await;
    let key = MessageKey { of: of.owner(), seq };
    let foreign = MessageKey { of: other.owner(), seq };

    assert!(store.acknowledge(at(1), &[foreign]).await.unwrap().is_empty());
    assert!(store.withdraw(at(1), &foreign, MessageId(1)).await.unwrap().is_none());
    assert!(store.withdraw(at(1), &key, MessageId(2)).await.unwrap().is_none());
    assert_eq!(ids(&store.acknowledge(at(1), &[key, key, foreign]).await.unwrap()), [1]);
    assert!(store.acknowledge(at(1), &[key]).await.unwrap().is_empty());
    assert!(store.withdraw(at(1), &key, MessageId(1)).await.unwrap().is_none());
}

/// Law 7.
async fn registering_is_idempotent_for_the_same_key(store: &impl Store) {
    let of = address(1, 1, 1);
    with_subscriptions(store, &[of]).await;
    let restricted = SubscriptionRecord { application_server_key: Some(*keys().public()), ..record(of) };

    assert_eq!(store.register(at(0), record(of)).await, Ok(Registered::Same));
    assert_eq!(store.register(at(0), restricted).await, Ok(Registered::OtherKey));
    assert_eq!(store.find(at(0), &of).await.unwrap().unwrap().application_server_key, None);
}

/// Law 8.
async fn what_is_removed_leaves_nothing_behind(store: &impl Store) {
    let all = [address(1, 1, 1), address(1, 1, 2), address(1, 2, 3), address(2, 1, 4)];
    with_subscriptions(store, &all).await;
    for (id, of) in (1..).zip(all) {
        accept(store, at(0), with_topic(message(of, id, 99), "t")).await;
    }

    let dropped = store.unregister(at(1), &all[0]).await.unwrap();
    assert_eq!(dropped.map(|dropped| ids(&dropped)), Some(vec![1]));
    assert!(store.unregister(at(1), &all[0]).await.unwrap().is_none());
    assert_eq!(ids(&store.drop_all(at(1), Owner::Agent(all[1].owner())).await.unwrap()), [2]);
    assert_eq!(ids(&store.drop_all(at(1), Owner::Space(SpaceId(1))).await.unwrap()), [3]);
    assert_eq!(queue(store, at(1), all[3]).await, [4]);
    assert_eq!(store.expire(at(200), SpaceId(1), 9).await.unwrap().next, None);
    assert!(matches!(store.accept(at(1), message(all[0], 5, 9)).await, Ok(Acceptance::Missing)));
}

/// A subscription that is gone is still found, has no messages, and takes none.
async fn an_ended_subscription_takes_nothing(store: &impl Store) {
    let of = address(1, 1, 1);
    with_subscriptions(store, &[of]).await;
    accept(store, at(0), message(of, 1, 99)).await;

    let end = Change::End(Gone { reason: "expired", status: 410 });
    let updated = store.update(at(1), &of, end).await.unwrap().unwrap();

    assert_eq!(ids(&updated.dropped), [1]);
    assert_eq!(store.find(at(1), &of).await.unwrap().unwrap().gone.map(|gone| gone.status), Some(410));
    assert!(matches!(store.accept(at(1), message(of, 2, 9)).await, Ok(Acceptance::Missing)));
    assert!(store.update(at(1), &address(1, 1, 9), Change::Ack(AckMode::Never)).await.unwrap().is_none());
}

/// Law 9.
async fn expiry_is_bounded_and_in_order(store: &impl Store) {
    let of: Vec<_> = (1..=5).map(|number| address(1, number, number)).collect();
    with_subscriptions(store, &of).await;
    with_subscriptions(store, &[address(2, 1, 1)]).await;
    for (id, ttl) in (1..).zip([50, 10, 40, 20, 30]) {
        accept(store, at(0), message(of[id as usize - 1], id, ttl)).await;
    }
    accept(store, at(0), message(address(2, 1, 1), 6, 1)).await;
    let expire = async |now, at_most| {
        let expired = store.expire(at(now), SpaceId(1), at_most).await.unwrap();
        (ids(&expired.messages), expired.next)
    };

    assert_eq!(expire(9, 99).await, (vec![], Some(at(10))));
    assert_eq!(expire(10, 0).await, (vec![], Some(at(10))));
    assert_eq!(expire(10, 99).await, (vec![2], Some(at(20))));
    assert_eq!(expire(45, 2).await, (vec![4, 5], Some(at(40))));
    assert_eq!(expire(99, 99).await, (vec![3, 1], None));
    assert_eq!(queue(store, at(0), address(2, 1, 1)).await, [6]);
}

/// Lists are in order of creation, page by page.
async fn lists_come_in_pages(store: &impl Store) {
    let all: Vec<_> = (1..=5).map(|number| address(1, 9 - number, number)).collect();
    with_subscriptions(store, &all).await;
    let page = async |after, at_most| -> Vec<_> {
        let page = Page { after, at_most };
        let found = store.list(at(0), SpaceId(1), page).await.unwrap();
        found.iter().map(|record| record.at.subscription.0).collect()
    };

    assert_eq!(page(None, 2).await, [1, 2]);
    assert_eq!(page(Some(SubscriptionId(2)), 2).await, [3, 4]);
    assert_eq!(page(Some(SubscriptionId(5)), 2).await, [] as [u128; 0]);
    assert_eq!(store.list(at(0), SpaceId(2), Page { after: None, at_most: 9 }).await.unwrap().len(), 0);
}

macro_rules! suite {
    ($name:ident, $store:expr, [$($law:ident),+ $(,)?]) => {
        mod $name {
            use super::*;
            $(#[tokio::test] async fn $law() { super::$law(&$store).await; })+
        }
    };
}

suite!(
    memory,
    MemoryStore::new(1 << 20),
    [
        nothing_is_shown_at_its_deadline,
        a_topic_replaces_in_one_step,
        sequence_numbers_only_grow,
        a_full_queue_does_as_it_is_told,
        a_full_user_agent_refuses_its_other_subscriptions,
        queues_are_read_in_order_within_limits,
        acknowledging_is_idempotent_and_scoped,
        registering_is_idempotent_for_the_same_key,
        what_is_removed_leaves_nothing_behind,
        an_ended_subscription_takes_nothing,
        expiry_is_bounded_and_in_order,
        lists_come_in_pages,
    ]
);

/// `store_octets` at one below, at, and one above; a refused message gives its room back.
#[tokio::test]
async fn a_full_store_refuses() {
    let store = MemoryStore::new(30);
    let of = address(1, 1, 1);
    with_subscriptions(&store, &[of]).await;
    let sized = |id, octets| NewMessage { body: vec![0; octets].into(), ..message(of, id, 9) };
    accept(&store, at(0), sized(1, 10)).await;

    let full = Err(StoreError::Full { limit: 30 });
    assert_eq!(store.accept(at(0), sized(2, 21)).await.map(|_| ()), full);
    let missing = NewMessage { at: address(1, 1, 2), ..sized(3, 20) };
    assert!(matches!(store.accept(at(0), missing).await, Ok(Acceptance::Missing)));
    accept(&store, at(0), sized(4, 19)).await;
    accept(&store, at(0), sized(5, 1)).await;
    assert_eq!(store.accept(at(0), sized(6, 1)).await.map(|_| ()), full);

    store.acknowledge(at(0), &[MessageKey { of: of.owner(), seq: 1 }]).await.unwrap();
    accept(&store, at(0), sized(7, 10)).await;
    store.drop_all(at(0), Owner::Space(SpaceId(1))).await.unwrap();
    with_subscriptions(&store, &[of]).await;
    accept(&store, at(0), sized(8, 30)).await;
}
