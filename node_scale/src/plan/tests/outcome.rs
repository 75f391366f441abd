//! What an outcome counts, and when a message is too old or too new.

use shared::contract::{AgentRef, AgentState};

use super::drain::{agent, steps, tagged};
use super::*;
use crate::group_tags::{FLOOR, PAUSE_UNTIL};
use crate::state::Tag;

#[test]
fn a_clock_may_be_ahead_by_the_skew_r1() {
    for (ahead, refused) in [(59, false), (60, false), (61, true)] {
        let decision = ScalingDecision { snapshot_taken_at: at(ahead), expires_at: at(300), ..decision(2, 10) };
        assert_eq!(admit(&decision, &policy(""), at(0)).is_err(), refused, "{ahead} s ahead");
    }
}

#[test]
fn a_decision_that_changes_nothing_lacks_nothing() {
    let decision = ScalingDecision { wanted: 5, ..decision(0, 10) };
    assert_eq!(planned(&decision, &group()).unmet, 0);
}

#[test]
fn what_is_refused_or_paused_lacks_nothing() {
    let mut expired = decision(2, 10);
    expired.expires_at = at(-1);
    let plan_of = planned(&expired, &group());
    assert!(matches!(plan_of.result, PlanResult::Refuse(_)), "{plan_of:?}");
    assert_eq!(plan_of.unmet, 0);
    let mut paused = group();
    paused.group.tags.push(Tag { key: PAUSE_UNTIL.to_owned(), value: "2099-01-01T00:00:00Z".to_owned() });
    let plan_of = planned(&decision(2, 10), &paused);
    assert_eq!((plan_of.is_paused, plan_of.unmet), (true, 0));
    // What is held for another reason lacks what it wants.
    assert_eq!(planned(&decision(2, 10), &suspend(group(), "Launch")).unmet, 2);
}

#[test]
fn an_agent_that_is_reactivated_is_not_missing() {
    let decommissioning = vec![agent(5, AgentState::Deactivated, 3)];
    let decision = ScalingDecision { decommissioning_agents: decommissioning, ..decision(3, 9) };
    let plan = plan(&decision, Some(&tagged(group(), &[5], 60)), &policy_with("drain", ""), at(0));
    assert_eq!((steps(&plan), plan.unmet), (vec![("reactivate", "i-5")], 2));
}

#[test]
fn what_a_back_off_keeps_is_counted() {
    let unremoved = |decision: &ScalingDecision, state: &GroupState| planned(decision, state).unremoved;
    assert_eq!(unremoved(&decision(-2, 10), &suspend(group(), "Terminate")), 2);
    assert_eq!(unremoved(&decision(-2, 10), &group()), 0, "they go");
    assert_eq!(unremoved(&decision(2, 10), &suspend(group(), "Launch")), 0, "none is to go");
    // An instance whose agent an earlier decision has drained.
    let ended = ScalingDecision { decommissioning_agents: vec![agent(5, AgentState::Drained, 0)], ..decision(0, 9) };
    let of_drained = |strategy: &str| {
        let state = suspend(tagged(group(), &[5], 3000), "Terminate");
        plan(&ended, Some(&state), &policy_with(strategy, ""), at(0)).unremoved
    };
    assert_eq!((of_drained("drain"), of_drained("least_loaded")), (1, 0));
    // An operator's pause has an alarm of its own.
    let mut paused = group();
    paused.group.tags.push(Tag { key: PAUSE_UNTIL.to_owned(), value: "2099-01-01T00:00:00Z".to_owned() });
    assert_eq!(unremoved(&decision(-2, 10), &paused), 0);
    // At a minimum, and within the window, they are wanted.
    let mut at_min = group();
    at_min.group.min_size = 10;
    assert_eq!(unremoved(&decision(-2, 10), &at_min), 0);
    let windowed = policy("scale_down_window = \"15m\"");
    let plan = plan(&decision(-2, 10), Some(&group()), &windowed, at(0));
    assert!(matches!(plan.result, PlanResult::BackOff(BackOff::NeedsUnknown { .. })), "{:?}", plan.result);
    assert_eq!(plan.unremoved, 0);
}

#[test]
fn a_strategy_that_does_not_drain_reactivates_nothing_a1() {
    let decommissioning = vec![agent(5, AgentState::Deactivated, 3)];
    let decision = ScalingDecision { decommissioning_agents: decommissioning, ..decision(3, 9) };
    let plan = plan(&decision, Some(&tagged(group(), &[5], 60)), &policy_with("least_loaded", ""), at(0));
    assert_eq!(steps(&plan), []);
}

#[test]
fn an_old_mesos_stops_removals_alone_r1() {
    let old = |delta| ScalingDecision { mesos_version: Some("1.4.0".to_owned()), ..decision(delta, 10) };
    let plan = |delta| plan(&old(delta), Some(&group()), &policy_with("drain", ""), at(0)).result;
    assert!(matches!(plan(-1), PlanResult::Refuse(Refusal::OldMesos { .. })), "{:?}", plan(-1));
    assert_eq!(plan(0), NoChange::Enough.into());
}

#[test]
fn only_the_first_ten_stranded_instances_are_named() {
    let mut state = group();
    state.group.instances.extend((10..12).map(|n| instance(&format!("i-{n}"), Lifecycle::InService)));
    state.group.desired_capacity = 12;
    let note = |count: u32| {
        let state = tagged(state.clone(), &(0..count).collect::<Vec<_>>(), 3600);
        let mut decision = seen(decision(0, 12), &state);
        decision.group.as_mut().unwrap().tagged_active = Some(Vec::new());
        let plan = plan(&decision, Some(&state), &policy_with("drain", ""), at(0));
        assert_eq!(plan.stranded, count);
        plan.notes.join("; ")
    };
    assert!(note(12).contains(" and 2 more; check one"), "{}", note(12));
    assert!(!note(10).contains("more;"), "{}", note(10));
}

#[test]
fn an_instance_whose_tag_the_snapshot_has_not_seen_is_not_stranded() {
    let stranded = |ago: i64, active: &[&str], members: usize| {
        let mut state = tagged(group(), &[5], ago);
        state.group.instances.truncate(members);
        let mut decision = seen(decision(0, 10), &state);
        decision.group.as_mut().unwrap().tagged_active = Some(active.iter().map(ToString::to_string).collect());
        plan(&decision, Some(&state), &policy_with("drain", ""), at(0)).stranded
    };
    // Its agent is not listed, and not active.
    assert_eq!(stranded(3600, &[], 10), 1);
    // The snapshot, ten seconds old, may be older than the call; the agent is active; the instance has gone.
    assert_eq!((stranded(60, &[], 10), stranded(3600, &["i-5"], 10), stranded(3600, &[], 5)), (0, 0, 0));
}

#[test]
fn without_draining_what_cannot_be_terminated_is_stranded_too() {
    let mut state = tagged(group(), &[5], 3600);
    state.group.instances[5].protected_from_scale_in = true;
    let listed = vec![agent(5, AgentState::Deactivated, 3)];
    let mut decision = seen(ScalingDecision { decommissioning_agents: listed, ..decision(0, 10) }, &state);
    decision.group.as_mut().unwrap().tagged_active = Some(Vec::new());
    let note = |strategy: &str| plan(&decision, Some(&state), &policy_with(strategy, ""), at(0)).notes.join("; ");
    assert!(note("least_loaded").contains("no longer \"drain\": i-5; reactivate"), "{}", note("least_loaded"));
    assert!(note("drain").contains("decommissioning does not go on"), "{}", note("drain"));
}

#[test]
fn an_agent_that_no_longer_counts_is_one_that_waits_d3() {
    use AgentState::{Deactivated, Draining};
    let one = policy_with("drain", "max_scale_down_step = 1");
    let closed = |state, tag, ago: i64| AgentRef {
        decommission_tag: tag,
        decommission_since: Some(at(-ago)),
        ..agent(5, state, 3)
    };
    let steps = |listed: AgentRef, state: &GroupState| {
        let mut decision = ScalingDecision {
            scale_down_agents: vec![agent(0, AgentState::Active, 1)],
            decommissioning_agents: vec![listed],
            needed: Some(11),
            ..decision(-1, 10)
        };
        decision.agents.draining = u32::from(decision.decommissioning_agents[0].state == Draining);
        plan(&decision, Some(state), &one, at(0)).agents.iter().filter(|step| step.instance_id == "i-0").count()
    };
    // One that has waited for long, and one that drains for as long.
    assert_eq!(steps(closed(Deactivated, Some(true), 5000), &tagged(group(), &[5], 5000)), 1);
    assert_eq!(steps(closed(Draining, Some(true), 5000), &tagged(group(), &[5], 5000)), 0);
    // One whose tag the snapshot saw, and that is deleted since.
    assert_eq!(steps(closed(Deactivated, Some(true), 60), &group()), 0);
    // One with a tag of which the snapshot says nothing, older than join_timeout.
    assert_eq!(steps(closed(Deactivated, None, 1000), &tagged(group(), &[5], 1000)), 0);
}

#[test]
fn a_floor_is_named_where_it_asks_for_more_than_the_decision() {
    let floor = |instances: u32| {
        let mut state = group();
        state.group.tags.push(Tag { key: FLOOR.to_owned(), value: format!("{instances} forever") });
        match planned(&decision(2, 10), &state).result {
            PlanResult::Act(Change::Increase(increase)) => increase.floor,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((floor(12), floor(13)), (None, Some(13)));
}
