//! The strategy `drain` (A1): the calls about agents, step by step.

use shared::contract::{AgentRef, AgentState};

use super::*;
use crate::state::Tag;

fn draining(settings: &str) -> Policy {
    policy_with("drain", settings)
}

pub(super) fn agent(instance: u32, state: AgentState, task_count: u32) -> AgentRef {
    let (id, hostname, instance) = (format!("S{instance}"), format!("host-{instance}"), format!("i-{instance}"));
    AgentRef { state, task_count, ..cluster::agent_ref(&id, &hostname, Some(&instance)) }
}

/// Tags the agents of instances as decommissioning since that many seconds.
pub(super) fn tagged(mut state: GroupState, instances: &[u32], ago: i64) -> GroupState {
    for instance in instances {
        let TagChange::Set { key, value } = TagChange::decommission(&format!("i-{instance}"), at(-ago)) else {
            panic!()
        };
        state.group.tags.push(Tag { key, value });
    }
    state
}

pub(super) fn with_decommissioning(delta: i32, decommissioning: Vec<AgentRef>) -> ScalingDecision {
    let names = (0..delta.min(0).unsigned_abs()).map(|n| agent(n, AgentState::Active, 1));
    ScalingDecision {
        scale_down_agents: names.collect(),
        decommissioning_agents: decommissioning,
        ..decision(delta, 10)
    }
}

fn planned(decision: &ScalingDecision, state: &GroupState) -> Plan {
    plan(decision, Some(state), &draining(""), at(0))
}

fn target(instance: u32) -> TerminationTarget {
    TerminationTarget {
        instance_id: format!("i-{instance}"),
        agent_id: format!("S{instance}"),
        hostname: format!("host-{instance}"),
        weight: 1,
    }
}

pub(super) fn steps(plan: &Plan) -> Vec<(&'static str, &str)> {
    plan.agents.iter().map(|step| (step.call.name(), step.instance_id.as_str())).collect()
}

fn steps_of(plan: &Plan) -> Vec<String> {
    steps(plan).iter().map(|(call, id)| format!("{call} {id}")).collect()
}

pub(super) fn terminated(plan: &Plan) -> Vec<&str> {
    match &plan.result {
        PlanResult::Act(Change::Terminate { targets, .. }) => {
            targets.iter().map(|target| target.instance_id.as_str()).collect()
        }
        _ => Vec::new(),
    }
}

use AgentState::{Deactivated, Drained, Draining};

#[test]
fn all_chosen_agents_are_deactivated_before_any_is_drained_a1() {
    let plan = planned(&with_decommissioning(-3, Vec::new()), &group());
    assert_eq!(steps(&plan), [("deactivate", "i-0"), ("deactivate", "i-1"), ("deactivate", "i-2")]);
    check(&plan, Change::Deactivate { targets: [0, 1, 2].map(target).into(), skipped: Vec::new() });
}

#[test]
fn what_prevents_a_scale_down_prevents_a_deactivation() {
    let mut at_min = group();
    at_min.group.min_size = 10;
    let mut busy = group();
    busy.activities.push(activity(ActivityKind::Launch, "i-x", ActivityStatus::InProgress, -300, None));
    for state in [suspend(group(), "Terminate"), at_min, busy] {
        let plan = planned(&with_decommissioning(-1, Vec::new()), &state);
        assert!(plan.agents.is_empty() && terminated(&plan).is_empty(), "{plan:?}");
    }
}

#[test]
fn after_drain_after_a_deactivated_agent_is_drained() {
    let decision = with_decommissioning(0, vec![agent(5, Deactivated, 3)]);
    assert_eq!(steps(&planned(&decision, &tagged(group(), &[5], 299))), []);
    let plan = planned(&decision, &tagged(group(), &[5], 300));
    assert_eq!(steps(&plan), [("drain", "i-5")]);
    assert_eq!(plan.agents[0].call, AgentCall::Drain { grace: Duration::from_secs(120) });
    check(&plan, Change::Drain { hostnames: vec!["host-5".to_owned()] });
    // While it drains no further call is made.
    let decision = with_decommissioning(0, vec![agent(5, Draining, 3)]);
    assert_eq!(steps(&planned(&decision, &tagged(group(), &[5], 3000))), []);
}

#[test]
fn no_instance_with_a_task_is_ever_terminated_i8() {
    let decommissioning =
        vec![agent(4, Draining, 1), agent(5, Drained, 0), agent(6, Deactivated, 0), agent(7, Deactivated, 2)];
    let plan = planned(&with_decommissioning(0, decommissioning), &tagged(group(), &[4, 5, 6, 7], 100));
    assert_eq!(terminated(&plan), ["i-5", "i-6"]);
    assert_eq!(plan.result.reason().text, "terminates i-5 (host-5), i-6 (host-6)");
}

#[test]
fn an_agent_that_an_operator_deactivated_is_skipped() {
    let decommissioning = vec![agent(4, Drained, 0), agent(5, Deactivated, 0), agent(6, Deactivated, 7)];
    for delta in [-1, 0, 3] {
        let plan = planned(&with_decommissioning(delta, decommissioning.clone()), &group());
        let touched = plan.agents.iter().any(|step| step.instance_id != "i-0");
        assert!(!touched && terminated(&plan).is_empty(), "{plan:?}");
    }
}

#[test]
fn an_operators_agent_does_not_use_up_the_step() {
    let one = draining("max_scale_down_step = 1");
    let planned = |decision: &ScalingDecision, state: &GroupState| plan(decision, Some(state), &one, at(0));
    // One that an operator deactivated may stay so for ever.
    let decision = with_decommissioning(-1, vec![agent(5, Deactivated, 3)]);
    assert_eq!(steps(&planned(&decision, &group())), [("deactivate", "i-0")]);
    // One that drains, or bears our tag, is about to leave.
    let mut drains = with_decommissioning(-1, vec![agent(5, Draining, 3)]);
    drains.agents.draining = 1;
    assert_eq!(steps(&planned(&drains, &group())), []);
    assert_eq!(steps(&planned(&decision, &tagged(group(), &[5], 1))), []);
}

#[test]
fn an_agent_that_is_named_again_uses_up_no_step() {
    let two = draining("max_scale_down_step = 2");
    let decision = with_decommissioning(-2, Vec::new());
    let deactivated = |tags: &[u32]| {
        let plan = plan(&decision, Some(&tagged(group(), tags, 1)), &two, at(0));
        steps(&plan).iter().map(|(call, id)| format!("{call} {id}")).collect::<Vec<_>>()
    };
    // A master refused the calls after their tags were written: they are repeated.
    assert_eq!(deactivated(&[0, 1]), ["deactivate i-0", "deactivate i-1"]);
    assert_eq!(deactivated(&[0]), ["deactivate i-0", "deactivate i-1"]);
    // Others that were begun use up the step.
    assert_eq!(deactivated(&[0, 5]), ["deactivate i-0"]);
    assert_eq!(deactivated(&[5, 6]), [""; 0]);
}

#[test]
fn agents_without_tasks_go_up_to_a_tenth_at_once_d3() {
    // Of 30 agents three; with a task or of unknown tasks, the step of one.
    let policy = policy_with("least_loaded", "max_scale_down_step = 1\nmin = 0");
    let removed = |task_count, completeness| {
        let names = (0..5).map(|n| agent(n, AgentState::Active, task_count));
        let decision = ScalingDecision { scale_down_agents: names.collect(), completeness, ..decision(-5, 30) };
        terminated(&plan(&decision, Some(&group()), &policy, at(0))).len()
    };
    let complete = Some(CompletenessLevel::Complete);
    assert_eq!((removed(0, complete), removed(1, complete), removed(0, None)), (3, 1, 1));
}

#[test]
fn agents_are_reactivated_before_instances_are_launched() {
    let decommissioning = || vec![agent(4, Draining, 1), agent(5, Drained, 0), agent(6, Deactivated, 2)];
    let state = tagged(group(), &[4, 5, 6], 100);
    let plan = planned(&with_decommissioning(1, decommissioning()), &state);
    assert_eq!(steps(&plan), [("reactivate", "i-6")], "first the one whose tasks still run");
    check(&plan, Change::Reactivate { hostnames: vec!["host-6".to_owned()] });
    let plan = planned(&with_decommissioning(4, decommissioning()), &state);
    assert_eq!(steps(&plan), [("reactivate", "i-6"), ("reactivate", "i-5")], "one that drains cannot be stopped");
    check(
        &plan,
        Change::Increase(Increase {
            from: 10,
            to: 12,
            needed: 4,
            in_flight: 0,
            reactivated: 2,
            floor: None,
            max: None,
        }),
    );
    // That needs no launch.
    let plan = planned(&with_decommissioning(1, decommissioning()), &suspend(state, "Launch"));
    assert_eq!(steps(&plan), [("reactivate", "i-6")]);
}

/// Ten instances, and more desired, which are not there.
fn lacking(desired: i32, activities: Vec<Activity>) -> GroupState {
    let mut state = tagged(group(), &[5, 6, 7], 3000);
    state.group.desired_capacity = desired;
    state.activities = activities;
    state
}

fn failed() -> Vec<Activity> {
    let launch = |n: i64| activity(ActivityKind::Launch, "i-x", ActivityStatus::Failed, -60 * n, Some(1 - 60 * n));
    (1..6).map(launch).collect()
}

fn three_closed() -> Vec<AgentRef> {
    vec![agent(5, Drained, 0), agent(6, Deactivated, 0), agent(7, Deactivated, 2)]
}

#[test]
fn what_does_not_arrive_stands_in_for_no_closed_agent_a1() {
    let reactivated = |state: &GroupState| steps(&planned(&with_decommissioning(3, three_closed()), state)).len();
    assert_eq!(reactivated(&lacking(15, failed())), 3);
    assert_eq!(reactivated(&suspend(lacking(15, Vec::new()), "Launch")), 3);
    // What the group is about to launch does.
    assert_eq!([11, 12, 15].map(|desired| reactivated(&lacking(desired, Vec::new()))), [2, 1, 0]);
    // So does what arrives, but not of a series that brings no agent.
    let launching = |mut activities: Vec<Activity>| {
        activities.push(activity(ActivityKind::Launch, "i-young", ActivityStatus::InProgress, -30, None));
        let mut state = lacking(11, activities);
        state.group.instances.push(instance("i-young", Lifecycle::Pending));
        reactivated(&state)
    };
    assert_eq!((launching(Vec::new()), launching(failed())), (2, 3));
}

#[test]
fn decommissioning_waits_for_a_complete_snapshot_a1() {
    let state = tagged(group(), &[5, 6], 3000);
    for completeness in [None, Some(CompletenessLevel::Partial), Some(CompletenessLevel::Blind)] {
        for delta in [-1, 0] {
            let decommissioning = vec![agent(5, Deactivated, 0), agent(6, Deactivated, 4)];
            let plan =
                planned(&ScalingDecision { completeness, ..with_decommissioning(delta, decommissioning) }, &state);
            check(&plan, BackOff::IncompleteSnapshot);
            assert!(plan.agents.is_empty() && plan.tags.is_empty(), "{plan:?}");
        }
    }
}

/// What a minimum keeps is of use only if its agent takes tasks.
#[test]
fn agents_whose_instances_a_minimum_keeps_are_reactivated_a1() {
    let decommissioning =
        vec![agent(4, Draining, 1), agent(5, Drained, 0), agent(6, Deactivated, 0), agent(7, Deactivated, 2)];
    let decision = |delta| with_decommissioning(delta, decommissioning.clone());
    let state = tagged(group(), &[4, 5, 6, 7], 3000);
    let with_floor = |instances: u32| {
        let mut state = state.clone();
        let value = format!("{instances} {}", shared::time::format(at(600)));
        state.group.tags.push(Tag { key: "lambda-scale/floor".to_owned(), value });
        state
    };
    let mut at_min = state.clone();
    at_min.group.min_size = 10;
    for kept in [at_min, with_floor(10)] {
        for delta in [0, -1] {
            let plan = planned(&decision(delta), &kept);
            assert_eq!(steps(&plan), [("reactivate", "i-5"), ("reactivate", "i-6"), ("reactivate", "i-7")]);
            check(&plan, Change::Reactivate { hostnames: ["host-5", "host-6", "host-7"].map(str::to_owned).into() });
        }
    }
    // One may still go.
    assert_eq!(terminated(&planned(&decision(0), &with_floor(9))), ["i-5"]);
}

#[test]
fn agents_are_reactivated_for_a_floor_that_cannot_be_reached_a1() {
    let reactivated = |state: &GroupState, settings: &str| {
        let decision = with_decommissioning(0, three_closed());
        let plan = plan(&decision, Some(state), &draining(settings), at(0));
        (steps(&plan).iter().filter(|(call, _)| *call == "reactivate").count(), plan.result)
    };
    let with_floor = |mut state: GroupState, instances: u32| {
        state.group.tags.push(Tag { key: "lambda-scale/floor".to_owned(), value: format!("{instances} forever") });
        state
    };
    let back = Change::Reactivate { hostnames: ["host-5", "host-6", "host-7"].map(str::to_owned).into() };
    assert_eq!(reactivated(&with_floor(lacking(10, Vec::new()), 60), "max = 10"), (3, back.into()));
    let suspended = suspend(with_floor(lacking(10, Vec::new()), 12), "Launch");
    assert_eq!(reactivated(&suspended, ""), (3, BackOff::Suspended(Direction::Up, None).into()));
    let (count, result) = reactivated(&with_floor(lacking(10, Vec::new()), 12), "");
    assert!(count == 3 && matches!(result, PlanResult::Act(Change::Increase(Increase { to: 12, .. }))), "{result:?}");
    // The desired capacity is above it, and not there.
    assert_eq!(reactivated(&with_floor(lacking(15, failed()), 10), "").0, 3);
    // When what is about to be launched is there, they may go.
    assert_eq!(reactivated(&with_floor(lacking(15, Vec::new()), 10), ""), (0, BackOff::InFlight(5).into()));
}

#[test]
fn an_empty_instance_terminates_in_a_settled_group_only() {
    let decision = with_decommissioning(0, vec![agent(5, Drained, 0)]);
    let state = tagged(group(), &[5], 3000);
    assert_eq!(terminated(&planned(&decision, &state)), ["i-5"]);
    check(&planned(&decision, &suspend(state.clone(), "Terminate")), BackOff::Suspended(Direction::Down, None));
    // A cooldown is for choosing: these have been chosen.
    let mut after = state;
    after.activities.push(activity(ActivityKind::Terminate, "i-x", ActivityStatus::Successful, -90, Some(-60)));
    assert_eq!(terminated(&planned(&decision, &after)), ["i-5"]);
}

#[test]
fn decommissioning_agents_count_against_step_and_limits() {
    let decommissioning = vec![agent(5, Deactivated, 3), agent(6, Draining, 3)];
    let state = tagged(group(), &[5, 6], 10);
    let plan = planned(&with_decommissioning(-3, decommissioning.clone()), &state);
    assert_eq!(steps(&plan), [("deactivate", "i-0")], "at most three at once");
    let mut close = state;
    close.group.min_size = 8;
    let plan = planned(&with_decommissioning(-3, decommissioning), &close);
    assert_eq!(steps(&plan), []);
}

/// The decision from a snapshot in which the agents of these tagged instances are active.
fn with_active(decision: ScalingDecision, state: &GroupState, active: &[u32]) -> ScalingDecision {
    let decision = seen(decision, state);
    let tagged_active = Some(active.iter().map(|n| format!("i-{n}")).collect());
    let group = decision.group.map(|group| GroupMembers { tagged_active, ..group });
    ScalingDecision { group, ..decision }
}

#[test]
fn tags_are_deleted_with_their_reason() {
    // i-5 is gone, an operator reactivated i-6, i-7 was tagged a moment ago, i-8 is decommissioning, i-9 is not listed.
    let mut state = tagged(tagged(group(), &[5, 6, 8, 9], 3000), &[7], 20);
    state.group.instances.retain(|instance| instance.instance_id != "i-5");
    state.group.desired_capacity = 9;
    let decision = with_active(with_decommissioning(0, vec![agent(8, Draining, 2)]), &state, &[6, 7]);
    let plan = planned(&decision, &state);
    assert_eq!(plan.tags, [TagChange::end_decommission("i-5"), TagChange::end_decommission("i-6")]);
    // A snapshot that is not complete, or does not say, proves nothing.
    let partial = ScalingDecision { completeness: Some(CompletenessLevel::Partial), ..decision };
    assert_eq!(planned(&partial, &state).tags, [TagChange::end_decommission("i-5")]);
    let silent = with_decommissioning(0, Vec::new());
    assert_eq!(planned(&silent, &state).tags, [TagChange::end_decommission("i-5")]);
}

#[test]
fn no_plan_deletes_the_tag_of_an_agent_that_it_deactivates() {
    // A call failed, or an operator reactivated both; the next decision names one of them again.
    let state = tagged(group(), &[0, 6], 3000);
    let decision = with_active(with_decommissioning(-1, Vec::new()), &state, &[0, 6]);
    let plan = planned(&decision, &state);
    assert_eq!(steps(&plan), [("deactivate", "i-0")]);
    assert_eq!(plan.tags, [TagChange::end_decommission("i-6")]);
}

#[test]
fn an_agent_that_is_not_listed_counts_until_join_timeout() {
    let one = draining("max_scale_down_step = 1\njoin_timeout = \"15m\"");
    let planned_after = |ago| {
        let state = tagged(group(), &[5], ago);
        let decision = with_active(with_decommissioning(-1, Vec::new()), &state, &[]);
        plan(&decision, Some(&state), &one, at(0))
    };
    let (young, old) = (planned_after(899), planned_after(900));
    assert_eq!((steps(&young), steps(&old)), (vec![], vec![("deactivate", "i-0")]));
    // It is named all the time, and keeps its tag.
    for plan in [young, old] {
        assert_eq!((plan.stranded, &plan.tags[..]), (1, &[][..]));
        let note = "deactivated for decommissioning, and no such agent is listed: i-5; check one, and terminate those whose \
                    agents do not come back";
        assert_eq!(plan.notes, [note]);
    }
    // Back and deactivated, it goes on.
    let state = tagged(group(), &[5], 3000);
    let back = with_active(with_decommissioning(0, vec![agent(5, Deactivated, 0)]), &state, &[]);
    let plan = plan(&back, Some(&state), &one, at(0));
    assert_eq!((terminated(&plan), plan.stranded), (vec!["i-5"], 0));
}

#[test]
fn what_keeps_a_decommissioning_instance_is_named() {
    let mut state = tagged(group(), &[5], 3000);
    state.group.instances[5].protected_from_scale_in = true;
    let decision = with_active(with_decommissioning(0, vec![agent(5, Drained, 0)]), &state, &[]);
    let plan = planned(&decision, &state);
    assert_eq!(plan.notes, ["decommissioning does not go on: host-5: i-5 has scale-in protection"]);
    // Under another strategy nothing goes on with it.
    let state = tagged(group(), &[5], 3000);
    let plan = super::super::plan(&decision, Some(&state), &policy_with("least_loaded", ""), at(0));
    let note = "deactivated, but scale_down_strategy is no longer \"drain\": i-5; reactivate their agents, or terminate these \
                instances";
    assert_eq!((plan.stranded, &plan.notes[..]), (1, &[note.to_owned()][..]));
}

#[test]
fn a_drain_that_does_not_end_is_named() {
    let note = "the drain does not end: host-6; check the tasks there, or terminate the instance";
    let drained = AgentRef { decommission_tag: None, drain_overdue: true, ..agent(5, Drained, 0) };
    for (tags, settings) in [(vec![], "least_loaded"), (vec![], "drain"), (vec![6], "drain")] {
        let planned = |drain_overdue| {
            let hanging = AgentRef { drain_overdue, decommission_tag: Some(!tags.is_empty()), ..agent(6, Draining, 3) };
            let mut decision = with_decommissioning(-1, vec![drained.clone(), hanging]);
            decision.agents.draining = 2;
            let state = tagged(group(), &tags, 3000);
            plan(&decision, Some(&state), &policy_with(settings, "max_scale_down_step = 1"), at(0))
        };
        let (ends, hangs) = (planned(false), planned(true));
        assert_eq!((ends.stranded, &ends.notes[..]), (0, &[][..]), "{settings}");
        assert_eq!((hangs.stranded, &hangs.notes[..]), (1, &[note.to_owned()][..]), "{settings}");
        if settings == "drain" {
            // Its step is free again.
            assert_eq!((steps(&ends), steps(&hangs)), (vec![], vec![("deactivate", "i-0")]));
        }
    }
    // One that is stranded anyway counts once.
    let hanging = AgentRef { drain_overdue: true, decommission_tag: Some(true), ..agent(6, Draining, 3) };
    let decision = with_decommissioning(0, vec![hanging]);
    let planned = plan(&decision, Some(&tagged(group(), &[6], 3000)), &policy_with("least_loaded", ""), at(0));
    assert_eq!((planned.stranded, planned.notes.len()), (1, 1), "{:?}", planned.notes);
}

#[test]
fn a_snapshot_before_the_tag_terminates_nothing() {
    // An agent was reactivated, but its tag not deleted; an older snapshot arrives, ten seconds old.
    let decision = with_decommissioning(0, vec![agent(5, Drained, 0), agent(6, Deactivated, 2)]);
    let plan = |ago| plan(&decision, Some(&tagged(group(), &[5, 6], ago)), &draining("drain_after = \"0s\""), at(0));
    let (before, after) = (plan(10), plan(11));
    assert!(terminated(&before).is_empty() && steps(&before).is_empty(), "{before:?}");
    assert_eq!((terminated(&after), steps(&after)), (vec!["i-5"], vec![("drain", "i-6")]));
}

#[test]
fn an_old_mesos_is_refused_before_any_tag_r1() {
    let decision = |version: Option<&str>| ScalingDecision {
        mesos_version: version.map(str::to_owned),
        ..with_decommissioning(-2, Vec::new())
    };
    let state = tagged(group(), &[5], 3000);
    let plan = planned(&decision(Some("1.7.3")), &state);
    check(&plan, Refusal::OldMesos { version: "1.7.3".to_owned(), needs: "1.9" });
    assert!(plan.tags.is_empty() && plan.agents.is_empty(), "{plan:?}");
    let reason = "R1: scale_down_strategy = \"drain\" needs Mesos 1.9 or later, and the master is 1.7.3; upgrade the masters, or \
                  set scale_down_strategy = \"least_loaded\"";
    assert_eq!(plan.result.reason().to_string(), reason);
    for version in [Some("1.9.0"), Some("1.11.0"), Some("dev"), None] {
        assert_eq!(steps(&planned(&decision(version), &state)).len(), 2, "{version:?}");
    }
    // More agents need no such call, and neither does another strategy.
    let up = ScalingDecision { delta: 1, wanted: 1, ..decision(Some("1.7.3")) };
    assert!(!matches!(planned(&up, &state).result, PlanResult::Refuse(_)));
    let plan = super::super::plan(&decision(Some("1.7.3")), Some(&state), &policy_with("least_loaded", ""), at(0));
    assert!(!matches!(plan.result, PlanResult::Refuse(_)), "{plan:?}");
}

#[test]
fn an_instance_that_another_agent_names_too_stays_until_that_one_is_gone() {
    let goes = |agent: AgentRef| planned(&with_decommissioning(0, vec![agent]), &tagged(group(), &[5], 600)).result;
    for state in [Deactivated, Drained] {
        let empty = agent(5, state, 0);
        let contested = AgentRef { contested: true, ..empty.clone() };
        assert!(matches!(goes(contested), PlanResult::Nothing(_)), "{state:?}");
        assert!(matches!(goes(empty), PlanResult::Act(Change::Terminate { .. })), "{state:?}");
    }
}

#[test]
fn closed_agents_keep_their_tasks_and_stop_no_other() {
    let one = draining("max_scale_down_step = 1\ndrain_after = \"never\"");
    let planned = |decision: &ScalingDecision, ago| plan(decision, Some(&tagged(group(), &[5], ago)), &one, at(0));
    let closed_since = |ago: i64| {
        let decommission_since = Some(at(-ago));
        let closed = AgentRef { decommission_tag: Some(true), decommission_since, ..agent(5, Deactivated, 3) };
        steps_of(&planned(&with_decommissioning(-1, vec![closed]), ago))
    };
    // The window of these pools has no length: a quarter of an hour counts instead.
    for ago in [0, 900] {
        assert_eq!(closed_since(ago), [""; 0], "one at a time");
    }
    assert_eq!(closed_since(901), ["deactivate i-0"]);
    // A job of five days is never stopped, and its agent is reactivated first.
    let kept = with_decommissioning(0, vec![agent(5, Deactivated, 3)]);
    assert_eq!(steps(&planned(&kept, 5 * 86_400)), []);
    let up = with_decommissioning(1, vec![agent(5, Deactivated, 3)]);
    assert_eq!(steps(&planned(&up, 5 * 86_400)), [("reactivate", "i-5")]);
    let ended = with_decommissioning(0, vec![agent(5, Deactivated, 0)]);
    assert_eq!(terminated(&planned(&ended, 60)), ["i-5"]);
}

#[test]
fn tasks_are_stopped_only_where_all_fit_elsewhere_d8() {
    let decision = with_decommissioning(0, vec![agent(5, Deactivated, 3)]);
    let state = tagged(group(), &[5], 3000);
    let calls = |needed| steps_of(&planned(&ScalingDecision { needed, ..decision.clone() }, &state));
    // 10 agents are usable.
    assert_eq!(calls(Some(11)), [""; 0], "for as long as more are needed");
    assert_eq!((calls(Some(10)), calls(None)), (vec!["drain i-5".to_owned()], vec!["drain i-5".to_owned()]));
    // What is above the maximum goes at any rate.
    let at_max = plan(&ScalingDecision { needed: Some(11), ..decision }, Some(&state), &draining("max = 10"), at(0));
    assert_eq!(steps(&at_max), [("drain", "i-5")]);
    // A task without another place stays where it runs: its agent gets tasks again.
    let alone = AgentRef { no_place: true, ..agent(5, Deactivated, 3) };
    let plan =
        planned(&with_decommissioning(0, vec![alone.clone(), agent(6, Deactivated, 3)]), &tagged(state, &[6], 3000));
    assert_eq!(steps(&plan), [("reactivate", "i-5"), ("drain", "i-6")]);
    let never = draining("drain_after = \"never\"");
    let closed =
        super::super::plan(&with_decommissioning(0, vec![alone]), Some(&tagged(group(), &[5], 3000)), &never, at(0));
    assert!(closed.agents.is_empty(), "its task ends by itself");
}

#[test]
fn an_agent_that_waits_to_be_drained_stops_no_other_d3() {
    let one = draining("max_scale_down_step = 1\nscale_down_window = \"0s\"");
    let calls = |ago: i64| {
        let since = Some(at(-ago));
        let waiting = AgentRef { decommission_tag: Some(true), decommission_since: since, ..agent(5, Deactivated, 3) };
        let decision = ScalingDecision { needed: Some(11), ..with_decommissioning(-1, vec![waiting]) };
        steps_of(&plan(&decision, Some(&tagged(group(), &[5], ago)), &one, at(0)))
    };
    // drain_after, and a quarter of an hour where there is no window.
    assert_eq!(calls(300 + 900), [""; 0]);
    assert_eq!(calls(300 + 901), ["deactivate i-0"]);
}

#[test]
fn an_agent_with_a_protected_task_is_reactivated_d8() {
    let protected = |tasks| AgentRef { protected: true, ..agent(5, Deactivated, tasks) };
    for (settings, ago) in [("", 20), ("", 3000), ("drain_after = \"never\"", 3000)] {
        let decision = with_decommissioning(0, vec![protected(1), agent(6, Deactivated, 2)]);
        let plan = plan(&decision, Some(&tagged(group(), &[5, 6], ago)), &draining(settings), at(0));
        assert_eq!(steps(&plan)[0], ("reactivate", "i-5"), "{settings} {ago}");
        assert_eq!(steps(&plan).len(), if ago > 20 && settings.is_empty() { 2 } else { 1 });
        assert_eq!(terminated(&plan), [""; 0]);
    }
    let plan = planned(&with_decommissioning(0, vec![protected(1)]), &tagged(group(), &[5], 20));
    check(&plan, Change::Reactivate { hostnames: vec!["host-5".to_owned()] });
    // A scale-up takes it before fuller ones, and every other agent that must stay.
    let two = vec![protected(1), AgentRef { protected: true, ..agent(7, Deactivated, 1) }, agent(6, Deactivated, 9)];
    let plan = planned(&with_decommissioning(1, two), &tagged(group(), &[5, 6, 7], 20));
    assert_eq!(steps(&plan), [("reactivate", "i-5"), ("reactivate", "i-7")]);
    // A draining one cannot be stopped, and one that an operator deactivated is theirs.
    let draining = AgentRef { state: Draining, ..protected(1) };
    assert_eq!(steps(&planned(&with_decommissioning(0, vec![draining]), &tagged(group(), &[5], 20))), []);
    assert_eq!(steps(&planned(&with_decommissioning(0, vec![protected(1)]), &group())), []);
}

#[test]
fn an_agent_is_empty_where_only_daemons_run_d8() {
    let daemons = |state| AgentRef { only_daemons: true, ..agent(5, state, 2) };
    for state in [Deactivated, Draining] {
        let plan = planned(&with_decommissioning(0, vec![daemons(state)]), &tagged(group(), &[5], 3000));
        assert_eq!((terminated(&plan), steps(&plan)), (vec!["i-5"], vec![]));
    }
    let protected = AgentRef { protected: true, ..daemons(Deactivated) };
    let plan = planned(&with_decommissioning(0, vec![protected]), &tagged(group(), &[5], 3000));
    assert_eq!((terminated(&plan), steps(&plan)), (vec![], vec![("reactivate", "i-5")]));
}

#[test]
fn an_agent_whose_tag_has_no_time_is_not_drained() {
    let mut state = group();
    state.group.tags.push(Tag { key: "lambda-scale/decommission/i-5".to_owned(), value: "yes".to_owned() });
    let planned = |tasks| planned(&with_decommissioning(0, vec![agent(5, Deactivated, tasks)]), &state);
    assert!(steps(&planned(1)).is_empty() && terminated(&planned(0)) == ["i-5"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// I8: for every group and decision, only agents with our tag are drained, and only instances without tasks are
    /// terminated.
    #[test]
    fn only_our_own_and_empty_agents_are_ever_terminated(
        state in any_state(),
        decommissioning in prop::collection::vec((0..20_u32, 0..3_u8, 0..3_u32), 0..6),
        tags in prop::collection::btree_set(0..20_u32, 0..6),
        delta in -5..5_i32,
        complete: bool,
    ) {
        let agents: Vec<AgentRef> = decommissioning
            .iter()
            .map(|(n, state, tasks)| {
                let state = [Deactivated, Draining, Drained][usize::from(*state)];
                agent(*n, state, if state == Drained { 0 } else { *tasks })
            })
            .collect();
        let tags: Vec<u32> = tags.into_iter().collect();
        let state = tagged(state, &tags, 3000);
        let completeness = Some(if complete { CompletenessLevel::Complete } else { CompletenessLevel::Partial });
        let decision = ScalingDecision { completeness, ..with_decommissioning(delta, agents.clone()) };
        let plan = planned(&decision, &state);
        let is_ours = |id: &str| tags.iter().any(|n| format!("i-{n}") == id);
        let unit = i32::try_from(state.group.unit().unwrap_or(1)).unwrap();
        let lowest = state.group.min_size.max(unit * i32::try_from(draining("").limits.min).unwrap());
        let in_service = state.group.instances.iter().filter(|i| i.lifecycle_state == Lifecycle::InService);
        let in_service: u32 = in_service.map(Instance::weight).sum();
        let is_at_lowest = state.group.desired_capacity.min(i32::try_from(in_service).unwrap()) - lowest < unit;
        for id in terminated(&plan) {
            prop_assert!(complete && is_ours(id));
            let runs = agents.iter().filter(|a| a.instance_id.as_deref() == Some(id)).map(|a| a.task_count).sum::<u32>();
            prop_assert_eq!(runs, 0);
        }
        for step in &plan.agents {
            match step.call {
                AgentCall::Deactivate => prop_assert!(delta < 0),
                AgentCall::Reactivate => prop_assert!((delta > 0 || is_at_lowest) && is_ours(&step.instance_id)),
                AgentCall::Drain { .. } => prop_assert!(delta <= 0 && complete && is_ours(&step.instance_id)),
            }
        }
        prop_assert!(plan.agents.iter().filter(|step| step.call == AgentCall::Deactivate).count() <= 3);
    }
}
