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
