//! When something may happen.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use toml::{Table, Value};

use super::reader::Section;
use super::source::PoolSource;
use super::values::{MINUTE, Span, Whole, quoted};
use crate::time;

/// When something may happen, and how long node_scale waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Timing {
    /// See [`Config::schedule_period`].
    pub schedule_period: Duration,
    /// How long no agent is added after the group's last launch ended.
    pub scale_up_cooldown: Duration,
    /// How long no agent is removed after the group's last activity ended. In a pool of Mesos at least as long as a lost agent
    /// stays registered by default, and a schedule period.
    pub scale_down_cooldown: Duration,
    /// How long launches in progress may postpone a scale-up.
    pub max_back_off: Duration,
    /// How old an instance may be and still be expected to become an agent.
    pub join_timeout: Duration,
    /// Until when nothing is changed.
    pub pause_until: Option<Timestamp>,
}

impl Timing {
    /// When a snapshot of that time may no longer be acted upon.
    #[must_use]
    pub fn expires_at(&self, taken_at: Timestamp) -> Timestamp {
        let period = SignedDuration::try_from(self.schedule_period).unwrap_or(SignedDuration::MAX);
        taken_at.saturating_add(period.saturating_mul(2)).unwrap_or(Timestamp::MAX)
    }

    /// Whether nothing may be changed at that time.
    #[must_use]
    pub fn is_paused(&self, now: Timestamp) -> bool {
        self.pause_until.is_some_and(|until| now < until)
    }
}

/// Reads the times.
pub(super) fn timing(
    section: &mut Section<'_>,
    source: PoolSource,
    schedule_period: Duration,
    boot_time: Option<Duration>,
) -> Timing {
    let Cooldowns { up, down } = cooldowns(section, source, schedule_period);
    let max_back_off = Span::any(3 * MINUTE).read(section, "max_back_off").unwrap_or(Duration::ZERO);
    let join_timeout = join_timeout(section, schedule_period, boot_time.unwrap_or_default());
    let pause_until = section.optional("pause_until");
    Timing {
        schedule_period,
        scale_up_cooldown: up,
        scale_down_cooldown: down,
        max_back_off,
        join_timeout,
        pause_until,
    }
}

const DEFAULT_JOIN_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// At least two schedule periods, as long as a decision is valid: a decision that is delivered twice must still find the
/// instances that it requested in flight. And at least the boot time: otherwise every instance would be given up while it boots,
/// and bought again.
fn join_timeout(section: &mut Section<'_>, schedule_period: Duration, boot_time: Duration) -> Duration {
    const DEFAULT: Duration = DEFAULT_JOIN_TIMEOUT;
    let periods = 2 * schedule_period;
    let least = periods.max(boot_time);
    let what = if boot_time > periods { "boot_time" } else { "two schedule periods" };
    let expected = format!("at least {what}, {}", quoted(least));
    if !section.table().contains_key("join_timeout") && DEFAULT < least {
        section.wrong("join_timeout", &expected, &quoted(least));
    }
    Span::at_least(least, expected, DEFAULT.max(least)).read(section, "join_timeout").unwrap_or(DEFAULT)
}

/// How long a master lists an agent that it has lost, by Mesos's defaults: `agent_ping_timeout`, 15 s, times
/// `max_agent_ping_timeouts`, 5. What such an agent held is gone, and the next decision must see that.
const UNREACHABLE_AFTER: Duration = Duration::from_secs(75);

/// The longest boot time that the `join_timeout` of a pool allows, as far as it can be read.
pub(super) fn longest_boot_time(pool: &Table) -> Duration {
    duration(pool, "join_timeout").unwrap_or(DEFAULT_JOIN_TIMEOUT)
}

/// The duration of a setting that is not validated yet.
fn duration(pool: &Table, key: &str) -> Option<Duration> {
    pool.get(key).and_then(Value::as_str).and_then(time::duration)
}

/// The longest schedule period that every pool's `join_timeout` and cooldown allow, as far as they can be read.
pub(super) fn longest_period(top: &Table) -> Duration {
    let pools = top.get("pools").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let longest = pools.iter().filter_map(Value::as_table).map(|pool| {
        let by_join_timeout = duration(pool, "join_timeout").unwrap_or(DEFAULT_JOIN_TIMEOUT) / 2;
        let is_mesos = pool.get("source").and_then(Value::as_str) != Some("cloudwatch");
        let cooldown = duration(pool, "scale_down_cooldown").filter(|_| is_mesos);
        let by_cooldown = cooldown.map(|cooldown| cooldown.saturating_sub(UNREACHABLE_AFTER));
        by_cooldown.map_or(by_join_timeout, |by_cooldown| by_join_timeout.min(by_cooldown))
    });
    longest.min().unwrap_or(DEFAULT_JOIN_TIMEOUT / 2).max(MINUTE)
}

/// How long no agent is added, and none removed, after the group's last activity.
struct Cooldowns {
    up: Duration,
    down: Duration,
}

/// Reads both cooldowns. `cooltime` stands for both, as in scalepot.
fn cooldowns(section: &mut Section<'_>, source: PoolSource, schedule_period: Duration) -> Cooldowns {
    const DEFAULT: Duration = Duration::from_secs(600);
    let up = Span::any(DEFAULT);
    // The utilization is an average over ten minutes: for as long it still shows the group without its last agent.
    let (least, default_up, default_down) = if source.needs_masters() {
        let least = UNREACHABLE_AFTER + schedule_period;
        (least, Duration::ZERO, least)
    } else {
        (Duration::ZERO, DEFAULT, DEFAULT)
    };
    let expected = format!("at least {} and a schedule period, {}", quoted(UNREACHABLE_AFTER), quoted(least));
    let down = if least.is_zero() { Span::any(DEFAULT) } else { Span::at_least(least, expected, DEFAULT.max(least)) };
    let up = up.read(section, "scale_up_cooldown").unwrap_or(default_up);
    let down = down.read(section, "scale_down_cooldown").unwrap_or(default_down);
    let minutes = u32::try_from(least.as_secs().div_ceil(60)).unwrap_or(u32::MAX);
    let Some(cooltime) = Whole::minutes(minutes, 10).read(section, "cooltime") else { return Cooldowns { up, down } };
    for key in ["scale_up_cooldown", "scale_down_cooldown"] {
        if section.table().contains_key(key) {
            section.problem(key, "cooltime stands for both cooldowns; leave it out, or cooltime");
        }
    }
    let both = Duration::from_secs(60 * u64::from(cooltime));
    Cooldowns { up: both, down: both }
}
