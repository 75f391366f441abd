//! Times as the messages write them: RFC 3339, UTC, milliseconds.

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
}
