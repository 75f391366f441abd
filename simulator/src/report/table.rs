//! What all policies measured, in tables.

use std::collections::BTreeSet;

use super::figures::{NONE, change, number, seconds, tail};
use super::markup::{self, Markup, element};
use super::{Contestant, Measurement, Spread};
use crate::summary::impact_percent;

/// How a measurement is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Number,
    Percent,
    /// Seconds that are a time.
    Seconds,
    /// Seconds of many instances, which are written as hours.
    TaskHours,
}

/// Which values are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Better {
    Less,
    More,
    /// Neither: it follows from the others.
    Neither,
}

impl Measurement {
    const fn unit(self) -> Unit {
        match self {
            Self::regret_percent
            | Self::waited_percent
            | Self::utilization_mean
            | Self::utilization_p95
            | Self::slack_percent => Unit::Percent,
            Self::wait_p50_s | Self::wait_p95_s | Self::wait_p99_s | Self::wait_max_s => Unit::Seconds,
            Self::waiting_task_seconds | Self::waiting_at_max_task_seconds | Self::killed_task_seconds => {
                Unit::TaskHours
            }
            _ => Unit::Number,
        }
    }

    const fn better(self) -> Better {
        match self {
            Self::utilization_mean => Better::More,
            Self::oracle_agent_hours | Self::utilization_p95 | Self::agents_added | Self::agents_removed => {
                Better::Neither
            }
            _ => Better::Less,
        }
    }
}

impl Unit {
    fn write(self, value: f64) -> String {
        match self {
            Self::Number => number(value),
            Self::Percent => format!("{}%", number(value)),
            Self::Seconds => seconds(value),
            Self::TaskHours => format!("{} h", number(value / 3600.0)),
        }
    }
}

/// A column of the first table.
enum Column {
    Measured(&'static str, Measurement),
    /// Against the first policy.
    Impact(&'static str, Measurement),
}

const COLUMNS: [Column; 12] = [
    Column::Measured("agent-hours", Measurement::agent_hours),
    Column::Measured("cost", Measurement::cost),
    Column::Impact("cost impact", Measurement::cost),
    Column::Measured("waiting", Measurement::waiting_task_seconds),
    Column::Impact("waiting impact", Measurement::waiting_task_seconds),
    Column::Measured("waited at all", Measurement::waited_percent),
    Column::Measured("99% wait up to", Measurement::wait_p99_s),
    Column::Measured("longest wait", Measurement::wait_max_s),
    Column::Measured("utilization", Measurement::utilization_mean),
    Column::Measured("moved tasks", Measurement::moved_tasks),
    Column::Measured("killed jobs", Measurement::killed_tasks),
    Column::Measured("flaps", Measurement::flaps),
];

pub(super) fn section(contestants: &[Contestant<'_>]) -> Markup {
    element("section").with("id", "policies").holding([
        element("h2").text(if contestants.len() > 1 { "Policies" } else { "Measurements" }),
        main_table(contestants),
        note(contestants),
        element("details").holding([element("summary").text("All measurements"), all_table(contestants)]),
    ])
}

fn note(contestants: &[Contestant<'_>]) -> Markup {
    let mut text = String::new();
    if contestants.len() > 1 {
        text.push_str("★ best of its column");
        if contestants.iter().any(Contestant::is_bound) {
            text.push_str("; the oracle knows the future and competes with none");
        }
        text.push_str(". Impacts are against the first policy; there is none where that has 0. ");
    }
    let seeds = contestants.iter().map(|contestant| contestant.runs.len()).max().unwrap_or(0);
    if seeds > 1 {
        text.push_str("Means of all seeds; all measurements show the least and the largest, too.");
    }
    element("p").class("note").text(text)
}

fn main_table(contestants: &[Contestant<'_>]) -> Markup {
    let heads = COLUMNS.iter().map(|column| {
        let (name, meaning) = match column {
            Column::Measured(name, measurement) => (name, measurement.meaning()),
            Column::Impact(name, _) => (name, "In percent of the first policy's."),
        };
        markup::column().with("title", meaning).text(name)
    });
    let head = std::iter::once(markup::column().text("policy")).chain(heads);
    let cells: Vec<Vec<Markup>> = COLUMNS.iter().map(|column| cells(column, contestants)).collect();
    let rows = contestants.iter().enumerate().map(|(row, contestant)| {
        let own = cells.iter().filter_map(|column| column.get(row).cloned());
        let all: Markup = std::iter::once(name(contestant)).chain(own).collect();
        element("tr").class(class(contestant)).holding(all)
    });
    markup::table("policies", "table of policies", head, rows.collect::<Markup>())
}

fn name(contestant: &Contestant<'_>) -> Markup {
    let name = tail(contestant.name, 30);
    markup::row().with("title", contestant.name).text(name)
}

const fn class(contestant: &Contestant<'_>) -> &'static str {
    match (contestant.is_ours(), contestant.is_bound()) {
        (true, _) => "ours",
        (_, true) => "bound",
        _ => "",
    }
}

fn cells(column: &Column, contestants: &[Contestant<'_>]) -> Vec<Markup> {
    match column {
        Column::Measured(_, measurement) => measured(*measurement, contestants),
        Column::Impact(_, measurement) => {
            let first = contestants.first().map_or(0.0, |first| first.mean(*measurement));
            let impact = |(row, contestant): (usize, &Contestant<'_>)| match row {
                0 => element("td").class("quiet").text("base"),
                _ => impact(contestant.mean(*measurement), first),
            };
            contestants.iter().enumerate().map(impact).collect()
        }
    }
}

fn impact(value: f64, first: f64) -> Markup {
    match impact_percent(value, first) {
        Some(percent) => element("td").class(tone(percent)).text(change(percent)),
        None => element("td").class("quiet").text(NONE),
    }
}

/// Less is better, of cost as of waiting.
pub(super) fn tone(percent: f64) -> &'static str {
    match percent {
        percent if percent <= -0.05 => "good",
        percent if percent >= 0.05 => "bad",
        _ => "",
    }
}

/// The cells of a measurement, one for each policy.
fn measured(measurement: Measurement, contestants: &[Contestant<'_>]) -> Vec<Markup> {
    let (unit, best) = (measurement.unit(), best(measurement, contestants));
    let cell = |(row, contestant): (usize, &Contestant<'_>)| {
        let spread = contestant.get(measurement);
        value_cell(spread, |value| unit.write(value), best.contains(&row))
    };
    contestants.iter().enumerate().map(cell).collect()
}

fn value_cell(spread: Spread, write: impl Fn(f64) -> String, is_best: bool) -> Markup {
    let Spread { mean, min, max } = spread;
    let star = if is_best {
        element("span").class("star").with("title", "best").with("role", "img").with("aria-label", "best").text("★")
    } else {
        Markup::default()
    };
    let value = element("data").with("value", mean).text(write(mean));
    let range = if min < max {
        let (min, max) =
            (element("data").with("value", min).text(write(min)), element("data").with("value", max).text(write(max)));
        element("small").holding([min, Markup::text(" to "), max])
    } else {
        Markup::default()
    };
    element("td").class(if is_best { "best" } else { "" }).holding([star, value, range])
}

/// The policies that are best: none where all are alike. What is written alike is alike.
fn best(measurement: Measurement, contestants: &[Contestant<'_>]) -> BTreeSet<usize> {
    let competing: Vec<(usize, f64)> = contestants
        .iter()
        .enumerate()
        .filter(|(_, contestant)| !contestant.is_bound())
        .map(|(row, contestant)| (row, contestant.mean(measurement)))
        .filter(|(_, value)| value.is_finite())
        .collect();
    let ordered = |one: &f64, other: &f64| match measurement.better() {
        Better::More => other.total_cmp(one),
        _ => one.total_cmp(other),
    };
    let write = |value: f64| measurement.unit().write(value);
    let Some(best) = competing.iter().map(|(_, value)| *value).min_by(ordered).map(write) else {
        return BTreeSet::new();
    };
    let alike: BTreeSet<usize> =
        competing.iter().filter(|(_, value)| write(*value) == best).map(|(row, _)| *row).collect();
    let is_none = measurement.better() == Better::Neither || alike.len() == competing.len();
    if is_none { BTreeSet::new() } else { alike }
}

/// A row for each measurement, by its name in the JSON.
fn all_table(contestants: &[Contestant<'_>]) -> Markup {
    let head = std::iter::once(markup::column().text("measurement")).chain(
        contestants
            .iter()
            .map(|contestant| markup::column().with("title", contestant.name).text(tail(contestant.name, 22))),
    );
    let measured_row = |measurement: &Measurement| {
        let head = markup::row().with("title", measurement.meaning()).text(measurement.name());
        let cells = measured(*measurement, contestants);
        element("tr").holding(std::iter::once(head).chain(cells).collect::<Markup>())
    };
    let clauses: BTreeSet<_> =
        contestants.iter().flat_map(|contestant| contestant.summary.back_off_minutes.keys().copied()).collect();
    let clause_row = |clause| {
        let head = markup::row().with("title", "For how many minutes a change was put off.");
        let head = head.text(format_args!("back_off_minutes {clause}"));
        let cells = contestants.iter().map(|contestant| {
            let minutes = contestant.summary.back_off_minutes.get(&clause).copied();
            minutes
                .map_or_else(|| element("td").class("quiet").text(NONE), |minutes| value_cell(minutes, number, false))
        });
        element("tr").holding(std::iter::once(head).chain(cells).collect::<Markup>())
    };
    let rows = Measurement::ALL.iter().map(measured_row).chain(clauses.into_iter().map(clause_row));
    markup::table("all", "table of all measurements", head, rows.collect::<Markup>())
}
