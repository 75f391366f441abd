use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use shared::clause::Clause;

use super::*;
use crate::measure::{Action, ActionKind, Hold, Measurements, Series, Wait};

const EVIL: &str = "</script><script>alert('1')</script>\"&";

/// Runs of policies that differ by so many percent.
pub(super) fn contestants(count: u32, spread: f64) -> Vec<(String, Run)> {
    let each = |number: u32| {
        let n = f64::from(number);
        let name = if number == 0 { "pool.toml".to_owned() } else { format!("target-tracking={number}") };
        let mut run = run(&name, 60, 1);
        run.measurements.agent_hours = 1000.0 * (1.0 + spread * (n * 7.0 % 5.0) / 100.0);
        run.measurements.waiting_task_seconds = 36_000.0 * (1.0 + spread * (n * 3.0 % 7.0) / 10.0);
        (name, run)
    };
    (0..count).map(each).collect()
}

pub(super) fn contestant((name, run): &(String, Run)) -> Contestant<'_> {
    Contestant::new(name, Kind::Baseline, std::slice::from_ref(run))
}

fn start() -> Timestamp {
    "2026-01-05T00:00:00Z".parse().unwrap()
}

fn after(minutes: usize) -> Timestamp {
    start() + SignedDuration::from_mins(i64::try_from(minutes).unwrap())
}

/// A run with an action every twenty minutes; all of its texts are as long as they get.
fn run(name: &str, minutes: usize, seed: u64) -> Run {
    let wave = |scale: u32| {
        let at = move |minute: usize| {
            let minute = u32::try_from(minute).unwrap();
            scale * (20 + minute / 17 % 13 + minute * 7919 % 11) + minute % 3
        };
        (0..minutes).map(at).collect::<Vec<u32>>()
    };
    let action = |place: usize| Action {
        at: after(20 * place),
        kind: if place.is_multiple_of(2) { ActionKind::ScaleUp } else { ActionKind::ScaleDown },
        from: 10,
        to: 10 + u32::try_from(place).unwrap() % 5,
        agents: 1,
        moved_tasks: u32::try_from(place).unwrap() % 3,
        killed_jobs: 0,
        clause: Some(if place.is_multiple_of(2) { Clause::H4 } else { Clause::D2 }),
        reason: format!("{EVIL} {}", "headroom needs 3 of 10 free cpus ".repeat(20)),
    };
    let actions: Vec<Action> = (0..minutes / 20).map(action).collect();
    Run {
        name: name.to_owned(),
        seed,
        start: start(),
        from: start(),
        to: after(minutes),
        measurements: Measurements {
            agent_hours: 1234.5 + f64::from(u32::try_from(seed).unwrap()),
            cost: 474.048,
            waiting_task_seconds: 7777.0,
            utilization_mean: 71.3,
            wait_p99_s: 187.0,
            moved_tasks: f64::from(actions.iter().map(|action| action.moved_tasks).sum::<u32>()),
            back_off_minutes: [(Clause::B2, 7)].into(),
            ..Measurements::default()
        },
        series: Series {
            demand: wave(1000),
            allocated: wave(900),
            usable: wave(1),
            in_flight: wave(1),
            closing: wave(1),
            waiting: wave(1),
        },
        holds: vec![Hold { from: after(3), to: after(9), clause: Some(Clause::B2), reason: format!("hold {EVIL}") }],
        worst_waits: vec![Wait {
            application: EVIL.to_owned(),
            from: after(4),
            to: after(8),
            clause: Some(Clause::B2),
        }],
        actions,
    }
}

fn settings() -> Settings {
    cluster::policy("min = 1\nmax = 400\n").unwrap()
}

fn report<'a>(contestants: Vec<Contestant<'a>>) -> Report<'a> {
    Report { version: "0.1.0", command: EVIL, trace: EVIL, seeds: &[1], contestants }
}

/// A page of so many policies over so many minutes, the first of them ours.
fn page_of(policies: u32, minutes: usize) -> String {
    let settings = settings();
    let names: Vec<String> = (0..policies).map(|number| format!("{number}{EVIL}")).collect();
    let runs: Vec<Run> = names.iter().map(|name| run(name, minutes, 1)).collect();
    let each = names.iter().zip(&runs).enumerate().map(|(place, (name, run))| {
        let kind = match place {
            0 | 1 => Kind::LambdaScale { settings: &settings, config_sha256: "00" },
            2 => Kind::Bound,
            _ => Kind::Baseline,
        };
        Contestant::new(name, kind, std::slice::from_ref(run))
    });
    html(&report(each.collect()))
}

/// The names of all elements; fails where one is not closed in its order.
fn elements(html: &str) -> BTreeSet<String> {
    const VOID: [&str; 1] = ["meta"];
    let mut open: Vec<String> = Vec::new();
    let mut names = BTreeSet::new();
    let mut rest = html.strip_prefix("<!DOCTYPE html>").unwrap();
    while let Some(from) = rest.find('<') {
        rest = &rest[from + 1..];
        let (tag, after) = rest.split_once('>').unwrap();
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "after {open:?}");
            continue;
        }
        let name = tag.split(' ').next().unwrap().to_owned();
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{name}");
        assert!(tag.matches('"').count().is_multiple_of(2), "{tag}");
        names.insert(name.clone());
        if VOID.contains(&name.as_str()) {
            continue;
        }
        // Their content is text until their end.
        if ["script", "style"].contains(&name.as_str()) {
            rest = &rest[rest.find(&format!("</{name}>")).unwrap()..];
        }
        open.push(name);
    }
    assert!(open.is_empty(), "{open:?}");
    names
}

#[test]
fn a_page_is_balanced_and_shows_names_as_text() {
    for policies in [0, 1, 2, 4, 14] {
        let html = page_of(policies, 600);
        elements(&html);
        assert_eq!(html.matches("<script").count(), 2, "the data and the script");
        assert!(!html.contains("<script>alert"));
        assert!(!html.contains("NaN") || !html.replace(include_str!("script.js"), "").contains("NaN"));
    }
}

#[test]
fn a_page_of_two_weeks_and_fourteen_policies_is_below_three_megabytes() {
    let html = page_of(14, 14 * 1440);
    assert!(html.len() < 3_000_000, "{}", html.len());
    assert!(html.len() > 500_000, "{}", html.len());
}

#[test]
fn equal_results_give_equal_bytes() {
    assert_eq!(page_of(4, 600), page_of(4, 600));
}

#[test]
fn a_page_asks_nothing_of_a_network() {
    let html = page_of(4, 600);
    for word in ["http:", "https:", "src=", "href=", "url(", "@import", "fetch(", "<link", "<img", "<iframe", "XMLHttp"]
    {
        assert!(!html.contains(word), "{word}");
    }
}

#[test]
fn every_value_of_the_tables_is_in_the_json() {
    let runs = [run("a", 60, 1), run("a", 60, 2)];
    let contestant = Contestant::new("a", Kind::Baseline, &runs);
    let json = serde_json::to_value(&contestant.summary).unwrap();
    let mut known = Vec::new();
    let mut left = vec![&json];
    while let Some(value) = left.pop() {
        match value {
            Value::Object(map) => left.extend(map.values()),
            other => known.push(other.as_f64().unwrap().to_string()),
        }
    }
    let html = table::section(&[contestant]).into_string();
    let values: Vec<&str> = html.split("<data value=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(values.len() > Measurement::ALL.len(), "{}", values.len());
    for value in values {
        assert!(known.iter().any(|known| known == value), "{value}");
    }
}

#[test]
fn every_measurement_has_a_row() {
    let (name, one) = ("a".to_owned(), run("a", 60, 1));
    let html = table::section(&[contestant(&(name, one))]).into_string();
    for measurement in Measurement::ALL {
        assert!(html.contains(&format!(">{}</th>", measurement.name())), "{}", measurement.name());
    }
    assert!(html.contains(">back_off_minutes B2</th>"));
}

#[test]
fn a_base_of_zero_has_no_impact() {
    let mut runs = contestants(2, 10.0);
    for run in &mut runs {
        run.1.measurements.waiting_task_seconds = 0.0;
        run.1.measurements.cost = 0.0;
    }
    let html = html(&report(runs.iter().map(contestant).collect()));
    assert!(html.contains("<span>waiting impact</span><b>–</b>"), "{html}");
    assert!(html.contains("<span>cost impact</span><b>–</b>"));
    assert!(!html.replace(include_str!("script.js"), "").contains("NaN"));
    assert!(!html.contains("inf%"));
}

#[test]
fn the_best_of_a_column_is_marked_unless_all_are_alike_or_it_is_a_bound() {
    let mut runs = contestants(3, 0.0);
    for (place, hours) in [100.0, 90.0, 10.0].into_iter().enumerate() {
        runs[place].1.measurements.agent_hours = hours;
    }
    let mut entries: Vec<Contestant<'_>> = runs.iter().map(contestant).collect();
    entries[2].kind = Kind::Bound;
    let html = table::section(&entries).into_string();
    let best: Vec<&str> = html
        .split("<td class=\"best\">")
        .skip(1)
        .map(|cell| cell.split("value=\"").nth(1).unwrap().split('"').next().unwrap())
        .collect();
    // In the two tables.
    assert_eq!(best, ["90", "90"]);
}

#[test]
fn moved_tasks_by_cause_sum_up_to_what_was_measured() {
    let one = run("a", 600, 1);
    let moved = one.measurements.moved_tasks;
    let html = causes::moved(&[contestant(&("a".to_owned(), one))]).into_string();
    let rows = html.split("<tr>").skip(2);
    let sum: f64 =
        rows.map(|row| row.split("<td>").nth(2).unwrap().split('<').next().unwrap().parse::<f64>().unwrap()).sum();
    assert!((sum - moved).abs() < 1e-9, "{sum} {moved}");
    assert!(html.contains("scale up, H4: ") && html.contains("scale down, D2: "));
}

#[test]
fn a_wait_names_the_clause_that_held_the_agents_and_its_reason() {
    let html = causes::waits(&[contestant(&("a".to_owned(), run("a", 60, 1)))]).into_string();
    assert!(html.contains(">B2: hold &lt;/script&gt;"), "{html}");
    assert!(html.contains(">4m</td>"));
}

#[test]
fn configurations_that_differ_are_shown_side_by_side() {
    let (one, other) = (settings(), cluster::policy("min = 3\nmax = 400\n").unwrap());
    let runs = contestants(2, 1.0);
    let kinds = [&one, &other].map(|settings| Kind::LambdaScale { settings, config_sha256: "abc" });
    let entries =
        runs.iter().zip(kinds).map(|((name, run), kind)| Contestant::new(name, kind, std::slice::from_ref(run)));
    let html = settings::section(&report(entries.collect())).into_string();
    assert!(html.contains(">min</th><td>1</td><td>3</td></tr></tbody>"), "{html}");
    assert!(html.contains("SHA-256 of the file: abc") && html.contains("max = 400"));
}
