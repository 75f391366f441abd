//! Snapshots and decisions as the commands print them.

use std::io;

use jiff::Timestamp;
use node_gather::summarize::SeenAttributes;
use node_process::report;
use node_process::what_if::WhatIf;
use shared::clause::Clause;
use shared::config::Policy;
use shared::contract::{ClusterSnapshot, CompletenessLevel, NotCounted, ScalingDecision, ScalingState, Step};
use shared::resources::Kind;
use shared::text::counted;
use shared::time;

use crate::decide::Undecided;
use crate::page::{Page, Tone};

/// The most entries of a list that are printed.
pub const FEW: usize = 5;

/// The first entries of a list, and how many more there are: `a; b; and 35 more`.
#[must_use]
pub fn cut(entries: &[String]) -> String {
    let shown = entries.iter().take(FEW).cloned();
    let more = entries.len().checked_sub(FEW).filter(|more| *more > 0).map(|more| format!("and {more} more"));
    shown.chain(more).collect::<Vec<_>>().join("; ")
}

/// A clause with its sentence: `B2: the last activity ended 4m ago`.
#[must_use]
pub fn with_clause(clause: Option<Clause>, reason: &str) -> String {
    clause.map_or_else(|| reason.to_owned(), |clause| format!("{clause}: {reason}"))
}

/// Where a snapshot comes from, what was observed, and why it cannot be trusted where it cannot.
///
/// # Errors
/// Where the page cannot be written.
pub fn snapshot(page: Page, snapshot: &ClusterSnapshot) -> io::Result<()> {
    page.field("source", &source(snapshot))?;
    observed(page, snapshot)
}

/// What was observed of a pool, and why it cannot be trusted where it cannot.
///
/// # Errors
/// Where the page cannot be written.
pub fn observed(page: Page, snapshot: &ClusterSnapshot) -> io::Result<()> {
    page.field("observed", &observation(snapshot))?;
    // A reason that does not lower the level is a note.
    let level = match snapshot.completeness.level {
        CompletenessLevel::Complete => "note",
        level => level.name(),
    };
    snapshot.completeness.reasons.iter().try_for_each(|reason| page.field("", &format!("{level}: {reason}")))?;
    let Some(role) = &snapshot.reserved_role else { return Ok(()) };
    page.field("", &format!("note: {}", reserved(role)))
}

/// What to do where all usable agents of a pool are reserved for a role that is not the pool's.
#[must_use]
pub fn reserved(role: &str) -> String {
    format!("all usable agents are reserved for another role; if its tasks run here, set role = {role:?}")
}

/// What each clause made of the number of agents, what each rule alone asks for, and what cannot be placed.
///
/// # Errors
/// Where the page cannot be written.
pub fn steps(page: Page, decision: &ScalingDecision) -> io::Result<()> {
    for Step { clause, agents_before, agents_after, reason, application, .. } in &decision.steps {
        let need = application.as_ref().map(|name| format!(" (largest need: {name})")).unwrap_or_default();
        page.field(&format!("{clause}  {agents_before} -> {agents_after}"), &format!("{reason}{need}"))?;
    }
    let asks: Vec<String> = decision.steps.iter().filter_map(alone).collect();
    if asks.len() > 1 {
        page.field("each rule alone", &format!("{} agents", asks.join(", ")))?;
    }
    let unplaceable: Vec<String> =
        decision.unplaceable.iter().map(|entry| format!("{}: {}", entry.application, entry.reason)).collect();
    if !unplaceable.is_empty() {
        page.field("unplaceable", &cut(&unplaceable))?;
    }
    not_counted(page, decision)
}

/// Queued instances that do not count, and what an operator should fix.
///
/// # Errors
/// Where the page cannot be written.
pub fn not_counted(page: Page, decision: &ScalingDecision) -> io::Result<()> {
    let entry = |entry: &NotCounted| {
        format!("{} of {}: {}", counted(entry.queued, "queued instance"), entry.application, entry.reason)
    };
    let entries: Vec<String> = decision.not_counted.iter().map(entry).collect();
    if !entries.is_empty() {
        page.field("not counted", &cut(&entries))?;
    }
    decision.notes.iter().try_for_each(|note| page.field("note", note))
}

/// What a rule alone asks for: `H 79`.
fn alone(step: &Step) -> Option<String> {
    step.agents_alone.map(|agents| format!("{} {agents}", step.clause.rule()))
}

/// What a pool has learned of the growth of its demand, in a sentence; `None` where its snapshot does not say.
#[must_use]
pub fn learned(snapshot: &ClusterSnapshot, policy: &Policy, now: Timestamp) -> Option<String> {
    let growth = snapshot.growth?;
    let learned = node_process::explain(snapshot, policy, now).ok().and_then(|explanation| explanation.learned());
    Some(
        learned.map_or_else(
            || format!("nothing yet, from {}", counted(growth.samples, "run")),
            |learned| learned.to_string(),
        ),
    )
}

/// The decision in a line.
///
/// # Errors
/// Where the page cannot be written.
pub fn decision(page: Page, decision: &ScalingDecision, policy: Option<&Policy>) -> io::Result<()> {
    page.toned("decision", tone(decision.state), &report::headline(decision, policy))
}

/// Green where nothing is to be done, yellow where something cannot be, red where something is.
#[must_use]
pub const fn tone(state: ScalingState) -> Tone {
    match state {
        ScalingState::Normal => Tone::Good,
        ScalingState::Held | ScalingState::MaxLimit | ScalingState::MinLimit => Tone::Held,
        ScalingState::ScaleUp | ScalingState::ScaleDown => Tone::Bad,
    }
}

/// Why there is no decision.
///
/// # Errors
/// Where the page cannot be written.
pub fn undecided(page: Page, undecided: &Undecided) -> io::Result<()> {
    page.field("decision", &format!("none: {undecided}"))
}

/// The decision and the step that made it, in a line: the last that changed the number of agents, or the last.
#[must_use]
pub fn summary(decision: &ScalingDecision, policy: Option<&Policy>) -> String {
    let changed = decision.steps.iter().rev().find(|step| step.agents_before != step.agents_after);
    let reason = changed.or(decision.steps.last()).map(|step| format!(": {}: {}", step.clause, step.reason));
    format!("{}{}", report::headline(decision, policy), reason.unwrap_or_default())
}

/// The nearest changes to another decision, a line each.
///
/// # Errors
/// Where the page cannot be written.
pub fn what_if(page: Page, what_if: &[WhatIf]) -> io::Result<()> {
    what_if.iter().enumerate().try_for_each(|(index, other)| {
        let label = if index == 0 { "what if" } else { "" };
        page.field(label, &format!("{}: {}", other.change, report::change(other.delta, other.target)))
    })
}

/// A snapshot in a line: its agents; its tasks; its utilization; its completeness.
fn observation(snapshot: &ClusterSnapshot) -> String {
    let mut parts = vec![agents(snapshot)];
    // A pool of a group alone has no tasks that could be known.
    if !snapshot.source.master.is_empty() {
        parts.push(tasks(snapshot));
    }
    let utilization = [Kind::Cpus, Kind::Mem].into_iter().filter_map(|kind| utilization(snapshot, kind));
    let cpu = snapshot.cpu_utilization_percent.map(|percent| format!("CPU utilization {percent}%"));
    let utilization: Vec<String> = utilization.chain(cpu).collect();
    if !utilization.is_empty() {
        parts.push(utilization.join(", "));
    }
    parts.push(format!("snapshot {}", snapshot.completeness.level.name()));
    parts.join("; ")
}

fn agents(snapshot: &ClusterSnapshot) -> String {
    let agents = &snapshot.agents;
    let usable =
        if agents.usable == agents.registered { "all usable".to_owned() } else { format!("{} usable", agents.usable) };
    let mut words = vec![counted(agents.registered, "agent")];
    words.extend((agents.registered > 0).then_some(usable));
    let others = [
        (agents.draining, "draining"),
        (agents.deactivated, "deactivated"),
        (agents.inactive, "inactive"),
        (agents.recovered, "not re-registered"),
        (agents.unreachable, "unreachable"),
    ];
    words.extend(others.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")));
    words.join(", ")
}

fn tasks(snapshot: &ClusterSnapshot) -> String {
    let queued: u64 = snapshot.applications.iter().map(|application| u64::from(application.queued)).sum();
    let queued = if queued > 0 { format!(", {} queued", counted(queued, "instance")) } else { String::new() };
    let applications = u64::try_from(snapshot.applications.len()).unwrap_or(u64::MAX);
    format!("{}, {}{queued}", counted(task_count(snapshot), "task"), counted(applications, "application"))
}

/// Where a snapshot comes from, in a line.
#[must_use]
pub fn source(snapshot: &ClusterSnapshot) -> String {
    let source = &snapshot.source;
    let taken_at = time::format(snapshot.taken_at);
    if source.master.is_empty() {
        return format!("CloudWatch and Auto Scaling, {taken_at}");
    }
    let cluster = source.cluster.as_ref().map(|name| format!(", cluster {name}")).unwrap_or_default();
    format!("{}, Mesos {}{cluster}, {taken_at}", source.master, source.mesos_version)
}

/// That no agent matches a pool, and which attributes the others have.
///
/// # Errors
/// Where the page cannot be written.
pub fn no_agents_matched(page: Page, policy: &Policy, others: u32, attributes: &SeenAttributes) -> io::Result<()> {
    page.flagged("no agent", Tone::Bad, &none_matched(policy, others, attributes))
}

/// Why a pool has no agent, where so many agents with these attributes belong to no pool.
#[must_use]
pub fn none_matched(policy: &Policy, others: u32, attributes: &SeenAttributes) -> String {
    let expected: Vec<String> = policy.attributes.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    match (expected.join(", "), others) {
        (expected, _) if expected.is_empty() => "no agent is registered with this master".to_owned(),
        (expected, 0) => {
            format!("no registered agent has {expected}: none is registered, or all belong to other pools")
        }
        (expected, others) => {
            format!(
                "no registered agent has {expected}; {} no pool, with the attributes {attributes}",
                if others == 1 { "1 agent matches".to_owned() } else { format!("{others} agents match") }
            )
        }
    }
}

/// How many tasks the applications have.
#[must_use]
pub fn task_count(snapshot: &ClusterSnapshot) -> u64 {
    snapshot.applications.iter().map(|application| u64::from(application.task_count)).sum()
}

/// The share in use, rounded to a tenth of a percent; `None` where there is nothing to use.
fn utilization(snapshot: &ClusterSnapshot, kind: Kind) -> Option<String> {
    let resources = snapshot.resources;
    let used = (resources.used + resources.displaced).get(kind).thousandths();
    let total = resources.total.get(kind).thousandths();
    // Amounts end far below where this could overflow.
    let tenths = (2000 * used + total).checked_div(2 * total)?;
    Some(format!("{kind} {}.{}%", tenths / 10, tenths % 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut_at_five() {
        let list = |count: usize| (1..=count).map(|number| number.to_string()).collect::<Vec<_>>();
        assert_eq!(cut(&list(0)), "");
        assert_eq!(cut(&list(5)), "1; 2; 3; 4; 5");
        assert_eq!(cut(&list(40)), "1; 2; 3; 4; 5; and 35 more");
    }
}
