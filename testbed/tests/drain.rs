//! The strategy `drain`: the real binaries, a master with its operator API, and a group.

use crate::support::{AGENTS, GROUP, desired, grow_to, start};
use cluster::Agent;
use shared::contract::{OutcomeAction, ScalingDecision, ScalingOutcome};
use shared::group::CLOSING_REFUSED_TAG;
use testbed::autoscaling::access_denied;
use testbed::faults::{Delivery, Mode};
use testbed::{AwsError, Stack};

const SHRINK: (&str, &str) = ("scale_down_threshold_percent = 30", "scale_down_threshold_percent = 60");
const LEAST_LOADED: &str = "scale_down_strategy = \"least_loaded\"";

/// The strategy, one agent at a time: by default it decommissions a tenth of the pool at once.
fn drain(after: &str) -> String {
    format!(
        "scale_down_strategy = \"drain\"\ndrain_after = \"{after}\"\ndrain_grace = \"10s\"\n\
         max_scale_down_step = 1"
    )
}

/// A cluster in which every agent runs something, though not much.
async fn cluster(test: &str, after: &str) -> Stack {
    let stack = start(test, &[SHRINK, (LEAST_LOADED, &drain(after))]).await;
    grow_to(&stack, 45);
    stack
}

async fn run(stack: &Stack) -> (ScalingDecision, ScalingOutcome) {
    let run = stack.run().await.unwrap().remove(0);
    (run.decision, run.outcome)
}

fn said(stack: &Stack) -> Vec<String> {
    stack.master.operations().into_iter().map(|call| call.action).collect()
}

fn marks(stack: &Stack) -> Vec<String> {
    stack.auto_scaling.group(GROUP, |group| group.tags.keys().cloned().collect()).unwrap()
}

#[tokio::test]
async fn an_agent_is_deactivated_drained_and_terminated_run_by_run() {
    let stack = cluster("drain", "0s").await;
    let tasks = stack.master.cluster(|cluster| cluster.tasks().count());
    let (decision, outcome) = run(&stack).await;
    let victim = decision.scale_down_agents[0].clone();
    assert!(victim.task_count > 0);
    assert_eq!(outcome.action, OutcomeAction::Draining, "{}", outcome.reason);
    assert_eq!(outcome.instances, [victim.instance_id.clone().unwrap()]);
    assert_eq!(said(&stack), ["DEACTIVATE_AGENT"]);
    assert_eq!(marks(&stack), [format!("lambda-scale/decommission/{}", outcome.instances[0])]);

    let (decision, outcome) = run(&stack).await;
    assert_eq!((decision.delta, decision.agents.deactivated), (0, 1));
    assert_eq!(outcome.action, OutcomeAction::Draining, "{}", outcome.reason);
    assert_eq!(said(&stack), ["DEACTIVATE_AGENT", "DRAIN_AGENT"]);
    let call = stack.master.operations()[1].json.clone();
    assert_eq!(call["drain_agent"]["agent_id"]["value"], victim.agent_id);
    assert_eq!(call["drain_agent"]["max_grace_period"]["nanoseconds"], 10_000_000_000_u64);
    assert_eq!(desired(&stack), AGENTS, "nothing has gone yet");

    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let (decision, outcome) = run(&stack).await;
    assert_eq!(decision.agents.draining, 1);
    assert_eq!(outcome.action, OutcomeAction::ScaledDown, "{}", outcome.reason);
    assert_eq!(outcome.instances, [victim.instance_id.unwrap()]);
    assert_eq!(desired(&stack), AGENTS - 1);

    stack.finish_activities();
    run(&stack).await;
    assert!(!marks(&stack).iter().any(|mark| mark.contains(&outcome.instances[0])), "the mark goes with the instance");
    assert_eq!(stack.master.cluster(|cluster| cluster.tasks().count()), tasks, "every task runs elsewhere");
}

#[tokio::test]
async fn when_load_returns_the_agent_is_reactivated_before_any_is_added() {
    let stack = cluster("undo", "1h").await;
    run(&stack).await;
    grow_to(&stack, 79);
    let (decision, outcome) = run(&stack).await;
    assert!(decision.delta > 0);
    assert_eq!(said(&stack)[..2], ["DEACTIVATE_AGENT", "REACTIVATE_AGENT"]);
    assert_eq!(marks(&stack), [""; 0]);
    assert_eq!(desired(&stack), AGENTS + decision.delta - 1, "{}", outcome.reason);
    assert!(outcome.reason.contains("1 agent reactivated"), "{}", outcome.reason);
}

#[tokio::test]
async fn an_agent_that_an_operator_deactivated_stays_as_it_is() {
    let stack = cluster("operators-own", "0s").await;
    stack.master.cluster(|cluster| cluster.deactivate_fullest(1));
    let inactive = || -> Vec<String> {
        let instance = |agent: &Agent| agent.instance_id().unwrap().to_owned();
        stack.master.cluster(|cluster| cluster.agents().filter(|agent| !agent.is_active()).map(instance).collect())
    };
    let theirs = inactive();
    assert_eq!(theirs.len(), 1);

    // It uses up no step, so another agent goes, from the first call to its termination.
    let (decision, outcome) = run(&stack).await;
    assert_eq!((decision.agents.deactivated, decision.delta), (1, -1));
    assert_eq!(outcome.action, OutcomeAction::Draining, "{}", outcome.reason);
    let ours = outcome.instances;
    assert!(ours.len() == 1 && ours != theirs, "{ours:?}");
    assert_eq!(marks(&stack), [format!("lambda-scale/decommission/{}", ours[0])]);

    // That one does use up the step, and only that one is drained.
    let (decision, outcome) = run(&stack).await;
    assert_eq!((decision.agents.deactivated, decision.delta), (2, 0));
    assert_eq!((outcome.action, &outcome.instances), (OutcomeAction::Draining, &ours), "{}", outcome.reason);

    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let (decision, outcome) = run(&stack).await;
    assert_eq!((decision.agents.deactivated, decision.agents.draining), (1, 1));
    assert_eq!((outcome.action, &outcome.instances), (OutcomeAction::ScaledDown, &ours), "{}", outcome.reason);
    assert_eq!(said(&stack), ["DEACTIVATE_AGENT", "DRAIN_AGENT"], "one agent's calls");
    assert_eq!(desired(&stack), AGENTS - 1);

    stack.finish_activities();
    stack.follow_groups();
    assert_eq!(inactive(), theirs, "neither reactivated nor terminated");
}

#[tokio::test]
async fn an_agent_without_a_decommission_tag_is_not_deactivated() {
    let stack = cluster("no-mark", "0s").await;
    stack.faults.refuse("CreateOrUpdateTags", access_denied("CreateOrUpdateTags"), 100);
    let (_, outcome) = run(&stack).await;
    assert_eq!(outcome.action, OutcomeAction::Failed);
    assert_eq!(said(&stack), [""; 0]);
}

#[tokio::test]
async fn a_refused_deactivation_is_reported_and_tried_again() {
    let stack = cluster("refused", "0s").await;
    stack.faults.refuse("DEACTIVATE_AGENT", AwsError::new(403, "Forbidden", "not allowed"), 1);
    let (_, outcome) = run(&stack).await;
    assert_eq!(outcome.action, OutcomeAction::Failed);
    let reason = outcome.reason;
    assert!(
        reason.contains("changed 0 of 1 agents") && reason.contains("403, the principal must be allowed"),
        "{reason}"
    );
    // The function failed visibly, so Lambda runs it again. The agent's tag remains, so the call is repeated.
    stack.within("end of node_scale", stack.scale.wait_until_done(1)).await.unwrap();
    let invocation = stack.scale.history().remove(0);
    assert!(invocation.result.is_ok() && invocation.attempts == 2, "{invocation:?}");
    assert_eq!(said(&stack), ["DEACTIVATE_AGENT"; 2]);
    assert_eq!(stack.auto_scaling.writes().len(), 2, "the mark, and once more with the new time");
    assert_eq!(run(&stack).await.0.agents.deactivated, 1);
}

#[tokio::test]
async fn masters_before_1_9_are_told_of_before_any_call() {
    let stack = cluster("old-mesos", "0s").await;
    stack.master.cluster(|cluster| cluster.master.version = "1.7.3".to_owned());
    for _ in 0..2 {
        let (decision, outcome) = run(&stack).await;
        assert_eq!((decision.delta, decision.mesos_version.as_deref()), (-1, Some("1.7.3")));
        assert_eq!(outcome.action, OutcomeAction::Refused);
        assert!(outcome.reason.contains("needs Mesos 1.9 or later, and the master is 1.7.3"), "{}", outcome.reason);
    }
    assert_eq!((said(&stack), marks(&stack), stack.auto_scaling.writes()), (vec![], vec![], vec![]));
}

/// D8: what a pool that learns does where its masters are too old, run by run.
#[tokio::test]
async fn a_pool_that_learns_does_without_closing_on_an_old_mesos() {
    let stack = start("old-mesos-learn", &[SHRINK, (LEAST_LOADED, "learn = 98")]).await;
    grow_to(&stack, 45);
    stack.master.cluster(|cluster| cluster.master.version = "1.7.3".to_owned());
    let (decision, outcome) = run(&stack).await;
    assert!(!decision.closes && decision.delta == -1, "a step of 1: {decision:?}");
    let note = "agents cannot be closed, so that they are removed as without learn: that needs Mesos 1.9 or later, and the master is 1.7.3";
    assert_eq!(decision.notes, [note]);
    assert_eq!((outcome.action, desired(&stack)), (OutcomeAction::ScaledDown, AGENTS - 1), "{}", outcome.reason);
    assert_eq!(said(&stack), [""; 0]);
}

/// D8: the masters refuse, node_scale remembers it, and node_process knows it from then on.
#[tokio::test]
async fn a_pool_that_learns_does_without_closing_after_a_refusal() {
    let stack = start("refused-learn", &[SHRINK, (LEAST_LOADED, "learn = 98\nmax_scale_down_step = 2")]).await;
    grow_to(&stack, 45);
    stack.faults.refuse("DEACTIVATE_AGENT", AwsError::new(403, "Forbidden", "not allowed"), 100);
    let (decision, outcome) = run(&stack).await;
    assert!(decision.closes && decision.delta == -2, "{decision:?}");
    assert_eq!(outcome.action, OutcomeAction::Failed);
    // The function failed visibly, so Lambda runs it again.
    stack.within("end of node_scale", stack.scale.wait_until_done(1)).await.unwrap();
    assert_eq!(said(&stack), ["DEACTIVATE_AGENT"], "one agent stands for all, and the retry makes no call");
    assert!(marks(&stack).contains(&CLOSING_REFUSED_TAG.to_owned()));

    let (decision, outcome) = run(&stack).await;
    assert!(!decision.closes && decision.group.as_ref().unwrap().closing_refused, "{decision:?}");
    assert!(decision.notes[0].contains("the masters refused it"), "{:?}", decision.notes);
    assert_eq!((outcome.action, desired(&stack)), (OutcomeAction::ScaledDown, AGENTS - 2), "{}", outcome.reason);
    assert!(outcome.notes[0].contains("allow the principal"), "{:?}", outcome.notes);
    assert_eq!(said(&stack).len(), 1);

    // An operator allows it, and deletes the tag: agents are closed again.
    stack.faults.change(|faults| faults.calls.clear());
    stack.auto_scaling.group(GROUP, |group| group.tags.remove(CLOSING_REFUSED_TAG));
    stack.finish_activities();
    let (decision, outcome) = run(&stack).await;
    assert!(decision.closes, "{decision:?}");
    assert!(matches!(outcome.action, OutcomeAction::Draining | OutcomeAction::BackedOff), "{outcome:?}");
}

#[tokio::test]
async fn an_agent_is_closed_and_terminated_when_its_tasks_have_ended() {
    let stack = cluster("closing", "never").await;
    let (decision, outcome) = run(&stack).await;
    let closed = decision.scale_down_agents[0].clone();
    assert!(closed.task_count > 0 && outcome.action == OutcomeAction::Draining, "{outcome:?}");
    let tasks = || stack.master.cluster(|cluster| cluster.agent_by_id(&closed.agent_id).unwrap().tasks().len());
    let before = tasks();
    // For a quarter of an hour it is the one of this step, and it is never drained.
    for _ in 0..2 {
        let (_, outcome) = run(&stack).await;
        assert_eq!(outcome.action, OutcomeAction::None, "{}", outcome.reason);
        assert_eq!(said(&stack), ["DEACTIVATE_AGENT"]);
    }
    assert_eq!((tasks(), desired(&stack)), (before, AGENTS));
    // When they have ended, its instance ends.
    stack.master.cluster(|cluster| {
        let number = cluster.agent_by_id(&closed.agent_id).unwrap().number;
        cluster.agent_mut(number).unwrap().end_all();
    });
    let (_, outcome) = run(&stack).await;
    assert_eq!(outcome.action, OutcomeAction::ScaledDown, "{}", outcome.reason);
    assert_eq!(outcome.instances, [closed.instance_id.unwrap()]);
    assert_eq!((said(&stack).len(), desired(&stack)), (1, AGENTS - 1));
}

#[tokio::test]
async fn without_a_leader_no_agent_is_deactivated() {
    let stack = cluster("no-leader-drain", "0s").await;
    stack.faults.deliver(&stack.topics.decisions, Delivery::Held);
    let decision = crate::support::decide(&stack).await;
    stack.faults.master(Mode::NoLeader);
    let outcome = crate::support::deliver(&stack, &decision).await;
    assert_eq!(outcome.action, OutcomeAction::Failed, "{outcome:?}");
    assert!(outcome.reason.contains("no master took the call"), "{outcome:?}");
    assert_eq!(desired(&stack), AGENTS);
}
