//! Rows of comma-separated values.

use std::ops::RangeInclusive;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use shared::resources::Amount;
use shared::text::clip;

use super::{MAX_DURATION, MAX_INSTANCES, TraceError};
use crate::{DAY, Millis};

/// Of which years a trace may be: a master has no time before 1970, which is where spreadsheets begin to count.
const YEARS: RangeInclusive<i16> = 1971..=2999;

/// A row with its line number.
#[derive(Clone, Debug)]
pub(super) struct Row<'t> {
    line: usize,
    values: Vec<&'t str>,
}

/// The rows below the header. Empty lines are none.
pub(super) fn rows<'t>(text: &'t str, header: &str) -> Result<Vec<Row<'t>>, TraceError> {
    let columns = header.split(',').count();
    let lines = text.lines().enumerate().skip(1).filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            let row = Row { line: index + 1, values: line.split(',').map(str::trim).collect() };
            if row.values.len() == columns {
                return Ok(row);
            }
            let count = row.values.len();
            Err(row.problem(format!("got {count} values, expected {columns}: {header}")))
        })
        .collect()
}

impl<'t> Row<'t> {
    pub(super) fn problem(&self, problem: String) -> TraceError {
        TraceError::Row { line: self.line, problem }
    }

    pub(super) fn text(&self, column: usize) -> &'t str {
        self.values.get(column).copied().unwrap_or_default()
    }

    /// The beginning of a value, for an error.
    pub(super) fn short(&self, column: usize) -> String {
        clip(self.text(column), 40)
    }

    fn wrong(&self, column: usize, name: &str, expected: &str) -> TraceError {
        let got = self.short(column);
        self.problem(format!("{name}: got {got:?}, expected {expected}"))
    }

    /// A number in thousandths.
    pub(super) fn thousandths(&self, column: usize, name: &str) -> Result<u64, TraceError> {
        let wrong =
            || self.wrong(column, name, "a number from 0 on, of at most 12 digits before the point; write 12.5");
        let text = self.text(column);
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || whole.len() > 12 || !is_number(whole) || !is_number(decimals) {
            return Err(wrong());
        }
        // What is below a thousandth is cut.
        let decimals: String = decimals.chars().chain("000".chars()).take(3).collect();
        let parse = |part: &str| part.parse::<u64>().map_err(|_| wrong());
        Ok(parse(whole)? * 1000 + parse(&decimals)?)
    }

    /// That time, unless it is so late that the trace would never end.
    pub(super) fn within(&self, at: Millis, column: usize, name: &str) -> Result<Millis, TraceError> {
        let most = MAX_DURATION / DAY;
        let late = || {
            self.wrong(column, name, &format!("a time within {most} days of the start; correct it, or cut the trace"))
        };
        if at > MAX_DURATION { Err(late()) } else { Ok(at) }
    }

    pub(super) fn amount(&self, column: usize, name: &str) -> Result<Amount, TraceError> {
        self.thousandths(column, name).map(Amount::from_thousandths)
    }

    pub(super) fn whole(&self, column: usize, name: &str) -> Result<u32, TraceError> {
        self.text(column).parse().map_err(|_| self.wrong(column, name, "a whole number; write 12"))
    }

    /// How many instances of an application are wanted.
    pub(super) fn instances(&self, column: usize, name: &str) -> Result<u32, TraceError> {
        let count = self.whole(column, name)?;
        if count > MAX_INSTANCES {
            return Err(self.wrong(
                column,
                name,
                &format!("at most {MAX_INSTANCES}, as many as a simulation can hold"),
            ));
        }
        Ok(count)
    }

    /// A time, where it has no zone in UTC.
    pub(super) fn time(&self, column: usize, name: &str) -> Result<Timestamp, TraceError> {
        let text = self.text(column);
        let zoned = || text.parse::<Timestamp>().ok();
        let civil =
            || text.parse::<DateTime>().ok()?.to_zoned_datetime(TimeZone::UTC).ok().map(|time| time.timestamp());
        let time = zoned().or_else(civil).filter(|time| YEARS.contains(&TimeZone::UTC.to_datetime(*time).year()));
        let expected =
            || format!("a time of the years {} to {}; write 2026-11-21 18:00:00", YEARS.start(), YEARS.end());
        time.ok_or_else(|| self.wrong(column, name, &expected()))
    }
}
