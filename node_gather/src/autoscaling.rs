//! Reads from Auto Scaling how many instances groups have.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_autoscaling::types::AutoScalingGroup;
use shared::aws;
use shared::group::Lifecycle;

use crate::groups::Size;

/// The maximum number of groups that one call of
/// [`DescribeAutoScalingGroups`](https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeAutoScalingGroups.html)
/// describes by name.
const MAX_NAMES: usize = 50;

/// For all calls together.
const TIMEOUT: Duration = Duration::from_secs(5);

/// An Auto Scaling client.
#[derive(Clone, Debug)]
pub struct Client {
    sdk: aws_sdk_autoscaling::Client,
    timeout: Duration,
}

impl Client {
    /// A client on the SDK's client.
    #[must_use]
    pub const fn new(sdk: aws_sdk_autoscaling::Client) -> Self {
        Self { sdk, timeout: TIMEOUT }
    }

    /// The size of each group, in the order of the names. A failure is a value, too.
    pub async fn sizes(&self, groups: &[&str]) -> Vec<Size> {
        let mut known = Vec::with_capacity(groups.len());
        let all = async {
            for groups in groups.chunks(MAX_NAMES) {
                known.extend(self.ask(groups).await);
            }
        };
        // Answers that arrived in time are kept.
        let _ = tokio::time::timeout(self.timeout, all).await;
        let late = format!("Auto Scaling did not answer within {} ms", self.timeout.as_millis());
        known.resize(groups.len(), Size::Unknown { reason: late });
        known
    }

    async fn ask(&self, names: &[&str]) -> Vec<Size> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let call = self.sdk.describe_auto_scaling_groups().set_auto_scaling_group_names(Some(names.clone()));
        let answer = call.into_paginator().items().send().collect::<Result<Vec<AutoScalingGroup>, _>>().await;
        let groups = match answer {
            Ok(groups) => groups,
            Err(error) => {
                let permission = "autoscaling:DescribeAutoScalingGroups";
                let reason = aws::call_failure("DescribeAutoScalingGroups", permission, &error);
                return vec![Size::Unknown { reason }; names.len()];
            }
        };
        let sizes: BTreeMap<&str, Size> =
            groups.iter().filter_map(|group| Some((group.auto_scaling_group_name.as_deref()?, size(group)))).collect();
        let size_of = |name: &String| {
            let missing = || "there is no such group in this region; correct pools.group".to_owned();
            sizes.get(name.as_str()).cloned().unwrap_or_else(|| Size::Unknown { reason: missing() })
        };
        names.iter().map(size_of).collect()
    }
}

/// Pending instances are in flight, not in service; those in standby or a warm pool do not belong to the capacity.
fn size(group: &AutoScalingGroup) -> Size {
    let mut counts = (0_u32, 0_u32);
    for instance in group.instances() {
        let name = instance.lifecycle_state().map_or("", |state| state.as_str());
        match Lifecycle::from_name(name) {
            Lifecycle::InService => counts.0 += 1,
            Lifecycle::Terminating => counts.1 += 1,
            Lifecycle::Pending | Lifecycle::NotCounted | Lifecycle::Unknown => {}
        }
    }
    Size::Known { in_service: counts.0, terminating: counts.1 }
}
