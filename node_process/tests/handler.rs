//! The function at its two ends: SNS events come in, decisions are published to a local SNS endpoint.
#![cfg(feature = "lambda")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a failing test panics")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use aws_lambda_events::event::sns::SnsEvent;
use cluster::{Cluster, NOON, resources};
use jiff::{SignedDuration, Timestamp};
use node_process::config::Settings;
use node_process::{Check, Expired, Handler, ProcessError, Standard};
use serde_json::{Value, json};
use shared::config::{Config, Policy};
use shared::contract::{self, ClusterSnapshot, ScalingDecision};
use shared::sns::Topic;

const SNAPSHOTS: &str = "arn:aws:sns:eu-west-1:123456789012:snapshots";
const DECISIONS: &str = "arn:aws:sns:eu-west-1:123456789012:decisions";

/// A local SNS that answers so many calls with success and all further ones with a refusal.
struct Sns {
    url: String,
    calls: Receiver<Vec<(String, String)>>,
}

impl Sns {
    fn accepting(successes: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, calls) = channel();
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                let form = read_form(&mut BufReader::new(&stream));
                let (status, body) = if number < successes {
                    (
                        "200 OK",
                        "<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>",
                    )
                } else {
                    (
                        "403 Forbidden",
                        "<ErrorResponse><Error><Type>Sender</Type><Code>AuthorizationError</Code><Message>no</Message></Error></ErrorResponse>",
                    )
                };
                let length = body.len();
                write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
                    .unwrap();
                if sender.send(form).is_err() {
                    break;
                }
            }
        });
        Self { url, calls }
    }

    fn handler<C: Check>(&self, check: C) -> Handler<C> {
        let config = aws_sdk_sns::Config::builder()
            .behavior_version(aws_sdk_sns::config::BehaviorVersion::latest())
            .region(aws_sdk_sns::config::Region::new("eu-west-1"))
            .endpoint_url(&self.url)
            .allow_no_auth()
            .build();
        let decision_topic = Topic::new(aws_sdk_sns::Client::from_conf(config), DECISIONS.to_owned());
        let document = r#"
            [mesos]
            masters = ["http://10.0.0.5:5050"]
            [[pools]]
            name = "workers"
            group = "workers-asg"
            attributes = { pool = "workers" }
            [[pools]]
            name = "own"
            group = "own-asg"
            attributes = { pool = "own" }
            check = "custom"
        "#;
        let config = Config::parse(document).unwrap();
        Handler::new(Settings { config, decision_topic, snapshot_topic_arn: Some(SNAPSHOTS.to_owned()) }, check)
    }

    /// What was published so far: the decisions with their subject lines.
    fn published(&self) -> Vec<(ScalingDecision, String)> {
        let field = |form: &[(String, String)], name: &str| {
            form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let decision = |form: Vec<(String, String)>| {
            assert_eq!(field(&form, "TopicArn"), DECISIONS);
            (contract::decode(&field(&form, "Message"), None).unwrap(), field(&form, "Subject"))
        };
        self.calls.try_iter().map(decision).collect()
    }
}

fn read_form(request: &mut impl BufRead) -> Vec<(String, String)> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        request.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = String::new();
    request.take(length).read_to_string(&mut body).unwrap();
    body.split('&').filter_map(|pair| pair.split_once('=')).map(|(key, value)| (decoded(key), decoded(value))).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8(decoded).unwrap()
}

fn event(messages: &[&str]) -> SnsEvent {
    let record = |message: &&str| record(SNAPSHOTS, message);
    serde_json::from_value(json!({ "Records": messages.iter().map(record).collect::<Vec<_>>() })).unwrap()
}

fn record(topic: &str, message: &str) -> Value {
    json!({
        "EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": format!("{topic}:1"),
        "Sns": {
            "Type": "Notification", "MessageId": "1", "TopicArn": topic, "Subject": null, "Message": message,
            "Timestamp": "2026-11-21T12:00:00.000Z", "SignatureVersion": "1", "Signature": "", "MessageAttributes": {},
            "SigningCertUrl": "", "UnsubscribeUrl": ""
        }
    })
}

fn snapshot(pool: &str, agents: usize, tasks: usize) -> String {
    let cluster = Cluster::of(agents, resources(4, 14_000)).running("/shop/web", tasks, resources(1, 1_000));
    contract::to_json(&ClusterSnapshot { pool: pool.to_owned(), ..cluster.snapshot() }.identified()).unwrap()
}

#[tokio::test]
async fn every_snapshot_is_answered_with_a_decision() {
    let sns = Sns::accepting(2);
    let event = event(&[&snapshot("workers", 10, 36), &snapshot("workers", 10, 26)]);
    sns.handler(Standard).handle(&event, NOON).await.unwrap();
    let published = sns.published();
    assert_eq!(published[0].1, "workers: scale_up +2 (10 -> 12 agents)");
    assert_eq!((published[0].0.delta, published[0].0.target), (2, 12));
    // Also where nothing is to be done: silence would mean trouble.
    assert_eq!(published[1].1, "workers: normal (10 agents)");
    assert_eq!(published.len(), 2);
}

#[tokio::test]
async fn a_bad_record_does_not_hide_another() {
    let sns = Sns::accepting(9);
    let late = Cluster::of(2, resources(4, 14_000)).snapshot();
    let late = ClusterSnapshot { taken_at: NOON - SignedDuration::from_secs(121), ..late };
    let mut event = event(&["no JSON", &snapshot("elsewhere", 3, 0), &contract::to_json(&late).unwrap()]);
    let other_topic = record("arn:aws:sns:eu-west-1:123456789012:other", &snapshot("workers", 1, 0));
    event.records.push(serde_json::from_value(other_topic).unwrap());
    event.records.push(serde_json::from_value(record(SNAPSHOTS, &snapshot("workers", 10, 36))).unwrap());
    sns.handler(Standard).handle(&event, NOON).await.unwrap();
    let subjects: Vec<String> = sns.published().into_iter().map(|(_, subject)| subject).collect();
    assert_eq!(subjects, ["workers: scale_up +2 (10 -> 12 agents)"]);
}

#[tokio::test]
async fn failed_publishing_is_reported_after_every_record_is_handled() {
    let sns = Sns::accepting(0);
    let event = event(&[&snapshot("workers", 10, 36), "no JSON", &snapshot("workers", 10, 26)]);
    let ProcessError::NotPublished { failed, records, .. } =
        sns.handler(Standard).handle(&event, NOON).await.unwrap_err();
    assert_eq!((failed, records, sns.published().len()), (2, 3, 2));
}

#[tokio::test]
async fn pools_with_a_custom_check_are_left_alone() {
    let sns = Sns::accepting(9);
    sns.handler(Standard).handle(&event(&[&snapshot("own", 10, 36)]), NOON).await.unwrap();
    assert!(sns.published().is_empty());
}

#[tokio::test]
async fn another_check_can_decide() {
    struct Never;
    impl Check for Never {
        fn decide(
            &self,
            snapshot: &ClusterSnapshot,
            policy: &Policy,
            now: Timestamp,
        ) -> Result<ScalingDecision, Expired> {
            Standard.decide(snapshot, &policy.with(|policy| policy.timing.pause_until = Some(Timestamp::MAX)), now)
        }
    }
    let sns = Sns::accepting(9);
    sns.handler(Never).handle(&event(&[&snapshot("workers", 10, 36)]), NOON).await.unwrap();
    assert_eq!(sns.published()[0].1, "workers: held (10 agents)");
}
