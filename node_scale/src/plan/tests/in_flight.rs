//! Capacity in flight, instances that never joined, and answers of AWS that are not of one moment.

use super::super::in_flight::join_status;
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
    let (ago, join_timeout, retry_in) = (seconds(60), seconds(900), Some(seconds(19 * 60)));
    check(&plan, BackOff::NotArriving { count: 3, ago, loss: Loss::NeverJoined, join_timeout, retry_in });
    assert_eq!((plan.never_joined, plan.unmet), (3, 3));
    assert!(plan.notes[0].contains("and no agent: i-young0, i-young1, i-young2; check one"), "{:?}", plan.notes);
    // After the back-off one more instance shows whether the next ones do.
    sets(&planned(&decision(3, 10), &with_unjoined(3, 36)), 14);
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
fn instances_that_never_joined_hold_a_removal_from_two_on_b2() {
    sets(&planned(&decision(-1, 10), &with_unjoined(1, 16)), 10);
    // Two of twelve are more than ten percent.
    let ids = vec!["i-young0".to_owned(), "i-young1".to_owned()];
    check(
        &planned(&decision(-1, 10), &with_unjoined(2, 16)),
        BackOff::MissingAgents { count: 2, ids, of: 12, percent: 10 },
    );
    let tolerant = policy("max_missing_agents_percent = 17");
    sets(&plan(&decision(-1, 10), Some(&with_unjoined(2, 16)), &tolerant, at(0)), 11);
    // In standby they count no more.
    let mut state = with_unjoined(2, 16);
    state.group.instances.iter_mut().skip(10).for_each(|i| i.lifecycle_state = Lifecycle::NotCounted);
    state.group.desired_capacity = 10;
    sets(&planned(&decision(-1, 10), &state), 9);
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

#[test]
fn a_protected_surplus_stops_no_scale_down() {
    // Auto Scaling cannot terminate any, so the group stays as it is.
    let mut state = group();
    state.group.desired_capacity = 9;
    state.group.new_instances_protected_from_scale_in = true;
    state.group.instances.iter_mut().for_each(|instance| instance.protected_from_scale_in = true);
    let policy = policy_with("least_loaded", "");
    let mut decision = decision(-1, 10);
    decision.scale_down_agents = vec![targets::named("i-3")];
    let plan = plan(&decision, Some(&state), &policy, at(0));
    assert!(matches!(plan.result, PlanResult::Act(Change::Terminate { .. })), "{plan:?}");
}

#[test]
fn an_instance_launched_from_the_warm_pool_is_as_old_as_that_launch() {
    // Launched into the pool a day ago, into the group before, and now again.
    let mut state = with_young(group(), 2, 30);
    for n in 0..2 {
        let id = format!("i-young{n}");
        for (kind, ago) in [(ActivityKind::WarmPool, 86_400), (ActivityKind::Launch, 50_000)] {
            state.activities.insert(0, activity(kind, &id, ActivityStatus::Successful, -ago, Some(60 - ago)));
        }
    }
    check(&planned(&decision(2, 10), &state), NoChange::InFlightCovers { in_flight: 2, needed: 2 });
    let mut unlisted = group();
    unlisted.activities.push(activity(ActivityKind::WarmPool, "i-w", ActivityStatus::Successful, -9000, Some(-8900)));
    unlisted.activities.push(activity(ActivityKind::Launch, "i-w", ActivityStatus::InProgress, -5, None));
    check(&planned(&decision(2, 10), &unlisted), BackOff::UnlistedLaunch(launch("i-w")));
}

#[test]
fn a_retained_instance_does_not_count() {
    let mut state = group();
    state.group.instances.push(instance("i-retained", Lifecycle::from_name("Terminating:Retained")));
    sets(&planned(&decision(-1, 10), &state), 9);
    sets(&planned(&decision(2, 10), &state), 12);
}

/// The group while a zone rebalance fails every five minutes, the last time `ago` seconds before now.
fn failing_rebalance(ago: i64) -> GroupState {
    let mut state = group();
    for n in 0..20 {
        let failed = -ago - n * 300;
        let mut failed = activity(ActivityKind::Launch, "i-none", ActivityStatus::Failed, failed, Some(failed));
        failed.instance_id = None;
        state.activities.push(failed);
    }
    state
}

#[test]
fn launches_that_fail_start_no_cooldown_b2() {
    sets(&planned(&decision(-1, 10), &failing_rebalance(240)), 9);
    // Nor do they change what the decision saw.
    sets(&planned(&decision(-1, 10), &failing_rebalance(3)), 9);
    let policy = policy("scale_up_cooldown = \"1h\"");
    let plan = plan(&decision(2, 10), Some(&failing_rebalance(1800)), &policy, at(0));
    sets(&plan, 12);
}

#[test]
fn the_order_in_which_activities_are_listed_means_nothing() {
    // A launch that a hook has held for hours is listed before three that never joined.
    let mut state = with_unjoined(3, 16);
    state.activities.insert(0, activity(ActivityKind::Launch, "i-stuck", ActivityStatus::InProgress, -7800, None));
    state.group.instances.push(instance("i-stuck", Lifecycle::Pending));
    state.group.desired_capacity += 1;
    let plan = planned(&decision(3, 10), &state);
    let is_never_joined =
        matches!(plan.result, PlanResult::BackOff(BackOff::NotArriving { loss: Loss::NeverJoined, .. }));
    assert!(is_never_joined, "{plan:?}");
    // The latest failure is the last one listed, and a success that is listed later is an older one.
    let mut state = group();
    for (status, ago) in
        [(ActivityStatus::Failed, 3000), (ActivityStatus::Successful, 4000), (ActivityStatus::Failed, 60)]
    {
        state.activities.push(activity(ActivityKind::Launch, "i-x", status, -ago, Some(-ago)));
    }
    let failed = planned(&decision(3, 10), &state);
    state.activities.reverse();
    assert_eq!(planned(&decision(3, 10), &state).result, failed.result);
    assert_eq!(failed.launch_failures, 2);
}

/// A decision whose snapshot knows these of the group's instances.
fn knowing(delta: i32, group: GroupMembers) -> ScalingDecision {
    ScalingDecision { group: Some(group), ..decision(delta, 10) }
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[test]
fn agents_elsewhere_do_not_hide_what_is_in_flight_b3() {
    // Three agents on instances in standby, three outside the group: they are no arrivals.
    let mut state = with_young(group(), 2, 30);
    state.group.instances.extend((0..3).map(|n| instance(&format!("i-standby{n}"), Lifecycle::NotCounted)));
    let group = GroupMembers {
        not_joined_count: 2,
        not_joined: ids(&["i-young0", "i-young1"]),
        joined_recent: Some(Vec::new()),
        outside: 3,
        ..GroupMembers::default()
    };
    let mut decision = knowing(2, group);
    decision.agents.registered = 16;
    check(&planned(&decision, &state), NoChange::InFlightCovers { in_flight: 2, needed: 2 });
}

#[test]
fn instances_on_their_way_out_hide_no_arrival() {
    // Five leave, and their agents are gone; the five that replace them have joined.
    let mut state = with_young(group(), 5, 30);
    state.group.instances.iter_mut().take(5).for_each(|i| i.lifecycle_state = Lifecycle::Terminating);
    state.group.desired_capacity = 10;
    let recent = (0..5).map(|n| format!("i-young{n}")).collect();
    let decision = knowing(2, GroupMembers { joined_recent: Some(recent), ..GroupMembers::default() });
    let plan = planned(&decision, &state);
    assert_eq!(plan.in_flight, 0);
    sets(&plan, 12);
}

#[test]
fn age_counts_from_the_end_of_a_launch() {
    // A hook held it for forty minutes, and a minute ago it came into service.
    let mut state = with_young(group(), 1, 60);
    state.activities[0].start = at(-2500);
    assert_eq!(planned(&decision(2, 10), &state).in_flight, 1);
    // While the hook holds it, it is expected for as long as any other.
    state.group.instances[10].lifecycle_state = Lifecycle::Pending;
    (state.activities[0].status, state.activities[0].end) = (ActivityStatus::InProgress, None);
    assert_eq!(planned(&decision(2, 10), &state).in_flight, 0);
    state.activities[0].start = at(-800);
    assert_eq!(planned(&decision(2, 10), &state).in_flight, 1);
    // Its agent registered while the hook still held it: it joined long ago.
    let mut state = with_young(group(), 1, 60);
    state.activities[0].start = at(-2500);
    let decision = knowing(2, GroupMembers { joined_recent: Some(Vec::new()), ..GroupMembers::default() });
    assert_eq!(planned(&decision, &state).in_flight, 0);
}

#[test]
fn of_unknown_instances_those_beyond_the_agents_without_identity_are_in_flight() {
    let state = with_young(group(), 4, 30);
    let unknown = |unidentified_recent| GroupMembers {
        unknown: 4,
        unidentified_recent,
        joined_recent: Some(Vec::new()),
        ..GroupMembers::default()
    };
    for (unidentified, in_flight) in [(0, 4), (3, 1), (4, 0), (9, 0)] {
        assert_eq!(planned(&knowing(5, unknown(unidentified)), &state).in_flight, in_flight);
    }
    // One that agents claim ambiguously is not in flight.
    let ambiguous = GroupMembers { unknown: 1, ambiguous: ids(&["i-young0"]), ..unknown(0) };
    let group =
        GroupMembers { not_joined_count: 3, not_joined: ids(&["i-young1", "i-young2", "i-young3"]), ..ambiguous };
    assert_eq!(planned(&knowing(5, group), &state).in_flight, 3);
}

/// Ten old instances, and four that no agent claims for longer than `join_timeout`, beside one agent without an identity.
fn beside_an_agent_without_identity(unidentified: Option<u32>, delta: i32) -> Plan {
    let state = with_young(group(), 4, 1800);
    let group = GroupMembers {
        joined: 10,
        unknown: 4,
        unidentified,
        joined_recent: Some(Vec::new()),
        ..GroupMembers::default()
    };
    planned(&knowing(delta, group), &state)
}

#[test]
fn instances_beyond_the_agents_without_identity_never_joined_b5() {
    // An older message does not say how many there are.
    for (unidentified, never_joined) in [(Some(1), 3), (Some(3), 1), (Some(4), 0), (Some(9), 0), (None, 0)] {
        let plan = beside_an_agent_without_identity(unidentified, 5);
        assert_eq!((plan.never_joined, plan.in_flight), (never_joined, 0), "{unidentified:?}");
        assert_eq!(plan.notes.iter().any(|note| note.contains("give them the attribute")), never_joined > 0);
    }
    // One at a time, after a pause.
    let plan = beside_an_agent_without_identity(Some(1), 5);
    assert!(matches!(plan.result, PlanResult::BackOff(BackOff::NotArriving { .. })), "{plan:?}");
    let plan = beside_an_agent_without_identity(Some(1), -1);
    assert_eq!(
        plan.result.reason().to_string(),
        "B2: 3 of 14 instances in service are no agents, max_missing_agents_percent = 10, and which is not known"
    );
}

#[test]
fn absurd_numbers_in_a_message_are_only_large() {
    let most = u32::MAX;
    let group = GroupMembers {
        joined: most,
        unknown: most,
        not_joined_count: most,
        unidentified: Some(0),
        joined_recent: Some(Vec::new()),
        ..GroupMembers::default()
    };
    for delta in [5, -1] {
        let plan = planned(&knowing(delta, group.clone()), &with_young(self::group(), 4, 1800));
        assert!(matches!(plan.result, PlanResult::BackOff(_)), "{plan:?}");
    }
}

#[test]
fn without_a_group_every_young_instance_is_in_flight() {
    let state = with_young(group(), 2, 30);
    for group in [None, Some(GroupMembers::default())] {
        let decision = ScalingDecision { group, ..decision(3, 12) };
        assert_eq!(super::super::plan(&decision, Some(&state), &policy(""), at(0)).in_flight, 2);
    }
    // The instances of a pool of CloudWatch are its agents, once they are in service.
    let cloudwatch = cluster::policy("source = \"cloudwatch\"").unwrap();
    assert_eq!(super::super::plan(&decision(3, 12), Some(&state), &cloudwatch, at(0)).in_flight, 0);
    let just_now = with_young(group(), 2, 5);
    assert_eq!(super::super::plan(&decision(3, 10), Some(&just_now), &cloudwatch, at(0)).in_flight, 2);
}

#[test]
fn more_missing_instances_than_are_listed_hold_a_removal_b2() {
    let listed: Vec<String> = (0..GroupMembers::MAX_LISTED).map(|n| format!("i-old{n}")).collect();
    let mut state = group();
    state.group.instances = (0..3000).map(|n| instance(&format!("i-old{n}"), Lifecycle::InService)).collect();
    (state.group.desired_capacity, state.group.max_size) = (3000, 4000);
    let group = GroupMembers { not_joined_count: 500, not_joined: listed, ..GroupMembers::default() };
    let mut decision = knowing(-1, group);
    decision.agents.registered = 2500;
    let plan = planned(&decision, &state);
    let is_held = matches!(plan.result, PlanResult::BackOff(BackOff::MissingAgents { count: 500, of: 3000, .. }));
    assert!(is_held, "{plan:?}");
}

/// What the snapshot knows of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    JoinedRecently,
    JoinedLongAgo,
    NotJoined,
    Ambiguous,
    Unclaimed,
}

fn any_known() -> impl Strategy<Value = Known> {
    use Known::{Ambiguous, JoinedLongAgo, JoinedRecently, NotJoined, Unclaimed};
    prop::sample::select(vec![JoinedRecently, JoinedLongAgo, NotJoined, Ambiguous, Unclaimed])
}

/// The group of a snapshot that knows that much of each launching or in-service instance.
fn members_of(state: &GroupState, known: &[Known], unidentified_recent: u32) -> GroupMembers {
    let live = state.group.instances.iter().filter(|instance| instance.is_capacity());
    let launched: BTreeSet<&str> =
        state.activities.iter().filter_map(|activity| activity.instance_id.as_deref()).collect();
    let known: Vec<(String, Known)> = live
        .zip(known.iter().cycle())
        .map(|(instance, known)| {
            let id = instance.instance_id.clone();
            // What was launched lately cannot have joined long ago.
            let is_recent = *known == Known::JoinedLongAgo && launched.contains(id.as_str());
            (id, if is_recent { Known::JoinedRecently } else { *known })
        })
        .collect();
    let of = |wanted: &[Known]| -> Vec<String> {
        known.iter().filter(|(_, known)| wanted.contains(known)).map(|(id, _)| id.clone()).collect()
    };
    let (recent, not_joined, ambiguous) =
        (of(&[Known::JoinedRecently]), of(&[Known::NotJoined]), of(&[Known::Ambiguous]));
    GroupMembers {
        joined: u32::try_from(of(&[Known::JoinedRecently, Known::JoinedLongAgo]).len()).unwrap(),
        unknown: u32::try_from(of(&[Known::Ambiguous, Known::Unclaimed]).len()).unwrap(),
        not_joined_count: u32::try_from(not_joined.len()).unwrap(),
        not_joined,
        ambiguous,
        joined_recent: Some(recent),
        unidentified_recent,
        ..GroupMembers::default()
    }
}

fn arriving(decision: &ScalingDecision, state: &GroupState) -> u32 {
    let members = Members::new(decision, state, &policy(""), at(0));
    join_status(decision, &state.group, &members).arriving
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// For everything that a snapshot may say of the group's instances: no more is in flight than lives, one that joins is in flight no
    /// longer, and who knows less counts more.
    #[test]
    fn what_is_in_flight_follows_the_identities(
        state in any_state(), known in prop::collection::vec(any_known(), 1..20), unidentified in 0..5_u32, joins in 0..20_usize
    ) {
        let live = state.group.instances.iter().filter(|instance| instance.is_capacity()).count();
        let before = arriving(&knowing(2, members_of(&state, &known, unidentified)), &state);
        prop_assert!(before <= u32::try_from(live).unwrap());

        let mut later = known.clone();
        later[joins % known.len()] = Known::JoinedRecently;
        prop_assert!(arriving(&knowing(2, members_of(&state, &later, unidentified)), &state) <= before);

        let nothing = arriving(&ScalingDecision { group: None, ..decision(2, 10) }, &state);
        prop_assert!(before <= nothing);
    }

    /// Of the instances that no agent claims, some have one without identity: no more never joined than are no agents.
    #[test]
    fn no_more_never_joined_than_are_no_agents(
        state in any_state(), known in prop::collection::vec(any_known(), 1..20), agents in prop::collection::vec(any::<bool>(), 20)
    ) {
        let mut group = members_of(&state, &known, 0);
        let unclaimed = group.unknown - u32::try_from(group.ambiguous.len()).unwrap();
        let have_one = agents.iter().cycle().take(unclaimed as usize).filter(|has_one| **has_one).count();
        group.unidentified = Some(u32::try_from(have_one).unwrap());
        let no_agents = group.not_joined_count + unclaimed - group.unidentified.unwrap();
        let plan = super::super::plan(&knowing(2, group), Some(&state), &policy(""), at(0));
        prop_assert!(plan.never_joined <= no_agents, "{} of {}", plan.never_joined, no_agents);
    }

    /// L5: for everything that a snapshot may say of the group's instances, what is requested and in flight exceeds what is wanted
    /// by nothing.
    #[test]
    fn no_more_is_requested_than_is_wanted_and_not_in_flight_l5(
        state in any_state(), known in prop::collection::vec(any_known(), 1..20), unidentified in 0..5_u32, wanted in 1..30_u32
    ) {
        let decision = ScalingDecision { wanted, ..knowing(10, members_of(&state, &known, unidentified)) };
        let plan = super::super::plan(&decision, Some(&state), &policy(""), at(0));
        if let PlanResult::Act(Change::Increase(increase)) = &plan.result {
            let unit = i64::from(state.group.unit().unwrap());
            let has = i64::from(state.group.desired_capacity).max(listed_capacity(&state.group));
            let requested = (i64::from(increase.to) - has).max(0);
            let missing = i64::from(wanted.saturating_sub(plan.in_flight));
            prop_assert!(requested <= missing * unit, "{:?}", plan);
        }
    }
}

#[test]
fn an_instance_in_service_is_young_although_its_launch_has_not_ended() {
    // The activity ends at any moment: the instance has just been handed over.
    let mut state = group();
    state.activities.push(activity(ActivityKind::Launch, "i-new", ActivityStatus::InProgress, -1200, None));
    state.group.instances.push(instance("i-new", Lifecycle::InService));
    state.group.desired_capacity = 11;
    assert_eq!(planned(&decision(2, 10), &state).in_flight, 1);
}

#[test]
fn what_was_launched_just_before_the_snapshot_is_in_flight_though_nothing_lists_it() {
    // The group that the snapshot knows did not have it yet; of one launched earlier, it would say that it is no agent.
    let unlisted = |ago| {
        let mut decision = seen(decision(2, 10), &group());
        decision.group.as_mut().unwrap().joined = 11;
        planned(&decision, &with_young(group(), 1, ago)).in_flight
    };
    // Launched a minute before `ago`, and the snapshot is ten seconds old.
    assert_eq!((unlisted(30), unlisted(120)), (1, 0));
}

#[test]
fn an_unlisted_instance_is_no_agent_where_the_list_is_cut() {
    let mut decision = seen(decision(2, 10), &group());
    decision.group.as_mut().unwrap().not_joined_count = 1;
    assert_eq!(planned(&decision, &with_young(group(), 1, 300)).in_flight, 1);
}

#[test]
fn what_left_the_group_is_not_in_flight() {
    for lifecycle in [Lifecycle::Standby, Lifecycle::NotCounted] {
        let mut state = with_young(group(), 1, 30);
        state.group.desired_capacity = 10;
        state.group.instances.last_mut().unwrap().lifecycle_state = lifecycle;
        assert_eq!(planned(&decision(2, 10), &state).in_flight, 0, "{lifecycle:?}");
    }
}

#[test]
fn without_a_group_numbers_tell_what_never_joined() {
    let never_joined = |registered: u32, state: &GroupState| {
        let decision = ScalingDecision { group: None, ..decision(0, registered) };
        super::super::plan(&decision, Some(state), &policy(""), at(0)).never_joined
    };
    assert_eq!((never_joined(10, &group()), never_joined(8, &group())), (0, 2));
    // One whose instance terminates may be listed for a while.
    let mut state = group();
    state.group.instances[9].lifecycle_state = Lifecycle::Terminating;
    assert_eq!((never_joined(10, &state), never_joined(9, &state)), (0, 1));
}

#[test]
fn only_the_first_ten_that_never_joined_are_named() {
    let note = |count: u32| planned(&decision(0, 10), &with_unjoined(count, 120)).notes.join("; ");
    assert!(note(12).contains(", i-young9 and 2 more; check one"), "{}", note(12));
    assert!(note(10).contains(", i-young9; check one"), "{}", note(10));
}

#[test]
fn as_many_as_are_not_protected_may_go_b2() {
    let protected = |count: usize| {
        let mut state = group();
        state.group.instances.iter_mut().take(count).for_each(|i| i.protected_from_scale_in = true);
        planned(&decision(-2, 10), &state)
    };
    sets(&protected(8), 8);
    check(&protected(9), BackOff::ScaleInProtection { removable: 1, count: 2 });
}

#[test]
fn max_missing_agents_percent_itself_is_few_b2() {
    // Two of ten are twenty percent.
    let mut state = group();
    state.group.desired_capacity = 10;
    let of = |percent: u32| {
        let policy = policy(&format!("max_missing_agents_percent = {percent}"));
        plan(&decision(-1, 8), Some(&state), &policy, at(0)).result
    };
    assert!(matches!(of(19), PlanResult::BackOff(BackOff::MissingAgents { count: 2, of: 10, .. })), "{:?}", of(19));
    assert!(matches!(of(20), PlanResult::Act(_)), "{:?}", of(20));
}

#[test]
fn what_was_launched_since_the_snapshot_counts_against_the_step_i7() {
    // Two instances launch; the first snapshot was taken before, the second one after.
    let policy = policy("max_scale_up_step = 2\nmax_back_off = \"0s\"\nscale_up_cooldown = \"0s\"");
    let of = |start| {
        let mut state = group();
        for id in ["i-a", "i-b"] {
            state.activities.push(activity(ActivityKind::Launch, id, ActivityStatus::InProgress, start, None));
            state.group.instances.push(instance(id, Lifecycle::Pending));
        }
        state.group.desired_capacity = 12;
        plan(&ScalingDecision { wanted: 6, ..decision(2, 10) }, Some(&state), &policy, at(0))
    };
    check(&of(-5), NoChange::StepRequested { in_flight: 2, wanted: 6, step: 2 });
    sets(&of(-15), 14);
}

/// The group after an operator brought an eleventh instance into it, so many seconds ago.
fn attached(ago: i64) -> GroupState {
    let mut state = group();
    state.group.desired_capacity = 11;
    state.group.instances.push(instance("i-back", Lifecycle::InService));
    state.activities.push(activity(ActivityKind::Attach, "i-back", ActivityStatus::Successful, -ago - 10, Some(-ago)));
    state
}

#[test]
fn instances_that_an_operator_brings_back_are_in_flight() {
    let minute = planned(&decision(2, 10), &attached(50));
    sets(&minute, 12);
    assert_eq!((minute.in_flight, minute.never_joined, minute.notes.len()), (1, 0, 0), "{minute:?}");
    // Until join_timeout after that.
    let never_joined = |ago: i64| planned(&decision(2, 10), &attached(ago)).never_joined;
    assert_eq!((never_joined(899), never_joined(900)), (0, 1));
    // However long ago it was launched.
    let mut state = attached(50);
    state.activities.push(activity(ActivityKind::Launch, "i-back", ActivityStatus::Successful, -5000, Some(-4900)));
    sets(&planned(&decision(2, 10), &state), 12);
    // One that is not yet there holds a removal, and nothing else.
    check(&planned(&decision(-1, 10), &attached(700)), BackOff::InFlight(1));
}

#[test]
fn an_agent_on_an_instance_from_standby_has_joined() {
    // It registered long ago; the snapshot lists all instances that are no agents.
    let plan = planned(&decision(2, 11), &attached(200));
    sets(&plan, 13);
    assert_eq!((plan.in_flight, plan.launch_failures), (0, 0));
    // Its launch, the last one that brought an agent, still ends the count.
    let mut state = attached(200);
    state.group.desired_capacity = 12;
    let lost = |start: i64| activity(ActivityKind::Launch, "i-lost", ActivityStatus::Failed, start, Some(start));
    state.activities.push(activity(ActivityKind::Launch, "i-back", ActivityStatus::Successful, -3000, Some(-2900)));
    state.activities.extend([lost(-4000), lost(-1000)]);
    assert_eq!(planned(&decision(2, 11), &state).launch_failures, 1);
}
