//! The order of the IO: read the decision, describe the group, plan, apply, report the outcome.

use std::time::Duration;

use aws_lambda_events::event::sns::SnsEvent;
use aws_sdk_autoscaling::Client;
use jiff::{SignedDuration, Timestamp};
use shared::config::{Config, Policy};
use shared::contract::{OutcomeAction, ScalingDecision, ScalingOutcome};
use shared::error::Chain;
use shared::sns::{self, Topic};

use crate::apply::Applier;
use crate::config::Settings;
use crate::ec2;
use crate::error::ScaleError;
use crate::group::{self, CallError};
use crate::outcome::{ApplyMode, OutcomeBuilder};
use crate::plan::{self, BackOff, NoChange, Plan, PlanResult, Refusal};
use crate::report::{report, time_metrics};
use crate::state::{Addresses, GroupState};

/// From the first describe of a group to the write that follows from it: longer ago, it is described again.
const FRESH: SignedDuration = SignedDuration::from_secs(3);

/// How often a group is described for one decision.
const MAX_ATTEMPTS: u32 = 3;

/// The stage with everything it needs, built once and used for every event.
#[derive(Debug)]
pub struct Handler {
    config: Config,
    decision_topic_arn: Option<String>,
    outcome_topic: Option<Topic>,
    client: Client,
    ec2: ec2::Client,
    applier: Applier,
}

/// What came of a decision.
#[derive(Debug)]
pub struct Applied {
    /// What was done, and why.
    pub outcome: ScalingOutcome,
    /// What a retry may solve.
    pub error: Option<ScaleError>,
}

/// A group as it was described, and what follows.
struct Observation {
    plan: Plan,
    state: Option<GroupState>,
    /// When it was described.
    begun: Timestamp,
}

impl Handler {
    /// The handler with these settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let Settings { config, sdk, masters, decision_topic_arn, outcome_topic } = settings;
        let mode = if config.dry_run { ApplyMode::DryRun } else { ApplyMode::Apply };
        let client = group::client(&sdk);
        Self {
            config,
            decision_topic_arn,
            outcome_topic,
            client: client.clone(),
            ec2: ec2::Client::new(&sdk),
            applier: Applier::new(client, masters, mode),
        }
    }

    /// Handles every record of an event by itself; each ends in one outcome.
    ///
    /// # Errors
    /// The first failure that a retry may solve, after all records were handled.
    pub async fn handle(&self, event: &SnsEvent, clock: impl Fn() -> Timestamp) -> Result<(), ScaleError> {
        let mut first_error = None;
        for record in sns::messages(event, self.decision_topic_arn.as_deref()) {
            let begun = clock();
            let built = match record {
                Ok(decision) => {
                    let mut built = self.process(&decision, &clock).await;
                    built.metrics.extend(time_metrics(&decision, begun, clock()));
                    built
                }
                Err(error) => OutcomeBuilder::new(None, "", self.applier.mode, begun)
                    .with(OutcomeAction::Refused, &Refusal::Unreadable(Chain::new(&error).to_string())),
            };
            let reported = report(&built, &self.config, self.outcome_topic.as_ref(), begun).await;
            first_error = first_error.or(built.error).or(reported.err());
        }
        first_error.map_or(Ok(()), Err)
    }

    /// Applies a decision, as [`Handler::handle`] does with each record, but reports nothing.
    pub async fn apply(&self, decision: &ScalingDecision, clock: impl Fn() -> Timestamp) -> Applied {
        let OutcomeBuilder { outcome, error, .. } = self.process(decision, &clock).await;
        Applied { outcome, error }
    }

    async fn process(&self, decision: &ScalingDecision, clock: &impl Fn() -> Timestamp) -> OutcomeBuilder {
        let now = clock();
        let Some(policy) = self.config.pool(&decision.pool) else {
            let refusal = Refusal::UnknownPool(decision.pool.clone());
            return OutcomeBuilder::new(Some(decision), "", self.applier.mode, now)
                .with(OutcomeAction::Refused, &refusal);
        };
        let built = OutcomeBuilder::new(Some(decision), &policy.group, self.applier.mode, now);
        if let Err(refusal) = plan::admit(decision, policy, now) {
            return built.with(OutcomeAction::Refused, &refusal);
        }
        if self.applier.was_applied(decision) {
            return built.with(OutcomeAction::None, &NoChange::AlreadyApplied);
        }
        match self.observe(decision, policy, clock).await {
            Err(error) => built.failed(error),
            Ok(Observation { plan, state, begun }) => {
                let built = built.observed(&plan, state.as_ref());
                let built = self.applier.apply(&plan, policy, decision, built, clock).await;
                if !waits_for_tags(&plan, &built) || clock().duration_since(begun) > FRESH {
                    return built;
                }
                // Without its tag a streak never ends: the scale-up goes ahead.
                let policy = without_back_off(policy);
                let plan = plan::plan(decision, state.as_ref(), &policy, clock());
                self.applier.write_group(&plan.result, &policy, decision, built).await
            }
        }
    }

    /// Describes the group until its state is fresh enough for a write.
    async fn observe(
        &self,
        decision: &ScalingDecision,
        policy: &Policy,
        clock: &impl Fn() -> Timestamp,
    ) -> Result<Observation, CallError> {
        let mut addresses = Addresses::new();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let begun = clock();
            let since = activities_since(policy, decision, begun);
            let mut state =
                group::describe(&self.client, &policy.group, since, may_terminate(policy, decision)).await?;
            if let Some(state) = &mut state {
                state.addresses.clone_from(&addresses);
                state.is_dry_run = self.applier.mode == ApplyMode::DryRun;
            }
            let now = clock();
            if let Some(ips) = plan::needs_addresses(decision, state.as_ref(), policy, now) {
                // The time that this takes is a reason to describe the group again.
                addresses.extend(self.ec2.addresses(&policy.group, &ips).await?);
                continue;
            }
            let mut plan = plan::plan(decision, state.as_ref(), policy, now);
            if now.duration_since(begun) > FRESH && plan.result.writes_group() {
                if attempts < MAX_ATTEMPTS {
                    continue;
                }
                plan.result = BackOff::SlowAnswers(FRESH).into();
            }
            return Ok(Observation { plan, state, begun });
        }
    }
}

/// Whether a scale-up waits for a streak whose tag was not written.
const fn waits_for_tags(plan: &Plan, built: &OutcomeBuilder) -> bool {
    built.error.is_some() && matches!(plan.result, PlanResult::BackOff(BackOff::LaunchInProgress { .. }))
}

/// The policy for a scale-up that waits for no launch.
fn without_back_off(policy: &Policy) -> Policy {
    let mut policy = policy.clone();
    policy.timing.max_back_off = Duration::ZERO;
    policy
}

/// Whether instances may be terminated for this decision: also where agents are drained over several runs.
const fn may_terminate(policy: &Policy, decision: &ScalingDecision) -> bool {
    decision.delta < 0 || policy.scale_down.strategy.decommissions()
}

/// How far back activities matter: to tell young instances, for the cooldowns and for launches that fail.
fn activities_since(policy: &Policy, decision: &ScalingDecision, now: Timestamp) -> Timestamp {
    let longest =
        policy.timing.join_timeout.max(policy.timing.scale_down_cooldown).max(policy.timing.scale_up_cooldown);
    let longest = longest.max(plan::least_cooldown(decision, policy));
    let longest = SignedDuration::try_from(longest).unwrap_or(SignedDuration::MAX);
    now.saturating_sub(longest).unwrap_or(Timestamp::MIN).min(decision.snapshot_taken_at)
}
