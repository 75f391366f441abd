//! moto: an AWS that other people wrote, in a process of its own. It proves what an endpoint of ours cannot: that the calls
//! are those that AWS takes.
//!
//! moto has no scaling activities and checks no limits.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use url::form_urlencoded::Serializer;

use super::sns::{self, Message};
use super::{ACCOUNT, REGION};

/// Where moto's program is; `make test` sets it.
pub const VARIABLE: &str = "MOTO_SERVER";

/// How long it may take to start: it imports half of Python.
const START: Duration = Duration::from_secs(30);

/// How long a message may take from a topic to its queue.
const DELIVERY: Duration = Duration::from_secs(5);

/// A moto server. Its process ends when this is dropped.
#[derive(Debug)]
pub struct Moto {
    address: String,
    _process: Child,
}

/// A queue that receives what is published to a topic.
#[derive(Clone, Debug)]
pub struct Queue(String);

impl Moto {
    /// Starts a server; `None` where [`VARIABLE`] does not say where its program is.
    ///
    /// # Errors
    /// Where it does not start in time.
    pub async fn start() -> io::Result<Option<Self>> {
        #[expect(clippy::disallowed_methods, reason = "make says where moto is")]
        let Some(program) = std::env::var_os(VARIABLE).map(PathBuf::from) else {
            eprintln!("not run: {VARIABLE} is not set; `make test` sets it");
            return Ok(None);
        };
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let process = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &address.port().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let moto = Self { address: address.to_string(), _process: process };
        poll(START, async || Ok(TcpStream::connect(address).await.ok()))
            .await?
            .ok_or_else(|| io::Error::other(format!("moto did not start within {} s", START.as_secs())))?;
        Ok(Some(moto))
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A call in AWS' Query protocol.
    ///
    /// # Errors
    /// Where moto refuses it.
    pub async fn call(&self, service: &str, action: &str, parameters: &[(&str, &str)]) -> io::Result<String> {
        let mut form = Serializer::new(String::new());
        form.append_pair("Action", action).extend_pairs(parameters);
        self.post(service, &[("content-type", "application/x-www-form-urlencoded")], &form.finish()).await
    }

    /// A call in AWS' JSON protocol.
    ///
    /// # Errors
    /// Where moto refuses it.
    pub async fn json_call(&self, service: &str, target: &str, request: &Value) -> io::Result<String> {
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)];
        self.post(service, &headers, &request.to_string()).await
    }

    /// Creates a topic with a queue that receives what is published to it.
    ///
    /// # Errors
    /// Where moto refuses a call, as in all functions that follow.
    pub async fn topic(&self, name: &str) -> io::Result<Queue> {
        self.call("sns", "CreateTopic", &[("Name", name)]).await?;
        let queue = element(&self.call("sqs", "CreateQueue", &[("QueueName", name)]).await?, "QueueUrl")?;
        let (topic, endpoint) = (sns::arn(name), format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"));
        let subscription = [("TopicArn", topic.as_str()), ("Protocol", "sqs"), ("Endpoint", endpoint.as_str())];
        self.call("sns", "Subscribe", &subscription).await?;
        Ok(Queue(queue))
    }

    /// Takes the next message from a queue.
    ///
    /// # Errors
    /// Where none comes in time.
    pub async fn receive(&self, queue: &Queue) -> io::Result<Message> {
        let received = poll(DELIVERY, async || {
            let parameters = [("QueueUrl", queue.0.as_str()), ("VisibilityTimeout", "600")];
            let answer = self.call("sqs", "ReceiveMessage", &parameters).await?;
            Ok(if answer.contains("<Body>") { Some(element(&answer, "Body")?) } else { None })
        });
        let body = received.await?.ok_or_else(|| io::Error::other(format!("no message came to {}", queue.0)))?;
        message(&body)
    }

    /// Puts a secret string into Parameter Store.
    ///
    /// # Errors
    /// See [`Moto::topic`].
    pub async fn put_parameter(&self, name: &str, value: &str) -> io::Result<()> {
        let parameter = json!({ "Name": name, "Value": value, "Type": "SecureString" });
        self.json_call("ssm", "AmazonSSM.PutParameter", &parameter).await.map(drop)
    }

    /// Puts what EC2 would report of a group.
    ///
    /// # Errors
    /// See [`Moto::topic`].
    pub async fn put_cpu_utilization(&self, group: &str, percent: &str, at: Timestamp) -> io::Result<()> {
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
        self.call("monitoring", "PutMetricData", &parameters).await.map(drop)
    }

    /// Creates a group of that many instances, between 1 and 100.
    ///
    /// # Errors
    /// See [`Moto::topic`].
    pub async fn create_group(&self, name: &str, instances: u32) -> io::Result<()> {
        let configuration = ("LaunchConfigurationName", "agents");
        let launch = [configuration, ("ImageId", "ami-12c6146b"), ("InstanceType", "t3.large")];
        self.call("autoscaling", "CreateLaunchConfiguration", &launch).await?;
        let desired = instances.to_string();
        let group = [
            configuration,
            ("AutoScalingGroupName", name),
            ("MinSize", "1"),
            ("MaxSize", "100"),
            ("DesiredCapacity", desired.as_str()),
            ("AvailabilityZones.member.1", "us-east-1a"),
        ];
        self.call("autoscaling", "CreateAutoScalingGroup", &group).await.map(drop)
    }

    /// The desired capacity of a group.
    ///
    /// # Errors
    /// See [`Moto::topic`].
    pub async fn desired_capacity(&self, group: &str) -> io::Result<u32> {
        let parameters = [("AutoScalingGroupNames.member.1", group)];
        let answer = self.call("autoscaling", "DescribeAutoScalingGroups", &parameters).await?;
        element(&answer, "DesiredCapacity")?.parse().map_err(io::Error::other)
    }

    /// Posts a request. moto takes the service from the signature's scope, and checks no signature.
    async fn post(&self, service: &str, headers: &[(&str, &str)], body: &str) -> io::Result<String> {
        let address = &self.address;
        let scope = format!("Credential=local/20260101/{REGION}/{service}/aws4_request");
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        // Of version 1.0, so that the answer comes in one piece and ends with the connection.
        let request = format!(
            "POST / HTTP/1.0\r\nhost: {address}\r\nauthorization: AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0\r\n\
             {headers}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).unwrap_or_default();
        if !status.starts_with('2') {
            return Err(io::Error::other(format!("moto's {service} answers {status}: {body}")));
        }
        Ok(body.to_owned())
    }
}

/// Asks again and again until there is something, for that long at most.
async fn poll<T>(at_most: Duration, ask: impl AsyncFn() -> io::Result<Option<T>>) -> io::Result<Option<T>> {
    const PAUSE: Duration = Duration::from_millis(50);
    let found = async {
        loop {
            match ask().await {
                Ok(None) => tokio::time::sleep(PAUSE).await,
                found => return found,
            }
        }
    };
    tokio::time::timeout(at_most, found).await.unwrap_or(Ok(None))
}

/// The text of the first element of that name.
///
/// # Errors
/// Where there is none.
pub fn element(xml: &str, name: &str) -> io::Result<String> {
    let text = || {
        let (_, rest) = xml.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
    };
    let text = text().ok_or_else(|| io::Error::other(format!("no {name} in {xml}")))?;
    let references = [("&quot;", "\""), ("&lt;", "<"), ("&gt;", ">"), ("&#39;", "'"), ("&amp;", "&")];
    Ok(references.iter().fold(text.to_owned(), |text, (reference, sign)| text.replace(reference, sign)))
}

/// What SNS wrote into the queue, as it would hand it to a function.
fn message(body: &str) -> io::Result<Message> {
    let body = &serde_json::from_str::<Value>(body)?;
    let optional = |name: &str| body[name].as_str().map(str::to_owned);
    let text = |name: &str| optional(name).ok_or_else(|| io::Error::other(format!("no {name} in {body}")));
    let attributes = body["MessageAttributes"].as_object().into_iter().flatten();
    Ok(Message {
        topic: text("TopicArn")?,
        id: text("MessageId")?,
        at: text("Timestamp")?.parse().map_err(io::Error::other)?,
        subject: optional("Subject"),
        body: text("Message")?,
        attributes: attributes
            .filter_map(|(name, value)| Some((name.clone(), value["Value"].as_str()?.to_owned())))
            .collect(),
    })
}
