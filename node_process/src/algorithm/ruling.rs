//! What a rule makes of the pool, and why: what every rule returns.

use std::fmt;

use serde::Serialize;
use shared::clause::Clause;

use super::capacity::{Capacity, Pool};
use super::cpu::reason::CpuReason;
use super::headroom::reason::HeadroomReason;
use super::limits::reason::LimitsReason;
use super::scale_down::reason::ScaleDownReason;
use super::scale_up::reason::ScaleUpReason;

/// A rule: from the pool, and what the rules before it made of its agents.
pub(super) type Rule = fn(&Pool<'_>, Capacity) -> Ruling;

/// What one rule makes of the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// The clause that decided.
    pub clause: Clause,
    /// What the rules before it made of the pool.
    pub(super) before: Capacity,
    /// What this one makes of it.
    pub(super) capacity: Capacity,
    /// Why.
    pub reason: Reason,
    /// The application that mattered most, where one did.
    pub application: Option<String>,
}

impl Ruling {
    pub(super) fn new(clause: Clause, before: Capacity, capacity: Capacity, reason: impl Into<Reason>) -> Self {
        Self { clause, before, capacity, reason: reason.into(), application: None }
    }

    /// How many usable agents there were before it.
    #[must_use]
    pub const fn agents_before(&self) -> u32 {
        self.before.agents
    }

    /// How many there are after it.
    #[must_use]
    pub const fn agents_after(&self) -> u32 {
        self.capacity.agents
    }
}

/// Why a rule says what it says: the figures of its sentence, which `Display` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Reason {
    /// D
    ScaleDown(ScaleDownReason),
    /// H
    Headroom(Box<HeadroomReason>),
    /// U
    ScaleUp(ScaleUpReason),
    /// C
    Cpu(CpuReason),
    /// L
    Limits(LimitsReason),
}

impl Reason {
    /// L4: whether `min` kept the agent that the rule would have removed next.
    pub(super) const fn is_min(&self) -> bool {
        match self {
            Self::ScaleDown(reason) => reason.is_min(),
            Self::Cpu(reason) => reason.is_min(),
            Self::Headroom(_) | Self::ScaleUp(_) | Self::Limits(_) => false,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ScaleDown(reason) => reason.fmt(f),
            Self::Headroom(reason) => reason.fmt(f),
            Self::ScaleUp(reason) => reason.fmt(f),
            Self::Cpu(reason) => reason.fmt(f),
            Self::Limits(reason) => reason.fmt(f),
        }
    }
}

impl From<ScaleDownReason> for Reason {
    fn from(reason: ScaleDownReason) -> Self {
        Self::ScaleDown(reason)
    }
}

impl From<HeadroomReason> for Reason {
    fn from(reason: HeadroomReason) -> Self {
        Self::Headroom(Box::new(reason))
    }
}

impl From<ScaleUpReason> for Reason {
    fn from(reason: ScaleUpReason) -> Self {
        Self::ScaleUp(reason)
    }
}

impl From<CpuReason> for Reason {
    fn from(reason: CpuReason) -> Self {
        Self::Cpu(reason)
    }
}

impl From<LimitsReason> for Reason {
    fn from(reason: LimitsReason) -> Self {
        Self::Limits(reason)
    }
}
