//! A pool, and its settings by subject.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use toml::Value;

use super::applications::{ApplicationSettings, applications};
use super::check::{CheckKind, check};
use super::headroom::{Headroom, headroom};
use super::limits::{Limits, limits};
use super::reader::{Section, instead_of, type_of};
use super::scale_down::{ScaleDown, scale_down};
use super::source::{PoolSource, source};
use super::thresholds::{Thresholds, thresholds};
use super::timing::{Timing, timing};
use super::values::Whole;
use crate::resources::{Amount, Kind, Resources};

/// Everything that decides about one pool: its settings, and the schedule period that dates messages. Written as JSON it has
/// the keys of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Policy {
    /// The pool's name.
    pub pool: String,
    /// The name of its Auto Scaling group.
    pub group: String,
    /// Where its utilization comes from. (Not written where that is Mesos alone.)
    #[serde(skip_serializing_if = "PoolSource::is_mesos_alone")]
    pub source: PoolSource,
    /// The attributes that an agent of this pool has; empty: every agent.
    pub attributes: BTreeMap<String, String>,
    /// Who decides.
    pub check: CheckKind,
    /// What a new agent has; `None`: the commonest shape in the pool.
    pub new_agent: Option<Resources>,
    /// The percentage of agents that may be missing before nothing changes at all.
    pub max_missing_agents_percent: u32,
    /// How far a decision may go.
    #[serde(flatten)]
    pub limits: Limits,
    /// When the percent rules add and remove agents.
    #[serde(flatten)]
    pub thresholds: Thresholds,
    /// By how much applications must be able to grow.
    #[serde(flatten)]
    pub headroom: Headroom,
    /// Applications with settings of their own.
    pub applications: BTreeMap<String, ApplicationSettings>,
    /// How agents are removed.
    #[serde(flatten)]
    pub scale_down: ScaleDown,
    /// When something may happen.
    #[serde(flatten)]
    pub timing: Timing,
}

impl Policy {
    /// The settings of the application of that name.
    #[must_use]
    pub fn settings_of(&self, application: &str) -> ApplicationSettings {
        self.applications.get(application).copied().unwrap_or_default()
    }

    /// By how much the application of that name must be able to grow, in percent.
    #[must_use]
    pub fn headroom_percent_of(&self, application: &str) -> u32 {
        self.settings_of(application).headroom_percent.unwrap_or(self.headroom.percent)
    }

    /// The same policy with one change.
    #[must_use]
    pub fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut policy = self.clone();
        change(&mut policy);
        policy
    }
}

pub(super) fn pools(top: &mut Section<'_>, schedule_period: Duration) -> Vec<Policy> {
    let tables = match top.value("pools") {
        Some(Value::Array(tables)) if !tables.is_empty() => tables.as_slice(),
        Some(other) if !other.is_array() => {
            top.problem("pools", instead_of(type_of(other), "a list of tables", "[[pools]]"));
            return Vec::new();
        }
        _ => {
            top.missing("pools", "at least one pool", "[[pools]] with name and group");
            return Vec::new();
        }
    };
    let mut pools = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        let path = format!("pools[{index}]");
        match table.as_table() {
            Some(table) => pools.extend(pool(Section::new(&path, table, top.report()), schedule_period)),
            None => top.report().add(path, instead_of(type_of(table), "a table", "[[pools]]")),
        }
    }
    distinct(top, &pools, "name", |policy| &policy.pool);
    distinct(top, &pools, "group", |policy| &policy.group);
    // An agent with all of one pool's attributes has a part of them too.
    for policy in pools.iter().filter(|policy| policy.source.needs_masters()) {
        let covers = |other: &&Policy| {
            other.source.needs_masters()
                && other.pool != policy.pool
                && policy.attributes.iter().all(|(name, value)| other.attributes.get(name) == Some(value))
        };
        if let Some(other) = pools.iter().find(covers) {
            top.problem(
                "pools",
                format!(
                    "every agent of {:?} is also one of {:?}; give each pool attributes of its own",
                    other.pool, policy.pool
                ),
            );
        }
    }
    pools
}

/// Reports values that two pools have in common.
fn distinct(top: &Section<'_>, pools: &[Policy], key: &str, value: impl Fn(&Policy) -> &String) {
    let mut seen = BTreeSet::new();
    for policy in pools {
        if !seen.insert(value(policy)) {
            top.problem("pools", format!("two pools have the {key} {:?}; each needs its own", value(policy)));
        }
    }
}

fn pool(mut section: Section<'_>, schedule_period: Duration) -> Option<Policy> {
    let pool: Option<String> = section.required("name");
    let group: Option<String> = section.required("group");
    let source = source(&mut section);
    let attributes = attributes(&mut section);
    let check = check(&mut section);
    let limits = limits(&mut section);
    let thresholds = thresholds(&mut section);
    let headroom = headroom(&mut section);
    let applications = applications(&mut section);
    let new_agent = new_agent(&mut section);
    let max_missing_agents_percent = max_missing_agents_percent(&mut section);
    let scale_down = scale_down(&mut section, check, source);
    let timing = timing(&mut section, source, schedule_period);
    section.finish();
    Some(Policy {
        pool: pool?,
        group: group?,
        source,
        attributes,
        check,
        new_agent,
        max_missing_agents_percent,
        limits,
        thresholds,
        headroom,
        applications,
        scale_down,
        timing,
    })
}

fn attributes(section: &mut Section<'_>) -> BTreeMap<String, String> {
    let Some(section) = section.section("attributes", r#"{ pool = "workers" }"#) else { return BTreeMap::new() };
    let mut attributes = BTreeMap::new();
    for (name, value) in section.table() {
        match value {
            Value::String(text) => {
                attributes.insert(name.clone(), text.clone());
            }
            Value::Integer(number) => {
                attributes.insert(name.clone(), number.to_string());
            }
            Value::Float(number) => {
                attributes.insert(name.clone(), number.to_string());
            }
            _ => section.wrong(name, "a string or a number", "\"workers\""),
        }
    }
    attributes
}

fn new_agent(section: &mut Section<'_>) -> Option<Resources> {
    let mut inner = section.section("new_agent", "{ cpus = 4, mem = 14000 }")?;
    let mut resources = Resources::ZERO;
    for kind in Kind::ALL {
        let Some(value) = inner.value(kind.name()) else { continue };
        #[expect(clippy::cast_precision_loss, reason = "an amount that large is refused")]
        let units = value.as_float().or_else(|| value.as_integer().map(|units| units as f64));
        match units.and_then(Amount::from_units) {
            Some(amount) => *resources.get_mut(kind) = amount,
            None => inner.wrong(kind.name(), "an amount", "4 or 0.5"),
        }
    }
    if resources.cpus.is_zero() || resources.mem.is_zero() {
        section.wrong("new_agent", "both cpus and mem", "{ cpus = 4, mem = 14000 }");
    }
    inner.finish();
    Some(resources)
}

fn max_missing_agents_percent(section: &mut Section<'_>) -> u32 {
    Whole::percent(0..=100, 10).read(section, "max_missing_agents_percent").unwrap_or(10)
}
