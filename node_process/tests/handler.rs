//! The function at its two ends: SNS events come in, decisions are published to a local SNS endpoint.

use aws_lambda_events::event::sns::SnsEvent;
use cluster::{Cluster, NOON, resources};
use jiff::{SignedDuration, Timestamp};
use node_process::config::Settings;
use node_process::{Check, Expired, Handler, ProcessError, Standard};
use shared::config::{Config, Policy};
use shared::contract::{self, ClusterSnapshot, ScalingDecision};
use shared::sns::Topic;
use testbed::faults::FaultPlan;
use testbed::sns::{self, Message, Sns};
use testbed::{AwsError, sdk_config};

/// The topic of the snapshots.
const SNAPSHOTS: &str = "snapshots";

/// SNS with the topic of the decisions.
struct Decisions {
    sns: Sns,
    topic: String,
    faults: FaultPlan,
}

impl Decisions {
    async fn new() -> Self {
        let faults = FaultPlan::default();
        let sns = Sns::start(&faults).await.unwrap();
        let topic = sns.create("decisions", None);
        Self { sns, topic, faults }
    }

    fn handler<C: Check>(&self, check: C) -> Handler<C> {
        let client = aws_sdk_sns::Client::new(&sdk_config(&self.sns.url()));
        let decision_topic = Topic::new(client, self.topic.clone());
        let configuration = r#"
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
        let config = Config::parse(configuration).unwrap();
        Handler::new(Settings { config, decision_topic, snapshot_topic_arn: Some(sns::arn(SNAPSHOTS)) }, check)
    }

    /// What was published so far: the decisions with their subject lines.
    fn published(&self) -> Vec<(ScalingDecision, String)> {
        let decision =
            |message: Message| (contract::decode(&message.body, None).unwrap(), message.subject.unwrap_or_default());
        self.sns.published(&self.topic, 0).into_iter().map(decision).collect()
    }
}

fn event(messages: &[Message]) -> SnsEvent {
    serde_json::from_value(sns::event(messages)).unwrap()
}

/// What the topic of the snapshots delivers.
fn delivered(body: &str) -> Message {
    Message::unpublished(&sns::arn(SNAPSHOTS), body)
}

fn snapshot(pool: &str, agents: usize, tasks: usize) -> Message {
    let cluster = Cluster::of(agents, resources(4, 14_000)).running("/shop/web", tasks, resources(1, 1_000));
    let snapshot = ClusterSnapshot { pool: pool.to_owned(), ..cluster.snapshot() }.identified();
    delivered(&contract::to_json(&snapshot).unwrap())
}

#[tokio::test]
async fn every_snapshot_is_answered_with_a_decision() {
    let decisions = Decisions::new().await;
    let event = event(&[snapshot("workers", 10, 36), snapshot("workers", 10, 26)]);
    decisions.handler(Standard).handle(&event, NOON).await.unwrap();
    let published = decisions.published();
    assert_eq!(published[0].1, "workers: scale_up, +2, to 12 agents");
    assert_eq!((published[0].0.delta, published[0].0.target), (2, 12));
    // Also where nothing is to be done: silence would mean trouble.
    assert_eq!(published[1].1, "workers: normal, stays at 10 agents");
    assert_eq!(published.len(), 2);
}

#[tokio::test]
async fn a_bad_record_does_not_hide_another() {
    let decisions = Decisions::new().await;
    let late = Cluster::of(2, resources(4, 14_000)).snapshot();
    let late = ClusterSnapshot { taken_at: NOON - SignedDuration::from_secs(121), ..late };
    let other_topic = Message { topic: sns::arn("other"), ..snapshot("workers", 1, 0) };
    let event = event(&[
        delivered("no JSON"),
        snapshot("elsewhere", 3, 0),
        delivered(&contract::to_json(&late).unwrap()),
        other_topic,
        snapshot("workers", 10, 36),
    ]);
    decisions.handler(Standard).handle(&event, NOON).await.unwrap();
    let subjects: Vec<String> = decisions.published().into_iter().map(|(_, subject)| subject).collect();
    assert_eq!(subjects, ["workers: scale_up, +2, to 12 agents"]);
}

#[tokio::test]
async fn failed_publishing_is_reported_after_every_record_is_handled() {
    let decisions = Decisions::new().await;
    decisions.faults.refuse("Publish", AwsError::new(403, "AuthorizationError", "no"), 100);
    let event = event(&[snapshot("workers", 10, 36), delivered("no JSON"), snapshot("workers", 10, 26)]);
    let ProcessError::NotPublished { failed, records, .. } =
        decisions.handler(Standard).handle(&event, NOON).await.unwrap_err();
    assert_eq!((failed, records, decisions.sns.call_count()), (2, 3, 2));
}

#[tokio::test]
async fn pools_with_a_custom_check_are_left_alone() {
    let decisions = Decisions::new().await;
    decisions.handler(Standard).handle(&event(&[snapshot("own", 10, 36)]), NOON).await.unwrap();
    assert!(decisions.published().is_empty());
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
    let decisions = Decisions::new().await;
    decisions.handler(Never).handle(&event(&[snapshot("workers", 10, 36)]), NOON).await.unwrap();
    assert_eq!(decisions.published()[0].1, "workers: held, stays at 10 agents");
}
