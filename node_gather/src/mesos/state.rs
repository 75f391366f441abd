//! The contents of a master's /state, and the [`Sink`] that receives them while the document is read.
//!
//! A sink does not depend on JSON, and a reader not on the use of the cluster: it calls the sink in the order of the
//! document, and keeps nothing itself.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use shared::resources::{Amount, Kind, Resources};
use thiserror::Error;

use super::names::Mark;

pub use super::odd::{OddField, Oddity};

/// How long agents may re-register with a new leading master that does not report it: Mesos's default and minimum.
pub const DEFAULT_AGENT_REREGISTER_TIMEOUT: Duration = Duration::from_secs(600);

/// The framework name of tasks without a framework. Masters before 1.2 list them separately.
pub const ORPHAN_FRAMEWORK: &str = "(orphan)";

/// The framework name where it cannot be read.
pub const UNNAMED_FRAMEWORK: &str = "(unnamed)";

/// The state of a task that runs.
pub const RUNNING: &str = "TASK_RUNNING";

/// The maximum amount of one resource of one agent or task. Up to it, no sum overflows.
pub(crate) const MAX_UNITS: f64 = 1e9;
const MAX_AMOUNT: Amount = Amount::from_thousandths(1_000_000_000_000);

/// The value of a resource with two of them.
const REPEATED: &str = "two values of";

/// How many characters of an impossible amount are kept for its reason.
const MAX_VALUE_CHARS: usize = 40;

/// What the master reports about itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Master {
    /// Its version; empty if not reported.
    pub version: String,
    /// The name of the cluster, if it has one.
    pub cluster: Option<String>,
    /// When it was elected; `None` if not reported.
    pub elected_at: Option<Timestamp>,
    /// How long agents may re-register after its election.
    pub agent_reregister_timeout: Duration,
    /// How long an agent that it has lost stays registered; `None` if not reported.
    pub unreachable_after: Option<Duration>,
    /// Whether it offers agents with gpus to GPU-aware frameworks alone.
    pub filters_gpus: bool,
    /// How many registered agents it counts (`activated_slaves` + `deactivated_slaves`); `None` if not reported.
    pub counted_agents: Option<u32>,
    /// How many agents it counts as unreachable.
    pub unreachable_agents: u32,
}

impl Default for Master {
    fn default() -> Self {
        Self {
            version: String::new(),
            cluster: None,
            elected_at: None,
            agent_reregister_timeout: DEFAULT_AGENT_REREGISTER_TIMEOUT,
            unreachable_after: None,
            filters_gpus: true,
            counted_agents: None,
            unreachable_agents: 0,
        }
    }
}

/// The attributes of an agent, with values as strings. A name may occur more than once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Names and values, one after the other: with ten thousand agents, one allocation is reused.
    text: String,
    /// The end of each name, and of its value.
    ends: Vec<(usize, usize)>,
}

impl Attributes {
    /// Adds one.
    pub fn push(&mut self, name: &str, value: &str) {
        self.text.push_str(name);
        let name_end = self.text.len();
        self.text.push_str(value);
        self.ends.push((name_end, self.text.len()));
    }

    /// Removes all.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// All of them, by name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut start = 0;
        self.ends.iter().filter_map(move |&(name_end, end)| {
            let name = self.text.get(start..name_end)?;
            start = end;
            Some((name, self.text.get(name_end..end)?))
        })
    }

    /// Whether the name has that value. Numbers are compared in their shortest form, so `2.0` equals `2`.
    #[must_use]
    pub fn has(&self, name: &str, value: &str) -> bool {
        self.values(name).any(|own| own == value)
            || self.values(name).next().is_some()
                && as_number(value).is_some_and(|number| self.values(name).any(|own| own == number))
    }

    /// The values of that name.
    pub fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(own, _)| *own == name).map(|(_, value)| value)
    }
}

/// The value of an attribute as it is where it is a number: in its shortest form.
pub(crate) fn as_number(value: &str) -> Option<String> {
    value.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| number.to_string())
}

/// A registered agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agent {
    /// Its id.
    pub id: String,
    /// Its hostname.
    pub hostname: String,
    /// The address at which the master reaches it.
    pub ip: Option<IpAddr>,
    /// Its attributes.
    pub attributes: Attributes,
    /// Whether the master offers its resources.
    pub active: bool,
    /// Whether an operator has deactivated it (since Mesos 1.9).
    pub deactivated: bool,
    /// The progress of its draining, if an operator has started it (since Mesos 1.9).
    pub drain: Option<Drain>,
    /// When its draining began, and how long that may take.
    pub drain_time: DrainTime,
    /// When it registered with the leading master; `None` if not reported.
    pub registered_at: Option<Timestamp>,
}

/// The resources of an agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgentResources {
    /// All it has; nothing if not reported.
    pub total: Resources,
    /// Those that no role has reserved.
    pub unreserved: Resources,
    /// What tasks and executors use, as the master reports it; `None` if it does not.
    pub used: Option<Resources>,
}

/// The progress of draining an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// Tasks are still running.
    Draining,
    /// All tasks have ended.
    Drained,
}

/// When an agent began to drain, and how long its tasks have to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrainTime {
    /// When the master asked the agent to drain, as it last registered; `None` if not reported.
    pub since: Option<Timestamp>,
    /// The time that whoever drains it gives its tasks at most; zero if they have their own.
    pub grace: Duration,
}

impl DrainTime {
    /// When its tasks should have ended; `None` if it is not known when it began.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        self.since.map(|since| since.checked_add(self.grace).unwrap_or(Timestamp::MAX))
    }
}

/// An agent that was registered before the failover and has not re-registered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveredAgent {
    /// Its id.
    pub id: String,
    /// Its hostname.
    pub hostname: String,
    /// Its attributes.
    pub attributes: Attributes,
    /// A field without which its pool is not known.
    pub odd_attributes: Option<OddField>,
}

/// A framework.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Framework {
    /// Its name; two frameworks may have the same name.
    pub name: String,
    /// Whether it receives offers of agents with gpus (capability `GPU_RESOURCES`).
    pub gpu_aware: bool,
    /// Whether it has not re-registered since the failover: the master knows it from its agents.
    pub recovered: bool,
    /// Whether its scheduler is not connected: what ends is started nowhere else until it is back.
    pub disconnected: bool,
    /// Which tasks it has.
    pub bears: Bears,
    /// A field of it, or of one of its executors without an agent, that cannot be read.
    pub odd: Option<OddField>,
}

/// Which tasks a framework has. Marathon is known by the form of its task ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bears {
    /// None, so it may be Marathon.
    #[default]
    NoTask,
    /// Some of Marathon's form.
    MarathonTasks,
    /// Only others.
    OtherTasks,
}

/// An error in a document, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Fault(String);

impl Fault {
    /// A fault, the position included.
    #[must_use]
    pub const fn new(what: String) -> Self {
        Self(what)
    }
}

/// Why a document is not the state of a cluster.
#[derive(Debug, Error)]
pub enum StateError {
    /// The document is empty.
    #[error("the answer is empty, expected a JSON object")]
    Empty,
    /// The document is a web page.
    #[error(
        "the answer is a web page, expected a master's state; check that the URL leads to the master, not to a login page"
    )]
    Html,
    /// The document is not a JSON object.
    #[error("the answer is not a JSON object; check that the URL leads to a Mesos master")]
    NotAnObject,
    /// The document is incomplete.
    #[error("the state is incomplete")]
    Truncated(#[source] Fault),
    /// The document is not JSON, or does not have the form that masters send.
    #[error("the state is not valid")]
    Json(#[source] Fault),
    /// The document exceeds the limit.
    #[error("the state exceeds mesos.max_state_bytes = {limit}; raise it if the cluster is that large")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// The reader has failed before.
    #[error("the state was refused before")]
    Refused,
    /// The source failed.
    #[error("cannot read the state to its end")]
    Io(#[source] io::Error),
    /// A list is missing. It does not count as an empty one.
    #[error("the state has no {0:?}; check that the URL leads to a Mesos master")]
    Missing(&'static str),
    /// Agents without an id, which nothing can tell apart.
    #[error("more than {MAX_UNNAMED_AGENTS} agents have no id; check that the URL leads to a Mesos master")]
    UnnamedAgents,
    /// Frameworks without end.
    #[error("the state has more than {MAX_FRAMEWORKS} frameworks; check that the URL leads to a Mesos master")]
    TooManyFrameworks,
    /// A part occurs twice.
    #[error("the state has {0:?} twice")]
    Twice(&'static str),
}

/// How many agents may lack an id. Each is set aside; a document with more of them is broken as a whole.
pub const MAX_UNNAMED_AGENTS: usize = 1_000;

/// How many frameworks a state may have: far more than a master can serve.
pub const MAX_FRAMEWORKS: usize = 100_000;

/// A value that is not the amount of any resource. The rest of the state is still valid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
#[error("got {value} {kind}, expected an amount from 0 to {MAX_UNITS}")]
pub struct ImpossibleAmount {
    /// Which resource.
    kind: Kind,
    /// The value in the document, shortened.
    value: String,
}

/// Resources as in the document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawResources {
    amounts: Resources,
    impossible: Option<Box<ImpossibleAmount>>,
}

impl RawResources {
    /// Sets a number. What rounds to an amount is one: Mesos's own sums may be less than 0 by a rounding error.
    pub fn number(&mut self, kind: Kind, units: f64) {
        match Amount::from_units(units) {
            Some(amount) => self.amount(kind, amount),
            None if units > 0.0 => self.too_much(kind, || units.to_string()),
            None => self.refuse(kind, &units.to_string()),
        }
    }

    /// Whether a document may report these amounts as they are.
    #[must_use]
    pub fn are_possible(amounts: &Resources) -> bool {
        Kind::ALL.into_iter().all(|kind| amounts.get(kind) <= MAX_AMOUNT)
    }

    /// Sets an amount.
    #[inline]
    pub fn amount(&mut self, kind: Kind, amount: Amount) {
        if amount <= MAX_AMOUNT {
            *self.amounts.get_mut(kind) = amount;
        } else {
            self.too_much(kind, || amount.to_string());
        }
    }

    /// Network file systems report disks of exbibytes; any other resource of that size is an error.
    #[cold]
    fn too_much(&mut self, kind: Kind, value: impl FnOnce() -> String) {
        match kind {
            Kind::Disk => self.amounts.disk = MAX_AMOUNT,
            Kind::Cpus | Kind::Mem | Kind::Gpus => self.refuse(kind, &value()),
        }
    }

    /// Keeps a value that is not a valid amount; of several kinds the first, so that their order does not matter.
    #[cold]
    pub fn refuse(&mut self, kind: Kind, value: &str) {
        let is_first = |own: &ImpossibleAmount| own.kind < kind || own.kind == kind && own.value == REPEATED;
        if self.impossible().is_some_and(is_first) {
            return;
        }
        let mut shown: String = value.chars().take(MAX_VALUE_CHARS).collect();
        if shown.len() < value.len() {
            shown.push_str("...");
        }
        self.impossible = Some(Box::new(ImpossibleAmount { kind, value: shown }));
    }

    /// A kind occurs once more: which of its values counts is not known.
    pub fn repeat(&mut self, kind: Kind) {
        self.refuse(kind, REPEATED);
    }

    /// The amounts; 0 for a kind whose amount is impossible.
    #[must_use]
    pub const fn amounts(&self) -> Resources {
        self.amounts
    }

    /// The impossible amount, if there is one.
    #[must_use]
    pub fn impossible(&self) -> Option<&ImpossibleAmount> {
        self.impossible.as_deref()
    }
}

/// Whether no task could run on what an agent has.
#[must_use]
pub const fn runs_nothing(total: &Resources) -> bool {
    total.cpus.is_zero() && total.mem.is_zero()
}

/// An agent as in the document.
#[derive(Clone, Debug, Default)]
pub struct RawAgent {
    /// The fields that need no check.
    pub agent: Agent,
    /// `resources`.
    pub total: Option<RawResources>,
    /// `used_resources`.
    pub used: Option<RawResources>,
    /// `unreserved_resources`.
    pub unreserved: Option<RawResources>,
    /// `reserved_resources`, by role.
    pub reserved: Vec<(String, RawResources)>,
    /// A field of it that cannot be read.
    pub odd: Option<OddField>,
    /// A field without which its pool is not known.
    pub odd_attributes: Option<OddField>,
}

impl RawAgent {
    /// Its resources. Used ones of an impossible amount are not reported ones.
    #[must_use]
    pub fn resources(&self) -> AgentResources {
        let total = self.total.as_ref().map(RawResources::amounts).unwrap_or_default();
        let reserved = || self.reserved().map(|(_, reserved)| reserved).sum();
        AgentResources {
            total,
            unreserved: self
                .unreserved
                .as_ref()
                .map_or_else(|| total.saturating_sub(&reserved()), RawResources::amounts),
            used: self.used.as_ref().filter(|used| used.impossible().is_none()).map(RawResources::amounts),
        }
    }

    /// Whether it certainly has nothing on which a task could run.
    #[must_use]
    pub fn has_nothing(&self) -> bool {
        self.odd.is_none() && self.impossible().is_none() && runs_nothing(&self.resources().total)
    }

    /// The reserved ones, by role.
    pub fn reserved(&self) -> impl Iterator<Item = (&str, Resources)> {
        self.reserved.iter().map(|(role, resources)| (role.as_str(), resources.amounts()))
    }

    /// The impossible amount among them, if there is one.
    #[must_use]
    pub fn impossible(&self) -> Option<&ImpossibleAmount> {
        let named = [&self.total, &self.used, &self.unreserved].into_iter().flatten();
        named.chain(self.reserved.iter().map(|(_, resources)| resources)).find_map(RawResources::impossible)
    }
}

/// A task as in the document. Its strings are valid UTF-8, given as bytes: a million of them are compared with known
/// ones, and only new ones become a `String`.
#[derive(Clone, Copy, Debug)]
pub struct RawTask<'a> {
    /// Its id.
    pub id: &'a [u8],
    /// Its name.
    pub name: &'a [u8],
    /// Its agent's id (`slave_id`); empty if it cannot be read.
    pub agent_id: &'a [u8],
    /// Its state, such as [`RUNNING`], which also stands for one that cannot be read.
    pub state: &'a [u8],
    /// The role whose resources it takes; empty if it is not reported.
    pub role: &'a [u8],
    /// Its resources.
    pub resources: &'a RawResources,
    /// A field of it that cannot be read.
    pub odd: Option<&'a OddField>,
}

impl RawTask<'_> {
    /// Whether it holds its resources. Tasks that have ended may stay in the list until they are acknowledged.
    #[must_use]
    #[inline]
    pub fn holds_resources(&self) -> bool {
        // Nearly all of them run.
        self.state == RUNNING.as_bytes() || matches!(self.state, b"TASK_STAGING" | b"TASK_STARTING" | b"TASK_KILLING")
    }
}

/// The own resources of an executor, as in the document.
#[derive(Clone, Copy, Debug)]
pub struct RawExecutor<'a> {
    /// Its id; empty if it is not reported.
    pub id: &'a str,
    /// Its agent's id (`slave_id`).
    pub agent_id: &'a str,
    /// The role whose resources it takes; empty if it is not reported.
    pub role: &'a str,
    /// Its resources.
    pub resources: &'a RawResources,
    /// A field of it that cannot be read.
    pub odd: Option<OddField>,
}

/// Receives the contents of a /state from a reader. An error stops the reader.
///
/// Lists are complete and do not overlap, in any order; a framework's name may follow its tasks.
pub trait Sink {
    /// What the master reports about itself, to be set by the reader.
    fn master(&mut self) -> &mut Master;

    /// An agent. It may be odd, its resources may be impossible, and its id may have occurred before; it is empty if it cannot be
    /// read.
    ///
    /// # Errors
    /// Where so many agents have no id that the document is not that of a master.
    fn agent(&mut self, agent: &RawAgent) -> Result<(), StateError>;

    /// An agent that has not re-registered since the failover.
    ///
    /// # Errors
    /// As for [`Sink::agent`].
    fn recovered_agent(&mut self, agent: &RecoveredAgent) -> Result<(), StateError>;

    /// The name of the framework that is being read.
    fn framework_name(&mut self, name: String);

    /// Whether the framework that is being read receives offers of agents with gpus.
    fn framework_gpu_aware(&mut self, gpu_aware: bool);

    /// Whether the framework that is being read has not re-registered since the failover.
    fn framework_recovered(&mut self, recovered: bool);

    /// Whether the scheduler of the framework that is being read is connected.
    fn framework_connected(&mut self, connected: bool);

    /// A field of the framework that is being read cannot be read, or of one of its executors without an agent.
    fn framework_odd(&mut self, odd: OddField);

    /// A task of the framework that is being read. It may be odd, and its resources impossible.
    fn task(&mut self, task: &RawTask<'_>);

    /// So many tasks like that on its agent, which differ in their ids alone, and what names their application: what is known
    /// otherwise than by a document may be added up before. Containers are of the same instance of a pod.
    fn tasks(&mut self, task: &RawTask<'_>, _mark: Mark<'_>, count: u32) {
        (0..count).for_each(|_| self.task(task));
    }

    /// An executor of the framework that is being read. It may be odd, and its resources impossible.
    fn executor(&mut self, executor: &RawExecutor<'_>);

    /// Ends the framework that is being read.
    ///
    /// # Errors
    /// It has no name.
    fn end_framework(&mut self) -> Result<(), StateError>;
}
