//! Measures learned headroom, as `make learned` does: the confidence dial, boot times, noise, deployments, restarts, jumps, a queue that
//! is not seen, a history that is lost every night, failovers, and changed instance types. docs/design/learned-headroom.md has the results.
//!
//! ```text
//! learned SEEDS traces [PART]           the tables, or one of them, as Markdown
//! learned SEEDS traces --write DIR      the synthetic loads as traces, for `lambda-scale simulate --trace`
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a development tool ends by panicking"
)]

#[path = "../tests/support/loads.rs"]
mod loads;
mod support;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use cluster::Capacity;
use loads::{INSTANCES, noise, synthetic};
use mimalloc::MiMalloc;
use node_gather::growth::History;
use shared::config::Confidence;
use shared::resources::Amount;
use simulator::policy::{Exactness, LambdaScale, Orders, Policy, PolicyError, View};
use simulator::trace::{Application, Change, Options, read};
use simulator::{DAY, Fault, Faults, MINUTE, Measurements, Millis, Place, Setup, Start, Workload, run};
use support::{DAYS, pool};

/// That of the command line.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How long synthetic loads last, the first day not measured.
const SYNTHETIC: Millis = 6 * DAY;

/// A policy that is measured.
struct Variant {
    name: String,
    settings: String,
    boot: Millis,
    sees_queue: bool,
    is_lost_nightly: bool,
    faults: Faults,
}

impl Variant {
    fn new(name: impl Into<String>, settings: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            settings: settings.into(),
            boot: 3 * MINUTE,
            sees_queue: true,
            is_lost_nightly: false,
            faults: Faults::default(),
        }
    }

    fn today() -> Self {
        Self::new("today", "")
    }

    fn learned(confidence: &str) -> Self {
        Self::new(format!("learn = {confidence}"), format!("learn = {confidence}"))
    }

    fn suggested() -> Self {
        Self::learned(&Confidence::SUGGESTED.to_string())
    }

    /// With so many strikes a day.
    fn with(self, fault: Fault, rate: u32) -> Self {
        Self {
            name: format!("{}, {}={rate}", self.name, fault.name()),
            faults: Faults::default().with(fault, rate),
            ..self
        }
    }

    fn booting(self, minutes: u64) -> Self {
        let boot_time = if self.settings.is_empty() { String::new() } else { format!("\nboot_time = \"{minutes}m\"") };
        Self {
            name: format!("{}, {minutes} min", self.name),
            settings: self.settings + &boot_time,
            boot: minutes * MINUTE,
            ..self
        }
    }
}

/// Loads, and the variants that are measured on each.
type Part = (&'static str, Vec<(String, Workload)>, Vec<Variant>);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (seeds, directory) = (arguments[0].parse::<u64>().unwrap(), Path::new(&arguments[1]));
    if arguments.get(2).is_some_and(|option| option == "--write") {
        return synthetic_loads().iter().for_each(|(name, load)| write(Path::new(&arguments[3]), name, load));
    }
    for (name, loads, variants) in parts(directory) {
        if arguments.get(2).is_none_or(|only| only == name) {
            print(name, &loads, &variants, seeds);
        }
    }
}

fn parts(directory: &Path) -> Vec<Part> {
    let dial = ["80", "90", "92", "94", "95", "96", "98", "99", "100"].map(Variant::learned);
    let boot = [2, 3, 5, 8].into_iter();
    let boot = boot.flat_map(|minutes| [Variant::today(), Variant::suggested()].map(|of| of.booting(minutes)));
    let both = || vec![Variant::today(), Variant::suggested()];
    let unseen =
        |variant: Variant| Variant { sees_queue: false, name: format!("{}, no queue", variant.name), ..variant };
    let lost = Variant { is_lost_nightly: true, name: "learned, lost nightly".to_owned(), ..Variant::suggested() };
    vec![
        ("dial", traces(directory), std::iter::once(Variant::today()).chain(dial).collect()),
        ("boot", traces(directory), boot.collect()),
        ("queue", traces(directory), both().into_iter().map(unseen).collect()),
        ("lost", traces(directory), vec![Variant::suggested(), lost]),
        ("noise", [1, 2, 5].map(named_noise).to_vec(), both()),
        ("deployments", [2, 4, 12].map(deployments).to_vec(), both()),
        ("restarts", vec![restarts()], both()),
        ("jumps", vec![tenfold(), new_application()], both()),
        ("failover", vec![deployments(4)], both().into_iter().map(|of| of.with(Fault::Failover, 12)).collect()),
        ("type", vec![deployments(4)], both().into_iter().map(|of| of.with(Fault::InstanceType, 4)).collect()),
    ]
}

fn synthetic_loads() -> Vec<(String, Workload)> {
    let [noise, deployments] = [[1, 2, 5].map(named_noise), [2, 4, 12].map(deployments)];
    noise.into_iter().chain(deployments).chain([restarts(), tenfold(), new_application()]).collect()
}

/// Writes a load as a trace of what is wanted by minute.
fn write(directory: &Path, name: &str, load: &Workload) {
    let mut text = "minute,application,instances,cpus,mem\n".to_owned();
    for change in &load.changes {
        let Application { name, resources, .. } = &load.applications[change.application];
        let amount = |amount: Amount| amount.thousandths() as f64 / 1000.0;
        let (minute, cpus, mem) = (change.at / MINUTE, amount(resources.cpus), amount(resources.mem));
        writeln!(text, "{minute},{name},{},{cpus},{mem}", change.instances).unwrap();
    }
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    fs::create_dir_all(directory).unwrap();
    fs::write(directory.join(format!("{}.csv", name.trim_matches('-'))), text).unwrap();
}

fn traces(directory: &Path) -> Vec<(String, Workload)> {
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "csv"));
    paths.sort();
    let load = |path: &std::path::PathBuf| {
        let mut workload = read(&fs::read_to_string(path).unwrap(), &Options::default()).unwrap();
        workload.duration = workload.duration.min(DAYS * DAY);
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), workload)
    };
    paths.iter().map(load).collect()
}

fn named_noise(percent: u32) -> (String, Workload) {
    (format!("±{percent}%"), noise(SYNTHETIC, percent))
}

/// Every four hours each application starts a tenth of its instances anew, one tenth after the other for two minutes each: the new ones
/// run before the old ones stop.
fn restarts() -> (String, Workload) {
    let mut changes = constant();
    for (application, (_, instances, ..)) in INSTANCES.into_iter().enumerate() {
        let first = (1 + u64::try_from(application).unwrap()) * 60;
        for minute in (first..SYNTHETIC / MINUTE - 20).step_by(4 * 60) {
            changes.push(Change { at: minute * MINUTE, application, instances: instances + instances.div_ceil(10) });
            changes.push(Change { at: (minute + 20) * MINUTE, application, instances });
        }
    }
    ("rolling restarts".to_owned(), synthetic(SYNTHETIC, changes))
}

/// On the third day one application is ten times as large, for an hour.
fn tenfold() -> (String, Workload) {
    let (application, noon) = (2, 3 * DAY + DAY / 2);
    let instances = INSTANCES[application].1;
    let mut changes = constant();
    changes.push(Change { at: noon, application, instances: 10 * instances });
    changes.push(Change { at: noon + 60 * MINUTE, application, instances });
    ("one application tenfold, once".to_owned(), synthetic(SYNTHETIC, changes))
}

/// On the third day an application comes that was not there, and stays.
fn new_application() -> (String, Workload) {
    let (application, noon) = (1, 3 * DAY + DAY / 2);
    let mut changes = constant();
    changes.retain(|change| change.application != application);
    changes.push(Change { at: noon, application, instances: INSTANCES[application].1 });
    ("a new application".to_owned(), synthetic(SYNTHETIC, changes))
}

fn constant() -> Vec<Change> {
    let all = INSTANCES.into_iter().enumerate();
    all.map(|(application, (_, instances, ..))| Change { at: 0, application, instances }).collect()
}

/// Every so many hours each application doubles for ten minutes, one after the other.
fn deployments(hours: u64) -> (String, Workload) {
    let mut changes = Vec::new();
    for (application, (_, instances, ..)) in INSTANCES.into_iter().enumerate() {
        changes.push(Change { at: 0, application, instances });
        let first = (1 + u64::try_from(application).unwrap() * hours / 4) * 60;
        for minute in (first..SYNTHETIC / MINUTE - 10).step_by(usize::try_from(60 * hours).unwrap()) {
            changes.push(Change { at: minute * MINUTE, application, instances: 2 * instances });
            changes.push(Change { at: (minute + 10) * MINUTE, application, instances });
        }
    }
    (format!("every {hours} h"), synthetic(SYNTHETIC, changes))
}

/// A pool whose history is lost at the end of each day.
struct LostNightly(LambdaScale);

impl Policy for LostNightly {
    fn period(&self) -> Millis {
        self.0.period()
    }

    fn act(&mut self, view: &View<'_>, orders: &mut Orders) -> Result<(), PolicyError> {
        let minute_of_day = view.now.as_second() / 60 % (24 * 60);
        if minute_of_day == 0 {
            self.0.set_history(History::default());
        }
        self.0.act(view, orders)
    }
}

fn print(part: &str, loads: &[(String, Workload)], variants: &[Variant], seeds: u64) {
    let jobs: Vec<(usize, usize, u64)> = (0..loads.len())
        .flat_map(|load| {
            (0..variants.len()).flat_map(move |variant| (1..=seeds).map(move |seed| (load, variant, seed)))
        })
        .collect();
    let left = Mutex::new(jobs.into_iter());
    let measured: Mutex<Vec<((usize, usize), Measurements)>> = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let Some((load, variant, seed)) = left.lock().unwrap().next() else { return };
                    let result = simulate(&loads[load].1, &variants[variant], seed);
                    eprintln!("{part}: {}, {}, seed {seed}", loads[load].0, variants[variant].name);
                    measured.lock().unwrap().push(((load, variant), result));
                }
            });
        }
    });
    let measured = measured.into_inner().unwrap();
    println!(
        "\n## {part}\n\n| load | policy | agent-hours | waiting task-hours | longest wait | flaps | added | moved | killed |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (load, (name, _)) in loads.iter().enumerate() {
        for (variant, Variant { name: policy, .. }) in variants.iter().enumerate() {
            let of = measured.iter().filter(|(place, _)| *place == (load, variant));
            let of: Vec<&Measurements> = of.map(|(_, result)| result).collect();
            let mean = |value: fn(&Measurements) -> f64| of.iter().map(|of| value(of)).sum::<f64>() / of.len() as f64;
            let longest = of.iter().map(|of| of.wait_max_s).fold(0.0, f64::max);
            println!(
                "| {name} | {policy} | {:.0} | {:.1} | {longest:.0} s | {:.0} | {:.0} | {:.0} | {:.0} |",
                mean(|of| of.agent_hours),
                mean(|of| of.waiting_task_seconds / 3600.0),
                mean(|of| of.flaps),
                mean(|of| of.agents_added),
                mean(|of| of.moved_tasks),
                mean(|of| of.killed_tasks),
            );
        }
    }
}

fn simulate(workload: &Workload, variant: &Variant, seed: u64) -> Measurements {
    let pool = pool(&variant.settings, workload, variant.sees_queue);
    let setup = Setup {
        agent: Capacity::of(workload.agent),
        start: Start::Demand,
        boot: variant.boot,
        min: pool.limits.min,
        max: pool.limits.max.unwrap(),
        headroom_percent: pool.headroom.percent,
        price: 384,
        place: Place { group: pool.group.clone(), ..Place::default() },
        workload: workload.clone(),
        faults: variant.faults.clone(),
    };
    let policy = LambdaScale::new(pool, variant.sees_queue, Exactness::Sampled);
    let mut policy: Box<dyn Policy> =
        if variant.is_lost_nightly { Box::new(LostNightly(policy)) } else { Box::new(policy) };
    run(&setup, &variant.name, &mut *policy, seed).unwrap().measurements
}
