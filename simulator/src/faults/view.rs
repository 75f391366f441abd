//! What a master shows, whole or in part: to one who may not see all, a framework is there, and its tasks are not.

use std::collections::BTreeMap;

use cluster::{Connection, Mode, Presence};
use node_gather::mesos::names::Mark;
use node_gather::mesos::state::{Master, OddField, RawAgent, RawExecutor, RawTask, RecoveredAgent, Sink, StateError};
use shared::resources::{Kind, Resources};

use super::chain::tasks;
use super::checks::Seen;
use crate::policy::View;

/// Shows everything but the tasks of a framework.
pub(super) struct Filtered<'s, S> {
    sink: &'s mut S,
    hidden: String,
    hides: bool,
}

impl<'s, S: Sink> Filtered<'s, S> {
    pub(super) fn new(sink: &'s mut S, hidden: &str) -> Self {
        Self { sink, hidden: hidden.to_owned(), hides: false }
    }
}

impl<S: Sink> Sink for Filtered<'_, S> {
    fn master(&mut self) -> &mut Master {
        self.sink.master()
    }

    fn agent(&mut self, agent: &RawAgent) -> Result<(), StateError> {
        self.sink.agent(agent)
    }

    fn recovered_agent(&mut self, agent: &RecoveredAgent) -> Result<(), StateError> {
        self.sink.recovered_agent(agent)
    }

    fn framework_name(&mut self, name: String) {
        self.hides = name == self.hidden;
        self.sink.framework_name(name);
    }

    fn framework_gpu_aware(&mut self, gpu_aware: bool) {
        self.sink.framework_gpu_aware(gpu_aware);
    }

    fn framework_recovered(&mut self, recovered: bool) {
        self.sink.framework_recovered(recovered);
    }

    fn framework_connected(&mut self, connected: bool) {
        self.sink.framework_connected(connected);
    }

    fn framework_odd(&mut self, odd: OddField) {
        self.sink.framework_odd(odd);
    }

    fn task(&mut self, task: &RawTask<'_>) {
        if !self.hides {
            self.sink.task(task);
        }
    }

    fn tasks(&mut self, task: &RawTask<'_>, mark: Mark<'_>, count: u32) {
        if !self.hides {
            self.sink.tasks(task, mark, count);
        }
    }

    fn executor(&mut self, executor: &RawExecutor<'_>) {
        if !self.hides {
            self.sink.executor(executor);
        }
    }

    fn end_framework(&mut self) -> Result<(), StateError> {
        self.hides = false;
        self.sink.end_framework()
    }
}

/// Whether a master knows of all that runs.
pub(super) fn is_whole(view: &View<'_>) -> bool {
    view.cluster.agents().all(|agent| agent.connection != Connection::Recovered)
        && view.cluster.frameworks().all(|framework| framework.presence == Presence::Connected)
}

/// Whether tasks of a framework of that name take more than node_gather overlooks: a twentieth of what the agents report as used.
pub(super) fn hides_much(view: &View<'_>, name: &str) -> bool {
    let frameworks = view.cluster.frameworks().filter(|framework| framework.name == name);
    let numbers: Vec<u32> = frameworks.map(|framework| framework.number).collect();
    let tasks = view.cluster.registered().flat_map(|agent| agent.tasks()).filter(|task| task.state.takes_resources());
    let hidden: Resources = tasks.filter(|task| numbers.contains(&task.framework)).map(|task| task.resources).sum();
    let used = view.cluster.total_and_used().1;
    Kind::ALL.into_iter().any(|kind| 20 * hidden.get(kind).thousandths() > used.get(kind).thousandths())
}

/// The agents as they are, by the instances that they claim: those too that a new master knows and waits for.
pub(super) fn seen(view: &View<'_>) -> BTreeMap<String, Vec<Seen>> {
    let mut agents: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
    for agent in view.cluster.agents() {
        let of = agents.entry(agent.instance_id().unwrap_or_default().to_owned()).or_default();
        of.push(Seen { id: agent.id.clone(), tasks: tasks(agent), is_active: agent.mode == Mode::Active });
    }
    agents
}
