"""The Terraform module equals the template: names, permissions, variables, alarms, and functions."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from functools import cache
from pathlib import Path

import hcl2

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
from generator import settings
from template import ROOT, Stack, actions, source, statements
from test_template import EVERYTHING, MINIMAL, dashboards, lines_of

STAGES = {"node_gather": "NodeGather", "node_process": "NodeProcess", "node_scale": "NodeScale"}
# The parameters from which the template makes the configuration: here they are in the configuration.
IN_THE_CONFIGURATION = {
    row["parameter"] for rows in settings.parameters().values() for row in rows
    if not settings.has_variable(row)
}
# A list here, and a name in the template; and the variables that only the module needs.
RENAMED = {"GroupName": "group_names", "GroupPattern": "group_names", "PoolName": "pool_names"}
ONLY_HERE = {"name", "zips", "config"}
EVERYTHING = EVERYTHING | {"ScaleDownStrategy": "drain", "Learn": "98"}


def plain(value):
    """Without the quotes and the metadata of the parser."""
    if isinstance(value, list):
        return [plain(part) for part in value]
    if isinstance(value, dict):
        return {plain(key): plain(part) for key, part in value.items() if not key.startswith("__")}
    return value.strip('"') if isinstance(value, str) else value


@cache
def module():
    """Blocks of all files: {(kind, type, name): body}, and every local."""
    blocks, local = {}, {}
    for path in sorted((ROOT / "terraform").glob("*.tf")):
        with open(path) as file:
            content = plain(hcl2.load(file))
        for kind, entries in content.items():
            for entry in entries:
                if kind == "locals":
                    local |= entry
                    continue
                for first, inner in entry.items():
                    if kind in ("resource", "data"):
                        for name, body in inner.items():
                            blocks[kind, first, name] = body
                    else:
                        blocks[kind, first] = inner
    return blocks, local


def policy(name):
    """{sid: actions} of a policy document, with the conditional statements."""
    body = module()[0]["data", "aws_iam_policy_document", name]
    found = [inner for inner in body.get("statement", [])]
    for dynamic in body.get("dynamic", []):
        found += [content for content in dynamic["statement"]["content"]]
    return {statement["sid"]: set(statement["actions"]) for statement in found}


def bound_to_the_tag(name):
    """The sids with a condition on the tag of the group."""
    body = module()[0]["data", "aws_iam_policy_document", name]
    found = body.get("statement", []) + [content for dynamic in body["dynamic"] for content in dynamic["statement"]["content"]]
    return {statement["sid"] for statement in found if "lambda-scale/managed" in str(statement.get("dynamic"))}


def snake(name):
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


class TerraformTest(unittest.TestCase):
    def test_the_group_in_the_readme_leaves_capacity_and_state_alone(self):
        blocks = re.findall(r"^```hcl\n(.*?)^```", (ROOT / "terraform/README.md").read_text(), re.DOTALL | re.MULTILINE)
        [shown] = [plain(hcl2.loads(block)) for block in blocks if "aws_autoscaling_group" in block]
        [provider] = [entry["aws"] for entry in shown["provider"]]
        self.assertEqual(provider["ignore_tags"][0]["key_prefixes"], ["lambda-scale/"])
        [group] = [entry["aws_autoscaling_group"]["workers"] for entry in shown["resource"]]
        self.assertNotIn("desired_capacity", group)
        self.assertIn("desired_capacity", str(group["lifecycle"][0]["ignore_changes"]))
        # The module itself has no group that could take these over.
        self.assertFalse([key for key in module()[0] if key[0] == "resource" and key[1].startswith("aws_autoscaling")])

    def test_its_variables_are_the_parameters(self):
        variables = {name for kind, name, *_ in module()[0] if kind == "variable"}
        parameters = set(source()["Parameters"])
        expected = {RENAMED.get(name, snake(name)) for name in parameters - IN_THE_CONFIGURATION | set(RENAMED)}
        self.assertEqual(variables, expected | ONLY_HERE)
        made = str(source()["Globals"]["Function"]["Environment"]["Variables"]["LAMBDA_SCALE_CONFIG"])
        for name in IN_THE_CONFIGURATION - set(RENAMED):
            self.assertRegex(made, rf"\b{name}\b")
        for name in parameters - IN_THE_CONFIGURATION - set(RENAMED):
            default = source()["Parameters"][name].get("Default")
            found = module()[0]["variable", snake(name)].get("default")
            same = {"": (None, "null", []), "true": (True, "true"), "false": (False, "false")}.get(default, (default,))
            self.assertIn(found, same, name)

    def test_roles_have_the_same_permissions(self):
        stack = Stack(EVERYTHING)
        shared = policy("common")
        masters = policy("masters")
        for stage, logical in STAGES.items():
            document = stack.resources[f"{logical}Role"]["Properties"]["Policies"][0]["PolicyDocument"]
            expected = {statement["Sid"]: actions(statement) for statement in statements(document)}
            # With drain node_scale calls the masters too.
            calls = {} if stage == "node_process" else masters
            self.assertEqual(shared | calls | policy(stage), expected, stage)
        document = Stack(MINIMAL | {"RequireGroupTag": "true"}).resources["NodeScaleRole"]["Properties"]["Policies"][0]["PolicyDocument"]
        bound = {s["Sid"] for s in statements(document) if "lambda-scale/managed" in str(s.get("Condition"))}
        self.assertEqual(bound_to_the_tag("node_scale"), bound)
        self.assertEqual(len(bound), 3)
        schedule = Stack(EVERYTHING | {"ScheduleKind": "scheduler"}).resources["ScheduleRole"]
        expected = {s["Sid"]: actions(s) for s in statements(schedule["Properties"]["Policies"][0]["PolicyDocument"])}
        self.assertEqual(policy("schedule"), expected)
        for name, logical in (("record_stream", "RecordStreamRole"), ("record_subscription", "RecordSubscriptionRole")):
            document = stack.resources[logical]["Properties"]["Policies"][0]["PolicyDocument"]
            self.assertEqual(policy(name), {s["Sid"]: actions(s) for s in statements(document)})

    def test_every_role_has_the_boundary(self):
        roles = [body for (kind, *name), body in module()[0].items() if (kind, name[0]) == ("resource", "aws_iam_role")]
        self.assertEqual({role["permissions_boundary"] for role in roles}, {"${var.permissions_boundary_arn}"})
        self.assertEqual(len(roles), 4)

    def test_records_are_the_same(self):
        blocks, local = module()
        stack = Stack(EVERYTHING)
        here = blocks["resource", "aws_kinesis_firehose_delivery_stream", "records"]
        [to] = here["extended_s3_configuration"]
        there = stack.resources["RecordStream"]["Properties"]["ExtendedS3DestinationConfiguration"]
        self.assertEqual(
            (to["prefix"], to["error_output_prefix"], to["compression_format"], to["buffering_interval"], to["buffering_size"]),
            (there["Prefix"], there["ErrorOutputPrefix"], there["CompressionFormat"], *there["BufferingHints"].values()),
        )
        self.assertRegex(str(local["recorded_topics"]), r"(?s)snapshots.*aws_sns_topic\.snapshots.*decisions.*aws_sns_topic\.decisions")
        subscription = blocks["resource", "aws_sns_topic_subscription", "records"]
        self.assertEqual(subscription["protocol"], "firehose")
        self.assertNotIn("raw_message_delivery", subscription)
        bucket = stack.resources["SnapshotBucket"]["Properties"]
        # Terraform destroys no bucket with records in it, as the template retains it.
        self.assertNotIn("force_destroy", blocks["resource", "aws_s3_bucket", "records"])
        access = blocks["resource", "aws_s3_bucket_public_access_block", "records"]
        public = {re.sub(r"_([a-z])", lambda found: found[1].upper(), f"_{name}"): value for name, value in access.items()}
        expected = bucket["PublicAccessBlockConfiguration"]
        self.assertEqual({name: public[name] for name in expected}, expected)
        [rule] = blocks["resource", "aws_s3_bucket_lifecycle_configuration", "records"]["rule"]
        self.assertEqual(rule["expiration"], [{"days": "${var.record_days}"}])
        [aborted] = rule["abort_incomplete_multipart_upload"]
        [there] = bucket["LifecycleConfiguration"]["Rules"]
        self.assertEqual(aborted["days_after_initiation"], there["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"])
        [policy_of_bucket] = blocks["data", "aws_iam_policy_document", "records_bucket"]["statement"]
        self.assertEqual((policy_of_bucket["effect"], policy_of_bucket["actions"]), ("Deny", ["s3:*"]))
        self.assertIn("aws:SecureTransport", str(policy_of_bucket["condition"]))

    def test_functions_have_the_same_settings(self):
        blocks, local = module()
        body = blocks["resource", "aws_lambda_function", "stage"]
        functions = Stack(MINIMAL | {"OutcomeTopic": "true"}).of_type("AWS::Lambda::Function")
        configs = Stack(MINIMAL).of_type("AWS::Lambda::EventInvokeConfig")
        for stage, logical in STAGES.items():
            here, there = local["stages"][stage], functions[logical]
            config = next(config for config in configs.values() if config["FunctionName"] == f"<{logical}>")
            self.assertEqual(here["timeout"], there["Timeout"])
            self.assertEqual(here["retries"], config["MaximumRetryAttempts"])
            self.assertEqual(here["event_age"], config["MaximumEventAgeInSeconds"])
            self.assertEqual(str(here["exclusive"]).lower() == "true", "ReservedConcurrentExecutions" in there)
            variables = set(re.findall(r"\b[A-Z][A-Z_]{3,}\b", f"{here['environment']} {body['environment']}"))
            self.assertEqual(variables, set(there["Environment"]["Variables"]), stage)
            self.assertEqual((body["runtime"], body["memory_size"]), (there["Runtime"], there["MemorySize"]))

    def test_alarms_are_the_same(self):
        local = module()[1]
        expected = {}
        for alarm in Stack(MINIMAL).of_type("AWS::CloudWatch::Alarm").values():
            metrics = [part["MetricStat"] for part in alarm.get("Metrics", []) if "MetricStat" in part]
            watched = [(part["Metric"]["MetricName"], part["Stat"], part["Period"]) for part in metrics]
            expected[alarm["AlarmName"].removeprefix("lambda-scale-")] = (
                watched or [(alarm["MetricName"], alarm["Statistic"], alarm["Period"])], alarm["AlarmDescription"], alarm["EvaluationPeriods"],
                alarm["DatapointsToAlarm"], alarm["ComparisonOperator"], alarm["Threshold"], alarm["TreatMissingData"], alarm["ActionsEnabled"],
            )
        found = {}
        for name, alarm in local["function_alarms"].items():
            for stage in STAGES:
                threshold = local["stages"][stage]["timeout"] * 10 * alarm["percent_of_timeout"] or alarm["threshold"]
                found[f"{stage}-{name}"] = (
                    [(alarm["metric"], alarm["statistic"], 300)], alarm["description"].replace("{function}", stage), alarm["windows"],
                    alarm["of_them"], "GreaterThanOrEqualToThreshold", threshold, "notBreaching", True,
                )
        periods = {"${local.window}": 300, "${local.period}": 60}
        for name, alarm in local["pool_alarms"].items():
            metrics = [(part["metric"], part["statistic"], part["period"]) for part in alarm["metrics"].values()]
            found[name] = (
                metrics or [(alarm["metric"], alarm["statistic"], periods.get(alarm["period"], alarm["period"]))], alarm["description"], alarm["windows"],
                alarm["of_them"], alarm["comparison"], alarm["threshold"], alarm["missing_data"], True,
            )
        self.assertEqual(found, expected)

    def test_its_resources_use_the_whole_table(self):
        for kind, rows in (("function", "function_alarms"), ("pool", "pool_alarms")):
            fields = set().union(*(alarm for alarm in module()[1][rows].values()))
            resource = re.search(rf'(?s)resource "aws_cloudwatch_metric_alarm" "{kind}" .*?\n}}\n', (ROOT / "terraform/alarms.tf").read_text())[0]
            for field in fields:
                self.assertRegex(resource, rf"(\]|metric_query\.value)\.{field}\b")

    def test_the_dashboard_has_the_same_metrics(self):
        [body] = dashboards(Stack(MINIMAL))
        expected = {(line[1], line[4]["stat"]) for line in lines_of(body) if line[0] == "LambdaScale"}
        found = {(line[0], line[2]) for chart in module()[1]["charts"] for line in chart[1]}
        self.assertEqual(found, expected)

    def test_the_dashboard_shows_the_functions_and_their_queues_too(self):
        [body] = dashboards(Stack(MINIMAL))
        expected = {(line[0], line[1], line[4]["stat"]) for line in lines_of(body) if line[0].startswith("AWS/")}
        text = (ROOT / "terraform/alarms.tf").read_text()
        found = re.findall(r'\["(AWS/\w+)", "(\w+)", "\w+", of\.\w+, \{ stat = "(\w+)"', text)
        self.assertEqual(set(found), expected)

    def test_the_saved_queries_are_the_same(self):
        expected = {query["Name"].removeprefix("lambda-scale/"): query["QueryString"] for query in Stack(MINIMAL).of_type("AWS::Logs::QueryDefinition").values()}
        self.assertEqual({name: query.replace("\\n", "\n").replace('\\"', '"') for name, query in module()[1]["queries"].items()}, expected)

    @unittest.skipUnless(shutil.which("terraform"), "terraform is not installed")
    def test_terraform_accepts_the_module(self):
        with tempfile.TemporaryDirectory() as directory:
            for path in (ROOT / "terraform").glob("*.tf"):
                shutil.copy(path, directory)
            environment = os.environ | {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}

            def terraform(*arguments):
                return subprocess.run(["terraform", f"-chdir={directory}", *arguments], env=environment, capture_output=True, text=True)

            formatted = terraform("fmt", "-check", "-recursive", str(ROOT / "terraform"))
            self.assertEqual(formatted.returncode, 0, formatted.stdout)
            started = terraform("init", "-backend=false", "-input=false")
            if started.returncode != 0:
                self.skipTest(f"the AWS provider cannot be fetched: {started.stderr[-300:]}")
            validated = terraform("validate")
            self.assertEqual(validated.returncode, 0, validated.stderr)


if __name__ == "__main__":
    unittest.main()
