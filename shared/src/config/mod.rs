//! The one configuration document, the same for all three functions and the command line.
//!
//! A document is read as a whole: [`Config::parse`] either gives a configuration in which every value is in range and
//! fits the others, or every [`Problem`] there is, each with its path, what was found and what to write instead.
//! docs/configuration.md describes every setting.

mod cpu;
mod document;
mod reader;
mod settings;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use thiserror::Error;
use url::{Host, Url};

use crate::resources::{Kind, Resources};

pub use cpu::{CpuRule, PoolSource};

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
    /// Reads a document and validates it as a whole.
    ///
    /// # Errors
    /// Every problem of the document.
    pub fn parse(document: &str) -> Result<Self, Problems> {
        document::parse(document)
    }

    /// The pools of the Mesos cluster, for what looks at nothing else.
    #[must_use]
    pub fn mesos_pools(&self) -> Vec<Policy> {
        self.pools.iter().filter(|policy| policy.source.is_mesos()).cloned().collect()
    }

    /// The policy of the pool of that name.
    #[must_use]
    pub fn pool(&self, name: &str) -> Option<&Policy> {
        self.pools.iter().find(|policy| policy.pool == name)
    }
}

/// Where and how the cluster's state is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Mesos {
    /// The masters, also the allow-list for redirects. At least one; http or https, with a host, without credentials.
    pub masters: Vec<Url>,
    /// Where the credentials are kept.
    pub credentials: Option<Reference>,
    /// A PEM file with the certificate authorities that vouch for the masters.
    pub ca_bundle: Option<Reference>,
    /// For the whole read of /state, all masters and redirects included.
    pub timeout: Duration,
    /// The most decoded bytes that are read.
    pub max_state_bytes: u64,
    /// Whether to ask the master to compress.
    pub gzip: bool,
}

impl Mesos {
    /// Whether one of the masters has this host and port.
    #[must_use]
    pub fn lists(&self, url: &Url) -> bool {
        self.masters
            .iter()
            .any(|master| master.host() == url.host() && master.port_or_known_default() == url.port_or_known_default())
    }
}

/// Marathon, the second source: it knows of instances that wait for room, which no master does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marathon {
    /// Where it answers: http or https, with a host, without credentials.
    pub url: Url,
}

/// Whether an address of that host leads to this very machine or to its metadata service.
#[must_use]
pub fn is_local_host(host: &Host<&str>) -> bool {
    let is_local = |ip: IpAddr| match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local() || ip.is_unspecified(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local() || ip.is_unspecified(),
    };
    match host {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
        }
        Host::Ipv4(ip) => is_local(IpAddr::V4(*ip)),
        Host::Ipv6(ip) => is_local(IpAddr::V6(*ip)),
    }
}

/// Where a text is kept that does not belong into the document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Reference {
    /// A parameter of AWS Systems Manager.
    Ssm(String),
    /// A secret of AWS Secrets Manager.
    SecretsManager(String),
    /// An environment variable.
    Env(String),
    /// A file, relative to the working directory (in a Lambda: the zip).
    File(String),
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ssm(name) => write!(f, "ssm:{name}"),
            Self::SecretsManager(name) => write!(f, "secretsmanager:{name}"),
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{path}"),
        }
    }
}

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
    /// How agents are removed.
    #[serde(flatten)]
    pub scale_down: ScaleDown,
    /// When something may happen.
    #[serde(flatten)]
    pub timing: Timing,
}

/// Limits and step limits (clauses L1, L2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// The fewest agents.
    pub min: u32,
    /// The most agents; `None`: as many as the group allows.
    pub max: Option<u32>,
    /// The most agents that one decision adds. At least 1.
    pub max_scale_up_step: u32,
    /// The most agents that one decision removes, those already decommissioning included. At least 1.
    pub max_scale_down_step: u32,
    /// The most running tasks that one decision may move; `None`: no limit.
    pub max_scale_down_tasks: Option<u32>,
}

/// The thresholds of utilization (rules D and U), and what is compared with them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Thresholds {
    /// Agents are removed below this utilization. 1 to 99, below `scale_up_percent`.
    #[serde(rename = "scale_down_threshold_percent")]
    pub scale_down_percent: u32,
    /// Agents are added above this utilization. 2 to 100.
    #[serde(rename = "scale_up_threshold_percent")]
    pub scale_up_percent: u32,
    /// The considered resources. At least one, each once.
    #[serde(rename = "resources")]
    pub considered: Vec<Kind>,
}

/// Application headroom (rule H).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Headroom {
    /// By how much every application must be able to grow at once. 0 turns the rule off.
    #[serde(rename = "application_headroom_percent")]
    pub percent: u32,
    /// How free resources are counted.
    #[serde(rename = "headroom_placement")]
    pub placement: HeadroomPlacement,
    /// Applications with a percentage of their own.
    pub applications: BTreeMap<String, u32>,
}

impl Headroom {
    /// The headroom of the application of that name, in percent.
    #[must_use]
    pub fn percent_of(&self, application: &str) -> u32 {
        self.applications.get(application).copied().unwrap_or(self.percent)
    }
}

/// How agents are removed, and which never are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScaleDown {
    /// How.
    #[serde(rename = "scale_down_strategy")]
    pub strategy: ScaleDownStrategy,
    /// Whose agents are never chosen.
    pub protected: Protected,
    /// For how long decisions must have been `scale_down` without a break before one is applied.
    #[serde(rename = "scale_down_stable_for")]
    pub stable_for: Duration,
}

/// When something may happen, and how long node_scale waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Timing {
    /// See [`Config::schedule_period`].
    pub schedule_period: Duration,
    /// How long no agent is added after the group's last launch ended.
    pub scale_up_cooldown: Duration,
    /// How long no agent is removed after the group's last activity ended.
    pub scale_down_cooldown: Duration,
    /// How long launches in progress may postpone a scale-up.
    pub max_back_off: Duration,
    /// How old an instance may be and still be expected to become an agent.
    pub join_timeout: Duration,
    /// Until when nothing is changed.
    pub pause_until: Option<Timestamp>,
}

impl Timing {
    /// When a snapshot of that time may no longer be acted upon.
    #[must_use]
    pub fn expires_at(&self, taken_at: Timestamp) -> Timestamp {
        let period = SignedDuration::try_from(self.schedule_period).unwrap_or(SignedDuration::MAX);
        taken_at.saturating_add(period.saturating_mul(2)).unwrap_or(Timestamp::MAX)
    }

    /// Whether nothing may be changed at that time.
    #[must_use]
    pub fn is_paused(&self, now: Timestamp) -> bool {
        self.pause_until.is_some_and(|until| now < until)
    }
}

impl Policy {
    /// The same policy with one change.
    #[must_use]
    pub fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut policy = self.clone();
        change(&mut policy);
        policy
    }
}

/// Who decides for a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckKind {
    /// The algorithm of `node_process`.
    Standard,
    /// Somebody's own function, which publishes decisions itself.
    Custom,
}

/// How the room for applications to grow is counted (clauses H2, H3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HeadroomPlacement {
    /// Whole tasks on single agents.
    Pack,
    /// The plain total of what is free.
    Sum,
}

/// How agents leave (section "Apply" of docs/acting.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ScaleDownStrategy {
    /// Just the instances of the agents that the decision names are terminated.
    LeastLoaded,
    /// The desired capacity is lowered and the group's termination policy chooses.
    DesiredCapacity,
    /// The agents that the decision names are deactivated, then drained, and their instances terminated once no task runs there.
    Drain {
        /// How long a deactivated agent can still be taken back.
        after: Duration,
        /// What tasks get between SIGTERM and SIGKILL.
        grace: Duration,
    },
}

/// Frameworks and applications whose agents are never chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Protected {
    /// Names of frameworks.
    pub frameworks: Vec<String>,
    /// Names of applications.
    pub applications: Vec<String>,
}

/// One thing that is wrong in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, such as `pools[0].min`.
    pub path: String,
    /// What was found, and what to write instead.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.text) } else { write!(f, "{}: {}", self.path, self.text) }
    }
}

/// Everything that is wrong in a document, in its order. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "{count} problem{} in the configuration", if count == 1 { "" } else { "s" })?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

#[cfg(test)]
mod tests;
