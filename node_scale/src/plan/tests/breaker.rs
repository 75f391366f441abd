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
    ended.is_replacement = true;
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
        (unhealthy(), Loss::Replaced("i-lost".to_owned())),
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

/// The group once what does not arrive is withdrawn, which comes before any removal.
#[track_caller]
fn withdrawn(mut state: GroupState) -> GroupState {
    let PlanResult::Act(Change::Withdraw { to, .. }) = plan_down(&state).result else { panic!("{state:?}") };
    assert_eq!(i64::from(to), listed_capacity(&state.group));
    state.group.desired_capacity = to;
    state
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
    sets(&plan_down(&withdrawn(after(ActivityStatus::InProgress, -1000, None, true))), 10);
    let young = after(ActivityStatus::InProgress, -800, None, true);
    check(&plan_down(&young), BackOff::InProgress(launch("i-lost")));
}

#[test]
fn capacity_that_does_not_arrive_stands_in_for_no_instance() {
    // Thirteen desired, ten there: at a minimum of ten, none may go.
    let mut state = after(ActivityStatus::Failed, -60, Some(-60), false);
    state.group.min_size = 10;
    check(&plan_down(&withdrawn(state.clone())), NoChange::AtMinimum { desired: 10, min: 10, decommissioning: 0 });
    // Nor where it cannot be withdrawn: the minimum asks for it.
    state.group.min_size = 13;
    check(&plan_down(&state), NoChange::AtMinimum { desired: 13, min: 13, decommissioning: 0 });
    state.group.min_size = 9;
    sets(&plan_down(&withdrawn(state)), 9);
}

#[test]
fn an_instance_that_another_reason_ended_is_no_loss() {
    let mut state = unhealthy();
    state.activities[1].is_replacement = false;
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
    sets(&plan_down(&withdrawn(state)), 9);
}

#[test]
fn without_a_group_a_successful_launch_ends_the_count_b5() {
    let mut state = after(ActivityStatus::Failed, -2000, Some(-2000), false);
    let down = ScalingDecision { group: None, ..decision(2, 10) };
    assert_eq!(super::super::plan(&down, Some(&state), &policy(""), at(0)).launch_failures, 1);
    state.activities.push(activity(ActivityKind::Launch, "i-9", ActivityStatus::Successful, -1900, Some(-1800)));
    assert_eq!(super::super::plan(&down, Some(&state), &policy(""), at(0)).launch_failures, 0);
}

/// The group, short of three instances, after as many launches that failed, and one that is in progress since `start`.
fn series(failed: i64, start: i64) -> GroupState {
    let mut state = after(ActivityStatus::InProgress, start, None, true);
    for n in 0..failed {
        let (start, end) = (-500 + n, Some(-400 + n));
        state.activities.push(activity(ActivityKind::Launch, "i-none", ActivityStatus::Failed, start, end));
    }
    state
}

#[test]
fn a_series_of_launches_that_bring_no_agent_holds_no_scale_down_b2() {
    // The next launch of the series is in progress all the time.
    sets(&plan_down(&withdrawn(series(3, -60))), 10);
    check(&plan_down(&withdrawn(series(2, -60))), BackOff::InProgress(launch("i-lost")));
    // One that started no later than the last launch that brought an agent is none of the series.
    let mut joined = with_young(series(3, -700), 1, 640);
    joined.group.desired_capacity = 12;
    let planned = |state: &GroupState| plan(&joined_decision(-1), Some(state), &policy(""), at(0)).result;
    assert_eq!(planned(&joined), BackOff::InProgress(launch("i-lost")).into());
    joined.activities.iter_mut().filter(|activity| activity.end.is_none()).for_each(|launch| launch.start = at(-699));
    assert!(matches!(planned(&joined), PlanResult::Act(_)), "{:?}", planned(&joined));
}

/// A decision from a snapshot in which all ten old instances and the young one are agents.
fn joined_decision(delta: i32) -> ScalingDecision {
    let group = GroupMembers {
        joined: 11,
        joined_recent: Some((0..10).map(|n| format!("i-{n}")).chain(["i-young0".to_owned()]).collect()),
        ..GroupMembers::default()
    };
    ScalingDecision { group: Some(group), ..decision(delta, 11) }
}

#[test]
fn an_instance_that_a_health_check_ends_in_a_series_holds_no_scale_down_b2() {
    // Three instances were launched, and each is ended by a health check; the termination is in progress.
    let mut state = group();
    state.group.desired_capacity = 13;
    for n in 0..3 {
        let id = format!("i-lost{n}");
        let launched = activity(ActivityKind::Launch, &id, ActivityStatus::Successful, -600 + n, Some(-540 + n));
        let mut ended = activity(ActivityKind::Terminate, &id, ActivityStatus::InProgress, -200 + n, None);
        ended.is_replacement = true;
        state.activities.extend([launched, ended]);
        state.group.instances.push(instance(&id, Lifecycle::Terminating));
    }
    assert_eq!(planned(&decision(2, 10), &state).launch_failures, 3);
    sets(&plan_down(&state), 9);
    // What ends for another reason, or is no instance of the series, holds it.
    let mut asked = state.clone();
    asked.activities[1].is_replacement = false;
    assert!(matches!(plan_down(&asked).result, PlanResult::BackOff(BackOff::InProgress(_))));
    let mut other = state.clone();
    other.group.instances.push(instance("i-other", Lifecycle::Terminating));
    check(&plan_down(&other), BackOff::Unsettled("i-other".to_owned()));
    let mut ended = activity(ActivityKind::Terminate, "i-other", ActivityStatus::InProgress, -100, None);
    ended.is_replacement = true;
    other.activities.push(ended);
    check(&plan_down(&other), BackOff::InProgress(termination("i-other")));
}

#[test]
fn what_arrives_is_not_believed_in_a_series_b5() {
    // Two instances arrive, and two agents are wanted; launches since then failed.
    let after = |failed: i64| {
        let mut state = with_young(group(), 2, 30);
        state.group.desired_capacity = 13;
        let failed = (0..failed)
            .map(|n| activity(ActivityKind::Launch, "i-none", ActivityStatus::Failed, -20 + n, Some(-10 + n)));
        state.activities.extend(failed);
        planned(&decision(2, 10), &state)
    };
    check(&after(2), NoChange::InFlightCovers { in_flight: 3, needed: 2 });
    assert!(loss(&after(3)).is_some(), "{:?}", after(3));
    assert_eq!((after(2).unmet, after(3).unmet), (0, 2));
}

#[test]
fn instances_that_were_lost_long_ago_do_not_tell_that_none_joins_b5() {
    // Three launched two hours ago are no agents; nothing was launched since.
    let state = with_young(group(), 3, 7200);
    let plan = planned(&decision(3, 10), &state);
    assert_eq!((plan.never_joined, plan.launch_failures), (3, 0), "{plan:?}");
    sets(&plan, 16);
}

#[test]
fn an_instance_that_was_launched_twice_counts_once_b5() {
    // From the warm pool, back into it, and out of it again.
    let mut state = with_young(group(), 3, 16 * 60);
    for n in 0..3 {
        let id = format!("i-young{n}");
        state.activities.push(activity(ActivityKind::Launch, &id, ActivityStatus::Successful, -3000, Some(-2900)));
    }
    assert_eq!(planned(&decision(3, 10), &state).launch_failures, 3);
}

#[test]
fn an_instance_that_may_still_join_ends_no_count_b5() {
    // The launch after the failed one succeeded a minute ago: its instance may still join.
    let mut state = with_young(after(ActivityStatus::Failed, -300, Some(-300), false), 1, 60);
    state.group.desired_capacity = 13;
    assert_eq!(planned(&decision(2, 10), &state).launch_failures, 1);
    // Nor does one that has gone since.
    state.group.instances.pop();
    assert_eq!(planned(&decision(2, 10), &state).launch_failures, 1);
    // Where single instances are not known, it does: it was in service.
    let unknown = ScalingDecision { group: None, ..decision(2, 10) };
    assert_eq!(super::super::plan(&unknown, Some(&state), &policy(""), at(0)).launch_failures, 0);
}

#[test]
fn an_agent_that_takes_no_tasks_of_the_pool_is_a_loss_b5() {
    // Launched so many minutes ago, and registered since.
    let launched = |minutes: i64, is_unfit: bool| {
        let state = with_young(group(), 1, 60 * minutes);
        let mut decision = seen(decision(2, 11), &state);
        let members = decision.group.as_mut().unwrap();
        let id = "i-young0".to_owned();
        members.unfit = if is_unfit { vec![id.clone()] } else { Vec::new() };
        assert!(members.joined_recent.as_ref().unwrap().contains(&id));
        super::super::plan(&decision, Some(&state), &policy(""), at(0))
    };
    let named =
        |plan: &Plan| plan.notes.iter().any(|note| note.contains("take no tasks of the pool: those of i-young0"));
    // It may yet be one, and is in flight.
    let young = launched(5, true);
    assert_eq!((young.in_flight, young.launch_failures, named(&young)), (1, 0, true), "{young:?}");
    let old = launched(16, true);
    assert_eq!((old.in_flight, old.launch_failures, named(&old)), (0, 1, true), "{old:?}");
    assert_eq!(loss(&old), Some(&Loss::Unfit("i-young0".to_owned())));
    let fit = launched(16, false);
    assert_eq!((fit.in_flight, fit.launch_failures, named(&fit)), (0, 0, false), "{fit:?}");
}

#[test]
fn without_a_group_numbers_tell_that_none_joins_b5() {
    let state = with_young(group(), 3, 16 * 60);
    let of = |agents| ScalingDecision { group: None, ..decision(3, agents) };
    let plan = |agents| super::super::plan(&of(agents), Some(&state), &policy(""), at(0));
    let none = plan(10);
    assert_eq!((none.never_joined, none.launch_failures), (3, 3), "{none:?}");
    assert_eq!(loss(&none), Some(&Loss::NeverJoined));
    // An agent more, and it may be any of them.
    assert_eq!((plan(11).never_joined, plan(11).launch_failures), (2, 0));
}

/// So many minutes.
const fn minutes(count: i64) -> i64 {
    60 * count
}

/// The group, which has all it asked for, after launches that a hook abandoned: such minutes ago each began, and ended.
fn abandoned(launches: &[(i64, i64)]) -> GroupState {
    let mut state = group();
    let lost = launches.iter().map(|(start, end)| {
        activity(ActivityKind::Launch, "i-lost", ActivityStatus::Cancelled, -minutes(*start), Some(-minutes(*end)))
    });
    state.activities.extend(lost);
    state
}

#[test]
fn losses_of_long_ago_say_nothing_of_the_launches_of_now_b5() {
    // Five hours ago a hook abandoned three launches. The group has all it asked for since, and now two instances launch.
    let mut state = abandoned(&[(348, 288), (348, 288), (348, 288)]);
    assert_eq!(planned(&decision(0, 10), &state).launch_failures, 0);
    state.group.desired_capacity = 12;
    for id in ["i-new0", "i-new1"] {
        state.group.instances.push(instance(id, Lifecycle::Pending));
        state.activities.push(activity(ActivityKind::Launch, id, ActivityStatus::InProgress, -100, None));
    }
    check(&plan_down(&state), BackOff::InProgress(launch("i-new0")));
    check(&planned(&decision(2, 10), &state), NoChange::InFlightCovers { in_flight: 2, needed: 2 });
    // In service, they are in flight until they join.
    let instances = state.group.instances.iter_mut().skip(10);
    instances.for_each(|instance| instance.lifecycle_state = Lifecycle::InService);
    state.activities.iter_mut().filter(|launch| launch.end.is_none()).for_each(|launch| {
        launch.status = ActivityStatus::Successful;
        launch.end = Some(at(-50));
    });
    check(&plan_down(&state), BackOff::InFlight(2));
    // While the group lacks something, they count, however old they are.
    state.group.desired_capacity = 13;
    assert_eq!(planned(&decision(2, 10), &state).launch_failures, 3);
}

#[test]
fn a_series_lasts_for_as_long_as_its_launches_follow_each_other_b5() {
    let failures = |launches: &[(i64, i64)]| planned(&decision(2, 10), &abandoned(launches)).launch_failures;
    // An hour and join_timeout, 15 minutes.
    assert_eq!((failures(&[(90, 74)]), failures(&[(90, 75)])), (1, 0));
    // A hook of an hour holds one launch after the other.
    assert_eq!(failures(&[(80, 20), (145, 85), (210, 150)]), 3);
    assert_eq!(failures(&[(80, 20), (216, 156), (281, 221)]), 1, "a gap of 76 minutes");
    // Those at the same time are as near as the one that ended last.
    assert_eq!(failures(&[(150, 20), (140, 130)]), 2);
    // A zone rebalance that fails every few minutes belongs to no series.
    let mut rebalanced = abandoned(&[(150, 90)]);
    let mut failed = activity(ActivityKind::Launch, "", ActivityStatus::Failed, -minutes(40), Some(-minutes(40)));
    failed.instance_id = None;
    rebalanced.activities.push(failed);
    assert_eq!(planned(&decision(2, 10), &rebalanced).launch_failures, 0);
    // One that is in progress lasts.
    let mut state = abandoned(&[(400, 310), (400, 310)]);
    state.activities.push(activity(ActivityKind::Launch, "i-slow", ActivityStatus::InProgress, -minutes(300), None));
    state.group.instances.push(instance("i-slow", Lifecycle::Pending));
    state.group.desired_capacity = 11;
    assert_eq!(planned(&decision(2, 10), &state).launch_failures, 3);
}

/// A hook, or a warm-up of the group, that takes longer than `join_timeout`: the agents are there.
#[test]
fn a_launch_in_progress_whose_agent_is_there_is_no_loss_b5() {
    let ids = ["i-a", "i-b", "i-c"].map(str::to_owned);
    let state = |lifecycle| {
        let mut state = group();
        state.group.desired_capacity = 13;
        for id in &ids {
            state.activities.push(activity(ActivityKind::Launch, id, ActivityStatus::InProgress, -1200, None));
            state.group.instances.push(instance(id, lifecycle));
        }
        state
    };
    let knowing = |joined: &[String]| {
        let missing: Vec<String> = ids.iter().filter(|id| !joined.contains(id)).cloned().collect();
        let group = GroupMembers {
            joined: 10 + saturated(joined.len()),
            joined_recent: Some(joined.to_vec()),
            not_joined_count: saturated(missing.len()),
            not_joined: missing,
            ..GroupMembers::default()
        };
        ScalingDecision { group: Some(group), ..decision(2, 13) }
    };
    let planned = |decision, state| plan(&decision, Some(&state), &policy("max_back_off = \"0s\""), at(0));
    for lifecycle in [Lifecycle::Pending, Lifecycle::InService] {
        let plan = planned(knowing(&ids), state(lifecycle));
        sets(&plan, 15);
        assert_eq!(plan.launch_failures, 0, "{plan:?}");
        // One whose agent is not there is lost, and is not asked for twice.
        let plan = planned(knowing(&ids[..2]), state(lifecycle));
        assert_eq!(plan.launch_failures, 1, "{plan:?}");
        sets(&plan, 14);
    }
}
