//! Series over time, with marks: drawn as a picture, and written as data for the script, which zooms.

mod buckets;
mod picture;
mod simulated;

use jiff::Timestamp;
use serde::Serialize;
use shared::text::clip;

use super::axis::Axis;
use super::markup::Markup;
use buckets::Buckets;

pub(super) use picture::section;
pub(super) use simulated::{Detail, of_run};

/// In how many parts a series is drawn at first, and how many the script knows of one that is not [`Timeline::is_detailed`].
const BUCKETS: usize = 1000;

/// How much of a mark's text is shown.
const MAX_TEXT: usize = 240;

/// What happened over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    /// What it is of, such as the name of a policy.
    pub name: String,
    /// When each sample was taken, ascending. A sample holds until the next.
    pub times: Vec<Timestamp>,
    /// The panels, one below the other.
    pub panels: Vec<Panel>,
    /// What was done.
    pub marks: Vec<Mark>,
    /// What the marks are, such as `actions`.
    pub marked: &'static str,
    /// For how long something was put off.
    pub bands: Vec<Band>,
    /// What is before is not measured.
    pub measured_from: Option<Timestamp>,
    /// Whether the script knows every sample, not only the least and the largest of some.
    pub is_detailed: bool,
    /// What should be known about it, in a sentence; empty: nothing.
    pub note: String,
}

/// Series with one axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Panel {
    /// What is counted.
    pub title: String,
    /// The series; a later one is drawn over an earlier one.
    pub lines: Vec<Line>,
    /// Lines across.
    pub levels: Vec<Level>,
    /// Whether it is higher than the others.
    pub is_main: bool,
}

/// A series.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// Its color.
    pub color: Color,
    /// Whether the area below it is filled.
    pub is_area: bool,
    /// A value for each time; `None` where it is not known.
    pub values: Vec<Option<f64>>,
}

/// A value with a meaning, such as a threshold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Level {
    /// Its name.
    pub name: String,
    /// The value.
    pub value: f64,
}

/// The colors of series, each distinct in light and in dark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Color {
    #[expect(missing_docs, reason = "a color")]
    Blue,
    #[expect(missing_docs, reason = "a color")]
    Orange,
    #[expect(missing_docs, reason = "a color")]
    Green,
    #[expect(missing_docs, reason = "a color")]
    Purple,
    #[expect(missing_docs, reason = "a color")]
    Red,
}

impl Color {
    const fn class(self) -> &'static str {
        match self {
            Self::Blue => "blue",
            Self::Orange => "orange",
            Self::Green => "green",
            Self::Purple => "purple",
            Self::Red => "red",
        }
    }
}

/// Something that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub at: Timestamp,
    /// Up, down, or neither.
    pub direction: Direction,
    text: String,
}

impl Mark {
    /// What was done, and why; a text that is too long is cut.
    #[must_use]
    pub fn new(at: Timestamp, direction: Direction, text: &str) -> Self {
        Self { at, direction, text: clip(text, MAX_TEXT) }
    }
}

/// A time in which something was put off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Band {
    from: Timestamp,
    to: Timestamp,
    text: String,
}

impl Band {
    /// What was put off, and why; a text that is too long is cut.
    #[must_use]
    pub fn new(from: Timestamp, to: Timestamp, text: &str) -> Self {
        Self { from, to, text: clip(text, MAX_TEXT) }
    }
}

/// Where a mark points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// More agents.
    Up,
    /// Fewer agents.
    Down,
    /// As many agents.
    Neither,
}

impl Direction {
    const ALL: [Self; 3] = [Self::Up, Self::Neither, Self::Down];

    const fn class(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Neither => "neither",
        }
    }
}

/// The time that a timeline covers, in milliseconds of Unix time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    from: i64,
    to: i64,
}

impl Timeline {
    /// From the first sample until the end of the last, which holds as long as the others on average.
    fn span(&self) -> Span {
        let at = |time: Option<&Timestamp>| time.map_or(0, |time| time.as_millisecond());
        let (from, last) = (at(self.times.first()), at(self.times.last()));
        let gaps = i64::try_from(self.times.len()).unwrap_or(i64::MAX) - 1;
        let mean = (last - from).checked_div(gaps).filter(|mean| *mean > 0).unwrap_or(60_000);
        Span { from, to: last + mean }
    }

    fn buckets(&self, line: &Line, most: usize) -> Buckets {
        let times: Vec<i64> = self.times.iter().map(|time| time.as_millisecond()).collect();
        Buckets::of(&times, &line.values, self.span(), self.times.len().clamp(1, most))
    }
}

impl Panel {
    fn axis(&self) -> Axis {
        let values = self.lines.iter().flat_map(|line| line.values.iter().flatten().copied());
        Axis::linear(values.filter(|value| value.is_finite()).fold(0.0, f64::max))
    }

    /// The levels that the axis reaches: a `max` of 1,000 must not flatten a pool of 30.
    fn levels(&self, axis: &Axis) -> Vec<NamedLevel<'_>> {
        let reached = self.levels.iter().filter(|level| (0.0..=axis.high()).contains(&level.value));
        let mut levels: Vec<&Level> = reached.collect();
        levels.sort_by(|one, other| other.value.total_cmp(&one.value));
        let mut above: Option<f64> = None;
        let named = levels.into_iter().map(|level| {
            let place = axis.place(level.value);
            let under = match above.replace(place) {
                // The edge of the plot, or the name of the line above it, which is above that line.
                None => place > 1.0 - NAME_HEIGHT,
                Some(above) => above - place < 2.0 * NAME_HEIGHT && place >= NAME_HEIGHT,
            };
            NamedLevel { level, under }
        });
        named.collect()
    }
}

/// The height of a level's name, as a part of the height of a small panel.
const NAME_HEIGHT: f64 = 0.18;

/// A level, and whether its name is under the line: names of levels that are near each other would cover each other.
#[derive(Clone, Copy, Debug, Serialize)]
struct NamedLevel<'a> {
    #[serde(flatten)]
    level: &'a Level,
    under: bool,
}

impl Span {
    /// Where a time lies, from 0 to 1.
    fn place(self, at: i64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a place on a screen")]
        let place = (at - self.from) as f64 / (self.to - self.from).max(1) as f64;
        place.clamp(0.0, 1.0)
    }

    /// Round times, at most nine, with their labels.
    fn ticks(self) -> Vec<(i64, String)> {
        const MINUTES: [i64; 14] = [1, 5, 15, 30, 60, 180, 360, 720, 1440, 2880, 10_080, 20_160, 43_200, 129_600];
        let minutes = (self.to - self.from) / 60_000;
        let step = MINUTES.into_iter().find(|step| minutes / step <= 8).unwrap_or(525_600) * 60_000;
        let first = self.from.div_euclid(step) * step;
        let times = (0..20).map(|n| first + n * step).filter(|at| (self.from..self.to).contains(at));
        times.map(|at| (at, label(at))).collect()
    }
}

/// The day at midnight, else the time.
fn label(at: i64) -> String {
    const DAY: i64 = 86_400_000;
    let format = if at.rem_euclid(DAY) == 0 { "%b %-d" } else { "%H:%M" };
    Timestamp::from_millisecond(at).map(|time| time.strftime(format).to_string()).unwrap_or_default()
}

/// All timelines as the script reads them.
pub(super) fn data(timelines: &[Timeline]) -> Markup {
    let data: Vec<Data<'_>> = timelines.iter().map(Data::of).collect();
    super::markup::json(&data)
}

/// A timeline as the script reads it.
#[derive(Debug, Serialize)]
struct Data<'a> {
    name: &'a str,
    from: i64,
    to: i64,
    measured_from: Option<i64>,
    note: &'a str,
    panels: Vec<PanelData<'a>>,
    /// When, the direction's class, and the text.
    marks: Vec<(i64, &'static str, &'a str)>,
    /// From when until when, and the text.
    bands: Vec<(i64, i64, &'a str)>,
}

#[derive(Debug, Serialize)]
struct PanelData<'a> {
    title: &'a str,
    high: f64,
    ticks: Vec<(f64, String)>,
    levels: Vec<NamedLevel<'a>>,
    lines: Vec<LineData<'a>>,
}

#[derive(Debug, Serialize)]
struct LineData<'a> {
    name: &'a str,
    color: Color,
    area: bool,
    /// See [`Buckets::encoded`].
    data: String,
}

impl<'a> Data<'a> {
    fn of(timeline: &'a Timeline) -> Self {
        let span = timeline.span();
        let most = if timeline.is_detailed { usize::MAX } else { BUCKETS };
        let line = |line: &'a Line| LineData {
            name: &line.name,
            color: line.color,
            area: line.is_area,
            data: timeline.buckets(line, most).encoded(),
        };
        let panel = |panel: &'a Panel| {
            let axis = panel.axis();
            PanelData {
                title: &panel.title,
                high: axis.high(),
                ticks: axis.ticks.iter().map(|tick| (axis.place(*tick), Axis::label(*tick))).collect(),
                levels: panel.levels(&axis),
                lines: panel.lines.iter().map(line).collect(),
            }
        };
        Self {
            name: &timeline.name,
            from: span.from,
            to: span.to,
            measured_from: timeline.measured_from.map(Timestamp::as_millisecond),
            note: &timeline.note,
            panels: timeline.panels.iter().map(panel).collect(),
            marks: timeline
                .marks
                .iter()
                .map(|mark| (mark.at.as_millisecond(), mark.direction.class(), mark.text.as_str()))
                .collect(),
            bands: timeline
                .bands
                .iter()
                .map(|Band { from, to, text }| (from.as_millisecond(), to.as_millisecond(), text.as_str()))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests;
