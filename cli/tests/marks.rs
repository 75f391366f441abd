//! `lambda-scale status`, `pause`, `resume` and `floor`: the real binary with the real SDK, against the local endpoint.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use std::collections::BTreeMap;
use std::process::Output;

use lambda_scale::local::autoscaling::{AutoScaling, Group, access_denied};
use serde_json::Value;
use tokio::process::Command;

const GROUP: &str = "mesos-workers";

async fn endpoint() -> AutoScaling {
    let mut group = Group::new(GROUP, 1, 30, &["a"]);
    #[expect(clippy::disallowed_methods, reason = "the group lives in the present")]
    let now = jiff::Timestamp::now();
    (0..3).for_each(|n| group.adopt(&format!("i-{n}"), "a", now));
    AutoScaling::start([group]).await.unwrap()
}

async fn run(endpoint: &AutoScaling, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lambda-scale"))
        .args(arguments)
        .env_clear()
        .envs([("AWS_ENDPOINT_URL", endpoint.url()), ("AWS_REGION", "us-east-1".to_owned())])
        .envs([("AWS_ACCESS_KEY_ID", "local"), ("AWS_SECRET_ACCESS_KEY", "local"), ("NO_PROXY", "*")])
        .output()
        .await
        .unwrap()
}

async fn json(endpoint: &AutoScaling, arguments: &[&str]) -> Value {
    let output = run(endpoint, &[arguments, &["--group", GROUP, "--output", "json"]].concat()).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice::<Value>(&output.stdout).unwrap()[0].clone()
}

fn tags(endpoint: &AutoScaling) -> BTreeMap<String, String> {
    endpoint.group(GROUP, |group| group.tags.clone()).unwrap()
}

#[tokio::test]
async fn a_pause_is_set_seen_and_ended() {
    let endpoint = endpoint().await;
    let before = json(&endpoint, &["status"]).await;
    assert_eq!((&before["desired_capacity"], &before["in_service"]), (&3.into(), &3.into()));
    assert!(before["paused_until"].is_null());
    let paused = json(&endpoint, &["pause", "--for", "2h"]).await;
    assert_eq!(paused["paused_until"], tags(&endpoint)["lambda-scale/pause-until"]);
    assert_eq!(json(&endpoint, &["status"]).await, paused);
    let output = run(&endpoint, &["status", "--group", GROUP]).await;
    assert!(String::from_utf8_lossy(&output.stdout).contains("until 20"), "{output:?}");
    assert!(json(&endpoint, &["resume"]).await["paused_until"].is_null());
    assert!(tags(&endpoint).is_empty());
    // Once more changes nothing, and calls nothing.
    let mark = endpoint.mark();
    json(&endpoint, &["resume"]).await;
    assert!(endpoint.calls().split_off(mark).iter().all(|call| !call.is_mutating()));
}

#[tokio::test]
async fn a_floor_is_set_and_cleared() {
    let endpoint = endpoint().await;
    let floor = json(&endpoint, &["floor", "20", "--for", "3h"]).await;
    assert_eq!(floor["floor"]["instances"], 20);
    assert!(tags(&endpoint)["lambda-scale/floor"].starts_with("20 20"));
    assert!(json(&endpoint, &["floor", "--clear"]).await["floor"].is_null());
    assert!(tags(&endpoint).is_empty());
}

#[tokio::test]
async fn the_groups_of_a_configuration_are_all_meant_or_the_pools_that_are_named() {
    let endpoint = endpoint().await;
    let directory = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let config = directory.join("marks.toml");
    let pool = |name: &str, group: &str| {
        format!("[[pools]]\nname = {name:?}\ngroup = {group:?}\nattributes = {{ pool = {name:?} }}\n")
    };
    let document = format!("[mesos]\nmasters = [\"http://10.0.0.5:5050\"]\n{}{}", pool("a", GROUP), pool("b", "other"));
    std::fs::write(&config, document).unwrap();
    let config = config.to_str().unwrap();
    let output = run(&endpoint, &["pause", "--for", "1h", "--config", config, "--pool", "a"]).await;
    assert!(output.status.success(), "{output:?}");
    // One of the two groups does not exist: neither is touched.
    let before = tags(&endpoint);
    let output = run(&endpoint, &["resume", "--config", config]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no Auto Scaling group \"other\""), "{output:?}");
    assert_eq!(tags(&endpoint), before);
    let output = run(&endpoint, &["status", "--config", config, "--pool", "c"]).await;
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test]
async fn what_fails_says_why() {
    let endpoint = endpoint().await;
    endpoint.fail_next("CreateOrUpdateTags", access_denied("CreateOrUpdateTags"), 1);
    let output = run(&endpoint, &["pause", "--for", "1h", "--group", GROUP]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("autoscaling:CreateOrUpdateTags"), "{output:?}");
    for arguments in
        [&["pause", "--for", "0s", "--group", GROUP][..], &["pause", "--group", GROUP], &["floor", "--for", "1h"]]
    {
        assert_eq!(run(&endpoint, arguments).await.status.code(), Some(2), "{arguments:?}");
    }
    endpoint.group(GROUP, |group| group.tags.insert("lambda-scale/floor".to_owned(), "many".to_owned()));
    let status = json(&endpoint, &["status"]).await;
    assert!(status["notes"][0].as_str().unwrap().contains("has no effect"), "{status}");
}
