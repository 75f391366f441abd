//! Capacity that was requested and has not joined yet, and instances that never joined.

use jiff::{SignedDuration, Timestamp};
use shared::config::Policy;
use shared::contract::ScalingDecision;
use shared::count::saturated;

use super::{ActivityKind, ActivityStatus, Group, GroupState, Lifecycle, listed_capacity, signed};

/// How many of the group's instances are not agents that the snapshot counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct JoinStatus {
    /// Requested, and expected to join.
    pub(super) in_flight: u32,
    /// Too old to be expected.
    pub(super) never_joined: u32,
}

/// The agents that were requested and that the snapshot could not know yet: what the group has still to launch, the
/// instances that were launched after the snapshot was taken, and of those launched before it the ones that were no
/// agents yet.
///
/// With y instances launched before the snapshot and younger than `join_timeout`, o older ones and r registered agents of
/// the pool that are not inactive, y − max(0, r − o) of the young ones were still to join, within 0..y. An old instance
/// that never became an agent is not in flight: there are at least o − r of them. r is the snapshot's, so a decision that is
/// delivered twice finds the instances it requested in flight, also where agents outside the group make r larger than the
/// group ever was.
pub(super) fn join_status(
    decision: &ScalingDecision,
    state: &GroupState,
    policy: &Policy,
    now: Timestamp,
) -> JoinStatus {
    let join_timeout = signed(policy.timing.join_timeout);
    // Terminating instances are old ones here: their agents may still be registered.
    let (mut new, mut young, mut old, mut terminating) = (0_u32, 0_u32, 0_u32, 0_u32);
    for instance in &state.group.instances {
        match (instance.lifecycle_state, launched_at(state, &instance.instance_id)) {
            (Lifecycle::Standby | Lifecycle::NotCounted, _) => {}
            (Lifecycle::Terminating, _) => terminating += 1,
            // Launching, and without an activity yet: the two answers are not of the same moment.
            (Lifecycle::Pending, None) => new += 1,
            (_, None) => old += 1,
            (_, Some(launched)) if launched > decision.snapshot_taken_at => new += 1,
            (_, Some(launched)) if now.duration_since(launched) < join_timeout => young += 1,
            _ => old += 1,
        }
    }
    let agents = decision.agents.registered.saturating_sub(decision.agents.inactive);
    let joined = agents.saturating_sub(old + terminating);
    JoinStatus {
        in_flight: to_launch(&state.group).saturating_add(new).saturating_add(young.saturating_sub(joined)),
        never_joined: old.saturating_sub(agents),
    }
}

/// How many of the instances that were launched within that time before now are too old to become agents. Where all of them
/// and no fewer never joined, the next ones would not either.
pub(super) fn overdue_launches(
    state: &GroupState,
    join_timeout: SignedDuration,
    within: SignedDuration,
    now: Timestamp,
) -> u32 {
    let is_overdue = |id: &str| {
        launched_at(state, id).is_some_and(|launched| {
            let age = now.duration_since(launched);
            age >= join_timeout && age < within
        })
    };
    saturated(state.group.instances.iter().filter(|i| i.is_capacity() && is_overdue(&i.instance_id)).count())
}

/// When an instance was launched, where the activities reach back so far.
fn launched_at(state: &GroupState, id: &str) -> Option<Timestamp> {
    let launches = state.activities.iter().filter(|activity| {
        activity.kind == ActivityKind::Launch
            && matches!(activity.status, ActivityStatus::InProgress | ActivityStatus::Successful)
            && activity.instance_id.as_deref() == Some(id)
    });
    // An instance that returned to the warm pool is launched more than once.
    launches.map(|launch| launch.start).max()
}

/// How many instances the group has still to launch.
fn to_launch(group: &Group) -> u32 {
    let missing = i64::from(group.desired_capacity) - listed_capacity(group);
    u32::try_from(missing).unwrap_or(0).div_ceil(group.unit().unwrap_or(1))
}
