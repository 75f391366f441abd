//! The forms in which Mesos writes counters, times, durations and addresses.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;

/// Mesos writes counters as numbers with a decimal point.
pub(super) fn to_count(number: f64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of a float stops at the ends")]
    {
        number.round() as u32
    }
}

/// Mesos writes times as seconds since 1970 with a fraction. A value that is not a time counts as absent.
pub(super) fn to_time(seconds: Option<f64>) -> Option<Timestamp> {
    let milliseconds = (seconds? * 1000.0).round();
    // Year 9999, far below 2^53: the conversion is exact.
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    (0.0..=253_402_207_200_000.0)
        .contains(&milliseconds)
        .then(|| Timestamp::from_millisecond(milliseconds as i64).ok())
        .flatten()
}

/// A duration in nanoseconds. One below zero is none, and one beyond all measure the longest there is.
pub(super) fn of_nanoseconds(number: f64) -> Duration {
    let beyond = if number > 0.0 { Duration::MAX } else { Duration::ZERO };
    Duration::try_from_secs_f64(number / 1e9).unwrap_or(beyond)
}

/// A duration as Mesos' flags write it: `10mins`, `1.5hrs`.
#[must_use]
pub fn to_duration(text: &str) -> Option<Duration> {
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at_checked(unit_at)?;
    let seconds = match unit {
        "ns" => 1e-9,
        "us" => 1e-6,
        "ms" => 1e-3,
        "secs" => 1.0,
        "mins" => 60.0,
        "hrs" => 3600.0,
        "days" => 86_400.0,
        "weeks" => 604_800.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.trim().parse::<f64>().ok()? * seconds).ok()
}

/// The address in `slave(1)@10.0.0.7:5051`.
#[must_use]
pub fn ip_of_pid(pid: &str) -> Option<IpAddr> {
    let (_, address) = pid.rsplit_once('@')?;
    let (ip, _port) = address.rsplit_once(':')?;
    let ip = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')).unwrap_or(ip);
    ip.parse().ok()
}
