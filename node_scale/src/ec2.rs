//! Which instances have the private addresses of agents?

use std::collections::BTreeSet;
use std::net::IpAddr;

use aws_types::SdkConfig;
use shared::aws::ec2::{self, ACTION};
use shared::error::Chain;

use crate::group::CallError;
use crate::state::Addresses;

/// Asks EC2.
#[derive(Clone, Debug)]
pub struct Client(ec2::Client);

impl Client {
    /// Sets up the client from what the SDK read of its environment.
    #[must_use]
    pub fn new(sdk: &SdkConfig) -> Self {
        Self(ec2::Client::new(sdk))
    }

    /// Which running instances have each of these private addresses.
    ///
    /// # Errors
    /// Where the call fails after the SDK's own retries.
    pub async fn addresses(&self, group: &str, ips: &[IpAddr]) -> Result<Addresses, CallError> {
        let mut addresses: Addresses = ips.iter().map(|ip| (*ip, BTreeSet::new())).collect();
        let texts: Vec<String> = ips.iter().map(IpAddr::to_string).collect();
        let values: Vec<&str> = texts.iter().map(String::as_str).collect();
        // An address may have been another instance's before; that one is gone and has none.
        let filters: [(&str, &[&str]); 2] = [("instance-state-name", &["running"]), ("private-ip-address", &values)];
        let instances = self.0.instances(&filters).await.map_err(|error| {
            let code = error.code().to_owned();
            CallError::with_code(ACTION, group, code, Some(Chain::new(&error).to_string()))
        })?;
        for instance in instances {
            for address in instance.addresses {
                if let Some(ids) = address.parse().ok().and_then(|ip: IpAddr| addresses.get_mut(&ip)) {
                    ids.insert(instance.id.clone());
                }
            }
        }
        Ok(addresses)
    }
}
