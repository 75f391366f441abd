//! The tasks that are counted next.
//!
//! The tables of a large cluster do not stay in the processor's caches, because the whole document streams through them. So what a
//! task needs of a table is often in memory, from where it takes as long as skipping half a task. Several tasks are counted
//! together: what they need is asked for first, so that the processor waits for all of it at the same time.

use super::Size;
use crate::mesos::names::Mark;

/// How many tasks are counted together: more than the processor can wait for at the same time.
pub(super) const TASKS: usize = 16;

/// Tasks of the open framework. Allocations are reused.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    /// What identifies their applications, one after the other.
    names: Vec<u8>,
    tasks: Vec<BatchedTask>,
}

/// A task whose application is not yet known.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchedTask {
    /// The end of what identifies its application.
    end: usize,
    is_marathon: bool,
    /// The hash of that.
    pub(super) hash: u32,
    /// The number of its agent.
    pub(super) agent: u32,
    pub(super) size: Size,
}

impl Batch {
    #[inline]
    pub(super) fn add(&mut self, mark: Mark<'_>, hash: u32, agent: u32, size: Size) {
        self.names.extend_from_slice(mark.as_bytes());
        let is_marathon = mark.is_marathon();
        self.tasks.push(BatchedTask { end: self.names.len(), is_marathon, hash, agent, size });
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.tasks.len() >= TASKS
    }

    /// The tasks, in their order.
    #[inline]
    pub(super) fn tasks(&self) -> impl Iterator<Item = &BatchedTask> {
        self.tasks.iter()
    }

    /// What identifies their applications, in the same order.
    #[inline]
    pub(super) fn marks(&self) -> impl Iterator<Item = Mark<'_>> {
        let mut start = 0;
        self.tasks.iter().map(move |task| {
            let name = self.names.get(start..task.end).unwrap_or_default();
            start = task.end;
            if task.is_marathon { Mark::Path(name) } else { Mark::Name(name) }
        })
    }

    pub(super) fn clear(&mut self) {
        self.names.clear();
        self.tasks.clear();
    }
}
