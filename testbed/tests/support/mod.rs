//! The real binaries on local endpoints, one set for each test.

use std::path::PathBuf;

use shared::contract::{ScalingDecision, ScalingOutcome, to_json};
use shared::resources::{Kind, Resources};
use testbed::faults::Faults;
use testbed::sns::Message;
use testbed::stack::decode;
use testbed::{CAPTURE, CONFIGURATION, Logs, Setup, Stack, now, stage};

/// The group of the configuration.
pub(crate) const GROUP: &str = "mesos-workers";
/// How many agents were captured.
pub(crate) const AGENTS: i32 = 60;

/// Starts everything on the captured cluster; `edits` replace lines of the configuration.
pub(crate) async fn start(test: &str, edits: &[(&str, &str)]) -> Stack {
    let configuration = edits.iter().fold(CONFIGURATION.to_owned(), |configuration, (from, to)| {
        assert!(configuration.contains(from), "{from:?} is not in the configuration");
        configuration.replace(from, to)
    });
    // These tests run once, and no tag says what was needed before.
    let configuration = format!("{configuration}\nscale_down_window = \"0s\"\n");
    start_with(test, stage::binaries().unwrap(), configuration).await
}

/// The same with a configuration of the test's own, and the binaries of that directory.
pub(crate) async fn start_with(test: &str, binaries: PathBuf, configuration: String) -> Stack {
    start_faulty(test, binaries, configuration, Faults::default()).await
}

/// The same with faults from the start.
pub(crate) async fn start_faulty(test: &str, binaries: PathBuf, configuration: String, faults: Faults) -> Stack {
    let logs = Logs::Directory(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(env!("CARGO_CRATE_NAME")).join(test));
    let setup = Setup { binaries, configuration, capture: CAPTURE.to_vec(), logs, faults };
    Stack::start(setup).await.unwrap_or_else(|error| panic!("{error}"))
}

/// Lets the captured applications grow until this share of all cpus is used.
pub(crate) fn grow_to(stack: &Stack, percent: u64) {
    let used_percent = |cpus: u64, total: u64| cpus * 100 / total;
    let started = stack.master.cluster(|cluster| {
        let is_enough = |total: Resources, used: Resources| {
            used_percent(used.get(Kind::Cpus).thousandths(), total.get(Kind::Cpus).thousandths()) >= percent
        };
        cluster.grow(is_enough, now())
    });
    assert!(started > 0, "{percent} % are used already");
}

/// The desired capacity of the group.
pub(crate) fn desired(stack: &Stack) -> i32 {
    stack.desired(GROUP).unwrap()
}

/// Publishes a decision, as node_process would.
pub(crate) fn publish(stack: &Stack, decision: &ScalingDecision) -> Message {
    let body = to_json(decision).unwrap();
    stack.sns.publish(&stack.topics.decisions, &body, &[("pool", &decision.pool)]).unwrap()
}

/// Delivers a decision's message, and waits for the outcome.
pub(crate) async fn deliver(stack: &Stack, decision: &ScalingDecision) -> ScalingOutcome {
    let mark = stack.sns.mark();
    let message = stack.message_of(decision).unwrap();
    drop(stack.sns.deliver(&message).unwrap());
    stack.outcome(decision, mark).await.unwrap()
}

/// Looks at the cluster and decides; the decision's topic holds its messages.
pub(crate) async fn decide(stack: &Stack) -> ScalingDecision {
    stack.follow_groups();
    let mark = stack.sns.mark();
    stack.gather().await.unwrap();
    let snapshot = stack.snapshot("workers", mark).await.unwrap();
    stack.decision(&snapshot, mark).await.unwrap()
}

/// Waits for that many outcomes, from that mark of the topics on.
pub(crate) async fn outcomes(stack: &Stack, count: usize, mark: usize) -> Vec<ScalingOutcome> {
    let mut found = Vec::new();
    let collect = |message: &Message| {
        found.extend(decode::<ScalingOutcome>(message));
        (found.len() == count).then_some(())
    };
    stack.within("outcomes", stack.sns.wait_for(&stack.topics.outcomes, mark, collect)).await.unwrap();
    found
}
