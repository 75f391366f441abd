//! First fit, over groups of equal agents and groups of equal tasks.

use super::vector::Vector;

/// Agents with equal room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) free: Vector,
    pub(super) agents: u64,
    /// Whether nothing was placed there.
    pub(super) is_untouched: bool,
}

/// Agents in the order in which they are tried.
///
/// They stand in blocks of a few, each with the most that one of them has free: a task passes by a whole block that it
/// cannot fit into. Placing splits a room into at most three, so the list grows with the sizes of tasks, not with tasks.
#[derive(Clone, Debug, Default)]
pub(super) struct Rooms {
    blocks: Vec<Block>,
}

#[derive(Clone, Debug)]
struct Block {
    /// Per kind the most that is free in one of the rooms.
    most: Vector,
    rooms: Vec<Room>,
}

impl Room {
    pub(super) const fn new(free: Vector, agents: u64) -> Self {
        Self { free, agents, is_untouched: true }
    }
}

impl Rooms {
    /// So many rooms are looked at one by one.
    const BLOCK: usize = 16;

    pub(super) fn new(rooms: &[Room]) -> Self {
        Self { blocks: rooms.chunks(Self::BLOCK).map(|rooms| Block::new(rooms.to_vec())).collect() }
    }

    /// Places so many tasks, each on the first agent with room for it, and returns how many found none.
    pub(super) fn place(&mut self, size: &Vector, count: u64) -> u64 {
        let mut left = count;
        let mut is_split = false;
        for block in &mut self.blocks {
            if left == 0 {
                break;
            }
            if size.fits_in(&block.most) {
                left = block.place(size, left);
                is_split |= block.rooms.len() > 2 * Self::BLOCK;
            }
        }
        if is_split {
            self.split_large_blocks();
        }
        left
    }

    /// Whether one task would find room.
    pub(super) fn has_room(&self, size: &Vector) -> bool {
        let mut blocks = self.blocks.iter().filter(|block| size.fits_in(&block.most));
        blocks.any(|block| block.rooms.iter().any(|room| size.fits_in(&room.free)))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Room> {
        self.blocks.iter().flat_map(|block| &block.rooms)
    }

    fn split_large_blocks(&mut self) {
        let blocks = std::mem::take(&mut self.blocks);
        for block in blocks {
            if block.rooms.len() > 2 * Self::BLOCK {
                self.blocks.extend(block.rooms.chunks(Self::BLOCK).map(|rooms| Block::new(rooms.to_vec())));
            } else {
                self.blocks.push(block);
            }
        }
    }
}

impl Block {
    fn new(rooms: Vec<Room>) -> Self {
        let most = rooms.iter().fold(Vector::default(), |most, room| most.larger(&room.free));
        Self { most, rooms }
    }

    fn place(&mut self, size: &Vector, count: u64) -> u64 {
        let mut left = count;
        let mut place = 0;
        while let Some(room) = self.rooms.get_mut(place).filter(|_| left > 0) {
            place += 1;
            if !size.fits_in(&room.free) || room.agents == 0 {
                continue;
            }
            let each = size.times_in(&room.free);
            let (full, rest) = (left / each, left % each);
            if full >= room.agents {
                // As many as fit on every agent of the group.
                left -= each.saturating_mul(room.agents);
                *room = room.holding(size, each, room.agents);
                continue;
            }
            // The first agents take as many as fit, one takes the rest, the others are untouched.
            let partly = u64::from(rest > 0);
            let parts = [
                room.holding(size, each, full),
                room.holding(size, rest, partly),
                Room { agents: room.agents - full - partly, ..*room },
            ];
            self.rooms.splice(place - 1..place, parts.into_iter().filter(|part| part.agents > 0));
            left = 0;
        }
        if left < count {
            self.most = self.rooms.iter().fold(Vector::default(), |most, room| most.larger(&room.free));
        }
        left
    }
}

impl Room {
    /// So many agents of the group, each with so many tasks more.
    fn holding(&self, size: &Vector, tasks: u64, agents: u64) -> Self {
        Self { free: self.free.without(size, tasks), agents, is_untouched: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn room(cpus: u64, mem: u64, agents: u64) -> Room {
        Room::new(Vector([cpus, mem, 0, 0]), agents)
    }

    /// Task by task and agent by agent.
    fn one_by_one(agents: &mut [Vector], size: &Vector, count: u64) -> u64 {
        let mut left = 0;
        for _ in 0..count {
            match agents.iter_mut().find(|free| size.fits_in(free)) {
                Some(free) => *free = free.without(size, 1),
                None => left += 1,
            }
        }
        left
    }

    proptest! {
        /// H3: counting places tasks exactly as one after the other would be.
        #[test]
        fn groups_are_placed_as_their_members_would_be(
            groups in prop::collection::vec((0_u64..20, 0_u64..20, 1_u64..6), 0..60),
            tasks in prop::collection::vec((0_u64..9, 1_u64..9, 1_u64..40), 1..60),
        ) {
            let rooms: Vec<Room> = groups.iter().map(|(cpus, mem, agents)| room(*cpus, *mem, *agents)).collect();
            let mut agents: Vec<Vector> =
                rooms.iter().flat_map(|room| vec![room.free; usize::try_from(room.agents).unwrap()]).collect();
            let mut rooms = Rooms::new(&rooms);
            for (cpus, mem, count) in tasks {
                let size = Vector([cpus, mem, 0, 0]);
                prop_assert_eq!(rooms.place(&size, count), one_by_one(&mut agents, &size, count));
                prop_assert_eq!(rooms.has_room(&size), agents.iter().any(|free| size.fits_in(free)));
            }
            let counted = rooms.iter().flat_map(|room| vec![room.free; usize::try_from(room.agents).unwrap()]);
            prop_assert_eq!(counted.collect::<Vec<_>>(), agents);
        }
    }

    #[test]
    fn the_list_grows_with_sizes_and_not_with_tasks() {
        // H3: a million tasks of one size on a million equal agents are three rooms.
        let mut rooms = Rooms::new(&[room(16_000, 64_000, 1_000_000)]);
        assert_eq!(rooms.place(&Vector([3_000, 1_000, 0, 0]), 1_000_001), 0);
        let parts: Vec<u64> = rooms.iter().map(|room| room.agents).collect();
        assert_eq!(parts, [200_000, 1, 799_999]);
    }
}
