//! The picture of a timeline: what one sees without the script, and what the script draws anew when it zooms.

use std::fmt::Write as _;

use super::buckets::Buckets;
use super::{BUCKETS, Band, Direction, Line, NamedLevel, Panel, Span, Timeline};
use crate::report::axis::Axis;
use crate::report::markup::{Element, Markup, element};

/// The height of a picture, in units of its own; its width is the number of buckets.
const HEIGHT: f64 = 1000.0;

const HELP: &str = "Point at it for the values of a minute. Drag across it to zoom, double-click to see all. \
    Keys: left and right move the cursor, + and − zoom, Page Up and Page Down go to the mark before and after, Esc shows all.";

/// The section with the first timeline, and a choice of the others.
pub(in crate::report) fn section(timelines: &[Timeline]) -> Markup {
    let Some(first) = timelines.first() else { return Markup::default() };
    element("section").with("id", "timeline").holding([
        element("h2").text("Timeline"),
        tools(timelines),
        stack(first, timelines),
        element("p").class("readout").with("aria-live", "polite").flag("hidden").text(""),
        element("p").class("note timeline-note").text(&first.note),
        element("p").class("note help").with("id", "timeline-help").flag("hidden").text(HELP),
        element("noscript")
            .holding(element("p").class("note").text("Zoom, values, and other policies need JavaScript.")),
    ])
}

fn tools(timelines: &[Timeline]) -> Markup {
    let options = timelines.iter().enumerate();
    let options = options.map(|(place, timeline)| element("option").with("value", place).text(&timeline.name));
    let choice =
        element("label").holding([Markup::text("of "), element("select").holding(options.collect::<Markup>())]);
    let button = |action: &str, label: &str, text: &str| {
        element("button").with("type", "button").with("data-action", action).with("aria-label", label).text(text)
    };
    element("div").class("tools").flag("hidden").holding([
        if timelines.len() > 1 { choice } else { Markup::default() },
        button("in", "zoom in", "+"),
        button("out", "zoom out", "−"),
        button("all", "show all", "all"),
        element("span").class("range").text(""),
    ])
}

/// All panels with the strip of marks and the axis of time, which have the same width.
fn stack(timeline: &Timeline, all: &[Timeline]) -> Markup {
    let span = timeline.span();
    let count = timeline.times.len().clamp(1, BUCKETS);
    let panels: Markup = timeline.panels.iter().map(|panel| self::panel(timeline, panel, count)).collect();
    let ticks = span.ticks().into_iter().enumerate().map(|(place, (at, label))| {
        let class = if place % 2 == 1 { "minor" } else { "" };
        element("span").class(class).with("style", format_args!("left:{:.2}%", 100.0 * span.place(at))).text(label)
    });
    element("div")
        .class("stack")
        .with("tabindex", 0)
        .with("role", "group")
        .with("aria-label", format_args!("Timeline of {}", timeline.name))
        .with("aria-describedby", "timeline-help")
        .holding([
            panels,
            marks(timeline, span, all),
            element("div").class("times").with("title", "UTC").holding(ticks.collect::<Markup>()),
        ])
}

fn panel(timeline: &Timeline, panel: &Panel, count: usize) -> Markup {
    let axis = panel.axis();
    let labels = axis.ticks.iter().map(|tick| {
        element("span").with("style", format_args!("bottom:{:.2}%", 100.0 * axis.place(*tick))).text(Axis::label(*tick))
    });
    let legend = panel.lines.iter().map(|line| {
        let name = [Markup::text(&line.name), element("b").text("")];
        element("li").class(line.color.class()).holding(name)
    });
    let grid = axis.ticks.iter().map(|tick| across("grid", &axis, *tick, count));
    let faded = timeline.measured_from.map(|from| faded(timeline.span(), from.as_millisecond(), count));
    let lines = panel.lines.iter().map(|line| path(line, &timeline.buckets(line, BUCKETS), &axis));
    let levels = panel.levels(&axis);
    let named = levels.iter().map(|level| name(*level, &axis));
    let levels = levels.iter().map(|named| across("level", &axis, named.level.value, count));
    let drawn: Markup = grid.chain(faded).chain(lines).chain(levels).collect();
    element("div").class("panel").holding([
        element("div").class("head").holding([
            element("h3").text(&panel.title),
            element("ul").class("legend").holding(legend.collect::<Markup>()),
        ]),
        element("div").class(if panel.is_main { "plot main" } else { "plot" }).holding([
            element("div").class("values").holding(labels.collect::<Markup>()),
            picture(count).holding(drawn),
            element("div").class("levels").holding(named.collect::<Markup>()),
        ]),
    ])
}

fn picture(count: usize) -> Element {
    element("svg")
        .with("viewBox", format_args!("0 0 {count} {HEIGHT}"))
        .with("preserveAspectRatio", "none")
        .with("aria-hidden", "true")
}

fn name(NamedLevel { level, under }: NamedLevel<'_>, axis: &Axis) -> Markup {
    let place = 100.0 * axis.place(level.value);
    let class = if under { "under" } else { "" };
    element("span").class(class).with("style", format_args!("bottom:{place:.2}%")).text(format_args!(
        "{} {}",
        level.name,
        Axis::label(level.value)
    ))
}

fn y(axis: &Axis, value: f64) -> f64 {
    (HEIGHT * (1.0 - axis.place(value))).round()
}

fn across(class: &str, axis: &Axis, value: f64, count: usize) -> Markup {
    element("path").class(class).with("d", format_args!("M0 {}H{count}", y(axis, value))).holding([])
}

/// What is not measured.
fn faded(span: Span, until: i64, count: usize) -> Markup {
    #[expect(clippy::cast_precision_loss, reason = "a place on a screen")]
    let width = span.place(until) * count as f64;
    element("path").class("faded").with("d", format_args!("M0 0H{width:.1}V{HEIGHT}H0Z")).holding([])
}

/// The area between the least and the largest values, as steps; for an area between 0 and the largest.
fn path(line: &Line, buckets: &Buckets, axis: &Axis) -> Markup {
    let mut d = String::new();
    let mut place = 0;
    for known in buckets.0.chunk_by(|one, other| one.is_some() == other.is_some()) {
        let edges: Vec<(f64, f64)> = known.iter().flatten().copied().collect();
        if !edges.is_empty() {
            let (from, to) = (place, place + edges.len());
            let top: Vec<f64> = edges.iter().map(|(_, largest)| y(axis, *largest)).collect();
            // Writing to a string cannot fail.
            let _ = write!(d, "M{from} {}", top.first().copied().unwrap_or(HEIGHT));
            steps(&mut d, &top, from, false);
            if line.is_area {
                let _ = write!(d, "V{HEIGHT}H{from}Z");
            } else {
                let bottom: Vec<f64> = edges.iter().map(|(least, _)| y(axis, *least)).collect();
                let _ = write!(d, "V{}", bottom.last().copied().unwrap_or(HEIGHT));
                steps(&mut d, &bottom, to, true);
                d.push('Z');
            }
        }
        place += known.len();
    }
    let class = if line.is_area { "area" } else { "line" };
    element("path").class(&format!("{class} {}", line.color.class())).with("d", d).holding([])
}

/// From left to right, or back: a step to each value, and along it.
fn steps(d: &mut String, values: &[f64], from: usize, is_back: bool) {
    let mut place = from;
    let mut along = |same: &[f64]| {
        let Some(value) = same.first() else { return };
        place = if is_back { place - same.len() } else { place + same.len() };
        let _ = write!(d, "V{value}H{place}");
    };
    let equal = |one: &f64, other: &f64| one.total_cmp(other).is_eq();
    if is_back {
        values.chunk_by(equal).rev().for_each(&mut along);
    } else {
        values.chunk_by(equal).for_each(&mut along);
    }
}

/// A strip of ticks: up for more agents, down for fewer; and of bands, where a change was put off.
fn marks(timeline: &Timeline, span: Span, all: &[Timeline]) -> Markup {
    let mut bands = String::new();
    for Band { from, to, .. } in &timeline.bands {
        let place = |at: &jiff::Timestamp| 1000.0 * span.place(at.as_millisecond());
        let _ = write!(bands, "M{:.1} 0H{:.1}V{HEIGHT}H{:.1}Z", place(from), place(to), place(from));
    }
    let bands = element("path").class("band").with("d", bands).holding([]);
    let drawn = Direction::ALL.into_iter().map(|direction| {
        let mut d = String::new();
        for mark in timeline.marks.iter().filter(|mark| mark.direction == direction) {
            let x = 1000.0 * span.place(mark.at.as_millisecond());
            let (from, to) = direction.reach();
            let _ = write!(d, "M{x:.1} {from}V{to}");
        }
        element("path").class(&format!("mark {}", direction.class())).with("d", d).holding([])
    });
    let marked = all.iter().flat_map(|timeline| &timeline.marks);
    let is_there = |direction: &Direction| marked.clone().any(|mark| mark.direction == *direction);
    let legend = Direction::ALL.into_iter().filter(is_there);
    let legend = legend.map(|direction| element("li").class(direction.class()).text(direction.name()));
    let has_bands = all.iter().any(|timeline| !timeline.bands.is_empty());
    let legend = legend.chain(has_bands.then(|| element("li").class("band").text("put off")));
    element("div").class("panel").holding([
        element("div").class("head").holding([
            element("h3").text(timeline.marked),
            element("ul").class("legend").holding(legend.collect::<Markup>()),
        ]),
        element("div")
            .class("plot strip")
            .holding([picture(1000).holding([bands].into_iter().chain(drawn).collect::<Markup>())]),
    ])
}

impl Direction {
    const fn name(self) -> &'static str {
        match self {
            Self::Up => "more agents",
            Self::Down => "fewer agents",
            Self::Neither => "neither",
        }
    }

    /// From where to where a tick reaches.
    const fn reach(self) -> (u32, u32) {
        match self {
            Self::Up => (500, 0),
            Self::Down => (500, 1000),
            Self::Neither => (350, 650),
        }
    }
}
