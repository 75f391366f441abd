//! Counts tasks by pool, application, and size.

use shared::resources::Resources;

use super::interned::{Map, index};

/// What tasks take, and the number of the role that they have.
pub(super) type Size = (Resources, u32);

/// The numbers of a pool, an application, and a size.
type Key = (u32, u32, u32);

/// How many tasks there are.
#[derive(Debug, Default)]
pub(super) struct Counts {
    counts: Map<Key, u32>,
    /// The latest tasks of each application, not yet among these.
    latest: Vec<Option<Alike>>,
}

/// Tasks of one application that are alike. Nearly all tasks of an application have one size and one pool, so that they are counted
/// without a search for either.
#[derive(Clone, Copy, Debug)]
struct Alike {
    size: Size,
    /// The number of this size.
    number: u32,
    pool: u32,
    count: u32,
}

impl Counts {
    /// The number of that size, if the latest tasks of the application have it, too.
    #[inline]
    pub(super) fn known_size(&self, application: u32, size: &Size) -> Option<u32> {
        let latest = self.latest.get(index(application))?.as_ref()?;
        (latest.size == *size).then_some(latest.number)
    }

    /// Adds so many tasks. `size` gives the size of that number.
    #[inline]
    pub(super) fn add(&mut self, (pool, application, number): Key, count: u32, size: impl FnOnce() -> Option<Size>) {
        match self.latest.get_mut(index(application)) {
            Some(Some(latest)) if (latest.pool, latest.number) == (pool, number) => {
                latest.count = latest.count.saturating_add(count);
            }
            _ => self.begin((pool, application, number), count, size()),
        }
    }

    fn begin(&mut self, (pool, application, number): Key, count: u32, size: Option<Size>) {
        let place = index(application);
        if self.latest.len() <= place {
            self.latest.resize(place + 1, None);
        }
        let Some(latest) = self.latest.get_mut(place) else { return };
        let before = std::mem::replace(latest, size.map(|size| Alike { size, number, pool, count }));
        if let Some(before) = before {
            self.settle(application, before);
        }
    }

    fn settle(&mut self, application: u32, Alike { pool, number, count, .. }: Alike) {
        let sum = self.counts.entry((pool, application, number)).or_insert(0);
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
    use shared::resources::Amount;

    fn size(number: u32) -> Size {
        (Resources { cpus: Amount::from_thousandths(number.into()), ..Resources::ZERO }, 0)
    }

    proptest! {
        #[test]
        fn every_task_is_counted_once(tasks in prop::collection::vec((0..3_u32, 0..3_u32, 0..3_u32, 1..5_u32), 0..40)) {
            let (mut counts, mut expected) = (Counts::default(), Map::<Key, u32>::default());
            for (pool, application, number, count) in tasks {
                counts.add((pool, application, number), count, || Some(size(number)));
                *expected.entry((pool, application, number)).or_default() += count;
                prop_assert_eq!(counts.known_size(application, &size(number)), Some(number));
                prop_assert_eq!(counts.known_size(application, &size(number + 1)), None);
            }
            prop_assert_eq!(counts.take(), expected);
            prop_assert_eq!(counts.take(), Map::default());
        }
    }
}
