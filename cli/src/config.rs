//! How every command finds and reads the configuration.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use shared::aws::{self, FetchError, Name, variable};
use shared::config::{Config, Problems};
use shared::start::CONFIG_VARIABLE;
use thiserror::Error;

use crate::command::{self, RuntimeError};
use crate::credentials::{self, NoAccount};

/// The file that needs no option.
const DEFAULT: &str = "lambda-scale.toml";

/// The option that says which configuration.
#[derive(Args, Clone, Debug)]
pub struct ConfigOption {
    /// Configuration file, or ssm:NAME for a parameter of Systems Manager [default: lambda-scale.toml, else what
    /// `LAMBDA_SCALE_CONFIG` says]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// None was named, and there is none here.
    #[error("no configuration; add --config FILE, or write {DEFAULT} (examples/{DEFAULT} has every setting)")]
    Missing,
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The parameter needs an account.
    #[error(transparent)]
    NoAccount(#[from] NoAccount),
    /// The parameter cannot be read.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// It is not valid.
    #[error("{}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Its problems.
        source: Problems,
    },
    /// The command could not start.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

impl ConfigError {
    /// Whether the user must change the configuration or the call (exit code 2).
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::Invalid { .. } | Self::Missing)
    }
}

/// A configuration as it was found.
#[derive(Debug)]
pub struct Found {
    /// Where, as messages call it.
    pub place: PathBuf,
    /// The text.
    pub text: String,
}

impl ConfigOption {
    /// The option of that file.
    #[must_use]
    pub const fn of(config: Option<PathBuf>) -> Self {
        Self { config }
    }

    /// Whether the user named one.
    #[must_use]
    pub const fn is_given(&self) -> bool {
        self.config.is_some()
    }

    /// Finds the configuration, which may be kept in the account.
    ///
    /// # Errors
    /// Where there is none, or it cannot be read.
    pub async fn find(&self) -> Result<Found, ConfigError> {
        let named = match &self.config {
            Some(config) => config.clone(),
            None if Path::new(DEFAULT).exists() => PathBuf::from(DEFAULT),
            None => match variable(CONFIG_VARIABLE) {
                // The functions have the whole text there.
                Some(text) if text.contains('\n') => return Ok(Found { place: PathBuf::from(CONFIG_VARIABLE), text }),
                Some(value) => PathBuf::from(value.strip_prefix("file:").unwrap_or(&value)),
                None => return Err(ConfigError::Missing),
            },
        };
        let text = match named.to_str().and_then(|named| named.strip_prefix("ssm:")) {
            Some(name) => {
                let sdk = aws::sdk_config().await;
                credentials::check(&sdk).await?;
                aws::parameter(&sdk, name, Name::shown(name)).await?
            }
            None => fs::read_to_string(&named).map_err(|source| ConfigError::File { path: named.clone(), source })?,
        };
        Ok(Found { place: named, text })
    }

    /// Reads the configuration.
    ///
    /// # Errors
    /// Where it cannot be found, or is not valid.
    pub async fn read(&self) -> Result<Config, ConfigError> {
        let Found { place, text } = self.find().await?;
        Config::parse(&text).map_err(|source| ConfigError::Invalid { path: place, source })
    }

    /// The same for a command that waits for nothing else.
    ///
    /// # Errors
    /// As [`ConfigOption::read`].
    pub fn read_now(&self) -> Result<Config, ConfigError> {
        command::block_on(self.read())
    }
}

/// Reads the configuration of a file.
///
/// # Errors
/// Where the file cannot be read or is not valid.
pub fn read(path: &Path) -> Result<Config, ConfigError> {
    ConfigOption::of(Some(path.to_owned())).read_now()
}
