//! Runs the chain of the real functions on a large cluster: `load BINARIES STATE...`, each a /state that `lambda-scale generate`
//! wrote to a file named AGENTS.TASKS.json.
//!
//! A master sends the file; the group has an instance for each agent. It prints what each function took, of five runs the best, and
//! the most memory that its process ever held. `make bench-load` starts the functions under the memory limit of a function.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement ends by panicking"
)]

use std::fs::File;
use std::io::{self, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cluster::generate::{Spec, write};
use testbed::faults::{Faults, Mode};
use testbed::raw::RawServer;
use testbed::{CONFIGURATION, Logs, Setup, Stack};

const RUNS: usize = 5;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(PathBuf::from);
    let binaries = arguments.next().unwrap();
    for state in arguments {
        measure(&binaries, state).await;
    }
}

async fn measure(binaries: &Path, state: PathBuf) {
    let name = state.file_stem().unwrap().to_str().unwrap();
    let (agents, tasks) = name.split_once('.').unwrap();
    let (agents, tasks): (u32, u32) = (agents.parse().unwrap(), tasks.parse().unwrap());
    let bytes = state.metadata().unwrap().len();
    let server = RawServer::start(move |_, stream| drop(send(&state, stream))).unwrap();
    let mut setup = Setup {
        binaries: binaries.to_owned(),
        configuration: CONFIGURATION.replace("max = 100\n", "max = 100000\n"),
        capture: Vec::new(),
        logs: Logs::Directory(binaries.join("logs")),
        faults: Faults {
            own_masters: vec![server.url()],
            master: Mode::Following("127.0.0.1:1".to_owned()),
            ..Faults::default()
        },
    };
    // The same agents without tasks: the group has an instance for each.
    let idle = Spec { agents, tasks: 0, applications: 1, completed: 0, seed: 1 };
    write(&idle, &mut setup.capture, || {}).unwrap();
    let stack = Stack::start(setup).await.unwrap();
    let functions = [&stack.gather, &stack.process, &stack.scale];
    let mut outcome = String::new();
    for _ in 0..RUNS {
        let run = stack.run().await.unwrap().remove(0);
        outcome =
            format!("{} agents, delta {}, {:?}", run.snapshot.agents.usable, run.decision.delta, run.outcome.action);
    }
    print!("{agents:6} agents {tasks:8} tasks {:7.1} MB", bytes as f64 / 1e6);
    for function in functions {
        let best = function.history().iter().map(|invocation| invocation.took).min().unwrap_or(Duration::ZERO);
        let peak = stack.peak_memory_kib(function.name()).unwrap_or_default();
        print!("  {} {:.3} s {:.1} MB", function.name(), best.as_secs_f64(), peak as f64 * 1.024e-3);
    }
    println!("  ({outcome})");
    stack.stop().await;
}

/// Answers with a file.
fn send(state: &Path, stream: &mut TcpStream) -> io::Result<()> {
    let mut file = File::open(state)?;
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", file.metadata()?.len())?;
    io::copy(&mut file, stream).map(drop)
}
