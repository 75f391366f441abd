//! What if: the nearest changes that lead to another decision: more or less load, another setting, a complete snapshot.
//!
//! Every answer is a decision of [`decide`] on the snapshot or policy with one thing changed, so it cannot differ from what
//! would be done. Load is changed for all tasks alike: so many percent of each, and of what it takes of its agent.

use jiff::Timestamp;
use serde::Serialize;
use shared::config::{HeadroomPlacement, Limits, Policy};
use shared::contract::{Candidate, ClusterSnapshot, Completeness, CompletenessLevel, ScalingDecision, TaskGroup};
use shared::resources::{Amount, Kind, Resources};

use crate::algorithm::{Expired, decide};

/// Another decision, and what it would take.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WhatIf {
    /// What would have to change.
    #[serde(flatten)]
    pub change: Change,
    /// How many agents would then be added; negative: taken out.
    pub delta: i32,
    /// How many there would then be.
    pub target: u32,
}

/// One thing that changes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub enum Change {
    /// All tasks together are so much of what they are.
    Load {
        /// In percent of the present load.
        load_percent: f64,
        /// The considered resource that is most used, then.
        resource: Kind,
        /// How much of it is used, then, in percent.
        utilization_percent: f64,
    },
    /// The group's processors are this busy.
    Cpu {
        /// In percent, to a tenth.
        cpu_utilization_percent: f64,
    },
    /// A setting of the pool has this value.
    Setting {
        /// Its name in the configuration.
        setting: &'static str,
        /// Its value, as the configuration would say it; `none` where it would be left out.
        value: String,
    },
    /// Neither `min` nor `max` nor the steps limit it; told where none of them alone makes a difference.
    NoLimits,
    /// The snapshot is complete.
    CompleteSnapshot,
}

/// The nearest other decisions, those by load first; none where nothing that is looked at makes a difference.
///
/// # Errors
/// [`Expired`] as [`decide`] says.
pub fn what_if(snapshot: &ClusterSnapshot, policy: &Policy, now: Timestamp) -> Result<Vec<WhatIf>, Expired> {
    let decision = decide(snapshot, policy, now)?;
    let question = Question { snapshot, policy, now, decision };
    let mut answers = Vec::new();
    answers.extend(question.less_load()?);
    answers.extend(question.more_load()?);
    answers.extend(question.cpu_utilizations()?);
    answers.extend(question.thresholds()?);
    for (setting, value, policy) in settings(policy) {
        let change = Change::Setting { setting, value };
        answers.extend(question.answer(change, snapshot, &policy)?);
    }
    // Where two limits hold it back, neither alone makes a difference.
    if !answers.iter().any(|other| matches!(&other.change, Change::Setting { setting, .. } if LIMITS.contains(setting)))
    {
        let unlimited = policy.with(|policy| {
            let Limits { max_scale_down_tasks, .. } = policy.limits;
            let (min, max) = (0, None);
            let (max_scale_up_step, max_scale_down_step) = (u32::MAX, u32::MAX);
            policy.limits = Limits { min, max, max_scale_up_step, max_scale_down_step, max_scale_down_tasks };
        });
        answers.extend(question.answer(Change::NoLimits, snapshot, &unlimited)?);
    }
    if snapshot.completeness.level != CompletenessLevel::Complete {
        let completeness = Completeness { level: CompletenessLevel::Complete, reasons: Vec::new() };
        let complete = ClusterSnapshot { completeness, ..snapshot.clone() };
        answers.extend(question.answer(Change::CompleteSnapshot, &complete, policy)?);
    }
    Ok(answers)
}

/// The settings that limit how far a decision goes.
const LIMITS: [&str; 4] = ["min", "max", "max_scale_up_step", "max_scale_down_step"];

/// The settings that keep a decision from going further, each without its effect.
fn settings(policy: &Policy) -> Vec<(&'static str, String, Policy)> {
    let none = || "none".to_owned();
    let unlimited = || "unlimited".to_owned();
    let without_headroom = |policy: &mut Policy| {
        policy.headroom.percent = 0;
        policy.headroom.applications.clear();
    };
    let mut changes = vec![
        ("application_headroom_percent", "0".to_owned(), policy.with(without_headroom)),
        ("min", "0".to_owned(), policy.with(|policy| policy.limits.min = 0)),
        ("max", none(), policy.with(|policy| policy.limits.max = None)),
        ("max_scale_up_step", unlimited(), policy.with(|policy| policy.limits.max_scale_up_step = u32::MAX)),
        ("max_scale_down_step", unlimited(), policy.with(|policy| policy.limits.max_scale_down_step = u32::MAX)),
        ("max_scale_down_tasks", none(), policy.with(|policy| policy.limits.max_scale_down_tasks = None)),
        ("pause_until", none(), policy.with(|policy| policy.timing.pause_until = None)),
    ];
    if policy.headroom.placement == HeadroomPlacement::Pack {
        let sum = policy.with(|policy| policy.headroom.placement = HeadroomPlacement::Sum);
        changes.push(("headroom_placement", "sum".to_owned(), sum));
    }
    changes
}

struct Question<'a> {
    snapshot: &'a ClusterSnapshot,
    policy: &'a Policy,
    now: Timestamp,
    decision: ScalingDecision,
}

/// Load is counted in thousandths of what it is.
const PRESENT: u32 = 1000;

impl Question<'_> {
    /// The decision with that change, where it is another one.
    fn answer(&self, change: Change, snapshot: &ClusterSnapshot, policy: &Policy) -> Result<Option<WhatIf>, Expired> {
        let ScalingDecision { delta, target, .. } = decide(snapshot, policy, self.now)?;
        Ok((target != self.decision.target).then_some(WhatIf { change, delta, target }))
    }

    fn at_load(&self, thousandths: u32) -> Result<Option<WhatIf>, Expired> {
        let Some(change) = self.load(thousandths) else { return Ok(None) };
        self.answer(change, &scaled(self.snapshot, thousandths), self.policy)
    }

    /// The most load at which fewer agents would stay.
    fn less_load(&self) -> Result<Option<WhatIf>, Expired> {
        let is_fewer = |load| Ok(self.at_load(load)?.filter(|other| other.target < self.decision.target));
        nearest(PRESENT, 0, is_fewer)
    }

    /// The least load at which there would be more.
    fn more_load(&self) -> Result<Option<WhatIf>, Expired> {
        let is_more = |load| Ok(self.at_load(load)?.filter(|other| other.target > self.decision.target));
        for farthest in [PRESENT * 5 / 4, PRESENT * 2, PRESENT * 4] {
            if let Some(other) = nearest(PRESENT, farthest, is_more)? {
                return Ok(Some(other));
            }
        }
        Ok(None)
    }

    /// The nearest CPU utilizations below and above what it is, where the pool asks for it and it is known.
    fn cpu_utilizations(&self) -> Result<Vec<WhatIf>, Expired> {
        const HUNDRED_PERCENT: u32 = 1000;
        let asked = self.policy.source.cpu().and(self.snapshot.cpu_utilization_percent);
        let Some(percent) = asked.filter(|percent| (0.0..=100.0).contains(percent)) else { return Ok(Vec::new()) };
        let at = |tenths: u32| {
            let cpu_utilization_percent = f64::from(tenths) / 10.0;
            let snapshot =
                ClusterSnapshot { cpu_utilization_percent: Some(cpu_utilization_percent), ..self.snapshot.clone() };
            self.answer(Change::Cpu { cpu_utilization_percent }, &snapshot, self.policy)
        };
        // The tenths next to it that it does not reach itself.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
        let (above, below) = ((10.0 * percent).ceil() as u32, (10.0 * percent).floor() as u32);
        let mut answers = Vec::new();
        answers.extend(nearest(above, 0, at)?);
        answers.extend(nearest(below, HUNDRED_PERCENT, at)?);
        Ok(answers)
    }

    /// The nearest thresholds of the percent rules that make a difference.
    fn thresholds(&self) -> Result<Vec<WhatIf>, Expired> {
        let policy = self.policy;
        let (down, up) = (policy.thresholds.scale_down_percent, policy.thresholds.scale_up_percent);
        let answer = |setting, percent: u32, policy: Policy| {
            self.answer(Change::Setting { setting, value: percent.to_string() }, self.snapshot, &policy)
        };
        let with_down = |percent| {
            let policy = policy.with(|policy| policy.thresholds.scale_down_percent = percent);
            answer("scale_down_threshold_percent", percent, policy)
        };
        let with_up = |percent| {
            let policy = policy.with(|policy| policy.thresholds.scale_up_percent = percent);
            answer("scale_up_threshold_percent", percent, policy)
        };
        let mut answers = Vec::new();
        answers.extend(nearest(down, 0, with_down)?);
        answers.extend(nearest(down, up.saturating_sub(1), with_down)?);
        answers.extend(nearest(up, down.saturating_add(1), with_up)?);
        answers.extend(nearest(up, 100, with_up)?);
        Ok(answers)
    }

    /// `None` where nothing that is considered is there to be used.
    fn load(&self, thousandths: u32) -> Option<Change> {
        let resources = self.snapshot.resources;
        let used = resources.used + resources.displaced;
        let tenths = |kind: Kind| {
            let (used, total) = (used.get(kind).thousandths(), resources.total.get(kind).thousandths());
            (u128::from(used) * u128::from(thousandths)).checked_div(u128::from(total))
        };
        let considered = Kind::ALL.into_iter().filter(|kind| self.policy.thresholds.considered.contains(kind));
        let (most, resource) =
            considered.filter_map(|kind| Some((tenths(kind)?, kind))).reduce(|a, b| if b.0 > a.0 { b } else { a })?;
        Some(Change::Load {
            load_percent: f64::from(thousandths) / 10.0,
            resource,
            utilization_percent: f64::from(u32::try_from(most).unwrap_or(u32::MAX)) / 10.0,
        })
    }
}

/// The answer nearest to `from`, without it, on the way to `to`, by halving: with what is farther away than an answer the
/// answer is another one too.
fn nearest<T>(
    from: u32,
    to: u32,
    mut answer: impl FnMut(u32) -> Result<Option<T>, Expired>,
) -> Result<Option<T>, Expired> {
    if from == to {
        return Ok(None);
    }
    let Some(mut found) = answer(to)? else { return Ok(None) };
    let (mut without, mut with) = (from, to);
    while without.abs_diff(with) > 1 {
        let middle = without.midpoint(with);
        match answer(middle)? {
            Some(nearer) => (found, with) = (nearer, middle),
            None => without = middle,
        }
    }
    Ok(Some(found))
}

/// The pool with so many thousandths of its load: of each group of tasks so many, and of what agents have in use.
fn scaled(snapshot: &ClusterSnapshot, thousandths: u32) -> ClusterSnapshot {
    let factor = u64::from(thousandths);
    let mut scaled = snapshot.clone();
    scaled.resources.used = resources(&snapshot.resources.used, factor);
    scaled.resources.displaced = resources(&snapshot.resources.displaced, factor);
    for shape in &mut scaled.agent_shapes {
        let used = shape.unreserved.saturating_sub(&shape.free);
        shape.free = shape.unreserved.saturating_sub(&resources(&used, factor));
    }
    for Candidate { used, tasks, task_count, .. } in &mut scaled.scale_down_candidates {
        *used = resources(used, factor);
        *task_count = groups(tasks, factor);
    }
    for application in &mut scaled.applications {
        application.resources = resources(&application.resources, factor);
        application.task_count = groups(&mut application.tasks, factor);
    }
    scaled
}

fn resources(resources: &Resources, factor: u64) -> Resources {
    let amount = |amount: Amount| u128::from(amount.thousandths()) * u128::from(factor) / u128::from(PRESENT);
    Resources::from_fn(|kind| Amount::from_thousandths(u64::try_from(amount(resources.get(kind))).unwrap_or(u64::MAX)))
}

/// Rounded to the nearest number of tasks; returns how many they are.
fn groups(groups: &mut [TaskGroup], factor: u64) -> u32 {
    let present = u64::from(PRESENT);
    for group in &mut *groups {
        let count = (u64::from(group.count) * factor + present / 2) / present;
        group.count = u32::try_from(count).unwrap_or(u32::MAX);
    }
    groups.iter().fold(0, |sum, group| sum.saturating_add(group.count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report;
    use cluster::{Cluster, NOON, policy, resources};
    use proptest::prelude::*;

    #[test]
    fn the_nearest_cpu_utilizations_are_told() {
        let told = |percent: Option<f64>, settings: &str| -> Vec<String> {
            let mut snapshot = Cluster::of(5, resources(4, 14_000)).snapshot();
            snapshot.cpu_utilization_percent = percent;
            let answers = what_if(&snapshot, &policy(settings).unwrap(), NOON).unwrap();
            let of_cpu = answers.iter().filter(|other| matches!(other.change, Change::Cpu { .. }));
            of_cpu.map(|other| format!("{}: {:+}", report::change(&other.change), other.delta)).collect()
        };
        let rule = "source = \"cloudwatch\"\nscale_out_threshold = 60\nscale_down_ratio = 0.7";
        let (fewer, more) = ("with a CPU utilization of 41.9 %: -1", "with a CPU utilization of 60.1 %: +1");
        assert_eq!(told(Some(50.05), rule), [fewer, more]);
        assert_eq!(told(Some(60.0), rule), [fewer, more]);
        assert_eq!(told(Some(75.0), rule), ["with a CPU utilization of 60 %: +0"]);
        assert_eq!(told(Some(0.0), rule), ["with a CPU utilization of 42 %: +0"]);
        assert_eq!(told(None, rule), Vec::<String>::new());
        assert_eq!(told(Some(50.0), ""), Vec::<String>::new(), "nobody asked");
    }

    fn words(cluster: &Cluster, settings: &str) -> Vec<String> {
        let answers = what_if(&cluster.snapshot(), &policy(settings).unwrap(), NOON).unwrap();
        answers.iter().map(|other| format!("{} -> {}", report::change(&other.change), other.target)).collect()
    }

    #[test]
    fn a_healthy_pool_tells_where_it_would_change() {
        // 10 agents of 4 cpus, 26 used: 65 %. D acts below 50 %, H from 36 used on, U above 32.
        let cluster = Cluster::of(10, resources(4, 14_000)).running("/shop/web", 26, resources(1, 1_000));
        assert_eq!(
            words(&cluster, ""),
            [
                "with 23.1 % less load (cpus 49.9 %) -> 9",
                "with 23.1 % more load (cpus 80 %) -> 11",
                "with scale_down_threshold_percent = 66 -> 9",
                "with scale_up_threshold_percent = 64 -> 11",
            ]
        );
    }

    #[test]
    fn what_holds_a_pool_back_is_named() {
        let full = Cluster::of(10, resources(4, 14_000)).running("/shop/web", 40, resources(1, 1_000));
        let words = words(&full, "max = 11\nmax_scale_up_step = 1");
        assert!(words.contains(&"without min, max and steps -> 13".to_owned()), "{words:?}");
        let alone = self::words(&full, "max = 11");
        assert!(alone.contains(&"with max = none -> 13".to_owned()), "{alone:?}");
        let paused = self::words(&full, "pause_until = \"2026-12-24T18:00:00Z\"");
        assert!(paused.contains(&"with pause_until = none -> 13".to_owned()), "{paused:?}");
    }

    #[test]
    fn a_view_that_is_not_complete_is_named() {
        let mut idle = Cluster::of(4, resources(4, 14_000));
        idle.master.elected_at = NOON;
        assert!(words(&idle, "").contains(&"with a complete view -> 3".to_owned()));
    }

    proptest! {
        /// Between the present and the nearest load at which it changes, the decision is the same.
        #[test]
        fn no_nearer_load_changes_the_decision(agents in 1_usize..12, tasks in 0_usize..60, cpus in 1_u64..4) {
            let cluster = Cluster::of(agents, resources(4, 14_000)).running("/a", tasks, resources(cpus, 100));
            let (snapshot, policy) = (cluster.snapshot(), policy("headroom_placement = \"sum\"").unwrap());
            let target = decide(&snapshot, &policy, NOON).unwrap().target;
            for other in what_if(&snapshot, &policy, NOON).unwrap() {
                let Change::Load { load_percent, .. } = other.change else { continue };
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few thousand at most")]
                let load = (load_percent * 10.0).round() as u32;
                let at = |load| decide(&scaled(&snapshot, load), &policy, NOON).unwrap().target;
                prop_assert_eq!(at(load), other.target);
                let nearer = if load < PRESENT { load + 1 } else { load - 1 };
                let is_unchanged = if load < PRESENT { at(nearer) >= target } else { at(nearer) <= target };
                prop_assert!(is_unchanged, "at {load}: {other:?}");
            }
        }
    }
}
