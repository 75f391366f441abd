//! H: application headroom. What every application needs is found in `needs`; `sums` compares totals (H2), `packing`
//! places single tasks (H3), and `report` decides what follows from either (H4 to H6).

mod balance;
mod needs;
mod packing;
pub(super) mod reason;
mod report;
mod sums;

use shared::clause::Clause;
use shared::config::HeadroomPlacement;

use super::capacity::{Capacity, Pool};
use super::growth;
use super::numbers::last;
use super::ruling::Ruling;

use needs::Need;
use packing::Packing;
use reason::HeadroomReason;

pub(super) use needs::{queued, queued_instances};
pub(super) use packing::Rooms;

/// H1: makes room for the displaced tasks, for queued instances, and for every application to grow at once.
pub(super) fn make_room(pool: &Pool<'_>, before: Capacity) -> Ruling {
    let ruling = with_rate(pool, before);
    if !packs_what_was_learned(pool) {
        return ruling;
    }
    // H9: once in a while more tasks are packed into fewer agents. What has been learned never needs fewer than X alone.
    let policy = pool.policy.with(|policy| policy.learning = None);
    let by_percent = with_rate(&pool.asking_earlier(&policy, pool.points), before);
    if by_percent.capacity.agents > ruling.capacity.agents { by_percent } else { ruling }
}

fn packs_what_was_learned(pool: &Pool<'_>) -> bool {
    pool.policy.headroom.placement == HeadroomPlacement::Pack
        && growth::learned(pool).is_some_and(|learned| learned.counts())
}

/// The same with the growth that is known to be needed.
fn with_rate(pool: &Pool<'_>, before: Capacity) -> Ruling {
    let Headroom { needs, packing } = pool.headroom();
    let report = match packing {
        None => sums::make_room(pool, before, needs),
        Some(packing) => packing.make_room(pool, before),
    };
    let ruling = report.ruling(pool, needs);
    if shows_no_agent(pool) { first_agent(pool, ruling) } else { ruling }
}

/// H6: whether something waits for a first agent, and nothing says what that has.
fn shows_no_agent(pool: &Pool<'_>) -> bool {
    let agents = &pool.snapshot.agents;
    let is_queued = pool.snapshot.applications.iter().any(|application| application.queued > 0);
    pool.new_agent.is_none() && agents.registered == 0 && agents.recovered == 0 && is_queued
}

/// H6: one agent shows what an agent is; the next decision knows.
fn first_agent(pool: &Pool<'_>, ruling: Ruling) -> Ruling {
    let capacity = pool.capacity(0, 1);
    let reason = HeadroomReason::first_agent(queued_instances(pool));
    Ruling { application: ruling.application, ..Ruling::new(Clause::H6, ruling.before, capacity, reason) }
}

/// H: what is needed, and what is known of how many agents that takes: a pool is asked for one number of agents after the
/// other (D6, H4).
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

    /// D3: whether the tasks of the first `removed` agents that may leave have room on those that stay. Totals only tell whether
    /// there is an agent that would hold each of them.
    pub(super) fn moved_tasks_have_room(&self, pool: &Pool<'a>, removed: usize) -> bool {
        match &self.packing {
            None => pool.moved_tasks_have_places(removed),
            Some(packing) => packing.have_room(pool, removed),
        }
    }

    /// D7: whether it matters where frameworks put tasks.
    pub(super) fn may_crowd(&self) -> bool {
        self.packing.as_ref().is_some_and(Packing::may_crowd)
    }

    /// D7: whether tasks have room without the first `removed` agents that may leave, wherever the frameworks put them.
    pub(super) fn stays_clear(&self, pool: &Pool<'a>, removed: usize) -> bool {
        self.packing.as_ref().is_none_or(|packing| packing.stays_clear(pool, removed))
    }

    /// H4: whether the first `removed` agents that may leave can stay removed.
    pub(super) fn does_without(&self, pool: &Pool<'a>, removed: usize) -> bool {
        let capacity = pool.capacity(removed, 0);
        if pool.hosts.needed.as_ref().is_some_and(|needed| capacity.agents < needed.hosts) {
            return false; // H12
        }
        match &self.packing {
            None => sums::does_without(&self.needs, &capacity),
            Some(packing) => packing.does_without(pool, removed),
        }
    }

    /// H4: how many of the first `most` agents that may leave can stay removed.
    pub(super) fn spare(&self, pool: &Pool<'a>, most: usize) -> usize {
        // H12
        let hosts = pool.hosts.needed.as_ref().map_or(0, |needed| needed.hosts);
        let most = most.min(usize::try_from(pool.agents().saturating_sub(hosts)).unwrap_or(usize::MAX));
        match &self.packing {
            None => last(most, |removed| self.does_without(pool, removed)),
            Some(packing) => packing.spare(pool, most),
        }
    }
}
