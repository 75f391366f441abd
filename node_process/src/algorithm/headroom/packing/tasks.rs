//! Equal tasks, which are placed together.

use shared::contract::Application;
use shared::resources::Resources;

use super::super::super::new_agent::NewAgent;
use super::vector::Vector;

/// Equal tasks, of any applications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tasks<'a> {
    pub(super) resources: Resources,
    pub(super) size: Vector,
    pub(super) is_gpu_aware: bool,
    pub(super) displaced: u64,
    pub(super) queued: u64,
    pub(super) growth: u64,
    /// An application of theirs, where one is known.
    pub(super) application: Option<&'a Application>,
}

impl<'a> Tasks<'a> {
    /// Tasks of that size, none yet.
    pub(super) fn none_of(resources: Resources, application: Option<&'a Application>, is_gpu_aware: bool) -> Self {
        let size = Vector::of(&resources);
        Self { resources, size, is_gpu_aware, displaced: 0, queued: 0, growth: 0, application }
    }

    pub(super) const fn count(&self) -> u64 {
        self.displaced.saturating_add(self.queued).saturating_add(self.growth)
    }

    /// H5: whether a new agent could hold them.
    pub(super) fn fit(&self, new_agent: Option<NewAgent>) -> bool {
        new_agent.is_some_and(|new_agent| new_agent.holds(&self.resources, self.is_gpu_aware))
    }
}
