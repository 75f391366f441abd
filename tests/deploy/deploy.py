#!/usr/bin/env python3
"""Deploys template.yaml with the real zips to a local AWS (ministack) and scales groups with them.

It shows that the template, the zips, the permissions (the roles are enforced, and all traffic uses TLS as the topic policies
require), and the chain schedule -> node_gather -> node_process -> node_scale work together, with every strategy and every source.
It cannot show how node_scale backs off from a real group: the groups of the local AWS have no activities, and launches and
terminations end at once.

The cluster is a capture of a real master with 60 agents. The expected decisions are calculated below from its totals, or read from
the group. Everything listens on 127.0.0.1 and is stopped at the end. `make test-deploy` runs this; --no-schedule skips the minute
in which the schedule must start the chain.
"""

import argparse
import contextlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

from botocore.exceptions import ClientError

from cluster import DOWN_PERCENT, HEADROOM_PERCENT, NEW_AGENT, UP_PERCENT, Cluster
from local_aws import ROOT, STAGES, Account, Stack, local_aws, wait_for, without_metric_math

# `make test-deploy` builds it first.
COMMAND = ROOT / "target/debug/lambda-scale"
GROUP, BYSTANDER = "mesos-workers", "other-group"
KEY = "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000000"
RESIZE, TERMINATE = "autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"
READ_CPU, READ_GROUPS = "cloudwatch:GetMetricData", "autoscaling:DescribeAutoScalingGroups"


@dataclass
class Trial:
    """A deployed set of parameters with its own group and cluster."""

    account: Account
    stack: Stack
    cluster: Cluster
    group: str
    parameters: dict

    def run(self):
        return self.stack.run()["workers"]

    def desired(self):
        return self.account.desired(self.group)

    def instances(self):
        return set(self.account.instances(self.group))

    def may_terminate(self):
        return self.stack.may("NodeScaleRole", TERMINATE, self.account.describe(self.group)["AutoScalingGroupARN"])


# --- The effect of the chain on the group ------------------------------------------------------------------------------


def idle_agents_are_removed(trial):
    """least_loaded: the instances of agents without tasks are terminated, a tenth of the group at any step limit, and no other."""
    before, idle = trial.instances(), trial.cluster.idle()
    step = len(before) // 10
    outcome = trial.run()
    removed = before - trial.instances()
    assert (outcome["action"], set(outcome["instances"])) == ("scaled_down", removed), outcome
    assert len(removed) == step and removed <= idle, removed
    assert trial.desired() == len(before) - step
    assert trial.may_terminate()


def a_first_window_keeps_all_agents(trial):
    """The defaults: what was needed in the last 15 minutes is not known yet, and the group's tag begins to remember it."""
    before = trial.instances()
    outcome = trial.run()
    assert (outcome["action"], outcome["clause"], trial.instances()) == ("backed_off", "D6", before), outcome
    assert trial.account.group_tags(trial.group) == {"needed"}
    assert trial.may_terminate()


def the_group_chooses(trial):
    """desired_capacity: the desired capacity decreases, which needs no permission to terminate instances."""
    before = trial.desired()
    after = before - before // 10
    outcome = trial.run()
    assert (outcome["action"], outcome["from"], outcome["to"], outcome["instances"]) == ("scaled_down", before, after, []), outcome
    assert trial.desired() == after
    assert not trial.may_terminate()


def agents_are_drained_first(trial):
    """drain: one step in each run. Every agent has tasks, so there is something to drain."""
    before = trial.instances()
    trial.run()
    removed = {instance for _, instance in trial.cluster.calls}
    assert trial.cluster.calls == [("DEACTIVATE_AGENT", instance) for _, instance in trial.cluster.calls], trial.cluster.calls
    assert len(removed) == 2 and trial.account.group_tags(trial.group) == {f"decommission/{instance}" for instance in removed}
    # drain_after is 0s here: the next run drains them, the run after that terminates their instances.
    del trial.cluster.calls[:]
    trial.run()
    assert {("DRAIN_AGENT", instance) for instance in removed} == set(trial.cluster.calls), trial.cluster.calls
    assert trial.instances() == before
    outcome = trial.run()
    assert (outcome["action"], set(outcome["instances"])) == ("scaled_down", removed), outcome
    assert before - trial.instances() == removed and trial.desired() == len(before) - 2
    trial.cluster.remove(removed)
    outcome = trial.run()
    assert (outcome["action"], trial.account.group_tags(trial.group)) == ("none", set()), outcome


def cpu_utilization_adds_an_agent(trial):
    """cpu_utilization: the allocation in Mesos needs no more agents, but the CPU utilization does."""
    before = trial.desired()
    trial.account.report_cpu(trial.group, 90, range(1, 6))
    outcome = trial.run()
    assert (outcome["action"], outcome["to"], trial.desired()) == ("scaled_up", before + 1, before + 1), outcome
    assert trial.stack.may("NodeGatherRole", READ_CPU) and trial.stack.may("NodeGatherRole", READ_GROUPS)


def a_group_follows_its_cpu_utilization(trial):
    """source = "cloudwatch": up, and down after low load in nine of ten minutes. Without data nothing changes."""
    before = trial.desired()
    assert (trial.run()["action"], trial.desired()) == ("none", before)
    trial.account.report_cpu(trial.group, 90, [1])
    outcome = trial.run()
    assert (outcome["action"], trial.desired()) == ("scaled_up", before + 1), outcome
    trial.account.report_cpu(trial.group, 10, range(2, 9))
    outcome = trial.run()
    assert (outcome["action"], trial.desired()) == ("scaled_down", before), outcome
    assert trial.stack.may("NodeGatherRole", READ_CPU) and trial.stack.may("NodeGatherRole", READ_GROUPS)
    assert not trial.may_terminate()


def every_message_is_recorded(trial):
    """RecordSnapshots: the bucket has the snapshot and the decision, and the same configuration would decide the same again."""
    trial.run()
    bucket, buckets = trial.stack.outputs["SnapshotBucket"], trial.account.buckets
    objects = wait_for("two records", 10, lambda: (
        found if len(found := buckets.list_objects_v2(Bucket=bucket).get("Contents", [])) == 2 else None
    ))
    with tempfile.TemporaryDirectory(prefix="lambda-scale-recorded-") as directory:
        directory = Path(directory)
        for entry in objects:
            assert re.match(r"recorded/\d{4}/\d\d/\d\d/", entry["Key"]), entry["Key"]
            (directory / entry["Key"].replace("/", "-")).write_bytes(buckets.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read())
        [configuration] = trial.stack.configurations()
        (directory / ".lambda-scale.toml").write_text(configuration)
        answer = subprocess.run(
            [COMMAND, "replay", directory, "--config", directory / ".lambda-scale.toml", "--output", "json"], capture_output=True, text=True,
        )
    assert answer.returncode == 0, answer.stderr
    [pool] = json.loads(answer.stdout)["pools"]
    assert (pool["pool"], pool["runs"], pool["differing_runs"]) == ("workers", 1, 0), pool
    arn = f"arn:aws:s3:::{bucket}"
    for role, action, resource, allowed in (
        ("RecordStreamRole", "s3:PutObject", f"{arn}/recorded/2026/11/21/a", True),
        ("RecordStreamRole", "s3:PutObject", f"{arn}/failed/processing-failed/2026/11/21/a", True),
        ("RecordStreamRole", "s3:PutObject", f"{arn}/other/a", False),
        ("RecordStreamRole", "s3:DeleteObject", f"{arn}/recorded/2026/11/21/a", False),
        ("RecordStreamRole", "s3:ListBucket", arn, True),
        ("RecordSubscriptionRole", "firehose:DeleteDeliveryStream", "*", False),
        ("RecordSubscriptionRole", "s3:PutObject", f"{arn}/recorded/a", False),
        ("NodeGatherRole", "s3:PutObject", f"{arn}/recorded/a", False),
    ):
        assert trial.stack.may(role, action, resource) == allowed, f"{role} {'may not' if allowed else 'may'} {action} {resource}"


# --- The variants ------------------------------------------------------------------------------------------------------


class Variant(NamedTuple):
    """Parameters, and the configuration that they make: of a pool only the differences from MINIMAL_POOL."""

    name: str
    parameters: dict
    configuration: dict
    run: Callable[[Trial], None] | None = None
    cluster: Callable[[], Cluster] | None = Cluster


MINIMAL_POOL = {
    "name": "workers", "min": 1, "resources": ["cpus", "mem"], "scale_down_threshold_percent": 50,
    "application_headroom_percent": 10, "cpu_utilization": False, "headroom_placement": "pack", "max_scale_up_step": 10,
    "scale_down_margin": 1, "max_missing_agents_percent": 10, "max_back_off": "0s", "join_timeout": "15m",
}
MESOS = {"timeout": "20s"}
CREDENTIALS = "lambda-scale:not-a-secret"

VARIANTS = (
    Variant("defaults", {}, {"mesos": MESOS, "pools": [{}]}, a_first_window_keeps_all_agents),
    Variant(
        "least loaded", {"MaxScaleDownStep": 3, "ScaleDownStrategy": "least_loaded", "ScaleDownWindow": "0s"},
        {"mesos": MESOS, "pools": [{"max_scale_down_step": 3, "scale_down_window": "0s"}]}, idle_agents_are_removed,
    ),
    Variant(
        "desired capacity",
        {"MaxScaleDownStep": 3, "ScaleDownStrategy": "desired_capacity", "ScaleDownWindow": "0s",
         "AlarmTopicArn": "arn:aws:sns:us-east-1:000000000000:other-topic"},
        {"mesos": MESOS, "pools": [{
            "max_scale_down_step": 3, "scale_down_strategy": "desired_capacity", "scale_down_window": "0s",
        }]},
        the_group_chooses,
    ),
    # The masters require credentials, so both functions that call them need access to these.
    Variant(
        "drain",
        {"MaxScaleDownStep": 2, "ScaleDownStrategy": "drain", "DrainAfter": "0s", "DrainGrace": "30s", "CredentialsParameter": "/lambda-scale/mesos",
         "ScaleDownThresholdPercent": 75, "ScaleUpThresholdPercent": 95, "ApplicationHeadroomPercent": 0, "ScaleDownWindow": "0s",
         "SubnetIds": "subnet-00000001", "SecurityGroupIds": "sg-00000001"},
        {"mesos": MESOS | {"credentials": "ssm:/lambda-scale/mesos"}, "pools": [{
            "max_scale_down_step": 2, "scale_down_strategy": "drain", "drain_after": "0s", "drain_grace": "30s",
            "scale_down_threshold_percent": 75, "scale_up_threshold_percent": 95, "application_headroom_percent": 0, "scale_down_window": "0s",
        }]},
        agents_are_drained_first, lambda: Cluster(CREDENTIALS).remove_idle(),
    ),
    Variant(
        "learn", {"Learn": "98", "BootTime": "5m", "DrainAfter": "never"},
        {"mesos": MESOS, "pools": [{"learn": 98, "boot_time": "5m", "drain_after": "never", "drain_grace": "2m"}]},
    ),
    Variant("recording", {"RecordSnapshots": "true"}, {"mesos": MESOS, "pools": [{}]}, every_message_is_recorded),
    Variant(
        "cpu utilization", {"CpuUtilization": "true", "ScaleDownThresholdPercent": 20, "ScaleOutThreshold": 70},
        {"mesos": MESOS, "pools": [{"cpu_utilization": True, "scale_out_threshold": 70, "scale_down_ratio": 0.7, "scale_down_threshold_percent": 20}]},
        cpu_utilization_adds_an_agent,
    ),
    Variant(
        "cloudwatch", {"PoolSource": "cloudwatch", "MaxAgents": 9, "ScaleUpCooldown": "5m", "ScaleDownWindow": "0s"},
        {"pools": [{
            "source": "cloudwatch", "max": 9, "scale_out_threshold": 60, "scale_down_ratio": 0.7, "scale_up_cooldown": "5m",
            "scale_down_window": "0s",
            **{setting: None for setting in (
                "resources", "scale_down_threshold_percent", "scale_up_threshold_percent", "application_headroom_percent",
                "cpu_utilization", "headroom_placement", "max_scale_up_step", "scale_down_margin", "max_missing_agents_percent",
                "scale_down_strategy",
            )},
        }]},
        a_group_follows_its_cpu_utilization, None,
    ),
    # These masters and keys do not exist: only the configuration is checked.
    Variant(
        "everything",
        {
            "Masters": "https://10.0.0.5:5050,https://mesos-2.example.com:5050", "CredentialsParameter": "/lambda-scale/mesos",
            "CredentialsKmsKeyArn": KEY, "CaBundleParameter": "/lambda-scale/ca", "MarathonUrl": "https://marathon.example.com/service/marathon",
            "MarathonCredentialsParameter": "/lambda-scale/marathon",
            "MaxAgents": 40, "ScaleDownStrategy": "desired_capacity", "ConsideredResources": "cpus,mem,gpus", "SchedulePeriodMinutes": 10,
            "SubnetIds": "subnet-00000001,subnet-00000002", "SecurityGroupIds": "sg-00000001", "DryRun": "true",
            "ReserveConcurrency": "false", "ScheduleKind": "scheduler", "KmsKeyArn": KEY, "AlarmEmail": "ops@example.com",
            "MetricsNamespace": "Example/LambdaScale", "NewAgentCpus": 4, "NewAgentMem": 14000,
        },
        {
            "schedule_period": "10m", "dry_run": True,
            "mesos": MESOS | {"credentials": "ssm:/lambda-scale/mesos", "ca_bundle": "ssm:/lambda-scale/ca"},
            "marathon": {"url": ["https://marathon.example.com/service/marathon"], "credentials": "ssm:/lambda-scale/marathon"},
            "pools": [{
                "max": 40, "resources": ["cpus", "mem", "gpus"], "scale_down_strategy": "desired_capacity",
                "new_agent": {"cpus": 4, "mem": 14000}, "join_timeout": "20m",
            }],
        },
        cluster=None,
    ),
)


def check_configuration(variant, parameters, configurations):
    [text] = configurations
    found = tomllib.loads(text)
    if "mesos" in found:
        assert found["mesos"].pop("masters") == parameters["Masters"].split(","), found
    [differs] = variant.configuration["pools"]
    pool = MINIMAL_POOL | {"group": parameters["GroupName"]} | differs
    pool = {setting: value for setting, value in pool.items() if value is not None}
    expected = {"schedule_period": "1m", "dry_run": False} | variant.configuration | {"pools": [pool]}
    assert found == expected, f"{variant.name}: {found}"


def check_variant(account, variant):
    start, slug = time.monotonic(), variant.name.replace(" ", "-")
    parameters = {"GroupName": f"mesos-{slug}", "ScheduleState": "DISABLED", "OutcomeTopic": "true"} | variant.parameters
    cluster = variant.cluster and variant.cluster()
    instances = account.create_group(parameters["GroupName"], len(cluster.agents) if cluster else 4)
    with contextlib.ExitStack() as stack:
        if cluster:
            cluster.run_on(instances)
            parameters["Masters"] = stack.enter_context(cluster.served())
        deployed = account.deploy(f"variant-{slug}", parameters)
        check_configuration(variant, parameters, deployed.configurations())
        if variant.run:
            variant.run(Trial(account, deployed, cluster, parameters["GroupName"], variant.parameters))
        deployed.delete()
    print(f"{variant.name}: {'chain and configuration' if variant.run else 'configuration'} as expected, {time.monotonic() - start:.1f}s")


def check_pools(account):
    """A configuration in Systems Manager with three pools that differ in source and strategy: one stack, one run, three outcomes; and
    the alarms of all three."""
    cluster = Cluster()
    groups = {name: f"mesos-pool-{name}" for name in ("named", "chosen", "edge")}
    instances = {name: account.create_group(group, 4 if name == "edge" else 30) for name, group in groups.items()}
    cluster.run_on(instances["named"] + instances["chosen"])
    for agent in cluster.agents:
        agent["attributes"]["asg"] = "named" if agent["attributes"]["instance_id"] in instances["named"] else "chosen"
    idle = cluster.idle()
    account.report_cpu(groups["edge"], 90, range(1, 6))
    with cluster.served() as master_url:
        configuration = f"""
            [mesos]
            masters = ["{master_url}"]
            [[pools]]
            name = "named"
            group = "{groups["named"]}"
            attributes = {{ asg = "named" }}
            scale_down_threshold_percent = 60
            scale_down_window = "0s"
            [[pools]]
            name = "chosen"
            group = "{groups["chosen"]}"
            attributes = {{ asg = "chosen" }}
            scale_down_strategy = "desired_capacity"
            max_scale_down_step = 2
            scale_down_window = "0s"
            [[pools]]
            name = "edge"
            group = "{groups["edge"]}"
            source = "cloudwatch"
        """
        account.parameters.put_parameter(Name="/lambda-scale/config", Value=configuration, Type="String")
        parameters = {
            "GroupName": groups["named"], "GroupPattern": "mesos-pool-*", "ConfigParameter": "/lambda-scale/config", "PoolName": "named",
            "CpuUtilization": "true", "OutcomeTopic": "true", "ScheduleState": "DISABLED", "Dashboard": "false",
        }
        # The dry run of the stack applies although the configuration has none.
        dry = account.deploy("pools-dry", parameters | {"DryRun": "true"})
        outcomes = dry.run(pools=3)
        assert {outcome["action"] for outcome in outcomes.values()} == {"dry_run"}, outcomes
        assert {name: account.desired(group) for name, group in groups.items()} == {"named": 30, "chosen": 30, "edge": 4}
        dry.delete()
        stack = account.deploy("pools", parameters)
        assert stack.configurations() == {"ssm:/lambda-scale/config"}
        outcomes = stack.run(pools=3)
    actions = {name: (outcome["action"], outcome["from"], outcome["to"]) for name, outcome in outcomes.items()}
    # A tenth of the agents have no tasks and go at once, at any step limit.
    assert actions == {"named": ("scaled_down", 30, 27), "chosen": ("scaled_down", 30, 27), "edge": ("scaled_up", 4, 5)}, outcomes
    assert {name: account.desired(group) for name, group in groups.items()} == {"named": 27, "chosen": 27, "edge": 5}
    removed = set(instances["named"]) - set(account.instances(groups["named"]))
    assert removed <= idle and set(outcomes["named"]["instances"]) == removed, removed

    alarms = without_metric_math((ROOT / "examples/pool-alarms.yaml").read_text())
    for name in ("chosen", "edge"):
        account.create_stack(
            f"pools-{name}", {"PoolName": name, "AlarmTopicArn": stack.outputs["AlarmTopic"], "ScheduleState": "DISABLED"}, TemplateBody=alarms,
        )
    watched = {name: set() for name in groups}
    pages = account.metrics.get_paginator("describe_alarms").paginate()
    for alarm in (alarm for page in pages for alarm in page["MetricAlarms"]):
        for dimension in alarm["Dimensions"]:
            if dimension["Name"] == "Pool" and dimension["Value"] in watched:
                assert alarm["AlarmActions"] == [stack.outputs["AlarmTopic"]], alarm
                watched[dimension["Value"]].add((alarm["MetricName"], alarm["Statistic"], alarm["Period"], alarm["Threshold"]))
    assert len(watched["named"]) > 5 and watched["named"] == watched["chosen"] == watched["edge"], watched
    stack.delete()
    print("a configuration with three pools in Systems Manager: an outcome and alarms for each")


def check_refusals(account):
    """Contradicting parameters are refused before anything is created."""
    group = {"GroupName": "web-asg"}
    for parameters, words in (
        (group, "Masters is empty"),
        (group | {"PoolSource": "cloudwatch", "Masters": "http://10.0.0.5:5050"}, "reads no master"),
        (group | {"PoolSource": "cloudwatch", "ScaleDownStrategy": "drain"}, "no agent to drain"),
        (group | {"Masters": "10.0.0.5:5050"}, "must be http:// or https:// URLs"),
    ):
        try:
            account.deploy("refused", parameters | {"OutcomeTopic": "true"})
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ValidationError" and words in str(error), error
        else:
            raise AssertionError(f"{parameters} are accepted")
    print("contradicting parameters are refused")


# --- The chain, invoked and by the schedule ----------------------------------------------------------------------------


def check_chain(account, with_schedule):
    """The chain adds as many agents as the algorithm calculates; each role has the permissions of its own function only."""
    cluster = Cluster()
    agents, added = len(cluster.agents), cluster.agents_to_add()
    for name in (GROUP, BYSTANDER):
        account.create_group(name, agents)
    bystander, before = account.describe(BYSTANDER), account.describe(GROUP)
    with cluster.served() as master_url:
        start = time.monotonic()
        stack = account.deploy("lambda-scale", {
            "Masters": master_url, "GroupName": GROUP, "AgentAttributeName": "asg", "AgentAttributeValue": "workers",
            "ScaleUpThresholdPercent": UP_PERCENT, "ScaleDownThresholdPercent": DOWN_PERCENT,
            "ApplicationHeadroomPercent": HEADROOM_PERCENT, "NewAgentCpus": NEW_AGENT["cpus"], "NewAgentMem": NEW_AGENT["mem"],
            "OutcomeTopic": "true",
        })
        print(f"deployed in {time.monotonic() - start:.1f} s")
        check_permissions(stack, before["AutoScalingGroupARN"], bystander["AutoScalingGroupARN"])

        start = time.monotonic()
        account.invoke(stack.outputs["NodeGatherFunction"])
        wait_for("a new desired capacity", 30, lambda: account.desired(GROUP) != agents)
        print(f"{time.monotonic() - start:.2f} s from invoking node_gather to the new desired capacity")
        assert account.desired(GROUP) == agents + added, f"{account.desired(GROUP)} instead of {agents + added}"
        outcome = stack.outcome()
        assert (outcome["group"], outcome["from"], outcome["to"]) == (GROUP, agents, agents + added), outcome
        print(f"{agents} -> {agents + added} agents, as the algorithm says")

        if with_schedule:
            # The same again by the schedule, from the first capacity: new instances of the local AWS never become agents.
            account.groups.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=agents)
            start = time.monotonic()
            wait_for("a run of the schedule", 90, lambda: account.desired(GROUP) != agents)
            print(f"{time.monotonic() - start:.0f} s until a run of the schedule did the same")
            assert account.desired(GROUP) == agents + added, f"{account.desired(GROUP)} instead of {agents + added}"
            assert stack.outcome()["to"] == agents + added

    after = account.describe(GROUP)
    for group in (before, after):
        for changed in ("DesiredCapacity", "Instances"):
            del group[changed]
    assert before == after, f"more than the capacity changed: {before}, then {after}"
    assert account.describe(BYSTANDER) == bystander, "another group changed"
    assert set(cluster.requests) <= {"/state", "/master/state"}, cluster.requests


def check_permissions(stack, group, bystander):
    publish = "sns:Publish"
    snapshots, decisions = stack.outputs["SnapshotTopicArn"], stack.outputs["DecisionTopicArn"]
    for role, action, resource, allowed in (
        ("NodeScaleRole", RESIZE, group, True),
        ("NodeScaleRole", RESIZE, bystander, False),
        ("NodeScaleRole", TERMINATE, group, True),
        ("NodeScaleRole", TERMINATE, bystander, False),
        ("NodeScaleRole", "ec2:TerminateInstances", "arn:aws:ec2:us-east-1:000000000000:instance/i-0123456789abcdef0", False),
        ("NodeScaleRole", "autoscaling:UpdateAutoScalingGroup", group, False),
        ("NodeScaleRole", publish, decisions, False),
        ("NodeProcessRole", publish, decisions, True),
        ("NodeProcessRole", publish, snapshots, False),
        ("NodeProcessRole", RESIZE, group, False),
        ("NodeGatherRole", publish, snapshots, True),
        ("NodeGatherRole", publish, decisions, False),
        ("NodeGatherRole", "ssm:GetParameter", "arn:aws:ssm:us-east-1:000000000000:parameter/lambda-scale/mesos", False),
        ("NodeGatherRole", READ_CPU, "*", False),
        ("NodeGatherRole", READ_GROUPS, "*", True),
    ):
        assert stack.may(role, action, resource) == allowed, f"{role} {'may not' if allowed else 'may'} {action} {resource}"


def main():
    parser = argparse.ArgumentParser(description="Deploy the stack to a local AWS and scale groups with it")
    parser.add_argument("--no-schedule", action="store_true", help="do not wait for a run of the schedule")
    options = parser.parse_args()

    missing = [path for path in (ROOT / f"target/lambda/{stage}/bootstrap.zip" for stage in STAGES) if not path.exists()]
    if missing:
        sys.exit(f"{missing[0].relative_to(ROOT)} is missing; `make all` builds it")

    directory = Path(tempfile.mkdtemp(prefix="lambda-scale-deploy-"))
    try:
        with local_aws(directory) as (url, cert):
            account = Account(url, cert)
            account.parameters.put_parameter(Name="/lambda-scale/mesos", Value=CREDENTIALS, Type="SecureString")
            try:
                check_refusals(account)
                for variant in VARIANTS:
                    check_variant(account, variant)
                check_pools(account)
                check_chain(account, with_schedule=not options.no_schedule)
            except BaseException:
                with contextlib.suppress(Exception):
                    account.print_logs()
                raise
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(f"deployment: {len(VARIANTS) + 3} passed, 0 failed")


if __name__ == "__main__":
    main()
