//! The function from the master to the topic: one message per pool, or an error and no message.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "what fails here fails the test")]

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use aws_sdk_sns::config::{BehaviorVersion, Region};
use node_gather::handler::{GatherError, Handler};
use node_gather::marathon;
use node_gather::mesos::client::Client;
use node_gather::observe::{ObserveError, Sources};
use shared::config::Config;
use shared::contract::{ClusterSnapshot, CompletenessLevel, decode};
use shared::error::Chain;
use shared::sns::Topic;
use support::{Master, answer, state_answer};
use url::Url;

const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:snapshots";

/// An SNS on this machine: takes what does not hold the forbidden text, and keeps every message.
struct Sns {
    url: String,
    messages: Arc<Mutex<Vec<String>>>,
}

impl Sns {
    fn refusing(forbidden: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let messages = Arc::new(Mutex::new(Vec::new()));
        let kept = messages.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let message = read_message(&mut stream);
                let refused = message.contains(forbidden);
                kept.lock().unwrap().push(message);
                let response = if refused {
                    let error = "<Type>Sender</Type><Code>AuthorizationError</Code><Message>no</Message>";
                    answer("403 Forbidden", "", &format!("<ErrorResponse><Error>{error}</Error></ErrorResponse>"))
                } else {
                    let result = "<PublishResult><MessageId>1</MessageId></PublishResult>";
                    answer("200 OK", "", &format!("<PublishResponse>{result}</PublishResponse>"))
                };
                stream.write_all(&response).unwrap();
            }
        });
        Self { url, messages }
    }

    fn messages(&self) -> Vec<String> {
        self.messages.lock().unwrap().clone()
    }
}

/// The field `Message` of the form that the SDK posts.
fn read_message(stream: &mut impl Read) -> String {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        request.push(byte[0]);
    }
    let head = String::from_utf8(request).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    let mut form = vec![0; length];
    stream.read_exact(&mut form).unwrap();
    let form = format!("http://form/?{}", String::from_utf8(form).unwrap());
    let form = Url::parse(&form).unwrap();
    form.query_pairs().find(|(name, _)| name == "Message").unwrap().1.into_owned()
}

/// Two pools; the first has the attribute of the captured cluster's only agent.
fn run(master: &Master, sns: &Sns) -> Result<(), GatherError> {
    run_with(master, sns, "")
}

/// The same with more settings at the top.
fn run_with(master: &Master, sns: &Sns, settings: &str) -> Result<(), GatherError> {
    let document = format!(
        "{settings}\nmesos.masters = [\"{}\"]\n\
         [[pools]]\nname = \"first\"\ngroup = \"first\"\nattributes = {{ pool = \"none\" }}\n\
         [[pools]]\nname = \"second\"\ngroup = \"second\"\ncheck = \"custom\"\nattributes = {{ pool = \"other\" }}\n",
        master.url()
    );
    let config = Config::parse(&document).unwrap_or_else(|problems| panic!("{problems}"));
    let sdk = aws_sdk_sns::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .endpoint_url(&sns.url)
        .allow_no_auth()
        .build();
    let topic = Topic::new(aws_sdk_sns::Client::from_conf(sdk), TOPIC.to_owned());
    let mesos = config.mesos.as_ref().map(|mesos| Client::new(mesos.clone(), None, None).unwrap());
    let marathon = config.marathon.as_ref().map(|settings| marathon::client::Client::new(settings, None).unwrap());
    let handler = Handler::new(config, Sources { mesos, marathon, ..Sources::default() }, topic);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(handler.handle("2026-11-21T18:00:00Z".parse().unwrap()))
}

#[test]
fn every_pool_gets_its_snapshot() {
    let sns = Sns::refusing("nothing is forbidden");
    run(&Master::with(state_answer()), &sns).unwrap();
    let snapshots: Vec<ClusterSnapshot> = sns.messages().iter().map(|message| decode(message, None).unwrap()).collect();
    let pools: Vec<&str> = snapshots.iter().map(|snapshot| &*snapshot.pool).collect();
    assert_eq!(pools, ["first", "second"], "a pool with a custom check, too");
    assert!(snapshots.iter().all(|snapshot| snapshot.source.mesos_version == "1.11.0"));
}

#[test]
fn a_failure_for_one_pool_does_not_affect_the_others() {
    let sns = Sns::refusing("\"pool\":\"first\"");
    let error = run(&Master::with(state_answer()), &sns).unwrap_err();
    assert_eq!(sns.messages().len(), 2);
    let text = Chain::new(&error).to_string();
    assert!(text.starts_with("1 of 2 snapshots were not published: first: cannot publish to"), "{text}");
    assert!(text.contains("sns:Publish") && !text.contains("second"), "{text}");
}

#[test]
fn an_invalid_state_publishes_nothing() {
    for invalid in [
        answer("503 Service Unavailable", "", "No leader elected"),
        answer("200 OK", "", "{}"),
        answer("200 OK", "", r#"{"slaves":[]}"#),
        answer("200 OK", "", r#"{"slaves":[],"frameworks":[]"#),
        answer("200 OK", "", "<html>"),
    ] {
        let sns = Sns::refusing("everything is fine");
        let error = run(&Master::with(invalid), &sns).unwrap_err();
        assert!(matches!(error, GatherError::Observe(ObserveError::Fetch(_))), "{error:?}");
        assert!(sns.messages().is_empty());
    }
}

#[test]
fn queued_instances_of_marathon_are_in_the_snapshot() {
    let queue =
        r#"{"queue":[{"count":3,"delay":{"timeLeftSeconds":0,"overdue":true},"app":{"id":"/new","cpus":2,"mem":64}}]}"#;
    let marathon = Master::with(answer("200 OK", "Content-Type: application/json\r\n", queue));
    let sns = Sns::refusing("nothing is forbidden");
    let settings = format!("marathon.url = \"{}\"", marathon.url());
    run_with(&Master::with(state_answer()), &sns, &settings).unwrap();
    let first: ClusterSnapshot = decode(&sns.messages()[0], None).unwrap();
    let application = first.applications.iter().find(|application| application.name == "/new").unwrap();
    assert_eq!((application.queued, application.task_count), (3, 0));
    assert_eq!(application.queued_tasks[0].resources.to_string(), "2 cpus, 64 mem");
}

#[test]
fn without_marathon_the_snapshot_is_partial() {
    let marathon = Master::with(answer("503 Service Unavailable", "", ""));
    let sns = Sns::refusing("nothing is forbidden");
    let settings = format!("marathon.url = \"{}\"", marathon.url());
    run_with(&Master::with(state_answer()), &sns, &settings).unwrap();
    for message in sns.messages() {
        let snapshot: ClusterSnapshot = decode(&message, None).unwrap();
        assert_ne!(snapshot.completeness.level, CompletenessLevel::Complete);
        let reasons = snapshot.completeness.reasons.join("; ");
        assert!(reasons.contains("queued instances are unknown: http://127.0.0.1:"), "{reasons}");
        assert!(reasons.contains("/v2/queue: status 503"), "{reasons}");
    }
}
