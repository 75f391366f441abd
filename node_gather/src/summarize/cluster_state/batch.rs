//! What is counted next.
//!
//! The tables of a large cluster do not stay in the processor's caches, because the whole document streams through them. So what a
//! task needs of a table is often in memory, from where it takes as long as skipping half a task. Several tasks, and several
//! executors, are counted together: what they need is asked for first, so that the processor waits for all of it at the same time.

use shared::resources::Resources;

use super::Size;
use crate::mesos::names::Mark;
use crate::mesos::state::RawTask;
use crate::summarize::agents::Agents;
use crate::summarize::names::Numbers;

/// How many are counted together: more than the processor can wait for at the same time.
pub(super) const MOST: usize = 16;

/// Names whose numbers are looked up together. Allocations are reused.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// All of them, one after the other.
    text: Vec<u8>,
    hashed: Vec<Hashed>,
}

/// A name among [`Names`].
#[derive(Clone, Copy, Debug)]
struct Hashed {
    end: usize,
    hash: u32,
}

impl Names {
    #[inline]
    fn add(&mut self, name: &[u8], hash: u32) {
        self.text.extend_from_slice(name);
        self.hashed.push(Hashed { end: self.text.len(), hash });
    }

    /// The names, in their order, each with its hash.
    #[inline]
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], u32)> {
        let mut start = 0;
        self.hashed.iter().map(move |Hashed { end, hash }| {
            let name = self.text.get(start..*end).unwrap_or_default();
            start = *end;
            (name, *hash)
        })
    }

    fn clear(&mut self) {
        self.text.clear();
        self.hashed.clear();
    }
}

/// The agents of what is counted together. The same often follows, and is one.
#[derive(Clone, Debug, Default)]
pub(super) struct AgentIds {
    ids: Names,
    /// Where the latest id begins.
    latest: usize,
}

impl AgentIds {
    /// The place of an agent among them, added if it is not the latest one.
    #[inline]
    fn place(&mut self, id: &[u8], agents: &Agents) -> usize {
        let is_latest = self.ids.text.get(self.latest..) == Some(id) && !self.ids.hashed.is_empty();
        if !is_latest {
            self.latest = self.ids.text.len();
            self.ids.add(id, agents.ids.hash(id));
        }
        self.ids.hashed.len() - 1
    }

    /// The numbers of all of them.
    pub(super) fn numbers(&self, agents: &mut Agents) -> [u32; MOST] {
        let (mut guesses, mut numbers) = ([0; MOST], [0; MOST]);
        for (guess, (_, hash)) in guesses.iter_mut().zip(self.ids.iter()) {
            *guess = agents.ids.guess(hash);
        }
        for ((number, guess), (id, hash)) in numbers.iter_mut().zip(guesses).zip(self.ids.iter()) {
            *number = agents.number_guessed(guess, hash, id);
        }
        numbers
    }

    fn clear(&mut self) {
        self.ids.clear();
        self.latest = 0;
    }
}

/// Tasks of the open framework.
#[derive(Clone, Debug, Default)]
pub(super) struct TaskBatch {
    pub(super) agents: AgentIds,
    /// What identifies their applications.
    marks: Names,
    tasks: Vec<BatchedTask>,
}

/// A task whose application is not yet known.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchedTask {
    is_marathon: bool,
    /// The place of its agent in the batch.
    pub(super) agent: usize,
    pub(super) size: Size,
}

impl TaskBatch {
    /// Adds a task, with the table of its application and the number of its role.
    #[inline]
    pub(super) fn add(&mut self, task: &RawTask<'_>, mark: Mark<'_>, known: &Numbers, agents: &Agents, role: u32) {
        let agent = self.agents.place(task.agent_id, agents);
        self.marks.add(mark.as_bytes(), known.hash(mark.as_bytes()));
        // The amounts last: they have just been written one by one, and the processor cannot read them as a whole at once.
        let size = (task.resources.amounts(), role);
        self.tasks.push(BatchedTask { is_marathon: mark.is_marathon(), agent, size });
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.tasks.len() >= MOST
    }

    /// The tasks, in their order.
    #[inline]
    pub(super) fn tasks(&self) -> impl Iterator<Item = &BatchedTask> {
        self.tasks.iter()
    }

    /// What identifies their applications, in the same order, each with its hash.
    #[inline]
    pub(super) fn marks(&self) -> impl Iterator<Item = (Mark<'_>, u32)> {
        let mark = |is_marathon, name| if is_marathon { Mark::Path(name) } else { Mark::Name(name) };
        self.tasks.iter().zip(self.marks.iter()).map(move |(task, (name, hash))| (mark(task.is_marathon, name), hash))
    }

    pub(super) fn clear(&mut self) {
        self.agents.clear();
        self.marks.clear();
        self.tasks.clear();
    }
}

/// Executors of the open framework.
#[derive(Clone, Debug, Default)]
pub(super) struct ExecutorBatch {
    pub(super) agents: AgentIds,
    executors: Vec<BatchedExecutor>,
}

/// An executor whose agent is not yet known.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchedExecutor {
    /// The place of its agent in the batch.
    pub(super) agent: usize,
    pub(super) role: u32,
    pub(super) resources: Resources,
}

impl ExecutorBatch {
    pub(super) fn add(&mut self, agent_id: &[u8], agents: &Agents, role: u32, resources: Resources) {
        let agent = self.agents.place(agent_id, agents);
        self.executors.push(BatchedExecutor { agent, role, resources });
    }

    pub(super) fn is_full(&self) -> bool {
        self.executors.len() >= MOST
    }

    pub(super) fn executors(&self) -> impl Iterator<Item = &BatchedExecutor> {
        self.executors.iter()
    }

    pub(super) fn clear(&mut self) {
        self.agents.clear();
        self.executors.clear();
    }
}
