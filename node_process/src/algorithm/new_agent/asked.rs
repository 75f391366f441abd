//! A: whether something asks again what a new agent has, so that the agents that show it must stay.

use shared::config::HeadroomPlacement;
use shared::contract::{AgentState, Application, TaskGroup};
use shared::resources::{Kind, Resources};

use super::super::capacity::Pool;
use super::super::growth;
use super::super::instance::queued_instance;

/// Whether, without the agents that registered last, an older one would count, and an agent would be bought for what it holds.
pub(in super::super) fn is_asked(pool: &Pool<'_>) -> bool {
    // H6: without the only agent, and a setting, the next decision would add one to see what an agent has.
    let is_alone = pool.agents() == 1 && pool.policy.new_agent.is_none();
    !pool.belief.evidence.is_empty()
        && pool.snapshot.applications.iter().any(|one| waits_for_larger(pool, one, is_alone) || lacks_room(pool, one))
}

/// Whether tasks or queued instances fit only an agent as it is believed.
fn waits_for_larger(pool: &Pool<'_>, application: &Application, is_alone: bool) -> bool {
    let mut sizes = tasks(application).map(|group| group.resources).chain([queued_instance(application)]);
    sizes.any(|size| pool.belief.only_larger_holds(&size) || is_alone && pool.belief.is_too_small_for(&size))
}

/// Whether something that no new agent holds, and an older one does, has no room: queued instances, tasks of agents that are on
/// their way out, or those by which the application must be able to grow. What no agent holds is asked of none.
fn lacks_room(pool: &Pool<'_>, application: &Application) -> bool {
    // H5
    let is_gpu_aware = application.gpu_aware || pool.policy.headroom.placement == HeadroomPlacement::Sum;
    let is_outgrown = |size: &Resources| pool.belief.is_too_small_for(size) && pool.has_place(size, is_gpu_aware);
    if application.queued > 0 && is_outgrown(&queued_instance(application)) {
        return true;
    }
    let rate = growth::rate_of(pool, &application.name);
    let mut outgrown = tasks(application).filter(|group| is_outgrown(&group.resources));
    outgrown.any(|group| {
        let needed = rate.ceil(group.count.into()).saturating_add(displaced(pool, &group.resources));
        room(pool, &group.resources) < needed
    })
}

fn tasks(application: &Application) -> impl Iterator<Item = &TaskGroup> {
    application.tasks.iter().filter(|group| group.count > 0)
}

/// How many tasks of that size run on agents that are on their way out.
fn displaced(pool: &Pool<'_>, size: &Resources) -> u64 {
    let leaving = pool.snapshot.scale_down_candidates.iter().filter(|agent| agent.state != AgentState::Active);
    let tasks = leaving.flat_map(|agent| &agent.tasks).filter(|group| group.resources == *size);
    tasks.map(|group| u64::from(group.count)).fold(0, u64::saturating_add)
}

/// How many tasks of that size find room on the usable agents.
fn room(pool: &Pool<'_>, size: &Resources) -> u64 {
    let times = |free: &Resources| {
        let times = |kind: Kind| free.get(kind).thousandths().checked_div(size.get(kind).thousandths());
        Kind::ALL.into_iter().filter_map(times).min().unwrap_or(0)
    };
    let rooms = pool.shapes.iter().map(|shape| times(&shape.free).saturating_mul(shape.count.into()));
    rooms.fold(0, u64::saturating_add)
}
