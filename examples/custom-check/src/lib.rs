//! A custom check: the standard algorithm, with more agents in business hours.
//!
//! The shop opens at eight, and its first customers must not wait for instances to boot. Headroom cannot know that; a clock can.

// ANCHOR: check
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use node_process::{Check, Expired, Standard};
use shared::config::Policy;
use shared::contract::{ClusterSnapshot, ScalingDecision};
use thiserror::Error;

/// The minimum number of agents of a pool on these days of the week, between these times (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusinessHours {
    first_day: Weekday,
    last_day: Weekday,
    from: Time,
    to: Time,
    min: u32,
}

impl Check for BusinessHours {
    /// Runs the standard algorithm with another minimum: every clause and limit applies.
    fn decide(&self, snapshot: &ClusterSnapshot, policy: &Policy, now: Timestamp) -> Result<ScalingDecision, Expired> {
        if !self.contains(now) {
            return Standard.decide(snapshot, policy, now);
        }
        let min = self.min.max(policy.limits.min).min(policy.limits.max.unwrap_or(u32::MAX));
        Standard.decide(snapshot, &policy.with(|policy| policy.limits.min = min), now)
    }
}

impl BusinessHours {
    fn contains(&self, now: Timestamp) -> bool {
        let now = now.to_zoned_datetime(TimeZone::UTC);
        let days = self.first_day.to_monday_zero_offset()..=self.last_day.to_monday_zero_offset();
        days.contains(&now.weekday().to_monday_zero_offset()) && (self.from..self.to).contains(&now.time())
    }
}

/// The text is not a span of business hours.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("BUSINESS_HOURS: {0:?} is not days, hours, and a number of agents; write \"Mon-Fri 07:30-19:00 20\"")]
pub struct ParseError(String);

impl FromStr for BusinessHours {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let parse = || {
            let mut words = text.split_whitespace();
            let (first_day, last_day) = words.next()?.split_once('-')?;
            let (from, to) = words.next()?.split_once('-')?;
            let min = words.next()?.parse().ok()?;
            let (first_day, last_day) = (day(first_day)?, day(last_day)?);
            let (from, to): (Time, Time) = (from.parse().ok()?, to.parse().ok()?);
            (from < to && words.next().is_none()).then_some(Self { first_day, last_day, from, to, min })
        };
        parse().ok_or_else(|| ParseError(text.to_owned()))
    }
}

/// `Mon` to `Sun`.
fn day(name: &str) -> Option<Weekday> {
    const NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let offset = NAMES.iter().position(|known| *known == name)?;
    Weekday::from_monday_zero_offset(i8::try_from(offset).ok()?).ok()
}

// ANCHOR_END: check
#[cfg(test)]
mod tests {
    use super::*;
    use cluster::{Cluster, policy, resources};

    fn delta_at(time: &str, settings: &str) -> i32 {
        let now: Timestamp = time.parse().unwrap();
        let idle = ClusterSnapshot { taken_at: now, ..Cluster::of(3, resources(4, 14_000)).snapshot() };
        let hours: BusinessHours = "Mon-Fri 07:30-19:00 8".parse().unwrap();
        hours.decide(&idle, &policy(settings).unwrap(), now).unwrap().delta
    }

    #[test]
    fn an_idle_pool_has_more_agents_in_business_hours() {
        // A Friday, and the Saturday after it.
        assert_eq!(delta_at("2026-11-20T07:29:59Z", ""), -1);
        assert_eq!(delta_at("2026-11-20T07:30:00Z", ""), 5);
        assert_eq!(delta_at("2026-11-20T19:00:00Z", ""), -1);
        assert_eq!(delta_at("2026-11-21T12:00:00Z", ""), -1);
    }

    #[test]
    fn the_limits_of_the_pool_still_apply() {
        assert_eq!(delta_at("2026-11-20T12:00:00Z", "max = 4"), 1);
        assert_eq!(delta_at("2026-11-20T12:00:00Z", "max_scale_up_step = 2"), 2);
        assert_eq!(delta_at("2026-11-20T12:00:00Z", "min = 9"), 6);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "Mon-Fri 07:30-19:00",
            "07:30-19:00 8",
            "Mon-Fri 19:00-07:30 8",
            "Mon-Fri 7-19 8",
            "Mon-Fri 07:30-19:00 -1",
            "Mon-Fri 07:30-19:00 8 9",
            "Monday-Friday 07:30-19:00 8",
        ] {
            let error = text.parse::<BusinessHours>().unwrap_err();
            assert!(error.to_string().ends_with("write \"Mon-Fri 07:30-19:00 20\""), "{text}");
        }
    }
}
