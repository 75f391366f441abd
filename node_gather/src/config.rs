//! What the function reads from its environment, once, before its first event.
//!
//! - `LAMBDA_SCALE_CONFIG`: the configuration document, or where it is
//! - `SNAPSHOT_TOPIC_ARN`: the topic that snapshots are published to
//! - and what the document refers to: the masters' credentials and certificate authorities

use aws_config::SdkConfig;
use secrecy::SecretString;
use shared::aws::{self, FetchError, StartError};
use shared::config::{Config, Reference};
use thiserror::Error;

/// The variable that names the topic for snapshots.
pub const TOPIC_VARIABLE: &str = "SNAPSHOT_TOPIC_ARN";

/// Everything that was read.
#[derive(Debug)]
pub struct Settings {
    /// The configuration document.
    pub config: Config,
    /// The topic that snapshots are published to.
    pub topic_arn: String,
    /// What the masters want to see.
    pub credentials: Option<SecretString>,
    /// Who vouches for the masters, in PEM.
    pub ca_bundle: Option<SecretString>,
}

/// Why something could not be read.
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
}

/// Reads everything.
///
/// # Errors
/// Where something is missing, not valid or may not be read.
pub async fn from_environment(sdk: &SdkConfig) -> Result<Settings, SettingsError> {
    let topic_arn = aws::required_variable(TOPIC_VARIABLE)?;
    let config = aws::config(sdk).await?;
    let (credentials, ca_bundle) = secrets(sdk, &config).await?;
    Ok(Settings { config, topic_arn, credentials, ca_bundle })
}

/// What the document refers to: the masters' credentials and certificate authorities.
///
/// # Errors
/// Where it may not be read.
pub async fn secrets(
    sdk: &SdkConfig,
    config: &Config,
) -> Result<(Option<SecretString>, Option<SecretString>), SettingsError> {
    let mesos = config.mesos.as_ref();
    let credentials = mesos.and_then(|mesos| mesos.credentials.as_ref());
    let credentials = resolve(sdk, "mesos.credentials", credentials).await?;
    let ca_bundle = mesos.and_then(|mesos| mesos.ca_bundle.as_ref());
    let ca_bundle = resolve(sdk, "mesos.ca_bundle", ca_bundle).await?;
    Ok((credentials, ca_bundle))
}

async fn resolve(
    sdk: &SdkConfig,
    setting: &'static str,
    reference: Option<&Reference>,
) -> Result<Option<SecretString>, SettingsError> {
    match reference {
        None => Ok(None),
        Some(reference) => {
            aws::resolve(sdk, reference).await.map(Some).map_err(|source| SettingsError::Reference { setting, source })
        }
    }
}
