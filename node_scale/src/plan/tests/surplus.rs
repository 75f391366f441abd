//! More instances in service than the desired capacity says, of which the group terminates none (A1).

use shared::contract::AgentState;

use super::*;
use crate::state::Tag;

/// Ten instances of a group that protects each, and whose desired capacity someone lowered.
fn surplus(desired_capacity: i32) -> GroupState {
    let mut state = group();
    state.group.new_instances_protected_from_scale_in = true;
    state.group.instances.iter_mut().for_each(|instance| instance.protected_from_scale_in = true);
    state.group.desired_capacity = desired_capacity;
    state
}

fn least_loaded(settings: &str) -> Policy {
    policy_with("least_loaded", settings)
}

/// A decision that removes three of all agents there are.
fn removing(state: &GroupState) -> ScalingDecision {
    let numbers = state.group.instances.iter().filter_map(|of| of.instance_id.strip_prefix("i-")?.parse().ok());
    let agents = saturated(state.group.instances.len());
    let scale_down_agents = numbers.map(|n| drain::agent(n, AgentState::Active, 1)).take(3).collect();
    ScalingDecision { scale_down_agents, ..decision(-3, agents) }
}

/// What Auto Scaling makes of a change to a group that terminates and launches nothing by itself.
fn apply(state: &mut GroupState, change: &Change) {
    let group = &mut state.group;
    match change {
        Change::Raise { to, .. } => group.desired_capacity = *to,
        Change::Terminate { targets, .. } => {
            group.instances.retain(|instance| targets.iter().all(|target| target.instance_id != instance.instance_id));
            group.desired_capacity -= targets.iter().map(|target| i32::try_from(target.weight).unwrap()).sum::<i32>();
        }
        other => panic!("{other:?}"),
    }
}

/// The desired capacity and the instances after each of the changes to the end, and what comes after them.
fn to_the_end(mut state: GroupState, policy: &Policy) -> (Vec<(i32, usize)>, PlanResult) {
    let mut sizes = Vec::new();
    loop {
        match plan(&removing(&state), Some(&state), policy, at(0)).result {
            PlanResult::Act(change) => apply(&mut state, &change),
            end => return (sizes, end),
        }
        sizes.push((state.group.desired_capacity, state.group.instances.len()));
    }
}

#[test]
fn protected_instances_beyond_the_desired_capacity_go_a1() {
    let at_minimum = |min| NoChange::AtMinimum { desired: min, min, decommissioning: 0 }.into();
    let (sizes, end) = to_the_end(surplus(5), &least_loaded("min = 5"));
    assert_eq!(sizes, [(8, 10), (5, 7), (7, 7), (5, 5)]);
    assert_eq!(end, at_minimum(5));
    // The minimum of the group, and the floor.
    let mut of_group = surplus(6);
    of_group.group.min_size = 6;
    assert_eq!(to_the_end(of_group, &least_loaded("min = 2")).0, [(9, 10), (6, 7), (7, 7), (6, 6)]);
    let mut floor = surplus(5);
    floor.group.tags.push(Tag { key: FLOOR.to_owned(), value: "8 forever".to_owned() });
    assert_eq!(to_the_end(floor, &least_loaded("min = 2")), (vec![(10, 10), (8, 8)], at_minimum(8)));
    // Where another controller lowers it again each time, an alarm tells.
    let raises = plan(&removing(&surplus(5)), Some(&surplus(5)), &least_loaded("min = 5"), at(0));
    check(&raises, Change::Raise { from: 5, to: 8 });
    assert_eq!(raises.unremoved, 3);
    // A desired capacity that is high enough is not raised.
    assert_eq!(to_the_end(surplus(8), &least_loaded("min = 5")).0[0], (5, 7));
}

#[test]
fn a_surplus_goes_one_by_one_below_a_tight_maximum_a1() {
    let sizes = to_the_end(surplus(5), &least_loaded("min = 5\nmax = 6")).0;
    assert_eq!(sizes[..4], [(6, 10), (5, 9), (6, 9), (5, 8)]);
    assert_eq!(sizes.last(), Some(&(5, 5)));
}

#[test]
fn without_room_to_raise_a_surplus_waits_with_an_alarm_a1() {
    let mut of_group = surplus(5);
    (of_group.group.min_size, of_group.group.max_size) = (5, 5);
    for (state, policy) in [(surplus(5), least_loaded("min = 5\nmax = 5")), (of_group, least_loaded("min = 2"))] {
        let plan = plan(&removing(&state), Some(&state), &policy, at(0));
        check(&plan, BackOff::NoRoomToTerminate { desired: 5, min: 5, max: 5, unit: 1 });
        assert_eq!(plan.unremoved, 3);
        let reason = plan.result.reason().to_string();
        assert!(
            reason.starts_with("A1: ") && reason.ends_with("raise the maximum of the pool and the group to 6"),
            "{reason}"
        );
    }
    // Nor does the group choose among those that it protects.
    let plan = plan(&removing(&surplus(5)), Some(&surplus(5)), &policy("min = 5"), at(0));
    check(&plan, BackOff::ScaleInProtection { removable: 0, count: 3 });
    assert_eq!(plan.unremoved, 3);
}

#[test]
fn a_surplus_that_the_group_terminates_counts_for_nothing_b2() {
    let mut state = surplus(5);
    state.group.instances[9].protected_from_scale_in = false;
    let waiting = plan(&removing(&state), Some(&state), &least_loaded("min = 5"), at(0));
    check(&waiting, BackOff::ExcessInstances);
    assert_eq!(waiting.unremoved, 3, "it may never terminate them");
    // The closed agents may be among those that are left.
    let closed = vec![drain::agent(5, AgentState::Deactivated, 1)];
    let decision = ScalingDecision { decommissioning_agents: closed, ..decision(0, 9) };
    let plan = plan(&decision, Some(&drain::tagged(state, &[5], 600)), &policy_with("drain", "min = 5"), at(0));
    assert_eq!(drain::steps(&plan), [("reactivate", "i-5")]);
}

#[test]
fn a_closed_agent_of_a_surplus_is_terminated_a1() {
    let closed = vec![drain::agent(5, AgentState::Deactivated, 0)];
    let decision = ScalingDecision { decommissioning_agents: closed, ..decision(0, 9) };
    let of = |state: &GroupState, settings: &str| plan(&decision, Some(state), &policy_with("drain", settings), at(0));
    let mut state = drain::tagged(surplus(5), &[5], 60);
    check(&of(&state, "min = 5"), Change::Raise { from: 5, to: 6 });
    let full = of(&state, "min = 5\nmax = 5");
    check(&full, BackOff::NoRoomToTerminate { desired: 5, min: 5, max: 5, unit: 1 });
    assert_eq!(full.unremoved, 1);
    state.group.desired_capacity = 6;
    assert_eq!(drain::terminated(&of(&state, "min = 5")), ["i-5"]);
}

#[test]
fn a_floor_below_what_stays_in_service_asks_for_none() {
    let mut state = surplus(5);
    state.group.tags.push(Tag { key: FLOOR.to_owned(), value: "8 forever".to_owned() });
    check(&planned(&decision(0, 10), &state), NoChange::Enough);
    // What the group is about to terminate does not stay.
    state.group.instances.iter_mut().for_each(|instance| instance.protected_from_scale_in = false);
    assert!(matches!(planned(&decision(0, 10), &state).result, PlanResult::Act(Change::Increase(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// I1, I7: a raise is within the limits, launches none, and is followed by a termination, after which the minimum holds.
    #[test]
    fn what_is_raised_launches_none_and_ends_in_a_termination_a1(
        state in any_state(), protects: bool, lowered in 0..20_i32, agents in 0..40_u32,
    ) {
        let mut state = state;
        state.activities.clear();
        state.group.instances.retain(|instance| instance.lifecycle_state == Lifecycle::InService);
        state.group.suspended_processes.clear();
        (state.activities_are_complete, state.instance_refresh_in_progress) = (true, Some(false));
        state.group.new_instances_protected_from_scale_in = protects;
        state.group.instances.iter_mut().for_each(|instance| instance.protected_from_scale_in = protects);
        state.group.desired_capacity = (state.group.desired_capacity - lowered).max(state.group.min_size);
        let policy = least_loaded("");
        let decision = ScalingDecision { scale_down_agents: removing(&state).scale_down_agents, ..decision(-3, agents) };
        let result = |state: &GroupState| plan(&decision, Some(state), &policy, at(0)).result;
        let in_service = |state: &GroupState| listed_capacity(&state.group);
        let unit = i32::try_from(state.group.unit().unwrap()).unwrap();
        let (min, max) = (state.group.min_size.max(2 * unit), state.group.max_size.min(20 * unit));
        if let PlanResult::Act(change @ Change::Raise { from, to }) = result(&state) {
            prop_assert!(from == state.group.desired_capacity && from < to && (min..=max).contains(&to));
            prop_assert!(i64::from(to) <= in_service(&state) && to - min <= 3 * unit);
            apply(&mut state, &change);
            prop_assert!(matches!(result(&state), PlanResult::Act(Change::Terminate { .. })), "{:?}", result(&state));
        }
        if let PlanResult::Act(change) = result(&state) {
            apply(&mut state, &change);
            prop_assert!(state.group.desired_capacity >= min && in_service(&state) >= i64::from(min), "{:?}", change);
        }
    }
}
