//! What holds of `plan` for every group and decision.

use super::*;

fn any_lifecycle() -> impl Strategy<Value = Lifecycle> {
    prop::sample::select(vec![
        Lifecycle::Pending,
        Lifecycle::InService,
        Lifecycle::InService,
        Lifecycle::Terminating,
        Lifecycle::NotCounted,
        Lifecycle::Unknown,
    ])
}

fn any_activity() -> impl Strategy<Value = Activity> {
    let kind = prop::sample::select(vec![
        ActivityKind::Launch,
        ActivityKind::Terminate,
        ActivityKind::Attach,
        ActivityKind::WarmPool,
        ActivityKind::Other,
    ]);
    let status = prop::sample::select(vec![
        ActivityStatus::InProgress,
        ActivityStatus::Successful,
        ActivityStatus::Failed,
        ActivityStatus::Cancelled,
    ]);
    (kind, status, 0..20_u32, 0..4000_i64, 0..600_i64).prop_map(|(kind, status, id, ago, length)| {
        let end = (status != ActivityStatus::InProgress).then_some((length - ago).min(0));
        activity(kind, &format!("i-{id}"), status, -ago, end)
    })
}

prop_compose! {
    pub(super) fn any_state()(
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
                    .map(|name| SuspendedProcess { process_name: name.to_owned(), suspension_reason: None })
                    .collect(),
                new_instances_protected_from_scale_in: false,
                tags: Vec::new(),
                mixed_instances_policy: MixedInstancesPolicy::default(),
            },
            activities,
            activities_are_complete: complete,
            instance_refresh_in_progress: refresh,
            addresses: Addresses::new(),
            is_dry_run: false,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// I1, I6, I7: for every group and decision, a write stays in the limits, goes the decision's way and moves at
    /// most one step.
    #[test]
    fn a_write_is_always_within_bounds_in_direction_and_in_step(state in any_state(), delta: i32, agents in 0..40_u32) {
        let policy = policy("");
        let plan = plan(&decision(delta, agents), Some(&state), &policy, at(0));
        if let Some(to) = capacity_of(&plan) {
            let group = &state.group;
            let unit = i32::try_from(group.unit().unwrap()).unwrap();
            if delta > 0 {
                prop_assert!(to > group.desired_capacity);
                prop_assert!(to <= group.max_size && to <= 20 * unit);
                prop_assert!(i64::from(to) - listed_capacity(group).max(i64::from(group.desired_capacity)) <= 10 * i64::from(unit));
                prop_assert!(!group.is_suspended("Launch"));
            } else {
                prop_assert!(to < group.desired_capacity);
                prop_assert!(to >= group.min_size && to >= 2 * unit);
                // From what there is, where more was asked for and does not arrive.
                prop_assert!(i64::from(group.desired_capacity).min(listed_capacity(group)) - i64::from(to) <= 3 * i64::from(unit));
                prop_assert!(!group.is_suspended("Terminate"));
                prop_assert_eq!(plan.in_flight, 0);
                let in_progress = |activity: &Activity| activity.changes_group() && !activity.is_finished();
                let is_overdue = |activity: &Activity| activity.kind == ActivityKind::Launch && activity.start <= at(-900);
                prop_assert!(!state.activities.iter().any(|activity| in_progress(activity) && !is_overdue(activity)));
            }
        }
    }

    /// A1: what is withdrawn ends no instance, and stays in the limits; the same decision again withdraws nothing.
    #[test]
    fn what_is_withdrawn_ends_no_instance_a1(mut state in any_state(), delta in -5..=0, agents in 0..40_u32, short in 0..9_i32) {
        state.group.desired_capacity += short;
        let plan = |state: &GroupState| plan(&decision(delta, agents), Some(state), &policy(""), at(0)).result;
        if let PlanResult::Act(Change::Withdraw { from, to }) = plan(&state) {
            let unit = i32::try_from(state.group.unit().unwrap()).unwrap();
            prop_assert!(from == state.group.desired_capacity && to < from && i64::from(to) >= listed_capacity(&state.group));
            prop_assert!(to >= state.group.min_size && to >= 2 * unit);
            state.group.desired_capacity = to;
            let again = plan(&state);
            prop_assert!(!matches!(again, PlanResult::Act(Change::Withdraw { .. })), "{:?}", again);
        }
    }

    /// I2: after a scale-up was applied the same decision has no effect, however far the launches have come.
    #[test]
    fn the_same_decision_never_scales_up_twice(
        state in any_state(), delta in 1..20_i32, agents in 0..40_u32, launched in 0..=10_usize, in_service: bool,
        identified: bool,
    ) {
        let policy = policy("");
        let decision = decision(delta, agents);
        let decision = if identified { seen(decision, &state) } else { decision };
        let plan = super::super::plan;
        let before = state.group.desired_capacity;
        if let Some(to) = capacity_of(&plan(&decision, Some(&state), &policy, at(0))) {
            let mut after = state;
            after.group.desired_capacity = to;
            let unit = after.group.unit().unwrap();
            let weight = after.group.instances.first().and_then(|instance| instance.weighted_capacity.clone());
            let added = usize::try_from((to - before) / i32::try_from(unit).unwrap()).unwrap();
            for n in 0..launched.min(added) {
                let id = format!("i-new{n}");
                let lifecycle = if in_service { Lifecycle::InService } else { Lifecycle::Pending };
                let status = if in_service { ActivityStatus::Successful } else { ActivityStatus::InProgress };
                after.activities.insert(0, activity(ActivityKind::Launch, &id, status, 1, in_service.then_some(2)));
                after.group.instances.push(Instance { weighted_capacity: weight.clone(), ..instance(&id, lifecycle) });
            }
            let again = plan(&decision, Some(&after), &policy, at(5));
            prop_assert_eq!(capacity_of(&again), None, "{:?}", again);
        }
    }

    /// B3: a termination in progress changes nothing about a scale-up.
    #[test]
    fn terminations_never_change_a_scale_up(state in any_state(), delta in 1..20_i32, agents in 0..40_u32) {
        let policy = policy("");
        let plan = super::super::plan;
        let mut with = state.clone();
        with.activities.insert(0, activity(ActivityKind::Terminate, "i-gone", ActivityStatus::InProgress, -1, None));
        let decision = decision(delta, agents);
        prop_assert_eq!(
            plan(&decision, Some(&state), &policy, at(0)),
            plan(&decision, Some(&with), &policy, at(0))
        );
    }
}
