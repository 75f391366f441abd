//! The tags of a group, one `key=value` on each line: what they mean, and what they do to a decision.

use node_scale::group_tags::{FLOOR, GroupTags, PAUSE_UNTIL};
use node_scale::plan::{Change, PlanResult};
use node_scale::state::Tag;

use super::pool;
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "tags",
    run,
    borrowed: &[],
    tokens: &[
        "lambda-scale/pause-until=",
        "lambda-scale/floor=",
        "lambda-scale/needed=",
        "lambda-scale/scale-up-since=",
        "lambda-scale/decommission/i-1=",
        "lambda-scale/managed=",
        "forever",
        "2026-11-21T18:00:00Z",
        "9999-12-31",
        "+10000-01-01",
        "-0001-01-01",
        "12 2026-12-24T18:00:00Z",
        " ? ? ? ? ? ?",
        "20",
    ],
};

fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let tags: Vec<Tag> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| Tag { key: key.to_owned(), value: value.to_owned() })
        .collect();
    let now = pool::now();
    let read = GroupTags::read(&tags, now);
    assert!(read.problems.len() <= tags.len());
    assert!(read.problems.iter().zip(&tags).all(|(problem, _)| problem.chars().count() < 700 + longest_key(&tags)));
    // An operator's tag has an effect, or is over, or is reported.
    let is_there = |name: &str| tags.iter().any(|tag| tag.key == name);
    if !is_there(PAUSE_UNTIL) {
        assert_eq!(read.pause, None);
    }
    if !is_there(FLOOR) {
        assert!(read.floor.is_none() && !read.floor_is_unreadable);
    }

    let mut group = pool::group();
    group.tags = tags;
    let state = pool::at_rest(group);
    for policy in pool::POLICIES.iter() {
        for delta in [3, -3] {
            let plan = pool::plans(&pool::decision(delta), Some(&state), policy, now).unwrap();
            let is_act = matches!(plan.result, PlanResult::Act(_));
            let removes = matches!(
                plan.result,
                PlanResult::Act(Change::Terminate { .. } | Change::Decrease { .. } | Change::Deactivate { .. })
            );
            assert!(read.pause.is_none() || !is_act, "a paused group is changed: {plan:?}");
            assert!(!(read.floor_is_unreadable && removes), "a floor that cannot be read removes: {plan:?}");
        }
    }
}

fn longest_key(tags: &[Tag]) -> usize {
    tags.iter().map(|tag| tag.key.chars().count()).max().unwrap_or_default()
}
