//! What comes of a simulation. docs/simulate.md defines every measurement.

mod measurements;
mod recorder;

use jiff::Timestamp;
use serde::Serialize;
use shared::clause::Clause;

use crate::Millis;

pub use measurements::{Measurement, Measurements};
pub(crate) use recorder::{Finished, Levels, Recorder, agents, time};

/// A sample each minute, from the start of the simulation; the first day, which is not measured, is in it too. Every list has
/// the same length.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Series {
    /// What is wanted, placed or not, in thousandths of an agent: the largest share of its resources.
    pub demand: Vec<u32>,
    /// What is placed, likewise.
    pub allocated: Vec<u32>,
    /// Agents that take tasks.
    pub usable: Vec<u32>,
    /// Instances that were requested and are no agents yet.
    pub in_flight: Vec<u32>,
    /// Agents that are registered and take no tasks any more.
    pub closing: Vec<u32>,
    /// Instances of applications that wait for room.
    pub waiting: Vec<u32>,
}

impl Series {
    /// How many minutes there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.usable.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.usable.is_empty()
    }
}

/// What a policy did to its group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Action {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: ActionKind,
    /// The desired capacity before.
    pub from: u32,
    /// The desired capacity after.
    pub to: u32,
    /// How many agents it was done to: terminated, closed, reopened, or drained.
    pub agents: u32,
    /// How many tasks of services it moved.
    pub moved_tasks: u32,
    /// How many jobs it killed, which start again from 0.
    pub killed_jobs: u32,
    /// The clause that decided, where the policy has clauses.
    pub clause: Option<Clause>,
    /// Why.
    pub reason: String,
}

/// What an action does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// Requests more capacity.
    ScaleUp,
    /// Requests less capacity, or terminates instances.
    ScaleDown,
    /// Agents take no new tasks.
    Close,
    /// Agents that were closed take tasks again.
    Reopen,
    /// Tasks of closed agents are stopped.
    Drain,
}

/// A time in which the policy wanted a change and put it off, run after run, for one clause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// The first run that put it off.
    pub from: Timestamp,
    /// A period after the last one.
    pub to: Timestamp,
    /// The clause, where the reason has one.
    pub clause: Option<Clause>,
    /// The first run's reason.
    pub reason: String,
}

/// An instance that waited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Wait {
    /// Its application.
    pub application: String,
    /// Since when it was wanted.
    pub from: Timestamp,
    /// When it was placed, or was no longer wanted.
    pub to: Timestamp,
    /// The clause that put off a change last in that time, where one did.
    pub clause: Option<Clause>,
}

impl Wait {
    pub(crate) fn length(&self) -> Millis {
        u64::try_from(self.to.as_millisecond() - self.from.as_millisecond()).unwrap_or(0)
    }
}
