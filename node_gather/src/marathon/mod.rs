//! Marathon, the optional second source: it lists queued instances, which no master does.
//!
//! - [`queue`]: reads the answer of `/v2/queue`. Pure.
//! - `client` (feature `lambda`): the HTTP client
//!
//! If Marathon cannot be read, the run continues: running tasks are known without it. Queued instances may then be
//! missing, so the snapshot is `partial`, with the reason.

pub mod queue;

#[cfg(feature = "lambda")]
pub mod client;

use queue::QueuedInstances;

/// The queued instances, if they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Queue {
    /// The configuration has no `[marathon]`.
    #[default]
    NotAsked,
    /// All queued instances.
    Known(Vec<QueuedInstances>),
    /// Marathon could not be read.
    Unknown {
        /// Why.
        reason: String,
    },
}
