//! The usable agents as room for tasks, in the order in which they are tried: found out once, however many of them leave.

use std::cell::OnceCell;

use shared::contract::{AgentShape, Candidate};
use shared::resources::{Kind, Resources};

use super::super::super::capacity::{Pool, free_of};
use super::super::super::new_agent::NewAgent;
use super::bin_index::{BinGroup, Scale};
use super::vector::Vector;

/// The three sorts of agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sort {
    /// Agents without gpus.
    Plain,
    /// Agents with gpus.
    Gpu,
    /// Empty agents like new ones.
    Empty,
}

/// The agents of each sort, the fullest first, and which of them may leave.
#[derive(Clone)]
pub(in super::super::super) struct Rooms {
    rooms: Vec<Room>,
    /// By which their groups are measured, whichever of them are left.
    pub(super) scale: Scale,
    /// The rooms of the agents that may leave, in their order, once one does.
    leave: OnceCell<Vec<Option<usize>>>,
}

/// Agents that have equally much free.
#[derive(Clone)]
pub(super) struct Room {
    pub(super) sort: Sort,
    pub(super) free: Vector,
    agents: u64,
    /// The place of their shape.
    shape: usize,
    /// The largest share of a new agent that is free.
    pub(super) largest_share: u128,
    /// The least.
    pub(super) least_share: u128,
    measure: u64,
}

impl Room {
    /// So many of its agents.
    pub(super) const fn group(&self, agents: u64) -> BinGroup {
        BinGroup { measure: self.measure, ..BinGroup::new(self.free, agents) }
    }
}

impl Rooms {
    pub(in super::super::super) fn of(pool: &Pool<'_>) -> Self {
        let whole = Vector::of(&pool.new_agent.unwrap_or_default().unreserved);
        let room = |(shape, AgentShape { count, total, unreserved, free }): (usize, &AgentShape)| {
            let is_like_new = |new_agent: NewAgent| is_like(total, unreserved, &new_agent);
            let is_new = free == unreserved && pool.new_agent.is_some_and(is_like_new);
            let sort = match (is_new, total.gpus.is_zero()) {
                (true, _) => Sort::Empty,
                (false, true) => Sort::Plain,
                (false, false) => Sort::Gpu,
            };
            let free = Vector::of(free);
            let (largest_share, least_share) = (free.largest_share(&whole), free.least_share(&whole));
            Room { sort, free, agents: (*count).into(), shape, largest_share, least_share, measure: 0 }
        };
        let mut rooms: Vec<Room> = pool.shapes.iter().enumerate().map(room).collect();
        rooms.sort_unstable_by_key(|room| (room.sort, room.largest_share, room.free, room.shape));
        let scale = Scale::of(rooms.iter().map(|room| &room.free));
        rooms.iter_mut().for_each(|room| room.measure = scale.measure(&room.free));
        Self { rooms, scale, leave: OnceCell::new() }
    }

    /// The agents without the first `removed` that may leave, by sort: how many there are in each room.
    pub(super) fn without(&self, pool: &Pool<'_>, removed: usize) -> Vec<(&Room, u64)> {
        let mut left: Vec<(&Room, u64)> = self.rooms.iter().map(|room| (room, room.agents)).collect();
        if removed > 0 {
            let leave = self.leave.get_or_init(|| self.rooms_of(pool));
            for room in leave.iter().take(removed).flatten() {
                if let Some((_, agents)) = left.get_mut(*room) {
                    *agents -= 1;
                }
            }
        }
        left.retain(|(_, agents)| *agents > 0);
        sort_equal(&mut left);
        left
    }

    fn rooms_of(&self, pool: &Pool<'_>) -> Vec<Option<usize>> {
        let mut room_of = vec![0; self.rooms.len()];
        for (place, room) in self.rooms.iter().enumerate() {
            if let Some(own) = room_of.get_mut(room.shape) {
                *own = place;
            }
        }
        let mut shapes = pool.shapes.clone();
        let leave = pool.removable(pool.removable_count()).map(|candidate| take(&mut shapes, candidate));
        leave.map(|shape| shape.and_then(|shape| room_of.get(shape).copied())).collect()
    }
}

/// Which of those that have equally much free is tried first depends on how many are left.
pub(super) fn sort_equal(rooms: &mut [(&Room, u64)]) {
    let equal = rooms.chunk_by_mut(|(a, _), (b, _)| a.sort == b.sort && a.free == b.free);
    equal.filter(|equal| equal.len() > 1).for_each(|equal| equal.sort_by_key(|(_, agents)| *agents));
}

/// Takes an agent out of the shapes: the place of its own, of those that are left.
fn take(shapes: &mut [AgentShape], candidate: &Candidate) -> Option<usize> {
    let (kind, free) = ((candidate.total, candidate.unreserved), free_of(candidate));
    let from = shapes.partition_point(|shape| (shape.total, shape.unreserved) < kind);
    let to = shapes.partition_point(|shape| (shape.total, shape.unreserved) <= kind);
    let equal = shapes.get_mut(from..to)?;
    // What is free may have been rounded down (`free_floor`), so the nearest below will be it.
    let upto = equal.partition_point(|shape| shape.free <= free);
    let exact = equal.iter().take(upto).rposition(|shape| shape.count > 0 && shape.free == free);
    let alike = |shape: &AgentShape| shape.count > 0;
    let found = exact
        .or_else(|| equal.iter().rposition(|shape| alike(shape) && shape.free.fits_in(&free)))
        .or_else(|| equal.iter().rposition(alike))?;
    equal.get_mut(found)?.count -= 1;
    Some(from + found)
}

/// Whether an agent is as good as a new one, and hardly better: what the setting `new_agent` says may be rounded, and leave
/// out kinds that are not considered.
fn is_like(total: &Resources, unreserved: &Resources, new_agent: &NewAgent) -> bool {
    let is_hardly_more = |kind: Kind| {
        let (has, new) = (unreserved.get(kind).thousandths(), new_agent.unreserved.get(kind).thousandths());
        new == 0 || has - has / 16 <= new
    };
    new_agent.unreserved.fits_in(unreserved)
        && new_agent.total.gpus.is_zero() == total.gpus.is_zero()
        && Kind::ALL.into_iter().all(is_hardly_more)
}
