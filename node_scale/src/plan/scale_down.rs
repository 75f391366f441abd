//! Fewer agents (B1, B2, and A1 for scale-down).

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use shared::config::{Policy, ScaleDownStrategy};
use shared::contract::{CompletenessLevel, ScalingDecision};
use shared::count::saturated;
use shared::text::named;

use super::targets::{Choice, Skipped, TerminationTarget, choose};
use super::{
    Activity, ActivityKind, ActivityRef, ActivityStatus, BackOff, Change, Group, Lifecycle, NAMED, NoChange, PlanInput,
    PlanResult, Refusal, SideEffects, capacity, listed_capacity, signed, within,
};
use crate::group_tags::Direction;
use crate::state::Instance;

/// A termination that takes longer has a hook that waits, most likely.
const LASTING: SignedDuration = SignedDuration::from_hours(1);

/// Fewer instances than these that never became agents hold no removal.
const FEW_MISSING: u32 = 2;

impl PlanInput<'_> {
    pub(super) fn scale_down(&self, unit: u32, effects: &mut SideEffects) -> Result<Change, PlanResult> {
        self.floor_is_known()?;
        // Agents that are decommissioning come first: the decision counts on their removal.
        if let Some(change) = self.continue_draining(unit, effects)? {
            return Ok(change);
        }
        if let Some(change) = self.withdraw(unit) {
            return Ok(change);
        }
        self.group_is_settled(unit)?;
        self.few_are_missing()?;
        self.activity_cooldown()?;
        let count = self.leaving_now(unit);
        if count == 0 {
            let (desired, min) = (self.group().desired_capacity, self.lowest(unit));
            let decommissioning = self.decommissioning_without(&BTreeSet::new());
            return Err(NoChange::AtMinimum { desired, min, decommissioning }.into());
        }
        let count = self.let_go_by_window(count)?;
        let change = match self.removal.strategy {
            ScaleDownStrategy::DesiredCapacity => self.decrease(count, unit)?,
            ScaleDownStrategy::LeastLoaded => self.terminate(count, unit, effects)?,
            ScaleDownStrategy::Drain { .. } => self.deactivate(count, effects)?,
        };
        Ok(change)
    }

    /// How many of the agents that the decision names leave now. One that bears the tag of an attempt before does not stand in
    /// its own way: where a master refused its call, the call is repeated.
    fn leaving_now(&self, unit: u32) -> u32 {
        let removable = self.removable(unit);
        let may_leave = |count: &u32| {
            let again = self.named_again(*count);
            let limit = removable.saturating_sub(self.tagged_without(&again));
            *count <= self.scale_down_step(&again).min(limit)
        };
        (1..=self.decision.delta.unsigned_abs()).take_while(may_leave).last().unwrap_or(0)
    }

    /// Those of the first agents that the decision names whose instances have the tag already.
    pub(super) fn named_again(&self, count: u32) -> BTreeSet<String> {
        if self.drains().is_none() || self.tags.decommissioning.is_empty() {
            return BTreeSet::new();
        }
        let named = choose(&self.decision.scale_down_agents, self.state, count).targets.into_iter();
        named.map(|target| target.instance_id).filter(|id| self.tags.decommissioning.contains_key(id)).collect()
    }

    /// Agents that are on their way out, by the decision and by the tags of the group, without these. One that an operator
    /// deactivated is none of them: it may stay for ever.
    fn decommissioning_without(&self, again: &BTreeSet<String>) -> u32 {
        let counted = self.decision.decommissioning().saturating_sub(self.long_closed());
        counted.max(self.own_decommissioning_without(again))
    }

    /// D3 once more, whoever wrote the decision (I7): how many agents may leave now, where these are named again.
    fn scale_down_step(&self, again: &BTreeSet<String>) -> u32 {
        let decommissioning = self.decommissioning_without(again);
        let decision = self.decision;
        let counts = if self.drains().is_some() { decommissioning } else { 0 };
        // A custom check may omit how many tasks there are.
        let says_tasks = decision.completeness == Some(CompletenessLevel::Complete);
        let empty = decision.scale_down_agents.iter().take_while(|agent| says_tasks && agent.task_count == 0).count();
        let agents = decision.agents.usable.saturating_add(decommissioning);
        let at_once = self.removal.at_once(agents, saturated(empty).saturating_add(counts));
        match self.removal.strategy.most_decommissioning() {
            None => at_once,
            Some(most) => at_once.min(most).saturating_sub(counts),
        }
    }

    /// B2: a minimum that cannot be read may be any.
    pub(super) fn floor_is_known(&self) -> Result<(), BackOff> {
        if self.tags.floor_is_unreadable { Err(BackOff::FloorUnreadable) } else { Ok(()) }
    }

    /// The least desired capacity that the pool, the group and the floor allow.
    pub(super) fn lowest(&self, unit: u32) -> i32 {
        let floor = self.floor(unit).unwrap_or(0);
        within(Some(self.policy.limits.min.max(floor)), unit, self.group().min_size, i32::max)
    }

    /// How many instances can be removed until then. What was asked for and does not arrive cannot stand in for them.
    pub(super) fn removable(&self, unit: u32) -> u32 {
        self.above_lowest(self.lasting_capacity(unit).min(in_service_capacity(self.group())), unit)
    }

    /// How many can be removed once all that is in flight has arrived.
    pub(super) fn removable_later(&self, unit: u32) -> u32 {
        let arrived = in_service_capacity(self.group()) + i64::from(self.in_flight()) * i64::from(unit);
        self.above_lowest(self.lasting_capacity(unit).min(arrived), unit)
    }

    /// How many instances are in service beyond that, those included that the group is to terminate by itself.
    pub(super) fn beyond_lowest(&self, unit: u32) -> u32 {
        self.above_lowest(in_service_capacity(self.group()), unit)
    }

    fn above_lowest(&self, units: i64, unit: u32) -> u32 {
        capacity(units - i64::from(self.lowest(unit))).unsigned_abs() / unit
    }

    /// What the group comes to by itself: its desired capacity in whole instances, since it launches one for a part, too, and
    /// what is in service beyond that, unless it terminates some of it.
    pub(super) fn lasting_capacity(&self, unit: u32) -> i64 {
        let group = self.group();
        let instances = group.desired_capacity.max(0).unsigned_abs().div_ceil(unit);
        let desired = i64::from(instances) * i64::from(unit);
        if self.has_excess(unit) { desired } else { desired.max(in_service_capacity(group)) }
    }

    /// Whether the group has an instance or more beyond its desired capacity, and will terminate one. What weights leave over,
    /// and what is protected, stays.
    fn has_excess(&self, unit: u32) -> bool {
        let group = self.group();
        let surplus = listed_capacity(group) - i64::from(group.desired_capacity);
        surplus >= i64::from(unit) && group.instances.iter().any(group_may_terminate)
    }

    /// How many of so many instances can be terminated. Each lowers the desired capacity, which may have to be raised before,
    /// and must stay within the limits all the time.
    pub(super) fn terminable(&self, count: u32, unit: u32) -> Result<u32, BackOff> {
        let (desired, min) = (self.group().desired_capacity, self.lowest(unit));
        let max = self.maximum(unit);
        let room = capacity(i64::from(desired.max(max)) - i64::from(min)).unsigned_abs() / unit;
        match count.min(room) {
            0 => Err(BackOff::NoRoomToTerminate { desired, min, max, unit }),
            count => Ok(count),
        }
    }

    /// The desired capacity from which so many instances can be terminated, where the present one is too low. It asks for no
    /// launch: these instances are in service beyond the minimum.
    pub(super) fn raise(&self, count: usize, unit: u32) -> Option<Change> {
        let from = self.group().desired_capacity;
        let to = capacity(i64::from(self.lowest(unit)) + i64::from(saturated(count)) * i64::from(unit));
        (to > from).then_some(Change::Raise { from, to })
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
        // From the instances where some were asked for and do not arrive: else none would be terminated.
        let base = i64::from(from).min(listed_capacity(group));
        let to = capacity(base - i64::from(needed) * i64::from(unit));
        Ok(Change::Decrease { from, to: to.max(self.lowest(unit)) })
    }

    /// `least_loaded`: the decision chooses.
    fn terminate(&self, count: u32, unit: u32, effects: &mut SideEffects) -> Result<Change, PlanResult> {
        let (targets, skipped) = self.named_targets(self.terminable(count, unit)?, effects)?;
        Ok(self.raise(targets.len(), unit).unwrap_or(Change::Terminate { targets, skipped }))
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
        if let Some(process) = group.suspended("Terminate") {
            return Err(BackOff::Suspended(Direction::Down, process.suspension_reason.clone()));
        }
        if !self.state.activities_are_complete {
            return Err(BackOff::TooManyActivities(Direction::Down));
        }
        let mut changes = self.changes();
        let taken_at = self.decision.snapshot_taken_at;
        if let Some(activity) = changes.clone().find(|activity| activity.start > taken_at) {
            return Err(BackOff::StartedAfterSnapshot(activity.into()));
        }
        if let Some(activity) = changes.find(|activity| activity.status == ActivityStatus::InProgress) {
            return Err(BackOff::InProgress(activity.into()));
        }
        if let Some(instance) = group.instances.iter().find(|instance| !self.is_settled(instance)) {
            return Err(BackOff::Unsettled(instance.instance_id.clone()));
        }
        if self.in_flight() > 0 {
            return Err(BackOff::InFlight(self.in_flight()));
        }
        if self.has_excess(unit) {
            return Err(BackOff::ExcessInstances);
        }
        if self.state.instance_refresh_in_progress != Some(false) {
            return Err(BackOff::InstanceRefresh);
        }
        Ok(())
    }

    /// Whether an instance is neither on its way in nor out, or nothing needs to wait for it.
    fn is_settled(&self, instance: &Instance) -> bool {
        let id = &instance.instance_id;
        match instance.lifecycle_state {
            Lifecycle::InService | Lifecycle::Standby | Lifecycle::NotCounted => true,
            Lifecycle::Pending => self.members.activity_of(id).is_some_and(|launch| self.is_futile(launch)),
            Lifecycle::Terminating => self.breaker.is_tripped() && self.breaker.is_lost(id),
            Lifecycle::Unknown => false,
        }
    }

    /// The activities that change the group, without those that nothing is expected of.
    fn changes(&self) -> impl Iterator<Item = &Activity> + Clone {
        self.state.activities.iter().filter(|activity| activity.changes_group() && !self.is_futile(activity))
    }

    /// Whether nothing needs to wait for an activity (B5): a launch that has been in progress for too long may be so for days,
    /// and a series of launches that bring no agent may never end.
    fn is_futile(&self, activity: &Activity) -> bool {
        let is_overdue = activity.kind == ActivityKind::Launch && self.members.is_overdue(activity);
        is_overdue || self.breaker.is_futile(activity)
    }

    /// B2: terminations that hold every removal for longer than they should.
    pub(super) fn lasting_termination_note(&self) -> Option<String> {
        let lasts = |activity: &&Activity| {
            activity.kind == ActivityKind::Terminate
                && activity.status == ActivityStatus::InProgress
                && self.now.duration_since(activity.start) >= LASTING
        };
        let lasting = self.changes().filter(lasts).map(|activity| ActivityRef::from(activity).to_string());
        let lasting: BTreeSet<String> = lasting.collect();
        let named = named(&lasting.into_iter().collect::<Vec<_>>(), NAMED)?;
        Some(format!(
            "in progress for more than an hour, and nothing is removed until then: {named}; check the lifecycle hooks of the group"
        ))
    }

    /// B2: instances in service that never joined may be cut off with their tasks, which the snapshot then lacks.
    fn few_are_missing(&self) -> Result<(), BackOff> {
        let ids = &self.joins.never_joined_ids;
        let in_service = self.group().instances.iter().filter(|i| i.lifecycle_state == Lifecycle::InService);
        let (missing, of) = (self.joins.never_joined, saturated(in_service.count()));
        let percent = self.policy.max_missing_agents_percent;
        let is_many = u64::from(missing) * 100 > u64::from(of) * u64::from(percent);
        if missing < FEW_MISSING || !is_many || self.members.knows_nothing() {
            return Ok(());
        }
        Err(BackOff::MissingAgents { count: missing, ids: ids.clone(), of, percent })
    }

    /// B2: the group has just settled.
    fn activity_cooldown(&self) -> Result<(), BackOff> {
        let ended = self.changes().filter_map(|activity| activity.ended(self.now)).max();
        self.cooldown(Direction::Down, ended, self.policy.timing.scale_down_cooldown)?;
        // A lost agent that is still listed would let one go that its tasks need.
        let Some((ended, unreachable_after)) = ended.zip(self.decision.unreachable_after_seconds) else {
            return Ok(());
        };
        let (ago, cooldown) = (self.ago(ended), signed(least_cooldown(self.decision, self.policy)));
        if ago >= cooldown {
            return Ok(());
        }
        let unreachable_after = signed(Duration::from_secs(unreachable_after));
        Err(BackOff::LostAgentsListed { unreachable_after, ago, cooldown })
    }
}

/// B2: the least cooldown: as long as the master lists an agent that it has lost, and a schedule period.
pub fn least_cooldown(decision: &ScalingDecision, policy: &Policy) -> Duration {
    let listed = decision.unreachable_after_seconds.map(Duration::from_secs);
    listed.map_or(Duration::ZERO, |listed| listed.saturating_add(policy.timing.schedule_period))
}

/// What the instances in service count for, in capacity units.
fn in_service_capacity(group: &Group) -> i64 {
    let in_service = group.instances.iter().filter(|instance| instance.lifecycle_state == Lifecycle::InService);
    in_service.map(|instance| i64::from(instance.weight())).sum()
}

/// Whether the group's own scale-in may terminate it.
fn group_may_terminate(instance: &Instance) -> bool {
    instance.lifecycle_state == Lifecycle::InService && !instance.protected_from_scale_in
}
