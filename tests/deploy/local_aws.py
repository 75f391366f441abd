"""A local AWS (ministack), its Auto Scaling groups, and the stacks of the template in it."""

import contextlib
import datetime
import ipaddress
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import boto3
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("node_gather", "node_process", "node_scale")
FUNCTIONS = ("NodeGather", "NodeProcess", "NodeScale")
REGION = "us-east-1"


def certificate(directory):
    """A self-signed certificate for 127.0.0.1: the topics accept only messages over TLS."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "local AWS")])
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
    cert_path, key_path = directory / "cert.pem", directory / "key.pem"
    cert_path.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_path, key_path


@contextlib.contextmanager
def local_aws(directory):
    """(URL, certificate) of the local AWS."""
    cert, key = certificate(directory)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url, log = f"https://127.0.0.1:{port}", directory / "ministack.log"
    # The AWS settings of the caller must not reach the functions.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LAMBDA_"))}
    environment |= {
        "AUTH": "true",  # enforce the roles
        "AWS_ENDPOINT_URL": url,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",  # it would listen on another port
        "SFTP_ENABLED": "0",  # as above
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        "LAMBDA_EXECUTOR": "local",  # runs the bootstrap without a container
        "LOG_LEVEL": "INFO",
        "SSL_CERT_FILE": str(cert),  # for the functions: their only certificate authority
        "S3_DATA_DIR": str(directory / "s3"),
        "STATE_DIR": str(directory / "state"),
        "TMPDIR": str(directory),
    }
    application = Path(__file__).with_name("ministack_app.py")
    command = [sys.executable, "-m", "hypercorn", f"{application}:app", "--bind", f"127.0.0.1:{port}"]
    with open(log, "w") as output:
        process = subprocess.Popen(
            [*command, "--certfile", cert, "--keyfile", key],
            env=environment, cwd=directory, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )
    try:
        wait_for("the local AWS", 30, lambda: process.poll() is not None or is_open(port))
        if process.poll() is not None:
            raise AssertionError("the local AWS did not start")
        yield url, cert
    except BaseException:
        # The log contains the output of the functions too.
        print(f"--- the last lines of the local AWS ---\n{''.join(log.read_text().splitlines(True)[-80:])}", file=sys.stderr)
        raise
    finally:
        # The processes of the functions are in the same session; stop them all, there is nothing to save.
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
    raise AssertionError(f"{what}: not within {seconds} s")


def with_sessions_as_principals(template):
    """The template with the sessions of the roles in conditions on aws:PrincipalArn: the local AWS compares these, and not the role."""

    def sessions(found):
        roles = [f"!Sub 'arn:aws:sts::${{AWS::AccountId}}:assumed-role/${{{role}}}/*'" for role in re.findall(r"GetAtt (\w+)\.Arn", found[2])]
        return f"ArnNotLike:{found[1]}aws:PrincipalArn: [{', '.join(sorted(set(roles)))}]"

    return re.sub(r"ArnNotEquals:(\s+)aws:PrincipalArn: (.+)", sessions, template)


def without_metric_math(template):
    """The template without its alarm on metric math, which the local AWS does not support. cfn-lint checks that alarm."""
    parts = re.split(r"(?m)^(?=  [A-Za-z]+:\n    Type: )", template)
    kept = [part for part in parts if "\n      Metrics:\n" not in part]
    assert len(parts) - len(kept) == 1, "more than one alarm has metric math"
    return "".join(kept)


class Account:
    """The account of the local AWS, as its owner, who has all permissions."""

    def __init__(self, url, cert):
        config = Config(retries={"total_max_attempts": 2}, s3={"addressing_style": "path"}, proxies={})
        session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)

        def client(service):
            return session.client(service, endpoint_url=url, verify=str(cert), config=config)

        self.groups, self.stacks, self.functions = client("autoscaling"), client("cloudformation"), client("lambda")
        self.buckets, self.queues, self.topics, self.logs = client("s3"), client("sqs"), client("sns"), client("logs")
        self.roles, self.parameters, self.metrics = client("iam"), client("ssm"), client("cloudwatch")
        self.url, self.packaged = url, None

    def create_group(self, name, instances):
        """Creates a group. Returns the ids of its instances, which are in service at once."""
        self.groups.create_launch_configuration(LaunchConfigurationName=name, ImageId="ami-00000001", InstanceType="m5.xlarge")
        self.groups.create_auto_scaling_group(
            AutoScalingGroupName=name, LaunchConfigurationName=name, AvailabilityZones=[f"{REGION}a"],
            MinSize=1, MaxSize=100, DesiredCapacity=instances,
        )
        return self.instances(name)

    def describe(self, group):
        return self.groups.describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"][0]

    def desired(self, group):
        return self.describe(group)["DesiredCapacity"]

    def instances(self, group):
        return [instance["InstanceId"] for instance in self.describe(group)["Instances"]]

    def group_tags(self, group):
        """The tags that node_scale has set on the group."""
        return {tag["Key"].removeprefix("lambda-scale/") for tag in self.describe(group)["Tags"]}

    def report_cpu(self, group, percent, minutes_ago):
        """Reports that CPU utilization, as EC2 does. (In AWS only EC2 can report it.)"""
        now = datetime.datetime.now(datetime.timezone.utc)
        dimensions = [{"Name": "AutoScalingGroupName", "Value": group}]
        self.metrics.put_metric_data(Namespace="AWS/EC2", MetricData=[
            {"MetricName": "CPUUtilization", "Dimensions": dimensions, "Timestamp": now - datetime.timedelta(minutes=ago), "Value": percent}
            for ago in minutes_ago
        ])

    def upload(self):
        """Does what `aws cloudformation package` does: uploads the zips and a template that names them. Returns the URL of the template."""
        if self.packaged:
            return self.packaged
        self.buckets.create_bucket(Bucket="artifacts")
        template = (ROOT / "template.yaml").read_text()
        for stage in STAGES:
            path = f"target/lambda/{stage}/bootstrap.zip"
            self.buckets.put_object(Bucket="artifacts", Key=f"{stage}.zip", Body=(ROOT / path).read_bytes())
            template, count = re.subn(re.escape(f"CodeUri: {path}"), f"CodeUri: s3://artifacts/{stage}.zip", template)
            assert count == 1, f"template.yaml does not name {path} once"
        self.buckets.put_object(Bucket="artifacts", Key="template.yaml", Body=with_sessions_as_principals(without_metric_math(template)).encode())
        self.packaged = f"{self.url}/artifacts/template.yaml"
        return self.packaged

    def deploy(self, name, parameters):
        """Deploys template.yaml, which acts unless the parameters say otherwise."""
        parameters = {"DryRun": "false"} | parameters
        return Stack(self, name, self.create_stack(name, parameters, TemplateURL=self.upload()))

    def create_stack(self, name, parameters, **template):
        """Creates a stack. Returns its outputs."""
        self.stacks.create_stack(
            StackName=name,
            Parameters=[{"ParameterKey": key, "ParameterValue": str(value)} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            **template,
        )

        def finished():
            stack = self.stacks.describe_stacks(StackName=name)["Stacks"][0]
            return None if stack["StackStatus"].endswith("_IN_PROGRESS") else stack

        stack = wait_for("the stack", 60, finished)
        if stack["StackStatus"] != "CREATE_COMPLETE":
            for event in self.stacks.describe_stack_events(StackName=name)["StackEvents"]:
                print(event["LogicalResourceId"], event["ResourceStatus"], event.get("ResourceStatusReason", ""), file=sys.stderr)
            raise AssertionError(f"the stack is {stack['StackStatus']}: {stack.get('StackStatusReason')}")
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def invoke(self, function):
        """Invokes node_gather, as the schedule does."""
        answer = self.functions.invoke(FunctionName=function, Payload=b"{}")
        payload = answer["Payload"].read().decode()
        assert "FunctionError" not in answer, f"node_gather failed: {payload}"

    def print_logs(self):
        """Prints the logs of the functions, as far as the local AWS has them."""
        for group in self.logs.describe_log_groups()["logGroups"]:
            print(f"--- {group['logGroupName']} ---", file=sys.stderr)
            for event in self.logs.filter_log_events(logGroupName=group["logGroupName"])["events"]:
                print(event["message"].rstrip(), file=sys.stderr)


class Stack:
    """A deployed template.yaml with an outcome topic."""

    def __init__(self, account, name, outputs):
        self.account, self.name, self.outputs = account, name, outputs
        self.queue = self.queue_for(outputs["OutcomeTopicArn"])

    def queue_for(self, topic):
        queues = self.account.queues
        url = queues.create_queue(QueueName=f"{self.name}-outcomes")["QueueUrl"]
        arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}],
        }
        queues.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
        self.account.topics.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
        return url

    def configurations(self):
        """The configurations of the three functions; there should be one."""
        found = [self.account.functions.get_function_configuration(FunctionName=self.outputs[f"{name}Function"]) for name in FUNCTIONS]
        return {function["Environment"]["Variables"]["LAMBDA_SCALE_CONFIG"] for function in found}

    def run(self, pools=1):
        """Runs the chain once. Returns the outcome of each pool."""
        self.account.invoke(self.outputs["NodeGatherFunction"])
        outcomes = [self.outcome() for _ in range(pools)]
        by_pool = {outcome["pool"]: outcome for outcome in outcomes}
        assert len(by_pool) == pools, outcomes
        return by_pool

    def outcome(self):
        queues = self.account.queues

        def received():
            messages = queues.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=1).get("Messages", [])
            for message in messages:
                queues.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
                return json.loads(message["Body"])
            return None

        return wait_for("the outcome", 10, received)

    def may(self, role, action, resource="*"):
        """Whether the role with that logical name has that permission."""
        stacks, roles = self.account.stacks, self.account.roles
        name = stacks.describe_stack_resource(StackName=self.name, LogicalResourceId=role)["StackResourceDetail"]["PhysicalResourceId"]
        answer = roles.simulate_principal_policy(
            PolicySourceArn=roles.get_role(RoleName=name)["Role"]["Arn"],
            ActionNames=[action],
            ResourceArns=[resource],
            ContextEntries=[{"ContextKeyName": "aws:SecureTransport", "ContextKeyType": "boolean", "ContextKeyValues": ["true"]}],
        )
        return answer["EvaluationResults"][0]["EvalDecision"] == "allowed"

    def delete(self):
        self.account.stacks.delete_stack(StackName=self.name)
