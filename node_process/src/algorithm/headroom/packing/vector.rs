//! Amounts of every kind, side by side: what packing computes with millions of times.

use shared::resources::{Kind, PerKind, Resources};

/// Thousandths of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Vector(pub(super) PerKind<u64>);

/// Tasks of one size, and how many.
pub(super) type Tasks = (Vector, u64);

impl Vector {
    pub(super) fn of(resources: &Resources) -> Self {
        Self(PerKind::from_fn(|kind| resources.get(kind).thousandths()))
    }

    pub(super) fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    #[inline]
    pub(super) fn fits_in(&self, free: &Self) -> bool {
        // Without a branch in between.
        Kind::ALL.into_iter().fold(true, |fits, kind| fits & (self.0[kind] <= free.0[kind]))
    }

    /// How many of them fit into what is free.
    #[inline]
    pub(super) fn times_in(&self, free: &Self) -> u64 {
        let times = self.with(free, |size, free| free.checked_div(size).unwrap_or(u64::MAX));
        times.0.values().copied().min().unwrap_or(u64::MAX)
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

    /// Of each kind the smaller amount.
    pub(super) fn smaller(&self, other: &Self) -> Self {
        self.with(other, u64::min)
    }

    /// The largest share of what there is of each kind, in units of 2^-32.
    pub(super) fn largest_share(&self, whole: &Self) -> u128 {
        self.shares(whole).max().unwrap_or_default()
    }

    /// The least share.
    pub(super) fn least_share(&self, whole: &Self) -> u128 {
        self.shares(whole).min().unwrap_or_default()
    }

    #[inline]
    fn shares(&self, whole: &Self) -> impl Iterator<Item = u128> {
        Kind::ALL.into_iter().filter_map(|kind| share(self.0[kind], whole.0[kind]))
    }

    #[inline]
    fn with(&self, other: &Self, amount: impl Fn(u64, u64) -> u64) -> Self {
        Self(PerKind::from_fn(|kind| amount(self.0[kind], other.0[kind])))
    }
}

/// In units of 2^-32; `None` where there is nothing. Most amounts have 32 bits, and divide in a tenth of the time.
#[inline]
fn share(part: u64, whole: u64) -> Option<u128> {
    match u32::try_from(part) {
        Ok(part) => (u64::from(part) << 32).checked_div(whole).map(u128::from),
        Err(_) => (u128::from(part) << 32).checked_div(u128::from(whole)),
    }
}

/// So much of cpus and mem, and nothing else.
#[cfg(test)]
pub(super) const fn cpus_mem(cpus: u64, mem: u64) -> Vector {
    Vector(PerKind::of(&[(Kind::Cpus, cpus), (Kind::Mem, mem)], 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_gpus(gpus: u64, mut vector: Vector) -> Vector {
        vector.0[Kind::Gpus] = gpus;
        vector
    }

    #[test]
    fn amounts_are_compared_kind_by_kind() {
        let (task, free) = (cpus_mem(2, 3), with_gpus(5, cpus_mem(7, 9)));
        assert!(task.fits_in(&free) && !free.fits_in(&task));
        assert_eq!((task.times_in(&free), free.times_in(&task), Vector::default().times_in(&free)), (3, 0, u64::MAX));
        assert_eq!(free.without(&task, 3), with_gpus(5, cpus_mem(1, 0)));
        assert_eq!(free.without(&task, 9), Vector(PerKind::of(&[(Kind::Gpus, 5)], 0)), "never below nothing");
        assert_eq!(task.larger(&cpus_mem(1, 4)), cpus_mem(2, 4));
        assert!(Vector::default().is_zero() && !Vector(PerKind::of(&[(Kind::Gpus, 1)], 0)).is_zero());
        // 2 of 7 and 3 of 9, the kinds that there are none of aside.
        assert_eq!((task.largest_share(&free), task.least_share(&free)), ((3 << 32) / 9, 0));
        assert_eq!(cpus_mem(2, 3).least_share(&cpus_mem(7, 9)), (2 << 32) / 7);
        assert_eq!(task.largest_share(&Vector::default()), 0);
        for part in [0, 7, (1 << 32) - 1, 1 << 32, u64::MAX] {
            assert_eq!(share(part, 3), Some((u128::from(part) << 32) / 3));
            assert_eq!(share(part, 0), None);
        }
    }
}
