//! Times as the messages write them: RFC 3339, UTC, milliseconds.

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;

const MILLISECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

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
