//! The pool that messages and groups are about.

use std::sync::LazyLock;

use jiff::Timestamp;
use node_scale::plan::{Change, Plan, PlanResult, admit, needs_addresses, plan};
use node_scale::state::{Addresses, Group, GroupState};
use shared::config::{Config, Policy};
use shared::contract::{ClusterSnapshot, ScalingDecision, decode, to_json};

/// When all of it happens.
pub(super) fn now() -> Timestamp {
    Timestamp::from_second(1_795_270_500).unwrap()
}

/// The pool under each strategy.
pub(super) static POLICIES: LazyLock<Vec<Policy>> = LazyLock::new(|| {
    let strategies = ["desired_capacity", "least_loaded", "drain"];
    strategies.map(|strategy| policy(&format!("scale_down_strategy = \"{strategy}\""))).into()
});

fn policy(settings: &str) -> Policy {
    let text = format!(
        "mesos.masters = [\"http://10.0.0.5:5050\"]\n[[pools]]\nname = \"workers\"\ngroup = \"mesos-workers\"\nmin = 2\nmax = 50\n{settings}\n"
    );
    let config = Config::parse(&text).unwrap_or_else(|problems| panic!("{problems}"));
    config.pool("workers").unwrap().clone()
}

/// A group of ten instances.
pub(super) fn group() -> Group {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let instances: Vec<String> = (0..10)
            .map(|number| {
                format!(
                    r#"{{"InstanceId":"i-{number}","LifecycleState":"InService","AvailabilityZone":"us-east-1a","HealthStatus":"Healthy","ProtectedFromScaleIn":false}}"#
                )
            })
            .collect();
        format!(
            r#"{{"AutoScalingGroupName":"mesos-workers","MinSize":1,"MaxSize":60,"DesiredCapacity":10,"Instances":[{}]}}"#,
            instances.join(",")
        )
    });
    serde_json::from_str(&TEXT).unwrap()
}

/// A group at rest.
pub(super) fn at_rest(group: Group) -> GroupState {
    GroupState {
        group,
        activities: Vec::new(),
        activities_are_complete: true,
        instance_refresh_in_progress: Some(false),
        addresses: Addresses::new(),
        is_dry_run: false,
    }
}

/// A decision that adds or removes agents, taken just now.
pub(super) fn decision(delta: i32) -> ScalingDecision {
    let text = include_str!("../../corpus/message/decision.json");
    let mut decision: ScalingDecision = decode(text.trim_end().split_once('\n').unwrap().1, None).unwrap();
    decision.snapshot_taken_at = now();
    decision.expires_at = now() + jiff::SignedDuration::from_mins(3);
    decision.delta = delta;
    decision
}

/// What any snapshot, of this cluster or forged, must lead to: a decision that can be sent, or none.
pub(super) fn decides(snapshot: &ClusterSnapshot) {
    let soon = snapshot.taken_at.saturating_add(jiff::SignedDuration::from_secs(5)).unwrap_or(Timestamp::MAX);
    for policy in POLICIES.iter() {
        let Ok(decision) = node_process::decide(snapshot, policy, soon) else { continue };
        let again = node_process::decide(snapshot, policy, soon).unwrap();
        let text = to_json(&decision).unwrap();
        assert_eq!(text, to_json(&again).unwrap(), "the same snapshot gives the same decision");
        assert_eq!(to_json(&decode::<ScalingDecision>(&text, None).unwrap()).unwrap(), text);
        plans(&decision, Some(&at_rest(group())), policy, soon);
    }
}

/// What any decision and any group must lead to: a change within the limits of both, or none (I1).
pub(super) fn plans(
    decision: &ScalingDecision,
    state: Option<&GroupState>,
    policy: &Policy,
    now: Timestamp,
) -> Option<Plan> {
    if admit(decision, policy, now).is_err() {
        return None;
    }
    let _ = needs_addresses(decision, state, policy, now);
    let plan = plan(decision, state, policy, now);
    let Some(state) = state else { return Some(plan) };
    match &plan.result {
        PlanResult::Act(Change::Increase(increase)) => {
            assert!(increase.to > increase.from && increase.to <= state.group.max_size, "{increase:?}");
        }
        PlanResult::Act(Change::Decrease { from, to } | Change::Withdraw { from, to }) => {
            assert!(to < from && *to >= state.group.min_size, "{from} -> {to}");
        }
        PlanResult::Act(Change::Terminate { targets, .. }) => {
            let least = i64::from(state.group.desired_capacity) - i64::try_from(targets.len()).unwrap();
            assert!(!targets.is_empty() && least >= i64::from(state.group.min_size), "{targets:?}");
        }
        _ => {}
    }
    Some(plan)
}
