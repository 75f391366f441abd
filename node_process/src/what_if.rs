//! What if: the nearest changes that lead to another decision: more or less load, another setting, a complete snapshot.
//!
//! Every answer is a decision of [`decide`](crate::decide) on the snapshot or policy with one thing changed, so it cannot differ from what
//! would be done. Load is changed for all tasks alike: so many percent of each, and of what it takes of its agent.
//! Tasks of daemons are no load.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use shared::config::{HeadroomPlacement, Learning, Limits, Policy, StepLimit};
use shared::contract::{Candidate, ClusterSnapshot, Completeness, CompletenessLevel, PoolResources, TaskGroup};
use shared::count::saturated;
use shared::resources::{Amount, Kind, Resources};

use crate::algorithm::{Daemons, Expired, Explanation, Hosts, explain};

/// Another decision, and what it would take.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WhatIf {
    /// What would have to change.
    #[serde(flatten)]
    pub change: Change,
    /// How many agents would then be added; negative: removed.
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
        /// The setting.
        setting: Setting,
        /// Its value.
        value: Value,
    },
    /// Neither `min` nor `max` nor the step limits apply; where none of them alone makes a difference.
    NoLimits,
    /// The snapshot is complete.
    CompleteSnapshot,
}

/// A setting that leads to another decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Setting {
    /// The growth of every application.
    ApplicationHeadroomPercent,
    /// What headroom is compared with.
    HeadroomPlacement,
    /// Whether what has been learned counts.
    Learn,
    /// The fewest agents.
    Min,
    /// The most agents.
    Max,
    /// The most agents that one decision adds.
    MaxScaleUpStep,
    /// The most agents that one decision removes.
    MaxScaleDownStep,
    /// The most tasks that one decision moves.
    MaxScaleDownTasks,
    /// The agents that a scale-down leaves beyond those that are needed.
    ScaleDownMargin,
    /// Until when the pool is paused.
    PauseUntil,
    /// The threshold of D.
    ScaleDownThresholdPercent,
    /// The threshold of U.
    ScaleUpThresholdPercent,
}

/// A value of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// The setting is left out.
    None,
    /// It is as large as it can be.
    Unlimited,
    /// A number.
    Number(u32),
    /// `headroom_placement = "sum"`.
    Sum,
}

impl Setting {
    /// Its name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ApplicationHeadroomPercent => "application_headroom_percent",
            Self::HeadroomPlacement => "headroom_placement",
            Self::Learn => "learn",
            Self::Min => "min",
            Self::Max => "max",
            Self::MaxScaleUpStep => "max_scale_up_step",
            Self::MaxScaleDownStep => "max_scale_down_step",
            Self::MaxScaleDownTasks => "max_scale_down_tasks",
            Self::ScaleDownMargin => "scale_down_margin",
            Self::PauseUntil => "pause_until",
            Self::ScaleDownThresholdPercent => "scale_down_threshold_percent",
            Self::ScaleUpThresholdPercent => "scale_up_threshold_percent",
        }
    }

    /// Whether it limits how far a decision goes.
    const fn is_limit(self) -> bool {
        match self {
            Self::Min | Self::Max | Self::MaxScaleUpStep | Self::MaxScaleDownStep => true,
            Self::ApplicationHeadroomPercent
            | Self::HeadroomPlacement
            | Self::Learn
            | Self::MaxScaleDownTasks
            | Self::ScaleDownMargin
            | Self::PauseUntil
            | Self::ScaleDownThresholdPercent
            | Self::ScaleUpThresholdPercent => false,
        }
    }
}

/// As JSON has it: `none`, `unlimited`, `66`, `sum`.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_str("none"),
            Self::Unlimited => serializer.serialize_str("unlimited"),
            Self::Number(number) => serializer.collect_str(number),
            Self::Sum => serializer.serialize_str("sum"),
        }
    }
}

/// `30% more load (cpus 48.9%)`, `without max_scale_down_step`.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load { load_percent, resource, utilization_percent } => {
                let (word, by) =
                    if *load_percent < 100.0 { ("less", 100.0 - load_percent) } else { ("more", load_percent - 100.0) };
                // To a tenth, without a zero behind the point.
                let by = (10.0 * by).round() / 10.0;
                write!(f, "{by}% {word} load ({resource} {utilization_percent}%)")
            }
            Self::Cpu { cpu_utilization_percent } => write!(f, "CPU utilization {cpu_utilization_percent}%"),
            Self::Setting { setting, value: Value::None | Value::Unlimited } => write!(f, "without {}", setting.name()),
            Self::Setting { setting, value: Value::Number(number) } => write!(f, "{} = {number}", setting.name()),
            Self::Setting { setting, value: Value::Sum } => write!(f, "{} = \"sum\"", setting.name()),
            Self::NoLimits => f.write_str("without min, max, and step limits"),
            Self::CompleteSnapshot => f.write_str("a complete snapshot"),
        }
    }
}

/// The nearest other decisions, those by load first; none where nothing that is looked at makes a difference.
///
/// # Errors
/// [`Expired`] as [`decide`](crate::decide) says.
pub fn what_if(snapshot: &ClusterSnapshot, policy: &Policy, now: Timestamp) -> Result<Vec<WhatIf>, Expired> {
    let present = explain(snapshot, policy, now)?;
    let question = Question { snapshot, policy, now, target: present.target(), present };
    let mut answers = Vec::new();
    answers.extend(question.less_load()?);
    answers.extend(question.more_load()?);
    answers.extend(question.cpu_utilizations()?);
    answers.extend(question.thresholds()?);
    let settings = settings(policy).into_iter().chain(learning(snapshot, policy));
    for (setting, value, policy) in settings {
        let change = Change::Setting { setting, value };
        answers.extend(question.answer(change, snapshot, &policy)?);
    }
    // Where two limits hold it back, neither alone makes a difference.
    let is_limit = |what_if: &WhatIf| matches!(what_if.change, Change::Setting { setting, .. } if setting.is_limit());
    if !answers.iter().any(is_limit) {
        let unlimited = policy.with(|policy| {
            let Limits { max_scale_down_tasks, .. } = policy.limits;
            let (min, max) = (0, None);
            let (max_scale_up_step, max_scale_down_step) = (StepLimit::UNLIMITED, StepLimit::UNLIMITED);
            policy.limits = Limits { min, max, max_scale_up_step, max_scale_down_step, max_scale_down_tasks };
            lift_down_step(policy);
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

/// The settings that keep a decision from going further, each without its effect.
fn settings(policy: &Policy) -> Vec<(Setting, Value, Policy)> {
    let without_headroom = |policy: &mut Policy| {
        policy.headroom.percent = 0;
        policy.applications.values_mut().for_each(|settings| settings.headroom_percent = None);
    };
    let without_up_step = |policy: &mut Policy| policy.limits.max_scale_up_step = StepLimit::UNLIMITED;
    let without_tasks = |policy: &mut Policy| policy.limits.max_scale_down_tasks = None;
    let mut changes = vec![
        (Setting::ApplicationHeadroomPercent, Value::Number(0), policy.with(without_headroom)),
        (Setting::Min, Value::Number(0), policy.with(|policy| policy.limits.min = 0)),
        (Setting::Max, Value::None, policy.with(|policy| policy.limits.max = None)),
        (Setting::MaxScaleUpStep, Value::Unlimited, policy.with(without_up_step)),
        (Setting::MaxScaleDownStep, Value::Unlimited, policy.with(lift_down_step)),
        (Setting::MaxScaleDownTasks, Value::None, policy.with(without_tasks)),
        (Setting::ScaleDownMargin, Value::Number(0), policy.with(|policy| policy.scale_down.margin = 0)),
        (Setting::PauseUntil, Value::None, policy.with(|policy| policy.timing.pause_until = None)),
    ];
    match policy.headroom.placement {
        HeadroomPlacement::Sum => {}
        HeadroomPlacement::Pack => {
            let sum = policy.with(|policy| policy.headroom.placement = HeadroomPlacement::Sum);
            changes.push((Setting::HeadroomPlacement, Value::Sum, sum));
        }
    }
    changes
}

/// H9: without what has been learned; or with it, where the snapshot says what that is, and the pool does not learn.
fn learning(snapshot: &ClusterSnapshot, policy: &Policy) -> Option<(Setting, Value, Policy)> {
    if policy.learning.is_some() {
        return Some((Setting::Learn, Value::None, policy.with(|policy| policy.learning = None)));
    }
    snapshot.growth?.known()?;
    let percent = Learning::SUGGESTED.confidence.tenths() / 10;
    let learns = policy.with(|policy| policy.learning = Some(Learning::SUGGESTED));
    Some((Setting::Learn, Value::Number(percent), learns))
}

struct Question<'a> {
    snapshot: &'a ClusterSnapshot,
    policy: &'a Policy,
    now: Timestamp,
    target: u32,
    present: Explanation<'a>,
}

/// Load is counted in thousandths of what it is.
const PRESENT: u32 = 1000;

impl Question<'_> {
    /// The decision with that change, where it is another one.
    fn answer(&self, change: Change, snapshot: &ClusterSnapshot, policy: &Policy) -> Result<Option<WhatIf>, Expired> {
        let other = explain(snapshot, policy, self.now)?;
        let (delta, target) = (other.delta(), other.target());
        Ok((target != self.target).then_some(WhatIf { change, delta, target }))
    }

    fn at_load(&self, thousandths: u32) -> Result<Option<WhatIf>, Expired> {
        let Some(change) = self.load(thousandths) else { return Ok(None) };
        self.answer(change, &scaled(self.snapshot, self.present.daemons(), thousandths), self.policy)
    }

    /// The most load at which fewer agents would stay.
    fn less_load(&self) -> Result<Option<WhatIf>, Expired> {
        let is_fewer = |load| Ok(self.at_load(load)?.filter(|other| other.target < self.target));
        nearest(PRESENT, 0, is_fewer)
    }

    /// The least load at which there would be more.
    fn more_load(&self) -> Result<Option<WhatIf>, Expired> {
        let is_more = |load| Ok(self.at_load(load)?.filter(|other| other.target > self.target));
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
            self.answer(Change::Setting { setting, value: Value::Number(percent) }, self.snapshot, &policy)
        };
        let with_down = |percent| {
            let policy = policy.with(|policy| policy.thresholds.scale_down_percent = percent);
            answer(Setting::ScaleDownThresholdPercent, percent, policy)
        };
        let with_up = |percent| {
            let policy = policy.with(|policy| policy.thresholds.scale_up_percent = percent);
            answer(Setting::ScaleUpThresholdPercent, percent, policy)
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
        let (used, total) = self.present.load();
        let tenths = |kind: Kind| {
            let (used, total) = (used.get(kind).thousandths(), total.get(kind).thousandths());
            (u128::from(used) * u128::from(thousandths)).checked_div(u128::from(total))
        };
        let considered = Kind::ALL.into_iter().filter(|kind| self.policy.thresholds.considered.contains(kind));
        let (most, resource) =
            considered.filter_map(|kind| Some((tenths(kind)?, kind))).reduce(|a, b| if b.0 > a.0 { b } else { a })?;
        Some(Change::Load {
            load_percent: f64::from(thousandths) / 10.0,
            resource,
            utilization_percent: f64::from(saturated(most)) / 10.0,
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

/// However agents are removed (D8).
fn lift_down_step(policy: &mut Policy) {
    policy.limits.max_scale_down_step = StepLimit::UNLIMITED;
    if let Some(fallback) = &mut policy.scale_down.fallback {
        fallback.step = StepLimit::UNLIMITED;
    }
}

/// The pool with so many thousandths of its load: of each group of tasks so many, and of what agents have in use. What daemons
/// take stays.
fn scaled(snapshot: &ClusterSnapshot, daemons: (&Hosts<'_>, &Daemons), thousandths: u32) -> ClusterSnapshot {
    let factor = u64::from(thousandths);
    let (hosts, daemons) = daemons;
    let mut scaled = snapshot.clone();
    let PoolResources { used, displaced, .. } = snapshot.resources;
    scaled.resources.used = beside(&used, &daemons.used, factor);
    let of_daemons = displaced.saturating_sub(&daemons.without_displaced(&displaced));
    scaled.resources.displaced = beside(&displaced, &of_daemons, factor);
    if let Some(growth) = &mut scaled.growth {
        let demand = u64::from(growth.demand) * factor / u64::from(PRESENT);
        growth.demand = u32::try_from(demand).unwrap_or(u32::MAX);
    }
    for shape in &mut scaled.agent_shapes {
        let used = shape.unreserved.saturating_sub(&shape.free);
        shape.free = shape.unreserved.saturating_sub(&beside(&used, &hosts.on_agent(&shape.total), factor));
    }
    for Candidate { unreserved, used, free, tasks, task_count, .. } in &mut scaled.scale_down_candidates {
        let (_, of_daemons) = hosts.daemons_on(tasks);
        *used = beside(used, &of_daemons, factor);
        *free =
            free.map(|free| unreserved.saturating_sub(&beside(&unreserved.saturating_sub(&free), &of_daemons, factor)));
        let others = hosts.without_daemons(tasks).into_owned();
        *task_count = groups(tasks, &others, factor);
    }
    let present = snapshot.applications.iter();
    let others = scaled.applications.iter_mut().zip(present).filter(|(_, present)| !hosts.is_daemon(present));
    for (application, _) in others {
        application.resources = resources(&application.resources, factor);
        let tasks = application.tasks.clone();
        application.task_count = groups(&mut application.tasks, &tasks, factor);
    }
    scaled
}

/// So much of what is used, but all of what daemons take of it.
fn beside(used: &Resources, daemons: &Resources, factor: u64) -> Resources {
    let others = used.saturating_sub(daemons);
    resources(&others, factor) + used.saturating_sub(&others)
}

fn resources(resources: &Resources, factor: u64) -> Resources {
    let amount = |amount: Amount| u128::from(amount.thousandths()) * u128::from(factor) / u128::from(PRESENT);
    Resources::from_fn(|kind| Amount::from_thousandths(u64::try_from(amount(resources.get(kind))).unwrap_or(u64::MAX)))
}

/// So much of those tasks that are among the others, rounded to the nearest number, and the rest as it is; returns how many they
/// are.
fn groups(groups: &mut [TaskGroup], others: &[TaskGroup], factor: u64) -> u32 {
    let present = u64::from(PRESENT);
    let mut left: BTreeMap<Resources, u64> = BTreeMap::new();
    for TaskGroup { count, resources } in others {
        *left.entry(*resources).or_default() += u64::from(*count);
    }
    for group in &mut *groups {
        let count = u64::from(group.count);
        let left = left.entry(group.resources).or_default();
        let changes = count.min(*left);
        *left -= changes;
        group.count = saturated((changes * factor + present / 2) / present + (count - changes));
    }
    groups.iter().fold(0, |sum, group| sum.saturating_add(group.count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::decide;
    use cluster::{Cluster, NOON, policy, resources};
    use proptest::prelude::*;

    fn answers(cluster: &Cluster, settings: &str) -> Vec<(Change, u32)> {
        let answers = what_if(&cluster.snapshot(), &policy(settings).unwrap(), NOON).unwrap();
        answers.into_iter().map(|other| (other.change, other.target)).collect()
    }

    const fn setting(setting: Setting, value: Value) -> Change {
        Change::Setting { setting, value }
    }

    #[test]
    fn the_nearest_cpu_utilizations_are_reported() {
        let answers = |percent: Option<f64>, settings: &str| -> Vec<(f64, i32)> {
            let mut snapshot = Cluster::of(5, resources(4, 14_000)).snapshot();
            snapshot.cpu_utilization_percent = percent;
            let answers = what_if(&snapshot, &policy(settings).unwrap(), NOON).unwrap();
            let of_cpu = answers.into_iter().filter_map(|other| match other.change {
                Change::Cpu { cpu_utilization_percent } => Some((cpu_utilization_percent, other.delta)),
                _ => None,
            });
            of_cpu.collect()
        };
        let rule = "source = \"cloudwatch\"\nscale_out_threshold = 60\nscale_down_ratio = 0.7";
        let (fewer, more) = ((41.9, -1), (60.1, 1));
        assert_eq!(answers(Some(50.05), rule), [fewer, more]);
        assert_eq!(answers(Some(60.0), rule), [fewer, more]);
        assert_eq!(answers(Some(75.0), rule), [(60.0, 0)]);
        assert_eq!(answers(Some(0.0), rule), [(42.0, 0)]);
        assert_eq!(answers(None, rule), []);
        assert_eq!(answers(Some(50.0), ""), [], "the pool does not ask for it");
    }

    #[test]
    fn a_healthy_pool_reports_where_it_would_change() {
        // 10 agents of 4 cpus, 26 used: 65%. D acts below 50%, H from 36 used on, U above 32.
        let cluster = Cluster::of(10, resources(4, 14_000)).running("/shop/web", 26, resources(1, 1_000));
        let load = |load_percent, utilization_percent| Change::Load {
            load_percent,
            resource: Kind::Cpus,
            utilization_percent,
        };
        assert_eq!(
            answers(&cluster, ""),
            [
                (load(76.9, 49.9), 9),
                (load(123.1, 80.0), 11),
                (setting(Setting::ScaleUpThresholdPercent, Value::Number(64)), 11),
            ]
        );
        // 9 agents are needed for 80 %, and the margin keeps the tenth at any threshold of D (D7).
        let without_margin = answers(&cluster, "scale_down_margin = 0");
        assert!(without_margin.contains(&(setting(Setting::ScaleDownThresholdPercent, Value::Number(66)), 9)));
    }

    #[test]
    fn the_setting_that_limits_a_pool_is_named() {
        let full = Cluster::of(10, resources(4, 14_000)).running("/shop/web", 40, resources(1, 1_000));
        for (settings, change) in [
            ("max = 11\nmax_scale_up_step = 1", Change::NoLimits),
            ("max = 11", setting(Setting::Max, Value::None)),
            ("pause_until = \"2026-12-24T18:00:00Z\"", setting(Setting::PauseUntil, Value::None)),
        ] {
            let answers = answers(&full, settings);
            assert!(answers.contains(&(change, 13)), "{settings}: {answers:?}");
        }
    }

    #[test]
    fn a_complete_snapshot_is_named_where_it_makes_a_difference() {
        let mut idle = Cluster::of(4, resources(4, 14_000));
        idle.master.elected_at = NOON;
        assert!(answers(&idle, "").contains(&(Change::CompleteSnapshot, 3)));
    }

    #[test]
    fn every_change_has_a_phrase_and_a_value_in_json() {
        let load = |load_percent| Change::Load { load_percent, resource: Kind::Cpus, utilization_percent: 48.9 };
        for (change, phrase) in [
            (load(130.0), "30% more load (cpus 48.9%)"),
            (load(76.9), "23.1% less load (cpus 48.9%)"),
            (Change::Cpu { cpu_utilization_percent: 41.9 }, "CPU utilization 41.9%"),
            (setting(Setting::Max, Value::None), "without max"),
            (setting(Setting::MaxScaleDownStep, Value::Unlimited), "without max_scale_down_step"),
            (setting(Setting::Min, Value::Number(0)), "min = 0"),
            (setting(Setting::HeadroomPlacement, Value::Sum), "headroom_placement = \"sum\""),
            (Change::NoLimits, "without min, max, and step limits"),
            (Change::CompleteSnapshot, "a complete snapshot"),
        ] {
            assert_eq!(change.to_string(), phrase);
        }
        let json = |value| serde_json::to_string(&setting(Setting::MaxScaleUpStep, value)).unwrap();
        let expected = |value| format!(r#"{{"change":"setting","setting":"max_scale_up_step","value":"{value}"}}"#);
        let values = [Value::None, Value::Unlimited, Value::Number(66), Value::Sum];
        assert_eq!(values.map(json), ["none", "unlimited", "66", "sum"].map(expected));
    }

    #[test]
    fn a_pool_sees_what_learning_changes_h9() {
        let mut snapshot = Cluster::of(7, resources(8, 28_000)).running("/a", 54, resources(1, 1_000)).snapshot();
        let growth = shared::contract::Growth { demand: 54, grow: Some(24), samples: 1_000, ..Default::default() };
        let learn = |snapshot: &ClusterSnapshot, settings: &str| {
            let answers = what_if(snapshot, &policy(settings).unwrap(), NOON).unwrap();
            let of_learn = |answer: &&WhatIf| matches!(answer.change, Change::Setting { setting: Setting::Learn, .. });
            answers.iter().find(of_learn).map(|answer| (answer.change.to_string(), answer.target))
        };
        assert_eq!(learn(&snapshot, "scale_up_threshold_percent = 90"), None, "nothing is known");
        snapshot.growth = Some(growth);
        let with = learn(&snapshot, "scale_up_threshold_percent = 90");
        assert_eq!(with, Some(("learn = 95".to_owned(), 10)));
        let without = learn(&snapshot, "scale_up_threshold_percent = 90\nlearn = 98");
        assert_eq!(without, Some(("without learn".to_owned(), 8)));
    }

    #[test]
    fn settings_are_named_in_json_as_in_the_configuration() {
        for (setting, _, _) in settings(&policy("").unwrap()) {
            assert_eq!(serde_json::to_value(setting).unwrap(), setting.name());
        }
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
                let present = explain(&snapshot, &policy, NOON).unwrap();
                let at = |load| decide(&scaled(&snapshot, present.daemons(), load), &policy, NOON).unwrap().target;
                prop_assert_eq!(at(load), other.target);
                let nearer = if load < PRESENT { load + 1 } else { load - 1 };
                let is_unchanged = if load < PRESENT { at(nearer) >= target } else { at(nearer) <= target };
                prop_assert!(is_unchanged, "at {load}: {other:?}");
            }
        }
    }
}
