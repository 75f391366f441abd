//! How many agents leave at once, and why no more.

use std::fmt;

use serde::Serialize;
use shared::config::StepLimit;
use shared::text::counted;

/// D3, L2: what limits how many agents leave at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StepReason {
    /// `max_scale_down_step`.
    pub max: StepLimit,
    /// What is in force.
    #[serde(skip_serializing_if = "StepBy::is_setting")]
    pub by: StepBy,
    /// Agents that are decommissioning already.
    pub decommissioning: u32,
}

/// Which of the step limits is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepBy {
    /// The setting.
    Setting,
    /// The step of agents that run no task.
    Empty,
    /// So many agents may be decommissioning at once, in any pool.
    MostDecommissioning(u32),
}

impl StepBy {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands the field over by reference")]
    const fn is_setting(&self) -> bool {
        matches!(self, Self::Setting)
    }
}

impl fmt::Display for StepReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.by {
            StepBy::Setting => write!(f, "max_scale_down_step = {}", self.max)?,
            StepBy::Empty => write!(f, "max_scale_down_step = {} (10% for agents without tasks)", self.max)?,
            StepBy::MostDecommissioning(most) => write!(f, "the limit of {most} decommissioning agents")?,
        }
        match self.decommissioning {
            0 => Ok(()),
            agents => write!(f, " with {} already decommissioning", counted(agents, "agent")),
        }
    }
}
