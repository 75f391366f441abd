//! A bound that no packing of a few sizes can beat, by column generation (Gilmore and Gomory, "A Linear Programming Approach to
//! the Cutting-Stock Problem", 1961): prices of the tasks for which no agent holds more than 1 in all. The prices of all
//! tasks together are then no more than the agents that hold them.

#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers that are not negative")]

use std::collections::BTreeMap;

use shared::resources::Kind;

use super::bins::lower_bound;
use super::vector::{Tasks, Vector};

/// Shares of an agent: of its cpus and of its mem.
type Shares = [f64; 2];

/// What floating point may be off by.
const SLACK: f64 = 1e-9;

/// No fewer agents hold these tasks.
pub(super) fn column_generation(agent: &Vector, tasks: &[Tasks]) -> u64 {
    let mut counts: BTreeMap<Vector, u64> = BTreeMap::new();
    tasks.iter().for_each(|(size, count)| *counts.entry(*size).or_default() += count);
    let share = |size: &Vector, kind: Kind| size.0[kind] as f64 / agent.0[kind] as f64;
    let sizes: Vec<Shares> = counts.keys().map(|size| [Kind::Cpus, Kind::Mem].map(|kind| share(size, kind))).collect();
    let counts: Vec<u64> = counts.into_values().collect();
    let bound = Master::new(&sizes, &counts).bound();
    lower_bound(agent, tasks).max((bound - 1e-6).ceil() as u64)
}

/// The linear program over the patterns found so far, by the revised simplex method.
struct Master<'a> {
    sizes: &'a [Shares],
    counts: &'a [u64],
    /// The inverse of the basis.
    inverse: Vec<Vec<f64>>,
    /// What each column of the basis costs: 1 for a pattern, 0 for tasks that are placed more often than there are.
    costs: Vec<f64>,
}

impl<'a> Master<'a> {
    /// To begin with, every agent holds tasks of one size.
    fn new(sizes: &'a [Shares], counts: &'a [u64]) -> Self {
        let fitting = |size: &Shares, count: u64| times(size, &[1.0, 1.0]).min(count).max(1) as f64;
        let row = |number: usize| {
            (0..sizes.len())
                .map(|other| if other == number { 1.0 / fitting(&sizes[number], counts[number]) } else { 0.0 })
                .collect()
        };
        Self { sizes, counts, inverse: (0..sizes.len()).map(row).collect(), costs: vec![1.0; sizes.len()] }
    }

    fn bound(mut self) -> f64 {
        let rows = 0..self.sizes.len();
        let mut best = 0.0_f64;
        for _ in 0..1000 {
            let price = |size: usize| rows.clone().map(|row| self.costs[row] * self.inverse[row][size]).sum::<f64>();
            let prices: Vec<f64> = rows.clone().map(price).collect();
            let positive: Vec<f64> = prices.iter().map(|price| price.max(0.0)).collect();
            let (most, pattern) = Knapsack::fill(self.sizes, self.counts, &positive);
            let all: f64 = positive.iter().zip(self.counts).map(|(price, count)| price * *count as f64).sum();
            // Prices at which an agent holds `most` are `most` times too high.
            best = best.max(all / most.max(1.0));
            let lowest = rows.clone().min_by(|a, b| prices[*a].total_cmp(&prices[*b])).unwrap();
            let (column, cost): (Vec<f64>, f64) = if prices[lowest] < -SLACK {
                (rows.clone().map(|row| -self.inverse[row][lowest]).collect(), 0.0)
            } else if most > 1.0 + SLACK {
                let entry = |row: usize| rows.clone().map(|size| self.inverse[row][size] * pattern[size] as f64).sum();
                (rows.clone().map(entry).collect(), 1.0)
            } else {
                break;
            };
            if !self.enter(&column, cost) {
                break;
            }
        }
        best
    }

    /// Takes a column into the basis for the one that it drives out first.
    fn enter(&mut self, column: &[f64], cost: f64) -> bool {
        let placed =
            |row: usize| self.inverse[row].iter().zip(self.counts).map(|(a, count)| a * *count as f64).sum::<f64>();
        let ratio = |row: usize| -> f64 { placed(row) / column[row] };
        let leaving = (0..column.len()).filter(|row| column[*row] > SLACK);
        let Some(leaving) = leaving.min_by(|a, b| ratio(*a).total_cmp(&ratio(*b))) else { return false };
        let entered: Vec<f64> = self.inverse[leaving].iter().map(|entry| entry / column[leaving]).collect();
        for (row, entries) in self.inverse.iter_mut().enumerate() {
            for (entry, new) in entries.iter_mut().zip(&entered) {
                *entry = if row == leaving { *new } else { *entry - column[row] * new };
            }
        }
        self.costs[leaving] = cost;
        true
    }
}

/// The tasks that are worth most on one agent, exactly: by branch and bound.
struct Knapsack<'a> {
    sizes: &'a [Shares],
    counts: &'a [u64],
    prices: &'a [f64],
    /// The sizes that are worth anything, those first that are worth most for what they take.
    order: Vec<usize>,
    /// From each place in the order on, the most that a share of cpus, of mem, and of both together is worth.
    rates: Vec<[f64; 3]>,
    pattern: Vec<u64>,
    best: (f64, Vec<u64>),
}

impl<'a> Knapsack<'a> {
    fn fill(sizes: &'a [Shares], counts: &'a [u64], prices: &'a [f64]) -> (f64, Vec<u64>) {
        let rates = |size: usize| {
            let ([cpus, mem], price) = (sizes[size], prices[size]);
            [price / cpus.max(1e-12), price / mem.max(1e-12), price / (cpus + mem)]
        };
        let mut order: Vec<usize> = (0..sizes.len()).filter(|size| prices[*size] > SLACK).collect();
        order.sort_by(|a, b| rates(*b)[2].total_cmp(&rates(*a)[2]));
        let mut rest = [0.0; 3];
        let mut suffix: Vec<[f64; 3]> = vec![rest];
        for size in order.iter().rev() {
            let own = rates(*size);
            rest = [0, 1, 2].map(|kind| f64::max(rest[kind], own[kind]));
            suffix.push(rest);
        }
        suffix.reverse();
        let none = vec![0; sizes.len()];
        let mut search = Self { sizes, counts, prices, order, rates: suffix, pattern: none.clone(), best: (0.0, none) };
        search.branch(0, [1.0, 1.0], 0.0);
        search.best
    }

    fn branch(&mut self, place: usize, free: Shares, worth: f64) {
        if worth > self.best.0 + SLACK {
            self.best = (worth, self.pattern.clone());
        }
        let Some(size) = self.order.get(place).copied() else { return };
        let [cpus, mem, both] = self.rates[place];
        let at_most = (free[0] * cpus).min(free[1] * mem).min((free[0] + free[1]) * both);
        if worth + at_most <= self.best.0 + SLACK {
            return;
        }
        let taken = self.sizes[size];
        for count in (0..=times(&taken, &free).min(self.counts[size])).rev() {
            self.pattern[size] = count;
            let rest = [0, 1].map(|kind| free[kind] - taken[kind] * count as f64);
            self.branch(place + 1, rest, worth + self.prices[size] * count as f64);
        }
        self.pattern[size] = 0;
    }
}

/// How often a size fits.
fn times(size: &Shares, free: &Shares) -> u64 {
    let times = |kind: usize| if size[kind] > 0.0 { ((free[kind] + SLACK) / size[kind]) as u64 } else { u64::MAX };
    times(0).min(times(1))
}

#[test]
fn no_packing_beats_the_bound_of_column_generation() {
    let agent = super::vector::cpus_mem(4_000, 14_000);
    let size = super::vector::cpus_mem;
    for (tasks, agents) in [
        (vec![(size(250, 4_666), 6), (size(500, 256), 12)], 3),
        // By their sum 4 agents; no two share one.
        (vec![(size(2_001, 100), 7)], 7),
        // Two of the first share an agent, or one of each: 12 / 2.
        (vec![(size(1_900, 100), 6), (size(2_050, 100), 6)], 6),
        // No three share one, where the sum says 5.
        (vec![(size(1_400, 100), 4), (size(1_350, 100), 8)], 6),
    ] {
        assert_eq!(column_generation(&agent, &tasks), agents, "{tasks:?}");
        assert!(super::bins::pack(&agent, &tasks).count >= agents, "{tasks:?}");
    }
}
