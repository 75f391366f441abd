//! The tags of the group: the streak of decisions, pauses and floors.

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
