//! What was requested, does not arrive, and is not needed any more (A1): it is withdrawn before any agent is removed.

use shared::contract::ScalingState;

use super::{
    Activity, ActivityKind, Change, LISTING_DELAY, Lifecycle, PlanInput, capacity, in_flight, listed_capacity,
};

impl PlanInput<'_> {
    /// How many instances the group has still to launch and cannot: launches bring no agent (B5), or are suspended.
    pub(super) fn not_arriving(&self) -> u32 {
        if self.cannot_launch() { in_flight::to_launch(self.group()) } else { 0 }
    }

    /// A desired capacity without those of them that are not needed. No instance ends with it.
    pub(super) fn withdraw(&self, unit: u32) -> Option<Change> {
        let not_arriving = self.not_arriving();
        let is_known = self.decision.state != ScalingState::Held && !self.tags.floor_is_unreadable;
        if not_arriving == 0 || !is_known || !self.launches_nothing_unlisted() {
            return None;
        }
        let group = self.group();
        let there = self.staying_agents().saturating_add(self.arriving());
        let needed = self.kept()?.min(self.most(unit)).saturating_sub(there);
        let instances = not_arriving.saturating_sub(needed);
        let from = group.desired_capacity;
        let to = i64::from(from) - i64::from(instances) * i64::from(unit);
        let to = capacity(to.max(listed_capacity(group))).max(self.lowest(unit));
        (to < from).then_some(Change::Withdraw { from, to })
    }

    /// Whether the group has no instance that it does not list, and is about to launch none in place of another. Else a lower
    /// desired capacity would let Auto Scaling terminate an instance of its own choice.
    fn launches_nothing_unlisted(&self) -> bool {
        let settled = |lifecycle| !matches!(lifecycle, Lifecycle::Terminating | Lifecycle::Unknown);
        self.state.activities_are_complete
            && self.group().instances.iter().all(|instance| settled(instance.lifecycle_state))
            && !self.state.activities.iter().any(|activity| activity.changes_group() && self.unsettles(activity))
    }

    /// Whether the list of the instances may not yet show what that does.
    fn unsettles(&self, activity: &Activity) -> bool {
        let is_recent = activity.ended(self.now).is_none_or(|end| self.now.duration_since(end) < LISTING_DELAY);
        let id = activity.instance_id.as_deref();
        let is_listed = || self.group().instances.iter().any(|instance| Some(instance.instance_id.as_str()) == id);
        match activity.kind {
            // A Spot request that waits for so long has no instance; a lower desired capacity cancels it.
            ActivityKind::Launch => is_recent && !self.members.is_overdue(activity) && !is_listed(),
            ActivityKind::Attach | ActivityKind::Terminate | ActivityKind::Other => is_recent,
            ActivityKind::WarmPool => false,
        }
    }
}
