//! More agents (B3, B5, and A1 for scale-up).

use jiff::{SignedDuration, Timestamp};
use shared::clause::Clause;

use super::coming::overdue_launches;
use super::{
    Action, Activity, ActivityKind, ActivityStatus, Besides, Held, Lifecycle, Sight, Verdict, act, back_off, capacity,
    describe, instances, listed_capacity, nothing, seconds, signed, within,
};
use crate::marks::Direction;

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

impl Sight<'_> {
    pub(super) fn scale_up(&self, unit: u32, besides: &mut Besides) -> Verdict {
        let group = self.group();
        // No message, whoever wrote it, adds more than one step (I7).
        let step = self.policy.limits.max_scale_up_step;
        let wanted = u32::try_from(self.decision.delta).unwrap_or(0).min(step);
        let for_floor = self.floor_missing(unit).min(step);
        // An agent that can still be taken back needs no machine: whatever stands against a launch does not matter.
        let taken_back = self.take_back(wanted.saturating_sub(self.coming), besides)?;
        let missing = wanted.saturating_sub(self.coming).saturating_sub(taken_back).max(for_floor);
        if missing == 0 && taken_back > 0 {
            return nothing(None, format!("{wanted} more wanted: {taken_back} that were leaving are taken back"));
        }
        if group.is_suspended("Launch") {
            return back_off(Clause::B3, "the process Launch is suspended on the group");
        }
        if !self.state.activities_are_complete {
            return back_off(
                Clause::B3,
                "the group has more recent activities than are read; what is coming cannot be told",
            );
        }
        if let Some(launch) = self.unlisted_launch() {
            return back_off(Clause::B3, format!("{} is known and its instance is not listed yet", describe(launch)));
        }
        self.launches_fail()?;
        self.instances_do_not_join()?;
        if missing == 0 {
            let coming = instances(self.coming);
            return nothing(Clause::B3, format!("{coming} coming, which covers the {wanted} wanted"));
        }
        self.launch_holds_back(missing, besides)?;
        self.up_cooldown()?;
        let highest = within(self.policy.limits.max, unit, group.max_size, i32::min);
        // More instances than asked for are about to be terminated, or would be were it not suspended: the snapshot
        // counted them, so what it misses comes on top of them.
        let base = i64::from(group.desired_capacity).max(listed_capacity(group));
        let asked_for = capacity(base + i64::from(missing) * i64::from(unit));
        let to = asked_for.min(highest);
        if to <= group.desired_capacity {
            return nothing(
                None,
                format!(
                    "the desired capacity is {}, and the pool's and the group's max allow {highest}",
                    group.desired_capacity
                ),
            );
        }
        besides.end();
        let capped = if to < asked_for { format!(", up to the max of {highest}") } else { String::new() };
        if for_floor > wanted.saturating_sub(self.coming).saturating_sub(taken_back) {
            let floor = self.marks.floor.map_or(0, |floor| floor.instances);
            return act(
                Action::SetDesiredCapacity(to),
                format!("the floor is {floor} instances (tag lambda-scale/floor){capped}"),
            );
        }
        let mut less =
            if self.coming == 0 { String::new() } else { format!(", {} coming already", instances(self.coming)) };
        if taken_back > 0 {
            less.push_str(&format!(", {taken_back} that were leaving are taken back"));
        }
        act(Action::SetDesiredCapacity(to), format!("{wanted} more wanted{less}{capped}"))
    }

    /// B3: a launch underway holds a scale-up back, but not for ever: a group of spot instances always replaces some.
    fn launch_holds_back(&self, missing: u32, besides: &mut Besides) -> Result<(), Held> {
        let Some(what) = self.launch_underway() else { return Ok(()) };
        let patience = signed(self.policy.timing.max_back_off);
        if patience.is_zero() {
            return Ok(());
        }
        let since = besides.join(Direction::Up, self);
        let waited = self.now.duration_since(since);
        if waited >= patience {
            return Ok(());
        }
        back_off(
            Clause::B3,
            format!(
                "{what} is underway; {} still missing after it, waiting for {} of at most {} (max_back_off)",
                instances(missing),
                seconds(waited),
                seconds(patience)
            ),
        )
    }

    /// B3: the same cooldown for launches.
    fn up_cooldown(&self) -> Result<(), Held> {
        let ended = self.launches().filter_map(|launch| launch.end).max();
        self.cooldown(Clause::B3, ended, self.policy.timing.scale_up_cooldown, "launch")
    }

    /// B5: launches fail, so asking for more would only fail more.
    fn launches_fail(&self) -> Result<(), Held> {
        let failures = self.launch_failures();
        let Some(last) = self.launches().find(|launch| launch.status == ActivityStatus::Failed) else { return Ok(()) };
        let Some(index) = failures.checked_sub(1) else { return Ok(()) };
        let pause = LAUNCH_FAILURE_BACK_OFF
            .get(index as usize)
            .or(LAUNCH_FAILURE_BACK_OFF.last())
            .copied()
            .unwrap_or(SignedDuration::ZERO);
        let since = self.now.duration_since(last.end.unwrap_or(last.start));
        if since >= pause {
            return Ok(());
        }
        let message = last.message.as_deref().unwrap_or("no message");
        back_off(
            Clause::B5,
            format!(
                "{failures} launch{} failed in a row, the last {} ago ({message}); trying again after {}",
                if failures == 1 { "" } else { "es" },
                seconds(since),
                seconds(pause)
            ),
        )
    }

    /// B5: instances come and never become agents (a bad image, a network without a way to the masters): more of them would
    /// not either.
    fn instances_do_not_join(&self) -> Result<(), Held> {
        let fifth = u32::try_from(self.group().instances.len()).unwrap_or(u32::MAX) / 5;
        let latest = overdue_launches(
            self.state,
            signed(self.policy.timing.join_timeout),
            NEVER_JOINED_BACK_OFF.saturating_add(signed(self.policy.timing.join_timeout)),
            self.now,
        );
        let is_much = self.never_joined >= fifth.max(FEW_NEVER_JOINED);
        let Some(last) = self.launches().next() else { return Ok(()) };
        let since = self.now.duration_since(last.start);
        if latest == 0 || self.never_joined < latest || !is_much || since >= NEVER_JOINED_BACK_OFF {
            return Ok(());
        }
        back_off(
            Clause::B5,
            format!(
                "{} older than {} and no agents, those launched last among them; look at one of them, trying again {} after the \
             last launch",
                instances(self.never_joined),
                seconds(signed(self.policy.timing.join_timeout)),
                seconds(NEVER_JOINED_BACK_OFF)
            ),
        )
    }

    pub(super) fn launch_failures(&self) -> u32 {
        let since_success = self.launches().take_while(|launch| launch.status != ActivityStatus::Successful);
        let failed = since_success.filter(|launch| launch.status == ActivityStatus::Failed).count();
        u32::try_from(failed).unwrap_or(u32::MAX)
    }

    /// What of the group is on its way in. A termination underway never holds a scale-up back.
    fn launch_underway(&self) -> Option<String> {
        let holds_back = |activity: &&Activity| {
            activity.status == ActivityStatus::Underway
                && matches!(activity.kind, ActivityKind::Launch | ActivityKind::Other)
        };
        let activity = self.state.activities.iter().find(holds_back).map(describe);
        activity.or_else(|| {
            let pending = |lifecycle| matches!(lifecycle, Lifecycle::Pending | Lifecycle::Unknown);
            let instance = self.group().instances.iter().find(|instance| pending(instance.lifecycle_state))?;
            Some(format!("the launch of {}", instance.instance_id))
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
                let other = |activity: &&Activity| activity.kind != ActivityKind::Launch;
                self.state.activities.iter().filter(other).any(|activity| activity.instance_id.as_deref() == id)
            };
            id.is_some()
                && launch.start >= recently
                && matches!(launch.status, ActivityStatus::Underway | ActivityStatus::Successful)
                && !is_listed()
                && !has_gone()
        })
    }
}
