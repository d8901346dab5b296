use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds)
}

fn frozen() -> Clock {
    Clock::new(ClockStart::FrozenAt(at(1000)), at(5000))
}

#[test]
fn a_frozen_clock_stands_and_moves_by_steps_only() {
    let clock = frozen();
    assert_eq!(clock.now(), at(1000));
    assert_eq!(clock.wall_until(at(2000)), None);

    Walk::new(&clock).step_to(at(1010));

    assert_eq!(clock.now(), at(1010));
    assert_eq!(clock.mode(), (ClockMode::Frozen, 0.0));
}

#[test]
fn no_clock_runs_backwards() {
    let clock = frozen();
    Walk::new(&clock).step_to(at(10));
    assert_eq!(clock.now(), at(1000));

    let ahead = Clock::new(ClockStart::FrozenAt(wall().after(Duration::from_secs(3600))), wall());
    let before = ahead.now();
    Walk::new(&ahead).then_real();
    assert!(ahead.now() >= before);
    assert_eq!(ahead.mode(), (ClockMode::Real, 1.0));
}

#[test]
fn a_real_clock_goes_on_after_a_step() {
    let clock = Clock::new(ClockStart::Real, wall());
    let target = clock.now().after(Duration::from_secs(3600));

    Walk::new(&clock).step_to(target);

    assert!(clock.now() >= target);
    assert_eq!(clock.mode().0, ClockMode::Real);
    assert!(clock.wall_until(target.after(Duration::from_secs(10))).is_some_and(|left| left.as_secs() <= 10));
}

#[test]
fn speed_scales_what_is_left() {
    let clock = frozen();
    Walk::new(&clock).then_run(60.0);

    let left = clock.wall_until(at(1000 + 3600)).unwrap();

    assert!(left <= Duration::from_secs(60) && left > Duration::from_secs(50), "{left:?}");
    assert_eq!(clock.mode(), (ClockMode::Running, 60.0));
}

#[test]
fn moving_modes_are_computed_from_wall_time() {
    let real = Mode::Moving { kind: ClockMode::Real, speed: 1.0, origin: at(10), since: at(100) };
    let fast = Mode::Moving { kind: ClockMode::Running, speed: 60.0, origin: at(10), since: at(100) };

    assert_eq!(real.at(at(101)), at(11));
    assert_eq!(fast.at(at(101)), at(70));
    assert_eq!(fast.at(at(99)), at(10), "a wall clock that steps back stops us");
    assert_eq!(scaled(Duration::MAX, 1e6), Duration::MAX);
}

#[tokio::test]
async fn a_walk_waits_for_what_is_due() {
    let clock = frozen();
    let done = Arc::new(AtomicU64::new(0));
    for seconds in [1010, 1005, 2000] {
        let (clock, done) = (clock.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            let due = clock.sleep_until(at(seconds)).await;
            tokio::task::yield_now().await;
            done.fetch_add(clock.now().as_unix_seconds(), Ordering::SeqCst);
            drop(due);
        });
    }
    tokio::task::yield_now().await;

    let walk = Walk::new(&clock);
    let mut steps = Vec::new();
    while let Some(next) = walk.next_sleeper().filter(|next| *next <= at(1100)) {
        walk.step_to(next);
        walk.settle().await;
        steps.push(next);
    }
    drop(walk);

    assert_eq!(steps, [at(1005), at(1010)]);
    assert_eq!(done.load(Ordering::SeqCst), 1005 + 1010);
}

#[tokio::test]
async fn a_sleeper_that_is_dropped_holds_nobody_up() {
    let clock = frozen();
    {
        let mut sleep = std::pin::pin!(clock.sleep_until(at(1001)));
        let polled =
            std::future::poll_fn(|context| std::task::Poll::Ready(sleep.as_mut().poll(context).is_pending()));
        assert!(polled.await);
    }

    let walk = Walk::new(&clock);
    walk.step_to(at(1001));
    walk.settle().await;

    assert_eq!(walk.next_sleeper(), None);
}

#[tokio::test]
async fn a_sleeper_notices_that_the_mode_changes() {
    let clock = frozen();
    let sleeper = tokio::spawn({
        let clock = clock.clone();
        async move { drop(clock.sleep_until(at(1000 + 3600)).await) }
    });
    tokio::task::yield_now().await;

    Walk::new(&clock).then_run(1e6);

    sleeper.await.unwrap();
    assert!(clock.now() >= at(1000 + 3600));
}
