//! The load that `simulate` and `learn` take, from a trace or from recorded snapshots, and the pool that they are about.

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use shared::config::{Config, Policy};
use shared::contract::ClusterSnapshot;
use shared::resources::Amount;
use simulator::Workload;
use simulator::trace::{self, Options as TraceOptions, TraceError};
use thiserror::Error;

use crate::command::CommandError;
use crate::config::{self, ConfigError, ConfigOption, Found, PoolError};
use crate::file::{self, FileError};
use crate::recorded::{self, RecordedError};
use crate::values;

/// The options that choose the load and the pool.
#[derive(Args, Clone, Debug)]
#[command(group(ArgGroup::new("source").args(["trace", "from_snapshots"]).required(true)))]
pub struct LoadOptions {
    /// Trace: a load series, jobs, or intent, as CSV; docs/simulate.md describes the forms
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Directory of recorded snapshots of the pool, as `RecordSnapshots` writes them, instead of a trace
    #[arg(long, value_name = "DIR", conflicts_with = "peak_cpus")]
    from_snapshots: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigOption,
    /// Pool of the configuration [default: the only one]
    #[arg(long, value_name = "NAME")]
    pool: Option<String>,
    /// Peak to which a load series is scaled, in cpus
    #[arg(long, value_name = "CPUS", default_value = "300", value_parser = values::amount)]
    pub(crate) peak_cpus: Amount,
}

/// Where the load comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load<'o> {
    /// A trace, in this file.
    Trace(&'o Path),
    /// Recorded snapshots, in this directory.
    Snapshots(&'o Path),
}

/// Why there is no load, or no pool.
#[derive(Debug, Error)]
pub enum LoadError {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A trace, a recording, or a list of applications cannot be used.
    #[error("{}", path.display())]
    Trace {
        /// The file.
        path: PathBuf,
        /// Why.
        source: TraceError,
    },
    /// A configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It has no such pool, or several.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// A recording cannot be read.
    #[error(transparent)]
    Recorded(#[from] RecordedError),
    /// An option does not fit the files.
    #[error("{0}")]
    Usage(String),
}

impl CommandError for LoadError {
    fn is_usage(&self) -> bool {
        match self {
            Self::Config(error) => error.is_usage(),
            Self::Trace { .. } | Self::Pool(_) | Self::Usage(_) => true,
            Self::File(_) | Self::Recorded(_) => false,
        }
    }
}

impl LoadError {
    /// A file whose content cannot be used.
    pub(crate) fn trace(path: &Path) -> impl FnOnce(TraceError) -> Self {
        |source| Self::Trace { path: path.to_owned(), source }
    }
}

impl LoadOptions {
    /// Where the load comes from.
    ///
    /// # Errors
    /// Where no option says it, which the command line does not accept.
    pub fn load(&self) -> Result<Load<'_>, LoadError> {
        match (&self.trace, &self.from_snapshots) {
            (Some(path), _) => Ok(Load::Trace(path)),
            (None, Some(path)) => Ok(Load::Snapshots(path)),
            (None, None) => Err(LoadError::Usage("there is no trace; add --trace FILE".to_owned())),
        }
    }

    /// The file or the directory.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.trace.as_deref().or(self.from_snapshots.as_deref())
    }

    /// Finds the configuration.
    ///
    /// # Errors
    /// Where there is none, or it cannot be read.
    pub fn config(&self) -> Result<Found, LoadError> {
        Ok(self.config.find_now()?)
    }

    /// The pool of the configuration that was found there.
    ///
    /// # Errors
    /// Where it has no such pool, or several and none is chosen.
    pub fn pool<'c>(&self, found: &Found, config: &'c Config) -> Result<&'c Policy, LoadError> {
        Ok(config::one_pool(config, &found.place.display().to_string(), self.pool.as_deref())?)
    }
}

/// What a trace stands for.
///
/// # Errors
/// Where it cannot be read or used.
pub fn workload(path: &Path, options: &TraceOptions) -> Result<Workload, LoadError> {
    trace::read(&file::read(path)?, options).map_err(LoadError::trace(path))
}

/// Visits the recorded snapshots of a pool, in the order of the files.
///
/// # Errors
/// Where a file or a record cannot be read.
pub fn snapshots(path: &Path, pool: &str, mut visit: impl FnMut(ClusterSnapshot)) -> Result<(), LoadError> {
    recorded::read(path, |snapshot: ClusterSnapshot| {
        if snapshot.pool == pool {
            visit(snapshot);
        }
    })?;
    Ok(())
}
