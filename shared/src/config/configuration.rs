//! The configuration as a whole: its sections, and which of them a pool needs.

use std::time::Duration;

use toml::Table;

use super::lines::position;
use super::mesos::{Marathon, Mesos, marathon, mesos};
use super::pool::{Policy, pools};
use super::problem::{Problem, Problems};
use super::reader::{Report, Section};
use super::source::needs_mesos;
use super::timing::longest_period;
use super::values::{MINUTE, Span};

/// A whole configuration, valid.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// How often `node_gather` is started. Messages expire after two periods.
    pub schedule_period: Duration,
    /// Whether nothing may be changed anywhere.
    pub dry_run: bool,
    /// Where the cluster's state is read; `None` exactly where no pool is one of a Mesos cluster.
    pub mesos: Option<Mesos>,
    /// Where instances that wait for room are asked for; `None`: nowhere, they are not known.
    pub marathon: Option<Marathon>,
    /// The pools, at least one, with distinct names and groups.
    pub pools: Vec<Policy>,
}

impl Config {
    /// Reads a configuration and validates it as a whole.
    ///
    /// # Errors
    /// Every problem of the configuration.
    pub fn parse(text: &str) -> Result<Self, Problems> {
        parse(text)
    }

    /// The pools of the Mesos cluster, for what looks at nothing else.
    #[must_use]
    pub fn mesos_pools(&self) -> Vec<Policy> {
        self.pools.iter().filter(|policy| policy.source.needs_masters()).cloned().collect()
    }

    /// The policy of the pool of that name.
    #[must_use]
    pub fn pool(&self, name: &str) -> Option<&Policy> {
        self.pools.iter().find(|policy| policy.pool == name)
    }
}

fn parse(text: &str) -> Result<Config, Problems> {
    let table: Table = toml::from_str(text).map_err(|error| Problems(vec![syntax_problem(text, &error)]))?;
    let report = Report::new(text, &table);
    let mut top = Section::new("", &table, &report);

    let period = Span::between(MINUTE, 60 * MINUTE, MINUTE).suggest_at_most(longest_period(&table));
    let schedule_period = period.read(&mut top, "schedule_period").unwrap_or(MINUTE);
    let dry_run = top.or("dry_run", false);
    let mesos = needed_by_a_pool(&mut top, "mesos", mesos);
    let marathon = needed_by_a_pool(&mut top, "marathon", marathon);
    let pools = pools(&mut top, schedule_period);
    top.finish();

    let problems = report.into_problems();
    if problems.is_empty() {
        Ok(Config { schedule_period, dry_run, mesos, marathon, pools })
    } else {
        Err(Problems(problems))
    }
}

/// What is not TOML, without the line itself: it may hold a secret.
fn syntax_problem(text: &str, error: &toml::de::Error) -> Problem {
    let (line, column) = position(text, error.span().unwrap_or_default().start);
    // The parser quotes punctuation, never the source.
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    Problem { path: format!("line {line}, column {column}"), text: format!("not valid TOML: {message}") }
}

/// Reads a section that only pools of a Mesos cluster need; without such a pool it is refused.
fn needed_by_a_pool<T>(
    top: &mut Section<'_>,
    key: &'static str,
    read: impl Fn(&mut Section<'_>) -> Option<T>,
) -> Option<T> {
    if needs_mesos(top.table()) {
        return read(top);
    }
    if top.value(key).is_some() {
        top.problem(key, r#"no pool uses it, since all have source = "cloudwatch"; leave it out"#);
    }
    None
}
