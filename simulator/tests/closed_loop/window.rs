//! The window (D6) in a closed loop: what was needed lately stays, and nothing is held for ever.

use std::time::Duration;

use jiff::SignedDuration;
use proptest::prelude::*;
use shared::clause::Clause;
use shared::contract::{CompletenessLevel, ScalingDecision};

use crate::loop_world::{Says, World};

/// The schedule periods that a deployment may have, in minutes.
const PERIODS: [u64; 9] = [1, 2, 3, 5, 10, 15, 20, 30, 60];

/// Longer than every window in runs, some times over.
const RUNS: usize = 200;

/// Ten agents of which seven are needed: how many are left after so many runs.
fn left_of_ten(mut world: World) -> (u32, String) {
    world.group.behavior.join = Duration::from_secs(60);
    world.wanted = 7;
    world.run(RUNS, |_| {});
    (world.agents(), world.history())
}

#[test]
fn what_is_not_needed_goes_in_every_schedule_d6() {
    for minutes in PERIODS {
        for margin in [0, 1] {
            for window in ["", "scale_down_window = \"1m\"\n", "scale_down_window = \"1h\"\n"] {
                let mut world = World::every(minutes, 10, window);
                world.says = Says::Needed { margin };
                let (left, history) = left_of_ten(world);
                assert_eq!(left, 7 + margin, "every {minutes} min, {window}: {history}");
            }
        }
    }
}

#[test]
fn a_custom_check_is_held_in_no_schedule_d6() {
    for minutes in PERIODS {
        for says in [Says::Delta, Says::StateAlone] {
            let mut world = World::every(minutes, 10, "check = \"custom\"\n");
            world.says = says;
            let (left, history) = left_of_ten(world);
            assert_eq!(left, 7, "every {minutes} min, {says:?}: {history}");
        }
    }
}

#[test]
fn a_cloudwatch_pool_is_held_in_no_schedule_d6() {
    for minutes in PERIODS {
        let mut world = World::every(minutes, 10, "source = \"cloudwatch\"\nmin = 1\n");
        world.says = Says::Delta;
        let (left, history) = left_of_ten(world);
        assert_eq!(left, 7, "every {minutes} min: {history}");
    }
}

#[test]
fn a_dry_run_is_held_in_no_schedule_d6() {
    for minutes in PERIODS {
        let mut world = World::every(minutes, 10, "");
        world.is_dry_run = true;
        world.wanted = 7;
        let mut would = 0;
        world.run(RUNS, |world| {
            would += usize::from(matches!(world.plan.as_ref().unwrap().result, node_scale::plan::PlanResult::Act(_)));
        });
        assert_eq!((would, world.tag_writes), (RUNS, 0), "every {minutes} min: {}", world.history());
    }
}

#[test]
fn what_is_above_max_goes_without_a_window_l1() {
    for minutes in PERIODS {
        // All ten are needed, and max is 7.
        let mut world = World::every(minutes, 10, "max = 7\n");
        world.says = Says::Needed { margin: 1 };
        world.run(35, |_| {});
        assert_eq!(world.agents(), 7, "every {minutes} min: {}", world.history());
        assert!(!world.clauses().contains(&Some(Clause::D6)), "{}", world.history());
        world.run(RUNS, |world| assert_eq!(world.agents(), 7, "{}", world.history()));
    }
}

#[test]
fn a_load_that_returns_every_ten_minutes_keeps_its_agents_d6() {
    let mut world = World::of(12, "");
    for round in 0..20 {
        for (runs, wanted) in [(2, 12), (8, 5)] {
            world.wanted = wanted;
            world.run(runs, |world| assert_eq!(world.agents(), 12, "round {round}: {}", world.history()));
        }
    }
    // When it no longer does, they go.
    let writes = world.tag_writes;
    world.run(RUNS, |_| {});
    assert_eq!(world.agents(), 5, "{}", world.history());
    assert!(writes <= 2 * 200 * 60 / 150, "at most two writes for each slot, {writes}");
}

#[test]
fn lost_late_and_doubled_decisions_hold_nothing_for_ever_d6() {
    for seed in 0..20_u64 {
        let mut random = shared::random::SplitMix64::new(seed);
        let mut world = World::of(10, "");
        world.wanted = 7;
        for _ in 0..RUNS {
            let decision = world.decision();
            let delays: &[i64] = random.pick([&[10][..], &[10, 40], &[50, 110], &[90], &[]]);
            for delay in delays {
                let at = world.now + SignedDuration::from_secs(*delay);
                world.deliver(&decision, at);
            }
            assert!(world.agents() >= 7, "{}", world.history());
            world.pass(1 + u32::from(delays.iter().any(|delay| *delay > 60)));
        }
        assert_eq!(world.agents(), 7, "seed {seed}: {}", world.history());
    }
}

#[test]
fn a_gap_of_hours_forgets_the_window_d6() {
    let mut world = World::of(10, "");
    world.run(30, |_| {});
    world.wanted = 7;
    world.pass(300);
    // What was needed meanwhile is unknown for a window.
    world.run(12, |world| assert_eq!(world.agents(), 10, "{}", world.history()));
    world.run(60, |_| {});
    assert_eq!(world.agents(), 7, "{}", world.history());
}

#[test]
fn an_outage_of_the_master_ends_with_a_window_d6() {
    let mut world = World::of(10, "");
    world.wanted = 7;
    // Its snapshots lack something for an hour, and say nothing.
    for _ in 0..60 {
        let partial = ScalingDecision {
            completeness: Some(CompletenessLevel::Partial),
            needed: None,
            ..cluster::decision(0, world.agents(), world.now)
        };
        let at = world.now;
        world.deliver(&partial, at);
        world.pass(1);
    }
    assert_eq!(world.tag_writes, 0);
    world.run(12, |world| assert_eq!(world.agents(), 10, "{}", world.history()));
    world.run(60, |_| {});
    assert_eq!(world.agents(), 7, "{}", world.history());
}

#[test]
fn two_stacks_with_one_group_keep_what_either_needs_d6() {
    let mut world = World::of(10, "");
    for run in 0..RUNS {
        world.wanted = if run % 2 == 0 { 7 } else { 9 };
        world.run(1, |world| assert!(world.agents() >= 9, "{}", world.history()));
    }
    assert_eq!(world.agents(), 9, "{}", world.history());
}

#[test]
fn a_full_pool_writes_no_tag_d6() {
    let mut world = World::of(10, "");
    world.says = Says::Needed { margin: 1 };
    world.run(RUNS, |_| {});
    assert_eq!((world.agents(), world.tag_writes), (10, 0));
    world.wanted = 9;
    world.run(RUNS, |_| {});
    assert_eq!((world.agents(), world.tag_writes), (10, 0), "nine and a margin of one are all");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// A load that moves at random: no agent that goes was needed in the last ten minutes, and when the load rests, what is not
    /// needed is gone within a window and a run for each agent.
    #[test]
    fn agents_that_go_were_not_needed_lately_d6(loads in prop::collection::vec((1_usize..12, 3_u32..20), 1..25), margin in 0_u32..2) {
        let mut world = World::of(10, "max_scale_down_step = 3\n");
        world.group.behavior.join = Duration::from_secs(60);
        world.says = Says::Needed { margin };
        let mut lately: Vec<u32> = Vec::new();
        let mut desired = world.group.desired();
        for (runs, wanted) in loads {
            world.wanted = wanted;
            for _ in 0..runs {
                lately.push(wanted);
                let mut now = desired;
                world.run(1, |world| now = world.group.desired());
                if now < desired {
                    let highest = lately.iter().rev().take(10).max().copied().unwrap();
                    prop_assert!(now >= i32::try_from(highest + margin).unwrap().min(desired), "{}", world.history());
                }
                desired = now;
            }
        }
        let (rest, from) = (world.wanted, world.agents());
        world.run(20 + 5 * from as usize, |_| {});
        prop_assert!(world.agents() <= rest + margin && world.agents() >= rest, "{}", world.history());
    }
}
