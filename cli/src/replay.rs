//! `lambda-scale replay`: recorded snapshots decided on again, and how that differs from what was decided (docs/replay.md).

pub mod compare;
mod report;
mod text;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use shared::config::CheckKind;
use shared::contract::{ClusterSnapshot, ScalingDecision};
use thiserror::Error;

use crate::command::{self, CommandError, Ended};
use crate::config::{self, ConfigError, ConfigOption, PoolError};
use crate::page::{self, Output};
use crate::recorded::{self, RecordedError};

use compare::{Decisions, Policies, PoolReplay, Run};

/// Decide on recorded snapshots again, and show where another configuration or version decides otherwise
///
/// Records are what RecordSnapshots=true writes, as `aws s3 sync` copies it. Open loop: each run is decided on as it was recorded,
/// without the agents that the other decisions would have added or removed before.
///
/// Exit codes: 0 success, 1 the records cannot be used, 2 invalid configuration or options.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Directory of recorded files, or one file
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    #[command(flatten)]
    config: ConfigOption,
    /// Configuration that decided before, for snapshots without a recorded decision [default: they are left out]
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Only this pool [default: all]
    #[arg(long, value_name = "POOL")]
    pool: Option<String>,
    /// Output format
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Also write an HTML page with the timeline, which needs nothing but a browser
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Why nothing was compared.
#[derive(Debug, Error)]
enum ReplayError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Recorded(#[from] RecordedError),
    #[error(transparent)]
    Pool(#[from] PoolError),
    #[error("{} has no snapshot; copy the objects under recorded/ of the bucket, with RecordSnapshots=true", .0.display())]
    NoSnapshot(PathBuf),
    #[error("{} has no snapshot of the pools asked for; it has those of {}", path.display(), found.join(", "))]
    OtherPools { path: PathBuf, found: Vec<String> },
    #[error(
        "{} has snapshots and none of their decisions, so nothing says what was decided; add --against OLD.toml, the configuration of that time",
        .0.display()
    )]
    NoDecision(PathBuf),
    #[error(
        "{}: a custom check decides for {}, so there is nothing to decide with; write check = \"standard\" to see what the standard rules decide",
        path.display(), pools.join(", ")
    )]
    Custom { path: PathBuf, pools: Vec<String> },
    #[error("cannot write {}", path.display())]
    Report { path: PathBuf, source: io::Error },
    #[error("cannot print")]
    Print(#[from] io::Error),
}

impl CommandError for ReplayError {
    fn is_usage(&self) -> bool {
        match self {
            Self::Config(error) => error.is_usage(),
            Self::Pool(_) | Self::OtherPools { .. } | Self::NoDecision(_) | Self::Custom { .. } => true,
            Self::Recorded(_) | Self::NoSnapshot(_) | Self::Report { .. } | Self::Print(_) => false,
        }
    }
}

/// The result.
#[derive(Debug, Serialize)]
struct Replay {
    version: u32,
    /// What was decided next did not depend on what would be decided before.
    open_loop: bool,
    pools: Vec<PoolReplay>,
    notes: Vec<String>,
}

/// Runs the subcommand.
#[must_use]
pub fn run(options: &Options) -> ExitCode {
    command::exit("replay", print(options).map(|()| Ended::Well))
}

fn print(options: &Options) -> Result<(), ReplayError> {
    if let Some(path) = &options.report {
        page::can_write(path).map_err(|source| ReplayError::Report { path: path.clone(), source })?;
    }
    let replay = replay(options)?;
    match options.output {
        Output::Text => {
            writeln!(io::stdout(), "{}", text::lines(&replay.pools, &replay.notes, page::table_width()).join("\n"))?;
        }
        Output::Json => page::json(&replay)?,
    }
    options.report.as_ref().map_or(Ok(()), |path| {
        let page = report::html(&replay.pools, &replay.notes);
        fs::write(path, page).map_err(|source| ReplayError::Report { path: path.clone(), source })
    })
}

fn replay(options: &Options) -> Result<Replay, ReplayError> {
    let Options { directory, against, pool, .. } = options;
    let found = options.config.find_now()?;
    let (config, path) = (found.parse()?, &found.place);
    let against = against.clone().map(|path| ConfigOption::of(Some(path)).read_now()).transpose()?;
    if let Some(name) = pool {
        config::pool(&config, &path.display().to_string(), name)?;
    }
    let is_asked = |name: &str| pool.as_ref().is_none_or(|pool| pool == name);
    // In two passes, since a decision may come before or after its snapshot, and snapshots are too large to be held.
    let mut decisions = Decisions::default();
    let mut progress = Progress::of("decisions read");
    recorded::read(directory, |decision: ScalingDecision| {
        progress.step();
        if is_asked(&decision.pool) {
            decisions.add(&decision);
        }
    })?;
    drop(progress);
    let mut runs: BTreeMap<String, Vec<Run>> = BTreeMap::new();
    let mut unknown: BTreeMap<String, u64> = BTreeMap::new();
    let mut custom: BTreeMap<String, u64> = BTreeMap::new();
    let mut progress = Progress::of("snapshots decided on");
    recorded::read(directory, |snapshot: ClusterSnapshot| {
        progress.step();
        match config.pool(&snapshot.pool).filter(|_| is_asked(&snapshot.pool)) {
            Some(policy) if policy.check == CheckKind::Custom => *custom.entry(snapshot.pool).or_default() += 1,
            Some(policy) => {
                let policies =
                    Policies { policy, against: against.as_ref().and_then(|config| config.pool(&snapshot.pool)) };
                let run = Run::new(&snapshot, &decisions, &policies);
                runs.entry(snapshot.pool).or_default().push(run);
            }
            None => *unknown.entry(snapshot.pool).or_default() += 1,
        }
    })?;
    drop(progress);
    let pools: Vec<PoolReplay> = runs.into_iter().filter_map(|(pool, runs)| PoolReplay::new(pool, runs)).collect();
    match (pools.as_slice(), unknown.is_empty()) {
        ([], _) if !custom.is_empty() => {
            return Err(ReplayError::Custom { path: path.clone(), pools: custom.into_keys().collect() });
        }
        ([], true) => return Err(ReplayError::NoSnapshot(directory.clone())),
        ([], false) => {
            return Err(ReplayError::OtherPools { path: directory.clone(), found: unknown.into_keys().collect() });
        }
        (pools, _) if pools.iter().all(|pool| pool.runs + pool.expired == 0) => {
            return Err(ReplayError::NoDecision(directory.clone()));
        }
        _ => {}
    }
    let unknown = unknown.into_iter().filter(|(name, _)| is_asked(name));
    let notes = notes(&pools, against.is_some(), custom, unknown);
    Ok(Replay { version: 1, open_loop: true, pools, notes })
}

/// A count on standard error, where that is a terminal: months of records take a minute.
struct Progress {
    is_shown: bool,
    what: &'static str,
    count: u64,
}

impl Progress {
    fn of(what: &'static str) -> Self {
        Self { is_shown: io::stderr().is_terminal(), what, count: 0 }
    }

    fn step(&mut self) {
        self.count += 1;
        if self.is_shown && self.count.is_multiple_of(1000) {
            let _ = write!(io::stderr(), "\r{} {}  ", self.count, self.what);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown && self.count >= 1000 {
            let _ = write!(io::stderr(), "\r{:40}\r", "");
        }
    }
}

fn notes(
    pools: &[PoolReplay],
    has_against: bool,
    custom: BTreeMap<String, u64>,
    unknown: impl Iterator<Item = (String, u64)>,
) -> Vec<String> {
    let mut notes: Vec<String> = pools.iter().flat_map(|pool| text::left_out(pool, has_against)).collect();
    notes.extend(
        custom.into_iter().map(|(pool, runs)| {
            format!("{pool}: its custom check decides (check = \"custom\"); runs left out: {runs}")
        }),
    );
    notes.extend(unknown.map(|(pool, runs)| format!("{pool}: not in the configuration; runs left out: {runs}")));
    notes
}
