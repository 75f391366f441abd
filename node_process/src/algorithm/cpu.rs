//! C: CPU utilization.

use shared::clause::Clause;
use shared::config::CpuRule;
use shared::contract::{ClusterSnapshot, Step};

use super::capacity::{Capacity, Pool, count, counted, step};
use super::limits::Wanted;

/// The most percent that a snapshot can mean.
const MAX_PERCENT: f64 = 100.0;

/// A group's CPU utilization in thousandths of a percent: exact from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cpu(u64);

/// What the rule says of a utilization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CpuLevel {
    /// C5
    Unknown,
    /// C1
    Above(Cpu),
    /// C4
    Between(Cpu),
    /// C2
    Below(Cpu),
}

impl Cpu {
    /// `None` where the snapshot has none, or what cannot be a percentage.
    fn of(snapshot: &ClusterSnapshot) -> Option<Self> {
        let percent = snapshot.cpu_utilization_percent.filter(|percent| (0.0..=MAX_PERCENT).contains(percent))?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
        Some(Self((1000.0 * percent).round() as u64))
    }

    const fn level(self, rule: CpuRule) -> CpuLevel {
        if self.0 > threshold(rule).0 {
            CpuLevel::Above(self)
        } else if self.0 < mark(rule).0 {
            CpuLevel::Below(self)
        } else {
            CpuLevel::Between(self)
        }
    }

    /// C3: whether the same load on so many agents fewer is above the threshold.
    fn would_rise(self, rule: CpuRule, agents: u32, fewer: usize) -> bool {
        let left = u128::from(agents.saturating_sub(count(fewer)));
        u128::from(self.0) * u128::from(agents) > u128::from(threshold(rule).0) * left
    }

    /// What that load is on one agent fewer, rounded up: so it never reads as a threshold that it is above.
    fn without_one(self, agents: u32) -> Option<Self> {
        let load = u128::from(self.0) * u128::from(agents);
        let left = u128::from(agents).checked_sub(1).filter(|left| *left > 0)?;
        u64::try_from(load.div_ceil(left)).ok().map(Self)
    }
}

/// `71.5 %`: all digits there are.
impl std::fmt::Display for Cpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, thousandths) = (self.0 / 1000, self.0 % 1000);
        match thousandths {
            0 => write!(f, "{whole} %"),
            _ => write!(f, "{whole}.{} %", format!("{thousandths:03}").trim_end_matches('0')),
        }
    }
}

const fn threshold(rule: CpuRule) -> Cpu {
    Cpu(1000 * rule.scale_out_threshold as u64)
}

/// What an agent goes below: a thousandth of a percent is a percent times a thousandth.
const fn mark(rule: CpuRule) -> Cpu {
    Cpu(rule.scale_out_threshold as u64 * rule.scale_down_ratio_thousandths as u64)
}

fn level(pool: &Pool<'_>, rule: CpuRule) -> CpuLevel {
    Cpu::of(pool.snapshot).map_or(CpuLevel::Unknown, |cpu| cpu.level(rule))
}

/// C in a pool that nothing else scales: one agent more, one fewer, or none.
pub(super) fn scale(pool: &Pool<'_>, rule: CpuRule) -> (Wanted, Step) {
    let (observed, agents) = (pool.observed(), pool.agents());
    let level = level(pool, rule);
    // Nothing was taken out before.
    let wanted = |capacity, is_kept_by_min| Wanted { after_scale_down: observed, is_kept_by_min, capacity };
    let (clause, wanted, what) = match level {
        CpuLevel::Above(_) => (Clause::C1, wanted(pool.capacity(0, 1), false), ": adds 1 agent".to_owned()),
        CpuLevel::Unknown => (Clause::C5, wanted(observed, false), ": no agent comes and none goes".to_owned()),
        CpuLevel::Between(_) => (Clause::C4, wanted(observed, false), String::new()),
        CpuLevel::Below(_) if agents <= pool.policy.limits.min => {
            (Clause::C2, wanted(observed, true), format!(", but min is {}", pool.policy.limits.min))
        }
        CpuLevel::Below(cpu) if cpu.would_rise(rule, agents, 1) => {
            let then = match cpu.without_one(agents) {
                Some(then) => format!(", but one agent less would bring it to {then}, above {}", threshold(rule)),
                None => ", but the last agent is in use".to_owned(),
            };
            (Clause::C3, wanted(observed, false), then)
        }
        CpuLevel::Below(_) => (Clause::C2, wanted(pool.capacity(1, 0), false), ": takes out 1 agent".to_owned()),
    };
    let step = step(clause, agents, wanted.capacity.agents, phrase(level, rule) + &what);
    (wanted, step)
}

/// C in a pool of a Mesos cluster, after D, H and U: an agent comes where either asks for it, and goes where both allow it.
pub(super) fn agree(pool: &Pool<'_>, rule: CpuRule, before: Capacity) -> (Capacity, Step) {
    let level = level(pool, rule);
    let (clause, after) = match level {
        CpuLevel::Unknown => (Clause::C5, pool.capacity(0, before.added)),
        CpuLevel::Above(_) => (Clause::C1, pool.capacity(0, before.added.max(1))),
        CpuLevel::Between(_) => (Clause::C4, pool.capacity(0, before.added)),
        CpuLevel::Below(cpu) => {
            let may_go = |removed: &usize| !cpu.would_rise(rule, pool.agents(), *removed);
            // Nobody has to go for that.
            let removed = (0..=before.removed).rev().find(may_go).unwrap_or_default();
            (if removed < before.removed { Clause::C3 } else { Clause::C2 }, pool.capacity(removed, before.added))
        }
    };
    let mut reason = phrase(level, rule);
    let mut what = Vec::new();
    if after.removed < before.removed {
        let back = counted(count(before.removed - after.removed), "agent");
        if clause == Clause::C3 {
            let gone = counted(count(after.removed + 1), "agent");
            reason.push_str(&format!(", but {gone} less would bring it above {}", threshold(rule)));
        }
        what.push(format!("takes back {back} that D took out"));
    }
    if after.added > before.added {
        what.push(format!("adds {}", counted(after.added - before.added, "agent")));
    }
    if !what.is_empty() {
        reason.push_str(&format!(": {}", what.join(", ")));
    }
    (after, step(clause, before.agents, after.agents, reason))
}

fn phrase(level: CpuLevel, rule: CpuRule) -> String {
    let (above, below) = (threshold(rule), mark(rule));
    match level {
        CpuLevel::Unknown => "the CPU utilization is not known".to_owned(),
        CpuLevel::Above(cpu) => format!("CPU utilization {cpu} is above {above}"),
        CpuLevel::Between(cpu) => format!("CPU utilization {cpu} is not above {above} and not below {below}"),
        CpuLevel::Below(cpu) => format!("CPU utilization {cpu} is below {below}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster::{Cluster, policy, resources};

    const RULE: CpuRule = CpuRule { scale_out_threshold: 60, scale_down_ratio_thousandths: 700 };

    fn level_of(percent: f64) -> Option<CpuLevel> {
        let snapshot = Cluster::default().snapshot();
        Cpu::of(&ClusterSnapshot { cpu_utilization_percent: Some(percent), ..snapshot }).map(|cpu| cpu.level(RULE))
    }

    #[test]
    fn at_a_threshold_utilization_is_neither_above_nor_below() {
        // C1, C2, C4: 60 · 0.7 is exactly 42, which as binary fractions it is not.
        assert_eq!(level_of(60.0), Some(CpuLevel::Between(Cpu(60_000))));
        assert_eq!(level_of(60.001), Some(CpuLevel::Above(Cpu(60_001))));
        assert_eq!(level_of(42.0), Some(CpuLevel::Between(Cpu(42_000))));
        assert_eq!(level_of(41.999), Some(CpuLevel::Below(Cpu(41_999))));
        assert_eq!(level_of(0.1 + 0.2), Some(CpuLevel::Below(Cpu(300))));
    }

    #[test]
    fn what_is_no_percentage_is_not_known() {
        // C5
        for percent in [-0.1, 100.1, 1e308, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(level_of(percent), None, "{percent}");
        }
        assert_eq!(level_of(100.0), Some(CpuLevel::Above(Cpu(100_000))));
    }

    #[test]
    fn the_load_is_the_same_on_fewer_agents() {
        // C3: 40 % on three agents are 60 % on two, which is not above 60 %.
        assert!(!Cpu(40_000).would_rise(RULE, 3, 1));
        assert!(Cpu(40_001).would_rise(RULE, 3, 1));
        assert_eq!(Cpu(40_001).without_one(3).unwrap().to_string(), "60.002 %");
        assert!(Cpu(1).would_rise(RULE, 1, 1) && !Cpu(0).would_rise(RULE, 1, 1));
        assert!(Cpu(100_000).would_rise(RULE, u32::MAX, 1) && !Cpu(0).would_rise(RULE, 0, 9));
        assert_eq!(Cpu(1).without_one(1), None);
    }

    #[test]
    fn percentages_print_every_digit_they_have() {
        for (thousandths, text) in [(0, "0 %"), (71_500, "71.5 %"), (41_999, "41.999 %"), (5, "0.005 %")] {
            assert_eq!(Cpu(thousandths).to_string(), text);
        }
    }

    /// What C makes of ten idle agents of which D has taken out `removed` and H and U have added `added`.
    fn agreed(cpu: Option<f64>, removed: usize, added: u32) -> (usize, u32, Clause, String) {
        let snapshot = Cluster::of(10, resources(4, 14_000)).snapshot();
        let snapshot = ClusterSnapshot { cpu_utilization_percent: cpu, ..snapshot };
        let policy = policy("cpu_utilization = true").unwrap();
        let pool = Pool::new(&snapshot, &policy);
        let (capacity, step) = agree(&pool, RULE, pool.capacity(removed, added));
        (capacity.removed, capacity.added, step.clause, step.reason)
    }

    #[test]
    fn an_agent_goes_where_both_allow_it_and_comes_where_either_asks() {
        // C1 to C5 in a pool of a Mesos cluster.
        for (cpu, removed, added, expected) in [
            (Some(71.5), 0, 0, (0, 1, Clause::C1, "CPU utilization 71.5 % is above 60 %: adds 1 agent")),
            (Some(71.5), 0, 3, (0, 3, Clause::C1, "CPU utilization 71.5 % is above 60 %")),
            (
                Some(71.5),
                2,
                0,
                (
                    0,
                    1,
                    Clause::C1,
                    "CPU utilization 71.5 % is above 60 %: takes back 2 agents that D took out, adds 1 agent",
                ),
            ),
            (Some(30.0), 2, 0, (2, 0, Clause::C2, "CPU utilization 30 % is below 42 %")),
            (Some(30.0), 0, 3, (0, 3, Clause::C2, "CPU utilization 30 % is below 42 %")),
            (
                Some(41.0),
                5,
                0,
                (
                    3,
                    0,
                    Clause::C3,
                    "CPU utilization 41 % is below 42 %, but 4 agents less would bring it above 60 %: takes back 2 \
                     agents that D took out",
                ),
            ),
            (
                Some(50.0),
                1,
                0,
                (
                    0,
                    0,
                    Clause::C4,
                    "CPU utilization 50 % is not above 60 % and not below 42 %: takes back 1 agent that D took out",
                ),
            ),
            (None, 1, 0, (0, 0, Clause::C5, "the CPU utilization is not known: takes back 1 agent that D took out")),
            (None, 0, 2, (0, 2, Clause::C5, "the CPU utilization is not known")),
        ] {
            let (removed, added, clause, reason) = agreed(cpu, removed, added);
            assert_eq!((removed, added, clause, reason.as_str()), expected);
        }
    }
}
