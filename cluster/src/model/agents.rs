//! The agents of a cluster by number, with a version that tells whether anything about them has changed but what runs on them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Agent;

/// The agents. Whoever gets one to change it is taken to do so.
#[derive(Clone, Debug, Default)]
pub(super) struct Agents {
    by_number: BTreeMap<u32, Agent>,
    version: Version,
}

/// Stands for agents as they were at one moment. Of two equal ones, the agents differ at most in what runs on them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Version(Arc<()>);

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// The history of agents says nothing about whether they are equal.
impl PartialEq for Agents {
    fn eq(&self, other: &Self) -> bool {
        self.by_number == other.by_number
    }
}

impl Eq for Agents {}

impl Agents {
    pub(super) const fn version(&self) -> &Version {
        &self.version
    }

    pub(super) fn contains_key(&self, number: &u32) -> bool {
        self.by_number.contains_key(number)
    }

    pub(super) fn get(&self, number: &u32) -> Option<&Agent> {
        self.by_number.get(number)
    }

    pub(super) fn values(&self) -> impl DoubleEndedIterator<Item = &Agent> {
        self.by_number.values()
    }

    /// To change what runs on the agent, and nothing else.
    pub(super) fn running_on(&mut self, number: &u32) -> Option<&mut Agent> {
        self.by_number.get_mut(number)
    }

    pub(super) fn get_mut(&mut self, number: &u32) -> Option<&mut Agent> {
        self.version = Version::default();
        self.by_number.get_mut(number)
    }

    pub(super) fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Agent> {
        self.version = Version::default();
        self.by_number.values_mut()
    }

    pub(super) fn insert(&mut self, number: u32, agent: Agent) {
        self.version = Version::default();
        self.by_number.insert(number, agent);
    }

    pub(super) fn remove(&mut self, number: &u32) -> Option<Agent> {
        self.version = Version::default();
        self.by_number.remove(number)
    }
}
