//! What Marathon's launch queue holds.

use std::time::Duration;

use node_gather::marathon::queue;
use shared::contract::TaskGroup;
use shared::count::saturated;
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
        if self.instances == 0 {
            return None;
        }
        let tasks = self.tasks.iter().map(|resources| TaskGroup { count: 1, resources: *resources }).collect();
        Some(queue::QueuedInstances {
            application: self.application.clone(),
            instances: self.instances,
            tasks: TaskGroup::merged(tasks),
            containers: (self.tasks.len() != 1).then_some(saturated(self.tasks.len())),
            backs_off: !self.delay.is_zero(),
            ..queue::QueuedInstances::default()
        })
    }
}
