//! Numbers for values that occur again and again.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;

use foldhash::fast::RandomState;
use shared::count::saturated;

pub(super) type Map<K, V> = HashMap<K, V, RandomState>;

/// The name under which a framework's further applications are counted together.
pub(super) const OTHER: &str = "(other)";

/// Distinct values, numbered in the order in which they first occurred.
#[derive(Clone, Debug)]
pub(super) struct Interned<T> {
    numbers: Map<T, u32>,
    values: Vec<T>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self { numbers: Map::default(), values: Vec::new() }
    }
}

impl<T: Clone + Hash + Eq> Interned<T> {
    pub(super) const fn len(&self) -> usize {
        self.values.len()
    }

    #[inline]
    pub(super) fn place(&mut self, value: T) -> u32 {
        let next = saturated(self.values.len());
        match self.numbers.entry(value) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                self.values.push(new.key().clone());
                *new.insert(next)
            }
        }
    }

    /// The number of a value that occurred before.
    pub(super) fn known(&self, value: &T) -> Option<u32> {
        self.numbers.get(value).copied()
    }

    pub(super) fn get(&self, number: u32) -> Option<&T> {
        self.values.get(index(number))
    }

    pub(super) fn take_values(&mut self) -> Vec<T> {
        std::mem::take(self).values
    }
}

/// A number as a place in a list.
pub(super) fn index(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

impl Interned<Box<[u8]>> {
    /// The number of a name, without a copy of a known one.
    pub(super) fn number(&mut self, name: &[u8]) -> u32 {
        match self.numbers.get(name) {
            Some(number) => *number,
            None => self.place(name.into()),
        }
    }
}
