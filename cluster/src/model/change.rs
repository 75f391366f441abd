//! What happens to a cluster: agents come, leave, and are drained, tasks start and end, another master takes over.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use shared::resources::Resources;
use thiserror::Error;

use super::framework::GPU_RESOURCES;
use super::{Agent, Capacity, Cluster, Connection, Drain, Framework, Mode, Presence, Roles, Task, TaskSpec, TaskState};

/// How long a task takes to end.
const KILL_TIME: Duration = Duration::from_secs(1);

/// The framework of applications whose names begin with a `/`.
const MARATHON: &str = "marathon";
/// The framework of all others.
const JOBS: &str = "jobs";

/// What an operator can do to an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It gets no more tasks.
    Deactivate,
    /// It gets no more tasks, and those that it has are ended.
    Drain {
        /// How long they have at most.
        max_grace_period: Option<Duration>,
    },
    /// It gets tasks again.
    Reactivate,
}

/// Where a task was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The number of the agent.
    pub agent: u32,
    /// The number of the task.
    pub task: u64,
}

/// Why a master refuses an operation.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OperateError {
    /// No agent of that id is registered.
    #[error("Unknown agent {0}")]
    UnknownAgent(String),
    /// Draining cannot be undone before it has ended.
    #[error("Agent {0} is still in the DRAINING state")]
    StillDraining(String),
}

impl Cluster {
    /// The number of the next agent.
    pub(crate) const fn next_agent(&self) -> u32 {
        self.issued_agents
    }

    /// Keeps the numbers below `first` from new agents.
    pub(crate) fn skip_agents(&mut self, first: u32) {
        self.issued_agents = self.issued_agents.max(first);
    }

    /// The number of a task that starts.
    pub(crate) const fn issue_task(&mut self) -> u64 {
        self.issued_tasks += 1;
        self.issued_tasks
    }

    /// An agent without tasks, named like those of EC2, that is to register.
    #[must_use]
    pub fn make_agent(&self, capacity: Capacity, now: Timestamp) -> Agent {
        let number = self.issued_agents;
        let [_, high, middle, low] = number.to_be_bytes();
        let high = high.wrapping_add(16);
        let hostname = format!("ip-10-{high}-{middle}-{low}.ec2.internal");
        let id = format!("{}-S{number}", self.master.id);
        Agent::new(number, id, hostname, &format!("10.{high}.{middle}.{low}"), capacity, now)
    }

    /// Registers an agent: a new one, or one that had been lost, with the tasks that still run on it. Returns its number.
    pub fn register(&mut self, mut agent: Agent) -> u32 {
        if self.agents.contains_key(&agent.number) {
            agent.number = self.issued_agents;
        }
        let number = agent.number;
        self.issued_agents = self.issued_agents.max(number.saturating_add(1));
        self.agents.insert(number, agent);
        number
    }

    /// Removes an agent and all that runs on it: its instance has ended.
    pub fn remove(&mut self, number: u32) -> Option<Agent> {
        self.agents.remove(&number)
    }

    /// Brings the agents of a group into line with its instances, of which id and zone are given: those of new instances
    /// register, like the others of the group, and those of instances that have ended go with their tasks. `is_member` says
    /// which agents are the group's. Where no [new agent](Cluster::new_agent) is known, none registers.
    pub fn follow(&mut self, instances: &[(String, String)], is_member: impl Fn(&Agent) -> bool, now: Timestamp) {
        let is_alive = |agent: &Agent| instances.iter().any(|(id, _)| Some(id.as_str()) == agent.instance_id());
        let members: Vec<&Agent> = self.registered().filter(|agent| is_member(agent)).collect();
        let attributes = members.first().map(|agent| agent.attributes.clone()).unwrap_or_default();
        let ended: Vec<u32> = members.iter().filter(|agent| !is_alive(agent)).map(|agent| agent.number).collect();
        for number in ended {
            self.remove(number);
        }
        for (id, zone) in instances {
            if self.registered().any(|agent| agent.instance_id() == Some(id)) {
                continue;
            }
            let Some(capacity) = self.new_agent.clone() else { return };
            let mut agent = self.make_agent(capacity, now);
            agent.attributes = attributes.clone();
            agent.set_instance(id, zone);
            self.register(agent);
        }
    }

    /// Deactivates that many agents, the fullest first, as an operator does before maintenance.
    pub fn deactivate_fullest(&mut self, count: usize) {
        let mut agents: Vec<&mut Agent> = self.agents.values_mut().filter(|agent| agent.is_registered()).collect();
        agents.sort_by_key(|agent| std::cmp::Reverse(agent.used()));
        agents.into_iter().take(count).for_each(|agent| agent.mode = Mode::Deactivated);
    }

    /// Marks an agent unreachable: the master has waited for it long enough. It may [come back](Self::register_again).
    pub fn lose(&mut self, number: u32) -> Option<Agent> {
        let agent = self.agents.remove(&number)?;
        self.unreachable = self.unreachable.saturating_add(1);
        Some(agent)
    }

    /// An agent re-registers that the master had marked unreachable.
    pub fn register_again(&mut self, mut agent: Agent, now: Timestamp) -> u32 {
        self.unreachable = self.unreachable.saturating_sub(1);
        agent.connection = Connection::Connected;
        agent.reregistered_at = Some(now);
        self.register(agent)
    }

    /// The agent and its master lose each other.
    pub fn disconnect(&mut self, number: u32) {
        if let Some(agent) = self.agents.get_mut(&number).filter(|agent| agent.is_registered()) {
            agent.connection = Connection::Disconnected;
        }
    }

    /// A disconnected or recovered agent re-registers.
    pub fn reconnect(&mut self, number: u32, now: Timestamp) {
        let lost = |agent: &&mut Agent| agent.connection != Connection::Connected;
        if let Some(agent) = self.agents.get_mut(&number).filter(lost) {
            agent.connection = Connection::Connected;
            agent.reregistered_at = Some(now);
        }
    }

    /// A new master: it knows the agents from its registry, but none of them is back, and no framework is.
    pub fn fail_over(&mut self, now: Timestamp) {
        self.master.started_at = now;
        self.master.elected_at = now;
        self.agents.values_mut().for_each(|agent| agent.connection = Connection::Recovered);
        self.frameworks.values_mut().for_each(|framework| framework.presence = Presence::Recovered);
    }

    /// Does to the agent of that id what an operator asks for.
    ///
    /// # Errors
    /// Where no such agent is registered, or it is too late.
    pub fn operate(&mut self, id: &str, operation: Operation, now: Timestamp) -> Result<(), OperateError> {
        let mut registered = self.agents.values_mut().filter(|agent| agent.is_registered());
        let agent = registered.find(|agent| agent.id == id).ok_or_else(|| OperateError::UnknownAgent(id.to_owned()))?;
        agent.mode = match (operation, agent.mode) {
            (Operation::Deactivate, Mode::Active) => Mode::Deactivated,
            (Operation::Deactivate, mode) => mode,
            (Operation::Drain { max_grace_period }, _) => Mode::Draining(Drain { since: Some(now), max_grace_period }),
            (Operation::Reactivate, Mode::Draining(_)) => return Err(OperateError::StillDraining(id.to_owned())),
            (Operation::Reactivate, _) => Mode::Active,
        };
        Ok(())
    }

    /// Ends the draining of agents whose tasks have had the time that it takes to end them. The tasks then run on other
    /// agents, as a framework starts them again, as far as there is room. Returns how many have none.
    pub fn advance(&mut self, now: Timestamp) -> usize {
        let is_due = |agent: &&Agent| match agent.mode {
            Mode::Draining(Drain { since: Some(since), .. }) => {
                since.checked_add(KILL_TIME).is_ok_and(|end| end <= now)
            }
            _ => false,
        };
        let due: Vec<u32> = self.registered().filter(is_due).map(|agent| agent.number).collect();
        due.into_iter().map(|number| self.end_draining(number, now)).sum()
    }

    /// Ends the draining of an agent: its tasks move to other agents. Returns how many found no room.
    pub fn end_draining(&mut self, number: u32, now: Timestamp) -> usize {
        let Some(agent) = self.agents.get_mut(&number) else { return 0 };
        let Mode::Draining(drain) = agent.mode else { return 0 };
        agent.mode = Mode::Drained(drain);
        let tasks = agent.end_all();
        tasks.into_iter().filter(|task| self.place_again(task, now).is_none()).count()
    }

    /// Starts a task on the first agent with room for another like it.
    fn place_again(&mut self, task: &Task, now: Timestamp) -> Option<u32> {
        let number = self.agents().find(|agent| task.resources.fits_in(&agent.free()) && agent.is_usable())?.number;
        let task = self.renumbered(task, now);
        self.agents.running_on(&number)?.run(task);
        Some(number)
    }

    fn renumbered(&mut self, task: &Task, now: Timestamp) -> Task {
        task.renumbered(self.issue_task(), now)
    }

    /// Adds a framework under the next number.
    pub fn add_framework(&mut self, framework: Framework) -> u32 {
        let number = self.frameworks.last_key_value().map_or(0, |(last, _)| last.saturating_add(1));
        self.frameworks.insert(number, Framework { number, ..framework });
        number
    }

    /// A framework of that name, with one role, that is to be added. It starts these applications, or any.
    #[must_use]
    pub fn new_framework(&self, name: &str, is_gpu_aware: bool) -> Framework {
        let number = self.frameworks.last_key_value().map_or(0, |(last, _)| last.saturating_add(1));
        let mut capabilities = vec!["PARTITION_AWARE".to_owned(), "TASK_KILLING_STATE".to_owned()];
        if is_gpu_aware {
            capabilities.push(GPU_RESOURCES.to_owned());
        }
        Framework {
            number,
            id: format!("{}-{number:04}", self.master.id),
            name: name.to_owned(),
            capabilities,
            hostname: self.master.hostname.clone(),
            webui_url: "http://10.0.0.5:8080".to_owned(),
            presence: Presence::Connected,
            user: "root".to_owned(),
            failover_timeout: shared::resources::Amount::from_thousandths(604_800_000),
            checkpoint: true,
            registered_at: self.master.elected_at,
            principal: Some(name.to_owned()),
            roles: Roles::One("*".to_owned()),
            applications: std::collections::BTreeSet::new(),
        }
    }

    /// Tears a framework down, and ends its tasks.
    pub fn remove_framework(&mut self, number: u32) -> Option<Framework> {
        for agent in self.agents.values_mut() {
            agent.end_tasks(|task| task.framework == number);
        }
        self.frameworks.remove(&number)
    }

    /// The framework that starts an application: the one that claims it, else one that claims none and whose tasks bear such
    /// names. Where there is none yet, it registers.
    pub fn framework_of(&mut self, application: &str) -> u32 {
        let name = if application.starts_with('/') { MARATHON } else { JOBS };
        let claims = |framework: &&Framework| framework.applications.contains(application);
        let starts = |framework: &&Framework| framework.applications.is_empty() && framework.name == name;
        let found = self.frameworks().find(claims).or_else(|| self.frameworks().find(starts));
        match found.map(|framework| framework.number) {
            Some(number) => number,
            None => self.add_framework(self.new_framework(name, false)),
        }
    }

    /// Starts a task on the least loaded agent that has room for it and is offered to its framework.
    ///
    /// # Errors
    /// What was to be started, where there is no such agent.
    pub fn start(&mut self, spec: TaskSpec, now: Timestamp) -> Result<Placement, TaskSpec> {
        let framework = self.framework_of(&spec.application);
        let is_gpu_aware =
            !self.master.filters_gpus() || self.framework(framework).is_some_and(Framework::is_gpu_aware);
        let has_room = |agent: &&Agent| {
            spec.resources.fits_in(&agent.free())
                && (is_gpu_aware || agent.capacity.total.gpus.is_zero())
                && agent.is_usable()
        };
        let place = self.agents().filter(has_room).min_by_key(|agent| agent.load()).map(|agent| agent.number);
        match place {
            Some(number) => self.start_on(number, framework, spec.clone(), now).ok_or(spec),
            None => Err(spec),
        }
    }

    /// Starts a task of a framework on an agent, even where that has no room. `None` where either does not exist.
    pub fn start_on(&mut self, agent: u32, framework: u32, spec: TaskSpec, now: Timestamp) -> Option<Placement> {
        let task = self.issue_task();
        let framework = self.frameworks.get(&framework)?;
        self.agents.running_on(&agent)?.run(Task::new(spec, framework, task, now));
        Some(Placement { agent, task })
    }

    /// Ends a task. `None` where it does not run there.
    pub fn end(&mut self, placement: Placement) -> Option<Task> {
        self.agents.running_on(&placement.agent)?.end_tasks(|task| task.number == placement.task).pop()
    }

    /// Starts more tasks of every application, in turn, on agents that have room, until `is_enough` (of what all agents have
    /// and what is used) or until nothing more fits. Returns how many.
    pub fn grow(&mut self, is_enough: impl Fn(Resources, Resources) -> bool, now: Timestamp) -> usize {
        let (total, mut used) = self.total_and_used();
        let mut places: VecDeque<(u32, Resources)> =
            self.registered().filter(|agent| agent.is_active()).map(|agent| (agent.number, agent.free())).collect();
        let is_pattern = |task: &&Task| task.state == TaskState::Running && !task.resources.is_zero();
        let mut patterns: Vec<Task> = self.tasks().filter(is_pattern).cloned().collect();
        patterns.sort_by_key(|task| (task.framework, task.number));
        let mut started = 0;
        loop {
            let before = started;
            for pattern in &patterns {
                if is_enough(total, used) {
                    return started;
                }
                let Some(place) = places.iter().position(|(_, free)| pattern.resources.fits_in(free)) else { continue };
                // The agent that took one goes to the end, so that tasks are spread.
                let Some((number, free)) = places.remove(place) else { continue };
                places.push_back((number, free.saturating_sub(&pattern.resources)));
                let task = self.renumbered(pattern, now);
                if let Some(agent) = self.agents.running_on(&number) {
                    agent.run(task);
                }
                used += pattern.resources;
                started += 1;
            }
            if started == before {
                return started;
            }
        }
    }
}
