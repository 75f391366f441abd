//! The cluster: a master, the agents that it knows, the frameworks, and what runs.
//!
//! Tasks and executors belong to the agent that they run on: an agent that leaves takes them along, one that is merely
//! unknown to a new master keeps them.

mod agent;
mod agents;
mod change;
mod framework;
mod master;
mod ports;
mod queue;
mod task;

use std::collections::BTreeMap;

use jiff::Timestamp;
use shared::resources::Resources;

use agents::Agents;

pub use agent::{Agent, Attribute, Attributes, Capacity, Connection, Drain, Mode};
pub(crate) use agent::{Alike, AllAlike};
pub(crate) use agents::Version;
pub use change::{OperateError, Operation, Placement};
pub use framework::{Framework, Presence, Roles};
pub use master::{Build, Master};
pub use ports::Ports;
pub use queue::{Definition, QueuedInstances};
pub use task::{Executor, Task, TaskSpec, TaskState};

/// A Mesos cluster at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// The leading master.
    pub master: Master,
    /// What Marathon's launch queue holds.
    pub queue: Vec<QueuedInstances>,
    /// Marathon's definitions of applications, by id, where they say more than nothing.
    pub definitions: BTreeMap<String, Definition>,
    /// How many agents the master has marked unreachable. They are not in the list of agents.
    pub unreachable: u32,
    /// What an agent on one more instance has, where that is known.
    pub new_agent: Option<Capacity>,
    agents: Agents,
    /// By number.
    frameworks: BTreeMap<u32, Framework>,
    /// How many agents have ever been registered: the number of the next.
    issued_agents: u32,
    /// How many tasks have ever been started.
    issued_tasks: u64,
}

impl Cluster {
    /// A cluster without agents, whose master was elected then.
    #[must_use]
    pub fn new(elected_at: Timestamp) -> Self {
        Self {
            master: Master::elected(elected_at),
            queue: Vec::new(),
            definitions: BTreeMap::new(),
            unreachable: 0,
            new_agent: None,
            agents: Agents::default(),
            frameworks: BTreeMap::new(),
            issued_agents: 0,
            issued_tasks: 0,
        }
    }

    /// The agents, in the order of their numbers, those that have not come back to a new master among them.
    pub fn agents(&self) -> impl DoubleEndedIterator<Item = &Agent> {
        self.agents.values()
    }

    /// The agents, to change them.
    pub fn agents_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Agent> {
        self.agents.values_mut()
    }

    /// The agents that the master lists as registered.
    pub fn registered(&self) -> impl DoubleEndedIterator<Item = &Agent> {
        self.agents().filter(|agent| agent.is_registered())
    }

    /// The agent of that number.
    #[must_use]
    pub fn agent(&self, number: u32) -> Option<&Agent> {
        self.agents.get(&number)
    }

    /// The agent of that number, to change it.
    pub fn agent_mut(&mut self, number: u32) -> Option<&mut Agent> {
        self.agents.get_mut(&number)
    }

    /// What stands for the agents as they are, but for what runs on them.
    pub(crate) const fn version_of_agents(&self) -> &Version {
        self.agents.version()
    }

    /// The agent of that id.
    #[must_use]
    pub fn agent_by_id(&self, id: &str) -> Option<&Agent> {
        self.agents().find(|agent| agent.id == id)
    }

    /// The frameworks, in the order of their numbers.
    pub fn frameworks(&self) -> impl Iterator<Item = &Framework> {
        self.frameworks.values()
    }

    /// The frameworks, to change them.
    pub fn frameworks_mut(&mut self) -> impl Iterator<Item = &mut Framework> {
        self.frameworks.values_mut()
    }

    /// The framework of that number.
    #[must_use]
    pub fn framework(&self, number: u32) -> Option<&Framework> {
        self.frameworks.get(&number)
    }

    /// The tasks on registered agents.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.registered().flat_map(Agent::tasks)
    }

    /// What all agents that take tasks have, and what of it is used.
    #[must_use]
    pub fn total_and_used(&self) -> (Resources, Resources) {
        let active = || self.registered().filter(|agent| agent.is_active());
        (active().map(|agent| agent.capacity.total).sum(), active().map(|agent| agent.used()).sum())
    }
}
