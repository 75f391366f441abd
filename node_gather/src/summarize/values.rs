//! The values of attributes that the agents of a pool have: which ones a new agent may have.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use foldhash::fast::RandomState;

use crate::mesos::state::Attributes;

/// How many attributes are kept, and how many values of each. An attribute of more values differs on every agent, or nearly so.
const MAX_NAMES: usize = 64;
const MAX_VALUES: usize = 64;

/// The attributes of agents, by name. `None`: more values than are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AgentValues {
    names: BTreeMap<String, Option<HashSet<String, RandomState>>>,
    has_agents: bool,
    are_more: bool,
}

impl AgentValues {
    pub(super) fn add(&mut self, attributes: &Attributes) {
        self.has_agents = true;
        for (name, value) in attributes.iter() {
            let Some(values) = self.names.get_mut(name) else {
                if self.names.len() == MAX_NAMES {
                    self.are_more = true;
                } else {
                    self.names.insert(name.to_owned(), Some(HashSet::from_iter([value.to_owned()])));
                }
                continue;
            };
            match values {
                Some(kept) if kept.contains(value) => {}
                Some(kept) if kept.len() < MAX_VALUES => drop(kept.insert(value.to_owned())),
                _ => *values = None,
            }
        }
    }

    pub(super) const fn has_agents(&self) -> bool {
        self.has_agents
    }

    /// The values that an agent may have; `None` where any is possible. Where all that agents have are zones of the group, a new
    /// one may be in any of these.
    pub(super) fn possible<'v>(&'v self, name: &str, zones: &'v [String]) -> Option<BTreeSet<&'v str>> {
        // Marathon's own names, such as `@zone`, are those of fault domains, and no attributes.
        if !self.has_agents || name.starts_with('@') {
            return None;
        }
        let Some(values) = self.names.get(name) else {
            return (!self.are_more).then(BTreeSet::new);
        };
        let mut values: BTreeSet<&str> = values.as_ref()?.iter().map(String::as_str).collect();
        if values.iter().all(|value| zones.iter().any(|zone| zone == value)) {
            values.extend(zones.iter().map(String::as_str));
        }
        Some(values)
    }
}
