//! Applies a plan: the one write to the group, then the calls to the masters, then the group's tags. In a dry run nothing.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use aws_sdk_autoscaling::Client;
use jiff::{SignedDuration, Timestamp};
use shared::config::Policy;
use shared::contract::{OutcomeAction, ScalingDecision};
use shared::error::Chain;
use uuid::Uuid;

use crate::error::ScaleError;
use crate::group::{self, CallError};
use crate::group_tags::{NEEDED, TagChange};
use crate::masters::{Masters, OperatorError};
use crate::outcome::{ApplyMode, OutcomeBuilder};
use crate::plan::{AgentCall, AgentStep, BackOff, Change, Increase, Plan, PlanResult, TerminationTarget};

/// How many applied decisions are remembered.
const MAX_REMEMBERED: usize = 64;

/// D8: how long no call about an agent is made after the masters refused one.
const CLOSING_PAUSE: SignedDuration = SignedDuration::from_hours(1);

/// What writes.
#[derive(Debug)]
pub(crate) struct Applier {
    client: Client,
    /// Where some pool drains its agents.
    masters: Option<Masters>,
    pub(crate) mode: ApplyMode,
    /// The decisions that this process applied. Nothing relies on it: it only stops a duplicate also where the answers of AWS
    /// do not show the first one's effect yet.
    applied: Mutex<VecDeque<DecisionKey>>,
}

/// What identifies a decision; its id alone may not, where a custom check gives it.
type DecisionKey = (Uuid, Timestamp, i32);

const fn key(decision: &ScalingDecision) -> DecisionKey {
    (decision.id, decision.snapshot_taken_at, decision.delta)
}

impl Applier {
    pub(crate) fn new(client: Client, masters: Option<Masters>, mode: ApplyMode) -> Self {
        Self { client, masters, mode, applied: Mutex::default() }
    }

    /// Applies the plan, and completes the outcome.
    pub(crate) async fn apply(
        &self,
        plan: &Plan,
        policy: &Policy,
        decision: &ScalingDecision,
        built: OutcomeBuilder,
        now: impl Fn() -> Timestamp,
    ) -> OutcomeBuilder {
        let built = self.write_group(&plan.result, policy, decision, built).await;
        let built = self.call_masters(plan, policy, built, now()).await;
        self.write_tags(&plan.tags, policy, built).await
    }

    /// Makes the change to the group, if the plan has one.
    pub(crate) async fn write_group(
        &self,
        result: &PlanResult,
        policy: &Policy,
        decision: &ScalingDecision,
        mut built: OutcomeBuilder,
    ) -> OutcomeBuilder {
        let change = match result {
            PlanResult::Nothing(no_change) => return built.with(OutcomeAction::None, no_change),
            PlanResult::BackOff(back_off) => return built.with(OutcomeAction::BackedOff, back_off),
            PlanResult::Refuse(refusal) => return built.with(OutcomeAction::Refused, refusal),
            PlanResult::Act(change) if self.mode == ApplyMode::DryRun => return built.would(change),
            PlanResult::Act(change) => change,
        };
        built.is_correction = change.is_correction();
        let written = match change {
            Change::Increase(Increase { to, .. }) | Change::Raise { to, .. } => {
                self.set_desired_capacity(*to, OutcomeAction::ScaledUp, policy, decision, built).await
            }
            Change::Decrease { to, .. } | Change::Withdraw { to, .. } => {
                self.set_desired_capacity(*to, OutcomeAction::ScaledDown, policy, decision, built).await
            }
            Change::Terminate { targets, .. } => self.terminate(targets, policy, decision, built).await,
            // The calls to the masters follow.
            Change::Deactivate { .. } | Change::Reactivate { .. } | Change::Drain { .. } => Ok(built),
        };
        // What stopped the write has its own reason.
        written.map_or_else(
            |stopped| stopped,
            |built| {
                let action = built.outcome.action;
                built.with(action, change.to_string())
            },
        )
    }

    /// An error: the outcome of a write that failed.
    async fn set_desired_capacity(
        &self,
        to: i32,
        action: OutcomeAction,
        policy: &Policy,
        decision: &ScalingDecision,
        mut built: OutcomeBuilder,
    ) -> Result<OutcomeBuilder, OutcomeBuilder> {
        if let Err(error) = group::set_desired_capacity(&self.client, &policy.group, to).await {
            return Err(stopped(built, error));
        }
        self.remember(decision);
        built.outcome.to = Some(to);
        built.outcome.action = action;
        Ok(built)
    }

    /// One after the other; the first that fails ends it, and the next run sees what remains.
    async fn terminate(
        &self,
        targets: &[TerminationTarget],
        policy: &Policy,
        decision: &ScalingDecision,
        mut built: OutcomeBuilder,
    ) -> Result<OutcomeBuilder, OutcomeBuilder> {
        for target in targets {
            if let Err(error) = group::terminate(&self.client, &policy.group, &target.instance_id).await {
                let done = built.outcome.instances.len();
                let mut built = stopped(built, error);
                if done > 0 {
                    let outcome = &mut built.outcome;
                    outcome.action = OutcomeAction::ScaledDown;
                    outcome.reason = format!("{done} of {} terminated, then: {}", targets.len(), outcome.reason);
                }
                return Err(built);
            }
            // From the first on: the rest is for a decision that has seen this.
            self.remember(decision);
            built.terminated(target);
            built.outcome.action = OutcomeAction::ScaledDown;
        }
        Ok(built)
    }

    /// Calls the masters; after the write, which must be quick. The tag of a decommissioning agent is written before it is
    /// deactivated: the other way round, an agent could stay deactivated and no one would know why.
    async fn call_masters(
        &self,
        plan: &Plan,
        policy: &Policy,
        mut built: OutcomeBuilder,
        now: Timestamp,
    ) -> OutcomeBuilder {
        if plan.agents.is_empty() {
            return built;
        }
        let Some(masters) = &self.masters else {
            let reason = "agents must be changed through the masters, and this function has none";
            return built.with(OutcomeAction::Failed, reason);
        };
        if self.mode == ApplyMode::DryRun {
            return dry_calls(plan, built);
        }
        // With a tag of its present time, an older snapshot, in which an agent is still deactivated, ends nothing.
        let is_tagged = |step: &&AgentStep| matches!(step.call, AgentCall::Deactivate | AgentCall::Reactivate);
        let tagged = plan.agents.iter().filter(is_tagged);
        let tags: Vec<TagChange> = tagged.map(|step| TagChange::decommission(&step.instance_id, now)).collect();
        built = self.write_tags(&tags, policy, built).await;
        let deactivates = plan.agents.iter().any(|step| step.call == AgentCall::Deactivate);
        if deactivates && built.error.is_some() {
            return built
                .with(OutcomeAction::Failed, "no agent was deactivated: the tags of the group were not written");
        }
        let (mut reactivated, mut changed, mut failure) = (Vec::new(), 0_u32, None);
        for step in &plan.agents {
            if let Err(error) = masters.call(step).await {
                // One agent that the master refuses to change does not hold up the others.
                let is_last = error.concerns_every_agent();
                failure.get_or_insert(error);
                if is_last {
                    break;
                }
                continue;
            }
            changed += 1;
            if step.call == AgentCall::Reactivate {
                reactivated.push(TagChange::end_decommission(&step.instance_id));
            }
            if !built.outcome.instances.contains(&step.instance_id) {
                built.outcome.instances.push(step.instance_id.clone());
            }
            if matches!(built.outcome.action, OutcomeAction::None | OutcomeAction::BackedOff) {
                built.outcome.action = OutcomeAction::Draining;
            }
        }
        // D8: a later run goes another way.
        if policy.learning.is_some() && failure.as_ref().is_some_and(OperatorError::is_lasting) {
            let until = now.saturating_add(CLOSING_PAUSE).unwrap_or(Timestamp::MAX);
            built = self.write_tags(&[TagChange::closing_refused(until)], policy, built).await;
        }
        if let Some(source) = failure {
            built = not_changed(built, policy, (changed, plan.agents.len()), source);
        }
        self.write_tags(&reactivated, policy, built).await
    }

    /// Brings the group's tags up to date. Completed actions stay where that fails.
    async fn write_tags(&self, tags: &[TagChange], policy: &Policy, mut built: OutcomeBuilder) -> OutcomeBuilder {
        if self.mode == ApplyMode::DryRun || tags.is_empty() {
            return built;
        }
        if let Err(source) = group::write_tags(&self.client, &policy.group, tags).await {
            built.outcome.notes.push(format!("the tags of the group were not written: {}", Chain::new(&source)));
            if tags.iter().any(|change| matches!(change, TagChange::Set { key, .. } if key == NEEDED)) {
                built.outcome.notes.push(format!("no agent is removed until the tag {NEEDED} can be written (D6)"));
            }
            let failed = ScaleError::Call { pool: built.outcome.pool.clone(), source };
            built.error = built.error.or(Some(failed));
        }
        built
    }

    pub(crate) fn was_applied(&self, decision: &ScalingDecision) -> bool {
        let applied = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
        applied.contains(&key(decision))
    }

    fn remember(&self, decision: &ScalingDecision) {
        let mut applied = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key(decision);
        if !applied.contains(&key) {
            applied.truncate(MAX_REMEMBERED - 1);
            applied.push_front(key);
        }
    }
}

/// A write did not go through: B4 where AWS rejects it for now only.
fn stopped(built: OutcomeBuilder, error: CallError) -> OutcomeBuilder {
    if error.is_busy() {
        return built.with(OutcomeAction::BackedOff, &BackOff::Busy(error.code().to_owned()));
    }
    built.failed(error)
}

/// A call to the masters failed: the outcome is `failed`, unless the group was changed, which it then says.
fn not_changed(
    mut built: OutcomeBuilder,
    policy: &Policy,
    (changed, of): (u32, usize),
    source: OperatorError,
) -> OutcomeBuilder {
    let text = format!("the masters changed {changed} of {of} agents: {}", Chain::new(&source));
    built.error = built.error.or(Some(ScaleError::Operator { pool: policy.pool.clone(), source }));
    if matches!(built.outcome.action, OutcomeAction::ScaledUp | OutcomeAction::ScaledDown) {
        built.outcome.notes.push(text);
        return built;
    }
    built.with(OutcomeAction::Failed, text)
}

/// The calls that a dry run does not make. What it would do to the group says the outcome already.
fn dry_calls(plan: &Plan, built: OutcomeBuilder) -> OutcomeBuilder {
    if built.outcome.action == OutcomeAction::DryRun {
        return built;
    }
    let hostnames = plan.agents.iter().map(|step| step.hostname.clone()).collect();
    let reactivates = plan.agents.iter().any(|step| step.call == AgentCall::Reactivate);
    built.would(&if reactivates { Change::Reactivate { hostnames } } else { Change::Drain { hostnames } })
}
