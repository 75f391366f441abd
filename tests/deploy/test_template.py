"""The promises of template.yaml, however it is deployed."""

import json
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

from template import ROOT, Stack, actions, expanded, source, statements

FUNCTIONS = ("NodeGather", "NodeProcess", "NodeScale")
# `make test` builds it first.
COMMAND = ROOT / "target/debug/lambda-scale"
KEY = "arn:aws:kms:eu-west-1:123456789012:key/00000000-0000-0000-0000-000000000000"
MINIMAL = {"Masters": "http://10.0.0.5:5050", "GroupName": "mesos-workers"}
EVERYTHING = MINIMAL | {
    "CredentialsParameter": "/lambda-scale/mesos",
    "CredentialsKmsKeyArn": KEY,
    "CaBundleParameter": "/lambda-scale/ca",
    "MarathonUrl": "http://10.0.0.5:8080,http://10.0.0.6:8080",
    "MarathonCredentialsParameter": "/lambda-scale/marathon",
    "ConfigParameter": "/lambda-scale/config",
    "GroupPattern": "mesos-*",
    "OutcomeTopic": "true",
    "RecordSnapshots": "true",
    "SubnetIds": "subnet-1,subnet-2",
    "SecurityGroupIds": "sg-1",
    "KmsKeyArn": KEY,
    "AlarmEmail": "ops@example.com",
    "CpuUtilization": "true",
    "CustomCheckRoleArn": "arn:aws:iam::123456789012:role/check",
}
CLOUDWATCH = {"PoolSource": "cloudwatch", "GroupName": "web-asg"}
VARIANTS = {
    "minimal": MINIMAL,
    "cpu utilization": MINIMAL | {"CpuUtilization": "true"},
    "cloudwatch": CLOUDWATCH,
    "configuration of cloudwatch": CLOUDWATCH | {"ConfigParameter": "/lambda-scale/config", "GroupPattern": "web-*"},
    "everything": EVERYTHING,
    "drain": EVERYTHING | {"ScaleDownStrategy": "drain", "ConfigParameter": ""},
    "learn": MINIMAL | {"Learn": "98", "BootTime": "5m", "DrainAfter": "never"},
    "learn everything": EVERYTHING | {"Learn": "99.5", "ConfigParameter": "", "ScaleUpThresholdPercent": "85", "ScaleDownWindow": "1h"},
    "desired capacity": MINIMAL | {"ScaleDownStrategy": "desired_capacity"},
    "scheduler": MINIMAL | {"ScheduleKind": "scheduler", "SchedulePeriodMinutes": "60"},
    "scheduler with a key": EVERYTHING | {"ScheduleKind": "scheduler"},
    "recording": MINIMAL | {"RecordSnapshots": "true", "RecordDays": "14"},
    "quiet": MINIMAL | {"Alarms": "false", "Dashboard": "false"},
}

JOIN_VPC = {
    "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
}
LOG = {"logs:CreateLogStream", "logs:PutLogEvents"}
PASS_ON = {"sns:Publish", "sqs:SendMessage", "kms:Decrypt", "kms:GenerateDataKey"}
# All permissions that a role can have.
ALLOWED = {
    "NodeGatherRole": LOG | PASS_ON | JOIN_VPC | {
        "ssm:GetParameter", "ssm:GetParameters", "ssm:PutParameter", "cloudwatch:GetMetricData",
        "autoscaling:DescribeAutoScalingGroups", "ec2:DescribeInstances",
    },
    "NodeProcessRole": LOG | PASS_ON | {"ssm:GetParameter"},
    "NodeScaleRole": LOG | PASS_ON | JOIN_VPC | {
        "ssm:GetParameter", "autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeInstanceRefreshes",
        "autoscaling:DescribeScalingActivities", "autoscaling:SetDesiredCapacity",
        "autoscaling:TerminateInstanceInAutoScalingGroup", "autoscaling:CreateOrUpdateTags", "autoscaling:DeleteTags",
        "ec2:DescribeInstances",
    },
    "ScheduleRole": {"lambda:InvokeFunction", "sqs:SendMessage", "kms:Decrypt", "kms:GenerateDataKey"},
    "RecordStreamRole": {
        "s3:AbortMultipartUpload", "s3:GetBucketLocation", "s3:GetObject", "s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:PutObject",
        "logs:PutLogEvents", "kms:Decrypt", "kms:GenerateDataKey",
    },
    "RecordSubscriptionRole": {"firehose:PutRecord", "firehose:PutRecordBatch"},
}
# The actions that AWS cannot limit to a resource.
ANYWHERE = JOIN_VPC | {
    "autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeInstanceRefreshes", "autoscaling:DescribeScalingActivities",
    "cloudwatch:GetMetricData", "ec2:DescribeInstances",
}
# The actions that change something outside the stack: only for the named group.
WRITES = {
    "autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup", "autoscaling:CreateOrUpdateTags",
    "autoscaling:DeleteTags",
}


def allowed(stack):
    """The actions that each role may perform."""
    return {
        name: set().union(*(actions(statement) for statement in statements(role["Policies"][0]["PolicyDocument"])))
        for name, role in stack.of_type("AWS::IAM::Role").items()
    }


def configuration(stack):
    """The configuration that the functions read."""
    [found] = {f["Environment"]["Variables"]["LAMBDA_SCALE_CONFIG"] for f in stack.of_type("AWS::Lambda::Function").values()}
    return found


def emitted_metrics():
    """The names of the metrics in the code of the functions."""
    sources = "".join(path.read_text() for stage in ("node_gather", "node_process", "node_scale") for path in (ROOT / stage / "src").rglob("*.rs"))
    found = set(re.findall(r"\bMetric::([A-Z][A-Za-z]+)\b", sources)) - {"Utilization"}
    return found | set(re.findall(r'=> "([A-Z][A-Za-z]+Utilization)"', (ROOT / "shared/src/resources.rs").read_text()))


def dashboards(stack):
    """The body of each dashboard."""
    return [json.loads(dashboard["DashboardBody"]) for dashboard in stack.of_type("AWS::CloudWatch::Dashboard").values()]


def lines_of(body):
    """Every metric of a dashboard, as its body has it."""
    return [line for widget in body["widgets"] if widget["type"] == "metric" for line in widget["properties"]["metrics"]]


class TemplateTest(unittest.TestCase):
    def stacks(self):
        return map(Stack, VARIANTS.values())

    def test_a_role_has_no_permission_that_is_not_listed(self):
        for stack in self.stacks():
            for name, role in stack.of_type("AWS::IAM::Role").items():
                self.assertNotIn("ManagedPolicyArns", role)
                [policy] = role["Policies"]
                for statement in statements(policy["PolicyDocument"]):
                    what = f"{name}, {statement['Sid']}"
                    self.assertNotIn("*", "".join(actions(statement)), what)
                    if statement["Effect"] == "Allow":
                        self.assertLessEqual(actions(statement), ALLOWED[name], what)
                    if statement["Resource"] == "*":
                        self.assertLessEqual(actions(statement), ANYWHERE, what)

    def test_only_the_named_groups_are_changed(self):
        for stack in self.stacks():
            wanted = stack.parameters["GroupPattern"] or stack.parameters["GroupName"]
            arn = f"arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:*:autoScalingGroupName/{wanted}"
            found = set()
            for statement in statements(stack.resources["NodeScaleRole"]["Properties"]["Policies"][0]["PolicyDocument"]):
                if actions(statement) & WRITES:
                    self.assertLessEqual(actions(statement), WRITES)
                    self.assertEqual(statement["Resource"], arn)
                    found |= actions(statement)
            self.assertIn("autoscaling:SetDesiredCapacity", found)

    def test_writes_can_be_bound_to_a_tag_of_the_group(self):
        wanted = {"autoscaling:ResourceTag/lambda-scale/managed": "true"}
        for required in (True, False):
            stack = Stack(MINIMAL | {"RequireGroupTag": str(required).lower()})
            for statement in statements(stack.resources["NodeScaleRole"]["Properties"]["Policies"][0]["PolicyDocument"]):
                if actions(statement) & WRITES:
                    found = statement.get("Condition", {}).get("StringEquals")
                    self.assertEqual(found, wanted if required else None, statement["Sid"])

    def test_a_role_has_only_the_permissions_of_its_parameters(self):
        common = LOG | {"sns:Publish", "sqs:SendMessage"}
        # The group of every pool is described; agents are found by their addresses only where a master lists them.
        gather = common | {"autoscaling:DescribeAutoScalingGroups", "ec2:DescribeInstances"}
        by_name = {"autoscaling:TerminateInstanceInAutoScalingGroup", "ec2:DescribeInstances"}
        minimal = allowed(Stack(MINIMAL))
        self.assertEqual(minimal["NodeGatherRole"], gather)
        self.assertEqual(minimal["NodeProcessRole"], LOG | {"sns:Publish", "sqs:SendMessage"})
        self.assertFalse(minimal["NodeScaleRole"] & (JOIN_VPC | {"ssm:GetParameter", "kms:Decrypt", "sns:Publish"}))
        # Where the group chooses, node_scale terminates no instance and needs to find none.
        modest = allowed(Stack(MINIMAL | {"ScaleDownStrategy": "desired_capacity"}))
        self.assertEqual(minimal["NodeScaleRole"] - modest["NodeScaleRole"], by_name)
        # CloudWatch is read only with CPU utilization.
        cpu = {"cloudwatch:GetMetricData"}
        for parameters, extra in (
            (MINIMAL | {"CpuUtilization": "true"}, cpu),
            (MINIMAL | {"CpuUtilization": "true", "ConfigParameter": "/c"}, cpu | {"ssm:GetParameter"}),
            (CLOUDWATCH, cpu),
            (CLOUDWATCH | {"ConfigParameter": "/c"}, cpu | {"ssm:GetParameter"}),
        ):
            stack = Stack(parameters)
            finds = set() if stack.parameters["PoolSource"] == "cloudwatch" else {"ec2:DescribeInstances"}
            describes = {"autoscaling:DescribeAutoScalingGroups"} | finds
            self.assertEqual(allowed(stack)["NodeGatherRole"], common | describes | extra, parameters)
            if stack.parameters["PoolSource"] == "cloudwatch":
                self.assertFalse(allowed(stack)["NodeScaleRole"] & by_name)

    def test_a_pool_that_learns_has_what_drain_has_and_one_path_of_parameters(self):
        for parameters in (MINIMAL, EVERYTHING | {"ConfigParameter": ""}):
            drain, learn = (Stack(parameters | more) for more in ({"ScaleDownStrategy": "drain"}, {"Learn": "98"}))
            self.assertEqual(allowed(learn)["NodeScaleRole"], allowed(drain)["NodeScaleRole"])
            self.assertEqual(
                learn.of_type("AWS::Lambda::Function")["NodeScale"].get("VpcConfig"), drain.of_type("AWS::Lambda::Function")["NodeScale"].get("VpcConfig")
            )
            keeps = {"ssm:GetParameters", "ssm:PutParameter"}
            self.assertEqual(allowed(learn)["NodeGatherRole"] - allowed(drain)["NodeGatherRole"], keeps)
            policy = learn.resources["NodeGatherRole"]["Properties"]["Policies"][0]["PolicyDocument"]
            [statement] = [statement for statement in statements(policy) if actions(statement) & keeps]
            name = learn.of_type("AWS::Lambda::Function")["NodeGather"]["Environment"]["Variables"]["LAMBDA_SCALE_STACK"]
            self.assertEqual(statement["Resource"], f"arn:aws:ssm:eu-west-1:123456789012:parameter/lambda-scale/{name}/*")
            [pool] = tomllib.loads(configuration(learn))["pools"]
            self.assertEqual((pool["learn"], pool["boot_time"], pool["drain_after"]), (98, "3m", "5m"))
            # The defaults of these depend on it.
            self.assertFalse(pool.keys() & {"scale_down_strategy", "scale_down_window", "max_scale_down_step", "scale_up_threshold_percent"})

    def test_a_cloudwatch_pool_has_only_the_settings_that_it_accepts(self):
        self.assertEqual(tomllib.loads(configuration(Stack(CLOUDWATCH))), {
            "schedule_period": "1m", "dry_run": True,
            "pools": [{
                "name": "workers", "group": "web-asg", "source": "cloudwatch", "min": 1, "scale_out_threshold": 60,
                "scale_down_ratio": 0.7, "max_back_off": "0s",
                "join_timeout": "15m",
            }],
        })

    @unittest.skipUnless(COMMAND.exists(), "the command line is not built")
    def test_the_configurations_are_valid(self):
        more = {"ScaleUpCooldown": "5m", "JoinTimeout": "30m", "MaxAgents": "40", "CpuUtilization": "true", "NewAgentCpus": "4", "NewAgentMem": "14000"}
        variants = VARIANTS | {"more": MINIMAL | more, "more of cloudwatch": CLOUDWATCH | more}
        for minutes in source()["Parameters"]["SchedulePeriodMinutes"]["AllowedValues"]:
            variants[f"every {minutes} minutes"] = MINIMAL | {"SchedulePeriodMinutes": minutes}
        for name, parameters in variants.items():
            text = configuration(Stack(parameters))
            if not text.startswith("ssm:"):
                answer = subprocess.run([COMMAND, "check", "/dev/stdin"], input=text, capture_output=True, text=True)
                self.assertEqual(answer.returncode, 0, f"{name}: {answer.stdout}{answer.stderr}\n{text}")

    def test_contradicting_parameters_are_refused(self):
        self.assertEqual(expanded()["Rules"], source()["Rules"], "the transform changes the rules")
        for stack in self.stacks():
            self.assertEqual(stack.refusals, [])
        for parameters, word in (
            ({"GroupName": "web-asg"}, "Masters is empty"),
            (MINIMAL | {"NewAgentCpus": "4"}, "NewAgentCpus needs NewAgentMem"),
            (CLOUDWATCH | {"Masters": "http://10.0.0.5:5050"}, "reads no master"),
            (CLOUDWATCH | {"MarathonUrl": "http://10.0.0.5:8080"}, "reads no master"),
            (CLOUDWATCH | {"CredentialsParameter": "/mesos"}, "reads no master"),
            (CLOUDWATCH | {"ScaleDownStrategy": "drain"}, "no agent to drain"),
            (CLOUDWATCH | {"ScaleDownStrategy": "drain", "ConfigParameter": "/c"}, "no agent to drain"),
            (CLOUDWATCH | {"Learn": "98"}, "no applications whose growth"),
        ):
            [refusal] = Stack(parameters).refusals
            self.assertIn(word, refusal)
        # A real account accepts no other function in a rule.
        used = set(re.findall(r"'((?:Fn::\w+|Ref|Condition))'", str(source()["Rules"])))
        self.assertLessEqual(used, {"Fn::And", "Fn::Or", "Fn::Not", "Fn::Equals", "Ref"})

    def test_masters_are_a_list_of_urls(self):
        pattern = source()["Parameters"]["Masters"]["AllowedPattern"]
        for text in ("", "http://10.0.0.5:5050", "https://[fd00::5]:5050/mesos,http://mesos-2.example.com"):
            self.assertRegex(text, pattern)
        for text in ("10.0.0.5:5050", "http://a:5050, http://b:5050", "http://a,", ",http://a", "http://u:p@a", 'http://a"]', "http://a?x"):
            self.assertNotRegex(text, pattern)

    def test_every_function_has_its_own_log_role_and_dead_letter_queue(self):
        for stack in self.stacks():
            configs = {config["FunctionName"]: config for config in stack.of_type("AWS::Lambda::EventInvokeConfig").values()}
            functions = stack.of_type("AWS::Lambda::Function")
            self.assertEqual(set(functions), set(FUNCTIONS))
            for name, function in functions.items():
                self.assertEqual(function["Role"], f"<{name}Role.Arn>")
                self.assertEqual(function["Runtime"], "provided.al2023")
                self.assertEqual(function["LoggingConfig"]["LogGroup"], f"<{name}Logs>")
                log = stack.resources[f"{name}Logs"]["Properties"]
                self.assertEqual(log["RetentionInDays"], "30")
                config = configs[f"<{name}>"]
                self.assertEqual(config["DestinationConfig"]["OnFailure"]["Destination"], f"<{name}DeadLetters.Arn>")
                # Never older than a message can be: two schedule periods.
                self.assertLessEqual(config["MaximumEventAgeInSeconds"], 120)
                self.assertLessEqual(config["MaximumRetryAttempts"], 1)
                policy = stack.resources[f"{name}Role"]["Properties"]["Policies"][0]["PolicyDocument"]
                sends = [s["Resource"] for s in statements(policy) if "sqs:SendMessage" in actions(s)]
                self.assertEqual(sends, [f"<{name}DeadLetters.Arn>"])
                logs = [s["Resource"] for s in statements(policy) if actions(s) & LOG]
                self.assertEqual(logs, [f"<{name}Logs.Arn>"])

    def test_one_node_scale_runs_at_a_time(self):
        functions = Stack(MINIMAL).of_type("AWS::Lambda::Function")
        self.assertEqual(functions["NodeScale"]["ReservedConcurrentExecutions"], 1)
        self.assertEqual(functions["NodeGather"]["ReservedConcurrentExecutions"], 1)
        functions = Stack(MINIMAL | {"ReserveConcurrency": "false"}).of_type("AWS::Lambda::Function")
        self.assertNotIn("ReservedConcurrentExecutions", functions["NodeScale"])

    def test_a_topic_accepts_messages_only_from_its_writer_over_tls(self):
        writers = {
            "SnapshotTopic": "<NodeGatherRole.Arn>", "DecisionTopic": "<NodeProcessRole.Arn>",
            "ScalingOutcomeTopic": "<NodeScaleRole.Arn>", "AlarmTopic": "cloudwatch.amazonaws.com",
        }
        for stack in self.stacks():
            policies = {topic: policy for policy in stack.of_type("AWS::SNS::TopicPolicy").values() for topic in policy["Topics"]}
            for topic in stack.of_type("AWS::SNS::Topic"):
                document = policies[f"<{topic}>"]["PolicyDocument"]
                allow = [s for s in statements(document) if s["Effect"] == "Allow"]
                [principal] = [who for s in allow for who in s["Principal"].values()]
                expected = {writers[topic]}
                if topic == "DecisionTopic" and stack.parameters["CustomCheckRoleArn"]:
                    expected.add(stack.parameters["CustomCheckRoleArn"])
                self.assertEqual({principal} if isinstance(principal, str) else set(principal), expected)
                self.assertEqual({a for s in allow for a in actions(s)}, {"sns:Publish"})
                deny = [s for s in statements(document) if s["Effect"] == "Deny"]
                self.assertTrue(all(s["Principal"] == "*" and actions(s) == {"sns:Publish"} for s in deny))
                # An Allow alone does not keep out identities of the same account. Alarms of other stacks may use the alarm topic.
                conditions = [s["Condition"] for s in deny]
                if topic != "AlarmTopic":
                    [others] = [c for c in conditions if "ArnNotEquals" in c]
                    writer = others["ArnNotEquals"]["aws:PrincipalArn"]
                    self.assertEqual({writer} if isinstance(writer, str) else set(writer), expected)
                    conditions.remove(others)
                self.assertEqual(conditions, [{"Bool": {"aws:SecureTransport": "false"}}])

    def test_only_its_own_source_starts_a_function(self):
        for stack in self.stacks():
            sources = {(p["FunctionName"], p["Principal"]): p["SourceArn"] for p in stack.of_type("AWS::Lambda::Permission").values()}
            expected = {("<NodeProcess>", "sns.amazonaws.com"): "<SnapshotTopic>", ("<NodeScale>", "sns.amazonaws.com"): "<DecisionTopic>"}
            if stack.parameters["ScheduleKind"] == "rule":
                expected["<NodeGather>", "events.amazonaws.com"] = "<ScheduleRule.Arn>"
            self.assertEqual(sources, expected)

    def test_undelivered_messages_reach_the_dead_letter_queue(self):
        for stack in self.stacks():
            policies = {queue: policy["PolicyDocument"] for policy in stack.of_type("AWS::SQS::QueuePolicy").values() for queue in policy["Queues"]}

            def admits(queue, principal, origin):
                return any(
                    s["Effect"] == "Allow" and s["Principal"] == {"Service": principal} and actions(s) == {"sqs:SendMessage"}
                    and s["Condition"] == {"ArnEquals": {"aws:SourceArn": origin}}
                    for s in statements(policies[f"<{queue}>"])
                )

            subscriptions = [s for s in stack.of_type("AWS::SNS::Subscription").values() if s["Protocol"] == "lambda"]
            self.assertEqual(len(subscriptions), 2)
            for subscription in subscriptions:
                queue = subscription["Endpoint"].removesuffix(".Arn>").strip("<") + "DeadLetters"
                self.assertEqual(subscription["RedrivePolicy"], {"deadLetterTargetArn": f"<{queue}.Arn>"})
                self.assertTrue(admits(queue, "sns.amazonaws.com", subscription["TopicArn"]))
            for rule in stack.of_type("AWS::Events::Rule").values():
                [target] = rule["Targets"]
                self.assertEqual(target["DeadLetterConfig"], {"Arn": "<NodeGatherDeadLetters.Arn>"})
                self.assertTrue(admits("NodeGatherDeadLetters", "events.amazonaws.com", "<ScheduleRule.Arn>"))
            for schedule in stack.of_type("AWS::Scheduler::Schedule").values():
                self.assertEqual(schedule["Target"]["DeadLetterConfig"], {"Arn": "<NodeGatherDeadLetters.Arn>"})
            self.assertEqual(len(stack.of_type("AWS::Events::Rule")) + len(stack.of_type("AWS::Scheduler::Schedule")), 1)
            for queue in stack.of_type("AWS::SQS::Queue").values():
                self.assertEqual(queue["MessageRetentionPeriod"], 14 * 24 * 3600)
                self.assertTrue(queue.get("SqsManagedSseEnabled") or queue.get("KmsMasterKeyId") == KEY)

    def test_every_snapshot_and_decision_is_recorded(self):
        for stack in self.stacks():
            subscriptions = [s for s in stack.of_type("AWS::SNS::Subscription").values() if s["Protocol"] == "firehose"]
            kinds = ("AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::KinesisFirehose::DeliveryStream")
            if stack.parameters["RecordSnapshots"] == "false":
                self.assertFalse(subscriptions or any(stack.of_type(kind) for kind in kinds))
                self.assertNotIn("SnapshotBucket", stack.outputs)
                continue
            self.assertEqual({s["TopicArn"] for s in subscriptions}, {"<SnapshotTopic>", "<DecisionTopic>"})
            for subscription in subscriptions:
                self.assertEqual(subscription["Endpoint"], "<RecordStream.Arn>")
                self.assertEqual(subscription["SubscriptionRoleArn"], "<RecordSubscriptionRole.Arn>")
                # A raw message has no attributes, so whether it is packed would be lost.
                self.assertNotIn("RawMessageDelivery", subscription)
            [stream] = stack.of_type("AWS::KinesisFirehose::DeliveryStream").values()
            to = stream["ExtendedS3DestinationConfiguration"]
            self.assertEqual((stream["DeliveryStreamType"], to["BucketARN"]), ("DirectPut", "<SnapshotBucket.Arn>"))
            self.assertEqual(to["CompressionFormat"], "GZIP")
            # What could not be recorded is not read as a record.
            self.assertTrue(to["Prefix"].startswith("recorded/!{timestamp:"))
            self.assertRegex(to["ErrorOutputPrefix"], r"^failed/!\{firehose:error-output-type\}/")
            self.assertTrue(to["CloudWatchLoggingOptions"]["Enabled"])
            self.assertEqual(stack.outputs["SnapshotBucket"], "<SnapshotBucket>")

    def test_records_are_private_encrypted_and_outlive_the_stack_until_they_expire(self):
        for parameters, algorithm, key in ((VARIANTS["recording"], "AES256", None), (EVERYTHING, "aws:kms", KEY)):
            stack = Stack(parameters)
            bucket = stack.resources["SnapshotBucket"]
            for kept in (bucket, stack.resources["SnapshotBucketPolicy"]):
                self.assertEqual((kept["DeletionPolicy"], kept["UpdateReplacePolicy"]), ("Retain", "Retain"))
            bucket = bucket["Properties"]
            self.assertEqual(set(bucket["PublicAccessBlockConfiguration"].values()), {True})
            self.assertEqual(len(bucket["PublicAccessBlockConfiguration"]), 4)
            [rule] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
            encryption = rule["ServerSideEncryptionByDefault"]
            self.assertEqual((encryption["SSEAlgorithm"], encryption.get("KMSMasterKeyID")), (algorithm, key))
            [rule] = bucket["LifecycleConfiguration"]["Rules"]
            self.assertEqual((rule["Status"], rule["ExpirationInDays"]), ("Enabled", stack.parameters["RecordDays"]))
            self.assertIn("DaysAfterInitiation", rule["AbortIncompleteMultipartUpload"])
            self.assertNotIn("Prefix", rule, "what failed expires too")
            [statement] = statements(stack.resources["SnapshotBucketPolicy"]["Properties"]["PolicyDocument"])
            self.assertEqual((statement["Effect"], statement["Principal"], actions(statement)), ("Deny", "*", {"s3:*"}))
            self.assertEqual(statement["Condition"], {"Bool": {"aws:SecureTransport": "false"}})
            self.assertEqual(statement["Resource"], ["<SnapshotBucket.Arn>", "<SnapshotBucket.Arn>/*"])
            encryption = stack.resources["RecordStream"]["Properties"]["DeliveryStreamEncryptionConfigurationInput"]
            self.assertEqual(encryption.get("KeyARN"), key)

    def test_every_role_has_the_boundary(self):
        boundary = "arn:aws:iam::123456789012:policy/boundary"
        for parameters in VARIANTS.values():
            roles = Stack(parameters | {"PermissionsBoundaryArn": boundary}).of_type("AWS::IAM::Role")
            self.assertEqual({role["PermissionsBoundary"] for role in roles.values()}, {boundary})

    def test_every_function_has_alarms(self):
        alarms = Stack(MINIMAL).of_type("AWS::CloudWatch::Alarm")
        watched = {
            (alarm["MetricName"], dimension["Value"])
            for alarm in alarms.values() if "MetricName" in alarm for dimension in alarm["Dimensions"]
        }
        for function in FUNCTIONS:
            for metric in ("Errors", "Throttles", "Duration"):
                self.assertIn((metric, f"<{function}>"), watched)
            self.assertIn(("NumberOfMessagesSent", f"<{function}DeadLetters.QueueName>"), watched)
        timeouts = {name: function["Timeout"] for name, function in Stack(MINIMAL).of_type("AWS::Lambda::Function").items()}
        for name, timeout in timeouts.items():
            self.assertEqual(alarms[f"{name}DurationAlarm"]["Threshold"], timeout * 800)

    def test_every_alarm_handles_missing_data_and_notifies_a_topic(self):
        for stack in self.stacks():
            for name, alarm in stack.of_type("AWS::CloudWatch::Alarm").items():
                self.assertEqual(alarm["TreatMissingData"], "breaching" if name == "NoDecisionAlarm" else "notBreaching")
                self.assertTrue(alarm["ActionsEnabled"])
                self.assertEqual(alarm["AlarmActions"], ["<AlarmTopic>"])
                self.assertEqual(alarm["OKActions"], ["<AlarmTopic>"])
                self.assertIn(alarm["AlarmName"].removeprefix("lambda-scale-"), self.documented)
        own = "arn:aws:sns:eu-west-1:123456789012:ops"
        for alarm in Stack(MINIMAL | {"AlarmTopicArn": own}).of_type("AWS::CloudWatch::Alarm").values():
            self.assertEqual(alarm["AlarmActions"], [own])
        asleep = Stack(MINIMAL | {"ScheduleState": "DISABLED"}).of_type("AWS::CloudWatch::Alarm")
        self.assertFalse(any(alarm["ActionsEnabled"] for alarm in asleep.values()))
        dry = Stack(MINIMAL | {"DryRun": "true"}).of_type("AWS::CloudWatch::Alarm")
        # A dry run has outcomes of its own, so a refused decision is a fault there too.
        self.assertTrue(all(alarm["ActionsEnabled"] for alarm in dry.values()))
        self.assertFalse(Stack(MINIMAL | {"Alarms": "false"}).of_type("AWS::CloudWatch::Alarm"))

    @property
    def documented(self):
        page = (ROOT / "docs/operations.md").read_text()
        names = re.findall(r"^\| `([a-z_.-]+)` \|", page, re.MULTILINE)
        return {name.replace("node_...", stage) for name in names for stage in ("node_gather", "node_process", "node_scale")}

    def test_alarms_and_dashboard_use_metrics_that_the_functions_emit(self):
        emitted = emitted_metrics()
        self.assertIn("CapacityChange", emitted)
        for stack in self.stacks():
            for name, alarm in stack.of_type("AWS::CloudWatch::Alarm").items():
                metrics = [alarm] if "MetricName" in alarm else [part["MetricStat"]["Metric"] for part in alarm["Metrics"] if "MetricStat" in part]
                for metric in metrics:
                    if not metric["Namespace"].startswith("AWS/"):
                        self.assertEqual(metric["Namespace"], "LambdaScale")
                        self.assertIn(metric["MetricName"], emitted, name)
                        self.assertEqual(metric["Dimensions"], [{"Name": "Pool", "Value": "workers"}])
            for body in dashboards(stack):
                shown = {line[1] for line in lines_of(body) if line[0] == "LambdaScale"}
                self.assertGreater(len(shown), 15)
                self.assertLessEqual(shown, emitted)

    def test_the_dashboard_shows_its_own_pool_first_and_lets_choose_another(self):
        [body] = dashboards(Stack(MINIMAL | {"PoolName": "edge"}))
        [variable] = body["variables"]
        self.assertEqual((variable["property"], variable["defaultValue"], variable["populateFrom"]), ("Pool", "edge", "Pool"))
        self.assertEqual({tuple(line[2:4]) for line in lines_of(body) if line[0] == "LambdaScale"}, {("Pool", "edge")})

    def test_the_dashboard_shows_the_state_of_every_alarm(self):
        for parameters in (MINIMAL, EVERYTHING):
            stack = Stack(parameters)
            names = {f"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:{alarm['AlarmName']}" for alarm in stack.of_type("AWS::CloudWatch::Alarm").values()}
            [body] = dashboards(stack)
            top = min(body["widgets"], key=lambda widget: widget["y"])
            self.assertEqual((top["type"], set(top["properties"]["alarms"])), ("alarm", names))
        [quiet] = dashboards(Stack(MINIMAL | {"Alarms": "false"}))
        self.assertFalse([widget for widget in quiet["widgets"] if widget["type"] == "alarm"])

    def test_the_dashboard_shows_outcomes_and_what_to_do(self):
        [body] = dashboards(Stack(MINIMAL))
        [outcomes] = [widget["properties"] for widget in body["widgets"] if widget["type"] == "log"]
        self.assertTrue(outcomes["query"].startswith("SOURCE '<NodeScaleLogs>' | "))
        self.assertIn("reason", outcomes["query"])
        [runbook] = [widget["properties"]["markdown"] for widget in body["widgets"] if widget["type"] == "text"]
        for name in self.documented:
            if not name.startswith("node_"):
                self.assertIn(f"| {name} | ", runbook)

    def test_the_dashboard_draws_thresholds_and_limits_where_the_stack_knows_them(self):
        def levels(**parameters):
            [body] = dashboards(Stack(MINIMAL | parameters))
            charts = [widget["properties"] for widget in body["widgets"] if widget["type"] == "metric"]
            return [(level["label"], level["value"]) for chart in charts for level in chart.get("annotations", {}).get("horizontal", [])]

        self.assertEqual(levels(MinAgents="3", ScaleUpThresholdPercent="75"), [("scale down below", 50), ("scale up above", 75), ("min", 3)])
        self.assertEqual(levels(MaxAgents="9")[-1], ("max", 9))
        self.assertEqual(levels(ConfigParameter="/lambda-scale/config"), [])

    def test_widgets_do_not_overlap(self):
        [body] = dashboards(Stack(EVERYTHING))
        cells = [(x, y) for widget in body["widgets"] for x in range(widget["x"], widget["x"] + widget["width"]) for y in range(widget["y"], widget["y"] + widget["height"])]
        self.assertEqual(len(cells), len(set(cells)))
        self.assertLess(max(x for x, _ in cells), 24)

    def test_saved_queries_read_the_logs_of_all_functions(self):
        queries = Stack(MINIMAL).of_type("AWS::Logs::QueryDefinition")
        self.assertEqual(len(queries), 2)
        for query in queries.values():
            self.assertEqual(query["LogGroupNames"], ["<NodeGatherLogs>", "<NodeProcessLogs>", "<NodeScaleLogs>"])
            self.assertTrue(query["Name"].startswith("lambda-scale/"))

    def test_no_alarm_window_is_shorter_than_a_schedule_period(self):
        for minutes in source()["Parameters"]["SchedulePeriodMinutes"]["AllowedValues"]:
            for name, alarm in Stack(MINIMAL | {"SchedulePeriodMinutes": minutes}).of_type("AWS::CloudWatch::Alarm").items():
                periods = [alarm["Period"]] if "Period" in alarm else [part["MetricStat"]["Period"] for part in alarm["Metrics"] if "MetricStat" in part]
                for period in periods:
                    self.assertGreaterEqual(period, 60 * minutes, name)
                    # The limits of CloudWatch: a day, and a week with periods of an hour or more.
                    self.assertLessEqual(period * alarm["EvaluationPeriods"], 86400 if period < 3600 else 7 * 86400, name)

    def test_an_alarm_watches_for_as_long_as_its_description_says(self):
        unit = {"minutes": 60, "hours": 3600}
        said = set()
        for name, alarm in Stack(MINIMAL | {"SchedulePeriodMinutes": 1}).of_type("AWS::CloudWatch::Alarm").items():
            lasts = re.search(r"(\d+) (minutes|hours)", alarm["AlarmDescription"])
            if lasts:
                said.add(name)
                period = alarm["Period"] if "Period" in alarm else alarm["Metrics"][1]["MetricStat"]["Period"]
                self.assertEqual(period * alarm["EvaluationPeriods"], int(lasts[1]) * unit[lasts[2]], name)
        self.assertLessEqual({"PausedAlarm", "ScaleUpUnmetAlarm", "ScaleDownUnmetAlarm", "FlappingAlarm", "QueuedInstancesAlarm"}, said)

    def test_every_parameter_is_described_limited_and_in_one_group(self):
        template = source()
        groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
        shown = [name for group in groups for name in group["Parameters"]]
        self.assertEqual(sorted(shown), sorted(template["Parameters"]))
        for name, parameter in template["Parameters"].items():
            self.assertTrue(parameter["Description"].strip().endswith((".", ")")) or len(parameter["Description"]) > 10, name)
            bounded = {"AllowedPattern", "AllowedValues", "MinValue"} & set(parameter)
            self.assertTrue(bounded or "List" in parameter["Type"], f"{name} accepts anything")
            if "AllowedPattern" in parameter and "Default" in parameter and "List" not in parameter["Type"]:
                self.assertRegex(parameter["Default"], parameter["AllowedPattern"])

    def test_the_key_encrypts_every_resource(self):
        stack = Stack(EVERYTHING)
        for topic in stack.of_type("AWS::SNS::Topic").values():
            self.assertEqual(topic["KmsMasterKeyId"], KEY)
        for queue in stack.of_type("AWS::SQS::Queue").values():
            self.assertEqual(queue["KmsMasterKeyId"], KEY)
        for log in stack.of_type("AWS::Logs::LogGroup").values():
            self.assertEqual(log["KmsKeyId"], KEY)
        for function in stack.of_type("AWS::Lambda::Function").values():
            self.assertEqual(function["KmsKeyArn"], KEY)


class PoolAlarmsTest(unittest.TestCase):
    """examples/pool-alarms.yaml: the alarms that the template has for the pool PoolName."""

    def test_its_alarms_are_those_of_the_template(self):
        own = {"PoolName": "edge", "AlarmTopicArn": "arn:aws:sns:eu-west-1:123456789012:ops", "MetricsNamespace": "Example"}
        for minutes in source()["Parameters"]["SchedulePeriodMinutes"]["AllowedValues"]:
            for state in ("ENABLED", "DISABLED"):
                parameters = own | {"SchedulePeriodMinutes": minutes, "ScheduleState": state}
                expected = {
                    name: alarm for name, alarm in Stack(MINIMAL | parameters).of_type("AWS::CloudWatch::Alarm").items()
                    if not name.startswith(FUNCTIONS)
                }
                found = Stack(parameters, source("examples/pool-alarms.yaml"))
                self.assertEqual(found.of_type("AWS::CloudWatch::Alarm"), expected)
                self.assertEqual(set(found.resources), set(expected), "it creates other resources too")
                self.assertGreater(len(expected), 5)

    def test_its_parameters_are_those_of_the_template(self):
        # These two are required here: they have no default and cannot be empty.
        other = {"PoolName": {"Default"}, "AlarmTopicArn": {"Default", "AllowedPattern", "ConstraintDescription"}}
        for name, parameter in source("examples/pool-alarms.yaml")["Parameters"].items():
            differs = {"Description"} | other.get(name, set())
            same = [{key: value for key, value in one.items() if key not in differs} for one in (parameter, source()["Parameters"][name])]
            self.assertEqual(*same, name)


class WorkersGroupTest(unittest.TestCase):
    """examples/workers-group.yaml"""

    PARAMETERS = {
        "ImageId": "ami-1", "SubnetIds": "subnet-1", "SecurityGroupIds": "sg-1", "Master": "zk://10.0.0.5:2181/mesos",
        "SecondInstanceType": "m6i.xlarge",
    }

    def test_agents_register_with_the_id_of_their_instance(self):
        stack = Stack(self.PARAMETERS, source("examples/workers-group.yaml"))
        [template] = stack.of_type("AWS::EC2::LaunchTemplate").values()
        self.assertEqual(template["LaunchTemplateData"]["MetadataOptions"]["HttpTokens"], "required")
        with tempfile.TemporaryDirectory() as directory:
            directory = Path(directory)
            script = template["LaunchTemplateData"]["UserData"].replace("/etc/systemd", f"{directory}/etc/systemd")
            for name, body in {
                # As the instance metadata service, version 2: no answer without a token.
                "curl": """case "$*" in
                    *"PUT"*"/api/token"*ttl-seconds*) echo TOKEN ;;
                    *"metadata-token: TOKEN"*/instance-id) echo i-0123 ;;
                    *"metadata-token: TOKEN"*/instance-type) echo m7i.xlarge ;;
                    *"metadata-token: TOKEN"*/availability-zone) echo eu-west-1a ;;
                    *"metadata-token: TOKEN"*/local-ipv4) echo 10.0.1.13 ;;
                    *) exit 22 ;;
                esac""",
                "systemctl": f'echo "$*" >> {directory}/called',
            }.items():
                (directory / name).write_text(f"#!/bin/sh\n{body}\n")
                (directory / name).chmod(0o755)
            subprocess.run(["sh", "-c", script], check=True, env={"PATH": f"{directory}:{os.environ['PATH']}"})
            unit = (directory / "etc/systemd/system/mesos-slave.service.d/instance.conf").read_text()
            self.assertIn(
                '"MESOS_ATTRIBUTES=asg:workers;instance_id:i-0123;instance_type:m7i.xlarge;availability_zone:eu-west-1a"', unit
            )
            self.assertIn('"MESOS_MASTER=zk://10.0.0.5:2181/mesos" "MESOS_IP=10.0.1.13"', unit)
            self.assertEqual((directory / "called").read_text(), "daemon-reload\nenable --now mesos-slave\n")

    def test_the_group_has_instances_of_one_size_and_the_managed_tag(self):
        stack = Stack(self.PARAMETERS, source("examples/workers-group.yaml"))
        [group] = stack.of_type("AWS::AutoScaling::AutoScalingGroup").values()
        self.assertEqual(
            group["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"],
            [{"InstanceType": "m7i.xlarge"}, {"InstanceType": "m6i.xlarge"}],
        )
        self.assertEqual(group["NewInstancesProtectedFromScaleIn"], "true")
        self.assertIn({"Key": "lambda-scale/managed", "Value": "true", "PropagateAtLaunch": False}, group["Tags"])

    def test_an_update_leaves_capacity_and_state_alone(self):
        stack = Stack(self.PARAMETERS, source("examples/workers-group.yaml"))
        [group] = stack.of_type("AWS::AutoScaling::AutoScalingGroup").values()
        self.assertNotIn("DesiredCapacity", group)
        self.assertEqual([tag["Key"] for tag in group["Tags"]], ["Name", "lambda-scale/managed"])


if __name__ == "__main__":
    unittest.main()
