//! `lambda-scale simulate`: weeks of a workload against a configuration, and against what one would use instead. No network, no
//! account; the same seed gives the same output on every machine.

mod options;
mod report;
mod runs;
mod table;

use std::io::{self, Write as _};
use std::process::ExitCode;

use serde::Serialize;
use simulator::moved::{self, Moved};
use simulator::summary::Summary;
use simulator::{Measurements, RunError};
use thiserror::Error;

use crate::command::{self, CommandError, Ended, RuntimeError};
use crate::config::ConfigError;
use crate::page::{self, Output};
use crate::recorded::RecordedError;

use options::Contestant;
pub use options::Options;
use runs::Finished;

/// Why nothing was simulated.
#[derive(Debug, Error)]
pub enum SimulateError {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A trace or a list of applications cannot be used.
    #[error("{path}")]
    Trace {
        /// The file.
        path: String,
        /// Why.
        source: simulator::trace::TraceError,
    },
    /// A configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A recording cannot be read.
    #[error(transparent)]
    Recorded(#[from] RecordedError),
    /// An option does not fit the files.
    #[error("{0}")]
    Usage(String),
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
    /// A value has no JSON form.
    #[error("cannot write JSON")]
    Json(#[source] serde_json::Error),
    /// Standard output cannot be written.
    #[error("cannot print")]
    Print(#[source] io::Error),
}

impl CommandError for SimulateError {
    fn is_usage(&self) -> bool {
        match self {
            Self::Config(error) => error.is_usage(),
            Self::Trace { .. } | Self::Usage(_) => true,
            _ => false,
        }
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
        Output::Text => table::print(&results).map_err(SimulateError::Print)?,
        Output::Json => {
            let json = serde_json::to_string_pretty(&results).map_err(SimulateError::Json)?;
            writeln!(io::stdout(), "{json}").map_err(SimulateError::Print)?;
        }
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
