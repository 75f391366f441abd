//! Part of version 1: which agents of a pool registered last.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::resources::Resources;
#[cfg(feature = "schema")]
use crate::time::Rfc3339;
use crate::time::millis;

/// An agent that registered recently: evidence of what a new agent has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LatestAgent {
    /// When it registered with the leading master.
    #[serde(with = "millis")]
    #[cfg_attr(feature = "schema", schemars(with = "Rfc3339"))]
    pub registered_at: Timestamp,
    /// All its resources.
    pub total: Resources,
    /// What of them no other role has reserved.
    pub unreserved: Resources,
    /// Its id.
    pub agent_id: String,
}
