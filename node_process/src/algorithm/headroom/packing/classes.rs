//! Tasks in classes of nearly equal sizes, from which agents are filled one after the other.
//!
//! The measures are those of Panigrahy, Talwar, Uyeda and Wieder, "Heuristics for Vector Bin Packing" (2011): the weighted
//! square of the distance between what a task takes and what is free, and the weighted product of the two.

use std::cell::LazyCell;
use std::collections::BTreeMap;

use shared::resources::{Kind, PerKind};

use super::vector::{Tasks, Vector};

/// Which tasks suit what an agent has free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    /// Those that come closest to it.
    Distance,
    /// Those with the largest product with it, for what they take in all: what takes most of what there is most of, and least
    /// of the rest.
    Product,
}

/// Shares of an empty agent, in units of 2^-16: small enough that squares and weights fit 64 bits.
type Shares = PerKind<i64>;

const WHOLE: i64 = 1 << 16;

/// Tasks of one size, and their shares of an agent.
#[derive(Clone, Copy)]
struct TaskSize {
    /// Its place in the list of tasks.
    index: usize,
    size: Vector,
    shares: Shares,
    /// Each share of all that it takes.
    mix: Shares,
    left: u64,
}

/// Sizes that hardly differ count as the largest of them.
pub(super) struct Classes {
    measure: Measure,
    /// By class; within a class the largest last.
    sizes: Vec<Vec<TaskSize>>,
    /// The least that any of them takes of each kind; `None` where none is left. Mostly an agent has less of some kind free.
    least: Option<Vector>,
    /// How much each kind of resource counts: as much as all tasks take of it.
    weights: Shares,
    /// What all tasks take that are left.
    left: PerKind<u128>,
}

/// What was placed on one agent: class, place in the class, and how many.
type Pattern = Vec<(usize, usize, u64)>;

impl Classes {
    /// More classes than this cost more than they save.
    const MOST: usize = 256;

    pub(super) fn new(empty: &Vector, tasks: &[Tasks], measure: Measure) -> Self {
        let of = |(index, (size, count)): (usize, &Tasks)| {
            let shares = shares(size, empty);
            TaskSize { index, size: *size, shares, mix: mix(&shares), left: *count }
        };
        let tasks = tasks.iter().enumerate().rev().filter(|(_, (size, count))| *count > 0 && !size.is_zero());
        let sizes: Vec<TaskSize> = tasks.map(of).collect();
        let left = PerKind::from_fn(|kind| sizes.iter().map(|size| size.taken(kind, size.left)).sum());
        // From the finest division down to the first that is coarse enough.
        let divided = |bits: u32| divide(&sizes, bits);
        let sizes =
            (0..=4).rev().map(divided).find(|classes| classes.len() <= Self::MOST).unwrap_or_else(|| divided(0));
        Self { measure, least: least(&sizes), sizes, weights: weights(&left), left }
    }

    /// How many tasks are left, by their place in the list.
    pub(super) fn left(&self) -> impl Iterator<Item = (usize, u64)> {
        self.sizes.iter().flatten().map(|size| (size.index, size.left))
    }

    /// Fills one agent with so much free, then others in the same way, at most so many in all; `None` where nothing fits.
    pub(super) fn fill(&mut self, free: &Vector, empty: &Vector, agents: u64) -> Option<(Vector, u64)> {
        if !self.least?.fits_in(free) {
            return None;
        }
        let mut free = *free;
        let mut pattern = Pattern::new();
        while let Some((class, place, fitting)) = self.best(&free, empty) {
            let size = self.sizes.get_mut(class)?.get_mut(place)?;
            // A part of what fits, then a part of the rest: other tasks may suit what is left better.
            let parts = match self.measure {
                Measure::Distance => 2,
                Measure::Product => 8,
            };
            let count = fitting.min(size.left).div_ceil(parts);
            free = free.without(&size.size, count);
            size.left -= count;
            match pattern.iter_mut().find(|(c, p, _)| (*c, *p) == (class, place)) {
                Some((_, _, sum)) => *sum += count,
                None => pattern.push((class, place, count)),
            }
        }
        let left = |(class, place, count): &(usize, usize, u64)| {
            self.sizes.get(*class).and_then(|class| class.get(*place)).map_or(0, |size| size.left / count)
        };
        let again = pattern.iter().map(left).min()?.min(agents.saturating_sub(1));
        for (class, place, count) in &pattern {
            if let Some(size) = self.sizes.get_mut(*class).and_then(|class| class.get_mut(*place)) {
                size.left -= count * again;
                let placed = count.saturating_mul(again.saturating_add(1));
                self.left.iter_mut().for_each(|(kind, left)| *left = left.saturating_sub(size.taken(kind, placed)));
            }
        }
        if self.measure == Measure::Product {
            self.weights = weights(&self.left);
        }
        self.drop_empty(&pattern);
        Some((free, again.saturating_add(1)))
    }

    /// Forgets the tasks of which none is left.
    fn drop_empty(&mut self, pattern: &Pattern) {
        for (class, ..) in pattern {
            if let Some(class) = self.sizes.get_mut(*class) {
                class.retain(|size| size.left > 0);
            }
        }
        if pattern.iter().any(|(class, ..)| self.sizes.get(*class).is_some_and(Vec::is_empty)) {
            self.sizes.retain(|class| !class.is_empty());
        }
        self.least = least(&self.sizes);
    }

    /// The tasks that suit best what is free, of those that fit: class, place in it, and how many fit.
    fn best(&self, free: &Vector, empty: &Vector) -> Option<(usize, usize, u64)> {
        /// Of one class so many are tried.
        const TRIED: usize = 4;
        // Mostly nothing fits.
        let free_shares = LazyCell::new(|| shares(free, empty));
        let mut best: Option<(i64, usize, usize)> = None;
        for (number, class) in self.sizes.iter().enumerate() {
            let tried = class.iter().enumerate().rev().filter(|(_, size)| size.left > 0).take(TRIED);
            let Some((place, size)) = tried.into_iter().find(|(_, size)| size.size.fits_in(free)) else { continue };
            let misfit = match self.measure {
                Measure::Distance => self.distance(&size.shares, &free_shares),
                Measure::Product => -self.product(&size.mix, &free_shares),
            };
            if best.is_none_or(|(least, ..)| misfit < least) {
                best = Some((misfit, number, place));
            }
        }
        let (_, class, place) = best?;
        let size = self.sizes.get(class)?.get(place)?;
        Some((class, place, size.size.times_in(free)))
    }

    fn distance(&self, shares: &Shares, free: &Shares) -> i64 {
        let distance = |kind| shares[kind] - free[kind];
        Kind::ALL.into_iter().map(|kind| self.weights[kind] * distance(kind) * distance(kind)).sum()
    }

    fn product(&self, mix: &Shares, free: &Shares) -> i64 {
        Kind::ALL.into_iter().map(|kind| self.weights[kind] * mix[kind] * free[kind]).sum()
    }
}

impl TaskSize {
    fn taken(&self, kind: Kind, tasks: u64) -> u128 {
        u128::from(self.shares[kind].unsigned_abs()) * u128::from(tasks)
    }
}

/// The least of each kind that one of so many sizes takes.
fn least(sizes: &[Vec<TaskSize>]) -> Option<Vector> {
    sizes.iter().flatten().map(|size| size.size).reduce(|least, size| least.smaller(&size))
}

/// Rounded up, so that nothing takes nothing.
fn shares(size: &Vector, empty: &Vector) -> Shares {
    PerKind::from_fn(|kind| {
        let exact = (u128::from(size.0[kind]) << 16).div_ceil(u128::from(empty.0[kind].max(1)));
        i64::try_from(exact).unwrap_or(WHOLE).min(WHOLE)
    })
}

/// What part of all that a task takes is of each kind, in units of 2^-16.
fn mix(shares: &Shares) -> Shares {
    let sum = shares.values().sum::<i64>().max(1);
    shares.map(|_, share| share * WHOLE / sum)
}

/// The share of all tasks in each kind of resource, 4096 for the one that is most in demand.
fn weights(left: &PerKind<u128>) -> Shares {
    let most = left.values().copied().max().unwrap_or_default().max(1);
    left.map(|_, sum| i64::try_from((sum * 4096).div_ceil(most)).unwrap_or(4096))
}

/// Sizes whose shares have the same power of two and the same next `bits` bits stand together.
fn divide(sizes: &[TaskSize], bits: u32) -> Vec<Vec<TaskSize>> {
    let step = |share: i64| {
        let power = share.max(1).ilog2();
        (power, share >> power.saturating_sub(bits))
    };
    let mut classes: BTreeMap<_, Vec<TaskSize>> = BTreeMap::new();
    for size in sizes {
        classes.entry(size.shares.map(|_, share| step(share))).or_default().push(*size);
    }
    classes.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::super::vector::cpus_mem;
    use super::*;

    fn cpus_mem_shares(cpus: i64, mem: i64) -> Shares {
        PerKind::of(&[(Kind::Cpus, cpus), (Kind::Mem, mem)], 0)
    }

    fn size(shares: Shares, left: u64) -> TaskSize {
        TaskSize { index: 0, size: Vector::default(), shares, mix: mix(&shares), left }
    }

    #[test]
    fn what_is_most_in_demand_counts_most() {
        // 3 halves of cpus; 3 quarters and a half of mem.
        let agent = cpus_mem(4, 4);
        let classes = Classes::new(&agent, &[(cpus_mem(2, 1), 3), (cpus_mem(0, 2), 1)], Measure::Distance);
        assert_eq!(classes.weights, cpus_mem_shares(4096, 3414), "1.25 of 1.5, rounded up");
        let classes = Classes { weights: cpus_mem_shares(2, 3), ..classes };
        let from = PerKind::of(&[(Kind::Cpus, 5), (Kind::Mem, 7)], 9);
        assert_eq!(classes.distance(&from, &cpus_mem_shares(2, 3)), 2 * 9 + 3 * 16);
        assert_eq!(classes.product(&from, &cpus_mem_shares(2, 3)), 2 * 5 * 2 + 3 * 7 * 3);
    }

    #[test]
    fn a_product_does_not_grow_with_a_task() {
        let (small, large) = (mix(&cpus_mem_shares(100, 300)), mix(&cpus_mem_shares(1000, 3000)));
        assert_eq!((small, large), (cpus_mem_shares(16_384, 49_152), cpus_mem_shares(16_384, 49_152)));
        assert_eq!(mix(&Shares::default()), Shares::default());
    }

    #[test]
    fn sizes_that_hardly_differ_are_one_class() {
        let sizes = [16_384, 32_768, 40_000, 50_000].map(|share| size(cpus_mem_shares(share, 0), 1));
        assert_eq!([0, 1, 2, 3].map(|bits| divide(&sizes, bits).len()), [2, 3, 3, 4]);
    }

    #[test]
    fn only_so_many_agents_are_filled() {
        let agent = cpus_mem(4, 4);
        let mut classes = Classes::new(&agent, &[(cpus_mem(3, 1), 5)], Measure::Product);
        assert_eq!(classes.fill(&agent, &agent, 2), Some((cpus_mem(1, 3), 2)));
        assert_eq!(classes.left().collect::<Vec<_>>(), [(0, 3)]);
        assert_eq!(classes.fill(&cpus_mem(2, 4), &agent, 9), None);
        assert_eq!(classes.fill(&agent, &agent, 9), Some((cpus_mem(1, 3), 3)));
        assert_eq!(classes.left().count(), 0);
    }
}
