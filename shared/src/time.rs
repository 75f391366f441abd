//! Times as the messages write them: RFC 3339, UTC, milliseconds. Durations as settings write them.

use std::time::Duration;

use jiff::fmt::friendly::SpanParser;
use jiff::fmt::temporal::DateTimePrinter;
use jiff::{SignedDuration, Timestamp};

const MILLISECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

/// How far the clocks of two machines may differ before a message counts as dated in the future.
pub const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(60);

/// `2026-11-21T16:00:00.000Z`.
#[must_use]
pub fn format(time: Timestamp) -> String {
    MILLISECONDS.timestamp_to_string(&time)
}

/// The same time without what is below a millisecond, so that a message read back equals the one written.
#[must_use]
pub fn truncate(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time)
}

/// A duration in whole seconds, as settings write it: `0s`, `10m`, `3m20s`.
#[must_use]
pub fn compact(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().unsigned_abs();
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let text: String =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    match text.as_str() {
        "" => "0s".to_owned(),
        _ if duration.is_negative() => format!("-{text}"),
        _ => text,
    }
}

/// Reads a duration as settings and options write it: numbers with a unit, in any order, such as `10m`, `1h 30m`, `2 days`, or
/// `0`. A month has 30.44 days and a year 365.25, as calendars have on average.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut sum = None;
    let mut rest = text;
    while !rest.is_empty() {
        let (part, after) = rest.split_at(end_of_part(rest));
        sum = Some(sum.unwrap_or(Duration::ZERO).checked_add(one_unit(part)?)?);
        rest = after;
    }
    sum
}

/// Where the next number begins after the first one with its unit.
fn end_of_part(text: &str) -> usize {
    let unit = text.find(char::is_alphabetic).unwrap_or(text.len());
    let next = text.get(unit..).and_then(|unit| unit.find(|c: char| c.is_ascii_digit()));
    next.map_or(text.len(), |next| unit + next)
}

/// A number with its unit. Units of calendars are counted in seconds here, others are left to the parser.
fn one_unit(part: &str) -> Option<Duration> {
    let part = part.trim();
    let (number, unit) = part.split_at(part.find(char::is_alphabetic)?);
    if !number.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let parser = SpanParser::new();
    let seconds = match unit {
        "d" | "day" | "days" => 86_400,
        "w" | "wk" | "wks" | "week" | "weeks" => 604_800,
        "M" | "month" | "months" => 2_630_016,
        "y" | "yr" | "yrs" | "year" | "years" => 31_557_600,
        _ => return parser.parse_unsigned_duration(part).ok(),
    };
    parser.parse_unsigned_duration(format!("{}s", number.trim())).ok()?.checked_mul(seconds)
}

/// The form of a time in a JSON Schema.
#[cfg(feature = "schema")]
pub(crate) struct Rfc3339;

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Rfc3339 {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Rfc3339".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }
}

/// For `#[serde(with = "shared::time::millis")]`.
pub mod millis {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes the time with three decimals.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::format(*time))
    }

    /// Reads any RFC 3339 time.
    ///
    /// # Errors
    /// Where the text is not a time.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        Timestamp::deserialize(deserializer)
    }

    /// The same for a time that may be absent (`null`).
    pub mod option {
        use jiff::Timestamp;
        use serde::{Deserialize, Deserializer, Serializer};

        /// Writes the time with three decimals, or `null`.
        ///
        /// # Errors
        /// Those of the serializer.
        pub fn serialize<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
            match time {
                Some(time) => super::serialize(time, serializer),
                None => serializer.serialize_none(),
            }
        }

        /// Reads any RFC 3339 time, or `null`.
        ///
        /// # Errors
        /// Where the text is not a time.
        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
            Option::<Timestamp>::deserialize(deserializer)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_settings_are() {
        let text = |seconds| compact(SignedDuration::from_secs(seconds));
        assert_eq!([0, 59, 600, 200, 3600, 5400].map(text), ["0s", "59s", "10m", "3m20s", "1h", "1h30m"]);
        assert_eq!((text(86_400), text(-61)), ("24h".to_owned(), "-1m1s".to_owned()));
        assert_eq!(compact(SignedDuration::from_millis(999)), "0s");
    }

    #[test]
    fn a_duration_has_any_of_these_spellings() {
        let read = |text: &str| duration(text).unwrap_or_else(|| panic!("{text}"));
        let units: [(&[&str], f64); 10] = [
            (&["ns", "nsec", "nanos"], 1e-9),
            (&["us", "µs", "usec"], 1e-6),
            (&["ms", "msec", "millis"], 0.001),
            (&["s", "sec", "secs", "second", "seconds"], 1.0),
            (&["m", "min", "mins", "minute", "minutes"], 60.0),
            (&["h", "hr", "hrs", "hour", "hours"], 3600.0),
            (&["d", "day", "days"], 86_400.0),
            (&["w", "wk", "wks", "week", "weeks"], 604_800.0),
            (&["M", "month", "months"], 30.44 * 86_400.0),
            (&["y", "yr", "yrs", "year", "years"], 365.25 * 86_400.0),
        ];
        for (names, seconds) in units {
            for name in names {
                let (alone, apart) = (read(&format!("7{name}")), read(&format!(" 7 {name} ")));
                assert_eq!((alone, apart), (Duration::from_secs_f64(7.0 * seconds), alone), "{name}");
            }
        }
        let minutes = |text: &str| read(text).as_secs() / 60;
        assert_eq!(["1h30m", "1h 30m", "30m 1h", "45m 45m", "1.5h", "1 hour 30 minutes"].map(minutes), [90; 6]);
        assert_eq!((minutes("1.5d"), read("0"), read("0s")), (2160, Duration::ZERO, Duration::ZERO));
    }

    #[test]
    fn what_is_no_duration_is_not_read() {
        for text in [
            "",
            " ",
            "15",
            "1.5",
            "m",
            "-5m",
            "+5m",
            "5m ago",
            "5x",
            "PT1H",
            "01:00:00",
            "1h 01:00",
            "ten minutes",
            "1h, 30m",
            "99999999999999999999s",
            "600000000000y",
            "never",
            "1..5h",
            "5m5",
        ] {
            assert_eq!(duration(text), None, "{text:?}");
        }
    }
}
