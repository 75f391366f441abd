//! An invocation of node_scale: its calls one by one, in the order of its handler, each of which may be refused, lost, or the last.

use std::collections::VecDeque;

use node_scale::group_tags::TagChange;
use node_scale::plan::{self, AgentCall, AgentStep, Change, Increase, Plan, PlanResult};
use node_scale::state::GroupState;
use shared::contract::ScalingDecision;

use super::canary::Canary;
use super::case::Trouble;
use super::chain::{Chain, Delivery, Step};
use super::checks::Read;
use crate::policy::{Orders, View, Why, group_state};
use crate::{Millis, SECOND};

/// From the first description to the write: longer ago, the group is described again.
const FRESH: Millis = 3 * SECOND;
/// How often it is described for one decision.
const MAX_ATTEMPTS: u32 = 3;
/// How many applied decisions are remembered.
const MAX_REMEMBERED: usize = 64;

/// One call that changes something.
#[derive(Clone, Debug)]
enum Call {
    SetDesired(i32),
    Terminate(String),
    /// The tags before agents are deactivated or reactivated.
    TagsBefore(Vec<TagChange>),
    Master(AgentStep),
    /// The tags of agents that have been reactivated.
    TagsAfter,
    Tags(Vec<TagChange>),
}

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Made,
    Failed,
}

/// An invocation that goes on.
#[derive(Debug)]
pub(super) struct Invocation {
    decision: ScalingDecision,
    delivery: Delivery,
    begun: Millis,
    attempts: u32,
    /// The activities, which are described before the group.
    activities: Option<GroupState>,
    /// What is left to be done, once the plan is made.
    calls: Option<VecDeque<Call>>,
    read: Option<Read>,
    reactivated: Vec<TagChange>,
    has_failed: bool,
    /// What it has said of what came of it.
    outcomes: Vec<String>,
}

impl Invocation {
    /// A decision arrives; `None` where it ends at once.
    pub(super) fn begin(
        mut decision: ScalingDecision,
        delivery: Delivery,
        view: &View<'_>,
        chain: &mut Chain,
    ) -> Option<Self> {
        let now = chain.scale_time(view);
        if let Some(canary) = chain.canary {
            canary.rewrite_delivered(&mut decision, now);
        }
        if let Err(refusal) = plan::admit(&decision, &chain.scale, now) {
            let reason = plan::Reason::from(&refusal).text;
            chain.checks.ended(std::slice::from_ref(&reason));
            chain.tell_last(format!("refuses: {reason}"));
            return None;
        }
        if chain.applied.contains(&key(&decision)) && chain.canary != Some(Canary::NoDuplicateGuard) {
            chain.tell_last("has applied it".to_owned());
            return None;
        }
        Some(Self {
            decision,
            delivery,
            begun: chain.now(),
            attempts: 0,
            activities: None,
            calls: None,
            read: None,
            reactivated: Vec::new(),
            has_failed: false,
            outcomes: Vec::new(),
        })
    }

    /// The event, to be run again.
    pub(super) fn into_event(self) -> (ScalingDecision, Delivery) {
        (self.decision, self.delivery)
    }

    /// Its next call.
    pub(super) fn step(&mut self, view: &View<'_>, orders: &mut Orders, chain: &mut Chain) -> Step {
        if chain.strikes(Trouble::Crash) {
            chain.applied.clear();
            chain.tell_last("dies".to_owned());
            return Step::Fails;
        }
        if self.calls.is_none() {
            return self.describe(view, chain);
        }
        let Some(call) = self.calls.as_mut().and_then(VecDeque::pop_front) else {
            if let Some(read) = &self.read {
                chain.checks.completed(read, !self.has_failed, view);
            }
            chain.checks.ended(&self.outcomes);
            return if self.has_failed { Step::Fails } else { Step::Ends };
        };
        let fate = self.make(&call, view, orders, chain);
        self.follow(&call, fate, chain);
        if chain.strikes(Trouble::Crash) {
            chain.applied.clear();
            chain.tell_last("dies after a call".to_owned());
            return Step::Fails;
        }
        Step::GoesOn
    }

    /// Describes the activities, then the group, and plans.
    fn describe(&mut self, view: &View<'_>, chain: &mut Chain) -> Step {
        if chain.strikes(Trouble::Throttled) || chain.strikes(Trouble::TruncatedAnswer) {
            let failure = "cannot describe the group".to_owned();
            self.outcomes.push(failure.clone());
            chain.checks.ended(&self.outcomes);
            chain.tell_last(failure);
            return Step::Fails;
        }
        let answered = group_state(&chain.group_as_answered(view));
        let Some(first) = self.activities.take() else {
            self.attempts += 1;
            self.begun = chain.now();
            self.activities = Some(answered);
            return Step::GoesOn;
        };
        let mut state = GroupState {
            activities: first.activities,
            instance_refresh_in_progress: first.instance_refresh_in_progress,
            ..answered
        };
        let truth = state.clone();
        if let Some(canary) = chain.canary {
            canary.rewrite_state(&mut state, &self.decision, &chain.scale);
        }
        let now = chain.scale_time(view);
        let settings = match chain.canary {
            Some(canary) => canary.settings(&chain.scale),
            None => chain.scale.clone(),
        };
        let mut plan = plan::plan(&self.decision, Some(&state), &settings, now);
        if let Some(canary) = chain.canary {
            canary.rewrite_plan(&mut plan, &self.decision, &state);
        }
        if chain.now() - self.begun > FRESH && plan.result.writes_group() {
            if self.attempts < MAX_ATTEMPTS {
                return Step::GoesOn;
            }
            plan.result = PlanResult::BackOff(plan::BackOff::SlowAnswers(jiff::SignedDuration::from_secs(3)));
        }
        let reason = plan.result.reason();
        let clause = reason.clause.map(|clause| format!("{}: ", clause.name())).unwrap_or_default();
        self.outcomes.push(reason.text.clone());
        chain.tell_last(format!("{clause}{}", reason.text));
        let read = Read { state: truth, now, decision: self.decision.clone(), origin: self.delivery.origin };
        chain.checks.plan(&read, &plan, view);
        self.calls = Some(calls(&plan, now));
        self.read = Some(read);
        Step::GoesOn
    }

    /// Makes a call, as far as it is taken.
    fn make(&mut self, call: &Call, view: &View<'_>, orders: &mut Orders, chain: &mut Chain) -> Fate {
        if chain.strikes(Trouble::Throttled) || !is_accepted(call, view) {
            chain.note(|| format!("  refused: {call:?}"));
            return Fate::Failed;
        }
        chain.note(|| format!("  {call:?}"));
        let why = Why::from(String::new());
        let number = |step: &AgentStep| view.cluster.agent_by_id(&step.agent_id).map(|agent| agent.number);
        match call {
            Call::SetDesired(to) => {
                if let Some(read) = &self.read {
                    chain.checks.sets_desired(read, *to, view);
                }
                orders.set_desired(u32::try_from(*to).unwrap_or(0), why);
                chain.count_write();
            }
            Call::Terminate(id) => {
                if let Some(read) = &self.read {
                    chain.checks.terminates(read, id, view);
                }
                orders.terminate(vec![id.clone()], why);
                chain.count_write();
            }
            Call::TagsBefore(tags) | Call::Tags(tags) => orders.set_tags(tags.clone()),
            Call::TagsAfter => orders.set_tags(std::mem::take(&mut self.reactivated)),
            Call::Master(step) => {
                let agents: Vec<u32> = number(step).into_iter().collect();
                chain.checks.calls_master(step, view);
                match step.call {
                    AgentCall::Deactivate => orders.close(agents, why),
                    AgentCall::Reactivate => orders.reopen(agents, why),
                    AgentCall::Drain { .. } => orders.drain(agents, why),
                }
                chain.count_write();
            }
        }
        if chain.strikes(Trouble::LostAnswer) {
            return Fate::Failed;
        }
        Fate::Made
    }

    /// What follows from what came of a call.
    fn follow(&mut self, call: &Call, fate: Fate, chain: &mut Chain) {
        let is_made = fate == Fate::Made;
        self.has_failed |= !is_made;
        let Some(calls) = &mut self.calls else { return };
        match call {
            Call::SetDesired(_) if is_made => remember(chain, &self.decision),
            Call::Terminate(_) if is_made => remember(chain, &self.decision),
            // The first that fails ends the sequence.
            Call::Terminate(_) => calls.retain(|next| !matches!(next, Call::Terminate(_))),
            Call::TagsBefore(_) if !is_made => {
                let deactivates =
                    |next: &Call| matches!(next, Call::Master(step) if step.call == AgentCall::Deactivate);
                if calls.iter().any(deactivates) {
                    calls.retain(|next| !matches!(next, Call::Master(_) | Call::TagsAfter));
                }
            }
            Call::Master(step) if is_made && step.call == AgentCall::Reactivate => {
                self.reactivated.push(TagChange::end_decommission(&step.instance_id));
            }
            _ => {}
        }
    }
}

type Key = (uuid::Uuid, jiff::Timestamp, i32);

const fn key(decision: &ScalingDecision) -> Key {
    (decision.id, decision.snapshot_taken_at, decision.delta)
}

fn remember(chain: &mut Chain, decision: &ScalingDecision) {
    let key = key(decision);
    if !chain.applied.contains(&key) {
        chain.applied.truncate(MAX_REMEMBERED - 1);
        chain.applied.push_front(key);
    }
}

/// The calls of a plan, in their order.
fn calls(plan: &Plan, now: jiff::Timestamp) -> VecDeque<Call> {
    let mut calls = VecDeque::new();
    match &plan.result {
        PlanResult::Act(
            Change::Increase(Increase { to, .. })
            | Change::Decrease { to, .. }
            | Change::Withdraw { to, .. }
            | Change::Raise { to, .. },
        ) => {
            calls.push_back(Call::SetDesired(*to));
        }
        PlanResult::Act(Change::Terminate { targets, .. }) => {
            calls.extend(targets.iter().map(|target| Call::Terminate(target.instance_id.clone())));
        }
        _ => {}
    }
    let is_tagged = |step: &&AgentStep| matches!(step.call, AgentCall::Deactivate | AgentCall::Reactivate);
    let tags: Vec<TagChange> =
        plan.agents.iter().filter(is_tagged).map(|step| TagChange::decommission(&step.instance_id, now)).collect();
    if !tags.is_empty() {
        calls.push_back(Call::TagsBefore(tags));
    }
    calls.extend(plan.agents.iter().cloned().map(Call::Master));
    if plan.agents.iter().any(|step| step.call == AgentCall::Reactivate) {
        calls.push_back(Call::TagsAfter);
    }
    if !plan.tags.is_empty() {
        calls.push_back(Call::Tags(plan.tags.clone()));
    }
    calls
}

/// Whether Auto Scaling, or a master, takes it.
fn is_accepted(call: &Call, view: &View<'_>) -> bool {
    match call {
        Call::SetDesired(to) => (view.group.min..=view.group.max).contains(to),
        Call::Terminate(id) => {
            let of = view.group.instances().iter().find(|instance| instance.id == *id);
            of.is_some_and(|of| view.group.desired().saturating_sub_unsigned(of.weight) >= view.group.min)
        }
        Call::TagsBefore(_) | Call::TagsAfter | Call::Tags(_) => true,
        Call::Master(step) => view.cluster.agent_by_id(&step.agent_id).is_some_and(|agent| {
            let is_draining = matches!(agent.mode, cluster::Mode::Draining(_));
            agent.is_registered() && !(step.call == AgentCall::Reactivate && is_draining)
        }),
    }
}
