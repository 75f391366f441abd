//! A pool, and its settings by subject.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use toml::Value;

use super::applications::{ApplicationSettings, applications};
use super::check::{CheckKind, check};
use super::headroom::{Headroom, headroom};
use super::learning::{Learning, learning};
use super::limits::{Limits, limits};
use super::reader::{Section, Setting, instead_of};
use super::scale_down::{Removal, ScaleDown, scale_down};
use super::shown::{shown, type_of};
use super::source::{PoolSource, source};
use super::thresholds::{Thresholds, thresholds};
use super::timing::{Timing, timing};
use super::values::{GroupName, Name, Whole};
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
    /// The role whose tasks the agents are for. (Not written where that is the default role.)
    #[serde(skip_serializing_if = "is_default_role")]
    pub role: String,
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
    /// How the pool learns how much its demand grows; `None`: it does not.
    #[serde(flatten)]
    pub learning: Option<Learning>,
    /// Applications with settings of their own.
    pub applications: BTreeMap<String, ApplicationSettings>,
    /// How agents are removed.
    #[serde(flatten)]
    pub scale_down: ScaleDown,
    /// When something may happen.
    #[serde(flatten)]
    pub timing: Timing,
}

/// The role of tasks that take no reservation.
const DEFAULT_ROLE: &str = "*";

fn is_default_role(role: &str) -> bool {
    role == DEFAULT_ROLE
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

    /// D8: whether agents are closed before their instances are terminated, by what the pool learns: where masters of that version
    /// can, and have not refused it lately.
    #[must_use]
    pub fn closes(&self, mesos_version: &str, is_refused: bool) -> bool {
        let strategy = self.scale_down.strategy;
        let can_close = !is_refused && strategy.needs_newer_mesos(mesos_version).is_none();
        self.learning.is_some() && strategy.decommissions() && can_close
    }

    /// D8: how agents are removed, where they are closed and where they cannot be.
    #[must_use]
    pub fn removal(&self, closes: bool) -> Removal {
        let configured = Removal { strategy: self.scale_down.strategy, step: self.limits.max_scale_down_step };
        self.scale_down.fallback.filter(|_| !closes).unwrap_or(configured)
    }

    /// The same policy with one change.
    #[must_use]
    pub fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut policy = self.clone();
        change(&mut policy);
        policy
    }
}

/// A list with a pool, as most write it.
const EXAMPLE: &str = "[[pools]] with name and group";

pub(super) fn pools(top: &mut Section<'_>, schedule_period: Duration) -> Vec<Policy> {
    let tables = match top.value("pools") {
        Some(Value::Array(tables)) if !tables.is_empty() => tables.as_slice(),
        Some(other) if !other.is_array() => {
            top.problem("pools", instead_of(type_of(other), "a list of tables", EXAMPLE));
            return Vec::new();
        }
        _ => {
            top.missing("pools", "at least one pool", EXAMPLE);
            return Vec::new();
        }
    };
    let has_queue = top.table().contains_key("marathon");
    let mut pools = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        let path = format!("pools[{index}]");
        match table.as_table() {
            Some(table) => {
                let section = Section::new(&path, table, top.report());
                let policy = pool(section, tables, schedule_period, has_queue);
                pools.extend(policy.map(|policy| (path, policy)));
            }
            None => top.report().add(path, instead_of(type_of(table), "a table", EXAMPLE)),
        }
    }
    distinct(top, &pools, "name", |policy| &policy.pool);
    distinct(top, &pools, "group", |policy| &policy.group);
    // An agent with all of one pool's attributes has a part of them too.
    for (path, policy) in pools.iter().filter(|(_, policy)| policy.source.needs_masters()) {
        let covers = |(_, other): &&(String, Policy)| {
            other.source.needs_masters()
                && other.pool != policy.pool
                && policy.attributes.iter().all(|(name, value)| other.attributes.get(name) == Some(value))
        };
        if let Some((other, _)) = pools.iter().find(covers) {
            let text = format!("every agent of {other} is also one of {path}; give each pool attributes of its own");
            top.problem("pools", text);
        }
    }
    pools.into_iter().map(|(_, policy)| policy).collect()
}

/// Reports values that two pools have in common.
fn distinct(top: &Section<'_>, pools: &[(String, Policy)], key: &str, value: impl Fn(&Policy) -> &String) {
    let mut seen = BTreeMap::new();
    for (path, policy) in pools {
        if let Some(first) = seen.get(value(policy)) {
            let text = format!("the same as {first}.{key}; each pool needs a {key} of its own");
            top.report().add(format!("{path}.{key}"), text);
        } else {
            seen.insert(value(policy), path);
        }
    }
}

fn pool(mut section: Section<'_>, all: &[Value], schedule_period: Duration, has_queue: bool) -> Option<Policy> {
    let pool = name(&mut section, "name", all).map(|Name(name)| name);
    let group = name(&mut section, "group", all).map(|GroupName(name)| name);
    let source = source(&mut section);
    let attributes = attributes(&mut section);
    let role = role(&mut section);
    let check = check(&mut section);
    let learning = learning(&mut section, schedule_period);
    let scale_down = scale_down(&mut section, check, source, learning.is_some());
    let limits = limits(&mut section, scale_down.strategy, learning.is_some());
    let thresholds = thresholds(&mut section, learning.map(|_| has_queue));
    let headroom = headroom(&mut section);
    let applications = applications(&mut section);
    let new_agent = new_agent(&mut section);
    let max_missing_agents_percent = max_missing_agents_percent(&mut section);
    let timing = timing(&mut section, source, schedule_period, learning.map(|learning| learning.boot_time));
    section.finish();
    Some(Policy {
        pool: pool?,
        group: group?,
        source,
        attributes,
        role,
        check,
        new_agent,
        max_missing_agents_percent,
        limits,
        thresholds,
        headroom,
        learning,
        applications,
        scale_down,
        timing,
    })
}

/// The name under a key that must be there. What is suggested is no other pool's.
fn name<T: Setting>(section: &mut Section<'_>, key: &'static str, all: &[Value]) -> Option<T> {
    let is_free = |name: &String| !all.iter().any(|pool| pool.get(key).and_then(Value::as_str) == Some(name));
    let example = T::EXAMPLE.trim_matches('"');
    let others = (2..).map(|number| format!("{example}-{number}"));
    let example = std::iter::once(example.to_owned()).chain(others).find(is_free).unwrap_or_default();
    let write = format!("{example:?}");
    let Some(value) = section.value(key) else {
        section.missing(key, T::EXPECTED, &write);
        return None;
    };
    let read = T::read(value);
    if read.is_none() {
        section.problem(key, instead_of(&T::got(value), T::EXPECTED, &write));
    }
    read
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
            other => {
                let text = instead_of(&shown(other), "a string or a number", "\"workers\"");
                section.report().add(section.place_of(name), text);
            }
        }
    }
    attributes
}

fn role(section: &mut Section<'_>) -> String {
    let role: Option<String> = section.optional("role");
    let is_name = |name: &str| {
        let is_part = |part: &str| !matches!(part, "" | "." | ".." | "*") && !part.starts_with('-');
        let is_plain = |name: &str| !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\');
        is_default_role(name) || is_plain(name) && name.split('/').all(is_part)
    };
    match role {
        Some(role) if is_name(&role) => role,
        Some(_) => {
            section.wrong("role", "the name of a role of Mesos", r#""slave_public" or "eng/web""#);
            DEFAULT_ROLE.to_owned()
        }
        None => DEFAULT_ROLE.to_owned(),
    }
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
