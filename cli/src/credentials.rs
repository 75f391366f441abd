//! Whether there are AWS credentials and a region, and what to do where there are none. They come from everywhere the AWS command line takes
//! them: the environment, profiles with keys, single sign-on, `aws login`, a `credential_process` or a role to assume, web identities,
//! containers, and the metadata of an instance.

use aws_config::SdkConfig;
use aws_config::profile::{self, ProfileFileLoadError};
use aws_credential_types::provider::ProvideCredentials as _;
use aws_credential_types::provider::error::CredentialsError;
use aws_types::os_shim_internal::{Env, Fs};
use node_gather::observe::Sources;
use shared::aws::variable;
use shared::config::Config;
use shared::error::Chain;
use shared::start::StartError;
use shared::text::nearest;
use thiserror::Error;

/// Why no call to AWS can be made.
#[derive(Debug, Error)]
pub enum NoAccount {
    /// Nothing provides credentials.
    #[error("no AWS credentials; set AWS_PROFILE or run `aws sso login`")]
    NoCredentials,
    /// The environment names a profile that does not exist.
    #[error("AWS_PROFILE is {name:?}, and there is no such profile; {hint}")]
    NoProfile {
        /// The name.
        name: String,
        /// The nearest names, or how to list them.
        hint: String,
    },
    /// The files of profiles cannot be read.
    #[error("cannot read the AWS profiles; correct the file, or set AWS_CONFIG_FILE to another")]
    Profiles(#[from] ProfileFileLoadError),
    /// What should provide credentials fails.
    #[error("cannot get AWS credentials; where a session has ended, run `aws sso login` or `aws login`")]
    Unusable(#[source] CredentialsError),
    /// There is no region.
    #[error("no AWS region; set AWS_REGION, or AWS_PROFILE to a profile with a region")]
    NoRegion,
}

/// The sources that need no account.
///
/// # Errors
/// Where a secret of theirs needs one, or a client cannot be set up.
pub async fn sources_without_account(sdk: &SdkConfig, config: &Config) -> Result<Sources, StartError> {
    let Sources { mesos, marathon, .. } = node_gather::config::sources(sdk, config).await?;
    Ok(Sources { mesos, marathon, ..Sources::default() })
}

/// Checks that calls can be made.
///
/// # Errors
/// Where they cannot.
pub async fn check(sdk: &SdkConfig) -> Result<(), NoAccount> {
    if let Some(name) = variable("AWS_PROFILE") {
        let profiles = profile::load(&Fs::real(), &Env::real(), &Default::default(), None).await?;
        if profiles.get_profile(&name).is_none() {
            let near = nearest(&name, profiles.profiles());
            let hint = match near.as_slice() {
                [] => "`aws configure list-profiles` lists those that exist".to_owned(),
                near => format!("did you mean {}?", near.join(" or ")),
            };
            return Err(NoAccount::NoProfile { name, hint });
        }
    }
    let provider = sdk.credentials_provider().ok_or(NoAccount::NoCredentials)?;
    match provider.provide_credentials().await {
        Ok(_) => {}
        Err(CredentialsError::CredentialsNotLoaded(_)) => return Err(NoAccount::NoCredentials),
        // The metadata of an instance is asked last, when nothing else is set.
        Err(error) if Chain::new(&error).to_string().contains("IMDS") => return Err(NoAccount::NoCredentials),
        Err(error) => return Err(NoAccount::Unusable(error)),
    }
    sdk.region().map(|_| ()).ok_or(NoAccount::NoRegion)
}
