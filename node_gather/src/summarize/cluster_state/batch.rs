//! What is counted next.
//!
//! The tables of a large cluster do not stay in the processor's caches, because the whole document streams through them. So what a
//! task needs of a table is often in memory, from where it takes as long as skipping half a task. Several tasks are counted together:
//! what they need is asked for first, so that the processor waits for all of it at the same time.

use super::Size;
use crate::mesos::names::Mark;
use crate::mesos::state::RawTask;
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

/// Tasks of the open framework.
#[derive(Clone, Debug, Default)]
pub(super) struct TaskBatch {
    /// What identifies their applications.
    marks: Names,
    tasks: Vec<BatchedTask>,
}

/// A task whose application is not yet known.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchedTask {
    is_marathon: bool,
    /// The number of its agent.
    pub(super) agent: u32,
    pub(super) size: Size,
}

impl TaskBatch {
    /// Adds a task, with the table of its application and the numbers of its agent and its role.
    #[inline]
    pub(super) fn add(&mut self, task: &RawTask<'_>, mark: Mark<'_>, known: &Numbers, agent: u32, role: u32) {
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
        self.marks.clear();
        self.tasks.clear();
    }
}
