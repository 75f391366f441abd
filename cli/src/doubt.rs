//! What makes it doubtful that a pool and its group are the same cluster, so that `run --apply` asks first.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use node_scale::group;
use node_scale::plan;
use node_scale::state::{Group, Instance};
use shared::config::Policy;
use shared::contract::{ClusterSnapshot, ScalingDecision};
use shared::group::Lifecycle;
use shared::text::counted;

use crate::target::GroupError;

/// One agent that is missing is no reason to ask.
const LEAST_GAP: usize = 2;

/// Why a pool and its group may not belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Doubt {
    pool: String,
    group: String,
    attributes: Vec<String>,
    registered: usize,
    in_service: usize,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pool, group, attributes, registered, in_service } = self;
        let agents = match registered {
            0 if attributes.is_empty() => "no agent is registered".to_owned(),
            0 => format!("no registered agent has {}", attributes.join(", ")),
            1 => "1 agent is registered".to_owned(),
            registered => format!("{registered} agents are registered"),
        };
        write!(f, "pool {pool:?}: {agents}, and {group} has {} in service", counted(*in_service, "instance"))
    }
}

/// The doubt about a pool, by its snapshot and its group; `in_flight` instances have had no time to become agents.
pub(crate) fn doubt(
    policy: &Policy,
    snapshot: &ClusterSnapshot,
    group: &Group,
    in_flight: usize,
    agents_of_no_pool: usize,
) -> Option<Doubt> {
    if !policy.source.needs_masters() {
        return None;
    }
    let registered = usize::try_from(snapshot.agents.registered).unwrap_or(usize::MAX);
    let is_in_service = |instance: &&Instance| instance.lifecycle_state == Lifecycle::InService;
    let in_service = group.instances.iter().filter(is_in_service).count();
    // Instances in standby or on their way out may still have agents.
    let more_agents = registered.saturating_sub(group.instances.len());
    let more_instances = in_service.saturating_sub(registered).saturating_sub(in_flight);
    let gap = more_agents.max(more_instances);
    let percent = usize::try_from(policy.max_missing_agents_percent).unwrap_or(usize::MAX);
    let is_far = gap >= LEAST_GAP && gap.saturating_mul(100) > percent.saturating_mul(registered.max(in_service));
    // A pool of nothing grows from nothing; one whose agents have other attributes only seems to.
    let matches_none = registered == 0 && (more_instances > 0 || agents_of_no_pool > 0);
    (is_far || matches_none).then(|| Doubt {
        pool: policy.pool.clone(),
        group: policy.group.clone(),
        attributes: policy.attributes.iter().map(|(name, value)| format!("{name} = {value}")).collect(),
        registered,
        in_service,
    })
}

/// The same with the group as Auto Scaling describes it now.
///
/// # Errors
/// Where it cannot be described.
pub(crate) async fn of_pool(
    client: &aws_sdk_autoscaling::Client,
    policy: &Policy,
    snapshot: &ClusterSnapshot,
    decision: &ScalingDecision,
    agents_of_no_pool: usize,
    now: Timestamp,
) -> Result<Option<Doubt>, GroupError> {
    let young = SignedDuration::try_from(policy.timing.join_timeout).unwrap_or(SignedDuration::MAX);
    let since = now.saturating_sub(young).unwrap_or(Timestamp::MIN);
    let Some(state) = group::describe(client, &policy.group, since, false).await? else { return Ok(None) };
    let in_flight = plan::plan(decision, Some(&state), policy, now).in_flight;
    let in_flight = usize::try_from(in_flight).unwrap_or(usize::MAX);
    Ok(doubt(policy, snapshot, &state.group, in_flight, agents_of_no_pool))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster::{Cluster, policy, resources};
    use serde_json::json;

    fn group(in_service: usize) -> Group {
        let instance = |number: usize| {
            json!({"InstanceId": format!("i-{number:017x}"), "LifecycleState": "InService",
            "AvailabilityZone": "us-east-1a", "HealthStatus": "Healthy", "ProtectedFromScaleIn": false})
        };
        serde_json::from_value(json!({
            "AutoScalingGroupName": "workers-asg", "MinSize": 0, "MaxSize": 100, "DesiredCapacity": in_service,
            "Instances": (0..in_service).map(instance).collect::<Vec<_>>(),
        }))
        .unwrap()
    }

    fn is_doubted(agents: usize, in_service: usize, in_flight: usize, others: usize) -> bool {
        let snapshot = Cluster::of(agents, resources(4, 14_000)).snapshot();
        doubt(&policy("").unwrap(), &snapshot, &group(in_service), in_flight, others).is_some()
    }

    #[test]
    fn agents_and_instances_may_differ_by_a_tenth() {
        assert!(!is_doubted(60, 60, 0, 0));
        assert!(!is_doubted(60, 66, 0, 0));
        assert!(is_doubted(60, 67, 0, 0));
        assert!(!is_doubted(60, 54, 0, 0));
        assert!(is_doubted(60, 53, 0, 0));
        // One of two is more than a tenth, and happens.
        assert!(!is_doubted(1, 2, 0, 0));
        assert!(is_doubted(1, 3, 0, 0));
    }

    #[test]
    fn instances_in_flight_are_no_reason_to_doubt() {
        assert!(is_doubted(3, 10, 0, 0));
        assert!(!is_doubted(3, 10, 7, 0));
        assert!(!is_doubted(0, 2, 2, 0));
    }

    #[test]
    fn a_pool_of_nothing_is_doubted_where_other_agents_match_no_pool() {
        assert!(!is_doubted(0, 0, 0, 0));
        assert!(is_doubted(0, 0, 0, 60));
        assert!(is_doubted(0, 1, 0, 0));
    }

    #[test]
    fn a_doubt_names_the_pool_the_attributes_and_both_numbers() {
        let none = Cluster::of(0, resources(4, 14_000)).snapshot();
        let mut policy = policy("").unwrap();
        policy.attributes = [("asg".to_owned(), "worker".to_owned())].into();
        let text =
            |agents: &ClusterSnapshot, instances| doubt(&policy, agents, &group(instances), 0, 0).unwrap().to_string();
        let end = format!("and {} has 60 instances in service", policy.group);
        assert_eq!(text(&none, 60), format!("pool {:?}: no registered agent has asg = worker, {end}", policy.pool));
        let some = Cluster::of(5, resources(4, 14_000)).snapshot();
        assert_eq!(text(&some, 60), format!("pool {:?}: 5 agents are registered, {end}", policy.pool));
    }
}
