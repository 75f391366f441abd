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


class DeployScriptTest(unittest.TestCase):
    def check(self, parameters, stack=None):
        """The reason to refuse `make deploy`, with an aws that knows that stack, or none; empty: it deploys."""
        with tempfile.TemporaryDirectory() as directory:
            aws = Path(directory) / "aws"
            lines = "".join(f"{name}={value}\n" for name, value in (stack or {}).items())
            aws.write_text(f"#!/bin/sh\ncat <<'END'\n{lines}END\n" if stack else "#!/bin/sh\nexit 255\n")
            aws.chmod(0o755)
            answer = subprocess.run(
                [ROOT / "tools/deploy.sh", "check", "lambda-scale", "bucket", *(f"{name}={value}" for name, value in parameters.items())],
                env={"PATH": f"{directory}:/usr/bin:/bin"}, capture_output=True, text=True,
            )
        self.assertEqual(answer.returncode == 0, answer.stderr == "", answer.stderr)
        return answer.stderr.partition("\n")[0]

    def test_a_first_deployment_needs_a_group_and_masters(self):
        self.assertEqual(self.check(MINIMAL), "")
        self.assertEqual(self.check(CLOUDWATCH), "")
        self.assertEqual(self.check({"GroupName": "a", "ConfigParameter": "/lambda-scale/config"}), "")
        self.assertIn("GroupName is missing", self.check({"Masters": "http://10.0.0.5:5050"}))
        self.assertIn("Masters is missing", self.check({"GroupName": "a"}))
        self.assertIn("Masters is missing", self.check(MINIMAL | {"Masters": ""}))

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
