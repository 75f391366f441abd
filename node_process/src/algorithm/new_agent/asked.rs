//! A: whether something asks again what a new agent has, so that the agents that show it must stay.

use shared::config::HeadroomPlacement;
use shared::contract::{AgentState, Application, TaskGroup};
use shared::resources::Resources;

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
    let rooms = pool.shapes.iter().map(|shape| size.times_in(&shape.free).saturating_mul(shape.count.into()));
    rooms.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster::{Cluster, NOON, policy, resources};
    use jiff::SignedDuration;
    use shared::contract::{ClusterSnapshot, LatestAgent};

    /// Whether the last agent of the cluster, which registered five minutes ago, must stay.
    fn asked(cluster: &Cluster, settings: &str) -> bool {
        asked_of(&cluster.snapshot(), settings)
    }

    fn asked_of(snapshot: &ClusterSnapshot, settings: &str) -> bool {
        let mut snapshot = snapshot.clone();
        let last = snapshot.scale_down_candidates.iter().max_by_key(|agent| agent.agent_id.clone()).unwrap();
        snapshot.latest_agents = vec![LatestAgent {
            registered_at: NOON - SignedDuration::from_mins(5),
            total: last.total,
            unreserved: last.unreserved,
            agent_id: last.agent_id.clone(),
        }];
        is_asked(&Pool::new(&snapshot, &policy(settings).unwrap()))
    }

    const LARGER: &str = "new_agent = { cpus = 4, mem = 16384 }";

    #[test]
    fn what_only_a_larger_agent_would_hold_asks_a() {
        // A new agent has 14000 MB, less than believed.
        let pool = || Cluster::of(3, resources(4, 14_000));
        let queued = |mem| asked(&pool().queued("/db", 1, resources(1, mem)), LARGER);
        assert_eq!([queued(14_000), queued(14_001), queued(16_384), queued(16_385)], [false, true, true, false]);
        // A task that runs asks as well: it may have to move.
        let large = pool().and(1, resources(4, 20_000)).running("/db", 1, resources(1, 16_000));
        let mut snapshot = large.snapshot();
        snapshot.scale_down_candidates.retain(|agent| agent.total == resources(4, 14_000));
        assert!(asked_of(&snapshot, LARGER));
        // One of which there is none does not.
        snapshot.applications.iter_mut().for_each(|one| one.tasks.iter_mut().for_each(|group| group.count = 0));
        assert!(!asked_of(&snapshot, LARGER));
        assert!(!asked(&pool(), LARGER));
    }

    #[test]
    fn the_only_agent_of_a_pool_without_a_setting_shows_what_one_has_h6() {
        let alone = |agents, settings: &str| {
            asked(&Cluster::of(agents, resources(4, 14_000)).queued("/db", 1, resources(5, 100)), settings)
        };
        assert_eq!(
            (alone(1, ""), alone(2, ""), alone(1, "new_agent = { cpus = 4, mem = 14000 }")),
            (true, false, false)
        );
        let fits = Cluster::of(1, resources(4, 14_000)).queued("/db", 1, resources(4, 100));
        assert!(!asked(&fits, ""));
    }

    /// Agents of an older, larger type, and the last one as it is believed.
    fn outgrown(older: usize) -> Cluster {
        Cluster::of(older, resources(8, 28_000)).and(1, resources(4, 14_000))
    }

    const BELIEVED: &str = "new_agent = { cpus = 4, mem = 14000 }\napplication_headroom_percent = 50";

    #[test]
    fn what_only_older_agents_hold_asks_where_it_lacks_room_a() {
        // A queued instance asks; what no agent holds does not.
        let queued = |cpus| asked(&outgrown(2).queued("/db", 1, resources(cpus, 100)), BELIEVED);
        assert_eq!([queued(4), queued(5), queued(8), queued(9)], [false, true, true, false]);
        // Tasks of 6 cpus must be able to grow by half: two by one, which one more agent holds, three by two.
        let running = |older, tasks| asked(&outgrown(older).running("/db", tasks, resources(6, 100)), BELIEVED);
        assert_eq!([running(2, 2), running(3, 2), running(4, 3), running(5, 3)], [true, false, true, false]);
        // Without growth nothing has to have room.
        let still = "new_agent = { cpus = 4, mem = 14000 }\napplication_headroom_percent = 0";
        assert!(!asked(&outgrown(2).running("/db", 2, resources(6, 100)), still));
        // Small tasks have room on new agents.
        assert!(!asked(&outgrown(2).running("/db", 2, resources(4, 100)), BELIEVED));
    }

    #[test]
    fn tasks_of_agents_that_leave_need_room_too_a() {
        let still = "new_agent = { cpus = 4, mem = 14000 }\napplication_headroom_percent = 0";
        let leaving = |older| {
            asked(&outgrown(older).running("/db", 1, resources(6, 100)).with_state(0, AgentState::Draining), still)
        };
        // The task must move to an agent that holds it, and there is one, or none.
        assert_eq!((leaving(2), leaving(1)), (false, false));
        let busy = outgrown(2).running("/db", 2, resources(6, 100)).with_state(0, AgentState::Draining);
        assert!(asked(&busy, still));
        // Another task that leaves needs no such room.
        let other = outgrown(2).running("/web", 1, resources(4, 100)).running("/db", 1, resources(6, 100));
        assert!(!asked(&other.with_state(0, AgentState::Draining), still));
    }

    #[test]
    fn agents_with_gpus_have_place_for_those_that_know_of_gpus_h5() {
        let mut gpus = resources(8, 28_000);
        gpus.gpus = shared::resources::Amount::from_thousandths(1_000);
        let pool = Cluster::of(2, gpus).and(1, resources(4, 14_000)).queued("/ml", 1, resources(6, 100));
        assert!(!asked(&pool, BELIEVED));
        assert!(asked(&pool.clone().gpu_aware(&["/ml"]), BELIEVED));
        assert!(asked(&pool, &format!("{BELIEVED}\nheadroom_placement = \"sum\"")));
    }
}
