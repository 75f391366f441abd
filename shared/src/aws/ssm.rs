//! Parameter Store of Systems Manager, as far as plain parameters are kept there.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_sns::error::ProvideErrorMetadata as _;
use aws_smithy_types::retry::RetryConfig;
use serde::Deserialize;
use serde_json::json;
use thiserror::Error;

use super::call::{Call, Protocol, Service, SetUpError};
use super::call_failure;

/// How many parameters one call reads:
/// [`GetParameters`](https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html).
pub const MAX_NAMES: usize = 10;

/// What the store answers where a parameter has a label on the oldest of its 100 versions.
const LABELLED: &str = "ParameterMaxVersionLimitExceeded";

const fn service(operation: &'static str, target: &'static str) -> Service {
    let protocol = Protocol::Json { content_type: "application/x-amz-json-1.1", target };
    Service { name: "ssm", host: "ssm", operation, protocol }
}

/// Reads and writes parameters.
#[derive(Clone, Debug)]
pub struct Client {
    get: Call,
    put: Call,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// Systems Manager refused, or could not be reached.
    #[error("{0}")]
    Call(String),
    /// The parameter cannot have another version.
    #[error(
        "PutParameter failed ({LABELLED}): the oldest of 100 versions of {0} has a label, so no version can be added; delete the \
         label, or the parameter"
    )]
    Labelled(String),
    /// The answer cannot be read.
    #[error("the answer of GetParameters cannot be read")]
    Answer,
}

impl Client {
    /// A client of what the SDK read of its environment.
    ///
    /// # Errors
    /// Where the SDK found no region or no credentials.
    pub fn new(sdk: &SdkConfig) -> Result<Self, SetUpError> {
        // A write may be lost, and the next one makes up for it.
        let once = sdk.to_builder().retry_config(RetryConfig::disabled()).build();
        Ok(Self {
            get: Call::new(sdk, service("GetParameters", "AmazonSSM.GetParameters"))?,
            put: Call::new(&once, service("PutParameter", "AmazonSSM.PutParameter"))?,
        })
    }

    /// The values of those of the parameters that exist, of [`MAX_NAMES`] at most.
    ///
    /// # Errors
    /// Where they may not be read, or Systems Manager does not answer.
    pub async fn get(&self, names: &[String]) -> Result<BTreeMap<String, String>, StoreError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Output {
            parameters: Vec<Parameter>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Parameter {
            name: String,
            value: String,
        }
        let request = json!({ "Names": names, "WithDecryption": true }).to_string();
        let answer = self.get.send(request).await;
        let failed = |error| StoreError::Call(call_failure("GetParameters", "ssm:GetParameters", &error));
        let answer = answer.map_err(failed)?;
        let output: Output = serde_json::from_str(&answer).map_err(|_| StoreError::Answer)?;
        Ok(output.parameters.into_iter().map(|Parameter { name, value }| (name, value)).collect())
    }

    /// Writes a plain parameter, in place of the one of that name. One attempt.
    ///
    /// # Errors
    /// Where it may not be written, cannot be, or Systems Manager does not answer.
    pub async fn put(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let request = json!({ "Name": name, "Value": value, "Type": "String", "Overwrite": true }).to_string();
        let written = self.put.send(request).await;
        written.map(drop).map_err(|error| match error.code() {
            Some(LABELLED) => StoreError::Labelled(name.to_owned()),
            _ => StoreError::Call(call_failure("PutParameter", "ssm:PutParameter", &error)),
        })
    }
}
