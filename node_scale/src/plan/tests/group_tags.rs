//! The tags of the group: the streak of decisions, pauses and floors.

use super::drain::{steps, with_decommissioning};
use super::*;
use crate::group_tags::{FLOOR, PAUSE_UNTIL, Pause, SCALE_UP_SINCE, Until};
use crate::state::Tag;

fn tagged(mut state: GroupState, key: &str, value: &str) -> GroupState {
    state.group.tags.push(Tag { key: key.to_owned(), value: value.to_owned() });
    state
}

/// The group with the tags that the plan writes.
fn with_written(mut state: GroupState, plan: &Plan) -> GroupState {
    for change in &plan.tags {
        let (key, value) = match change {
            TagChange::Set { key, value } => (key, Some(value)),
            TagChange::Delete { key } => (key, None),
        };
        state.group.tags.retain(|tag| tag.key != *key);
        state.group.tags.extend(value.map(|value| Tag { key: key.clone(), value: value.clone() }));
    }
    state
}

/// The decision of that second, as a schedule of one minute makes them.
fn at_second(delta: i32, agents: u32, second: i64) -> ScalingDecision {
    ScalingDecision {
        snapshot_taken_at: at(second - 2),
        decided_at: at(second - 1),
        expires_at: at(second + 118),
        ..decision(delta, agents)
    }
}

/// A group that always replaces one of its instances.
fn replacing() -> GroupState {
    let mut state = with_young(group(), 1, 30);
    state.activities[0].status = ActivityStatus::InProgress;
    state.activities[0].end = None;
    state.group.instances[10].lifecycle_state = Lifecycle::Pending;
    state.activities[0].start = at(-30);
    state
}

#[test]
fn a_launch_in_progress_blocks_for_max_back_off_at_most_b3() {
    let policy = policy("max_back_off = \"3m\"");
    let mut state = replacing();
    let mut writes = 0;
    for second in [0, 60, 120] {
        let plan = plan(&at_second(3, 10, second), Some(&state), &policy, at(second));
        check(
            &plan,
            BackOff::LaunchInProgress {
                launch: launch("i-young0"),
                missing: 2,
                waited: seconds(second),
                limit: seconds(180),
            },
        );
        writes += plan.tags.len();
        state = with_written(state, &plan);
    }
    assert_eq!(writes, 1, "a tag is written when it changes, not with every decision");
    let plan = plan(&at_second(3, 10, 180), Some(&state), &policy, at(180));
    check(
        &plan,
        Change::Increase(Increase {
            from: 11,
            to: 13,
            needed: 3,
            in_flight: 1,
            reactivated: 0,
            floor: None,
            max: None,
        }),
    );
    assert_eq!(plan.tags, [TagChange::Delete { key: SCALE_UP_SINCE.to_owned() }]);
}

#[test]
fn a_back_off_of_nothing_never_waits() {
    let policy = policy("max_back_off = \"0s\"");
    let plan = plan(&decision(3, 10), Some(&replacing()), &policy, at(0));
    sets(&plan, 13);
    assert_eq!(plan.tags, []);
}

#[test]
fn a_decision_that_adds_nothing_breaks_the_streak() {
    let policy = policy("max_back_off = \"3m\"");
    let held = plan(&decision(3, 10), Some(&replacing()), &policy, at(0));
    let state = with_written(replacing(), &held);
    for delta in [0, 1, -1] {
        let plan = plan(&decision(delta, 10), Some(&state), &policy, at(1));
        assert_eq!(plan.tags, [TagChange::Delete { key: SCALE_UP_SINCE.to_owned() }], "{delta}");
    }
    // One that is refused does not count.
    let expired = ScalingDecision { expires_at: at(-1), ..decision(0, 10) };
    assert_eq!(plan(&expired, Some(&state), &policy, at(1)).tags, []);
}

#[test]
fn a_paused_group_is_not_changed_until_then() {
    let state = tagged(group(), PAUSE_UNTIL, &shared::time::format(at(60)));
    for delta in [-1, 1] {
        let plan = plan(&decision(delta, 10), Some(&state), &policy(""), at(0));
        check(&plan, BackOff::GroupPaused(Pause::Until(Until::Time(at(60)))));
        assert_eq!(plan.tags, []);
    }
    sets(&plan(&decision(1, 10), Some(&state), &policy(""), at(60)), 11);
}

#[test]
fn a_floor_is_a_minimum_for_a_time() {
    let until = shared::time::format(at(60));
    let state = tagged(group(), FLOOR, &format!("13 {until}"));
    for delta in [-1, 0, 1] {
        let plan = plan(&decision(delta, 10), Some(&state), &policy(""), at(0));
        let needed = u32::try_from(delta).unwrap_or(0);
        check(
            &plan,
            Change::Increase(Increase {
                from: 10,
                to: 13,
                needed,
                in_flight: 0,
                reactivated: 0,
                floor: Some(13),
                max: None,
            }),
        );
    }
    // A larger need counts; the limits and the step stay.
    sets(&planned(&decision(5, 10), &state), 15);
    let high = tagged(group(), FLOOR, &format!("1000 {until}"));
    check(
        &planned(&decision(0, 10), &high),
        Change::Increase(Increase {
            from: 10,
            to: 20,
            needed: 0,
            in_flight: 0,
            reactivated: 0,
            floor: Some(1000),
            max: None,
        }),
    );
    // At the floor nothing is removed.
    let mut at_floor = state.clone();
    at_floor.group.desired_capacity = 13;
    at_floor.group.instances.extend((10..13).map(|n| instance(&format!("i-{n}"), Lifecycle::InService)));
    check(&planned(&decision(-1, 13), &at_floor), NoChange::AtMinimum { desired: 13, min: 13, decommissioning: 0 });
    // What is held is held, and what is over is over.
    let held = ScalingDecision { state: ScalingState::Held, ..decision(0, 10) };
    check(&planned(&held, &state), NoChange::Held(None));
    check(&plan(&at_second(0, 10, 61), Some(&state), &policy(""), at(61)), NoChange::Enough);
}

#[test]
fn a_pause_that_cannot_be_read_pauses() {
    let state = tagged(group(), PAUSE_UNTIL, "until I am back");
    for delta in [-1, 0, 1] {
        let plan = planned(&decision(delta, 10), &state);
        check(&plan, BackOff::GroupPaused(Pause::Unreadable));
        assert!(plan.is_paused && plan.tags.is_empty() && plan.agents.is_empty(), "{plan:?}");
        let note = "the tag lambda-scale/pause-until cannot be read, \"until I am back\": the group is paused; write a time, a \
                    date, or forever, or delete the tag";
        assert_eq!(plan.notes, [note]);
    }
    for forever in ["forever", "2099-01-01", "9999-12-31T23:59:59Z"] {
        let plan = planned(&decision(-1, 10), &tagged(group(), PAUSE_UNTIL, forever));
        assert!(matches!(plan.result, PlanResult::BackOff(BackOff::GroupPaused(_))), "{forever}: {plan:?}");
        assert_eq!(plan.notes, [""; 0], "{forever}");
    }
}

#[test]
fn a_floor_that_cannot_be_read_stops_removals() {
    let state = tagged(group(), FLOOR, "many");
    let plan = planned(&decision(-1, 10), &state);
    check(&plan, BackOff::FloorUnreadable);
    assert!(plan.is_paused && plan.notes[0].contains("nothing is removed"), "{plan:?}");
    sets(&planned(&decision(1, 10), &state), 11);
}

#[test]
fn a_floor_is_not_requested_twice() {
    let state = tagged(group(), FLOOR, &format!("13 {}", shared::time::format(at(600))));
    let mut asked = state;
    asked.group.desired_capacity = 13;
    check(&planned(&decision(0, 10), &asked), NoChange::Enough);
    check(&planned(&decision(2, 10), &asked), NoChange::InFlightCovers { in_flight: 3, needed: 2 });
}

#[test]
fn no_agent_is_deactivated_without_a_tag_to_spare_a1() {
    let of = |decision: &ScalingDecision, state: &GroupState, settings: &str| {
        plan(decision, Some(state), &policy_with("drain", settings), at(0))
    };
    let three = with_decommissioning(-3, Vec::new());
    let mut state = group();
    let tag = |number| Tag { key: format!("team-{number}"), value: String::new() };
    state.group.tags.extend((0..44).map(tag));
    assert_eq!(steps(&of(&three, &state, "")), [("deactivate", "i-0")]);
    state.group.tags.push(tag(44));
    let full = of(&three, &state, "");
    assert_eq!((steps(&full), full.unremoved), (vec![], 3), "an alarm tells");
    let reason = "A1: the group has 45 tags, and no agent is deactivated from 45 on: delete some that are not in use";
    assert_eq!(full.result.reason().to_string(), reason);
    // Where the minimum or the window keeps all, more room for tags would change nothing.
    let mut at_minimum = state.clone();
    at_minimum.group.min_size = at_minimum.group.desired_capacity;
    let kept = of(&three, &at_minimum, "");
    assert!(matches!(kept.result, PlanResult::Nothing(NoChange::AtMinimum { .. })), "{kept:?}");
    let kept = of(&three, &state, "scale_down_window = \"15m\"");
    assert!(
        matches!(kept.result, PlanResult::BackOff(BackOff::NeedsUnknown { .. })) && kept.unremoved == 0,
        "{kept:?}"
    );
    // One that has its tag needs none.
    state.group.tags.pop();
    let begun = drain::tagged(state, &[0], 1);
    assert_eq!(steps(&of(&with_decommissioning(-1, Vec::new()), &begun, "")), [("deactivate", "i-0")]);
    let full = of(
        &ScalingDecision { scale_down_agents: vec![drain::agent(1, shared::contract::AgentState::Active, 1)], ..three },
        &begun,
        "",
    );
    assert!(
        full.result.reason().text.starts_with("the group has 45 tags, 1 for decommissioning agents, and"),
        "{full:?}"
    );
}

#[test]
fn what_a_floor_lacks_is_counted() {
    let of = |state: GroupState, delta: i32| {
        let plan = planned(&decision(delta, 10), &tagged(state, FLOOR, "15 forever"));
        (plan.unmet, plan.unremoved)
    };
    // Launches are suspended: nothing comes, and the floor keeps what the decision would remove.
    let suspended = suspend(group(), "Launch");
    assert_eq!([-1, 0, 2, 9].map(|delta| of(suspended.clone(), delta)), [(5, 0), (5, 0), (5, 0), (9, 0)]);
    // They were requested, and fail.
    let mut failing = group();
    failing.group.desired_capacity = 16;
    let failed = activity(ActivityKind::Launch, "", ActivityStatus::Failed, -60, Some(-50));
    failing.activities = vec![Activity { instance_id: None, ..failed }; 3];
    assert_eq!(of(failing.clone(), -1), (5, 0));
    // What is launching arrives, unless none of it does.
    for n in 10..15 {
        let id = format!("i-{n}");
        failing.activities.push(activity(ActivityKind::Launch, &id, ActivityStatus::InProgress, -30, None));
        failing.group.instances.push(instance(&id, Lifecycle::Pending));
    }
    assert_eq!(of(failing.clone(), 0), (5, 0));
    failing.activities.drain(..3);
    assert_eq!(of(failing.clone(), 0), (0, 0));
    failing.activities.iter_mut().take(2).for_each(|launch| launch.start = at(-1000));
    assert_eq!(of(failing, 0), (2, 0));
    // A paused pool lacks nothing, nor does a decision that is held.
    let paused = tagged(suspended.clone(), PAUSE_UNTIL, "forever");
    assert_eq!(of(paused, 0), (0, 0));
    let held = ScalingDecision { state: ScalingState::Held, ..decision(0, 10) };
    assert_eq!(planned(&held, &tagged(suspended, FLOOR, "15 forever")).unmet, 0);
}

#[test]
fn a_floor_above_the_maximum_asks_for_the_maximum_with_a_note() {
    let of = |delta, max_size| {
        let mut state = tagged(group(), FLOOR, "15 forever");
        state.group.max_size = max_size;
        planned(&decision(delta, 10), &state)
    };
    let note = "the tag lambda-scale/floor asks for 15 instances, and the maximum of the pool and the group allows 10: raise that, or \
                lower the floor";
    for delta in [-1, 0, 1] {
        let plan = of(delta, 10);
        assert_eq!(
            (plan.notes.as_slice(), plan.unmet, plan.unremoved),
            ([note.to_owned()].as_slice(), u32::from(delta > 0), 0)
        );
        assert!(matches!(plan.result, PlanResult::Nothing(_)), "{plan:?}");
    }
    assert!(of(0, 12).notes[0].contains("allows 12") && capacity_of(&of(0, 12)) == Some(12));
    assert_eq!(of(0, 15).notes, [""; 0]);
}
