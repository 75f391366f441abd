//! Groups, activities and refreshes as the XML of the Auto Scaling API.

use super::super::xml::Xml;
use super::super::{ACCOUNT, REGION};
use super::{Activity, Group, Instance, Refresh};

pub(super) fn group(xml: &mut Xml, group: &Group) {
    let name = &group.name;
    xml.text("AutoScalingGroupName", name)
        .text("AutoScalingGroupARN", arn(name))
        .text("MinSize", group.min)
        .text("MaxSize", group.max)
        .text("DesiredCapacity", group.desired())
        .text("DefaultCooldown", group.behavior.cooldown.as_secs())
        .element("AvailabilityZones", |xml| {
            for zone in group.zones() {
                xml.text("member", zone);
            }
        })
        .text("HealthCheckType", "EC2")
        .text("HealthCheckGracePeriod", 300)
        .members("Instances", group.instances(), instance)
        .text("CreatedTime", "2026-01-01T00:00:00.000Z")
        .members("SuspendedProcesses", &group.suspended, |xml, process| {
            xml.text("ProcessName", process).text("SuspensionReason", "User suspended at 2026-01-01T00:00:00Z");
        })
        .optional("Status", group.deleting.then_some("Delete in progress"))
        .members("Tags", tags(group), |xml, (key, value)| {
            xml.text("ResourceId", name)
                .text("ResourceType", "auto-scaling-group")
                .text("Key", key)
                .text("Value", value)
                .text("PropagateAtLaunch", key == "Name");
        })
        .element("TerminationPolicies", |xml| {
            xml.text("member", "Default");
        })
        .text("NewInstancesProtectedFromScaleIn", group.protects_new);
}

fn instance(xml: &mut Xml, instance: &Instance) {
    xml.text("InstanceId", &instance.id)
        .text("InstanceType", "m5.large")
        .text("AvailabilityZone", &instance.zone)
        .text("LifecycleState", instance.state.name())
        .text("HealthStatus", "Healthy")
        .text("ProtectedFromScaleIn", instance.protected)
        .optional("WeightedCapacity", (instance.weight > 1).then_some(instance.weight));
}

fn tags(group: &Group) -> impl Iterator<Item = (&str, &str)> {
    let tags = group.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    [("Name", group.name.as_str())].into_iter().chain(tags)
}

pub(super) fn activity(xml: &mut Xml, group: &str, activity: &Activity) {
    xml.text("ActivityId", activity.id)
        .text("AutoScalingGroupName", group)
        .text("Description", activity.description())
        .text("Cause", &activity.cause)
        .text("StartTime", shared::time::format(activity.start))
        .optional("EndTime", activity.end.map(shared::time::format))
        .text("StatusCode", activity.status.code())
        .optional("StatusMessage", activity.status_message())
        .text("Progress", activity.status.progress())
        .text("Details", activity.details())
        .text("AutoScalingGroupARN", arn(group));
}

pub(super) fn refresh(xml: &mut Xml, group: &str, refresh: &Refresh) {
    xml.text("InstanceRefreshId", &refresh.id)
        .text("AutoScalingGroupName", group)
        .text("Status", &refresh.status)
        .text("StartTime", shared::time::format(refresh.start))
        .text("PercentageComplete", 0)
        .text("InstancesToUpdate", 1);
}

fn arn(group: &str) -> String {
    format!(
        "arn:aws:autoscaling:{REGION}:{ACCOUNT}:autoScalingGroup:00000000-0000-4000-8000-000000000000:autoScalingGroupName/{group}"
    )
}
