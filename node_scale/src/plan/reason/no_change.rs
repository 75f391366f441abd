//! Why nothing changes, although nothing is refused and nothing is waited for.

use std::fmt;

use shared::clause::Clause;

use super::instances;

/// Why nothing needs to be done, or nothing is left to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoChange {
    /// As many agents as needed.
    Enough,
    /// More agents are needed than `max` allows.
    AboveMax,
    /// Fewer agents are needed than `min` requires.
    BelowMin,
    /// The decision is held, by the clause of its last step where it has one.
    Held(Option<(Clause, String)>),
    /// This process applied the same decision before.
    AlreadyApplied,
    /// Instances in flight cover the need.
    InFlightCovers {
        /// How many are in flight.
        in_flight: u32,
        /// How many agents are needed.
        needed: u32,
    },
    /// As much was launched since the snapshot, or is still to be, as one request may ask for.
    StepRequested {
        /// How many are in flight.
        in_flight: u32,
        /// How many agents are wanted.
        wanted: u32,
        /// The most that one request asks for.
        step: u32,
    },
    /// The maximum is reached.
    AtMaximum {
        /// The desired capacity.
        desired: i32,
        /// What the pool and the group allow.
        max: i32,
    },
    /// The minimum is reached.
    AtMinimum {
        /// The desired capacity.
        desired: i32,
        /// What the pool, the group and the floor require.
        min: i32,
        /// Agents that are decommissioning already.
        decommissioning: u32,
    },
    /// Agents are drained, but the minimum keeps their instances.
    DrainedKept {
        /// What the pool, the group and the floor require.
        min: i32,
    },
}

impl NoChange {
    /// The clause that decided, where one did.
    #[must_use]
    pub const fn clause(&self) -> Option<Clause> {
        match self {
            Self::Held(Some((clause, _))) => Some(*clause),
            Self::InFlightCovers { .. } | Self::StepRequested { .. } => Some(Clause::B3),
            Self::Enough
            | Self::AboveMax
            | Self::BelowMin
            | Self::Held(None)
            | Self::AlreadyApplied
            | Self::AtMaximum { .. }
            | Self::AtMinimum { .. }
            | Self::DrainedKept { .. } => None,
        }
    }
}

impl fmt::Display for NoChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enough => f.write_str("as many agents as needed"),
            Self::AboveMax => f.write_str("more agents are needed than the pool's max allows"),
            Self::BelowMin => f.write_str("fewer agents are needed than the pool's min requires"),
            Self::Held(Some((_, reason))) => f.write_str(reason),
            Self::Held(None) => f.write_str("the decision is held"),
            Self::AlreadyApplied => f.write_str("already applied; the message was delivered twice"),
            Self::InFlightCovers { in_flight, needed } => {
                let covers = if *in_flight == 1 { "covers" } else { "cover" };
                let agents = if *needed == 1 { "agent" } else { "agents" };
                write!(f, "{} in flight {covers} the {needed} {agents} needed", instances(*in_flight))
            }
            Self::StepRequested { in_flight, wanted, step } => {
                let (in_flight, wanted) = (instances(*in_flight), shared::text::counted(*wanted, "agent"));
                write!(f, "{in_flight} in flight of {wanted} wanted; max_scale_up_step = {step} allows no more yet")
            }
            Self::AtMaximum { desired, max } => {
                write!(f, "desired capacity is {desired}, the pool and the group allow at most {max}")
            }
            Self::AtMinimum { desired, min, decommissioning } => {
                write!(f, "desired capacity is {desired}, the pool, the group, and the floor require {min}")?;
                match decommissioning {
                    0 => Ok(()),
                    1 => f.write_str("; 1 agent is decommissioning"),
                    count => write!(f, "; {count} agents are decommissioning"),
                }
            }
            Self::DrainedKept { min } => {
                write!(f, "the pool, the group, and the floor require {min}, which keeps the drained agents' instances")
            }
        }
    }
}
