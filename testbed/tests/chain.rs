//! The chain of the three real binaries, from the schedule's event to the group: what holds with any
//! behavior of SNS, Mesos, and Auto Scaling.
//!
//! The binaries are those in the directory above this test's; `cargo build --workspace --bins` makes them.

use std::time::Duration;

use crate::support::{AGENTS, GROUP, decide, deliver, desired, grow_to, outcomes, publish, start, start_faulty};
use cluster::resources;
use shared::clause::Clause;
use shared::contract::{CompletenessLevel, OutcomeAction, ScalingDecision, ScalingState};
use testbed::autoscaling::{access_denied, resource_contention, scaling_activity_in_progress, throttling};
use testbed::faults::{Delivery, Faults, Mode};
use testbed::raw::Stuck;
use testbed::stack::Run;
use testbed::{AwsError, CONFIGURATION, now, stage};
use uuid::Uuid;

/// More than SDK and Lambda together try.
const ALWAYS: u32 = 100;

/// At 37.7 % of the cpus, agents are to go.
const SHRINK: (&str, &str) = ("scale_down_threshold_percent = 30", "scale_down_threshold_percent = 50");

/// A tenth of the agents: so many without a task go at once, though `max_scale_down_step` is 1 (D3 no. 3).
const EMPTY_AT_ONCE: i32 = 6;

/// So many agents without a task are named, and just their instances go.
fn removes_empty_agents(run: &Run) {
    let named = &run.decision.scale_down_agents;
    assert!(named.iter().all(|agent| agent.task_count == 0), "{named:?}");
    let instances: Vec<String> = named.iter().map(|agent| agent.instance_id.clone().unwrap()).collect();
    assert_eq!(i32::try_from(instances.len()), Ok(EMPTY_AT_ONCE));
    assert_eq!((run.outcome.action, &run.outcome.instances), (OutcomeAction::ScaledDown, &instances));
}

#[tokio::test]
async fn a_quiet_cluster_is_left_alone() {
    let stack = start("quiet", &[]).await;
    let run = stack.run().await.unwrap().remove(0);
    assert_eq!(run.snapshot.completeness.level, CompletenessLevel::Complete);
    assert_eq!((run.snapshot.agents.usable, run.snapshot.applications.len()), (60, 40));
    assert_eq!((run.decision.state, run.decision.delta), (ScalingState::Normal, 0));
    assert_eq!(run.outcome.action, OutcomeAction::None);
    assert_eq!(stack.auto_scaling.writes().len(), 0);
}

#[tokio::test]
async fn too_little_headroom_scales_up_once() {
    let stack = start("scale-up", &[]).await;
    grow_to(&stack, 79);
    let run = stack.run().await.unwrap().remove(0);
    assert_eq!(run.decision.state, ScalingState::ScaleUp);
    assert_eq!(run.outcome.action, OutcomeAction::ScaledUp);
    assert!(run.decision.delta > 0);
    assert_eq!((run.outcome.from, run.outcome.to), (Some(AGENTS), Some(AGENTS + run.decision.delta)));
    assert_eq!(desired(&stack), AGENTS + run.decision.delta);

    // While the instances boot, the same need finds them in flight.
    let booting = stack.run().await.unwrap().remove(0);
    assert_eq!(booting.decision.delta, run.decision.delta);
    assert_eq!(booting.outcome.action, OutcomeAction::None);

    // When they have joined, it is met.
    stack.finish_activities();
    let joined = stack.run().await.unwrap().remove(0);
    assert_eq!(joined.snapshot.agents.usable, run.decision.target);
    assert_eq!(joined.decision.state, ScalingState::Normal);
    assert_eq!(stack.auto_scaling.writes().len(), 1);
}

#[tokio::test]
async fn instances_in_service_that_have_not_joined_are_in_flight() {
    let stack = start("joining", &[]).await;
    grow_to(&stack, 79);
    stack.auto_scaling.group(GROUP, |group| group.behavior.join = Duration::from_secs(3600)).unwrap();
    stack.run().await.unwrap();
    stack.finish_activities();
    let run = stack.run().await.unwrap().remove(0);
    assert_eq!(run.snapshot.agents.usable, 60);
    assert!(run.decision.delta > 0);
    assert_eq!(run.outcome.action, OutcomeAction::None);
    assert_eq!(stack.auto_scaling.writes().len(), 1);
}

#[tokio::test]
async fn every_message_delivered_twice_changes_the_group_once() {
    let stack = start("twice", &[]).await;
    grow_to(&stack, 79);
    stack.faults.deliver(&stack.topics.snapshots, Delivery::Twice);
    stack.faults.deliver(&stack.topics.decisions, Delivery::Twice);
    stack.gather().await.unwrap();
    // Two snapshots, so two messages with the one decision, each delivered twice.
    let outcomes = outcomes(&stack, 4, 0).await;
    let acted = outcomes.iter().filter(|outcome| outcome.action == OutcomeAction::ScaledUp).count();
    assert_eq!(acted, 1, "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| outcome.decision_id == outcomes[0].decision_id));
    assert_eq!(stack.auto_scaling.writes().len(), 1);
}

#[tokio::test]
async fn an_older_decision_after_a_newer_one_adds_nothing() {
    let stack = start("reordered", &[]).await;
    stack.faults.deliver(&stack.topics.decisions, Delivery::Held);
    grow_to(&stack, 78);
    let older = decide(&stack).await;
    grow_to(&stack, 80);
    let newer = decide(&stack).await;
    assert!(0 < older.delta && older.delta < newer.delta);

    assert_eq!(deliver(&stack, &newer).await.action, OutcomeAction::ScaledUp);
    let outcome = deliver(&stack, &older).await;
    assert_eq!(outcome.action, OutcomeAction::None, "{}", outcome.reason);
    assert_eq!(desired(&stack), AGENTS + newer.delta);
}

#[tokio::test]
async fn a_scale_down_decided_before_a_scale_up_is_not_done_after_it() {
    let stack = start("reordered-down", &[SHRINK]).await;
    stack.faults.deliver(&stack.topics.decisions, Delivery::Held);
    let down = decide(&stack).await;
    assert_eq!(down.state, ScalingState::ScaleDown);
    grow_to(&stack, 79);
    let up = decide(&stack).await;

    assert_eq!(deliver(&stack, &up).await.action, OutcomeAction::ScaledUp);
    // Even when the launches are over: the scale-down saw another group.
    stack.finish_activities();
    let outcome = deliver(&stack, &down).await;
    assert_eq!(outcome.action, OutcomeAction::BackedOff);
    assert_eq!(outcome.clause, Some(Clause::B1), "{}", outcome.reason);
    assert_eq!(desired(&stack), AGENTS + up.delta);
}

#[tokio::test]
async fn a_late_decision_is_refused() {
    let stack = start("late", &[]).await;
    stack.faults.deliver(&stack.topics.decisions, Delivery::Held);
    grow_to(&stack, 79);
    let fresh = decide(&stack).await;
    let calls = stack.auto_scaling.call_count();
    let late = ScalingDecision {
        id: Uuid::from_u128(1),
        snapshot_taken_at: fresh.snapshot_taken_at - Duration::from_secs(300),
        decided_at: fresh.decided_at - Duration::from_secs(300),
        expires_at: fresh.expires_at - Duration::from_secs(300),
        ..fresh
    };
    // One that gives itself a longer life than the schedule allows does not get it.
    let everlasting = ScalingDecision {
        id: Uuid::from_u128(2),
        expires_at: late.expires_at + Duration::from_secs(86_400),
        ..late.clone()
    };
    for decision in [late, everlasting] {
        publish(&stack, &decision);
        let outcome = deliver(&stack, &decision).await;
        assert_eq!(outcome.action, OutcomeAction::Refused);
        assert!(outcome.reason.contains("expired"), "{}", outcome.reason);
    }
    assert_eq!(stack.auto_scaling.call_count(), calls, "not even the group was looked at");
}

#[tokio::test]
async fn a_lost_message_is_made_up_for_by_the_next_run() {
    let stack = start("lost", &[]).await;
    grow_to(&stack, 79);
    stack.faults.deliver(&stack.topics.decisions, Delivery::Held);
    let lost = decide(&stack).await;
    stack.faults.deliver(&stack.topics.decisions, Delivery::Once);
    let run = stack.run().await.unwrap().remove(0);
    assert_eq!((run.decision.delta, run.outcome.action), (lost.delta, OutcomeAction::ScaledUp));
}

#[tokio::test]
async fn after_a_failover_nothing_is_done() {
    let stack = start("failover", &[SHRINK]).await;
    stack.master.cluster(|cluster| cluster.fail_over(now()));
    let run = stack.run().await.unwrap().remove(0);
    assert_eq!(run.snapshot.completeness.level, CompletenessLevel::Blind);
    assert_eq!((run.snapshot.agents.registered, run.snapshot.agents.recovered), (0, 60));
    assert_eq!((run.decision.state, run.decision.delta), (ScalingState::Held, 0));
    assert_eq!(run.outcome.action, OutcomeAction::None);
    assert_eq!(stack.auto_scaling.writes().len(), 0);
}

#[tokio::test]
async fn without_a_leader_nothing_is_published() {
    let stack = start("no-leader", &[("[mesos]", "[mesos]\ntimeout = \"1s\"")]).await;
    for mode in [Mode::NoLeader, Mode::Starting, Mode::Following(stack.master.address())] {
        stack.faults.master(mode.clone());
        assert!(stack.gather().await.is_err(), "{mode:?}");
    }
    stack.master.stop();
    assert!(stack.gather().await.is_err(), "no master at all");
    assert_eq!(stack.sns.mark(), 0);
}

#[tokio::test]
async fn a_busy_group_is_tried_again_by_the_next_run_b4() {
    for (name, fault) in [("in-progress", scaling_activity_in_progress()), ("contention", resource_contention())] {
        let stack = start(name, &[]).await;
        grow_to(&stack, 79);
        stack.faults.refuse("SetDesiredCapacity", fault.clone(), ALWAYS);
        let run = stack.run().await.unwrap().remove(0);
        assert_eq!(run.outcome.action, OutcomeAction::BackedOff);
        assert!(run.outcome.reason.contains(&fault.code), "{}", run.outcome.reason);
        assert_eq!(desired(&stack), AGENTS);
        stack.within("end of node_scale", stack.scale.wait_until_done(1)).await.unwrap();
        let invocation = stack.scale.history().remove(0);
        assert!(invocation.result.is_ok() && invocation.attempts == 1, "backing off is a success: {invocation:?}");
    }
}

#[tokio::test]
async fn a_missing_permission_fails_loudly() {
    let stack = start("access-denied", &[]).await;
    grow_to(&stack, 79);
    stack.faults.refuse("SetDesiredCapacity", access_denied("SetDesiredCapacity"), ALWAYS);
    let run = stack.run().await.unwrap().remove(0);
    assert_eq!(run.outcome.action, OutcomeAction::Failed);
    assert!(run.outcome.reason.contains("autoscaling:SetDesiredCapacity"), "{}", run.outcome.reason);
    assert_eq!(desired(&stack), AGENTS);
    stack.within("end of node_scale", stack.scale.wait_until_done(1)).await.unwrap();
    let invocation = stack.scale.history().remove(0);
    assert!(invocation.result.is_err(), "Lambda counts an error");
}

#[tokio::test]
async fn a_throttled_call_is_made_again() {
    let stack = start("throttled", &[]).await;
    stack.faults.refuse("DescribeAutoScalingGroups", throttling(), 1);
    stack.faults.refuse("DescribeScalingActivities", throttling(), 1);
    let run = stack.run().await.unwrap().remove(0);
    assert_eq!(run.outcome.action, OutcomeAction::None);
    let count = |action: &str| stack.auto_scaling.calls().iter().filter(|call| call.action == action).count();
    // node_gather and node_scale each describe the group once.
    assert_eq!((count("DescribeAutoScalingGroups"), count("DescribeScalingActivities")), (3, 2));
}

#[tokio::test]
async fn a_scale_down_removes_empty_instances_and_backs_off_until_they_are_gone() {
    let stack = start("scale-down", &[SHRINK]).await;
    let run = stack.run().await.unwrap().remove(0);
    assert_eq!((run.decision.state, run.decision.delta), (ScalingState::ScaleDown, -EMPTY_AT_ONCE));
    removes_empty_agents(&run);
    assert_eq!(desired(&stack), AGENTS - EMPTY_AT_ONCE);

    let during = stack.run().await.unwrap().remove(0);
    assert_eq!(during.decision.delta, -EMPTY_AT_ONCE);
    assert_eq!(during.outcome.action, OutcomeAction::BackedOff, "{}", during.outcome.reason);

    stack.finish_activities();
    let after = stack.run().await.unwrap().remove(0);
    assert_eq!(after.snapshot.agents.registered, 54);
    assert_eq!(after.outcome.action, OutcomeAction::BackedOff, "the cooldown lasts");
    assert_eq!(after.outcome.clause, Some(Clause::B2), "{}", after.outcome.reason);
    assert_eq!(desired(&stack), AGENTS - EMPTY_AT_ONCE);
}

#[tokio::test]
async fn a_termination_in_progress_does_not_hold_back_a_scale_up() {
    let stack = start("termination", &[]).await;
    stack.auto_scaling.group(GROUP, |group| group.set_desired(AGENTS - 1, false, now())).unwrap().unwrap();
    grow_to(&stack, 79);
    let run = stack.run().await.unwrap().remove(0);
    let in_progress =
        stack.auto_scaling.group(GROUP, |group| group.activities().filter(|a| a.is_in_progress()).count());
    assert!(in_progress.unwrap() > 0);
    assert_eq!(run.outcome.action, OutcomeAction::ScaledUp, "{}", run.outcome.reason);
}

#[tokio::test]
async fn an_agent_that_an_operator_deactivated_uses_up_no_step() {
    let stack = start("leaving", &[SHRINK]).await;
    stack.master.cluster(|cluster| cluster.deactivate_fullest(1));
    let run = stack.run().await.unwrap().remove(0);
    assert_eq!((run.snapshot.agents.usable, run.snapshot.agents.deactivated), (59, 1));
    // It may stay so for ever. As many go as without it: a tenth of 59 is rounded up. It runs tasks, so it is none of them.
    assert_eq!((run.decision.state, run.decision.delta), (ScalingState::ScaleDown, -EMPTY_AT_ONCE));
    removes_empty_agents(&run);
    assert_eq!(desired(&stack), AGENTS - EMPTY_AT_ONCE);
}

#[tokio::test]
async fn launches_that_fail_are_not_piled_up() {
    let stack = start("launches-fail", &[]).await;
    grow_to(&stack, 79);
    stack.auto_scaling.group(GROUP, |group| group.behavior.failing_launches = ALWAYS).unwrap();
    assert_eq!(stack.run().await.unwrap().remove(0).outcome.action, OutcomeAction::ScaledUp);
    let run = stack.run().await.unwrap().remove(0);
    assert_eq!(run.outcome.action, OutcomeAction::BackedOff);
    assert_eq!(run.outcome.clause, Some(Clause::B5), "{}", run.outcome.reason);
    assert_eq!(stack.auto_scaling.writes().len(), 1);
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_says_what_it_would_do() {
    let stack = start("dry-run", &[("schedule_period = \"1m\"", "schedule_period = \"1m\"\ndry_run = true")]).await;
    grow_to(&stack, 79);
    let run = stack.run().await.unwrap().remove(0);
    assert_eq!(run.decision.state, ScalingState::ScaleUp);
    assert!(run.outcome.dry_run);
    assert_eq!(run.outcome.action, OutcomeAction::DryRun);
    assert_eq!(run.outcome.to, Some(AGENTS + run.decision.delta));
    assert_eq!(stack.auto_scaling.writes().len(), 0);
    assert_eq!(desired(&stack), AGENTS);
}

#[tokio::test]
async fn a_decision_for_an_unknown_pool_is_refused() {
    let stack = start("unknown-pool", &[]).await;
    stack.faults.deliver(&stack.topics.decisions, Delivery::Held);
    grow_to(&stack, 79);
    let genuine = decide(&stack).await;
    let calls = stack.auto_scaling.call_count();
    let forged = ScalingDecision { id: Uuid::from_u128(1), pool: "others".to_owned(), ..genuine };
    publish(&stack, &forged);
    let outcome = deliver(&stack, &forged).await;
    assert_eq!(outcome.action, OutcomeAction::Refused);
    assert!(outcome.reason.contains("others"), "{}", outcome.reason);
    assert_eq!(stack.auto_scaling.call_count(), calls);
}

#[tokio::test]
async fn no_forged_decision_leaves_the_limits() {
    let stack = start("forged", &[]).await;
    stack.faults.deliver(&stack.topics.decisions, Delivery::Held);
    grow_to(&stack, 79);
    let genuine = decide(&stack).await;
    let forged =
        ScalingDecision { id: Uuid::from_u128(1), delta: i32::MAX, target: u32::MAX, wanted: u32::MAX, ..genuine };
    publish(&stack, &forged);
    deliver(&stack, &forged).await;
    assert_eq!(desired(&stack), AGENTS + 10, "max_scale_up_step");
}

#[tokio::test]
async fn what_is_no_snapshot_is_dropped() {
    let stack = start("garbage", &[]).await;
    stack.faults.deliver(&stack.topics.snapshots, Delivery::Held);
    for body in ["not JSON", "{}", r#"{"schema":"lambda-scale/cluster-snapshot","version":99}"#] {
        let message = stack.sns.publish(&stack.topics.snapshots, body, &[]).unwrap();
        let done = stack.sns.deliver(&message).unwrap();
        let invocation = stack.within("end of node_process", done).await.unwrap().unwrap();
        assert!(invocation.result.is_ok(), "trying again would not help: {invocation:?}");
        assert_eq!(invocation.attempts, 1);
    }
    assert!(stack.sns.published(&stack.topics.decisions, 0).is_empty());
}

#[tokio::test]
async fn a_group_that_is_gone_is_reported() {
    let stack = start("no-group", &[]).await;
    grow_to(&stack, 79);
    stack.auto_scaling.delete(GROUP);
    let run = stack.run().await.unwrap().remove(0);
    assert_eq!(run.outcome.action, OutcomeAction::Refused);
    assert!(run.outcome.reason.contains(GROUP), "{}", run.outcome.reason);
    assert_eq!(run.outcome.from, None);
}

#[tokio::test]
async fn the_credentials_in_parameter_store_open_the_master() {
    let faults = Faults { master_credentials: Some("lambda-scale:secret".to_owned()), ..Faults::default() };
    let stack = start_faulty("credentials", stage::binaries().unwrap(), CONFIGURATION.to_owned(), faults).await;
    assert_eq!(stack.run().await.unwrap().remove(0).snapshot.agents.usable, 60);
    assert_eq!(stack.ssm.calls()[0].action, "GetParameter");
    stack.faults.change(|faults| faults.master_credentials = Some("lambda-scale:another".to_owned()));
    let error = stack.gather().await.unwrap_err().to_string();
    assert!(error.contains("401") && !error.contains("secret"), "{error}");
}

#[tokio::test]
async fn instances_queued_in_marathon_add_agents_for_them() {
    let stack = start("queued", &[("[[pools]]", "[marathon]\nurl = \"http://10.0.0.5:8080\"\n[[pools]]")]).await;
    assert_eq!(stack.run().await.unwrap().remove(0).decision.delta, 0, "nothing is queued");
    // 400 cpus; 174.55 are free.
    let size = resources(2, 64);
    stack.marathon.cluster(|cluster| *cluster = std::mem::take(cluster).queued("/new", 200, size));
    let run = stack.run().await.unwrap().remove(0);
    let queued: u32 = run.snapshot.applications.iter().map(|application| application.queued).sum();
    assert_eq!((queued, run.outcome.action), (200, OutcomeAction::ScaledUp), "{}", run.outcome.reason);
    // Without the queue nothing is added, and nothing removed either.
    stack.faults.refuse("/v2/queue", AwsError::new(503, "", ""), 1);
    let run = stack.run().await.unwrap().remove(0);
    assert_eq!((run.snapshot.completeness.level, run.decision.delta), (CompletenessLevel::Partial, 0));
}

#[tokio::test]
async fn after_masters_that_are_stuck_the_leading_one_is_asked() {
    let stuck_masters = vec![Stuck::Stalls { after: 200 }, Stuck::Trickles { pause: Duration::from_millis(20) }];
    let configuration = CONFIGURATION.replacen("[mesos]\n", "[mesos]\ntimeout = \"6s\"\n", 1);
    assert_ne!(configuration, CONFIGURATION);
    let faults = Faults { stuck_masters, ..Faults::default() };
    let stack = start_faulty("stuck", stage::binaries().unwrap(), configuration, faults).await;
    let run = stack.run().await.unwrap().remove(0);
    assert_eq!(run.snapshot.completeness.level, CompletenessLevel::Complete, "{:?}", run.snapshot.completeness);
    assert_eq!(run.snapshot.agents.usable, 60);
    assert!(stack.stuck_masters.iter().all(|master| master.requests().len() == 1));
}
