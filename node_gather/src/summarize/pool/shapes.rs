//! What agents have: capacities while they are read, shapes in the snapshot.

use shared::contract::AgentShape;
use shared::count::saturated;

use crate::summarize::interned::index;
use crate::summarize::roles::Capacity;

/// The capacities of agents. Common ones are kept once; there may also be as many as agents.
#[derive(Clone, Debug, Default)]
pub(super) struct Capacities(Vec<Capacity>);

impl Capacities {
    /// How many of the latest ones are compared with a new one: more than a pool has instance types, and no search through
    /// all of them for each agent.
    const COMPARED: usize = 16;

    pub(super) fn place(&mut self, capacity: Capacity) -> u32 {
        let first = self.0.len().saturating_sub(Self::COMPARED);
        let latest = self.0.iter().enumerate().skip(first);
        let place = latest.rev().find(|(_, own)| **own == capacity).map(|(place, _)| place);
        saturated(place.unwrap_or_else(|| {
            self.0.push(capacity);
            self.0.len() - 1
        }))
    }

    pub(super) fn get(&self, place: u32) -> Option<&Capacity> {
        self.0.get(index(place))
    }

    /// Whether it matters on any agent which roles its tasks have.
    pub(super) fn need_roles(&self) -> bool {
        self.0.iter().any(Capacity::has_reservations_of_others)
    }
}

/// Merges shapes that differ in their count only, and sorts them.
pub(crate) fn merge_shapes(mut shapes: Vec<AgentShape>) -> Vec<AgentShape> {
    let kind = |shape: &AgentShape| (shape.total, shape.unreserved);
    shapes.sort_unstable_by_key(|shape| shape.free);
    // Mostly all agents have the same, so that these are compared once, and not with each comparison.
    if !shapes.is_sorted_by_key(kind) {
        shapes.sort_by_key(kind);
    }
    shapes.dedup_by(|next, kept| {
        let is_equal = AgentShape { count: kept.count, ..*next } == *kept;
        if is_equal {
            kept.count = kept.count.saturating_add(next.count);
        }
        is_equal
    });
    shapes
}
