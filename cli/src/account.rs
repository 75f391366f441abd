//! What was seen and decided, in words.

use std::io;

use node_gather::summarize::SeenAttributes;
use node_process::otherwise::Otherwise;
use node_process::report;
use shared::config::Policy;
use shared::contract::{ClusterSnapshot, ScalingDecision, Step};
use shared::resources::Kind;
use shared::time;

use crate::page::{Page, Tone};

/// What was seen of a pool, and why it may not be trusted where it may not.
///
/// # Errors
/// Where the page cannot be written.
pub fn sight(page: Page, snapshot: &ClusterSnapshot) -> io::Result<()> {
    page.field("seen", &seen(snapshot))?;
    let level = snapshot.completeness.level.name();
    snapshot.completeness.reasons.iter().try_for_each(|reason| page.field("", &format!("{level}: {reason}")))
}

/// What each clause said, what each rule alone would ask for, and what could not be placed.
///
/// # Errors
/// Where the page cannot be written.
pub fn steps(page: Page, decision: &ScalingDecision) -> io::Result<()> {
    for step in &decision.steps {
        let application = step.application.as_ref().map(|name| format!(" [{name}]")).unwrap_or_default();
        let (before, after) = (step.agents_before, step.agents_after);
        page.field(
            &format!("  {}", step.clause),
            &format!("{before} -> {after} agents: {}{application}", step.reason),
        )?;
    }
    let asks: Vec<String> = decision.steps.iter().filter_map(alone).collect();
    if asks.len() > 1 {
        page.field("alone", &format!("agents that each rule would ask for: {}", asks.join(", ")))?;
    }
    decision.unplaceable.iter().try_for_each(|unplaceable| {
        page.field("", &format!("unplaceable: {}: {}", unplaceable.application, unplaceable.reason))
    })
}

/// What a rule alone would ask for: `H 79`.
fn alone(step: &Step) -> Option<String> {
    step.agents_alone.map(|agents| format!("{} {agents}", step.clause.rule()))
}

/// The decision in a line.
///
/// # Errors
/// Where the page cannot be written.
pub fn verdict(page: Page, decision: &ScalingDecision) -> io::Result<()> {
    let change = words(decision.delta, decision.target);
    page.toned("decision", Tone::Title, &format!("{}, {change}", decision.state.name()))
}

/// The decision and the step that made it, in a line: the last that changed anything, or the last.
#[must_use]
pub fn summary(decision: &ScalingDecision) -> String {
    let changed = decision.steps.iter().rev().find(|step| step.agents_before != step.agents_after);
    let reason = changed.or(decision.steps.last()).map(|step| format!(": {}", step.reason)).unwrap_or_default();
    format!("{}, {}{reason}", decision.state.name(), words(decision.delta, decision.target))
}

fn words(delta: i32, target: u32) -> String {
    match delta {
        0 => format!("stays at {target} agents"),
        delta => format!("{delta:+}, to {target} agents"),
    }
}

/// What would have to change for another decision, a line each.
///
/// # Errors
/// Where the page cannot be written.
pub fn otherwise(page: Page, otherwise: &[Otherwise]) -> io::Result<()> {
    otherwise.iter().enumerate().try_for_each(|(index, other)| {
        let label = if index == 0 { "otherwise" } else { "" };
        let change = report::change(&other.change);
        page.field(label, &format!("{change}: {}", words(other.delta, other.target)))
    })
}

/// A snapshot in a line.
fn seen(snapshot: &ClusterSnapshot) -> String {
    let agents = &snapshot.agents;
    let mut words = vec![format!("{} agents, {} usable", agents.registered, agents.usable)];
    let others = [
        (agents.draining, "draining"),
        (agents.deactivated, "deactivated"),
        (agents.inactive, "inactive"),
        (agents.recovered, "not back yet"),
        (agents.unreachable, "unreachable"),
    ];
    words.extend(others.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")));
    // Of a group alone nobody knows what runs on it.
    if !snapshot.source.master.is_empty() {
        words.push(format!("{} tasks of {} applications", task_count(snapshot), snapshot.applications.len()));
    }
    let queued: u64 = snapshot.applications.iter().map(|application| u64::from(application.queued)).sum();
    if queued > 0 {
        words.push(format!("{queued} instances queued"));
    }
    words.extend([Kind::Cpus, Kind::Mem].into_iter().filter_map(|kind| utilization(snapshot, kind)));
    words.extend(snapshot.cpu_utilization_percent.map(|percent| format!("CPU utilization {percent} %")));
    words.push(format!("view {}", snapshot.completeness.level.name()));
    words.join(", ")
}

/// Where a snapshot comes from, in a line.
#[must_use]
pub fn source(snapshot: &ClusterSnapshot) -> String {
    let source = &snapshot.source;
    if source.master.is_empty() {
        return format!("CloudWatch and Auto Scaling, at {}", time::format(snapshot.taken_at));
    }
    let cluster = source.cluster.as_ref().map(|name| format!(", cluster {name}")).unwrap_or_default();
    format!("{}, Mesos {}{cluster}, at {}", source.master, source.mesos_version, time::format(snapshot.taken_at))
}

/// That no agent is of a pool, and what attributes others have.
///
/// # Errors
/// Where the page cannot be written.
pub fn nobody(page: Page, policy: &Policy, others: u32, attributes: &SeenAttributes) -> io::Result<()> {
    let wanted: Vec<String> = policy.attributes.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    if wanted.is_empty() {
        return page.toned("no agent", Tone::Bad, "no agent is registered with this master");
    }
    let wanted = wanted.join(", ");
    let text = match others {
        0 => format!("no agent with {wanted} is registered, nor any that no pool has"),
        _ => format!(
            "no registered agent has {wanted}; {others} agents are of no pool, with the attributes {attributes}"
        ),
    };
    page.toned("no agent", Tone::Bad, &text)
}

/// How many tasks the applications have.
#[must_use]
pub fn task_count(snapshot: &ClusterSnapshot) -> u64 {
    snapshot.applications.iter().map(|application| u64::from(application.task_count)).sum()
}

/// What is used of what there is, rounded to a tenth of a percent; `None` where there is nothing.
fn utilization(snapshot: &ClusterSnapshot, kind: Kind) -> Option<String> {
    let resources = snapshot.resources;
    let used = (resources.used + resources.displaced).get(kind).thousandths();
    let total = resources.total.get(kind).thousandths();
    // Amounts end far below where this could overflow.
    let tenths = (2000 * used + total).checked_div(2 * total)?;
    Some(format!("{kind} {}.{} %", tenths / 10, tenths % 10))
}
