//! `lambda-scale simulate`: weeks of a workload against a configuration, and against what one would use instead. No network, no
//! account; the same seed gives the same output on every machine.

mod options;
mod report;
mod runs;
mod table;

use std::io;
use std::process::ExitCode;

use serde::Serialize;
use simulator::moved::{self, Moved};
use simulator::summary::Summary;
use simulator::{Measurements, RunError};
use thiserror::Error;

use crate::command::{self, CommandError, Ended, RuntimeError};
use crate::load::LoadError;
use crate::page::{self, Output};

use options::Contestant;
pub use options::Options;
use runs::Finished;

/// Why nothing was simulated.
#[derive(Debug, Error)]
pub enum SimulateError {
    /// There is no load, or no configuration.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A simulation failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The command could not start.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The page cannot be written.
    #[error("cannot write {path}")]
    Report {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Standard output cannot be written.
    #[error("cannot print")]
    Print(#[from] io::Error),
}

impl CommandError for SimulateError {
    fn is_usage(&self) -> bool {
        matches!(self, Self::Load(error) if error.is_usage())
    }
}

/// Runs the subcommand.
#[must_use]
pub fn run(options: &Options) -> ExitCode {
    command::exit("simulate", simulate(options))
}

fn simulate(options: &Options) -> Result<Ended, SimulateError> {
    let workload = options.workload()?;
    let contestants = options.contestants(&workload)?;
    if let Some(path) = &options.report {
        // Before minutes of work, not after them.
        let failed = |source| SimulateError::Report { path: path.display().to_string(), source };
        page::can_write(path).map_err(failed)?;
    }
    let Finished { seeds, runs, is_interrupted } = runs::run(&contestants, &options.seeds(), options.exactness())?;
    let results = Results::of(options, &contestants, &seeds, &runs);
    match options.output {
        Output::Text => table::print(&results)?,
        Output::Json => page::json(&results)?,
    }
    if let Some(path) = &options.report {
        report::write(path, &results, &contestants, &runs)?;
    }
    Ok(if is_interrupted { Ended::Interrupted } else { Ended::Well })
}

/// What all policies measured: the form of `--output json`.
#[derive(Debug, Serialize)]
struct Results {
    version: u32,
    trace: String,
    seeds: Vec<u64>,
    /// From when on it was measured; `None` where nothing has ended.
    from: Option<String>,
    to: Option<String>,
    policies: Vec<PolicyResult>,
}

/// The measurements of one policy.
#[derive(Debug, Serialize)]
struct PolicyResult {
    name: String,
    /// Of the configuration file; a baseline has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    config_sha256: Option<String>,
    measurements: Summary,
    /// What moved tasks of services and killed jobs.
    moved_by_cause: Vec<Moved>,
}

impl Results {
    /// Of the runs that ended: of a policy all seeds, or it is left out.
    fn of(options: &Options, contestants: &[Contestant], seeds: &[u64], runs: &[Vec<simulator::Run>]) -> Self {
        let of = |(contestant, runs): (&Contestant, &Vec<simulator::Run>)| {
            let measured: Vec<&Measurements> = runs.iter().map(|run| &run.measurements).collect();
            (runs.len() == seeds.len()).then(|| PolicyResult {
                name: contestant.name.clone(),
                config_sha256: contestant.config_sha256.clone(),
                measurements: Summary::of(&measured),
                moved_by_cause: moved::by_cause(runs),
            })
        };
        let first = runs.iter().flatten().next();
        Self {
            version: 1,
            trace: options.trace_name(),
            seeds: seeds.to_vec(),
            from: first.map(|run| shared::time::format(run.from)),
            to: first.map(|run| shared::time::format(run.to)),
            policies: contestants.iter().zip(runs).filter_map(of).collect(),
        }
    }
}
