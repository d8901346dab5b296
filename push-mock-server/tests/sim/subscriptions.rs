//! Subscriptions and user agents: made, changed, ended, rotated, removed; spaces around them.

use push_crypto::{ContentCoding, Subscription, UserAgentKeys, provider::aws_lc_rs};
use push_mock_server::{
    ClockAction, ClockStart, Config, Limits, ServiceError, SpaceName, Style,
    service::{
        exchange::State,
        spaces::{Browsers, NewSpace, Scope},
        subscription::{KeyChoice, NewSubscription, SubscriptionChange, UserAgentChange},
    },
};

use crate::world::*;

fn code<T>(result: Result<T, ServiceError>) -> (&'static str, u16, String) {
    let Err(error) = result else { panic!("no error") };
    (error.code(), error.status(), error.to_string())
}

#[tokio::test]
async fn a_subscription_is_what_a_browser_gives() {
    let air = World::new().await;
    let alice = air.online("alice").await;
    let key = *UserAgentKeys::generate(&aws_lc_rs::PROVIDER).unwrap().public();
    let new = NewSubscription {
        application_server_key: KeyChoice::Key(key),
        style: Some(Style::Tls),
        codings: Some(vec![ContentCoding::Aes128gcm]),
        ..NewSubscription::default()
    };
    let bob = air.subscribe("bob", new).await;

    let read = Subscription::from_json(&alice.subscription_json()).unwrap();
    assert_eq!(read.endpoint.expose(), alice.endpoint.expose());
    assert_eq!(read.keys, alice.keys.clone());
    assert_eq!(alice.codings, ContentCoding::ALL);
    assert!(alice.endpoint.expose().starts_with("http://localhost:8030/p/"));
    assert!(bob.endpoint.expose().starts_with("https://localhost:8030/p/"));
    assert_eq!(bob.application_server_key, Some(key));
    let all = air.service.subscriptions(&air.space).await.unwrap();
    assert_eq!(all.iter().map(|of| of.label.as_str()).collect::<Vec<_>>(), ["alice", "bob"]);
}

#[tokio::test]
async fn things_are_found_by_label_id_and_its_end() {
    let air = World::new().await;
    let alice = air.online("alice").await;
    let id = alice.id.to_string();
    let found = async |named: &str| air.service.subscription(&air.space, named).await;

    for named in ["alice", &id, &id[id.len() - 4..], &id[id.len() - 4..].to_lowercase()] {
        assert_eq!(found(named).await.unwrap().id, alice.id, "{named}");
    }
    let (code, status, detail) = code(found("alcie").await);
    assert_eq!((code, status), ("api/not-found", 404));
    assert_eq!(detail, "no subscription is called \"alcie\" in space air; there is \"alice\"");
    let agent = alice.user_agent.id.to_string();
    for named in ["alice", &agent, &agent[agent.len() - 4..]] {
        assert_eq!(air.service.user_agent(&air.space, named).await.unwrap().id, alice.user_agent.id);
    }
}

#[tokio::test]
async fn labels_are_unique_and_printable() {
    let air = World::new().await;
    air.online("alice").await;
    let subscribe = async |label: &str| {
        let new = NewSubscription { label: Some(label.into()), ..NewSubscription::default() };
        air.service.subscribe(&air.space, new).await
    };

    let (taken, status, _) = code(subscribe("alice").await);
    assert_eq!((taken, status), ("api/exists", 409));
    for wrong in ["", " alice", "a\nb", &"x".repeat(101)] {
        assert_eq!(code(subscribe(wrong).await).0, "api/bad-field", "{wrong:?}");
    }
    assert!(subscribe(&"x".repeat(100)).await.is_ok());
    air.online("ua-1").await;
    let unnamed = air.service.subscribe(&air.space, NewSubscription::default()).await.unwrap();
    assert_eq!(unnamed.label, "ua-2");
}

#[tokio::test]
async fn a_renamed_subscription_is_found_by_its_new_name_only() {
    let air = World::new().await;
    air.online("alice").await;
    let rename =
        |label: &str| SubscriptionChange { label: Some(label.into()), ..SubscriptionChange::default() };
    air.change("alice", rename("carol")).await;

    assert!(air.service.subscription(&air.space, "alice").await.is_err());
    assert_eq!(air.service.user_agent(&air.space, "carol").await.unwrap().label, "carol");
    air.online("alice").await;
    assert_eq!(code(air.try_change("carol", rename("alice")).await).0, "api/exists");
}

/// PS-021, PS-087, PS-089: a subscription that is gone is answered so, and its messages are dropped.
#[tokio::test]
async fn an_expired_subscription_takes_nothing() {
    for status in [404, 410] {
        let air = World::new().await;
        let phone = air.offline("phone").await;
        let waiting = air.accepted(&phone, &message("waits", 60)).await;

        let gone = air.service.expire(&air.space, "phone", status).await.unwrap();

        assert_eq!((gone.status(), gone.gone.map(|gone| gone.reason)), ("gone", Some("expired")));
        let dropped = air.exchange(&waiting.id).await;
        assert_eq!((dropped.state, dropped.reason), (State::Dropped, Some("subscription-gone")));
        assert_eq!(refusal(&air.send(&phone, &message("late", 60)).await), (status, "subscription/gone"));
        assert_eq!(air.go_online_error("phone").await, "api/gone-state");
    }
    let air = World::new().await;
    air.offline("phone").await;
    assert_eq!(code(air.service.expire(&air.space, "phone", 500).await).0, "api/bad-field");
}

/// PS-090, PS-127: a removed one is unknown, whoever comes after it.
#[tokio::test]
async fn a_removed_subscription_is_unknown() {
    let air = World::new().await;
    let phone = air.offline("phone").await;
    let reply = air.send(&phone, &message("waits", 60)).await;

    air.service.unsubscribe(&air.space, "phone").await.unwrap();

    assert_eq!(air.state(&reply.exchange).await, State::Dropped);
    assert!(!air.service.withdraw(message_token(&reply)).await);
    let late = air.send(&phone, &message("late", 60)).await;
    assert_eq!(late.status, 404);
    assert!(air.service.subscription(&air.space, "phone").await.is_err());
    assert!(air.service.user_agents(&air.space).await.unwrap().is_empty());
    let again = air.offline("phone").await;
    assert_ne!(again.endpoint, phone.endpoint);
    assert_eq!(air.send(&phone, &message("late", 60)).await.status, 404);
}

#[tokio::test]
async fn a_rotated_subscription_has_a_new_resource_and_new_keys() {
    let air = World::new().await;
    let old = air.offline("phone").await;
    let waiting = air.accepted(&old, &message("waits", 60)).await;

    let rotated = air.service.rotate(&air.space, "phone").await.unwrap();

    assert_eq!((rotated.old.id, rotated.old.status()), (old.id, "gone"));
    assert_eq!(rotated.old.gone.map(|gone| gone.reason), Some("rotated"));
    assert_ne!(
        (&rotated.new.as_ref().unwrap().endpoint, &rotated.new.as_ref().unwrap().keys),
        (&old.endpoint, &old.keys)
    );
    assert_eq!(rotated.new.as_ref().unwrap().user_agent, old.user_agent);
    assert_eq!(air.state(&waiting.id).await, State::Dropped);
    assert_eq!(refusal(&air.send(&old, &message("late", 60)).await), (404, "subscription/gone"));
    assert_eq!(
        air.service.subscription(&air.space, "phone").await.unwrap().id,
        rotated.new.as_ref().unwrap().id
    );
    let fresh = air.accepted(rotated.new.as_ref().unwrap(), &message("fresh", 60)).await;

    // A sender that stored the new endpoint, but kept the old keys.
    let mut stale = request(&old, &message("stale", 60));
    stale.url = rotated.new.as_ref().unwrap().endpoint.expose().into();
    let reply = air.service.deliver(Some(token_of(rotated.new.as_ref().unwrap())), stale).await;
    let stale = air.exchange(&reply.exchange).await;
    assert!(
        stale.findings.iter().any(|finding| finding.code == "decrypt/stale-keys"),
        "{:?}",
        stale.findings
    );
    assert_eq!(air.go_online("phone").await, [fresh.id.clone(), stale.id.clone()]);
    assert_eq!(air.state(&stale.id).await, State::Discarded);
}

#[tokio::test]
async fn a_subscription_ends_at_its_own_time() {
    let air = World::new().await;
    let new = NewSubscription {
        online: Some(false),
        expiration_time: Some(EIGHT.after(secs(10))),
        ..NewSubscription::default()
    };
    let phone = air.subscribe("phone", new).await;
    let short = air.accepted(&phone, &message("short", 10)).await;
    let long = air.accepted(&phone, &message("long", 60)).await;

    let fired = air.advance(secs(10)).await;

    let what: Vec<_> = fired.iter().map(|fired| (fired.what.as_str(), fired.to.as_deref())).collect();
    assert_eq!(what, [("expired", Some("phone")), ("subscription-expired", Some("phone"))]);
    assert_eq!(air.state(&short.id).await, State::Expired);
    assert_eq!(air.state(&long.id).await, State::Dropped);
    assert_eq!(refusal(&air.send(&phone, &message("late", 60)).await), (404, "subscription/gone"));
    let past = NewSubscription { expiration_time: Some(EIGHT.after(secs(10))), ..NewSubscription::default() };
    assert_eq!(code(air.service.subscribe(&air.space, past).await).0, "api/bad-field");
}

#[tokio::test]
async fn a_shared_user_agent_goes_offline_as_one() {
    let air = World::new().await;
    let one = air.online("one").await;
    let shared = NewSubscription { user_agent: Some("one".into()), ..NewSubscription::default() };
    let other = air.subscribe("other", shared).await;
    let view = air.service.user_agent(&air.space, "one").await.unwrap();
    assert_eq!(view.subscriptions, [(one.id, "one".into()), (other.id, "other".into())]);

    air.go_offline("one").await;
    let (first, second) =
        (air.accepted(&other, &message("1", 60)).await, air.accepted(&one, &message("2", 60)).await);
    let change = UserAgentChange { online: Some(true), ..UserAgentChange::default() };
    let changed = air.service.change_user_agent(&air.space, "one", change).await.unwrap();

    assert_eq!(changed.delivered, [first.id.clone(), second.id.clone()]);
    air.service.unsubscribe(&air.space, "one").await.unwrap();
    assert_eq!(air.accepted(&other, &message("3", 60)).await.state, State::Acknowledged);
}

/// T56: nothing of one space is seen in another.
#[tokio::test]
async fn spaces_do_not_see_each_other() {
    let air = World::new().await;
    let sea: SpaceName = "sea".parse().unwrap();
    let in_air = air.offline("alice").await;
    let new = NewSubscription { label: Some("alice".into()), ..NewSubscription::default() };
    let in_sea = air.service.subscribe(&sea, new).await.unwrap();
    let waiting = air.accepted(&in_air, &message("for air", 60)).await;

    assert_ne!(in_air.id, in_sea.id);
    assert!(air.service.exchange(&sea, &waiting.id).await.is_err());
    assert!(air.service.exchanges(&sea).await.unwrap().is_empty());
    let id = in_air.id.to_string();
    let error = air.service.change_subscription(&sea, &id, SubscriptionChange::default());
    assert_eq!(code(error.await).0, "api/not-found");
    air.service.reset(&Scope::Space(sea.clone()), Browsers::Stay).await.unwrap();
    assert_eq!(air.state(&waiting.id).await, State::Queued);
    air.service.remove_space(&sea).await.unwrap();
    assert_eq!(code(air.service.remove_space(&sea).await).0, "api/not-found");
    assert_eq!(air.send(&in_sea, &message("late", 60)).await.status, 404);
}

#[tokio::test]
async fn a_space_is_made_once_and_reset_to_nothing() {
    let air = World::new().await;
    let phone = air.offline("phone").await;
    let reply = air.send(&phone, &message("waits", 60)).await;
    let same =
        NewSpace { name: air.space.clone(), clock: Some(ClockStart::FrozenAt(EIGHT)), ..NewSpace::default() };
    assert!(!air.service.create_space(same.clone()).await.unwrap().1);
    let other = NewSpace { clock: Some(ClockStart::Real), ..same };
    assert_eq!(code(air.service.create_space(other).await).0, "api/exists");

    for _ in 0..2 {
        air.service.reset(&Scope::Space(air.space.clone()), Browsers::Stay).await.unwrap();
        air.check().await;
        assert!(air.service.exchanges(&air.space).await.unwrap().is_empty());
        assert!(air.service.subscriptions(&air.space).await.unwrap().is_empty());
        assert_eq!(air.service.counters(&air.space).await.unwrap(), Default::default());
        assert_eq!(air.service.clock(&air.space).await.unwrap().mode.as_str(), "real");
    }
    assert!(!air.service.withdraw(message_token(&reply)).await);
    assert_eq!(air.send(&phone, &message("late", 60)).await.status, 404);
    air.offline("phone").await;
}

/// `subscriptions` and `spaces` at one below, at, and one above; room comes back.
#[tokio::test]
async fn subscriptions_and_spaces_are_limited() {
    // `default` and `air` are there from the start.
    let limits = Limits { subscriptions: 2, spaces: 3, ..Limits::default() };
    let air = World::with(Config { limits, ..Config::default() }).await;
    air.online("1").await;
    air.online("2").await;
    let third = air.service.subscribe(&air.space, NewSubscription::default()).await;
    assert_eq!(code(third), ("api/limit", 429, "the limit subscriptions of 2 is reached".into()));
    air.service.unsubscribe(&air.space, "1").await.unwrap();
    air.online("3").await;
    assert!(air.service.subscribe(&air.space, NewSubscription::default()).await.is_err());
    air.service.reset(&Scope::All, Browsers::Stay).await.unwrap();
    air.online("4").await;
    air.online("5").await;

    assert!(air.service.clock(&"third".parse().unwrap()).await.is_ok());
    assert_eq!(code(air.service.clock(&"fourth".parse().unwrap()).await).1, 429);
}

/// `--seed`: the same ids, keys and push resources in each run, and others in each space.
#[tokio::test]
async fn a_seed_makes_subscriptions_repeat() {
    let run = async |seed| {
        let air = World::with(Config { seed, ..Config::default() }).await;
        let phone = air.offline("phone").await;
        let elsewhere = NewSubscription { label: Some("phone".into()), ..NewSubscription::default() };
        let other = air.service.subscribe(&"sea".parse().unwrap(), elsewhere).await.unwrap();
        assert_ne!(phone.id, other.id);
        let sent = air.accepted(&phone, &message("x", 60)).await;
        (phone.id, phone.subscription_json(), sent.id.clone(), air.service.info().vapid_public_key)
    };

    assert_eq!(run(Some(7)).await, run(Some(7)).await);
    assert_ne!(run(Some(7)).await, run(Some(8)).await);
    assert_ne!(run(None).await, run(None).await);
}

/// What is forgotten is not withdrawn.
#[tokio::test]
async fn a_forgotten_record_leaves_its_message() {
    let air = World::new().await;
    let phone = air.offline("phone").await;
    let waiting = air.accepted(&phone, &message("waits", 60)).await;

    assert_eq!(air.service.forget(&air.space, &[waiting.id.clone(), "zzzz".into()]).await.unwrap(), 1);

    assert!(air.service.exchange(&air.space, &waiting.id).await.is_err());
    assert_eq!(air.service.forget(&air.space, std::slice::from_ref(&waiting.id)).await.unwrap(), 0);
    assert_eq!(air.go_online("phone").await, std::slice::from_ref(&waiting.id));
    let counters = air.service.counters(&air.space).await.unwrap();
    assert_eq!(counters.in_state(State::Acknowledged), 1);
}

/// Clocks of two spaces have nothing to do with each other.
#[tokio::test]
async fn each_space_has_its_own_clock() {
    let air = World::new().await;
    let sea: SpaceName = "sea".parse().unwrap();
    air.service.change_clock(&sea, ClockAction::Freeze.into()).await.unwrap();
    let before = air.service.clock(&sea).await.unwrap().now;

    air.advance(secs(3600)).await;

    assert_eq!(air.service.clock(&sea).await.unwrap().now, before);
}
