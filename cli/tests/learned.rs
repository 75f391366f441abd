//! `explain --history`: what a pool has learned counts, or the explanation says what it would have done.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::{recording, told};
use serde_json::{Value, json};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const CONFIG: &str = "[mesos]\nmasters = [\"http://10.0.0.5:5050\"]\n[marathon]\nurl = \"http://10.0.0.5:8080\"\n\
    [[pools]]\nname = \"workers\"\ngroup = \"mesos-workers\"\nattributes = { asg = \"workers\" }\n";

fn call(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lambda-scale"));
    command.args(arguments).arg("--config").arg(folder.join("config.toml")).output().unwrap()
}

/// Explains the captured cluster with that history.
fn explain(folder: &Path, settings: &str, history: &str, more: &[&str]) -> Output {
    explain_with_queue(folder, settings, history, r#"{"queue":[]}"#, more)
}

fn explain_with_queue(folder: &Path, settings: &str, history: &str, queued: &str, more: &[&str]) -> Output {
    fs::write(folder.join("config.toml"), format!("{CONFIG}{settings}")).unwrap();
    let path = folder.join("history.json");
    fs::write(&path, history).unwrap();
    let state = format!("{ROOT}/tests/captures/1.11.0/30-big-60-agents/state.json");
    let queue = folder.join("queue.json");
    fs::write(&queue, queued).unwrap();
    let arguments = ["explain", "--now", "2026-11-21T18:00:00Z", "--state", &state, "--queue", queue.to_str().unwrap()];
    call(folder, &[&arguments, &["--history", path.to_str().unwrap()][..], more].concat())
}

/// What `learn` prints about a day of taxis.
fn learned(folder: &Path, more: &[&str]) -> String {
    fs::write(folder.join("config.toml"), CONFIG).unwrap();
    let trace = format!("{ROOT}/examples/traces/taxi-day.csv");
    let output = call(folder, &[&["learn", "--trace", &trace, "--peak-cpus", "200"], more].concat());
    assert!(output.status.success(), "{}", told(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_pool_with_a_history_sees_what_learning_would_have_done() {
    let folder = recording::directory("learned-off");
    let printed = learned(&folder, &[]);
    let stored = printed.lines().last().unwrap();
    let parameters = json!({"Parameters": [
        {"Name": "/lambda-scale/prod/other", "Value": "not read"}, {"Name": "/lambda-scale/prod/workers", "Value": stored},
    ]});
    let off = explain(&folder, "", stored, &[]);
    let words = told(&off);
    assert!(words.contains("learned in 95% of ") && words.contains("it does not count, with learn = 95: "), "{words}");
    // In every form in which it is saved.
    for form in [printed.clone(), parameters.to_string(), learned(&folder, &["--output", "json"])] {
        assert_eq!(told(&explain(&folder, "", &form, &[])), words, "{form}");
    }
    // With `learn` it counts, and the explanation says what would be without.
    let on = told(&explain(&folder, "learn = 95\n", stored, &[]));
    assert!(on.contains("learned in 95% of ") && !on.contains("it does not count"), "{on}");
    let json: Value = serde_json::from_slice(&explain(&folder, "", stored, &["--output", "json"]).stdout).unwrap();
    assert!(json["pools"][0]["learned"].as_str().unwrap().starts_with("in 95% of "), "{json}");
    assert!(json["pools"][0]["snapshot"]["growth"]["samples"].as_u64() > Some(700), "{json}");
}

#[test]
fn what_backs_off_is_part_of_the_demand_h7() {
    let folder = recording::directory("learned-backs-off");
    let stored = learned(&folder, &[]);
    let demand = |queue: &Value| {
        let output = explain_with_queue(&folder, "", &stored, &queue.to_string(), &["--output", "json"]);
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        json["pools"][0]["snapshot"]["growth"]["demand"].as_u64().unwrap()
    };
    let entry = |seconds: u64| {
        json!({"queue": [{
            "count": 8, "delay": {"timeLeftSeconds": seconds, "overdue": seconds == 0}, "since": "2026-11-21T17:00:00Z",
            "app": {"id": "/crash", "cpus": 1, "mem": 100, "instances": 8},
        }]})
    };
    let (none, waits, backs_off) = (demand(&json!({"queue": []})), demand(&entry(0)), demand(&entry(120)));
    assert!(waits > none && backs_off == waits, "{none}, {waits}, {backs_off}");
}

#[test]
fn a_history_of_one_pool_that_cannot_be_used_refuses_no_other_h10() {
    let folder = recording::directory("learned-corrupt");
    let printed = learned(&folder, &[]);
    let stored = printed.lines().last().unwrap();
    let second = "[[pools]]\nname = \"edge\"\ngroup = \"edge\"\nattributes = { asg = \"edge\" }\n";
    for (other, expected) in [
        ("not read", "the history cannot be read: "),
        (r#"{"version":99}"#, "version 99, this release reads version 1: deploy that release, or delete the parameter"),
    ] {
        let parameters = json!({"Parameters": [
            {"Name": "/lambda-scale/prod/edge", "Value": other}, {"Name": "/lambda-scale/prod/workers", "Value": stored},
        ]});
        let output = explain(&folder, second, &parameters.to_string(), &[]);
        assert!(output.status.success(), "{}", told(&output));
        let words = told(&output).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("in 95% of ") && words.contains(expected), "{words}");
    }
}

#[test]
fn what_is_no_history_is_refused() {
    let folder = recording::directory("learned-refused");
    let second = "[[pools]]\nname = \"edge\"\ngroup = \"edge\"\nattributes = { asg = \"edge\" }\n";
    for (settings, history, expected) in [
        ("", "hello", "history.json is no history, as `aws ssm get-parameters-by-path"),
        ("", "{\"version\": 99}", "history.json: "),
        (second, "{}", "has one history, and the configuration has several pools; save those of the stack"),
    ] {
        let output = explain(&folder, settings, history, &[]);
        assert_eq!(output.status.code(), Some(1), "{}", told(&output));
        assert!(told(&output).contains(expected), "{}", told(&output));
    }
}
