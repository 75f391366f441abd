//! L in words: each limit that changed what the rules require.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use shared::config::StepLimit;
use shared::text::counted;

use super::super::step::StepReason;
use super::super::words::Incomplete;

/// What the limits make of what the rules require.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitsReason {
    /// No limit changed it.
    Within {
        /// `min`.
        min: u32,
        /// `max`.
        max: Option<u32>,
        /// Agents that are expected to re-register.
        recovered: u32,
    },
    /// These did, in this order.
    Limited(Vec<Limited>),
}

/// A limit, and what it makes of the change before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Limited {
    /// How many agents more the rules and limits before it require; negative: fewer.
    pub from: i64,
    /// How many of them it leaves, or requires itself.
    pub to: i64,
    /// The limit.
    pub by: Limit,
}

/// What limits a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// L1
    Max(u32),
    /// L1
    Min {
        /// `min`.
        min: u32,
        /// Agents that are expected to re-register.
        recovered: u32,
    },
    /// L2: one agent at a time in a pool of CloudWatch.
    CloudWatch,
    /// L2
    ScaleUpStep(StepLimit),
    /// L2
    ScaleDownStep(StepReason),
    /// L2: no more agents can be removed.
    Candidates,
    /// L2
    ScaleDownTasks {
        /// `max_scale_down_tasks`.
        max: u32,
        /// How many tasks would have to move.
        moving: u64,
    },
    /// L3
    Incomplete(Incomplete),
    /// L0
    Paused {
        /// `pause_until`.
        until: Timestamp,
    },
}

impl LimitsReason {
    /// The limits that changed anything.
    pub(crate) fn limits(&self) -> impl Iterator<Item = &Limit> {
        let limited = match self {
            Self::Within { .. } => &[],
            Self::Limited(limited) => limited.as_slice(),
        };
        limited.iter().map(|limited| &limited.by)
    }
}

impl Limit {
    fn name(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Max(max) => write!(f, "max = {max}"),
            Self::Min { min, .. } => write!(f, "min = {min}"),
            Self::CloudWatch => f.write_str("source = \"cloudwatch\""),
            Self::ScaleUpStep(max) => write!(f, "max_scale_up_step = {max}"),
            Self::ScaleDownStep(step) => write!(f, "{step}"),
            Self::Candidates => f.write_str("candidates without protected tasks"),
            Self::ScaleDownTasks { max, .. } => write!(f, "max_scale_down_tasks = {max}"),
            Self::Incomplete(incomplete) => write!(f, "{incomplete}"),
            Self::Paused { until } => write!(f, "paused until {}", shared::time::format(*until)),
        }
    }
}

impl Limited {
    /// The first limit says what it limits, the others go on from there.
    fn sentence(&self, f: &mut fmt::Formatter<'_>, is_first: bool) -> fmt::Result {
        self.by.name(f)?;
        let (from, to) = (self.from, self.to);
        let direction = |agents: i64| if agents < 0 { "fewer" } else { "more" };
        match &self.by {
            Limit::Incomplete(_) if from < 0 => return f.write_str(": removes no agent"),
            Limit::Incomplete(_) | Limit::Paused { .. } => return f.write_str(": changes nothing"),
            Limit::Candidates => f.write_str(" allow ")?,
            Limit::Max(_) | Limit::Min { .. } if from.signum() != to.signum() && to != 0 || from.abs() < to.abs() => {
                let agents = counted(to.unsigned_abs(), &format!("{} agent", direction(to)));
                write!(f, " requires {agents}")?;
                return match self.by {
                    Limit::Min { recovered: recovered @ 1.., .. } => {
                        write!(f, " with {} about to re-register", counted(recovered, "agent"))
                    }
                    _ => Ok(()),
                };
            }
            _ => f.write_str(" allows ")?,
        }
        write!(f, "{}", to.abs())?;
        if is_first {
            write!(f, " of {}", counted(from.unsigned_abs(), &format!("{} agent", direction(from))))?;
        }
        match self.by {
            Limit::ScaleDownTasks { moving, .. } => write!(f, ", which would move {}", counted(moving, "task")),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for LimitsReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Within { min, max, recovered } => {
                match max {
                    Some(max) => write!(f, "within min = {min} and max = {max}")?,
                    None => write!(f, "not below min = {min}")?,
                }
                match recovered {
                    0 => Ok(()),
                    recovered => write!(f, " with {} about to re-register", counted(*recovered, "agent")),
                }
            }
            Self::Limited(limits) => limits.iter().enumerate().try_for_each(|(index, limited)| {
                if index > 0 {
                    f.write_str("; ")?;
                }
                limited.sentence(f, index == 0)
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::step::StepBy;
    use super::*;
    use shared::contract::CompletenessLevel;

    fn step(max: u32, decommissioning: u32) -> StepReason {
        StepReason { max: StepLimit::Agents(max), by: StepBy::Setting, decommissioning }
    }

    fn text(limits: &[(i64, i64, Limit)]) -> String {
        let limited = |(from, to, by): &(i64, i64, Limit)| Limited { from: *from, to: *to, by: by.clone() };
        LimitsReason::Limited(limits.iter().map(limited).collect()).to_string()
    }

    #[test]
    fn within_all_limits_min_and_max_are_named_l1() {
        let within = |max, recovered| LimitsReason::Within { min: 10, max, recovered }.to_string();
        assert_eq!(within(Some(100), 0), "within min = 10 and max = 100");
        assert_eq!(within(None, 0), "not below min = 10");
        assert_eq!(within(None, 1), "not below min = 10 with 1 agent about to re-register");
    }

    #[test]
    fn every_limit_has_a_sentence_l0_to_l3() {
        let partial = Incomplete { level: CompletenessLevel::Partial, cause: None };
        let blind = Incomplete { level: CompletenessLevel::Blind, cause: None };
        let until = "2026-12-24T18:00:00Z".parse().unwrap();
        for (from, to, limit, expected) in [
            (3, 1, Limit::Max(6), "max = 6 allows 1 of 3 more agents"),
            (3, 0, Limit::Max(5), "max = 5 allows 0 of 3 more agents"),
            (3, -1, Limit::Max(4), "max = 4 requires 1 fewer agent"),
            (0, -10, Limit::Max(50), "max = 50 requires 10 fewer agents"),
            (0, 18, Limit::Min { min: 20, recovered: 0 }, "min = 20 requires 18 more agents"),
            (
                3,
                5,
                Limit::Min { min: 8, recovered: 1 },
                "min = 8 requires 5 more agents with 1 agent about to re-register",
            ),
            (-3, -1, Limit::Min { min: 8, recovered: 0 }, "min = 8 allows 1 of 3 fewer agents"),
            (5, 1, Limit::CloudWatch, "source = \"cloudwatch\" allows 1 of 5 more agents"),
            (3, 2, Limit::ScaleUpStep(StepLimit::Agents(2)), "max_scale_up_step = 2 allows 2 of 3 more agents"),
            (-3, -2, Limit::ScaleDownStep(step(2, 0)), "max_scale_down_step = 2 allows 2 of 3 fewer agents"),
            (
                -1,
                0,
                Limit::ScaleDownStep(step(1, 1)),
                "max_scale_down_step = 1 with 1 agent already decommissioning allows 0 of 1 fewer agent",
            ),
            (-4, -1, Limit::Candidates, "candidates without protected tasks allow 1 of 4 fewer agents"),
            (
                -4,
                -2,
                Limit::ScaleDownTasks { max: 5, moving: 8 },
                "max_scale_down_tasks = 5 allows 2 of 4 fewer agents, which would move 8 tasks",
            ),
            (-1, 0, Limit::Incomplete(partial), "the snapshot is partial: removes no agent"),
            (2, 0, Limit::Incomplete(blind), "the snapshot is blind: changes nothing"),
            (2, 0, Limit::Paused { until }, "paused until 2026-12-24T18:00:00.000Z: changes nothing"),
        ] {
            assert_eq!(text(&[(from, to, limit)]), expected);
        }
    }

    #[test]
    fn a_second_limit_goes_on_from_the_first_l1_l2() {
        let limit = Limit::ScaleDownStep(step(1, 0));
        assert_eq!(
            text(&[(0, -10, Limit::Max(50)), (-10, -1, limit)]),
            "max = 50 requires 10 fewer agents; max_scale_down_step = 1 allows 1"
        );
    }
}
