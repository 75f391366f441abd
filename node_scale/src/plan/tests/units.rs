//! Groups whose instances count for more than one capacity unit.

use shared::contract::AgentState;

use super::*;

/// A group of instances of that weight.
fn weighted(count: usize, weight: u32, desired: i32) -> GroupState {
    let mut state = group();
    state.group.instances.truncate(count);
    state.group.instances.iter_mut().for_each(|instance| instance.weighted_capacity = Some(weight.to_string()));
    state.group.desired_capacity = desired;
    state
}

#[test]
fn less_than_one_instance_is_no_surplus_b2() {
    // Eight units in service, seven desired: Auto Scaling terminates none.
    sets(&planned(&decision(-1, 4), &weighted(4, 2, 7)), 5);
    check(&planned(&decision(-1, 4), &weighted(4, 2, 6)), BackOff::ExcessInstances);
}

#[test]
fn a_part_of_an_instance_keeps_none_at_the_minimum() {
    // Six units in service, five desired, as another program may set it; the minimum is four.
    let mut state = weighted(3, 2, 5);
    state.group.min_size = 4;
    sets(&planned(&decision(-1, 3), &state), 4);
    // The group would choose. Whoever names the agents first gets whole instances, which launches none.
    let named = ScalingDecision { scale_down_agents: vec![drain::agent(0, AgentState::Active, 0)], ..decision(-1, 3) };
    let least_loaded = policy_with("least_loaded", "min = 0");
    let of = |state: &GroupState| plan(&named, Some(state), &least_loaded, at(0)).result;
    assert_eq!(of(&state), PlanResult::Act(Change::Raise { from: 5, to: 6 }));
    state.group.desired_capacity = 6;
    assert!(matches!(of(&state), PlanResult::Act(Change::Terminate { .. })), "{:?}", of(&state));
    // Nothing but the minimum needs that, and no maximum is exceeded.
    (state.group.desired_capacity, state.group.min_size) = (5, 0);
    assert!(matches!(of(&state), PlanResult::Act(Change::Terminate { .. })), "{:?}", of(&state));
    (state.group.max_size, state.group.min_size) = (5, 4);
    let no_room = |max| BackOff::NoRoomToTerminate { desired: 5, min: 4, max, unit: 2 }.into();
    assert_eq!(of(&state), no_room(5));
    state.group.max_size = 30;
    let two = policy_with("least_loaded", "min = 0\nmax = 2");
    assert_eq!(plan(&named, Some(&state), &two, at(0)).result, no_room(4));
}

#[test]
fn a_capped_target_is_a_multiple_of_the_unit() {
    let mut state = weighted(4, 2, 8);
    for (max_size, to) in [(13, 12), (12, 12), (11, 10)] {
        state.group.max_size = max_size;
        sets(&planned(&decision(5, 4), &state), to);
    }
    state.group.max_size = 9;
    check(&planned(&decision(5, 4), &state), NoChange::AtMaximum { desired: 8, max: 9 });
}

#[test]
fn an_empty_group_scales_up_by_the_weight_of_what_it_launches() {
    let mut state = weighted(0, 1, 0);
    state.group.min_size = 0;
    let overrides = r#"{"LaunchTemplate":{"Overrides":[{"WeightedCapacity":"4"}]}}"#;
    state.group.mixed_instances_policy = serde_json::from_str(overrides).unwrap();
    sets(&planned(&decision(2, 0), &state), 8);
}

#[test]
fn a_target_at_the_maximum_is_kept() {
    // Five units desired, for which the third instance is launched. Two more are nine units, which the maximum allows.
    let mut state = weighted(2, 2, 5);
    state.group.max_size = 9;
    sets(&planned(&decision(3, 2), &state), 9);
}

#[test]
fn a_part_of_an_instance_that_the_minimum_does_not_need_stays_unasked_for() {
    // Five units desired, six in service; one instance less leaves three, and three is the minimum.
    let mut state = weighted(3, 2, 5);
    state.group.min_size = 3;
    let named = ScalingDecision { scale_down_agents: vec![drain::agent(0, AgentState::Active, 0)], ..decision(-1, 3) };
    let plan = plan(&named, Some(&state), &policy_with("least_loaded", "min = 0"), at(0));
    assert!(matches!(plan.result, PlanResult::Act(Change::Terminate { .. })), "{plan:?}");
}

#[test]
fn a_floor_is_a_number_of_instances() {
    let mut state = weighted(4, 2, 8);
    state.group.tags.push(crate::state::Tag { key: FLOOR.to_owned(), value: "6 forever".to_owned() });
    sets(&planned(&decision(0, 4), &state), 12);
}

#[test]
fn weights_that_differ_refuse_a_change_and_nothing_else_r1() {
    let mut state = weighted(4, 2, 9);
    state.group.instances[0].weighted_capacity = Some("3".to_owned());
    check(&planned(&decision(0, 4), &state), NoChange::Enough);
    check(&planned(&decision(1, 4), &state), Refusal::MixedWeights);
    check(&planned(&decision(-1, 4), &state), Refusal::MixedWeights);
}

#[test]
fn weights_of_instances_that_count_for_nothing_may_differ_r1() {
    let with = |lifecycle| {
        let mut state = weighted(4, 2, 8);
        let other = Instance { weighted_capacity: Some("4".to_owned()), ..instance("i-other", lifecycle) };
        state.group.instances.push(other);
        state
    };
    for lifecycle in [Lifecycle::Standby, Lifecycle::NotCounted, Lifecycle::Terminating] {
        sets(&planned(&decision(1, 4), &with(lifecycle)), 10);
    }
    for lifecycle in [Lifecycle::Standby, Lifecycle::NotCounted] {
        sets(&planned(&decision(-1, 4), &with(lifecycle)), 6);
    }
    for lifecycle in [Lifecycle::InService, Lifecycle::Pending, Lifecycle::Unknown] {
        check(&planned(&decision(1, 4), &with(lifecycle)), Refusal::MixedWeights);
    }
}

#[test]
fn the_maximum_of_a_group_counts_instances_of_its_unit_d6_d8() {
    // Five instances of two units each are all that the group may have; the decision needs seven.
    let mut state = weighted(6, 2, 12);
    state.group.max_size = 10;
    let fit = |max_size| {
        let mut state = drain::tagged(state.clone(), &[5], 600);
        state.group.max_size = max_size;
        let agent = drain::agent(5, AgentState::Deactivated, 3);
        let mut decision = ScalingDecision { decommissioning_agents: vec![agent], needed: Some(7), ..decision(0, 6) };
        decision.agents.usable = 5;
        drain::steps(&plan(&decision, Some(&state), &policy_with("drain", ""), at(0))).len()
    };
    assert_eq!((fit(10), fit(14)), (1, 0));
}
