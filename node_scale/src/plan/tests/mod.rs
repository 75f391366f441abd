//! Each test cites the clause it proves; the table at the end combines them all.

mod arrivals;
mod leaving;
mod marks;
mod victims;

use proptest::prelude::*;
use shared::config::Config;
use shared::contract::{AgentCounts, CompletenessLevel};
use uuid::Uuid;

use super::*;
use crate::state::{Instance, SuspendedProcess};

const NOW: i64 = 1_800_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(NOW + seconds).unwrap()
}

/// A pool whose group chooses the instance, and in which a launch holds a scale-up back for as long as any test lasts.
fn policy(settings: &str) -> Policy {
    policy_with("desired_capacity", settings)
}

fn policy_with(strategy: &str, settings: &str) -> Policy {
    let defaults = [("min", "2"), ("max", "20"), ("max_scale_down_step", "3"), ("max_back_off", "\"1h\"")];
    let defaults = defaults.iter().filter(|(key, _)| !settings.contains(&format!("{key} =")));
    let defaults: String = defaults.map(|(key, value)| format!("{key} = {value}\n")).collect();
    let document = format!(
        "[mesos]\nmasters = [\"http://10.0.0.5:5050\"]\n[[pools]]\nname = \"workers\"\ngroup = \"asg\"\n\
         scale_down_strategy = {strategy:?}\n{defaults}{settings}"
    );
    Config::parse(&document).unwrap().pools.remove(0)
}

/// A decision made ten seconds ago from a snapshot of `agents` agents.
fn decision(delta: i32, agents: u32) -> ScalingDecision {
    ScalingDecision {
        id: Uuid::nil(),
        snapshot_id: None,
        snapshot_taken_at: at(-10),
        decided_at: at(-9),
        expires_at: at(110),
        pool: "workers".to_owned(),
        agents: AgentCounts { registered: agents, usable: agents, ..AgentCounts::default() },
        delta,
        target: agents.saturating_add_signed(delta),
        state: match delta {
            0 => ScalingState::Normal,
            1.. => ScalingState::ScaleUp,
            _ => ScalingState::ScaleDown,
        },
        completeness: Some(CompletenessLevel::Complete),
        steps: Vec::new(),
        unplaceable: Vec::new(),
        scale_down_agents: Vec::new(),
        decommissioning_agents: Vec::new(),
    }
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
            suspended_processes: std::collections::BTreeSet::new(),
            new_instances_protected_from_scale_in: false,
            tags: Vec::new(),
        },
        activities: Vec::new(),
        activities_are_complete: true,
        instance_refresh_underway: Some(false),
        addresses: None,
    }
}

fn instance(id: &str, lifecycle_state: Lifecycle) -> Instance {
    Instance { instance_id: id.to_owned(), lifecycle_state, weighted_capacity: None, protected_from_scale_in: false }
}

fn activity(kind: ActivityKind, id: &str, status: ActivityStatus, start: i64, end: Option<i64>) -> Activity {
    Activity { kind, instance_id: Some(id.to_owned()), status, start: at(start), end: end.map(at), message: None }
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
    state.group.suspended_processes.insert(SuspendedProcess { process_name: process.to_owned() });
    state
}

fn planned(decision: &ScalingDecision, state: &GroupState) -> Plan {
    plan(decision, Some(state), &policy(""), at(0))
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "the table of a test reads better so")]
fn check(plan: &Plan, action: Action, reason: &str) {
    assert!(
        plan.action == action && plan.reason.to_string().starts_with(reason),
        "expected {action:?} ({reason}), got {plan:?}"
    );
}

#[test]
fn a_scale_up_raises_the_desired_capacity() {
    check(&planned(&decision(2, 10), &group()), Action::SetDesiredCapacity(12), "2 more wanted");
}

#[test]
fn a_scale_down_lowers_the_desired_capacity() {
    check(&planned(&decision(-1, 10), &group()), Action::SetDesiredCapacity(9), "1 fewer wanted");
}

#[test]
fn a_normal_decision_changes_nothing() {
    check(&planned(&decision(0, 10), &group()), Action::Nothing, "as many agents as needed");
}

#[test]
fn what_expired_is_refused_r1() {
    let mut decision = decision(2, 10);
    let policy = policy("");
    for (age, refused) in [(119, false), (120, false), (121, true)] {
        decision.snapshot_taken_at = at(-age);
        decision.expires_at = at(3600);
        assert_eq!(admit(&decision, &policy, at(0)).is_err(), refused, "a snapshot {age} s old");
    }
    decision.snapshot_taken_at = at(-10);
    decision.expires_at = at(-1);
    check(&planned(&decision, &group()), Action::Refuse, "R1: expired");
}

#[test]
fn what_comes_from_the_future_is_refused_r1() {
    let mut decision = decision(2, 10);
    decision.snapshot_taken_at = at(59);
    decision.expires_at = at(170);
    assert!(admit(&decision, &policy(""), at(0)).is_ok(), "clocks differ a little");
    decision.snapshot_taken_at = at(61);
    check(&planned(&decision, &group()), Action::Refuse, "R1: the snapshot was taken 61 s in the future");
}

#[test]
fn a_missing_or_dying_group_is_refused_r1() {
    check(
        &plan(&decision(2, 10), None, &policy(""), at(0)),
        Action::Refuse,
        "R1: there is no Auto Scaling group \"asg\"",
    );
    let mut state = group();
    state.group.status = Some("Delete in progress".to_owned());
    check(&planned(&decision(2, 10), &state), Action::Refuse, "R1: the group is being deleted");
}

#[test]
fn a_paused_pool_is_left_alone() {
    let policy = policy("pause_until = \"2099-01-01T00:00:00Z\"");
    for delta in [-1, 1] {
        check(&plan(&decision(delta, 10), Some(&group()), &policy, at(0)), Action::BackOff, "the pool is paused");
    }
}

#[test]
fn an_activity_after_the_snapshot_stops_a_scale_down_b1() {
    let mut state = group();
    state.activities.push(activity(ActivityKind::Terminate, "i-x", ActivityStatus::Successful, -9, Some(-5)));
    check(&planned(&decision(-1, 10), &state), Action::BackOff, "B1: the termination of i-x started after");
}

#[test]
fn anything_underway_stops_a_scale_down_b2() {
    let underway = |kind| {
        let mut state = group();
        state.activities.push(activity(kind, "i-x", ActivityStatus::Underway, -300, None));
        state
    };
    for kind in [ActivityKind::Launch, ActivityKind::Terminate, ActivityKind::WarmPool, ActivityKind::Other] {
        let plan = planned(&decision(-1, 10), &underway(kind));
        assert!(plan.action == Action::BackOff && plan.reason.text.ends_with("is underway"), "{plan:?}");
    }
    let mut leaving = group();
    leaving.group.instances[3].lifecycle_state = Lifecycle::Leaving;
    check(&planned(&decision(-1, 10), &leaving), Action::BackOff, "B2: instance i-3 is on its way");
    let mut refreshing = group();
    refreshing.instance_refresh_underway = Some(true);
    check(&planned(&decision(-1, 10), &refreshing), Action::BackOff, "B2: an instance refresh");
    check(&planned(&decision(-1, 10), &suspend(group(), "Terminate")), Action::BackOff, "B2: the process Terminate");
    let mut coming = group();
    coming.group.desired_capacity = 11;
    check(&planned(&decision(-1, 10), &coming), Action::BackOff, "B2: 1 instance is coming");
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
    check(&planned(&decision(-1, 10), &ended(599)), Action::BackOff, "B2: the group's last activity ended 9 min ago");
    check(&planned(&decision(-1, 10), &ended(600)), Action::SetDesiredCapacity(9), "");
}

#[test]
fn a_scale_up_is_not_stopped_by_a_termination_b3() {
    let mut state = group();
    state.activities.push(activity(ActivityKind::Terminate, "i-9", ActivityStatus::Underway, -5, None));
    state.group.instances[9].lifecycle_state = Lifecycle::Leaving;
    state.group.desired_capacity = 9;
    check(&planned(&decision(2, 10), &state), Action::SetDesiredCapacity(11), "2 more wanted");
    check(&planned(&decision(2, 10), &suspend(state, "Terminate")), Action::SetDesiredCapacity(11), "");
}

#[test]
fn a_suspended_launch_stops_a_scale_up_b3() {
    check(&planned(&decision(2, 10), &suspend(group(), "Launch")), Action::BackOff, "B3: the process Launch");
}

#[test]
fn a_launch_underway_holds_a_scale_up_back_b3() {
    let mut state = with_young(group(), 1, 30);
    state.activities[0].status = ActivityStatus::Underway;
    state.activities[0].end = None;
    check(
        &planned(&decision(3, 10), &state),
        Action::BackOff,
        "B3: the launch of i-young0 is underway; 2 instances are",
    );
    // The warm pool has no part in it.
    let mut warm = group();
    warm.activities.push(activity(ActivityKind::WarmPool, "i-w", ActivityStatus::Underway, -5, None));
    check(&planned(&decision(3, 10), &warm), Action::SetDesiredCapacity(13), "");
    // An instance that a hook keeps waiting is a launch underway too, however old its activity.
    let mut waiting = group();
    waiting.group.instances[0].lifecycle_state = Lifecycle::Pending;
    check(&planned(&decision(3, 10), &waiting), Action::BackOff, "B3: the launch of i-0");
}

#[test]
fn what_is_coming_is_not_asked_for_again_b3() {
    // Asked for, not yet listed: 10 listed, 12 desired.
    let mut state = group();
    state.group.desired_capacity = 12;
    check(&planned(&decision(2, 10), &state), Action::Nothing, "B3: 2 instances are coming, which covers the 2 wanted");
    check(
        &planned(&decision(5, 10), &state),
        Action::SetDesiredCapacity(15),
        "5 more wanted, 2 instances are coming already",
    );
    // Launched, not yet agents.
    check(&planned(&decision(2, 10), &with_young(group(), 2, 30)), Action::Nothing, "B3: 2 instances are coming");
    // Launched and joined: the snapshot counted 12.
    check(&planned(&decision(2, 12), &with_young(group(), 2, 30)), Action::SetDesiredCapacity(14), "2 more wanted");
}

#[test]
fn a_decision_delivered_twice_acts_once_b3() {
    let decision = decision(2, 10);
    check(&planned(&decision, &group()), Action::SetDesiredCapacity(12), "");
    // Whatever the group has made of it since, the decision still knows of ten agents only.
    let mut asked = group();
    asked.group.desired_capacity = 12;
    for state in [asked, with_young(group(), 2, 1), with_young(group(), 2, 60)] {
        check(&planned(&decision, &state), Action::Nothing, "B3: 2 instances are coming");
    }
}

#[test]
fn agents_outside_the_group_do_not_hide_what_is_coming() {
    // Twenty agents, ten of them of no group: the two launched since the snapshot are coming all the same.
    let decision = decision(2, 20);
    check(&planned(&decision, &group()), Action::SetDesiredCapacity(12), "");
    let mut after = group();
    after.group.desired_capacity = 12;
    for id in ["i-a", "i-b"] {
        after.activities.push(activity(ActivityKind::Launch, id, ActivityStatus::Successful, -5, Some(-1)));
        after.group.instances.push(instance(id, Lifecycle::InService));
    }
    check(&planned(&decision, &after), Action::Nothing, "B3: 2 instances are coming");
}

#[test]
fn a_scale_up_counts_from_the_instances_there_are() {
    // Three fewer asked for, none gone yet: the snapshot counted all ten and misses two.
    let mut state = suspend(group(), "Terminate");
    state.group.desired_capacity = 7;
    check(&planned(&decision(2, 10), &state), Action::SetDesiredCapacity(12), "2 more wanted");
    state.group.desired_capacity = 12;
    check(&planned(&decision(2, 10), &state), Action::Nothing, "B3: 2 instances are coming");
}

#[test]
fn an_instance_that_never_became_an_agent_is_not_coming() {
    // Eleven instances, ten agents: the eleventh was launched longer ago than join_timeout.
    let state = with_young(group(), 1, 16 * 60);
    check(&planned(&decision(1, 10), &state), Action::SetDesiredCapacity(12), "1 more wanted");
}

#[test]
fn a_scale_up_cooldown_counts_from_the_last_launch_b3() {
    let policy = policy("scale_up_cooldown = \"5m\"");
    let state = with_young(group(), 1, 299);
    check(
        &plan(&decision(2, 11), Some(&state), &policy, at(0)),
        Action::BackOff,
        "B3: the group's last launch ended 4 min ago",
    );
    let state = with_young(group(), 1, 300);
    check(&plan(&decision(2, 11), Some(&state), &policy, at(0)), Action::SetDesiredCapacity(13), "");
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
        assert!(
            plan.action == Action::BackOff && plan.reason.to_string().starts_with("B5"),
            "{failures} failures: {plan:?}"
        );
        assert_eq!(i64::from(plan.launch_failures), failures);
        check(&planned(&decision(2, 10), &failed(pause)), Action::SetDesiredCapacity(12), "");
    }
}

#[test]
fn a_successful_launch_ends_the_row_of_failures_b5() {
    let mut state = group();
    state.activities.push(activity(ActivityKind::Launch, "i-s", ActivityStatus::Successful, -2000, Some(-1990)));
    state.activities.push(activity(ActivityKind::Launch, "i-f", ActivityStatus::Failed, -2100, Some(-2090)));
    let plan = planned(&decision(2, 10), &state);
    assert_eq!((plan.action, plan.launch_failures), (Action::SetDesiredCapacity(12), 0));
}

#[test]
fn limits_of_the_pool_and_of_the_group_both_hold_i1() {
    let mut state = group();
    state.group.max_size = 11;
    check(&planned(&decision(5, 10), &state), Action::SetDesiredCapacity(11), "5 more wanted, up to the max of 11");
    state.group.max_size = 10;
    check(
        &planned(&decision(5, 10), &state),
        Action::Nothing,
        "the desired capacity is 10, and the pool's and the group's max",
    );
    let mut state = group();
    state.group.min_size = 10;
    check(
        &planned(&decision(-3, 10), &state),
        Action::Nothing,
        "the desired capacity is 10, and the pool's and the group's min",
    );
    state.group.min_size = 8;
    check(&planned(&decision(-3, 10), &state), Action::SetDesiredCapacity(8), "");
}

#[test]
fn weighted_capacity_is_respected() {
    let mut state = group();
    for instance in &mut state.group.instances {
        instance.weighted_capacity = Some("2".to_owned());
    }
    state.group.desired_capacity = 20;
    check(&planned(&decision(2, 10), &state), Action::SetDesiredCapacity(24), "2 more wanted");
    state.group.instances[0].weighted_capacity = Some("4".to_owned());
    check(
        &planned(&decision(2, 10), &state),
        Action::Refuse,
        "R1: the group's instances count for different capacities",
    );
}

#[test]
fn a_group_too_busy_to_be_read_is_left_alone() {
    let mut state = group();
    state.activities_are_complete = false;
    check(&planned(&decision(-1, 10), &state), Action::BackOff, "B2: the group has more recent activities");
    check(&planned(&decision(1, 10), &state), Action::BackOff, "B3: the group has more recent activities");
}

#[test]
fn a_forged_decision_moves_no_more_than_one_step_i7() {
    check(&planned(&decision(1_000, 10), &group()), Action::SetDesiredCapacity(20), "10 more wanted");
    check(&planned(&decision(-1_000, 10), &group()), Action::SetDesiredCapacity(7), "3 fewer wanted");
    check(&planned(&decision(i32::MIN, 10), &group()), Action::SetDesiredCapacity(7), "");
}

fn any_lifecycle() -> impl Strategy<Value = Lifecycle> {
    prop::sample::select(vec![
        Lifecycle::Pending,
        Lifecycle::InService,
        Lifecycle::InService,
        Lifecycle::Leaving,
        Lifecycle::Aside,
        Lifecycle::Unknown,
    ])
}

fn any_activity() -> impl Strategy<Value = Activity> {
    let kind = prop::sample::select(vec![
        ActivityKind::Launch,
        ActivityKind::Terminate,
        ActivityKind::WarmPool,
        ActivityKind::Other,
    ]);
    let status = prop::sample::select(vec![
        ActivityStatus::Underway,
        ActivityStatus::Successful,
        ActivityStatus::Failed,
        ActivityStatus::Cancelled,
    ]);
    (kind, status, 0..20_u32, 0..4000_i64, 0..600_i64).prop_map(|(kind, status, id, ago, length)| {
        let end = (status != ActivityStatus::Underway).then_some((length - ago).min(0));
        activity(kind, &format!("i-{id}"), status, -ago, end)
    })
}

prop_compose! {
    fn any_state()(
        lifecycles in prop::collection::vec(any_lifecycle(), 0..20),
        activities in prop::collection::vec(any_activity(), 0..12),
        min_size in 0..10_i32,
        room in 0..30_i32,
        desired in any::<prop::sample::Index>(),
        suspended in prop::collection::btree_set(prop::sample::select(vec!["Launch", "Terminate", "AZRebalance"]), 0..2),
        weight in prop::option::of(1..4_u32),
        complete in prop::bool::weighted(0.9),
        refresh in prop::option::of(any::<bool>()),
    ) -> GroupState {
        let max_size = min_size + room;
        let room = usize::try_from(room).unwrap() + 1;
        GroupState {
            group: Group {
                name: "asg".to_owned(),
                min_size,
                max_size,
                desired_capacity: min_size + i32::try_from(desired.index(room)).unwrap(),
                status: None,
                instances: lifecycles
                    .into_iter()
                    .enumerate()
                    .map(|(n, lifecycle)| Instance {
                        weighted_capacity: weight.map(|weight| weight.to_string()),
                        ..instance(&format!("i-{n}"), lifecycle)
                    })
                    .collect(),
                suspended_processes: suspended
                    .into_iter()
                    .map(|name| SuspendedProcess { process_name: name.to_owned() })
                    .collect(),
                new_instances_protected_from_scale_in: false,
                tags: Vec::new(),
            },
            activities,
            activities_are_complete: complete,
            instance_refresh_underway: refresh,
            addresses: None,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// I1, I6, I7: whatever the group and the decision, a write stays in the limits, goes the decision's way and moves at
    /// most one step.
    #[test]
    fn a_write_is_always_within_bounds_in_direction_and_in_step(state in any_state(), delta: i32, agents in 0..40_u32) {
        let policy = policy("");
        let plan = plan(&decision(delta, agents), Some(&state), &policy, at(0));
        if let Action::SetDesiredCapacity(to) = plan.action {
            let group = &state.group;
            let unit = i32::try_from(unit(group).unwrap()).unwrap();
            if delta > 0 {
                prop_assert!(to > group.desired_capacity);
                prop_assert!(to <= group.max_size && to <= 20 * unit);
                prop_assert!(i64::from(to) - listed_capacity(group).max(i64::from(group.desired_capacity)) <= 10 * i64::from(unit));
                prop_assert!(!group.is_suspended("Launch"));
            } else {
                prop_assert!(to < group.desired_capacity);
                prop_assert!(to >= group.min_size && to >= 2 * unit);
                prop_assert!(group.desired_capacity - to <= 3 * unit);
                prop_assert!(!group.is_suspended("Terminate"));
                prop_assert_eq!(plan.coming, 0);
                prop_assert!(state.activities.iter().all(|activity| activity.status != ActivityStatus::Underway));
            }
        }
    }

    /// I2: after a scale-up was carried out the same decision finds nothing left to do, whatever has become of the
    /// instances in the meantime.
    #[test]
    fn the_same_decision_never_scales_up_twice(
        state in any_state(), delta in 1..20_i32, agents in 0..40_u32, launched in 0..=10_usize, in_service: bool,
    ) {
        let policy = policy("");
        let decision = decision(delta, agents);
        let before = state.group.desired_capacity;
        if let Action::SetDesiredCapacity(to) = plan(&decision, Some(&state), &policy, at(0)).action {
            let mut after = state;
            after.group.desired_capacity = to;
            let unit = unit(&after.group).unwrap();
            let weight = after.group.instances.first().and_then(|instance| instance.weighted_capacity.clone());
            let added = usize::try_from((to - before) / i32::try_from(unit).unwrap()).unwrap();
            for n in 0..launched.min(added) {
                let id = format!("i-new{n}");
                let lifecycle = if in_service { Lifecycle::InService } else { Lifecycle::Pending };
                let status = if in_service { ActivityStatus::Successful } else { ActivityStatus::Underway };
                after.activities.insert(0, activity(ActivityKind::Launch, &id, status, 1, in_service.then_some(2)));
                after.group.instances.push(Instance { weighted_capacity: weight.clone(), ..instance(&id, lifecycle) });
            }
            let again = plan(&decision, Some(&after), &policy, at(5));
            prop_assert!(!matches!(again.action, Action::SetDesiredCapacity(_)), "{again:?}");
        }
    }

    /// B3: a termination underway changes nothing about a scale-up.
    #[test]
    fn terminations_never_change_a_scale_up(state in any_state(), delta in 1..20_i32, agents in 0..40_u32) {
        let policy = policy("");
        let mut with = state.clone();
        with.activities.insert(0, activity(ActivityKind::Terminate, "i-gone", ActivityStatus::Underway, -1, None));
        let decision = decision(delta, agents);
        prop_assert_eq!(
            plan(&decision, Some(&state), &policy, at(0)),
            plan(&decision, Some(&with), &policy, at(0))
        );
    }
}

#[test]
fn every_clause_is_in_the_page_in_the_code_and_in_a_test() {
    let page = include_str!("../../../../docs/acting.md");
    let code = [
        include_str!("../mod.rs"),
        include_str!("../scale_up.rs"),
        include_str!("../scale_down.rs"),
        include_str!("../../handler.rs"),
    ]
    .concat();
    let tests =
        [include_str!("mod.rs"), include_str!("victims.rs"), include_str!("../../../../testbed/tests/chain.rs")]
            .concat()
            .to_lowercase();
    for clause in ["R1", "B1", "B2", "B3", "B4", "B5", "A1"] {
        assert!(
            page.contains(&format!("**{clause}**")) || page.contains(&format!("## {clause} ")),
            "{clause}: no page"
        );
        assert!(code.contains(&format!("Clause::{clause}")), "{clause}: no code");
        let name = format!("_{}", clause.to_lowercase());
        assert!(tests.contains(&name), "{clause}: no test has it in its name");
    }
}
