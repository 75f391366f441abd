//! Random numbers that follow from a seed: the same seed gives the same numbers on every machine.

/// The SplitMix64 generator (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
///
/// ```
/// use shared::random::SplitMix64;
/// let (mut first, mut again) = (SplitMix64::new(7), SplitMix64::new(7));
/// assert_eq!(first.next_u64(), again.next_u64());
/// assert!(first.below(10) < 10);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// The numbers of that seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The numbers of one thing among many: of that seed, concern, and number. A thing keeps its numbers when
    /// others are added or removed.
    #[must_use]
    pub const fn stream(seed: u64, concern: u64, number: u64) -> Self {
        Self(seed).split(concern).split(number)
    }

    const fn split(mut self, part: u64) -> Self {
        self.0 ^= part.wrapping_mul(0xd6e8_feb8_6659_fd93);
        Self(self.next_u64())
    }

    /// The next number.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`; 0 where that is 0.
    pub const fn below(&mut self, limit: u64) -> u64 {
        let number = self.next_u64();
        if limit == 0 { 0 } else { number % limit }
    }

    /// A place in a list of that length; 0 where it is empty.
    pub fn index(&mut self, len: usize) -> usize {
        // Below a `usize`.
        usize::try_from(self.below(len as u64)).unwrap_or_default()
    }

    /// One of the choices.
    pub fn pick<T: Copy, const N: usize>(&mut self, choices: [T; N]) -> T {
        const { assert!(N > 0, "nothing to choose from") };
        let index = self.index(N);
        #[expect(clippy::indexing_slicing, reason = "the index is below the length, which is not 0")]
        choices[index]
    }

    /// Puts a list in another order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_reference_implementation() {
        // https://prng.di.unimi.it/splitmix64.c with the seed 1234567.
        let mut random = SplitMix64::new(1_234_567);
        let numbers = [random.next_u64(), random.next_u64(), random.next_u64()];
        assert_eq!(numbers, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn streams_of_one_seed_differ() {
        let first = |concern, number| SplitMix64::stream(1, concern, number).next_u64();
        let all = [first(1, 1), first(1, 2), first(2, 1), first(2, 2)];
        let distinct: std::collections::BTreeSet<u64> = all.into_iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn choices_and_orders_stay_within_their_list() {
        let mut random = SplitMix64::new(3);
        assert_eq!((random.below(0), random.index(0)), (0, 0));
        let picked: std::collections::BTreeSet<u8> = (0..100).map(|_| random.pick([1, 2, 3])).collect();
        assert_eq!(picked.into_iter().collect::<Vec<_>>(), [1, 2, 3]);
        let mut items: Vec<u32> = (0..50).collect();
        random.shuffle(&mut items);
        assert!(!items.is_sorted());
        items.sort_unstable();
        assert!(items.into_iter().eq(0..50));
    }
}
