//! How long simulations take: `cargo run --release -p simulator --example week_bench -- TRACE.csv PEAK_CPUS [exact]`.
//!
//! An example, not a test: how long something takes depends on the machine.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement ends by panicking"
)]

use std::time::Instant;

use shared::resources::Amount;
use simulator::policy::{Exactness, LambdaScale, Policy, TargetTracking};
use simulator::trace::{Options, read};
use simulator::{Faults, Place, Setup, oracle, run};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let text = std::fs::read_to_string(&arguments[0]).unwrap();
    let peak_cpus = Amount::from_thousandths(1000 * arguments[1].parse::<u64>().unwrap());
    let exactness = if arguments.get(2).is_some() { Exactness::Always } else { Exactness::Sampled };
    let workload = read(&text, &Options { peak_cpus, ..Options::default() }).unwrap();
    let config = "min = 1\nmax = 400\n";
    let pool = cluster::policy(config).unwrap();
    let setup = Setup {
        agent: workload.agent,
        boot: 180_000,
        min: 1,
        max: 400,
        headroom_percent: 10,
        price: 384,
        place: Place { group: pool.group.clone(), ..Place::default() },
        workload,
        faults: Faults::default(),
    };
    let mut policies: Vec<(&str, Box<dyn Policy>)> = vec![
        ("lambda-scale", Box::new(LambdaScale::new(pool, true, exactness))),
        ("target-tracking", Box::new(TargetTracking::new(65))),
    ];
    for (name, policy) in &mut policies {
        let begun = Instant::now();
        let run = run(&setup, name, &mut **policy, 1).unwrap();
        let took = begun.elapsed();
        let (usable, m) = (&run.series.usable, &run.measurements);
        let mean = usable.iter().map(|n| u64::from(*n)).sum::<u64>() / usable.len() as u64;
        println!(
            "{name}: {} minutes in {took:?}, {mean} agents, {:.0} agent-hours, {:.1} waiting hours, p99 {:.0}s, max {:.0}s, {} moved, {} flaps, {} ups, {} downs",
            run.series.len(),
            m.agent_hours,
            m.waiting_task_seconds / 3600.0,
            m.wait_p99_s,
            m.wait_max_s,
            m.moved_tasks + m.killed_tasks,
            m.flaps,
            m.scale_ups,
            m.scale_downs
        );
        println!("{m:?}");
    }
    println!("oracle: {:.0} agent-hours", oracle::run(&setup, "oracle", 1).measurements.agent_hours);
}
