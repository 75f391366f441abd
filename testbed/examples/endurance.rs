//! Runs the chain of the real functions again and again: `endurance BINARIES [RUNS] [--own-trace-ids]`.
//!
//! The load rises and falls; how often the group follows depends on its cooldowns, which are those of real time. Of every hundred
//! runs, one has a master whose answer breaks off, and one an Auto Scaling that refuses. It prints how long each function took and
//! what memory its process held over time, and fails where a process ended, or grew after its first quarter. `make endurance`
//! starts it under the memory limit of a function.
//!
//! All invocations have one trace id unless `--own-trace-ids` is given. The Lambda runtime sets an environment variable to it, and
//! the C library keeps every value that a variable ever had: that growth is theirs, and would hide ours.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement ends by panicking"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use shared::resources::{Kind, Resources};
use testbed::autoscaling::access_denied;
use testbed::faults::{Fault, Faults, Trouble};
use testbed::runtime_api::Function;
use testbed::{CAPTURE, CONFIGURATION, Logs, Setup, Stack, now};

/// How often memory is read.
const SAMPLES: usize = 100;
/// After how many runs the load turns.
const TURN: usize = 25;
/// The period of the failures.
const FAILURES: usize = 100;
/// What a process may hold more at the end than in its first quarter, in KiB: the allocator's slack, not one byte for each run.
const SLACK_KIB: u64 = 512;

/// A pool that learns, and that removes agents without waiting, since the runs follow each other at once.
const POOL: &str =
    "[[pools]]\nlearn = 98\nboot_time = \"2m\"\nscale_down_window = \"0s\"\nscale_down_cooldown = \"3m\"\n";
/// What both node_gather and node_scale ask.
const DESCRIBE: &str = "DescribeAutoScalingGroups";

/// What was seen of one function.
#[derive(Default)]
struct Seen {
    times: Vec<Duration>,
    failed: usize,
    memory: Vec<u64>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let (options, arguments): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let mut arguments = arguments.into_iter();
    let binaries = PathBuf::from(arguments.next().unwrap());
    let runs: usize = arguments.next().map_or(1_000, |runs| runs.parse().unwrap());
    let logs = binaries.join("logs");
    drop(std::fs::remove_dir_all(&logs));
    let setup = Setup {
        configuration: CONFIGURATION.replace("[[pools]]\n", POOL),
        binaries,
        capture: CAPTURE.to_vec(),
        logs: Logs::Directory(logs),
        faults: Faults::default(),
    };
    let stack = Stack::start(setup).await.unwrap();
    if !options.iter().any(|option| option == "--own-trace-ids") {
        for function in [&stack.gather, &stack.process, &stack.scale] {
            function.trace_as("Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=0");
        }
    }
    let start = Instant::now();
    let mut seen: BTreeMap<&'static str, Seen> = BTreeMap::new();
    let mut changes = 0;
    for run in 0..runs {
        trouble(&stack, run);
        // A run that fails, as two of each hundred do, says so in the history.
        drop(stack.run().await);
        turn(&stack, run);
        changes += stack.auto_scaling.writes().len();
        note(&stack, &mut seen, (run + 1) % runs.div_ceil(SAMPLES) == 0);
    }
    println!(
        "{runs} runs of the chain in {:.0} s, which changed the group {changes} times",
        start.elapsed().as_secs_f64()
    );
    let grew = seen.iter().map(|(function, seen)| report(function, seen)).filter(|grew| *grew).count();
    let ended = [&stack.gather, &stack.process, &stack.scale].into_iter().find_map(Function::ended);
    if let Some(error) = &ended {
        println!("{error}");
    }
    stack.stop().await;
    ExitCode::from(u8::from(grew > 0 || ended.is_some()))
}

/// What goes wrong in this run, if anything.
fn trouble(stack: &Stack, run: usize) {
    let fault = match run % FAILURES {
        13 => Fault::of("/state", Trouble::AnswerCut(100_000)),
        57 => Fault::of(DESCRIBE, Trouble::Refused(access_denied(DESCRIBE))).times(2),
        _ => return,
    };
    stack.faults.change(|faults| faults.calls.push(fault));
}

/// Lets the load rise or fall, and ends what the group does at once.
fn turn(stack: &Stack, run: usize) {
    match run % (2 * TURN) {
        0 => {
            let enough = |total: Resources, used: Resources| {
                used.get(Kind::Cpus).thousandths() * 10 > total.get(Kind::Cpus).thousandths() * 9
            };
            stack.master.cluster(|cluster| cluster.grow(enough, now()));
        }
        TURN => stack.master.cluster(|cluster| {
            for agent in cluster.agents_mut() {
                // Four of five tasks end.
                drop(agent.end_tasks(|task| task.number % 5 > 0));
            }
        }),
        _ => stack.finish_activities(),
    }
}

/// Takes the times of the last run, and now and then the memory.
fn note(stack: &Stack, seen: &mut BTreeMap<&'static str, Seen>, memory: bool) {
    for function in [&stack.gather, &stack.process, &stack.scale] {
        let seen = seen.entry(function.name()).or_default();
        for invocation in function.history() {
            seen.times.push(invocation.took);
            seen.failed += usize::from(invocation.result.is_err());
        }
        if memory {
            seen.memory.extend(stack.memory_kib(function.name()));
        }
    }
    stack.forget();
}

/// Prints what was seen of a function, and says whether it grew.
fn report(function: &str, seen: &Seen) -> bool {
    let mut times = seen.times.clone();
    times.sort_unstable();
    let milliseconds = |percent: usize| {
        times
            .get((times.len() * percent / 100).min(times.len().saturating_sub(1)))
            .map_or(0.0, |took| took.as_secs_f64() * 1e3)
    };
    let quarter = seen.memory.len().div_ceil(4);
    let first = seen.memory.iter().take(quarter).max().copied().unwrap_or_default();
    let last = seen.memory.iter().rev().take(quarter).max().copied().unwrap_or_default();
    let grew = last > first + SLACK_KIB;
    println!(
        "{function:<13} {:>7} invocations  {:>5} failed  p50 {:>6.2} ms  p99 {:>6.2} ms  memory {:>5.2} MB first, {:>5.2} MB last{}",
        times.len(),
        seen.failed,
        milliseconds(50),
        milliseconds(99),
        first as f64 * 1.024e-3,
        last as f64 * 1.024e-3,
        if grew { ": it grows" } else { "" }
    );
    grew
}
