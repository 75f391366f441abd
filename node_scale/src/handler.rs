//! The order of the IO: read the decision, describe the group, plan, write, tell the outcome.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use aws_lambda_events::event::sns::SnsEvent;
use aws_sdk_autoscaling::Client;
use aws_types::SdkConfig;
use jiff::{SignedDuration, Timestamp};
use shared::clause::Clause;
use shared::config::{Config, Policy};
use shared::contract::{EncodeError, OutcomeAction, ScalingDecision, ScalingOutcome};
use shared::error::Chain;
use shared::sns::{self, PublishError, Topic};
use thiserror::Error;
use uuid::Uuid;

use crate::ec2;
use crate::group::{self, CallError};
use crate::marks::MarkChange;
use crate::masters::{Masters, OperatorError};
use crate::outcome::{Ending, time_metrics};
use crate::plan::{self, Action, AgentCall, AgentStep, Plan, Reason, Victim};
use crate::state::GroupState;

/// Why an invocation failed. Running it again does no harm: what was done is seen on the group.
#[derive(Debug, Error)]
pub enum ScaleError {
    /// A call to AWS failed.
    #[error("the pool {pool} was not scaled")]
    Call {
        /// The pool.
        pool: String,
        /// The call.
        source: CallError,
    },
    /// The masters did not do what was said about an agent.
    #[error("an agent of the pool {pool} was not told")]
    Operator {
        /// The pool.
        pool: String,
        /// What the masters said.
        source: OperatorError,
    },
    /// The outcome could not be told.
    #[error("the outcome for the pool {pool} was not told")]
    Publish {
        /// The pool.
        pool: String,
        /// What SNS said.
        source: PublishError,
    },
    /// The outcome could not be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// From the first look at a group to the write that follows from it: longer ago, it is looked at again.
const FRESH: SignedDuration = SignedDuration::from_secs(3);

/// How often a group is looked at for one decision.
const MAX_LOOKS: u32 = 3;

/// How many decisions that were carried out are remembered.
const MAX_REMEMBERED: usize = 64;

/// What carries a plan out: the one place where a dry run differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hands {
    /// Changes the group.
    Free,
    /// Dry run: changes nothing anywhere.
    Tied,
}

/// The stage with everything it needs, built once and used for every event.
#[derive(Debug)]
pub struct Handler {
    pub(crate) config: Config,
    pub(crate) decision_topic_arn: Option<String>,
    pub(crate) outcome_topic: Option<Topic>,
    client: Client,
    ec2: ec2::Client,
    /// Where some pool drains its agents.
    masters: Option<Masters>,
    hands: Hands,
    /// The decisions that this process carried out. Nothing relies on it: it only stops a duplicate also where the answers
    /// of AWS do not show yet what the first one did.
    carried_out: Mutex<VecDeque<Decided>>,
}

/// What tells a decision from every other one; its id alone, where somebody else gives it, may not.
type Decided = (Uuid, Timestamp, i32);

const fn decided(decision: &ScalingDecision) -> Decided {
    (decision.id, decision.snapshot_taken_at, decision.delta)
}

/// What came of a decision.
#[derive(Debug)]
pub struct Applied {
    /// What was done, and why.
    pub outcome: ScalingOutcome,
    /// What trying again may mend.
    pub error: Option<ScaleError>,
}

/// A group as it was looked at, and what follows.
struct Look {
    plan: Plan,
    state: Option<GroupState>,
}

impl Handler {
    /// The stage with that configuration. `decision_topic_arn`: the only topic whose records are read; `outcome_topic`: where
    /// outcomes are told.
    #[must_use]
    pub fn new(
        config: Config,
        sdk: &SdkConfig,
        decision_topic_arn: Option<String>,
        outcome_topic: Option<Topic>,
    ) -> Self {
        let hands = if config.dry_run { Hands::Tied } else { Hands::Free };
        Self {
            config,
            decision_topic_arn,
            outcome_topic,
            client: Client::new(sdk),
            ec2: ec2::Client::new(sdk),
            masters: None,
            hands,
            carried_out: Mutex::default(),
        }
    }

    /// The same stage, which can speak to masters about agents.
    #[must_use]
    pub fn with_masters(self, masters: Masters) -> Self {
        Self { masters: Some(masters), ..self }
    }

    /// Handles every record of an event by itself; each ends in one outcome.
    ///
    /// # Errors
    /// The first failure that trying again may mend, after all records were handled.
    pub async fn handle(&self, event: &SnsEvent, clock: impl Fn() -> Timestamp) -> Result<(), ScaleError> {
        let mut first_error = None;
        for record in sns::messages(event, self.decision_topic_arn.as_deref()) {
            let begun = clock();
            let ending = match record {
                Ok(decision) => {
                    let mut ending = self.decide(&decision, &clock).await;
                    ending.metrics.extend(time_metrics(&decision, begun, clock()));
                    ending
                }
                Err(error) => Ending::new(None, "", self.hands, begun)
                    .with(OutcomeAction::Refused, Reason::of(Clause::R1, Chain::new(&error).to_string())),
            };
            let told = self.tell(&ending, begun).await;
            first_error = first_error.or(ending.error).or(told.err());
        }
        first_error.map_or(Ok(()), Err)
    }

    /// Carries a decision out, as [`Handler::handle`] does with each record, but tells nobody.
    pub async fn apply(&self, decision: &ScalingDecision, clock: impl Fn() -> Timestamp) -> Applied {
        let Ending { outcome, error, .. } = self.decide(decision, &clock).await;
        Applied { outcome, error }
    }

    async fn decide(&self, decision: &ScalingDecision, clock: &impl Fn() -> Timestamp) -> Ending {
        let now = clock();
        let Some(policy) = self.config.pool(&decision.pool) else {
            let reason = format!("the pool {:?} is not in the configuration of node_scale", decision.pool);
            let ending = Ending::new(Some(decision), "", self.hands, now);
            return ending.with(OutcomeAction::Refused, Reason::of(Clause::R1, reason));
        };
        let ending = Ending::new(Some(decision), &policy.group, self.hands, now);
        if let Err(reason) = plan::admit(decision, policy, now) {
            return ending.with(OutcomeAction::Refused, reason);
        }
        if self.was_carried_out(decision) {
            return ending.with(OutcomeAction::None, "this decision was carried out already (delivered twice)");
        }
        match self.look(decision, policy, clock).await {
            Err(error) => ending.failed(error),
            Ok(look) => {
                let ending = ending.seen(&look.plan, look.state.as_ref());
                let ending = self.carry_out(&look.plan, policy, decision, ending).await;
                let ending = self.tell_agents(&look.plan, policy, ending, clock()).await;
                self.mark(&look.plan.marks, policy, ending).await
            }
        }
    }

    /// Looks at the group until what was seen is fresh enough to act upon.
    async fn look(
        &self,
        decision: &ScalingDecision,
        policy: &Policy,
        clock: &impl Fn() -> Timestamp,
    ) -> Result<Look, CallError> {
        let mut addresses = None;
        let mut looks = 0;
        loop {
            looks += 1;
            let begun = clock();
            let since = looked_at_since(policy, decision, begun);
            let mut state = group::describe(&self.client, &policy.group, since, may_end(policy, decision)).await?;
            if let Some(state) = &mut state {
                state.addresses.clone_from(&addresses);
            }
            let now = clock();
            let mut plan = plan::plan(decision, state.as_ref(), policy, now);
            let is_old = now.duration_since(begun) > FRESH;
            match &plan.action {
                // The time that this takes is a reason to look at the group again.
                Action::LookUp(ips) => addresses = Some(self.ec2.addresses(&policy.group, ips).await?),
                Action::SetDesiredCapacity(_) | Action::Terminate(_) if is_old && looks < MAX_LOOKS => {}
                Action::SetDesiredCapacity(_) | Action::Terminate(_) if is_old => {
                    let reason = format!(
                        "Auto Scaling takes longer than {} s to answer, so its answers are old; wanted: {}",
                        FRESH.as_secs(),
                        plan.reason
                    );
                    plan.reason = Reason::of(Clause::B4, reason);
                    plan.action = Action::BackOff;
                    return Ok(Look { plan, state });
                }
                _ => return Ok(Look { plan, state }),
            }
        }
    }

    async fn carry_out(&self, plan: &Plan, policy: &Policy, decision: &ScalingDecision, ending: Ending) -> Ending {
        let reason = plan.reason.clone();
        match &plan.action {
            Action::Nothing => ending.with(OutcomeAction::None, reason),
            Action::BackOff | Action::LookUp(_) => ending.with(OutcomeAction::BackedOff, reason),
            Action::Refuse => ending.with(OutcomeAction::Refused, reason),
            Action::SetDesiredCapacity(to) => self.set_desired_capacity(*to, policy, decision, ending, reason).await,
            Action::Terminate(victims) => self.terminate(victims, policy, decision, ending, reason).await,
        }
    }

    async fn set_desired_capacity(
        &self,
        to: i32,
        policy: &Policy,
        decision: &ScalingDecision,
        mut ending: Ending,
        reason: Reason,
    ) -> Ending {
        if self.hands == Hands::Tied {
            ending.outcome.to = Some(to);
            let from = ending.outcome.from.unwrap_or(to);
            let verb = if to > from { "increase" } else { "decrease" };
            return ending.dry(&format!("{verb} desired capacity {from} -> {to}"));
        }
        match group::set_desired_capacity(&self.client, &policy.group, to).await {
            Ok(()) => {
                self.remember(decision);
                let action =
                    if Some(to) > ending.outcome.from { OutcomeAction::ScaledUp } else { OutcomeAction::ScaledDown };
                ending.outcome.to = Some(to);
                ending.with(action, reason)
            }
            Err(error) => stopped(ending, error, &reason),
        }
    }

    /// One after the other; the first that fails ends it, and the next tick sees what is left to do.
    async fn terminate(
        &self,
        victims: &[Victim],
        policy: &Policy,
        decision: &ScalingDecision,
        mut ending: Ending,
        reason: Reason,
    ) -> Ending {
        if self.hands == Hands::Tied {
            victims.iter().for_each(|victim| note(victim, &mut ending));
            let named: Vec<String> = victims.iter().map(ToString::to_string).collect();
            return ending.dry(&format!("terminate {}", named.join(", ")));
        }
        for victim in victims {
            if let Err(error) = group::terminate(&self.client, &policy.group, &victim.instance_id).await {
                let done = ending.outcome.instances.len();
                let mut ending = stopped(ending, error, &reason);
                if done > 0 {
                    let (of, why) = (victims.len(), std::mem::take(&mut ending.outcome.reason));
                    ending = ending.with(OutcomeAction::ScaledDown, format!("{done} of {of} terminated, then: {why}"));
                }
                return ending;
            }
            // From the first on: what is left of it is for a decision that has seen this.
            self.remember(decision);
            note(victim, &mut ending);
        }
        ending.with(OutcomeAction::ScaledDown, reason)
    }

    /// Tells the masters what shall be with agents; after the write, which must be quick. The mark of an agent that leaves is
    /// written before it is deactivated: were it the other way round, an agent could be left deactivated with nobody to
    /// know why.
    async fn tell_agents(&self, plan: &Plan, policy: &Policy, mut ending: Ending, now: Timestamp) -> Ending {
        if plan.agents.is_empty() {
            return ending;
        }
        let Some(masters) = &self.masters else {
            return ending.with(
                OutcomeAction::Failed,
                "agents are to be told to leave, and no master is known to this function",
            );
        };
        if self.hands == Hands::Tied {
            // What would have been done to the group stands there already.
            if ending.outcome.action == OutcomeAction::DryRun {
                return ending;
            }
            let steps = plan.agents.iter().map(|step| format!("{} {}", step.call.name(), step.hostname));
            return ending.dry(&steps.collect::<Vec<_>>().join(", "));
        }
        let leaves = |step: &&AgentStep| step.call == AgentCall::Deactivate;
        let marks: Vec<MarkChange> =
            plan.agents.iter().filter(leaves).map(|step| MarkChange::leaves(&step.instance_id, now)).collect();
        ending = self.mark(&marks, policy, ending).await;
        if ending.error.is_some() && !marks.is_empty() {
            return ending
                .with(OutcomeAction::Failed, "the agents were not told to leave: their marks were not written");
        }
        let mut taken_back = Vec::new();
        for (done, step) in plan.agents.iter().enumerate() {
            if let Err(source) = masters.tell(step).await {
                let note = format!("{done} of {} agents were told, then: {}", plan.agents.len(), Chain::new(&source));
                ending.outcome.notes.push(note);
                let failed = ScaleError::Operator { pool: policy.pool.clone(), source };
                ending.error = ending.error.or(Some(failed));
                break;
            }
            if step.call == AgentCall::Reactivate {
                taken_back.push(MarkChange::stays(&step.instance_id));
            }
            if !ending.outcome.instances.contains(&step.instance_id) {
                ending.outcome.instances.push(step.instance_id.clone());
            }
            if matches!(ending.outcome.action, OutcomeAction::None | OutcomeAction::BackedOff) {
                ending.outcome.action = OutcomeAction::Draining;
            }
        }
        self.mark(&taken_back, policy, ending).await
    }

    /// Brings the marks on the group up to date. What was done stays done where that fails.
    async fn mark(&self, marks: &[MarkChange], policy: &Policy, mut ending: Ending) -> Ending {
        if self.hands == Hands::Tied || marks.is_empty() {
            return ending;
        }
        if let Err(source) = group::mark(&self.client, &policy.group, marks).await {
            ending.outcome.notes.push(format!("the marks on the group were not written: {}", Chain::new(&source)));
            let failed = ScaleError::Call { pool: ending.outcome.pool.clone(), source };
            ending.error = ending.error.or(Some(failed));
        }
        ending
    }

    fn was_carried_out(&self, decision: &ScalingDecision) -> bool {
        let carried_out = self.carried_out.lock().unwrap_or_else(PoisonError::into_inner);
        carried_out.contains(&decided(decision))
    }

    fn remember(&self, decision: &ScalingDecision) {
        let mut carried_out = self.carried_out.lock().unwrap_or_else(PoisonError::into_inner);
        let key = decided(decision);
        if !carried_out.contains(&key) {
            carried_out.truncate(MAX_REMEMBERED - 1);
            carried_out.push_front(key);
        }
    }
}

/// A write did not go through: B4 where AWS says that this is not the moment for it.
fn stopped(ending: Ending, error: CallError, wanted: &Reason) -> Ending {
    if error.is_busy() {
        let reason = format!("Auto Scaling says {}; wanted: {wanted}", error.code());
        return ending.with(OutcomeAction::BackedOff, Reason::of(Clause::B4, reason));
    }
    ending.failed(error)
}

/// One instance less.
fn note(victim: &Victim, ending: &mut Ending) {
    ending.outcome.instances.push(victim.instance_id.clone());
    ending.outcome.to = ending.outcome.to.map(|to| to.saturating_sub_unsigned(victim.weight));
}

/// Whether instances may be terminated for this decision.
const fn may_end(policy: &Policy, decision: &ScalingDecision) -> bool {
    decision.delta < 0 || policy.scale_down.strategy.decommissions()
}

/// How far back activities matter: to tell young instances, for the cooldowns and for launches that fail.
fn looked_at_since(policy: &Policy, decision: &ScalingDecision, now: Timestamp) -> Timestamp {
    let longest =
        policy.timing.join_timeout.max(policy.timing.scale_down_cooldown).max(policy.timing.scale_up_cooldown);
    let longest = SignedDuration::try_from(longest).unwrap_or(SignedDuration::MAX);
    now.saturating_sub(longest).unwrap_or(Timestamp::MIN).min(decision.snapshot_taken_at)
}
