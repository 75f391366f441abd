//! Thousands of small worlds in which anything goes wrong, as `make simulate-faults` runs them.
//!
//! ```text
//! simulate_faults --seeds 10000              every seed from 0 on; then each canary, until it is caught
//! simulate_faults --seed 17 [--without CLASS] [--minutes N] [--until MINUTE] [--canary NAME] [--shrink]
//! ```
//!
//! It is an example, not a command: it tests this project, and no user needs it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::exit,
    clippy::disallowed_methods,
    reason = "a development tool ends by panicking, and measures how long it takes"
)]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use std::{env, process, thread};

use mimalloc::MiMalloc;
use simulator::MINUTE;
use simulator::faults::{Canary, Case, Class, Outcome, run, shrink::shrink};

/// That of the command line.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Within so many seeds a canary must be caught.
const CANARY_SEEDS: u64 = 1000;

/// How many violations are printed.
const PRINTED: usize = 5;

/// The options.
#[derive(Debug, Default)]
struct Options {
    seeds: u64,
    from: u64,
    seed: Option<u64>,
    without: Vec<String>,
    minutes: Option<u64>,
    until: Option<u64>,
    canary: Option<Canary>,
    shrink: bool,
    no_canaries: bool,
}

impl Options {
    fn read() -> Self {
        let mut options = Self { seeds: 1000, ..Self::default() };
        let mut arguments = env::args().skip(1);
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_else(|| panic!("{name} needs a value"));
            match name.as_str() {
                "--seeds" => options.seeds = value().parse().expect("a number of seeds"),
                "--from" => options.from = value().parse().expect("the first seed"),
                "--seed" => options.seed = Some(value().parse().expect("a seed")),
                "--without" => options.without.push(value()),
                "--minutes" => options.minutes = Some(value().parse().expect("minutes of faults")),
                "--until" => options.until = Some(value().parse().expect("a minute")),
                "--canary" => options.canary = Some(value().parse().expect("a canary")),
                "--shrink" => options.shrink = true,
                "--no-canaries" => options.no_canaries = true,
                other => panic!("unknown option {other}"),
            }
        }
        options
    }

    /// The case of a seed, as the options make it smaller.
    fn case(&self, seed: u64) -> Case {
        let mut case = self.canary.map_or_else(|| Case::of(seed), |canary| canary.case(Case::of(seed)));
        for class in Class::all().filter(|class| self.without.iter().any(|name| name == class.name())) {
            case = case.without(class);
        }
        case.faulty = self.minutes.map_or(case.faulty, |minutes| minutes * MINUTE);
        case.until = self.until.map(|minute| minute * MINUTE);
        case
    }
}

/// What all seeds came to.
#[derive(Default)]
struct Sums {
    strikes: BTreeMap<Class, u64>,
    runs: u64,
    writes: u64,
    violations: Vec<(u64, String)>,
}

fn main() {
    let options = Options::read();
    let failed = match (options.seed, options.canary) {
        (Some(seed), _) => one(&options, seed),
        (None, Some(canary)) => !is_caught(canary, options.seeds.max(CANARY_SEEDS)),
        (None, None) => {
            let failed = many(&options);
            let missed = !options.no_canaries
                && !Canary::ALL.map(|canary| is_caught(canary, CANARY_SEEDS)).iter().all(|caught| *caught);
            failed || missed
        }
    };
    process::exit(i32::from(failed));
}

/// One case, with its history.
fn one(options: &Options, seed: u64) -> bool {
    let mut case = options.case(seed);
    if options.shrink {
        case = shrink(&case, options.canary);
        println!("smallest: {}", command(&case, options.canary));
    }
    let Outcome { violation, history, .. } = run(&case, options.canary, true);
    println!("{case}\n{}", history.join("\n"));
    match &violation {
        Some(violation) => {
            println!("VIOLATED {} at minute {}: {}", violation.invariant, violation.at / MINUTE, violation.what);
        }
        None => println!("nothing is violated"),
    }
    violation.is_some()
}

/// The command that runs a case again.
fn command(case: &Case, canary: Option<Canary>) -> String {
    let whole = canary.map_or_else(|| Case::of(case.seed), |canary| canary.case(Case::of(case.seed)));
    let without: Vec<String> = whole
        .classes
        .keys()
        .filter(|class| !case.classes.contains_key(class))
        .map(|class| format!(" --without {}", class.name()))
        .collect();
    let canary = canary.map(|canary| format!(" --canary {canary}")).unwrap_or_default();
    let minutes = case.faulty / MINUTE;
    let minutes = if case.faulty == whole.faulty { String::new() } else { format!(" --minutes {minutes}") };
    format!("make simulate-faults ARGS=\"--seed {}{}{minutes}{canary}\"", case.seed, without.concat())
}

/// Runs seeds on all processors, each once.
fn each(from: u64, count: u64, canary: Option<Canary>, stops: bool, options: &Options) -> Sums {
    let next = AtomicU64::new(0);
    let sums = Mutex::new(Sums::default());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    let outcome = run(&options.case(from + number), canary, false);
                    let mut sums = sums.lock().unwrap();
                    sums.runs += outcome.runs;
                    sums.writes += outcome.writes;
                    outcome.strikes.iter().for_each(|(class, count)| *sums.strikes.entry(*class).or_default() += count);
                    if let Some(violation) = outcome.violation {
                        let at = violation.at / MINUTE;
                        sums.violations.push((
                            from + number,
                            format!("{} at minute {at}: {}", violation.invariant, violation.what),
                        ));
                        if stops {
                            next.store(count, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let mut sums = sums.into_inner().unwrap();
    sums.violations.sort();
    sums
}

fn many(options: &Options) -> bool {
    let begun = Instant::now();
    let sums = each(options.from, options.seeds, None, false, options);
    let seconds = begun.elapsed().as_secs_f64();
    let strikes: u64 = sums.strikes.values().sum();
    let list: Vec<String> = sums.strikes.iter().map(|(class, count)| format!("{} {count}", class.name())).collect();
    println!(
        "{} seeds in {seconds:.1} s: {} runs, {strikes} faults of {} classes, {} writes",
        options.seeds,
        sums.runs,
        sums.strikes.len(),
        sums.writes
    );
    println!("faults: {}", list.join(", "));
    let mut by_name: BTreeMap<&str, u64> = BTreeMap::new();
    for (_, what) in &sums.violations {
        *by_name.entry(what.split(" at minute").next().unwrap_or_default()).or_default() += 1;
    }
    println!("violations: {} {by_name:?}", sums.violations.len());
    for (seed, what) in sums.violations.iter().take(PRINTED) {
        println!("seed {seed}: {what}\n  {}", command(&Case::of(*seed), None));
        println!("  {}", Case::of(*seed).to_string().replace('\n', "\n  "));
    }
    !sums.violations.is_empty()
}

fn is_caught(canary: Canary, seeds: u64) -> bool {
    let begun = Instant::now();
    let sums = each(0, seeds, Some(canary), true, &Options { canary: Some(canary), ..Options::default() });
    let seconds = begun.elapsed().as_secs_f64();
    match sums.violations.first() {
        Some((seed, what)) => println!("canary {canary}: caught by seed {seed} in {seconds:.1} s: {what}"),
        None => println!("canary {canary}: NOT CAUGHT by {seeds} seeds"),
    }
    !sums.violations.is_empty()
}
