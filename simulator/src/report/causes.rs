//! Who waited longest and what held the agents back, and what moved tasks.

use std::cmp::Reverse;

use shared::clause::Clause;

use super::Contestant;
use super::figures::{duration, minute, number, tail};
use super::markup::{self, Markup, column, element, table};
use crate::measure::{ActionKind, Hold, Wait};
use crate::moved::{self, Moved};
use crate::results::Run;

/// The longest waits: those of the first policy, and folded those of the others.
pub(super) fn waits(contestants: &[Contestant<'_>]) -> Markup {
    let Some(first) = contestants.first() else { return Markup::default() };
    let others = contestants.iter().skip(1).filter(|contestant| has_waits(contestant)).map(|contestant| {
        element("details").holding([element("summary").text(contestant.name), waits_of(contestant, false)])
    });
    element("section").with("id", "waits").holding([
        element("h2").text("Longest waits"),
        element("p")
            .class("note")
            .text(format_args!("of {}, with the clause that put off a change last in that time", first.name)),
        if has_waits(first) { waits_of(first, true) } else { element("p").text("Nothing waited.") },
        others.collect(),
    ])
}

fn has_waits(contestant: &Contestant<'_>) -> bool {
    contestant.runs.iter().any(|run| !run.worst_waits.is_empty())
}

fn waits_of(contestant: &Contestant<'_>, is_first: bool) -> Markup {
    let mut waits: Vec<(&Run, &Wait)> =
        contestant.runs.iter().flat_map(|run| run.worst_waits.iter().map(move |wait| (run, wait))).collect();
    waits.sort_by_key(|(_, wait)| Reverse(wait.length()));
    waits.truncate(5);
    let many = contestant.runs.len() > 1;
    // The timeline is that of the first run.
    let shown = contestant.runs.first().map(|run| run.seed).filter(|_| is_first);
    let rows = waits.into_iter().map(|(run, wait)| {
        let when = if many { format!("{}, seed {}", minute(wait.from), run.seed) } else { minute(wait.from) };
        let show = if shown == Some(run.seed) {
            let button = element("button").with("type", "button").with("data-from", wait.from.as_millisecond());
            button.with("data-to", wait.to.as_millisecond()).flag("hidden").text("show")
        } else {
            Markup::default()
        };
        let cells = [
            element("td").holding([Markup::text(when), show]),
            element("td").class("text").with("title", &wait.application).text(tail(&wait.application, 40)),
            element("td").text(duration(wait.to.duration_since(wait.from))),
            element("td").class("text").text(held_by(run, wait)),
        ];
        element("tr").holding(cells)
    });
    let heads = [column().text("since"), text_column("application"), column().text("waited"), text_column("held by")];
    table("", "longest waits", heads, rows.collect::<Markup>())
}

/// The clause, and the reason of the hold.
fn held_by(run: &Run, wait: &Wait) -> String {
    let Some(clause) = wait.clause else { return "nothing: no change was put off".to_owned() };
    let is_it = |hold: &&Hold| hold.clause == Some(clause) && hold.from < wait.to && hold.to > wait.from;
    match run.holds.iter().rfind(is_it) {
        Some(hold) if !hold.reason.is_empty() => format!("{clause}: {}", shared::text::clip(&hold.reason, 200)),
        _ => format!("{clause}: {}", about(clause)),
    }
}

/// What moved tasks, and how many.
pub(super) fn moved(contestants: &[Contestant<'_>]) -> Markup {
    let rows: Vec<Markup> = contestants.iter().flat_map(moved_rows).collect();
    let content = if rows.is_empty() {
        element("p").text("No policy moved a task.")
    } else {
        let counts = ["actions", "moved tasks", "killed jobs"].map(|head| column().text(head));
        let heads = [column().text("policy"), text_column("cause")].into_iter().chain(counts);
        table("", "moved tasks", heads, rows)
    };
    let many = contestants.iter().any(|contestant| contestant.runs.len() > 1);
    let note = if many {
        "Tasks of services that were ended and placed again, and jobs that start again from 0; means of all seeds."
    } else {
        "Tasks of services that were ended and placed again, and jobs that start again from 0."
    };
    element("section").with("id", "moved").holding([
        element("h2").text("Moved tasks"),
        element("p").class("note").text(note),
        content,
    ])
}

fn moved_rows(contestant: &Contestant<'_>) -> Vec<Markup> {
    let row = |(place, cause): (usize, Moved)| {
        let name = if place == 0 { tail(contestant.name, 34) } else { String::new() };
        element("tr").holding([
            markup::row().with("title", contestant.name).text(name),
            element("td").class("text").text(named(&cause)),
            element("td").text(number(cause.actions)),
            element("td").text(number(cause.moved_tasks)),
            element("td").text(number(cause.killed_tasks)),
        ])
    };
    moved::by_cause(contestant.runs).into_iter().enumerate().map(row).collect()
}

/// `scale down, D2: Agents are removed while the pool is under the threshold`
fn named(cause: &Moved) -> String {
    let action = match cause.action {
        ActionKind::ScaleUp => "scale up",
        ActionKind::ScaleDown => "scale down",
        ActionKind::Close => "close",
        ActionKind::Reopen => "reopen",
        ActionKind::Drain => "drain",
    };
    cause.clause.map_or_else(|| action.to_owned(), |clause| format!("{action}, {clause}: {}", about(clause)))
}

/// A line is no sentence.
fn about(clause: Clause) -> &'static str {
    clause.meaning().trim_end_matches('.')
}

/// Texts stand at the left, numbers at the right.
fn text_column(head: &str) -> Markup {
    column().class("text").text(head)
}
