//! The AWS SDK, and what is read through it.

use std::fmt;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};
use secrecy::SecretString;
use serde::Deserialize;
use thiserror::Error;

use crate::config::Reference;
use crate::error::Chain;
use crate::text::clip;
use call::{Call, Protocol, Service, SetUpError};

pub mod call;
pub mod ec2;
pub mod ssm;
pub mod whole;

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

/// Why a string that is kept elsewhere could not be read.
///
/// Names are shown only of what the function's own variables name. What the configuration refers to may be the secret itself,
/// written there by mistake.
#[derive(Debug, Error)]
pub enum FetchError {
    /// Systems Manager refused, or could not be reached.
    #[error("cannot read the parameter{name} ({code}); check its name and that the role may ssm:GetParameter it")]
    Parameter {
        /// The parameter.
        name: Name,
        /// What Systems Manager said, in a word.
        code: String,
    },
    /// Systems Manager cannot be called.
    #[error("cannot call Systems Manager")]
    SetUp(#[from] SetUpError),
    /// The answer of Systems Manager cannot be read. It may hold the value, so it is not repeated.
    #[error("cannot read the answer of Systems Manager about the parameter{0}")]
    Answer(Name),
    /// The parameter has no value.
    #[error("the parameter{0} is empty")]
    Empty(Name),
    /// The variable is not set.
    #[error("the environment variable is not set")]
    Variable,
    /// The file could not be read.
    #[error("cannot read the file{name}")]
    File {
        /// The file.
        name: Name,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A name in a message, with a space before it, unless it must not be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(Option<String>);

impl Name {
    /// A name to be shown.
    #[must_use]
    pub fn shown(name: &str) -> Self {
        Self(Some(name.to_owned()))
    }

    /// A name that the configuration has.
    #[must_use]
    pub const fn hidden() -> Self {
        Self(None)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |name| write!(f, " {name}"))
    }
}

/// Reads what a [`Reference`] points to.
///
/// # Errors
/// Where it is not there, or may not be read.
pub async fn resolve(sdk: &SdkConfig, reference: &Reference) -> Result<SecretString, FetchError> {
    let text = match reference {
        Reference::Ssm(name) => parameter(sdk, name, Name::hidden()).await?,
        // Parameter Store hands on secrets under this reserved path, so one SDK serves both.
        Reference::SecretsManager(name) => {
            parameter(sdk, &format!("/aws/reference/secretsmanager/{name}"), Name::hidden()).await?
        }
        Reference::Env(name) => variable(name).ok_or(FetchError::Variable)?,
        Reference::File(path) => file(path, Name::hidden())?,
    };
    Ok(SecretString::from(text))
}

/// The most characters of the causes of a failed call; messages about permissions are long.
const MAX_CAUSES_CHARS: usize = 2000;

/// What a failed call says, with its causes. What cannot be read is quoted by who reads it, as long as it may be, so it is cut.
#[must_use]
pub fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    clip(&Chain::new(error).to_string(), MAX_CAUSES_CHARS)
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
    format!("{call} failed ({code}){remedy}: {}", causes(error))
}

/// Reads a parameter of Systems Manager, decrypted. `shown` is its name in an error.
///
/// # Errors
/// Where it may not be read, or is empty.
pub async fn parameter(sdk: &SdkConfig, name: &str, shown: Name) -> Result<String, FetchError> {
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
    let answer = match Call::new(sdk, GET_PARAMETER)?.send(request).await {
        Ok(answer) => answer,
        // The message repeats the name.
        Err(error) => {
            let code = error.code().unwrap_or("no answer").to_owned();
            return Err(FetchError::Parameter { name: shown, code });
        }
    };
    let Ok(output) = serde_json::from_str::<Output>(&answer) else { return Err(FetchError::Answer(shown)) };
    output.parameter.and_then(|parameter| parameter.value).ok_or(FetchError::Empty(shown))
}

const GET_PARAMETER: Service = Service {
    name: "ssm",
    host: "ssm",
    operation: "GetParameter",
    protocol: Protocol::Json { content_type: "application/x-amz-json-1.1", target: "AmazonSSM.GetParameter" },
};

/// Reads a file. `shown` is its path in an error.
///
/// # Errors
/// Where it cannot be read.
pub fn file(path: &str, shown: Name) -> Result<String, FetchError> {
    std::fs::read_to_string(path).map_err(|source| FetchError::File { name: shown, source })
}
