//! The model of a group as `node_scale` reads it.

use cluster::group::Group as Model;
use node_scale::state::{self, Activity, ActivityForm, Addresses, Group, GroupState, MixedInstancesPolicy, Tag};
use shared::group::Lifecycle;

/// The group with these tags.
pub(crate) fn group_state(group: &Model, tags: Vec<Tag>, is_dry_run: bool) -> GroupState {
    let instances = group.instances().iter().map(|instance| state::Instance {
        instance_id: instance.id.clone(),
        lifecycle_state: Lifecycle::from_name(instance.state.name()),
        weighted_capacity: (instance.weight > 1).then(|| instance.weight.to_string()),
        protected_from_scale_in: instance.protected,
    });
    let activities = group.activities().map(|activity| {
        Activity::from(ActivityForm {
            auto_scaling_group_name: Some(group.name.clone()),
            description: activity.description(),
            cause: activity.cause.clone(),
            status_code: activity.status.code().to_owned(),
            start_time: activity.start,
            end_time: activity.end,
            status_message: activity.status_message().map(str::to_owned),
        })
    });
    GroupState {
        group: Group {
            name: group.name.clone(),
            min_size: group.min,
            max_size: group.max,
            desired_capacity: group.desired(),
            status: None,
            instances: instances.collect(),
            suspended_processes: Default::default(),
            new_instances_protected_from_scale_in: group.protects_new,
            tags,
            mixed_instances_policy: MixedInstancesPolicy::default(),
        },
        activities: activities.collect(),
        activities_are_complete: true,
        instance_refresh_in_progress: Some(false),
        addresses: Addresses::new(),
        is_dry_run,
    }
}
