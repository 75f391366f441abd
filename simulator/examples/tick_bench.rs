//! What one run of the whole chain takes: `cargo run --release -p simulator --example tick_bench [ROUNDS]`.
//!
//! The pure part of the three functions on real messages, in CPU milliseconds: node_gather from the bytes of a /state to its
//! message, node_process from that to a decision, node_scale from that to a plan; and what learning adds to the first. What
//! masters and AWS take to answer is no part of it. Of each row the best round counts: what else the machine does only adds.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement ends by panicking"
)]

use std::hint::black_box;

use cluster::generate::{Spec, write};
use jiff::{SignedDuration, Timestamp};
use node_gather::fit::fit;
use node_gather::growth::{History, Observation, learn};
use node_gather::marathon::Observed;
use node_gather::summarize::{ClusterState, summarize};
use node_scale::plan::{Plan, plan};
use node_scale::state::{Group, GroupState, Instance, MixedInstancesPolicy};
use shared::config::Policy;
use shared::contract::{CONTENT_ENCODING, ClusterSnapshot, Encoded, ScalingDecision, decode, encode};
use shared::group::Lifecycle;

/// Agents and tasks.
const ROWS: [(u32, u32); 4] = [(100, 2_000), (1_000, 20_000), (10_000, 200_000), (50_000, 1_000_000)];

/// A document of more bytes is left out: it is held in memory here, as it never is in a function.
const MOST_BYTES: usize = 1_000_000_000;

const MASTER: &str = "http://10.0.0.5:5050";

fn main() {
    let rounds = std::env::args().nth(1).map_or(3, |rounds| rounds.parse().unwrap());
    println!(
        "{:>7} {:>9} {:>7} | CPU ms: {:>8} {:>8} {:>8} {:>8} | of it learning",
        "agents", "tasks", "MB", "gather", "process", "scale", "all"
    );
    let policies = [cluster::policy("min = 1\nmax = 100000\nlearn = 90\n").unwrap()];
    let [policy] = &policies;
    let now: Timestamp = cluster::generate::ELECTED_AT + SignedDuration::from_hours(24);
    for (agents, tasks) in ROWS {
        let applications = (tasks / 100).max(1);
        let spec = Spec { agents, tasks, applications, completed: (tasks / 20).min(1_000), seed: 1 };
        let mut state = Vec::new();
        write(&spec, &mut state, || {}).unwrap();
        if state.len() > MOST_BYTES {
            continue;
        }
        let history = history(&state, &policies, now);
        let snapshot = snapshot(&state, &policies, now);
        let message = gather(&state, &policies, &history, now);
        let decision = process(&message, policy, now);
        let group = group(agents, policy);
        let gathering = measure(rounds, || gather(&state, &policies, &history, now));
        let learning = measure(rounds, || learned(&snapshot, policy, &history, now));
        let processing = measure(rounds, || process(&message, policy, now));
        let scaling = measure(rounds, || scale(&decision, &group, policy, now));
        println!(
            "{agents:7} {tasks:9} {:7.1} |         {gathering:8.2} {processing:8.2} {scaling:8.2} {:8.2} | {learning:8.4}",
            state.len() as f64 / 1e6,
            gathering + processing + scaling
        );
    }
}

fn snapshot(state: &[u8], policies: &[Policy], now: Timestamp) -> ClusterSnapshot {
    let read = ClusterState::new(policies).read(&mut { state }, u64::MAX).unwrap();
    summarize(read, &Observed::default(), MASTER, now).snapshots.remove(0)
}

/// What an hour of the same demand teaches.
fn history(state: &[u8], policies: &[Policy], now: Timestamp) -> History {
    let snapshot = snapshot(state, policies, now);
    let start = now - SignedDuration::from_hours(1);
    (0..60).fold(History::default(), |history, minute| {
        learned(&snapshot, policies.first().unwrap(), &history, start + SignedDuration::from_mins(minute))
    })
}

fn learned(snapshot: &ClusterSnapshot, policy: &Policy, history: &History, now: Timestamp) -> History {
    let seen = Observation::of(snapshot, policy, &[]).unwrap();
    learn(history, &seen, now)
}

/// node_gather.
fn gather(state: &[u8], policies: &[Policy], history: &History, now: Timestamp) -> Encoded {
    let snapshot = snapshot(state, policies, now);
    black_box(learned(&snapshot, policies.first().unwrap(), history, now));
    fit(&snapshot).unwrap().encoded
}

/// node_process.
fn process(message: &Encoded, policy: &Policy, now: Timestamp) -> Encoded {
    let packed = message.attributes.iter().find(|(name, _)| *name == CONTENT_ENCODING);
    let snapshot: ClusterSnapshot = decode(&message.body, packed.map(|(_, value)| value.as_str())).unwrap();
    encode(&node_process::decide(&snapshot, policy, now).unwrap()).unwrap()
}

/// node_scale.
fn scale(message: &Encoded, group: &GroupState, policy: &Policy, now: Timestamp) -> Plan {
    let decision: ScalingDecision = decode(&message.body, None).unwrap();
    plan(&decision, Some(group), policy, now)
}

/// A group with an instance for each agent.
fn group(agents: u32, policy: &Policy) -> GroupState {
    let instance = |number: u32| Instance {
        instance_id: format!("i-{number:017x}"),
        lifecycle_state: Lifecycle::InService,
        weighted_capacity: None,
        protected_from_scale_in: false,
    };
    GroupState {
        group: Group {
            name: policy.group.clone(),
            min_size: 1,
            max_size: 100_000,
            desired_capacity: i32::try_from(agents).unwrap(),
            status: None,
            instances: (0..agents).map(instance).collect(),
            suspended_processes: Default::default(),
            new_instances_protected_from_scale_in: false,
            tags: Vec::new(),
            mixed_instances_policy: MixedInstancesPolicy::default(),
        },
        activities: Vec::new(),
        activities_are_complete: true,
        instance_refresh_in_progress: Some(false),
        addresses: Default::default(),
        is_dry_run: false,
    }
}

/// The least CPU milliseconds of a call.
fn measure<T>(rounds: u32, mut call: impl FnMut() -> T) -> f64 {
    // What is counted has a grain of some milliseconds.
    const LONG_ENOUGH: f64 = 0.1;
    let mut best = f64::MAX;
    for _ in 0..rounds {
        let (start, mut calls) = (cpu_seconds(), 0.0);
        while calls == 0.0 || cpu_seconds() - start < LONG_ENOUGH {
            black_box(call());
            calls += 1.0;
        }
        best = best.min((cpu_seconds() - start) / calls);
    }
    best * 1e3
}

/// The CPU time of this one thread so far.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e9
}
