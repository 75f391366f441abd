//! What the checks count in the world, and in what was read of it.

use std::collections::BTreeSet;

use cluster::group::{Instance, Lifecycle};
use jiff::{SignedDuration, Timestamp};
use node_scale::state::{Activity, ActivityKind, ActivityStatus, GroupState};
use shared::contract::TaskGroup;
use shared::count::saturated;
use shared::resources::Kind;

use super::chain::later;
use crate::policy::View;

/// After that time an instance should be an agent.
const OLD: SignedDuration = SignedDuration::from_mins(15);
/// What a function may be late between its last look and its write, with the slowest calls.
pub(super) const SLACK: SignedDuration = SignedDuration::from_secs(60);

/// An upper bound of the agents that instances of an application need by themselves.
pub(super) fn agents_for(group: &TaskGroup, headroom: u64, view: &View<'_>) -> u64 {
    let agent = &view.new_agent;
    let fit = Kind::ALL
        .into_iter()
        .filter(|kind| !group.resources.get(*kind).is_zero())
        .map(|kind| agent.get(kind).thousandths() / group.resources.get(kind).thousandths().max(1))
        .min()
        .unwrap_or(u64::MAX);
    // One that no agent holds may be tried once (A).
    if fit == 0 {
        return 1;
    }
    let count = u64::from(group.count);
    (count + (count * headroom).div_ceil(100)).div_ceil(fit)
}

/// Instances that should be usable agents and are none: old ones without an agent, closed ones, those that are away.
pub(super) fn useless(view: &View<'_>) -> u64 {
    let usable: BTreeSet<&str> =
        view.cluster.registered().filter(|agent| agent.is_active()).filter_map(|agent| agent.instance_id()).collect();
    let is_useless = |of: &&Instance| {
        let is_old = later(of.launched, OLD) < view.now;
        let is_agent = view.cluster.agents().any(|agent| agent.instance_id() == Some(of.id.as_str()));
        let is_stopped = of.state == Lifecycle::WarmedStopped;
        !usable.contains(of.id.as_str()) && !is_stopped && (is_old || is_agent)
    };
    view.group.instances().iter().filter(is_useless).count() as u64
}

/// Young instances that had been read, and of which the snapshot knew no agent: they are on their way, or joined since.
pub(super) fn arriving(read: &GroupState, has_agent: impl Fn(&str) -> bool, view: &View<'_>) -> u32 {
    let is_young = |of: &Instance| later(of.launched, OLD - SLACK) > view.now;
    let known = |of: &Instance| read.group.instances.iter().any(|own| own.instance_id == of.id);
    let instances = view.group.instances().iter().filter(|of| of.state.is_capacity() && is_young(of) && known(of));
    saturated(instances.filter(|of| !has_agent(&of.id)).count())
}

/// Whether launches are given up (B5), so that what hangs no longer holds anything up.
pub(super) fn is_lost(state: &GroupState, now: Timestamp) -> bool {
    let hangs = |activity: &&Activity| {
        let is_old = later(activity.start, OLD) < now;
        let failed = matches!(activity.status, ActivityStatus::Failed | ActivityStatus::Cancelled);
        activity.kind == ActivityKind::Launch && (failed || activity.end.is_none() && is_old)
    };
    let checks = state.activities.iter().filter(|activity| activity.is_replacement).count();
    state.activities.iter().filter(hangs).count() + checks > 0
}

/// Whether an activity changes the group.
pub(super) fn changes(activity: &Activity) -> bool {
    let has_not = matches!(activity.status, ActivityStatus::Failed | ActivityStatus::Cancelled);
    activity.kind != ActivityKind::WarmPool && !has_not
}
