//! The agents on which no pool can rely.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::finding::SetAside;

/// For how many agents the reason is kept: each may have a text of the document, and a finding names a few. Of more agents it
/// depends on the order of the document which ones a finding may name; how many there are does not.
const MAX_REASONS: usize = 10_000;

/// Agents that are set aside, by number.
#[derive(Clone, Debug, Default)]
pub(super) struct SetAsides {
    reasons: BTreeMap<u32, SetAside>,
    /// Those beyond [`MAX_REASONS`].
    others: BTreeSet<u32>,
}

impl SetAsides {
    /// Of several reasons the smallest stays, so that their order does not matter.
    pub(super) fn add(&mut self, number: u32, reason: SetAside) {
        let is_full = self.reasons.len() >= MAX_REASONS;
        match self.reasons.entry(number) {
            Entry::Vacant(_) if is_full => drop(self.others.insert(number)),
            Entry::Vacant(new) => drop(new.insert(reason)),
            Entry::Occupied(mut known) if reason < *known.get() => drop(known.insert(reason)),
            Entry::Occupied(_) => {}
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.reasons.is_empty()
    }

    pub(super) fn contains(&self, number: u32) -> bool {
        self.reasons.contains_key(&number) || self.others.contains(&number)
    }

    /// Why, if that is kept.
    pub(super) fn reason(&self, number: u32) -> Option<&SetAside> {
        self.reasons.get(&number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Owner;
    use crate::mesos::state::{OddField, Oddity};

    #[test]
    fn beyond_the_limit_an_agent_is_set_aside_without_a_reason() {
        let field = OddField { path: "tasks[].id", oddity: Oddity::Repeated };
        let odd = |number: u32| SetAside::Odd { owner: Owner::task(number.to_string().as_bytes()), field };
        let mut agents = SetAsides::default();
        let most = u32::try_from(MAX_REASONS).unwrap();
        (0..=most).for_each(|number| agents.add(number, odd(number)));
        assert!((0..=most).all(|number| agents.contains(number)) && !agents.contains(most + 1));
        assert_eq!((agents.reason(most - 1), agents.reason(most)), (Some(&odd(most - 1)), None));
        // A smaller reason of a known agent still counts.
        agents.add(0, SetAside::ListedTwice);
        agents.add(most, SetAside::ListedTwice);
        assert_eq!((agents.reason(0), agents.reason(most)), (Some(&SetAside::ListedTwice), None));
    }
}
