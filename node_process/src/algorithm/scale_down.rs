//! D: scale down by percent.

pub(super) mod reason;

use shared::clause::Clause;
use shared::config::HeadroomPlacement;
use shared::count::saturated;

use super::capacity::{Capacity, Pool};
use super::headroom::moved_tasks_have_room;
use super::ruling::Ruling;
use super::utilization::Utilization;
use super::words::Incomplete;
use reason::{ScaleDownReason, Stop};

/// D2: removes one agent after another, the least loaded first, until something stops it.
pub(super) fn scale_down(pool: &Pool<'_>, before: Capacity) -> Ruling {
    let mut removed = before.removed;
    let stop = loop {
        match stop_before(pool, removed) {
            Some(stop) => break stop,
            None => removed += 1,
        }
    };
    let clause = clause(removed, &stop);
    let reason = ScaleDownReason {
        highest: pool.observed().highest(pool),
        threshold_percent: pool.policy.thresholds.scale_down_percent,
        removed: saturated(removed),
        stop,
    };
    Ruling::new(clause, before, pool.capacity(removed, before.added), reason)
}

/// Whether anything forbids one agent fewer than these; the order is that of the page.
fn stop_before(pool: &Pool<'_>, removed: usize) -> Option<Stop> {
    let policy = pool.policy;
    let now = pool.capacity(removed, 0);
    let then = pool.capacity(removed + 1, 0);
    // D4
    if let Some(incomplete) = Incomplete::of(pool) {
        return Some(Stop::Incomplete(incomplete));
    }
    // D5
    if now.agents == 0 {
        return Some(Stop::NoAgent);
    }
    if pool.considered().all(|kind| now.total.get(kind).is_zero()) {
        return Some(Stop::NoConsideredResource);
    }
    // D1
    if let Some(utilization) = not_below(pool, &now) {
        return Some(Stop::NotBelow(utilization));
    }
    // D2, D3
    if removed >= pool.removable_count() {
        return Some(Stop::NoCandidate);
    }
    if then.agents < policy.limits.min {
        return Some(Stop::Min(policy.limits.min));
    }
    if saturated(removed + 1) > pool.scale_down_step() {
        let decommissioning = pool.snapshot.agents.decommissioning();
        return Some(Stop::Step { max: policy.limits.max_scale_down_step, decommissioning });
    }
    if let Some(max) = policy.limits.max_scale_down_tasks
        && pool.moves_too_many_tasks(removed + 1)
    {
        return Some(Stop::Tasks { moving: pool.moving_tasks(removed + 1), max });
    }
    if let Some(to) = risen(pool, &then) {
        return Some(Stop::WouldRise { to, threshold_percent: policy.thresholds.scale_up_percent });
    }
    let has_room = match policy.headroom.placement {
        HeadroomPlacement::Sum => true,
        HeadroomPlacement::Pack => moved_tasks_have_room(pool, &then),
    };
    (!has_room).then_some(Stop::NoRoom)
}

/// D1: the highest considered resource, of those there are, that is not below the threshold.
fn not_below(pool: &Pool<'_>, capacity: &Capacity) -> Option<Utilization> {
    utilizations(pool, capacity)
        .filter(|utilization| !utilization.total.is_zero())
        .filter(|utilization| !utilization.is_below(pool.policy.thresholds.scale_down_percent))
        .reduce(Utilization::higher)
}

/// D3: the highest considered resource that would be above the threshold at which U puts agents back.
fn risen(pool: &Pool<'_>, capacity: &Capacity) -> Option<Utilization> {
    utilizations(pool, capacity)
        .filter(|utilization| utilization.is_above(pool.policy.thresholds.scale_up_percent))
        .reduce(Utilization::higher)
}

fn utilizations(pool: &Pool<'_>, capacity: &Capacity) -> impl Iterator<Item = Utilization> {
    pool.considered().map(|kind| capacity.utilization(pool, kind))
}

const fn clause(removed: usize, stop: &Stop) -> Clause {
    match stop {
        Stop::Incomplete(_) => Clause::D4,
        _ if removed > 0 => Clause::D2,
        Stop::NoAgent | Stop::NoConsideredResource => Clause::D5,
        Stop::NotBelow(_) => Clause::D1,
        Stop::NoCandidate
        | Stop::Min(_)
        | Stop::Step { .. }
        | Stop::Tasks { .. }
        | Stop::WouldRise { .. }
        | Stop::NoRoom => Clause::D3,
    }
}

#[cfg(test)]
mod tests {
    use super::super::ruling::Reason;
    use super::*;
    use cluster::{Cluster, policy, resources};
    use shared::contract::AgentState;

    fn removed(cluster: &Cluster, settings: &str) -> (u32, Stop) {
        let (snapshot, policy) = (cluster.snapshot(), policy(settings).unwrap());
        let pool = Pool::new(&snapshot, &policy);
        match scale_down(&pool, pool.observed()).reason {
            Reason::ScaleDown(ScaleDownReason { removed, stop, .. }) => (removed, stop),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_stops_first_is_named_d3() {
        // Min, step, tasks, threshold, in this order.
        let cluster = Cluster::of(4, resources(4, 14_000)).running("/a", 7, resources(1, 1_000));
        let all = "min = 4\nmax_scale_down_tasks = 0\nscale_up_threshold_percent = 51";
        assert_eq!(removed(&cluster, all), (0, Stop::Min(4)));
        let next = all.replace("min = 4", "min = 3");
        let step = format!("{next}\nmax_scale_down_step = 1");
        let draining = cluster.clone().and(1, resources(4, 14_000)).with_state(4, AgentState::Draining);
        assert_eq!(removed(&draining, &step), (0, Stop::Step { max: 1, decommissioning: 1 }));
        assert_eq!(removed(&cluster, &next), (0, Stop::Tasks { moving: 1, max: 0 }));
        let next = next.replace("tasks = 0", "tasks = 1");
        // 7 of 12 cpus are 58.3%.
        let (removed_agents, stop) = removed(&cluster, &next);
        let Stop::WouldRise { to, threshold_percent: 51 } = stop else { panic!("{stop:?}") };
        assert_eq!((removed_agents, to.used, to.total), (0, resources(7, 0).cpus, resources(12, 0).cpus));
        assert_eq!(removed(&cluster, ""), (1, Stop::NotBelow(to)));
    }

    #[test]
    fn only_active_and_unprotected_agents_are_removed_d3() {
        // One of the three is protected, one is decommissioning already.
        let mut cluster = Cluster::of(3, resources(4, 14_000)).with_state(2, AgentState::Draining);
        cluster.protect(0);
        assert_eq!(removed(&cluster, "min = 0\nmax_scale_down_step = 9"), (1, Stop::NoCandidate));
    }

    #[test]
    fn a_kind_that_the_pool_has_none_of_is_not_considered_d1_d5() {
        // No agent has gpus.
        let idle = Cluster::of(3, resources(4, 14_000));
        assert_eq!(removed(&idle, r#"resources = ["cpus", "gpus"]"#).0, 1);
        assert_eq!(removed(&idle, r#"resources = ["gpus"]"#), (0, Stop::NoConsideredResource));
    }
}
