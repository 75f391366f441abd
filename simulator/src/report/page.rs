//! The page: what is around the sections.

use super::figures::{NONE, change, minute, number, seconds};
use super::markup::{self, Markup, element};
use super::timeline::{self, Detail, Timeline};
use super::{Contestant, Measurement, Report, causes, frontier, settings, table};
use crate::summary::impact_percent;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// A page with timelines, for results that have no other sections.
#[derive(Clone, Debug, Default)]
pub struct Page<'a> {
    /// The title.
    pub title: &'a str,
    /// What it shows, in a sentence.
    pub subtitle: &'a str,
    /// The timelines; the first is shown, the others can be chosen.
    pub timelines: Vec<Timeline>,
    /// A table below.
    pub table: Option<Table<'a>>,
    /// Remarks.
    pub notes: &'a [String],
    /// The version of the program.
    pub version: &'a str,
    /// The command that makes the same page again.
    pub command: &'a str,
}

/// A table of texts.
#[derive(Clone, Debug, Default)]
pub struct Table<'a> {
    /// The title.
    pub title: &'a str,
    /// The heads of its columns.
    pub heads: Vec<&'a str>,
    /// Its rows.
    pub rows: Vec<Vec<String>>,
}

/// The page of a simulation.
#[must_use]
pub fn html(report: &Report<'_>) -> String {
    let contestants = &report.contestants;
    let timelines: Vec<Timeline> = contestants
        .iter()
        .enumerate()
        .filter_map(|(place, contestant)| {
            let detail = if place == 0 { Detail::Full } else { Detail::Reduced };
            contestant.runs.first().map(|run| timeline::of_run(contestant, run, detail))
        })
        .collect();
    let title = format!("Simulation of {}", report.trace);
    let body = [
        header(&title, &subtitle(report)),
        cards(contestants),
        table::section(contestants),
        frontier::section(contestants),
        timeline::section(&timelines),
        causes::waits(contestants),
        causes::moved(contestants),
        settings::section(report),
    ];
    document(&title, body.into(), &timelines)
}

/// A page of timelines.
#[must_use]
pub fn page(page: &Page<'_>) -> String {
    let notes = page.notes.iter().map(|note| element("p").class("note").text(note));
    let table = page.table.as_ref().map_or_else(Markup::default, |Table { title, heads, rows }| {
        let heads = heads.iter().map(|head| markup::column().class("text").text(head));
        let cell = |cell: &String| element("td").class("text").text(cell);
        let rows = rows.iter().map(|row| element("tr").holding(row.iter().map(cell).collect::<Markup>()));
        let table = markup::table("texts", title, heads, rows.collect::<Markup>());
        element("section").holding([element("h2").text(title), table])
    });
    let body = [
        header(page.title, page.subtitle),
        timeline::section(&page.timelines),
        table,
        notes.collect(),
        element("section").holding([
            element("h2").text("How to make this page"),
            element("pre").class("command").with("tabindex", 0).holding(element("code").text(page.command)),
            element("p").class("note").text(format_args!("version {}", page.version)),
        ]),
    ];
    document(page.title, body.into(), &page.timelines)
}

fn document(title: &str, body: Markup, timelines: &[Timeline]) -> String {
    let head = element("head").holding([
        element("meta").with("charset", "utf-8").void(),
        element("meta").with("name", "viewport").with("content", "width=device-width, initial-scale=1").void(),
        element("meta").with("name", "color-scheme").with("content", "light dark").void(),
        element("title").text(title),
        element("style").holding(Markup::verbatim(STYLE.to_owned())),
    ]);
    let data = element("script").with("type", "application/json").with("id", "data").holding(timeline::data(timelines));
    let script = element("script").holding(Markup::verbatim(SCRIPT.to_owned()));
    let body = element("body").holding([element("main").holding(body), data, script]);
    let html = element("html").with("lang", "en").holding([head, body]);
    format!("<!DOCTYPE html>\n{}\n", html.into_string())
}

fn header(title: &str, subtitle: &str) -> Markup {
    element("header").holding([element("h1").text(title), element("p").text(subtitle)])
}

fn subtitle(report: &Report<'_>) -> String {
    let run = report.contestants.iter().find_map(|contestant| contestant.runs.first());
    let measured = run.map_or_else(
        || "No simulation has ended".to_owned(),
        |run| format!("Measured from {} to {} UTC", minute(run.from), minute(run.to)),
    );
    match report.seeds {
        [seed] => format!("{measured}, seed {seed}."),
        seeds => format!("{measured}; means of {} seeds, the timelines of the first.", seeds.len()),
    }
}

/// The first policy in figures, and how the others compare with it.
fn cards(contestants: &[Contestant<'_>]) -> Markup {
    let Some(first) = contestants.first() else { return Markup::default() };
    let facts = [
        ("agent-hours", number(first.mean(Measurement::agent_hours))),
        ("cost", number(first.mean(Measurement::cost))),
        ("waiting task-hours", number(first.waiting_hours())),
        ("99% wait up to", seconds(first.mean(Measurement::wait_p99_s))),
        ("utilization", format!("{}%", number(first.mean(Measurement::utilization_mean)))),
        ("moved tasks", number(first.mean(Measurement::moved_tasks))),
    ];
    let facts = facts.into_iter().map(|(name, value)| {
        element("div").class("fact").holding([element("dt").text(name), element("dd").text(value)])
    });
    let others = contestants.iter().skip(1).map(|contestant| card(contestant, first));
    element("section").with("id", "headline").holding([
        element("h2").text(first.name),
        element("dl").class("facts").holding(facts.collect::<Markup>()),
        if contestants.len() > 1 { element("h3").text("The others against it") } else { Markup::default() },
        element("div").class("cards").holding(others.collect::<Markup>()),
    ])
}

fn card(contestant: &Contestant<'_>, first: &Contestant<'_>) -> Markup {
    let impact = |name: &str, of: fn(&Contestant<'_>) -> f64, unit: &str| {
        let (value, base) = (of(contestant), of(first));
        let percent = impact_percent(value, base);
        let text = percent.map_or_else(|| NONE.to_owned(), change);
        element("p").holding([
            element("span").text(name),
            element("b").class(percent.map_or("", table::tone)).text(text),
            element("small").text(format_args!("{} → {}{unit}", number(base), number(value))),
        ])
    };
    element("article").class(if contestant.is_bound() { "card bound" } else { "card" }).holding([
        element("h4").with("title", contestant.name).text(contestant.name),
        impact("cost impact", |contestant| contestant.mean(Measurement::cost), ""),
        impact("waiting impact", |contestant| contestant.waiting_hours(), " h"),
    ])
}
