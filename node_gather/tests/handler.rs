//! The function from the master to the topic: one message per pool, or an error and no message.

use std::sync::{Arc, Mutex};

use crate::support::{RawServer, answer, server, state_answer};
use cluster::{Cluster, resources};
use node_gather::config::Settings;
use node_gather::handler::{GatherError, Handler};
use node_gather::histories::Histories;
use node_gather::marathon;
use node_gather::mesos::client::Client;
use node_gather::observe::{ObserveError, Sources};
use shared::config::Config;
use shared::contract::{ClusterSnapshot, CompletenessLevel, decode};
use shared::error::Chain;
use shared::sns::Topic;
use testbed::faults::{Calls, Fault, FaultPlan, Trouble};
use testbed::marathon::Marathon;
use testbed::sns::Sns;
use testbed::{AwsError, Service, sdk_config};

/// SNS with the topic of the snapshots.
struct Snapshots {
    sns: Sns,
    topic: String,
    faults: FaultPlan,
}

impl Snapshots {
    async fn new() -> Self {
        let faults = FaultPlan::default();
        let sns = Sns::start(&faults).await.unwrap();
        let topic = sns.create("snapshots", None);
        Self { sns, topic, faults }
    }

    fn published(&self) -> Vec<ClusterSnapshot> {
        self.sns.published(&self.topic, 0).iter().map(|message| decode(&message.body, None).unwrap()).collect()
    }
}

/// Two pools, the first of which has the attribute of the captured cluster's one agent.
async fn run(master: &RawServer, snapshots: &Snapshots) -> Result<(), GatherError> {
    run_with(master, snapshots, "").await
}

/// The same with more settings at the top.
async fn run_with(master: &RawServer, snapshots: &Snapshots, settings: &str) -> Result<(), GatherError> {
    let configuration = format!(
        "{settings}\nmesos.masters = [\"{}\"]\n\
         [[pools]]\nname = \"first\"\ngroup = \"first\"\nattributes = {{ pool = \"none\" }}\n\
         [[pools]]\nname = \"second\"\ngroup = \"second\"\ncheck = \"custom\"\nattributes = {{ pool = \"other\" }}\n",
        master.url()
    );
    let config = Config::parse(&configuration).unwrap_or_else(|problems| panic!("{problems}"));
    let topic = Topic::new(aws_sdk_sns::Client::new(&sdk_config(&snapshots.sns.url())), snapshots.topic.clone());
    let mesos = config.mesos.as_ref().map(|mesos| Client::new(mesos.clone(), None, None).unwrap());
    let marathon =
        config.marathon.as_ref().map(|settings| marathon::client::Client::new(settings, None, None).unwrap());
    let handler = Handler::new(Settings {
        config,
        sources: Sources { mesos, marathon, ..Sources::default() },
        histories: Histories::default(),
        snapshot_topic: topic,
    });
    handler.handle("2026-11-21T18:00:00Z".parse().unwrap()).await
}

#[tokio::test]
async fn every_pool_gets_its_snapshot() {
    let snapshots = Snapshots::new().await;
    run(&server(state_answer()), &snapshots).await.unwrap();
    let published = snapshots.published();
    let pools: Vec<&str> = published.iter().map(|snapshot| &*snapshot.pool).collect();
    assert_eq!(pools, ["first", "second"], "a pool with a custom check, too");
    assert!(published.iter().all(|snapshot| snapshot.source.mesos_version == "1.11.0"));
}

#[tokio::test]
async fn a_failure_for_one_pool_does_not_affect_the_others() {
    let snapshots = Snapshots::new().await;
    let first = Calls::Containing(Service::Sns, "\"pool\":\"first\"".to_owned());
    let refused = Trouble::Refused(AwsError::new(403, "AuthorizationError", "no"));
    snapshots.faults.add(Fault::at(first, refused).times(100));
    let error = run(&server(state_answer()), &snapshots).await.unwrap_err();
    assert_eq!((snapshots.sns.call_count(), snapshots.published().len()), (2, 1));
    let text = Chain::new(&error).to_string();
    assert!(text.starts_with("1 of 2 snapshots were not published: first: cannot publish to"), "{text}");
    assert!(text.contains("sns:Publish") && !text.contains("second"), "{text}");
}

#[tokio::test]
async fn an_invalid_state_publishes_nothing() {
    for invalid in [
        answer("503 Service Unavailable", "", "No leader elected"),
        answer("200 OK", "", "{}"),
        answer("200 OK", "", r#"{"slaves":[]}"#),
        answer("200 OK", "", r#"{"slaves":[],"frameworks":[]"#),
        answer("200 OK", "", "<html>"),
    ] {
        let snapshots = Snapshots::new().await;
        let error = run(&server(invalid), &snapshots).await.unwrap_err();
        assert!(matches!(error, GatherError::Observe(ObserveError::Fetch(_))), "{error:?}");
        assert_eq!(snapshots.sns.call_count(), 0);
    }
}

#[tokio::test]
async fn queued_instances_of_marathon_are_in_the_snapshot() {
    let snapshots = Snapshots::new().await;
    let cluster =
        Cluster::default().queued("/new", 3, resources(2, 64)).constrained("/new", &[&["hostname", "UNIQUE"]]);
    let marathon = Marathon::start(Arc::new(Mutex::new(cluster)), &snapshots.faults).await.unwrap();
    let settings = format!("marathon.url = \"{}\"", marathon.url());
    run_with(&server(state_answer()), &snapshots, &settings).await.unwrap();
    let first = snapshots.published().remove(0);
    let application = first.applications.iter().find(|application| application.name == "/new").unwrap();
    assert_eq!((application.queued, application.task_count, application.max_per_agent), (3, 0, Some(1)));
    assert_eq!(application.queued_tasks[0].resources.to_string(), "2 cpus, 64 MB");
}

#[tokio::test]
async fn without_marathon_the_snapshot_is_partial() {
    let snapshots = Snapshots::new().await;
    let marathon = Marathon::start(Arc::default(), &snapshots.faults).await.unwrap();
    snapshots.faults.refuse("/v2/queue", AwsError::new(503, "", ""), 100);
    let settings = format!("marathon.url = \"{}\"", marathon.url());
    run_with(&server(state_answer()), &snapshots, &settings).await.unwrap();
    let published = snapshots.published();
    assert_eq!(published.len(), 2);
    for snapshot in published {
        assert_ne!(snapshot.completeness.level, CompletenessLevel::Complete);
        let reasons = snapshot.completeness.reasons.join("; ");
        assert!(reasons.contains("queued instances are unknown: http://127.0.0.1:"), "{reasons}");
        assert!(reasons.contains("/v2/queue: status 503"), "{reasons}");
    }
}

#[tokio::test]
async fn without_constraints_the_snapshot_is_partial() {
    let snapshots = Snapshots::new().await;
    let marathon = Marathon::start(Arc::default(), &snapshots.faults).await.unwrap();
    snapshots.faults.refuse("/v2/apps", AwsError::new(503, "", ""), 1);
    let settings = format!("marathon.url = \"{}\"", marathon.url());
    run_with(&server(state_answer()), &snapshots, &settings).await.unwrap();
    for snapshot in snapshots.published() {
        assert_ne!(snapshot.completeness.level, CompletenessLevel::Complete);
        let reasons = snapshot.completeness.reasons.join("; ");
        assert!(reasons.contains("constraints of applications are unknown: http://127.0.0.1:"), "{reasons}");
        assert!(reasons.contains("/v2/apps: status 503"), "{reasons}");
    }
}
