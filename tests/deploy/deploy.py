#!/usr/bin/env python3
"""Deploys template.yaml with the real zips to a local stand-in for AWS (ministack) and lets them scale a group.

What this shows: template, zips, permissions (the roles are enforced, all traffic is TLS as the topic policies demand)
and the chain schedule -> node_gather -> node_process -> node_scale fit together. What it cannot show: backing off from a
real group, since the stand-in's groups have no activities.

The cluster is a capture of a real master: 60 agents. The decision to expect is worked out below from its sums.
Everything listens on 127.0.0.1 and is stopped at the end. `make test-deploy` runs this; --no-schedule skips the minute in
which the schedule itself must start the chain.
"""

import argparse
import contextlib
import datetime
import http.server
import ipaddress
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from decimal import Decimal
from math import ceil
from pathlib import Path

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

import boto3
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / "tests/captures/1.11.0/30-big-60-agents/state.json"
STAGES = ("node_gather", "node_process", "node_scale")
STACK, GROUP, BYSTANDER, REGION = "lambda-scale", "mesos-workers", "somebody-elses", "us-east-1"
SECOND_GROUP = "mesos-edge"  # not one of Mesos, but the pattern mesos-* has it

# The decision comes from the scale-up threshold: the capture uses 37.7 % of its CPUs and 8.9 % of its memory, so the
# other rules have nothing to say.
UP_PERCENT, DOWN_PERCENT, HEADROOM_PERCENT = 35, 20, 10
NEW_AGENT = {"cpus": 4, "mem": 14000}


def state_of_today():
    """The capture, as if its master had been elected yesterday: a young election blocks decisions."""
    state = json.loads(STATE.read_text(), parse_float=Decimal)
    shift = Decimal(int(time.time()) - 24 * 3600) - state["elected_time"]

    def moved(value, key=""):
        if isinstance(value, dict):
            return {name: moved(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [moved(inner, key) for inner in value]
        if isinstance(value, Decimal) and key.endswith(("_time", "timestamp")) and key != "build_time":
            return value + shift
        return value

    return moved(state)


def expected_agents_to_add(state):
    """Clause U in closed form, and that D and H ask for nothing (docs/algorithm.md)."""
    agents, tasks = state["slaves"], [task for framework in state["frameworks"] for task in framework["tasks"]]
    added = 0
    for kind in ("cpus", "mem"):
        total = sum(agent["resources"][kind] for agent in agents)
        used = sum(task["resources"][kind] for task in tasks)
        missing = Decimal(100) * used / UP_PERCENT - total
        added = max(added, ceil(missing / NEW_AGENT[kind]))
        if kind == "cpus":
            assert 100 * used >= DOWN_PERCENT * total, "D would take agents out"
        assert total - used >= used * HEADROOM_PERCENT / 100, "H would add agents"
    assert 0 < added <= 10, "the step limit would hide what is tested"
    return added


class Master(http.server.BaseHTTPRequestHandler):
    """A Mesos master that leads, and knows one answer."""

    body = b""
    requests = []

    def do_GET(self):
        self.requests.append(self.path)
        known = self.path.partition("?")[0] in ("/state", "/master/state")
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.body) if known else 0))
        self.end_headers()
        if known:
            self.wfile.write(self.body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def master(state):
    Master.body = json.dumps(state, default=float).encode()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Master)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def certificate(folder):
    """A certificate for 127.0.0.1 that vouches for itself: the topics refuse what does not come over TLS."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "local stand-in for AWS")])
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = folder / "cert.pem", folder / "key.pem"
    cert_path.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_path, key_path


@contextlib.contextmanager
def local_aws(folder):
    """The stand-in: (its URL, its certificate, its log)."""
    cert, key = certificate(folder)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url, log = f"https://127.0.0.1:{port}", folder / "ministack.log"
    # Nothing of the caller's own AWS set-up may reach the functions.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LAMBDA_"))}
    environment |= {
        "AUTH": "true",  # enforce the roles
        "AWS_ENDPOINT_URL": url,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",  # it would listen on a port of its own
        "SFTP_ENABLED": "0",  # likewise
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        "LAMBDA_EXECUTOR": "local",  # the bootstrap itself, no container
        "LOG_LEVEL": "INFO",
        "SSL_CERT_FILE": str(cert),  # for the functions: it becomes their one root
        "S3_DATA_DIR": str(folder / "s3"),
        "STATE_DIR": str(folder / "state"),
        "TMPDIR": str(folder),
    }
    command = [sys.executable, "-m", "hypercorn", "ministack.app:app", "--bind", f"127.0.0.1:{port}"]
    with open(log, "w") as output:
        process = subprocess.Popen(
            [*command, "--certfile", cert, "--keyfile", key],
            env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )
    try:
        wait_for("the local AWS", 30, lambda: process.poll() is not None or is_open(port))
        if process.poll() is not None:
            raise AssertionError("the local AWS did not start")
        yield url, cert
    except BaseException:
        # What the functions wrote comes through this log too.
        print(f"--- the last lines of the local AWS ---\n{''.join(log.read_text().splitlines(True)[-80:])}", file=sys.stderr)
        raise
    finally:
        # The functions' processes are in its session; none may outlive it, and there is nothing to save.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(what, seconds, probe):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = probe()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what}: nothing within {seconds} s")


def without_metric_math(template):
    """The stand-in knows no alarms on metric math: the one that there is is left out here. cfn-lint has seen it."""
    parts = re.split(r"(?m)^(?=  [A-Za-z]+:\n    Type: )", template)
    kept = [part for part in parts if "\n      Metrics:\n" not in part]
    assert len(parts) - len(kept) == 1, "more than one alarm has metric math"
    return "".join(kept)


class Deployment:
    def __init__(self, url, cert):
        config = Config(retries={"total_max_attempts": 2}, s3={"addressing_style": "path"}, proxies={})
        session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)

        def client(service):
            return session.client(service, endpoint_url=url, verify=str(cert), config=config)

        self.groups, self.stacks, self.functions = client("autoscaling"), client("cloudformation"), client("lambda")
        self.buckets, self.queues, self.topics, self.logs = client("s3"), client("sqs"), client("sns"), client("logs")
        self.roles, self.parameters = client("iam"), client("ssm")
        self.url, self.packaged = url, None

    def create_groups(self, agents):
        for name in (GROUP, BYSTANDER, SECOND_GROUP):
            self.groups.create_launch_configuration(
                LaunchConfigurationName=name, ImageId="ami-00000001", InstanceType="m5.xlarge"
            )
            self.groups.create_auto_scaling_group(
                AutoScalingGroupName=name, LaunchConfigurationName=name, AvailabilityZones=[f"{REGION}a"],
                MinSize=1, MaxSize=100, DesiredCapacity=agents,
            )

    def describe(self, name=GROUP):
        return self.groups.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"][0]

    def desired(self):
        return self.describe()["DesiredCapacity"]

    def upload(self):
        """What `aws cloudformation package` does: the zips go to a bucket, the template names them there, and follows."""
        if self.packaged:
            return self.packaged
        self.buckets.create_bucket(Bucket="artifacts")
        template = (ROOT / "template.yaml").read_text()
        for stage in STAGES:
            path = f"target/lambda/{stage}/bootstrap.zip"
            self.buckets.put_object(Bucket="artifacts", Key=f"{stage}.zip", Body=(ROOT / path).read_bytes())
            template, count = re.subn(re.escape(f"CodeUri: {path}"), f"CodeUri: s3://artifacts/{stage}.zip", template)
            assert count == 1, f"template.yaml does not name {path} once"
        template = without_metric_math(template)
        self.buckets.put_object(Bucket="artifacts", Key="template.yaml", Body=template.encode())
        self.packaged = f"{self.url}/artifacts/template.yaml"
        return self.packaged

    def create_stack(self, template, parameters, name=STACK):
        self.stacks.create_stack(
            StackName=name,
            TemplateURL=template,
            Parameters=[{"ParameterKey": key, "ParameterValue": str(value)} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )

        def finished():
            stack = self.stacks.describe_stacks(StackName=name)["Stacks"][0]
            return None if stack["StackStatus"].endswith("_IN_PROGRESS") else stack

        stack = wait_for("the stack", 60, finished)
        if stack["StackStatus"] != "CREATE_COMPLETE":
            for event in self.stacks.describe_stack_events(StackName=name)["StackEvents"]:
                print(event["LogicalResourceId"], event["ResourceStatus"], event.get("ResourceStatusReason", ""), file=sys.stderr)
            raise AssertionError(f"the stack is {stack['StackStatus']}: {stack.get('StackStatusReason')}")
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def may(self, role, action, resource):
        """Whether the stack's role of that logical name may do that."""
        name = self.stacks.describe_stack_resource(StackName=STACK, LogicalResourceId=role)["StackResourceDetail"]["PhysicalResourceId"]
        answer = self.roles.simulate_principal_policy(
            PolicySourceArn=self.roles.get_role(RoleName=name)["Role"]["Arn"],
            ActionNames=[action],
            ResourceArns=[resource],
            ContextEntries=[{"ContextKeyName": "aws:SecureTransport", "ContextKeyType": "boolean", "ContextKeyValues": ["true"]}],
        )
        return answer["EvaluationResults"][0]["EvalDecision"] == "allowed"

    def queue_for(self, topic, name="outcomes"):
        url = self.queues.create_queue(QueueName=name)["QueueUrl"]
        arn = self.queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}],
        }
        self.queues.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
        self.topics.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
        return url

    def outcome(self, queue):
        def received():
            messages = self.queues.receive_message(QueueUrl=queue, MaxNumberOfMessages=1).get("Messages", [])
            for message in messages:
                self.queues.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
                return json.loads(message["Body"])
            return None

        return wait_for("the outcome", 10, received)

    def print_logs(self):
        """What the functions said, as far as the stand-in keeps it."""
        for group in self.logs.describe_log_groups()["logGroups"]:
            print(f"--- {group['logGroupName']} ---", file=sys.stderr)
            for event in self.logs.filter_log_events(logGroupName=group["logGroupName"])["events"]:
                print(event["message"].rstrip(), file=sys.stderr)


def check(deployment, parameters, agents, added, with_schedule):
    template = deployment.upload()
    bystander = deployment.describe(BYSTANDER)
    before = deployment.describe()
    start = time.monotonic()
    outputs = deployment.create_stack(template, parameters)
    print(f"deployed in {time.monotonic() - start:.1f} s")
    queue = deployment.queue_for(outputs["OutcomeTopicArn"])

    # Each role may do its own work and nobody else's.
    resize, publish = "autoscaling:SetDesiredCapacity", "sns:Publish"
    snapshots, decisions = outputs["SnapshotTopicArn"], outputs["DecisionTopicArn"]
    for role, action, resource, allowed in (
        ("NodeScaleRole", resize, before["AutoScalingGroupARN"], True),
        ("NodeScaleRole", resize, bystander["AutoScalingGroupARN"], False),
        ("NodeScaleRole", "autoscaling:TerminateInstanceInAutoScalingGroup", before["AutoScalingGroupARN"], True),
        ("NodeScaleRole", "autoscaling:TerminateInstanceInAutoScalingGroup", bystander["AutoScalingGroupARN"], False),
        ("NodeScaleRole", "ec2:TerminateInstances", "arn:aws:ec2:us-east-1:000000000000:instance/i-0123456789abcdef0", False),
        ("NodeScaleRole", "autoscaling:UpdateAutoScalingGroup", before["AutoScalingGroupARN"], False),
        ("NodeScaleRole", publish, decisions, False),
        ("NodeProcessRole", publish, decisions, True),
        ("NodeProcessRole", publish, snapshots, False),
        ("NodeProcessRole", resize, before["AutoScalingGroupARN"], False),
        ("NodeGatherRole", publish, snapshots, True),
        ("NodeGatherRole", publish, decisions, False),
        ("NodeGatherRole", "ssm:GetParameter", "arn:aws:ssm:us-east-1:000000000000:parameter/lambda-scale/mesos", False),
    ):
        assert deployment.may(role, action, resource) == allowed, f"{role} {'may not' if allowed else 'may'} {action} {resource}"

    # Once by hand.
    start = time.monotonic()
    answer = deployment.functions.invoke(FunctionName=outputs["NodeGatherFunction"], Payload=b"{}")
    payload = answer["Payload"].read().decode()
    assert "FunctionError" not in answer, f"node_gather failed: {payload}"
    wait_for("a new desired capacity", 30, lambda: deployment.desired() != agents)
    print(f"{time.monotonic() - start:.2f} s from invoking node_gather to the new desired capacity")
    assert deployment.desired() == agents + added, f"{deployment.desired()} instead of {agents + added}"
    outcome = deployment.outcome(queue)
    assert (outcome["group"], outcome["from"], outcome["to"]) == (GROUP, agents, agents + added), outcome
    print(f"{agents} -> {agents + added} agents, as the algorithm says")

    if with_schedule:
        # And once by the schedule, from where it began: the stand-in's new instances never become agents.
        deployment.groups.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=agents)
        start = time.monotonic()
        wait_for("the schedule's own tick", 90, lambda: deployment.desired() != agents)
        print(f"{time.monotonic() - start:.0f} s until the schedule did the same by itself")
        assert deployment.desired() == agents + added, f"{deployment.desired()} instead of {agents + added}"
        assert deployment.outcome(queue)["to"] == agents + added

    after = deployment.describe()
    for thing in (before, after):
        for changed in ("DesiredCapacity", "Instances"):
            del thing[changed]
    assert before == after, f"more than the capacity changed: {before} became {after}"
    assert deployment.describe(BYSTANDER) == bystander, "another group changed"
    assert set(Master.requests) <= {"/state", "/master/state"}, Master.requests


VARIANTS = {
    "everything": (
        {
            "Masters": "https://10.0.0.5:5050,https://mesos-2.example.com:5050",
            "CredentialsParameter": "/lambda-scale/mesos",
            "CredentialsKmsKeyArn": "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000000",
            "CaBundleParameter": "/lambda-scale/ca",
            "MarathonUrl": "https://marathon.example.com/service/marathon",
            "MaxAgents": 40,
            "ScaleDownStrategy": "desired_capacity",
            "JudgedResources": "cpus,mem,gpus",
            "SchedulePeriodMinutes": 5,
            "SubnetIds": "subnet-00000001,subnet-00000002",
            "SecurityGroupIds": "sg-00000001",
            "DryRun": "true",
            "ReserveConcurrency": "false",
            "ScheduleKind": "scheduler",
            "KmsKeyArn": "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000000",
            "AlarmEmail": "ops@example.com",
            "MetricsNamespace": "Example/LambdaScale",
        },
        {
            "schedule_period": "5m",
            "dry_run": True,
            "mesos": {
                "masters": ["https://10.0.0.5:5050", "https://mesos-2.example.com:5050"],
                "credentials": "ssm:/lambda-scale/mesos",
                "ca_bundle": "ssm:/lambda-scale/ca",
                "timeout": "20s",
            },
            "marathon": {"url": "https://marathon.example.com/service/marathon"},
            "pools": [{"max": 40, "resources": ["cpus", "mem", "gpus"], "scale_down_strategy": "desired_capacity"}],
        },
    ),
    "defaults": (
        {"Masters": "http://10.0.0.5:5050"},
        {
            "schedule_period": "1m",
            "dry_run": False,
            "mesos": {"masters": ["http://10.0.0.5:5050"], "timeout": "20s"},
            "pools": [{
                "name": "workers", "group": GROUP, "min": 1, "resources": ["cpus", "mem"],
                "scale_down_threshold_percent": 50, "scale_up_threshold_percent": 80,
                "application_headroom_percent": 10, "cpu_utilization": False, "headroom_placement": "pack",
                "max_scale_up_step": 10,
                "max_scale_down_step": 1, "max_missing_agents_percent": 10, "scale_down_cooldown": "10m",
                "scale_down_stable_for": "0s", "max_back_off": "3m", "join_timeout": "15m",
                "scale_down_strategy": "least_loaded",
            }],
        },
    ),
    "desired capacity": (
        {"Masters": "http://10.0.0.5:5050", "ScaleDownStrategy": "desired_capacity"},
        {"schedule_period": "1m", "dry_run": False, "mesos": {"masters": ["http://10.0.0.5:5050"], "timeout": "20s"},
         "pools": [{"scale_down_strategy": "desired_capacity"}]},
    ),
    "drain": (
        {"Masters": "http://10.0.0.5:5050", "CredentialsParameter": "/lambda-scale/mesos", "ScaleDownStrategy": "drain",
         "DrainAfter": "10m", "SubnetIds": "subnet-00000001", "SecurityGroupIds": "sg-00000001"},
        {"schedule_period": "1m", "dry_run": False,
         "mesos": {"masters": ["http://10.0.0.5:5050"], "timeout": "20s", "credentials": "ssm:/lambda-scale/mesos"},
         "pools": [{"scale_down_strategy": "drain", "drain_after": "10m", "drain_grace": "2m"}]},
    ),
    "document": (
        {
            "Masters": "http://10.0.0.5:5050", "ConfigParameter": "/lambda-scale/config", "GroupPattern": "mesos-*",
            "AlarmTopicArn": "arn:aws:sns:us-east-1:000000000000:somebody-elses", "Dashboard": "false",
        },
        "ssm:/lambda-scale/config",
    ),
}


def variant(name):
    """The name of its stack."""
    return f"variant-{name.replace(' ', '-')}"


def check_variants(deployment):
    """Other parameters give the documents that they should; none of these stacks is left."""
    template = deployment.upload()
    for name, (parameters, expected) in VARIANTS.items():
        parameters = {"GroupName": GROUP, "ScheduleState": "DISABLED"} | parameters
        outputs = deployment.create_stack(template, parameters, variant(name))
        found = set()
        for stage in ("NodeGather", "NodeProcess", "NodeScale"):
            function = deployment.functions.get_function_configuration(FunctionName=outputs[f"{stage}Function"])
            found.add(function["Environment"]["Variables"]["LAMBDA_SCALE_CONFIG"])
        assert len(found) == 1, "the functions have different configurations"
        document = found.pop()
        if isinstance(expected, dict):
            document = tomllib.loads(document)
            if name != "defaults":
                # Of the pool only what differs from the defaults.
                document["pools"] = [{key: pool[key] for key in wanted} for pool, wanted in zip(document["pools"], expected["pools"])]
        assert document == expected, f"{name}: {document}"
        deployment.stacks.delete_stack(StackName=variant(name))
    print(f"{len(VARIANTS)} other sets of parameters give the documents that they should")


def check_pools(deployment, master_url, agents, added):
    """A document of one's own in Systems Manager, with a pool of each kind: one stack, one look, two outcomes."""
    document = f"""
        [mesos]
        masters = ["{master_url}"]
        [[pools]]
        name = "workers"
        group = "{GROUP}"
        attributes = {{ asg = "workers" }}
        scale_up_threshold_percent = {UP_PERCENT}
        scale_down_threshold_percent = {DOWN_PERCENT}
        application_headroom_percent = {HEADROOM_PERCENT}
        headroom_placement = "sum"
        new_agent = {{ cpus = {NEW_AGENT["cpus"]}, mem = {NEW_AGENT["mem"]} }}
        [[pools]]
        name = "edge"
        group = "{SECOND_GROUP}"
        source = "cloudwatch"
    """
    deployment.parameters.put_parameter(Name="/lambda-scale/config", Value=document, Type="String")
    deployment.groups.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=agents)
    parameters = {
        "Masters": master_url, "GroupName": GROUP, "GroupPattern": "mesos-*", "ConfigParameter": "/lambda-scale/config",
        "CpuUtilization": "true", "OutcomeTopic": "true", "ScheduleState": "DISABLED",
    }
    outputs = deployment.create_stack(deployment.upload(), parameters, "pools")
    queue = deployment.queue_for(outputs["OutcomeTopicArn"], "outcomes-of-pools")
    answer = deployment.functions.invoke(FunctionName=outputs["NodeGatherFunction"], Payload=b"{}")
    assert "FunctionError" not in answer, f"node_gather failed: {answer['Payload'].read().decode()}"
    outcomes = {outcome["pool"]: outcome for outcome in (deployment.outcome(queue), deployment.outcome(queue))}
    assert set(outcomes) == {"workers", "edge"}, outcomes
    assert (outcomes["workers"]["from"], outcomes["workers"]["to"]) == (agents, agents + added), outcomes["workers"]
    # Of this group CloudWatch knows nothing, so nothing is done; Auto Scaling does know it.
    assert (outcomes["edge"]["action"], outcomes["edge"]["from"]) == ("none", agents), outcomes["edge"]
    deployment.stacks.delete_stack(StackName="pools")
    print("a document with two pools, in Systems Manager: both had their outcome")


def main():
    parser = argparse.ArgumentParser(description="Deploys the stack to a local stand-in for AWS and lets it scale a group")
    parser.add_argument("--no-schedule", action="store_true", help="do not wait for the schedule's own tick")
    options = parser.parse_args()

    missing = [path for path in (ROOT / f"target/lambda/{stage}/bootstrap.zip" for stage in STAGES) if not path.exists()]
    if missing:
        sys.exit(f"{missing[0].relative_to(ROOT)} is missing; `make all` builds it")

    state = state_of_today()
    agents, added = len(state["slaves"]), expected_agents_to_add(state)
    folder = Path(tempfile.mkdtemp(prefix="lambda-scale-deploy-"))
    try:
        with master(state) as master_url, local_aws(folder) as (aws_url, cert):
            deployment = Deployment(aws_url, cert)
            deployment.create_groups(agents)
            parameters = {
                "Masters": master_url,
                "GroupName": GROUP,
                "AgentAttributeName": "asg",
                "AgentAttributeValue": "workers",
                "ScaleUpThresholdPercent": UP_PERCENT,
                "ScaleDownThresholdPercent": DOWN_PERCENT,
                "ApplicationHeadroomPercent": HEADROOM_PERCENT,
                "NewAgentCpus": NEW_AGENT["cpus"],
                "NewAgentMem": NEW_AGENT["mem"],
                "OutcomeTopic": "true",
            }
            try:
                check_variants(deployment)
                check_pools(deployment, master_url, agents, added)
                deployment.groups.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=agents)
                check(deployment, parameters, agents, added, with_schedule=not options.no_schedule)
            except BaseException:
                with contextlib.suppress(Exception):
                    deployment.print_logs()
                raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("deployment: 3 passed, 0 failed")


if __name__ == "__main__":
    main()
