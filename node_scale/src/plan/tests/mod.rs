//! Each test cites the clause it proves; the table at the end combines them all.

mod breaker;
mod closing;
mod drain;
mod group_tags;
mod in_flight;
mod outcome;
mod properties;
mod sentences;
mod surplus;
mod targets;
mod trial;
mod units;
mod window;
mod withdraw;

use proptest::prelude::*;
use shared::clause::{Clause, Rule};
use shared::config::Config;
use shared::contract::{CompletenessLevel, GroupMembers};

use super::*;
use crate::state::{Addresses, Instance, MixedInstancesPolicy, SuspendedProcess};
use properties::any_state;

const NOW: i64 = 1_800_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(NOW + seconds).unwrap()
}

/// A pool whose group chooses the instance, and in which a launch holds a scale-up back for as long as any test lasts.
fn policy(settings: &str) -> Policy {
    policy_with("desired_capacity", settings)
}

fn policy_with(strategy: &str, settings: &str) -> Policy {
    let defaults = [
        ("min", "2"),
        ("max", "20"),
        ("max_scale_down_step", "3"),
        ("max_back_off", "\"1h\""),
        ("scale_down_window", "\"0s\""),
        ("scale_down_cooldown", "\"10m\""),
    ];
    let defaults = defaults.iter().filter(|(key, _)| !settings.contains(&format!("{key} =")));
    let defaults: String = defaults.map(|(key, value)| format!("{key} = {value}\n")).collect();
    let configuration = format!(
        "[mesos]\nmasters = [\"http://10.0.0.5:5050\"]\n[[pools]]\nname = \"workers\"\ngroup = \"asg\"\n\
         scale_down_strategy = {strategy:?}\n{defaults}{settings}"
    );
    Config::parse(&configuration).unwrap().pools.remove(0)
}

/// A decision made ten seconds ago from a snapshot of `agents` agents.
fn decision(delta: i32, agents: u32) -> ScalingDecision {
    cluster::decision(delta, agents, at(-10))
}

/// A settled group of 10 instances that was launched long ago.
fn group() -> GroupState {
    GroupState {
        group: Group {
            name: "asg".to_owned(),
            min_size: 1,
            max_size: 30,
            desired_capacity: 10,
            status: None,
            instances: (0..10).map(|n| instance(&format!("i-{n}"), Lifecycle::InService)).collect(),
            suspended_processes: BTreeSet::new(),
            new_instances_protected_from_scale_in: false,
            tags: Vec::new(),
            mixed_instances_policy: MixedInstancesPolicy::default(),
        },
        activities: Vec::new(),
        activities_are_complete: true,
        instance_refresh_in_progress: Some(false),
        addresses: Addresses::new(),
        is_dry_run: false,
    }
}

fn instance(id: &str, lifecycle_state: Lifecycle) -> Instance {
    Instance { instance_id: id.to_owned(), lifecycle_state, weighted_capacity: None, protected_from_scale_in: false }
}

fn activity(kind: ActivityKind, id: &str, status: ActivityStatus, start: i64, end: Option<i64>) -> Activity {
    let (start, end, message) = (at(start), end.map(at), None);
    let (group, instance_id) = (None, Some(id.to_owned()));
    Activity { group, kind, instance_id, status, start, end, message, is_replacement: false }
}

/// The group after `count` launches that ended `ago` seconds ago.
fn with_young(mut state: GroupState, count: u32, ago: i64) -> GroupState {
    for n in 0..count {
        let id = format!("i-young{n}");
        state
            .activities
            .insert(0, activity(ActivityKind::Launch, &id, ActivityStatus::Successful, -ago - 60, Some(-ago)));
        state.group.instances.push(instance(&id, Lifecycle::InService));
        state.group.desired_capacity += 1;
    }
    state
}

fn suspend(mut state: GroupState, process: &str) -> GroupState {
    state
        .group
        .suspended_processes
        .insert(SuspendedProcess { process_name: process.to_owned(), suspension_reason: None });
    state
}

fn planned(decision: &ScalingDecision, state: &GroupState) -> Plan {
    plan(decision, Some(state), &policy(""), at(0))
}

/// The plan for a decision whose snapshot knows the group as it is, unless it says what it knows.
fn plan(decision: &ScalingDecision, state: Option<&GroupState>, policy: &Policy, now: Timestamp) -> Plan {
    let decision = match (state, &decision.group) {
        (Some(state), None) => &seen(decision.clone(), state),
        _ => decision,
    };
    super::plan(decision, state, policy, now)
}

/// The decision from a snapshot that knows which instances are agents: the first ones of the group, as many as it counts.
fn seen(decision: ScalingDecision, state: &GroupState) -> ScalingDecision {
    let capacity = state.group.instances.iter().filter(|instance| instance.is_capacity());
    let ids: Vec<String> = capacity.map(|instance| instance.instance_id.clone()).collect();
    let agents = (decision.agents.registered as usize).min(ids.len());
    let (joined, not_joined) = ids.split_at(agents);
    let group = GroupMembers {
        joined: saturated(joined.len()),
        not_joined_count: saturated(not_joined.len()),
        not_joined: not_joined.to_vec(),
        joined_recent: Some(joined.iter().filter(|id| id.starts_with("i-young")).cloned().collect()),
        ..GroupMembers::default()
    };
    ScalingDecision { group: Some(group), ..decision }
}

/// The capacity that the plan requests, where it does.
fn capacity_of(plan: &Plan) -> Option<i32> {
    match plan.result {
        PlanResult::Act(Change::Increase(Increase { to, .. }) | Change::Decrease { to, .. }) => Some(to),
        _ => None,
    }
}

#[track_caller]
fn sets(plan: &Plan, to: i32) {
    assert_eq!(capacity_of(plan), Some(to), "{plan:?}");
}

#[track_caller]
fn check(plan: &Plan, expected: impl Into<PlanResult>) {
    assert_eq!(plan.result, expected.into());
}

impl From<Change> for PlanResult {
    fn from(change: Change) -> Self {
        Self::Act(change)
    }
}

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

fn launch(id: &str) -> ActivityRef {
    ActivityRef { kind: ActivityKind::Launch, instance_id: Some(id.to_owned()) }
}

fn termination(id: &str) -> ActivityRef {
    ActivityRef { kind: ActivityKind::Terminate, instance_id: Some(id.to_owned()) }
}

#[test]
fn a_scale_up_raises_the_desired_capacity() {
    sets(&planned(&decision(2, 10), &group()), 12);
}

#[test]
fn a_scale_down_lowers_the_desired_capacity() {
    sets(&planned(&decision(-1, 10), &group()), 9);
}

#[test]
fn a_normal_decision_changes_nothing() {
    check(&planned(&decision(0, 10), &group()), NoChange::Enough);
}

#[test]
fn an_expired_decision_is_refused_r1() {
    let mut decision = decision(2, 10);
    let policy = policy("");
    for (age, refused) in [(119, false), (120, false), (121, true)] {
        decision.snapshot_taken_at = at(-age);
        decision.expires_at = at(3600);
        assert_eq!(admit(&decision, &policy, at(0)).is_err(), refused, "a snapshot {age} s old");
    }
    decision.snapshot_taken_at = at(-10);
    decision.expires_at = at(-1);
    check(&planned(&decision, &group()), Refusal::Expired { age: seconds(10), limit: seconds(9) });
}

#[test]
fn a_snapshot_from_the_future_is_refused_r1() {
    let mut decision = decision(2, 10);
    decision.snapshot_taken_at = at(59);
    decision.expires_at = at(170);
    assert!(admit(&decision, &policy(""), at(0)).is_ok(), "clocks differ a little");
    decision.snapshot_taken_at = at(61);
    check(&planned(&decision, &group()), Refusal::FromFuture { ahead: seconds(61) });
}

#[test]
fn a_missing_or_dying_group_is_refused_r1() {
    check(&plan(&decision(2, 10), None, &policy(""), at(0)), Refusal::NoGroup("asg".to_owned()));
    let mut state = group();
    state.group.status = Some("Delete in progress".to_owned());
    check(&planned(&decision(2, 10), &state), Refusal::GroupDeleted("Delete in progress".to_owned()));
}

#[test]
fn a_paused_pool_is_not_changed() {
    let policy = policy("pause_until = \"2099-01-01T00:00:00Z\"");
    for delta in [-1, 1] {
        check(&plan(&decision(delta, 10), Some(&group()), &policy, at(0)), BackOff::PoolPaused);
    }
}

#[test]
fn an_activity_after_the_snapshot_stops_a_scale_down_b1() {
    let mut state = group();
    state.activities.push(activity(ActivityKind::Terminate, "i-x", ActivityStatus::Successful, -9, Some(-5)));
    check(&planned(&decision(-1, 10), &state), BackOff::StartedAfterSnapshot(termination("i-x")));
}

#[test]
fn a_termination_that_takes_an_hour_is_named_b2() {
    let notes = |kind, ago: i64| {
        let mut state = group();
        state.activities.push(activity(kind, "i-x", ActivityStatus::InProgress, -ago, None));
        planned(&decision(-1, 10), &state).notes
    };
    let note = "in progress for more than an hour, and nothing is removed until then: termination of i-x; check the lifecycle hooks \
                of the group";
    assert_eq!(notes(ActivityKind::Terminate, 3600), [note]);
    for notes in [notes(ActivityKind::Terminate, 3599), notes(ActivityKind::WarmPool, 9999)] {
        assert_eq!(notes, [""; 0]);
    }
}

#[test]
fn anything_in_progress_stops_a_scale_down_b2() {
    let with = |kind| {
        let mut state = group();
        state.activities.push(activity(kind, "i-x", ActivityStatus::InProgress, -300, None));
        state
    };
    for kind in [ActivityKind::Launch, ActivityKind::Terminate, ActivityKind::Other] {
        let plan = planned(&decision(-1, 10), &with(kind));
        let instance_id = Some("i-x".to_owned());
        check(&plan, BackOff::InProgress(ActivityRef { kind, instance_id }));
    }
    // The warm pool is no part of the group.
    sets(&planned(&decision(-1, 10), &with(ActivityKind::WarmPool)), 9);
    let mut terminating = group();
    terminating.group.instances[3].lifecycle_state = Lifecycle::Terminating;
    check(&planned(&decision(-1, 10), &terminating), BackOff::Unsettled("i-3".to_owned()));
    let mut refreshing = group();
    refreshing.instance_refresh_in_progress = Some(true);
    check(&planned(&decision(-1, 10), &refreshing), BackOff::InstanceRefresh);
    check(&planned(&decision(-1, 10), &suspend(group(), "Terminate")), BackOff::Suspended(Direction::Down, None));
    let mut requested = group();
    requested.group.desired_capacity = 11;
    check(&planned(&decision(-1, 10), &requested), BackOff::InFlight(1));
}

#[test]
fn a_cooldown_stops_a_scale_down_until_it_is_over_b2() {
    let ended = |ago: i64| {
        let mut state = group();
        state.activities.push(activity(
            ActivityKind::Terminate,
            "i-x",
            ActivityStatus::Successful,
            -ago - 60,
            Some(-ago),
        ));
        state
    };
    check(
        &planned(&decision(-1, 10), &ended(599)),
        BackOff::Cooldown { direction: Direction::Down, ago: seconds(599), cooldown: seconds(600) },
    );
    sets(&planned(&decision(-1, 10), &ended(600)), 9);
    // This master lists a lost agent for 20 minutes, and the schedule period is one.
    let slow = |seconds| ScalingDecision { unreachable_after_seconds: Some(seconds), ..decision(-1, 10) };
    let (ago, cooldown) = (seconds(1259), seconds(1260));
    check(
        &planned(&slow(1200), &ended(1259)),
        BackOff::LostAgentsListed { unreachable_after: seconds(1200), ago, cooldown },
    );
    sets(&planned(&slow(1200), &ended(1260)), 9);
    sets(&planned(&slow(75), &ended(600)), 9);
    assert!(matches!(planned(&slow(u64::MAX), &ended(9999)).result, PlanResult::BackOff(_)), "no overflow");
}

#[test]
fn an_end_in_the_future_holds_no_longer_than_its_start_b2() {
    let of = |delta, start: i64, end: i64| {
        let mut state = group();
        let status = ActivityStatus::Successful;
        state.activities.push(activity(ActivityKind::Launch, "i-9", status, start, Some(end)));
        planned(&decision(delta, 10), &state)
    };
    let hold = |seconds_ago| {
        let (ago, cooldown) = (seconds(seconds_ago), seconds(600));
        BackOff::Cooldown { direction: Direction::Down, ago, cooldown }
    };
    let note = "dated in the future: launch of i-9; compare the clock of this run with that of Auto Scaling";
    // The launch is over, and its instance an agent that has had the time to join.
    check(&of(-1, -599, 18_000), hold(599));
    let plan = of(-1, -600, 18_000);
    sets(&plan, 9);
    assert_eq!((plan.in_flight, plan.notes.as_slice()), (0, [note.to_owned()].as_slice()));
    sets(&of(1, -600, 18_000), 11);
    // Clocks differ a little: that is now.
    let plan = of(-1, -600, 60);
    check(&plan, hold(0));
    assert_eq!(plan.notes, [""; 0]);
    assert!(of(-1, -600, 61).notes == [note] && of(-1, 61, 70).notes == [note]);
}

#[test]
fn a_scale_up_is_not_stopped_by_a_termination_b3() {
    let mut state = group();
    state.activities.push(activity(ActivityKind::Terminate, "i-9", ActivityStatus::InProgress, -5, None));
    state.group.instances[9].lifecycle_state = Lifecycle::Terminating;
    state.group.desired_capacity = 9;
    sets(&planned(&decision(2, 10), &state), 11);
    sets(&planned(&decision(2, 10), &suspend(state, "Terminate")), 11);
}

#[test]
fn a_suspended_launch_stops_a_scale_up_b3() {
    check(&planned(&decision(2, 10), &suspend(group(), "Launch")), BackOff::Suspended(Direction::Up, None));
    // Auto Scaling says who suspended it, and when.
    let mut state = group();
    let reason = "User suspended at 2026-11-20T09:00:00Z".to_owned();
    let process = SuspendedProcess { process_name: "Launch".to_owned(), suspension_reason: Some(reason.clone()) };
    state.group.suspended_processes.insert(process);
    let plan = planned(&decision(2, 10), &state);
    let sentence = "the process Launch is suspended on the group (User suspended at 2026-11-20T09:00:00Z)";
    assert_eq!(plan.result.reason().text, sentence);
    check(&plan, BackOff::Suspended(Direction::Up, Some(reason)));
}

#[test]
fn a_launch_in_progress_blocks_a_scale_up_b3() {
    let mut state = with_young(group(), 1, 30);
    state.activities[0].status = ActivityStatus::InProgress;
    state.activities[0].end = None;
    check(
        &planned(&decision(3, 10), &state),
        BackOff::LaunchInProgress { launch: launch("i-young0"), missing: 2, waited: seconds(0), limit: seconds(3600) },
    );
    // The warm pool does not count.
    let mut warm = group();
    warm.activities.push(activity(ActivityKind::WarmPool, "i-w", ActivityStatus::InProgress, -5, None));
    sets(&planned(&decision(3, 10), &warm), 13);
    // An instance that a hook keeps waiting is a launch in progress too, however old its activity.
    let mut waiting = group();
    waiting.group.instances[0].lifecycle_state = Lifecycle::Pending;
    check(
        &planned(&decision(3, 10), &waiting),
        BackOff::LaunchInProgress { launch: launch("i-0"), missing: 2, waited: seconds(0), limit: seconds(3600) },
    );
}

#[test]
fn in_flight_capacity_is_not_requested_again_b3() {
    // Requested, not yet listed: 10 listed, 12 desired.
    let mut state = group();
    state.group.desired_capacity = 12;
    check(&planned(&decision(2, 10), &state), NoChange::InFlightCovers { in_flight: 2, needed: 2 });
    check(
        &planned(&decision(5, 10), &state),
        Change::Increase(Increase {
            from: 12,
            to: 15,
            needed: 5,
            in_flight: 2,
            reactivated: 0,
            floor: None,
            max: None,
        }),
    );
    // Launched, not yet agents.
    check(
        &planned(&decision(2, 10), &with_young(group(), 2, 30)),
        NoChange::InFlightCovers { in_flight: 2, needed: 2 },
    );
    // Launched and joined: the snapshot counted 12.
    sets(&planned(&decision(2, 12), &with_young(group(), 2, 30)), 14);
}

#[test]
fn a_decision_delivered_twice_acts_once_b3() {
    let decision = decision(2, 10);
    sets(&planned(&decision, &group()), 12);
    // However far the group has come, the decision still knows of ten agents only.
    let mut requested = group();
    requested.group.desired_capacity = 12;
    for state in [requested, with_young(group(), 2, 1), with_young(group(), 2, 60)] {
        check(&planned(&decision, &state), NoChange::InFlightCovers { in_flight: 2, needed: 2 });
    }
}

#[test]
fn agents_outside_the_group_do_not_hide_capacity_in_flight() {
    // Twenty agents, ten of them of no group: the two launched since the snapshot are in flight all the same.
    let decision = decision(2, 20);
    sets(&planned(&decision, &group()), 12);
    let mut after = group();
    after.group.desired_capacity = 12;
    for id in ["i-a", "i-b"] {
        after.activities.push(activity(ActivityKind::Launch, id, ActivityStatus::Successful, -5, Some(-1)));
        after.group.instances.push(instance(id, Lifecycle::InService));
    }
    check(&planned(&decision, &after), NoChange::InFlightCovers { in_flight: 2, needed: 2 });
}

#[test]
fn a_scale_up_counts_from_the_listed_instances() {
    // Three fewer desired, none terminated yet: the snapshot counted all ten and misses two.
    let mut state = suspend(group(), "Terminate");
    state.group.desired_capacity = 7;
    sets(&planned(&decision(2, 10), &state), 12);
    state.group.desired_capacity = 12;
    check(&planned(&decision(2, 10), &state), NoChange::InFlightCovers { in_flight: 2, needed: 2 });
}

#[test]
fn an_instance_that_never_joined_is_not_in_flight() {
    // Eleven instances, ten agents: the eleventh was launched longer ago than join_timeout.
    let state = with_young(group(), 1, 16 * 60);
    sets(&planned(&decision(1, 10), &state), 12);
}

#[test]
fn a_scale_up_cooldown_counts_from_the_last_launch_b3() {
    let policy = policy("scale_up_cooldown = \"5m\"");
    let state = with_young(group(), 1, 299);
    check(
        &plan(&decision(2, 11), Some(&state), &policy, at(0)),
        BackOff::Cooldown { direction: Direction::Up, ago: seconds(299), cooldown: seconds(300) },
    );
    let state = with_young(group(), 1, 300);
    sets(&plan(&decision(2, 11), Some(&state), &policy, at(0)), 13);
}

#[test]
fn failed_launches_stop_a_scale_up_longer_each_time_b5() {
    for (failures, pause_minutes) in [(1, 5), (2, 10), (3, 20), (4, 30), (9, 30)] {
        let failed = |last_ago: i64| {
            let mut state = group();
            for n in 0..failures {
                let ago = last_ago + n * 60;
                state.activities.push(activity(
                    ActivityKind::Launch,
                    "i-f",
                    ActivityStatus::Failed,
                    -ago - 1,
                    Some(-ago),
                ));
            }
            state.activities.push(activity(
                ActivityKind::Launch,
                "i-s",
                ActivityStatus::Successful,
                -9999,
                Some(-9998),
            ));
            state
        };
        let pause = pause_minutes * 60;
        let plan = planned(&decision(2, 10), &failed(pause - 1));
        check(
            &plan,
            BackOff::NotArriving {
                count: u32::try_from(failures).unwrap(),
                ago: seconds(pause - 1),
                loss: Loss::Failed("no message".to_owned()),
                join_timeout: seconds(900),
                retry_in: Some(seconds(1)),
            },
        );
        assert_eq!(i64::from(plan.launch_failures), failures);
        sets(&planned(&decision(2, 10), &failed(pause)), 12);
    }
}

#[test]
fn a_launch_that_joined_ends_a_series_of_failures_b5() {
    let mut state = group();
    state.activities.push(activity(ActivityKind::Launch, "i-9", ActivityStatus::Successful, -2000, Some(-1990)));
    state.activities.push(activity(ActivityKind::Launch, "i-f", ActivityStatus::Failed, -2100, Some(-2090)));
    let plan = planned(&decision(2, 10), &state);
    assert_eq!((capacity_of(&plan), plan.launch_failures), (Some(12), 0));
}

#[test]
fn limits_of_the_pool_and_of_the_group_both_hold_i1() {
    let mut state = group();
    state.group.max_size = 11;
    check(
        &planned(&decision(5, 10), &state),
        Change::Increase(Increase {
            from: 10,
            to: 11,
            needed: 5,
            in_flight: 0,
            reactivated: 0,
            floor: None,
            max: Some(11),
        }),
    );
    state.group.max_size = 10;
    check(&planned(&decision(5, 10), &state), NoChange::AtMaximum { desired: 10, max: 10 });
    let mut state = group();
    state.group.min_size = 10;
    check(&planned(&decision(-3, 10), &state), NoChange::AtMinimum { desired: 10, min: 10, decommissioning: 0 });
    state.group.min_size = 8;
    sets(&planned(&decision(-3, 10), &state), 8);
}

#[test]
fn weighted_capacity_is_respected() {
    let mut state = group();
    for instance in &mut state.group.instances {
        instance.weighted_capacity = Some("2".to_owned());
    }
    state.group.desired_capacity = 20;
    sets(&planned(&decision(2, 10), &state), 24);
    state.group.instances[0].weighted_capacity = Some("4".to_owned());
    check(&planned(&decision(2, 10), &state), Refusal::MixedWeights);
}

#[test]
fn a_group_with_too_many_activities_is_not_changed() {
    let mut state = group();
    state.activities_are_complete = false;
    check(&planned(&decision(-1, 10), &state), BackOff::TooManyActivities(Direction::Down));
    check(&planned(&decision(1, 10), &state), BackOff::TooManyActivities(Direction::Up));
}

#[test]
fn a_forged_decision_moves_no_more_than_one_step_i7() {
    sets(&planned(&decision(1_000, 10), &group()), 20);
    sets(&planned(&decision(-1_000, 10), &group()), 7);
    sets(&planned(&decision(i32::MIN, 10), &group()), 7);
}

#[test]
fn every_clause_is_in_the_page_and_in_the_name_of_a_test() {
    let page = include_str!("../../../../docs/acting.md");
    let tests =
        [include_str!("mod.rs"), include_str!("targets.rs"), include_str!("../../../../testbed/tests/chain.rs")];
    let tests = tests.concat().to_lowercase();
    let ours = |clause: &&Clause| matches!(clause.rule(), Rule::Refuse | Rule::BackOff | Rule::Apply);
    for clause in Clause::ALL.iter().filter(ours) {
        assert!(page.contains(&format!("**{clause}**")), "{clause}: not in the page");
        let name = format!("_{}", clause.name().to_lowercase());
        assert!(tests.contains(&name), "{clause}: no test has it in its name");
    }
}
