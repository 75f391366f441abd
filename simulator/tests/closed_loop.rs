//! The whole project in the simulator's world, for hours: what was right once must be right in every run that follows.

mod scenario;
mod window;

use std::time::Duration;

use cluster::group::Hook;
use proptest::prelude::*;
use scenario::{Scenario, Seen};
use shared::clause::Clause;
use shared::resources::Resources;
use simulator::{Fault, Faults, Launches, MINUTE, SECOND};

/// Long enough for every back-off and timeout to end more than once.
const RUNS: usize = 200;

/// How many pools that must grow are tried.
const POOLS: u32 = if cfg!(debug_assertions) { 20 } else { 128 };

/// A zone rebalance fails every five minutes on average, and at least every ten.
fn rebalances() -> Faults {
    Faults::none().with(Fault::FailedRebalance, 24 * 12)
}

#[test]
fn instances_from_the_warm_pool_are_bought_once() {
    let scenario = Scenario { warm: 6, boot: 5 * MINUTE, ..Scenario::of(10, "") };
    let ran = scenario.run(&[(RUNS, 12)]);
    assert!(ran.0.iter().all(|run| run.desired <= 12), "{ran}");
    assert_eq!((ran.last().desired, ran.last().agents), (12, 12), "{ran}");
}

#[test]
fn a_rebalance_that_fails_every_five_minutes_stops_no_scale_down() {
    let settings = "scale_down_cooldown = \"11m\"\n";
    let ran = Scenario { faults: rebalances(), ..Scenario::of(10, settings) }.run(&[(RUNS, 7)]);
    assert_eq!(ran.last().desired, 7, "{ran}");
}

#[test]
fn a_rebalance_that_fails_every_five_minutes_stops_no_scale_up_b5() {
    let ran = Scenario { faults: rebalances(), ..Scenario::of(10, "") }.run(&[(50, 10), (RUNS - 50, 14)]);
    assert_eq!((ran.last().desired, ran.last().agents), (14, 14), "{ran}");
    assert!(!ran.clauses().contains(&Some(Clause::B5)), "{ran}");
}

#[test]
fn a_load_that_moves_is_followed_exactly() {
    let wanted = [14, 9, 20, 3, 11];
    let ran = Scenario { boot: 4 * MINUTE, ..Scenario::of(10, "") }.run(&wanted.map(|wanted| (RUNS, wanted)));
    for (runs, wanted) in ran.0.chunks(RUNS).zip(wanted) {
        assert_eq!((runs[RUNS - 1].desired, runs[RUNS - 1].agents), (wanted, wanted), "{ran}");
    }
}

/// Ten agents, of which sixteen will be wanted, and launches that go like that.
fn starved(launches: Launches) -> Scenario {
    Scenario { launches, ..Scenario::of(10, "") }
}

/// A hook that holds every launch for so many minutes.
fn hook(minutes: u64, abandons: bool) -> Launches {
    Launches { hook: Some(Hook { wait: Duration::from_mins(minutes), abandons }), ..Launches::default() }
}

/// Nothing is bought without end, the alarm's metric is never 0 for long, and a lower load is served.
fn starves_without_harm(scenario: Scenario) {
    let ran = scenario.run(&[(RUNS, 16), (RUNS, 8)]);
    let starved = &ran.0[..RUNS];
    assert!(starved.iter().all(|run| run.desired <= 16), "{ran}");
    assert!(starved.iter().any(|run| run.clause() == Some(Clause::B5)), "{ran}");
    // The alarm sees half an hour without a break.
    assert!(starved.windows(31).any(|half_hour| half_hour.iter().all(|run| run.plan.unmet > 0)), "{ran}");
    assert_eq!(ran.last().agents, 8, "{ran}");
}

#[test]
fn launches_that_a_hook_abandons_are_a_loss_b5() {
    starves_without_harm(starved(hook(60, true)));
}

#[test]
fn spot_requests_that_wait_are_a_loss_b5() {
    starves_without_harm(starved(Launches { market_from: 2 * RUNS as u64 * MINUTE, ..Launches::default() }));
}

#[test]
fn launches_that_fail_for_hours_are_asked_for_once_b5() {
    starves_without_harm(Scenario { faults: Faults::none().with(Fault::FailedLaunch, 100), ..Scenario::of(10, "") });
}

/// Six are asked for that do not arrive, and after their hours ten are enough again: the six are withdrawn, and nothing else
/// happens, also once instances can be launched.
fn withdraws_what_is_not_needed(scenario: Scenario) {
    let ran = scenario.run(&[(RUNS, 16), (2 * RUNS, 10)]);
    let (asked, calm) = ran.0.split_at(RUNS);
    assert!(asked[5..].iter().all(|run| run.desired == 16), "{ran}");
    // A load that returns within the window finds its request.
    assert!(calm[..12].iter().all(|run| run.desired == 16), "{ran}");
    assert!(calm[30..].iter().all(|run| run.desired == 10 && run.plan.launch_failures == 0), "{ran}");
    assert!(ran.0.iter().all(|run| run.agents == 10), "{ran}");
}

#[test]
fn launches_that_fail_and_are_not_needed_are_withdrawn_a1() {
    let faults = Faults::none().with(Fault::FailedLaunch, 100);
    withdraws_what_is_not_needed(Scenario { faults, ..Scenario::of(10, "") });
}

#[test]
fn spot_requests_that_wait_and_are_not_needed_are_withdrawn_a1() {
    let market_from = 2 * RUNS as u64 * MINUTE;
    withdraws_what_is_not_needed(starved(Launches { market_from, ..Launches::default() }));
}

#[test]
fn what_is_withdrawn_is_asked_for_again_with_the_load_a1() {
    // Launches fail for hours, and the load comes and goes: within the window nothing is withdrawn, later all of it.
    let faults = Faults::none().with(Fault::FailedLaunch, 100);
    let ran = Scenario { faults, ..Scenario::of(10, "") }.run(&[(30, 16), (9, 10)].repeat(6));
    assert!(ran.0[5..].iter().all(|run| run.desired == 16), "{ran}");
    let faults = Faults::none().with(Fault::FailedLaunch, 100);
    let ran = Scenario { faults, ..Scenario::of(10, "") }.run(&[(60, 16), (60, 10)].repeat(5));
    let changes = ran.0.windows(2).filter(|runs| runs[0].desired > runs[1].desired).count();
    assert!(changes <= 3 * 5, "{ran}");
    for (wanted, runs) in [16, 10].into_iter().cycle().zip(ran.0.chunks(60)) {
        assert_eq!(runs[59].desired, wanted, "{ran}");
    }
    assert!(ran.0.iter().all(|run| run.agents == 10), "{ran}");
}

#[test]
fn instances_that_a_health_check_ends_are_bought_once_b5() {
    let faults = Faults::none().with(Fault::UnhealthyInstance, 100);
    starves_without_harm(Scenario { faults, ..Scenario::of(10, "") });
}

#[test]
fn instances_that_never_join_are_bought_one_by_one_b5() {
    // Then the network is repaired: they join, and the rest follows.
    let network_from = RUNS as u64 * MINUTE;
    let ran = starved(Launches { network_from, ..Launches::default() }).run(&[(2 * RUNS, 16)]);
    assert!(ran.0[..RUNS].iter().all(|run| run.agents == 10 && run.desired <= 20), "{ran}");
    assert!(ran.last().agents >= 16, "{ran}");
}

#[test]
fn new_agents_without_resources_are_bought_one_by_one_b5() {
    let ran = Scenario { new: Resources::ZERO, ..Scenario::of(10, "") }.run(&[(RUNS, 16), (RUNS, 8)]);
    let starved = &ran.0[..RUNS];
    assert!(starved.iter().all(|run| run.desired <= 20), "{ran}");
    assert!(starved.iter().any(|run| run.clause() == Some(Clause::B5)), "{ran}");
    assert!(starved.windows(31).any(|half_hour| half_hour.iter().all(|run| run.plan.unmet > 0)), "{ran}");
    let note = |run: &Seen| run.plan.notes.iter().any(|note| note.contains("take no tasks of the pool"));
    assert!(starved[10..].iter().all(note), "{ran}");
    // Ten take no tasks, and of the others those go that are not needed.
    assert_eq!((ran.last().desired, ran.last().agents), (18, 18), "{ran}");
}

#[test]
fn what_waited_for_the_market_comes_once() {
    let market_from = RUNS as u64 * MINUTE;
    let ran = starved(Launches { market_from, ..Launches::default() }).run(&[(2 * RUNS, 16)]);
    assert_eq!(ran.0[RUNS - 1].agents, 10, "{ran}");
    assert!(ran.0[RUNS..].iter().all(|run| run.desired <= 16), "{ran}");
    assert_eq!((ran.last().desired, ran.last().agents), (16, 16), "{ran}");
}

#[test]
fn a_hook_of_forty_minutes_buys_nothing_twice() {
    let ran = starved(hook(40, false)).run(&[(RUNS, 16)]);
    assert_eq!(ran.0[39].agents, 10, "{ran}");
    assert!(ran.0.iter().all(|run| run.desired <= 16), "{ran}");
    assert_eq!((ran.last().desired, ran.last().agents), (16, 16), "{ran}");
}

#[test]
fn what_is_wanted_is_requested_within_one_boot_l5() {
    // Thirty more are wanted, ten in one request, and none joins within three minutes.
    let ran = Scenario { boot: 4 * MINUTE, ..Scenario::of(10, "max_scale_up_step = 10\n") }.run(&[(RUNS, 40)]);
    let requested: Vec<u32> = ran.0.iter().map(|run| run.desired).collect();
    assert_eq!(requested[..3], [20, 30, 40], "{ran}");
    assert!(requested.iter().all(|desired| *desired <= 40), "{ran}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(POOLS))]

    /// L5: with enough runs within one boot time, what was requested reaches what is wanted, and never more; and all of it joins.
    #[test]
    fn requests_reach_what_is_wanted_and_no_more_l5(
        agents in 1_u32..30, more in 1_u32..60, step in 1_u32..15, boot in 60_u64..960, wait in 0_u64..300,
    ) {
        // From launch/3 to its end, a boot of 16 minutes is shorter than join_timeout.
        let hook = (wait > 60).then_some(Hook { wait: Duration::from_secs(wait), abandons: false });
        let scenario = Scenario {
            boot: boot * SECOND,
            launches: Launches { hook, ..Launches::default() },
            ..Scenario::of(agents, &format!("max_scale_up_step = {step}\n"))
        };
        let (wanted, runs) = (agents + more, more.div_ceil(step) as usize);
        let ran = scenario.run(&[(runs + 60, wanted)]);
        prop_assert_eq!(ran.0[runs - 1].desired, wanted, "after {} runs:\n{}", runs, ran);
        prop_assert!(ran.0.iter().all(|run| run.desired <= wanted), "{}", ran);
        prop_assert_eq!(ran.last().agents, wanted, "{}", ran);
    }
}
