//! Values of options that several commands take. An error says what was expected, and shows a value.

use std::time::Duration;

use jiff::Timestamp;
use shared::resources::Amount;

/// `2h`, `1h 30m`
///
/// # Errors
/// Where it is not a duration.
pub fn duration(text: &str) -> Result<Duration, String> {
    shared::time::duration(text).ok_or_else(|| format!("got {text:?}, expected a duration; write 30m, 2h, or 1d"))
}

/// The time between two runs: `1m`
///
/// # Errors
/// Where it is not a duration of at least a second.
pub fn period(text: &str) -> Result<Duration, String> {
    let is_long = |period: &Duration| *period >= Duration::from_secs(1);
    let wrong = || "expected a duration of at least 1s; write 1m or 30s".to_owned();
    shared::time::duration(text).filter(is_long).ok_or_else(wrong)
}

/// `2026-11-21T16:00:00Z`
///
/// # Errors
/// Where it is not a time.
pub fn time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| format!("got {text:?}, expected a time; write 2026-11-21T16:00:00Z"))
}

/// `0.384`
///
/// # Errors
/// Where it is not a number above 0.
pub fn amount(text: &str) -> Result<Amount, String> {
    let amount = text.parse().ok().and_then(Amount::from_units).filter(|amount| !amount.is_zero());
    amount.ok_or_else(|| format!("got {text:?}, expected a number above 0; write 12.5"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_or_refused_with_an_example() {
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("3"), Err("got \"3\", expected a duration; write 30m, 2h, or 1d".to_owned()));
        assert!(time("2026-11-21T16:00:00Z").is_ok());
        assert_eq!(time("yesterday"), Err("got \"yesterday\", expected a time; write 2026-11-21T16:00:00Z".to_owned()));
        assert_eq!(amount("0.5").map(Amount::thousandths), Ok(500));
        assert!(["0", "-1", "x"].iter().all(|text| amount(text).unwrap_err().ends_with("write 12.5")));
    }
}
