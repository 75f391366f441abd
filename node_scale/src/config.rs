//! What this stage reads before it serves its first event: `LAMBDA_SCALE_CONFIG`, `DECISION_TOPIC_ARN` (optional: the only
//! topic whose records are read) and `OUTCOME_TOPIC_ARN` (optional: where outcomes are told).

use shared::aws::{self, StartError};
use shared::sns::Topic;

use crate::handler::Handler;

impl Handler {
    /// Reads the environment and builds the clients.
    ///
    /// # Errors
    /// Where a setting is missing or not valid.
    pub async fn from_environment() -> Result<Self, StartError> {
        let sdk = aws::sdk_config().await;
        let config = aws::config(&sdk).await?;
        let outcome_topic =
            aws::variable("OUTCOME_TOPIC_ARN").map(|arn| Topic::new(aws_sdk_sns::Client::new(&sdk), arn));
        Ok(Self::new(config, &sdk, aws::variable("DECISION_TOPIC_ARN"), outcome_topic))
    }
}
