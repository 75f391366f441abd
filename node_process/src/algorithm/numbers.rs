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

/// The same where it is most likely one of the last numbers.
pub(super) fn last_of_most(most: usize, mut passes: impl FnMut(usize) -> bool) -> usize {
    let (mut failed, mut below) = (most.saturating_add(1), 1);
    while let Some(next) = failed.checked_sub(below).filter(|next| *next > 0) {
        if passes(next) {
            return next + last(failed - next - 1, |more| passes(next + more));
        }
        (failed, below) = (next, 2 * below);
    }
    last(failed.saturating_sub(1), passes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a search finds where the numbers up to a limit pass, and how many questions it asks.
    fn counted(limit: usize, search: impl FnOnce(&mut dyn FnMut(usize) -> bool) -> usize) -> (usize, u32) {
        let mut asked = 0;
        let found = search(&mut |number| {
            asked += 1;
            number <= limit
        });
        (found, asked)
    }

    proptest! {
        /// D6: both searches find the last number: one in few questions, the other in the fewer the later it is.
        #[test]
        fn the_last_number_that_passes_is_found(most in 0_usize..300, limit in 0_usize..300) {
            let (found, asked) = counted(limit, |passes| last(most, passes));
            prop_assert_eq!(found, limit.min(most));
            prop_assert!(asked <= 10, "{} questions", asked);
            let (found, asked) = counted(limit, |passes| last_of_most(most, passes));
            prop_assert_eq!(found, limit.min(most));
            let beyond = most.saturating_sub(limit);
            prop_assert!(asked <= 2 + 2 * (beyond + 1).ilog2(), "{} questions for {} of {}", asked, limit, most);
        }
    }

    #[test]
    fn a_number_of_agents_is_at_most_what_a_delta_can_say() {
        assert_eq!(agent_count(u128::MAX), 2_147_483_647);
    }
}
