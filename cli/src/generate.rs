//! `lambda-scale generate`: a /state of any size, to measure what a large cluster takes.
//!
//! The document is written one agent and one task at a time, so memory does not grow with the cluster. Everything random follows
//! from the seed: the same call writes the same bytes.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use cluster::generate::{Spec, Totals, write};
use shared::resources::Kind;
use shared::text::counted;
use thiserror::Error;

use crate::command::{self, CommandError, Ended};

/// Write a /state of any size, as a Mesos 1.11.0 master would: about 2.2 KB for each task
///
/// The same seed writes the same bytes.
///
/// Exit codes: 0 success, 1 the output cannot be written, 2 invalid options.
#[derive(Debug, Args)]
pub struct Options {
    /// Number of agents
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000))]
    agents: u32,
    /// Number of running tasks, spread over all agents
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = RangedU64ValueParser::<u32>::new().range(0..=100_000_000))]
    tasks: u32,
    /// Number of applications [default: one for every 100 tasks]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<u32>::new().range(1..=100_000_000))]
    applications: Option<u32>,
    /// Number of completed tasks that the master still lists [default: one for every 20 running tasks, at most 1000]. A master
    /// keeps the last 1000 of each framework, so an old one lists thousands
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<u32>::new().range(0..=100_000_000))]
    completed: Option<u32>,
    /// Seed of names, sizes, and placement
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Output file, or - for standard output [default: -]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Far more than an agent ever runs; with many more, its resources would exceed what a reader accepts.
const MAX_TASKS_PER_AGENT: u32 = 10_000;

/// Why not all of it was generated.
#[derive(Debug, Error)]
enum GenerateError {
    #[error("{} on {} are more than {MAX_TASKS_PER_AGENT} each; raise --agents", counted(*tasks, "task"), counted(*agents, "agent"))]
    Crowded { agents: u32, tasks: u32 },
    #[error("cannot write {}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("cannot write to standard output")]
    Stdout(#[source] io::Error),
}

/// Runs the subcommand.
#[must_use]
pub fn run(options: &Options) -> ExitCode {
    command::exit("generate", generate(options).map(|()| Ended::Well))
}

impl CommandError for GenerateError {
    fn is_usage(&self) -> bool {
        matches!(self, Self::Crowded { .. })
    }
}

fn generate(options: &Options) -> Result<(), GenerateError> {
    let Options { agents, tasks, seed, .. } = *options;
    if tasks.div_ceil(agents.max(1)) > MAX_TASKS_PER_AGENT {
        return Err(GenerateError::Crowded { agents, tasks });
    }
    let applications = options.applications.unwrap_or_else(|| (tasks / 100).max(1));
    let completed = options.completed.unwrap_or_else(|| (tasks / 20).min(1000));
    let spec = Spec { agents, tasks, applications, completed, seed };
    let mut progress = Progress::of(u64::from(agents) + u64::from(tasks));
    let file = options.output.as_ref().filter(|path| path.as_os_str() != "-");
    let totals = match file {
        Some(path) => {
            let failed = |source| GenerateError::File { path: path.clone(), source };
            let file = File::create(path).map_err(failed)?;
            write(&spec, buffered(file), || progress.step()).map_err(failed)?
        }
        None => write(&spec, buffered(io::stdout().lock()), || progress.step()).map_err(GenerateError::Stdout)?,
    };
    progress.finish(&spec, &totals);
    Ok(())
}

fn buffered<W: Write>(output: W) -> BufWriter<W> {
    BufWriter::with_capacity(256 * 1024, output)
}

/// A bar on standard error, where that is a terminal.
struct Progress {
    is_shown: bool,
    done: u64,
    all: u64,
    percent: u64,
}

impl Progress {
    fn of(all: u64) -> Self {
        Self { is_shown: io::stderr().is_terminal(), done: 0, all: all.max(1), percent: 0 }
    }

    fn step(&mut self) {
        self.done += 1;
        let percent = 100 * self.done / self.all;
        if self.is_shown && percent > self.percent {
            self.percent = percent;
            let full = usize::try_from(percent / 4).unwrap_or_default();
            let _ = write!(io::stderr(), "\r[{:<25}] {percent:>3}%", "#".repeat(full));
        }
    }

    fn finish(&self, spec: &Spec, totals: &Totals) {
        if !self.is_shown {
            return;
        }
        let percent =
            |kind: Kind| 100 * totals.used.get(kind).thousandths() / totals.total.get(kind).thousandths().max(1);
        let _ = writeln!(
            io::stderr(),
            "\r{} agents, {} tasks, {} bytes; cpus {}%, mem {}% used",
            spec.agents,
            totals.tasks,
            totals.bytes,
            percent(Kind::Cpus),
            percent(Kind::Mem)
        );
    }
}
