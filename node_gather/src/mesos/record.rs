//! A [`Sink`] that keeps everything, to compare two readers.

use shared::resources::Resources;

use super::names::Mark;
use super::state::{
    Agent, AgentResources, Bears, Framework, ImpossibleAmount, Master, OddField, RawAgent, RawExecutor, RawTask,
    RecoveredAgent, Sink, StateError,
};

/// The contents of a /state, in the order of the document.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Record {
    pub(crate) master: Master,
    pub(crate) agents: Vec<(Agent, AgentResources)>,
    /// The reservations of each of them, by role.
    pub(crate) reserved: Vec<Vec<(String, Resources)>>,
    /// The impossible amounts, with the agent, task, or executor.
    pub(crate) impossible: Vec<(String, ImpossibleAmount)>,
    /// The odd fields, with the agent, task, executor, or framework.
    pub(crate) odd: Vec<(String, OddField)>,
    /// The fields without which the pool of an agent is not known.
    pub(crate) odd_attributes: Vec<OddField>,
    pub(crate) recovered_agents: Vec<RecoveredAgent>,
    pub(crate) frameworks: Vec<Framework>,
    /// With the index of their framework.
    pub(crate) tasks: Vec<(usize, Task)>,
    /// The resources and roles of executors, with the index of their framework, their id, and that of their agent.
    pub(crate) executors: Vec<(usize, String, String, String, Resources)>,
    name: Option<String>,
    gpu_aware: bool,
    recovered: bool,
    disconnected: bool,
    odd_framework: Option<OddField>,
}

/// A task that holds resources.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Task {
    id: String,
    name: String,
    pub(crate) agent_id: String,
    pub(crate) role: String,
    pub(crate) resources: Resources,
}

impl Record {
    /// The same without these tasks, as they are named where a field of them is odd.
    pub(crate) fn without(mut self, tasks: &[String]) -> Self {
        let others = |name: &String| !tasks.contains(name);
        self.tasks.retain(|(_, task)| others(&format!("task {}", task.id)));
        self.odd.retain(|(owner, _)| others(owner));
        self.impossible.retain(|(owner, _)| others(owner));
        self
    }

    /// The applications of the tasks, by the names of their frameworks.
    pub(crate) fn applications(&self) -> Vec<(&str, String)> {
        let tasks = self.tasks.iter().map(|(framework, task)| {
            let framework = self.frameworks[*framework].name.as_str();
            let mark = Mark::of(task.id.as_bytes(), task.name.as_bytes());
            (framework, mark.application())
        });
        tasks.collect()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

impl Record {
    fn keep(&mut self, owner: impl FnOnce() -> String, impossible: Option<&ImpossibleAmount>) {
        self.impossible.extend(impossible.map(|impossible| (owner(), impossible.clone())));
    }
}

impl Sink for Record {
    fn master(&mut self) -> &mut Master {
        &mut self.master
    }

    fn agent(&mut self, agent: &RawAgent) -> Result<(), StateError> {
        self.keep(|| format!("agent {}", agent.agent.id), agent.impossible());
        self.odd.extend(agent.odd.map(|odd| (format!("agent {}", agent.agent.id), odd)));
        self.odd_attributes.extend(agent.odd_attributes);
        self.reserved.push(agent.reserved().map(|(role, reserved)| (role.to_owned(), reserved)).collect());
        self.agents.push((agent.agent.clone(), agent.resources()));
        Ok(())
    }

    fn recovered_agent(&mut self, agent: &RecoveredAgent) -> Result<(), StateError> {
        self.recovered_agents.push(agent.clone());
        Ok(())
    }

    fn framework_name(&mut self, name: String) {
        self.name = Some(name);
    }

    fn framework_gpu_aware(&mut self, gpu_aware: bool) {
        self.gpu_aware = gpu_aware;
    }

    fn framework_recovered(&mut self, recovered: bool) {
        self.recovered = recovered;
    }

    fn framework_connected(&mut self, connected: bool) {
        self.disconnected = !connected;
    }

    fn framework_odd(&mut self, odd: OddField) {
        odd.keep_in(&mut self.odd_framework);
    }

    fn task(&mut self, task: &RawTask<'_>) {
        if task.holds_resources() {
            self.keep(|| format!("task {}", text(task.id)), task.resources.impossible());
            self.odd.extend(task.odd.map(|odd| (format!("task {}", text(task.id)), *odd)));
            let RawTask { id, name, agent_id, role, .. } = task;
            let resources = task.resources.amounts();
            let task = Task { id: text(id), name: text(name), agent_id: text(agent_id), role: text(role), resources };
            self.tasks.push((self.frameworks.len(), task));
        }
    }

    fn executor(&mut self, executor: &RawExecutor<'_>) {
        self.keep(|| format!("executor on {}", executor.agent_id), executor.resources.impossible());
        self.odd.extend(executor.odd.map(|odd| (format!("executor on {}", executor.agent_id), odd)));
        let resources = executor.resources.amounts();
        let RawExecutor { id, agent_id, role, .. } = *executor;
        let (id, agent_id, role) = (id.to_owned(), agent_id.to_owned(), role.to_owned());
        self.executors.push((self.frameworks.len(), id, agent_id, role, resources));
    }

    fn end_framework(&mut self) -> Result<(), StateError> {
        let name = self.name.take().ok_or(StateError::Missing("frameworks[].name"))?;
        let (gpu_aware, recovered) = (std::mem::take(&mut self.gpu_aware), std::mem::take(&mut self.recovered));
        let (disconnected, odd) = (std::mem::take(&mut self.disconnected), self.odd_framework.take());
        self.frameworks.push(Framework { name, gpu_aware, recovered, disconnected, bears: Bears::default(), odd });
        Ok(())
    }
}
