//! What no heuristic can promise is measured instead, on thousands of generated clusters: how often a scale-down is undone
//! because the tasks went elsewhere than they were placed (H4), and how often more load gives a smaller target (H3). The
//! figures stand in docs/design/packing.md; `--nocapture` prints them.

use crate::support::*;
use cluster::{Cluster, Connection, NOON};
use node_process::decide;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use shared::config::{Policy, StepLimit};
use shared::contract::ScalingDecision;
use shared::random::SplitMix64;

/// So many clusters are looked at; the figures on the page are those of the optimized build.
const CASES: usize = if cfg!(debug_assertions) { 1_000 } else { 50_000 };

/// The same values on every run.
fn cases<S: Strategy>(strategy: &S) -> Vec<S::Value> {
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    (0..CASES).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

fn target(cluster: &Cluster, policy: &Policy) -> u32 {
    decide(&cluster.snapshot(), policy, NOON).unwrap().target
}

/// The cluster after a scale-down whose tasks went to agents as chance has it.
fn scattered(cluster: &Cluster, decision: &ScalingDecision, seed: u64) -> Cluster {
    let (mut after, tasks) = without(cluster, decision);
    let mut random = SplitMix64::new(seed);
    for spec in tasks {
        let first = random.index(after.agents().count());
        let in_turn = after.agents().skip(first).chain(after.agents().take(first));
        let place = in_turn.filter(|agent| agent.is_usable()).find(|agent| spec.resources.fits_in(&agent.free()));
        match place.map(|agent| agent.number) {
            Some(place) => {
                let framework = after.framework_of(&spec.application);
                after.start_on(place, framework, spec, NOON);
            }
            None => after.displace(spec),
        }
    }
    after
}

#[test]
fn a_scale_down_is_hardly_ever_undone_wherever_the_tasks_go() {
    let mut figures = Vec::new();
    for step in [1, 100] {
        let (mut downs, mut undone, mut most) = (0, [0; 2], 0);
        for (mut cluster, policy, more, seed) in cases(&(homogeneous(), unlimited_policy(), 0_usize..30, any::<u64>()))
        {
            // How many tasks are displaced is unknown where they have no name.
            let lost = cluster.agents().find(|agent| agent.connection == Connection::Disconnected);
            if let Some(number) = lost.map(|agent| agent.number) {
                cluster.remove(number);
            }
            let policy = with_new_agent(&by_tasks(&policy), &cluster);
            let policy = policy.with(|policy| policy.limits.max_scale_down_step = StepLimit::Agents(step));
            let cluster = cluster.and(more, policy.new_agent.unwrap());
            let decision = decide(&cluster.snapshot(), &policy, NOON).unwrap();
            if decision.delta < 0 {
                downs += 1;
                let then = [after(&cluster, &policy, &decision), scattered(&cluster, &decision, seed)];
                for (undone, then) in undone.iter_mut().zip(then) {
                    let again = decide(&then.snapshot(), &policy, NOON).unwrap().delta;
                    *undone += u32::from(again > 0);
                    most = most.max(again);
                }
            }
        }
        figures.push(format!("up to {step} at once: of {downs} scale-downs {undone:?} undone, by {most} at most"));
        assert!(downs > CASES / 10, "{figures:#?}");
        assert!(undone.iter().all(|undone| 500 * undone <= downs.try_into().unwrap()) && most <= 2, "{figures:#?}");
    }
    println!("{figures:#?}");
}

#[test]
fn more_load_hardly_ever_gives_a_smaller_target() {
    let (mut fewer, mut most) = (0, 0);
    for (cluster, policy, more) in cases(&(homogeneous(), unlimited_policy(), tasks(8))) {
        let policy = with_new_agent(&by_tasks(&policy), &cluster);
        let (less, more) = (target(&cluster, &policy), target(&cluster.with_tasks(more), &policy));
        fewer += u32::from(more < less);
        most = most.max(less.saturating_sub(more));
    }
    println!("of {CASES} clusters {fewer} want fewer agents with more load, by {most} at most");
    assert!(usize::try_from(100 * fewer).unwrap() <= CASES && most <= 2, "{fewer} of {CASES}, by {most}");
}
