//! The timeline of a simulation.

use std::cmp::Reverse;

use jiff::Timestamp;
use shared::text::counted;

use super::{Band, Color, Direction, Level, Line, Mark, Panel, Timeline};
use crate::measure::{Action, ActionKind, Hold, Series};
use crate::report::Contestant;
use crate::results::Run;

/// How many actions of the first policy are shown.
const MAX_MARKS: usize = 2000;

/// How many actions of each other policy are shown.
const MAX_OTHER_MARKS: usize = 300;

/// How much of a timeline the page holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Every sample.
    Full,
    /// Least and largest values, and the largest actions.
    Reduced,
}

/// The timeline of one of a policy's runs.
pub(crate) fn of_run(contestant: &Contestant<'_>, run: &Run, detail: Detail) -> Timeline {
    let is_detailed = detail == Detail::Full;
    let most = if is_detailed { MAX_MARKS } else { MAX_OTHER_MARKS };
    let (marks, note) = marks(&run.actions, most);
    Timeline {
        name: contestant.name.to_owned(),
        times: (0..run.series.len()).map(|minute| at(run.start, minute)).collect(),
        panels: panels(contestant, &run.series),
        marks,
        marked: "actions",
        bands: bands(&run.holds, most),
        measured_from: Some(run.from).filter(|from| *from > run.start),
        is_detailed,
        note,
    }
}

fn at(start: Timestamp, minute: usize) -> Timestamp {
    let after = i64::try_from(minute).unwrap_or(i64::MAX).saturating_mul(60_000);
    Timestamp::from_millisecond(start.as_millisecond().saturating_add(after)).unwrap_or(Timestamp::MAX)
}

fn panels(contestant: &Contestant<'_>, series: &Series) -> Vec<Panel> {
    let line = |name: &str, color, is_area, values| Line { name: name.to_owned(), color, is_area, values };
    let whole = |values: &[u32]| values.iter().map(|value| Some(f64::from(*value))).collect::<Vec<_>>();
    let thousandths = |values: &[u32]| values.iter().map(|value| Some(f64::from(*value) / 1000.0)).collect::<Vec<_>>();
    let level = |name: &str, value: u32| Level { name: name.to_owned(), value: value.into() };
    let settings = contestant.settings();
    let agents = Panel {
        title: "agents".to_owned(),
        lines: vec![
            line("in flight", Color::Green, true, whole(&series.in_flight)),
            line("closing", Color::Purple, true, whole(&series.closing)),
            line("usable", Color::Blue, false, whole(&series.usable)),
            line("demand", Color::Orange, false, thousandths(&series.demand)),
        ],
        levels: settings.map_or_else(Vec::new, |settings| {
            let max = settings.limits.max.map(|max| level("max", max));
            [level("min", settings.limits.min)].into_iter().chain(max).collect()
        }),
        is_main: true,
    };
    let waiting = Panel {
        title: "instances of applications that wait".to_owned(),
        lines: vec![line("waiting", Color::Red, true, whole(&series.waiting))],
        ..Panel::default()
    };
    let utilization = Panel {
        title: "utilization in percent".to_owned(),
        lines: vec![line("allocated", Color::Blue, false, utilization(series))],
        levels: settings.map_or_else(Vec::new, |settings| {
            let thresholds = &settings.thresholds;
            vec![level("D below", thresholds.scale_down_percent), level("U above", thresholds.scale_up_percent)]
        }),
        ..Panel::default()
    };
    vec![agents, waiting, utilization]
}

/// The largest share that is allocated of what the registered agents have, in percent; `None` where there are none.
fn utilization(series: &Series) -> Vec<Option<f64>> {
    let agents = series.usable.iter().zip(&series.closing).map(|(usable, closing)| usable + closing);
    let percent = |(allocated, agents): (&u32, u32)| {
        (agents > 0).then(|| (f64::from(*allocated) / 10.0 / f64::from(agents) * 10.0).round() / 10.0)
    };
    series.allocated.iter().zip(agents).map(percent).collect()
}

/// The largest actions, in the order of time, and what to say where some are left out.
fn marks(actions: &[Action], most: usize) -> (Vec<Mark>, String) {
    let mut largest: Vec<(usize, &Action)> = actions.iter().enumerate().collect();
    largest.sort_by_key(|(place, action)| (Reverse(size(action)), *place));
    largest.truncate(most);
    largest.sort_by_key(|(place, _)| *place);
    let note = if actions.len() > most {
        format!("Of {} actions the {most} largest are marked.", actions.len())
    } else {
        String::new()
    };
    (largest.into_iter().map(|(_, action)| mark(action)).collect(), note)
}

/// The longest holds, in the order of time.
fn bands(holds: &[Hold], most: usize) -> Vec<Band> {
    let length = |hold: &Hold| hold.to.as_millisecond() - hold.from.as_millisecond();
    let mut longest: Vec<(usize, &Hold)> = holds.iter().enumerate().collect();
    longest.sort_by_key(|(place, hold)| (Reverse(length(hold)), *place));
    longest.truncate(most);
    longest.sort_by_key(|(place, _)| *place);
    let text = |hold: &Hold| match hold.clause {
        Some(clause) => format!("put off by {clause}: {}", hold.reason),
        None => format!("put off: {}", hold.reason),
    };
    longest.into_iter().map(|(_, hold)| Band::new(hold.from, hold.to, &text(hold))).collect()
}

/// How much an action changes.
fn size(action: &Action) -> u32 {
    let changed = action.from.abs_diff(action.to).max(action.agents);
    changed.saturating_add(action.moved_tasks).saturating_add(action.killed_jobs)
}

fn mark(action: &Action) -> Mark {
    let Action { at, kind, from, to, agents, moved_tasks, killed_jobs, clause, reason } = action;
    let agents = counted(*agents, "agent");
    let (direction, what) = match kind {
        ActionKind::ScaleUp => (Direction::Up, format!("scale up {from} → {to}")),
        ActionKind::ScaleDown => (Direction::Down, format!("scale down {from} → {to}")),
        ActionKind::Close => (Direction::Neither, format!("close {agents}")),
        ActionKind::Reopen => (Direction::Neither, format!("reopen {agents}")),
        ActionKind::Drain => (Direction::Neither, format!("drain {agents}")),
    };
    let mut text = what;
    for (count, noun) in [(*moved_tasks, "task"), (*killed_jobs, "job")] {
        if count > 0 {
            text = format!("{text}, ends {}", counted(count, noun));
        }
    }
    let why = match (clause, reason.is_empty()) {
        (Some(clause), false) => format!(": {clause} {reason}"),
        (Some(clause), true) => format!(": {clause}"),
        (None, false) => format!(": {reason}"),
        (None, true) => String::new(),
    };
    Mark::new(*at, direction, &(text + &why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(minute: i64, to: u32) -> Action {
        Action {
            at: Timestamp::from_second(60 * minute).unwrap(),
            kind: ActionKind::ScaleUp,
            from: 10,
            to,
            agents: 0,
            moved_tasks: 0,
            killed_jobs: 0,
            clause: Some(shared::clause::Clause::H4),
            reason: "x".repeat(1000),
        }
    }

    #[test]
    fn where_there_are_too_many_actions_the_largest_are_shown() {
        let actions: Vec<Action> = [11, 30, 12, 20].into_iter().zip(0..).map(|(to, at)| action(at, to)).collect();
        let (shown, note) = marks(&actions, 2);
        let minutes: Vec<i64> = shown.iter().map(|mark| mark.at.as_second() / 60).collect();
        assert_eq!(minutes, [1, 3]);
        assert_eq!(note, "Of 4 actions the 2 largest are marked.");
        assert_eq!(marks(&actions, 4).1, "");
    }

    #[test]
    fn a_mark_says_what_was_done_by_which_clause_and_why() {
        let text =
            mark(&Action { moved_tasks: 3, killed_jobs: 1, reason: "needs more".to_owned(), ..action(0, 12) }).text;
        assert_eq!(text, "scale up 10 → 12, ends 3 tasks, ends 1 job: H4 needs more");
        assert_eq!(mark(&action(0, 12)).text.chars().count(), super::super::MAX_TEXT);
    }

    #[test]
    fn the_longest_holds_are_bands_in_the_order_of_time() {
        let at = |minute: i64| Timestamp::from_second(60 * minute).unwrap();
        let hold = |from, to| Hold {
            from: at(from),
            to: at(to),
            clause: Some(shared::clause::Clause::B3),
            reason: "5 instances in flight".to_owned(),
        };
        let found = bands(&[hold(0, 3), hold(5, 6), hold(8, 12)], 2);
        let text = "put off by B3: 5 instances in flight";
        assert_eq!(found, [Band::new(at(0), at(3), text), Band::new(at(8), at(12), text)]);
    }

    #[test]
    fn utilization_is_not_known_without_agents() {
        let series = Series {
            allocated: vec![0, 1500, 600],
            usable: vec![0, 2, 1],
            closing: vec![0, 0, 1],
            ..Series::default()
        };
        assert_eq!(utilization(&series), [None, Some(75.0), Some(30.0)]);
    }
}
