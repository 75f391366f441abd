//! A decision in words, for logs and subject lines.

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
