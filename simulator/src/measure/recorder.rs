//! Sums up what happens. All sums are integers, over the exact time between two events.

use std::collections::BTreeMap;

use jiff::Timestamp;
use shared::clause::Clause;
use shared::resources::{Kind, Resources};

use super::{Action, ActionKind, Hold, Measurements, Series, Wait};
use crate::{HOUR, MINUTE, Millis};

/// How many of the longest waits are kept.
const WORST_WAITS: usize = 5;

/// Within that time an action in the other direction is a flap.
const FLAP: Millis = 30 * MINUTE;

/// A whole in the shares that are summed up.
const WHOLE: u64 = 1_000_000;

/// What holds from one event to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Levels {
    /// Instances that are paid for.
    pub(crate) instances: u32,
    pub(crate) usable: u32,
    pub(crate) in_flight: u32,
    pub(crate) closing: u32,
    pub(crate) waiting: u32,
    /// Whether the group can request no more.
    pub(crate) is_at_max: bool,
    /// What the usable agents have.
    pub(crate) total: Resources,
    /// What runs on them.
    pub(crate) used: Resources,
    /// What all registered agents run.
    pub(crate) placed: Resources,
    /// What is wanted, placed or not.
    pub(crate) wanted: Resources,
}

/// What is added up over time, in milliseconds of each.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    time: u64,
    instances: u64,
    /// In thousandths of agents.
    demand: u64,
    placed: u64,
    waiting: u64,
    waiting_at_max: u64,
    with_waiting: u64,
    headroom_short: u64,
    /// Of the share of usable agents, in millionths.
    utilization: u128,
    utilization_time: u64,
}

#[derive(Debug)]
pub(crate) struct Recorder {
    start: Timestamp,
    measured_from: Millis,
    agent: Resources,
    headroom_percent: u64,
    levels: Levels,
    last: Millis,
    sums: Sums,
    series: Series,
    /// The share of usable agents that was allocated in each measured minute, in millionths.
    utilization: Vec<u32>,
    /// How long each instance waited, in milliseconds.
    waits: Vec<u64>,
    worst: Vec<Wait>,
    actions: Vec<Action>,
    holds: Vec<Hold>,
    back_off: BTreeMap<Clause, Millis>,
    killed: u64,
}

impl Recorder {
    pub(crate) fn new(start: Timestamp, measured_from: Millis, agent: Resources, headroom_percent: u32) -> Self {
        Self {
            start,
            measured_from,
            agent,
            headroom_percent: headroom_percent.into(),
            levels: Levels::default(),
            last: 0,
            sums: Sums::default(),
            series: Series::default(),
            utilization: Vec::new(),
            waits: Vec::new(),
            worst: Vec::new(),
            actions: Vec::new(),
            holds: Vec::new(),
            back_off: BTreeMap::new(),
            killed: 0,
        }
    }

    fn time(&self, at: Millis) -> Timestamp {
        time(self.start, at)
    }

    /// What held until now has held for that long.
    pub(crate) fn pass(&mut self, now: Millis) {
        let from = self.last.max(self.measured_from);
        self.last = self.last.max(now);
        let Some(span) = now.checked_sub(from).filter(|span| *span > 0) else { return };
        let Levels { instances, waiting, is_at_max, total, used, placed, wanted, .. } = self.levels;
        let times = |count: u32| u64::from(count) * span;
        self.sums.time += span;
        self.sums.instances += times(instances);
        self.sums.demand += self.agents(&wanted) * span;
        self.sums.placed += self.agents(&placed) * span;
        self.sums.waiting += times(waiting);
        self.sums.waiting_at_max += if is_at_max { times(waiting) } else { 0 };
        self.sums.with_waiting += if waiting > 0 { span } else { 0 };
        self.sums.headroom_short += if self.lacks_headroom(&total, &used, &wanted) { span } else { 0 };
        if let Some(share) = share(&used, &total) {
            self.sums.utilization += u128::from(share) * u128::from(span);
            self.sums.utilization_time += span;
        }
    }

    /// What holds from now on.
    pub(crate) const fn set(&mut self, levels: Levels) {
        self.levels = levels;
    }

    /// Samples what holds.
    pub(crate) fn sample(&mut self, now: Millis) {
        let Levels { usable, in_flight, closing, waiting, total, used, placed, wanted, .. } = self.levels;
        let thousandths = |agents: u64| u32::try_from(agents).unwrap_or(u32::MAX);
        self.series.demand.push(thousandths(self.agents(&wanted)));
        self.series.allocated.push(thousandths(self.agents(&placed)));
        self.series.usable.push(usable);
        self.series.in_flight.push(in_flight);
        self.series.closing.push(closing);
        self.series.waiting.push(waiting);
        if now >= self.measured_from
            && let Some(share) = share(&used, &total)
        {
            self.utilization.push(u32::try_from(share).unwrap_or(u32::MAX));
        }
    }

    /// An instance was placed that had been wanted since then, or was given up.
    pub(crate) fn waited(&mut self, application: &str, since: Millis, now: Millis) {
        if since < self.measured_from {
            return;
        }
        let length = now.saturating_sub(since);
        self.waits.push(length);
        let is_bad = self.worst.len() < WORST_WAITS || self.worst.last().is_some_and(|last| last.length() < length);
        if length == 0 || !is_bad {
            return;
        }
        let (from, to) = (self.time(since), self.time(now));
        let held = self.holds.iter().rev().take_while(|hold| hold.to >= from).find(|hold| hold.from <= to);
        let clause = held.and_then(|hold| hold.clause);
        self.worst.push(Wait { application: application.to_owned(), from, to, clause });
        // Of equal ones the earlier stays first.
        self.worst.sort_by_key(|wait| std::cmp::Reverse(wait.length()));
        self.worst.truncate(WORST_WAITS);
    }

    /// A job was killed that had run for so long.
    pub(crate) const fn killed(&mut self, now: Millis, ran: Millis) {
        if now >= self.measured_from {
            self.killed += ran;
        }
    }

    pub(crate) fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// A run put off a change; the next one is a period later.
    pub(crate) fn hold(&mut self, now: Millis, period: Millis, clause: Option<Clause>, reason: String) {
        if let Some(clause) = clause
            && now >= self.measured_from
        {
            *self.back_off.entry(clause).or_default() += period;
        }
        let (from, to) = (self.time(now), self.time(now + period));
        match self.holds.last_mut() {
            Some(hold) if hold.clause == clause && hold.to >= from => hold.to = to,
            _ => self.holds.push(Hold { from, to, clause, reason }),
        }
    }

    /// The largest share of what an agent has, in thousandths of agents.
    fn agents(&self, amount: &Resources) -> u64 {
        agents(amount, &self.agent)
    }

    fn lacks_headroom(&self, total: &Resources, used: &Resources, wanted: &Resources) -> bool {
        let free = total.saturating_sub(used);
        let lacks =
            |kind: Kind| 100 * free.get(kind).thousandths() < self.headroom_percent * wanted.get(kind).thousandths();
        [Kind::Cpus, Kind::Mem].into_iter().any(lacks)
    }

    /// The end: what was measured, with the oracle's agents times milliseconds, and the price of an agent-hour in thousandths.
    pub(crate) fn finish(mut self, oracle: u64, price: u64) -> Finished {
        self.waits.sort_unstable();
        let from = self.time(self.measured_from);
        let measured: Vec<&Action> = self.actions.iter().filter(|action| action.at >= from).collect();
        let of_kind = |kind: ActionKind| measured.iter().filter(move |action| action.kind == kind);
        let changed = |kind| of_kind(kind).map(|action| u64::from(action.from.abs_diff(action.to))).sum::<u64>();
        let Sums { time: _, instances, demand, placed, waiting, waiting_at_max, .. } = self.sums;
        let hours = |millis: u64| ratio(millis, HOUR);
        let seconds = |millis: u64| ratio(millis, 1000);
        let minutes = |millis: u64| ratio(millis, MINUTE);
        // Thousandths of a price times hours.
        let cost = |millis: u64| ratio128(u128::from(millis) * u128::from(price), u128::from(HOUR) * 1000);
        let whole = |count: u64| ratio(count, 1);
        let waited = self.waits.iter().filter(|wait| **wait > 0).count();
        self.utilization.sort_unstable();
        let measurements = Measurements {
            agent_hours: hours(instances),
            cost: cost(instances),
            unused_cost: cost(instances.saturating_sub(placed / 1000)),
            oracle_agent_hours: hours(oracle),
            regret_percent: 100.0 * (ratio(instances, oracle) - if oracle == 0 { 0.0 } else { 1.0 }),
            waiting_task_seconds: seconds(waiting),
            waiting_at_max_task_seconds: seconds(waiting_at_max),
            waited_percent: 100.0 * ratio(waited as u64, self.waits.len() as u64),
            wait_p50_s: seconds(percentile(&self.waits, 50)),
            wait_p95_s: seconds(percentile(&self.waits, 95)),
            wait_p99_s: seconds(percentile(&self.waits, 99)),
            wait_max_s: seconds(percentile(&self.waits, 100)),
            minutes_with_waiting: minutes(self.sums.with_waiting),
            utilization_mean: 100.0
                * ratio128(self.sums.utilization, u128::from(self.sums.utilization_time) * u128::from(WHOLE)),
            utilization_p95: 100.0 * ratio(percentile(&self.utilization, 95).into(), WHOLE),
            slack_percent: 100.0 * ratio(instances.saturating_sub(demand / 1000), instances),
            headroom_violation_minutes: minutes(self.sums.headroom_short),
            scale_ups: whole(of_kind(ActionKind::ScaleUp).count() as u64),
            scale_downs: whole(of_kind(ActionKind::ScaleDown).count() as u64),
            agents_added: whole(changed(ActionKind::ScaleUp)),
            agents_removed: whole(changed(ActionKind::ScaleDown)),
            flaps: whole(flaps(&measured)),
            moved_tasks: whole(measured.iter().map(|action| u64::from(action.moved_tasks)).sum()),
            killed_tasks: whole(measured.iter().map(|action| u64::from(action.killed_jobs)).sum()),
            killed_task_seconds: seconds(self.killed),
            back_off_minutes: self.back_off.iter().map(|(clause, millis)| (*clause, millis / MINUTE)).collect(),
        };
        Finished {
            measurements,
            series: self.series,
            actions: self.actions,
            holds: self.holds,
            worst_waits: self.worst,
        }
    }
}

/// What a recorder has recorded.
pub(crate) struct Finished {
    pub(crate) measurements: Measurements,
    pub(crate) series: Series,
    pub(crate) actions: Vec<Action>,
    pub(crate) holds: Vec<Hold>,
    pub(crate) worst_waits: Vec<Wait>,
}

/// How often an action reversed the direction of one shortly before.
fn flaps(actions: &[&Action]) -> u64 {
    let directed = actions.iter().filter(|action| matches!(action.kind, ActionKind::ScaleUp | ActionKind::ScaleDown));
    let directed: Vec<&&Action> = directed.collect();
    let is_flap = |pair: &&[&&Action]| match pair {
        [before, after] => {
            let between = after.at.as_millisecond().saturating_sub(before.at.as_millisecond());
            before.kind != after.kind && u64::try_from(between).is_ok_and(|between| between <= FLAP)
        }
        _ => false,
    };
    directed.windows(2).filter(is_flap).count() as u64
}

/// The time that many milliseconds after the start.
pub(crate) fn time(start: Timestamp, at: Millis) -> Timestamp {
    let millis = start.as_millisecond().saturating_add_unsigned(at);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}

/// The largest share of what an agent has of a kind, in thousandths of agents.
pub(crate) fn agents(amount: &Resources, agent: &Resources) -> u64 {
    let of = |kind: Kind| {
        let (amount, has) = (amount.get(kind).thousandths(), agent.get(kind).thousandths());
        (u128::from(amount) * 1000).checked_div(u128::from(has)).unwrap_or(0)
    };
    let most = Kind::ALL.into_iter().map(of).max().unwrap_or(0);
    u64::try_from(most).unwrap_or(u64::MAX)
}

/// The largest share of a whole, in millionths; `None` where there is no whole.
fn share(part: &Resources, whole: &Resources) -> Option<u64> {
    if whole.cpus.is_zero() && whole.mem.is_zero() {
        return None;
    }
    let of = |kind: Kind| {
        let (part, whole) = (part.get(kind).thousandths(), whole.get(kind).thousandths());
        (u128::from(part) * u128::from(WHOLE)).checked_div(u128::from(whole)).unwrap_or(0)
    };
    Some(u64::try_from(Kind::ALL.into_iter().map(of).max().unwrap_or(0)).unwrap_or(u64::MAX))
}

/// The smallest value that so many percent of the sorted values do not exceed; 0 where there is none.
fn percentile<T: Copy + Default>(sorted: &[T], percent: usize) -> T {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "printed figures need no more than 53 bits")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[expect(clippy::cast_precision_loss, reason = "printed figures need no more than 53 bits")]
fn ratio128(part: u128, whole: u128) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use cluster::resources;

    use super::*;

    fn recorder(measured_from: Millis) -> Recorder {
        Recorder::new(Timestamp::UNIX_EPOCH, measured_from, resources(8, 28_000), 10)
    }

    #[test]
    fn time_counts_exactly_and_only_where_it_is_measured() {
        let mut recorder = recorder(HOUR);
        let levels = Levels {
            instances: 3,
            waiting: 2,
            total: resources(16, 56_000),
            used: resources(4, 28_000),
            placed: resources(4, 28_000),
            wanted: resources(8, 28_000),
            ..Levels::default()
        };
        recorder.set(levels);
        recorder.pass(2 * HOUR);
        recorder.set(Levels { waiting: 0, is_at_max: true, ..levels });
        recorder.pass(2 * HOUR + 30 * MINUTE);
        let measured = recorder.finish(3 * HOUR, 400).measurements;
        let text = |value: f64| format!("{value:.3}");
        assert_eq!(text(measured.agent_hours), "4.500");
        assert_eq!(text(measured.cost), "1.800");
        // One of three agents would do.
        assert_eq!(text(measured.unused_cost), "1.200");
        assert_eq!(text(measured.regret_percent), "50.000");
        assert_eq!(text(measured.waiting_task_seconds), "7200.000");
        assert_eq!(text(measured.waiting_at_max_task_seconds), "0.000");
        assert_eq!(text(measured.utilization_mean), "50.000");
        assert_eq!(text(measured.slack_percent), "66.667");
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let sorted: Vec<u64> = (1..=200).collect();
        assert_eq!([50, 95, 99, 100].map(|percent| percentile(&sorted, percent)), [100, 190, 198, 200]);
        assert_eq!((percentile::<u64>(&[], 50), percentile(&[7_u64], 50)), (0, 7));
    }

    #[test]
    fn a_flap_is_a_reversal_within_half_an_hour() {
        let action = |minute: i64, kind| Action {
            at: Timestamp::from_second(60 * minute).unwrap(),
            kind,
            from: 1,
            to: 2,
            agents: 0,
            moved_tasks: 0,
            killed_jobs: 0,
            clause: None,
            reason: String::new(),
        };
        let (up, down) = (ActionKind::ScaleUp, ActionKind::ScaleDown);
        let actions = [
            action(0, up),
            action(30, down),
            action(61, up),
            action(62, ActionKind::Close),
            action(63, up),
            action(64, down),
        ];
        assert_eq!(flaps(&actions.iter().collect::<Vec<_>>()), 2);
    }

    #[test]
    fn runs_that_put_off_a_change_for_one_clause_are_one_hold() {
        let mut recorder = recorder(0);
        for minute in [0, 1, 2, 9] {
            recorder.hold(minute * MINUTE, MINUTE, Some(Clause::B2), format!("run {minute}"));
        }
        recorder.hold(10 * MINUTE, MINUTE, Some(Clause::B3), String::new());
        recorder.waited("/web", 0, 90 * 1000);
        let finished = recorder.finish(0, 0);
        assert_eq!(finished.measurements.back_off_minutes, BTreeMap::from([(Clause::B2, 4), (Clause::B3, 1)]));
        let lengths: Vec<i64> = finished.holds.iter().map(|hold| (hold.to - hold.from).as_secs()).collect();
        assert_eq!((lengths, finished.holds[0].reason.as_str()), (vec![180, 60, 60], "run 0"));
        assert_eq!(finished.worst_waits[0].length(), 90_000);
    }
}
