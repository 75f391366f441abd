//! The AWS SDK, and what is read through it.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use secrecy::SecretString;
use serde::Deserialize;
use thiserror::Error;

use crate::config::Reference;
use crate::error::Chain;
use call::{Call, Protocol, Refused, Service, SetUpError};

pub mod call;

/// How long one call may take with all its retries: a function that hangs is billed and holds up the next run.
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

/// Why a text that the configuration refers to could not be read.
#[derive(Debug, Error)]
pub enum FetchError {
    /// Systems Manager refused, or could not be reached.
    #[error("cannot read the parameter {name}; check its name and that the role may ssm:GetParameter it")]
    Parameter {
        /// The parameter.
        name: String,
        /// What Systems Manager said.
        source: Box<SdkError<Refused, HttpResponse>>,
    },
    /// Systems Manager cannot be called.
    #[error("cannot call Systems Manager")]
    SetUp(#[from] SetUpError),
    /// The answer of Systems Manager cannot be read. It may hold the value, so it is not repeated.
    #[error("cannot read the answer of Systems Manager about the parameter {0}")]
    Answer(String),
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

/// The text of a failed call: its name, the error code of AWS, what to do, and the causes.
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
            "; the account's API rate is used up, the next run retries".to_owned()
        }
        _ => String::new(),
    };
    format!("{call} failed ({code}){remedy}: {}", Chain::new(error))
}

/// Reads a parameter of Systems Manager, decrypted.
///
/// # Errors
/// Where it may not be read, or is empty.
pub async fn parameter(sdk: &SdkConfig, name: &str) -> Result<String, FetchError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Output {
        parameter: Option<Parameter>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Parameter {
        value: Option<String>,
    }
    let request = serde_json::json!({ "Name": name, "WithDecryption": true }).to_string();
    let failed = |source| FetchError::Parameter { name: name.to_owned(), source: Box::new(source) };
    let answer = Call::new(sdk, GET_PARAMETER)?.send(request).await.map_err(failed)?;
    let output: Output = serde_json::from_str(&answer).map_err(|_| FetchError::Answer(name.to_owned()))?;
    output.parameter.and_then(|parameter| parameter.value).ok_or_else(|| FetchError::Empty(name.to_owned()))
}

const GET_PARAMETER: Service = Service {
    name: "ssm",
    host: "ssm",
    operation: "GetParameter",
    protocol: Protocol::Json { content_type: "application/x-amz-json-1.1", target: "AmazonSSM.GetParameter" },
};

/// Reads a file.
///
/// # Errors
/// Where it cannot be read.
pub fn file(path: &str) -> Result<String, FetchError> {
    std::fs::read_to_string(path).map_err(|source| FetchError::File { path: path.to_owned(), source })
}
