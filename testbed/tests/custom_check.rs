//! The two examples of docs/custom-checks.md at work in the chain: one in Python beside node_process, one in Rust in its
//! place.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{AGENTS, GROUP, desired, start_with};
use shared::contract::{ClusterSnapshot, OutcomeAction, ScalingDecision, ScalingOutcome};
use testbed::sns::{self, Message};
use testbed::stack::decode;
use testbed::{CONFIGURATION, Stack, stage};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

/// The pool of the local run, with a check of its own and the strategy that it then has.
fn custom() -> String {
    let configuration = CONFIGURATION.replace("name = \"workers\"", "name = \"batch\"\ncheck = \"custom\"");
    configuration.replace("scale_down_strategy = \"least_loaded\"", "scale_down_window = \"0s\"")
}

/// What the example in Python publishes about a snapshot, at that length of the queue.
fn asked_in_python(snapshot: &Message, queue_length: u32) -> String {
    let script = format!(
        "import json, sys; sys.path.insert(0, {:?}); import custom_check\n\
         custom_check.answer(json.load(sys.stdin), lambda: {queue_length}, lambda decision: print(json.dumps(decision)))",
        examples().join("custom-check-python")
    );
    let mut python = Command::new("python3")
        .args(["-B", "-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start python3: {error}"));
    python.stdin.take().unwrap().write_all(sns::event([snapshot]).to_string().as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// Looks at the cluster, asks the example, publishes what it says, and waits for the outcome.
async fn run_in_python(stack: &Stack, queue_length: u32) -> (Message, ScalingOutcome) {
    stack.follow_groups();
    let mark = stack.sns.mark();
    stack.gather().await.unwrap();
    stack.snapshot("batch", mark).await.unwrap();
    let snapshot = stack.sns.published(&stack.topics.snapshots, mark).remove(0);
    assert!(decode::<ClusterSnapshot>(&snapshot).is_some());
    let body = asked_in_python(&snapshot, queue_length);
    let message = stack.sns.publish(&stack.topics.decisions, &body, &[]).unwrap();
    let decision: ScalingDecision = decode(&message).unwrap();
    let outcome = stack.outcome(&decision, mark).await.unwrap();
    (message, outcome)
}

#[tokio::test]
async fn the_example_in_python_scales_by_the_state_alone() {
    let configuration = custom();
    let stack = start_with("python", stage::binaries().unwrap(), configuration).await;

    // 60 agents: below 600 messages one goes, above 3000 one comes.
    let (_, idle) = run_in_python(&stack, 599).await;
    assert_eq!((idle.action, idle.from, idle.to), (OutcomeAction::ScaledDown, Some(AGENTS), Some(AGENTS - 1)));
    stack.finish_activities();

    let (message, busy) = run_in_python(&stack, 3001).await;
    assert_eq!((busy.action, busy.to), (OutcomeAction::ScaledUp, Some(AGENTS)), "{busy:?}");
    // I2: delivered once more, before and after the instance is there.
    for _ in 0..2 {
        let mark = stack.sns.mark();
        drop(stack.sns.deliver(&message).unwrap());
        let again = stack.outcome(&decode(&message).unwrap(), mark).await.unwrap();
        assert_eq!(again.action, OutcomeAction::None, "{again:?}");
        stack.finish_activities();
    }
    assert_eq!(desired(&stack), AGENTS);

    let (_, quiet) = run_in_python(&stack, 1000).await;
    assert_eq!((quiet.action, quiet.reason.as_str()), (OutcomeAction::None, "as many agents as needed"));
    // node_process has left the pool alone all the while.
    assert_eq!(stack.sns.published(&stack.topics.decisions, 0).len(), 3);
}

#[tokio::test]
async fn a_decision_that_names_no_agents_scales_by_one_and_only_once() {
    let configuration = custom();
    let stack = start_with("state-alone", stage::binaries().unwrap(), configuration).await;
    let mark = stack.sns.mark();
    stack.gather().await.unwrap();
    let snapshot = stack.snapshot("batch", mark).await.unwrap();
    let taken_at = snapshot.taken_at.to_string();
    let expires_at = (snapshot.taken_at + jiff::SignedDuration::from_secs(120)).to_string();
    let body = |id: &str| {
        serde_json::json!({
            "schema": "lambda-scale/scaling-decision", "version": 1, "id": id, "pool": "batch",
            "snapshot_taken_at": taken_at, "expires_at": expires_at, "state": "scale_up",
        })
        .to_string()
    };
    let told = async |body: &str| {
        let mark = stack.sns.mark();
        let message = stack.sns.publish(&stack.topics.decisions, body, &[]).unwrap();
        stack.outcome(&decode(&message).unwrap(), mark).await.unwrap()
    };
    let first = told(&body("00000000-0000-0000-0000-000000000001")).await;
    assert_eq!((first.action, first.to), (OutcomeAction::ScaledUp, Some(AGENTS + 1)));
    stack.finish_activities();
    // Neither the same decision again nor another like it: nothing shows that the new instance has joined.
    for id in ["00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"] {
        let again = told(&body(id)).await;
        assert_eq!(again.action, OutcomeAction::None, "{again:?}");
    }
    assert_eq!(desired(&stack), AGENTS + 1);
}

#[test]
fn the_tests_of_the_example_in_python_pass() {
    let folder = examples().join("custom-check-python");
    let output = Command::new("python3").args(["-B", "-m", "unittest", "discover", "-s"]).arg(folder).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !told.contains("Ran 0 tests"), "{told}");
}

#[cfg(unix)]
#[tokio::test]
async fn the_example_in_rust_takes_the_place_of_node_process() {
    // The three functions, the second of which is the example.
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("custom-check-binaries");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    for (name, binary) in
        [("node_gather", "node_gather"), ("node_scale", "node_scale"), ("node_process", "custom-check")]
    {
        let binary = stage::binaries().unwrap().join(binary);
        assert!(binary.is_file(), "{} is missing; run: cargo build --workspace --bins", binary.display());
        let script = format!(
            "#!/bin/sh\nBUSINESS_HOURS='Mon-Sun 00:00-23:59:59.999999999 65' exec {:?} \"$@\"\n",
            binary.display().to_string()
        );
        let path = folder.join(name);
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let stack = start_with("rust", folder, CONFIGURATION.to_owned()).await;
    let run = stack.run().await.unwrap().remove(0);
    // 60 agents are enough for the standard algorithm; the example wants 65.
    assert_eq!((run.decision.delta, desired(&stack)), (5, 65));
    assert_eq!((run.outcome.group.as_str(), run.outcome.action), (GROUP, OutcomeAction::ScaledUp));
}
