"""ministack with four additions that the stack needs; local_aws.py runs this.

- The call TerminateInstanceInAutoScalingGroup.
- The group of a call that names it by an instance or in its tags: as in AWS, the policies of the roles are evaluated against that
  group, not against "*".
- Subscriptions of Data Firehose streams: SNS puts its envelope into the stream, each with a line break.
- AWS::Logs::QueryDefinition: saved queries, whose log groups must exist.
"""

import base64

from ministack.app import app  # noqa: F401
from ministack.core import iam_actions
from ministack.core.responses import new_uuid, now_iso
from ministack.services import autoscaling, cloudwatch_logs, firehose, sns
from ministack.services.cloudformation import provisioners


def group_of(instance):
    return next((group for group in autoscaling._asgs.values() if any(i["InstanceId"] == instance for i in group["Instances"])), None)


def terminate(parameters):
    group = group_of(parameters.get("InstanceId"))
    if not group:
        return autoscaling._error("ValidationError", f"Instance Id not found - No managed instance found for {parameters.get('InstanceId')}")
    if parameters.get("ShouldDecrementDesiredCapacity") == "true":
        if group["DesiredCapacity"] <= group["MinSize"]:
            return autoscaling._error("ValidationError", "Currently, desiredSize equals minSize. Terminating instance without replacement will violate group's min size constraint.")
        group["DesiredCapacity"] -= 1
    group["Instances"] = [instance for instance in group["Instances"] if instance["InstanceId"] != parameters["InstanceId"]]
    autoscaling._reconcile_instances(group)
    activity = {
        "ActivityId": new_uuid(), "AutoScalingGroupName": group["AutoScalingGroupName"], "Progress": "0", "StartTime": now_iso(),
        "StatusCode": "InProgress", "Description": f"Terminating EC2 instance: {parameters['InstanceId']}",
        "Cause": f"At {now_iso()} instance {parameters['InstanceId']} was taken out of service in response to a user request.",
    }
    name = "TerminateInstanceInAutoScalingGroup"
    return autoscaling._xml(200, f"{name}Response", f"<{name}Result><Activity>{autoscaling._member_xml(activity)}</Activity></{name}Result>")


autoscaling._ACTION_MAP["TerminateInstanceInAutoScalingGroup"] = terminate

extract_resource_arn = iam_actions.extract_resource_arn


def with_groups(service, method, path, headers, body, query_params, region, account_id):
    if service == "autoscaling":
        name = iam_actions._query_param(query_params, "Tags.member.1.ResourceId")
        group = autoscaling._asgs.get(name) if name else group_of(iam_actions._query_param(query_params, "InstanceId"))
        if group:
            return group["AutoScalingGroupARN"]
    return extract_resource_arn(service, method, path, headers, body, query_params, region, account_id)


iam_actions.extract_resource_arn = with_groups

fanout = sns._fanout


def with_streams(topic_arn, msg_id, message, subject, message_structure="", message_attributes=None, *rest, **more):
    fanout(topic_arn, msg_id, message, subject, message_structure, message_attributes, *rest, **more)
    topic = sns._topic_by_arn_any_scope(topic_arn) or {"subscriptions": []}
    for subscription in topic["subscriptions"]:
        if subscription.get("protocol") == "firehose":
            record = sns._build_envelope(topic_arn, msg_id, message, subject, message_attributes or {}, False) + "\n"
            name = subscription["endpoint"].rpartition("/")[2]
            firehose._put_record({"DeliveryStreamName": name, "Record": {"Data": base64.b64encode(record.encode()).decode()}})


sns._fanout = with_streams


def save_query(_logical_id, properties, _stack_name):
    unknown = set(properties["LogGroupNames"]) - set(cloudwatch_logs._log_groups)
    if unknown or not properties["QueryString"].strip():
        raise ValueError(f"AWS::Logs::QueryDefinition {properties['Name']}: no query, or no such log groups: {sorted(unknown)}")
    return new_uuid(), {}


provisioners._RESOURCE_HANDLERS["AWS::Logs::QueryDefinition"] = {
    "create": save_query,
    "update": lambda physical_id, _old, new, stack: (physical_id, save_query(None, new, stack)[1]),
    "delete": lambda _physical_id, _properties: None,
}
