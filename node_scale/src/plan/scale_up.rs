//! More agents (B3, B5, and A1 for scale-up).

use jiff::Timestamp;

use super::{
    Activity, ActivityKind, ActivityRef, ActivityStatus, BackOff, Change, Increase, LISTING_DELAY, Lifecycle, NoChange,
    PlanInput, PlanResult, SideEffects, capacity, listed_capacity, signed,
};
use crate::group_tags::Direction;
use shared::count::saturated;

impl PlanInput<'_> {
    pub(super) fn scale_up(&self, unit: u32, effects: &mut SideEffects) -> Result<Change, PlanResult> {
        let result = self.request(unit, effects);
        // A trial that is not to be had ends as well: as long as it is wanted, D keeps the agents that would go.
        let is_new = self.tags.tried.is_none_or(|until| until <= self.now);
        effects.tries |= self.decision.tries && is_new && result.as_ref().is_err_and(is_not_to_be_had);
        result
    }

    fn request(&self, unit: u32, effects: &mut SideEffects) -> Result<Change, PlanResult> {
        let group = self.group();
        // No message, whoever wrote it, adds more than one step (I7): what was launched since its snapshot, or is still to be,
        // counts against it. Others may have asked for that; then the next snapshot opens the next step.
        let agents = self.decision.agents.usable.saturating_add(self.decision.decommissioning());
        let step = self.policy.limits.max_scale_up_step.of(agents);
        let wanted = self.wanted();
        let (to_launch, arriving) = (self.joins.to_launch, self.joins.arriving);
        let requested = to_launch.saturating_add(arriving);
        let for_floor = self.missing_to_floor(unit).min(step);
        // An agent that can be reactivated needs no instance: what prevents a launch does not matter, and what was requested and
        // does not arrive does not stand in for it. Where the floor asks for more instances, each is to be of use.
        let missing_agents = wanted.saturating_sub(self.in_flight()).min(step);
        let hostnames = self.reactivate(if for_floor > 0 { u32::MAX } else { missing_agents }, effects);
        let reactivated = saturated(hostnames.len());
        let uncovered = wanted.saturating_sub(requested).saturating_sub(reactivated);
        let used = to_launch.saturating_add(self.joins.since_snapshot).saturating_add(reactivated);
        let asked = uncovered.min(step.saturating_sub(used));
        // Instances that never joined run and cost money: one more at a time shows whether the next ones do.
        let asked = if self.breaker.never_joined { asked.min(1_u32.saturating_sub(arriving)) } else { asked };
        let missing = asked.max(for_floor);
        if missing == 0 && reactivated > 0 {
            return Ok(Change::Reactivate { hostnames });
        }
        if let Some(process) = group.suspended("Launch") {
            return Err(BackOff::Suspended(Direction::Up, process.suspension_reason.clone()).into());
        }
        if !self.state.activities_are_complete {
            return Err(BackOff::TooManyActivities(Direction::Up).into());
        }
        if let Some(launch) = self.unlisted_launch() {
            return Err(BackOff::UnlistedLaunch(launch.into()).into());
        }
        self.launches_arrive(wanted, missing)?;
        if missing == 0 {
            let in_flight = requested;
            return Err(match uncovered {
                0 => NoChange::InFlightCovers { in_flight, needed: wanted },
                _ => NoChange::StepRequested { in_flight, wanted, step },
            }
            .into());
        }
        self.no_launch_in_progress(missing, effects)?;
        self.launch_cooldown()?;
        if for_floor == 0 {
            self.no_trial_lasts()?;
        }
        let max = self.maximum(unit);
        // More instances than the desired capacity are about to terminate, or would if that were not suspended: the snapshot
        // counted them, so what it misses comes on top of them.
        let base = i64::from(group.desired_capacity).max(listed_capacity(group));
        let target = capacity(base + i64::from(missing) * i64::from(unit));
        // Auto Scaling launches a whole instance for a part of one.
        let capped = max - max % i32::try_from(unit).unwrap_or(i32::MAX);
        let (from, to) = (group.desired_capacity, if target > max { capped } else { target });
        if to <= from {
            return Err(NoChange::AtMaximum { desired: from, max }.into());
        }
        effects.end_streak();
        effects.tries = self.decision.tries && asked > 0;
        let floor = self.tags.floor.map(|floor| floor.instances).filter(|_| for_floor > asked);
        let max = (to < target).then_some(max);
        Ok(Change::Increase(Increase { from, to, needed: wanted, in_flight: requested, reactivated, floor, max }))
    }

    /// B3: a launch in progress holds a scale-up back, but not for ever: a group of spot instances always replaces some.
    fn no_launch_in_progress(&self, missing: u32, effects: &mut SideEffects) -> Result<(), BackOff> {
        let Some(launch) = self.launch_in_progress() else { return Ok(()) };
        let limit = signed(self.policy.timing.max_back_off);
        if limit.is_zero() {
            return Ok(());
        }
        let waited = self.now.duration_since(effects.continue_streak(self));
        if waited >= limit { Ok(()) } else { Err(BackOff::LaunchInProgress { launch, missing, waited, limit }) }
    }

    /// B3: the cooldown of launches.
    fn launch_cooldown(&self) -> Result<(), BackOff> {
        let ended =
            self.launches().filter(|launch| launch.changes_group()).filter_map(|launch| launch.ended(self.now)).max();
        self.cooldown(Direction::Up, ended, self.policy.timing.scale_up_cooldown)
    }

    /// B3: within an hour, one agent is tried (A). The snapshot that wants another may not have seen the tag.
    fn no_trial_lasts(&self) -> Result<(), BackOff> {
        let until = self.tags.tried.filter(|until| self.decision.tries && self.now < *until);
        until.map_or(Ok(()), |until| Err(BackOff::Tried { retry_in: until.duration_since(self.now) }))
    }

    /// B5: where what was asked for does not arrive, more of it would not either. What arrives by now may be all that is wanted.
    fn launches_arrive(&self, wanted: u32, missing: u32) -> Result<(), BackOff> {
        let breaker = &self.breaker;
        let Some((pause, (at, loss))) = breaker.pause().zip(breaker.last.as_ref()) else { return Ok(()) };
        let ago = self.ago(*at);
        let is_asked_for = missing == 0;
        let arrives = is_asked_for && self.joins.arriving >= wanted && !breaker.is_tripped();
        if arrives || (ago >= pause && !is_asked_for) {
            return Ok(());
        }
        let retry_in = if is_asked_for { None } else { Some(pause.saturating_sub(ago)) };
        let join_timeout = self.members.join_timeout;
        Err(BackOff::NotArriving { count: breaker.count, ago, loss: loss.clone(), join_timeout, retry_in })
    }

    /// What of the group is launching. A termination in progress never holds a scale-up back.
    fn launch_in_progress(&self) -> Option<ActivityRef> {
        let holds_back = |activity: &&Activity| {
            activity.status == ActivityStatus::InProgress
                && matches!(activity.kind, ActivityKind::Launch | ActivityKind::Attach | ActivityKind::Other)
        };
        let activity = self.state.activities.iter().find(holds_back).map(ActivityRef::from);
        activity.or_else(|| {
            let pending = |lifecycle| matches!(lifecycle, Lifecycle::Pending | Lifecycle::Unknown);
            let instance = self.group().instances.iter().find(|instance| pending(instance.lifecycle_state))?;
            Some(ActivityRef { kind: ActivityKind::Launch, instance_id: Some(instance.instance_id.clone()) })
        })
    }

    /// A launch of the last minutes whose instance the group does not list, and of which nothing else is known: one of the
    /// two answers is an old one, and so may be the desired capacity that a write would start from.
    fn unlisted_launch(&self) -> Option<&Activity> {
        let recently = self.now.saturating_sub(LISTING_DELAY).unwrap_or(Timestamp::MIN);
        self.launches().find(|launch| {
            let id = launch.instance_id.as_deref();
            let is_listed = || self.group().instances.iter().any(|i| Some(i.instance_id.as_str()) == id);
            let has_gone = || {
                let other =
                    |activity: &&Activity| activity.kind != ActivityKind::Launch && activity.start >= launch.start;
                self.state.activities.iter().filter(other).any(|activity| activity.instance_id.as_deref() == id)
            };
            id.is_some()
                && launch.start >= recently
                && matches!(launch.status, ActivityStatus::InProgress | ActivityStatus::Successful)
                && !is_listed()
                && !has_gone()
        })
    }
}

/// Whether what prevents a request may last for any time.
const fn is_not_to_be_had(result: &PlanResult) -> bool {
    matches!(
        result,
        PlanResult::Nothing(NoChange::AtMaximum { .. })
            | PlanResult::BackOff(BackOff::Suspended(..) | BackOff::TooManyActivities(_) | BackOff::NotArriving { .. })
    )
}
