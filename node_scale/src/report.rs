//! How an outcome is reported: a log line, metrics and a message, the same record three times.

use jiff::{SignedDuration, Timestamp};
use shared::clause::Clause;
use shared::config::Config;
use shared::contract::{OutcomeAction, ScalingDecision, ScalingOutcome, encode};
use shared::count::saturated;
use shared::metric::{Figure, Metric, UNKNOWN_POOL};
use shared::sns::Topic;
use shared::telemetry::{self, Record};

use crate::error::ScaleError;
use crate::outcome::OutcomeBuilder;

/// Writes the log line and the metrics, and publishes the message where there is a topic for it.
pub(crate) async fn report(
    built: &OutcomeBuilder,
    config: &Config,
    topic: Option<&Topic>,
    now: Timestamp,
) -> Result<(), ScaleError> {
    let outcome = &built.outcome;
    let clause = outcome.clause.map(Clause::name);
    tracing::info!(
        pool = outcome.pool,
        group = outcome.group,
        decision_id = outcome.decision_id.map(tracing::field::display),
        state = outcome.state.map_or("unknown", |state| state.name()),
        action = outcome.action.name(),
        clause,
        dry_run = outcome.dry_run,
        from = outcome.from,
        to = outcome.to,
        instances = outcome.instances.join(" "),
        reason = outcome.reason,
        notes = outcome.notes.join("; "),
        "outcome"
    );
    telemetry::emit(&Record {
        at: now,
        // A pool of an unknown name must not create metrics.
        pool: config.pool(&outcome.pool).map_or(UNKNOWN_POOL, |policy| policy.pool.as_str()),
        properties: vec![
            ("Stage", "node_scale".to_owned()),
            ("Action", outcome.action.name().to_owned()),
            ("Clause", clause.unwrap_or_default().to_owned()),
            ("Reason", outcome.reason.clone()),
        ],
        metrics: [built.metrics.as_slice(), &action_metrics(built)].concat(),
    });
    let Some(topic) = topic else { return Ok(()) };
    topic
        .publish(encode(outcome)?, Some(&subject(outcome)))
        .await
        .map_err(|source| ScaleError::Publish { pool: outcome.pool.clone(), source })
}

/// How old the snapshot is by now, and how long the record took.
pub(crate) fn time_metrics(decision: &ScalingDecision, begun: Timestamp, ended: Timestamp) -> [Figure; 2] {
    let seconds = |duration: SignedDuration| duration.as_secs_f64();
    [
        Metric::ActionAge.of(seconds(ended.duration_since(decision.snapshot_taken_at))),
        Metric::ActionTime.of(seconds(ended.duration_since(begun))),
    ]
}

fn action_metrics(built: &OutcomeBuilder) -> [Figure; 6] {
    let outcome = &built.outcome;
    let acted = |action| f64::from(u8::from(outcome.action == action));
    let change = match (outcome.from, outcome.to) {
        // What is withdrawn, or raised for a termination, is no step in either direction.
        (Some(from), Some(to)) if outcome.action != OutcomeAction::DryRun && !built.is_correction => {
            to.saturating_sub(from)
        }
        _ => 0,
    };
    [
        Metric::CapacityChange.of(change),
        Metric::Outcomes.of(1),
        Metric::BackedOff.of(acted(OutcomeAction::BackedOff)),
        Metric::Refused.of(acted(OutcomeAction::Refused)),
        Metric::Failed.of(acted(OutcomeAction::Failed)),
        Metric::Notes.of(saturated(outcome.notes.len())),
    ]
}

/// One line for people who read outcomes by email.
fn subject(outcome: &ScalingOutcome) -> String {
    let what = match (outcome.action, outcome.from, outcome.to) {
        (OutcomeAction::ScaledUp | OutcomeAction::ScaledDown, Some(from), Some(to)) => format!("{from} -> {to}"),
        (_, Some(from), _) => format!("stays at {from}"),
        _ => "not read".to_owned(),
    };
    format!("{}: {} ({what})", outcome.pool, outcome.action.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::ApplyMode;
    use crate::plan::{Change, Increase};

    #[test]
    fn a_dry_run_is_no_change_and_no_refusal() {
        let change = Change::Increase(Increase {
            from: 3,
            to: 5,
            needed: 2,
            in_flight: 0,
            reactivated: 0,
            floor: None,
            max: None,
        });
        let mut built = OutcomeBuilder::new(None, "asg", ApplyMode::DryRun, Timestamp::UNIX_EPOCH).would(&change);
        built.outcome.from = Some(3);
        let outcome = &built.outcome;
        let reported = (outcome.action, outcome.clause, outcome.to, outcome.reason.as_str());
        let expected = (OutcomeAction::DryRun, None, Some(5), "dry run: would increase desired capacity 3 -> 5");
        assert_eq!(reported, expected);
        let value = |metric| {
            let figures = action_metrics(&built);
            figures.iter().find(|figure| figure.metric == metric).map(|figure| figure.value)
        };
        assert_eq!((value(Metric::CapacityChange), value(Metric::Refused)), (Some(0.0), Some(0.0)));
    }

    #[test]
    fn what_is_withdrawn_or_raised_is_no_scaling_in_either_direction() {
        let change = |from: i32, to: i32, change: &Change| {
            let mut built = OutcomeBuilder::new(None, "asg", ApplyMode::Apply, Timestamp::UNIX_EPOCH);
            (built.outcome.from, built.outcome.to) = (Some(from), Some(to));
            built.is_correction = change.is_correction();
            let figures = action_metrics(&built);
            figures.iter().find(|figure| figure.metric == Metric::CapacityChange).map(|figure| figure.value)
        };
        assert_eq!(change(16, 7, &Change::Withdraw { from: 16, to: 7 }), Some(0.0));
        assert_eq!(change(5, 8, &Change::Raise { from: 5, to: 8 }), Some(0.0));
        assert_eq!(change(8, 5, &Change::Decrease { from: 8, to: 5 }), Some(-3.0));
    }
}
