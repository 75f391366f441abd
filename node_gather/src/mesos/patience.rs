//! How long a master is waited for, so that one that stalls leaves time for the others.
//!
//! Each master has its share of the time left for the headers of its answers. Then its body must make progress: a body that
//! pauses for a third of the time left is given up, and where other masters remain, also one that would not end in time.

use std::time::Duration;

use thiserror::Error;
use tokio::time::Instant;

/// Where other masters remain, fewer bytes than these in a third of the time left are no progress: a network that is this slow
/// brings no state in time.
const LEAST_BYTES: u64 = 16 * 1024;

/// The time for all masters, and how many of them remain to be asked in this round, this one included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// When all masters together must have answered.
    pub(super) deadline: Instant,
    /// How many masters remain, at least 1.
    pub(super) remaining: u32,
}

impl Patience {
    /// Until when a master has time for its headers. `by_redirect`: it is the leader that another master named. The masters
    /// that remain would name it, too, so it has half of the time left.
    pub(super) fn headers_until(self, now: Instant, by_redirect: bool) -> Instant {
        let left = self.deadline.saturating_duration_since(now);
        let parts = if by_redirect { self.remaining.min(2) } else { self.remaining };
        now + left / parts.max(1)
    }

    /// The pace that a body must keep, from now on.
    pub(super) const fn body(self, now: Instant, length: Option<u64>) -> Pace {
        let others = self.remaining > 1;
        Pace { start: now, deadline: self.deadline, length, others, mark: now, marked_bytes: 0 }
    }
}

/// Why a body is given up.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Slow {
    /// It pauses, or trickles.
    #[error("the answer stalled after {bytes} bytes: too little more came within {} ms", .within.as_millis())]
    Stalled {
        /// How many bytes had arrived.
        bytes: u64,
        /// How long it was waited for.
        within: Duration,
    },
    /// It would not end in time.
    #[error("the answer is too slow: {bytes} bytes in {} ms would not end within mesos.timeout", .elapsed.as_millis())]
    TooSlow {
        /// How many bytes had arrived.
        bytes: u64,
        /// In what time.
        elapsed: Duration,
    },
}

/// The pace that a body must keep.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    start: Instant,
    deadline: Instant,
    /// How long the body is, where the master says so.
    length: Option<u64>,
    /// Whether other masters remain to be asked.
    others: bool,
    /// The last progress.
    mark: Instant,
    marked_bytes: u64,
}

impl Pace {
    /// When the body is given up if nothing more arrives.
    pub(super) fn gives_up_at(&self) -> Instant {
        // Close to the deadline a third is little, and after the last master there is nothing to save time for.
        let since = if self.others { self.mark } else { self.start };
        let stalled = self.mark + self.deadline.saturating_duration_since(since) / 3;
        self.share_ends_at().map_or(stalled, |end| stalled.min(end))
    }

    /// Notes what has arrived so far.
    ///
    /// # Errors
    /// It is too little.
    pub(super) fn arrived(&mut self, now: Instant, bytes: u64) -> Result<(), Slow> {
        let least = if self.others { LEAST_BYTES } else { 1 };
        if bytes >= self.marked_bytes.saturating_add(least) {
            (self.mark, self.marked_bytes) = (now, bytes);
        } else if now >= self.gives_up_at() {
            return Err(self.given_up(now, bytes));
        }
        if self.others && self.is_too_slow(now, bytes) {
            return Err(Slow::TooSlow { bytes, elapsed: now.saturating_duration_since(self.start) });
        }
        Ok(())
    }

    /// Why the body was given up.
    pub(super) fn given_up(&self, now: Instant, bytes: u64) -> Slow {
        if self.share_ends_at().is_some_and(|end| now >= end) {
            return Slow::TooSlow { bytes, elapsed: now.saturating_duration_since(self.start) };
        }
        Slow::Stalled { bytes, within: now.saturating_duration_since(self.mark) }
    }

    /// A body of unknown length may be endless: it has two thirds of the time left where other masters remain.
    fn share_ends_at(&self) -> Option<Instant> {
        (self.others && self.length.is_none()).then(|| self.start + self.whole() * 2 / 3)
    }

    /// Whether a body of known length, at the pace that it has had for a sixth of its time, would not end in time.
    fn is_too_slow(&self, now: Instant, bytes: u64) -> bool {
        let Some(length) = self.length else { return self.share_ends_at().is_some_and(|end| now >= end) };
        let (elapsed, whole) = (now.saturating_duration_since(self.start).as_nanos(), self.whole().as_nanos());
        6 * elapsed >= whole && elapsed * u128::from(length) > whole * u128::from(bytes)
    }

    fn whole(&self) -> Duration {
        self.deadline.saturating_duration_since(self.start)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn patience(now: Instant, remaining: u32) -> Patience {
        Patience { deadline: now + 12 * SECOND, remaining }
    }

    #[test]
    fn each_master_has_its_share_for_headers() {
        let now = Instant::now();
        for (remaining, by_redirect, seconds) in
            [(1, false, 12), (2, false, 6), (4, false, 3), (4, true, 6), (1, true, 12)]
        {
            assert_eq!(patience(now, remaining).headers_until(now, by_redirect), now + seconds * SECOND);
        }
        let late = now + 13 * SECOND;
        assert_eq!(patience(now, 3).headers_until(late, false), late);
    }

    #[test]
    fn a_body_that_pauses_is_given_up_after_a_third_of_the_time_left() {
        let now = Instant::now();
        for remaining in [1, 2] {
            let mut pace = patience(now, remaining).body(now, Some(1_000_000));
            assert_eq!(pace.gives_up_at(), now + 4 * SECOND);
            assert_eq!(pace.arrived(now + SECOND, 500_000), Ok(()));
            let third = if remaining == 1 { 4 * SECOND } else { 11 * SECOND / 3 };
            assert_eq!(pace.gives_up_at(), now + SECOND + third);
            let stalled = Slow::Stalled { bytes: 500_000, within: 4 * SECOND };
            assert_eq!(pace.given_up(now + 5 * SECOND, 500_000), stalled);
        }
    }

    #[test]
    fn a_trickle_is_no_progress_while_others_remain() {
        let now = Instant::now();
        let outcome = |remaining| {
            let mut pace = patience(now, remaining).body(now, None);
            (1..120).find_map(|tenth| pace.arrived(now + tenth * SECOND / 10, u64::from(tenth)).err())
        };
        assert_eq!(outcome(2), Some(Slow::Stalled { bytes: 40, within: 4 * SECOND }));
        assert_eq!(outcome(1), None, "no other master could answer");
    }

    #[test]
    fn a_body_that_would_not_end_in_time_is_given_up_after_a_sixth_of_it() {
        let now = Instant::now();
        let outcome = |remaining, bytes_a_second: u64| {
            let mut pace = patience(now, remaining).body(now, Some(12_000_000));
            (1..12).find_map(|second| pace.arrived(now + second * SECOND, u64::from(second) * bytes_a_second).err())
        };
        assert_eq!(outcome(2, 900_000), Some(Slow::TooSlow { bytes: 1_800_000, elapsed: 2 * SECOND }));
        assert_eq!(outcome(2, 1_000_000), None);
        assert_eq!(outcome(1, 900_000), None);
    }

    #[test]
    fn an_endless_body_leaves_a_third_of_the_time_to_the_others() {
        let now = Instant::now();
        let mut pace = patience(now, 2).body(now, None);
        let ended = (1..12).find_map(|second| pace.arrived(now + second * SECOND, u64::from(second) << 20).err());
        assert_eq!(ended, Some(Slow::TooSlow { bytes: 8 << 20, elapsed: 8 * SECOND }));
    }

    proptest! {
        /// Whatever the masters do, the last of them still has time: each takes at most two thirds of what is left.
        #[test]
        fn every_master_leaves_time_for_the_next(
            remaining in 2_u32..6,
            length in prop::option::of(1_u64..1 << 30),
            chunks in prop::collection::vec((0_u64..2000, 0_u64..1 << 20), 0..50),
        ) {
            let now = Instant::now();
            let patience = patience(now, remaining);
            let (mut at, mut bytes) = (patience.headers_until(now, false), 0);
            let mut pace = patience.body(at, length);
            for (pause, more) in chunks {
                if at + Duration::from_millis(pause) >= pace.gives_up_at() {
                    break;
                }
                at += Duration::from_millis(pause);
                bytes += more;
                if length.is_some_and(|length| bytes >= length) || pace.arrived(at, bytes).is_err() {
                    return Ok(());
                }
            }
            let end = pace.gives_up_at();
            prop_assert!(patience.deadline - end >= (patience.deadline - at) / 3, "{:?}", end - now);
        }
    }
}
