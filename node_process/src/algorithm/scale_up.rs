//! U: scale up by percent.

pub(super) mod reason;

use shared::clause::Clause;
use shared::resources::{Kind, Resources};

use super::capacity::{Capacity, Pool};
use super::headroom;
use super::numbers::agent_count;
use super::ruling::Ruling;
use super::utilization::Utilization;
use super::words::Change;
use reason::{Above, Finding, Lack, ScaleUpReason};

/// U1: keeps and adds as many agents as bring every considered resource down to the threshold.
pub(super) fn scale_up(pool: &Pool<'_>, before: Capacity) -> Ruling {
    let queued = headroom::queued(pool);
    let mut after = before;
    while after.removed > 0 && !above(pool, &queued, &after).is_empty() {
        after = pool.capacity(after.removed - 1, after.added);
    }
    let above_then = above(pool, &queued, &after);
    let added = above_then.iter().filter_map(|utilization| agents_for(pool, *utilization)).max().unwrap_or_default();
    after = pool.capacity(after.removed, agent_count(u128::from(after.added) + added));
    // U2: what a new agent lacks is no reason to add one.
    let lacking: Vec<Kind> = above_then
        .iter()
        .filter(|utilization| agents_for(pool, **utilization).is_none())
        .map(|utilization| utilization.kind)
        .collect();
    let clause = if lacking.is_empty() { Clause::U1 } else { Clause::U2 };
    let finding = finding(pool, &queued, &before, &after, lacking);
    let reason = ScaleUpReason {
        threshold_percent: pool.policy.thresholds.scale_up_percent,
        queued: headroom::queued_instances(pool),
        beside_daemons: pool.has_daemons(),
        finding,
    };
    Ruling::new(clause, before, after, reason)
}

/// D6: whether U asks for no agent more than these.
pub(super) fn does_without(pool: &Pool<'_>, queued: &Resources, removed: usize) -> bool {
    above(pool, queued, &pool.capacity(removed, 0)).is_empty()
}

/// What will be there: what tasks take, and what the queued instances that H counts will take.
fn above(pool: &Pool<'_>, queued: &Resources, capacity: &Capacity) -> Vec<Utilization> {
    let load = capacity.load_to_add(pool) + *queued;
    pool.considered()
        .map(|kind| capacity.utilization(&load, kind))
        .filter(|utilization| utilization.is_above(pool.policy.thresholds.scale_up_percent))
        .collect()
}

/// In closed form: how many agents bring this one down to the threshold; `None` where they have nothing of it.
fn agents_for(pool: &Pool<'_>, utilization: Utilization) -> Option<u128> {
    let per_agent = pool.new_agent_beside_daemons().get(utilization.kind);
    utilization.agents_for(pool.policy.thresholds.scale_up_percent, per_agent)
}

fn finding(pool: &Pool<'_>, queued: &Resources, before: &Capacity, after: &Capacity, lacking: Vec<Kind>) -> Finding {
    let Some(binding) = binding(pool, queued, before) else {
        let load = before.load_to_add(pool) + *queued;
        let highest = before.highest(pool, &load).filter(|highest| !highest.total.is_zero());
        return highest.map_or(Finding::Unused, Finding::NotAbove);
    };
    let lack = match (pool.new_agent, lacking.is_empty()) {
        (None, _) => Some(Lack::NewAgentUnknown),
        (Some(_), false) => Some(Lack::Kinds(lacking)),
        (Some(_), true) => None,
    };
    let change = Change::between(before, after);
    let then = after.utilization(&(after.load_to_add(pool) + *queued), binding.kind);
    Finding::Above(Above { binding, change, then, lack })
}

/// What asks for most agents; where nothing can be added, what is highest.
fn binding(pool: &Pool<'_>, queued: &Resources, capacity: &Capacity) -> Option<Utilization> {
    let above = above(pool, queued, capacity);
    let first_greatest = |best: Utilization, next: Utilization| {
        if agents_for(pool, next) > agents_for(pool, best) { next } else { best }
    };
    above.into_iter().reduce(first_greatest)
}

#[cfg(test)]
mod tests {
    use super::super::ruling::Reason;
    use super::*;
    use cluster::{Cluster, policy, resources};
    use shared::contract::AgentState;
    use shared::resources::Amount;

    fn above_of(ruling: Ruling) -> Above {
        match ruling.reason {
            Reason::ScaleUp(ScaleUpReason { finding: Finding::Above(above), .. }) => above,
            other => panic!("{other:?}"),
        }
    }

    fn cpus(used: u64, total: u64) -> Utilization {
        let amount = |cpus: u64| Amount::from_thousandths(1000 * cpus);
        Utilization { kind: Kind::Cpus, used: amount(used), total: amount(total) }
    }

    #[test]
    fn any_use_without_an_agent_is_above_the_threshold_u1() {
        // T = 0. 6 of 8 cpus are 75%, 6 of 4 are 150%.
        let cluster = Cluster::of(2, resources(4, 14_000)).running("/a", 6, resources(1, 1_000));
        let cluster = cluster.with_state(0, AgentState::Draining).with_state(1, AgentState::Draining);
        let (snapshot, policy) = (cluster.snapshot(), policy("new_agent = { cpus = 4, mem = 14000 }").unwrap());
        let pool = Pool::new(&snapshot, &policy);
        let ruling = scale_up(&pool, pool.observed());
        assert_eq!((ruling.clause, ruling.capacity.added), (Clause::U1, 2));
        let above = above_of(ruling);
        assert_eq!((above.binding, above.then, above.change.added), (cpus(6, 0), cpus(6, 8), 2));
    }

    #[test]
    fn a_burst_is_added_for_in_one_request_u1() {
        // 20 of 20 cpus are used, and 10 more are queued: 30 of 2 n are at most 70 % from 22 agents on.
        let half = Resources { cpus: Amount::from_thousandths(500), ..resources(0, 1_000) };
        let busy = Cluster::of(10, resources(2, 8_000)).running("/web", 40, half).queued("/web", 20, half);
        let settings = "application_headroom_percent = 0\nscale_down_threshold_percent = 0\n\
             scale_up_threshold_percent = 70\nmax_scale_up_step = 1000";
        let policy = policy(settings).unwrap();
        let decide = |cluster: &Cluster| crate::decide(&cluster.snapshot(), &policy, cluster::NOON).unwrap();
        let burst = decide(&busy);
        assert_eq!((burst.delta, burst.wanted), (12, 12), "{:#?}", burst.steps);
        let reason = burst.steps.iter().find(|step| step.clause == Clause::U1).map(|step| step.reason.as_str());
        assert_eq!(reason, Some("cpus 100% with 20 queued instances is above 70%: adds 7 agents, then cpus 68.2%"));
        // When they have come and the instances run, none is missing.
        let mut joined = busy.and(12, resources(2, 8_000));
        joined.queue.clear();
        assert_eq!(decide(&joined.running("/web", 20, half)).delta, 0);
    }

    #[test]
    fn queued_instances_that_fit_no_agent_do_not_count_u1() {
        let cluster = Cluster::of(2, resources(4, 14_000)).running("/a", 4, resources(1, 1_000));
        let (snapshot, policy) = (cluster.queued("/b", 9, resources(5, 1_000)).snapshot(), policy("").unwrap());
        let pool = Pool::new(&snapshot, &policy);
        assert_eq!(scale_up(&pool, pool.observed()).capacity.added, 0);
    }

    #[test]
    fn agents_that_scale_down_removed_are_kept_before_new_ones_u1() {
        // 7 of 8 cpus are 87.5%, 7 of 12 are 58.3%.
        let cluster = Cluster::of(3, resources(4, 14_000)).running("/a", 7, resources(1, 1_000));
        let (snapshot, policy) = (cluster.snapshot(), policy("").unwrap());
        let pool = Pool::new(&snapshot, &policy);
        let ruling = scale_up(&pool, pool.capacity(1, 0));
        assert_eq!((ruling.capacity.removed, ruling.capacity.added), (0, 0));
        let above = above_of(ruling);
        assert_eq!((above.binding, above.change), (cpus(7, 8), Change { kept: 1, of_removed: 1, added: 0 }));
        // Of two that were removed, one is enough.
        let snapshot = cluster.and(1, resources(4, 14_000)).snapshot();
        let pool = Pool::new(&snapshot, &policy);
        let ruling = scale_up(&pool, pool.capacity(2, 0));
        assert_eq!(ruling.capacity.removed, 1);
        assert_eq!(above_of(ruling).change, Change { kept: 1, of_removed: 2, added: 0 });
    }

    #[test]
    fn the_resource_that_requires_most_agents_is_named_u1() {
        // Both are full.
        let snapshot = Cluster::of(2, resources(4, 14_000)).running("/a", 2, resources(4, 14_000)).snapshot();
        let above = |settings: &str| {
            let policy = policy(settings).unwrap();
            let pool = Pool::new(&snapshot, &policy);
            above_of(scale_up(&pool, pool.observed()))
        };
        let both = above("");
        assert_eq!((both.binding, both.change.added, both.then), (cpus(8, 8), 1, cpus(8, 12)));
        let little_mem = above("new_agent = { cpus = 4, mem = 2000 }");
        assert_eq!((little_mem.binding.kind, little_mem.change.added), (Kind::Mem, 4));
    }
}
