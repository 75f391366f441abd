//! A load series: the load of a whole system over time. It drives applications of stated shapes.

use jiff::Timestamp;
use shared::count::saturated;
use shared::text::counted;

use super::rows::rows;
use super::{Change, Options, Share, TraceError, Workload};
use crate::trace::jobs::standard_agent;
use crate::{MINUTE, Millis};

pub(super) const HEADER: &str = "timestamp,value";

/// A point of the series: milliseconds since the first, and the value in thousandths.
type Point = (Millis, u64);

pub(super) fn read(text: &str, options: &Options) -> Result<Workload, TraceError> {
    let mut start = None;
    let mut points: Vec<Point> = Vec::new();
    for row in rows(text, HEADER)? {
        let (time, value) = (row.time(0, "timestamp")?, row.thousandths(1, "value")?);
        let start = *start.get_or_insert(time);
        let since = time.as_millisecond().saturating_sub(start.as_millisecond());
        let since = u64::try_from(since).ok().filter(|since| points.last().is_none_or(|(last, _)| last < since));
        let Some(since) = since else {
            return Err(row.problem(format!("timestamp: {} is not after the row before", row.short(0))));
        };
        points.push((row.within(since, 0, "timestamp")?, value));
    }
    let (Some(start), Some((duration, _))) = (start, points.last().filter(|_| points.len() > 1).copied()) else {
        return Err(TraceError::TooShort { got: counted(saturated(points.len()), "row"), least: "2 rows" });
    };
    workload(start, duration, &points, options).bounded("lower --peak-cpus")
}

fn workload(start: Timestamp, duration: Millis, points: &[Point], options: &Options) -> Workload {
    let most = points.iter().map(|(_, value)| *value).max().unwrap_or_default().max(1);
    let mut changes = Vec::new();
    let mut wanted = vec![0; options.shares.len()];
    for minute in 0..duration.div_ceil(MINUTE) {
        let at = minute * MINUTE;
        let load = u128::from(value_at(points, at)) * u128::from(options.peak_cpus.thousandths()) / u128::from(most);
        for ((application, share), wanted) in options.shares.iter().enumerate().zip(&mut wanted) {
            let instances = instances(share, load);
            if *wanted != instances {
                *wanted = instances;
                changes.push(Change { at, application, instances });
            }
        }
    }
    Workload {
        start,
        duration,
        applications: options.shares.iter().map(|share| share.application.clone()).collect(),
        changes,
        jobs: Vec::new(),
        agent: options.agent.unwrap_or_else(standard_agent),
    }
}

/// The value at a time, linear between points.
fn value_at(points: &[Point], at: Millis) -> u64 {
    let next = points.partition_point(|(time, _)| *time <= at);
    let before = next.checked_sub(1).and_then(|place| points.get(place));
    match (before, points.get(next)) {
        (Some((from, old)), Some((to, new))) => {
            let (passed, span) = (i128::from(at - from), i128::from(to - from));
            let value = i128::from(*old) + (i128::from(*new) - i128::from(*old)) * passed / span.max(1);
            u64::try_from(value).unwrap_or_default()
        }
        (Some((_, value)), None) | (None, Some((_, value))) => *value,
        (None, None) => 0,
    }
}

/// How many instances of an application serve its share of a load in thousandths of a cpu.
fn instances(share: &Share, load: u128) -> u32 {
    let cpus = u128::from(share.application.resources.cpus.thousandths()).max(1);
    let instances = (load * u128::from(share.percent)).div_ceil(100 * cpus);
    u32::try_from(instances).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use shared::resources::Amount;

    use super::*;
    use crate::trace::read;

    #[test]
    fn a_load_is_linear_between_its_points() {
        let points = [(0, 1000), (600_000, 3000), (1_200_000, 0)];
        let values: Vec<u64> =
            [0, 150_000, 600_000, 900_000, 1_200_000, 9_000_000].map(|at| value_at(&points, at)).into();
        assert_eq!(values, [1000, 1500, 3000, 1500, 0, 0]);
    }

    #[test]
    fn the_peak_is_scaled_and_every_application_runs() {
        let workload = read(
            "timestamp,value\n2026-01-01 00:00:00,0\n2026-01-01 00:02:00,8\n2026-01-01 00:03:00,8\n",
            &Options::default(),
        )
        .unwrap();
        let at = |minute: u64| -> Vec<u32> {
            let until = |application| {
                let mut of = workload.changes.iter().filter(move |change| change.application == application);
                of.rfind(|change| change.at <= minute * MINUTE).unwrap().instances
            };
            (0..5).map(until).collect()
        };
        assert_eq!(at(0), [1, 1, 1, 1, 1]);
        // 300 cpus: 105, 75, 60, 30, and 30 of them by shapes of 0.5, 1, 1, 2, and 4 cpus.
        assert_eq!(at(2), [210, 75, 60, 15, 8]);
        assert_eq!(at(1), [105, 38, 30, 8, 4]);
        assert_eq!(workload.agent.to_string(), "8 cpus, 28000 MB");
    }

    #[test]
    fn a_peak_that_no_simulation_can_hold_is_refused() {
        let read = |cpus: u64| {
            let options = Options { peak_cpus: Amount::from_thousandths(1000 * cpus), ..Options::default() };
            read(&format!("{HEADER}\n2026-01-01 00:00:00,1\n2026-01-01 00:02:00,8\n"), &options)
        };
        let error = read(1_000_000_000).unwrap_err().to_string();
        assert!(error.starts_with("689062500 instances are wanted at once, expected at most 1000000"), "{error}");
        assert!(error.ends_with("; lower --peak-cpus"), "{error}");
        assert!(read(800_000).is_ok());
    }

    #[test]
    fn a_series_must_go_on() {
        for (rows, expected) in [
            (
                "2026-01-01 00:00:00,1\n2062-01-01 00:00:00,1",
                "line 3: timestamp: got \"2062-01-01 00:00:00\", expected a time within 400 days of the start",
            ),
            (
                "2026-01-01 00:00:00,1\n2026-01-01 00:00:00,1",
                "line 3: timestamp: 2026-01-01 00:00:00 is not after the row before",
            ),
            ("2026-01-01 00:00:00,1\n2025-01-01 00:00:00,1", "line 3: timestamp: 2025"),
            ("2026-01-01 00:00:00,-1", "line 2: value: got \"-1\", expected a number"),
            ("2026-01-01 00:00:00", "line 2: got 1 values, expected 2: timestamp,value"),
            ("noon,1", "line 2: timestamp: got \"noon\", expected a time of the years 1971 to 2999"),
            ("1970-01-01 00:00:00,1", "line 2: timestamp: got \"1970-01-01 00:00:00\", expected a time of the years"),
            ("9999-12-31 00:00:00,1", "line 2: timestamp: got \"9999-12-31 00:00:00\", expected a time of the years"),
            ("2026-01-01 00:00:00,1", "the trace has 1 row, expected at least 2 rows"),
        ] {
            let error = read(&format!("{HEADER}\n{rows}\n"), &Options::default()).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
