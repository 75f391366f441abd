//! What `node_scale` tells whoever listens.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::decision::ScalingState;
use crate::clause::{self, Clause};
use crate::contract::Message;
#[cfg(feature = "schema")]
use crate::time::Rfc3339;
use crate::time::millis;

/// What `node_scale` did, or why it did nothing: exactly one for every decision it was handed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ScalingOutcome {
    /// The decision; `None` where the message could not be read.
    pub decision_id: Option<Uuid>,
    /// When it was done.
    #[serde(with = "millis")]
    #[cfg_attr(feature = "schema", schemars(with = "Rfc3339"))]
    pub at: Timestamp,
    /// The pool's name in the configuration.
    pub pool: String,
    /// The Auto Scaling group.
    pub group: String,
    /// The decision in a word; `None` where the message could not be read.
    pub state: Option<ScalingState>,
    /// What was done.
    pub action: OutcomeAction,
    /// Whether it was only planned.
    #[serde(default)]
    pub dry_run: bool,
    /// The desired capacity found; `None` where the group was not read.
    pub from: Option<i32>,
    /// The desired capacity asked for; equal to `from` where nothing was.
    pub to: Option<i32>,
    /// Instances acted upon one by one.
    #[serde(default)]
    pub instances: Vec<String>,
    /// The clause that decided; `None` where none stood in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clause: Option<Clause>,
    /// Why, in a sentence.
    pub reason: String,
    /// What an operator should fix, such as a tag of the group that cannot be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl ScalingOutcome {
    /// The reason as people read it, its clause first.
    #[must_use]
    pub fn explanation(&self) -> String {
        clause::explain(self.clause, &self.reason)
    }
}

impl Message for ScalingOutcome {
    const SCHEMA: &'static str = "lambda-scale/scaling-outcome";
    const VERSION: u32 = 1;
    const READERS: &'static str = "the reader of outcomes";

    fn attributes(&self) -> Vec<(&'static str, String)> {
        let state = self.state.map_or("unknown", ScalingState::name);
        vec![("pool", self.pool.clone()), ("state", state.to_owned()), ("action", self.action.name().to_owned())]
    }
}

/// What was done to the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OutcomeAction {
    /// The desired capacity was raised.
    ScaledUp,
    /// The desired capacity was lowered.
    ScaledDown,
    /// Agents were deactivated, drained, or reactivated; the group itself was not changed.
    Draining,
    /// Nothing was wanted, or nothing is left to do.
    None,
    /// Something was wanted; it was not the moment for it.
    BackedOff,
    /// The decision may not be acted upon.
    Refused,
    /// A dry run: the reason says what would have been done.
    DryRun,
    /// A call to AWS failed.
    Failed,
}

impl OutcomeAction {
    /// The word used in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ScaledUp => "scaled_up",
            Self::ScaledDown => "scaled_down",
            Self::Draining => "draining",
            Self::None => "none",
            Self::BackedOff => "backed_off",
            Self::Refused => "refused",
            Self::DryRun => "dry_run",
            Self::Failed => "failed",
        }
    }
}
