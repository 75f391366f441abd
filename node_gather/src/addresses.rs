//! Asks EC2 for the addresses of the instances of groups, and keeps them while the function is warm.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use aws_config::SdkConfig;
use jiff::{SignedDuration, Timestamp};
use shared::aws::{causes, ec2};

use crate::members::{Addresses, Group, Lookup};

/// The tag that Auto Scaling gives to the instances of a group.
const GROUP_TAG: &str = "tag:aws:autoscaling:groupName";

/// The maximum number of values of one filter.
const MAX_VALUES: usize = 200;

/// How long what is known is used: an interface may be attached at any time.
const LIFE: SignedDuration = SignedDuration::from_mins(10);

/// For all calls of one run together.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The addresses of instances, as EC2 reports them.
#[derive(Debug)]
pub struct Client {
    ec2: ec2::Client,
    known: Mutex<Cache>,
    timeout: Duration,
}

/// By instance, never by address: another instance may have that address tomorrow.
#[derive(Debug, Default)]
struct Cache {
    addresses: Addresses,
    /// When each group was asked about.
    asked: BTreeMap<String, Timestamp>,
}

impl Client {
    /// A client that is set up from what the SDK read of its environment.
    #[must_use]
    pub fn new(sdk: &SdkConfig) -> Self {
        Self { ec2: ec2::Client::new(sdk), known: Mutex::default(), timeout: TIMEOUT }
    }

    /// The addresses of all instances of these groups. EC2 is asked where one of them has no known address, or was last asked
    /// ten minutes ago.
    pub async fn lookup(&self, groups: &[(&str, &Group)], now: Timestamp) -> Lookup {
        let outdated: Vec<&str> = {
            let mut cache = self.lock();
            cache.forget_all_but(groups);
            groups.iter().filter(|(name, group)| cache.is_outdated(name, group, now)).map(|(name, _)| *name).collect()
        };
        match tokio::time::timeout(self.timeout, self.ask(&outdated)).await {
            Ok(Ok(found)) => {
                let mut cache = self.lock();
                for (id, addresses) in found {
                    cache.addresses.insert(id, addresses);
                }
                cache.asked.extend(outdated.iter().map(|name| ((*name).to_owned(), now)));
                cache.forget_all_but(groups);
                Lookup::Known(cache.addresses.clone())
            }
            Ok(Err(error)) => {
                let remedy = match error.code() {
                    "UnauthorizedOperation" | "AccessDenied" => format!("; allow the function's role {}", ec2::ACTION),
                    _ => String::new(),
                };
                let code = error.code().to_owned();
                let causes = causes(&error);
                Lookup::Unknown { reason: format!("DescribeInstances failed ({code}){remedy}: {causes}") }
            }
            Err(_) => Lookup::Unknown { reason: format!("EC2 did not answer within {} ms", self.timeout.as_millis()) },
        }
    }

    async fn ask(&self, groups: &[&str]) -> Result<Addresses, ec2::DescribeError> {
        let mut found = Addresses::new();
        for groups in groups.chunks(MAX_VALUES) {
            for instance in self.ec2.instances(&[(GROUP_TAG, groups)]).await? {
                let addresses = instance.addresses.iter().filter_map(|address| address.parse::<IpAddr>().ok());
                found.entry(instance.id).or_default().extend(addresses);
            }
        }
        Ok(found)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Cache> {
        // No invariant spans two fields, so what a panicking thread left is as good.
        self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Cache {
    fn is_outdated(&self, name: &str, group: &Group, now: Timestamp) -> bool {
        let is_unknown = |id: &String| self.addresses.get(id).is_none_or(BTreeSet::is_empty);
        let is_fresh = |asked: &Timestamp| (SignedDuration::ZERO..LIFE).contains(&now.duration_since(*asked));
        let ids = group.instances.iter().filter(|instance| instance.lifecycle.may_run()).map(|instance| &instance.id);
        !self.asked.get(name).is_some_and(is_fresh) || ids.into_iter().any(is_unknown)
    }

    /// Instances that have left, and groups that are no longer asked about.
    fn forget_all_but(&mut self, groups: &[(&str, &Group)]) {
        let instances: BTreeSet<&str> =
            groups.iter().flat_map(|(_, group)| &group.instances).map(|instance| instance.id.as_str()).collect();
        self.addresses.retain(|id, _| instances.contains(id.as_str()));
        self.asked.retain(|name, _| groups.iter().any(|(group, _)| group == name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::members::Instance;
    use shared::group::Lifecycle;

    #[test]
    fn addresses_are_asked_for_when_an_instance_is_new_or_time_has_passed() {
        let instance = |id: &str| Instance { id: id.to_owned(), lifecycle: Lifecycle::InService, protected: false };
        let mut group = Group { instances: vec![instance("i-1")], ..Group::default() };
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let mut cache = Cache::default();
        assert!(cache.is_outdated("g", &group, at(0)));
        cache.addresses.insert("i-1".to_owned(), BTreeSet::from([IpAddr::from([10, 0, 0, 1])]));
        cache.asked.insert("g".to_owned(), at(0));
        assert!(!cache.is_outdated("g", &group, at(599)));
        assert!(cache.is_outdated("g", &group, at(600)) && cache.is_outdated("g", &group, at(-1)));
        group.instances.push(instance("i-2"));
        assert!(cache.is_outdated("g", &group, at(60)));
        // Nobody waits for the address of an instance in the warm pool.
        group.instances[1].lifecycle = Lifecycle::NotCounted;
        assert!(!cache.is_outdated("g", &group, at(60)));
        group.instances.remove(0);
        cache.forget_all_but(&[("g", &group)]);
        assert_eq!((cache.addresses.len(), cache.asked.len()), (0, 1));
    }
}
