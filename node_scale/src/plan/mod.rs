//! Decision + live group → what to do, and why. Pure: no clock, no IO, no logging.
//!
//! The clauses (R1 refuse, B1 to B5 back off, A1 apply) are those of docs/acting.md.
//!
//! - here: what holds in both directions
//! - `coming`: what was asked for already, and what should have come and did not
//! - `scale_up`, `scale_down`: the clauses of each direction
//! - `leaving`: agents that are told to leave before their instances go (the strategy `drain`)
//! - `victims`: which instances the agents of a decision are

mod coming;
mod leaving;
mod scale_down;
mod scale_up;
mod victims;

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use shared::clause::{self, Clause};
use shared::config::Policy;
use shared::contract::{ScalingDecision, ScalingState};

use crate::marks::{Direction, MarkChange, Marks, Row};
use crate::state::{Activity, ActivityKind, ActivityStatus, Group, GroupState, Lifecycle};

pub use leaving::{AgentCall, AgentStep};
pub use victims::Victim;

/// How far ahead of this machine's clock the master reader's clock may be.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(60);

/// How many periods of the schedule a row of decisions lasts without another one.
const ROW_PERIODS: i32 = 6;

/// What is to be done, and everything that the outcome reports besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What is to be done.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// Instances that were asked for and are not agents yet.
    pub coming: u32,
    /// Launches that failed one after the other, up to now.
    pub launch_failures: u32,
    /// Instances that are too old to become agents and are none.
    pub never_joined: u32,
    /// What is said to masters about agents, after the action.
    pub agents: Vec<AgentStep>,
    /// What the group's tags must say from now on, where they say something else.
    pub marks: Vec<MarkChange>,
    /// What an operator should know besides.
    pub notes: Vec<String>,
}

/// Why something is done, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The clause that decided; `None` where none stood in the way.
    pub clause: Option<Clause>,
    /// A sentence without it.
    pub text: String,
}

impl Reason {
    pub(crate) fn of(clause: impl Into<Option<Clause>>, text: impl Into<String>) -> Self {
        Self { clause: clause.into(), text: text.into() }
    }
}

impl From<String> for Reason {
    fn from(text: String) -> Self {
        Self { clause: None, text }
    }
}

impl From<&str> for Reason {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&clause::explain(self.clause, &self.text))
    }
}

/// What is to be done to the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask for this capacity, in capacity units. It lies within the group's and the pool's limits and is not what the
    /// group is asked for already.
    SetDesiredCapacity(i32),
    /// Terminate just these instances, and lower the desired capacity with each. At least one; all are InService members
    /// of the group, and the desired capacity stays within the limits.
    Terminate(Vec<Victim>),
    /// Nothing else stands in the way of terminating; which instances have these private addresses must be looked up first.
    LookUp(Vec<String>),
    /// Nothing is wanted, or nothing is left to do.
    Nothing,
    /// Something is wanted, and this is not the moment for it.
    BackOff,
    /// The decision may not be acted upon.
    Refuse,
}

/// Whether the decision may be acted upon at all (R1), as far as that can be told without looking at the group.
///
/// # Errors
/// The reason why not.
pub fn admit(decision: &ScalingDecision, policy: &Policy, now: Timestamp) -> Result<(), Reason> {
    let taken_at = decision.snapshot_taken_at;
    // A message that gives itself a longer life than the schedule allows does not get it.
    let expires_at = decision.expires_at.min(policy.timing.expires_at(taken_at));
    if now > expires_at {
        let age = seconds(now.duration_since(taken_at));
        return Err(Reason::of(Clause::R1, format!("expired: what was seen {age} ago may no longer be acted upon")));
    }
    if taken_at > now.saturating_add(CLOCK_SKEW).unwrap_or(Timestamp::MAX) {
        let ahead = seconds(taken_at.duration_since(now));
        return Err(Reason::of(
            Clause::R1,
            format!("the snapshot was taken {ahead} in the future; check who sends it"),
        ));
    }
    Ok(())
}

/// What is to be done about a decision, given the group as it is now; `None`: there is no such group.
#[must_use]
pub fn plan(decision: &ScalingDecision, state: Option<&GroupState>, policy: &Policy, now: Timestamp) -> Plan {
    let Some(state) = state else {
        return Plan::refused(Reason::of(
            Clause::R1,
            format!("there is no Auto Scaling group {:?} in this region; correct pools.group", policy.group),
        ));
    };
    let sight = Sight::new(decision, state, policy, now);
    let held = match admit(decision, policy, now) {
        Err(reason) => Err((Action::Refuse, reason)),
        Ok(()) => sight.may_act(),
    };
    let mut besides = Besides::default();
    let verdict = held.and_then(|()| {
        let unit = sight.unit()?;
        besides.is_current = true;
        sight.tidy(&mut besides);
        match decision.delta {
            _ if sight.floor_missing(unit) > 0 => sight.scale_up(unit, &mut besides),
            0 => sight.go_on_leaving(unit, &mut besides, nothing_wanted(decision)),
            1.. => sight.scale_up(unit, &mut besides),
            _ => sight.scale_down(unit, &mut besides),
        }
    });
    let (action, reason) = match verdict {
        Ok((action, reason)) => (action, reason),
        Err(held) => held,
    };
    Plan {
        action,
        reason,
        coming: sight.coming,
        launch_failures: sight.launch_failures(),
        never_joined: sight.never_joined,
        agents: std::mem::take(&mut besides.agents),
        marks: besides.changes(&sight),
        notes: sight.marks.problems,
    }
}

impl Plan {
    fn refused(reason: Reason) -> Self {
        Self {
            action: Action::Refuse,
            reason,
            coming: 0,
            launch_failures: 0,
            never_joined: 0,
            agents: Vec::new(),
            marks: Vec::new(),
            notes: Vec::new(),
        }
    }
}

fn nothing_wanted(decision: &ScalingDecision) -> Reason {
    match decision.state {
        ScalingState::MaxLimit => "more agents are wanted than the pool's max allows".into(),
        ScalingState::MinLimit => "fewer agents are wanted than the pool's min allows".into(),
        ScalingState::Held => match decision.steps.last() {
            Some(step) => Reason::of(step.clause, step.reason.clone()),
            None => "the decision is held".into(),
        },
        _ => "as many agents as needed".into(),
    }
}

/// What stands against something, and why.
type Held = (Action, Reason);

/// What to do and why, or what stands against it.
type Verdict = Result<(Action, Reason), Held>;

/// What is done besides the action: to agents, and to the marks on the group.
#[derive(Debug, Default)]
struct Besides {
    /// Whether the decision is one that may lengthen a row or break it: one that is refused, or comes while the pool is
    /// paused, does neither.
    is_current: bool,
    /// The row that this decision belongs to.
    kept: Option<Direction>,
    /// What must be written for that.
    change: Option<MarkChange>,
    /// Marks of agents that no longer leave.
    tidied: Vec<MarkChange>,
    /// What is said to masters about agents.
    agents: Vec<AgentStep>,
}

impl Besides {
    /// Since when decisions have said the same, this one included.
    fn join(&mut self, direction: Direction, sight: &Sight<'_>) -> Timestamp {
        let life = signed(sight.policy.timing.schedule_period).saturating_mul(ROW_PERIODS);
        let (row, change) = Row::continued(sight.marks.row(direction), direction, sight.now, life);
        self.kept = Some(direction);
        self.change = change;
        row.since
    }

    /// The decision is acted upon, which ends the row.
    fn end(&mut self) {
        self.kept = None;
        self.change = None;
    }

    fn changes(self, sight: &Sight<'_>) -> Vec<MarkChange> {
        let broken = [Direction::Up, Direction::Down].into_iter().filter(|direction| {
            self.is_current && self.kept != Some(*direction) && sight.marks.row(*direction).is_some()
        });
        let deleted = broken.map(|direction| MarkChange::Delete { key: direction.key().to_owned() });
        deleted.chain(self.change).chain(self.tidied).collect()
    }
}

/// What the clauses look at.
struct Sight<'a> {
    decision: &'a ScalingDecision,
    state: &'a GroupState,
    policy: &'a Policy,
    now: Timestamp,
    marks: Marks,
    coming: u32,
    never_joined: u32,
}

impl<'a> Sight<'a> {
    fn new(decision: &'a ScalingDecision, state: &'a GroupState, policy: &'a Policy, now: Timestamp) -> Self {
        let marks = Marks::read(&state.group.tags, now);
        let coming::Arrivals { coming, never_joined } = coming::arrivals(decision, state, policy, now);
        Self { decision, state, policy, now, marks, coming, never_joined }
    }

    /// R1 as far as the group tells, and the pauses.
    fn may_act(&self) -> Result<(), Held> {
        let group = self.group();
        if let Some(status) = &group.status {
            return refuse(Clause::R1, format!("the group is being deleted ({status})"));
        }
        if self.policy.timing.is_paused(self.now) {
            return back_off(None, "the pool is paused (pause_until)");
        }
        if let Some(until) = self.marks.pause_until {
            let until = shared::time::format(until);
            return back_off(None, format!("the group is paused until {until} (its tag lambda-scale/pause-until)"));
        }
        Ok(())
    }

    /// How many capacity units an instance counts for.
    fn unit(&self) -> Result<u32, Held> {
        if let Some(unit) = unit(self.group()) {
            return Ok(unit);
        }
        if self.decision.delta == 0 {
            return Err((Action::Nothing, nothing_wanted(self.decision)));
        }
        refuse(
            Clause::R1,
            "the group's instances count for different capacities (weighted capacity), so a number of agents has no one \
             capacity; give the pool a group with equal weights",
        )
    }

    /// How many instances the group lacks to what an operator set as its minimum for a time.
    fn floor_missing(&self, unit: u32) -> u32 {
        let Some(floor) = self.marks.floor else { return 0 };
        let lacking = i64::from(floor.instances) * i64::from(unit) - i64::from(self.group().desired_capacity);
        let lacking = u32::try_from(lacking.max(0)).unwrap_or(u32::MAX).div_ceil(unit);
        // What is held is held: the view is blind, or the pool paused.
        if self.decision.state == ScalingState::Held { 0 } else { lacking }
    }

    fn cooldown(&self, clause: Clause, ended: Option<Timestamp>, cooldown: Duration, what: &str) -> Result<(), Held> {
        let Some(ended) = ended else { return Ok(()) };
        let since = self.now.duration_since(ended);
        if since >= signed(cooldown) {
            return Ok(());
        }
        back_off(
            clause,
            format!(
                "the group's last {what} ended {} ago, the cooldown is {}",
                seconds(since),
                seconds(signed(cooldown))
            ),
        )
    }

    fn launches(&self) -> impl Iterator<Item = &Activity> {
        self.state.activities.iter().filter(|activity| activity.kind == ActivityKind::Launch)
    }

    const fn group(&self) -> &'a Group {
        &self.state.group
    }
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

fn act(action: Action, reason: impl Into<String>) -> Verdict {
    Ok((action, Reason::of(None, reason)))
}

fn nothing<T>(clause: impl Into<Option<Clause>>, reason: impl Into<String>) -> Result<T, Held> {
    Err((Action::Nothing, Reason::of(clause, reason)))
}

fn back_off<T>(clause: impl Into<Option<Clause>>, reason: impl Into<String>) -> Result<T, Held> {
    Err((Action::BackOff, Reason::of(clause, reason)))
}

fn refuse<T>(clause: Clause, reason: impl Into<String>) -> Result<T, Held> {
    Err((Action::Refuse, Reason::of(clause, reason)))
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

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests;
