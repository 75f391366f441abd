//! Describes the groups of the pools.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_autoscaling::types::AutoScalingGroup;
use shared::aws;
use shared::aws::whole::WholeAnswers;
use shared::group::{CLOSING_REFUSED_TAG, Lifecycle, TRIED_TAG, decommissioning, tagged_until};

use crate::members::{Description, Group, Instance};

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
    /// A client of what the SDK read of its environment. It takes no part of a description for the whole.
    #[must_use]
    pub fn new(sdk: &SdkConfig) -> Self {
        let config = aws_sdk_autoscaling::config::Builder::from(sdk).interceptor(WholeAnswers).build();
        Self { sdk: aws_sdk_autoscaling::Client::from_conf(config), timeout: TIMEOUT }
    }

    /// Describes each group, in the order of the names. A failure is a value, too.
    pub async fn describe(&self, groups: &[&str]) -> Vec<Description> {
        let mut known = Vec::with_capacity(groups.len());
        let all = async {
            for groups in groups.chunks(MAX_NAMES) {
                known.extend(self.ask(groups).await);
            }
        };
        // Answers that arrived in time are kept.
        let _ = tokio::time::timeout(self.timeout, all).await;
        let late = format!("Auto Scaling did not answer within {} ms", self.timeout.as_millis());
        known.resize(groups.len(), Description::Unknown { reason: late });
        known
    }

    async fn ask(&self, names: &[&str]) -> Vec<Description> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let call = self.sdk.describe_auto_scaling_groups().set_auto_scaling_group_names(Some(names.clone()));
        let call = call.max_records(100);
        let answer = call.into_paginator().items().send().collect::<Result<Vec<AutoScalingGroup>, _>>().await;
        let groups = match answer {
            Ok(groups) => groups,
            Err(error) => {
                let permission = "autoscaling:DescribeAutoScalingGroups";
                let reason = aws::call_failure("DescribeAutoScalingGroups", permission, &error);
                return vec![Description::Unknown { reason }; names.len()];
            }
        };
        let mut groups: BTreeMap<String, Group> = groups
            .into_iter()
            .filter_map(|group| Some((group.auto_scaling_group_name.clone()?, described(group))))
            .collect();
        let description = |name: &String| {
            let missing = || "there is no such group in this region; correct pools.group".to_owned();
            groups.remove(name).map_or_else(|| Description::Unknown { reason: missing() }, Description::Known)
        };
        names.iter().map(description).collect()
    }
}

fn described(group: AutoScalingGroup) -> Group {
    let units = |units: Option<i32>| u32::try_from(units.unwrap_or(0)).unwrap_or(0);
    let tags = group.tags.unwrap_or_default();
    let tags = tags.iter().filter_map(|tag| Some((tag.key.as_deref()?, tag.value.as_deref().unwrap_or_default())));
    Group {
        desired: units(group.desired_capacity),
        min: units(group.min_size),
        max: units(group.max_size),
        zones: group.availability_zones.unwrap_or_default(),
        protects_new: group.new_instances_protected_from_scale_in.unwrap_or(false),
        closing_refused_until: tagged_until(tags.clone(), CLOSING_REFUSED_TAG),
        tried_until: tagged_until(tags.clone(), TRIED_TAG),
        decommissioning: decommissioning(tags),
        instances: group
            .instances
            .unwrap_or_default()
            .into_iter()
            .map(|instance| Instance {
                lifecycle: Lifecycle::from_name(instance.lifecycle_state.as_ref().map_or("", |state| state.as_str())),
                protected: instance.protected_from_scale_in.unwrap_or(false),
                id: instance.instance_id.unwrap_or_default(),
            })
            .collect(),
    }
}
