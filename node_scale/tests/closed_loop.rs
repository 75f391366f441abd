//! `plan` against a model of its group, for hours: what was right once must be right in every run that follows. No network.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

#[path = "support/loop_world.rs"]
mod loop_world;

use std::time::Duration;

use loop_world::World;

/// Long enough for every back-off and timeout to end more than once.
const RUNS: usize = 200;

#[test]
fn instances_from_the_warm_pool_are_bought_once() {
    let mut world = World::of(10, "");
    world.group.fill_warm_pool(6, world.hours_ago(5));
    world.group.behavior.join = Duration::from_secs(240);
    world.wanted = 12;
    world.run(RUNS, |world| assert!(world.group.desired() <= 12, "{}", world.history()));
    assert_eq!((world.group.desired(), world.agents()), (12, 12));
}

#[test]
fn a_rebalance_that_fails_every_five_minutes_stops_no_scale_down() {
    let mut world = World::of(10, "");
    world.wanted = 7;
    for _ in 0..RUNS / 5 {
        let now = world.now;
        world.group.fail_rebalance(now);
        world.run(5, |_| {});
    }
    assert_eq!(world.group.desired(), 7, "{}", world.history());
}

#[test]
fn a_load_that_moves_is_followed_exactly() {
    let mut world = World::of(10, "");
    world.group.behavior.join = Duration::from_secs(120);
    for wanted in [14, 9, 20, 3, 11] {
        world.wanted = wanted;
        world.run(RUNS, |_| {});
        assert_eq!(
            (world.group.desired(), world.agents()),
            (i32::try_from(wanted).unwrap(), wanted),
            "{}",
            world.history()
        );
    }
}
