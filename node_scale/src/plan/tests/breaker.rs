//! What was asked for and does not arrive (B5).

use super::*;

/// The group, three more desired, after a launch with that outcome.
fn after(status: ActivityStatus, start: i64, end: Option<i64>, listed: bool) -> GroupState {
    let mut state = group();
    state.group.desired_capacity = 13;
    state.activities.push(activity(ActivityKind::Launch, "i-lost", status, start, end));
    if listed {
        state.group.instances.push(instance("i-lost", Lifecycle::Pending));
    }
    state
}

fn loss(plan: &Plan) -> Option<&Loss> {
    match &plan.result {
        PlanResult::BackOff(BackOff::NotArriving { loss, .. }) => Some(loss),
        _ => None,
    }
}

fn unhealthy() -> GroupState {
    let mut state = after(ActivityStatus::Successful, -600, Some(-540), false);
    let mut ended = activity(ActivityKind::Terminate, "i-lost", ActivityStatus::Successful, -200, Some(-140));
    ended.ends_unhealthy = true;
    state.activities.push(ended);
    state
}

#[test]
fn every_kind_of_launch_that_brings_no_agent_counts_b5() {
    for (state, expected) in [
        (after(ActivityStatus::Failed, -60, Some(-60), false), Loss::Failed("no message".to_owned())),
        (after(ActivityStatus::Cancelled, -3700, Some(-120), false), Loss::Failed("no message".to_owned())),
        (after(ActivityStatus::InProgress, -1000, None, true), Loss::Overdue),
        (after(ActivityStatus::InProgress, -1000, None, false), Loss::Overdue),
        (unhealthy(), Loss::Unhealthy("i-lost".to_owned())),
    ] {
        let plan = planned(&decision(2, 10), &state);
        assert_eq!((loss(&plan), plan.launch_failures, plan.unmet), (Some(&expected), 1, 2), "{plan:?}");
        // What the group has still to launch is not in flight, and holds no scale-down.
        assert_eq!(plan.in_flight, 0);
        let down = plan_down(&state);
        assert!(!matches!(down.result, PlanResult::BackOff(BackOff::InFlight(_) | BackOff::InProgress(_))), "{down:?}");
        // Nor is it asked for again, however long ago that was.
        let mut later = decision(2, 10);
        later.snapshot_taken_at = at(9990);
        later.expires_at = at(10_100);
        let plan = super::super::plan(&later, Some(&state), &policy(""), at(10_000));
        assert_eq!(capacity_of(&plan), None, "{plan:?}");
    }
}

fn plan_down(state: &GroupState) -> Plan {
    planned(&decision(-1, 10), state)
}

#[test]
fn more_than_is_asked_for_already_is_asked_for_after_the_back_off_b5() {
    let state = after(ActivityStatus::Failed, -300, Some(-300), false);
    // Three of five are asked for: two more.
    sets(&planned(&decision(5, 10), &state), 15);
    assert!(loss(&planned(&decision(3, 10), &state)).is_some());
}

#[test]
fn a_launch_in_progress_for_too_long_does_not_hold_a_scale_down_b2() {
    sets(&plan_down(&after(ActivityStatus::InProgress, -1000, None, true)), 10);
    let young = after(ActivityStatus::InProgress, -800, None, true);
    check(&plan_down(&young), BackOff::InProgress(launch("i-lost")));
}

#[test]
fn capacity_that_does_not_arrive_stands_in_for_no_instance() {
    // Thirteen desired, ten there: at a minimum of ten, none may go.
    let mut state = after(ActivityStatus::Failed, -60, Some(-60), false);
    state.group.min_size = 10;
    check(&plan_down(&state), NoChange::AtMinimum { desired: 13, min: 10, decommissioning: 0 });
    state.group.min_size = 9;
    sets(&plan_down(&state), 9);
}

#[test]
fn an_instance_that_another_reason_ended_is_no_loss() {
    let mut state = unhealthy();
    state.activities[1].ends_unhealthy = false;
    assert_eq!(planned(&decision(2, 10), &state).launch_failures, 0);
    // Nor is one that lived for longer than it takes to join.
    let mut state = unhealthy();
    state.activities[0].start = at(-2000);
    state.activities[0].end = Some(at(-1900));
    assert_eq!(planned(&decision(2, 10), &state).launch_failures, 0);
}

#[test]
fn a_suspended_launch_holds_no_scale_down_b2() {
    let mut state = suspend(group(), "Launch");
    state.group.desired_capacity = 12;
    sets(&plan_down(&state), 9);
}

#[test]
fn without_a_group_a_successful_launch_ends_the_count_b5() {
    let mut state = after(ActivityStatus::Failed, -2000, Some(-2000), false);
    let down = ScalingDecision { group: None, ..decision(2, 10) };
    assert_eq!(super::super::plan(&down, Some(&state), &policy(""), at(0)).launch_failures, 1);
    state.activities.push(activity(ActivityKind::Launch, "i-9", ActivityStatus::Successful, -1900, Some(-1800)));
    assert_eq!(super::super::plan(&down, Some(&state), &policy(""), at(0)).launch_failures, 0);
}
