//! Numbers for values that occur again and again.

use std::collections::hash_map::Entry;
use std::hash::Hash;

use shared::count::saturated;

use super::cluster_state::{Map, index};

/// Distinct values, numbered in the order in which they first occurred.
#[derive(Debug)]
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

impl Interned<Box<[u8]>> {
    /// The number of a name, without a copy of a known one.
    pub(super) fn number(&mut self, name: &[u8]) -> u32 {
        match self.numbers.get(name) {
            Some(number) => *number,
            None => self.place(name.into()),
        }
    }
}
