#!/usr/bin/env python3
"""Applies the Terraform module with the real zips to a local AWS and scales a group once; then plans it for a group without Mesos.

Needs terraform and its AWS provider, which terraform fetches; `make test-terraform` runs this. The local AWS returns fewer properties
of alarms than AWS does, so a second plan would differ there: it is not checked.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cluster import DOWN_PERCENT, NEW_AGENT, UP_PERCENT, Cluster
from deploy import GROUP
from local_aws import REGION, ROOT, STAGES, Account, local_aws, wait_for
from template import Stack, statements
from test_template import CLOUDWATCH, FUNCTIONS

MESOS_CONFIG = f"""
[mesos]
masters = ["@MASTER@"]
[[pools]]
name = "workers"
group = "{GROUP}"
attributes = {{ asg = "workers" }}
scale_up_threshold_percent = {UP_PERCENT}
scale_down_threshold_percent = {DOWN_PERCENT}
headroom_placement = "sum"
new_agent = {{ cpus = {NEW_AGENT["cpus"]}, mem = {NEW_AGENT["mem"]} }}
"""
CLOUDWATCH_CONFIG = f"""
[[pools]]
name = "workers"
group = "{GROUP}"
source = "cloudwatch"
"""
CALLER = f"""
provider "aws" {{
  region                      = "{REGION}"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  s3_use_path_style           = true
}}
variable "config" {{
  default = "mesos.toml"
}}
variable "pool_source" {{
  default = "mesos"
}}
variable "scale_down_strategy" {{
  default = "least_loaded"
}}
module "lambda_scale" {{
  source              = "{ROOT}/terraform"
  dry_run             = false
  zips                = "./zips"
  config              = file(var.config)
  group_names         = ["{GROUP}"]
  pool_source         = var.pool_source
  scale_down_strategy = var.scale_down_strategy
}}
output "node_gather_function" {{
  value = module.lambda_scale.node_gather_function
}}
"""


class Terraform:
    def __init__(self, directory, aws_url, cert):
        self.directory = directory
        self.environment = os.environ | {
            "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1", "AWS_ENDPOINT_URL": aws_url, "AWS_CA_BUNDLE": str(cert),
        }

    def run(self, command, *arguments):
        return subprocess.run(
            ["terraform", f"-chdir={self.directory}", command, "-no-color", *arguments], env=self.environment, capture_output=True, text=True,
        )

    def __call__(self, *arguments):
        answer = self.run(*arguments)
        if answer.returncode != 0:
            sys.exit(f"terraform {arguments[0]} failed:\n{answer.stdout[-3000:]}{answer.stderr[-3000:]}")
        return answer.stdout


def check_cloudwatch(terraform):
    """Without Mesos the roles have the permissions of the template; a configuration or a setting of Mesos is refused."""
    cloudwatch = "-var=pool_source=cloudwatch"
    for arguments, words in (
        ([], "the configuration has a section [mesos]"),
        (["-var=config=cloudwatch.toml", "-var=scale_down_strategy=drain"], "there is no agent to drain"),
    ):
        answer = terraform.run("plan", "-input=false", cloudwatch, *arguments)
        message = " ".join(answer.stderr.replace("│", "").split())
        assert answer.returncode != 0 and words in message, message
    terraform("plan", "-input=false", cloudwatch, "-var=config=cloudwatch.toml", "-out=cloudwatch.plan")
    [module] = json.loads(terraform("show", "-json", "cloudwatch.plan"))["planned_values"]["root_module"]["child_modules"]
    planned = {resource["address"]: resource["values"] for resource in module["resources"]}
    stack = Stack(CLOUDWATCH)
    for stage, logical in zip(STAGES, FUNCTIONS, strict=True):
        found = json.loads(planned[f'module.lambda_scale.aws_iam_role_policy.stage["{stage}"]']["policy"])
        expected = stack.resources[f"{logical}Role"]["Properties"]["Policies"][0]["PolicyDocument"]
        assert {s["Sid"] for s in statements(found)} == {s["Sid"] for s in statements(expected)}, (stage, found)
    print("a pool of CloudWatch: it has the permissions of the template, contradicting settings are refused")


def main():
    if not shutil.which("terraform"):
        sys.exit("terraform is not installed; https://developer.hashicorp.com/terraform/install")
    cluster = Cluster()
    agents, added = len(cluster.agents), cluster.agents_to_add()
    directory = Path(tempfile.mkdtemp(prefix="lambda-scale-terraform-"))
    try:
        with cluster.served() as master_url, local_aws(directory) as (aws_url, cert):
            account = Account(aws_url, cert)
            account.create_group(GROUP, agents)
            work = directory / "work"
            (work / "zips").mkdir(parents=True)
            for stage in STAGES:
                shutil.copy(ROOT / f"target/lambda/{stage}/bootstrap.zip", work / f"zips/{stage}.zip")
            (work / "mesos.toml").write_text(MESOS_CONFIG.replace("@MASTER@", master_url))
            (work / "cloudwatch.toml").write_text(CLOUDWATCH_CONFIG)
            (work / "main.tf").write_text(CALLER)

            terraform = Terraform(work, aws_url, cert)
            terraform("init", "-input=false")
            applied = terraform("apply", "-auto-approve", "-input=false")
            print(next(line for line in applied.splitlines() if line.startswith("Apply complete")))
            account.invoke(terraform("output", "-raw", "node_gather_function").strip())
            wait_for("a new desired capacity", 30, lambda: account.desired(GROUP) != agents)
            assert account.desired(GROUP) == agents + added, f"{account.desired(GROUP)} instead of {agents + added}"
            print(f"{agents} -> {agents + added} agents, as the algorithm says")
            check_cloudwatch(terraform)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
