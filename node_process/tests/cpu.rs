//! What must hold of every decision by CPU utilization (clauses C of docs/algorithm.md), on generated groups and clusters.

use crate::support::*;
use cluster::{Cluster, NOON, policy, resources};
use node_process::{decide, explain};
use proptest::prelude::*;
use serde_json::json;
use shared::clause::Clause;
use shared::config::{CpuRule, Policy, PoolSource};
use shared::contract::{self, ClusterSnapshot, CompletenessLevel, ScalingDecision, ScalingState};

fn decided(snapshot: &ClusterSnapshot, policy: &Policy) -> ScalingDecision {
    decide(snapshot, policy, NOON).unwrap()
}

/// The snapshot with that utilization, in thousandths of a percent.
fn with_cpu(snapshot: ClusterSnapshot, thousandths: Option<u64>) -> ClusterSnapshot {
    let cpu_utilization_percent = thousandths.map(|thousandths| thousandths as f64 / 1000.0);
    ClusterSnapshot { cpu_utilization_percent, ..snapshot }.identified()
}

/// A group of so many instances in service, as node_gather tells it.
fn group(instances: u32, thousandths: Option<u64>) -> ClusterSnapshot {
    cluster::group_snapshot(instances, thousandths.map(|thousandths| thousandths as f64 / 1000.0))
}

fn rule() -> impl Strategy<Value = CpuRule> {
    (1_u32..=100, 0_u32..1000).prop_map(|(scale_out_threshold, scale_down_ratio_thousandths)| CpuRule {
        scale_out_threshold,
        scale_down_ratio_thousandths,
    })
}

/// Often at, just above or just below a threshold of the default rule.
fn load() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..=100_000, 41_998_u64..42_003, 59_998_u64..60_003]
}

/// A pool of CloudWatch that has a size within its limits.
fn bounded_group() -> impl Strategy<Value = (u32, Policy)> {
    (rule(), 0_u32..30, 0_u32..10, prop::option::of(0_u32..10)).prop_map(|(cpu, instances, below, above)| {
        let policy = policy("source = \"cloudwatch\"").unwrap().with(|policy| {
            policy.source = PoolSource::CloudWatch { cpu };
            policy.limits.min = instances.saturating_sub(below);
            policy.limits.max = above.map(|above| instances + above);
        });
        (instances, policy)
    })
}

/// The same load on another number of instances. Rounded up: in truth it is not rounded at all.
fn spread(thousandths: u64, from: u32, to: u32) -> u64 {
    (thousandths * u64::from(from)).div_ceil(u64::from(to.max(1)))
}

/// Clauses C1, C2, C3 said once more, with a common denominator instead of percentages.
fn wanted(rule: CpuRule, instances: u32, min: u32, thousandths: u64) -> i32 {
    let (threshold, ratio) = (u128::from(rule.scale_out_threshold), u128::from(rule.scale_down_ratio_thousandths));
    let (load, instances) = (u128::from(thousandths), u128::from(instances));
    if load > threshold * 1000 {
        return 1;
    }
    let stays_below = load * instances <= threshold * 1000 * instances.saturating_sub(1);
    let may_go = load < threshold * ratio && instances > u128::from(min) && stays_below;
    -i32::from(may_go)
}

proptest! {
    /// C1 to C4: one agent at a time, by exact comparisons.
    #[test]
    fn a_group_is_scaled_by_one((instances, policy) in bounded_group(), thousandths in load()) {
        let rule = policy.source.cpu().unwrap();
        let decision = decided(&group(instances, Some(thousandths)), &policy);
        let wanted = wanted(rule, instances, policy.limits.min, thousandths);
        let is_full = policy.limits.max == Some(instances);
        prop_assert_eq!(decision.delta, if is_full { wanted.min(0) } else { wanted }, "{:#?}", decision);
        let is_idle = thousandths < u64::from(rule.scale_out_threshold * rule.scale_down_ratio_thousandths);
        let expected = match wanted {
            1 if is_full => ScalingState::MaxLimit,
            1 => ScalingState::ScaleUp,
            -1 => ScalingState::ScaleDown,
            _ if is_idle && instances == policy.limits.min => ScalingState::MinLimit,
            _ => ScalingState::Normal,
        };
        prop_assert_eq!(decision.state, expected, "{:#?}", decision);
    }

    /// C3: the same load on the group as it is after a decision asks for no further one: nothing flaps.
    #[test]
    fn deciding_again_on_the_same_load_gives_zero((instances, policy) in bounded_group(), thousandths in load()) {
        // Without an instance there is no load.
        prop_assume!(instances > 0);
        let first = decided(&group(instances, Some(thousandths)), &policy);
        let then = spread(thousandths, instances, first.target);
        if first.delta == 0 || then > 100_000 {
            return Ok(());
        }
        let second = decided(&group(first.target, Some(then)), &policy);
        // A very busy group may need several; no step ever turns back.
        prop_assert!(second.delta * first.delta >= 0, "first: {:#?}, second: {:#?}", first, second);
    }

    /// C1, C2, C3: more CPU utilization never gives a smaller target, in a group as in a cluster.
    #[test]
    fn more_utilization_never_gives_a_smaller_target(
        (instances, policy) in bounded_group(), cluster in mixed(), mesos in limited_policy(), loads in (load(), load())
    ) {
        let (less, more) = (loads.0.min(loads.1), loads.0.max(loads.1));
        let cpu = policy.source.cpu();
        let target = |load| decided(&group(instances, Some(load)), &policy).target;
        prop_assert!(target(less) <= target(more));
        let mesos = Policy { source: PoolSource::Mesos { cpu }, ..mesos };
        let target = |load| decided(&with_cpu(cluster.snapshot(), Some(load)), &mesos).target;
        prop_assert!(target(less) <= target(more));
    }

    /// C5, L1: without data nothing changes but what `min` and `max` ask for.
    #[test]
    fn without_data_a_group_stays((instances, policy) in bounded_group()) {
        let decision = decided(&group(instances, None), &policy);
        prop_assert_eq!((decision.delta, decision.state), (0, ScalingState::Normal));
    }

    /// L1, L2: below `min` an agent is added at any load, above `max` one is removed; one at a time.
    #[test]
    fn outside_the_limits_the_group_moves_by_one(
        cpu in rule(), instances in 0_u32..30, min in 0_u32..30, size in 0_u32..10, thousandths in prop::option::of(load())
    ) {
        let policy = policy("source = \"cloudwatch\"").unwrap().with(|policy| {
            policy.source = PoolSource::CloudWatch { cpu };
            policy.limits.min = min;
            policy.limits.max = Some(min + size);
        });
        let decision = decided(&group(instances, thousandths), &policy);
        if instances < min {
            prop_assert_eq!((decision.delta, decision.state), (1, ScalingState::ScaleUp), "{:#?}", decision);
        } else if instances > min + size && thousandths.is_none() {
            // The view is partial then.
            prop_assert_eq!((decision.delta, decision.state), (0, ScalingState::Held), "{:#?}", decision);
        } else if instances > min + size {
            prop_assert_eq!(decision.delta, -1, "{:#?}", decision);
        }
    }

    /// C in a pool of a Mesos cluster: an agent comes where either asks for it, and goes where both allow it.
    #[test]
    fn both_must_allow_an_agent_to_go(
        cluster in mixed(), policy in unlimited_policy(), cpu in rule(), thousandths in prop::option::of(load())
    ) {
        let snapshot = with_cpu(cluster.snapshot(), thousandths);
        let without = decided(&snapshot, &policy).delta;
        let with = decided(&snapshot, &Policy { source: PoolSource::Mesos { cpu: Some(cpu) }, ..policy }).delta;
        let threshold = 1000 * u64::from(cpu.scale_out_threshold);
        let mark = u64::from(cpu.scale_out_threshold * cpu.scale_down_ratio_thousandths);
        match thousandths {
            Some(load) if load > threshold => prop_assert_eq!(with, without.max(1)),
            Some(load) if load < mark => {
                prop_assert!(without.min(0) <= with && with <= without.max(0));
                let usable = u64::from(snapshot.agents.usable);
                let left = u64::try_from(i64::try_from(usable).unwrap() + i64::from(with)).unwrap();
                prop_assert!(with >= 0 || load * usable <= threshold * left, "C3");
            }
            _ => prop_assert_eq!(with, without.max(0)),
        }
    }

    /// C, D3, H4, U1 (I9): with the CPU's say too the next decision on the same load finds nothing to do. With totals
    /// compared: what single tasks can do to it is measured in rare.rs.
    #[test]
    fn deciding_again_on_a_cluster_never_turns_back(
        cluster in homogeneous(), policy in bounded_policy(), cpu in rule(), thousandths in load()
    ) {
        let policy = with_new_agent(&by_total(&policy), &cluster);
        let policy = Policy { source: PoolSource::Mesos { cpu: Some(cpu) }, ..policy };
        prop_assume!(cluster.snapshot().agents.usable > 0);
        let first = decided(&with_cpu(cluster.snapshot(), Some(thousandths)), &policy);
        let then = spread(thousandths, cluster.snapshot().agents.usable, first.target);
        prop_assume!(then <= 100_000);
        let second = decided(&with_cpu(after(&cluster, &policy, &first).snapshot(), Some(then)), &policy);
        prop_assert!(first.delta * second.delta >= 0, "first: {:#?}, second: {:#?}", first, second);
        if first.delta < 0 {
            prop_assert_eq!(second.delta, 0, "first: {:#?}, second: {:#?}", first, second);
        }
    }

    /// C5, L3 (I4, I10, I11): any message gets a decision of at most one agent, and of none on an incomplete snapshot.
    #[test]
    fn any_numbers_give_a_group_a_decision(
        snapshot in any_snapshot(), percent in prop::option::of(prop::num::f64::ANY), cpu in rule(), min in any::<u32>()
    ) {
        let policy = policy("source = \"cloudwatch\"").unwrap().with(|policy| {
            policy.source = PoolSource::CloudWatch { cpu };
            policy.limits.min = min;
        });
        let snapshot = ClusterSnapshot { cpu_utilization_percent: percent, ..snapshot };
        let decision = decided(&snapshot, &policy);
        prop_assert!(decision.delta.abs() <= 1);
        match snapshot.completeness.level {
            CompletenessLevel::Complete => {}
            CompletenessLevel::Partial => prop_assert!(decision.delta >= 0),
            CompletenessLevel::Blind => prop_assert_eq!((decision.delta, decision.state), (0, ScalingState::Held)),
        }
        let letters: Vec<&str> = decision.steps.iter().map(|step| step.clause.rule().letter()).collect();
        prop_assert_eq!(letters, ["C", "L"]);
        let written = contract::encode(&decision).unwrap();
        let read: ScalingDecision = contract::decode(&written.body, None).unwrap();
        prop_assert_eq!(read, decision);
    }
}

#[test]
fn a_decommissioning_instance_counts_against_the_step_l2() {
    // L2
    let policy = policy("source = \"cloudwatch\"").unwrap();
    let mut snapshot = group(8, Some(10_000));
    (snapshot.agents.registered, snapshot.agents.draining) = (9, 1);
    let snapshot = snapshot.identified();
    let decision = decided(&snapshot, &policy);
    assert_eq!((decision.delta, decision.state), (0, ScalingState::Normal));
    let limited = explain(&snapshot, &policy, NOON).unwrap().limited;
    let expected = json!({ "limited": [
        { "from": -1, "to": 0, "by": { "scale_down_step": { "max": 1, "decommissioning": 1 } } }
    ] });
    assert_eq!((limited.clause, serde_json::to_value(&limited.reason).unwrap()), (Clause::L2, expected));
}

#[test]
fn an_empty_pool_of_a_cluster_is_not_scaled_by_its_cpu_alone() {
    // C2: a group without instances has no utilization; so at any figure no agent can be removed.
    let policy = policy("cpu_utilization = true\nmin = 0\nnew_agent = { cpus = 4, mem = 1000 }").unwrap();
    let empty = Cluster::of(0, resources(4, 1000)).snapshot();
    assert_eq!(decided(&with_cpu(empty.clone(), Some(0)), &policy).delta, 0);
    assert_eq!(decided(&with_cpu(empty, None), &policy).delta, 0);
}
