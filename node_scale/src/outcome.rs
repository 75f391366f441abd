//! How what was done is told: a log line, metrics and a message, the same record three times.

use jiff::{SignedDuration, Timestamp};
use shared::clause::Clause;
use shared::contract::{OutcomeAction, ScalingDecision, ScalingOutcome, ScalingState, encode};
use shared::error::Chain;
use shared::metric::{Figure, Metric};
use shared::telemetry::{self, Record};
use shared::time;

use crate::group::CallError;
use crate::handler::{Handler, Hands, ScaleError};
use crate::plan::{Plan, Reason};
use crate::state::{Group, GroupState};

/// Stands for the pool where none is known.
const UNKNOWN_POOL: &str = "unknown";

/// What came of one record, before it is told.
pub(crate) struct Ending {
    pub(crate) outcome: ScalingOutcome,
    pub(crate) metrics: Vec<Figure>,
    /// What trying again may mend.
    pub(crate) error: Option<ScaleError>,
}

impl Ending {
    /// The ending of a decision about which nothing has been done yet.
    pub(crate) fn new(decision: Option<&ScalingDecision>, group: &str, hands: Hands, now: Timestamp) -> Self {
        let outcome = ScalingOutcome {
            decision_id: decision.map(|decision| decision.id),
            at: time::truncate(now),
            pool: decision.map_or(UNKNOWN_POOL, |decision| decision.pool.as_str()).to_owned(),
            group: group.to_owned(),
            state: decision.map(|decision| decision.state),
            action: OutcomeAction::None,
            dry_run: hands == Hands::Tied,
            from: None,
            to: None,
            instances: Vec::new(),
            clause: None,
            reason: String::new(),
            notes: Vec::new(),
        };
        Self { outcome, metrics: Vec::new(), error: None }
    }

    /// Says what was done, and why.
    pub(crate) fn with(mut self, action: OutcomeAction, reason: impl Into<Reason>) -> Self {
        let Reason { clause, text } = reason.into();
        self.outcome.action = action;
        self.outcome.clause = clause;
        self.outcome.reason = text;
        self
    }

    /// A dry run; `wish`: what would have been done.
    pub(crate) fn dry(self, wish: &str) -> Self {
        self.with(OutcomeAction::DryRun, format!("dry run: would {wish}"))
    }

    /// A call failed, and nothing was done.
    pub(crate) fn failed(mut self, source: CallError) -> Self {
        let reason = Chain::new(&source).to_string();
        self.error = Some(ScaleError::Call { pool: self.outcome.pool.clone(), source });
        self.with(OutcomeAction::Failed, reason)
    }

    /// What the group and the plan tell.
    pub(crate) fn seen(mut self, plan: &Plan, state: Option<&GroupState>) -> Self {
        self.metrics.push(Metric::InFlightInstances.of(plan.coming));
        self.metrics.push(Metric::LaunchFailures.of(plan.launch_failures));
        self.metrics.push(Metric::NeverJoined.of(plan.never_joined));
        if let Some(state) = state {
            let instances = state.group.instances.iter().filter(|instance| instance.is_capacity()).count();
            let is_at_max = is_at_max(self.outcome.state, &state.group);
            self.metrics.push(Metric::AtMax.of(u8::from(is_at_max)));
            self.metrics.push(Metric::DesiredCapacity.of(state.group.desired_capacity));
            self.metrics.push(Metric::Instances.of(u32::try_from(instances).unwrap_or(u32::MAX)));
        }
        self.outcome.from = state.map(|state| state.group.desired_capacity);
        self.outcome.to = self.outcome.from;
        self.outcome.notes.clone_from(&plan.notes);
        self
    }
}

impl Handler {
    /// Log, metric and message: the same outcome three times.
    pub(crate) async fn tell(&self, ending: &Ending, now: Timestamp) -> Result<(), ScaleError> {
        let outcome = &ending.outcome;
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
            // What somebody else calls a pool is no name for a metric of ours.
            pool: self.config.pool(&outcome.pool).map_or(UNKNOWN_POOL, |policy| policy.pool.as_str()),
            properties: vec![
                ("Stage", "node_scale".to_owned()),
                ("Action", outcome.action.name().to_owned()),
                ("Clause", clause.unwrap_or_default().to_owned()),
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

/// How old what was decided upon is, and how long the group took.
pub(crate) fn time_metrics(decision: &ScalingDecision, begun: Timestamp, ended: Timestamp) -> [Figure; 2] {
    let seconds = |duration: SignedDuration| duration.as_secs_f64();
    [
        Metric::ActionAge.of(seconds(ended.duration_since(decision.snapshot_taken_at))),
        Metric::ActionTime.of(seconds(ended.duration_since(begun))),
    ]
}

/// Whether more is wanted than may be had: the pool's `max` shows in the decision, the group's own maximum only here.
fn is_at_max(state: Option<ScalingState>, group: &Group) -> bool {
    match state {
        Some(ScalingState::MaxLimit) => true,
        Some(ScalingState::ScaleUp) => group.desired_capacity >= group.max_size,
        _ => false,
    }
}

fn action_metrics(outcome: &ScalingOutcome) -> [Figure; 6] {
    let acted = |action| f64::from(u8::from(outcome.action == action));
    let change = match (outcome.from, outcome.to) {
        (Some(from), Some(to)) if outcome.action != OutcomeAction::DryRun => to.saturating_sub(from),
        _ => 0,
    };
    [
        Metric::CapacityChange.of(change),
        Metric::Outcomes.of(1),
        Metric::BackedOff.of(acted(OutcomeAction::BackedOff)),
        Metric::Refused.of(acted(OutcomeAction::Refused)),
        Metric::Failed.of(acted(OutcomeAction::Failed)),
        Metric::Notes.of(u32::try_from(outcome.notes.len()).unwrap_or(u32::MAX)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_the_pool_or_the_group_allows_is_told() {
        let group = |desired_capacity| -> Group {
            let json = format!(
                r#"{{"AutoScalingGroupName":"asg","MinSize":1,"MaxSize":10,"DesiredCapacity":{desired_capacity},"Instances":[]}}"#
            );
            serde_json::from_str(&json).unwrap()
        };
        assert!(is_at_max(Some(ScalingState::ScaleUp), &group(10)));
        assert!(!is_at_max(Some(ScalingState::ScaleUp), &group(9)));
        assert!(is_at_max(Some(ScalingState::MaxLimit), &group(5)));
        assert!(!is_at_max(Some(ScalingState::Normal), &group(10)));
        assert!(!is_at_max(None, &group(10)));
    }

    #[test]
    fn what_a_dry_run_would_have_done_is_no_change_and_no_refusal() {
        let dry = Ending::new(None, "asg", Hands::Tied, Timestamp::UNIX_EPOCH);
        let dry = dry.dry("increase desired capacity 3 -> 5");
        let outcome = ScalingOutcome { from: Some(3), to: Some(5), ..dry.outcome };
        let told = (outcome.action, outcome.clause, outcome.reason.as_str());
        assert_eq!(told, (OutcomeAction::DryRun, None, "dry run: would increase desired capacity 3 -> 5"));
        let value = |metric| {
            let figures = action_metrics(&outcome);
            figures.iter().find(|figure| figure.metric == metric).map(|figure| figure.value)
        };
        assert_eq!((value(Metric::CapacityChange), value(Metric::Refused)), (Some(0.0), Some(0.0)));
    }
}
