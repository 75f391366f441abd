//! H: application headroom. What every application needs is found in `needs`; `sums` compares totals (H2), `packing`
//! places single tasks (H3), and `report` decides what follows from either (H4 to H6).

mod balance;
mod needs;
mod packing;
pub(super) mod reason;
mod report;
mod sums;

use shared::config::HeadroomPlacement;

use super::capacity::{Capacity, Pool};
use super::ruling::Ruling;

use needs::Need;
use packing::Packing;

pub(super) use packing::moved_tasks_have_room;

/// H1: makes room for the displaced tasks, for queued instances, and for every application to grow at once.
pub(super) fn make_room(pool: &Pool<'_>, before: Capacity) -> Ruling {
    let needs = needs::of(pool);
    let report = match pool.policy.headroom.placement {
        HeadroomPlacement::Sum => sums::make_room(pool, before, &needs),
        HeadroomPlacement::Pack => packing::make_room(pool, before, &needs),
    };
    report.ruling(pool, &needs)
}

/// D6: how many agents H does without, asked for one number after the other.
pub(super) struct Headroom<'a> {
    needs: Vec<Need<'a>>,
    /// `None` where totals are compared.
    packing: Option<Packing<'a>>,
}

impl<'a> Headroom<'a> {
    pub(super) fn of(pool: &Pool<'a>) -> Self {
        let needs = needs::of(pool);
        let packing = match pool.policy.headroom.placement {
            HeadroomPlacement::Sum => None,
            HeadroomPlacement::Pack => Some(Packing::new(pool, &needs)),
        };
        Self { needs, packing }
    }

    /// H4: whether the first `removed` agents that may leave can stay removed.
    pub(super) fn does_without(&self, pool: &Pool<'a>, removed: usize) -> bool {
        match &self.packing {
            None => sums::does_without(&self.needs, &pool.capacity(removed, 0)),
            Some(packing) => packing.does_without(pool, removed),
        }
    }
}
