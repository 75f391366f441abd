//! The settings of this function.
//!
//! | variable | |
//! |---|---|
//! | `LAMBDA_SCALE_CONFIG` | the configuration, or where it is |
//! | `DECISION_TOPIC_ARN` | where decisions are published |
//! | `SNAPSHOT_TOPIC_ARN` | optional: the only topic that snapshots may come from |

use shared::aws;
use shared::config::Config;
use shared::sns::Topic;
use shared::start::{self, StartError};

/// What the handler is built from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The configuration.
    pub config: Config,
    /// Where decisions are published.
    pub decision_topic: Topic,
    /// The only topic that snapshots may come from; `None`: any that may call this function.
    pub snapshot_topic_arn: Option<String>,
}

impl Settings {
    /// Reads them from the environment.
    ///
    /// # Errors
    /// Where a variable is missing, or the configuration cannot be read or is not valid.
    pub async fn from_env() -> Result<Self, StartError> {
        let decision_topic_arn = start::required_variable("DECISION_TOPIC_ARN")?;
        let sdk = aws::sdk_config().await;
        Ok(Self {
            config: start::config(&sdk).await?,
            decision_topic: Topic::new(aws_sdk_sns::Client::new(&sdk), decision_topic_arn),
            snapshot_topic_arn: aws::variable("SNAPSHOT_TOPIC_ARN"),
        })
    }
}
