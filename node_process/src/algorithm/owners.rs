//! H3: whose tasks of one size are, and whether Mesos offers them agents with gpus.

use std::collections::BTreeMap;

use shared::contract::{Application, ClusterSnapshot};
use shared::resources::Resources;

/// The applications by the sizes of their tasks. An agent says which sizes run there, and not whose they are.
pub(super) struct Owners<'a>(BTreeMap<Resources, Owner<'a>>);

struct Owner<'a> {
    /// The first of them, by its name.
    application: &'a Application,
    /// Whether all of them are GPU-aware.
    are_gpu_aware: bool,
}

impl<'a> Owners<'a> {
    pub(super) fn of(snapshot: &'a ClusterSnapshot) -> Self {
        let mut owners: BTreeMap<Resources, Owner<'a>> = BTreeMap::new();
        for application in &snapshot.applications {
            for group in &application.tasks {
                let first = Owner { application, are_gpu_aware: true };
                let owner = owners.entry(group.resources).or_insert(first);
                owner.are_gpu_aware &= application.gpu_aware;
                if (&application.name, &application.framework) < (&owner.application.name, &owner.application.framework)
                {
                    owner.application = application;
                }
            }
        }
        Self(owners)
    }

    /// One of the applications with tasks of that size.
    pub(super) fn application(&self, task: &Resources) -> Option<&'a Application> {
        self.0.get(task).map(|owner| owner.application)
    }

    /// Whether a task of that size may run on an agent with gpus: it has some, or all applications with such tasks are GPU-aware.
    pub(super) fn are_gpu_aware(&self, task: &Resources) -> bool {
        !task.gpus.is_zero() || self.0.get(task).is_some_and(|owner| owner.are_gpu_aware)
    }
}
