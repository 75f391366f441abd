//! C: CPU utilization.

pub(super) mod reason;

use shared::clause::Clause;
use shared::config::CpuRule;
use shared::contract::ClusterSnapshot;
use shared::count::saturated;

use super::capacity::{Capacity, Pool};
use super::ruling::Ruling;
use super::utilization::MilliPercent;
use super::words::Change;
use reason::{CpuLevel, CpuReason, Effect};

/// C1 to C5.
pub(super) fn scale_by_cpu(pool: &Pool<'_>, before: Capacity) -> Ruling {
    let source = pool.policy.source;
    let (clause, after, level, effect) = match source.cpu() {
        Some(rule) if source.needs_masters() => agree(pool, rule, before),
        Some(rule) => alone(pool, rule, before),
        // The utilization is not read, so it is not known and changes nothing.
        None => (Clause::C5, before, CpuLevel::Unknown, Effect::Change(Change::default())),
    };
    Ruling::new(clause, before, after, CpuReason { level, effect })
}

type Finding = (Clause, Capacity, CpuLevel, Effect);

/// C in a pool that nothing else scales: one agent more, one fewer, or none.
fn alone(pool: &Pool<'_>, rule: CpuRule, before: Capacity) -> Finding {
    let (agents, min) = (pool.agents(), pool.policy.limits.min);
    let level = level(pool, rule);
    let (clause, after, effect) = match level {
        CpuLevel::Above { .. } => {
            let after = pool.capacity(0, 1);
            (Clause::C1, after, Effect::Change(Change::between(&before, &after)))
        }
        CpuLevel::Unknown => (Clause::C5, before, Effect::NoChange),
        CpuLevel::Between { .. } => (Clause::C4, before, Effect::NoChange),
        CpuLevel::Below { .. } if agents <= min => (Clause::C2, before, Effect::Min(min)),
        CpuLevel::Below { cpu, .. } if would_rise(cpu, rule, agents, 1) => {
            let effect = Effect::WouldRise { to: without_one(cpu, agents), threshold: threshold(rule) };
            (Clause::C3, before, effect)
        }
        CpuLevel::Below { .. } => (Clause::C2, pool.capacity(1, 0), Effect::RemovesOne),
    };
    (clause, after, level, effect)
}

/// C in a pool of a Mesos cluster, after D, H, and U: an agent is added where either requires it, and removed where both
/// allow it.
fn agree(pool: &Pool<'_>, rule: CpuRule, before: Capacity) -> Finding {
    let level = level(pool, rule);
    let (clause, after) = match level {
        CpuLevel::Unknown => (Clause::C5, pool.capacity(0, before.added)),
        CpuLevel::Above { .. } => (Clause::C1, pool.capacity(0, before.added.max(1))),
        CpuLevel::Between { .. } => (Clause::C4, pool.capacity(0, before.added)),
        CpuLevel::Below { cpu, .. } => {
            let is_allowed = |removed: &usize| !would_rise(cpu, rule, pool.agents(), *removed);
            // To remove none is always allowed.
            let removed = (0..=before.removed).rev().find(is_allowed).unwrap_or_default();
            (if removed < before.removed { Clause::C3 } else { Clause::C2 }, pool.capacity(removed, before.added))
        }
    };
    let change = Change::between(&before, &after);
    let effect = match clause {
        Clause::C3 => {
            Effect::WouldRiseWithout { fewer: saturated(after.removed + 1), threshold: threshold(rule), change }
        }
        _ => Effect::Change(change),
    };
    (clause, after, level, effect)
}

/// D6: whether C, after other rules, asks for no agent more than these.
pub(super) fn does_without(pool: &Pool<'_>, removed: usize) -> bool {
    let Some(rule) = pool.policy.source.cpu() else { return true };
    match level(pool, rule) {
        CpuLevel::Below { cpu, .. } => !would_rise(cpu, rule, pool.agents(), removed),
        CpuLevel::Unknown | CpuLevel::Above { .. } | CpuLevel::Between { .. } => false,
    }
}

fn level(pool: &Pool<'_>, rule: CpuRule) -> CpuLevel {
    utilization(pool.snapshot).map_or(CpuLevel::Unknown, |cpu| beside(cpu, rule))
}

/// C5: `None` where the snapshot has none, or what cannot be a percentage.
fn utilization(snapshot: &ClusterSnapshot) -> Option<MilliPercent> {
    /// The most percent that a snapshot can mean.
    const MAX_PERCENT: f64 = 100.0;
    let percent = snapshot.cpu_utilization_percent.filter(|percent| (0.0..=MAX_PERCENT).contains(percent))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    Some(MilliPercent((1000.0 * percent).round() as u64))
}

const fn beside(cpu: MilliPercent, rule: CpuRule) -> CpuLevel {
    let (threshold, lower) = (threshold(rule), lower_threshold(rule));
    if cpu.0 > threshold.0 {
        CpuLevel::Above { cpu, threshold }
    } else if cpu.0 < lower.0 {
        CpuLevel::Below { cpu, lower }
    } else {
        CpuLevel::Between { cpu, threshold, lower }
    }
}

const fn threshold(rule: CpuRule) -> MilliPercent {
    MilliPercent(1000 * rule.scale_out_threshold as u64)
}

/// What an agent is removed below: a thousandth of a percent is a percent times a thousandth.
const fn lower_threshold(rule: CpuRule) -> MilliPercent {
    MilliPercent(rule.scale_out_threshold as u64 * rule.scale_down_ratio_thousandths as u64)
}

/// C3: whether the same load on so many agents fewer is above the threshold.
fn would_rise(cpu: MilliPercent, rule: CpuRule, agents: u32, fewer: usize) -> bool {
    let left = u128::from(agents.saturating_sub(saturated(fewer)));
    u128::from(cpu.0) * u128::from(agents) > u128::from(threshold(rule).0) * left
}

/// What that load is on one agent fewer, rounded up: so it never reads as a threshold that it is above.
fn without_one(cpu: MilliPercent, agents: u32) -> Option<MilliPercent> {
    let load = u128::from(cpu.0) * u128::from(agents);
    let left = u128::from(agents).checked_sub(1).filter(|left| *left > 0)?;
    u64::try_from(load.div_ceil(left)).ok().map(MilliPercent)
}

#[cfg(test)]
mod tests {
    use super::super::ruling::Reason;
    use super::*;
    use cluster::{Cluster, policy, resources};

    const RULE: CpuRule = CpuRule { scale_out_threshold: 60, scale_down_ratio_thousandths: 700 };
    const THRESHOLD: MilliPercent = MilliPercent(60_000);
    const LOWER: MilliPercent = MilliPercent(42_000);

    fn above(cpu: u64) -> CpuLevel {
        CpuLevel::Above { cpu: MilliPercent(cpu), threshold: THRESHOLD }
    }

    fn between(cpu: u64) -> CpuLevel {
        CpuLevel::Between { cpu: MilliPercent(cpu), threshold: THRESHOLD, lower: LOWER }
    }

    fn below(cpu: u64) -> CpuLevel {
        CpuLevel::Below { cpu: MilliPercent(cpu), lower: LOWER }
    }

    fn level_of(percent: f64) -> Option<CpuLevel> {
        let snapshot = Cluster::default().snapshot();
        utilization(&ClusterSnapshot { cpu_utilization_percent: Some(percent), ..snapshot })
            .map(|cpu| beside(cpu, RULE))
    }

    #[test]
    fn at_a_threshold_utilization_is_neither_above_nor_below_c1_c2_c4() {
        // 60 · 0.7 is exactly 42, which as binary fractions it is not.
        assert_eq!(level_of(60.0), Some(between(60_000)));
        assert_eq!(level_of(60.001), Some(above(60_001)));
        assert_eq!(level_of(42.0), Some(between(42_000)));
        assert_eq!(level_of(41.999), Some(below(41_999)));
        assert_eq!(level_of(0.1 + 0.2), Some(below(300)));
    }

    #[test]
    fn what_is_no_percentage_is_unknown_c5() {
        for percent in [-0.1, 100.1, 1e308, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(level_of(percent), None, "{percent}");
        }
        assert_eq!(level_of(100.0), Some(above(100_000)));
    }

    #[test]
    fn the_load_is_the_same_on_fewer_agents_c3() {
        // 40% on three agents are 60% on two, which is not above 60%.
        let would_rise = |cpu, agents, fewer| would_rise(MilliPercent(cpu), RULE, agents, fewer);
        assert!(!would_rise(40_000, 3, 1));
        assert!(would_rise(40_001, 3, 1));
        assert_eq!(without_one(MilliPercent(40_001), 3), Some(MilliPercent(60_002)));
        assert!(would_rise(1, 1, 1) && !would_rise(0, 1, 1));
        assert!(would_rise(100_000, u32::MAX, 1) && !would_rise(0, 0, 9));
        assert_eq!(without_one(MilliPercent(1), 1), None);
    }

    /// What C makes of ten idle agents of which D has removed `removed` and H and U have added `added`.
    fn agreed(cpu: Option<f64>, removed: usize, added: u32) -> (usize, u32, Clause, Reason) {
        let snapshot = Cluster::of(10, resources(4, 14_000)).snapshot();
        let snapshot = ClusterSnapshot { cpu_utilization_percent: cpu, ..snapshot };
        let policy = policy("cpu_utilization = true").unwrap();
        let pool = Pool::new(&snapshot, &policy);
        let ruling = scale_by_cpu(&pool, pool.capacity(removed, added));
        (ruling.capacity.removed, ruling.capacity.added, ruling.clause, ruling.reason)
    }

    #[test]
    fn either_rule_adds_and_both_must_allow_a_removal_c1_to_c5() {
        // C1 to C5 in a pool of a Mesos cluster.
        let change = |kept, of_removed, added| Change { kept, of_removed, added };
        let with = |kept, of_removed, added| Effect::Change(change(kept, of_removed, added));
        let too_few = Effect::WouldRiseWithout { fewer: 4, threshold: THRESHOLD, change: change(2, 5, 0) };
        for (cpu, before, after, clause, level, effect) in [
            (Some(71.5), (0, 0), (0, 1), Clause::C1, above(71_500), with(0, 0, 1)),
            (Some(71.5), (0, 3), (0, 3), Clause::C1, above(71_500), with(0, 0, 0)),
            (Some(71.5), (2, 0), (0, 1), Clause::C1, above(71_500), with(2, 2, 1)),
            (Some(30.0), (2, 0), (2, 0), Clause::C2, below(30_000), with(0, 2, 0)),
            (Some(30.0), (0, 3), (0, 3), Clause::C2, below(30_000), with(0, 0, 0)),
            (Some(41.0), (5, 0), (3, 0), Clause::C3, below(41_000), too_few),
            (Some(50.0), (1, 0), (0, 0), Clause::C4, between(50_000), with(1, 1, 0)),
            (None, (1, 0), (0, 0), Clause::C5, CpuLevel::Unknown, with(1, 1, 0)),
            (None, (0, 2), (0, 2), Clause::C5, CpuLevel::Unknown, with(0, 0, 0)),
        ] {
            let reason = Reason::Cpu(CpuReason { level, effect });
            assert_eq!(agreed(cpu, before.0, before.1), (after.0, after.1, clause, reason));
        }
    }
}
