//! What there is in a master's /state, and the [`Sink`] that takes it while the document passes by.
//!
//! A sink knows nothing of JSON, and a reader nothing of what is made of the cluster: it calls the sink with what it
//! meets, in whatever order the document has it, and keeps nothing itself.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use shared::resources::{Amount, Kind, Resources};
use thiserror::Error;

/// How long a newly elected master waits for its agents, where it does not say: Mesos' default, and its minimum.
pub const DEFAULT_AGENT_REREGISTER_TIMEOUT: Duration = Duration::from_secs(600);

/// The name under which tasks without a framework are kept. Masters before 1.2 list them apart.
pub const ORPHAN_FRAMEWORK: &str = "(orphan)";

/// The most units of one resource that one agent or task can have. More is a fault of the sender, and far below it
/// no sum can overflow.
pub(crate) const MAX_UNITS: f64 = 1e9;
const MAX_THOUSANDTHS: u64 = 1_000_000_000_000;

/// What the master says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Master {
    /// Its version; empty where it does not say.
    pub version: String,
    /// The cluster's name, where it has one.
    pub cluster: Option<String>,
    /// When it became the leader; `None` where it does not say.
    pub elected_at: Option<Timestamp>,
    /// How long it waits for agents after its election.
    pub agent_reregister_timeout: Duration,
    /// How many agents it counts as registered (`activated_slaves` + `deactivated_slaves`); `None` where it does not say.
    pub counted_agents: Option<u32>,
    /// How many agents it has marked unreachable.
    pub unreachable_agents: u32,
}

impl Default for Master {
    fn default() -> Self {
        Self {
            version: String::new(),
            cluster: None,
            elected_at: None,
            agent_reregister_timeout: DEFAULT_AGENT_REREGISTER_TIMEOUT,
            counted_agents: None,
            unreachable_agents: 0,
        }
    }
}

/// The attributes of an agent, each value as text. A name may be there more than once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Names and values, one after the other: agents come by the ten thousand, and so there is one allocation to reuse.
    text: String,
    /// Where each name ends, and where its value.
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

    /// Takes all out.
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

    /// Whether one of the values of that name is this one. Numbers are compared in their shortest form, so `2.0` is `2`.
    #[must_use]
    pub fn has(&self, name: &str, value: &str) -> bool {
        let number = || value.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| number.to_string());
        self.values(name).any(|own| own == value)
            || self.values(name).next().is_some()
                && number().is_some_and(|number| self.values(name).any(|own| own == number))
    }

    /// The values of that name.
    pub fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(own, _)| *own == name).map(|(_, value)| value)
    }
}

/// A registered agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agent {
    /// Its id.
    pub id: String,
    /// Its hostname.
    pub hostname: String,
    /// The address by which the master speaks to it.
    pub ip: Option<IpAddr>,
    /// Its attributes.
    pub attributes: Attributes,
    /// Whether the master offers its resources.
    pub active: bool,
    /// Whether an operator has deactivated it (since Mesos 1.9).
    pub deactivated: bool,
    /// How far an operator's draining has come, if one has asked for it (since Mesos 1.9).
    pub drain: Option<Drain>,
}

/// The resources of an agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgentResources {
    /// All it has; nothing where it does not say.
    pub total: Resources,
    /// What of them no role has reserved.
    pub unreserved: Resources,
    /// What tasks and executors use, as the master says it; `None` where it does not.
    pub used: Option<Resources>,
}

/// How far the draining of an agent has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// Tasks are still leaving.
    Draining,
    /// All have left.
    Drained,
}

/// An agent known from before the election.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveredAgent {
    /// Its id.
    pub id: String,
    /// Its attributes.
    pub attributes: Attributes,
}

/// A framework.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Framework {
    /// Its name; two frameworks may have the same.
    pub name: String,
    /// Whether it is offered agents with gpus (capability `GPU_RESOURCES`).
    pub gpu_aware: bool,
    /// Whether it is known only from its agents: it has not come back to a newly elected master.
    pub recovered: bool,
}

/// What is wrong with a document, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Fault(String);

impl Fault {
    /// What is wrong, the place included.
    #[must_use]
    pub const fn new(what: String) -> Self {
        Self(what)
    }
}

/// Why a document is not the state of a cluster.
#[derive(Debug, Error)]
pub enum StateError {
    /// There is nothing.
    #[error("the answer is empty; a master always sends an object")]
    Empty,
    /// It is a web page.
    #[error(
        "the answer is a web page, not a master's state; check that the URL leads to the master and not to a login page"
    )]
    Html,
    /// It is no JSON object.
    #[error("the answer is not a JSON object; check that the URL leads to a Mesos master")]
    NotAnObject,
    /// It ends in the middle.
    #[error("the state ends in the middle")]
    Truncated(#[source] Fault),
    /// It is not JSON, or not of the form that masters send.
    #[error("the state cannot be read as one")]
    Json(#[source] Fault),
    /// It has more bytes than are read.
    #[error("the state has more than {limit} bytes; raise mesos.max_state_bytes if that is no fault")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// Its reader has refused it already and takes no more of it.
    #[error("the state has been refused already")]
    Refused,
    /// It could not be read to its end.
    #[error("the state cannot be read to its end")]
    Io(#[source] io::Error),
    /// A list is not there. It is never taken for an empty one.
    #[error("the state has no {0:?}; check that the URL leads to a Mesos master")]
    Missing(&'static str),
    /// A part is there twice.
    #[error("the state has {0:?} twice")]
    Twice(&'static str),
    /// An agent is there twice.
    #[error("the state lists the agent {0:?} twice")]
    AgentTwice(String),
    /// A resource is no amount.
    #[error("{owner} has {value} {kind}, which is not an amount from 0 to {MAX_UNITS}")]
    Amount {
        /// Whose it is.
        owner: String,
        /// Which resource.
        kind: Kind,
        /// What stands there.
        value: String,
    },
}

/// The resources of something as they stand in the document: checked only when its owner is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawResources {
    amounts: Resources,
    refused: Option<(Kind, String)>,
}

impl RawResources {
    /// Takes in a number.
    pub fn number(&mut self, kind: Kind, units: f64) {
        let amount = Amount::from_units(units).filter(|_| (0.0..=MAX_UNITS).contains(&units));
        match amount {
            Some(amount) => *self.amounts.get_mut(kind) = amount,
            None => self.refuse(kind, units.to_string()),
        }
    }

    /// Takes in what is known to the thousandth.
    #[inline]
    pub fn amount(&mut self, kind: Kind, amount: Amount) {
        if amount.thousandths() <= MAX_THOUSANDTHS {
            *self.amounts.get_mut(kind) = amount;
        } else {
            self.refuse(kind, amount.to_string());
        }
    }

    /// Takes in what is no number.
    pub fn refuse(&mut self, kind: Kind, value: String) {
        self.refused.get_or_insert((kind, value));
    }

    /// The amounts, if each is one.
    fn check(&self, owner: impl FnOnce() -> String) -> Result<Resources, StateError> {
        match &self.refused {
            None => Ok(self.amounts),
            Some((kind, value)) => Err(StateError::Amount { owner: owner(), kind: *kind, value: value.clone() }),
        }
    }
}

/// An agent as it stands in the document.
#[derive(Clone, Debug, Default)]
pub struct RawAgent {
    /// What needs no check.
    pub agent: Agent,
    /// `resources`.
    pub total: Option<RawResources>,
    /// `used_resources`.
    pub used: Option<RawResources>,
    /// `unreserved_resources`.
    pub unreserved: Option<RawResources>,
    /// The values of `reserved_resources`.
    pub reserved: Vec<RawResources>,
}

impl RawAgent {
    /// Its resources.
    ///
    /// # Errors
    /// Where one of them is no amount.
    pub fn check(&self) -> Result<AgentResources, StateError> {
        let check = |resources: &RawResources| resources.check(|| format!("the agent {:?}", self.agent.id));
        let total = self.total.as_ref().map(check).transpose()?.unwrap_or_default();
        let used = self.used.as_ref().map(check).transpose()?;
        let reserved = self.reserved.iter().map(check).sum::<Result<Resources, _>>()?;
        let unreserved = self.unreserved.as_ref().map(check).transpose()?;
        Ok(AgentResources { total, used, unreserved: unreserved.unwrap_or_else(|| total.saturating_sub(&reserved)) })
    }
}

/// A task as it stands in the document. Its texts are valid UTF-8; as bytes, because a million of them are compared with
/// what is known already, and only what is new becomes a text.
#[derive(Clone, Copy, Debug)]
pub struct RawTask<'a> {
    /// Its id.
    pub id: &'a [u8],
    /// Its name.
    pub name: &'a [u8],
    /// Its agent's id (`slave_id`).
    pub agent_id: &'a [u8],
    /// Its state, such as `TASK_RUNNING`.
    pub state: &'a [u8],
    /// Its resources.
    pub resources: &'a RawResources,
}

impl RawTask<'_> {
    /// What it takes; `None` where it takes nothing any more. Terminal tasks may stay in the list until they are
    /// acknowledged.
    ///
    /// # Errors
    /// Where one of its resources is no amount.
    pub fn check(&self) -> Result<Option<Resources>, StateError> {
        let resources = self.resources.check(|| format!("the task {:?}", String::from_utf8_lossy(self.id)))?;
        let holds = matches!(self.state, b"TASK_RUNNING" | b"TASK_STAGING" | b"TASK_STARTING" | b"TASK_KILLING");
        Ok(holds.then_some(resources))
    }
}

/// What an executor uses itself, as it stands in the document.
#[derive(Clone, Copy, Debug)]
pub struct RawExecutor<'a> {
    /// Its agent's id (`slave_id`).
    pub agent_id: &'a str,
    /// Its resources.
    pub resources: &'a RawResources,
}

impl RawExecutor<'_> {
    /// What it takes.
    ///
    /// # Errors
    /// Where one of its resources is no amount.
    pub fn check(&self) -> Result<Resources, StateError> {
        self.resources.check(|| format!("an executor on the agent {:?}", self.agent_id))
    }
}

/// Takes what a reader meets in a /state. An error stops the reader.
///
/// Lists come one after the other and each as a whole, in any order; a framework's name may come after its tasks.
pub trait Sink {
    /// What the master says of itself, set by the reader as it comes.
    fn master(&mut self) -> &mut Master;

    /// An agent.
    ///
    /// # Errors
    /// Where one of its resources is no amount, or it has been there already.
    fn agent(&mut self, agent: &RawAgent) -> Result<(), StateError>;

    /// An agent that has not come back since the election.
    fn recovered_agent(&mut self, agent: &RecoveredAgent);

    /// The name of the framework that is being read.
    fn framework_name(&mut self, name: String);

    /// Whether the framework that is being read is offered agents with gpus.
    fn framework_gpu_aware(&mut self, gpu_aware: bool);

    /// Whether the framework that is being read has yet to come back.
    fn framework_recovered(&mut self, recovered: bool);

    /// A task of the framework that is being read.
    ///
    /// # Errors
    /// Where one of its resources is no amount.
    fn task(&mut self, task: &RawTask<'_>) -> Result<(), StateError>;

    /// An executor of the framework that is being read.
    ///
    /// # Errors
    /// Where one of its resources is no amount.
    fn executor(&mut self, executor: &RawExecutor<'_>) -> Result<(), StateError>;

    /// The framework that is being read ends.
    ///
    /// # Errors
    /// Where its name never came.
    fn end_framework(&mut self) -> Result<(), StateError>;
}

/// 2^32 of anything do not fit the bytes that are read at most.
pub(crate) fn count_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
