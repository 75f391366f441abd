//! The Auto Scaling group as `plan` sees it.
//!
//! The types read the JSON that `aws autoscaling describe-auto-scaling-groups` and `describe-scaling-activities` print,
//! so that a saved answer can be planned with again.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use jiff::Timestamp;
use serde::Deserialize;
use shared::group::Lifecycle;
use shared::time::CLOCK_SKEW;

/// What was found out about a group, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupState {
    /// The group itself.
    pub group: Group,
    /// Its scaling activities, in no order that matters: Auto Scaling lists those in progress first, however old they are.
    pub activities: Vec<Activity>,
    /// Whether `activities` reaches back far enough.
    pub activities_are_complete: bool,
    /// Whether an instance refresh is in progress; `None` where that was not described, since only a scale-down needs it.
    pub instance_refresh_in_progress: Option<bool>,
    /// Which instances have which private address, as far as that was looked up (`plan::needs_addresses`).
    pub addresses: Addresses,
    /// Whether nothing is written, so that the group lacks the tags of earlier runs.
    pub is_dry_run: bool,
}

/// The instances that have a private address. Several networks of an account may have the same addresses.
pub type Addresses = BTreeMap<IpAddr, BTreeSet<String>>;

/// An Auto Scaling group.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Group {
    /// Its name.
    #[serde(rename = "AutoScalingGroupName")]
    pub name: String,
    /// The least desired capacity it allows, in capacity units.
    pub min_size: i32,
    /// The largest desired capacity it allows, in capacity units.
    pub max_size: i32,
    /// Its desired capacity, in capacity units.
    pub desired_capacity: i32,
    /// Set while the group is being deleted.
    #[serde(default)]
    pub status: Option<String>,
    /// Its instances, those launching and terminating included.
    #[serde(default)]
    pub instances: Vec<Instance>,
    /// The processes that are suspended.
    #[serde(default)]
    pub suspended_processes: BTreeSet<SuspendedProcess>,
    /// Whether every new instance is protected from scale-in.
    #[serde(default)]
    pub new_instances_protected_from_scale_in: bool,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<Tag>,
    /// What kinds of instances it may launch, where there are several.
    #[serde(default)]
    pub mixed_instances_policy: MixedInstancesPolicy,
}

impl Group {
    /// How many capacity units one instance counts for; `None` where those that count differ. A group in which none counts has
    /// those that it may launch, or lists: of several weights the least, so that the first request is rather too small.
    #[must_use]
    pub fn unit(&self) -> Option<u32> {
        let mut weights = self.instances.iter().filter(|instance| instance.is_capacity()).map(Instance::weight);
        let Some(first) = weights.next() else {
            let overrides = &self.mixed_instances_policy.launch_template.overrides;
            let launched = overrides.iter().map(|kind| weight(kind.weighted_capacity.as_deref())).min();
            return launched.or_else(|| self.instances.iter().map(Instance::weight).min()).or(Some(1));
        };
        weights.all(|weight| weight == first).then_some(first)
    }

    /// Whether that process is suspended.
    #[must_use]
    pub fn is_suspended(&self, process: &str) -> bool {
        self.suspended(process).is_some()
    }

    /// That process, where it is suspended.
    #[must_use]
    pub fn suspended(&self, process: &str) -> Option<&SuspendedProcess> {
        self.suspended_processes.iter().find(|suspended| suspended.process_name == process)
    }

    /// Whether an operator protected that very instance from scale-in. Where the group protects every new instance, its flag
    /// says nothing about the single one.
    #[must_use]
    pub const fn protects(&self, instance: &Instance) -> bool {
        instance.protected_from_scale_in && !self.new_instances_protected_from_scale_in
    }
}

/// A tag of a group.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    /// Its name.
    pub key: String,
    /// Its value.
    #[serde(default)]
    pub value: String,
}

/// A suspended process, such as `Launch`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SuspendedProcess {
    /// Its name.
    pub process_name: String,
    /// Who suspended it, and when, as Auto Scaling says it.
    #[serde(default)]
    pub suspension_reason: Option<String>,
}

/// An instance of a group.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Instance {
    /// Its EC2 id.
    pub instance_id: String,
    /// Where in its life it is.
    pub lifecycle_state: Lifecycle,
    /// How many capacity units it counts for; a decimal text, absent: one.
    #[serde(default)]
    pub weighted_capacity: Option<String>,
    /// Whether the group's own scale-in passes it over.
    #[serde(default)]
    pub protected_from_scale_in: bool,
}

impl Instance {
    /// Whether it counts as part of the desired capacity.
    #[must_use]
    pub const fn is_capacity(&self) -> bool {
        self.lifecycle_state.is_capacity()
    }

    /// How many capacity units it counts for. At least one.
    #[must_use]
    pub fn weight(&self) -> u32 {
        weight(self.weighted_capacity.as_deref())
    }
}

fn weight(text: Option<&str>) -> u32 {
    text.and_then(|weight| weight.parse().ok()).unwrap_or(1).max(1)
}

/// The kinds of instances that a group may launch, as far as their weights go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MixedInstancesPolicy {
    /// What it launches.
    #[serde(default)]
    pub launch_template: LaunchTemplate,
}

/// What a group launches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct LaunchTemplate {
    /// The kinds of instances.
    #[serde(default)]
    pub overrides: Vec<InstanceKind>,
}

/// A kind of instances.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct InstanceKind {
    /// How many capacity units such an instance counts for; a decimal text, absent: one.
    #[serde(default)]
    pub weighted_capacity: Option<String>,
}

/// A scaling activity.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "ActivityForm")]
pub struct Activity {
    /// The group that it is of, where that is said.
    pub group: Option<String>,
    /// What it does.
    pub kind: ActivityKind,
    /// The instance, where its description names one.
    pub instance_id: Option<String>,
    /// How far it has come.
    pub status: ActivityStatus,
    /// When it started.
    pub start: Timestamp,
    /// When it ended; `None` while it is in progress.
    pub end: Option<Timestamp>,
    /// What went wrong, where something did.
    pub message: Option<String>,
    /// Whether it ends an instance that the group replaces: after a failed health check, or because someone asked for it.
    pub is_replacement: bool,
}

impl Activity {
    /// Whether it is of that group: an answer may hold the activities of several.
    #[must_use]
    pub fn is_of(&self, group: &str) -> bool {
        self.group.as_deref().is_none_or(|name| name == group)
    }

    /// Whether it is one of the group itself and changes it: one that failed changed nothing, and the warm pool is no part of
    /// the group's capacity.
    #[must_use]
    pub const fn changes_group(&self) -> bool {
        !matches!(self.kind, ActivityKind::WarmPool)
            && matches!(self.status, ActivityStatus::InProgress | ActivityStatus::Successful)
    }

    /// When it ended, as far as that is known by then. Of an end that lies ahead only that it is over: its start counts.
    #[must_use]
    pub fn ended(&self, now: Timestamp) -> Option<Timestamp> {
        self.end.map(|end| if is_ahead(end, now) { self.start } else { end })
    }

    /// Whether it is dated in the future, by more than clocks differ.
    #[must_use]
    pub fn is_of_future(&self, now: Timestamp) -> bool {
        is_ahead(self.start, now) || self.end.is_some_and(|end| is_ahead(end, now))
    }

    /// Whether it has ended.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        !matches!(self.status, ActivityStatus::InProgress)
    }
}

fn is_ahead(time: Timestamp, now: Timestamp) -> bool {
    time.duration_since(now) > CLOCK_SKEW
}

/// What an activity does. Auto Scaling says it nowhere but in the description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivityKind {
    /// An instance comes into the group, from the warm pool or new, or is requested from the Spot market.
    Launch,
    /// An instance that exists comes into the group: an operator attached it, or moved it out of standby.
    Attach,
    /// An instance terminates.
    Terminate,
    /// An instance enters the warm pool or terminates there; the group's capacity has no part in it.
    WarmPool,
    /// Anything else, such as detaching or moving to standby.
    Other,
}

/// How far an activity has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivityStatus {
    /// Not ended, or in a state that this build does not know.
    InProgress,
    /// Ended well.
    Successful,
    /// Ended badly.
    Failed,
    /// Given up.
    Cancelled,
}

impl ActivityStatus {
    /// What has an end is over, also where its status code is not known.
    #[must_use]
    pub fn of(code: &str, end: Option<Timestamp>) -> Self {
        match code {
            "Failed" => Self::Failed,
            "Cancelled" => Self::Cancelled,
            "Successful" => Self::Successful,
            _ if end.is_some() => Self::Successful,
            _ => Self::InProgress,
        }
    }
}

/// Whether a termination with that cause leaves the group as large as it is. Auto Scaling says of every other one that it shrinks
/// the capacity, and the names of alarms and policies may say anything.
#[must_use]
pub fn keeps_capacity(cause: &str) -> bool {
    !cause.is_empty() && !cause.contains("shrinking the capacity from")
}

/// An activity in Auto Scaling's own form.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ActivityForm {
    /// The group that it is of.
    #[serde(default)]
    pub auto_scaling_group_name: Option<String>,
    /// Such as `Launching a new EC2 instance: i-0abc`.
    #[serde(default)]
    pub description: String,
    /// Why, such as `... in response to an EC2 instance status checks failure.`
    #[serde(default)]
    pub cause: String,
    /// Such as `InProgress`.
    pub status_code: String,
    /// When it started.
    pub start_time: Timestamp,
    /// When it ended.
    #[serde(default)]
    pub end_time: Option<Timestamp>,
    /// What went wrong.
    #[serde(default)]
    pub status_message: Option<String>,
}

impl From<ActivityForm> for Activity {
    fn from(form: ActivityForm) -> Self {
        // The reason of a failure follows, which may say anything.
        let what = form.description.split("Status Reason").next().unwrap_or_default();
        let names_instance = |word: &&str| word.starts_with("i-");
        let kind = ActivityKind::of(what);
        Self {
            group: form.auto_scaling_group_name,
            kind,
            is_replacement: kind == ActivityKind::Terminate && keeps_capacity(&form.cause),
            instance_id: what.split([' ', ':', ',', '.']).find(names_instance).map(str::to_owned),
            status: ActivityStatus::of(&form.status_code, form.end_time),
            start: form.start_time,
            end: form.end_time,
            message: form.status_message,
        }
    }
}

/// How the activities begin that bring an instance into the group that exists, in lower case.
const ATTACHES: [&str; 2] = ["attaching an existing ec2 instance", "moving ec2 instance out of standby"];

impl ActivityKind {
    /// What an activity of that description does.
    fn of(description: &str) -> Self {
        let what = description.to_ascii_lowercase();
        let requests_spot = what.starts_with("plac") && what.contains("spot instance request");
        let is_launch = what.starts_with("launching") || requests_spot;
        if what.contains("warm pool") && !(is_launch && what.contains("from warm pool")) {
            Self::WarmPool
        } else if is_launch {
            Self::Launch
        } else if ATTACHES.iter().any(|words| what.starts_with(words)) {
            Self::Attach
        } else if what.starts_with("terminating") {
            Self::Terminate
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activities_are_read_as_aws_prints_them() {
        let activity: Activity = serde_json::from_str(
            r#"{"ActivityId":"a","AutoScalingGroupName":"g","Description":"Launching a new EC2 instance: i-0abc",
                "Cause":"...","StartTime":"2026-11-21T16:00:00.123000+00:00","StatusCode":"PreInService","Progress":30}"#,
        )
        .unwrap();
        assert_eq!((activity.kind, activity.status), (ActivityKind::Launch, ActivityStatus::InProgress));
        assert_eq!(activity.instance_id.as_deref(), Some("i-0abc"));
    }

    #[test]
    fn every_status_code_but_the_final_ones_is_in_progress() {
        // The codes of the API reference, and one of the future.
        let running = [
            "PendingSpotBidPlacement",
            "WaitingForSpotInstanceRequestId",
            "WaitingForSpotInstanceId",
            "WaitingForInstanceId",
            "PreInService",
            "InProgress",
            "WaitingForELBConnectionDraining",
            "MidLifecycleAction",
            "WaitingForInstanceWarmup",
            "WaitingForConnectionDraining",
            "InPlaceUpdateInProgress",
            "SomethingNew",
        ];
        assert!(running.iter().all(|code| ActivityStatus::of(code, None) == ActivityStatus::InProgress));
        // What is over was in any state.
        assert!(
            running
                .iter()
                .all(|code| ActivityStatus::of(code, Some(Timestamp::UNIX_EPOCH)) == ActivityStatus::Successful)
        );
        let ends = [
            ("Successful", ActivityStatus::Successful),
            ("Failed", ActivityStatus::Failed),
            ("Cancelled", ActivityStatus::Cancelled),
        ];
        assert!(ends.iter().all(|(code, status)| ActivityStatus::of(code, None) == *status));
    }

    #[test]
    fn an_activity_is_of_the_group_that_it_names() {
        let activity = |group: Option<&str>, status: &str| {
            let json = serde_json::json!({"AutoScalingGroupName": group, "Description": "Launching a new EC2 instance: i-1",
                "StatusCode": status, "StartTime": "2026-11-21T16:00:00Z"});
            serde_json::from_value::<Activity>(json).unwrap()
        };
        let of = |group| activity(group, "Successful").is_of("workers");
        // An answer without the name is of the group that was asked about.
        assert_eq!((of(Some("workers")), of(Some("others")), of(None)), (true, false, true));
        let finished = |status| activity(None, status).is_finished();
        assert_eq!((finished("Failed"), finished("Successful"), finished("PreInService")), (true, true, false));
    }

    #[test]
    fn descriptions_say_what_an_activity_does() {
        let read = |description: &str| {
            let activity = Activity::from(ActivityForm {
                auto_scaling_group_name: None,
                description: description.to_owned(),
                cause: String::new(),
                status_code: "Successful".to_owned(),
                start_time: Timestamp::UNIX_EPOCH,
                end_time: None,
                status_message: None,
            });
            (activity.kind, activity.instance_id)
        };
        for (description, kind, instance) in [
            ("Launching a new EC2 instance: i-0abc", ActivityKind::Launch, Some("i-0abc")),
            ("Launching a new EC2 instance from warm pool: i-0abc", ActivityKind::Launch, Some("i-0abc")),
            ("Placing Spot instance request: sir-bcpga", ActivityKind::Launch, None),
            ("Launching a new EC2 instance.  Status Reason: no i-0def in warm pool", ActivityKind::Launch, None),
            ("Launching a new EC2 instance: i-0abc.  Status Reason: x", ActivityKind::Launch, Some("i-0abc")),
            ("Launching a new EC2 instance into warm pool: i-0abc", ActivityKind::WarmPool, Some("i-0abc")),
            ("Terminating EC2 instance in warm pool: i-0abc", ActivityKind::WarmPool, Some("i-0abc")),
            ("Terminating EC2 instance from warm pool: i-0abc", ActivityKind::WarmPool, Some("i-0abc")),
            ("Terminating EC2 instance: i-0abc", ActivityKind::Terminate, Some("i-0abc")),
            ("Placing instance in standby: i-0abc", ActivityKind::Other, Some("i-0abc")),
            ("Cancelling Spot instance request: sir-bcpga", ActivityKind::Other, None),
            ("Detaching EC2 instance: i-0abc", ActivityKind::Other, Some("i-0abc")),
            ("Attaching an existing EC2 instance: i-0abc", ActivityKind::Attach, Some("i-0abc")),
            ("Moving EC2 instance out of Standby: i-0abc", ActivityKind::Attach, Some("i-0abc")),
            ("Moving EC2 instance to Standby: i-0abc", ActivityKind::Other, Some("i-0abc")),
            ("Attaching load balancer target group: arn", ActivityKind::Other, None),
        ] {
            assert_eq!(read(description), (kind, instance.map(str::to_owned)), "{description}");
        }
    }

    #[test]
    fn causes_say_whether_an_instance_is_replaced() {
        let read = |description: &str, cause: &str| {
            let json = serde_json::json!({"Description": description, "Cause": cause, "StatusCode": "Successful",
                "StartTime": "2026-11-21T16:00:00Z"});
            serde_json::from_value::<Activity>(json).unwrap().is_replacement
        };
        let taken_out = "an instance was taken out of service in response to";
        for (cause, is_replaced) in [
            ("a EC2 health check indicating it has been terminated or stopped.", true),
            ("an ELB system health check failure.", true),
            ("a user health-check.", true),
            ("an EC2 instance status checks failure.", true),
            ("a difference between desired and actual capacity, shrinking the capacity from 3 to 2.", false),
            ("a user request, shrinking the capacity from 3 to 2.", false),
            ("a user request.", true),
        ] {
            assert_eq!(read("Terminating EC2 instance: i-1", &format!("{taken_out} {cause}")), is_replaced, "{cause}");
        }
        // The name of an alarm says nothing, and neither does no cause.
        let alarm = "At 16:00 a monitor alarm failed-health-check-low in state ALARM triggered policy p changing the desired capacity \
                     from 3 to 2.  At 16:01 an instance was taken out of service in response to a difference between desired and \
                     actual capacity, shrinking the capacity from 3 to 2.";
        assert!(!read("Terminating EC2 instance: i-1", alarm) && !read("Terminating EC2 instance: i-1", ""));
        assert!(!read("Launching a new EC2 instance: i-1", "in response to an unhealthy instance; health check"));
    }

    #[test]
    fn a_group_without_instances_has_the_weight_of_what_it_may_launch() {
        let unit = |overrides: &str, instances: &str| {
            let json = format!(
                r#"{{"AutoScalingGroupName":"g","MinSize":0,"MaxSize":9,"DesiredCapacity":0,"Instances":[{instances}],
                    "MixedInstancesPolicy":{{"LaunchTemplate":{{"Overrides":[{overrides}]}}}}}}"#
            );
            serde_json::from_str::<Group>(&json).unwrap().unit()
        };
        let weight = |weight: u32| format!(r#"{{"InstanceType":"m5.large","WeightedCapacity":"{weight}"}}"#);
        let instance = r#"{"InstanceId":"i-1","LifecycleState":"InService","WeightedCapacity":"3"}"#;
        assert_eq!(unit(&weight(4), ""), Some(4));
        assert_eq!(unit(&format!("{},{}", weight(8), weight(4)), ""), Some(4), "the least");
        assert_eq!(unit(r#"{"InstanceType":"m5.large"}"#, ""), Some(1));
        assert_eq!(unit("", ""), Some(1));
        assert_eq!(unit(&weight(4), instance), Some(3), "what there is counts");
        let leaving = r#"{"InstanceId":"i-1","LifecycleState":"Terminating","WeightedCapacity":"3"}"#;
        assert_eq!(unit(&weight(4), leaving), Some(4), "what is on its way out does not");
    }
}
