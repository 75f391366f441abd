//! `lambda-scale status`, `pause`, `resume` and `floor`: the real binary with the real SDK, against the local account.auto_scaling.

use std::collections::BTreeMap;
use std::process::Output;

use crate::support::{Account, GROUP};
use serde_json::Value;
use testbed::autoscaling::access_denied;

async fn run(account: &Account, arguments: &[&str]) -> Output {
    account.command(arguments).output().await.unwrap()
}

async fn json(account: &Account, arguments: &[&str]) -> Value {
    let output = run(account, &[arguments, &["--group", GROUP, "--output", "json"]].concat()).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice::<Value>(&output.stdout).unwrap()[0].clone()
}

fn tags(account: &Account) -> BTreeMap<String, String> {
    account.auto_scaling.group(GROUP, |group| group.tags.clone()).unwrap()
}

#[tokio::test]
async fn a_pause_is_set_printed_and_ended() {
    let account = Account::start("pause").await;
    let before = json(&account, &["status"]).await;
    assert_eq!((&before["desired_capacity"], &before["in_service"]), (&60.into(), &60.into()));
    assert!(before["paused_until"].is_null());
    let paused = json(&account, &["pause", "--for", "2h"]).await;
    assert_eq!(paused["paused_until"], tags(&account)["lambda-scale/pause-until"]);
    assert_eq!(json(&account, &["status"]).await["paused_until"], paused["paused_until"]);
    let output = run(&account, &["status", "--group", GROUP]).await;
    assert!(String::from_utf8_lossy(&output.stdout).contains("until 20"), "{output:?}");
    assert!(json(&account, &["resume"]).await["paused_until"].is_null());
    assert!(tags(&account).is_empty());
    // Once more changes nothing, and makes no call.
    let mark = account.auto_scaling.call_count();
    json(&account, &["resume"]).await;
    assert!(account.auto_scaling.calls().split_off(mark).iter().all(|call| !call.is_mutating()));
}

#[tokio::test]
async fn a_floor_is_set_and_cleared() {
    let account = Account::start("floor").await;
    let floor = json(&account, &["floor", "20", "--for", "3h"]).await;
    assert_eq!(floor["floor"]["instances"], 20);
    assert!(tags(&account)["lambda-scale/floor"].starts_with("20 20"));
    assert!(json(&account, &["floor", "--clear"]).await["floor"].is_null());
    assert!(tags(&account).is_empty());
}

#[tokio::test]
async fn a_command_affects_all_groups_or_the_named_pools() {
    let account = Account::start("pools").await;
    let directory = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let config = directory.join("marks.toml");
    let pool = |name: &str, group: &str| {
        format!("[[pools]]\nname = {name:?}\ngroup = {group:?}\nattributes = {{ pool = {name:?} }}\n")
    };
    let configuration =
        format!("[mesos]\nmasters = [\"http://10.0.0.5:5050\"]\n{}{}", pool("a", GROUP), pool("b", "other"));
    std::fs::write(&config, configuration).unwrap();
    let config = config.to_str().unwrap();
    let output = run(&account, &["pause", "--for", "1h", "--config", config, "--pool", "a"]).await;
    assert!(output.status.success(), "{output:?}");
    // One of the two groups does not exist: neither is touched.
    let before = tags(&account);
    let output = run(&account, &["resume", "--config", config]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no Auto Scaling group \"other\""), "{output:?}");
    assert_eq!(tags(&account), before);
    let output = run(&account, &["status", "--config", config, "--pool", "c"]).await;
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test]
async fn a_failure_prints_its_cause() {
    let account = Account::start("marks-fail").await;
    account.faults.refuse("CreateOrUpdateTags", access_denied("CreateOrUpdateTags"), 1);
    let output = run(&account, &["pause", "--for", "1h", "--group", GROUP]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("autoscaling:CreateOrUpdateTags"), "{output:?}");
    for arguments in
        [&["pause", "--for", "0s", "--group", GROUP][..], &["pause", "--group", GROUP], &["floor", "--for", "1h"]]
    {
        assert_eq!(run(&account, arguments).await.status.code(), Some(2), "{arguments:?}");
    }
    account.auto_scaling.group(GROUP, |group| group.tags.insert("lambda-scale/floor".to_owned(), "many".to_owned()));
    let status = json(&account, &["status"]).await;
    assert!(status["notes"][0].as_str().unwrap().contains("nothing is removed"), "{status}");
    for (value, until) in
        [("2099-01-01", "2099-01-02T00:00:00.000Z"), ("forever", "forever"), ("a while", "unreadable")]
    {
        account
            .auto_scaling
            .group(GROUP, |group| group.tags.insert("lambda-scale/pause-until".to_owned(), value.to_owned()));
        assert_eq!(json(&account, &["status"]).await["paused_until"], until);
    }
    for (until, expected) in [("2099-01-01", "2099-01-02T00:00:00.000Z"), ("forever", "forever")] {
        assert_eq!(json(&account, &["pause", "--until", until]).await["paused_until"], expected);
        assert_eq!(tags(&account)["lambda-scale/pause-until"], expected);
    }
    for until in ["2020-01-01", "tomorrow"] {
        let output = run(&account, &["pause", "--until", until, "--group", GROUP]).await;
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
}
