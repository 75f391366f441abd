//! The window (D6) in a closed loop: what was needed lately stays, and nothing is held for ever.

use cluster::NOON;
use jiff::SignedDuration;
use node_scale::plan::PlanResult;
use proptest::prelude::*;
use shared::clause::Clause;
use shared::random::SplitMix64;

use super::scenario::{Custom, PartialUntil, Scenario, pool, tag_changes};

/// The schedule periods that a deployment may have, in minutes.
const PERIODS: [u32; 9] = [1, 2, 3, 5, 10, 15, 20, 30, 60];

/// Where a minute passes between two of them: longer than every window, some times over.
const RUNS: usize = 200;

/// The same where so many minutes pass.
const fn runs(minutes: u32) -> usize {
    30 + (RUNS - 30) / minutes as usize
}

/// How many loads that move at random are tried.
const LOADS: u32 = if cfg!(debug_assertions) { 16 } else { 96 };

#[test]
fn what_is_not_needed_goes_in_every_schedule_d6() {
    for minutes in PERIODS {
        for margin in [0, 1] {
            for window in ["", "scale_down_window = \"1m\"\n", "scale_down_window = \"1h\"\n"] {
                let settings = format!("scale_down_margin = {margin}\n{window}");
                let ran = Scenario::every(minutes, 10, &settings).run(&[(runs(minutes), 7)]);
                assert_eq!(ran.last().agents, 7 + margin, "every {minutes} min, {window}: {ran}");
            }
        }
    }
}

#[test]
fn a_custom_check_is_held_in_no_schedule_d6() {
    for minutes in PERIODS {
        for check in [Custom::Delta, Custom::State] {
            let custom = Scenario::every(minutes, 10, "check = \"custom\"\n");
            let ran = Scenario { check: Some(Box::new(check)), ..custom }.run(&[(runs(minutes), 7)]);
            assert_eq!(ran.last().agents, 7, "every {minutes} min, {check:?}: {ran}");
        }
    }
}

#[test]
fn a_cloudwatch_pool_is_held_in_no_schedule_d6() {
    // What the tasks take stands for the CPU utilization.
    const SETTINGS: &str = "source = \"cloudwatch\"\nmin = 1\nscale_out_threshold = 100\nscale_down_ratio = 0.999\n";
    for minutes in PERIODS {
        let ran = Scenario::every(minutes, 10, SETTINGS).run(&[(runs(minutes), 7)]);
        assert_eq!(ran.last().agents, 7, "every {minutes} min: {ran}");
    }
}

#[test]
fn a_dry_run_is_held_in_no_schedule_d6() {
    for minutes in PERIODS {
        let ran = Scenario { is_dry_run: true, ..Scenario::every(minutes, 10, "") }.run(&[(runs(minutes), 7)]);
        assert!(ran.0.iter().all(|run| matches!(run.plan.result, PlanResult::Act(_))), "every {minutes} min: {ran}");
        assert_eq!((ran.last().agents, ran.last().desired), (10, 9), "every {minutes} min: {ran}");
    }
}

#[test]
fn what_is_above_max_goes_without_a_window_l1() {
    for minutes in PERIODS {
        // All ten are needed, and max is 7.
        let ran = Scenario::every(minutes, 10, "max = 7\nscale_down_margin = 1\n").run(&[(35 + runs(minutes), 10)]);
        assert!(ran.0[35..].iter().all(|run| run.agents == 7), "every {minutes} min: {ran}");
        assert!(!ran.clauses().contains(&Some(Clause::D6)), "every {minutes} min: {ran}");
    }
}

#[test]
fn a_load_that_returns_every_ten_minutes_keeps_its_agents_d6() {
    let mut phases = [(2, 12), (8, 5)].repeat(20);
    // Then it no longer does.
    phases.push((RUNS, 5));
    let ran = Scenario::of(12, "").run(&phases);
    assert!(ran.0[..200].iter().all(|run| run.agents == 12), "{ran}");
    assert_eq!(ran.last().agents, 5, "{ran}");
    let writes = tag_changes(&ran.0[..200]);
    assert!(writes <= 2 * 200 * 60 / 150, "at most two writes for each slot, {writes}");
}

#[test]
fn lost_late_and_doubled_decisions_hold_nothing_for_ever_d6() {
    for seed in 0..10 {
        let troubles = Some(SplitMix64::new(seed));
        let ran = Scenario { troubles, ..Scenario::of(10, "") }.run(&[(RUNS, 7)]);
        assert!(ran.0.iter().all(|run| run.agents >= 7), "seed {seed}: {ran}");
        assert_eq!(ran.last().agents, 7, "seed {seed}: {ran}");
    }
}

#[test]
fn a_gap_of_hours_forgets_the_window_d6() {
    let ran = Scenario { missed: 30..330, ..Scenario::of(10, "") }.run(&[(30, 10), (300 + 72, 7)]);
    // What was needed meanwhile is unknown for a window.
    assert!(ran.0[..30 + 12].iter().all(|run| run.agents == 10), "{ran}");
    assert_eq!(ran.0.len(), 30 + 72, "{ran}");
    assert_eq!(ran.last().agents, 7, "{ran}");
}

#[test]
fn an_outage_of_the_master_ends_with_a_window_d6() {
    // Its snapshots lack something for an hour, and say nothing.
    let check = PartialUntil(NOON + SignedDuration::from_hours(1));
    let ran = Scenario { check: Some(Box::new(check)), ..Scenario::of(10, "") }.run(&[(60 + 72, 7)]);
    assert_eq!(tag_changes(&ran.0[..60]), 0, "{ran}");
    assert!(ran.0[..60 + 12].iter().all(|run| run.agents == 10), "{ran}");
    assert_eq!(ran.last().agents, 7, "{ran}");
}

#[test]
fn two_stacks_with_one_group_keep_what_either_needs_d6() {
    // Eight full agents would be above the threshold of the first one, seven are all that the second one needs. A slot lasts two minutes,
    // so the last decision in each of them is of the second one.
    const WINDOW: &str = "scale_down_window = \"12m\"\n";
    let first = format!("{WINDOW}scale_up_threshold_percent = 80\nscale_down_threshold_percent = 79\n");
    let ran = Scenario { second: Some(pool(1, WINDOW)), ..Scenario::of(10, &first) }.run(&[(RUNS, 7)]);
    assert!(ran.0.iter().all(|run| run.agents >= 9), "{ran}");
    assert_eq!(ran.last().agents, 9, "{ran}");
}

#[test]
fn a_full_pool_writes_no_tag_d6() {
    // Nine and a margin of one are all.
    let ran = Scenario::of(10, "scale_down_margin = 1\n").run(&[(RUNS, 10), (RUNS, 9)]);
    assert!(ran.0.iter().all(|run| run.agents == 10), "{ran}");
    assert_eq!(tag_changes(&ran.0), 0, "{ran}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(LOADS))]

    /// A load that moves at random: no agent that goes was needed in the last ten minutes, and when the load rests, what is not
    /// needed is gone within a window and five runs for each agent. Of six slots the newest one may have just begun, and the oldest one
    /// of a new tag may lack a part.
    #[test]
    fn agents_that_go_were_not_needed_lately_d6(
        mut loads in prop::collection::vec((1_usize..12, 3_u32..20), 1..25), margin in 0_u32..2,
    ) {
        let rest = loads[loads.len() - 1].1;
        loads.push((20 + 5 * 20, rest));
        let wanted: Vec<u32> = loads.iter().flat_map(|(runs, wanted)| vec![*wanted; *runs]).collect();
        let settings = format!("max_scale_down_step = 3\nscale_down_margin = {margin}\n");
        let ran = Scenario::of(10, &settings).run(&loads);
        for (run, pair) in ran.0.windows(2).enumerate() {
            let highest = wanted[..run + 2].iter().rev().take(1 + 10).max().copied().unwrap();
            let (before, now) = (pair[0].desired, pair[1].desired);
            prop_assert!(now >= before.min(highest + margin), "{}", ran);
        }
        // D7: with a margin, ten points more headroom must find room, which is at least one agent.
        let left = ran.last().agents;
        prop_assert!((rest..=rest + margin * rest.div_ceil(10)).contains(&left), "{}", ran);
    }
}
