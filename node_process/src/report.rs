//! A decision in a line, for logs and subject lines.

use shared::config::{Limits, Policy};
use shared::contract::{ScalingDecision, ScalingState, Step};
use shared::text::counted;

/// The subject line of a decision: its pool and the decision in a line.
#[must_use]
pub fn subject(decision: &ScalingDecision, policy: &Policy) -> String {
    format!("{}: {}", decision.pool, headline(decision, Some(policy)))
}

/// The decision in a line: `scale_down, -1, to 2 agents (limited by min = 2)`. Without the policy the limit is not named.
#[must_use]
pub fn headline(decision: &ScalingDecision, policy: Option<&Policy>) -> String {
    let limit = match (decision.state, policy) {
        (ScalingState::MinLimit, Some(policy)) => format!(" (limited by min = {})", policy.limits.min),
        (ScalingState::MaxLimit, Some(Policy { limits: Limits { max: Some(max), .. }, .. })) => {
            format!(" (limited by max = {max})")
        }
        _ => String::new(),
    };
    let state = match (limit.is_empty(), decision.delta) {
        (true, _) => decision.state,
        (false, 1..) => ScalingState::ScaleUp,
        (false, 0) => ScalingState::Normal,
        (false, _) => ScalingState::ScaleDown,
    };
    format!("{}, {}{limit}", state.name(), change(decision.delta, decision.target))
}

/// What a decision does to the number of agents: `-1, to 2 agents`.
#[must_use]
pub fn change(delta: i32, target: u32) -> String {
    match delta {
        0 => format!("stays at {}", counted(target, "agent")),
        delta => format!("{delta:+}, to {}", counted(target, "agent")),
    }
}

/// All steps in a line: `D1 10 -> 10: mem 71.2% (highest) is not below 50% | H2 10 -> 10: ...`.
#[must_use]
pub fn steps(decision: &ScalingDecision) -> String {
    let lines: Vec<String> = decision.steps.iter().map(step).collect();
    lines.join(" | ")
}

fn step(step: &Step) -> String {
    let application = step.application.as_ref().map(|name| format!(" (largest need: {name})")).unwrap_or_default();
    format!("{} {} -> {}: {}{application}", step.clause, step.agents_before, step.agents_after, step.reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::decide;
    use cluster::{Cluster, NOON, policy, resources};

    #[test]
    fn a_decision_reads_alone() {
        let cluster = Cluster::of(4, resources(4, 14_000));
        let free = policy("").unwrap();
        let decision = decide(&cluster.snapshot(), &free, NOON).unwrap();
        assert_eq!(subject(&decision, &free), "workers: scale_down, -1, to 3 agents");
        assert_eq!(
            steps(&decision),
            "D2 4 -> 3: cpus 0% (highest) is below 50%: removes 1 agent; stopped by max_scale_down_step = 1 | \
             H3 3 -> 3: headroom needs nothing: no task is displaced or queued, and no application grows | \
             U1 3 -> 3: cpus 0% (highest) is not above 80% | L1 3 -> 3: not below min = 1"
        );
        let at_min = policy("min = 4").unwrap();
        let decision = decide(&cluster.snapshot(), &at_min, NOON).unwrap();
        assert_eq!(subject(&decision, &at_min), "workers: normal, stays at 4 agents (limited by min = 4)");
        assert_eq!(headline(&decision, None), "min_limit, stays at 4 agents");
    }
}
