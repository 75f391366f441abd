//! The AWS SDK, pointed at an endpoint, for tests that run a stage's own code in their process.

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_types::SdkConfig;
use aws_types::region::Region;

use super::REGION;

/// What the SDK's clients need to call the endpoint at that URL. The credentials are worth nothing.
#[must_use]
pub fn sdk_config(url: &str) -> SdkConfig {
    let credentials = Credentials::new("local", "local", None, None, "testbed");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(REGION))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(url)
        .build()
}
