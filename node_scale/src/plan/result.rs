//! What a plan comes to, and the sentences of what is done.

use std::fmt;

use super::reason::{BackOff, NoChange, Reason, Refusal, instances, skipped_list};
use super::targets::{Skipped, TerminationTarget};

/// What is to be done about a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanResult {
    /// Apply it.
    Act(Change),
    /// Not in this run.
    BackOff(BackOff),
    /// Never.
    Refuse(Refusal),
    /// Nothing needs to be done, or nothing is left to do.
    Nothing(NoChange),
}

impl PlanResult {
    /// Why, ready to print.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Act(change) => Reason::from(change.to_string()),
            Self::BackOff(back_off) => back_off.into(),
            Self::Refuse(refusal) => refusal.into(),
            Self::Nothing(no_change) => no_change.into(),
        }
    }

    /// Whether the group is written to, for which its state must be fresh.
    #[must_use]
    pub const fn writes_group(&self) -> bool {
        match self {
            Self::Act(change) => change.writes_group(),
            Self::BackOff(_) | Self::Refuse(_) | Self::Nothing(_) => false,
        }
    }
}

impl From<BackOff> for PlanResult {
    fn from(back_off: BackOff) -> Self {
        Self::BackOff(back_off)
    }
}

impl From<Refusal> for PlanResult {
    fn from(refusal: Refusal) -> Self {
        Self::Refuse(refusal)
    }
}

impl From<NoChange> for PlanResult {
    fn from(no_change: NoChange) -> Self {
        Self::Nothing(no_change)
    }
}

/// How a decision is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Request more capacity. `to` lies within the limits and above the desired capacity.
    Increase(Increase),
    /// Request less capacity; the group's termination policy chooses the instances. `to` lies within the limits.
    Decrease {
        /// The desired capacity, in capacity units.
        from: i32,
        /// The new one.
        to: i32,
    },
    /// Request no more what does not arrive and is not needed. `to` is no less than what the instances count for, so that none
    /// ends.
    Withdraw {
        /// The desired capacity, in capacity units.
        from: i32,
        /// The new one.
        to: i32,
    },
    /// Set the desired capacity so far above the minimum that instances in service can be terminated. `to` lies within the
    /// limits, and is no more than these instances count for, so that none is launched.
    Raise {
        /// The desired capacity, in capacity units.
        from: i32,
        /// The new one.
        to: i32,
    },
    /// Terminate just these instances, and lower the desired capacity with each. At least one; all are `InService` members
    /// of the group, and the desired capacity stays within the limits.
    Terminate {
        /// The instances.
        targets: Vec<TerminationTarget>,
        /// The agents that are no target, and why.
        skipped: Vec<Skipped>,
    },
    /// Agents stop receiving tasks (strategy `drain`).
    Deactivate {
        /// Their instances.
        targets: Vec<TerminationTarget>,
        /// The agents that are no target, and why.
        skipped: Vec<Skipped>,
    },
    /// Agents that were deactivated receive tasks again, and no more instances are needed.
    Reactivate {
        /// Their hostnames.
        hostnames: Vec<String>,
    },
    /// Tasks of deactivated agents are stopped.
    Drain {
        /// The hostnames of the agents.
        hostnames: Vec<String>,
    },
}

/// Request more capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Increase {
    /// The desired capacity, in capacity units.
    pub from: i32,
    /// The new one.
    pub to: i32,
    /// How many agents the decision needs.
    pub needed: u32,
    /// How many instances are in flight.
    pub in_flight: u32,
    /// How many agents are reactivated instead.
    pub reactivated: u32,
    /// The floor, where it and not the decision needs the instances.
    pub floor: Option<u32>,
    /// The maximum of the pool and the group, where it allows no more.
    pub max: Option<i32>,
}

impl Change {
    /// Whether the group itself is written to.
    #[must_use]
    pub const fn writes_group(&self) -> bool {
        match self {
            Self::Increase(_)
            | Self::Decrease { .. }
            | Self::Withdraw { .. }
            | Self::Raise { .. }
            | Self::Terminate { .. } => true,
            Self::Deactivate { .. } | Self::Reactivate { .. } | Self::Drain { .. } => false,
        }
    }

    /// Whether only the desired capacity follows what is there, which launches and ends no instance.
    #[must_use]
    pub const fn is_correction(&self) -> bool {
        matches!(self, Self::Withdraw { .. } | Self::Raise { .. })
    }

    /// What to do: `increase desired capacity 3 -> 5`.
    #[must_use]
    pub fn imperative(&self) -> String {
        format!("{} {}", self.verb(), self.object())
    }

    /// The sentence of a dry run.
    #[must_use]
    pub fn would(&self) -> String {
        format!("dry run: would {}", self.imperative())
    }

    const fn verb(&self) -> &'static str {
        match self {
            Self::Increase(_) => "increase",
            Self::Decrease { .. } | Self::Withdraw { .. } => "decrease",
            Self::Raise { .. } => "raise",
            Self::Terminate { .. } => "terminate",
            Self::Deactivate { .. } => "deactivate",
            Self::Reactivate { .. } => "reactivate",
            Self::Drain { .. } => "drain",
        }
    }

    fn object(&self) -> String {
        match self {
            Self::Increase(increase) => increase.to_string(),
            Self::Decrease { from, to } => {
                format!("desired capacity {from} -> {to}; the group's termination policy chooses the instances")
            }
            Self::Withdraw { from, to } => {
                format!(
                    "desired capacity {from} -> {to}, which terminates none: the rest was requested, does not arrive, and is not \
                     needed"
                )
            }
            Self::Raise { from, to } => {
                format!("desired capacity {from} -> {to}, which launches none: so that instances can be terminated")
            }
            Self::Terminate { targets, skipped } | Self::Deactivate { targets, skipped } => {
                let named: Vec<String> = targets.iter().map(ToString::to_string).collect();
                format!("{}{}", named.join(", "), skipped_list(skipped))
            }
            Self::Reactivate { hostnames } | Self::Drain { hostnames } => hostnames.join(", "),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s {}", self.verb(), self.object())
    }
}

impl fmt::Display for Increase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, needed, in_flight, reactivated, floor, max } = self;
        write!(f, "desired capacity {from} -> {to}")?;
        if let Some(floor) = floor {
            write!(f, "; the floor is {} (tag lambda-scale/floor)", instances(*floor))?;
        } else if *in_flight > 0 || *reactivated > 0 || max.is_some() {
            write!(f, "; {needed} {} needed", if *needed == 1 { "agent" } else { "agents" })?;
        }
        if *in_flight > 0 && floor.is_none() {
            write!(f, ", {} in flight", instances(*in_flight))?;
        }
        match reactivated {
            0 => {}
            1 => f.write_str(", 1 agent reactivated")?,
            count => write!(f, ", {count} agents reactivated")?,
        }
        max.map_or(Ok(()), |max| write!(f, ", limited by max = {max}"))
    }
}
