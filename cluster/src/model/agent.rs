//! Agents in every state.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use node_gather::mesos::ip_of_pid;
use node_gather::mesos::names::Mark;
use node_gather::mesos::state::{self, RawResources};
use node_gather::summarize::{self, Share};
use shared::resources::Resources;

use super::{Executor, Ports, Task};
use crate::observe::raw_resources;

/// The attribute by which an agent names its instance.
const INSTANCE_ID: &str = "instance_id";
/// The attribute by which it names its availability zone.
const ZONE: &str = "availability_zone";

/// An agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// In the order of registration.
    pub number: u32,
    /// Its id.
    pub id: String,
    /// Its hostname.
    pub hostname: String,
    /// `slave(1)@` with the address and port by which the master speaks to it.
    pub pid: String,
    /// The port of its web server.
    pub port: u16,
    /// Its attributes.
    pub attributes: Attributes,
    /// When it registered.
    pub registered_at: Timestamp,
    /// When it registered again, if it has.
    pub reregistered_at: Option<Timestamp>,
    /// What it has.
    pub capacity: Capacity,
    /// Whether the master and the agent speak to each other.
    pub connection: Connection,
    /// What an operator has made of it.
    pub mode: Mode,
    /// Its version.
    pub version: String,
    /// What it can do.
    pub capabilities: Vec<String>,
    tasks: Vec<Task>,
    executors: Vec<Executor>,
    /// What tasks and executors take, kept because it is asked for with every placement.
    used: Resources,
    /// The tasks that are alike, kept because a simulation looks at all agents in each run, and few have changed.
    alike: Kept<AllAlike>,
}

/// What follows from the rest of a value, once it has been asked for. So it says nothing about whether two are equal.
#[derive(Clone, Debug)]
struct Kept<T>(OnceLock<T>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<T> PartialEq for Kept<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<T> Eq for Kept<T> {}

/// Tasks that differ in their ids alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Alike<'a> {
    /// The first of them.
    pub(crate) task: &'a Task,
    /// What names their application.
    pub(crate) mark: Mark<'a>,
    /// What each takes, as a reader of a document has it.
    pub(crate) resources: &'a RawResources,
    pub(crate) count: u32,
}

/// The tasks of an agent that are alike, as long as nothing about them changes.
#[derive(Clone, Debug)]
pub(crate) struct AllAlike(Arc<[KeptAlike]>);

impl AllAlike {
    /// Whether these are the same ones.
    pub(crate) fn are(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// The same as it is kept.
#[derive(Clone, Debug)]
struct KeptAlike {
    /// The place of the first.
    first: usize,
    /// How much of its id is the path of its application, where Marathon runs it.
    path: Option<usize>,
    resources: RawResources,
    count: u32,
}

impl KeptAlike {
    fn of<'a>(&'a self, tasks: &'a [Task]) -> Option<Alike<'a>> {
        let task = tasks.get(self.first)?;
        let path = self.path.and_then(|length| task.id.as_bytes().get(..length));
        let mark = path.map_or(Mark::Name(task.name.as_bytes()), Mark::Path);
        Some(Alike { task, mark, resources: &self.resources, count: self.count })
    }
}

/// What an agent has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capacity {
    /// In all.
    pub total: Resources,
    /// What of it is reserved, by role.
    pub reserved: BTreeMap<String, Resources>,
    /// Its ports.
    pub ports: Ports,
}

/// Whether the master and an agent speak to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// They do.
    Connected,
    /// They do not, and the master waits for the agent to re-register.
    Disconnected,
    /// It has not registered with a new master, which knows it from its registry.
    Recovered,
}

/// What an operator has made of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It takes tasks.
    Active,
    /// It takes no new tasks.
    Deactivated,
    /// It takes no new tasks, and those that it has are ended.
    Draining(Drain),
    /// All its tasks have ended.
    Drained(Drain),
}

/// How an agent is drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// Since when.
    pub since: Option<Timestamp>,
    /// How long its tasks have at most to end.
    pub max_grace_period: Option<Duration>,
}

/// The attributes of an agent, in the order of its master. A name may be there more than once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(Vec<(String, Attribute)>);

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// A text, ranges and sets among them.
    Text(String),
    /// A number, as Mesos writes it.
    Number(String),
}

impl Attributes {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Attribute)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Adds one.
    pub fn push(&mut self, name: &str, value: Attribute) {
        self.0.push((name.to_owned(), value));
    }

    /// The text of that name, where there is one; of several the first.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.iter().find_map(|(own, value)| match value {
            Attribute::Text(text) if own == name => Some(text.as_str()),
            _ => None,
        })
    }

    /// Gives a name that one text.
    pub fn set(&mut self, name: &str, text: &str) {
        match self.0.iter().position(|(own, _)| own == name) {
            None => self.push(name, Attribute::Text(text.to_owned())),
            Some(place) => {
                let mut index = 0;
                self.0.retain(|(own, _)| {
                    index += 1;
                    own != name || index == place + 1
                });
                if let Some((_, value)) = self.0.get_mut(place) {
                    *value = Attribute::Text(text.to_owned());
                }
            }
        }
    }

    /// Removes all of that name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(own, _)| own != name);
    }
}

impl Capacity {
    /// So much, without reservations and ports.
    #[must_use]
    pub fn of(total: Resources) -> Self {
        Self { total, ..Self::default() }
    }

    /// What no role has reserved.
    #[must_use]
    pub fn unreserved(&self) -> Resources {
        self.total.saturating_sub(&self.reserved.values().copied().sum())
    }
}

impl Agent {
    /// An agent without tasks that registered then.
    #[must_use]
    pub fn new(number: u32, id: String, hostname: String, ip: &str, capacity: Capacity, now: Timestamp) -> Self {
        let capabilities = [
            "MULTI_ROLE",
            "HIERARCHICAL_ROLE",
            "RESERVATION_REFINEMENT",
            "RESOURCE_PROVIDER",
            "RESIZE_VOLUME",
            "AGENT_OPERATION_FEEDBACK",
            "AGENT_DRAINING",
            "TASK_RESOURCE_LIMITS",
        ];
        Self {
            number,
            id,
            hostname,
            pid: format!("slave(1)@{ip}:5051"),
            port: 5051,
            attributes: Attributes::default(),
            registered_at: now,
            reregistered_at: None,
            capacity,
            connection: Connection::Connected,
            mode: Mode::Active,
            version: "1.11.0".to_owned(),
            capabilities: capabilities.map(str::to_owned).to_vec(),
            tasks: Vec::new(),
            executors: Vec::new(),
            used: Resources::ZERO,
            alike: Kept::default(),
        }
    }

    /// The instance that it runs on, where it says so.
    #[must_use]
    pub fn instance_id(&self) -> Option<&str> {
        self.attributes.text(INSTANCE_ID)
    }

    /// The availability zone of its instance, where it says so.
    #[must_use]
    pub fn zone(&self) -> Option<&str> {
        self.attributes.text(ZONE)
    }

    /// Says which instance it runs on, in which zone.
    pub fn set_instance(&mut self, id: &str, zone: &str) {
        self.attributes.set(INSTANCE_ID, id);
        self.attributes.set(ZONE, zone);
    }

    /// The address by which the master speaks to it.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        ip_of_pid(&self.pid)
    }

    /// Whether the master lists it as registered.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.connection != Connection::Recovered
    }

    /// Whether the master offers its resources.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.connection == Connection::Connected && self.mode == Mode::Active
    }

    /// Whether an operator has deactivated it, as draining does too.
    #[must_use]
    pub fn is_deactivated(&self) -> bool {
        self.mode != Mode::Active
    }

    /// Whether it takes tasks, as `node_gather` sees it.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.is_registered() && summarize::is_usable(&self.seen(), &self.capacity.total)
    }

    /// The tasks on it.
    #[must_use]
    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// The tasks on it by what they are.
    pub(crate) fn alike(&self) -> impl Iterator<Item = Alike<'_>> {
        self.all_alike().0.iter().filter_map(|alike| alike.of(&self.tasks))
    }

    /// What stands for them.
    pub(crate) fn all_alike(&self) -> &AllAlike {
        self.alike.0.get_or_init(|| AllAlike(alike(&self.tasks)))
    }

    /// The executors on it that take resources of their own.
    #[must_use]
    pub fn executors(&self) -> &[Executor] {
        &self.executors
    }

    /// What its tasks and executors take.
    #[must_use]
    pub const fn used(&self) -> Resources {
        self.used
    }

    /// What one more task of the default role could take, as `node_gather` sees it.
    #[must_use]
    pub fn free(&self) -> Resources {
        const ROLE: &str = "*";
        if self.capacity.reserved.is_empty() {
            return self.capacity.total.saturating_sub(&self.used);
        }
        let Capacity { total, reserved, .. } = &self.capacity;
        let reserved = reserved.iter().map(|(role, reserved)| (role.as_str(), *reserved));
        let capacity = summarize::Capacity::of(ROLE, *total, self.capacity.unreserved(), reserved);
        let mut by_role: BTreeMap<&str, Resources> = BTreeMap::new();
        if capacity.has_reservations_of_others() {
            let tasks = self.tasks.iter().filter(|task| task.state.takes_resources());
            let tasks = tasks.map(|task| (task.role.as_str(), task.resources));
            let executors = self.executors.iter().map(|executor| (executor.role.as_str(), executor.resources));
            tasks.chain(executors).for_each(|(role, used)| *by_role.entry(role).or_default() += used);
        }
        capacity.free(ROLE, self.used, &by_role)
    }

    /// The largest share of it that is used.
    #[must_use]
    pub fn load(&self) -> Share {
        Share::largest(&self.used, &self.capacity.total)
    }

    /// The times of its tasks, to move them: what they take must stay as it is.
    pub(crate) fn start_times_mut(&mut self) -> impl Iterator<Item = &mut Timestamp> {
        self.tasks.iter_mut().map(|task| &mut task.started_at)
    }

    /// Takes in a task, whether or not it has room for it.
    pub fn run(&mut self, task: Task) {
        if task.state.takes_resources() {
            self.used += task.resources;
        }
        self.tasks.push(task);
        self.alike = Kept::default();
    }

    /// Takes in an executor.
    pub fn run_executor(&mut self, executor: Executor) {
        self.used += executor.resources;
        self.executors.push(executor);
    }

    /// Ends the tasks for which that holds, and returns them.
    pub fn end_tasks(&mut self, ends: impl Fn(&Task) -> bool) -> Vec<Task> {
        let (ended, kept): (Vec<Task>, Vec<Task>) = std::mem::take(&mut self.tasks).into_iter().partition(ends);
        self.tasks = kept;
        self.alike = Kept::default();
        let is_needed = |executor: &Executor| self.tasks.iter().any(|task| task.executor_id == executor.id);
        if ended.iter().any(|task| !task.executor_id.is_empty()) {
            // An executor ends with its last task.
            let ended_executors: Vec<&str> = ended.iter().map(|task| task.executor_id.as_str()).collect();
            let stays = |executor: &Executor| is_needed(executor) || !ended_executors.contains(&executor.id.as_str());
            let executors: Vec<Executor> = self.executors.iter().filter(|executor| stays(executor)).cloned().collect();
            self.executors = executors;
        }
        let tasks = self.tasks.iter().filter(|task| task.state.takes_resources()).map(|task| task.resources);
        self.used = tasks.chain(self.executors.iter().map(|executor| executor.resources)).sum();
        ended
    }

    /// Ends all that runs on it, and returns the tasks.
    pub fn end_all(&mut self) -> Vec<Task> {
        self.executors.clear();
        self.used = Resources::ZERO;
        self.alike = Kept::default();
        std::mem::take(&mut self.tasks)
    }

    /// The agent as `node_gather` takes it from a document, without what it only carries on.
    fn seen(&self) -> state::Agent {
        state::Agent {
            active: self.is_active(),
            deactivated: self.is_deactivated(),
            drain: self.drain(),
            ..state::Agent::default()
        }
    }

    /// How far its draining has come.
    pub(crate) const fn drain(&self) -> Option<state::Drain> {
        match self.mode {
            Mode::Active | Mode::Deactivated => None,
            Mode::Draining(_) => Some(state::Drain::Draining),
            Mode::Drained(_) => Some(state::Drain::Drained),
        }
    }
}

fn alike(tasks: &[Task]) -> Arc<[KeptAlike]> {
    let mut groups: Vec<(Mark<'_>, Option<u128>, &Task, KeptAlike)> = Vec::new();
    for (first, task) in tasks.iter().enumerate() {
        let mark = Mark::of(task.id.as_bytes(), task.name.as_bytes());
        let pod = mark.pod_instance(task.id.as_bytes());
        let is_like = |(of, of_pod, other, _): &&mut (Mark<'_>, Option<u128>, &Task, KeptAlike)| {
            other.framework == task.framework
                && (*of, *of_pod) == (mark, pod)
                && other.resources == task.resources
                && other.state == task.state
                && other.role == task.role
        };
        let path = match mark {
            Mark::Path(path) => Some(path.len()),
            Mark::Name(_) => None,
        };
        match groups.iter_mut().find(is_like) {
            Some((.., alike)) => alike.count += 1,
            None => {
                let resources = raw_resources(&task.resources);
                groups.push((mark, pod, task, KeptAlike { first, path, resources, count: 1 }));
            }
        }
    }
    groups.into_iter().map(|(.., alike)| alike).collect()
}
