//! The order of the IO: read a snapshot, decide, publish.

use aws_lambda_events::event::sns::SnsEvent;
use jiff::Timestamp;
use shared::clause::Rule;
use shared::config::{CheckKind, Policy};
use shared::contract::{self, ClusterSnapshot, EncodeError, ScalingDecision};
use shared::count::saturated;
use shared::error::{Chain, Failure};
use shared::metric::{Figure, Metric, UNKNOWN_POOL};
use shared::sns::{self, PublishError, RecordError};
use shared::telemetry::{self, Record};
use thiserror::Error;

use crate::algorithm::Expired;
use crate::check::{Check, Standard};
use crate::config::Settings;
use crate::report;

/// Everything that is needed to answer an event; built once, when the function starts.
#[derive(Clone, Debug)]
pub struct Handler<C = Standard> {
    settings: Settings,
    check: C,
}

/// Why an event should be delivered again.
#[derive(Debug, Error)]
pub enum ProcessError {
    /// Decisions were made but could not be handed on.
    #[error("{failed} of {records} records led to a decision that was not published")]
    NotPublished {
        /// How many.
        failed: usize,
        /// Of how many.
        records: usize,
        /// The first failure.
        source: PublishError,
    },
}

impl Failure for ProcessError {
    fn class(&self) -> &'static str {
        match self {
            Self::NotPublished { .. } => "Decision.NotPublished",
        }
    }
}

/// Why a snapshot leads to no decision. Delivering it again mends none of these.
#[derive(Debug, Error)]
enum Refusal {
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("there is no pool {0:?} in the configuration; deploy the same one to all functions")]
    UnknownPool(String),
    #[error(transparent)]
    Expired(#[from] Expired),
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

impl<C: Check> Handler<C> {
    /// A handler that decides by that check.
    #[must_use]
    pub const fn new(settings: Settings, check: C) -> Self {
        Self { settings, check }
    }

    /// Answers every record of the event with a decision, each on its own: a bad record does not hide another.
    /// A record that another delivery cannot mend is reported and not tried again.
    ///
    /// # Errors
    /// Where a decision could not be published.
    pub async fn handle(&self, event: &SnsEvent, now: Timestamp) -> Result<(), ProcessError> {
        let mut failures = Vec::new();
        for message in sns::messages(event, self.settings.snapshot_topic_arn.as_deref()) {
            match self.answer(message, now).await {
                Ok(Ok(())) => {}
                Ok(Err(failure)) => {
                    tracing::error!(reason = %Chain::new(&failure), "a decision was not published");
                    failures.push(failure);
                }
                Err((pool, refusal)) => report_refusal(&pool, &refusal, now),
            }
        }
        let failed = failures.len();
        match failures.into_iter().next() {
            None => Ok(()),
            Some(source) => Err(ProcessError::NotPublished { failed, records: event.records.len(), source }),
        }
    }

    /// The inner result is that of publishing; a refusal comes with the pool, as far as it is known.
    async fn answer(
        &self,
        message: Result<ClusterSnapshot, RecordError>,
        now: Timestamp,
    ) -> Result<Result<(), PublishError>, (String, Refusal)> {
        let snapshot = message.map_err(|error| (UNKNOWN_POOL.to_owned(), error.into()))?;
        let Some(policy) = self.settings.config.pool(&snapshot.pool) else {
            // A name that is not in the configuration names no metric.
            let name = snapshot.pool.chars().take(100).collect();
            return Err((UNKNOWN_POOL.to_owned(), Refusal::UnknownPool(name)));
        };
        if policy.check == CheckKind::Custom {
            tracing::debug!(pool = policy.pool, "left to the custom check of the pool");
            return Ok(Ok(()));
        }
        let refused = |refusal| (policy.pool.clone(), refusal);
        let decision = self.check.decide(&snapshot, policy, now).map_err(|error| refused(error.into()))?;
        report_decision(&snapshot, &decision, policy, now);
        let message = contract::encode(&decision).map_err(|error| refused(error.into()))?;
        Ok(self.settings.decision_topic.publish(message, Some(&report::subject(&decision, policy))).await)
    }
}

impl Refusal {
    /// The value that metrics are searched by.
    const fn outcome(&self) -> &'static str {
        match self {
            Self::Record(RecordError::WrongTopic { .. }) => "wrong_topic",
            Self::Record(RecordError::Unreadable { .. }) => "unreadable",
            Self::UnknownPool(_) => "unknown_pool",
            Self::Expired(_) => "expired",
            Self::Encode(_) => "too_large",
        }
    }
}

fn report_refusal(pool: &str, refusal: &Refusal, now: Timestamp) {
    let outcome = refusal.outcome();
    let reason = Chain::new(refusal).to_string();
    match refusal {
        // Late messages happen; the next snapshot replaces them.
        Refusal::Expired(_) => tracing::warn!(pool, outcome, reason, "no decision: {reason}"),
        _ => tracing::error!(pool, outcome, reason, "no decision: {reason}"),
    }
    let metric = if matches!(refusal, Refusal::Expired(_)) { Metric::Expired } else { Metric::Refused };
    let properties = vec![("Outcome", outcome.to_owned()), ("Reason", reason)];
    telemetry::emit(&Record { at: now, pool, properties, metrics: vec![metric.of(1)] });
}

fn report_decision(snapshot: &ClusterSnapshot, decision: &ScalingDecision, policy: &Policy, now: Timestamp) {
    let unplaceable: Vec<String> =
        decision.unplaceable.iter().map(|entry| format!("{}: {}", entry.application, entry.reason)).collect();
    let not_counted: Vec<String> =
        decision.not_counted.iter().map(|entry| format!("{}: {}", entry.application, entry.reason)).collect();
    tracing::info!(
        pool = decision.pool,
        decision_id = %decision.id,
        snapshot_id = %snapshot.id,
        completeness = snapshot.completeness.level.name(),
        state = decision.state.name(),
        delta = decision.delta,
        target = decision.target,
        usable = decision.agents.usable,
        steps = report::steps(decision),
        unplaceable = unplaceable.join(" | "),
        not_counted = not_counted.join(" | "),
        notes = decision.notes.join(" | "),
        "{}", report::subject(decision, policy)
    );
    telemetry::emit(&Record {
        at: now,
        pool: &decision.pool,
        properties: vec![
            ("Outcome", "decided".to_owned()),
            ("State", decision.state.name().to_owned()),
            ("DecisionId", decision.id.to_string()),
            ("SnapshotId", snapshot.id.to_string()),
        ],
        metrics: metrics(snapshot, decision, now),
    });
}

/// H: how many agents headroom keeps and adds.
fn headroom_shortfall(decision: &ScalingDecision) -> u32 {
    let headroom = decision.steps.iter().find(|step| step.clause.rule() == Rule::Headroom);
    headroom.map_or(0, |step| step.agents_after.saturating_sub(step.agents_before))
}

/// The metrics of a decision. Those of agents and utilization are `node_gather`'s and would count twice.
fn metrics(snapshot: &ClusterSnapshot, decision: &ScalingDecision, now: Timestamp) -> Vec<Figure> {
    let unplaceable = saturated(decision.unplaceable.len());
    vec![
        Metric::Delta.of(decision.delta),
        Metric::Target.of(decision.target),
        Metric::HeadroomShortfall.of(headroom_shortfall(decision)),
        Metric::UnplaceableApplications.of(unplaceable),
        Metric::SnapshotAge.of(now.duration_since(snapshot.taken_at).as_secs_f64()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide;
    use cluster::{Cluster, NOON, policy, resources};

    #[test]
    fn the_shortfall_counts_what_headroom_keeps_and_adds() {
        let full = Cluster::of(5, resources(4, 14_000)).running("/shop/web", 18, resources(1, 1000)).snapshot();
        for (settings, delta, shortfall) in
            [("application_headroom_percent = 0", 1, 0), ("application_headroom_percent = 50", 2, 2)]
        {
            let decision = decide(&full, &policy(settings).unwrap(), NOON).unwrap();
            assert_eq!((decision.delta, headroom_shortfall(&decision)), (delta, shortfall), "{decision:#?}");
        }
    }
}
