//! The end of what an operator sets for a time, in every form in which people write one.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::fmt::temporal::Pieces;
use jiff::tz::Offset;
use shared::time;

/// Until when something holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Until that time.
    Time(Timestamp),
    /// Until an operator ends it.
    Forever,
}

impl Until {
    /// Reads a time, a time without zone (UTC), a date (its end in UTC), or `forever`. A year that no clock reaches is `forever`.
    ///
    /// ```
    /// use node_scale::group_tags::Until;
    /// let until = |text| Until::parse(text).unwrap().to_string();
    /// assert_eq!(until("2026-12-24T18:00:00+01:00"), "2026-12-24T17:00:00.000Z");
    /// assert_eq!(until("2026-12-24 18:00"), "2026-12-24T18:00:00.000Z");
    /// assert_eq!(until("2026-12-24"), "2026-12-25T00:00:00.000Z");
    /// assert_eq!(until("9999-12-31T23:59:59Z"), "forever");
    /// assert_eq!(Until::parse("until I am back"), None);
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("forever") {
            return Some(Self::Forever);
        }
        let pieces = Pieces::parse(text).ok()?;
        if pieces.time_zone_annotation().is_some() {
            return None;
        }
        let offset = pieces.to_numeric_offset().unwrap_or(Offset::UTC);
        // What is set for a day holds on that day.
        let begin = |date: Date| date.to_datetime(pieces.time().unwrap_or(Time::midnight()));
        let date = match pieces.time() {
            Some(_) => Ok(pieces.date()),
            None => pieces.date().tomorrow(),
        };
        let end = date.map(begin).and_then(|end| offset.to_timestamp(end));
        match end {
            Ok(end) => Some(Self::Time(end)),
            // Beyond what a timestamp can hold, on either side.
            Err(_) if pieces.date().year() > 0 => Some(Self::Forever),
            Err(_) => Some(Self::Time(Timestamp::MIN)),
        }
    }

    /// Whether it has ended by then.
    #[must_use]
    pub fn is_over(self, now: Timestamp) -> bool {
        match self {
            Self::Time(end) => end <= now,
            Self::Forever => false,
        }
    }
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(end) => f.write_str(&time::format(*end)),
            Self::Forever => f.write_str("forever"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_end_is_read() {
        for (text, end) in [
            ("2099-01-01T00:00:00Z", Some("2099-01-01T00:00:00.000Z")),
            ("2099-01-01t00:00:00z", Some("2099-01-01T00:00:00.000Z")),
            ("2099-01-01T00:00Z", Some("2099-01-01T00:00:00.000Z")),
            ("2099-01-01T00:00:00.25+02:00", Some("2098-12-31T22:00:00.250Z")),
            ("2099-01-01 00:00:00-0530", Some("2099-01-01T05:30:00.000Z")),
            ("2099-01-01T00:00:00", Some("2099-01-01T00:00:00.000Z")),
            ("2099-01-01 12:30", Some("2099-01-01T12:30:00.000Z")),
            ("  2099-01-01 ", Some("2099-01-02T00:00:00.000Z")),
            ("20990101", Some("2099-01-02T00:00:00.000Z")),
            ("9999-12-30", Some("forever")),
            ("9999-12-31", Some("forever")),
            ("9999-12-31T23:59:59Z", Some("forever")),
            ("Forever", Some("forever")),
            ("", None),
            ("tomorrow", None),
            ("2h", None),
            ("2099", None),
            ("24.12.2099", None),
            ("2099-13-01", None),
            ("2099-01-01T00:00[Europe/Berlin]", None),
            ("1800000000", None),
            ("until 2099-01-01", None),
        ] {
            assert_eq!(Until::parse(text).map(|until| until.to_string()).as_deref(), end, "{text:?}");
        }
    }

    #[test]
    fn an_end_before_all_time_is_over() {
        let until = Until::parse("-009999-01-01").unwrap();
        assert!(until.is_over(Timestamp::MIN), "{until:?}");
    }

    #[test]
    fn an_end_is_over_from_then_on() {
        let until = Until::parse("2026-12-24").unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert!(!until.is_over(at("2026-12-24T23:59:59Z")) && until.is_over(at("2026-12-25T00:00:00Z")));
        assert!(
            !Until::Forever.is_over(Timestamp::MAX) && Until::Time(Timestamp::MIN).is_over(at("2026-12-24T00:00:00Z"))
        );
    }
}
