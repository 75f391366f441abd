//! What is kept of a master's /state, and the [`Fold`] that gathers it while the document passes by.
//!
//! The fold knows nothing of JSON: a reader calls it with what it meets, in whatever order the document has it. Tasks
//! become counts at once, so memory grows with agents, applications and where they run, never with bytes.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use foldhash::fast::RandomState;
use jiff::Timestamp;
use shared::resources::{Amount, Kind, Resources};
use thiserror::Error;

use super::names;

/// How long a newly elected master waits for its agents, where it does not say: Mesos' default, and its minimum.
pub const DEFAULT_AGENT_REREGISTER_TIMEOUT: Duration = Duration::from_secs(600);

/// The name under which tasks without a framework are kept. Masters before 1.2 list them apart.
pub const ORPHAN_FRAMEWORK: &str = "(orphan)";

/// The most units of one resource that one agent or task can have. More is a fault of the sender, and far below it
/// no sum can overflow.
pub(crate) const MAX_UNITS: f64 = 1e9;
const MAX_THOUSANDTHS: u64 = 1_000_000_000_000;

/// A cluster as its leading master sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// What the master says of itself.
    pub master: Master,
    /// The registered agents (`slaves`), in the order of the document.
    pub agents: Vec<Agent>,
    /// Agents that a newly elected master knows of but has not heard from (`recovered_slaves`).
    pub recovered_agents: Vec<RecoveredAgent>,
    /// The frameworks, in the order of the document.
    pub frameworks: Vec<Framework>,
    applications: Vec<ApplicationName>,
    resources: Vec<Resources>,
    cells: Vec<Cell>,
}

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
pub struct Attributes(pub Vec<(String, String)>);

impl Attributes {
    /// Whether one of the values of that name is this one. Numbers are compared in their shortest form, so `2.0` is `2`.
    #[must_use]
    pub fn has(&self, name: &str, value: &str) -> bool {
        let number = value.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| number.to_string());
        self.values(name).any(|own| own == value || Some(own) == number.as_deref())
    }

    /// The values of that name.
    pub fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// A registered agent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Agent {
    /// Its id.
    pub id: String,
    /// Its hostname.
    pub hostname: String,
    /// The address by which the master speaks to it.
    pub ip: Option<String>,
    /// Its attributes.
    pub attributes: Attributes,
    /// All its resources; nothing where it does not say.
    pub total: Resources,
    /// What of them no role has reserved.
    pub unreserved: Resources,
    /// What tasks and executors use, as the master says it; `None` where it does not.
    pub used: Option<Resources>,
    /// What the executors use that the master shows.
    pub executors: Resources,
    /// Whether the master offers its resources.
    pub active: bool,
    /// Whether an operator has deactivated it (since Mesos 1.9).
    pub deactivated: bool,
    /// How far an operator's draining has come, if one has asked for it (since Mesos 1.9).
    pub drain: Option<Drain>,
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

#[derive(Clone, Debug, PartialEq)]
struct ApplicationName {
    framework: u32,
    name: String,
}

/// How many tasks of one application with equal resources run on one agent. Indices, since there may be a million.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cell {
    agent: u32,
    application: u32,
    resources: u32,
    count: u32,
}

/// Tasks of one application with equal resources on one agent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tasks<'a> {
    /// Where in [`State::agents`] their agent is; `None` where the master does not list it.
    pub agent: Option<usize>,
    /// Their framework.
    pub framework: &'a Framework,
    /// The name of their application.
    pub application: &'a str,
    /// What one of them takes.
    pub resources: Resources,
    /// How many there are.
    pub count: u32,
}

impl State {
    /// All tasks that count. The same application, agent and resources may come more than once.
    pub fn tasks(&self) -> impl Iterator<Item = Tasks<'_>> {
        self.cells.iter().filter_map(|cell| {
            let application = self.applications.get(index(cell.application))?;
            Some(Tasks {
                agent: Some(index(cell.agent)).filter(|agent| *agent < self.agents.len()),
                framework: self.frameworks.get(index(application.framework))?,
                application: &application.name,
                resources: *self.resources.get(index(cell.resources))?,
                count: cell.count,
            })
        })
    }
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
    /// What needs no check; its resources are filled in by the fold.
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

/// A task as it stands in the document.
#[derive(Clone, Copy, Debug)]
pub struct RawTask<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its agent's id (`slave_id`).
    pub agent_id: &'a str,
    /// Its state, such as `TASK_RUNNING`.
    pub state: &'a str,
    /// Its resources.
    pub resources: &'a RawResources,
}

/// Whether a task of that state holds resources. Terminal ones may stay in the list until they are acknowledged.
#[must_use]
pub fn holds_resources(task_state: &str) -> bool {
    matches!(task_state, "TASK_STAGING" | "TASK_STARTING" | "TASK_RUNNING" | "TASK_KILLING")
}

/// Gathers a [`State`] from what a reader meets.
#[derive(Debug, Default)]
pub struct Fold {
    /// What the master says of itself, set by the reader as it comes.
    pub master: Master,
    agents: Vec<Agent>,
    recovered_agents: Vec<RecoveredAgent>,
    frameworks: Vec<Framework>,
    applications: Vec<ApplicationName>,
    resources: Interned<Resources>,
    agent_ids: Interned<String>,
    /// What executors use, by the index of their agent's id.
    executors: HashMap<u32, Resources, RandomState>,
    cells: Vec<Cell>,
    open: OpenFramework,
}

/// A framework of which more may follow: its tasks may come before its name.
#[derive(Debug, Default)]
struct OpenFramework {
    name: Option<String>,
    gpu_aware: bool,
    recovered: bool,
    applications: Interned<String>,
    /// Applications met before the framework's name: by their names as Marathon's and as anybody's.
    unnamed: Interned<(Option<String>, String)>,
    /// By agent, application (the unnamed ones apart) and resources.
    counts: HashMap<(u32, AnyName, u32), u32, RandomState>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum AnyName {
    Named(u32),
    Unnamed(u32),
}

impl Fold {
    /// Takes in an agent.
    ///
    /// # Errors
    /// Where one of its resources is no amount.
    pub fn agent(&mut self, raw: RawAgent) -> Result<(), StateError> {
        let RawAgent { mut agent, total, used, unreserved, reserved } = raw;
        let check = |resources: &RawResources| resources.check(|| format!("the agent {:?}", agent.id));
        let total = total.as_ref().map(check).transpose()?.unwrap_or_default();
        let used = used.as_ref().map(check).transpose()?;
        let reserved = reserved.iter().map(check).sum::<Result<Resources, _>>()?;
        let unreserved = unreserved.as_ref().map(check).transpose()?;
        agent.total = total;
        agent.used = used;
        agent.unreserved = unreserved.unwrap_or_else(|| total.saturating_sub(&reserved));
        self.agents.push(agent);
        Ok(())
    }

    /// Takes in an agent that has not come back.
    pub fn recovered_agent(&mut self, agent: RecoveredAgent) {
        self.recovered_agents.push(agent);
    }

    /// The name of the framework that is being read.
    pub fn framework_name(&mut self, name: String) {
        self.open.name = Some(name);
    }

    /// Whether the framework that is being read is offered agents with gpus.
    pub fn framework_gpu_aware(&mut self, gpu_aware: bool) {
        self.open.gpu_aware = gpu_aware;
    }

    /// Whether the framework that is being read has yet to come back.
    pub fn framework_recovered(&mut self, recovered: bool) {
        self.open.recovered = recovered;
    }

    /// Takes in a task of the framework that is being read.
    ///
    /// # Errors
    /// Where one of its resources is no amount.
    pub fn task(&mut self, task: &RawTask<'_>) -> Result<(), StateError> {
        let resources = task.resources.check(|| format!("the task {:?}", task.id))?;
        if !holds_resources(task.state) {
            return Ok(());
        }
        let open = &mut self.open;
        let name = match &open.name {
            Some(framework) => {
                AnyName::Named(open.applications.borrowed(&*names::application(framework, task.id, task.name)))
            }
            None => AnyName::Unnamed(open.unnamed.owned((names::marathon_application(task.id), task.name.to_owned()))),
        };
        let key = (self.agent_ids.borrowed(task.agent_id), name, self.resources.owned(resources));
        let count = open.counts.entry(key).or_insert(0);
        *count = count.saturating_add(1);
        Ok(())
    }

    /// Takes in an executor of the framework that is being read.
    ///
    /// # Errors
    /// Where one of its resources is no amount.
    pub fn executor(&mut self, agent_id: &str, resources: &RawResources) -> Result<(), StateError> {
        let resources = resources.check(|| format!("an executor on the agent {agent_id:?}"))?;
        *self.executors.entry(self.agent_ids.borrowed(agent_id)).or_default() += resources;
        Ok(())
    }

    /// Ends the framework that is being read.
    ///
    /// # Errors
    /// Where its name never came.
    pub fn end_framework(&mut self) -> Result<(), StateError> {
        let open = std::mem::take(&mut self.open);
        let name = open.name.ok_or(StateError::Missing("frameworks[].name"))?;
        // The name decides how the applications met before it are called.
        let mut applications = open.applications;
        let renamed: Vec<u32> = open
            .unnamed
            .into_values()
            .into_iter()
            .map(|(from_id, plain)| applications.owned(from_id.filter(|_| names::is_marathon(&name)).unwrap_or(plain)))
            .collect();
        let framework = count_u32(self.frameworks.len());
        let first = count_u32(self.applications.len());
        let to_application = |name| match name {
            AnyName::Named(application) => Some(first + application),
            AnyName::Unnamed(application) => renamed.get(index(application)).map(|application| first + application),
        };
        self.cells.extend(open.counts.into_iter().filter_map(|((agent, name, resources), count)| {
            Some(Cell { agent, application: to_application(name)?, resources, count })
        }));
        self.applications
            .extend(applications.into_values().into_iter().map(|name| ApplicationName { framework, name }));
        self.frameworks.push(Framework { name, gpu_aware: open.gpu_aware, recovered: open.recovered });
        Ok(())
    }

    /// Ends the document.
    ///
    /// # Errors
    /// Where an agent was there twice.
    pub fn finish(self) -> Result<State, StateError> {
        let Self { mut agents, mut agent_ids, executors, mut cells, .. } = self;
        // From the order in which ids were met to the order of the agents; an id that is no agent's is beyond the end.
        let mut place_of_id: Vec<Option<u32>> = Vec::new();
        for (place, agent) in agents.iter_mut().enumerate() {
            let id = agent_ids.borrowed(agent.id.as_str());
            place_of_id.resize(place_of_id.len().max(index(id) + 1), None);
            if let Some(slot) = place_of_id.get_mut(index(id))
                && slot.replace(count_u32(place)).is_some()
            {
                return Err(StateError::AgentTwice(agent.id.clone()));
            }
            agent.executors = executors.get(&id).copied().unwrap_or_default();
        }
        for cell in &mut cells {
            cell.agent = place_of_id.get(index(cell.agent)).copied().flatten().unwrap_or(u32::MAX);
        }
        Ok(State {
            master: self.master,
            agents,
            recovered_agents: self.recovered_agents,
            frameworks: self.frameworks,
            applications: self.applications,
            resources: self.resources.into_values(),
            cells,
        })
    }
}

/// Values that are each kept once and known by the order in which they first came.
#[derive(Debug)]
struct Interned<T>(HashMap<T, u32, RandomState>);

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<T: std::hash::Hash + Eq> Interned<T> {
    fn owned(&mut self, value: T) -> u32 {
        let next = count_u32(self.0.len());
        *self.0.entry(value).or_insert(next)
    }

    /// The same without owning a value that is there already, as most are.
    fn borrowed<B>(&mut self, value: &B) -> u32
    where
        T: std::borrow::Borrow<B>,
        B: std::hash::Hash + Eq + ToOwned<Owned = T> + ?Sized,
    {
        match self.0.get(value) {
            Some(place) => *place,
            None => self.owned(value.to_owned()),
        }
    }

    fn into_values(self) -> Vec<T> {
        let mut values: Vec<(T, u32)> = self.0.into_iter().collect();
        values.sort_unstable_by_key(|(_, place)| *place);
        values.into_iter().map(|(value, _)| value).collect()
    }
}

/// 2^32 of anything do not fit the bytes that are read at most.
pub(crate) fn count_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn index(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}
