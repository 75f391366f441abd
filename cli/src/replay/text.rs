//! The result as text: lines as wide as the terminal, at least 80 columns.

use jiff::Timestamp;
use shared::text::{clip, counted};

use super::compare::{Cause, Difference, PoolReplay, Verdict};

/// The last line: what the result does not say.
pub(super) const OPEN_LOOP: &str = "open loop: no run sees the agents of the other decisions; simulate closes it";

/// The width of the labels of reasons.
const LABEL: usize = 14;

/// Everything in lines.
pub(super) fn lines(pools: &[PoolReplay], notes: &[String], width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for pool in pools.iter().filter(|pool| !pool.differences.is_empty()) {
        lines.push(clip(&format!("pool {}", pool.pool), width));
        lines.push(format!("{:<21}{:<19}state", "when", "target"));
        lines.extend(pool.differences.iter().flat_map(|one| difference(one, width)));
        lines.push(String::new());
    }
    lines.extend(totals(pools));
    lines.extend(notes.iter().cloned());
    lines.push(OPEN_LOOP.to_owned());
    // Notes, and lines with numbers that are wider than their columns.
    let fits = |line: &String| line.chars().count() <= width;
    lines.into_iter().flat_map(|line| if fits(&line) { vec![line] } else { wrapped(&line, width) }).collect()
}

fn difference(difference: &Difference, width: usize) -> Vec<String> {
    let Difference { from, runs, agents, decided, replayed, .. } = difference;
    let state = match (decided.state.name(), replayed.state.name()) {
        (before, after) if before == after => before.to_owned(),
        (before, after) => format!("{before} -> {after}"),
    };
    let count = if *runs == 1 { String::new() } else { format!(", for {runs} runs") };
    let target = format!("{} -> {}", decided.target, replayed.target);
    let mut lines = vec![format!("{:<21}{target:<19}{state}{count}", second(*from))];
    for (label, verdict) in [("decided", decided), ("replayed", replayed)] {
        lines.extend(reason(label, verdict, *agents, width));
    }
    lines
}

fn reason(label: &str, verdict: &Verdict, agents: u32, width: usize) -> Vec<String> {
    let text = match &verdict.cause {
        Some(Cause { clause, reason }) => format!("{clause} {reason}"),
        // Of a custom check.
        None if verdict.target != agents => "the decision has no step that says why".to_owned(),
        None => "no rule changes the number of agents".to_owned(),
    };
    let lines = wrapped(&text, width.saturating_sub(LABEL).max(1)).into_iter().enumerate();
    lines
        .map(|(index, line)| {
            format!("{:<LABEL$}{line}", if index == 0 { format!("    {label}") } else { String::new() })
        })
        .collect()
}

fn totals(pools: &[PoolReplay]) -> Vec<String> {
    let mut lines = vec![format!(
        "{:<22}{:>8}{:>8}  {:>14}{:>14}{:>10}",
        "pool", "runs", "differ", "decided", "replayed", "change"
    )];
    for pool in pools {
        let hours = pool.agent_hours;
        let change = hours.difference_percent.map_or_else(|| "-".to_owned(), |percent| format!("{percent:+.1}%"));
        lines.push(format!(
            "{:<22}{:>8}{:>8}  {:>14}{:>14}{change:>10}",
            clip(&pool.pool, 21),
            pool.runs,
            pool.differing_runs,
            format!("{:.1} h", hours.decided),
            format!("{:.1} h", hours.replayed),
        ));
    }
    let (from, to) = (pools.iter().map(|pool| pool.from).min(), pools.iter().map(|pool| pool.to).max());
    if let (Some(from), Some(to)) = (from, to) {
        lines.push(format!("agent-hours asked for, {} to {}", second(from), second(to)));
    }
    lines
}

/// What was left out, a sentence for each pool and cause.
pub(super) fn left_out(pool: &PoolReplay, has_against: bool) -> Vec<String> {
    let PoolReplay { pool, without_decision, expired, .. } = pool;
    let mut notes = Vec::new();
    if *without_decision > 0 {
        let advice = if has_against { "" } else { "; add --against OLD.toml to compare them with what it decides" };
        notes.push(format!("{pool}: {} without a decision left out{advice}", counted_runs(*without_decision)));
    }
    if *expired > 0 {
        let runs = counted_runs(*expired);
        notes.push(format!("{pool}: {runs} left out that --config would refuse as expired; see schedule_period"));
    }
    notes
}

fn counted_runs(runs: usize) -> String {
    counted(u64::try_from(runs).unwrap_or(u64::MAX), "run")
}

/// The time without fractions of a second.
pub(super) fn second(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

/// The text in lines of at most that many characters. A word that is longer, such as the name of an application, is broken.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut free = width;
    for word in text.split_whitespace() {
        let mut word = word;
        let length = word.chars().count();
        if length >= free && free < width {
            lines.push(std::mem::take(&mut line));
            free = width;
        } else if free < width {
            line.push(' ');
            free -= 1;
        }
        while let Some((cut, _)) = word.char_indices().nth(width) {
            let (part, rest) = word.split_at(cut);
            lines.push(part.to_owned());
            word = rest;
        }
        line.push_str(word);
        free -= word.chars().count();
    }
    lines.push(line);
    lines
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use jiff::SignedDuration;
    use shared::contract::ScalingState;

    use super::super::compare::AgentHours;
    use super::*;
    use crate::page::TABLE_WIDTH;

    #[test]
    fn every_line_fits_the_width_with_any_numbers() {
        let from = Timestamp::from_second(1_795_262_400).unwrap();
        let states = [
            ScalingState::ScaleUp,
            ScalingState::ScaleDown,
            ScalingState::Normal,
            ScalingState::MaxLimit,
            ScalingState::MinLimit,
            ScalingState::Held,
        ];
        for (target, runs) in [(5, 1), (99_999, 999_999), (u32::MAX, usize::MAX)] {
            for (before, after) in states.into_iter().flat_map(|before| states.map(|after| (before, after))) {
                let verdict = |state| Verdict { target, state, cause: None };
                let (decided, replayed) = (verdict(before), verdict(after));
                let pool = PoolReplay {
                    pool: "ü".repeat(64),
                    from,
                    to: from + SignedDuration::from_hours(24 * 365),
                    runs,
                    differing_runs: runs,
                    without_decision: runs,
                    expired: runs,
                    agent_hours: AgentHours { decided: 1e15, replayed: 1e15, difference_percent: Some(1e9) },
                    samples: Vec::new(),
                    differences: vec![Difference { from, to: from, runs, agents: target, decided, replayed }],
                };
                let notes = left_out(&pool, false);
                let wide = lines(std::slice::from_ref(&pool), &notes, 120);
                assert!(wide.iter().all(|line| line.chars().count() <= 120), "{wide:#?}");
                let lines = lines(&[pool], &notes, TABLE_WIDTH);
                assert!(lines.iter().all(|line| line.chars().count() <= TABLE_WIDTH), "{lines:#?}");
                assert!(wide.len() <= lines.len());
                assert_eq!(lines.last().map(String::as_str), Some(OPEN_LOOP));
                // Columns hold what is not absurd.
                assert!(target == u32::MAX || lines[2].contains(&format!("  {}", before.name())), "{}", lines[2]);
            }
        }
    }

    #[test]
    fn a_decision_of_a_custom_check_needs_no_steps() {
        let verdict = |target| Verdict { target, state: ScalingState::ScaleUp, cause: None };
        assert_eq!(reason("decided", &verdict(6), 5, 80), ["    decided   the decision has no step that says why"]);
        assert_eq!(reason("decided", &verdict(5), 5, 80), ["    decided   no rule changes the number of agents"]);
    }

    #[test]
    fn lines_break_between_words_where_they_can() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("one two three", 6), ["one", "two", "three"]);
        assert_eq!(wrapped("a /very/long/name b", 5), ["a", "/very", "/long", "/name", "b"]);
        assert_eq!(wrapped("/very/long/names b", 5), ["/very", "/long", "/name", "s b"]);
        assert_eq!(wrapped("", 5), [""]);
        assert!(OPEN_LOOP.len() <= TABLE_WIDTH);
    }
}
