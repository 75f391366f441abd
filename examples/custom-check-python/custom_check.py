"""A custom check as a Lambda function in Python: the pool follows the length of an SQS queue.

It subscribes to the snapshot topic and publishes to the decision topic. The pool has `check = "custom"`, so node_process
skips it. Environment: DECISION_TOPIC_ARN, QUEUE_URL. Permissions: sns:Publish, sqs:GetQueueAttributes.
"""

import base64
import datetime
import gzip
import json
import os
import uuid

POOL = "batch"
# An agent handles about 50 messages while a new one boots.
SCALE_UP_MESSAGES_PER_AGENT = 50
SCALE_DOWN_MESSAGES_PER_AGENT = 10


def handler(event, context):
    """The entry point, and the only function that calls AWS."""
    import boto3

    sqs, sns = boto3.client("sqs"), boto3.client("sns")

    def queue_length():
        attributes = sqs.get_queue_attributes(
            QueueUrl=os.environ["QUEUE_URL"], AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(attributes["Attributes"]["ApproximateNumberOfMessages"])

    def publish(decision):
        sns.publish(TopicArn=os.environ["DECISION_TOPIC_ARN"], Message=json.dumps(decision))

    answer(event, queue_length, publish)


def answer(event, queue_length, publish):
    """Publishes a decision for each snapshot of the pool."""
    for record in event["Records"]:
        snapshot = read(record["Sns"])
        if snapshot["pool"] == POOL:
            publish(decision(snapshot, state(snapshot, queue_length())))


def read(message):
    """The snapshot in an SNS message: JSON, compressed where it is large."""
    text = message["Message"]
    if "content_encoding" in message.get("MessageAttributes", {}):
        text = gzip.decompress(base64.b64decode(text))
    snapshot = json.loads(text)
    if (snapshot["schema"], snapshot["version"]) != ("lambda-scale/cluster-snapshot", 1):
        raise ValueError(f"unknown schema or version: {snapshot['schema']} version {snapshot['version']}")
    return snapshot


def state(snapshot, messages):
    """A partial snapshot allows no scale-down, a blind one no change."""
    agents, completeness = snapshot["agents"]["usable"], snapshot["completeness"]["level"]
    if completeness != "blind" and messages > SCALE_UP_MESSAGES_PER_AGENT * agents:
        return "scale_up"
    if completeness == "complete" and messages < SCALE_DOWN_MESSAGES_PER_AGENT * agents:
        return "scale_down"
    return "normal"


def decision(snapshot, state):
    """The decision. Without a `delta`, scale_up adds one agent, and scale_down removes one."""
    taken_at = datetime.datetime.fromisoformat(snapshot["taken_at"].replace("Z", "+00:00"))
    expires_at = taken_at + datetime.timedelta(minutes=2)
    return {
        "schema": "lambda-scale/scaling-decision",
        "version": 1,
        # The same snapshot always gives the same id, so a duplicate can be recognized.
        "id": str(uuid.uuid5(uuid.UUID(snapshot["id"]), state)),
        "snapshot_id": snapshot["id"],
        "snapshot_taken_at": snapshot["taken_at"],
        "expires_at": expires_at.isoformat().replace("+00:00", "Z"),
        "pool": snapshot["pool"],
        # node_scale uses them to tell which instances have joined. Without them, every young instance is in flight,
        # and at most one step is added in each join_timeout.
        "agents": snapshot["agents"],
        "group": snapshot.get("group"),
        "state": state,
    }
