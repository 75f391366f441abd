//! The order of the IO: read the decision, describe the group, plan, write, tell the outcome.

use aws_lambda_events::event::sns::SnsEvent;
use aws_sdk_autoscaling::Client;
use jiff::{SignedDuration, Timestamp};
use shared::config::{Config, Policy};
use shared::contract::{EncodeError, OutcomeAction, ScalingDecision, ScalingOutcome, encode};
use shared::error::Chain;
use shared::sns::{self, PublishError, RecordError, Topic};
use shared::telemetry::{self, Metric, Record};
use shared::time;
use thiserror::Error;

use crate::group::{self, CallError};
use crate::plan::{self, Action, Plan};
use crate::state::GroupState;

/// Why an invocation failed. Running it again does no harm: what was done is seen as coming.
#[derive(Debug, Error)]
pub enum ScaleError {
    /// Auto Scaling could not be reached, or refused.
    #[error("the pool {pool} was not scaled")]
    Call {
        /// The pool.
        pool: String,
        /// The call.
        source: CallError,
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

/// Stands for the pool where none is known.
const UNKNOWN_POOL: &str = "unknown";

/// What carries a plan out: the one place where a dry run differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hands {
    /// Changes the group.
    Free,
    /// Dry run: changes nothing anywhere.
    Tied,
}

impl Hands {
    /// Asks for the capacity and says what came of it.
    async fn set_desired_capacity(self, client: &Client, group: &str, to: i32) -> Result<Done, CallError> {
        match self {
            Self::Free => group::set_desired_capacity(client, group, to).await.map(|()| Done::Changed),
            Self::Tied => Ok(Done::Planned),
        }
    }
}

/// Whether a change was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    Changed,
    Planned,
}

/// The stage with everything it needs, built once and used for every event.
#[derive(Debug)]
pub struct Handler {
    pub(crate) config: Config,
    pub(crate) decision_topic_arn: Option<String>,
    pub(crate) outcome_topic: Option<Topic>,
    pub(crate) client: Client,
    pub(crate) hands: Hands,
}

/// What came of one record, before it is told.
struct Ending {
    outcome: ScalingOutcome,
    metrics: Vec<Metric>,
    error: Option<ScaleError>,
}

impl Handler {
    /// Handles every record of an event by itself; each ends in one outcome.
    ///
    /// # Errors
    /// The first failure that trying again may mend, after all records were handled.
    pub async fn handle(&self, event: &SnsEvent, now: Timestamp) -> Result<(), ScaleError> {
        let mut first_error = None;
        for record in sns::messages(event, self.decision_topic_arn.as_deref()) {
            let ending = match record {
                Ok(decision) => self.decide(&decision, now).await,
                Err(error) => self.unreadable(&error, now),
            };
            let told = self.tell(&ending, now).await;
            first_error = first_error.or(ending.error).or(told.err());
        }
        first_error.map_or(Ok(()), Err)
    }

    async fn decide(&self, decision: &ScalingDecision, now: Timestamp) -> Ending {
        let Some(policy) = self.config.pool(&decision.pool) else {
            let reason = format!("6.1: the pool {:?} is not in the configuration of node_scale", decision.pool);
            return Ending::without_group(self.outcome(decision, "", now), OutcomeAction::Refused, reason);
        };
        let outcome = self.outcome(decision, &policy.group, now);
        if let Err(reason) = plan::admit(decision, policy, now) {
            return Ending::without_group(outcome, OutcomeAction::Refused, reason);
        }
        let since = looked_at_since(policy, decision, now);
        match group::describe(&self.client, &policy.group, since, decision.delta < 0).await {
            Err(error) => Ending::failed(outcome, error),
            Ok(state) => {
                let plan = plan::plan(decision, state.as_ref(), policy, now);
                self.carry_out(&plan, state.as_ref(), policy, outcome).await
            }
        }
    }

    async fn carry_out(
        &self,
        plan: &Plan,
        state: Option<&GroupState>,
        policy: &Policy,
        mut outcome: ScalingOutcome,
    ) -> Ending {
        let metrics = metrics(plan, state);
        outcome.from = state.map(|state| state.group.desired_capacity);
        outcome.to = outcome.from;
        outcome.reason.clone_from(&plan.reason);
        let mut error = None;
        outcome.action = match plan.action {
            Action::Nothing => OutcomeAction::None,
            Action::BackOff => OutcomeAction::BackedOff,
            Action::Refuse => OutcomeAction::Refused,
            Action::SetDesiredCapacity(to) => {
                match self.hands.set_desired_capacity(&self.client, &policy.group, to).await {
                    Ok(done) => {
                        outcome.to = Some(to);
                        match done {
                            Done::Changed if Some(to) > outcome.from => OutcomeAction::ScaledUp,
                            Done::Changed => OutcomeAction::ScaledDown,
                            Done::Planned => {
                                outcome.reason = format!("6.1: dry run; else: {}", plan.reason);
                                OutcomeAction::Refused
                            }
                        }
                    }
                    Err(busy) if busy.is_busy() => {
                        outcome.reason = format!("B4: Auto Scaling says {}; wanted: {}", busy.code(), plan.reason);
                        OutcomeAction::BackedOff
                    }
                    Err(source) => {
                        outcome.reason = Chain::new(&source).to_string();
                        error = Some(ScaleError::Call { pool: outcome.pool.clone(), source });
                        OutcomeAction::Failed
                    }
                }
            }
        };
        Ending { outcome, metrics, error }
    }

    fn unreadable(&self, error: &RecordError, now: Timestamp) -> Ending {
        let outcome = ScalingOutcome {
            decision_id: None,
            at: time::truncate(now),
            pool: UNKNOWN_POOL.to_owned(),
            group: String::new(),
            state: None,
            action: OutcomeAction::Refused,
            dry_run: self.hands == Hands::Tied,
            from: None,
            to: None,
            instances: Vec::new(),
            reason: String::new(),
        };
        Ending::without_group(outcome, OutcomeAction::Refused, format!("6.1: {}", Chain::new(error)))
    }

    fn outcome(&self, decision: &ScalingDecision, group: &str, now: Timestamp) -> ScalingOutcome {
        ScalingOutcome {
            decision_id: Some(decision.id),
            at: time::truncate(now),
            pool: decision.pool.clone(),
            group: group.to_owned(),
            state: Some(decision.state),
            action: OutcomeAction::None,
            dry_run: self.hands == Hands::Tied,
            from: None,
            to: None,
            instances: Vec::new(),
            reason: String::new(),
        }
    }

    /// Log, metric and message: the same outcome three times.
    async fn tell(&self, ending: &Ending, now: Timestamp) -> Result<(), ScaleError> {
        let outcome = &ending.outcome;
        tracing::info!(
            pool = outcome.pool,
            group = outcome.group,
            decision_id = outcome.decision_id.map(tracing::field::display),
            state = outcome.state.map_or("unknown", |state| state.name()),
            action = outcome.action.name(),
            dry_run = outcome.dry_run,
            from = outcome.from,
            to = outcome.to,
            reason = outcome.reason,
            "outcome"
        );
        telemetry::emit(&Record {
            at: now,
            // What somebody else calls a pool is no name for a metric of ours.
            pool: self.config.pool(&outcome.pool).map_or(UNKNOWN_POOL, |policy| policy.pool.as_str()),
            properties: vec![
                ("Stage", "node_scale".to_owned()),
                ("Action", outcome.action.name().to_owned()),
                ("Reason", outcome.reason.clone()),
            ],
            metrics: [ending.metrics.as_slice(), &action_metrics(outcome)].concat(),
        });
        let Some(topic) = &self.outcome_topic else { return Ok(()) };
        topic
            .publish(encode(outcome)?, Some(&subject(outcome)))
            .await
            .map_err(|source| ScaleError::Publish { pool: outcome.pool.clone(), source })
    }
}

impl Ending {
    fn without_group(mut outcome: ScalingOutcome, action: OutcomeAction, reason: String) -> Self {
        outcome.action = action;
        outcome.reason = reason;
        Self { outcome, metrics: Vec::new(), error: None }
    }

    fn failed(mut outcome: ScalingOutcome, source: CallError) -> Self {
        outcome.action = OutcomeAction::Failed;
        outcome.reason = Chain::new(&source).to_string();
        let error = Some(ScaleError::Call { pool: outcome.pool.clone(), source });
        Self { outcome, metrics: Vec::new(), error }
    }
}

/// How far back activities matter: to tell young instances, for the cooldowns and for launches that fail.
fn looked_at_since(policy: &Policy, decision: &ScalingDecision, now: Timestamp) -> Timestamp {
    let longest = policy.join_timeout.max(policy.scale_down_cooldown).max(policy.scale_up_cooldown);
    let longest = SignedDuration::try_from(longest).unwrap_or(SignedDuration::MAX);
    now.saturating_sub(longest).unwrap_or(Timestamp::MIN).min(decision.snapshot_taken_at)
}

fn metrics(plan: &Plan, state: Option<&GroupState>) -> Vec<Metric> {
    let mut metrics = vec![Metric::count("Coming", plan.coming), Metric::count("LaunchFailures", plan.launch_failures)];
    if let Some(state) = state {
        let in_service = state.group.instances.iter().filter(|instance| instance.is_capacity()).count();
        metrics.push(Metric::count("DesiredCapacity", state.group.desired_capacity));
        metrics.push(Metric::count("Instances", u32::try_from(in_service).unwrap_or(u32::MAX)));
    }
    metrics
}

fn action_metrics(outcome: &ScalingOutcome) -> [Metric; 5] {
    let is = |action| f64::from(u8::from(outcome.action == action));
    let change = match (outcome.from, outcome.to) {
        (Some(from), Some(to)) if outcome.action != OutcomeAction::Refused => to.saturating_sub(from),
        _ => 0,
    };
    [
        Metric::count("CapacityChange", change),
        Metric::count("Outcomes", 1),
        Metric::count("BackedOff", is(OutcomeAction::BackedOff)),
        Metric::count("Refused", is(OutcomeAction::Refused)),
        Metric::count("Failed", is(OutcomeAction::Failed)),
    ]
}

/// One line for people who read outcomes by mail.
fn subject(outcome: &ScalingOutcome) -> String {
    let what = match (outcome.action, outcome.from, outcome.to) {
        (OutcomeAction::ScaledUp | OutcomeAction::ScaledDown, Some(from), Some(to)) => format!("{from} -> {to}"),
        (_, Some(from), _) => format!("stays at {from}"),
        _ => "untouched".to_owned(),
    };
    format!("{}: {} ({what})", outcome.pool, outcome.action.name())
}
