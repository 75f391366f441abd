//! Measures what a decision costs: CPU time and memory, by how many agents, sizes of tasks and tasks there are.
//!
//! ```text
//! cargo run --release -p node_process --no-default-features --example decide_bench [ROUNDS]
//! ```
//!
//! Of each row the best round counts: what else the machine does only ever adds. Memory is the most that the process ever
//! held beyond what it held before the row, the snapshot not included.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a measurement that fails may as well stop")]

use std::collections::BTreeMap;
use std::hint::black_box;

use cluster::{Cluster, NOON, policy};
use node_process::decide;
use shared::config::Policy;
use shared::contract::{AgentCounts, AgentShape, Application, Candidate, ClusterSnapshot, PoolResources, TaskGroup};
use shared::random::SplitMix64;
use shared::resources::{Amount, Resources};

/// Agents, distinct sizes of tasks (an application each), tasks.
const ROWS: [(u32, u32, u32); 12] = [
    (100, 100, 2_000),
    (1_000, 100, 20_000),
    (10_000, 100, 200_000),
    (50_000, 100, 1_000_000),
    (100, 1_000, 2_000),
    (1_000, 1_000, 20_000),
    (10_000, 1_000, 200_000),
    (10_000, 10_000, 200_000),
    (10_000, 10_000, 1_000_000),
    (10_000, 10_000, 10_000_000),
    (50_000, 10_000, 1_000_000),
    (50_000, 10_000, 10_000_000),
];

fn main() {
    let rounds = std::env::args().nth(1).map_or(3, |rounds| rounds.parse().unwrap());
    println!("{:>7} {:>7} {:>9} {:>7} | CPU ms by headroom and placement", "agents", "sizes", "tasks", "shapes");
    println!(
        "{:>33} | {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} | {:>9}",
        "", "10 % sum", "10 %", "25 %", "100 %", "all full", "spares", "removes", "MB"
    );
    for (agents, sizes, tasks) in ROWS {
        let snapshot = cluster(agents, sizes, tasks, 75);
        let full = cluster(agents, sizes, tasks, 100);
        // Candidates, of which the rules can do without some; and a quiet pool, from which some go.
        let spares = with_candidates(cluster(agents, sizes, tasks, 70));
        let quiet = with_candidates(cluster(agents, sizes, tasks, 40));
        let mut cells = Vec::new();
        let mut memory = 0.0;
        for (snapshot, headroom, placement) in [
            (&snapshot, 10, "sum"),
            (&snapshot, 10, "pack"),
            (&snapshot, 25, "pack"),
            (&snapshot, 100, "pack"),
            (&full, 100, "pack"),
            (&spares, 10, "pack"),
            (&quiet, 10, "pack"),
        ] {
            let policy = policy(&format!(
                "headroom_placement = \"{placement}\"\napplication_headroom_percent = {headroom}\nmax_scale_up_step = 1000000"
            ))
            .unwrap();
            let (millis, mb) = measure(snapshot, &policy, rounds);
            cells.push(format!("{millis:9.2}"));
            memory = f64::max(memory, mb);
        }
        let shapes = snapshot.agent_shapes.len();
        println!("{agents:7} {sizes:7} {tasks:9} {shapes:7} | {} | {memory:9.1}", cells.join(" "));
    }
}

/// The least CPU milliseconds of a decision, and the memory it takes in MB.
fn measure(snapshot: &ClusterSnapshot, policy: &Policy, rounds: u32) -> (f64, f64) {
    let mut best = f64::MAX;
    let before = status("VmRSS:");
    // Sets the high-water mark back to what is held now.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    for _ in 0..rounds {
        // The system counts CPU time in ticks of some milliseconds.
        const LONG_ENOUGH: f64 = 0.1;
        let start = cpu_seconds();
        let mut decisions = 0.0;
        while cpu_seconds() - start < LONG_ENOUGH {
            black_box(decide(black_box(snapshot), policy, NOON).unwrap());
            decisions += 1.0;
        }
        best = best.min((cpu_seconds() - start) / decisions);
    }
    (best * 1e3, (status("VmHWM:") - before) / 1e3)
}

/// A snapshot of agents of 16 cpus and 62 GB, of which so many percent are used: each agent by its own amounts, where
/// there are many sizes; and tasks of so many sizes, of an application each.
fn cluster(agents: u32, sizes: u32, tasks: u32, percent_full: u64) -> ClusterSnapshot {
    let mut random = SplitMix64::new(1);
    let of = |cpus: u64, mem: u64| Resources {
        cpus: Amount::from_thousandths(cpus),
        mem: Amount::from_thousandths(1000 * mem),
        ..Resources::ZERO
    };
    let total = of(16_000, 62_000);
    // Few sizes are such as people write; many are any.
    let step = if sizes <= 100 { 50 } else { 1 };
    let mut shapes: BTreeMap<Resources, u32> = BTreeMap::new();
    for _ in 0..agents {
        let near = |random: &mut SplitMix64| (percent_full + random.below(41)).saturating_sub(20).min(100);
        let (cpus, mem) = (160 * (100 - near(&mut random)), 620 * (100 - near(&mut random)));
        let cpus = (cpus + random.below(160)) / step * step;
        let mem = (mem + random.below(620)) / (64 * step) * (64 * step);
        *shapes.entry(of(cpus.min(16_000), mem.min(62_000))).or_default() += 1;
    }
    let agent_shapes: Vec<AgentShape> =
        shapes.into_iter().map(|(free, count)| AgentShape { count, total, unreserved: total, free }).collect();
    let free: Resources = agent_shapes.iter().map(|shape| shape.free.times(shape.count.into())).sum();
    let all = total.times(agents.into());
    let applications = (0..sizes).map(|number| {
        let count = tasks / sizes;
        let resources = of((100 + random.below(1500)) / step * step, (200 + random.below(5800)) / step * step);
        Application {
            framework: "marathon".to_owned(),
            name: format!("/{number}"),
            task_count: count,
            resources: resources.times(count.into()),
            tasks: vec![TaskGroup { count, resources }],
            queued: 0,
            queued_tasks: Vec::new(),
            gpu_aware: false,
            max_per_agent: None,
            in_all_pools: None,
        }
    });
    ClusterSnapshot {
        agents: AgentCounts { registered: agents, usable: agents, ..AgentCounts::default() },
        resources: PoolResources { total: all, used: all.saturating_sub(&free), ..PoolResources::default() },
        applications: applications.collect(),
        agent_shapes,
        ..Cluster::of(1, total).snapshot()
    }
}

/// The snapshot with as many candidates as there ever are: its emptiest agents, with tasks that take what they use.
fn with_candidates(mut snapshot: ClusterSnapshot) -> ClusterSnapshot {
    const MOST: usize = 200;
    let mut shapes: Vec<AgentShape> =
        snapshot.agent_shapes.iter().flat_map(|shape| std::iter::repeat_n(*shape, shape.count as usize)).collect();
    shapes.sort_by_key(|shape| std::cmp::Reverse(shape.free));
    let template = snapshot.scale_down_candidates[0].clone();
    let candidates = shapes.iter().take(MOST).enumerate().map(|(number, shape)| {
        let used = shape.total.saturating_sub(&shape.free);
        let mut left = used;
        let mut tasks = Vec::new();
        let from = number % snapshot.applications.len();
        for application in snapshot.applications.iter().cycle().skip(from).take(20) {
            let resources = application.tasks[0].resources;
            if resources.fits_in(&left) {
                left = left.saturating_sub(&resources);
                tasks.push(TaskGroup { count: 1, resources });
            }
        }
        Candidate {
            agent_id: format!("S{number}"),
            unreserved: shape.unreserved,
            total: shape.total,
            used,
            task_count: u32::try_from(tasks.len()).unwrap(),
            tasks,
            applications: Vec::new(),
            ..template.clone()
        }
    });
    snapshot.scale_down_candidates = candidates.collect();
    snapshot
}

/// The CPU time of this one thread so far.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    text.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e9
}

fn status(field: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    text.lines().find_map(|line| line.strip_prefix(field)).unwrap().trim().trim_end_matches(" kB").parse().unwrap()
}
