//! The Auto Scaling group: described by two calls (three for a scale-down), changed by one, or one for each instance.

use aws_sdk_autoscaling::config::Builder;
use aws_sdk_autoscaling::config::retry::RetryConfig;
use aws_sdk_autoscaling::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_autoscaling::primitives::DateTime;
use aws_sdk_autoscaling::types::InstanceRefreshStatus;
use aws_sdk_autoscaling::{Client, Config, types};
use aws_types::SdkConfig;
use jiff::{SignedDuration, Timestamp};
use shared::aws::whole::{CutShort, WholeAnswers};
use shared::error::Chain;
use shared::group::Lifecycle;
use shared::text::{clip, without_token};
use thiserror::Error;

use crate::group_tags::TagChange;
use crate::state::{
    Activity, ActivityForm, Addresses, Group, GroupState, Instance, InstanceKind, LaunchTemplate, MixedInstancesPolicy,
    SuspendedProcess, Tag,
};

/// The most pages of activities that are read, a hundred each. A group with more in the time looked at is not settled.
const MAX_PAGES: usize = 10;

/// How much further back activities are read where the pages allow: a launch may have waited for a lifecycle hook, for an hour
/// by default, and a history of launches that do not arrive is as long (B5).
const HISTORY: SignedDuration = SignedDuration::from_hours(1);

/// A client that takes no part of a description for the whole.
#[must_use]
pub fn client(sdk: &SdkConfig) -> Client {
    Client::from_conf(Builder::from(sdk).interceptor(WholeAnswers).build())
}

/// The most characters of a message of AWS; those about permissions are long.
const MAX_MESSAGE_CHARS: usize = 1000;

/// Why a call to Auto Scaling gave no answer.
#[derive(Debug, Error)]
#[error("{action} failed for the group {group} ({code}){}{hint}", .message.as_ref().map_or_else(String::new, |text| format!(": {text}")))]
pub struct CallError {
    action: &'static str,
    group: String,
    code: String,
    /// What AWS says, in its own words.
    message: Option<String>,
    hint: &'static str,
}

impl CallError {
    pub(crate) fn new<E>(action: &'static str, group: &str, error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let (code, message) = match (error.code(), error.message()) {
            (Some(code), message) => (code.to_owned(), message.map(str::to_owned)),
            (None, _) => {
                let cause = Chain::new(error).to_string();
                let is_cut_short = causes(error).any(|cause| cause.is::<CutShort>());
                (if is_cut_short { "unreadable answer" } else { "no answer" }.to_owned(), Some(cause))
            }
        };
        Self::with_code(action, group, code, message)
    }

    pub(crate) fn with_code(action: &'static str, group: &str, code: String, message: Option<String>) -> Self {
        let message = message.map(without_token);
        let message =
            message.map(|text| clip(text.trim_end_matches('.'), MAX_MESSAGE_CHARS)).filter(|text| !text.is_empty());
        let hint = match code.as_str() {
            "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => {
                "; allow the role of node_scale this action"
            }
            "Throttling" | "ThrottlingException" | "RequestLimitExceeded" => {
                "; the API rate of the account is exhausted, the next run retries"
            }
            "ValidationError" => "; if the group changed meanwhile, the next run finds it as it is",
            _ => "",
        };
        Self { action, group: group.to_owned(), code, message, hint }
    }

    /// The code AWS gave.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Whether AWS rejects the call for now only (B4).
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self.code.as_str(), "ScalingActivityInProgress" | "ResourceContention")
    }

    /// Whether what was asked for makes no sense to AWS, such as a group or an instance that is gone.
    #[must_use]
    pub fn is_validation(&self) -> bool {
        self.code == "ValidationError"
    }
}

/// An error and all that it came of.
fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

/// Describes a group, its activities at least since that time and, where asked for, whether an instance refresh is in progress.
/// `None`: there is no such group. The group itself comes last: what is written next starts from its desired capacity, and
/// nothing should change that in between.
///
/// # Errors
/// Where a call fails after the SDK's own retries.
pub async fn describe(
    client: &Client,
    name: &str,
    since: Timestamp,
    with_refreshes: bool,
) -> Result<Option<GroupState>, CallError> {
    let activities = activities(client, name, since).await;
    let (activities, activities_are_complete) = match activities {
        // To this call an unknown group is a mistake, and to the next one it is none.
        Err(error) if error.is_validation() && group(client, name).await?.is_none() => return Ok(None),
        activities => activities?,
    };
    let instance_refresh_in_progress =
        if with_refreshes { Some(is_refresh_in_progress(client, name).await?) } else { None };
    let Some(group) = group(client, name).await? else { return Ok(None) };
    Ok(Some(GroupState {
        group,
        activities,
        activities_are_complete,
        instance_refresh_in_progress,
        addresses: Addresses::new(),
        is_dry_run: false,
    }))
}

/// Describes the group of that name alone; `None`: there is none.
///
/// # Errors
/// Where the call fails after the SDK's own retries.
pub async fn group(client: &Client, name: &str) -> Result<Option<Group>, CallError> {
    let answer = client
        .describe_auto_scaling_groups()
        .auto_scaling_group_names(name)
        .send()
        .await
        .map_err(|error| CallError::new("DescribeAutoScalingGroups", name, &error))?;
    let groups = answer.auto_scaling_groups.unwrap_or_default();
    let found = groups.into_iter().find(|group| group.auto_scaling_group_name.as_deref() == Some(name));
    Ok(found.map(|group| read_group(name, group)))
}

/// The names of all groups of the region, as far as ten pages go, to suggest one for a wrong name.
///
/// # Errors
/// Where the call fails after the SDK's own retries.
pub async fn names(client: &Client) -> Result<Vec<String>, CallError> {
    let mut names = Vec::new();
    let mut next_token = None;
    for _ in 0..10 {
        let answer = client
            .describe_auto_scaling_groups()
            .max_records(100)
            .set_next_token(next_token)
            .send()
            .await
            .map_err(|error| CallError::new("DescribeAutoScalingGroups", "*", &error))?;
        let groups = answer.auto_scaling_groups.unwrap_or_default();
        names.extend(groups.into_iter().filter_map(|group| group.auto_scaling_group_name));
        next_token = answer.next_token;
        if next_token.is_none() {
            break;
        }
    }
    Ok(names)
}

/// Sets the desired capacity. Cooldowns are ours (`plan` has looked at them), so the group's own is not honored. As every
/// write it is made once: repeated seconds later it could undo another controller's change.
///
/// # Errors
/// Where the call fails; see [`CallError::is_busy`].
pub async fn set_desired_capacity(client: &Client, name: &str, capacity: i32) -> Result<(), CallError> {
    client
        .set_desired_capacity()
        .auto_scaling_group_name(name)
        .desired_capacity(capacity)
        .honor_cooldown(false)
        .customize()
        .config_override(once())
        .send()
        .await
        .map(drop)
        .map_err(|error| CallError::new("SetDesiredCapacity", name, &error))
}

/// Terminates an instance and lowers the desired capacity with it. The call is made once: whether one without an answer was
/// carried out cannot be known, and carried out twice it would lower the capacity twice.
///
/// # Errors
/// Where the call fails; see [`CallError::is_busy`].
pub async fn terminate(client: &Client, name: &str, instance_id: &str) -> Result<(), CallError> {
    client
        .terminate_instance_in_auto_scaling_group()
        .instance_id(instance_id)
        .should_decrement_desired_capacity(true)
        .customize()
        .config_override(once())
        .send()
        .await
        .map(drop)
        .map_err(|error| CallError::new("TerminateInstanceInAutoScalingGroup", name, &error))
}

/// Brings the group's tags up to date: at most one call to write and one to delete.
///
/// # Errors
/// Where a call fails.
pub async fn write_tags(client: &Client, name: &str, changes: &[TagChange]) -> Result<(), CallError> {
    let tag = |key: &str| {
        types::Tag::builder().resource_id(name).resource_type("auto-scaling-group").key(key).propagate_at_launch(false)
    };
    let (mut written, mut deleted) = (Vec::new(), Vec::new());
    for change in changes {
        let (list, tag) = match change {
            TagChange::Set { key, value } => (&mut written, tag(key).value(value)),
            TagChange::Delete { key } => (&mut deleted, tag(key)),
        };
        list.push(tag.build());
    }
    if !written.is_empty() {
        let call = client.create_or_update_tags().set_tags(Some(written)).send();
        call.await.map_err(|error| CallError::new("CreateOrUpdateTags", name, &error))?;
    }
    if !deleted.is_empty() {
        let call = client.delete_tags().set_tags(Some(deleted)).send();
        call.await.map_err(|error| CallError::new("DeleteTags", name, &error))?;
    }
    Ok(())
}

/// No retries by the SDK.
fn once() -> Builder {
    Config::builder().retry_config(RetryConfig::disabled())
}

async fn activities(client: &Client, name: &str, since: Timestamp) -> Result<(Vec<Activity>, bool), CallError> {
    let history = since.saturating_sub(HISTORY).unwrap_or(Timestamp::MIN);
    let mut activities = Vec::new();
    let mut next_token = None;
    for _ in 0..MAX_PAGES {
        let answer = client
            .describe_scaling_activities()
            .auto_scaling_group_name(name)
            .max_records(100)
            .set_next_token(next_token)
            .send()
            .await
            .map_err(|error| CallError::new("DescribeScalingActivities", name, &error))?;
        let page = answer.activities.unwrap_or_default();
        activities.extend(page.into_iter().filter_map(read_activity).filter(|activity| activity.is_of(name)));
        next_token = answer.next_token;
        if next_token.is_none() || reach_back_to(&activities, history) {
            return Ok((activities, true));
        }
    }
    let are_complete = reach_back_to(&activities, since);
    Ok((activities, are_complete))
}

/// Whether they go back to that time. Those in progress are listed first, however old they are, then the finished ones, the newest
/// first.
fn reach_back_to(activities: &[Activity], time: Timestamp) -> bool {
    activities.iter().any(|activity| activity.is_finished() && activity.start < time)
}

async fn is_refresh_in_progress(client: &Client, name: &str) -> Result<bool, CallError> {
    let answer = client
        .describe_instance_refreshes()
        .auto_scaling_group_name(name)
        .max_records(5)
        .send()
        .await
        .map_err(|error| CallError::new("DescribeInstanceRefreshes", name, &error))?;
    let ended = |status: &InstanceRefreshStatus| {
        matches!(
            status,
            InstanceRefreshStatus::Successful
                | InstanceRefreshStatus::Failed
                | InstanceRefreshStatus::Cancelled
                | InstanceRefreshStatus::RollbackFailed
                | InstanceRefreshStatus::RollbackSuccessful
        )
    };
    // A status that this build does not know counts as in progress.
    let refreshes = answer.instance_refreshes.unwrap_or_default();
    Ok(refreshes.iter().any(|refresh| !refresh.status.as_ref().is_some_and(ended)))
}

fn read_group(name: &str, group: types::AutoScalingGroup) -> Group {
    let instances = group.instances.unwrap_or_default();
    Group {
        name: name.to_owned(),
        min_size: group.min_size.unwrap_or(0),
        max_size: group.max_size.unwrap_or(0),
        desired_capacity: group.desired_capacity.unwrap_or(0),
        status: group.status,
        instances: instances
            .into_iter()
            .map(|instance| Instance {
                instance_id: instance.instance_id.unwrap_or_default(),
                lifecycle_state: Lifecycle::from_name(
                    instance.lifecycle_state.as_ref().map_or("", |state| state.as_str()),
                ),
                weighted_capacity: instance.weighted_capacity,
                protected_from_scale_in: instance.protected_from_scale_in.unwrap_or(false),
            })
            .collect(),
        suspended_processes: group
            .suspended_processes
            .unwrap_or_default()
            .into_iter()
            .filter_map(|process| {
                Some(SuspendedProcess {
                    process_name: process.process_name?,
                    suspension_reason: process.suspension_reason,
                })
            })
            .collect(),
        new_instances_protected_from_scale_in: group.new_instances_protected_from_scale_in.unwrap_or(false),
        tags: group
            .tags
            .unwrap_or_default()
            .into_iter()
            .filter_map(|tag| Some(Tag { key: tag.key?, value: tag.value.unwrap_or_default() }))
            .collect(),
        mixed_instances_policy: group.mixed_instances_policy.map(read_policy).unwrap_or_default(),
    }
}

fn read_policy(policy: types::MixedInstancesPolicy) -> MixedInstancesPolicy {
    let overrides = policy.launch_template.and_then(|template| template.overrides).unwrap_or_default();
    let kind = |kind: types::LaunchTemplateOverrides| InstanceKind { weighted_capacity: kind.weighted_capacity };
    MixedInstancesPolicy { launch_template: LaunchTemplate { overrides: overrides.into_iter().map(kind).collect() } }
}

fn read_activity(activity: types::Activity) -> Option<Activity> {
    Some(Activity::from(ActivityForm {
        auto_scaling_group_name: activity.auto_scaling_group_name,
        description: activity.description.unwrap_or_default(),
        cause: activity.cause.unwrap_or_default(),
        status_code: activity.status_code.as_ref().map_or("", |code| code.as_str()).to_owned(),
        start_time: read_time(activity.start_time?)?,
        end_time: activity.end_time.and_then(read_time),
        status_message: activity.status_message,
    }))
}

fn read_time(time: DateTime) -> Option<Timestamp> {
    Timestamp::from_millisecond(time.to_millis().ok()?).ok()
}
