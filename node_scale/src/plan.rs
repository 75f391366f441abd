//! Decision + live group → what to do, and why. Pure: no clock, no IO, no logging.
//!
//! The clauses (6.1 refuse, B1 to B5 back off, 6.3 apply) are those of docs/acting.md.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use shared::config::Policy;
use shared::contract::{ScalingDecision, ScalingState};

use crate::state::{Activity, ActivityKind, ActivityStatus, Group, GroupState, Lifecycle};

/// How far ahead of this machine's clock the master reader's clock may be.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(60);

/// How long no scale-up is tried after one, two, three, four or more launches in a row failed (B5).
const LAUNCH_FAILURE_BACK_OFF: [SignedDuration; 4] = [
    SignedDuration::from_mins(5),
    SignedDuration::from_mins(10),
    SignedDuration::from_mins(20),
    SignedDuration::from_mins(30),
];

/// What is to be done, and everything that the outcome reports besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What is to be done.
    pub action: Action,
    /// Why, in a sentence that starts with the clause where one decided.
    pub reason: String,
    /// Instances that were asked for and are not agents yet.
    pub coming: u32,
    /// Launches that failed one after the other, up to now.
    pub launch_failures: u32,
}

/// What is to be done to the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask for this capacity, in capacity units. It lies within the group's and the pool's limits and is not what the
    /// group is asked for already.
    SetDesiredCapacity(i32),
    /// Nothing is wanted, or nothing is left to do.
    Nothing,
    /// Something is wanted, and this is not the moment for it.
    BackOff,
    /// The decision may not be acted upon.
    Refuse,
}

/// Whether the decision may be acted upon at all (6.1), as far as that can be told without looking at the group.
///
/// # Errors
/// The reason why not.
pub fn admit(decision: &ScalingDecision, policy: &Policy, now: Timestamp) -> Result<(), String> {
    let taken_at = decision.snapshot_taken_at;
    // A message that gives itself a longer life than the schedule allows does not get it.
    let expires_at = decision.expires_at.min(policy.expires_at(taken_at));
    if now > expires_at {
        let age = seconds(now.duration_since(taken_at));
        return Err(format!("6.1: expired: what was seen {age} ago may no longer be acted upon"));
    }
    if taken_at > now.saturating_add(CLOCK_SKEW).unwrap_or(Timestamp::MAX) {
        let ahead = seconds(taken_at.duration_since(now));
        return Err(format!("6.1: the snapshot was taken {ahead} in the future; check who sends it"));
    }
    Ok(())
}

/// What is to be done about a decision, given the group as it is now; `None`: there is no such group.
#[must_use]
pub fn plan(decision: &ScalingDecision, state: Option<&GroupState>, policy: &Policy, now: Timestamp) -> Plan {
    let Some(state) = state else {
        return Plan::without_group(format!(
            "6.1: there is no Auto Scaling group {:?} in this region; correct pools.group",
            policy.group
        ));
    };
    let sight = Sight::new(decision, state, policy, now);
    let verdict = match admit(decision, policy, now) {
        Err(reason) => Err((Action::Refuse, reason)),
        Ok(()) if decision.delta == 0 => Err((Action::Nothing, nothing_wanted(decision))),
        Ok(()) => sight.act(),
    };
    let (action, reason) = match verdict {
        Ok((to, reason)) => (Action::SetDesiredCapacity(to), reason),
        Err(held) => held,
    };
    Plan { action, reason, coming: sight.coming, launch_failures: sight.launch_failures() }
}

impl Plan {
    fn without_group(reason: String) -> Self {
        Self { action: Action::Refuse, reason, coming: 0, launch_failures: 0 }
    }
}

fn nothing_wanted(decision: &ScalingDecision) -> String {
    match decision.state {
        ScalingState::MaxLimit => "more agents are wanted than the pool's max allows".to_owned(),
        ScalingState::MinLimit => "fewer agents are wanted than the pool's min allows".to_owned(),
        ScalingState::Held => match decision.steps.last() {
            Some(step) => format!("the decision is held: {}", step.reason),
            None => "the decision is held".to_owned(),
        },
        _ => "as many agents as needed".to_owned(),
    }
}

/// The capacity to ask for and why, or what stands against it and why.
type Verdict = Result<(i32, String), (Action, String)>;

/// What the clauses look at.
struct Sight<'a> {
    decision: &'a ScalingDecision,
    state: &'a GroupState,
    policy: &'a Policy,
    now: Timestamp,
    coming: u32,
}

impl<'a> Sight<'a> {
    fn new(decision: &'a ScalingDecision, state: &'a GroupState, policy: &'a Policy, now: Timestamp) -> Self {
        let coming = coming(decision, state, policy, now);
        Self { decision, state, policy, now, coming }
    }

    /// 6.1 as far as the group tells, then the back-offs and the limits of the direction.
    fn act(&self) -> Verdict {
        let group = self.group();
        if let Some(status) = &group.status {
            return refuse(format!("6.1: the group is being deleted ({status})"));
        }
        if self.policy.is_paused(self.now) {
            return back_off("the pool is paused (pause_until)");
        }
        let Some(unit) = unit(group) else {
            return refuse(
                "6.1: the group's instances count for different capacities (weighted capacity), so a number of agents has no one \
                 capacity; give the pool a group with equal weights",
            );
        };
        if !self.state.activities_are_complete {
            return back_off("B3: the group has more recent activities than are read; what is coming cannot be told");
        }
        if self.decision.delta > 0 { self.scale_up(unit) } else { self.scale_down(unit) }
    }

    fn scale_up(&self, unit: u32) -> Verdict {
        let group = self.group();
        if group.is_suspended("Launch") {
            return back_off("B3: the process Launch is suspended on the group");
        }
        self.launches_fail()?;
        // No message, whoever wrote it, adds more than one step (I7).
        let wanted = self.decision.delta.unsigned_abs().min(self.policy.max_scale_up_step);
        let missing = wanted.saturating_sub(self.coming);
        if missing == 0 {
            let coming = instances(self.coming);
            return nothing(format!("B3: {coming} coming, which covers the {wanted} wanted"));
        }
        if let Some(what) = self.launch_underway() {
            return back_off(format!("B3: {what} is underway; {} still missing after it", instances(missing)));
        }
        self.up_cooldown()?;
        let highest = within(self.policy.max, unit, group.max_size, i32::min);
        // More instances than asked for are about to be terminated, or would be were it not suspended: the snapshot
        // counted them, so what it misses comes on top of them.
        let base = i64::from(group.desired_capacity).max(listed_capacity(group));
        let asked_for = capacity(base + i64::from(missing) * i64::from(unit));
        let to = asked_for.min(highest);
        if to <= group.desired_capacity {
            return nothing(format!(
                "the desired capacity is {}, and the pool's and the group's max allow {highest}",
                group.desired_capacity
            ));
        }
        let less_coming =
            if self.coming == 0 { String::new() } else { format!(", {} coming already", instances(self.coming)) };
        let capped = if to < asked_for { format!(", up to the max of {highest}") } else { String::new() };
        Ok((to, format!("{wanted} more wanted{less_coming}{capped}")))
    }

    fn scale_down(&self, unit: u32) -> Verdict {
        let group = self.group();
        if group.is_suspended("Terminate") {
            return back_off("B2: the process Terminate is suspended on the group");
        }
        self.changed_since()?;
        if let Some(activity) =
            self.state.activities.iter().find(|activity| activity.status == ActivityStatus::Underway)
        {
            return back_off(format!("B2: {} is underway", describe(activity)));
        }
        if let Some(instance) = group.instances.iter().find(|instance| {
            instance.lifecycle_state != Lifecycle::InService && instance.lifecycle_state != Lifecycle::Aside
        }) {
            return back_off(format!("B2: instance {} is on its way in or out", instance.instance_id));
        }
        if self.coming > 0 {
            return back_off(format!("B2: {} coming", instances(self.coming)));
        }
        if self.state.instance_refresh_underway != Some(false) {
            return back_off("B2: an instance refresh is underway");
        }
        self.down_cooldown()?;
        let wanted = self.decision.delta.unsigned_abs().min(self.policy.max_scale_down_step);
        let lowest = within(Some(self.policy.min), unit, group.min_size, i32::max);
        let to = capacity(i64::from(group.desired_capacity) - i64::from(wanted) * i64::from(unit)).max(lowest);
        if to >= group.desired_capacity {
            return nothing(format!(
                "the desired capacity is {}, and the pool's and the group's min ask for {lowest}",
                group.desired_capacity
            ));
        }
        Ok((to, format!("{wanted} fewer wanted; the group's termination policy chooses the instance")))
    }

    /// B1: the decision saw a different group.
    fn changed_since(&self) -> Result<(), (Action, String)> {
        let taken_at = self.decision.snapshot_taken_at;
        match self.state.activities.iter().find(|activity| activity.start > taken_at) {
            Some(activity) => back_off(format!("B1: {} started after the snapshot was taken", describe(activity))),
            None => Ok(()),
        }
    }

    /// B2: the group has just settled.
    fn down_cooldown(&self) -> Result<(), (Action, String)> {
        let ended = self.state.activities.iter().filter_map(|activity| activity.end).max();
        self.cooldown("B2", ended, self.policy.scale_down_cooldown, "activity")
    }

    /// B3: the same for launches.
    fn up_cooldown(&self) -> Result<(), (Action, String)> {
        self.cooldown(
            "B3",
            self.launches().filter_map(|launch| launch.end).max(),
            self.policy.scale_up_cooldown,
            "launch",
        )
    }

    fn cooldown(
        &self,
        clause: &str,
        ended: Option<Timestamp>,
        cooldown: Duration,
        what: &str,
    ) -> Result<(), (Action, String)> {
        let Some(ended) = ended else { return Ok(()) };
        let since = self.now.duration_since(ended);
        let cooldown = SignedDuration::try_from(cooldown).unwrap_or(SignedDuration::MAX);
        if since >= cooldown {
            return Ok(());
        }
        back_off(format!(
            "{clause}: the group's last {what} ended {} ago, the cooldown is {}",
            seconds(since),
            seconds(cooldown)
        ))
    }

    /// B5: launches fail, so asking for more would only fail more.
    fn launches_fail(&self) -> Result<(), (Action, String)> {
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
        back_off(format!(
            "B5: {failures} launch{} failed in a row, the last {} ago ({message}); trying again after {}",
            if failures == 1 { "" } else { "es" },
            seconds(since),
            seconds(pause)
        ))
    }

    fn launch_failures(&self) -> u32 {
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

    fn launches(&self) -> impl Iterator<Item = &Activity> {
        self.state.activities.iter().filter(|activity| activity.kind == ActivityKind::Launch)
    }

    const fn group(&self) -> &Group {
        &self.state.group
    }
}

/// The agents that were asked for and that the snapshot could not know yet: what the group has still to launch, the
/// instances that were launched after the snapshot was taken, and of those launched before it the ones that were no
/// agents yet.
///
/// With y instances launched before the snapshot and younger than `join_timeout`, o older ones and r registered agents of
/// the pool that are not inactive, y − max(0, r − o) of the young ones were still to join, within 0..y. An old instance
/// that never became an agent is not coming. r is the snapshot's, so a decision that is delivered twice finds the
/// instances it asked for coming, also where agents outside the group make r larger than the group ever was.
fn coming(decision: &ScalingDecision, state: &GroupState, policy: &Policy, now: Timestamp) -> u32 {
    let join_timeout = SignedDuration::try_from(policy.join_timeout).unwrap_or(SignedDuration::MAX);
    let launched_at = |id: &str| {
        let launch =
            |activity: &&Activity| activity.kind == ActivityKind::Launch && activity.instance_id.as_deref() == Some(id);
        state.activities.iter().find(launch).map(|activity| activity.start)
    };
    // Instances on their way out are old ones here: their agents may still be registered.
    let (mut new, mut young, mut old) = (0_u32, 0_u32, 0_u32);
    for instance in &state.group.instances {
        match (instance.lifecycle_state, launched_at(&instance.instance_id)) {
            (Lifecycle::Aside, _) => {}
            (Lifecycle::Leaving, _) | (_, None) => old += 1,
            (_, Some(launched)) if launched > decision.snapshot_taken_at => new += 1,
            (_, Some(launched)) if now.duration_since(launched) < join_timeout => young += 1,
            _ => old += 1,
        }
    }
    let agents = decision.agents.registered.saturating_sub(decision.agents.inactive);
    let joined = agents.saturating_sub(old);
    to_launch(&state.group).saturating_add(new).saturating_add(young.saturating_sub(joined))
}

/// How many instances the group has still to launch.
fn to_launch(group: &Group) -> u32 {
    let missing = i64::from(group.desired_capacity) - listed_capacity(group);
    u32::try_from(missing).unwrap_or(0).div_ceil(unit(group).unwrap_or(1))
}

/// What the group's instances on their way in and in service count for, in capacity units.
fn listed_capacity(group: &Group) -> i64 {
    group.instances.iter().filter(|instance| instance.is_capacity()).map(|instance| i64::from(instance.weight())).sum()
}

/// How many capacity units one instance counts for; `None` where they differ.
fn unit(group: &Group) -> Option<u32> {
    let mut weights = group.instances.iter().map(crate::state::Instance::weight);
    let first = weights.next().unwrap_or(1);
    weights.all(|weight| weight == first).then_some(first)
}

/// The pool's limit in capacity units, brought together with the group's.
fn within(limit: Option<u32>, unit: u32, group_limit: i32, tighter: impl Fn(i32, i32) -> i32) -> i32 {
    limit.map_or(group_limit, |limit| tighter(capacity(i64::from(limit) * i64::from(unit)), group_limit))
}

fn capacity(units: i64) -> i32 {
    i32::try_from(units.max(0)).unwrap_or(i32::MAX)
}

fn nothing<T>(reason: impl Into<String>) -> Result<T, (Action, String)> {
    Err((Action::Nothing, reason.into()))
}

fn back_off<T>(reason: impl Into<String>) -> Result<T, (Action, String)> {
    Err((Action::BackOff, reason.into()))
}

fn refuse<T>(reason: impl Into<String>) -> Result<T, (Action, String)> {
    Err((Action::Refuse, reason.into()))
}

fn describe(activity: &Activity) -> String {
    let instance = activity.instance_id.as_deref().unwrap_or("an instance");
    match activity.kind {
        ActivityKind::Launch => format!("the launch of {instance}"),
        ActivityKind::Terminate => format!("the termination of {instance}"),
        ActivityKind::WarmPool => format!("the move of {instance} into or out of the warm pool"),
        ActivityKind::Other => format!("an activity on {instance}"),
    }
}

fn instances(count: u32) -> String {
    format!("{count} instance{}", if count == 1 { " is" } else { "s are" })
}

fn seconds(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    if seconds.abs() < 120 { format!("{seconds} s") } else { format!("{} min", seconds / 60) }
}

#[cfg(test)]
mod tests;
