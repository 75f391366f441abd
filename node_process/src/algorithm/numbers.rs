//! Numbers of agents, and amounts to compute them from.

use shared::count::saturated;
use shared::resources::Amount;

/// How many agents it takes to cover what is missing; `None` where something is and they bring nothing.
pub(super) const fn agents_to_cover(missing: u128, per_agent: u128) -> Option<u128> {
    match (missing, per_agent) {
        (0, _) => Some(0),
        (_, 0) => None,
        _ => Some(missing.div_ceil(per_agent)),
    }
}

/// As a number to compute with.
pub(super) fn thousandths(amount: Amount) -> u128 {
    amount.thousandths().into()
}

/// A number of new agents, as far as a decision's `delta` can say it.
pub(super) fn agent_count(wanted: u128) -> u32 {
    saturated(wanted).min(i32::MAX.unsigned_abs())
}

/// The last number up to `most` that passes, by halving; 0 passes unasked.
pub(super) fn last(most: usize, mut passes: impl FnMut(usize) -> bool) -> usize {
    let (mut passed, mut failed) = (0, most.saturating_add(1));
    // Most often all do, or hardly any.
    let mut next = most;
    while failed - passed > 1 {
        if passes(next) {
            passed = next;
        } else {
            failed = next;
        }
        next = passed.midpoint(failed);
    }
    passed
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// D6: the search finds the last number, in few questions.
        #[test]
        fn the_last_number_that_passes_is_found(most in 0_usize..300, limit in 0_usize..300) {
            let mut asked = 0;
            let found = last(most, |number| {
                asked += 1;
                number <= limit
            });
            prop_assert_eq!(found, limit.min(most));
            prop_assert!(asked <= 10, "{} questions", asked);
        }
    }

    #[test]
    fn a_number_of_agents_is_at_most_what_a_delta_can_say() {
        assert_eq!(agent_count(u128::MAX), 2_147_483_647);
    }
}
