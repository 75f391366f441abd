//! The agents of a cluster by number, and those of which the pool is not known.

use std::sync::Arc;

use shared::count::saturated;

use super::ids::Ids;
use super::interned::index;
use super::set_aside::SetAsides;
use crate::mesos::state::OddField;

/// What stands for the id of an agent that has none.
pub(super) const NO_ID: &str = "(no id)";

/// The agents, numbered in the order in which their ids occurred.
#[derive(Clone, Debug, Default)]
pub(super) struct Agents {
    pub(super) ids: Arc<Ids>,
    places: Vec<Place>,
    pub(super) registered: u32,
    /// Whether the agents that are kept one by one have their places.
    pub(super) is_sealed: bool,
}

/// The pool of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The master does not list it.
    Unlisted,
    /// It belongs to no pool.
    NoPool,
    /// It belongs to that pool, and is not kept one by one.
    Pool(u32),
    /// It belongs to that pool, as that member.
    Member(u32, u32),
}

impl Agents {
    #[inline]
    pub(super) fn number(&mut self, id: &[u8]) -> u32 {
        self.ids.get(id).unwrap_or_else(|| self.add(id))
    }

    fn add(&mut self, id: &[u8]) -> u32 {
        let number = saturated(self.places.len());
        self.places.push(Place::Unlisted);
        Arc::make_mut(&mut self.ids).insert(id, number);
        number
    }

    pub(super) fn place_of(&self, number: u32) -> Place {
        self.places.get(index(number)).copied().unwrap_or(Place::Unlisted)
    }

    /// Whether so many agents have been added, each with an id of its own or none, and nothing else.
    pub(super) fn are_alone(&self, count: usize) -> bool {
        !self.is_sealed && self.places.len() == count && index(self.registered) == count
    }

    /// Frees memory: all tasks have their agents, and only those that are set aside may be named.
    pub(super) fn forget_all_but(&mut self, set_aside: &SetAsides) {
        if set_aside.is_empty() {
            self.ids = Arc::default();
        } else {
            Arc::make_mut(&mut self.ids).retain(|number| set_aside.reason(number).is_some());
        }
        self.places = Vec::new();
    }

    /// The number of an agent without an id.
    pub(super) fn unnamed(&mut self) -> u32 {
        self.places.push(Place::Unlisted);
        saturated(self.places.len() - 1)
    }

    pub(super) fn set_place(&mut self, number: u32, place: Place) {
        if let Some(own) = self.places.get_mut(index(number)) {
            *own = place;
        }
    }
}

/// The agents whose attributes cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OfUnknownPool {
    pub(super) count: u32,
    /// The least of them by id, so that their order does not matter, and why.
    pub(super) first: Option<(String, OddField)>,
}

impl OfUnknownPool {
    pub(super) fn add(&mut self, id: &str, field: OddField) {
        self.count = self.count.saturating_add(1);
        let agent = (if id.is_empty() { NO_ID } else { id }.to_owned(), field);
        self.first = self.first.take().into_iter().chain([agent]).min();
    }
}
