//! Counts tasks by pool, application, and size.

use super::interned::{Map, index};

/// The numbers of a pool, an application, and a size.
type Key = (u32, u32, u32);

/// How many tasks there are.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    counts: Map<Key, u32>,
    /// The latest tasks of each application, not yet among these.
    latest: Vec<Option<Alike>>,
}

/// Tasks of one application that are alike. Nearly all tasks of an application have one size and one pool, so that they are counted
/// without a search for either.
#[derive(Clone, Copy, Debug)]
struct Alike {
    pool: u32,
    size: u32,
    count: u32,
}

impl Counts {
    /// The size of the latest tasks of the application.
    #[inline]
    pub(super) fn latest_size(&self, application: u32) -> Option<u32> {
        let latest = self.latest.get(index(application))?.as_ref()?;
        Some(latest.size)
    }

    #[inline]
    pub(super) fn add(&mut self, (pool, application, size): Key, count: u32) {
        match self.latest.get_mut(index(application)) {
            Some(Some(latest)) if (latest.pool, latest.size) == (pool, size) => {
                latest.count = latest.count.saturating_add(count);
            }
            _ => self.begin(application, Alike { pool, size, count }),
        }
    }

    fn begin(&mut self, application: u32, alike: Alike) {
        let place = index(application);
        if self.latest.len() <= place {
            self.latest.resize(place + 1, None);
        }
        let before = self.latest.get_mut(place).and_then(|latest| latest.replace(alike));
        if let Some(before) = before {
            self.settle(application, before);
        }
    }

    fn settle(&mut self, application: u32, Alike { pool, size, count }: Alike) {
        let sum = self.counts.entry((pool, application, size)).or_insert(0);
        *sum = sum.saturating_add(count);
    }

    /// All counts, by the numbers of pool, application, and size.
    pub(super) fn take(&mut self) -> Map<Key, u32> {
        for (application, latest) in (0..).zip(std::mem::take(&mut self.latest)) {
            if let Some(latest) = latest {
                self.settle(application, latest);
            }
        }
        std::mem::take(&mut self.counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_task_is_counted_once(tasks in prop::collection::vec((0..3_u32, 0..3_u32, 0..3_u32, 1..5_u32), 0..40)) {
            let (mut counts, mut expected) = (Counts::default(), Map::<Key, u32>::default());
            for (pool, application, size, count) in tasks {
                counts.add((pool, application, size), count);
                *expected.entry((pool, application, size)).or_default() += count;
                prop_assert_eq!(counts.latest_size(application), Some(size));
            }
            prop_assert_eq!(counts.take(), expected);
            prop_assert_eq!(counts.take(), Map::default());
        }
    }
}
