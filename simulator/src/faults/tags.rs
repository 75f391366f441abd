//! The tags of a group, as the checks read them: without the product's own code.

use jiff::{SignedDuration, Timestamp};
use node_scale::state::GroupState;

/// The number of the slot of the window in which that time is.
pub(super) fn slot_of(time: Timestamp, slot: SignedDuration) -> i64 {
    let millis = i64::try_from(slot.as_millis()).unwrap_or(i64::MAX).max(1);
    time.as_millisecond().div_euclid(millis)
}

/// Whether a tag such as `29453760 12 - 11 11 - -` has a number for a slot.
pub(super) fn knows_slot(tag: &str, slot: i64) -> bool {
    let mut parts = tag.split(' ');
    let Some(newest) = parts.next().and_then(|newest| newest.parse::<i64>().ok()) else { return false };
    let place = usize::try_from(newest - slot).ok();
    place.and_then(|place| parts.nth(place)).is_some_and(|number| number.parse::<u32>().is_ok())
}

pub(super) enum Floor {
    Over,
    Of(u32),
    Unreadable,
}

pub(super) fn floor(text: &str, now: Timestamp) -> Floor {
    let Some((instances, until)) = text.split_once(' ') else { return Floor::Unreadable };
    let Ok(instances) = instances.parse() else { return Floor::Unreadable };
    match until.parse::<Timestamp>() {
        Ok(until) if until <= now => Floor::Over,
        _ => Floor::Of(instances),
    }
}

pub(super) fn tag<'s>(state: &'s GroupState, key: &str) -> Option<&'s str> {
    state.group.tags.iter().find(|tag| tag.key == key).map(|tag| tag.value.as_str())
}
