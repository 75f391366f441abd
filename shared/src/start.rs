//! How a function starts: what it reads before its first event, and how it serves events.

use std::error::Error;

use aws_config::SdkConfig;
use jiff::Timestamp;
use lambda_runtime::{LambdaEvent, service_fn};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::aws::{self, FetchError, variable};
use crate::config::{Config, Problems, Reference};
use crate::error::Chain;
use crate::telemetry;

/// The variable that holds the configuration, or where it is.
pub const CONFIG_VARIABLE: &str = "LAMBDA_SCALE_CONFIG";

/// The variable that makes a dry run if it is `true`; otherwise the configuration decides.
pub const DRY_RUN_VARIABLE: &str = "LAMBDA_SCALE_DRY_RUN";

/// Why a function cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A variable is missing.
    #[error("the environment variable {0} is not set; template.yaml sets it")]
    Variable(&'static str),
    /// [`DRY_RUN_VARIABLE`] is neither `true` nor `false`.
    #[error("the environment variable {DRY_RUN_VARIABLE} is {0:?}; write true or false")]
    DryRun(String),
    /// The configuration could not be fetched.
    #[error("cannot read the configuration")]
    Fetch(#[source] FetchError),
    /// The configuration is not valid.
    #[error("the configuration is not valid")]
    Config(#[source] Problems),
    /// What a setting refers to cannot be read.
    #[error("cannot read what {setting} refers to")]
    Reference {
        /// The setting.
        setting: &'static str,
        /// Why not.
        source: FetchError,
    },
    /// A client of the function cannot be set up.
    #[error(transparent)]
    Client(Box<dyn Error + Send + Sync>),
}

impl StartError {
    /// A client that cannot be set up.
    pub fn client(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Client(Box::new(error))
    }
}

/// An environment variable that must be set.
///
/// # Errors
/// Where it is not.
pub fn required_variable(name: &'static str) -> Result<String, StartError> {
    variable(name).ok_or(StartError::Variable(name))
}

/// Reads the configuration from where [`CONFIG_VARIABLE`] says: the text itself, `ssm:/name` or `file:path`. It is a dry run
/// where the configuration or [`DRY_RUN_VARIABLE`] says so.
///
/// # Errors
/// Where it is not set, cannot be fetched or is not valid.
pub async fn config(sdk: &SdkConfig) -> Result<Config, StartError> {
    let value = required_variable(CONFIG_VARIABLE)?;
    let configuration = if let Some(name) = value.strip_prefix("ssm:") {
        aws::parameter(sdk, name).await.map_err(StartError::Fetch)?
    } else if let Some(path) = value.strip_prefix("file:") {
        aws::file(path).map_err(StartError::Fetch)?
    } else {
        value
    };
    let mut config = Config::parse(&configuration).map_err(StartError::Config)?;
    config.dry_run |= parse_dry_run(variable(DRY_RUN_VARIABLE).as_deref())?;
    Ok(config)
}

/// What [`DRY_RUN_VARIABLE`] says.
fn parse_dry_run(value: Option<&str>) -> Result<bool, StartError> {
    match value {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(StartError::DryRun(other.to_owned())),
    }
}

/// What the configuration refers to for the masters.
#[derive(Debug, Default)]
pub struct Secrets {
    /// The credentials that the masters ask for.
    pub credentials: Option<SecretString>,
    /// The certificate authorities that vouch for the masters, in PEM.
    pub ca_bundle: Option<SecretString>,
}

/// Reads what the configuration refers to for the masters.
///
/// # Errors
/// Where it is not there, or may not be read.
pub async fn secrets(sdk: &SdkConfig, config: &Config) -> Result<Secrets, StartError> {
    let Some(mesos) = &config.mesos else { return Ok(Secrets::default()) };
    Ok(Secrets {
        credentials: secret(sdk, "mesos.credentials", mesos.credentials.as_ref()).await?,
        ca_bundle: secret(sdk, "mesos.ca_bundle", mesos.ca_bundle.as_ref()).await?,
    })
}

async fn secret(
    sdk: &SdkConfig,
    setting: &'static str,
    reference: Option<&Reference>,
) -> Result<Option<SecretString>, StartError> {
    let Some(reference) = reference else { return Ok(None) };
    let resolved = aws::resolve(sdk, reference).await;
    resolved.map(Some).map_err(|source| StartError::Reference { setting, source })
}

/// Reads the time.
pub type Clock = fn() -> Timestamp;

#[expect(clippy::disallowed_methods, reason = "the edge of the functions: the one place where they read the clock")]
fn clock() -> Timestamp {
    Timestamp::now()
}

/// Starts a function, then answers events until Lambda ends the process. `start` builds once what `handle` needs for every
/// event.
///
/// # Errors
/// Where the function cannot start.
pub async fn serve<H, P: DeserializeOwned, E: Error + 'static>(
    start: impl Future<Output = Result<H, StartError>>,
    handle: impl AsyncFn(&H, P, Clock) -> Result<(), E>,
) -> Result<(), Chain> {
    telemetry::init();
    let handler = &start.await.map_err(|error| Chain::new(&error))?;
    let handle = &handle;
    let answer = move |event: LambdaEvent<P>| async move {
        let answered = handle(handler, event.payload, clock).await;
        answered.map_err(|error| lambda_runtime::Error::from(Chain::new(&error)))
    };
    lambda_runtime::run(service_fn(answer)).await.map_err(|error| Chain::new(&*error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_can_only_turn_a_dry_run_on() {
        let parsed = |value| parse_dry_run(value).ok();
        assert_eq!(
            [None, Some("false"), Some("true"), Some("yes")].map(parsed),
            [Some(false), Some(false), Some(true), None]
        );
        assert!(parse_dry_run(Some("yes")).unwrap_err().to_string().contains("write true or false"));
    }
}
