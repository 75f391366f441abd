//! `lambda-scale status`: the real binary, against the local master, Auto Scaling and log.

use std::path::Path;
use std::process::Output;

use crate::support::{Account, GROUP, told};
use serde_json::{Value, json};
use testbed::faults::Mode;
use testbed::ssm::Ssm;
use testbed::{AwsError, now};
use tokio::io::AsyncBufReadExt as _;

const LOG: &str = "/aws/lambda/lambda-scale/node_scale";

async fn status(account: &Account, config: &Path, more: &[&str]) -> Output {
    account.command(&["status", "--config"]).arg(config).args(more).output().await.unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice::<Value>(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))[0].clone()
}

/// A line of node_scale's log.
fn outcome(ago: i64, group: &str, state: &str, action: &str, reason: &str) -> (i64, String) {
    let line = json!({
        "timestamp": (now() - jiff::SignedDuration::from_secs(ago)).to_string(), "level": "INFO", "pool": "workers",
        "group": group, "state": state, "action": action, "from": 58, "to": 60, "reason": reason, "message": "outcome",
    });
    (ago, line.to_string())
}

#[tokio::test]
async fn status_prints_group_agents_and_decisions() {
    let account = Account::start("screen").await;
    let mut lines = vec![
        outcome(7200, GROUP, "scale_up", "failed", "long ago"),
        outcome(300, GROUP, "scale_up", "scaled_up", "2 more wanted"),
        outcome(130, "another", "scale_down", "scaled_down", "not ours"),
        (125, "START RequestId: an outcome of nothing".to_owned()),
    ];
    lines.extend([180, 120, 60].map(|ago| outcome(ago, GROUP, "normal", "none", "not below min = 1")));
    let lines: Vec<(i64, &str)> = lines.iter().map(|(ago, line)| (*ago, line.as_str())).collect();
    account.logs.write(LOG, &lines);
    let config = account.config("", r#"asg = "workers""#, "application_headroom_percent = 200");
    let output = status(&account, &config, &[]).await;
    let words = told(&output);
    assert!(output.status.success(), "{words}");
    for wanted in [
        "pool workers, Auto Scaling group mesos-workers",
        "desired 60, in service 60, min 1, max 100",
        "60 agents, all usable; 282 tasks",
        "least loaded ip-10-0-2-25.ec2.internal (0 tasks); ",
        "next decision scale_up, +10, to 70 agents: L2: max_scale_up_step = 10 allows 10 of 19 more agents",
        "decisions 3 times from 3m ago to 60s ago: normal, none 58 -> 60: not below min = 1",
        "5m ago: scale_up, scaled_up 58 -> 60: 2 more wanted",
    ] {
        assert!(words.contains(wanted), "{wanted:?} is not in {words}");
    }
    assert!(!words.contains("long ago") && !words.contains("not ours"), "{words}");
    assert!(output.stdout.split(|byte| *byte == b'\n').count() <= 24, "more than a screen: {words}");
    assert_eq!(account.writes(), 0);

    let all = json(&status(&account, &config, &["--output", "json"]).await);
    assert_eq!((&all["group"], &all["desired_capacity"]), (&json!(GROUP), &json!(60)));
    assert_eq!(all["snapshot"]["schema"], "lambda-scale/cluster-snapshot");
    assert_eq!((&all["decision"]["delta"], &all["unknown"]), (&json!(10), &json!([])));
    let states: Vec<&str> =
        all["decisions"].as_array().unwrap().iter().map(|decided| decided["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["normal", "normal", "normal", "scale_up"]);
}

#[tokio::test]
async fn status_prints_what_is_unknown_with_the_rest() {
    let account = Account::start("unknown").await;
    let config = account.config("", r#"asg = "workers""#, "");
    // Nothing is deployed under that name; `lambda-scale run` on a computer has no log at all.
    let output = status(&account, &config, &["--stack", "elsewhere"]).await;
    assert!(output.status.success(), "{}", told(&output));
    assert!(told(&output).contains("60 agents, all usable"), "{}", told(&output));

    account.faults.master(Mode::NoLeader);
    let output = status(&account, &config, &[]).await;
    assert_eq!(output.status.code(), Some(1));
    let words = told(&output);
    assert!(words.contains("desired 60, in service 60") && words.contains("no leading master"), "{words}");
    account.faults.master(Mode::Leading);

    account.faults.refuse("FilterLogEvents", AwsError::new(400, "AccessDeniedException", "refused"), 100);
    let output = status(&account, &config, &[]).await;
    assert_eq!(output.status.code(), Some(1));
    let words = told(&output);
    assert!(words.contains("60 agents, all usable") && words.contains("logs:FilterLogEvents"), "{words}");
}

#[tokio::test]
async fn a_group_alone_needs_no_configuration() {
    let account = Account::start("group").await;
    let line = outcome(60, "web-asg", "normal", "none", "1 agent");
    account.logs.write("/aws/lambda/web/node_scale", &[(line.0, &line.1)]);
    let arguments = ["status", "--group", "web-asg", "--stack", "web", "--output", "json"];
    let all = json(&account.command(&arguments).output().await.unwrap());
    assert_eq!((&all["group"], &all["snapshot"]), (&json!("web-asg"), &Value::Null));
    assert_eq!(all["decisions"].as_array().unwrap().len(), 1);
    let output = account.command(&["status", "--group", "web-agg"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("\"web-agg\" in us-east-1; did you mean web-asg?"), "{}", told(&output));
}

#[tokio::test]
async fn status_names_instances_that_are_no_agents_or_are_stranded() {
    let account = Account::start("stranded").await;
    let long_ago = now() - jiff::SignedDuration::from_hours(2);
    let lost = account.master.cluster(|cluster| {
        let number = cluster.agents().next().unwrap().number;
        cluster.lose(number).unwrap().instance_id().unwrap().to_owned()
    });
    account.auto_scaling.group(GROUP, |group| {
        group.adopt("i-0never", "us-east-1a", long_ago);
        group.tags.insert(format!("lambda-scale/decommission/{lost}"), long_ago.to_string());
    });
    let config = account.config("", r#"asg = "workers""#, "scale_down_strategy = \"drain\"");
    let all = json(&status(&account, &config, &["--output", "json"]).await);
    let notes: Vec<&str> = all["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap()).collect();
    let stranded = format!("deactivated for decommissioning, and no such agent is listed: {lost}; check one");
    assert!(notes.iter().any(|note| note.starts_with(&stranded)), "{notes:?}");
    let never = notes.iter().find(|note| note.starts_with("in service for longer than join_timeout")).unwrap();
    assert!(never.contains("i-0never") && never.contains(&lost), "{never}");
    let words = told(&status(&account, &config, &[]).await);
    assert!(words.contains("i-0never") && words.contains(&stranded), "{words}");
    assert_eq!(account.writes(), 0);
}

#[tokio::test]
async fn status_prints_agents_against_instances_and_silence() {
    let account = Account::start("silence").await;
    account.logs.write(LOG, &[]);
    account.auto_scaling.group(GROUP, |group| {
        group.adopt("i-0never", "us-east-1a", now() - jiff::SignedDuration::from_hours(2));
    });
    let config = account.config("", r#"asg = "workers""#, "");
    let output = status(&account, &config, &[]).await;
    let words = told(&output);
    assert!(words.contains("instances 60 are agents; 1 are not: i-0never"), "{words}");
    assert!(words.contains("outcomes none in the last hour; check that the schedule is enabled"), "{words}");
    let decision = words.find("next decision").unwrap();
    assert!(decision < words.find("capacity").unwrap() && decision < words.find("source").unwrap(), "{words}");
    let all = json(&status(&account, &config, &["--output", "json"]).await);
    assert_eq!((&all["pool"], &all["group"]), (&json!("workers"), &json!(GROUP)));
    // Agents of other attributes.
    let config = account.config("", r#"asg = "worker""#, "");
    let words = told(&status(&account, &config, &[]).await);
    assert!(words.contains("no agent no registered agent has asg = worker; 60 agents match no pool"), "{words}");
}

#[tokio::test]
async fn status_says_what_was_learned_and_what_is_wrong_with_it() {
    let account = Account::start("learned").await;
    let ssm = Ssm::start(&account.faults).await.unwrap();
    let config = account.config("", r#"asg = "workers""#, "learn = 98");
    let status = async || {
        let mut command = account.command(&["status", "--config"]);
        told(&command.arg(&config).env("AWS_ENDPOINT_URL_SSM", ssm.url()).output().await.unwrap())
    };
    let words = status().await;
    assert!(words.contains("learned nothing yet, from 0 runs"), "{words}");
    // The counter of the edge 6.
    let counts: Vec<u32> = (0..24).map(|place| if place == 5 { 1000 } else { 0 }).collect();
    let history = json!({
        "version": 1, "at": null, "elected_at": null, "horizon": 3, "agent": null, "row": [], "counts": counts,
    });
    ssm.put_text("/lambda-scale/lambda-scale/workers", &history.to_string());
    let words = status().await;
    let learned = "learned in 98% of 1000 runs over 16h40m demand grew by at most 6/8 of an agent in 3m: headroom 10%";
    assert!(words.contains(learned), "{words}");
    account.faults.refuse("GetParameters", AwsError::new(400, "AccessDeniedException", "not allowed"), 9);
    let words = status().await;
    let unknown = "unknown learned growth: GetParameters failed (AccessDeniedException); allow the function's role ssm:GetParameters";
    assert!(words.contains(unknown), "{words}");
    assert!(ssm.calls().iter().all(|call| call.action == "GetParameters"), "status writes nothing");
}

#[tokio::test]
async fn a_watch_shows_the_group_again_and_again() {
    let account = Account::start("watch").await;
    account.logs.write(LOG, &[]);
    let config = account.config("", r#"asg = "workers""#, "");
    let mut command = account.command(&["status", "--watch=1s", "--output", "json", "--config"]);
    let mut child = command.arg(&config).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = tokio::io::BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..2 {
        let line = lines.next_line().await.unwrap().unwrap();
        let one: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(one[0]["pool"], "workers");
    }
    // A reader that goes ends it, and a group that does not exist ends it at once.
    drop(lines);
    let ended = tokio::time::timeout(std::time::Duration::from_secs(20), child.wait()).await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(0));
    let output = account.command(&["status", "--watch", "--group", "mesos-worker"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).contains("did you mean mesos-workers?"), "{}", told(&output));
}
