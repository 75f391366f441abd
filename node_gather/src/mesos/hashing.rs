//! A quick hash for the maps through which every task goes.
//!
//! The standard library's takes several hundred instructions for a task, which is a good part of what a task costs.
//! This one multiplies and folds, as wyhash and its kin do. Its seeds are the standard library's chance, so that nobody
//! can choose names that all fall together.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Odd, with its bits in no pattern: the golden ratio's.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// Seeds for one map.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seeds(u64, u64);

impl Default for Seeds {
    fn default() -> Self {
        let chance = RandomState::new();
        // An odd factor loses nothing.
        Self(chance.hash_one(0), chance.hash_one(1) | 1)
    }
}

impl BuildHasher for Seeds {
    type Hasher = Folding;

    fn build_hasher(&self) -> Folding {
        Folding { state: self.0, factor: self.1 }
    }
}

/// The hash so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Folding {
    state: u64,
    factor: u64,
}

impl Folding {
    #[inline]
    fn take(&mut self, word: u64) {
        let (low, high) = (self.state ^ word).carrying_mul(self.factor, MIX);
        // What was multiplied is added too: a product with 0 would forget all that came before.
        self.state = (low ^ high).wrapping_add(self.state.rotate_left(23));
    }
}

impl Hasher for Folding {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((word, more)) = rest.split_first_chunk() {
            self.take(u64::from_le_bytes(*word));
            rest = more;
        }
        let tail = rest.iter().fold(0, |tail, byte| tail << 8 | u64::from(*byte));
        // The length tells texts apart that end in zeros.
        self.take(tail ^ (bytes.len() as u64).rotate_right(8));
    }

    #[inline]
    fn write_u8(&mut self, number: u8) {
        self.take(number.into());
    }

    #[inline]
    fn write_u32(&mut self, number: u32) {
        self.take(number.into());
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.take(number);
    }

    #[inline]
    fn write_isize(&mut self, number: isize) {
        self.write_u64(number.cast_unsigned() as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        let (low, high) = self.state.carrying_mul(MIX, self.factor);
        low ^ high
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn different_names_have_different_hashes_in_all_their_bits() {
        let seeds = Seeds::default();
        let names = (0..100_000).map(|number| format!("team-{}_app-{number}", number % 40));
        let hashes: Vec<u64> = names.map(|name| seeds.hash_one(name)).collect();
        assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), hashes.len());
        // A map takes its place from the lowest bits and a check from the highest.
        for shift in [0, 57] {
            let mut counts = [0_u32; 128];
            hashes.iter().for_each(|hash| counts[(hash >> shift & 127) as usize] += 1);
            assert!(counts.iter().all(|count| (500..1100).contains(count)), "{counts:?}");
        }
    }

    #[test]
    fn numbers_zeros_and_lengths_count() {
        let seeds = Seeds::default();
        let numbers: HashSet<u64> = (0..1000_u32).map(|at| seeds.hash_one((at, 0_u64, at % 7))).collect();
        assert_eq!(numbers.len(), 1000);
        let zeros: HashSet<u64> = (0..100).map(|length| seeds.hash_one(vec![0_u8; length])).collect();
        assert_eq!(zeros.len(), 100);
        assert_ne!(Seeds::default().hash_one("a"), seeds.hash_one("a"));
    }
}
