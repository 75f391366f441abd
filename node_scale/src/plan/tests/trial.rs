//! A: an agent that is requested only to see what a new one has is remembered, even if it ends before the hour is over.

use super::*;
use jiff::SignedDuration;

use crate::group_tags::{FLOOR, GroupTags, TRIED};
use crate::state::Tag;

/// One agent is wanted, and only tried.
fn tries() -> ScalingDecision {
    ScalingDecision { tries: true, ..decision(1, 10) }
}

/// The group with the tag of a trial that ends in so many seconds.
fn tried(mut state: GroupState, left: i64) -> GroupState {
    let TagChange::Set { key, value } = TagChange::tried(at(left)) else { panic!() };
    state.group.tags.push(Tag { key, value });
    state
}

#[test]
fn a_trial_is_remembered_for_an_hour_a() {
    let plan = planned(&tries(), &group());
    assert_eq!((capacity_of(&plan), &plan.tags), (Some(11), &vec![TagChange::tried(at(3600))]));
    // An old tag is written anew, not deleted.
    let again = planned(&tries(), &tried(group(), 0));
    assert_eq!((capacity_of(&again), &again.tags), (Some(11), &plan.tags));
    // What is needed is no trial.
    assert_eq!(planned(&decision(1, 10), &group()).tags, []);
}

#[test]
fn within_the_hour_none_is_tried_even_if_the_snapshot_did_not_see_that_b3() {
    let retry_in = SignedDuration::from_secs(600);
    check(&planned(&tries(), &tried(group(), 600)), BackOff::Tried { retry_in });
    // What is needed, by the decision or by an operator's floor, is requested.
    assert_eq!(capacity_of(&planned(&decision(1, 10), &tried(group(), 600))), Some(11));
    let mut floor = tried(group(), 600);
    floor.group.tags.push(Tag { key: FLOOR.to_owned(), value: "12 forever".to_owned() });
    assert_eq!(capacity_of(&planned(&tries(), &floor)), Some(12));
}

#[test]
fn what_is_not_requested_is_no_trial_a() {
    // It is on its way, or the pool is paused.
    assert_eq!(planned(&tries(), &with_young(group(), 1, 30)).tags, []);
    let paused = plan(&tries(), Some(&group()), &policy("pause_until = \"2099-01-01T00:00:00Z\""), at(0));
    assert_eq!((capacity_of(&paused), paused.tags), (None, vec![]));
}

/// Until it ends, D keeps the agents that would go. (A group at its maximum, with an instance that never joined, kept nine idle
/// agents for ever.)
#[test]
fn a_trial_that_is_not_to_be_had_ends_a() {
    let mut full = group();
    full.group.max_size = 10;
    let mut failing = group();
    failing.activities.push(activity(ActivityKind::Launch, "i-f", ActivityStatus::Failed, -60, Some(-30)));
    let mut busy = group();
    busy.activities_are_complete = false;
    for state in [full, suspend(group(), "Launch"), failing, busy] {
        let plan = planned(&tries(), &state);
        assert_eq!((capacity_of(&plan), &plan.tags), (None, &vec![TagChange::tried(at(3600))]), "{:?}", plan.result);
        // It is written once.
        assert_eq!(planned(&tries(), &tried(state.clone(), 600)).tags, [], "{:?}", plan.result);
        assert_eq!(planned(&decision(1, 10), &state).tags, []);
    }
}

#[test]
fn a_trial_that_is_over_is_forgotten_a() {
    let of = |left| planned(&decision(0, 10), &tried(group(), left)).tags;
    assert_eq!((of(1), of(0)), (vec![], vec![TagChange::end_tried()]));
    let tags = tried(group(), 60).group.tags;
    assert_eq!((tags[0].key.as_str(), GroupTags::read(&tags, at(0)).tried), (TRIED, Some(at(60))));
}

#[test]
fn what_only_a_floor_requests_is_no_trial_a() {
    // The decision tries one agent, which is on its way; the floor wants two more.
    let mut state = with_young(group(), 1, 30);
    state.group.tags.push(Tag { key: FLOOR.to_owned(), value: "13 forever".to_owned() });
    let plan = planned(&tries(), &state);
    assert_eq!((capacity_of(&plan), &plan.tags), (Some(13), &vec![]));
}
