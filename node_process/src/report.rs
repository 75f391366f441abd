//! A decision in words, for logs and subject lines.

use shared::contract::{ScalingDecision, Step};

use crate::what_if::Change;

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

/// All steps in a line: `D1 10 -> 10: mem 71.2 % is not below 50 % | H2 10 -> 10: ...`.
#[must_use]
pub fn steps(decision: &ScalingDecision) -> String {
    let lines: Vec<String> = decision.steps.iter().map(step).collect();
    lines.join(" | ")
}

fn step(step: &Step) -> String {
    let application = step.application.as_ref().map(|name| format!(" [{name}]")).unwrap_or_default();
    format!("{} {} -> {}: {}{application}", step.clause, step.agents_before, step.agents_after, step.reason)
}

/// What would have to change: `with 12 % more load (cpus 81 %)`, `with max = none`.
#[must_use]
pub fn change(change: &Change) -> String {
    match change {
        Change::Load { load_percent, resource, utilization_percent } => {
            let (word, by) =
                if *load_percent < 100.0 { ("less", 100.0 - load_percent) } else { ("more", load_percent - 100.0) };
            // To a tenth, without a zero behind the point.
            let by = (10.0 * by).round() / 10.0;
            format!("with {by} % {word} load ({resource} {utilization_percent} %)")
        }
        Change::Cpu { cpu_utilization_percent } => format!("with a CPU utilization of {cpu_utilization_percent} %"),
        Change::Setting { setting, value } => format!("with {setting} = {value}"),
        Change::NoLimits => "without min, max and steps".to_owned(),
        Change::CompleteSnapshot => "with a complete view".to_owned(),
    }
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
            "D2 4 -> 3: cpus 0 % is below 50 %: takes out 1 agent (agent-0); then max_scale_down_step is 1 | \
             H3 3 -> 3: no room is needed: no task is displaced and no application is to grow | \
             U1 3 -> 3: cpus 0 % is not above 80 % | L1 3 -> 3: 3 agents, not below min 1"
        );
        let decision = decide(&cluster.snapshot(), &policy("min = 4").unwrap(), NOON).unwrap();
        assert_eq!(headline(&decision), "workers: min_limit (4 agents)");
    }
}
