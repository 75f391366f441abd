//! The strategy `drain` (A1): what is said about agents, step by step.

use shared::contract::{AgentRef, AgentState};

use super::*;
use crate::state::Tag;

fn draining(settings: &str) -> Policy {
    policy_with("drain", settings)
}

fn agent(instance: u32, state: AgentState, task_count: u32) -> AgentRef {
    AgentRef {
        agent_id: format!("S{instance}"),
        hostname: format!("host-{instance}"),
        ip: None,
        instance_id: Some(format!("i-{instance}")),
        state,
        task_count,
    }
}

/// Marks the agents of instances as told to leave that many seconds ago.
fn marked(mut state: GroupState, instances: &[u32], ago: i64) -> GroupState {
    for instance in instances {
        let MarkChange::Set { key, value } = MarkChange::leaves(&format!("i-{instance}"), at(-ago)) else { panic!() };
        state.group.tags.push(Tag { key, value });
    }
    state
}

fn with_leaving(delta: i32, leaving: Vec<AgentRef>) -> ScalingDecision {
    let names = (0..delta.min(0).unsigned_abs()).map(|n| agent(n, AgentState::Active, 1));
    ScalingDecision { scale_down_agents: names.collect(), decommissioning_agents: leaving, ..decision(delta, 10) }
}

fn planned(decision: &ScalingDecision, state: &GroupState) -> Plan {
    plan(decision, Some(state), &draining(""), at(0))
}

fn steps(plan: &Plan) -> Vec<(&'static str, &str)> {
    plan.agents.iter().map(|step| (step.call.name(), step.instance_id.as_str())).collect()
}

fn terminated(plan: &Plan) -> Vec<&str> {
    match &plan.action {
        Action::Terminate(victims) => victims.iter().map(|victim| victim.instance_id.as_str()).collect(),
        _ => Vec::new(),
    }
}

use AgentState::{Deactivated, Drained, Draining};

#[test]
fn all_chosen_agents_are_told_to_leave_before_any_is_drained() {
    let plan = planned(&with_leaving(-3, Vec::new()), &group());
    assert_eq!(plan.action, Action::Nothing);
    assert_eq!(steps(&plan), [("deactivate", "i-0"), ("deactivate", "i-1"), ("deactivate", "i-2")]);
    assert_eq!(plan.reason.text, "3 fewer wanted: tells i-0 (host-0), i-1 (host-1), i-2 (host-2) to leave");
}

#[test]
fn whatever_stands_against_a_scale_down_stands_against_telling_agents_to_leave() {
    let mut at_min = group();
    at_min.group.min_size = 10;
    let mut busy = group();
    busy.activities.push(activity(ActivityKind::Launch, "i-x", ActivityStatus::Underway, -300, None));
    for state in [suspend(group(), "Terminate"), at_min, busy] {
        let plan = planned(&with_leaving(-1, Vec::new()), &state);
        assert!(plan.agents.is_empty() && !matches!(plan.action, Action::Terminate(_)), "{plan:?}");
    }
}

#[test]
fn after_drain_after_a_deactivated_agent_is_drained() {
    let decision = with_leaving(0, vec![agent(5, Deactivated, 3)]);
    assert_eq!(steps(&planned(&decision, &marked(group(), &[5], 299))), []);
    let plan = planned(&decision, &marked(group(), &[5], 300));
    assert_eq!(steps(&plan), [("drain", "i-5")]);
    assert_eq!(plan.agents[0].call, AgentCall::Drain { grace: Duration::from_secs(120) });
    check(&plan, Action::Nothing, "drains host-5");
    // While it drains nothing more is said.
    let decision = with_leaving(0, vec![agent(5, Draining, 3)]);
    assert_eq!(steps(&planned(&decision, &marked(group(), &[5], 3000))), []);
}

#[test]
fn no_instance_with_a_task_is_ever_terminated_i8() {
    let leaving = vec![agent(4, Draining, 1), agent(5, Drained, 0), agent(6, Deactivated, 0), agent(7, Deactivated, 2)];
    let plan = planned(&with_leaving(0, leaving), &marked(group(), &[4, 5, 6, 7], 100));
    assert_eq!(terminated(&plan), ["i-5", "i-6"]);
    check(&plan, plan.action.clone(), "no task runs there any more: i-5 (host-5), i-6 (host-6)");
}

#[test]
fn an_agent_that_an_operator_deactivated_is_left_alone() {
    let leaving = vec![agent(4, Drained, 0), agent(5, Deactivated, 0), agent(6, Deactivated, 7)];
    for delta in [-1, 0, 3] {
        let plan = planned(&with_leaving(delta, leaving.clone()), &group());
        let touched = plan.agents.iter().any(|step| step.instance_id != "i-0");
        assert!(!touched && terminated(&plan).is_empty(), "{plan:?}");
    }
}

#[test]
fn agents_are_taken_back_before_machines_are_bought() {
    let leaving = || vec![agent(4, Draining, 1), agent(5, Drained, 0), agent(6, Deactivated, 2)];
    let state = marked(group(), &[4, 5, 6], 100);
    let plan = planned(&with_leaving(1, leaving()), &state);
    assert_eq!(steps(&plan), [("reactivate", "i-6")], "first the one whose tasks still run");
    check(&plan, Action::Nothing, "1 more wanted: 1 that were leaving are taken back");
    let plan = planned(&with_leaving(4, leaving()), &state);
    assert_eq!(steps(&plan), [("reactivate", "i-6"), ("reactivate", "i-5")], "one that drains cannot be stopped");
    check(&plan, Action::SetDesiredCapacity(12), "4 more wanted, 2 that were leaving are taken back");
    // That needs no launch.
    let plan = planned(&with_leaving(1, leaving()), &suspend(state, "Launch"));
    assert_eq!(steps(&plan), [("reactivate", "i-6")]);
}

#[test]
fn on_a_view_that_is_not_complete_those_that_leave_wait() {
    let state = marked(group(), &[5, 6], 3000);
    for completeness in [None, Some(CompletenessLevel::Partial), Some(CompletenessLevel::Blind)] {
        for delta in [-1, 0] {
            let leaving = vec![agent(5, Deactivated, 0), agent(6, Deactivated, 4)];
            let plan = planned(&ScalingDecision { completeness, ..with_leaving(delta, leaving) }, &state);
            check(&plan, Action::BackOff, "A1: the snapshot is not complete");
            assert!(plan.agents.is_empty() && plan.marks.is_empty(), "{plan:?}");
        }
    }
}

#[test]
fn the_group_must_be_settled_before_an_empty_instance_goes() {
    let decision = with_leaving(0, vec![agent(5, Drained, 0)]);
    let state = marked(group(), &[5], 3000);
    assert_eq!(terminated(&planned(&decision, &state)), ["i-5"]);
    check(&planned(&decision, &suspend(state.clone(), "Terminate")), Action::BackOff, "B2: the process Terminate");
    let mut at_min = state.clone();
    at_min.group.min_size = 10;
    check(&planned(&decision, &at_min), Action::Nothing, "the pool's and the group's min keep");
    // A cooldown is for choosing: these have been chosen.
    let mut after = state;
    after.activities.push(activity(ActivityKind::Terminate, "i-x", ActivityStatus::Successful, -90, Some(-60)));
    assert_eq!(terminated(&planned(&decision, &after)), ["i-5"]);
}

#[test]
fn agents_that_leave_count_against_the_step_and_the_limits() {
    let leaving = vec![agent(5, Deactivated, 3), agent(6, Draining, 3)];
    let state = marked(group(), &[5, 6], 10);
    let plan = planned(&with_leaving(-3, leaving.clone()), &state);
    assert_eq!(steps(&plan), [("deactivate", "i-0")], "three may leave at once");
    let mut close = state;
    close.group.min_size = 8;
    let plan = planned(&with_leaving(-3, leaving), &close);
    assert_eq!(steps(&plan), []);
}

#[test]
fn marks_go_with_their_reason() {
    // i-5 is gone, i-6 was taken back by an operator, i-7 was marked a moment ago, i-8 leaves.
    let mut state = marked(marked(group(), &[5, 6, 8], 3000), &[7], 20);
    state.group.instances.retain(|instance| instance.instance_id != "i-5");
    state.group.desired_capacity = 9;
    let plan = planned(&with_leaving(0, vec![agent(8, Draining, 2)]), &state);
    assert_eq!(plan.marks, [MarkChange::stays("i-5"), MarkChange::stays("i-6")]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// I8: whatever the group and the decision, only agents that bear our mark are taken further, and only instances without
    /// tasks are terminated.
    #[test]
    fn only_our_own_and_empty_agents_are_ever_terminated(
        state in any_state(),
        leaving in prop::collection::vec((0..20_u32, 0..3_u8, 0..3_u32), 0..6),
        marks in prop::collection::btree_set(0..20_u32, 0..6),
        delta in -5..5_i32,
        complete: bool,
    ) {
        let agents: Vec<AgentRef> = leaving
            .iter()
            .map(|(n, state, tasks)| {
                let state = [Deactivated, Draining, Drained][usize::from(*state)];
                agent(*n, state, if state == Drained { 0 } else { *tasks })
            })
            .collect();
        let marks: Vec<u32> = marks.into_iter().collect();
        let state = marked(state, &marks, 3000);
        let completeness = Some(if complete { CompletenessLevel::Complete } else { CompletenessLevel::Partial });
        let decision = ScalingDecision { completeness, ..with_leaving(delta, agents.clone()) };
        let plan = planned(&decision, &state);
        let is_ours = |id: &str| marks.iter().any(|n| format!("i-{n}") == id);
        for id in terminated(&plan) {
            prop_assert!(complete && is_ours(id));
            let runs = agents.iter().filter(|a| a.instance_id.as_deref() == Some(id)).map(|a| a.task_count).sum::<u32>();
            prop_assert_eq!(runs, 0);
        }
        for step in &plan.agents {
            match step.call {
                AgentCall::Deactivate => prop_assert!(delta < 0),
                AgentCall::Reactivate => prop_assert!(delta > 0 && is_ours(&step.instance_id)),
                AgentCall::Drain { .. } => prop_assert!(delta <= 0 && complete && is_ours(&step.instance_id)),
            }
        }
        prop_assert!(plan.agents.iter().filter(|step| step.call == AgentCall::Deactivate).count() <= 3);
    }
}
