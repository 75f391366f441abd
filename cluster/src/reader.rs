//! Reads one cluster again and again.

use std::collections::BTreeMap;

use node_gather::mesos::state::{Sink, StateError};
use node_gather::summarize::{ClusterState, TaskKind};
use shared::config::Policy;
use shared::resources::Resources;

use crate::model::{Agent, Alike, AllAlike, Cluster, Version};
use crate::observe::begin;

/// Reads one cluster again and again for the same pools. From one run of a simulation to the next, hardly anything about its
/// agents changes but what they use, and few tasks do: so both are looked at where something did.
#[derive(Clone, Debug)]
pub struct Reader {
    empty: ClusterState,
    agents: Option<KnownAgents>,
    tasks: KnownTasks,
}

/// The agents as they were read.
#[derive(Clone, Debug)]
struct KnownAgents {
    version: Version,
    state: ClusterState,
    /// Their numbers in that state, the latest first.
    numbers: Vec<Option<u32>>,
}

/// What runs on each agent, by kinds.
#[derive(Clone, Debug, Default)]
struct KnownTasks {
    /// The kinds that have occurred, by their places.
    kinds: BTreeMap<Kind, usize>,
    /// The latest agent first.
    of_agents: Vec<TasksOfAgent>,
}

/// What differs in ids and agents alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    framework: u32,
    is_marathon: bool,
    mark: Vec<u8>,
    is_container: bool,
    resources: Resources,
    state: &'static str,
    role: String,
}

/// The tasks of an agent.
#[derive(Clone, Debug)]
struct TasksOfAgent {
    agent: u32,
    all: AllAlike,
    /// In their order.
    tasks: Vec<Tasks>,
}

/// So many tasks of the kind at that place.
#[derive(Clone, Copy, Debug)]
struct Tasks {
    framework: u32,
    kind: usize,
    count: u32,
}

impl Reader {
    /// For these pools.
    #[must_use]
    pub fn new(pools: &[Policy]) -> Self {
        Self { empty: ClusterState::new(pools), agents: None, tasks: KnownTasks::default() }
    }

    /// The cluster as it is now, as [`Cluster::show`] shows it to a new [`ClusterState`].
    ///
    /// # Errors
    /// Those of [`ClusterState`].
    pub fn read(&mut self, cluster: &Cluster) -> Result<ClusterState, StateError> {
        let registered: Vec<&Agent> = cluster.registered_latest_first().collect();
        let known = self.agents.take().filter(|agents| agents.version == *cluster.version_of_agents());
        let of_known = known.as_ref().and_then(|agents| agents.using(&registered));
        let (agents, mut state) = match known.zip(of_known) {
            Some(known) => known,
            None => {
                let agents = KnownAgents::read(cluster, &registered, self.empty.clone())?;
                let state = agents.state.clone();
                (agents, state)
            }
        };
        self.tasks.look_at(&registered);
        self.tasks.show(cluster, &registered, &agents.numbers, &mut state)?;
        self.agents = Some(agents);
        Ok(state)
    }
}

impl KnownAgents {
    fn read(cluster: &Cluster, registered: &[&Agent], mut state: ClusterState) -> Result<Self, StateError> {
        cluster.show_agents(&mut state)?;
        let state = state.with_claims();
        let numbers = registered.iter().map(|agent| state.agent_number(&agent.id)).collect();
        Ok(Self { version: cluster.version_of_agents().clone(), state, numbers })
    }

    /// The same agents with what they use now.
    fn using(&self, registered: &[&Agent]) -> Option<ClusterState> {
        let used: Vec<Resources> = registered.iter().map(|agent| agent.used()).collect();
        self.state.using(&used)
    }
}

impl KnownTasks {
    /// More kinds are forgotten: each job may be one of its own.
    const MOST_KINDS: usize = 10_000;

    /// Looks at what runs on agents where that has changed.
    fn look_at(&mut self, registered: &[&Agent]) {
        if self.kinds.len() > Self::MOST_KINDS {
            *self = Self::default();
        }
        let mut before = std::mem::take(&mut self.of_agents).into_iter().peekable();
        self.of_agents.reserve(registered.len());
        for agent in registered {
            // Those before it are gone, or have changed.
            while before.next_if(|known| known.agent > agent.number).is_some() {}
            let same = before.next_if(|known| known.agent == agent.number && known.all.are(agent.all_alike()));
            let own = same.unwrap_or_else(|| self.of(agent));
            self.of_agents.push(own);
        }
    }

    /// The master, and what runs on those agents, which have these numbers in the state.
    fn show(
        &self,
        cluster: &Cluster,
        registered: &[&Agent],
        numbers: &[Option<u32>],
        state: &mut ClusterState,
    ) -> Result<(), StateError> {
        cluster.show_master(state.master());
        // By their places, what the kinds are to the state.
        let mut kinds: Vec<Option<TaskKind>> = vec![None; self.kinds.len()];
        for framework in cluster.listed_frameworks() {
            begin(framework, state);
            // In the order of the agents, which saves sorting.
            for ((agent, number), own) in registered.iter().zip(numbers).zip(&self.of_agents) {
                let tasks = own.tasks.iter().enumerate().filter(|(_, tasks)| tasks.framework == framework.number);
                for (place, Tasks { kind, count, .. }) in tasks {
                    let Some(kind) = kinds.get_mut(*kind) else { continue };
                    match (*number, *kind) {
                        (Some(number), Some(kind)) => state.count_more(number, kind, *count),
                        _ => *kind = agent.alike().nth(place).and_then(|tasks| show_first(agent, &tasks, state)),
                    }
                }
            }
            cluster.end_framework(framework, state)?;
        }
        Ok(())
    }

    fn of(&mut self, agent: &Agent) -> TasksOfAgent {
        let tasks = agent.alike().map(|alike| self.tasks(&alike)).collect();
        TasksOfAgent { agent: agent.number, all: agent.all_alike().clone(), tasks }
    }

    fn tasks(&mut self, alike: &Alike<'_>) -> Tasks {
        let next = self.kinds.len();
        let kind = *self.kinds.entry(Kind::of(alike)).or_insert(next);
        Tasks { framework: alike.task.framework, kind, count: alike.count }
    }
}

/// The first tasks of their kind, by all that a reader of a document knows.
fn show_first(agent: &Agent, tasks: &Alike<'_>, state: &mut ClusterState) -> Option<TaskKind> {
    state.count_alike(&tasks.shown(agent), tasks.mark, tasks.count)
}

impl Kind {
    fn of(Alike { task, mark, .. }: &Alike<'_>) -> Self {
        Self {
            framework: task.framework,
            is_marathon: mark.is_marathon(),
            mark: mark.as_bytes().to_vec(),
            is_container: mark.pod_instance(task.id.as_bytes()).is_some(),
            resources: task.resources,
            state: task.state.name(),
            role: task.role.clone(),
        }
    }
}
