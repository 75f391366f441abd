//! Marathon, the optional second source: it knows of instances that wait for room, which no master does.
//!
//! - [`queue`]: what its `/v2/queue` says, purely
//! - `client` (feature `lambda`): how it is asked
//!
//! That it cannot be asked is no failure: what runs is known without it. But what waits may then be hidden, so the
//! snapshot is `partial`, with the reason.

pub mod queue;

#[cfg(feature = "lambda")]
pub mod client;

use queue::QueuedInstances;

/// What is known of instances that wait for room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Queue {
    /// Nobody was asked: the configuration has no `[marathon]`.
    #[default]
    NotAsked,
    /// All that wait.
    Known(Vec<QueuedInstances>),
    /// Marathon was asked and did not say.
    Unknown {
        /// Why.
        reason: String,
    },
}
