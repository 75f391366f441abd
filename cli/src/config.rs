//! How every command reads the configuration.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use shared::config::{Config, Problems};
use thiserror::Error;

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not valid.
    #[error("{}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Its problems.
        source: Problems,
    },
}

impl ConfigError {
    /// Whether the user must change the configuration (exit code 2).
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::Invalid { .. })
    }
}

/// Reads a configuration.
///
/// # Errors
/// Where the file cannot be read or is not valid.
pub fn read(path: &Path) -> Result<Config, ConfigError> {
    let configuration =
        fs::read_to_string(path).map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
    Config::parse(&configuration).map_err(|source| ConfigError::Invalid { path: path.to_owned(), source })
}
