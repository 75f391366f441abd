//! What happened, in order, numbered from zero; what is past can be forgotten, so that a run may last for days.

use std::collections::VecDeque;

/// A record whose numbers stay right when its beginning is forgotten.
#[derive(Debug)]
pub(crate) struct Journal<T> {
    forgotten: usize,
    entries: VecDeque<T>,
}

impl<T> Default for Journal<T> {
    fn default() -> Self {
        Self { forgotten: 0, entries: VecDeque::new() }
    }
}

impl<T> Journal<T> {
    /// How many entries were written so far: the number of the next.
    pub(crate) fn count(&self) -> usize {
        self.forgotten + self.entries.len()
    }

    /// Writes an entry, and returns its number.
    pub(crate) fn push(&mut self, entry: T) -> usize {
        self.entries.push_back(entry);
        self.count() - 1
    }

    /// The entry of that number, unless it is forgotten.
    pub(crate) fn get_mut(&mut self, number: usize) -> Option<&mut T> {
        self.entries.get_mut(number.checked_sub(self.forgotten)?)
    }

    /// The entries from that number on, without those that are forgotten.
    pub(crate) fn since(&self, number: usize) -> impl DoubleEndedIterator<Item = &T> {
        self.entries.range(number.saturating_sub(self.forgotten).min(self.entries.len())..)
    }

    /// Forgets all entries. Their numbers are not used again.
    pub(crate) fn forget(&mut self) {
        self.forgotten = self.count();
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_outlive_what_they_named() {
        let mut journal = Journal::default();
        assert_eq!((journal.push('a'), journal.push('b')), (0, 1));
        assert_eq!(journal.since(1).collect::<String>(), "b");
        journal.forget();
        assert_eq!((journal.count(), journal.since(0).count()), (2, 0));
        assert_eq!(journal.get_mut(1), None);
        assert_eq!(journal.push('c'), 2);
        assert_eq!(journal.get_mut(2), Some(&mut 'c'));
        assert_eq!(journal.since(0).collect::<String>(), "c");
        assert_eq!(journal.since(9).count(), 0);
    }
}
