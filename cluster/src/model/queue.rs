//! What Marathon's launch queue holds.

use std::time::Duration;

use node_gather::marathon::queue;
use shared::contract::TaskGroup;
use shared::resources::Resources;

/// Instances of one application that are to be launched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedInstances {
    /// The application's id.
    pub application: String,
    /// How many.
    pub instances: u32,
    /// What one of them takes: one task of an application, several of a pod.
    pub tasks: Vec<Resources>,
    /// For how long its launches are still put off, because instances failed.
    pub delay: Duration,
}

impl QueuedInstances {
    /// What one instance takes in all.
    #[must_use]
    pub fn resources(&self) -> Resources {
        self.tasks.iter().copied().sum()
    }

    /// The entry as `node_gather` reads it; `None` where it counts none.
    pub(crate) fn read(&self) -> Option<queue::QueuedInstances> {
        if self.instances == 0 || !self.delay.is_zero() {
            return None;
        }
        let mut tasks: Vec<TaskGroup> = Vec::new();
        let mut sizes = self.tasks.clone();
        sizes.sort_unstable();
        for resources in sizes {
            match tasks.last_mut() {
                Some(group) if group.resources == resources => group.count += 1,
                _ => tasks.push(TaskGroup { count: 1, resources }),
            }
        }
        Some(queue::QueuedInstances { application: self.application.clone(), instances: self.instances, tasks })
    }
}
