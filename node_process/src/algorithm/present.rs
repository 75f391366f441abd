//! L0: a decision is made of the present only.

use jiff::Timestamp;
use shared::config::Policy;
use shared::contract::ClusterSnapshot;
use shared::time;
use thiserror::Error;

/// Why a snapshot may not be acted upon at this time.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Expired {
    /// It was delivered too late.
    #[error(
        "the snapshot taken at {} expired at {}, it is {} now; the next one will do, look at what delays messages if this recurs",
        time::format(*taken_at), time::format(*expired_at), time::format(*now)
    )]
    TooOld {
        /// When the master was asked.
        taken_at: Timestamp,
        /// Until when it could be acted upon.
        expired_at: Timestamp,
        /// When it was looked at.
        now: Timestamp,
    },
    /// It is dated after the present.
    #[error(
        "the snapshot taken at {} is of the future, it is {} now; look at the clocks of both machines",
        time::format(*taken_at), time::format(*now)
    )]
    FromTheFuture {
        /// When the master was asked, as it says.
        taken_at: Timestamp,
        /// When it was looked at.
        now: Timestamp,
    },
}

/// L0
pub(super) fn check(snapshot: &ClusterSnapshot, policy: &Policy, now: Timestamp) -> Result<(), Expired> {
    let taken_at = snapshot.taken_at;
    let expired_at = policy.timing.expires_at(taken_at);
    if now > expired_at {
        return Err(Expired::TooOld { taken_at, expired_at, now });
    }
    if taken_at.duration_since(now) > time::CLOCK_SKEW {
        return Err(Expired::FromTheFuture { taken_at, now });
    }
    Ok(())
}
