//! `--report`: the result as a page, with a timeline for each pool.

use shared::text::counted;
use simulator::report::timeline::{Color, Direction, Line, Mark, Panel, Timeline};
use simulator::report::{Page, Table, page};

use super::compare::{Cause, Difference, PoolReplay, Sample, Verdict};
use super::text::{OPEN_LOOP, second};
use crate::command;

/// How many differences of a pool are marked, and how many are in the table.
const MAX_DIFFERENCES: usize = 500;

/// The page.
pub(super) fn html(pools: &[PoolReplay], notes: &[String]) -> String {
    let notes: Vec<String> = notes.iter().cloned().chain([OPEN_LOOP.to_owned()]).collect();
    page(&Page {
        title: "Replay of recorded snapshots",
        subtitle: &pools.iter().map(total).collect::<Vec<_>>().join(" "),
        timelines: pools.iter().enumerate().map(|(place, pool)| timeline(pool, place == 0)).collect(),
        table: Some(table(pools)),
        notes: &notes,
        version: env!("CARGO_PKG_VERSION"),
        command: &command::line(),
    })
}

fn total(replayed: &PoolReplay) -> String {
    let PoolReplay { pool, runs, differing_runs, agent_hours, .. } = replayed;
    let change = agent_hours.difference_percent.map_or_else(String::new, |percent| format!(" ({percent:+.1}%)"));
    let (before, after) = (agent_hours.decided, agent_hours.replayed);
    format!("{pool}: {differing_runs} of {runs} runs differ; agent-hours asked for {before:.1} → {after:.1}{change}.")
}

fn timeline(replayed: &PoolReplay, is_detailed: bool) -> Timeline {
    let PoolReplay { pool, samples, differences, .. } = replayed;
    let line = |name: &str, color, of: fn(&Sample) -> Option<u32>| Line {
        name: name.to_owned(),
        color,
        is_area: false,
        values: samples.iter().map(|sample| of(sample).map(f64::from)).collect(),
    };
    let agents = Panel {
        title: "agents".to_owned(),
        lines: vec![
            line("usable", Color::Blue, |sample| sample.agents),
            line("target decided", Color::Orange, |sample| sample.decided),
            line("target replayed", Color::Green, |sample| sample.replayed),
        ],
        is_main: true,
        ..Panel::default()
    };
    let note = if differences.len() > MAX_DIFFERENCES {
        format!("Of {} differences the first {MAX_DIFFERENCES} are marked.", differences.len())
    } else {
        String::new()
    };
    Timeline {
        name: pool.clone(),
        times: samples.iter().map(|sample| sample.at).collect(),
        panels: vec![agents],
        marked: "differences",
        marks: differences.iter().take(MAX_DIFFERENCES).map(mark).collect(),
        is_detailed,
        note,
        ..Timeline::default()
    }
}

/// Up where the replayed decision asks for more agents than the other.
fn mark(difference: &Difference) -> Mark {
    let Difference { from, runs, decided, replayed, .. } = difference;
    let direction = match replayed.target.cmp(&decided.target) {
        std::cmp::Ordering::Greater => Direction::Up,
        std::cmp::Ordering::Less => Direction::Down,
        std::cmp::Ordering::Equal => Direction::Neither,
    };
    let count = counted(u64::try_from(*runs).unwrap_or(u64::MAX), "run");
    let targets = format!("target {} → {}, {count}", decided.target, replayed.target);
    Mark::new(*from, direction, &format!("{targets}; replayed: {}; decided: {}", why(replayed), why(decided)))
}

fn why(verdict: &Verdict) -> String {
    match &verdict.cause {
        Some(Cause { clause, reason }) => format!("{clause} {reason}"),
        None => "no rule changes the number of agents".to_owned(),
    }
}

fn table(pools: &[PoolReplay]) -> Table<'static> {
    let row = |pool: &str, difference: &Difference| {
        let Difference { from, runs, decided, replayed, .. } = difference;
        vec![
            pool.to_owned(),
            second(*from),
            runs.to_string(),
            format!("{} → {}", decided.target, replayed.target),
            format!("{}: {}", decided.state.name(), why(decided)),
            format!("{}: {}", replayed.state.name(), why(replayed)),
        ]
    };
    let rows = pools.iter().flat_map(|replayed| {
        replayed.differences.iter().take(MAX_DIFFERENCES).map(move |difference| row(&replayed.pool, difference))
    });
    Table {
        title: "Differences",
        heads: vec!["pool", "when", "runs", "target", "decided", "replayed"],
        rows: rows.collect(),
    }
}
