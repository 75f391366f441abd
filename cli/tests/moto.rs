//! The three real binaries against moto, an AWS that somebody else wrote: what they publish is what an SQS queue receives, what
//! SNS delivers is what they read, what Parameter Store keeps is what they are configured by, and the group has the capacity they
//! asked for.
//!
//! moto has no scaling activities and checks no limits, so back-offs are not tested here but against our own endpoints
//! (tests/chain.rs). `make test` says where moto_server is, in the variable MOTO_SERVER.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_sns::config::Credentials;
use jiff::{SignedDuration, Timestamp};
use node_scale::marks::MarkChange;
use node_scale::{ec2, group};
use serde_json::{Value, json};
use shared::contract::{self, ClusterSnapshot, OutcomeAction, ScalingDecision, ScalingOutcome, ScalingState};
use testbed::cluster::Cluster;
use testbed::master::Master;
use testbed::runtime_api::{Function, Invocation};
use testbed::sns::{self, Message};
use testbed::{ACCOUNT, CAPTURE, REGION};
use tokio::process::{Child, Command};

const GROUP: &str = "mesos-workers";

/// Room for every application to treble: 210.9 cpus wanted, 174.55 free; the 36.35 missing are 19 of the commonest agents with
/// 2 cpus each, of which one decision adds ten.
const HEADROOM_PERCENT: u32 = 200;

#[tokio::test]
async fn the_chain_works_against_an_independent_aws() {
    let Some(moto) = Moto::start().await else {
        eprintln!("not run: MOTO_SERVER is not set; `make test` sets it");
        return;
    };
    let snapshots = moto.topic("snapshots").await;
    let decisions = moto.topic("decisions").await;
    let outcomes = moto.topic("outcomes").await;
    moto.create_group(3).await;
    let master = Master::start(Cluster::from_capture(CAPTURE, now()).unwrap()).await.unwrap();
    moto.put_parameter("/lambda-scale/config", &document(&master.url())).await;
    moto.put_parameter("/lambda-scale/mesos", "lambda-scale:not-a-secret").await;
    let start = async |name| {
        let topics = [
            ("SNAPSHOT_TOPIC_ARN", sns::arn("snapshots")),
            ("DECISION_TOPIC_ARN", sns::arn("decisions")),
            ("OUTCOME_TOPIC_ARN", sns::arn("outcomes")),
            ("LAMBDA_SCALE_CONFIG", "ssm:/lambda-scale/config".to_owned()),
        ];
        Stage::start(name, &moto.url, &topics).await
    };

    // node_gather publishes a snapshot.
    start("node_gather").await.invoke(&json!({})).await;
    let message = moto.receive(&snapshots).await;
    assert_eq!(message.attributes["pool"], "workers");
    assert_eq!(message.attributes["completeness"], "complete");
    let snapshot: ClusterSnapshot = contract::decode(&message.body, None).unwrap();
    assert_eq!((snapshot.agents.usable, snapshot.applications.len()), (60, 40));

    // node_process reads it as SNS delivers it, and publishes a decision.
    start("node_process").await.invoke(&sns::event(&message)).await;
    let message = moto.receive(&decisions).await;
    assert_eq!(message.attributes["state"], "scale_up");
    assert_eq!(message.subject.as_deref(), Some("workers: scale_up +10 (60 -> 70 agents)"));
    let decision: ScalingDecision = contract::decode(&message.body, None).unwrap();
    assert_eq!((decision.delta, decision.snapshot_id), (10, Some(snapshot.id)));

    // node_scale raises the desired capacity, and tells so.
    let node_scale = start("node_scale").await;
    node_scale.invoke(&sns::event(&message)).await;
    assert_eq!(moto.desired_capacity().await, 13);
    let told = moto.receive(&outcomes).await;
    assert_eq!(told.attributes["action"], "scaled_up");
    assert_eq!(told.subject.as_deref(), Some("workers: scaled_up (3 -> 13)"));
    let outcome: ScalingOutcome = contract::decode(&told.body, None).unwrap();
    assert_eq!((outcome.action, outcome.from, outcome.to), (OutcomeAction::ScaledUp, Some(3), Some(13)));
    assert_eq!(outcome.decision_id, Some(decision.id));

    // Nothing wanted, nothing done.
    let quiet = ScalingDecision { delta: 0, state: ScalingState::Normal, ..decision };
    node_scale.invoke(&sns::event(&Message { body: contract::to_json(&quiet).unwrap(), ..message })).await;
    let outcome: ScalingOutcome = contract::decode(&moto.receive(&outcomes).await.body, None).unwrap();
    assert_eq!((outcome.action, outcome.from), (OutcomeAction::None, Some(13)));
    assert_eq!(moto.desired_capacity().await, 13);
}

#[tokio::test]
async fn a_group_is_scaled_by_what_an_independent_cloudwatch_says() {
    let Some(moto) = Moto::start().await else {
        eprintln!("not run: MOTO_SERVER is not set; `make test` sets it");
        return;
    };
    let snapshots = moto.topic("snapshots").await;
    let decisions = moto.topic("decisions").await;
    let outcomes = moto.topic("outcomes").await;
    moto.create_group(3).await;
    // Two instances' values in each of two minutes: their mean is 71.5 %. A group of another name is none of ours. Values of
    // one minute are of the very same time, or a minute may end between them.
    let now = now();
    for (minutes_ago, group, percent) in
        [(3, GROUP, "70"), (3, GROUP, "75"), (2, GROUP, "60"), (2, GROUP, "81"), (2, "other", "5"), (30, GROUP, "1")]
    {
        moto.put_cpu_utilization(group, percent, now - SignedDuration::from_mins(minutes_ago)).await;
    }
    let document =
        format!("[[pools]]\nname = \"web\"\ngroup = \"{GROUP}\"\nsource = \"cloudwatch\"\nmax = 100\ncooltime = 5\n");
    let start = async |name| {
        let variables = [
            ("SNAPSHOT_TOPIC_ARN", sns::arn("snapshots")),
            ("DECISION_TOPIC_ARN", sns::arn("decisions")),
            ("OUTCOME_TOPIC_ARN", sns::arn("outcomes")),
            ("LAMBDA_SCALE_CONFIG", document.clone()),
        ];
        Stage::start(name, &moto.url, &variables).await
    };
    start("node_gather").await.invoke(&json!({})).await;
    let message = moto.receive(&snapshots).await;
    let snapshot: ClusterSnapshot = contract::decode(&message.body, None).unwrap();
    assert_eq!((snapshot.agents.usable, snapshot.cpu_utilization_percent), (3, Some(71.5)), "{snapshot:?}");
    start("node_process").await.invoke(&sns::event(&message)).await;
    let message = moto.receive(&decisions).await;
    assert_eq!(message.subject.as_deref(), Some("web: scale_up +1 (3 -> 4 agents)"));
    start("node_scale").await.invoke(&sns::event(&message)).await;
    assert_eq!(moto.desired_capacity().await, 4);
    assert_eq!(moto.receive(&outcomes).await.attributes["action"], "scaled_up");
}

/// `lambda-scale status` reads the log that an independent CloudWatch keeps.
#[tokio::test]
async fn the_last_decisions_are_read_from_an_independent_log() {
    let Some(moto) = Moto::start().await else {
        eprintln!("not run: MOTO_SERVER is not set; `make test` sets it");
        return;
    };
    moto.create_group(3).await;
    let (log, stream) = ("/aws/lambda/lambda-scale/node_scale", "2026/11/21/[$LATEST]0");
    let now = now();
    let line = json!({
        "timestamp": now.to_string(), "level": "INFO", "pool": "workers", "group": GROUP, "state": "scale_up",
        "action": "scaled_up", "from": 2, "to": 3, "reason": "1 more wanted", "message": "outcome",
    });
    let event = |message: &str| json!({ "timestamp": now.as_millisecond(), "message": message });
    let events = [event("START RequestId: 1"), event(&line.to_string())];
    let group = json!({ "logGroupName": log });
    let named = json!({ "logGroupName": log, "logStreamName": stream });
    let lines = json!({ "logGroupName": log, "logStreamName": stream, "logEvents": events });
    for (action, request) in [("CreateLogGroup", group), ("CreateLogStream", named), ("PutLogEvents", lines)] {
        moto.json_call("logs", &format!("Logs_20140328.{action}"), &request).await;
    }
    for (stack, expected) in [("lambda-scale", 1), ("another", 0)] {
        let output = Command::new(env!("CARGO_BIN_EXE_lambda-scale"))
            .args(["status", "--group", GROUP, "--stack", stack, "--output", "json"])
            .env_clear()
            .envs([("AWS_ENDPOINT_URL", moto.url.as_str()), ("AWS_REGION", REGION), ("NO_PROXY", "*")])
            .envs([("AWS_ACCESS_KEY_ID", "local"), ("AWS_SECRET_ACCESS_KEY", "local")])
            .output()
            .await
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let all: Value = serde_json::from_slice(&output.stdout).unwrap();
        let decisions = all[0]["decisions"].as_array().unwrap();
        assert_eq!(decisions.len(), expected, "{all}");
        assert!(decisions.iter().all(|decided| decided["reason"] == "1 more wanted"), "{all}");
    }
}

/// What node_scale itself says to AWS, to an AWS that somebody else wrote: marks, addresses, and the end of an instance.
#[tokio::test]
async fn marks_addresses_and_terminations_are_understood_by_an_independent_aws() {
    let Some(moto) = Moto::start().await else {
        eprintln!("not run: MOTO_SERVER is not set; `make test` sets it");
        return;
    };
    moto.create_group(3).await;
    let sdk = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .endpoint_url(&moto.url)
        .load()
        .await;
    let client = aws_sdk_autoscaling::Client::new(&sdk);

    let mark = MarkChange::leaves("i-0123456789abcdef0", now());
    let MarkChange::Set { key, value } = &mark else { panic!() };
    group::mark(&client, GROUP, std::slice::from_ref(&mark)).await.unwrap();
    let described = group::group(&client, GROUP).await.unwrap().unwrap();
    assert!(described.tags.iter().any(|tag| tag.key == *key && tag.value == *value), "{:?}", described.tags);
    group::mark(&client, GROUP, &[MarkChange::stays("i-0123456789abcdef0")]).await.unwrap();
    let described = group::group(&client, GROUP).await.unwrap().unwrap();
    assert!(!described.tags.iter().any(|tag| tag.key == *key));

    let victim = described.instances[1].instance_id.clone();
    let ec2 = ec2::Client::new(&sdk);
    let ip =
        between(&moto.call("ec2", "DescribeInstances", &[("InstanceId.1", victim.as_str())]).await, "privateIpAddress");
    let found = ec2.addresses(GROUP, &[ip.clone(), "192.0.2.1".to_owned()]).await.unwrap();
    assert_eq!(found[&ip], [victim.clone()].into());
    assert!(found["192.0.2.1"].is_empty());

    group::terminate(&client, GROUP, &victim).await.unwrap();
    let described = group::group(&client, GROUP).await.unwrap().unwrap();
    assert_eq!(described.desired_capacity, 2);
    assert!(described.instances.iter().all(|instance| instance.instance_id != victim));
    assert!(group::group(&client, "somebody-elses").await.unwrap().is_none());
}

fn document(master: &str) -> String {
    format!(
        "[mesos]\nmasters = [\"{master}\"]\ncredentials = \"ssm:/lambda-scale/mesos\"\n[[pools]]\nname = \"workers\"\ngroup = \"{GROUP}\"\nmax = 100\n\
         scale_down_threshold_percent = 20\napplication_headroom_percent = {HEADROOM_PERCENT}\n"
    )
}

#[expect(clippy::disallowed_methods, reason = "the functions date what they see by the real clock")]
fn now() -> Timestamp {
    Timestamp::now()
}

/// A function's process and its Runtime API.
struct Stage {
    function: Function,
    _process: Child,
}

impl Stage {
    async fn start(name: &'static str, endpoint: &str, variables: &[(&str, String)]) -> Self {
        let function = Function::start(name, 0).await.unwrap();
        let binary = Path::new(env!("CARGO_BIN_EXE_lambda-scale")).with_file_name(name);
        assert!(binary.is_file(), "{} is missing; run: cargo build --workspace", binary.display());
        let process = Command::new(binary)
            .env_clear()
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .env("AWS_ENDPOINT_URL", endpoint)
            .env("AWS_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", "local")
            .env("AWS_SECRET_ACCESS_KEY", "local")
            .env("AWS_LAMBDA_RUNTIME_API", function.address())
            .env("AWS_LAMBDA_FUNCTION_NAME", name)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { function, _process: process }
    }

    async fn invoke(&self, event: &Value) -> Invocation {
        self.function.invoke(event).await.unwrap()
    }
}

/// A moto server. Its process ends when this is dropped.
struct Moto {
    url: String,
    http: reqwest::Client,
    _process: Child,
}

/// A queue that receives what is published to a topic.
struct Queue(String);

impl Moto {
    /// `None` where nobody said where moto is.
    async fn start() -> Option<Self> {
        #[expect(clippy::disallowed_methods, reason = "make says where moto is")]
        let server = PathBuf::from(std::env::var_os("MOTO_SERVER")?);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(&server)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", server.display()));
        // Everything is plain http on this machine, so no certificate is needed.
        let http = reqwest::Client::builder().tls_certs_only([]).no_proxy().build().unwrap();
        let moto = Self { url: format!("http://127.0.0.1:{port}"), http, _process: process };
        for _ in 0..300 {
            if moto.http.get(format!("{}/moto-api/", moto.url)).send().await.is_ok() {
                return Some(moto);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("moto did not start within 30 s");
    }

    /// A call in AWS' Query protocol.
    async fn call(&self, service: &str, action: &str, parameters: &[(&str, &str)]) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", action).extend_pairs(parameters);
        let answer = self
            .http
            .post(&self.url)
            .header("authorization", signature(service))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.finish())
            .send()
            .await
            .unwrap();
        let (status, body) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{action}: {status} {body}");
        body
    }

    /// Makes a topic with a queue that receives what is published to it.
    async fn topic(&self, name: &str) -> Queue {
        self.call("sns", "CreateTopic", &[("Name", name)]).await;
        let queue = between(&self.call("sqs", "CreateQueue", &[("QueueName", name)]).await, "QueueUrl");
        let (topic, endpoint) = (sns::arn(name), format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"));
        let subscription = [("TopicArn", topic.as_str()), ("Protocol", "sqs"), ("Endpoint", endpoint.as_str())];
        self.call("sns", "Subscribe", &subscription).await;
        Queue(queue)
    }

    /// Takes the next message from a queue.
    async fn receive(&self, queue: &Queue) -> Message {
        for _ in 0..100 {
            let parameters = [("QueueUrl", queue.0.as_str()), ("VisibilityTimeout", "600")];
            let answer = self.call("sqs", "ReceiveMessage", &parameters).await;
            if answer.contains("<Body>") {
                return message(&between(&answer, "Body"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no message came to {}", queue.0);
    }

    /// Puts a secret text into Parameter Store, which speaks JSON.
    async fn put_parameter(&self, name: &str, value: &str) {
        let parameter = json!({ "Name": name, "Value": value, "Type": "SecureString" });
        self.json_call("ssm", "AmazonSSM.PutParameter", &parameter).await;
    }

    /// A call in AWS' JSON protocol.
    async fn json_call(&self, service: &str, target: &str, request: &Value) {
        let answer = self
            .http
            .post(&self.url)
            .header("authorization", signature(service))
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", target)
            .body(request.to_string())
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{target}: {}", answer.text().await.unwrap());
    }

    /// What EC2 would report of a group.
    async fn put_cpu_utilization(&self, group: &str, percent: &str, at: Timestamp) {
        let at = shared::time::format(at);
        let datum = |field: &str| format!("MetricData.member.1.{field}");
        let parameters = [
            ("Namespace".to_owned(), "AWS/EC2"),
            (datum("MetricName"), "CPUUtilization"),
            (datum("Dimensions.member.1.Name"), "AutoScalingGroupName"),
            (datum("Dimensions.member.1.Value"), group),
            (datum("Timestamp"), at.as_str()),
            (datum("Value"), percent),
            (datum("Unit"), "Percent"),
        ];
        let parameters: Vec<(&str, &str)> = parameters.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        self.call("monitoring", "PutMetricData", &parameters).await;
    }

    async fn create_group(&self, instances: u32) {
        let configuration = ("LaunchConfigurationName", "agents");
        let launch = [configuration, ("ImageId", "ami-12c6146b"), ("InstanceType", "t3.large")];
        self.call("autoscaling", "CreateLaunchConfiguration", &launch).await;
        let desired = instances.to_string();
        let group = [
            configuration,
            ("AutoScalingGroupName", GROUP),
            ("MinSize", "1"),
            ("MaxSize", "100"),
            ("DesiredCapacity", desired.as_str()),
            ("AvailabilityZones.member.1", "us-east-1a"),
        ];
        self.call("autoscaling", "CreateAutoScalingGroup", &group).await;
    }

    async fn desired_capacity(&self) -> u32 {
        let parameters = [("AutoScalingGroupNames.member.1", GROUP)];
        let answer = self.call("autoscaling", "DescribeAutoScalingGroups", &parameters).await;
        between(&answer, "DesiredCapacity").parse().unwrap()
    }
}

/// moto takes the service from the signature's scope, and checks no signature.
fn signature(service: &str) -> String {
    let scope = format!("Credential=local/20260101/{REGION}/{service}/aws4_request");
    format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0")
}

/// The text of the first element of that name.
fn between(xml: &str, element: &str) -> String {
    let (_, rest) = xml.split_once(&format!("<{element}>")).unwrap_or_else(|| panic!("no {element} in {xml}"));
    let (text, _) = rest.split_once(&format!("</{element}>")).unwrap();
    text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&#39;", "'").replace("&amp;", "&")
}

/// What SNS wrote into the queue, as it would hand it to a function.
fn message(body: &str) -> Message {
    let body: Value = serde_json::from_str(body).unwrap();
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    let attributes = body["MessageAttributes"].as_object().into_iter().flatten();
    Message {
        topic: text("TopicArn").unwrap(),
        id: text("MessageId").unwrap(),
        at: text("Timestamp").unwrap().parse().unwrap(),
        subject: text("Subject"),
        body: text("Message").unwrap(),
        attributes: attributes
            .map(|(name, value)| (name.clone(), value["Value"].as_str().unwrap().to_owned()))
            .collect::<BTreeMap<_, _>>(),
    }
}
