//! The frontier: what each policy costs against who waits. Nearer to the lower left corner is better in both.

use super::axis::Axis;
use super::figures::{number, tail};
use super::markup::{Markup, element};
use super::{Contestant, Measurement};

/// How the picture is laid out: one for a screen, one for a phone.
#[derive(Clone, Copy, Debug)]
struct Layout {
    class: &'static str,
    width: f64,
    height: f64,
    left: f64,
    /// Whether the points have numbers, which a list below explains, instead of names.
    is_numbered: bool,
}

const WIDE: Layout = Layout { class: "wide", width: 940.0, height: 440.0, left: 64.0, is_numbered: false };
const NARROW: Layout = Layout { class: "narrow", width: 360.0, height: 340.0, left: 60.0, is_numbered: true };

const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
/// Below the axis: its labels and its title.
const BOTTOM: f64 = 46.0;
/// Above the axis of hours: where nothing waits, which no logarithm shows.
const ZERO: f64 = 30.0;

/// A character of a label is about that wide in a wide font, and in its bold one.
const CHARACTER: f64 = 7.0;
const BOLD: f64 = 7.7;
const LINE: f64 = 14.0;
/// How much of a name is a label.
const MAX_LABEL: usize = 26;

/// A policy as a point.
struct Point<'a> {
    contestant: &'a Contestant<'a>,
    number: usize,
    x: f64,
    y: f64,
    is_best: bool,
}

/// A rectangle: left, top, right, bottom.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Area(f64, f64, f64, f64);

pub(super) fn section(contestants: &[Contestant<'_>]) -> Markup {
    if contestants.len() < 2 {
        return Markup::default();
    }
    let list = contestants.iter().map(|contestant| {
        let (hours, waiting) = (number(hours(contestant)), number(contestant.waiting_hours()));
        let figures = element("small").text(format_args!("{hours} agent-hours, {waiting} waiting"));
        element("li").holding([Markup::text(format_args!("{} ", contestant.name)), figures])
    });
    element("section").with("id", "frontier").holding([
        element("h2").text("Frontier"),
        element("p").class("note").text(
            "Agent-hours against waiting task-hours, both on logarithmic axes: lower left is better. A filled point is a policy that no \
             other beats in both; the line joins those of your configurations that none of yours beats; the diamond is a bound.",
        ),
        picture(contestants, &WIDE),
        picture(contestants, &NARROW),
        element("ol").class("narrow numbers").holding(list.collect::<Markup>()),
    ])
}

fn hours(contestant: &Contestant<'_>) -> f64 {
    contestant.mean(Measurement::agent_hours)
}

fn picture(contestants: &[Contestant<'_>], layout: &Layout) -> Markup {
    let Layout { class, width, left, .. } = *layout;
    let Some(across) = Axis::logarithmic(contestants.iter().map(hours)) else { return Markup::default() };
    let up = Axis::logarithmic(contestants.iter().map(Contestant::waiting_hours));
    // Where nothing waits there is nothing above.
    let height = if up.is_some() { layout.height } else { layout.height / 3.0 };
    let (right, base) = (width - RIGHT, height - BOTTOM);
    // Where something waits.
    let floor = base - ZERO;
    let x = |value: f64| left + across.place(value) * (right - left);
    let zero = if up.is_some() { base - ZERO / 2.0 } else { f64::midpoint(TOP, base) };
    let y = |value: f64| match &up {
        Some(up) if value > 0.0 => floor - up.place(value) * (floor - TOP),
        _ => zero,
    };
    let points: Vec<Point<'_>> = contestants
        .iter()
        .zip(1..)
        .map(|(contestant, number)| Point {
            contestant,
            number,
            x: x(hours(contestant)),
            y: y(contestant.waiting_hours()),
            is_best: !contestant.is_bound() && !contestants.iter().any(|other| beats(other, contestant)),
        })
        .collect();
    let mut parts = vec![
        line("grid", left, base, right, base),
        line("grid", left, if up.is_some() { floor } else { TOP }, right, if up.is_some() { floor } else { TOP }),
        text("end", left - 8.0, zero + 4.0, "0"),
        text("middle", f64::midpoint(left, right), height - 6.0, "agent-hours"),
        rotated(12.0, f64::midpoint(TOP, base), if up.is_some() { "waiting task-hours" } else { "waiting" }),
    ];
    for tick in &across.ticks {
        parts.push(line("grid", x(*tick), TOP, x(*tick), base));
        parts.push(text("middle", x(*tick), base + 17.0, &Axis::label(*tick)));
    }
    for tick in up.iter().flat_map(|up| &up.ticks) {
        parts.push(line("grid", left, y(*tick), right, y(*tick)));
        parts.push(text("end", left - 8.0, y(*tick) + 4.0, &Axis::label(*tick)));
    }
    parts.push(dial(&points));
    parts.extend(points.iter().map(drawn));
    parts.extend(labels(&points, layout, Area(left, TOP - 8.0, width, base)));
    element("svg")
        .class(class)
        .with("viewBox", format_args!("0 0 {width} {height}"))
        .with("role", "img")
        .with("aria-label", description(contestants))
        .holding(parts)
}

/// Whether a policy is better in one and worse in none.
fn beats(one: &Contestant<'_>, other: &Contestant<'_>) -> bool {
    let (a, b) = ((hours(one), one.waiting_hours()), (hours(other), other.waiting_hours()));
    !one.is_bound() && a.0 <= b.0 && a.1 <= b.1 && (a.0 < b.0 || a.1 < b.1)
}

fn description(contestants: &[Contestant<'_>]) -> String {
    let each = contestants.iter().map(|contestant| {
        let (hours, waiting) = (number(hours(contestant)), number(contestant.waiting_hours()));
        format!("{}: {hours} agent-hours, {waiting} waiting task-hours", contestant.name)
    });
    each.collect::<Vec<_>>().join("; ")
}

/// Our configurations that no other of ours beats, from the fewest hours to the most.
fn dial(points: &[Point<'_>]) -> Markup {
    let ours: Vec<&Point<'_>> = points.iter().filter(|point| point.contestant.is_ours()).collect();
    let is_beaten = |point: &Point<'_>| ours.iter().any(|other| beats(other.contestant, point.contestant));
    let mut joined: Vec<&Point<'_>> = ours.iter().copied().filter(|point| !is_beaten(point)).collect();
    if joined.len() < 2 {
        return Markup::default();
    }
    joined.sort_by(|a, b| a.x.total_cmp(&b.x).then(a.y.total_cmp(&b.y)));
    let corners: Vec<String> = joined.iter().map(|point| format!("{:.1},{:.1}", point.x, point.y)).collect();
    element("polyline").class("dial").with("points", corners.join(" ")).holding([])
}

fn drawn(point: &Point<'_>) -> Markup {
    let Point { contestant, x, y, is_best, .. } = point;
    let class = match (contestant.is_ours(), contestant.is_bound()) {
        (true, _) => "point ours",
        (_, true) => "point bound",
        _ => "point",
    };
    let class = if *is_best { format!("{class} best") } else { class.to_owned() };
    let title = element("title").text(format_args!(
        "{}: {} agent-hours, {} waiting task-hours",
        contestant.name,
        number(hours(contestant)),
        number(contestant.waiting_hours())
    ));
    if contestant.is_bound() {
        let d = format!("M{x:.1} {:.1}l6 6l-6 6l-6 -6Z", y - 6.0);
        return element("path").class(&class).with("d", d).holding(title);
    }
    let circle = element("circle").class(&class).with("cx", format_args!("{x:.1}")).with("cy", format_args!("{y:.1}"));
    circle.with("r", 5).holding(title)
}

/// A label for each point, at the nearest place where it covers neither a point nor another label.
fn labels(points: &[Point<'_>], layout: &Layout, bounds: Area) -> Vec<Markup> {
    let mut taken: Vec<Area> =
        points.iter().map(|point| Area(point.x - 6.0, point.y - 6.0, point.x + 6.0, point.y + 6.0)).collect();
    let mut labels = Vec::new();
    for point in points {
        let label = if layout.is_numbered { point.number.to_string() } else { tail(point.contestant.name, MAX_LABEL) };
        let characters = u32::try_from(label.chars().count()).unwrap_or(u32::MAX);
        let size = f64::from(characters) * if point.contestant.is_ours() { BOLD } else { CHARACTER };
        let free = candidates(point, size)
            .find(|area| area.is_within(&bounds) && !taken.iter().any(|other| area.overlaps(other)));
        // Where all is full, the nearest place within the picture has to do.
        let Some(area) = free.or_else(|| candidates(point, size).find(|area| area.is_within(&bounds))) else {
            continue;
        };
        taken.push(area);
        let (x, y) = (f64::midpoint(area.0, area.2), f64::midpoint(area.1, area.3));
        let distance = (point.x - point.x.clamp(area.0, area.2)).hypot(point.y - point.y.clamp(area.1, area.3));
        if distance > 16.0 {
            let (to_x, to_y) = (point.x.clamp(area.0, area.2), point.y.clamp(area.1, area.3));
            labels.push(line("leader", point.x, point.y, to_x, to_y));
        }
        let class = if point.contestant.is_ours() { "label ours" } else { "label" };
        labels.push(anchored(class, "middle", x, y + 4.0, &label));
    }
    labels
}

/// Where a label may be, the nearest places first: right, left, above, below, then farther and farther away.
fn candidates(point: &Point<'_>, width: f64) -> impl Iterator<Item = Area> {
    let (x, y) = (point.x, point.y);
    (0_u8..16).map(f64::from).flat_map(move |ring| {
        let (aside, off) = (9.0 + 5.0 * ring, 16.0 + 9.0 * ring);
        let at = move |x: f64, y: f64| Area(x - width / 2.0, y - LINE / 2.0, x + width / 2.0, y + LINE / 2.0);
        let half = width / 2.0;
        [
            at(x + aside + half, y),
            at(x - aside - half, y),
            at(x, y - off),
            at(x, y + off),
            at(x + aside + half, y - off),
            at(x + aside + half, y + off),
            at(x - aside - half, y - off),
            at(x - aside - half, y + off),
        ]
    })
}

impl Area {
    fn overlaps(&self, other: &Self) -> bool {
        self.0 < other.2 && other.0 < self.2 && self.1 < other.3 && other.1 < self.3
    }

    fn is_within(&self, other: &Self) -> bool {
        self.0 >= other.0 && self.1 >= other.1 && self.2 <= other.2 && self.3 <= other.3
    }
}

fn line(class: &str, x1: f64, y1: f64, x2: f64, y2: f64) -> Markup {
    element("path").class(class).with("d", format_args!("M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}")).holding([])
}

fn text(anchor: &str, x: f64, y: f64, content: &str) -> Markup {
    anchored("tick", anchor, x, y, content)
}

fn anchored(class: &str, anchor: &str, x: f64, y: f64, content: &str) -> Markup {
    let element = element("text").class(class).with("text-anchor", anchor);
    element.with("x", format_args!("{x:.1}")).with("y", format_args!("{y:.1}")).text(content)
}

fn rotated(x: f64, y: f64, content: &str) -> Markup {
    let turn = format!("translate({x:.1} {y:.1}) rotate(-90)");
    element("text").class("tick").with("text-anchor", "middle").with("transform", turn).text(content)
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::super::tests::{contestant, contestants};
    use super::*;

    fn areas(picture: &str) -> Vec<Area> {
        let attribute = |text: &str, name: &str| -> f64 {
            let from = text.find(&format!(" {name}=\"")).unwrap() + name.len() + 3;
            text[from..].split('"').next().unwrap().parse().unwrap()
        };
        let labels = picture.split("<text class=\"label").skip(1);
        labels
            .map(|label| {
                let content = label.split('>').nth(1).unwrap().split('<').next().unwrap();
                let width = f64::from(u32::try_from(content.chars().count()).unwrap()) * CHARACTER;
                let (x, y) = (attribute(label, "x"), attribute(label, "y") - 4.0);
                Area(x - width / 2.0 + 0.2, y - LINE / 2.0 + 0.2, x + width / 2.0 - 0.2, y + LINE / 2.0 - 0.2)
            })
            .collect()
    }

    #[test]
    fn no_label_covers_another_where_policies_are_alike() {
        for layout in [WIDE, NARROW] {
            for spread in [0.0, 1.0, 10.0, 100.0] {
                let runs = contestants(14, spread);
                let entries: Vec<Contestant<'_>> = runs.iter().map(contestant).collect();
                let areas = areas(&picture(&entries, &layout).into_string());
                assert_eq!(areas.len(), 14, "{layout:?} {spread}");
                for (place, area) in areas.iter().enumerate() {
                    assert!(
                        !areas[place + 1..].iter().any(|other| area.overlaps(other)),
                        "{layout:?} {spread} {place}"
                    );
                }
            }
        }
    }

    #[test]
    fn policies_of_which_none_waits_are_on_the_line_of_zero() {
        let mut runs = contestants(3, 10.0);
        for run in &mut runs {
            run.1.measurements.waiting_task_seconds = 0.0;
        }
        let entries: Vec<Contestant<'_>> = runs.iter().map(contestant).collect();
        let picture = picture(&entries, &WIDE).into_string();
        let y = format!("cy=\"{:.1}\"", f64::midpoint(TOP, WIDE.height / 3.0 - BOTTOM));
        assert_eq!(picture.matches(&y).count(), 3, "{picture}");
    }

    #[test]
    fn a_configuration_that_another_beats_is_not_on_the_line() {
        let settings = cluster::policy("min = 1").unwrap();
        let joined = |figures: [(f64, f64); 3]| {
            let mut runs = contestants(3, 0.0);
            for ((_, run), (hours, waiting)) in runs.iter_mut().zip(figures) {
                run.measurements.agent_hours = hours;
                run.measurements.waiting_task_seconds = waiting;
            }
            let kind = Kind::LambdaScale { settings: &settings, config_sha256: "" };
            let entries: Vec<Contestant<'_>> =
                runs.iter().map(|(name, run)| Contestant::new(name, kind, std::slice::from_ref(run))).collect();
            let picture = picture(&entries, &WIDE).into_string();
            let line = picture.split_once("points=\"").map(|(_, rest)| rest.split('"').next().unwrap().to_owned());
            line.map_or(0, |line| line.split(' ').count())
        };
        assert_eq!(joined([(1000.0, 9000.0), (1100.0, 8000.0), (1200.0, 7000.0)]), 3);
        assert_eq!(joined([(1000.0, 9000.0), (1100.0, 7000.0), (1200.0, 8000.0)]), 2);
        assert_eq!(joined([(1000.0, 7000.0), (1100.0, 8000.0), (1200.0, 9000.0)]), 0, "the first beats all");
    }
}
