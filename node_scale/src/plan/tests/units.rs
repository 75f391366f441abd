//! Groups whose instances count for more than one capacity unit.

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
