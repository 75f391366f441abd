//! H9: what must hold of decisions with what a pool has learned, on generated clusters.

use std::time::Duration;

use crate::support::*;
use cluster::{Cluster, NOON, policy, resources};
use node_process::decide;
use proptest::prelude::*;
use shared::clause::{Clause, Rule};
use shared::config::{Confidence, Learning, Policy, ScaleDownStrategy};
use shared::contract::{ClusterSnapshot, Growth, ScalingDecision};

fn decided(snapshot: &ClusterSnapshot, policy: &Policy) -> ScalingDecision {
    decide(snapshot, policy, NOON).unwrap()
}

fn learning() -> Option<Learning> {
    Some(Learning { confidence: Confidence::SUGGESTED, boot_time: Duration::from_secs(180) })
}

/// The policy as it is where agents are terminated, learned or not.
fn that_learns(policy: &Policy) -> Policy {
    policy.with(|policy| policy.learning = learning())
}

fn with_growth(snapshot: ClusterSnapshot, growth: Growth) -> ClusterSnapshot {
    ClusterSnapshot { growth: Some(growth), ..snapshot }
}

/// What is known of a pool, with demands from small to large.
fn known() -> impl Strategy<Value = Growth> {
    let highest = prop_oneof![Just(0), 1_u32..300];
    (1_u32..200, prop::sample::select(Growth::EDGES[..16].to_vec()), highest).prop_map(|(demand, grow, highest)| {
        Growth { demand, grow: Some(grow), samples: 700, highest, ..Growth::default() }
    })
}

fn unknown() -> impl Strategy<Value = Growth> {
    let grow = prop::option::of(any::<u32>());
    let growth = (0_u32..100, grow, any::<u32>()).prop_map(|(demand, grow, samples)| Growth {
        demand,
        grow,
        samples,
        ..Growth::default()
    });
    growth.prop_filter("unknown", |growth| growth.known().is_none())
}

fn target_of(decision: &ScalingDecision, rule: Rule) -> u32 {
    decision.steps.iter().find(|step| step.clause.rule() == rule).unwrap().agents_alone.unwrap()
}

#[test]
fn a_learned_pool_keeps_what_its_demand_grows_by_h9() {
    // 7 agents with 54 of 56 cpus in use: X adds one, G of an agent and a half two.
    let cluster = Cluster::of(7, resources(8, 28_000)).running("/web", 54, resources(1, 1_000));
    let growth = |grow| Growth { demand: 54, grow: Some(grow), samples: 1_000, ..Growth::default() };
    let settings = policy("learn = 98\nscale_up_threshold_percent = 90").unwrap();
    let delta = |grow| decided(&with_growth(cluster.snapshot(), growth(grow)), &settings).delta;
    assert_eq!((delta(4), delta(12), delta(16)), (1, 2, 2));
    let decision = decided(&with_growth(cluster.snapshot(), growth(12)), &settings);
    let (delta, headroom) = (decision.delta, &decision.steps[1]);
    assert_eq!((delta, headroom.clause), (2, Clause::H4));
    let decision_at = |highest| {
        let growth = Growth { highest, ..growth(12) };
        decided(&with_growth(cluster.snapshot(), growth), &settings).delta
    };
    assert_eq!((decision_at(66), decision_at(62), decision_at(54)), (2, 1, 1), "no room beyond the highest demand");
    assert!(headroom.reason.ends_with(
        "in 98% of 1000 runs over 16h40m demand grew by at most 1 4/8 agents in 3m: headroom 22.2%, 10% without learn"
    ));
}

#[test]
fn what_has_been_learned_replaces_the_threshold_d1() {
    // 70% is far above 50%. Of 20 agents 14 are full; U at 90% needs 16, G of one agent 15.
    let cluster = Cluster::of(20, resources(8, 28_000)).running("/web", 112, resources(1, 1_000));
    let learned =
        with_growth(cluster.snapshot(), Growth { demand: 112, grow: Some(8), samples: 1_000, ..Growth::default() });
    let settings = policy("learn = 98\napplication_headroom_percent = 0\nmax_scale_down_step = 9").unwrap();
    let decision = decided(&learned, &settings.with(|policy| policy.thresholds.scale_up_percent = 90));
    assert_eq!((decision.needed, decision.margin, decision.target), (Some(16), Some(1), 17));
    assert!(decision.steps[0].reason.starts_with("what has been learned replaces the threshold: removes 3 agents"));
    for other in ["least_loaded", "desired_capacity"] {
        let other = policy(&format!("learn = 98\nscale_down_strategy = \"{other}\"")).unwrap();
        assert_eq!(decided(&learned, &other).target, 20, "it cannot close agents");
    }
    let unlearned =
        with_growth(cluster.snapshot(), Growth { demand: 112, grow: None, samples: 3, ..Growth::default() });
    assert_eq!(decided(&unlearned, &settings).target, 20, "nothing is known yet");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// H9: without G, or without a demand, nothing differs.
    #[test]
    fn unknown_growth_changes_nothing_h9(cluster in mixed(), policy in limited_policy(), growth in unknown()) {
        let closes = ScaleDownStrategy::Drain { after: None, grace: Duration::ZERO };
        for strategy in [policy.scale_down.strategy, closes] {
            let policy = policy.with(|policy| policy.scale_down.strategy = strategy);
            let plain = decided(&cluster.snapshot(), &policy.with(|policy| policy.learning = None));
            let learns = decided(&with_growth(cluster.snapshot(), growth), &that_learns(&policy));
            // D8: how agents would be closed.
            let closes = learns.closes;
            prop_assert_eq!(ScalingDecision { id: learns.id, snapshot_id: learns.snapshot_id, closes, ..plain }, learns);
        }
    }

    /// H9: a pool that does not learn ignores what its snapshot says.
    #[test]
    fn growth_without_learn_changes_nothing_h9(cluster in mixed(), policy in limited_policy(), growth in known()) {
        let policy = policy.with(|policy| policy.learning = None);
        let plain = decided(&cluster.snapshot(), &policy);
        let told = decided(&with_growth(cluster.snapshot(), growth), &policy);
        prop_assert_eq!(ScalingDecision { id: told.id, snapshot_id: told.snapshot_id, ..plain }, told);
    }

    /// H9: what has been learned never asks for fewer agents than X, and more of it never for fewer.
    #[test]
    fn more_growth_never_needs_fewer_agents_h9(
        cluster in homogeneous(), policy in unlimited_policy(), growth in known(), edge in 0..24_usize
    ) {
        let policy = with_new_agent(&by_total(&policy), &cluster);
        let target = |snapshot: ClusterSnapshot, policy: &Policy| target_of(&decided(&snapshot, policy), Rule::Headroom);
        let plain = target(cluster.snapshot(), &policy);
        let learned = target(with_growth(cluster.snapshot(), growth), &that_learns(&policy));
        prop_assert!(learned >= plain, "{learned} < {plain}");
        let other = Growth { grow: Some(Growth::EDGES[edge]), ..growth };
        let other_target = target(with_growth(cluster.snapshot(), other), &that_learns(&policy));
        prop_assert!(growth.grow > other.grow || learned <= other_target);
        prop_assert!(growth.grow < other.grow || learned >= other_target);
    }

    /// The same where single tasks are placed.
    #[test]
    fn growth_is_never_less_than_x_by_tasks_h9(cluster in gpus_too(), policy in unlimited_policy(), growth in known(), which in 0_usize..3) {
        let policy = with_one_of(&by_tasks(&policy), &cluster, which);
        let plain = target_of(&decided(&cluster.snapshot(), &policy), Rule::Headroom);
        let learned = decided(&with_growth(cluster.snapshot(), growth), &that_learns(&policy));
        prop_assert!(target_of(&learned, Rule::Headroom) >= plain);
    }

    /// D1, D7, H9 (I9): deciding again finds nothing to do, also where what has been learned replaces the threshold.
    #[test]
    fn deciding_again_with_growth_gives_zero_h9(cluster in homogeneous(), policy in bounded_policy(), growth in known(), closes in any::<bool>()) {
        let policy = that_learns(&with_new_agent(&by_total(&policy), &cluster)).with(|policy| {
            if closes {
                policy.scale_down.strategy = ScaleDownStrategy::Drain { after: None, grace: Duration::ZERO };
            }
        });
        let first = decided(&with_growth(cluster.snapshot(), growth), &policy);
        let then = after(&cluster, &policy, &first);
        let second = decided(&with_growth(then.snapshot(), growth), &policy);
        prop_assert_eq!(second.delta, 0, "first: {:#?}, second: {:#?}", first, second);
    }
}
