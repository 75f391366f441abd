//! What one queued instance takes.

use shared::contract::Application;
use shared::resources::Resources;

/// H2: what one queued instance takes, all of it on one agent; where the snapshot does not say, as much as the largest task of its
/// application. Nothing where none is queued.
pub(super) fn queued_instance(application: &Application) -> Resources {
    match (application.queued, application.queued_tasks.as_slice()) {
        (0, _) => Resources::ZERO,
        (_, []) => largest(application.tasks.iter().map(|group| group.resources)),
        (_, parts) => parts.iter().map(|group| group.resources.times(group.count.into())).sum(),
    }
}

/// Of each kind the most.
pub(super) fn largest(resources: impl Iterator<Item = Resources>) -> Resources {
    resources.fold(Resources::ZERO, |a, b| Resources::from_fn(|kind| a.get(kind).max(b.get(kind))))
}
