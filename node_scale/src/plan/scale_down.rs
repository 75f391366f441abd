//! Fewer agents (B1, B2, and A1 for scale-down).

use shared::config::ScaleDownStrategy;
use shared::count::saturated;

use super::targets::{Choice, Skipped, TerminationTarget, choose};
use super::{
    ActivityStatus, BackOff, Change, Lifecycle, NoChange, PlanInput, PlanResult, Refusal, SideEffects, capacity,
    listed_capacity, signed, within,
};
use crate::group_tags::Direction;
use crate::state::Instance;

impl PlanInput<'_> {
    pub(super) fn scale_down(&self, unit: u32, effects: &mut SideEffects) -> Result<Change, PlanResult> {
        let stable = self.is_stable(effects);
        // Agents that are decommissioning come first: the decision counts on their removal.
        if let Some(change) = self.continue_draining(unit, effects)? {
            return Ok(change);
        }
        self.group_is_settled(unit)?;
        self.activity_cooldown()?;
        stable?;
        let step = self.policy.limits.max_scale_down_step;
        let decommissioning = saturated(self.decision.decommissioning_agents.len());
        let step = if self.drains().is_some() { step.saturating_sub(decommissioning) } else { step };
        let limit = self.removable(unit).saturating_sub(self.own_decommissioning_count());
        let count = self.decision.delta.unsigned_abs().min(step).min(limit);
        if count == 0 {
            let (desired, min) = (self.group().desired_capacity, self.lowest(unit));
            return Err(NoChange::AtMinimum { desired, min, decommissioning }.into());
        }
        let change = match self.policy.scale_down.strategy {
            ScaleDownStrategy::DesiredCapacity => self.decrease(count, unit)?,
            ScaleDownStrategy::LeastLoaded => self.terminate(count, effects)?,
            ScaleDownStrategy::Drain { .. } => self.deactivate(count, effects)?,
        };
        effects.end_streak();
        Ok(change)
    }

    /// The least desired capacity that the pool, the group and the floor allow.
    pub(super) fn lowest(&self, unit: u32) -> i32 {
        let floor = self.tags.floor.map_or(0, |floor| floor.instances);
        within(Some(self.policy.limits.min.max(floor)), unit, self.group().min_size, i32::max)
    }

    /// How many instances can be removed until then.
    pub(super) fn removable(&self, unit: u32) -> u32 {
        let lowest = i64::from(self.lowest(unit));
        capacity(i64::from(self.group().desired_capacity) - lowest).unsigned_abs() / unit
    }

    /// `desired_capacity`: the group chooses.
    fn decrease(&self, needed: u32, unit: u32) -> Result<Change, BackOff> {
        let group = self.group();
        let removable = saturated(group.instances.iter().filter(|instance| group_may_terminate(instance)).count());
        if removable < needed {
            // Auto Scaling would lower the capacity all the same, and terminate one as soon as its protection ends.
            return Err(BackOff::ScaleInProtection { removable, count: needed });
        }
        let from = group.desired_capacity;
        Ok(Change::Decrease { from, to: capacity(i64::from(from) - i64::from(needed) * i64::from(unit)) })
    }

    /// `least_loaded`: the decision chooses.
    fn terminate(&self, count: u32, effects: &mut SideEffects) -> Result<Change, Refusal> {
        let (targets, skipped) = self.named_targets(count, effects)?;
        Ok(Change::Terminate { targets, skipped })
    }

    /// The instances of the first agents that the decision names, at least one, and which agents are skipped.
    pub(super) fn named_targets(
        &self,
        count: u32,
        effects: &mut SideEffects,
    ) -> Result<(Vec<TerminationTarget>, Vec<Skipped>), Refusal> {
        if self.decision.scale_down_agents.is_empty() {
            return Err(Refusal::NoAgentNamed);
        }
        let choice = choose(&self.decision.scale_down_agents, self.state, count);
        effects.unresolved.extend(choice.unresolved());
        let Choice { targets, skipped } = choice;
        if targets.is_empty() { Err(Refusal::NoTarget { count, skipped }) } else { Ok((targets, skipped)) }
    }

    /// B1 and B2: the decision saw the group as it is, and nothing is in progress.
    pub(super) fn group_is_settled(&self, unit: u32) -> Result<(), BackOff> {
        let group = self.group();
        if group.is_suspended("Terminate") {
            return Err(BackOff::Suspended(Direction::Down));
        }
        if !self.state.activities_are_complete {
            return Err(BackOff::TooManyActivities(Direction::Down));
        }
        let mut changes = self.state.activities.iter().filter(|activity| activity.changes_group());
        let taken_at = self.decision.snapshot_taken_at;
        if let Some(activity) = changes.clone().find(|activity| activity.start > taken_at) {
            return Err(BackOff::StartedAfterSnapshot(activity.into()));
        }
        if let Some(activity) = changes.find(|activity| activity.status == ActivityStatus::InProgress) {
            return Err(BackOff::InProgress(activity.into()));
        }
        let is_settled =
            |lifecycle| matches!(lifecycle, Lifecycle::InService | Lifecycle::Standby | Lifecycle::NotCounted);
        if let Some(instance) = group.instances.iter().find(|instance| !is_settled(instance.lifecycle_state)) {
            return Err(BackOff::Unsettled(instance.instance_id.clone()));
        }
        if self.in_flight > 0 {
            return Err(BackOff::InFlight(self.in_flight));
        }
        // What weights leave over, and what is protected, stays: Auto Scaling will not terminate it.
        let surplus = listed_capacity(group) - i64::from(group.desired_capacity);
        if surplus >= i64::from(unit) && group.instances.iter().any(group_may_terminate) {
            return Err(BackOff::ExcessInstances);
        }
        if self.state.instance_refresh_in_progress != Some(false) {
            return Err(BackOff::InstanceRefresh);
        }
        Ok(())
    }

    /// B2: the group has just settled.
    fn activity_cooldown(&self) -> Result<(), BackOff> {
        let changes = self.state.activities.iter().filter(|activity| activity.changes_group());
        let ended = changes.filter_map(|activity| activity.end).max();
        self.cooldown(Direction::Down, ended, self.policy.timing.scale_down_cooldown)
    }

    /// B2: decisions have asked for it for long enough. The streak grows also where something else prevents the removal.
    fn is_stable(&self, effects: &mut SideEffects) -> Result<(), BackOff> {
        let stable_for = signed(self.policy.scale_down.stable_for);
        if stable_for.is_zero() {
            return Ok(());
        }
        let lasted = self.now.duration_since(effects.continue_streak(Direction::Down, self));
        if lasted >= stable_for { Ok(()) } else { Err(BackOff::NotStable { lasted, stable_for }) }
    }
}

/// Whether the group's own scale-in may terminate it.
fn group_may_terminate(instance: &Instance) -> bool {
    instance.lifecycle_state == Lifecycle::InService && !instance.protected_from_scale_in
}
