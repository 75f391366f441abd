//! The AWS SDK, and what is read through it before a function serves its first event.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_ssm::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ssm::operation::get_parameter::GetParameterError;
use secrecy::SecretString;
use thiserror::Error;

use crate::config::{Config, Problems, Reference};
use crate::error::Chain;

pub mod call;

/// The variable that holds the configuration document, or says where it is.
pub const CONFIG_VARIABLE: &str = "LAMBDA_SCALE_CONFIG";

/// The variable that makes a dry run of whatever the document says (`true`); with `false` or without it the document decides.
pub const DRY_RUN_VARIABLE: &str = "LAMBDA_SCALE_DRY_RUN";

/// How long one call may take with all its retries: a function that hangs is billed and holds up the next tick.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long one try of a call may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);

/// Reads the SDK's own environment: region, credentials, `AWS_ENDPOINT_URL` ...
pub async fn sdk_config() -> SdkConfig {
    let timeouts =
        TimeoutConfig::builder().operation_timeout(CALL_TIMEOUT).operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
    aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts).load().await
}

/// An environment variable, if it is set to something.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// An environment variable that must be set.
///
/// # Errors
/// Where it is not.
pub fn required_variable(name: &'static str) -> Result<String, StartError> {
    variable(name).ok_or(StartError::Variable(name))
}

/// Why a function cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A variable is missing.
    #[error("the environment variable {0} is not set; template.yaml sets it")]
    Variable(&'static str),
    /// [`DRY_RUN_VARIABLE`] is neither `true` nor `false`: whoever wrote it meant something.
    #[error("the environment variable {DRY_RUN_VARIABLE} is {0:?}; write true or false")]
    DryRun(String),
    /// The configuration could not be fetched.
    #[error("cannot read the configuration")]
    Fetch(#[source] FetchError),
    /// The configuration is not valid.
    #[error("the configuration is not valid")]
    Config(#[source] Problems),
}

/// Reads the configuration from where [`CONFIG_VARIABLE`] says: the document itself, `ssm:/name` or `file:path`. It is a dry
/// run where the document or [`DRY_RUN_VARIABLE`] says so.
///
/// # Errors
/// Where it is not set, cannot be fetched or is not valid.
pub async fn config(sdk: &SdkConfig) -> Result<Config, StartError> {
    let value = required_variable(CONFIG_VARIABLE)?;
    let document = if let Some(name) = value.strip_prefix("ssm:") {
        parameter(sdk, name).await.map_err(StartError::Fetch)?
    } else if let Some(path) = value.strip_prefix("file:") {
        file(path).map_err(StartError::Fetch)?
    } else {
        value
    };
    let mut config = Config::parse(&document).map_err(StartError::Config)?;
    config.dry_run |= ties_hands(variable(DRY_RUN_VARIABLE).as_deref())?;
    Ok(config)
}

/// What [`DRY_RUN_VARIABLE`] says.
fn ties_hands(value: Option<&str>) -> Result<bool, StartError> {
    match value {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(StartError::DryRun(other.to_owned())),
    }
}

/// Why a text that the configuration refers to could not be read.
#[derive(Debug, Error)]
pub enum FetchError {
    /// Systems Manager refused, or could not be reached.
    #[error("cannot read the parameter {name}; check its name and that the role may ssm:GetParameter it")]
    Parameter {
        /// The parameter.
        name: String,
        /// What Systems Manager said.
        source: Box<SdkError<GetParameterError>>,
    },
    /// The parameter has no value.
    #[error("the parameter {0} is empty")]
    Empty(String),
    /// The variable is not set.
    #[error("the environment variable {0} is not set")]
    Variable(String),
    /// The file could not be read.
    #[error("cannot read the file {path}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Reads what a [`Reference`] points to.
///
/// # Errors
/// Where it is not there, or may not be read.
pub async fn resolve(sdk: &SdkConfig, reference: &Reference) -> Result<SecretString, FetchError> {
    let text = match reference {
        Reference::Ssm(name) => parameter(sdk, name).await?,
        // Parameter Store hands on secrets under this reserved path, so one SDK serves both.
        Reference::SecretsManager(name) => parameter(sdk, &format!("/aws/reference/secretsmanager/{name}")).await?,
        Reference::Env(name) => variable(name).ok_or_else(|| FetchError::Variable(name.clone()))?,
        Reference::File(path) => file(path)?,
    };
    Ok(SecretString::from(text))
}

/// What a call that failed is told as: its name, the code that AWS gave, what to do, and the causes.
#[must_use]
pub fn call_failure<E>(call: &str, permission: &str, error: &SdkError<E>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let code = error.code().unwrap_or("no answer");
    let remedy = match code {
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => {
            format!("; allow the function's role {permission}")
        }
        "Throttling" | "ThrottlingException" | "RequestLimitExceeded" => {
            "; the account's API rate is used up, the next tick tries again".to_owned()
        }
        _ => String::new(),
    };
    format!("{call} failed ({code}){remedy}: {}", Chain::new(error))
}

async fn parameter(sdk: &SdkConfig, name: &str) -> Result<String, FetchError> {
    let answer = aws_sdk_ssm::Client::new(sdk).get_parameter().name(name).with_decryption(true).send().await;
    match answer {
        Ok(output) => {
            output.parameter.and_then(|parameter| parameter.value).ok_or_else(|| FetchError::Empty(name.to_owned()))
        }
        Err(source) => Err(FetchError::Parameter { name: name.to_owned(), source: Box::new(source) }),
    }
}

fn file(path: &str) -> Result<String, FetchError> {
    std::fs::read_to_string(path).map_err(|source| FetchError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_can_only_tie_the_hands() {
        let said = |value| ties_hands(value).ok();
        assert_eq!(
            [None, Some("false"), Some("true"), Some("yes")].map(said),
            [Some(false), Some(false), Some(true), None]
        );
        assert!(ties_hands(Some("yes")).unwrap_err().to_string().contains("write true or false"));
    }
}
