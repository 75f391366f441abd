//! How long a simulated week takes: `cargo run --release -p simulator --example week_bench [TRACE.csv [PEAK_CPUS]]`.
//!
//! The first week of a trace in runs of a minute, with the snapshots of Lambda Scale made from the model and, in `--exact`, from
//! the bytes of a master too. Memory is the most that the process ever held.
//!
//! An example, not a test: how long something takes depends on the machine.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement ends by panicking"
)]

use cluster::Capacity;
use mimalloc::MiMalloc;
use shared::resources::Amount;
use simulator::policy::{Exactness, LambdaScale, Policy, TargetTracking};
use simulator::trace::{Options, read};
use simulator::{DAY, Faults, Place, Setup, Start, run};

/// That of the command line.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Taxis in New York: smooth, by day and week.
const TRACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../traces/nab_nyc_taxi_28d.csv");

/// That gives a hundred agents on average.
const PEAK_CPUS: u64 = 1_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let text = std::fs::read_to_string(arguments.next().unwrap_or_else(|| TRACE.to_owned())).unwrap();
    let peak_cpus = arguments.next().map_or(PEAK_CPUS, |cpus| cpus.parse().unwrap());
    let peak_cpus = Amount::from_thousandths(1000 * peak_cpus);
    let mut workload = read(&text, &Options { peak_cpus, ..Options::default() }).unwrap();
    workload.duration = workload.duration.min(7 * DAY);
    let pool = cluster::policy("min = 1\nmax = 400\n").unwrap();
    let setup = Setup {
        agent: Capacity::of(workload.agent),
        start: Start::Demand,
        boot: 180_000,
        min: 1,
        max: 400,
        headroom_percent: pool.headroom.percent,
        price: 384,
        place: Place { group: pool.group.clone(), ..Place::default() },
        workload,
        faults: Faults::default(),
    };
    let ours = |exactness| Box::new(LambdaScale::new(pool.clone(), true, exactness));
    let policies: [(&str, Box<dyn Policy>); 3] = [
        ("Lambda Scale", ours(Exactness::Sampled)),
        ("Lambda Scale with `--exact`", ours(Exactness::Always)),
        ("target tracking", Box::new(TargetTracking::new(65))),
    ];
    for (name, mut policy) in policies {
        let start = cpu_seconds();
        let run = run(&setup, name, &mut *policy, 1).unwrap();
        let took = cpu_seconds() - start;
        let usable: Vec<f64> = run.series.usable.iter().map(|agents| f64::from(*agents)).collect();
        let minutes = usable.len() as f64;
        println!(
            "{name:28} {:5.0} agents {minutes:6} runs {took:8.2} s {:8.0} runs/s {:6.1} MB",
            usable.iter().sum::<f64>() / minutes,
            minutes / took,
            peak_memory_kb() / 1e3
        );
    }
}

/// The CPU time of this one thread so far.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e9
}

fn peak_memory_kb() -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim().trim_end_matches(" kB").parse().unwrap()
}
