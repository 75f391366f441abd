//! What this stage reads before it serves its first event: `LAMBDA_SCALE_CONFIG`, `DECISION_TOPIC_ARN` (optional: the only
//! topic whose records are read) and `OUTCOME_TOPIC_ARN` (optional: where outcomes are published); and, where some pool drains its
//! agents, what the document refers to for the masters.

use aws_types::SdkConfig;
use secrecy::SecretString;
use shared::aws::{self, FetchError, StartError};
use shared::config::{Config, Reference};
use shared::mesos::ClientError;
use shared::sns::Topic;
use thiserror::Error;

use crate::handler::Handler;
use crate::masters::Masters;

/// Why the function cannot start.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The environment or the document is not right.
    #[error(transparent)]
    Start(#[from] StartError),
    /// What the document refers to cannot be read.
    #[error("cannot read what {setting} refers to")]
    Reference {
        /// The setting.
        setting: &'static str,
        /// Why not.
        source: FetchError,
    },
    /// What it refers to is of no use.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl Handler {
    /// Reads the environment and builds the clients.
    ///
    /// # Errors
    /// Where a setting is missing or not valid.
    pub async fn from_environment() -> Result<Self, SettingsError> {
        let sdk = aws::sdk_config().await;
        let config = aws::config(&sdk).await?;
        let outcome_topic =
            aws::variable("OUTCOME_TOPIC_ARN").map(|arn| Topic::new(aws_sdk_sns::Client::new(&sdk), arn));
        Self::from_config(config, &sdk, aws::variable("DECISION_TOPIC_ARN"), outcome_topic).await
    }

    /// As [`Handler::new`], with the masters where some pool drains its agents.
    ///
    /// # Errors
    /// Where what the document refers to for them cannot be read, or is of no use.
    pub async fn from_config(
        config: Config,
        sdk: &SdkConfig,
        decision_topic_arn: Option<String>,
        outcome_topic: Option<Topic>,
    ) -> Result<Self, SettingsError> {
        let masters = masters(sdk, &config).await?;
        let handler = Self::new(config, sdk, decision_topic_arn, outcome_topic);
        Ok(match masters {
            Some(masters) => handler.with_masters(masters),
            None => handler,
        })
    }
}

/// The masters, where some pool's agents are drained through them. Nobody else needs the way to them and their secrets.
async fn masters(sdk: &SdkConfig, config: &Config) -> Result<Option<Masters>, SettingsError> {
    let Some(mesos) = &config.mesos else { return Ok(None) };
    if !config.pools.iter().any(|policy| policy.scale_down.strategy.needs_operator_api()) {
        return Ok(None);
    }
    let credentials = resolve(sdk, "mesos.credentials", mesos.credentials.as_ref()).await?;
    let ca_bundle = resolve(sdk, "mesos.ca_bundle", mesos.ca_bundle.as_ref()).await?;
    Ok(Some(Masters::new(mesos.clone(), credentials.as_ref(), ca_bundle.as_ref())?))
}

async fn resolve(
    sdk: &SdkConfig,
    setting: &'static str,
    reference: Option<&Reference>,
) -> Result<Option<SecretString>, SettingsError> {
    let Some(reference) = reference else { return Ok(None) };
    let resolved = aws::resolve(sdk, reference).await;
    resolved.map(Some).map_err(|source| SettingsError::Reference { setting, source })
}
