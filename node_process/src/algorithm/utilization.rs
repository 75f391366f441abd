//! How much of a kind of resource is allocated, compared exactly and printed just as far as it takes to see the difference.

use std::cmp::Ordering;
use std::fmt;

use serde::Serialize;
use shared::resources::{Amount, Kind};

use super::numbers::agents_to_cover;

/// How much of a kind is allocated. Comparisons are exact; only what is printed is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Utilization {
    /// The kind.
    pub kind: Kind,
    /// How much of it tasks use.
    pub used: Amount,
    /// How much of it there is.
    pub total: Amount,
}

impl Utilization {
    /// Above that many percent. Where there is nothing, any use is above any threshold.
    pub(super) fn is_above(self, percent: u32) -> bool {
        self.hundredfold_used() > u128::from(percent) * u128::from(self.total.thousandths())
    }

    /// Below that many percent.
    pub(super) fn is_below(self, percent: u32) -> bool {
        self.hundredfold_used() < u128::from(percent) * u128::from(self.total.thousandths())
    }

    /// How many new agents of that much each bring it down to that many percent; `None` where they never do.
    pub(super) fn agents_for(self, percent: u32, per_agent: Amount) -> Option<u128> {
        let held = u128::from(percent) * u128::from(self.total.thousandths());
        let missing = self.hundredfold_used().saturating_sub(held);
        agents_to_cover(missing, u128::from(percent) * u128::from(per_agent.thousandths()))
    }

    /// With the kind's name, beside a threshold: `cpus 37.7%`.
    pub(super) fn beside(self, percent: u32) -> String {
        format!("{} {}", self.kind, self.percent_beside(percent))
    }

    /// Beside a threshold: with as many decimals as it takes to see the difference.
    pub(super) fn percent_beside(self, percent: u32) -> String {
        const MOST_DECIMALS: u32 = 15;
        if self.total.is_zero() {
            return format!("({}{} used, none available)", self.used, self.kind.unit());
        }
        let reads_equal = |decimals| self.rounded(decimals) == u128::from(percent) * 10_u128.pow(decimals);
        let decimals = (1..MOST_DECIMALS).find(|decimals| !reads_equal(*decimals)).unwrap_or(MOST_DECIMALS);
        format!("{}%", decimal(self.rounded(decimals), decimals))
    }

    /// Percent times ten to the power of `decimals`, rounded to the nearest.
    fn rounded(self, decimals: u32) -> u128 {
        let total = u128::from(self.total.thousandths()).max(1);
        (self.hundredfold_used() * 10_u128.pow(decimals) + total / 2) / total
    }

    fn hundredfold_used(self) -> u128 {
        100 * u128::from(self.used.thousandths())
    }

    /// The higher of the two; of equal ones `self`.
    pub(super) fn higher(self, other: Self) -> Self {
        let product = |a: Amount, b: Amount| u128::from(a.thousandths()) * u128::from(b.thousandths());
        let is_higher = match other.class().cmp(&self.class()) {
            Ordering::Less => false,
            Ordering::Equal => product(other.used, self.total) > product(self.used, other.total),
            Ordering::Greater => true,
        };
        if is_higher { other } else { self }
    }

    /// Any use of nothing is above every share; nothing of nothing is below.
    const fn class(self) -> u8 {
        match (self.total.is_zero(), self.used.is_zero()) {
            (true, true) => 0,
            (false, _) => 1,
            (true, false) => 2,
        }
    }
}

/// `7125` with two decimals is `71.25`, `7100` is `71`.
fn decimal(value: u128, decimals: u32) -> String {
    let unit = 10_u128.pow(decimals);
    let (whole, rest) = (value / unit, value % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let digits = format!("{rest:0width$}", width = usize::try_from(decimals).unwrap_or_default());
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

/// Thousandths of a percent: exact where the field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct MilliPercent(pub u64);

/// `71.5%`: all digits there are.
impl fmt::Display for MilliPercent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", decimal(self.0.into(), 3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(thousandths: u64) -> Amount {
        Amount::from_thousandths(thousandths)
    }

    fn utilization(used: u64, total: u64) -> Utilization {
        Utilization { kind: Kind::Mem, used: amount(used), total: amount(total) }
    }

    #[test]
    fn utilization_at_a_threshold_is_neither_above_nor_below_d1_u1() {
        assert!(!utilization(500, 1000).is_above(50) && !utilization(500, 1000).is_below(50));
        assert!(utilization(501, 1000).is_above(50) && utilization(499, 1000).is_below(50));
        let (used, total) = (Amount::MAX.thousandths() - 1, Amount::MAX.thousandths());
        assert!(utilization(used, total).is_below(100) && !utilization(total, total).is_below(100));
    }

    #[test]
    fn any_use_of_nothing_is_above_any_threshold_u1() {
        assert!(utilization(1, 0).is_above(100));
        assert!(!utilization(0, 0).is_above(1));
        assert_eq!(utilization(2500, 0).beside(80), "mem (2.5 MB used, none available)");
    }

    #[test]
    fn percentages_print_as_many_decimals_as_tell_them_apart() {
        assert_eq!(utilization(712, 1000).beside(50), "mem 71.2%");
        assert_eq!(utilization(500, 1000).beside(50), "mem 50%");
        assert_eq!(utilization(500_001, 1_000_000).beside(50), "mem 50.0001%");
        assert_eq!(utilization(1, 3).beside(50), "mem 33.3%");
        assert_eq!(
            utilization(Amount::MAX.thousandths() / 2 + 1, Amount::MAX.thousandths()).beside(50),
            "mem 50.0000000000001%"
        );
    }

    #[test]
    fn cpu_percentages_print_every_digit_they_have() {
        for (thousandths, text) in [(0, "0%"), (71_500, "71.5%"), (41_999, "41.999%"), (5, "0.005%")] {
            assert_eq!(MilliPercent(thousandths).to_string(), text);
        }
    }

    #[test]
    fn the_highest_utilization_is_found_in_any_order() {
        let (low, high, none, free) = (utilization(1, 4), utilization(3, 4), utilization(1, 0), utilization(0, 0));
        for (a, b, highest) in [(low, high, high), (high, none, none), (low, free, low), (none, free, none)] {
            assert_eq!((a.higher(b), b.higher(a)), (highest, highest));
        }
    }

    #[test]
    fn agents_cover_what_is_missing_to_the_last_thousandth_u1() {
        // 9.2 of 10 cpus at 80%: 920 > 80 · 11, 920 = 80 · 11.5.
        assert_eq!(utilization(9200, 10_000).agents_for(80, amount(500)), Some(3));
        assert_eq!(utilization(9201, 10_000).agents_for(80, amount(500)), Some(4));
        assert_eq!(utilization(9200, 10_000).agents_for(80, Amount::ZERO), None);
        assert_eq!(utilization(8000, 10_000).agents_for(80, Amount::ZERO), Some(0));
    }
}
