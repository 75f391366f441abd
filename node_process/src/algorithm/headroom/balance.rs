//! What is needed and what is free of each kind, in total.

use std::cmp::Reverse;

use shared::resources::{Amount, Kind, PerKind};

use super::super::capacity::{Capacity, Pool};
use super::super::new_agent::NewAgent;
use super::super::numbers::{agents_to_cover, thousandths};
use super::needs::Need;
use super::reason;

/// One kind of resource: what is needed and what is free, both a hundredfold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Balance {
    pub(super) kind: Kind,
    displaced: u128,
    queued: u128,
    growth: u128,
    pub(super) free: u128,
}

impl Balance {
    const fn needed(&self) -> u128 {
        self.displaced.saturating_add(self.queued).saturating_add(self.growth)
    }

    pub(super) const fn missing(&self) -> u128 {
        self.needed().saturating_sub(self.free)
    }

    /// How many new agents cover what is missing; `None` where they have nothing of it.
    pub(super) fn agents(&self, new_agent: Option<NewAgent>) -> Option<u128> {
        agents_to_cover(self.missing(), 100 * thousandths(new_agent.unwrap_or_default().unreserved.get(self.kind)))
    }

    /// The one that needs a larger part of what is free of it; of equal ones, such as two of which nothing is free, `self`.
    fn tighter(self, other: Self) -> Self {
        let is_tighter = other.needed().saturating_mul(self.free) > self.needed().saturating_mul(other.free);
        if is_tighter { other } else { self }
    }

    /// As the reason says it.
    pub(super) fn need(&self) -> reason::Need {
        reason::Need {
            kind: self.kind,
            amount: amount(self.needed()),
            displaced: amount(self.displaced),
            queued: amount(self.queued),
            growth: amount(self.growth),
            free: amount(self.free),
        }
    }
}

/// H1: what all applications together need, of one kind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    queued: u128,
    pub(super) growth: u128,
}

pub(super) fn sums(needs: &[Need<'_>]) -> PerKind<Sum> {
    let total = |of: &dyn Fn(&Need<'_>) -> u128| needs.iter().map(of).fold(0, u128::saturating_add);
    PerKind::from_fn(|kind| Sum { queued: total(&|need| need.queued(kind)), growth: total(&|need| need.growth(kind)) })
}

/// H2: the sum of what is needed, against the sum of what is free.
pub(super) fn balances(sums: &PerKind<Sum>, capacity: &Capacity) -> PerKind<Balance> {
    sums.map(|kind, Sum { queued, growth }| Balance {
        kind,
        displaced: 100 * thousandths(capacity.displaced.get(kind)),
        queued,
        growth,
        free: 100 * thousandths(capacity.free.get(kind)),
    })
}

/// How many new agents cover all that is missing of what they have.
pub(super) fn agents_for_all(balances: &PerKind<Balance>, new_agent: Option<NewAgent>) -> u128 {
    balances.values().filter_map(|balance| balance.agents(new_agent)).max().unwrap_or_default()
}

/// What asks for most new agents; where none is asked for, what is tightest. `None` where nothing is needed.
pub(super) fn binding(pool: &Pool<'_>, before: &PerKind<Balance>, kept: &PerKind<Balance>) -> Option<Balance> {
    let asks = |balance: &Balance| balance.agents(pool.new_agent).unwrap_or_default();
    let asking =
        kept.values().filter(|balance| asks(balance) > 0).max_by_key(|balance| (asks(balance), Reverse(balance.kind)));
    let kind = asking.map(|balance| balance.kind);
    before
        .values()
        .filter(|balance| balance.needed() > 0 && kind.is_none_or(|kind| kind == balance.kind))
        .copied()
        .reduce(Balance::tighter)
}

/// From the hundredfold, rounded up to the thousandth.
pub(super) fn amount(hundredfold: u128) -> Amount {
    Amount::from_thousandths(u64::try_from(hundredfold.div_ceil(100)).unwrap_or(u64::MAX))
}
