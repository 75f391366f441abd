"""`make test` runs these tests. Alone: python3 -m unittest discover examples/hooks"""

import json
import unittest

import hooks

# The example of the Amazon EC2 Auto Scaling documentation.
LAUNCH = {
    "version": "0", "id": "12345678-1234-1234-1234-123456789012",
    "detail-type": "EC2 Instance Launch Successful", "source": "aws.autoscaling",
    "account": "123456789012", "time": "2026-11-21T16:02:00Z", "region": "us-east-1", "resources": [],
    "detail": {
        "StatusCode": "InProgress", "AutoScalingGroupName": "mesos-workers", "ActivityId": "87654321",
        "Description": "Launching a new EC2 instance: i-0123456789abcdef0", "EC2InstanceId": "i-0123456789abcdef0",
        "Details": {"Availability Zone": "us-east-1b", "Subnet ID": "subnet-12345678"},
        "StatusMessage": "", "Cause": "",
    },
}


def outcome(action):
    message = {
        "schema": "lambda-scale/scaling-outcome", "version": 1, "action": action, "group": "mesos-workers",
        "from": 10, "to": 12, "reason": "increases desired capacity 10 -> 12",
    }
    return {"Records": [{"Sns": {"Message": json.dumps(message)}}]}


class Hooks(unittest.TestCase):
    def setUp(self):
        self.seen = []
        hooks.HOOKS.clear()
        hooks.on("launched")(self.seen.append)
        hooks.on("scaled_up")(self.seen.append)

    def test_a_launch_has_its_address(self):
        self.assertEqual(hooks.handler(LAUNCH, address_of={"i-0123456789abcdef0": "10.0.1.13"}.get), 1)
        self.assertEqual(
            self.seen,
            [{"id": "i-0123456789abcdef0", "group": "mesos-workers", "zone": "us-east-1b", "address": "10.0.1.13"}],
        )

    def test_an_outcome_calls_the_functions_of_its_action(self):
        self.assertEqual(hooks.handler(outcome("scaled_up")), 1)
        self.assertEqual(self.seen[0]["to"], 12)
        self.assertEqual(hooks.handler(outcome("none")), 0)

    def test_other_events_call_nothing(self):
        self.assertEqual(hooks.handler({"Records": [{"Sns": {"Message": "{}"}}]}), 0)
        self.assertEqual(hooks.handler({"detail-type": "EC2 Instance Terminate Successful", "detail": {}}), 0)


if __name__ == "__main__":
    unittest.main()
