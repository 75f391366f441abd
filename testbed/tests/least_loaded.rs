//! How agents are removed by the default strategy: the real binaries, from /state to the instance that is terminated.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::support::{AGENTS, GROUP, desired, start};
use shared::clause::Clause;
use shared::contract::OutcomeAction;
use testbed::autoscaling::{access_denied, resource_contention};
use testbed::ec2::Ec2Instance;
use testbed::faults::{Calls, Fault, Trouble};
use testbed::{AwsError, Call, Service, Stack};

/// At 37.7 % of the cpus, agents are to go.
const SHRINK: (&str, &str) = ("scale_down_threshold_percent = 30", "scale_down_threshold_percent = 50");
/// Three agents above `min`: a step of three would not be the limit, for of the agents without a task a tenth of the pool go
/// at once (D3 no. 3).
const THREE: (&str, &str) = ("min = 10", "min = 57");
/// So many without a task go at once, though `max_scale_down_step` is 1.
const EMPTY_AT_ONCE: usize = 6;
const TERMINATE: &str = "TerminateInstanceInAutoScalingGroup";

fn terminations(stack: &Stack) -> Vec<Call> {
    stack.auto_scaling.calls().into_iter().filter(|call| call.action == TERMINATE).collect()
}

fn going(stack: &Stack) -> Vec<String> {
    stack.auto_scaling.terminating(GROUP)
}

#[tokio::test]
async fn just_the_least_loaded_agents_are_terminated() {
    let stack = start("least-loaded", &[SHRINK, THREE]).await;
    let run = stack.run().await.unwrap().remove(0);
    let named: Vec<String> =
        run.decision.scale_down_agents.iter().map(|agent| agent.instance_id.clone().unwrap()).collect();
    assert_eq!(named.len(), 3);
    assert_eq!(run.outcome.action, OutcomeAction::ScaledDown);
    assert_eq!(run.outcome.instances, named);
    assert_eq!((run.outcome.from, run.outcome.to), (Some(AGENTS), Some(AGENTS - 3)));
    let mut found = going(&stack);
    found.sort();
    let mut expected = named;
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(desired(&stack), AGENTS - 3);
    assert!(terminations(&stack).iter().all(|call| call.params["ShouldDecrementDesiredCapacity"] == "true"));
    assert!(stack.ec2.calls().is_empty(), "the agents name their instances");
}

/// Takes from all agents what tells their instance, and gives each an address of its own: all that were captured ran on one
/// machine. Gives the instances by address.
fn forget_instances(stack: &Stack) -> BTreeMap<IpAddr, String> {
    let mut instances = BTreeMap::new();
    stack.master.cluster(|cluster| {
        for (index, agent) in cluster.agents_mut().enumerate() {
            let ip = IpAddr::from([10, 1, 0, u8::try_from(index).unwrap()]);
            agent.pid = format!("slave(1)@{ip}:5051");
            let id = agent.instance_id().unwrap().to_owned();
            agent.attributes.remove("instance_id");
            stack.ec2.add(Ec2Instance::running(&id, &ip.to_string()).of_group(GROUP));
            instances.insert(ip, id);
        }
    });
    instances
}

/// Looks and decides without letting the agents follow the group: they no longer tell which instance they are.
async fn run(stack: &Stack) -> (shared::contract::ScalingDecision, shared::contract::ScalingOutcome) {
    let mark = stack.sns.mark();
    stack.gather().await.unwrap();
    let snapshot = stack.snapshot("workers", mark).await.unwrap();
    let decision = stack.decision(&snapshot, mark).await.unwrap();
    let outcome = stack.outcome(&decision, mark).await.unwrap();
    (decision, outcome)
}

#[tokio::test]
async fn agents_that_do_not_name_their_instance_are_found_by_their_address() {
    let stack = start("by-address", &[SHRINK]).await;
    let instances = forget_instances(&stack);
    let (decision, outcome) = run(&stack).await;
    let named = &decision.scale_down_agents;
    assert_eq!(named.len(), EMPTY_AT_ONCE);
    for agent in named {
        assert_eq!(agent.instance_id.as_ref(), Some(&instances[&agent.ip.unwrap()]));
    }
    assert_eq!(outcome.action, OutcomeAction::ScaledDown, "{}", outcome.reason);
    let found: BTreeSet<String> = going(&stack).into_iter().collect();
    assert_eq!(found, named.iter().map(|agent| agent.instance_id.clone().unwrap()).collect());
    let requests = stack.ec2.calls();
    assert_eq!(requests.len(), 1, "node_gather asks once, and node_scale has no need to");
    assert_eq!(requests[0].params["Filter.1.Value.1"], GROUP);
}

#[tokio::test]
async fn an_address_of_another_network_does_not_mislead() {
    let stack = start("two-networks", &[SHRINK]).await;
    for (ip, id) in forget_instances(&stack) {
        stack.ec2.add(Ec2Instance::running(&format!("{id}-elsewhere"), &ip.to_string()));
    }
    let (_, outcome) = run(&stack).await;
    assert_eq!(outcome.action, OutcomeAction::ScaledDown, "{}", outcome.reason);
    let going = going(&stack);
    assert_eq!(going.len(), EMPTY_AT_ONCE);
    assert!(!going.iter().any(|id| id.ends_with("-elsewhere")), "{going:?}");
}

#[tokio::test]
async fn without_the_permission_to_look_up_addresses_no_instance_ends() {
    let stack = start("no-ec2", &[SHRINK]).await;
    forget_instances(&stack);
    let denied = AwsError::new(403, "UnauthorizedOperation", "You are not authorized to perform this operation.");
    stack.faults.refuse("DescribeInstances", denied, 1);
    let (decision, outcome) = run(&stack).await;
    assert_eq!((decision.delta, outcome.action), (0, OutcomeAction::None));
    let reason = &decision.steps[0].reason;
    assert!(reason.contains("allow the function's role ec2:DescribeInstances"), "{reason}");
    assert_eq!(terminations(&stack), []);
}

#[tokio::test]
async fn a_partial_scale_down_reports_how_many_of_how_many() {
    let stack = start("partial", &[SHRINK, THREE]).await;
    // node_gather describes the group, node_scale makes three describing calls and one termination, and the second one fails.
    let sixth = Calls::Number(Service::AutoScaling, 5);
    stack.faults.add(Fault::at(sixth, Trouble::Refused(access_denied(TERMINATE))));
    let run = stack.run().await.unwrap().remove(0);
    assert_eq!(run.outcome.action, OutcomeAction::ScaledDown);
    assert!(run.outcome.reason.starts_with("1 of 3 terminated, then: TerminateInstance"), "{}", run.outcome.reason);
    assert_eq!((run.outcome.from, run.outcome.to), (Some(AGENTS), Some(AGENTS - 1)));
    assert_eq!(run.outcome.instances, going(&stack));
    assert_eq!(desired(&stack), AGENTS - 1);
    stack.within("end of node_scale", stack.scale.wait_until_done(1)).await.unwrap();
    // It failed visibly, so Lambda ran it again, and that changed nothing: the group is no longer what was decided upon.
    let invocation = stack.scale.history().remove(0);
    assert!(invocation.result.is_ok() && invocation.attempts == 2, "{invocation:?}");
    assert_eq!(desired(&stack), AGENTS - 1);
}

#[tokio::test]
async fn a_busy_group_loses_no_instance_b4() {
    let stack = start("busy-down", &[SHRINK]).await;
    stack.faults.refuse(TERMINATE, resource_contention(), 100);
    let run = stack.run().await.unwrap().remove(0);
    assert_eq!(run.outcome.action, OutcomeAction::BackedOff);
    assert_eq!(run.outcome.clause, Some(Clause::B4));
    assert!(run.outcome.reason.starts_with("Auto Scaling returned ResourceContention"), "{}", run.outcome.reason);
    assert_eq!(terminations(&stack).len(), 1, "a write is made once");
    assert_eq!(desired(&stack), AGENTS);
}

#[tokio::test]
async fn a_termination_whose_answer_is_lost_is_not_made_again() {
    let stack = start("lost-answer", &[SHRINK]).await;
    let lost = Trouble::AnswerLost(AwsError::new(500, "InternalFailure", ""));
    stack.faults.add(Fault::of(TERMINATE, lost).times(100));
    let run = stack.run().await.unwrap().remove(0);
    assert_eq!(run.outcome.action, OutcomeAction::Failed);
    stack.within("end of node_scale", stack.scale.wait_until_done(1)).await.unwrap();
    let invocation = stack.scale.history().remove(0);
    assert_eq!(invocation.attempts, 2, "Lambda runs it again: {invocation:?}");
    assert_eq!(terminations(&stack).len(), 1);
    assert_eq!(desired(&stack), AGENTS - 1);
}

#[tokio::test]
async fn an_instance_that_an_operator_protects_stays() {
    let stack = start("protected", &[SHRINK]).await;
    stack.auto_scaling.group(GROUP, |group| group.instances_mut().iter_mut().for_each(|i| i.protected = true)).unwrap();
    let run = stack.run().await.unwrap().remove(0);
    let protected = run.decision.group.map(|group| group.protected);
    assert_eq!((run.decision.delta, protected), (0, Some(60)), "no agent may go, so none is named");
    assert_eq!(run.outcome.action, OutcomeAction::None);
    assert_eq!(desired(&stack), AGENTS);
}

#[tokio::test]
async fn an_agent_outside_the_group_is_not_terminated() {
    let stack = start("foreign", &[SHRINK]).await;
    stack.master.cluster(|cluster| {
        for (index, agent) in cluster.agents_mut().enumerate() {
            agent.attributes.set("instance_id", &format!("i-{index:017x}"));
        }
    });
    let (decision, outcome) = run(&stack).await;
    let outside = decision.group.map(|group| group.outside);
    assert_eq!((decision.delta, outside), (0, Some(60)), "no agent may go, so none is named");
    assert_eq!(outcome.action, OutcomeAction::None);
    assert_eq!(terminations(&stack), []);
}

#[tokio::test]
async fn a_protected_application_keeps_its_agents() {
    let protected = "protected = { frameworks = [\"marathon\", \"chronos\", \"spark\"] }";
    let edit = format!("max_scale_up_step = 10\n{protected}\nmax_scale_down_step = 60");
    let stack = start("protected-tasks", &[SHRINK, ("max_scale_up_step = 10", &edit)]).await;
    let run = stack.run().await.unwrap().remove(0);
    assert!(run.decision.scale_down_agents.iter().all(|agent| agent.task_count == 0), "{:?}", run.decision);
}
