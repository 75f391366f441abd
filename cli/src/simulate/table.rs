//! The results as a table: names of policies have what the terminal leaves, at least as much as fits 80 columns.

use std::io::{self, Write as _};

use shared::text::counted;
use simulator::measure::Measurement;
use simulator::summary::{Spread, impact_percent};

use super::{PolicyResult, Results};
use crate::page::{self, TABLE_WIDTH};

/// The widest name of a policy in 80 columns; a longer one loses its beginning, which is a directory.
const NAME: usize = 22;

pub(super) fn print(results: &Results) -> io::Result<()> {
    let mut output = io::stdout().lock();
    lines(results, page::table_width()).iter().try_for_each(|line| writeln!(output, "{line}"))
}

fn lines(results: &Results, width: usize) -> Vec<String> {
    let longest = results.policies.iter().map(|policy| policy.name.chars().count()).max().unwrap_or(0);
    let name = longest.clamp(NAME, NAME + width.saturating_sub(TABLE_WIDTH));
    let day = |time: &Option<String>| time.as_ref().and_then(|time| time.get(..10)).unwrap_or("-").to_owned();
    let seeds = match results.seeds.as_slice() {
        [seed] => format!("seed {seed}"),
        seeds => format!("mean of {}", counted(u32::try_from(seeds.len()).unwrap_or(u32::MAX), "seed")),
    };
    let mut lines = vec![
        format!("{}, measured from {} to {}, {seeds}", results.trace, day(&results.from), day(&results.to)),
        String::new(),
        format!(
            "{:name$} {:>8} {:>7} {:>9} {:>8} {:>6} {:>6} {:>6}",
            "policy", "agent-h", "cost", "waiting-h", "waiting", "p99", "moved", "flaps"
        ),
    ];
    let first = results.policies.first();
    lines.extend(results.policies.iter().map(|policy| row(policy, first, name)));
    if results.policies.len() > 1 {
        lines.push(String::new());
        lines.push("cost and waiting: against the first policy; moved: tasks and jobs ended".to_owned());
    }
    if results.policies.is_empty() {
        lines.push("no simulation has ended".to_owned());
    }
    lines
}

fn row(policy: &PolicyResult, first: Option<&PolicyResult>, name: usize) -> String {
    let mean = |measurement| policy.measurements.get(measurement).mean;
    let impact = |measurement| {
        let base = first.map_or(0.0, |first| first.measurements.get(measurement).mean);
        if first.is_some_and(|first| first.name == policy.name) {
            return "base".to_owned();
        }
        impact_percent(mean(measurement), base).map_or_else(|| "-".to_owned(), percentage)
    };
    let waiting_hours = mean(Measurement::waiting_task_seconds) / 3600.0;
    let moved = mean(Measurement::moved_tasks) + mean(Measurement::killed_tasks);
    let Spread { mean: p99, .. } = policy.measurements.get(Measurement::wait_p99_s);
    format!(
        "{:name$} {:>8.0} {:>7} {:>9.1} {:>8} {:>5.0}s {:>6.0} {:>6.0}",
        cut(&policy.name, name),
        mean(Measurement::agent_hours),
        impact(Measurement::cost),
        waiting_hours,
        impact(Measurement::waiting_task_seconds),
        p99,
        moved,
        mean(Measurement::flaps)
    )
}

/// A difference in at most seven characters, as wide as its column.
fn percentage(percent: f64) -> String {
    // What is rounded up needs its place, too.
    match percent {
        percent if percent < 999.95 => format!("{percent:+.1}%"),
        percent if percent < 99_999.5 => format!("{percent:+.0}%"),
        _ => ">99999%".to_owned(),
    }
}

/// The end of a name that is too long.
fn cut(name: &str, width: usize) -> String {
    let length = name.chars().count();
    if length <= width {
        return name.to_owned();
    }
    let end: String = name.chars().skip(length - width + 2).collect();
    format!("..{end}")
}

#[cfg(test)]
mod tests {
    use simulator::Measurements;
    use simulator::summary::Summary;

    use super::*;

    fn policy(name: &str, agent_hours: f64, waiting: f64) -> PolicyResult {
        let measured = Measurements {
            agent_hours,
            cost: agent_hours,
            waiting_task_seconds: waiting,
            moved_tasks: 123_456.0,
            flaps: 99_999.0,
            wait_p99_s: 86_400.0,
            ..Measurements::default()
        };
        PolicyResult {
            name: name.to_owned(),
            config_sha256: None,
            measurements: Summary::of(&[&measured]),
            moved_by_cause: Vec::new(),
        }
    }

    fn results(policies: Vec<PolicyResult>) -> Results {
        let time = |day: u32| Some(format!("2026-01-{day:02}T00:00:00.000Z"));
        Results { version: 1, trace: "week.csv".to_owned(), seeds: vec![1], from: time(2), to: time(9), policies }
    }

    #[test]
    fn a_table_fits_eighty_columns() {
        let long = "/a/very/long/path/to/some/configuration/of/a/pool.toml";
        let policies = vec![policy(long, 12_345_678.0, 360_000_000.0), policy("oracle", 99_999_999.0, 3_599_999_640.0)];
        let results = results(policies);
        for line in lines(&results, 80) {
            assert!(line.chars().count() <= 80, "{line}");
        }
        let wide = lines(&results, 120);
        assert!(wide.iter().all(|line| line.chars().count() <= 120));
        assert!(wide.iter().any(|line| line.starts_with(long)), "{wide:?}");
    }

    #[test]
    fn a_difference_is_as_wide_as_its_column() {
        let written = [-100.0, 0.0, 999.94, 999.96, 49_900.0, 99_999.6, f64::INFINITY].map(percentage);
        assert_eq!(written, ["-100.0%", "+0.0%", "+999.9%", "+1000%", "+49900%", ">99999%", ">99999%"]);
    }

    #[test]
    fn the_impact_is_against_the_first_policy() {
        let lines = lines(&results(vec![policy("a.toml", 100.0, 0.0), policy("oracle", 75.0, 7200.0)]), 80);
        assert!(lines[3].starts_with("a.toml ") && lines[3].contains("base"), "{lines:?}");
        let words: Vec<&str> = lines[4].split_whitespace().collect();
        assert_eq!(words, ["oracle", "75", "-25.0%", "2.0", "-", "86400s", "123456", "99999"]);
    }
}
