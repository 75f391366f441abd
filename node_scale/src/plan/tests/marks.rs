//! What stands on the group: rows of decisions, pauses and floors.

use super::*;
use crate::marks::{FLOOR, PAUSE_UNTIL};
use crate::state::Tag;

fn tagged(mut state: GroupState, key: &str, value: &str) -> GroupState {
    state.group.tags.push(Tag { key: key.to_owned(), value: value.to_owned() });
    state
}

/// The group with the marks that the plan writes.
fn marked(mut state: GroupState, plan: &Plan) -> GroupState {
    for change in &plan.marks {
        let (key, value) = match change {
            MarkChange::Set { key, value } => (key, Some(value)),
            MarkChange::Delete { key } => (key, None),
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
    state.activities[0].status = ActivityStatus::Underway;
    state.activities[0].end = None;
    state.group.instances[10].lifecycle_state = Lifecycle::Pending;
    state.activities[0].start = at(-30);
    state
}

#[test]
fn a_launch_underway_holds_a_scale_up_back_for_max_back_off_at_most_b3() {
    let policy = policy("max_back_off = \"3m\"");
    let mut state = replacing();
    let mut written = 0;
    for second in [0, 60, 120] {
        let plan = plan(&at_second(3, 10, second), Some(&state), &policy, at(second));
        check(&plan, Action::BackOff, "B3: the launch of i-young0 is underway; 2 instances are still missing");
        written += plan.marks.len();
        state = marked(state, &plan);
    }
    assert_eq!(written, 1, "a mark is written when it changes, not with every decision");
    let plan = plan(&at_second(3, 10, 180), Some(&state), &policy, at(180));
    check(&plan, Action::SetDesiredCapacity(13), "3 more wanted, 1 instance is coming already");
    assert_eq!(plan.marks, [MarkChange::Delete { key: Direction::Up.key().to_owned() }]);
}

#[test]
fn a_back_off_of_nothing_never_waits() {
    let policy = policy("max_back_off = \"0s\"");
    let plan = plan(&decision(3, 10), Some(&replacing()), &policy, at(0));
    check(&plan, Action::SetDesiredCapacity(13), "3 more wanted");
    assert_eq!(plan.marks, []);
}

#[test]
fn a_decision_that_wants_no_more_breaks_the_row() {
    let policy = policy("max_back_off = \"3m\"");
    let held = plan(&decision(3, 10), Some(&replacing()), &policy, at(0));
    let state = marked(replacing(), &held);
    for delta in [0, 1, -1] {
        let plan = plan(&decision(delta, 10), Some(&state), &policy, at(1));
        assert_eq!(plan.marks, [MarkChange::Delete { key: Direction::Up.key().to_owned() }], "{delta}");
    }
    // One that is refused says nothing.
    let expired = ScalingDecision { expires_at: at(-1), ..decision(0, 10) };
    assert_eq!(plan(&expired, Some(&state), &policy, at(1)).marks, []);
}

#[test]
fn a_scale_down_waits_until_decisions_have_said_so_for_long_enough_b2() {
    let policy = policy("scale_down_stable_for = \"15m\"");
    let mut state = group();
    let mut written = 0;
    for minute in 0..15 {
        let second = minute * 60;
        let plan = plan(&at_second(-1, 10, second), Some(&state), &policy, at(second));
        check(&plan, Action::BackOff, "B2: fewer agents have been wanted for ");
        written += plan.marks.len();
        state = marked(state, &plan);
    }
    assert!(written <= 5, "{written} writes in 15 ticks");
    let done = plan(&at_second(-1, 10, 900), Some(&state), &policy, at(900));
    check(&done, Action::SetDesiredCapacity(9), "1 fewer wanted");
    assert_eq!(done.marks, [MarkChange::Delete { key: Direction::Down.key().to_owned() }]);
}

#[test]
fn silence_breaks_a_row_as_well_as_another_decision() {
    let policy = policy("scale_down_stable_for = \"15m\"");
    let state = marked(group(), &plan(&at_second(-1, 10, 0), Some(&group()), &policy, at(0)));
    // An hour later nobody knows what was wanted in between.
    let plan = plan(&at_second(-1, 10, 3600), Some(&state), &policy, at(3600));
    check(&plan, Action::BackOff, "B2: fewer agents have been wanted for 0 s");
}

#[test]
fn a_row_grows_while_something_else_stands_in_the_way() {
    let policy = policy("scale_down_stable_for = \"15m\"");
    let plan = plan(&decision(-1, 10), Some(&suspend(group(), "Terminate")), &policy, at(0));
    check(&plan, Action::BackOff, "B2: the process Terminate");
    assert!(matches!(&plan.marks[..], [MarkChange::Set { .. }]), "{plan:?}");
}

#[test]
fn a_paused_group_is_left_alone_until_then() {
    let state = tagged(group(), PAUSE_UNTIL, &shared::time::format(at(60)));
    for delta in [-1, 1] {
        let plan = plan(&decision(delta, 10), Some(&state), &policy(""), at(0));
        check(&plan, Action::BackOff, "the group is paused until ");
        assert_eq!(plan.marks, []);
    }
    check(&plan(&decision(1, 10), Some(&state), &policy(""), at(60)), Action::SetDesiredCapacity(11), "1 more");
}

#[test]
fn a_floor_is_a_minimum_for_a_time() {
    let until = shared::time::format(at(60));
    let state = tagged(group(), FLOOR, &format!("13 {until}"));
    for delta in [-1, 0, 1] {
        let plan = plan(&decision(delta, 10), Some(&state), &policy(""), at(0));
        check(&plan, Action::SetDesiredCapacity(13), "the floor is 13 instances");
    }
    // More is more; the limits and the step stay.
    check(&planned(&decision(5, 10), &state), Action::SetDesiredCapacity(15), "5 more wanted");
    let high = tagged(group(), FLOOR, &format!("1000 {until}"));
    check(&planned(&decision(0, 10), &high), Action::SetDesiredCapacity(20), "the floor is 1000 instances");
    // At the floor nothing goes.
    let mut at_floor = state.clone();
    at_floor.group.desired_capacity = 13;
    at_floor.group.instances.extend((10..13).map(|n| instance(&format!("i-{n}"), Lifecycle::InService)));
    check(&planned(&decision(-1, 13), &at_floor), Action::Nothing, "the desired capacity is 13");
    // What is held is held, and what is over is over.
    let held = ScalingDecision { state: ScalingState::Held, ..decision(0, 10) };
    check(&planned(&held, &state), Action::Nothing, "the decision is held");
    check(&plan(&at_second(0, 10, 61), Some(&state), &policy(""), at(61)), Action::Nothing, "as many agents");
}

#[test]
fn a_mark_that_cannot_be_read_has_no_effect_and_is_told() {
    let state = tagged(group(), PAUSE_UNTIL, "until I am back");
    let plan = planned(&decision(1, 10), &state);
    check(&plan, Action::SetDesiredCapacity(11), "1 more wanted");
    assert_eq!(plan.notes, ["the tag lambda-scale/pause-until has no effect, \"until I am back\" cannot be read"]);
}

#[test]
fn a_floor_is_not_asked_for_twice() {
    let state = tagged(group(), FLOOR, &format!("13 {}", shared::time::format(at(600))));
    let mut asked = state;
    asked.group.desired_capacity = 13;
    check(&planned(&decision(0, 10), &asked), Action::Nothing, "as many agents as needed");
    check(&planned(&decision(2, 10), &asked), Action::Nothing, "B3: 3 instances are coming");
}
