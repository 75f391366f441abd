//! What the function reads from its environment, once, before its first event.
//!
//! | variable | |
//! |---|---|
//! | `LAMBDA_SCALE_CONFIG` | the configuration, or where it is |
//! | `DECISION_TOPIC_ARN` | optional: the only topic that decisions may come from |
//! | `OUTCOME_TOPIC_ARN` | optional: where outcomes are published |

use aws_types::SdkConfig;
use shared::aws;
use shared::config::Config;
use shared::sns::Topic;
use shared::start::{self, Secrets, StartError};

use crate::masters::Masters;

/// What the handler is built from.
#[derive(Debug)]
pub struct Settings {
    /// The configuration.
    pub config: Config,
    /// What the clients of AWS are built from.
    pub sdk: SdkConfig,
    /// The masters, where a strategy needs their operator API.
    pub masters: Option<Masters>,
    /// The only topic that decisions may come from; `None`: any that may call this function.
    pub decision_topic_arn: Option<String>,
    /// Where outcomes are published; `None`: nowhere.
    pub outcome_topic: Option<Topic>,
}

impl Settings {
    /// Reads them from the environment.
    ///
    /// # Errors
    /// Where something is missing, not valid, or may not be read.
    pub async fn from_env() -> Result<Self, StartError> {
        let sdk = aws::sdk_config().await;
        let config = start::config(&sdk).await?;
        let decision_topic_arn = aws::variable("DECISION_TOPIC_ARN");
        let outcome_topic = aws::variable("OUTCOME_TOPIC_ARN");
        let outcome_topic = outcome_topic.map(|arn| Topic::new(aws_sdk_sns::Client::new(&sdk), arn));
        Ok(Self { decision_topic_arn, outcome_topic, ..Self::without_topics(config, sdk).await? })
    }

    /// Those of a configuration, for decisions and outcomes that take no topic.
    ///
    /// # Errors
    /// Where what the configuration refers to cannot be read, or is of no use.
    pub async fn without_topics(config: Config, sdk: SdkConfig) -> Result<Self, StartError> {
        let masters = masters(&sdk, &config).await?;
        Ok(Self { config, sdk, masters, decision_topic_arn: None, outcome_topic: None })
    }
}

/// The masters, where a strategy needs their operator API. Other pools need neither the way to them nor their secrets.
async fn masters(sdk: &SdkConfig, config: &Config) -> Result<Option<Masters>, StartError> {
    let Some(mesos) = &config.mesos else { return Ok(None) };
    if !config.pools.iter().any(|policy| policy.scale_down.strategy.needs_operator_api()) {
        return Ok(None);
    }
    let Secrets { credentials, ca_bundle } = start::secrets(sdk, config).await?;
    let masters = Masters::new(mesos.clone(), credentials.as_ref(), ca_bundle.as_ref());
    masters.map(Some).map_err(StartError::client)
}
