//! Recorded files, as SNS and Firehose write them.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use cluster::{Cluster, NOON, policy, resources};
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::SignedDuration;
use serde_json::{Map, json};
use shared::contract::{ClusterSnapshot, Message, ScalingDecision, encode};

/// A directory of one test, empty.
pub(crate) fn directory(test: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("recorded-{test}"));
    drop(fs::remove_dir_all(&path));
    fs::create_dir_all(&path).unwrap();
    path
}

/// The snapshot of five agents of 4 cpus with so many tasks of one cpu, so many minutes after noon.
pub(crate) fn snapshot(pool: &str, tasks: usize, minute: i64) -> ClusterSnapshot {
    let mut snapshot = Cluster::of(5, resources(4, 14_000)).running("/shop/web", tasks, resources(1, 1000)).snapshot();
    snapshot.taken_at = NOON + SignedDuration::from_mins(minute);
    snapshot.pool = pool.to_owned();
    snapshot.identified()
}

/// What is decided on it two seconds later with these settings.
pub(crate) fn decision(snapshot: &ClusterSnapshot, settings: &str) -> ScalingDecision {
    let now = snapshot.taken_at + SignedDuration::from_secs(2);
    node_process::decide(snapshot, &policy(settings).unwrap(), now).unwrap()
}

/// What SNS delivers of a message.
pub(crate) fn envelope<M: Message>(message: &M) -> String {
    let message = encode(message).unwrap();
    let attribute = |(name, value): &(&str, String)| ((*name).to_owned(), json!({"Type": "String", "Value": value}));
    let attributes: Map<_, _> = message.attributes.iter().map(attribute).collect();
    let topic = "arn:aws:sns:eu-west-1:123456789012:lambda-scale-snapshots";
    json!({"Type": "Notification", "MessageId": "719a6bbf-f51b-5320-920f-3385b5e9aa56", "TopicArn": topic, "Message": message.body,
        "Timestamp": "2026-11-21T16:00:00.000Z", "MessageAttributes": attributes})
    .to_string()
}

/// A file of gzip, as Firehose writes one.
pub(crate) fn gzip(text: &str) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(text.as_bytes()).unwrap();
    gzip.finish().unwrap()
}
