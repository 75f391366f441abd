//! How much the demand of a pool grows while an instance boots, learned from run to run (H7, H8, H10). Pure.
//!
//! ```text
//!  snapshot ──Demand::of()──▶ Observation ──learn(history)──▶ History ──growth()──▶ Growth of the snapshot
//!                                             ▲                  │
//!                                             └─ one SSM parameter, JSON
//! ```
//!
//! A [`History`] is all that is kept between runs. Whoever runs this stores it; what is lost is learned again.

mod demand;
mod history;

use jiff::{SignedDuration, Timestamp};
use shared::config::Policy;
use shared::contract::{ClusterSnapshot, CompletenessLevel, TaskGroup};

pub use demand::{Demand, Unit};
pub use history::{History, ParseError};

/// What one run says about the demand of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// H7: the demand; `None` where it is unknown.
    pub demand: Option<Demand>,
    /// H10: whether the run counts: its snapshot is complete.
    pub counts: bool,
    /// When the leading master was elected.
    pub elected_at: Option<Timestamp>,
    /// H8: how many runs an instance takes to boot.
    pub horizon: u32,
    /// The time between two runs.
    pub period: SignedDuration,
}

impl Observation {
    /// What the snapshot of a pool says; `None` where the pool does not learn. `not_counted` are the queued instances that the
    /// snapshot leaves out because they back off.
    ///
    /// A queue that could not be read makes the snapshot partial, so such a run does not count.
    #[must_use]
    pub fn of(snapshot: &ClusterSnapshot, policy: &Policy, not_counted: &[TaskGroup]) -> Option<Self> {
        let period = policy.timing.schedule_period;
        Some(Self {
            demand: Demand::of(snapshot, policy, not_counted),
            counts: snapshot.completeness.level == CompletenessLevel::Complete,
            elected_at: snapshot.source.elected_at,
            horizon: policy.learning?.horizon(period),
            period: SignedDuration::try_from(period).unwrap_or(SignedDuration::MAX),
        })
    }
}

/// H8, H10: the history after a run at that time.
#[must_use]
pub fn learn(history: &History, seen: &Observation, now: Timestamp) -> History {
    if history.saw(seen, now) {
        return history.clone(); // a run that is delivered twice, or just repeated
    }
    let mut next = history.clone();
    if !history.continues(seen, now) {
        next.row.clear();
    }
    next.at = Some(now);
    next.elected_at = seen.elected_at;
    next.horizon = seen.horizon;
    match &seen.demand {
        Some(demand) if seen.counts => next.add(demand),
        _ => next.row.clear(),
    }
    next
}

#[cfg(test)]
mod tests;
