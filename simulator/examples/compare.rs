//! Writes the tables of docs/comparison.md: every policy on every trace of traces/, as `make compare` does.
//!
//! `cargo run --release -p simulator --example compare -- SEEDS traces docs/comparison.md`
//!
//! It is an example, not a command: what it compares, and how, is fixed, so that everyone gets the same table.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a development tool ends by panicking"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

mod support;

use cluster::Capacity;
use mimalloc::MiMalloc;
use shared::config::Confidence;
use simulator::policy::{Baseline, Exactness, LambdaScale, Policy};
use simulator::summary::Spread;
use simulator::trace::{Options, read};
use simulator::{DAY, Faults, Measurements, Place, Setup, Start, oracle, run};
use support::{DAYS, pool};

/// That of the command line.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const START: &str = "<!-- compare: start -->";
const END: &str = "<!-- compare: end -->";

/// Lambda Scale with other settings than its defaults, and with and without Marathon's queue.
struct Own {
    name: &'static str,
    settings: &'static str,
    sees_queue: bool,
}

const OURS: [Own; 3] = [
    Own { name: "Lambda Scale", settings: "", sees_queue: true },
    Own { name: LEARNED, settings: "learn = 95\n", sees_queue: true },
    Own { name: "Lambda Scale, no [marathon]", settings: "", sees_queue: false },
];

const LEARNED: &str = "Lambda Scale, learn = 95";

const BASELINES: [&str; 11] = [
    "target-tracking=50",
    "target-tracking=65",
    "target-tracking=80",
    "scalepot",
    "escalator",
    "clusterman",
    "cluster-autoscaler",
    "karpenter",
    "karpenter-buffer=10",
    "karpenter-buffer=30",
    "oracle",
];

/// A column of a table: its head, and what it adds up of the measurements.
struct Column {
    head: &'static str,
    value: fn(&Measurements) -> f64,
}

const COLUMNS: [Column; 4] = [
    Column { head: "agent-hours", value: |measured| measured.agent_hours },
    Column { head: "waiting task-hours", value: |measured| measured.waiting_task_seconds / 3600.0 },
    Column { head: "moved or killed tasks", value: |measured| measured.moved_tasks + measured.killed_tasks },
    Column { head: "flaps", value: |measured| measured.flaps },
];

/// A policy on a trace: a spread for each column.
type Row = [Spread; COLUMNS.len()];

fn main() {
    assert!(LEARNED.ends_with(&format!("learn = {}", Confidence::SUGGESTED)), "what is compared is what is suggested");
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (seeds, traces, page) = (arguments[0].parse::<u64>().unwrap(), &arguments[1], &arguments[2]);
    let setups = setups(Path::new(traces));
    let names: Vec<&str> = OURS.iter().map(|own| own.name).chain(BASELINES).collect();
    let rows = measure(&setups, &names, seeds);
    let text = fs::read_to_string(page).unwrap();
    let (before, rest) = text.split_once(START).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let tables = written(&setups, &names, &rows, seeds);
    fs::write(page, format!("{before}{START}\n{tables}{END}{after}")).unwrap();
}

/// A setup for each trace, by name.
fn setups(directory: &Path) -> Vec<(String, Setup)> {
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "csv"));
    paths.sort();
    let setup = |path: &std::path::PathBuf| {
        let mut workload = read(&fs::read_to_string(path).unwrap(), &Options::default()).unwrap();
        workload.duration = workload.duration.min(DAYS * DAY);
        let pool = pool("", &workload, true);
        let setup = Setup {
            agent: Capacity::of(workload.agent),
            start: Start::Demand,
            boot: 180_000,
            min: pool.limits.min,
            max: pool.limits.max.unwrap(),
            headroom_percent: pool.headroom.percent,
            price: 384,
            place: Place { group: pool.group, ..Place::default() },
            workload,
            faults: Faults::default(),
        };
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), setup)
    };
    paths.iter().map(setup).collect()
}

/// Runs everything on all processors: the rows by trace and policy.
fn measure(setups: &[(String, Setup)], names: &[&str], seeds: u64) -> BTreeMap<(usize, usize), Row> {
    let jobs: Vec<(usize, usize, u64)> = (0..setups.len())
        .flat_map(|trace| (0..names.len()).flat_map(move |policy| (1..=seeds).map(move |seed| (trace, policy, seed))))
        .collect();
    let left = Mutex::new(jobs.into_iter());
    let measured: Mutex<BTreeMap<(usize, usize, u64), Measurements>> = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let Some(job) = left.lock().unwrap().next() else { return };
                    let (trace, policy, seed) = job;
                    let result = simulate(&setups[trace].1, names[policy], seed);
                    eprintln!("{} {} {seed}: {:.0} agent-hours", setups[trace].0, names[policy], result.agent_hours);
                    measured.lock().unwrap().insert(job, result);
                }
            });
        }
    });
    let measured = measured.into_inner().unwrap();
    let row = |trace: usize, policy: usize| -> Row {
        let of: Vec<&Measurements> =
            measured.range((trace, policy, 0)..=(trace, policy, seeds)).map(|(_, of)| of).collect();
        COLUMNS.map(|Column { value, .. }| Spread::of(of.iter().map(|measured| value(measured))))
    };
    (0..setups.len())
        .flat_map(|trace| (0..names.len()).map(move |policy| (trace, policy)))
        .map(|(trace, policy)| ((trace, policy), row(trace, policy)))
        .collect()
}

fn simulate(setup: &Setup, name: &str, seed: u64) -> Measurements {
    let mut policy: Box<dyn Policy> = match OURS.iter().find(|own| own.name == name) {
        Some(own) => Box::new(LambdaScale::new(
            pool(own.settings, &setup.workload, own.sees_queue),
            own.sees_queue,
            Exactness::Sampled,
        )),
        None => match name.parse::<Baseline>().unwrap().policy() {
            Some(policy) => policy,
            None => return oracle::run(setup, name, seed).measurements,
        },
    };
    run(setup, name, &mut *policy, seed).unwrap().measurements
}

/// The part of the page between the markers.
fn written(setups: &[(String, Setup)], names: &[&str], rows: &BTreeMap<(usize, usize), Row>, seeds: u64) -> String {
    let mut text = format!("{}, version {}.\n\n", counted(seeds), env!("CARGO_PKG_VERSION"));
    text.push_str(&[OURS[0].name, LEARNED].map(|own| against(own, setups, names, rows)).join("\n"));
    for (trace, (name, setup)) in setups.iter().enumerate() {
        let days = (setup.workload.duration - setup.measured_from()).div_ceil(DAY);
        let _ = write!(text, "\n**{name}**, {days} days, agents of {}\n\n| policy |", setup.agent.total);
        for Column { head, .. } in COLUMNS {
            let _ = write!(text, " {head} |");
        }
        text.push_str("\n|---|---|---|---|---|\n");
        for (policy, name) in names.iter().enumerate() {
            let _ = write!(text, "| {name} |");
            for column in 0..COLUMNS.len() {
                let _ = write!(text, " {} |", cell(trace, policy, column, names, rows));
            }
            text.push('\n');
        }
    }
    text
}

fn counted(seeds: u64) -> String {
    if seeds == 1 { "One seed".to_owned() } else { format!("Mean of {seeds} seeds") }
}

/// A mean with the largest deviation from it, bold where it is the best, marked where it is better than ours.
fn cell(trace: usize, policy: usize, column: usize, names: &[&str], rows: &BTreeMap<(usize, usize), Row>) -> String {
    let value = |policy: usize| shown(column, rows[&(trace, policy)][column].mean);
    let Spread { mean, min, max } = rows[&(trace, policy)][column];
    let deviation = shown(column, (max - mean).max(mean - min));
    let mut text = number(column, mean);
    if is_more(deviation, 0.0) {
        let _ = write!(text, " ±{}", number(column, deviation));
    }
    // The oracle is a bound.
    let best = (0..names.len()).filter(|other| names[*other] != "oracle").map(value).fold(f64::INFINITY, f64::min);
    if names[policy] != "oracle" && !is_more(value(policy), best) {
        text = format!("**{text}**");
    }
    let is_better = policy >= OURS.len() && names[policy] != "oracle" && is_more(value(0), value(policy));
    if is_better { format!("{text} †") } else { text }
}

/// On how many traces that policy of ours is better and worse than each baseline.
fn against(own: &str, setups: &[(String, Setup)], names: &[&str], rows: &BTreeMap<(usize, usize), Row>) -> String {
    let mut text = format!(
        "| {own} against | agent-hours | waiting | moved or killed tasks | flaps | worse in both agent-hours and waiting |\n|---|---|---|---|---|---|\n"
    );
    let own = names.iter().position(|name| *name == own).unwrap();
    let value = |trace: usize, policy: usize, column: usize| shown(column, rows[&(trace, policy)][column].mean);
    for (policy, name) in names.iter().enumerate().skip(OURS.len()).filter(|(_, name)| **name != "oracle") {
        let _ = write!(text, "| {name} |");
        for column in 0..COLUMNS.len() {
            let pairs = || (0..setups.len()).map(|trace| (value(trace, own, column), value(trace, policy, column)));
            let less = pairs().filter(|(ours, theirs)| is_more(*theirs, *ours)).count();
            let more = pairs().filter(|(ours, theirs)| is_more(*ours, *theirs)).count();
            let _ = write!(text, " less on {less}");
            if more > 0 {
                let _ = write!(text, ", **loss: more on {more}**");
            }
            if column == 0 {
                let percent = |(ours, theirs): (f64, f64)| 100.0 * (ours - theirs) / theirs;
                let (least, most) = pairs()
                    .map(percent)
                    .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), of| (least.min(of), most.max(of)));
                let _ = write!(text, " ({least:+.0}% to {most:+.0}%)");
            }
            text.push_str(" |");
        }
        let both: Vec<&str> = (0..setups.len())
            .filter(|trace| (0..2).all(|column| is_more(value(*trace, own, column), value(*trace, policy, column))))
            .map(|trace| setups[trace].0.as_str())
            .collect();
        let both = if both.is_empty() { "on none".to_owned() } else { format!("**loss: {}**", both.join(", ")) };
        let _ = writeln!(text, " {both} |");
    }
    text
}

/// As it is shown: waiting in tenths, the others whole.
fn shown(column: usize, value: f64) -> f64 {
    if column == 1 { (10.0 * value).round() / 10.0 } else { value.round() }
}

fn number(column: usize, value: f64) -> String {
    if column == 1 { format!("{value:.1}") } else { format!("{value:.0}") }
}

fn is_more(value: f64, than: f64) -> bool {
    value > than
}
