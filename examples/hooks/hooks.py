"""Your own code on what Lambda Scale does: one AWS Lambda function (python3.12) behind two triggers.

- The outcome topic (SNS): what node_scale did and why. Subscribe with a filter, such as {"action": ["scaled_up"]}.
- EventBridge, "EC2 Instance Launch Successful" of the group: an instance is in service, and has an address.

At the time of the outcome the new instances do not exist yet; their addresses come with the second.
"""

import json

HOOKS = {}


def on(what):
    """Marks a function to be called on an action of an outcome, or on "launched"."""

    def mark(function):
        HOOKS.setdefault(what, []).append(function)
        return function

    return mark


# --- Yours: write what shall happen here ------------------------------------------------------------------------------


@on("scaled_up")
def announce(outcome):
    print(f"{outcome['group']} grows from {outcome['from']} to {outcome['to']}: {outcome['reason']}")


@on("launched")
def greet(instance):
    print(f"{instance['id']} of {instance['group']} is in service at {instance['address']}")


# --- The function -----------------------------------------------------------------------------------------------------


def private_address(instance_id):
    """The address of an instance. The role needs ec2:DescribeInstances."""
    import boto3  # Lambda has it; nothing else here needs more than the standard library

    reservations = boto3.client("ec2").describe_instances(InstanceIds=[instance_id])["Reservations"]
    return reservations[0]["Instances"][0]["PrivateIpAddress"]


def handler(event, _context=None, address_of=private_address):
    """Gives every outcome or launch in the event to the functions that want it; how many were called."""
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
