//! What was requested, does not arrive, and is not needed any more (A1).

use super::*;

/// Ten instances, six more are desired, and their launches fail.
fn short() -> GroupState {
    let mut state = group();
    state.group.desired_capacity = 16;
    for n in 0..4 {
        let mut failed = activity(ActivityKind::Launch, "", ActivityStatus::Failed, -60 * n - 20, Some(-60 * n - 10));
        failed.instance_id = None;
        state.activities.push(failed);
    }
    state
}

fn withdrawn(plan: &Plan) -> Option<i32> {
    match plan.result {
        PlanResult::Act(Change::Withdraw { to, .. }) => Some(to),
        _ => None,
    }
}

/// What a decision withdraws.
fn withdraws(delta: i32, state: &GroupState) -> Option<i32> {
    withdrawn(&planned(&decision(delta, 10), state))
}

#[test]
fn what_fails_and_is_not_needed_is_withdrawn_before_any_agent_goes_a1() {
    assert_eq!((withdraws(0, &short()), withdraws(-3, &short())), (Some(10), Some(10)));
    // A load that asks for more withdraws nothing.
    for delta in [1, 3, 6, 9] {
        assert_eq!(withdraws(delta, &short()), None);
    }
    // Nor does a group without a launch that was lost: its instances are in flight.
    let mut state = short();
    state.activities.clear();
    assert_eq!((withdraws(0, &state), withdraws(-1, &state)), (None, None));
    check(&planned(&decision(-1, 10), &state), BackOff::InFlight(6));
    // Where launches are suspended, nothing is.
    assert_eq!(withdraws(0, &suspend(state, "Launch")), Some(10));
}

#[test]
fn spot_requests_that_wait_are_withdrawn_a1() {
    let waiting = |start: i64| {
        let mut state = short();
        state.activities.iter_mut().for_each(|request| {
            (request.status, request.start, request.end) = (ActivityStatus::InProgress, at(start), None);
        });
        withdraws(0, &state)
    };
    // Until join_timeout, they may be served at any moment.
    assert_eq!((waiting(-899), waiting(-900)), (None, Some(10)));
}

#[test]
fn what_arrives_is_not_withdrawn_a1() {
    // Two of the six are launching, and one is in service.
    let mut state = short();
    for id in ["i-new0", "i-new1"] {
        state.group.instances.push(instance(id, Lifecycle::Pending));
        state.activities.push(activity(ActivityKind::Launch, id, ActivityStatus::InProgress, -30, None));
    }
    state.group.instances.push(instance("i-new2", Lifecycle::InService));
    state.activities.push(activity(ActivityKind::Launch, "i-new2", ActivityStatus::Successful, -90, Some(-30)));
    assert_eq!(withdraws(0, &state), Some(13));
    // One that is not listed yet would be one too many.
    state.group.instances.pop();
    assert_eq!(withdraws(0, &state), None);
}

#[test]
fn nothing_is_withdrawn_while_instances_come_and_go_a1() {
    let with = |change: &dyn Fn(&mut GroupState)| {
        let mut state = short();
        change(&mut state);
        withdraws(0, &state)
    };
    let ended = |kind, ago: i64| {
        with(&|state| state.activities.push(activity(kind, "i-x", ActivityStatus::Successful, -600, Some(-ago))))
    };
    for kind in [ActivityKind::Terminate, ActivityKind::Attach, ActivityKind::Other, ActivityKind::Launch] {
        assert_eq!((ended(kind, 119), ended(kind, 120)), (None, Some(10)), "{kind:?}");
    }
    assert_eq!(ended(ActivityKind::WarmPool, 1), Some(10));
    let open = activity(ActivityKind::Terminate, "i-x", ActivityStatus::InProgress, -600, None);
    assert_eq!(with(&|state| state.activities.push(open.clone())), None);
    for lifecycle in [Lifecycle::Terminating, Lifecycle::Unknown] {
        assert_eq!(with(&|state| state.group.instances.push(instance("i-x", lifecycle))), None);
    }
    assert_eq!(with(&|state| state.activities_are_complete = false), None);
}

#[test]
fn the_limits_and_the_floor_keep_what_was_requested_a1() {
    let mut state = short();
    state.group.min_size = 13;
    assert_eq!(withdraws(0, &state), Some(13));
    let floor = |value: &str| {
        let mut state = short();
        state.group.tags.push(crate::state::Tag { key: "lambda-scale/floor".to_owned(), value: value.to_owned() });
        withdraws(0, &state)
    };
    assert_eq!((floor("14 forever"), floor("16 forever"), floor("many")), (Some(14), None, None));
    let of_pool = policy("min = 12");
    assert_eq!(withdrawn(&plan(&decision(0, 10), Some(&short()), &of_pool, at(0))), Some(12));
    let paused = policy("pause_until = \"2099-01-01T00:00:00Z\"");
    assert_eq!(withdrawn(&plan(&decision(0, 10), Some(&short()), &paused, at(0))), None);
}

#[test]
fn what_cannot_be_known_withdraws_nothing_a1() {
    for level in [CompletenessLevel::Partial, CompletenessLevel::Blind] {
        let decision = ScalingDecision { completeness: Some(level), ..decision(0, 10) };
        assert_eq!(withdrawn(&planned(&decision, &short())), None);
    }
    let held = ScalingDecision { state: ScalingState::Held, ..decision(0, 10) };
    assert_eq!(withdrawn(&planned(&held, &short())), None);
}

#[test]
fn the_window_keeps_what_was_needed_lately_d6() {
    let policy = policy("scale_down_window = \"15m\"");
    let of = |needs: Option<&str>, margin: u32| {
        let mut state = short();
        let slot = at(0).as_second().div_euclid(150);
        let value = needs.map(|needs| format!("{slot} {needs}"));
        let tag = value.map(|value| crate::state::Tag { key: "lambda-scale/needed".to_owned(), value });
        state.group.tags.extend(tag);
        let decision = ScalingDecision { needed: Some(8), margin: Some(margin), ..decision(0, 10) };
        plan(&decision, Some(&state), &policy, at(0))
    };
    let withdraws = |needs, margin| withdrawn(&of(Some(needs), margin));
    assert_eq!(withdraws("8 8 8 8 8 8", 1), Some(10));
    // Thirteen were needed within the window: three of the six stay, and one more for the margin.
    assert_eq!((withdraws("8 8 8 13 8 8", 0), withdraws("8 8 8 13 8 8", 1)), (Some(13), Some(14)));
    assert_eq!(withdraws("8 8 8 8 8 16", 0), None);
    // What is not known keeps all, and is written from now on.
    assert_eq!(withdraws("8 8 8 8 8 -", 0), None);
    let first = of(None, 2);
    assert_eq!(withdrawn(&first), None);
    assert!(matches!(first.tags.as_slice(), [TagChange::Set { key, .. }] if key == "lambda-scale/needed"), "{first:?}");
}

#[test]
fn whole_instances_are_withdrawn_a1() {
    // Ten of weight 2, and a desired capacity of 27: three and a half do not arrive.
    let mut state = short();
    state.group.desired_capacity = 27;
    state.group.instances.iter_mut().for_each(|instance| instance.weighted_capacity = Some("2".to_owned()));
    assert_eq!(withdraws(0, &state), Some(20));
}
