//! What must hold of the room that is made for single tasks (H3), on generated clusters: with agents of several shapes,
//! reservations and gpus, tasks that are displaced and instances that wait.

use crate::support::*;
use cluster::{Cluster, NOON};
use node_process::decide;
use proptest::prelude::*;
use shared::clause::Rule;
use shared::config::Policy;
use shared::contract::{ClusterSnapshot, ScalingDecision};
use shared::resources::Resources;

fn decided(snapshot: &ClusterSnapshot, policy: &Policy) -> ScalingDecision {
    decide(snapshot, policy, NOON).unwrap()
}

/// The policy with which D never acts.
fn without_scale_down(policy: &Policy) -> Policy {
    by_tasks(policy).with(|policy| policy.thresholds.scale_down_percent = 0)
}

/// The cluster when so many new agents have come, and nothing else has changed.
fn joined(cluster: &Cluster, policy: &Policy, agents: i32) -> Cluster {
    cluster.clone().and(usize::try_from(agents).unwrap(), policy.new_agent.unwrap())
}

fn added(decision: &ScalingDecision, rule: Rule) -> u32 {
    let step = decision.steps.iter().find(|step| step.clause.rule() == rule).unwrap();
    step.agents_after - step.agents_before
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// H3, H4, U1 (I9): when the agents that a decision adds have come, the next one finds nothing to do.
    #[test]
    fn deciding_again_when_agents_have_come_gives_zero(cluster in gpus_too(), policy in unlimited_policy(), which in 0_usize..3) {
        let policy = without_scale_down(&with_one_of(&policy, &cluster, which));
        let first = decided(&cluster.snapshot(), &policy);
        prop_assert!(first.delta >= 0);
        if first.delta < 1000 {
            let second = decided(&joined(&cluster, &policy, first.delta).snapshot(), &policy);
            prop_assert_eq!(second.delta, 0, "first: {:#?}, second: {:#?}", first.steps, second.steps);
            prop_assert_eq!(first.unplaceable, second.unplaceable);
        }
    }

    /// H4, U1: one agent fewer than a scale-up's target, and the next decision wants just that one.
    #[test]
    fn one_agent_fewer_than_a_scale_up_is_one_too_few(cluster in gpus_too(), policy in unlimited_policy(), which in 0_usize..3) {
        let policy = without_scale_down(&with_one_of(&policy, &cluster, which));
        let first = decided(&cluster.snapshot(), &policy);
        if (1..1000).contains(&first.delta) {
            let second = decided(&joined(&cluster, &policy, first.delta - 1).snapshot(), &policy);
            prop_assert_eq!(second.delta, 1, "first: {:#?}, second: {:#?}", first.steps, second.steps);
        }
    }

    /// D3, H4: the same where D takes agents out, in pools of equal agents.
    #[test]
    fn no_added_agent_is_removed_again(cluster in homogeneous(), policy in unlimited_policy()) {
        let policy = by_tasks(&with_new_agent(&policy, &cluster));
        let first = decided(&cluster.snapshot(), &policy);
        if (0..1000).contains(&first.delta) {
            let second = decided(&joined(&cluster, &policy, first.delta).snapshot(), &policy);
            prop_assert_eq!(second.delta, 0, "first: {:#?}, second: {:#?}", first.steps, second.steps);
        }
    }

    /// H3: whole tasks never take fewer agents than their total does.
    #[test]
    fn tasks_never_need_fewer_agents_than_their_total(cluster in homogeneous(), policy in unlimited_policy()) {
        let policy = with_new_agent(&policy, &cluster);
        let snapshot = cluster.snapshot();
        let (tasks, total) = (decided(&snapshot, &by_tasks(&policy)), decided(&snapshot, &by_total(&policy)));
        let all_have_place = tasks.unplaceable.is_empty() && total.unplaceable.is_empty();
        prop_assert!(!all_have_place || tasks.target >= total.target, "{:#?} {:#?}", tasks.steps, total.steps);
    }

    /// H3: where all tasks have one size, more of them never give a smaller target.
    #[test]
    fn more_tasks_of_one_size_never_give_a_smaller_target(
        agents in 0_usize..12, shape in (2_u64..9, 1000_u64..16_000), size in (50_u64..2500, 32_u64..4000),
        counts in (0_usize..40, 0_u32..9, 0_usize..9, 0_u32..9), policy in unlimited_policy(),
    ) {
        let (running, queued, more_running, more_waiting) = counts;
        let size = milli(size.0, size.1);
        let shape = cluster::resources(shape.0, shape.1);
        let policy = Policy { new_agent: Some(shape), ..by_tasks(&policy) };
        let with = |running: usize, queued: u32| {
            let task = cluster::TaskSpec { application: "/shop/web".to_owned(), resources: size };
            Cluster::of(agents, shape).with_tasks(vec![task; running]).queued("/shop/web", queued, size)
        };
        let less = decided(&with(running, queued).snapshot(), &policy);
        let more = decided(&with(running + more_running, queued + more_waiting).snapshot(), &policy);
        prop_assert!(less.target <= more.target, "less: {:#?}, more: {:#?}", less, more);
    }

    /// H3: the order of anything changes nothing.
    #[test]
    fn order_of_input_changes_nothing(cluster in gpus_too(), policy in limited_policy(), by in 0_usize..7) {
        let policy = by_tasks(&policy);
        let snapshot = cluster.snapshot();
        let mut turned = snapshot.clone();
        let len = turned.agent_shapes.len().max(1);
        turned.agent_shapes.rotate_left(by % len);
        turned.applications.reverse();
        turned.applications.iter_mut().for_each(|application| application.tasks.reverse());
        turned.scale_down_candidates.iter_mut().for_each(|candidate| candidate.tasks.reverse());
        let (decision, other) = (decided(&snapshot, &policy), decided(&turned, &policy));
        prop_assert_eq!(ScalingDecision { id: other.id, ..decision }, other);
    }

    /// H5: adding stops, and buys nothing for what cannot be placed.
    #[test]
    fn what_fits_no_agent_adds_none(cluster in homogeneous(), policy in unlimited_policy(), queued in 1_u32..1000) {
        let policy = without_scale_down(&with_new_agent(&policy, &cluster));
        let shape = policy.new_agent.unwrap();
        let large = Resources { cpus: shape.cpus + shape.cpus, ..shape };
        let without = decided(&cluster.snapshot(), &policy);
        let with = decided(&cluster.queued("/huge", queued, large).snapshot(), &policy);
        prop_assert_eq!(added(&with, Rule::Headroom), added(&without, Rule::Headroom));
        prop_assert!(with.unplaceable.iter().any(|entry| entry.application == "/huge"));
    }
}
