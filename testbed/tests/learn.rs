//! A pool that learns: the real binaries, and what they keep in Parameter Store from one process to the next.

use crate::support::start;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use shared::contract::{ClusterSnapshot, Growth, OutcomeAction, ScalingDecision, ScalingOutcome};
use testbed::autoscaling::access_denied;
use testbed::{Stack, now};

const PARAMETER: &str = "/lambda-scale/local/workers";
/// A period of five minutes: each run writes. An instance takes one to boot.
const PERIOD: (&str, &str) = ("schedule_period = \"1m\"", "schedule_period = \"5m\"");
const LEARN: (&str, &str) = ("scale_down_strategy = \"least_loaded\"", "learn = 98\nboot_time = \"5m\"");
/// The counter of the growth by 512 agents.
const LARGEST: usize = Growth::EDGES.len() - 1;

async fn pool(test: &str) -> Stack {
    start(test, &[PERIOD, LEARN]).await
}

async fn run(stack: &Stack) -> (ClusterSnapshot, ScalingDecision, ScalingOutcome) {
    let run = stack.run().await.unwrap().remove(0);
    (run.snapshot, run.decision, run.outcome)
}

/// What is kept of the pool, once node_gather has ended its run.
async fn stored(stack: &Stack) -> Value {
    stack.within("end of node_gather", stack.gather.wait_until_done(1)).await.unwrap();
    serde_json::from_str(&stack.ssm.value(PARAMETER).unwrap()).unwrap()
}

/// What a pool like this one stores, as if its last run was one period ago, and with 100 samples of that growth.
async fn history(test: &str, growth: usize) -> Value {
    let stack = pool(test).await;
    run(&stack).await;
    let mut history = stored(&stack).await;
    history["at"] = json!(shared::time::format(now() - SignedDuration::from_mins(5)));
    history["counts"][growth] = json!(100);
    // Demand has been as high as that once, so that growth is not cut.
    history["highest"] = json!(Growth::EDGES[LARGEST]);
    history
}

/// A process that starts with that history, under the same leader.
async fn with_history(test: &str, history: &Value) -> Stack {
    let stack = pool(test).await;
    let elected: Timestamp = history["elected_at"].as_str().unwrap().parse().unwrap();
    stack.master.cluster(|cluster| cluster.master.elected_at = elected);
    stack.ssm.put_text(PARAMETER, &history.to_string());
    stack
}

fn samples(history: &Value) -> u64 {
    history["counts"].as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum()
}

fn row(history: &Value) -> usize {
    history["row"].as_array().unwrap().len()
}

#[tokio::test]
async fn what_was_learned_outlives_the_process_and_adds_agents() {
    let history = history("first", LARGEST).await;
    assert_eq!((row(&history), samples(&history)), (1, 100));
    let stack = with_history("second", &history).await;
    let (snapshot, decision, outcome) = run(&stack).await;
    let growth = snapshot.growth.unwrap();
    assert_eq!((growth.grow, growth.samples), (Some(Growth::EDGES[LARGEST]), 101), "this run is one more");
    // Every application must be able to grow manifold: a whole step of agents.
    assert_eq!((decision.delta, outcome.action), (10, OutcomeAction::ScaledUp), "{decision:?}");
    let after = stored(&stack).await;
    assert_eq!((row(&after), samples(&after)), (2, 101));
    // Without a history, this pool needs none.
    let (snapshot, decision, _) = run(&pool("without").await).await;
    assert_eq!(snapshot.growth.unwrap().grow, None);
    assert!(decision.delta <= 0, "{decision:?}");
}

#[tokio::test]
async fn a_failover_in_the_middle_of_growth_teaches_nothing() {
    let history = history("before-failover", 2).await;
    let stack = with_history("failover", &history).await;
    // Another master leads since then, and all agents are back.
    stack.master.cluster(|cluster| cluster.master.elected_at = now() - SignedDuration::from_mins(20));
    let growth = run(&stack).await.0.growth.unwrap();
    assert_eq!((growth.grow, growth.samples), (Some(2), 100));
    let after = stored(&stack).await;
    assert_eq!((row(&after), samples(&after)), (1, 100), "the row starts anew");
}

#[tokio::test]
async fn a_changed_instance_type_keeps_the_growth_in_agents() {
    let mut history = history("before-change", 6).await;
    // What was learned was measured in agents of three times the size, of which there is none any longer.
    for (_, amount) in history["agent"].as_object_mut().unwrap() {
        *amount = json!(3.0 * amount.as_f64().unwrap());
    }
    let stack = with_history("changed", &history).await;
    let growth = run(&stack).await.0.growth.unwrap();
    assert_eq!((growth.grow, growth.samples), (Some(3 * Growth::EDGES[6]), 100));
    let after = stored(&stack).await;
    assert_eq!((row(&after), samples(&after)), (1, 100));
}

#[tokio::test]
async fn a_run_goes_on_whatever_is_wrong_with_the_history() {
    for (test, value) in [("corrupt", "{}"), ("newer", "{\"version\":9}"), ("huge", &"0".repeat(4096))] {
        let stack = pool(test).await;
        stack.ssm.put_text(PARAMETER, value);
        let (snapshot, decision, _) = run(&stack).await;
        let growth = snapshot.growth.unwrap();
        assert!(growth.grow.is_none() && growth.samples == 0 && growth.demand > 0, "{test}: {growth:?}");
        assert!(decision.delta <= 0, "{test}");
        stack.within("end of node_gather", stack.gather.wait_until_done(1)).await.unwrap();
        assert_eq!(stack.ssm.value(PARAMETER).unwrap() == value, test == "newer", "{test}");
    }
    let stack = pool("denied").await;
    for action in ["GetParameters", "PutParameter"] {
        stack.faults.refuse(action, access_denied(action), 100);
    }
    assert_eq!(run(&stack).await.0.growth.unwrap().grow, None);
    assert_eq!(run(&stack).await.0.growth.unwrap().grow, None);
    assert!(stack.ssm.names().is_empty());
}
