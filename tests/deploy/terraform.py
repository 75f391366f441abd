#!/usr/bin/env python3
"""Applies the Terraform module with the real zips to the local stand-in for AWS, and lets it scale a group once.

Needs terraform and its AWS provider, which it fetches where it may; `make test-terraform` runs this. The stand-in tells less of
alarms than AWS does, so a second plan would differ there: it is not looked at.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from deploy import (
    DOWN_PERCENT, GROUP, NEW_AGENT, REGION, ROOT, STAGES, UP_PERCENT, Deployment, expected_agents_to_add, local_aws, master, state_of_today, wait_for,
)

DOCUMENT = f"""
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
CALLER = f"""
provider "aws" {{
  region                      = "{REGION}"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  s3_use_path_style           = true
}}
module "lambda_scale" {{
  source      = "{ROOT}/terraform"
  zips        = "./zips"
  config      = file("lambda-scale.toml")
  group_names = ["{GROUP}"]
}}
output "node_gather_function" {{
  value = module.lambda_scale.node_gather_function
}}
"""


def main():
    if not shutil.which("terraform"):
        sys.exit("terraform is not installed; https://developer.hashicorp.com/terraform/install")
    state = state_of_today()
    agents, added = len(state["slaves"]), expected_agents_to_add(state)
    folder = Path(tempfile.mkdtemp(prefix="lambda-scale-terraform-"))
    try:
        with master(state) as master_url, local_aws(folder) as (aws_url, cert):
            deployment = Deployment(aws_url, cert)
            deployment.create_groups(agents)
            work = folder / "work"
            (work / "zips").mkdir(parents=True)
            for stage in STAGES:
                shutil.copy(ROOT / f"target/lambda/{stage}/bootstrap.zip", work / f"zips/{stage}.zip")
            (work / "lambda-scale.toml").write_text(DOCUMENT.replace("@MASTER@", master_url))
            (work / "main.tf").write_text(CALLER)
            environment = os.environ | {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}

            def terraform(*arguments, **more):
                answer = subprocess.run(
                    ["terraform", f"-chdir={work}", *arguments, "-no-color"], env=environment | more, capture_output=True, text=True,
                )
                if answer.returncode != 0:
                    sys.exit(f"terraform {arguments[0]} failed:\n{answer.stdout[-3000:]}{answer.stderr[-3000:]}")
                return answer.stdout

            terraform("init", "-input=false")
            made = terraform("apply", "-auto-approve", "-input=false", AWS_ENDPOINT_URL=aws_url, AWS_CA_BUNDLE=str(cert))
            print(next(line for line in made.splitlines() if line.startswith("Apply complete")))
            function = terraform("output", "-raw", "node_gather_function").strip()
            answer = deployment.functions.invoke(FunctionName=function, Payload=b"{}")
            assert "FunctionError" not in answer, f"node_gather failed: {answer['Payload'].read().decode()}"
            wait_for("a new desired capacity", 30, lambda: deployment.desired() != agents)
            assert deployment.desired() == agents + added, f"{deployment.desired()} instead of {agents + added}"
            print(f"{agents} -> {agents + added} agents, as the algorithm says")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
