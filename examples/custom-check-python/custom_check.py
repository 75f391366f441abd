"""A check of one's own as a Lambda function in Python: the pool follows the length of an SQS queue.

It is subscribed to the snapshot topic and publishes to the decision topic. The pool has `check = "custom"`, so node_process
leaves it alone. Environment: DECISION_TOPIC_ARN, QUEUE_URL. Permissions: sns:Publish, sqs:GetQueueAttributes.
"""

import base64
import datetime
import gzip
import json
import os
import uuid

POOL = "batch"
# An agent works off some fifty messages while a new one boots.
SCALE_UP_MESSAGES_PER_AGENT = 50
SCALE_DOWN_MESSAGES_PER_AGENT = 10


def handler(event, context):
    """What Lambda calls. Here, and only here, AWS is spoken to."""
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
    """The snapshot in a message of SNS: JSON, and packed where it is large."""
    text = message["Message"]
    if "content_encoding" in message.get("MessageAttributes", {}):
        text = gzip.decompress(base64.b64decode(text))
    snapshot = json.loads(text)
    if (snapshot["schema"], snapshot["version"]) != ("lambda-scale/cluster-snapshot", 1):
        raise ValueError(f"not a snapshot that is known here: {snapshot['schema']} version {snapshot['version']}")
    return snapshot


def state(snapshot, messages):
    """What is to be done. On a doubtful view nothing goes, on a blind one nothing comes either."""
    agents, view = snapshot["agents"]["usable"], snapshot["completeness"]["level"]
    if view != "blind" and messages > SCALE_UP_MESSAGES_PER_AGENT * agents:
        return "scale_up"
    if view == "complete" and messages < SCALE_DOWN_MESSAGES_PER_AGENT * agents:
        return "scale_down"
    return "normal"


def decision(snapshot, state):
    """The decision. `state` alone says how much: scale_up is one agent more, scale_down one fewer."""
    taken_at = datetime.datetime.fromisoformat(snapshot["taken_at"].replace("Z", "+00:00"))
    expires_at = taken_at + datetime.timedelta(minutes=2)
    return {
        "schema": "lambda-scale/scaling-decision",
        "version": 1,
        # The same snapshot always gives the same decision, so one that is made twice can be told.
        "id": str(uuid.uuid5(uuid.UUID(snapshot["id"]), state)),
        "snapshot_id": snapshot["id"],
        "snapshot_taken_at": snapshot["taken_at"],
        "expires_at": expires_at.isoformat().replace("+00:00", "Z"),
        "pool": snapshot["pool"],
        # By these node_scale tells which young instances have joined. Without them none has: then at most one comes
        # in each join_timeout.
        "agents": snapshot["agents"],
        "state": state,
    }
