"""Runs your own code when Lambda Scale acts: one AWS Lambda function (python3.12) with two triggers.

- The outcome topic (SNS): the action of node_scale and its reason. Subscribe with a filter, such as {"action": ["scaled_up"]}.
- EventBridge, "EC2 Instance Launch Successful" of the group: an instance is in service and has an address.

When an outcome is published, the new instances do not exist yet; the launch event has their addresses.
"""

import json

HOOKS = {}


def on(what):
    """Registers a function for an action of an outcome, or for "launched"."""

    def register(function):
        HOOKS.setdefault(what, []).append(function)
        return function

    return register


# --- Your code: replace these functions -------------------------------------------------------------------------------


@on("scaled_up")
def announce(outcome):
    print(f"{outcome['group']} scales up from {outcome['from']} to {outcome['to']}: {outcome['reason']}")


@on("launched")
def greet(instance):
    print(f"{instance['id']} of {instance['group']} is in service at {instance['address']}")


# --- The function -----------------------------------------------------------------------------------------------------


def private_address(instance_id):
    """The private address of an instance. The role needs ec2:DescribeInstances."""
    import boto3  # part of the Lambda runtime; all else is the standard library

    reservations = boto3.client("ec2").describe_instances(InstanceIds=[instance_id])["Reservations"]
    return reservations[0]["Instances"][0]["PrivateIpAddress"]


def handler(event, _context=None, address_of=private_address):
    """Passes each outcome and launch of the event to its functions, and returns the number of calls."""
    called = 0
    for what, thing in things(event, address_of):
        for hook in HOOKS.get(what, ()):
            hook(thing)
            called += 1
    return called


def things(event, address_of):
    if event.get("detail-type") == "EC2 Instance Launch Successful":
        detail = event["detail"]
        instance_id = detail["EC2InstanceId"]
        yield "launched", {
            "id": instance_id,
            "group": detail["AutoScalingGroupName"],
            "zone": detail["Details"]["Availability Zone"],
            "address": address_of(instance_id),
        }
    for record in event.get("Records", ()):
        outcome = json.loads(record["Sns"]["Message"])
        if outcome.get("schema") == "lambda-scale/scaling-outcome":
            yield outcome["action"], outcome
