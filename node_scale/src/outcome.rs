//! The outcome of one record while it is built.

use jiff::Timestamp;
use shared::contract::{OutcomeAction, ScalingDecision, ScalingOutcome, ScalingState};
use shared::count::saturated;
use shared::error::Chain;
use shared::metric::{Figure, Metric, UNKNOWN_POOL};
use shared::text::clip;
use shared::time;

use crate::error::ScaleError;
use crate::group::CallError;
use crate::plan::{Change, Plan, Reason, TerminationTarget};
use crate::state::{Group, GroupState};

/// Whether a plan is applied: the one place where a dry run differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ApplyMode {
    /// Changes the group.
    Apply,
    /// Writes nothing anywhere.
    DryRun,
}

/// The most characters of a reason: it may name what a message names.
const MAX_REASON_CHARS: usize = 4000;

/// The most characters of a pool's name, far more than a configuration admits.
const MAX_NAME_CHARS: usize = 256;

/// The outcome of one record, before it is reported.
pub(crate) struct OutcomeBuilder {
    pub(crate) outcome: ScalingOutcome,
    pub(crate) metrics: Vec<Figure>,
    /// Whether the change is neither a scale-up nor a scale-down: [`Change::is_correction`].
    pub(crate) is_correction: bool,
    /// What a retry may solve.
    pub(crate) error: Option<ScaleError>,
}

impl OutcomeBuilder {
    /// The outcome of a decision for which nothing has been done yet.
    pub(crate) fn new(decision: Option<&ScalingDecision>, group: &str, mode: ApplyMode, now: Timestamp) -> Self {
        let outcome = ScalingOutcome {
            decision_id: decision.map(|decision| decision.id),
            at: time::truncate(now),
            pool: decision.map_or_else(|| UNKNOWN_POOL.to_owned(), |decision| pool_name(&decision.pool)),
            group: group.to_owned(),
            state: decision.map(|decision| decision.state),
            action: OutcomeAction::None,
            dry_run: mode == ApplyMode::DryRun,
            from: None,
            to: None,
            instances: Vec::new(),
            clause: None,
            reason: String::new(),
            notes: Vec::new(),
        };
        Self { outcome, metrics: Vec::new(), is_correction: false, error: None }
    }

    /// Sets what was done, and why.
    pub(crate) fn with(mut self, action: OutcomeAction, reason: impl Into<Reason>) -> Self {
        let Reason { clause, text } = reason.into();
        self.outcome.action = action;
        self.outcome.clause = clause;
        self.outcome.reason = clip(&text, MAX_REASON_CHARS);
        self
    }

    /// What a dry run would have done.
    pub(crate) fn would(mut self, change: &Change) -> Self {
        match change {
            Change::Increase(increase) => self.outcome.to = Some(increase.to),
            Change::Decrease { to, .. } | Change::Withdraw { to, .. } | Change::Raise { to, .. } => {
                self.outcome.to = Some(*to);
            }
            Change::Terminate { targets, .. } => targets.iter().for_each(|target| self.terminated(target)),
            Change::Deactivate { .. } | Change::Reactivate { .. } | Change::Drain { .. } => {}
        }
        self.with(OutcomeAction::DryRun, change.would())
    }

    /// One instance was terminated.
    pub(crate) fn terminated(&mut self, target: &TerminationTarget) {
        self.outcome.instances.push(target.instance_id.clone());
        self.outcome.to = self.outcome.to.map(|to| to.saturating_sub_unsigned(target.weight));
    }

    /// A call failed, and nothing was done.
    pub(crate) fn failed(mut self, source: CallError) -> Self {
        let reason = Chain::new(&source).to_string();
        self.error = Some(ScaleError::Call { pool: self.outcome.pool.clone(), source });
        self.with(OutcomeAction::Failed, reason)
    }

    /// What the plan and the group show.
    pub(crate) fn observed(mut self, plan: &Plan, state: Option<&GroupState>) -> Self {
        self.metrics.push(Metric::InFlightInstances.of(plan.in_flight));
        self.metrics.push(Metric::LaunchFailures.of(plan.launch_failures));
        self.metrics.push(Metric::NeverJoined.of(plan.never_joined));
        self.metrics.push(Metric::ScaleUpUnmet.of(plan.unmet));
        self.metrics.push(Metric::ScaleDownUnmet.of(plan.unremoved));
        self.metrics.push(Metric::StrandedAgents.of(plan.stranded));
        self.metrics.push(Metric::Paused.of(u8::from(plan.is_paused)));
        if let Some(state) = state {
            let instances = state.group.instances.iter().filter(|instance| instance.is_capacity()).count();
            let is_at_max = is_at_max(self.outcome.state, &state.group);
            self.metrics.push(Metric::AtMax.of(u8::from(is_at_max)));
            self.metrics.push(Metric::DesiredCapacity.of(state.group.desired_capacity));
            self.metrics.push(Metric::Instances.of(saturated(instances)));
        }
        self.outcome.from = state.map(|state| state.group.desired_capacity);
        self.outcome.to = self.outcome.from;
        self.outcome.notes.clone_from(&plan.notes);
        self
    }
}

/// A name as it may stand in attributes of messages: that of a message may be anything.
fn pool_name(name: &str) -> String {
    let name = clip(name, MAX_NAME_CHARS);
    if name.trim().is_empty() { UNKNOWN_POOL.to_owned() } else { name }
}

/// Whether more agents are needed than allowed: the pool's `max` shows in the decision, the group's own maximum only here.
fn is_at_max(state: Option<ScalingState>, group: &Group) -> bool {
    match state {
        Some(ScalingState::MaxLimit) => true,
        Some(ScalingState::ScaleUp) => group.desired_capacity >= group.max_size,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_need_above_the_limit_of_the_pool_or_the_group_is_at_max() {
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
}
