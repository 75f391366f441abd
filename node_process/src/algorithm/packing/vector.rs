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
    pub(super) const fn fits_in(&self, room: &Self) -> bool {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, room.0);
        // Without a branch in between.
        (a <= e) & (b <= f) & (c <= g) & (d <= h)
    }

    /// How many of them fit into a room.
    #[inline]
    pub(super) fn times_in(&self, room: &Self) -> u64 {
        let times = self.with(room, |size, free| free.checked_div(size).unwrap_or(u64::MAX));
        times.0.into_iter().min().unwrap_or(u64::MAX)
    }

    /// What is left of it without `count` times `other`, never below 0.
    #[inline]
    pub(super) fn without(&self, other: &Self, count: u64) -> Self {
        self.with(other, |a, b| a.saturating_sub(b.saturating_mul(count)))
    }

    /// Of each kind the larger amount.
    #[inline]
    pub(super) fn larger(&self, other: &Self) -> Self {
        self.with(other, u64::max)
    }

    /// The largest share of what there is of each kind, in units of 2^-32.
    pub(super) fn largest_share(&self, whole: &Self) -> u128 {
        self.shares(whole).max().unwrap_or_default()
    }

    /// The least share.
    pub(super) fn least_share(&self, whole: &Self) -> u128 {
        self.shares(whole).min().unwrap_or_default()
    }

    fn shares(&self, whole: &Self) -> impl Iterator<Item = u128> {
        let share = |(part, whole): (u64, u64)| (u128::from(part) << 32).checked_div(u128::from(whole));
        self.0.into_iter().zip(whole.0).filter_map(share)
    }

    #[inline]
    fn with(&self, other: &Self, amount: impl Fn(u64, u64) -> u64) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        Self([amount(a, e), amount(b, f), amount(c, g), amount(d, h)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_compared_kind_by_kind() {
        let (task, room) = (Vector([2, 3, 0, 0]), Vector([7, 9, 0, 5]));
        assert!(task.fits_in(&room) && !room.fits_in(&task));
        assert_eq!((task.times_in(&room), room.times_in(&task), Vector::default().times_in(&room)), (3, 0, u64::MAX));
        assert_eq!(room.without(&task, 3), Vector([1, 0, 0, 5]));
        assert_eq!(room.without(&task, 9), Vector([0, 0, 0, 5]), "never below nothing");
        assert_eq!(task.larger(&Vector([1, 4, 0, 0])), Vector([2, 4, 0, 0]));
        assert!(Vector::default().is_zero() && !Vector([0, 0, 0, 1]).is_zero());
        // 2 of 7 and 3 of 9, the kinds that there are none of aside.
        assert_eq!((task.largest_share(&room), task.least_share(&room)), ((3 << 32) / 9, 0));
        assert_eq!(Vector([2, 3, 0, 0]).least_share(&Vector([7, 9, 0, 0])), (2 << 32) / 7);
        assert_eq!(task.largest_share(&Vector::default()), 0);
    }
}
