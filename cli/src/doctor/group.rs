//! What Auto Scaling knows of a group, as far as it may hurt.

use aws_config::SdkConfig;
use aws_sdk_autoscaling::Client;
use aws_sdk_autoscaling::types::AutoScalingGroup;
use jiff::{SignedDuration, Timestamp};
use node_scale::group;
use node_scale::state::GroupState;
use shared::aws::call_failure;
use shared::config::Policy;
use shared::error::Chain;

use crate::target;

/// A group.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) state: GroupState,
    pub(super) arn: String,
    /// The calls that failed.
    pub(super) failures: Vec<String>,
    /// In how many availability zones it launches.
    pub(super) zones: usize,
    pub(super) has_warm_pool: bool,
    /// Its scaling policies that are enabled, or why they are not known.
    pub(super) policies: Result<Vec<String>, String>,
    /// Its scheduled actions, or why they are not known.
    pub(super) scheduled: Result<Vec<String>, String>,
}

/// Describes the group of a pool, with every call that `node_scale` makes before it writes.
pub(super) async fn describe(sdk: &SdkConfig, policy: &Policy, now: Timestamp) -> Result<Group, String> {
    let client = group::client(sdk);
    let text = |error: &(dyn std::error::Error + 'static)| Chain::new(error).to_string();
    // Its error names the nearest groups.
    target::describe(&client, &policy.group).await.map_err(|error| text(&error))?;
    let since = now.saturating_sub(SignedDuration::from_hours(1)).unwrap_or(Timestamp::MIN);
    let mut failures = Vec::new();
    let state = match group::describe(&client, &policy.group, since, true).await {
        Ok(state) => state,
        // One call that fails must not hide the rest.
        Err(error) => {
            failures.push(text(&error));
            group::describe(&client, &policy.group, since, false).await.map_err(|error| text(&error))?
        }
    };
    let state = state.ok_or_else(|| format!("the group {} was deleted", policy.group))?;
    let raw = raw(&client, &policy.group).await?;
    Ok(Group {
        state,
        failures,
        arn: raw.auto_scaling_group_arn.clone().unwrap_or_default(),
        zones: raw.availability_zones().len(),
        has_warm_pool: raw.warm_pool_configuration.is_some(),
        policies: policies(&client, &policy.group).await,
        scheduled: scheduled(&client, &policy.group).await,
    })
}

/// The group with what `node_scale` does not read.
async fn raw(client: &Client, name: &str) -> Result<AutoScalingGroup, String> {
    let answer = client.describe_auto_scaling_groups().auto_scaling_group_names(name).send().await;
    let groups = answer.map_err(|error| Chain::new(&error).to_string())?.auto_scaling_groups.unwrap_or_default();
    groups.into_iter().next().ok_or_else(|| format!("the group {name} was deleted"))
}

async fn policies(client: &Client, name: &str) -> Result<Vec<String>, String> {
    let answer = client.describe_policies().auto_scaling_group_name(name).send().await;
    let answer = answer.map_err(|error| call_failure("DescribePolicies", "autoscaling:DescribePolicies", &error))?;
    let enabled =
        answer.scaling_policies.unwrap_or_default().into_iter().filter(|policy| policy.enabled != Some(false));
    Ok(enabled.filter_map(|policy| policy.policy_name).collect())
}

async fn scheduled(client: &Client, name: &str) -> Result<Vec<String>, String> {
    let answer = client.describe_scheduled_actions().auto_scaling_group_name(name).send().await;
    let permission = "autoscaling:DescribeScheduledActions";
    let answer = answer.map_err(|error| call_failure("DescribeScheduledActions", permission, &error))?;
    let actions = answer.scheduled_update_group_actions.unwrap_or_default();
    Ok(actions.into_iter().filter_map(|action| action.scheduled_action_name).collect())
}
