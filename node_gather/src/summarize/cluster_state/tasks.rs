//! Counts tasks and executors while the document is read.

use std::hash::Hash;

use shared::count::saturated;
use shared::resources::Resources;

use super::batch::MOST;
use super::pods::{Of, Part};
use super::{ApplicationName, ClusterState, Size};
use crate::finding::{Owner, SetAside};
use crate::mesos::names::{Mark, pod_instance_of_executor};
use crate::mesos::state::{OddField, RawExecutor, RawResources, RawTask};
use crate::summarize::agents::Place;
use crate::summarize::interned::{Map, OTHER, index};
use crate::summarize::sizes::coarse;

/// How many applications of one framework are counted separately while the state is read, and how many in all. A snapshot lists
/// fewer; more exist where each task has its own name.
const MAX_NAMES_OF_FRAMEWORK: usize = 20_000;
const MAX_NAMES: usize = 100_000;

/// How many sizes of tasks are counted exactly while the state is read.
const MAX_SIZES: usize = 20_000;

/// What tasks of one framework are: their application and what each takes.
#[derive(Clone, Copy, Debug)]
pub struct TaskKind {
    application: u32,
    size: u32,
}

impl ClusterState {
    /// Counts so many tasks of the framework that is being read, as [`Sink::tasks`](crate::mesos::state::Sink::tasks) does. What
    /// they are, where tasks like them on any agent may be counted by that alone: a simulation shows few kinds on many agents.
    pub fn count_alike(&mut self, task: &RawTask<'_>, mark: Mark<'_>, count: u32) -> Option<TaskKind> {
        if task.holds_resources() { self.count_tasks(task, mark, count) } else { None }
    }

    /// Counts so many more tasks of a kind of the framework that is being read, on the agent of that number.
    pub fn count_more(&mut self, agent: u32, kind: TaskKind, count: u32) {
        self.place(agent, kind.application, kind.size, count);
    }

    /// The number of an agent; `None` where it has not been added.
    #[must_use]
    pub fn agent_number(&self, id: &str) -> Option<u32> {
        self.agents.ids.get(id.as_bytes())
    }

    /// Adds a task to those that are counted next.
    #[inline]
    pub(super) fn batch_task(&mut self, task: &RawTask<'_>) {
        self.set_task_aside(task);
        let role = self.role(task.role);
        let mark = Mark::of(task.id, task.name);
        let agent = self.agents.number(task.agent_id);
        if let Some(instance) = mark.pod_instance(task.id) {
            self.add_container(instance, task, mark, agent, role);
            return;
        }
        self.batch.add(task, mark, self.open.known(mark), agent, role);
        if self.batch.is_full() {
            self.count_batch();
        }
    }

    /// Counts the tasks of the batch. Each step is a loop of its own, so that the processor looks ahead over many of them.
    pub(super) fn count_batch(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        let mut guesses = [0; MOST];
        for (guess, (mark, hash)) in guesses.iter_mut().zip(batch.marks()) {
            *guess = self.open.known(mark).guess(hash);
        }
        let mut places = [(0, 0); MOST];
        for (((application, _), guess), (mark, hash)) in places.iter_mut().zip(guesses).zip(batch.marks()) {
            *application = self.application(mark, hash, guess);
        }
        for ((application, size), task) in places.iter_mut().zip(batch.tasks()) {
            *size = self.size(*application, task.size);
        }
        for ((application, size), task) in places.iter().zip(batch.tasks()) {
            self.place(task.agent, *application, *size, 1);
        }
        batch.clear();
        self.batch = batch;
    }

    /// Counts an executor.
    pub(super) fn count_executor(&mut self, executor: &RawExecutor<'_>) {
        let RawExecutor { id, agent_id, role, resources, odd } = *executor;
        let agent = self.agents.number(agent_id.as_bytes());
        if resources.impossible().is_some() || odd.is_some() {
            self.set_aside_for(agent, Owner::Executor, resources, odd);
        }
        let role = self.role(role.as_bytes());
        match pod_instance_of_executor(id.as_bytes()) {
            Some(instance) => {
                self.add_part(Part { instance, agent, role, of: Of::Executor, resources: resources.amounts() });
            }
            None => self.place_executor(agent, role, self.open_framework(), resources.amounts()),
        }
    }

    /// Adds a container to its pod.
    #[cold]
    fn add_container(&mut self, instance: u128, task: &RawTask<'_>, mark: Mark<'_>, agent: u32, role: u32) {
        let known = self.open.known(mark);
        let hash = known.hash(mark.as_bytes());
        let application = self.application(mark, hash, known.guess(hash));
        self.add_part(Part {
            instance,
            agent,
            role,
            of: Of::Container(application),
            resources: task.resources.amounts(),
        });
    }

    fn add_part(&mut self, part: Part) {
        self.pods.add(part);
        if self.pods.are_full() {
            self.count_pods();
        }
    }

    /// Counts each pod of which parts are known as one task, and executors without any where they are.
    pub(super) fn count_pods(&mut self) {
        for Part { agent, role, of, resources, .. } in std::mem::take(&mut self.pods).into_whole() {
            match of {
                Of::Container(application) => {
                    let size = self.size(application, (resources, role));
                    self.place(agent, application, size, 1);
                }
                Of::Executor => self.place_executor(agent, role, self.open_framework(), resources),
            }
        }
    }

    /// Counts so many tasks that are alike. What they are, unless each has to be looked at.
    pub(super) fn count_tasks(&mut self, task: &RawTask<'_>, mark: Mark<'_>, count: u32) -> Option<TaskKind> {
        self.set_task_aside(task);
        let agent = self.agent_of_next(task.agent_id);
        let role = self.role(task.role);
        if let Some(instance) = mark.pod_instance(task.id) {
            (0..count).for_each(|_| self.add_container(instance, task, mark, agent, role));
            return None;
        }
        let known = self.open.known(mark);
        let hash = known.hash(mark.as_bytes());
        let application = self.application(mark, hash, known.guess(hash));
        let size = self.size(application, (task.resources.amounts(), role));
        self.place(agent, application, size, count);
        let is_usual = task.resources.impossible().is_none() && task.odd.is_none();
        is_usual.then_some(TaskKind { application, size })
    }

    /// The number of an agent whose tasks are counted together, and come one after the other.
    fn agent_of_next(&mut self, id: &[u8]) -> u32 {
        if let Some(number) = self.latest_agent.get(id) {
            return number;
        }
        let number = self.agents.number(id);
        self.latest_agent.set(id, number);
        number
    }

    /// Sets the agent of a task aside if the task is odd, or its resources are impossible.
    #[inline]
    fn set_task_aside(&mut self, task: &RawTask<'_>) {
        if task.resources.impossible().is_some() || task.odd.is_some() {
            let agent = self.agents.number(task.agent_id);
            self.set_aside_for(agent, Owner::task(task.id), task.resources, task.odd.copied());
        }
    }

    /// Sets an agent aside for what one of its tasks or executors has.
    #[cold]
    fn set_aside_for(&mut self, agent: u32, owner: Owner, resources: &RawResources, odd: Option<OddField>) {
        if let Some(amount) = resources.impossible() {
            self.set_aside.add(agent, SetAside::Amount { owner: owner.clone(), amount: amount.clone() });
        }
        if let Some(field) = odd {
            self.set_aside.add(agent, SetAside::Odd { owner, field });
        }
    }

    #[inline]
    pub(super) fn place(&mut self, agent: u32, application: u32, size: u32, count: u32) {
        if !self.knows_agents() {
            add(&mut self.unplaced.tasks, (agent, application, size), count);
            return;
        }
        if !self.needs_roles.is_empty()
            && self.needs_roles.contains(&agent)
            && let Some((resources, role)) = self.sizes.get(size)
        {
            *self.by_role.entry((agent, *role)).or_default() += resources.times(count.into());
        }
        let pool = match self.agents.place_of(agent) {
            Place::Unlisted => {
                self.unlisted_tasks = self.unlisted_tasks.saturating_add(count);
                return;
            }
            Place::NoPool => return,
            Place::Pool(pool) => pool,
            Place::Member(pool, member) => {
                if let Some(pool) = self.pools.get_mut(index(pool)) {
                    pool.add_to_member(member, application, size, count);
                }
                pool
            }
        };
        self.counts.add((pool, application, size), count);
    }

    pub(super) fn place_executor(&mut self, agent: u32, role: u32, framework: u32, resources: Resources) {
        if !self.knows_agents() {
            *self.unplaced.executors.entry((agent, role, framework)).or_default() += resources;
            return;
        }
        if self.needs_roles.contains(&agent) {
            *self.by_role.entry((agent, role)).or_default() += resources;
        }
        let (pool, member) = match self.agents.place_of(agent) {
            Place::Unlisted | Place::NoPool => return,
            Place::Pool(pool) => (pool, None),
            Place::Member(pool, member) => (pool, Some(index(member))),
        };
        if let Some(pool) = self.pools.get_mut(index(pool)) {
            pool.add_executor(member, framework, resources);
        }
    }

    /// The number of a role. Where no agent is known for which roles matter, all of them are one.
    #[inline]
    pub(super) fn role(&mut self, name: &[u8]) -> u32 {
        if self.agents.registered > 0 && self.needs_roles.is_empty() {
            return 0;
        }
        if let Some(number) = self.latest_role.get(name) {
            return number;
        }
        let number = self.roles.number(name);
        self.latest_role.set(name, number);
        number
    }

    /// The number of the size of a task of that application. Beyond [`MAX_SIZES`] new ones are rounded up.
    #[inline]
    fn size(&mut self, application: u32, size: Size) -> u32 {
        if let Some(latest) = self.counts.latest_size(application)
            && self.sizes.get(latest) == Some(&size)
        {
            return latest;
        }
        if self.sizes.len() < MAX_SIZES {
            return self.sizes.place(size);
        }
        let (resources, role) = size;
        self.sizes.known(&size).unwrap_or_else(|| self.sizes.place((coarse(&resources), role)))
    }

    /// The application of a task of the open framework, by the hash of its mark and where that most likely is. Beyond
    /// [`MAX_NAMES`] new ones are one.
    #[inline]
    fn application(&mut self, mark: Mark<'_>, hash: u32, guess: usize) -> u32 {
        match self.open.known(mark).get_guessed(guess, hash, mark.as_bytes()) {
            Some(application) => application,
            None => self.unknown_application(mark),
        }
    }

    #[cold]
    fn unknown_application(&mut self, mark: Mark<'_>) -> u32 {
        let count = self.open.paths.len() + self.open.names.len();
        let is_full = count >= MAX_NAMES_OF_FRAMEWORK || self.applications.len() >= MAX_NAMES;
        if is_full && !self.is_configured(mark) {
            return self.other();
        }
        let application = self.new_application(mark.application(), mark.is_marathon());
        self.open.known_mut(mark).insert(mark.as_bytes(), application);
        application
    }

    fn new_application(&mut self, name: String, is_marathon: bool) -> u32 {
        let framework = self.open_framework();
        self.applications.push(ApplicationName { framework, name, is_marathon });
        saturated(self.applications.len() - 1)
    }

    /// The index that the open framework gets when it ends.
    fn open_framework(&self) -> u32 {
        saturated(self.frameworks.len())
    }

    /// The application that stands for all others of the open framework.
    #[cold]
    fn other(&mut self) -> u32 {
        let other = self.open.other.unwrap_or_else(|| self.new_application(OTHER.to_owned(), false));
        self.open.other = Some(other);
        other
    }

    /// Whether the settings of a pool name the application: such a one always counts by itself.
    #[cold]
    fn is_configured(&self, mark: Mark<'_>) -> bool {
        !self.configured.is_empty() && self.configured.contains(mark.application().as_str())
    }
}

#[inline]
fn add<K: Hash + Eq>(counts: &mut Map<K, u32>, key: K, count: u32) {
    let sum = counts.entry(key).or_insert(0);
    *sum = sum.saturating_add(count);
}
