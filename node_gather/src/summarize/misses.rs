//! Settings that name an application or a framework that the cluster does not have: most likely they are misspelled, and do
//! not protect what they should.

use std::collections::BTreeSet;

use shared::config::Policy;
use shared::text::nearest;

use super::cluster_state::ClusterState;
use crate::marathon::{Answer, Queue};

/// A note for each such setting.
pub(super) fn notes(policy: &Policy, state: &ClusterState, queue: &Queue) -> Vec<String> {
    let protected = &policy.scale_down.protected;
    let named = policy.applications.len() + protected.applications.len() + protected.frameworks.len();
    if named == 0 {
        return Vec::new();
    }
    let mut applications: BTreeSet<&str> = state.applications.iter().map(|application| &*application.name).collect();
    if let Answer::Known(queued) = queue {
        applications.extend(queued.iter().map(|queued| &*queued.application));
    }
    let frameworks: BTreeSet<&str> = state.frameworks.iter().map(|framework| &*framework.name).collect();
    let of = |known: &BTreeSet<&str>, setting: &str, what: &str, name: &str| {
        (!known.contains(name)).then(|| {
            let near = nearest(name, known.iter().copied()).first().map(|near| format!("; did you mean {near:?}?"));
            format!("{setting} names {name:?}, but {what} has that name{}", near.unwrap_or_default())
        })
    };
    let settings = policy.applications.keys();
    let settings = settings.filter_map(|name| of(&applications, "applications", NO_TASK, name));
    let own = protected.applications.iter();
    let own = own.filter_map(|name| of(&applications, "protected.applications", NO_TASK, name));
    let of_frameworks = protected.frameworks.iter();
    let of_frameworks = of_frameworks.filter_map(|name| of(&frameworks, "protected.frameworks", "no framework", name));
    settings.chain(own).chain(of_frameworks).collect()
}

const NO_TASK: &str = "no task or queued instance";
