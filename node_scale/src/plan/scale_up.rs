//! More agents (B3, B5, and A1 for scale-up).

use jiff::{SignedDuration, Timestamp};

use super::in_flight::overdue_launches;
use super::{
    Activity, ActivityKind, ActivityRef, ActivityStatus, BackOff, Change, Increase, Lifecycle, NoChange, PlanInput,
    PlanResult, SideEffects, capacity, listed_capacity, signed, within,
};
use crate::group_tags::Direction;
use shared::count::saturated;

/// How long no scale-up is tried after one, two, three, four or more launches in a row failed (B5).
const LAUNCH_FAILURE_BACK_OFF: [SignedDuration; 4] = [
    SignedDuration::from_mins(5),
    SignedDuration::from_mins(10),
    SignedDuration::from_mins(20),
    SignedDuration::from_mins(30),
];

/// For how long after the last launch nothing is added where none of the latest instances became an agent (B5). After it one
/// scale-up shows whether the next ones do.
const NEVER_JOINED_BACK_OFF: SignedDuration = SignedDuration::from_mins(60);

/// With fewer instances than these that never became agents it may be chance.
const FEW_NEVER_JOINED: u32 = 3;

/// How long a launch may be known before its instance is listed. A longer contradiction is none of a moment.
const LISTING_DELAY: SignedDuration = SignedDuration::from_mins(2);

impl PlanInput<'_> {
    pub(super) fn scale_up(&self, unit: u32, effects: &mut SideEffects) -> Result<Change, PlanResult> {
        let group = self.group();
        // No message, whoever wrote it, adds more than one step (I7).
        let step = self.policy.limits.max_scale_up_step;
        let needed = u32::try_from(self.decision.delta).unwrap_or(0).min(step);
        let for_floor = self.missing_to_floor(unit).min(step);
        // An agent that can be reactivated needs no instance: what prevents a launch does not matter.
        let hostnames = self.reactivate(needed.saturating_sub(self.in_flight), effects);
        let reactivated = saturated(hostnames.len());
        let uncovered = needed.saturating_sub(self.in_flight).saturating_sub(reactivated);
        let missing = uncovered.max(for_floor);
        if missing == 0 && reactivated > 0 {
            return Ok(Change::Reactivate { hostnames });
        }
        if group.is_suspended("Launch") {
            return Err(BackOff::Suspended(Direction::Up).into());
        }
        if !self.state.activities_are_complete {
            return Err(BackOff::TooManyActivities(Direction::Up).into());
        }
        if let Some(launch) = self.unlisted_launch() {
            return Err(BackOff::UnlistedLaunch(launch.into()).into());
        }
        self.launches_succeed()?;
        self.instances_join()?;
        if missing == 0 {
            return Err(NoChange::InFlightCovers { in_flight: self.in_flight, needed }.into());
        }
        self.no_launch_in_progress(missing, effects)?;
        self.launch_cooldown()?;
        let max = within(self.policy.limits.max, unit, group.max_size, i32::min);
        // More instances than the desired capacity are about to terminate, or would if that were not suspended: the snapshot
        // counted them, so what it misses comes on top of them.
        let base = i64::from(group.desired_capacity).max(listed_capacity(group));
        let requested = capacity(base + i64::from(missing) * i64::from(unit));
        // Auto Scaling launches a whole instance for a part of one.
        let capped = max - max % i32::try_from(unit).unwrap_or(i32::MAX);
        let (from, to) = (group.desired_capacity, if requested > max { capped } else { requested });
        if to <= from {
            return Err(NoChange::AtMaximum { desired: from, max }.into());
        }
        effects.end_streak();
        let floor = self.tags.floor.map(|floor| floor.instances).filter(|_| for_floor > uncovered);
        let max = (to < requested).then_some(max);
        Ok(Change::Increase(Increase { from, to, needed, in_flight: self.in_flight, reactivated, floor, max }))
    }

    /// B3: a launch in progress holds a scale-up back, but not for ever: a group of spot instances always replaces some.
    fn no_launch_in_progress(&self, missing: u32, effects: &mut SideEffects) -> Result<(), BackOff> {
        let Some(launch) = self.launch_in_progress() else { return Ok(()) };
        let limit = signed(self.policy.timing.max_back_off);
        if limit.is_zero() {
            return Ok(());
        }
        let waited = self.now.duration_since(effects.continue_streak(Direction::Up, self));
        if waited >= limit { Ok(()) } else { Err(BackOff::LaunchInProgress { launch, missing, waited, limit }) }
    }

    /// B3: the cooldown of launches.
    fn launch_cooldown(&self) -> Result<(), BackOff> {
        let ended = self.launches().filter(|launch| launch.changes_group()).filter_map(|launch| launch.end).max();
        self.cooldown(Direction::Up, ended, self.policy.timing.scale_up_cooldown)
    }

    /// B5: where launches fail, more of them would fail too.
    fn launches_succeed(&self) -> Result<(), BackOff> {
        let count = self.launch_failures();
        let failed = self.launches().filter(|launch| launch.status == ActivityStatus::Failed);
        let Some(last) = failed.max_by_key(|launch| launch.end.unwrap_or(launch.start)) else { return Ok(()) };
        let Some(index) = count.checked_sub(1) else { return Ok(()) };
        let pause = LAUNCH_FAILURE_BACK_OFF
            .get(index as usize)
            .or(LAUNCH_FAILURE_BACK_OFF.last())
            .copied()
            .unwrap_or(SignedDuration::ZERO);
        let ago = self.now.duration_since(last.end.unwrap_or(last.start));
        if ago >= pause {
            return Ok(());
        }
        let message = last.message.clone().unwrap_or_else(|| "no message".to_owned());
        Err(BackOff::LaunchesFail { count, ago, message, pause })
    }

    /// B5: instances launch and never become agents (a bad image, a network without a way to the masters): more of them would
    /// not either.
    fn instances_join(&self) -> Result<(), BackOff> {
        let fifth = saturated(self.group().instances.len()) / 5;
        let join_timeout = signed(self.policy.timing.join_timeout);
        let within = NEVER_JOINED_BACK_OFF.saturating_add(join_timeout);
        let latest = overdue_launches(self.state, join_timeout, within, self.now);
        let is_much = self.never_joined >= fifth.max(FEW_NEVER_JOINED);
        // A launch that has not ended says nothing yet: a hook may hold it for hours.
        let Some(last) = self.launches().filter(|launch| launch.is_finished()).map(|launch| launch.start).max() else {
            return Ok(());
        };
        let since = self.now.duration_since(last);
        if latest == 0 || self.never_joined < latest || !is_much || since >= NEVER_JOINED_BACK_OFF {
            return Ok(());
        }
        let retry_in = NEVER_JOINED_BACK_OFF.saturating_sub(since);
        Err(BackOff::NeverJoined { count: self.never_joined, join_timeout, retry_in })
    }

    pub(super) fn launch_failures(&self) -> u32 {
        let succeeded = self.launches().filter(|launch| launch.status == ActivityStatus::Successful);
        let last_success = succeeded.map(|launch| launch.start).max();
        let failed = self.launches().filter(|launch| launch.status == ActivityStatus::Failed);
        saturated(failed.filter(|launch| last_success.is_none_or(|success| launch.start > success)).count())
    }

    /// What of the group is launching. A termination in progress never holds a scale-up back.
    fn launch_in_progress(&self) -> Option<ActivityRef> {
        let holds_back = |activity: &&Activity| {
            activity.status == ActivityStatus::InProgress
                && matches!(activity.kind, ActivityKind::Launch | ActivityKind::Other)
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
