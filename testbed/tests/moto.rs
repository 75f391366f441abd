//! The three real binaries against moto, an AWS that other people wrote: what they publish is what an SQS queue receives, what
//! SNS delivers is what they read, what Parameter Store keeps is what they are configured by, and the group has the capacity they
//! asked for.
//!
//! moto has no scaling activities and checks no limits, so back-offs are not tested here but against our own endpoints
//! (tests/chain.rs). `make test` says where moto_server is, in the variable MOTO_SERVER.

use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::contract::{self, ClusterSnapshot, OutcomeAction, ScalingDecision, ScalingOutcome, ScalingState};
use testbed::capture::captured;
use testbed::faults::FaultPlan;
use testbed::master::Master;
use testbed::moto::Moto;
use testbed::runtime_api::{self, Invocation};
use testbed::sns::{self, Message};
use testbed::stage::{Stage, binaries};
use testbed::{CAPTURE, Logs, now};

const GROUP: &str = "mesos-workers";

/// Room for every application to treble: 210.9 cpus wanted, 174.55 free; the 36.35 missing are 19 of the commonest agents with
/// 2 cpus each, of which one decision adds ten.
const HEADROOM_PERCENT: u32 = 200;

#[tokio::test]
async fn the_chain_works_against_an_independent_aws() {
    let Some(moto) = Moto::start().await.unwrap() else { return };
    let snapshots = moto.topic("snapshots").await.unwrap();
    let decisions = moto.topic("decisions").await.unwrap();
    let outcomes = moto.topic("outcomes").await.unwrap();
    moto.create_group(GROUP, 3).await.unwrap();
    let master = Master::start(captured(CAPTURE, now()).unwrap(), &FaultPlan::default()).await.unwrap();
    moto.put_parameter("/lambda-scale/config", &configuration(&master.url())).await.unwrap();
    moto.put_parameter("/lambda-scale/mesos", "lambda-scale:not-a-secret").await.unwrap();
    let start = async |name| Function::start(name, &moto, "ssm:/lambda-scale/config").await;

    // node_gather publishes a snapshot.
    start("node_gather").await.invoke(&json!({})).await;
    let message = moto.receive(&snapshots).await.unwrap();
    assert_eq!(message.attributes["pool"], "workers");
    assert_eq!(message.attributes["completeness"], "complete");
    let snapshot: ClusterSnapshot = contract::decode(&message.body, None).unwrap();
    assert_eq!((snapshot.agents.usable, snapshot.applications.len()), (60, 40));

    // node_process reads it as SNS delivers it, and publishes a decision.
    start("node_process").await.invoke(&sns::event([&message])).await;
    let message = moto.receive(&decisions).await.unwrap();
    assert_eq!(message.attributes["state"], "scale_up");
    assert_eq!(message.subject.as_deref(), Some("workers: scale_up, +10, to 70 agents"));
    let decision: ScalingDecision = contract::decode(&message.body, None).unwrap();
    assert_eq!((decision.delta, decision.snapshot_id), (10, Some(snapshot.id)));

    // node_scale raises the desired capacity, and tells so.
    let node_scale = start("node_scale").await;
    node_scale.invoke(&sns::event([&message])).await;
    assert_eq!(moto.desired_capacity(GROUP).await.unwrap(), 13);
    let told = moto.receive(&outcomes).await.unwrap();
    assert_eq!(told.attributes["action"], "scaled_up");
    assert_eq!(told.subject.as_deref(), Some("workers: scaled_up (3 -> 13)"));
    let outcome: ScalingOutcome = contract::decode(&told.body, None).unwrap();
    assert_eq!((outcome.action, outcome.from, outcome.to), (OutcomeAction::ScaledUp, Some(3), Some(13)));
    assert_eq!(outcome.decision_id, Some(decision.id));

    // Nothing wanted, nothing done.
    let quiet = ScalingDecision { delta: 0, state: ScalingState::Normal, ..decision };
    node_scale.invoke(&sns::event([&Message { body: contract::to_json(&quiet).unwrap(), ..message }])).await;
    let outcome: ScalingOutcome = contract::decode(&moto.receive(&outcomes).await.unwrap().body, None).unwrap();
    assert_eq!((outcome.action, outcome.from), (OutcomeAction::None, Some(13)));
    assert_eq!(moto.desired_capacity(GROUP).await.unwrap(), 13);
}

#[tokio::test]
async fn a_group_is_scaled_by_what_an_independent_cloudwatch_says() {
    let Some(moto) = Moto::start().await.unwrap() else { return };
    let snapshots = moto.topic("snapshots").await.unwrap();
    let decisions = moto.topic("decisions").await.unwrap();
    let outcomes = moto.topic("outcomes").await.unwrap();
    moto.create_group(GROUP, 3).await.unwrap();
    // Two instances' values in each of two minutes: their mean is 71.5 %. A group of another name is none of ours. Values of
    // one minute are of the very same time, or a minute may end between them.
    let now = now();
    for (minutes_ago, group, percent) in
        [(3, GROUP, "70"), (3, GROUP, "75"), (2, GROUP, "60"), (2, GROUP, "81"), (2, "other", "5"), (30, GROUP, "1")]
    {
        moto.put_cpu_utilization(group, percent, now - SignedDuration::from_mins(minutes_ago)).await.unwrap();
    }
    let configuration =
        format!("[[pools]]\nname = \"web\"\ngroup = \"{GROUP}\"\nsource = \"cloudwatch\"\nmax = 100\ncooltime = 5\n");
    let start = async |name| Function::start(name, &moto, &configuration).await;
    start("node_gather").await.invoke(&json!({})).await;
    let message = moto.receive(&snapshots).await.unwrap();
    let snapshot: ClusterSnapshot = contract::decode(&message.body, None).unwrap();
    assert_eq!((snapshot.agents.usable, snapshot.cpu_utilization_percent), (3, Some(71.5)), "{snapshot:?}");
    start("node_process").await.invoke(&sns::event([&message])).await;
    let message = moto.receive(&decisions).await.unwrap();
    assert_eq!(message.subject.as_deref(), Some("web: scale_up, +1, to 4 agents"));
    start("node_scale").await.invoke(&sns::event([&message])).await;
    assert_eq!(moto.desired_capacity(GROUP).await.unwrap(), 4);
    assert_eq!(moto.receive(&outcomes).await.unwrap().attributes["action"], "scaled_up");
}

fn configuration(master: &str) -> String {
    format!(
        "[mesos]\nmasters = [\"{master}\"]\ncredentials = \"ssm:/lambda-scale/mesos\"\n[[pools]]\nname = \"workers\"\ngroup = \"{GROUP}\"\nmax = 100\n\
         scale_down_threshold_percent = 20\napplication_headroom_percent = {HEADROOM_PERCENT}\n"
    )
}

/// A function's process and its Runtime API.
struct Function {
    runtime: runtime_api::Function,
    _process: Stage,
}

impl Function {
    async fn start(name: &'static str, moto: &Moto, configuration: &str) -> Self {
        let runtime = runtime_api::Function::start(name, 0, &FaultPlan::default()).await.unwrap();
        let variables = [
            ("SNAPSHOT_TOPIC_ARN", &*sns::arn("snapshots")),
            ("DECISION_TOPIC_ARN", &sns::arn("decisions")),
            ("OUTCOME_TOPIC_ARN", &sns::arn("outcomes")),
            ("LAMBDA_SCALE_CONFIG", configuration),
            ("AWS_ENDPOINT_URL", &moto.url()),
        ];
        let process = Stage::start(&runtime, &binaries().unwrap(), &Logs::Stderr, &variables).unwrap();
        Self { runtime, _process: process }
    }

    async fn invoke(&self, event: &Value) -> Invocation {
        self.runtime.invoke(event).await.unwrap()
    }
}
