//! What the function reads from its environment, once, before its first event.
//!
//! | variable | |
//! |---|---|
//! | `LAMBDA_SCALE_CONFIG` | the configuration, or where it is |
//! | `SNAPSHOT_TOPIC_ARN` | where snapshots are published |
//! | `LAMBDA_SCALE_STACK` | the stack, under whose name histories are kept; only with `learn` |

use aws_config::SdkConfig;
use shared::aws;
use shared::config::Config;
use shared::sns::Topic;
use shared::start::{self, StartError};

use crate::histories::Histories;
use crate::observe::Sources;

/// What the handler is built from.
#[derive(Debug)]
pub struct Settings {
    /// The configuration.
    pub config: Config,
    /// The sources that the configuration needs.
    pub sources: Sources,
    /// What the pools have learned.
    pub histories: Histories,
    /// Where snapshots are published.
    pub snapshot_topic: Topic,
}

/// The variable with the name of the stack.
const STACK_VARIABLE: &str = "LAMBDA_SCALE_STACK";

impl Settings {
    /// Reads them from the environment.
    ///
    /// # Errors
    /// Where something is missing, not valid, or may not be read.
    pub async fn from_env() -> Result<Self, StartError> {
        let snapshot_topic_arn = start::required_variable("SNAPSHOT_TOPIC_ARN")?;
        let sdk = aws::sdk_config().await;
        let config = start::config(&sdk).await?;
        let sources = sources(&sdk, &config).await?;
        let histories = Histories::new(&config, &sdk, aws::variable(STACK_VARIABLE)).map_err(StartError::client)?;
        let snapshot_topic = Topic::new(aws_sdk_sns::Client::new(&sdk), snapshot_topic_arn);
        Ok(Self { config, sources, histories, snapshot_topic })
    }
}

/// The sources that a configuration needs, with the secrets that it refers to.
///
/// # Errors
/// Where a secret may not be read, or a client cannot be set up with it.
pub async fn sources(sdk: &SdkConfig, config: &Config) -> Result<Sources, StartError> {
    let secrets = start::secrets(sdk, config).await?;
    let marathon_credentials = start::marathon_credentials(sdk, config).await?;
    Sources::new(config, sdk, &secrets, marathon_credentials.as_ref()).map_err(StartError::client)
}
