use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_276_800 + second).unwrap()
}

/// Four instances in three zones, launched one second after the other; launches take 90 s, terminations 60 s.
fn group() -> Group {
    let mut group = Group::new("workers", 1, 10, &["a", "b", "c"]);
    for (index, zone) in ["a", "b", "c", "a"].into_iter().enumerate() {
        group.adopt(&format!("i-{index}"), zone, at(i64::try_from(index).unwrap() - 1000));
    }
    group
}

fn states(group: &Group) -> Vec<Lifecycle> {
    group.instances().iter().map(|instance| instance.state).collect()
}

#[test]
fn a_group_at_its_desired_capacity_does_nothing() {
    let mut group = group();
    group.advance(at(0));
    assert_eq!(group.desired(), 4);
    assert_eq!(group.activities().count(), 0);
    assert_eq!(group.joined(at(0)).count(), 4);
}

#[test]
fn a_launch_takes_its_time_and_names_its_cause() {
    let mut group = group();
    group.set_desired(6, false, at(0)).unwrap();
    group.advance(at(5));
    assert_eq!(states(&group)[4..], [Lifecycle::Pending, Lifecycle::Pending]);
    let zones: Vec<&str> = group.instances()[4..].iter().map(|i| i.zone.as_str()).collect();
    assert_eq!(zones, ["b", "c"], "the emptiest zones first");
    let activity = group.activities().next().unwrap().clone();
    assert_eq!(activity.description(), format!("Launching a new EC2 instance: {}", group.instances()[5].id));
    assert_eq!(
        activity.cause,
        "At 2026-11-21T16:00:00Z a user request explicitly set group desired capacity changing the desired capacity \
         from 4 to 6.  At 2026-11-21T16:00:05Z an instance was started in response to a difference between desired and \
         actual capacity, increasing the capacity from 4 to 6."
    );
    assert!(activity.is_in_progress());

    group.advance(at(94));
    assert_eq!(group.activities().filter(|activity| activity.is_in_progress()).count(), 2);
    group.advance(at(200));
    assert_eq!(states(&group), [Lifecycle::InService; 6]);
    assert_eq!(group.activities().next().unwrap().end, Some(at(95)), "it ended when it was due, not when it was seen");
    group.behavior.join = Duration::from_secs(30);
    assert_eq!(group.joined(at(124)).count(), 4);
    assert_eq!(group.joined(at(125)).count(), 6);
}

#[test]
fn the_group_reacts_after_its_reaction_time() {
    let mut group = group();
    group.behavior.reaction = Duration::from_secs(10);
    group.set_desired(5, false, at(0)).unwrap();
    group.advance(at(9));
    assert_eq!((group.desired(), group.instances().len()), (5, 4));
    group.advance(at(10));
    assert_eq!(group.instances().len(), 5);
}

#[test]
fn the_fullest_zone_loses_its_oldest_instance() {
    let mut group = group();
    group.set_desired(2, false, at(0)).unwrap();
    group.advance(at(0));
    let terminating: Vec<&str> =
        group.instances().iter().filter(|i| i.state == Lifecycle::Terminating).map(|i| i.id.as_str()).collect();
    assert_eq!(terminating, ["i-0", "i-3"], "first of a, which has two; then of a, b, c the first by name");
    assert!(group.activities().next().unwrap().cause.ends_with("instance i-3 was selected for termination."));
    group.advance(at(60));
    assert_eq!(group.instances().len(), 2);
    assert_eq!(group.activities().filter(|activity| activity.is_in_progress()).count(), 0);
}

#[test]
fn protected_instances_stay() {
    let mut group = group();
    for instance in group.instances_mut() {
        instance.protected = instance.id != "i-2";
    }
    group.set_desired(1, false, at(0)).unwrap();
    group.advance(at(0));
    group.advance(at(100));
    assert_eq!(group.instances().len(), 3, "desired is 1, and stays unmet");
}

#[test]
fn suspended_processes_do_not_run() {
    let mut group = group();
    group.suspended = BTreeSet::from(["Launch".to_owned(), "Terminate".to_owned()]);
    for desired in [6, 2] {
        group.set_desired(desired, false, at(0)).unwrap();
        group.advance(at(1));
        assert_eq!(states(&group), [Lifecycle::InService; 4]);
    }
}

#[test]
fn the_limits_hold_in_the_words_of_aws() {
    let mut group = group();
    assert_eq!(
        group.set_desired(11, false, at(0)).unwrap_err().to_string(),
        "New SetDesiredCapacity value 11 is above max value 10 for the AutoScalingGroup."
    );
    assert_eq!(
        group.set_desired(0, false, at(0)).unwrap_err().to_string(),
        "New SetDesiredCapacity value 0 is below min value 1 for the AutoScalingGroup."
    );
    assert_eq!(group.desired(), 4);
}

#[test]
fn only_callers_that_honor_the_cooldown_are_held_by_it() {
    let mut group = group();
    group.set_desired(5, true, at(0)).unwrap();
    group.advance(at(0));
    assert!(matches!(group.set_desired(6, true, at(1)), Err(Refusal::InProgress(_))), "the launch is in progress");
    group.advance(at(90));
    assert!(matches!(group.set_desired(6, true, at(389)), Err(Refusal::InProgress(_))), "300 s after its end");
    assert_eq!(group.set_desired(6, false, at(100)), Ok(()));
    assert_eq!(group.set_desired(7, true, at(390)), Ok(()));
}

#[test]
fn a_failed_launch_is_reported_and_tried_again_later() {
    let mut group = group();
    group.behavior.failing_launches = 1;
    group.set_desired(5, false, at(0)).unwrap();
    group.advance(at(0));
    group.advance(at(59));
    let failed = group.activities().next().unwrap();
    assert_eq!(failed.status.code(), "Failed");
    assert!(failed.description().starts_with("Launching a new EC2 instance.  Status Reason: We currently do not have"));
    assert_eq!(group.activities().count(), 1);
    group.advance(at(60));
    assert_eq!(group.activities().next().unwrap().status.code(), "PreInService");
    assert_eq!(group.instances().len(), 5);
}

#[test]
fn finishing_ends_what_is_in_progress() {
    let mut group = group();
    group.set_desired(5, false, at(0)).unwrap();
    group.advance(at(0));
    group.finish(at(1));
    assert_eq!(states(&group), [Lifecycle::InService; 5]);
    assert_eq!(group.activities().next().unwrap().end, Some(at(1)));
}

#[test]
fn activities_in_progress_are_listed_first() {
    let mut group = group();
    group.behavior.launch = Duration::from_secs(10_000);
    group.set_desired(5, false, at(0)).unwrap();
    group.advance(at(0));
    group.fail_rebalance(at(60));
    let codes: Vec<&str> = group.activities().map(|activity| activity.status.code()).collect();
    assert_eq!(codes, ["PreInService", "Failed"]);
}

#[test]
fn instances_of_the_warm_pool_are_launched_first() {
    let mut group = group();
    group.fill_warm_pool(1, at(-5000));
    group.set_desired(6, false, at(0)).unwrap();
    group.advance(at(0));
    group.advance(at(30));
    assert_eq!(group.instances().iter().filter(|i| i.state == Lifecycle::InService).count(), 5);
    let texts: Vec<String> = group.activities().map(|activity| activity.description()).collect();
    let expected = ["instance: i-", "instance from warm pool: i-", "instance into warm pool: i-"];
    assert!(texts.iter().zip(expected).all(|(text, expected)| text.contains(expected)), "{texts:?}");
}

#[test]
fn a_hook_holds_a_launch_or_abandons_it() {
    for (abandons, code, size) in [(false, "Successful", 5), (true, "Cancelled", 5)] {
        let mut group = group();
        group.behavior.hook = Some(Hook { wait: Duration::from_secs(3600), abandons });
        group.set_desired(5, false, at(0)).unwrap();
        group.advance(at(0));
        group.advance(at(90));
        assert_eq!(states(&group).last(), Some(&Lifecycle::PendingWait));
        assert_eq!(group.activities().next().unwrap().status.code(), "MidLifecycleAction");
        group.advance(at(3690));
        assert_eq!(group.instances().len(), size, "another launch follows one that was abandoned");
        let ended = group.activities().find(|activity| !activity.is_in_progress()).unwrap();
        assert_eq!((ended.status.code(), ended.end), (code, Some(at(3690))));
    }
}

#[test]
fn a_spot_request_waits_until_the_market_serves_it() {
    let mut group = group();
    group.behavior.spot_waits = true;
    group.set_desired(6, false, at(0)).unwrap();
    group.advance(at(0));
    group.advance(at(600));
    assert_eq!((group.activities().count(), group.instances().len()), (2, 4));
    let activity = group.activities().next().unwrap();
    assert!(activity.description().starts_with("Placing Spot instance request: sir-"), "{activity:?}");
    assert_eq!(activity.status.code(), "WaitingForSpotInstanceId");
    group.behavior.spot_waits = false;
    group.advance(at(660));
    assert_eq!(group.instances().len(), 6);
}

#[test]
fn unhealthy_instances_are_replaced() {
    let mut group = group();
    group.behavior.unhealthy_after = Some(Duration::from_secs(300));
    group.set_desired(5, false, at(0)).unwrap();
    group.advance(at(0));
    group.advance(at(90));
    group.advance(at(390));
    let causes: Vec<&str> = group.activities().map(|activity| activity.cause.as_str()).collect();
    assert!(causes.iter().any(|cause| cause.contains("status checks failure")), "{causes:?}");
    group.advance(at(480));
    assert_eq!((group.desired(), group.instances().len()), (5, 5), "the other four are healthy");
}

#[test]
fn unequal_zones_are_made_equal_one_instance_at_a_time() {
    let mut group = Group::new("workers", 0, 10, &["a", "b"]);
    (0..4).for_each(|n| group.adopt(&format!("i-{n}"), "a", at(-9000)));
    group.adopt("i-b", "b", at(-9000));
    group.behavior.rebalances = true;
    let mut least = usize::MAX;
    for second in (0..1200).step_by(10) {
        group.advance(at(second));
        let in_service = group.instances().iter().filter(|i| i.state == Lifecycle::InService).count();
        least = least.min(in_service);
        assert!(group.instances().iter().filter(|i| i.state.is_capacity()).count() <= 6, "one at a time");
    }
    assert_eq!(
        (group.imbalance(), group.desired(), least),
        (1, 5, 5),
        "no instance ends before its successor is there"
    );
    let causes: Vec<&str> = group.activities().map(|activity| activity.cause.as_str()).collect();
    assert!(causes.iter().any(|cause| cause.contains("to balance instances in zones b")), "{causes:?}");
}

#[test]
fn a_rebalance_is_not_tried_without_its_process() {
    let mut group = Group::new("workers", 0, 10, &["a", "b"]);
    (0..4).for_each(|n| group.adopt(&format!("i-{n}"), "a", at(-9000)));
    group.behavior.rebalances = true;
    group.suspended.insert("AZRebalance".to_owned());
    (0..100).for_each(|minute| group.advance(at(60 * minute)));
    assert_eq!((group.imbalance(), group.activities().count()), (4, 0));
}

#[test]
fn a_launch_that_fails_is_tried_again_later() {
    let mut group = group();
    group.set_desired(5, false, at(0)).unwrap();
    group.advance(at(0));
    let id = group.instances().last().unwrap().id.clone();
    group.fail_launch(&id, at(0));
    let failed = group.activities().next().unwrap();
    assert_eq!((failed.status.code(), failed.end, failed.instance.as_ref()), ("Failed", Some(at(0)), None));
    group.advance(at(30));
    assert_eq!(group.instances().len(), 4);
    group.advance(at(60));
    assert_eq!(group.instances().len(), 5);
}

#[test]
fn a_hook_of_its_own_holds_one_launch_alone() {
    let mut group = group();
    group.set_desired(6, false, at(0)).unwrap();
    group.advance(at(0));
    let hook = Hook { wait: Duration::from_secs(600), abandons: true };
    group.instances_mut().last_mut().unwrap().hook = Some(hook);
    group.advance(at(90));
    assert_eq!(states(&group)[4..], [Lifecycle::InService, Lifecycle::PendingWait]);
    group.advance(at(690));
    let codes: Vec<&str> = group.activities().map(|activity| activity.status.code()).collect();
    assert!(codes.contains(&"Cancelled") && codes.contains(&"PreInService"), "another launch follows: {codes:?}");
}

#[test]
fn a_state_is_what_the_functions_read_by_its_name() {
    let all = [
        Lifecycle::Pending,
        Lifecycle::InService,
        Lifecycle::Terminating,
        Lifecycle::PendingWait,
        Lifecycle::Standby,
        Lifecycle::WarmedStopped,
        Lifecycle::TerminatingRetained,
    ];
    for state in all {
        assert_eq!(shared::group::Lifecycle::from(state), shared::group::Lifecycle::from_name(state.name()));
    }
}
