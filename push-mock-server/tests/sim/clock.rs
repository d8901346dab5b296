//! Clocks: what moves them, what they refuse, and what happens in which order.

use std::time::Duration;

use push_crypto::Timestamp;
use push_mock_server::{
    ClockAction, ClockChange, ClockMode, VapidClock,
    clock::wall,
    service::{exchange::State, subscription::NewSubscription},
};

use crate::world::*;

/// Deadline by deadline, then in order of acceptance; what is due later stays.
#[tokio::test]
async fn what_is_due_happens_in_order() {
    let air = World::new().await;
    let (one, two) = (air.offline("one").await, air.offline("two").await);
    let mut sent = Vec::new();
    for (to, ttl) in [(&one, 30), (&two, 10), (&one, 20), (&two, 20), (&one, 10), (&two, 40)] {
        sent.push(air.accepted(to, &message("x", ttl)).await.id.clone());
    }
    let view = air.service.clock(&air.space).await.unwrap();
    let next = view.next.unwrap();
    assert_eq!((next.at, next.what, next.message), (EIGHT.after(secs(10)), "expire", Some(sent[1].clone())));

    let fired = air.advance(secs(35)).await;

    let order: Vec<_> =
        fired.iter().map(|of| (of.at.since(EIGHT).as_secs(), of.message.clone().unwrap())).collect();
    let expected =
        [(10, 1), (10, 4), (20, 2), (20, 3), (30, 0)].map(|(at, of): (u64, usize)| (at, sent[of].clone()));
    assert_eq!(order, expected);
    assert_eq!(air.state(&sent[5]).await, State::Queued);
    assert_eq!(air.service.clock(&air.space).await.unwrap().now, EIGHT.after(secs(35)));
}

/// Everything that a change of the clock can be, and its limits: `clock_advance` at and above.
#[tokio::test]
async fn a_clock_refuses_what_it_cannot_do() {
    let air = World::new().await;
    let ten_years = Duration::from_secs(10 * 366 * 24 * 3600);
    let change = async |action| {
        air.service.change_clock(&air.space, ClockChange::from(action)).await.map_err(|error| error.pointer())
    };

    assert_eq!(change(ClockAction::Set(EIGHT.before(millis(1)))).await, Err(Some("/set")));
    assert_eq!(change(ClockAction::Set(EIGHT.after(ten_years + millis(1)))).await, Err(Some("/set")));
    assert_eq!(change(ClockAction::Advance(ten_years + millis(1))).await, Err(Some("/advance")));
    for speed in [0.0, -1.0, f64::NAN, f64::INFINITY, 1_000_001.0] {
        assert_eq!(change(ClockAction::Run(speed)).await, Err(Some("/run")), "{speed}");
    }
    let nothing = ClockChange { action: None, vapid_clock: None };
    assert!(air.service.change_clock(&air.space, nothing).await.is_err());

    assert_eq!(change(ClockAction::Set(EIGHT)).await.unwrap().0.now, EIGHT);
    assert_eq!(change(ClockAction::Advance(ten_years)).await.unwrap().0.now, EIGHT.after(ten_years));
    let twice = EIGHT.after(ten_years).after(ten_years);
    assert_eq!(change(ClockAction::Set(twice)).await.unwrap().0.now, twice);
    assert_eq!(change(ClockAction::Freeze).await.unwrap().0.mode, ClockMode::Frozen);
}

/// A clock ahead of the wall keeps its lead, one behind it catches up, and what became due happens.
#[tokio::test]
async fn a_clock_that_becomes_real_catches_up() {
    let air = World::new().await;
    let phone = air.offline("phone").await;
    let message = air.accepted(&phone, &message("x", 60)).await;
    let behind = EIGHT < wall();

    let (view, fired) = air.service.change_clock(&air.space, ClockAction::Real.into()).await.unwrap();

    assert_eq!((view.mode, view.speed), (ClockMode::Real, 1.0));
    assert!(view.now >= EIGHT.max(view.wall));
    assert_eq!(fired.len(), usize::from(behind));
    assert_eq!(air.state(&message.id).await, if behind { State::Expired } else { State::Queued });
    let (ahead, _) =
        air.service.change_clock(&air.space, ClockAction::Advance(secs(3600)).into()).await.unwrap();
    assert_eq!(ahead.mode, ClockMode::Real);
    assert!(ahead.now >= view.now.after(secs(3600)));
}

/// Under a running clock, messages end by themselves; nobody has to look.
#[tokio::test]
async fn time_passes_by_itself_when_the_clock_runs() {
    let air = World::new().await;
    let phone = air.offline("phone").await;
    let keeper = tokio::spawn({
        let service = air.service.clone();
        async move { service.keep_time().await }
    });
    let mut events = air.service.subscribe_events(Some(air.space.clone()), None);
    air.service.change_clock(&air.space, ClockAction::Run(1e5).into()).await.unwrap();
    let message = air.accepted(&phone, &message("x", 1000)).await;

    loop {
        let push_mock_server::service::events::Notice::Event(event) = events.next().await else { continue };
        if event.kind.as_str() == "message.expired" {
            break;
        }
    }

    let expired = air.exchange(&message.id).await;
    assert_eq!(expired.timeline.last().map(|step| step.clock), expired.expires_at);
    keeper.abort();
}

/// A token that is known is not taken apart again, and judged all the same: by its time and by the key of each
/// subscription.
#[tokio::test]
async fn a_known_token_is_judged_anew_for_every_request() {
    use push_crypto::{
        provider::aws_lc_rs,
        vapid::{AuthorizationScheme, Claims, Token, VapidKey},
    };
    let air = World::new().await;
    let provider = &aws_lc_rs::PROVIDER;
    let (key, other) = (VapidKey::generate(provider).unwrap(), VapidKey::generate(provider).unwrap());
    let phone = air.subscribe("phone", NewSubscription::default()).await;
    let bound = push_mock_server::service::subscription::KeyChoice::Key(*other.public().point());
    let restricted = NewSubscription { application_server_key: bound, ..NewSubscription::default() };
    let restricted = air.subscribe("restricted", restricted).await;
    let origin = "http://localhost:8030".parse().unwrap();
    let by_space = ClockChange { action: None, vapid_clock: Some(VapidClock::Space) };
    let (clock, _) = air.service.change_clock(&air.space, by_space).await.unwrap();
    let claims = Claims::new(origin, clock.now, secs(12 * 3600), None).unwrap();
    let token = Token::sign(provider, &key, &claims).unwrap();
    let authorization = token.authorization(AuthorizationScheme::Vapid, key.public()).authorization;
    let send = async |to| {
        let reply = air.send(to, &message("x", 60).with("authorization", &authorization)).await;
        air.exchange(&reply.exchange).await
    };

    let first = send(&phone).await;
    for _ in 0..3 {
        let again = send(&phone).await;
        assert_eq!((again.response.status, &again.vapid), (Some(201), &first.vapid));
        assert!(again.findings.iter().all(|finding| !finding.code.starts_with("vapid/k")), "{again:?}");
    }
    assert_eq!(send(&restricted).await.reason, Some("vapid/key-mismatch"));
    air.advance(secs(13 * 3600)).await;
    assert_eq!(send(&phone).await.reason, Some("vapid/exp-past"));
}

/// VAPID `exp` is judged by wall time, unless the space is asked otherwise (T57).
#[tokio::test]
async fn tokens_are_judged_by_wall_time_unless_told() {
    use push_crypto::{
        provider::aws_lc_rs,
        vapid::{AuthorizationScheme, Claims, Token, VapidKey},
    };
    let air = World::new().await;
    let provider = &aws_lc_rs::PROVIDER;
    let key = VapidKey::generate(provider).unwrap();
    let phone = air.subscribe("phone", NewSubscription::default()).await;
    let signed = |now: Timestamp| {
        let claims =
            Claims::new("http://localhost:8030".parse().unwrap(), now, secs(12 * 3600), None).unwrap();
        let token = Token::sign(provider, &key, &claims).unwrap();
        token.authorization(AuthorizationScheme::Vapid, key.public()).authorization
    };
    let send = async |now| {
        let reply = air.send(&phone, &message("x", 60).with("authorization", &signed(now))).await;
        let finding = air.exchange(&reply.exchange).await.reason;
        (reply.status, finding)
    };
    let by = |vapid_clock| ClockChange { action: None, vapid_clock: Some(vapid_clock) };
    air.advance(secs(25 * 3600)).await;
    let simulated = air.service.clock(&air.space).await.unwrap().now;

    assert_eq!(send(wall()).await, (201, None));
    air.service.change_clock(&air.space, by(VapidClock::Space)).await.unwrap();
    assert_eq!(send(simulated).await, (201, None));
    let expired = send(simulated.before(secs(13 * 3600))).await;
    assert_eq!(expired, (403, Some("vapid/exp-past")));
    air.service.change_clock(&air.space, by(VapidClock::Wall)).await.unwrap();
    assert_eq!(send(wall()).await, (201, None));
}
