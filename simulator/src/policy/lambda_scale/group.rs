//! The group as node_scale reads it.

use std::collections::BTreeSet;

use cluster::group::{self as model, ActivityKind as ModelKind, ActivityStatus as ModelStatus};
use jiff::Timestamp;
use node_scale::group_tags::TagChange;
use node_scale::plan::{AgentCall, Plan};
use node_scale::state::{
    Activity, ActivityKind, ActivityStatus, Addresses, Group, GroupState, Instance, InstanceKind, LaunchTemplate,
    MixedInstancesPolicy, SuspendedProcess, Tag, keeps_capacity,
};

/// The group as `node_scale` reads it.
pub(crate) fn state(group: &model::Group) -> GroupState {
    let suspended =
        group.suspended.iter().map(|name| SuspendedProcess { process_name: name.clone(), suspension_reason: None });
    GroupState {
        group: Group {
            name: group.name.clone(),
            min_size: group.min,
            max_size: group.max,
            desired_capacity: group.desired(),
            status: group.deleting.then(|| "Delete in progress".to_owned()),
            instances: group.instances().iter().map(instance).collect(),
            suspended_processes: suspended.collect::<BTreeSet<_>>(),
            new_instances_protected_from_scale_in: group.protects_new,
            tags: group.tags.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect(),
            mixed_instances_policy: mixed_instances_policy(group),
        },
        activities: group.activities().map(activity).collect(),
        activities_are_complete: true,
        instance_refresh_in_progress: Some(group.refreshes.iter().any(|refresh| refresh.status == "InProgress")),
        addresses: Addresses::new(),
        is_dry_run: false,
    }
}

/// What the group launches, where it has weights.
fn mixed_instances_policy(group: &model::Group) -> MixedInstancesPolicy {
    let kind = weight(group.weight).map(|weight| InstanceKind { weighted_capacity: Some(weight) });
    MixedInstancesPolicy { launch_template: LaunchTemplate { overrides: kind.into_iter().collect() } }
}

fn weight(weight: u32) -> Option<String> {
    (weight > 1).then(|| weight.to_string())
}

fn instance(instance: &model::Instance) -> Instance {
    Instance {
        instance_id: instance.id.clone(),
        lifecycle_state: instance.state.into(),
        weighted_capacity: weight(instance.weight),
        protected_from_scale_in: instance.protected,
    }
}

/// As node_scale reads an activity in Auto Scaling's own words; a test compares both.
fn activity(activity: &model::Activity) -> Activity {
    let kind = match activity.kind {
        ModelKind::Launch | ModelKind::LaunchFromWarmPool | ModelKind::RequestSpot => ActivityKind::Launch,
        ModelKind::FillWarmPool => ActivityKind::WarmPool,
        ModelKind::Terminate => ActivityKind::Terminate,
    };
    let status = match activity.status {
        ModelStatus::PreInService
        | ModelStatus::MidLifecycleAction
        | ModelStatus::WaitingForSpotInstanceId
        | ModelStatus::InProgress => ActivityStatus::InProgress,
        ModelStatus::Successful => ActivityStatus::Successful,
        ModelStatus::Failed(_) => ActivityStatus::Failed,
        ModelStatus::Cancelled(_) => ActivityStatus::Cancelled,
    };
    Activity {
        group: None,
        kind,
        instance_id: activity.instance.clone(),
        status,
        start: activity.start,
        end: activity.end,
        message: activity.status_message().map(str::to_owned),
        is_replacement: kind == ActivityKind::Terminate && keeps_capacity(&activity.cause),
    }
}

/// What the tags of the group become: those of agents that are closed are written, those of reopened ones deleted.
pub(super) fn tags(plan: &Plan, now: Timestamp) -> Vec<TagChange> {
    let of_agents = plan.agents.iter().filter_map(|step| match step.call {
        AgentCall::Deactivate => Some(TagChange::decommission(&step.instance_id, now)),
        AgentCall::Reactivate => Some(TagChange::end_decommission(&step.instance_id)),
        AgentCall::Drain { .. } => None,
    });
    of_agents.chain(plan.tags.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use cluster::NOON;
    use jiff::SignedDuration;
    use node_scale::state::ActivityForm;

    use super::*;

    /// The activity as it is read from Auto Scaling's answer.
    fn read(activity: &model::Activity) -> Activity {
        Activity::from(ActivityForm {
            auto_scaling_group_name: None,
            description: activity.description(),
            cause: activity.cause.clone(),
            status_code: activity.status.code().to_owned(),
            start_time: activity.start,
            end_time: activity.end,
            status_message: activity.status_message().map(str::to_owned),
        })
    }

    #[test]
    fn activities_are_those_that_are_read_from_auto_scaling() {
        let mut group = model::Group::new("workers", 0, 20, &["a", "b"]);
        group.fill_warm_pool(1, NOON);
        group.behavior.failing_launches = 1;
        group.behavior.unhealthy_after = Some(std::time::Duration::from_secs(300));
        group.set_desired(4, false, NOON).unwrap();
        for minute in 0..20 {
            let now = NOON + SignedDuration::from_mins(minute);
            group.advance(now);
            if minute == 3 {
                group.behavior.unhealthy_after = None;
                group.behavior.spot_waits = true;
                group.set_desired(8, false, now).unwrap();
            }
            if minute == 10 {
                group.behavior.unhealthy_after = Some(std::time::Duration::from_secs(300));
                group.behavior.spot_waits = false;
            }
            for of_model in group.activities() {
                assert_eq!(activity(of_model), read(of_model), "{of_model:?}");
            }
        }
        let kinds: BTreeSet<String> =
            group.activities().map(|of| format!("{:?} {:?}", activity(of).kind, activity(of).status)).collect();
        assert!(kinds.len() >= 4, "{kinds:?}");
    }
}
