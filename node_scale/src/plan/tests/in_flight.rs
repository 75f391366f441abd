//! Capacity in flight, instances that never joined, and answers of AWS that are not of one moment.

use super::*;

/// The group after `count` launches that long ago, none of which became an agent.
fn with_unjoined(count: u32, minutes_ago: i64) -> GroupState {
    with_young(group(), count, minutes_ago * 60)
}

#[test]
fn instances_that_never_join_stop_a_scale_up_b5() {
    // Fifteen minutes are over, and none of the three is an agent.
    let state = with_unjoined(3, 16);
    let plan = planned(&decision(3, 10), &state);
    check(&plan, BackOff::NeverJoined { count: 3, join_timeout: seconds(900), retry_in: seconds(43 * 60) });
    assert_eq!(plan.never_joined, 3);
    // An hour after the launch one more scale-up shows whether the next ones do.
    let later = with_unjoined(3, 61);
    sets(&planned(&decision(3, 10), &later), 16);
}

#[test]
fn a_few_that_never_joined_do_not_stop_a_scale_up() {
    // Two of thirteen, both launched lately.
    sets(&planned(&decision(3, 10), &with_unjoined(2, 16)), 15);
    // Three that were lost long ago, and of three launched lately all have joined.
    let state = with_unjoined(3, 16);
    let mut lost = state;
    lost.group.instances.extend((0..3).map(|n| instance(&format!("i-lost{n}"), Lifecycle::InService)));
    lost.group.desired_capacity += 3;
    let plan = planned(&decision(3, 14), &lost);
    assert_eq!(plan.never_joined, 2);
    sets(&plan, 19);
}

#[test]
fn instances_that_never_joined_do_not_stop_a_scale_down() {
    sets(&planned(&decision(-1, 10), &with_unjoined(3, 16)), 12);
}

#[test]
fn a_pending_instance_is_in_flight_without_an_activity() {
    // The two answers are not of the same moment: 12 desired, 12 listed, and no launch known.
    let mut state = group();
    state.group.desired_capacity = 12;
    state.group.instances.extend(["i-a", "i-b"].map(|id| instance(id, Lifecycle::Pending)));
    check(&planned(&decision(2, 10), &state), NoChange::InFlightCovers { in_flight: 2, needed: 2 });
}

#[test]
fn an_unlisted_launch_shows_an_outdated_group_b3() {
    let mut state = group();
    state.activities.push(activity(ActivityKind::Launch, "i-new", ActivityStatus::InProgress, -5, None));
    check(&planned(&decision(2, 10), &state), BackOff::UnlistedLaunch(launch("i-new")));
    // It has been terminated since, or has failed, or it is long ago.
    let mut gone = state.clone();
    gone.activities.insert(0, activity(ActivityKind::Terminate, "i-new", ActivityStatus::Successful, -3, Some(-1)));
    check(
        &planned(&decision(2, 10), &gone),
        BackOff::LaunchInProgress { launch: launch("i-new"), missing: 2, waited: seconds(0), limit: seconds(3600) },
    );
    gone.activities[1].status = ActivityStatus::Successful;
    gone.activities[1].end = Some(at(-4));
    sets(&planned(&decision(2, 10), &gone), 12);
    let mut old = group();
    old.activities.push(activity(ActivityKind::Launch, "i-new", ActivityStatus::Successful, -300, Some(-200)));
    sets(&planned(&decision(2, 10), &old), 12);
}

#[test]
fn a_failed_launch_does_not_make_its_instance_young() {
    let mut state = group();
    state.activities.push(activity(ActivityKind::Launch, "i-0", ActivityStatus::Failed, -2000, Some(-1990)));
    assert_eq!(planned(&decision(2, 10), &state).in_flight, 0);
}

#[test]
fn standby_and_the_warm_pool_are_not_counted() {
    let mut state = group();
    state.group.instances.push(instance("i-warm", Lifecycle::NotCounted));
    state.group.instances.push(instance("i-standby", Lifecycle::NotCounted));
    sets(&planned(&decision(2, 10), &state), 12);
    sets(&planned(&decision(-1, 10), &state), 9);
}

#[test]
fn a_group_above_its_desired_capacity_is_not_settled_b2() {
    let mut state = group();
    state.group.desired_capacity = 9;
    check(&planned(&decision(-1, 10), &state), BackOff::ExcessInstances);
}
