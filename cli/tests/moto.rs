//! `lambda-scale status` against moto, an independent AWS emulator.

use serde_json::{Value, json};
use testbed::moto::Moto;
use testbed::{REGION, now};
use tokio::process::Command;

const GROUP: &str = "mesos-workers";

/// `lambda-scale status` reads the log that an independent CloudWatch keeps.
#[tokio::test]
async fn the_last_decisions_are_read_from_an_independent_log() {
    let Some(moto) = Moto::start().await.unwrap() else { return };
    moto.create_group(GROUP, 3).await.unwrap();
    let (log, stream) = ("/aws/lambda/lambda-scale/node_scale", "2026/11/21/[$LATEST]0");
    let now = now();
    let line = json!({
        "timestamp": now.to_string(), "level": "INFO", "pool": "workers", "group": GROUP, "state": "scale_up",
        "action": "scaled_up", "from": 2, "to": 3, "reason": "increases desired capacity 2 -> 3", "message": "outcome",
    });
    let event = |message: &str| json!({ "timestamp": now.as_millisecond(), "message": message });
    let events = [event("START RequestId: 1"), event(&line.to_string())];
    let group = json!({ "logGroupName": log });
    let named = json!({ "logGroupName": log, "logStreamName": stream });
    let lines = json!({ "logGroupName": log, "logStreamName": stream, "logEvents": events });
    for (action, request) in [("CreateLogGroup", group), ("CreateLogStream", named), ("PutLogEvents", lines)] {
        moto.json_call("logs", &format!("Logs_20140328.{action}"), &request).await.unwrap();
    }
    for (stack, expected) in [("lambda-scale", 1), ("another", 0)] {
        let output = Command::new(env!("CARGO_BIN_EXE_lambda-scale"))
            .args(["status", "--group", GROUP, "--stack", stack, "--output", "json"])
            .env_clear()
            .envs([("AWS_ENDPOINT_URL", moto.url().as_str()), ("AWS_REGION", REGION), ("NO_PROXY", "*")])
            .envs([("AWS_ACCESS_KEY_ID", "local"), ("AWS_SECRET_ACCESS_KEY", "local")])
            .output()
            .await
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let all: Value = serde_json::from_slice(&output.stdout).unwrap();
        let decisions = all[0]["decisions"].as_array().unwrap();
        assert_eq!(decisions.len(), expected, "{all}");
        assert!(decisions.iter().all(|decided| decided["reason"] == "increases desired capacity 2 -> 3"), "{all}");
    }
}
