//! How a function starts: what it reads before its first event, and how it serves events.

use std::error::Error;
use std::process::ExitCode;

use aws_config::SdkConfig;
use jiff::Timestamp;
use lambda_runtime::{LambdaEvent, service_fn};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

use crate::aws::{self, FetchError, Name, variable};
use crate::config::{Config, Problems, Reference};
use crate::error::{Chain, Failure};
use crate::runtime_api::{self, Failed};
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
    #[error("the environment variable {DRY_RUN_VARIABLE} is neither true nor false; write one of them")]
    DryRun,
    /// The configuration could not be fetched.
    #[error("cannot read the configuration")]
    Fetch(#[source] FetchError),
    /// The configuration is not valid.
    #[error("the configuration is not valid")]
    Config(#[source] Problems),
    /// What a setting refers to cannot be read.
    #[error("cannot read the {kind} reference of {setting}")]
    Reference {
        /// The setting.
        setting: &'static str,
        /// Where it leads to, such as `ssm:`.
        kind: String,
        /// Why not.
        source: FetchError,
    },
    /// The check that the function was built with cannot be set up.
    #[error("cannot set up the check")]
    Check(#[source] Box<dyn Error + Send + Sync>),
    /// A client of the function cannot be set up.
    #[error(transparent)]
    Client(Box<dyn Error + Send + Sync>),
}

impl Failure for StartError {
    fn class(&self) -> &'static str {
        match self {
            Self::Variable(_) => "Environment.Missing",
            Self::DryRun => "Environment.NotValid",
            Self::Fetch(_) => "Configuration.NotReadable",
            Self::Config(_) => "Configuration.NotValid",
            Self::Reference { .. } => "Reference.NotReadable",
            Self::Check(_) => "Check.NotValid",
            Self::Client(_) => "Client.NotValid",
        }
    }
}

impl StartError {
    /// A check that cannot be set up.
    pub fn check(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Check(Box::new(error))
    }

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
        aws::parameter(sdk, name, Name::shown(name)).await.map_err(StartError::Fetch)?
    } else if let Some(path) = value.strip_prefix("file:") {
        aws::file(path, Name::shown(path)).map_err(StartError::Fetch)?
    } else {
        value
    };
    let mut config = Config::parse(&configuration).map_err(StartError::Config)?;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    config.dry_run |= parse_dry_run(variable(DRY_RUN_VARIABLE).as_deref())?;
    Ok(config)
}

/// What [`DRY_RUN_VARIABLE`] says.
fn parse_dry_run(value: Option<&str>) -> Result<bool, StartError> {
    match value {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(StartError::DryRun),
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

/// Reads the credentials that the configuration refers to for Marathon.
///
/// # Errors
/// Where they are not there, or may not be read.
pub async fn marathon_credentials(sdk: &SdkConfig, config: &Config) -> Result<Option<SecretString>, StartError> {
    let credentials = config.marathon.as_ref().and_then(|marathon| marathon.credentials.as_ref());
    secret(sdk, "marathon.credentials", credentials).await
}

async fn secret(
    sdk: &SdkConfig,
    setting: &'static str,
    reference: Option<&Reference>,
) -> Result<Option<SecretString>, StartError> {
    let Some(reference) = reference else { return Ok(None) };
    let resolved = aws::resolve(sdk, reference).await;
    resolved.map(Some).map_err(|source| StartError::Reference { setting, kind: reference.to_string(), source })
}

/// Reads the time.
pub type Clock = fn() -> Timestamp;

#[expect(clippy::disallowed_methods, reason = "the edge of the functions: the one place where they read the clock")]
fn clock() -> Timestamp {
    Timestamp::now()
}

/// Starts a function, then answers events until Lambda ends the process. `start` builds once what `handle` needs for every
/// event. A function that cannot start logs one line, and tells Lambda why.
pub async fn serve<H, P: DeserializeOwned, E: Failure>(
    start: impl Future<Output = Result<H, StartError>>,
    handle: impl AsyncFn(&H, P, Clock) -> Result<(), E>,
) -> ExitCode {
    telemetry::init();
    let handler = match start.await {
        Ok(handler) => handler,
        Err(error) => {
            let failed = Failed::new(&error);
            failed.log("the function cannot start");
            runtime_api::report(&failed).await;
            return ExitCode::FAILURE;
        }
    };
    let (handler, handle) = (&handler, &handle);
    let answer = move |event: LambdaEvent<Value>| async move {
        let payload = P::deserialize(event.payload).map_err(|error| Failed::new(&EventError(error)))?;
        handle(handler, payload, clock).await.map_err(|error| Failed::new(&error))
    };
    match lambda_runtime::run(service_fn(answer)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            Failed { class: "Runtime.Gone", text: Chain::new(&*error).to_string() }.log("the Lambda runtime ended");
            ExitCode::FAILURE
        }
    }
}

/// The event is not one of this function.
#[derive(Debug, Error)]
#[error("the event has an unexpected form")]
struct EventError(#[source] serde_json::Error);

impl Failure for EventError {
    fn class(&self) -> &'static str {
        "Event.NotValid"
    }
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
        assert!(parse_dry_run(Some("yes")).unwrap_err().to_string().contains("neither true nor false"));
    }
}
