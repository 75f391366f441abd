//! Marathon, the optional second source: it lists queued instances and placement constraints, which no master does.
//!
//! - [`queue`]: reads the answer of `/v2/queue`. Pure.
//! - [`definitions`]: reads the answers of `/v2/apps` and `/v2/pods`. Pure.
//! - [`constraints`]: what a placement constraint means for a pool. Pure.
//! - `ports`: whether an instance needs a fixed port of its host. Pure.
//! - `client` (feature `lambda`): the HTTP client
//!
//! Every answer is read as a stream, in which unknown fields are skipped, so memory grows only with what is kept.
//!
//! If Marathon cannot be read, the run continues: running tasks are known without it. Queued instances or constraints may
//! then be missing, so the snapshot is `partial`, with the reason.

pub mod constraints;
pub mod definitions;
mod json;
mod ports;
pub mod queue;

#[cfg(feature = "lambda")]
pub mod client;

pub use json::Malformed;

use definitions::Definitions;
use queue::QueuedInstances;

/// What Marathon was asked for, if it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Answer<T> {
    /// It was not asked: the configuration has no `[marathon]`.
    #[default]
    NotAsked,
    /// All of it.
    Known(T),
    /// Marathon could not be read.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// The queued instances, if they are known.
pub type Queue = Answer<Vec<QueuedInstances>>;

/// What is known of Marathon in one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The queued instances.
    pub queue: Queue,
    /// How many instances of an application one agent may hold, for the applications whose constraints or ports limit that.
    pub definitions: Answer<Definitions>,
}

impl From<Queue> for Observed {
    /// Only the queue was asked for.
    fn from(queue: Queue) -> Self {
        Self { queue, definitions: Answer::NotAsked }
    }
}
