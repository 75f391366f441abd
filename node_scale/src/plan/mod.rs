//! Decision + live group → what to do, and why. Pure: no clock, no IO, no logging.
//!
//! The clauses (R1 refuse, B1 to B5 back off, A1 apply) are those of docs/acting.md.
//!
//! - here: what holds in both directions
//! - `result`, `reason`: what a plan comes to, and the sentences of every clause
//! - `in_flight`: capacity that was requested already, and instances that never joined
//! - `breaker`: capacity that was requested and does not arrive (B5)
//! - `scale_up`, `scale_down`: the clauses of each direction
//! - `drain`: agents that are deactivated and drained before their instances terminate (the strategy `drain`)
//! - `window`: how many agents were needed lately, which a scale-down leaves (D6)
//! - `withdraw`: capacity that was requested, does not arrive, and is not needed any more
//! - `tagged`: what has become of the agents that bear the tag of that
//! - `targets`: which instances the agents of a decision are

mod breaker;
mod drain;
mod in_flight;
mod reason;
mod result;
mod scale_down;
mod scale_up;
mod tagged;
mod targets;
mod window;
mod withdraw;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use shared::clause::Clause;
use shared::config::{Policy, Removal};
use shared::contract::{ScalingDecision, ScalingState};
use shared::count::saturated;
use shared::group::Lifecycle;
use shared::text::{counted, named};
use shared::time::CLOCK_SKEW;

use crate::group_tags::{Direction, FLOOR, GroupTags, SCALE_UP_SINCE, Streak, TagChange};
use crate::state::{Activity, ActivityKind, ActivityStatus, Group, GroupState, Instance};

pub use breaker::Loss;
pub use drain::{AgentCall, AgentStep};
pub use reason::{ActivityRef, BackOff, NoChange, Reason, Refusal};
pub use result::{Change, Increase, PlanResult};
pub use scale_down::least_cooldown;
pub use targets::{SkipReason, Skipped, TerminationTarget};
pub use window::Window;

use breaker::Breaker;
use in_flight::{JoinStatus, Members};

/// How many periods of the schedule a streak of decisions lasts without another one.
const STREAK_PERIODS: i32 = 6;

/// A: for how long a trial is remembered.
const TRIAL: SignedDuration = SignedDuration::from_hours(1);

/// How long a launch may be known before its instance is listed. A longer contradiction is none of a moment.
const LISTING_DELAY: SignedDuration = SignedDuration::from_mins(2);

/// With so many tags of a group's 50, it gets none for another agent: some are for the rest that is kept there.
const MOST_TAGS: u32 = 45;

/// How many instances a note names.
const NAMED: usize = 10;

/// What is to be done, and everything that the outcome reports with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What is to be done to the group, or why nothing is.
    pub result: PlanResult,
    /// Instances that were requested and are not agents yet.
    pub in_flight: u32,
    /// Launches in a row that brought no agent, up to now.
    pub launch_failures: u32,
    /// Instances that are too old to become agents and are none.
    pub never_joined: u32,
    /// Agents that are wanted and neither joined nor arrive, or instances that a floor asks for and that are not there.
    pub unmet: u32,
    /// Agents that are to go and that a back-off keeps, other than a pause and the window.
    pub unremoved: u32,
    /// Agents that node_scale deactivated and whose decommissioning does not go on, and agents whose drain does not end.
    pub stranded: u32,
    /// Whether an operator's pause, or a floor that cannot be read, holds the pool.
    pub is_paused: bool,
    /// The calls to the masters, after the group was written.
    pub agents: Vec<AgentStep>,
    /// What the group's tags must contain from now on, where they do not yet.
    pub tags: Vec<TagChange>,
    /// D6: how many agents were needed lately; `None` where the pool has no window.
    pub window: Option<Window>,
    /// What an operator should fix.
    pub notes: Vec<String>,
}

/// Whether the decision may be applied at all (R1), as far as the message alone shows.
///
/// # Errors
/// The reason why not.
pub fn admit(decision: &ScalingDecision, policy: &Policy, now: Timestamp) -> Result<(), Refusal> {
    let taken_at = decision.snapshot_taken_at;
    // A message that gives itself a longer life than the schedule allows does not get it.
    let expires_at = decision.expires_at.min(policy.timing.expires_at(taken_at));
    if now > expires_at {
        return Err(Refusal::Expired { age: now.duration_since(taken_at), limit: expires_at.duration_since(taken_at) });
    }
    if taken_at > now.saturating_add(CLOCK_SKEW).unwrap_or(Timestamp::MAX) {
        return Err(Refusal::FromFuture { ahead: taken_at.duration_since(now) });
    }
    Ok(())
}

/// The private addresses whose instances must be looked up before planning (into [`GroupState::addresses`]); `None` where the
/// plan does not depend on any, because all agents are known otherwise or something else stops the decision.
#[must_use]
pub fn needs_addresses(
    decision: &ScalingDecision,
    state: Option<&GroupState>,
    policy: &Policy,
    now: Timestamp,
) -> Option<Vec<IpAddr>> {
    let mut effects = SideEffects::default();
    PlanInput::new(decision, state?, policy, now).evaluate(&mut effects);
    let addresses: Vec<IpAddr> = effects.unresolved.into_iter().collect();
    (!addresses.is_empty()).then_some(addresses)
}

/// What is to be done about a decision, given the group as it is now; `None`: there is no such group. An agent that is known
/// by an address alone is skipped where [`needs_addresses`] was not asked first.
#[must_use]
pub fn plan(decision: &ScalingDecision, state: Option<&GroupState>, policy: &Policy, now: Timestamp) -> Plan {
    let Some(state) = state else {
        return Plan {
            result: Refusal::NoGroup(policy.group.clone()).into(),
            in_flight: 0,
            launch_failures: 0,
            never_joined: 0,
            unmet: 0,
            unremoved: 0,
            stranded: 0,
            is_paused: false,
            agents: Vec::new(),
            tags: Vec::new(),
            window: None,
            notes: Vec::new(),
        };
    };
    let input = PlanInput::new(decision, state, policy, now);
    let mut effects = SideEffects::default();
    let result = input.evaluate(&mut effects);
    let agents = std::mem::take(&mut effects.agents);
    let stranded = input.stranded();
    Plan {
        in_flight: input.in_flight(),
        launch_failures: input.breaker.count,
        never_joined: input.joins.never_joined,
        unmet: input.unmet(&result, &agents),
        unremoved: input.unremoved(&result),
        stranded: stranded.count().saturating_add(saturated(input.hanging_drains(&stranded).len())),
        is_paused: is_paused(&result) || input.tags.floor_is_unreadable,
        tags: effects.tag_changes(&input, &agents),
        agents,
        notes: input.notes(),
        window: input.window,
        result,
    }
}

/// What happens with a plan's result: to agents, and to the tags of the group.
#[derive(Debug, Default)]
struct SideEffects {
    /// Whether the decision may continue the streak or end it: one that is refused, or comes while the pool is paused, does
    /// neither.
    is_current: bool,
    /// Whether the streak goes on with this decision.
    continues_streak: bool,
    /// What must be written for that.
    streak_change: Option<TagChange>,
    /// What must be written to remember what this decision needs (D6).
    window_change: Option<TagChange>,
    /// A: whether an agent is requested only to see what a new one has, or cannot be.
    tries: bool,
    /// The instances whose agents are no longer decommissioning.
    obsolete: Vec<String>,
    /// The calls to the masters.
    agents: Vec<AgentStep>,
    /// Addresses of agents whose instances are not known.
    unresolved: BTreeSet<IpAddr>,
}

impl SideEffects {
    /// Since when decisions have added agents, this one included.
    fn continue_streak(&mut self, input: &PlanInput<'_>) -> Timestamp {
        let life = signed(input.policy.timing.schedule_period).saturating_mul(STREAK_PERIODS);
        let (streak, change) = Streak::continued(input.tags.scale_up, input.now, life);
        self.continues_streak = true;
        self.streak_change = change;
        streak.since
    }

    /// The decision is applied, which ends the streak.
    fn end_streak(&mut self) {
        self.continues_streak = false;
        self.streak_change = None;
    }

    fn tag_changes(self, input: &PlanInput<'_>, agents: &[AgentStep]) -> Vec<TagChange> {
        let is_broken = self.is_current && !self.continues_streak && input.tags.scale_up.is_some();
        let deleted = is_broken.then(|| TagChange::Delete { key: SCALE_UP_SINCE.to_owned() });
        // A tag is written before its agent is deactivated, and must outlive that.
        let deactivates =
            |id: &String| agents.iter().any(|step| step.call == AgentCall::Deactivate && step.instance_id == *id);
        let obsolete = self.obsolete.into_iter().filter(|id| !deactivates(id));
        let obsolete = obsolete.map(|id| TagChange::end_decommission(&id));
        let is_over = input.tags.closing_refused.is_some() && !input.calls_are_refused();
        let obsolete = obsolete.chain(is_over.then(TagChange::end_closing_refused));
        let is_over = !self.tries && input.tags.tried.is_some_and(|until| until <= input.now);
        let obsolete = obsolete.chain(is_over.then(TagChange::end_tried));
        let tried = self.tries.then(|| TagChange::tried(input.now.saturating_add(TRIAL).unwrap_or(Timestamp::MAX)));
        deleted.into_iter().chain(self.streak_change).chain(obsolete).chain(tried).chain(self.window_change).collect()
    }
}

/// What the clauses look at.
struct PlanInput<'a> {
    decision: &'a ScalingDecision,
    state: &'a GroupState,
    policy: &'a Policy,
    now: Timestamp,
    tags: GroupTags,
    /// D8: how agents are removed.
    removal: Removal,
    members: Members<'a>,
    joins: JoinStatus,
    breaker: Breaker,
    /// D6, with what this decision needs.
    window: Option<Window>,
}

impl<'a> PlanInput<'a> {
    fn new(decision: &'a ScalingDecision, state: &'a GroupState, policy: &'a Policy, now: Timestamp) -> Self {
        let tags = GroupTags::read(&state.group.tags, now);
        let members = Members::new(decision, state, policy, now);
        let mut joins = in_flight::join_status(decision, &state.group, &members);
        let breaker = Breaker::new(state, &members, &joins);
        // A launch that a hook holds for too long is asked for, as long as none after it joined.
        let pending = state.group.instances.iter().filter(|instance| instance.lifecycle_state == Lifecycle::Pending);
        joins.to_launch += saturated(pending.filter(|instance| breaker.is_lost(&instance.instance_id)).count());
        let window = Window::after(tags.needed, decision, &state.group, policy, now);
        let removal = policy.removal(decision.closes);
        Self { decision, state, policy, now, tags, removal, members, joins, breaker, window }
    }

    /// How many instances were requested and are expected to join: those that arrive, and what the group has still to launch,
    /// unless B5 says that it cannot.
    fn in_flight(&self) -> u32 {
        let to_launch = if self.cannot_launch() { 0 } else { self.joins.to_launch };
        if self.breaker.is_tripped() { 0 } else { self.joins.arriving.saturating_add(to_launch) }
    }

    /// Whether nothing is expected of what the group has still to launch.
    fn cannot_launch(&self) -> bool {
        self.breaker.count > 0 || self.group().is_suspended("Launch")
    }

    /// How many instances arrive, as far as that is believed.
    const fn arriving(&self) -> u32 {
        if self.breaker.is_tripped() { 0 } else { self.joins.arriving }
    }

    /// How many agents the decision wants.
    fn wanted(&self) -> u32 {
        if self.decision.delta > 0 { self.decision.wanted } else { 0 }
    }

    /// How many of them neither joined nor arrive, or how many instances the floor lacks. A paused pool wants none.
    fn unmet(&self, result: &PlanResult, steps: &[AgentStep]) -> u32 {
        if matches!(result, PlanResult::Refuse(_)) || is_paused(result) {
            return 0;
        }
        let reactivated = steps.iter().filter(|step| step.call == AgentCall::Reactivate).count();
        let agents = self.wanted().saturating_sub(self.arriving()).saturating_sub(saturated(reactivated));
        agents.max(self.lacking_for_floor())
    }

    /// How many instances the group lacks to the floor, without those that it has still to launch or that do not arrive.
    fn lacking_for_floor(&self) -> u32 {
        let floor = self.group().unit().and_then(|unit| self.asking_floor(unit));
        let is_there = |instance: &&Instance| match instance.lifecycle_state {
            Lifecycle::InService => true,
            Lifecycle::Pending => !self.breaker.is_tripped() && !self.breaker.is_lost(&instance.instance_id),
            _ => false,
        };
        floor.unwrap_or(0).saturating_sub(saturated(self.group().instances.iter().filter(is_there).count()))
    }

    /// How many agents are to go, by this decision or because of an earlier one, and do not. The window is no reason: those are
    /// needed, at times. Nor is a minimum, or a floor.
    fn unremoved(&self, result: &PlanResult) -> u32 {
        let keeps = match result {
            PlanResult::BackOff(back_off) => !is_paused(result) && back_off.clause() != Some(Clause::D6),
            // Another controller may lower it again, each time.
            PlanResult::Act(Change::Raise { .. }) => true,
            PlanResult::Act(_) | PlanResult::Refuse(_) | PlanResult::Nothing(_) => false,
        };
        if self.decision.delta > 0 || !keeps {
            return 0;
        }
        let beyond_lowest = self.group().unit().map_or(0, |unit| self.beyond_lowest(unit));
        self.decision.delta.unsigned_abs().saturating_add(self.ended()).min(beyond_lowest)
    }

    /// What an operator should fix.
    fn notes(&self) -> Vec<String> {
        let mut notes = self.tags.problems.clone();
        notes.extend(self.window_note());
        notes.extend(self.closing_note());
        notes.extend(self.floor_note());
        let stranded = self.stranded();
        notes.extend(stranded.note(self.drains().is_some()));
        notes.extend(
            named(&self.hanging_drains(&stranded), NAMED).map(|named| {
                format!("the drain does not end: {named}; check the tasks there, or terminate the instance")
            }),
        );
        notes.extend(self.never_joined_notes());
        notes.extend(self.unfit_note());
        notes.extend(self.lasting_termination_note());
        notes.extend(self.future_note());
        notes
    }

    /// A floor that the maximum does not allow.
    fn floor_note(&self) -> Option<String> {
        let (floor, most) = (self.tags.floor?.instances, self.most(self.group().unit()?));
        (floor > most).then(|| {
            format!(
                "the tag {FLOOR} asks for {}, and the maximum of the pool and the group allows {most}: raise that, or lower the \
                 floor",
                reason::instances(floor)
            )
        })
    }

    /// Instances whose agents take no tasks of the pool.
    fn unfit_note(&self) -> Option<String> {
        let named = named(&self.decision.group.as_ref()?.unfit, NAMED)?;
        Some(format!(
            "agents that take no tasks of the pool: those of {named}; compare their attributes with the pool's, and look at what \
             resources they have"
        ))
    }

    /// Instances in service that are no agents.
    fn never_joined_notes(&self) -> Vec<String> {
        let timeout = shared::time::compact(self.members.join_timeout);
        let mut notes = Vec::new();
        notes.extend(named(&self.joins.never_joined_ids, NAMED).map(|named| {
            format!(
                "in service for longer than join_timeout = {timeout} and no agent: {named}; check one, then terminate them or put \
                 them in standby"
            )
        }));
        let unclaimed = self.joins.never_joined_unclaimed;
        if unclaimed > 0 {
            notes.push(format!(
                "{} in service for longer than join_timeout = {timeout} and no agent; which is not known while agents have no \
                 identity: give them the attribute instance_id",
                counted(unclaimed, "instance")
            ));
        }
        notes
    }

    /// Activities whose times cannot be right.
    fn future_note(&self) -> Option<String> {
        let of_future = self.state.activities.iter().filter(|activity| activity.is_of_future(self.now));
        let names: BTreeSet<String> = of_future.map(|activity| ActivityRef::from(activity).to_string()).collect();
        let named = named(&names.into_iter().collect::<Vec<_>>(), NAMED)?;
        Some(format!("dated in the future: {named}; compare the clock of this run with that of Auto Scaling"))
    }

    fn evaluate(&self, effects: &mut SideEffects) -> PlanResult {
        self.decide(effects).map_or_else(|stopped| stopped, PlanResult::Act)
    }

    /// The change to make; an error: what is decided where there is none.
    fn decide(&self, effects: &mut SideEffects) -> Result<Change, PlanResult> {
        admit(self.decision, self.policy, self.now)?;
        effects.window_change = self.window_change();
        self.may_act()?;
        let unit = self.unit()?;
        if self.decision.delta < 0 && self.missing_to_floor(unit) == 0 {
            // What is refused leaves no trace.
            self.masters_are_new_enough().inspect_err(|_| effects.window_change = None)?;
        }
        effects.is_current = true;
        self.remove_obsolete_tags(effects);
        match self.decision.delta {
            _ if self.missing_to_floor(unit) > 0 => self.scale_up(unit, effects),
            0 => {
                let change = self.continue_draining(unit, effects)?.or_else(|| self.withdraw(unit));
                change.ok_or_else(|| self.nothing_needed().into())
            }
            1.. => self.scale_up(unit, effects),
            _ => self.scale_down(unit, effects),
        }
    }

    /// R1 as far as the group tells, and the pauses.
    fn may_act(&self) -> Result<(), PlanResult> {
        if let Some(status) = &self.group().status {
            return Err(Refusal::GroupDeleted(status.clone()).into());
        }
        if self.policy.timing.is_paused(self.now) {
            return Err(BackOff::PoolPaused.into());
        }
        self.tags.pause.map_or(Ok(()), |pause| Err(BackOff::GroupPaused(pause).into()))
    }

    /// R1: masters that do not know the calls of a strategy would refuse them when its tags are written.
    fn masters_are_new_enough(&self) -> Result<(), Refusal> {
        let Some(version) = &self.decision.mesos_version else { return Ok(()) };
        match self.removal.strategy.needs_newer_mesos(version) {
            Some(needs) => Err(Refusal::OldMesos { version: version.clone(), needs }),
            None => Ok(()),
        }
    }

    /// How many capacity units an instance counts for.
    fn unit(&self) -> Result<u32, PlanResult> {
        self.group().unit().ok_or_else(|| match self.decision.delta {
            0 => self.nothing_needed().into(),
            _ => Refusal::MixedWeights.into(),
        })
    }

    fn nothing_needed(&self) -> NoChange {
        match self.decision.state {
            ScalingState::MaxLimit => NoChange::AboveMax,
            ScalingState::MinLimit => NoChange::BelowMin,
            ScalingState::Held => {
                NoChange::Held(self.decision.steps.last().map(|step| (step.clause, step.reason.clone())))
            }
            ScalingState::Normal | ScalingState::ScaleUp | ScalingState::ScaleDown => NoChange::Enough,
        }
    }

    /// How many instances an operator set as the minimum for a time, as far as the maximum allows.
    fn floor(&self, unit: u32) -> Option<u32> {
        Some(self.tags.floor?.instances.min(self.most(unit)))
    }

    /// The floor where it may ask for instances. What is held is held: the snapshot is blind, or the pool paused.
    fn asking_floor(&self, unit: u32) -> Option<u32> {
        self.floor(unit).filter(|_| self.decision.state != ScalingState::Held)
    }

    /// How many instances the group has still to be asked for to the floor.
    fn missing_to_floor(&self, unit: u32) -> u32 {
        let Some(floor) = self.asking_floor(unit) else { return 0 };
        let lacking = i64::from(floor) * i64::from(unit) - self.lasting_capacity(unit);
        saturated(lacking.max(0)).div_ceil(unit)
    }

    /// The largest desired capacity that the pool and the group allow.
    fn maximum(&self, unit: u32) -> i32 {
        within(self.policy.limits.max, unit, self.group().max_size, i32::min)
    }

    /// How many instances that is.
    fn most(&self, unit: u32) -> u32 {
        self.maximum(unit).max(0).unsigned_abs() / unit
    }

    fn cooldown(&self, direction: Direction, ended: Option<Timestamp>, cooldown: Duration) -> Result<(), BackOff> {
        let Some(ended) = ended else { return Ok(()) };
        let (ago, cooldown) = (self.ago(ended), signed(cooldown));
        if ago >= cooldown { Ok(()) } else { Err(BackOff::Cooldown { direction, ago, cooldown }) }
    }

    /// How long ago that was; what lies ahead is now.
    fn ago(&self, time: Timestamp) -> SignedDuration {
        self.now.duration_since(time).max(SignedDuration::ZERO)
    }

    fn launches(&self) -> impl Iterator<Item = &Activity> {
        self.state.activities.iter().filter(|activity| activity.kind == ActivityKind::Launch)
    }

    const fn group(&self) -> &'a Group {
        &self.state.group
    }
}

/// Whether an operator paused the pool.
const fn is_paused(result: &PlanResult) -> bool {
    matches!(result, PlanResult::BackOff(BackOff::PoolPaused | BackOff::GroupPaused(_)))
}

/// What the group's instances on their way in and in service count for, in capacity units.
fn listed_capacity(group: &Group) -> i64 {
    group.instances.iter().filter(|instance| instance.is_capacity()).map(|instance| i64::from(instance.weight())).sum()
}

/// The pool's limit in capacity units, brought together with the group's.
fn within(limit: Option<u32>, unit: u32, group_limit: i32, tighter: impl Fn(i32, i32) -> i32) -> i32 {
    limit.map_or(group_limit, |limit| tighter(capacity(i64::from(limit) * i64::from(unit)), group_limit))
}

fn capacity(units: i64) -> i32 {
    i32::try_from(units.max(0)).unwrap_or(i32::MAX)
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests;
