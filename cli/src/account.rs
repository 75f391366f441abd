//! Snapshots, decisions and plans in words, for people who read them in a terminal.

use shared::config::Policy;
use shared::contract::{ClusterSnapshot, CompletenessLevel, ScalingDecision};
use shared::resources::{Amount, Kind};
use shared::time;

/// What was seen of a pool: a headline and a line for each resource that the pool has.
#[must_use]
pub fn sight(snapshot: &ClusterSnapshot) -> Vec<String> {
    let source = &snapshot.source;
    let cluster = source.cluster.as_deref().map(|name| format!(" \"{name}\"")).unwrap_or_default();
    let mut lines = vec![
        format!(
            "seen     {} at {} (Mesos {}{cluster})",
            time::format(snapshot.taken_at),
            source.master,
            source.mesos_version
        ),
        format!("view     {}", completeness(snapshot)),
        format!("agents   {}", agents(snapshot)),
        format!("tasks    {}", tasks(snapshot)),
    ];
    lines.extend(Kind::ALL.into_iter().filter_map(|kind| utilization(snapshot, kind)));
    lines
}

fn completeness(snapshot: &ClusterSnapshot) -> String {
    let completeness = &snapshot.completeness;
    if completeness.level == CompletenessLevel::Complete {
        return completeness.level.name().to_owned();
    }
    format!("{}: {}", completeness.level.name(), completeness.reasons.join("; "))
}

fn agents(snapshot: &ClusterSnapshot) -> String {
    let agents = &snapshot.agents;
    let others = [
        (agents.draining, "draining"),
        (agents.deactivated, "deactivated"),
        (agents.inactive, "inactive"),
        (agents.recovered, "not yet back"),
        (agents.unreachable, "unreachable"),
    ];
    let others = others.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!(", {count} {what}"));
    format!("{} usable{}", agents.usable, others.collect::<String>())
}

fn tasks(snapshot: &ClusterSnapshot) -> String {
    let count: u64 = snapshot.applications.iter().map(|application| u64::from(application.task_count)).sum();
    let applications = snapshot.applications.len();
    format!("{count} of {applications} application{}", if applications == 1 { "" } else { "s" })
}

/// `cpus     105.45 of 280 used (37.7 %)`, with what is displaced; `None` where there is nothing of the kind.
fn utilization(snapshot: &ClusterSnapshot, kind: Kind) -> Option<String> {
    let resources = &snapshot.resources;
    let (total, used, displaced) = (resources.total.get(kind), resources.used.get(kind), resources.displaced.get(kind));
    if total.is_zero() && displaced.is_zero() {
        return None;
    }
    let displaced = if displaced.is_zero() { String::new() } else { format!(", {displaced} to be placed again") };
    Some(format!("{:8} {used} of {total} used{}{displaced}", kind.name(), percent(used, total)))
}

fn percent(part: Amount, whole: Amount) -> String {
    let Some(permille) = (part.thousandths() * 1000).checked_div(whole.thousandths()) else { return String::new() };
    format!(" ({}.{} %)", permille / 10, permille % 10)
}

/// What each clause made of it and what was decided.
#[must_use]
pub fn decision(decision: &ScalingDecision) -> Vec<String> {
    let mut lines = Vec::new();
    for step in &decision.steps {
        let (before, after) = (step.agents_before, step.agents_after);
        let change = if before == after { format!("{after}") } else { format!("{before} -> {after}") };
        lines.push(format!("{:<4} {change:>9}   {}", step.clause, step.reason));
    }
    for unplaceable in &decision.unplaceable {
        lines.push(format!("cannot be placed: {} {}", unplaceable.application, unplaceable.reason));
    }
    lines.push(format!("decision {} {:+} (target {} agents)", decision.state.name(), decision.delta, decision.target));
    for agent in &decision.scale_down_agents {
        lines
            .push(format!("         would leave: {} ({}, {} tasks)", agent.agent_id, agent.hostname, agent.task_count));
    }
    lines
}

/// The pool and its group, the first line of an account.
#[must_use]
pub fn headline(policy: &Policy) -> String {
    format!("pool {:?} (Auto Scaling group {:?})", policy.pool, policy.group)
}
