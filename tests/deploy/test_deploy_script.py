"""tools/deploy.sh reports what is missing before anything is built."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from template import ROOT, Stack, source

sys.path.append(str(ROOT / "tools"))
import parameters
from test_template import CLOUDWATCH, MINIMAL


# What the real clients answer.
NO_STACK = "\nAn error occurred (ValidationError) when calling the DescribeStacks operation: Stack with id lambda-scale does not exist"
NO_BUCKET = "\nAn error occurred (404) when calling the HeadBucket operation: Not Found"
SAM_NO_STACK = "Error: The input stack lambda-scale does not exist on Cloudformation in the region eu-west-1"


def client(directory, name, answers):
    """A client that prints the answer to the first of these words among its arguments: to standard error where it is an error."""
    cases = "".join(f"*{word}*) cat <<'END' {'>&2' if is_error else ''}\n{answer}\nEND\nexit {255 if is_error else 0} ;;\n" for word, (answer, is_error) in answers.items())
    path = Path(directory) / name
    path.write_text(f'#!/bin/sh\ncase "$*" in\n{cases}esac\n')
    path.chmod(0o755)


class DeployScriptTest(unittest.TestCase):
    def told(self, parameters, **clients):
        """The result of `make deploy` before the build, with these clients."""
        with tempfile.TemporaryDirectory() as directory:
            for name, answers in clients.items():
                client(directory, name, answers)
            answer = subprocess.run(
                [ROOT / "tools/deploy.sh", "check", "lambda-scale", "bucket", *(f"{name}={value}" for name, value in parameters.items())],
                env={"PATH": f"{directory}:/usr/bin:/bin"}, capture_output=True, text=True,
            )
        self.assertEqual(answer.returncode == 0, answer.stderr == "", answer.stderr)
        return answer.stderr

    def check(self, parameters, stack=None):
        """The reason to refuse `make deploy`, with an aws that knows that stack, or none; empty: it deploys."""
        lines = "\n".join(f"{name}={value}" for name, value in (stack or {}).items())
        answers = {"describe-stacks": (lines, False) if stack else (NO_STACK, True), "head-bucket": ("{}", False)}
        return self.told(parameters, aws=answers).partition("\n")[0]

    def test_a_first_deployment_needs_a_group_and_masters(self):
        self.assertEqual(self.check(MINIMAL), "")
        self.assertEqual(self.check(CLOUDWATCH), "")
        self.assertEqual(self.check({"GroupName": "a", "ConfigParameter": "/lambda-scale/config"}), "")
        self.assertIn("GroupName is missing", self.check({"Masters": "http://10.0.0.5:5050"}))
        self.assertIn("Masters is missing", self.check({"GroupName": "a"}))
        self.assertIn("Masters is missing", self.check(MINIMAL | {"Masters": ""}))

    def test_what_the_account_lacks_is_said_in_one_sentence(self):
        stack, bucket = (NO_STACK, True), ("{}", False)
        for answers, expected in (
            ({"describe-stacks": ('Unable to locate credentials. You can configure credentials by running "aws configure".', True)},
             "No AWS credentials; set AWS_PROFILE or run `aws sso login`.\n"),
            ({"describe-stacks": ("You must specify a region. You can also configure your region by running ...", True)},
             "No AWS region; set AWS_DEFAULT_REGION, or the region of your profile.\n"),
            ({"describe-stacks": ("\nThe config profile (prod) could not be found", True)},
             "The config profile (prod) could not be found; `aws configure list-profiles` lists those that exist.\n"),
            ({"describe-stacks": ("\nError loading SSO Token: Token for https://login does not exist", True)},
             "The AWS credentials have expired; run `aws sso login`, or renew them.\n"),
            ({"describe-stacks": ("\nAn error occurred (AccessDenied) when calling the DescribeStacks operation: denied", True)},
             "An error occurred (AccessDenied) when calling the DescribeStacks operation: denied\n"),
            ({"describe-stacks": stack, "head-bucket": (NO_BUCKET, True)},
             "The bucket bucket does not exist; create it with `aws s3 mb s3://bucket`.\n"),
            ({"describe-stacks": stack, "head-bucket": (NO_BUCKET.replace("404", "403"), True)},
             "You may not use the bucket bucket; name one of your account in BUCKET.\n"),
            ({"describe-stacks": stack, "head-bucket": bucket}, ""),
        ):
            self.assertEqual(self.told(MINIMAL, aws=answers), expected)
        # Without parameters it also lists what is needed.
        told = self.told({}, aws={"describe-stacks": ("Unable to locate credentials.", True)})
        self.assertTrue(told.startswith("No AWS credentials; ") and "make deploy PARAMETERS=" in told, told)

    def test_sam_alone_is_asked_for_credentials_and_for_the_stack(self):
        for answer, parameters, expected in (
            (("Botocore Exception : Unable to locate credentials\nError: Unable to locate credentials", True), MINIMAL, "No AWS credentials; "),
            (("Error: No region information found. Please provide --region parameter", True), MINIMAL, "No AWS region; "),
            ((SAM_NO_STACK, True), MINIMAL, ""),
            ((SAM_NO_STACK, True), {"DryRun": "false"}, "Parameter GroupName is missing"),
            # sam keeps the parameters of a stack, and does not show them.
            (("[]", False), {"DryRun": "false"}, ""),
            (("Error: Outputs do not exist for the input stack lambda-scale on Cloudformation", True), {"DryRun": "false"}, ""),
        ):
            told = self.told(parameters, sam={"stack-outputs": answer})
            self.assertTrue(told.startswith(expected) if expected else not told, told)

    def test_unknown_names_and_wrong_values_are_refused_with_the_nearest(self):
        for argument, expected in {
            "DyrRun=true": "Parameter DyrRun does not exist; did you mean DryRun?",
            "dryrun=true": "Parameter dryrun does not exist; did you mean DryRun?",
            "Zzz=1": "Parameter Zzz does not exist. template.yaml lists all.",
            "DryRun=True": 'Parameter DryRun: got "True", expected true or false; write DryRun=true.',
            "ScaleDownStrategy=least-loaded": "write ScaleDownStrategy=least_loaded.",
            "SchedulePeriodMinutes=4": "expected 1, 2, 3, 5, 10, 15, 20, 30 or 60.",
            "ScaleUpThresholdPercent=101": "must be a number from 1 to 100.",
            "MinAgents=two": "must be a number from 0.",
            "DrainAfter=5min": "Parameter DrainAfter: must be a duration",
            "ConsideredResources=cpus,memory": "Parameter ConsideredResources: must be a list of cpus, mem, disk, and gpus.",
            f"PoolName={'a' * 65}": "Parameter PoolName: must have at most 64 characters.",
        }.items():
            name, _, value = argument.partition("=")
            self.assertIn(expected, self.check(MINIMAL | {name: value}), argument)
        # The credentials themselves instead of the name of their parameter.
        self.assertNotIn("hunter2", self.check(MINIMAL | {"CredentialsParameter": "me:hunter2"}))

    def test_what_is_not_a_name_with_a_value_is_refused(self):
        known = {"Masters": {"Type": "String"}}
        [wrong] = parameters.problems(known, ["Masters=a,", "b"])
        self.assertIn('"b" is not NAME=VALUE', wrong)
        [wrong] = parameters.problems(known, ["Masters=a", "Masters=b"])
        self.assertIn("twice", wrong)

    def test_it_reads_the_parameters_as_cloudformation_does(self):
        found = parameters.parameters((ROOT / "template.yaml").read_text())
        expected = source()["Parameters"]
        self.assertEqual(list(found), list(expected))
        for name, properties in expected.items():
            for key in set(properties) - {"Description"}:
                value = properties[key]
                self.assertEqual(found[name][key], [str(item) for item in value] if isinstance(value, list) else str(value), name)
            self.assertEqual(list(parameters.problems(found, [f"{name}={properties.get('Default', 'a')}"])), [])

    def test_a_new_stack_is_a_dry_run(self):
        self.assertEqual(source()["Parameters"]["DryRun"]["Default"], "true")

    def test_contradicting_parameters_are_refused(self):
        self.assertIn("Leave Masters empty", self.check(MINIMAL | CLOUDWATCH))
        self.assertIn("Leave MarathonUrl empty", self.check(CLOUDWATCH | {"MarathonUrl": "http://10.0.0.5:8080"}))
        self.assertIn("cannot be drain", self.check(CLOUDWATCH | {"ScaleDownStrategy": "drain"}))

    def test_a_later_deployment_needs_only_what_changes(self):
        stack = {name: definition.get("Default", "") for name, definition in source()["Parameters"].items()} | MINIMAL
        self.assertEqual(self.check({"DryRun": "false"}, stack), "")
        self.assertEqual(self.check({}, stack), "")
        self.assertIn("Leave Masters empty", self.check({"PoolSource": "cloudwatch"}, stack))
        self.assertEqual(self.check({"PoolSource": "cloudwatch", "Masters": ""}, stack), "")

    def test_it_refuses_what_the_rules_of_the_template_refuse(self):
        for parameters in (
            MINIMAL, CLOUDWATCH, {"GroupName": "a"}, {"GroupName": "a", "ConfigParameter": "/c"}, MINIMAL | CLOUDWATCH,
            *(CLOUDWATCH | {name: "/x"} for name in ("CredentialsParameter", "CaBundleParameter", "MarathonUrl", "AgentAttributeName")),
            CLOUDWATCH | {"ScaleDownStrategy": "drain"}, CLOUDWATCH | {"ScaleDownStrategy": "desired_capacity"},
        ):
            self.assertEqual(self.check(parameters) == "", Stack(parameters).refusals == [], parameters)


if __name__ == "__main__":
    unittest.main()
