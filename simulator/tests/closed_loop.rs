//! `plan` against a model of its group, for hours: what was right once must be right in every run that follows. No network.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

#[path = "support/loop_world.rs"]
mod loop_world;
#[path = "closed_loop/window.rs"]
mod window;

use std::time::Duration;

use cluster::group::Hook;
use loop_world::World;
use proptest::prelude::*;
use shared::clause::Clause;

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
fn a_rebalance_that_fails_every_five_minutes_stops_no_scale_up_b5() {
    let mut world = World::of(10, "");
    for round in 0..RUNS / 5 {
        let now = world.now;
        world.group.fail_rebalance(now);
        world.wanted = if round < 10 { 10 } else { 14 };
        world.run(5, |_| {});
    }
    assert_eq!((world.group.desired(), world.agents()), (14, 14), "{}", world.history());
    assert!(!world.clauses().contains(&Some(Clause::B5)), "{}", world.history());
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

/// Sixteen agents wanted of ten, while new ones cannot join.
fn starved(break_it: impl FnOnce(&mut World)) -> World {
    let mut world = World::of(10, "");
    world.group.behavior.join = Duration::from_secs(120);
    break_it(&mut world);
    world.wanted = 16;
    world
}

/// Nothing is bought without end, the alarm's metric is never 0 for long, and a lower load is served within an hour.
fn starves_without_harm(break_it: impl FnOnce(&mut World), most: i32) {
    let mut world = starved(break_it);
    let mut unmet = Vec::new();
    world.run(RUNS, |world| {
        assert!(world.group.desired() <= most, "{}", world.history());
        unmet.push(world.plan.as_ref().unwrap().unmet > 0);
    });
    assert!(world.clauses().contains(&Some(Clause::B5)), "{}", world.history());
    // The alarm sees half an hour without a break.
    assert!(unmet.windows(31).any(|half_hour| half_hour.iter().all(|unmet| *unmet)), "{}", world.history());
    world.wanted = 8;
    world.run(RUNS, |_| {});
    assert_eq!(world.agents(), 8, "{}", world.history());
}

#[test]
fn launches_that_a_hook_abandons_are_a_loss_b5() {
    let hook = Hook { wait: Duration::from_secs(3600), abandons: true };
    starves_without_harm(|world| world.group.behavior.hook = Some(hook), 16);
}

#[test]
fn spot_requests_that_wait_are_a_loss_b5() {
    starves_without_harm(|world| world.group.behavior.spot_waits = true, 16);
}

#[test]
fn launches_that_fail_for_hours_are_asked_for_once_b5() {
    starves_without_harm(|world| world.group.behavior.failing_launches = 100_000, 16);
}

#[test]
fn instances_that_a_health_check_ends_are_bought_once_b5() {
    starves_without_harm(
        |world| {
            world.group.behavior.join = Duration::from_secs(36_000);
            world.group.behavior.unhealthy_after = Some(Duration::from_secs(240));
        },
        16,
    );
}

#[test]
fn instances_that_never_join_are_bought_one_by_one_b5() {
    let mut world = starved(|world| world.group.behavior.join = Duration::from_secs(36_000));
    let mut bought = Vec::new();
    world.run(RUNS, |world| bought.push(world.group.desired()));
    assert!(bought.iter().max() <= Some(&20), "{}", world.history());
    // A fix of the network: they join, and the rest follows.
    world.group.behavior.join = Duration::from_secs(120);
    world.run(RUNS, |_| {});
    assert!(world.agents() >= 16, "{}", world.history());
}

#[test]
fn what_waited_for_the_market_comes_once() {
    let mut world = starved(|world| world.group.behavior.spot_waits = true);
    world.run(RUNS, |_| {});
    world.group.behavior.spot_waits = false;
    world.run(RUNS, |world| assert!(world.group.desired() <= 16, "{}", world.history()));
    assert_eq!((world.group.desired(), world.agents()), (16, 16), "{}", world.history());
}

#[test]
fn a_hook_of_forty_minutes_buys_nothing_twice() {
    let hook = Hook { wait: Duration::from_secs(2400), abandons: false };
    let mut world = starved(|world| world.group.behavior.hook = Some(hook));
    world.run(RUNS, |world| assert!(world.group.desired() <= 16, "{}", world.history()));
    assert_eq!((world.group.desired(), world.agents()), (16, 16), "{}", world.history());
}

#[test]
fn what_is_wanted_is_requested_within_one_boot_l5() {
    // Thirty wanted, ten in one request, four minutes to join.
    let mut world = World::of(10, "max_scale_up_step = 10\n");
    world.group.behavior.join = Duration::from_secs(150);
    world.wanted = 40;
    let mut requested = Vec::new();
    world.run(RUNS, |world| requested.push(world.group.desired()));
    assert_eq!(requested[..3], [20, 30, 40], "{}", world.history());
    assert!(requested.iter().all(|desired| *desired <= 40), "{}", world.history());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// L5: with enough runs within one boot time, what was requested reaches what is wanted, and never more; and all of it joins.
    #[test]
    fn requests_reach_what_is_wanted_and_no_more_l5(
        agents in 1_u32..30, more in 1_u32..60, step in 1_u32..15, join in 30_u64..900, waits in 0_u64..300,
    ) {
        let mut world = World::of(agents, &format!("max_scale_up_step = {step}\n"));
        world.group.behavior.join = Duration::from_secs(join);
        if waits > 60 {
            world.group.behavior.hook = Some(Hook { wait: Duration::from_secs(waits), abandons: false });
        }
        world.wanted = agents + more;
        let wanted = i32::try_from(world.wanted).unwrap();
        let runs = more.div_ceil(step) as usize;
        let mut most = 0;
        world.run(runs, |world| most = most.max(world.group.desired()));
        prop_assert_eq!(most, wanted, "after {} runs: {}", runs, world.history());
        world.run(60, |world| most = most.max(world.group.desired()));
        prop_assert_eq!(most, wanted, "{}", world.history());
        prop_assert_eq!(world.agents(), agents + more, "{}", world.history());
    }
}
