//! The tasks of the agents that are kept one by one.

/// The place of an agent, the application of a task, and its size.
type Key = (u32, u32, u32);

/// How many entries there are before equal ones are merged.
const FEW: usize = 32 * 1024;

/// How many tasks there are. A table would be searched for each task, and nearly every one is the first of its kind on its agent:
/// so they are listed as they come, and merged only where they become many.
#[derive(Clone, Debug)]
pub(super) struct MemberTasks {
    counts: Vec<(Key, u32)>,
    /// At which length equal ones are merged.
    merged_at: usize,
}

impl Default for MemberTasks {
    fn default() -> Self {
        Self { counts: Vec::new(), merged_at: FEW }
    }
}

impl MemberTasks {
    #[inline]
    pub(super) fn add(&mut self, key: Key, count: u32) {
        if self.counts.len() >= self.merged_at {
            self.merge();
        }
        self.counts.push((key, count));
    }

    /// Merges equal ones. Next time there are twice as many, so that memory and time grow with the distinct ones alone.
    #[cold]
    fn merge(&mut self) {
        // A sort that makes use of what is in order already: a simulated cluster shows one agent after the other.
        self.counts.sort_by_key(|((member, ..), _)| *member);
        let of_members = self.counts.chunk_by_mut(|((a, ..), _), ((b, ..), _)| a == b);
        of_members.for_each(|own| own.sort_unstable_by_key(|(key, _)| *key));
        self.counts.dedup_by(|(next, count), (kept, sum)| {
            let is_equal = next == kept;
            if is_equal {
                *sum = sum.saturating_add(*count);
            }
            is_equal
        });
        self.merged_at = FEW.max(2 * self.counts.len());
    }

    /// All of them, in order of their keys, each once.
    pub(super) fn take(&mut self) -> Vec<(Key, u32)> {
        self.merge();
        std::mem::take(self).counts
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn equal_tasks_are_merged_and_take_no_memory() {
        let (mut tasks, mut expected) = (MemberTasks::default(), BTreeMap::new());
        let keys = (0..2_000_000_u32).map(|number| (number % 7, number % 11, number % 13));
        for (count, key) in (1..=4).cycle().zip(keys) {
            tasks.add(key, count);
            *expected.entry(key).or_insert(0) += count;
            assert!(tasks.counts.len() <= FEW);
        }
        assert_eq!(tasks.take(), expected.into_iter().collect::<Vec<_>>());
        assert_eq!(tasks.take(), []);
    }

    #[test]
    fn distinct_tasks_are_all_kept() {
        let mut tasks = MemberTasks::default();
        (0..200_000).rev().for_each(|number| tasks.add((number, 0, 0), 1));
        assert!(tasks.take().into_iter().eq((0..200_000).map(|number| ((number, 0, 0), 1))));
    }
}
