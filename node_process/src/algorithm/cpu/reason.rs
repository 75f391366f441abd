//! C in words: the group's CPU utilization beside its thresholds, and what follows.

use std::fmt;

use serde::Serialize;
use shared::text::counted;

use super::super::utilization::MilliPercent;
use super::super::words::Change;

/// Why C adds, removes, or keeps agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CpuReason {
    /// The utilization beside the thresholds.
    pub level: CpuLevel,
    /// What follows from it.
    pub effect: Effect,
}

/// A utilization beside the thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CpuLevel {
    /// C5
    Unknown,
    /// C1
    Above {
        /// The utilization.
        cpu: MilliPercent,
        /// `scale_out_threshold`.
        threshold: MilliPercent,
    },
    /// C4
    Between {
        /// The utilization.
        cpu: MilliPercent,
        /// `scale_out_threshold`.
        threshold: MilliPercent,
        /// `scale_out_threshold` times `scale_down_ratio`.
        lower: MilliPercent,
    },
    /// C2
    Below {
        /// The utilization.
        cpu: MilliPercent,
        /// `scale_out_threshold` times `scale_down_ratio`.
        lower: MilliPercent,
    },
}

/// What follows from a utilization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Agents that D removed are kept, agents are added, or neither.
    Change(Change),
    /// C2 where nothing else scales the pool: one agent is removed.
    RemovesOne,
    /// C4, C5 where nothing else scales the pool.
    NoChange,
    /// C2: `min` keeps the agent.
    Min(u32),
    /// C3 where nothing else scales the pool.
    WouldRise {
        /// The utilization with one agent fewer; `None` where none is left.
        to: Option<MilliPercent>,
        /// `scale_out_threshold`.
        threshold: MilliPercent,
    },
    /// C3: so many agents fewer would be too few, so that some are kept.
    WouldRiseWithout {
        /// How many agents fewer.
        fewer: u32,
        /// `scale_out_threshold`.
        threshold: MilliPercent,
        /// What is done about it.
        change: Change,
    },
}

impl CpuReason {
    pub(crate) const fn is_min(&self) -> bool {
        matches!(self.effect, Effect::Min(_))
    }
}

impl fmt::Display for CpuLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("CPU utilization is unknown"),
            Self::Above { cpu, threshold } => write!(f, "CPU utilization {cpu} is above {threshold}"),
            Self::Between { cpu, threshold, lower } => {
                write!(f, "CPU utilization {cpu} is not above {threshold} and not below {lower}")
            }
            Self::Below { cpu, lower } => write!(f, "CPU utilization {cpu} is below {lower}"),
        }
    }
}

impl fmt::Display for CpuReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.level.fmt(f)?;
        match self.effect {
            Effect::Change(change) if change.is_some() => write!(f, ": {change}"),
            Effect::Change(_) => Ok(()),
            Effect::RemovesOne => f.write_str(": removes 1 agent"),
            Effect::NoChange => f.write_str(": adds and removes no agent"),
            Effect::Min(min) => write!(f, ": removes no agent; stopped by min = {min}"),
            Effect::WouldRise { to: Some(to), threshold } => {
                write!(f, ", but one agent fewer would bring it to {to}, above {threshold}: removes no agent")
            }
            Effect::WouldRise { to: None, .. } => f.write_str(", but the last agent is in use: removes no agent"),
            Effect::WouldRiseWithout { fewer, threshold, change } => {
                let agents = counted(fewer, "agent");
                write!(f, ", but {agents} fewer would bring it above {threshold}: {change}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_and_effect_has_a_sentence_c1_to_c5() {
        let (threshold, lower) = (MilliPercent(60_000), MilliPercent(42_000));
        let above = CpuLevel::Above { cpu: MilliPercent(71_500), threshold };
        let between = CpuLevel::Between { cpu: MilliPercent(50_000), threshold, lower };
        let below = CpuLevel::Below { cpu: MilliPercent(41_000), lower };
        let change = |kept, of_removed, added| Change { kept, of_removed, added };
        let with = |kept, of_removed, added| Effect::Change(change(kept, of_removed, added));
        for (level, effect, text) in [
            (above, with(0, 0, 1), "CPU utilization 71.5% is above 60%: adds 1 agent"),
            (above, with(0, 0, 0), "CPU utilization 71.5% is above 60%"),
            (above, with(2, 2, 1), "CPU utilization 71.5% is above 60%: keeps the 2 agents D removed and adds 1"),
            (
                between,
                with(1, 1, 0),
                "CPU utilization 50% is not above 60% and not below 42%: keeps the agent D removed",
            ),
            (
                between,
                Effect::NoChange,
                "CPU utilization 50% is not above 60% and not below 42%: adds and removes no agent",
            ),
            (below, Effect::RemovesOne, "CPU utilization 41% is below 42%: removes 1 agent"),
            (below, Effect::Min(3), "CPU utilization 41% is below 42%: removes no agent; stopped by min = 3"),
            (
                below,
                Effect::WouldRise { to: Some(MilliPercent(61_500)), threshold },
                "CPU utilization 41% is below 42%, but one agent fewer would bring it to 61.5%, above 60%: removes no agent",
            ),
            (
                below,
                Effect::WouldRise { to: None, threshold },
                "CPU utilization 41% is below 42%, but the last agent is in use: removes no agent",
            ),
            (
                below,
                Effect::WouldRiseWithout { fewer: 4, threshold, change: change(2, 5, 0) },
                "CPU utilization 41% is below 42%, but 4 agents fewer would bring it above 60%: keeps 2 of the 5 agents D removed",
            ),
            (CpuLevel::Unknown, with(1, 1, 0), "CPU utilization is unknown: keeps the agent D removed"),
            (CpuLevel::Unknown, Effect::NoChange, "CPU utilization is unknown: adds and removes no agent"),
        ] {
            assert_eq!(CpuReason { level, effect }.to_string(), text);
        }
    }
}
