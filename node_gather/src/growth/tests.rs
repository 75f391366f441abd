use cluster::{Cluster, NOON, policy, resources};
use jiff::ToSpan;
use proptest::prelude::*;
use shared::config::{Confidence, Learning};
use shared::contract::{AgentState, Application, Completeness, Growth};
use shared::resources::{Kind, Resources};

use super::*;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// A demand of so many eighths of an agent with 8 cpus.
fn demand(eighths: u64) -> Demand {
    let unit = Unit(resources(8, 28_000));
    Demand { taken: resources(eighths, 0), unit, agents: vec![unit], considered: vec![Kind::Cpus, Kind::Mem] }
}

fn seen(eighths: u64) -> Observation {
    Observation { demand: Some(demand(eighths)), counts: true, elected_at: Some(NOON), horizon: 3, period: MINUTE }
}

fn at(minute: i64) -> Timestamp {
    NOON + minute.minutes()
}

/// The history after runs with these demands, one a minute.
fn history(demands: impl IntoIterator<Item = u64>) -> History {
    let runs = (0..).zip(demands);
    runs.fold(History::default(), |history, (minute, eighths)| learn(&history, &seen(eighths), at(minute)))
}

/// A stored history with these counters, all of a demand of at most the mean.
fn stored(counts: &[u32]) -> String {
    stored_on_both_sides(counts, &[])
}

/// A stored history with these counters, some of them of a demand above the mean of 50.
fn stored_on_both_sides(counts: &[u32], above: &[u32]) -> String {
    let all = |counts: &[u32]| -> Vec<u32> {
        counts.iter().copied().chain(std::iter::repeat(0)).take(Growth::EDGES.len()).collect()
    };
    let (agent, counts, above, day) = (r#"{"cpus":8,"mem":28000}"#, all(counts), all(above), 50 * 1_440);
    format!(
        r#"{{"version":1,"at":"{NOON}","elected_at":"{NOON}","horizon":3,"agent":{agent},"row":[],"counts":{counts:?},"above":{above:?},"day":{day},"highest":0}}"#
    )
}

/// G of a demand.
fn grow(history: &History, eighths: u64, tenths: u32) -> Option<u32> {
    history.growth(Some(&demand(eighths)), confidence(tenths)).grow
}

fn confidence(tenths: u32) -> Confidence {
    Confidence::from_tenths(tenths).unwrap()
}

/// Where counters are not 0: the edges with their counts.
fn counted(history: &History) -> Vec<(u32, u32)> {
    edges(history.counts())
}

fn edges(counts: &[u32]) -> Vec<(u32, u32)> {
    Growth::EDGES.into_iter().zip(counts.iter().copied()).filter(|(_, count)| *count > 0).collect()
}

#[test]
fn the_largest_considered_resource_is_the_demand_h7() {
    // 52 cpus and 150,000 MB, and one queued instance of 2 cpus and 6,000 MB.
    let taken = resources(54, 156_000);
    let worked = |considered: &[Kind]| Demand { taken, considered: considered.to_vec(), ..demand(0) };
    let unit = Unit(resources(8, 28_000));
    assert_eq!(worked(&[Kind::Cpus, Kind::Mem]).eighths(&unit), Some(54));
    assert_eq!(worked(&[Kind::Mem]).eighths(&unit), Some(45));
    assert_eq!(worked(&[Kind::Gpus]).eighths(&unit), None, "the agent has none");
}

#[test]
fn demand_is_what_runs_anywhere_and_what_a_new_agent_holds_h7() {
    let cluster = Cluster::of(9, resources(8, 28_000))
        .running("/web", 40, resources(1, 3_000))
        .running("/own", 4, resources(1, 3_000))
        .running("/telegraf", 8, resources(1, 3_000))
        .queued("/web", 2, resources(1, 3_000));
    let cluster = cluster.queued("/large", 1, resources(9, 3_000));
    let settings = "applications.\"/own\".application_headroom_percent = 50\napplications.\"/telegraf\".daemon = true";
    let of = |snapshot: &ClusterSnapshot, settings: &str, not_counted: &[TaskGroup]| {
        Demand::of(snapshot, &policy(settings).unwrap(), not_counted).unwrap()
    };
    let all = of(&cluster.snapshot(), "", &[]);
    assert_eq!((all.taken, all.unit), (resources(54, 162_000), Unit(resources(8, 28_000))));
    let some = of(&cluster.snapshot(), settings, &[]);
    assert_eq!((some.taken, some.unit), (resources(42, 126_000), Unit(resources(7, 25_000))));
    // What backs off has not gone.
    let group = |count, cpus| TaskGroup { count, resources: resources(cpus, 1_000) };
    assert_eq!(of(&cluster.snapshot(), "", &[group(3, 2), group(7, 9)]).taken, resources(60, 165_000));
    // On an agent that drains as well.
    let draining = cluster.with_state(0, AgentState::Draining);
    assert_eq!(of(&draining.snapshot(), "", &[]).taken, all.taken);
    let empty = Cluster::default().snapshot();
    assert_eq!(Demand::of(&empty, &policy("").unwrap(), &[]), None);
    assert_eq!(of(&empty, "new_agent = { cpus = 8, mem = 28000 }", &[]).eighths(&all.unit), Some(0));
}

#[test]
fn a_new_agent_is_the_most_common_usable_one_h7() {
    let (small, large) = (resources(4, 14_000), resources(8, 28_000));
    let unit = |snapshot: &ClusterSnapshot, settings: &str| {
        Demand::of(snapshot, &policy(settings).unwrap(), &[]).map(|demand| demand.unit.0)
    };
    let cluster = |smalls, larges| Cluster::of(smalls, small).and(larges, large).snapshot();
    assert_eq!(unit(&cluster(2, 3), ""), Some(large));
    assert_eq!(unit(&cluster(3, 3), ""), Some(small), "of equally common ones the smaller");
    assert_eq!(unit(&cluster(3, 2), "new_agent = { cpus = 8, mem = 28000 }"), Some(large));
    // The last agents are on their way out, and a shape without agents is none.
    let leaving = Cluster::of(1, small).with_state(0, AgentState::Draining);
    let mut snapshot = leaving.snapshot();
    snapshot.agent_shapes = cluster(0, 1).agent_shapes;
    snapshot.agent_shapes.iter_mut().for_each(|shape| shape.count = 0);
    assert_eq!(unit(&snapshot, ""), Some(small));
}

#[test]
fn what_runs_on_more_agents_than_the_maximum_is_no_demand_h7() {
    let mut snapshot = Cluster::of(5, resources(8, 28_000)).running("/d", 5, resources(1, 1_000)).snapshot();
    snapshot.applications.iter_mut().for_each(|application: &mut Application| application.max_per_agent = Some(1));
    let taken = |settings: &str| Demand::of(&snapshot, &policy(settings).unwrap(), &[]).unwrap().taken;
    assert_eq!((taken("max = 4"), taken("max = 5")), (Resources::ZERO, resources(5, 5_000)));
}

#[test]
fn growth_is_the_largest_value_of_a_full_row_less_its_oldest_h8() {
    assert_eq!(counted(&history([46, 50, 49])), [], "three of four values");
    assert_eq!(counted(&history([46, 50, 49, 54])), [(8, 1)]);
    // 54 - 50, 54 - 49: rows that overlap.
    assert_eq!(counted(&history([46, 50, 49, 54, 54, 52])), [(4, 1), (6, 1), (8, 1)]);
    assert_eq!(counted(&history([54, 50, 40, 30])), [(0, 1)], "less is no growth");
    assert_eq!(counted(&history([0, 0, 0, 9_999])), [(4_096, 1)], "the last edge counts what is larger");
    assert_eq!(counted(&history([0, 0, 0, 5])), [(6, 1)], "the smallest edge not below it");
}

#[test]
fn counters_are_halved_at_1440_and_the_rest_is_lost_h8() {
    let full = History::parse(&stored(&[700, 700, 35, 3, 1])).unwrap();
    assert_eq!(full.samples(), 1_439);
    let after = [54, 54, 54, 54]
        .iter()
        .zip(1..)
        .fold(full, |history, (eighths, minute)| learn(&history, &seen(*eighths), at(minute)));
    assert_eq!(counted(&after), [(0, 350), (1, 350), (2, 17), (3, 1)]);
}

#[test]
fn the_highest_demand_falls_with_each_halving_h9() {
    let highest = |history: &History| history.growth(Some(&demand(54)), confidence(980)).highest;
    assert_eq!(highest(&history([46, 80, 49, 54])), 80);
    let incomplete = Observation { counts: false, ..seen(900) };
    assert_eq!(highest(&learn(&history([46, 80]), &incomplete, at(2))), 80, "a run that does not count");
    // A day of minutes.
    let day = |first: u64| std::iter::once(first).chain(std::iter::repeat_n(54, 1_441));
    assert_eq!((highest(&history(day(80).chain([54]))), highest(&history(day(16)))), (75, 54));
}

#[test]
fn the_smallest_edge_that_was_enough_is_expected_h8() {
    let worked = History::parse(&stored(&[700, 150, 80, 30, 18, 12, 8, 2])).unwrap();
    let of = |tenths| grow(&worked, 54, tenths).unwrap();
    assert_eq!((of(980), of(978), of(979)), (6, 4, 6), "978 of 1,000 are enough for exactly 97.8%");
    assert_eq!((of(500), of(700), of(701), of(998), of(999), of(1000)), (0, 0, 1, 8, 12, 12));
    let few = |samples| grow(&History::parse(&stored(&[samples])).unwrap(), 54, 980);
    assert_eq!((few(0), few(59), few(60)), (None, None, Some(0)));
}

#[test]
fn the_mean_moves_by_a_part_of_a_day_h8() {
    assert_eq!(history([46]).mean(), 46, "the first demand");
    let day = |eighths| std::iter::repeat_n(eighths, 1_440);
    assert_eq!(history(day(80)).mean(), 80);
    // Two thirds of the way in a day: 1 - 1/e of 100.
    assert_eq!(history(std::iter::once(100).chain(day(200))).mean(), 163);
    assert_eq!(history(std::iter::once(200).chain(day(100))).mean(), 137, "rounded down");
    let incomplete = Observation { counts: false, ..seen(900) };
    assert_eq!(learn(&history([46]), &incomplete, at(1)).mean(), 46, "a run that does not count");
}

#[test]
fn growth_is_counted_on_its_side_of_the_mean_h8() {
    // The mean stays near 40. From 40 it jumps to 80 and falls back.
    let jumps = history([40, 40, 40, 40, 80, 80, 80, 80, 40]);
    assert_eq!((jumps.mean(), counted(&jumps), edges(jumps.above())), (40, vec![(0, 3), (48, 3)], vec![(0, 2)]));
}

#[test]
fn a_demand_grows_as_those_on_its_side_of_the_mean_did_h8() {
    let of = |history: &History, eighths| {
        let growth = history.growth(Some(&demand(eighths)), confidence(900));
        (growth.grow, growth.samples, growth.mean)
    };
    // Below the mean of 50, 100 runs of which 80 grew by nothing and 20 by 8 eighths; above it 90 runs without growth.
    let both = History::parse(&stored_on_both_sides(&[170, 0, 0, 0, 0, 0, 20], &[90])).unwrap();
    assert_eq!((of(&both, 50), of(&both, 51)), ((Some(8), 190, 50), (Some(0), 190, 50)));
    // Above it are too few: all count.
    let few = History::parse(&stored_on_both_sides(&[160, 0, 0, 0, 0, 0, 20], &[59])).unwrap();
    assert_eq!((of(&few, 50), of(&few, 51)), ((Some(8), 180, 50), (Some(8), 180, 0)));
    // No side has enough, but together they do.
    let together = History::parse(&stored_on_both_sides(&[118], &[59])).unwrap();
    assert_eq!((of(&together, 50), of(&together, 51)), ((Some(0), 118, 0), (Some(0), 118, 0)));
    // A history without a mean: all count.
    let older = stored(&[118, 0, 0, 0, 0, 0, 30]).split(r#","above""#).next().unwrap().to_owned() + "}";
    assert_eq!(of(&History::parse(&older).unwrap(), 50), (Some(8), 148, 0));
    // All are on one side: it is all of them.
    let one = History::parse(&stored(&[170])).unwrap();
    assert_eq!(of(&one, 50), (Some(0), 170, 0));
}

#[test]
fn growth_that_comes_once_an_hour_is_expected_as_suggested_h8() {
    // Ten minutes of each hour there is two fifths more.
    let hours = history((0..1_200).map(|minute| if minute % 60 < 10 { 140 } else { 100 }));
    let suggested = Confidence::SUGGESTED.tenths();
    assert_eq!((grow(&hours, 100, suggested), grow(&hours, 140, suggested)), (Some(48), Some(0)));
}

#[test]
fn what_does_not_count_empties_the_row_h10() {
    let four = history([46, 46, 46, 46]);
    assert_eq!(four.samples(), 1);
    let next = |seen: &Observation, minute| learn(&four, seen, at(minute));
    let samples = |history: &History| history.samples();
    assert_eq!(samples(&next(&seen(46), 4)), 2);
    assert_eq!(samples(&next(&seen(46), 5)), 2, "two periods are no gap");
    for (what, broken) in [
        ("incomplete", next(&Observation { counts: false, ..seen(46) }, 4)),
        ("unknown", next(&Observation { demand: None, ..seen(46) }, 4)),
        ("another leader", next(&Observation { elected_at: Some(at(1)), ..seen(46) }, 4)),
        ("an unknown leader", next(&Observation { elected_at: None, ..seen(46) }, 4)),
        ("another horizon", next(&Observation { horizon: 2, ..seen(46) }, 4)),
        ("a gap", next(&seen(46), 6)),
    ] {
        assert_eq!(samples(&broken), 1, "{what}: counters stay");
        let after = learn(&broken, &seen(90), broken.at().unwrap() + MINUTE);
        assert_eq!(samples(&after), 1, "{what}: no growth from 46 to 90 is seen");
    }
}

#[test]
fn a_run_that_is_repeated_counts_once_h10() {
    let four = history([46, 46, 46, 46]);
    let soon = at(3) + SignedDuration::from_secs(29);
    assert_eq!(learn(&four, &seen(90), soon), four);
    assert_eq!(learn(&four, &Observation { counts: false, ..seen(46) }, soon), four);
    assert_eq!(learn(&four, &seen(90), at(2)), four, "a history of a little later");
    assert_ne!(learn(&four, &seen(90), soon + SignedDuration::from_secs(1)), four);
    // A time far ahead must not end the learning.
    let ahead = learn(&four, &seen(46), at(-60));
    assert_eq!((ahead.at(), ahead.samples()), (Some(at(-60)), 1));
}

#[test]
fn another_agent_moves_each_counter_up_at_most_too_far_h7() {
    let runs = History::parse(&stored(&[10, 10, 10, 10, 10, 10])).unwrap();
    let with = |unit: Resources, agents: &[Resources]| Demand {
        unit: Unit(unit),
        agents: agents.iter().map(|agent| Unit(*agent)).collect(),
        ..demand(8)
    };
    let after = |demand: Demand| learn(&runs, &Observation { demand: Some(demand), ..seen(0) }, at(1));
    // A sixteenth is no other agent.
    let near = after(with(resources(8, 26_250), &[]));
    assert_eq!(counted(&near), counted(&runs));
    // Half the cpus, two thirds of the memory: twice as many eighths. 2 · 3 and 2 · 6 are edges, 2 · 1 as well.
    let half = after(with(resources(4, 18_667), &[]));
    assert_eq!(counted(&half), [(0, 10), (2, 10), (4, 10), (6, 10), (8, 10), (12, 10)]);
    assert_eq!((runs.mean(), half.mean()), (50, 99), "100, and a run of 16");
    // Twice the cpus, the same memory: by memory growth is as large as before.
    assert_eq!(counted(&after(with(resources(16, 28_000), &[]))), counted(&runs));
    // A resource that neither agent has says nothing.
    let with_gpus = Demand { considered: vec![Kind::Cpus, Kind::Gpus], ..with(resources(4, 28_000), &[]) };
    assert_eq!(counted(&after(with_gpus)), counted(&half));
    // Half of 3 is 1.5.
    let double = after(with(resources(16, 56_000), &[]));
    assert_eq!(counted(&double), [(0, 10), (1, 20), (2, 20), (3, 10)]);
    // While an agent of the old type is there, it is the unit.
    let mixed = after(with(resources(16, 56_000), &[resources(16, 56_000), resources(8, 28_000)]));
    assert_eq!((counted(&mixed), mixed.demand(&demand(8))), (counted(&runs), Some(8)));
}

#[test]
fn a_history_is_read_as_it_was_written() {
    let history = history([46, 50, 49, 54, 54]);
    let json = history.to_json();
    assert!(json.len() < 500, "{json}");
    assert_eq!(History::parse(&json).unwrap(), history);
    assert_eq!(History::parse(&History::default().to_json()).unwrap(), History::default());
}

#[test]
fn a_corrupt_history_is_told_from_a_newer_one() {
    let good = stored(&[1]);
    assert!(matches!(History::parse(&good.replace(r#""version":1"#, r#""version":2"#)), Err(ParseError::Newer(2))));
    assert!(matches!(History::parse(r#"{"version":7,"counts":{}}"#), Err(ParseError::Newer(7))));
    for corrupt in [
        String::new(),
        "{}".to_owned(),
        "null".to_owned(),
        stored(&[1_440]),
        stored(&[u32::MAX, u32::MAX]),
        stored_on_both_sides(&[1], &[2]),
        stored_on_both_sides(&[1], &[0, 1]),
        good.replace(r#""day":72000"#, r#""day":72000000000000000"#),
        good.replacen("[1, 0", "[-1, 0", 1),
        good.replacen("[1, 0", "[1", 1),
        good.replace(r#""row":[]"#, r#""row":[1,2,3,4,5]"#),
        good.replace(r#""horizon":3"#, r#""horizon":16"#),
        good.replace(r#""cpus":8"#, r#""cpus":-8"#),
    ] {
        assert!(matches!(History::parse(&corrupt), Err(ParseError::Corrupt(_))), "{corrupt}");
    }
}

#[test]
fn a_history_of_the_longest_horizon_is_read() {
    let longest = stored(&[1]).replace(r#""horizon":3"#, &format!(r#""horizon":{}"#, Learning::MAX_HORIZON));
    assert_eq!(History::parse(&longest).map(|history| history.samples()), Ok(1));
}

#[test]
fn a_run_says_what_it_saw() {
    let settings = policy("learn = 98\nboot_time = \"5m\"").unwrap();
    let mut snapshot = Cluster::of(2, resources(8, 28_000)).running("/web", 9, resources(1, 1_000)).snapshot();
    let observation = Observation::of(&snapshot, &settings, &[]).unwrap();
    assert_eq!((observation.horizon, observation.counts), (5, true));
    assert_eq!(
        History::default().growth(observation.demand.as_ref(), confidence(980)),
        Growth { demand: 9, grow: None, samples: 0, ..Growth::default() }
    );
    snapshot.completeness = Completeness { level: CompletenessLevel::Partial, reasons: Vec::new() };
    assert!(!Observation::of(&snapshot, &settings, &[]).unwrap().counts);
    assert_eq!(Observation::of(&snapshot, &policy("").unwrap(), &[]), None, "it does not learn");
}

/// What a run may see, and when it is after the one before.
fn runs() -> impl Strategy<Value = Vec<(u64, bool, bool, i64)>> {
    let seconds = prop_oneof![8 => 55..65_i64, 1 => 0..40_i64, 1 => 100..400_i64, 1 => -900..-1_i64];
    prop::collection::vec((0..5_000_u64, prop::bool::weighted(0.9), prop::bool::weighted(0.02), seconds), 1..100)
}

proptest! {
    /// What is stored at any run is read again, and goes on as if it had not been stored; loss at any run is no error.
    #[test]
    fn counters_stay_in_bounds_and_a_store_changes_nothing_h8(runs in runs(), lost in 0..100_usize) {
        let (mut history, mut time, mut leader) = (History::default(), NOON, NOON);
        for (run, (eighths, counts, fails_over, seconds)) in runs.into_iter().enumerate() {
            time += SignedDuration::from_secs(seconds);
            leader = if fails_over { time } else { leader };
            let observation = Observation { counts, elected_at: Some(leader), ..seen(eighths) };
            let next = learn(&history, &observation, time);
            let stored = History::parse(&history.to_json()).unwrap();
            prop_assert_eq!(&learn(&stored, &observation, time), &next);
            prop_assert_eq!(&learn(&next, &observation, time), &next, "a run delivered twice");
            prop_assert!(next.samples() < 1_440 && next.samples() <= history.samples() + 1);
            prop_assert!(next.above().iter().zip(next.counts()).all(|(above, all)| above <= all));
            history = if run == lost { History::default() } else { next };
        }
    }

    #[test]
    fn more_confidence_never_expects_less_h8(counts in prop::collection::vec(0..59_u32, 24), tenths in 500..1_000_u32) {
        let history = History::parse(&stored(&counts)).unwrap();
        prop_assert!(grow(&history, 54, tenths) <= grow(&history, 54, tenths + 1));
        let all: u32 = counts.iter().sum();
        if let Some(grow) = grow(&history, 54, tenths) {
            let enough = |below: u32| -> u32 {
                Growth::EDGES.into_iter().zip(&counts).filter(|(edge, _)| *edge < below).map(|(_, count)| *count).sum()
            };
            prop_assert!(1_000 * enough(grow + 1) >= tenths * all, "enough");
            prop_assert!(grow == 0 || 1_000 * enough(grow) < tenths * all, "the smallest");
        }
    }

    /// The mean of a constant demand is that demand.
    #[test]
    fn the_mean_of_a_constant_demand_is_it_h8(eighths in 0..5_000_000_u64, before in 0..5_000_000_u64) {
        let constant = history(std::iter::repeat_n(eighths, 50));
        prop_assert_eq!(u64::from(constant.mean()), eighths);
        let after = learn(&constant, &seen(before), at(50));
        prop_assert!((eighths.min(before)..=eighths.max(before)).contains(&u64::from(after.mean())));
    }

    /// A failover never counts as growth, even where its master has not seen all agents yet.
    #[test]
    fn growth_over_a_failover_is_not_learned_h10(before in 0..500_u64, after in 0..500_u64, run in 4..20_i64) {
        let mut history = history(std::iter::repeat_n(before, usize::try_from(run).unwrap()));
        for minute in run..run + 10 {
            history = learn(&history, &Observation { elected_at: Some(at(run)), ..seen(after) }, at(minute));
        }
        prop_assert!(history.counts()[1..].iter().all(|count| *count == 0));
    }

    #[test]
    fn another_agent_never_loses_a_sample_h7(counts in prop::collection::vec(0..59_u32, 24), cpus in 1..64_u64, mem in 1..64_u64) {
        let history = History::parse(&stored(&counts)).unwrap();
        let unit = Unit(resources(cpus, 1_000 * mem));
        let other = Demand { unit, agents: vec![unit], ..demand(8) };
        let after = learn(&history, &Observation { demand: Some(other), ..seen(0) }, at(1));
        prop_assert_eq!(after.samples(), history.samples());
    }
}
