//! What one queued instance takes.

use shared::contract::Application;
use shared::resources::Resources;

/// H2: what one queued instance takes, all of it on one agent; where the snapshot does not say, as much as the largest task of its
/// application. Nothing where none is queued.
pub(super) fn queued_instance(application: &Application) -> Resources {
    application.queued_instance()
}

/// Of each kind the most.
pub(super) fn largest(resources: impl Iterator<Item = Resources>) -> Resources {
    Resources::largest(resources)
}
