//! A decision in a line, for logs and subject lines.

use shared::contract::{ScalingDecision, Step};

/// The decision in a line: `workers: scale_up +2 (10 -> 12 agents)`.
#[must_use]
pub fn headline(decision: &ScalingDecision) -> String {
    let ScalingDecision { pool, delta, target, .. } = decision;
    let state = decision.state.name();
    match delta {
        0 => format!("{pool}: {state} ({target} agents)"),
        _ => format!("{pool}: {state} {delta:+} ({} -> {target} agents)", decision.agents.usable),
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
        let decision = decide(&cluster.snapshot(), &policy("").unwrap(), NOON).unwrap();
        assert_eq!(headline(&decision), "workers: scale_down -1 (4 -> 3 agents)");
        assert_eq!(
            steps(&decision),
            "D2 4 -> 3: cpus 0% (highest) is below 50%: removes 1 agent; stopped by max_scale_down_step = 1 | \
             H3 3 -> 3: headroom needs nothing: no task is displaced or queued, and no application grows | \
             U1 3 -> 3: cpus 0% (highest) is not above 80% | L1 3 -> 3: not below min = 1"
        );
        let decision = decide(&cluster.snapshot(), &policy("min = 4").unwrap(), NOON).unwrap();
        assert_eq!(headline(&decision), "workers: min_limit (4 agents)");
    }
}
