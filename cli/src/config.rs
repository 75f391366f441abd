//! How every command finds and reads the configuration.

use std::path::{Path, PathBuf};

use clap::Args;
use shared::aws::{self, FetchError, Name, variable};
use shared::config::{Config, Policy, Problems};
use shared::start::CONFIG_VARIABLE;
use shared::text::nearest;
use thiserror::Error;

use crate::command::{self, RuntimeError};
use crate::credentials::{self, NoAccount};
use crate::file::{self, FileError};

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
    #[error(transparent)]
    File(#[from] FileError),
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

impl Found {
    /// The configuration itself.
    ///
    /// # Errors
    /// Where it is not valid.
    pub fn parse(&self) -> Result<Config, ConfigError> {
        Config::parse(&self.text).map_err(|source| ConfigError::Invalid { path: self.place.clone(), source })
    }
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
            None => file::read(&named)?,
        };
        Ok(Found { place: named, text })
    }

    /// Reads the configuration.
    ///
    /// # Errors
    /// Where it cannot be found, or is not valid.
    pub async fn read(&self) -> Result<Config, ConfigError> {
        self.find().await?.parse()
    }

    /// Finds the configuration, for a command that waits for nothing else.
    ///
    /// # Errors
    /// As [`ConfigOption::find`].
    pub fn find_now(&self) -> Result<Found, ConfigError> {
        command::block_on(self.find())
    }

    /// Reads the configuration, for a command that waits for nothing else.
    ///
    /// # Errors
    /// As [`ConfigOption::read`].
    pub fn read_now(&self) -> Result<Config, ConfigError> {
        self.find_now()?.parse()
    }
}

/// Why no pool of a configuration is chosen.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PoolError {
    /// None has the name.
    #[error("--pool {name:?}: {place} has no such pool; {hint}")]
    Unknown {
        /// The name.
        name: String,
        /// Whose pools they are.
        place: String,
        /// The nearest names, or all.
        hint: String,
    },
    /// There are several, and the command takes one.
    #[error("{place} has the pools {}; add --pool {}", names.join(", "), names.first().map_or("NAME", String::as_str))]
    Several {
        /// Whose pools they are.
        place: String,
        /// Their names.
        names: Vec<String>,
    },
}

/// The pool of that name.
///
/// # Errors
/// Where there is none.
pub fn pool<'c>(config: &'c Config, place: &str, name: &str) -> Result<&'c Policy, PoolError> {
    let unknown =
        || PoolError::Unknown { name: name.to_owned(), place: place.to_owned(), hint: other_pools(config, name) };
    config.pool(name).ok_or_else(unknown)
}

/// The pools with the nearest names, or all.
#[must_use]
pub fn other_pools(config: &Config, name: &str) -> String {
    let names = config.pools.iter().map(|policy| policy.pool.as_str());
    match nearest(name, names.clone()).as_slice() {
        [] => format!("it has {}", names.collect::<Vec<_>>().join(", ")),
        near => format!("did you mean {}?", near.join(" or ")),
    }
}

/// The pool of that name; without a name, the only one.
///
/// # Errors
/// Where there is none, or none of several is named.
pub fn one_pool<'c>(config: &'c Config, place: &str, name: Option<&str>) -> Result<&'c Policy, PoolError> {
    match (name, config.pools.as_slice()) {
        (Some(name), _) => pool(config, place, name),
        (None, [only]) => Ok(only),
        (None, pools) => {
            let names = pools.iter().map(|policy| policy.pool.clone()).collect();
            Err(PoolError::Several { place: place.to_owned(), names })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(names: &[&str]) -> Config {
        let pool = |name: &&str| {
            format!("[[pools]]\nname = \"{name}\"\ngroup = \"{name}-asg\"\nattributes = {{ a = \"{name}\" }}\n")
        };
        let pools: String = names.iter().map(pool).collect();
        Config::parse(&format!("[mesos]\nmasters = [\"http://10.0.0.5:5050\"]\n{pools}")).unwrap()
    }

    #[test]
    fn a_pool_that_does_not_exist_is_named_with_the_nearest_or_all() {
        let config = config(&["workers", "edge"]);
        let refused = |name| one_pool(&config, "a.toml", name).unwrap_err().to_string();
        assert_eq!(refused(Some("worker")), "--pool \"worker\": a.toml has no such pool; did you mean workers?");
        assert_eq!(refused(Some("x")), "--pool \"x\": a.toml has no such pool; it has workers, edge");
        assert_eq!(refused(None), "a.toml has the pools workers, edge; add --pool workers");
        assert_eq!(one_pool(&config, "a.toml", Some("edge")).unwrap().pool, "edge");
    }

    #[test]
    fn an_only_pool_needs_no_name() {
        assert_eq!(one_pool(&config(&["workers"]), "a.toml", None).unwrap().pool, "workers");
    }
}
