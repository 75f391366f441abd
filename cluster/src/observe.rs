//! What `node_gather` makes of a cluster. Its records go to its own code as they are, without the way through JSON;
//! [`render`](crate::render) writes the same as a document.

use std::error::Error;

use jiff::Timestamp;
use node_gather::ReadError;
use node_gather::marathon::definitions::{self, Definitions};
use node_gather::marathon::{Answer, Observed, queue};
use node_gather::members::{self, Description, Descriptions, Lookup};
use node_gather::mesos::state::{self, RawAgent, RawExecutor, RawResources, RawTask, RecoveredAgent, Sink, StateError};
use node_gather::summarize::{ClusterState, summarize};
use shared::config::Policy;
use shared::contract::ClusterSnapshot;
use shared::error::Chain;
use shared::group::{CLOSING_REFUSED_TAG, TRIED_TAG, decommissioning, tagged_until};
use shared::resources::{self, Resources};

use crate::group::{Group, Instance};
use crate::model::{Agent, Alike, Attribute, Attributes, Cluster, Executor, Framework, Mode, Presence, Task};

impl Cluster {
    /// The snapshots of these pools, taken then from the master of that URL.
    ///
    /// # Errors
    /// Where the cluster is none that `node_gather` reads.
    pub fn snapshots(
        &self,
        pools: &[Policy],
        master: &str,
        taken_at: Timestamp,
    ) -> Result<Vec<ClusterSnapshot>, ReadError> {
        self.snapshots_in(pools, Descriptions::default(), master, taken_at)
    }

    /// The same where AWS reports that about the groups of the pools.
    ///
    /// # Errors
    /// Like [`Cluster::snapshots`].
    pub fn snapshots_in(
        &self,
        pools: &[Policy],
        described: Descriptions,
        master: &str,
        taken_at: Timestamp,
    ) -> Result<Vec<ClusterSnapshot>, ReadError> {
        let mut state = ClusterState::new(pools).with_descriptions(described);
        self.show(&mut state)?;
        let summary = summarize(state, &self.observed_marathon(), master, taken_at);
        Ok(summary.snapshots)
    }

    /// The snapshots of pools that all have this group.
    ///
    /// # Errors
    /// Like [`Cluster::snapshots`].
    pub fn snapshots_of(
        &self,
        pools: &[Policy],
        group: &Group,
        master: &str,
        taken_at: Timestamp,
    ) -> Result<Vec<ClusterSnapshot>, ReadError> {
        let known = |policy: &Policy| (policy.group.clone(), Description::Known(group.into()));
        let described = Descriptions { groups: pools.iter().map(known).collect(), lookup: Lookup::NotAsked };
        self.snapshots_in(pools, described, master, taken_at)
    }

    /// What `node_gather` reads of Marathon.
    #[must_use]
    pub fn observed_marathon(&self) -> Observed {
        fn known<T, E: Error + 'static>(read: Result<T, E>) -> Answer<T> {
            read.map_or_else(|error| Answer::Unknown { reason: Chain::new(&error).to_string() }, Answer::Known)
        }
        if self.queue.is_empty() && self.definitions.is_empty() {
            // What empty answers say.
            return Observed { queue: Answer::Known(Vec::new()), definitions: Answer::Known(Definitions::default()) };
        }
        let mut read = Definitions::default();
        let apps = definitions::add_apps(&*self.to_apps_json(), &mut read);
        let pods = apps.and_then(|()| definitions::add_pods(&*self.to_pods_json(), &mut read));
        Observed { queue: known(queue::parse(&*self.to_queue_json())), definitions: known(pods.map(|()| read)) }
    }

    /// Shows the cluster to a sink, as a reader of its `/state` would.
    ///
    /// # Errors
    /// The sink's.
    pub fn show(&self, sink: &mut impl Sink) -> Result<(), StateError> {
        self.show_agents(sink)?;
        self.show_tasks(sink)
    }

    pub(crate) fn show_agents(&self, sink: &mut impl Sink) -> Result<(), StateError> {
        // One allocation is reused, as by a reader of a document.
        let mut raw = RawAgent::default();
        for agent in self.registered_latest_first() {
            fill(&mut raw, agent);
            sink.agent(&raw)?;
        }
        for agent in self.agents().filter(|agent| !agent.is_registered()) {
            sink.recovered_agent(&RecoveredAgent {
                id: agent.id.clone(),
                hostname: agent.hostname.clone(),
                attributes: attributes(&agent.attributes),
                odd_attributes: None,
            })?;
        }
        Ok(())
    }

    /// The master, and what runs on the agents.
    fn show_tasks(&self, sink: &mut impl Sink) -> Result<(), StateError> {
        self.show_master(sink.master());
        for framework in self.listed_frameworks() {
            self.show_framework(framework, sink)?;
        }
        Ok(())
    }

    /// Of the latest ones three are kept, and the order means nothing else.
    pub(crate) fn registered_latest_first(&self) -> impl Iterator<Item = &Agent> {
        self.registered().rev()
    }

    pub(crate) fn show_master(&self, shown: &mut state::Master) {
        shown.version.clone_from(&self.master.version);
        shown.cluster.clone_from(&self.master.cluster);
        shown.elected_at = rounded(self.master.elected_at);
        shown.agent_reregister_timeout = self.master.agent_reregister_timeout();
        shown.unreachable_after = self.master.unreachable_after();
        shown.filters_gpus = self.master.filters_gpus();
        shown.counted_agents = u32::try_from(self.registered().count()).ok();
        shown.unreachable_agents = self.unreachable;
    }

    fn show_framework(&self, framework: &Framework, sink: &mut impl Sink) -> Result<(), StateError> {
        begin(framework, sink);
        // In the order of the agents, which saves sorting.
        for agent in self.registered_latest_first() {
            let own = agent.alike().filter(|alike| alike.task.framework == framework.number);
            own.for_each(|alike| sink.tasks(&alike.shown(agent), alike.mark, alike.count));
        }
        self.end_framework(framework, sink)
    }

    /// The executors of a framework, and its end.
    pub(crate) fn end_framework(&self, framework: &Framework, sink: &mut impl Sink) -> Result<(), StateError> {
        for (agent, executor) in self.executors_of(framework) {
            let resources = raw_resources(&executor.resources);
            let Executor { id, role, .. } = executor;
            sink.executor(&RawExecutor { id, agent_id: &agent.id, role, resources: &resources, odd: None });
        }
        sink.end_framework()
    }

    /// The frameworks that the master lists: of those that have not come back to a new one only those of whose tasks it
    /// knows.
    pub(crate) fn listed_frameworks(&self) -> impl Iterator<Item = &Framework> {
        self.frameworks()
            .filter(|framework| framework.presence != Presence::Recovered || self.tasks_of(framework).next().is_some())
    }

    /// The tasks of a framework, with their agents.
    pub(crate) fn tasks_of(&self, framework: &Framework) -> impl Iterator<Item = (&Agent, &Task)> {
        let number = framework.number;
        let tasks = self.registered().flat_map(|agent| agent.tasks().iter().map(move |task| (agent, task)));
        tasks.filter(move |(_, task)| task.framework == number)
    }

    /// The executors of a framework that take resources of their own, with their agents.
    pub(crate) fn executors_of(&self, framework: &Framework) -> impl Iterator<Item = (&Agent, &Executor)> {
        let number = framework.number;
        let all = self.registered();
        let executors = all.flat_map(|agent| agent.executors().iter().map(move |executor| (agent, executor)));
        executors.filter(move |(_, executor)| executor.framework == number)
    }
}

/// What a reader finds of a framework before its tasks.
pub(crate) fn begin(framework: &Framework, sink: &mut impl Sink) {
    sink.framework_name(framework.name.clone());
    sink.framework_gpu_aware(framework.is_gpu_aware());
    sink.framework_recovered(framework.presence == Presence::Recovered);
    sink.framework_connected(framework.presence == Presence::Connected);
}

impl<'a> Alike<'a> {
    /// The first of these tasks of that agent, as a reader finds it.
    pub(crate) fn shown(&self, agent: &'a Agent) -> RawTask<'a> {
        let Self { task, resources, .. } = self;
        RawTask {
            id: task.id.as_bytes(),
            name: task.name.as_bytes(),
            agent_id: agent.id.as_bytes(),
            state: task.state.name().as_bytes(),
            role: task.role.as_bytes(),
            resources,
            odd: None,
        }
    }
}

/// To the millisecond, as a reader rounds it.
fn rounded(time: Timestamp) -> Option<Timestamp> {
    Timestamp::from_millisecond((time.as_microsecond() + 500).div_euclid(1000)).ok()
}

/// What `node_gather` reads of a group.
impl From<&Group> for members::Group {
    fn from(group: &Group) -> Self {
        let units = |units: i32| u32::try_from(units).unwrap_or(0);
        let instance = |instance: &Instance| members::Instance {
            id: instance.id.clone(),
            lifecycle: instance.state.into(),
            protected: instance.protected,
        };
        let tags = || group.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        Self {
            desired: units(group.desired()),
            min: units(group.min),
            max: units(group.max),
            zones: group.zones().to_vec(),
            protects_new: group.protects_new,
            instances: group.instances().iter().map(instance).collect(),
            decommissioning: decommissioning(tags()),
            closing_refused_until: tagged_until(tags(), CLOSING_REFUSED_TAG),
            tried_until: tagged_until(tags(), TRIED_TAG),
        }
    }
}

fn fill(raw: &mut RawAgent, agent: &Agent) {
    let (capacity, shown) = (&agent.capacity, &mut raw.agent);
    shown.id.clone_from(&agent.id);
    shown.hostname.clone_from(&agent.hostname);
    shown.ip = agent.ip();
    shown.attributes.clear();
    add_attributes(&agent.attributes, &mut shown.attributes);
    shown.active = agent.is_active();
    shown.deactivated = agent.is_deactivated();
    shown.drain = agent.drain();
    shown.drain_time = drain_time(agent);
    shown.registered_at = rounded(agent.registered_at);
    raw.total = Some(raw_resources(&capacity.total));
    raw.used = Some(raw_resources(&agent.used()));
    raw.unreserved = Some(raw_resources(&capacity.unreserved()));
    raw.reserved = capacity.reserved.iter().map(|(role, own)| (role.clone(), raw_resources(own))).collect();
}

fn drain_time(agent: &Agent) -> state::DrainTime {
    let (Mode::Draining(drain) | Mode::Drained(drain)) = agent.mode else { return state::DrainTime::default() };
    state::DrainTime { since: drain.since.and_then(rounded), grace: drain.max_grace_period.unwrap_or_default() }
}

pub(crate) fn raw_resources(resources: &Resources) -> RawResources {
    let mut raw = RawResources::default();
    resources::Kind::ALL.into_iter().for_each(|kind| raw.amount(kind, resources.get(kind)));
    raw
}

fn attributes(attributes: &Attributes) -> state::Attributes {
    let mut shown = state::Attributes::default();
    add_attributes(attributes, &mut shown);
    shown
}

fn add_attributes(attributes: &Attributes, shown: &mut state::Attributes) {
    for (name, value) in attributes.iter() {
        match value {
            Attribute::Text(text) => shown.push(name, text),
            // In its shortest form, as a reader has it.
            Attribute::Number(number) => match number.parse::<f64>() {
                Ok(number) => shown.push(name, &number.to_string()),
                Err(_) => shown.push(name, number),
            },
        }
    }
}
