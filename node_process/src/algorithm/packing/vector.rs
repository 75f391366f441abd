//! Amounts of every kind, as four numbers in a row: what packing computes with millions of times.

use shared::resources::{Kind, Resources};

/// Thousandths of each kind, in the order of [`Kind::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Vector(pub(super) [u64; 4]);

impl Vector {
    pub(super) fn of(resources: &Resources) -> Self {
        Self(Kind::ALL.map(|kind| resources.get(kind).thousandths()))
    }

    pub(super) fn is_zero(&self) -> bool {
        self.0 == [0; 4]
    }

    #[inline]
    pub(super) fn fits_in(&self, room: &Self) -> bool {
        // Without a branch in between: four comparisons at once.
        self.pairs(room).fold(true, |fits, (a, b)| fits & (a <= b))
    }

    /// How many of them fit into a room.
    #[inline]
    pub(super) fn times_in(&self, room: &Self) -> u64 {
        self.pairs(room).filter_map(|(a, b)| b.checked_div(a)).min().unwrap_or(u64::MAX)
    }

    /// What is left of it without `count` times `other`, never below 0.
    pub(super) fn without(&self, other: &Self, count: u64) -> Self {
        self.with(other, |a, b| a.saturating_sub(b.saturating_mul(count)))
    }

    /// Of each kind the larger amount.
    pub(super) fn larger(&self, other: &Self) -> Self {
        self.with(other, u64::max)
    }

    /// The largest share of what there is, in units of 2^-32; the largest number there is where there is nothing.
    pub(super) fn largest_share(&self, whole: &Self) -> u128 {
        let share = |(part, whole): (u64, u64)| match (part, whole) {
            (0, _) => 0,
            (_, 0) => u128::MAX,
            _ => (u128::from(part) << 32) / u128::from(whole),
        };
        self.pairs(whole).map(share).max().unwrap_or_default()
    }

    fn with(&self, other: &Self, amount: impl Fn(u64, u64) -> u64) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        Self([amount(a, e), amount(b, f), amount(c, g), amount(d, h)])
    }

    fn pairs(&self, other: &Self) -> impl Iterator<Item = (u64, u64)> {
        self.0.into_iter().zip(other.0)
    }
}
