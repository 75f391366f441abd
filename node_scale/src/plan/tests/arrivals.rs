//! What comes, what should have come, and answers of AWS that are not of one moment.

use super::*;

/// The group after `count` launches that long ago, none of which became an agent.
fn with_strangers(count: u32, minutes_ago: i64) -> GroupState {
    with_young(group(), count, minutes_ago * 60)
}

#[test]
fn machines_that_boot_and_never_join_are_not_bought_without_end_b5() {
    // Fifteen minutes are over, and none of the three is an agent.
    let state = with_strangers(3, 16);
    let plan = planned(&decision(3, 10), &state);
    check(
        &plan,
        Action::BackOff,
        "B5: 3 instances are older than 15 min and no agents, those launched last among them",
    );
    assert_eq!(plan.never_joined, 3);
    // An hour after the launch one more scale-up shows whether the next ones do.
    let later = with_strangers(3, 61);
    check(&planned(&decision(3, 10), &later), Action::SetDesiredCapacity(16), "3 more wanted");
}

#[test]
fn a_few_dead_machines_do_not_stop_a_scale_up() {
    // Two of thirteen, both launched lately.
    check(&planned(&decision(3, 10), &with_strangers(2, 16)), Action::SetDesiredCapacity(15), "3 more wanted");
    // Three that died long ago, and of three launched lately all have joined.
    let state = with_strangers(3, 16);
    let mut dead = state;
    dead.group.instances.extend((0..3).map(|n| instance(&format!("i-dead{n}"), Lifecycle::InService)));
    dead.group.desired_capacity += 3;
    let plan = planned(&decision(3, 14), &dead);
    assert_eq!(plan.never_joined, 2);
    check(&plan, Action::SetDesiredCapacity(19), "3 more wanted");
}

#[test]
fn a_scale_down_is_not_stopped_by_machines_that_never_joined() {
    check(&planned(&decision(-1, 10), &with_strangers(3, 16)), Action::SetDesiredCapacity(12), "1 fewer wanted");
}

#[test]
fn an_instance_on_its_way_in_is_coming_even_if_no_activity_tells_of_it_yet() {
    // The two answers are not of the same moment: 12 asked for, 12 listed, and no launch known.
    let mut state = group();
    state.group.desired_capacity = 12;
    state.group.instances.extend(["i-a", "i-b"].map(|id| instance(id, Lifecycle::Pending)));
    check(&planned(&decision(2, 10), &state), Action::Nothing, "B3: 2 instances are coming");
}

#[test]
fn a_launch_whose_instance_is_not_listed_shows_that_the_group_is_told_as_it_was() {
    let mut state = group();
    state.activities.push(activity(ActivityKind::Launch, "i-new", ActivityStatus::Underway, -5, None));
    check(&planned(&decision(2, 10), &state), Action::BackOff, "B3: the launch of i-new is known and its instance");
    // It has been terminated since, or has failed, or it is long ago.
    let mut gone = state.clone();
    gone.activities.insert(0, activity(ActivityKind::Terminate, "i-new", ActivityStatus::Successful, -3, Some(-1)));
    check(&planned(&decision(2, 10), &gone), Action::BackOff, "B3: the launch of i-new is underway");
    gone.activities[1].status = ActivityStatus::Successful;
    gone.activities[1].end = Some(at(-4));
    check(&planned(&decision(2, 10), &gone), Action::SetDesiredCapacity(12), "");
    let mut old = group();
    old.activities.push(activity(ActivityKind::Launch, "i-new", ActivityStatus::Successful, -300, Some(-200)));
    check(&planned(&decision(2, 10), &old), Action::SetDesiredCapacity(12), "");
}

#[test]
fn a_failed_launch_that_names_its_instance_does_not_make_it_young() {
    let mut state = group();
    state.activities.push(activity(ActivityKind::Launch, "i-0", ActivityStatus::Failed, -2000, Some(-1990)));
    assert_eq!(planned(&decision(2, 10), &state).coming, 0);
}

#[test]
fn standby_and_the_warm_pool_are_no_part_of_anything() {
    let mut state = group();
    state.group.instances.push(instance("i-warm", Lifecycle::Aside));
    state.group.instances.push(instance("i-standby", Lifecycle::Aside));
    check(&planned(&decision(2, 10), &state), Action::SetDesiredCapacity(12), "2 more wanted");
    check(&planned(&decision(-1, 10), &state), Action::SetDesiredCapacity(9), "1 fewer wanted");
}

#[test]
fn a_group_with_more_than_it_is_asked_for_is_not_settled() {
    let mut state = group();
    state.group.desired_capacity = 9;
    check(
        &planned(&decision(-1, 10), &state),
        Action::BackOff,
        "B2: the group has more instances than it is asked for",
    );
}
