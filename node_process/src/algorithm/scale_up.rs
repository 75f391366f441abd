//! U: scale up by percent.

use shared::clause::Clause;
use shared::contract::Step;
use shared::resources::Kind;

use super::capacity::{Capacity, Pool, Utilization, agent_count, count, counted, step};

/// U1: takes back and adds as many agents as bring every considered resource down to the threshold.
pub(super) fn scale_up(pool: &Pool<'_>, before: Capacity) -> (Capacity, Step) {
    let mut after = before;
    while after.removed > 0 && !above(pool, &after).is_empty() {
        after = pool.capacity(after.removed - 1, after.added);
    }
    let above_then = above(pool, &after);
    let wanted = above_then.iter().filter_map(|utilization| agents_for(pool, *utilization)).max().unwrap_or_default();
    after = pool.capacity(after.removed, agent_count(u128::from(after.added) + wanted));
    // U2: what a new agent lacks is no reason to add one.
    let lacking: Vec<Kind> = above_then
        .iter()
        .filter(|utilization| agents_for(pool, **utilization).is_none())
        .map(|utilization| utilization.kind)
        .collect();
    let clause = if lacking.is_empty() { Clause::U1 } else { Clause::U2 };
    (after, step(clause, before.agents, after.agents, reason(pool, &before, &after, &lacking)))
}

fn above(pool: &Pool<'_>, capacity: &Capacity) -> Vec<Utilization> {
    pool.considered()
        .map(|kind| capacity.utilization(pool, kind))
        .filter(|utilization| utilization.is_above(pool.policy.thresholds.scale_up_percent))
        .collect()
}

/// In closed form: how many agents bring this one down to the threshold; `None` where they have nothing of it.
fn agents_for(pool: &Pool<'_>, utilization: Utilization) -> Option<u128> {
    let per_agent = pool.new_agent.unwrap_or_default().total.get(utilization.kind);
    utilization.agents_for(pool.policy.thresholds.scale_up_percent, per_agent)
}

fn reason(pool: &Pool<'_>, before: &Capacity, after: &Capacity, lacking: &[Kind]) -> String {
    let threshold = pool.policy.thresholds.scale_up_percent;
    let Some(binding) = binding(pool, before) else {
        return match before.highest(pool) {
            Some(highest) if !highest.total.is_zero() => {
                format!("{} is not above {threshold} %", highest.beside(threshold))
            }
            _ => "nothing that is considered is used".to_owned(),
        };
    };
    let mut reason = format!("{} is above {threshold} %", binding.beside(threshold));
    if before.removed > after.removed {
        let back = counted(count(before.removed - after.removed), "agent");
        reason.push_str(&format!(": takes back {back} that D took out"));
    }
    if after.added > before.added {
        let added = counted(after.added - before.added, "agent");
        reason.push_str(&format!(": adds {added}, then {}", after.utilization(pool, binding.kind).beside(threshold)));
    }
    if pool.new_agent.is_none() {
        reason.push_str("; nothing says what a new agent has, so none is added; set new_agent");
    } else if !lacking.is_empty() {
        let kinds: Vec<&str> = lacking.iter().map(|kind| kind.name()).collect();
        reason.push_str(&format!("; a new agent has no {}, so none is added for it", kinds.join(", ")));
    }
    reason
}

/// What asks for most agents; where nothing can be added, what is highest.
fn binding(pool: &Pool<'_>, capacity: &Capacity) -> Option<Utilization> {
    let above = above(pool, capacity);
    let first_greatest = |best: Utilization, next: Utilization| {
        if agents_for(pool, next) > agents_for(pool, best) { next } else { best }
    };
    above.into_iter().reduce(first_greatest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster::{Cluster, policy, resources};
    use shared::contract::AgentState;

    #[test]
    fn any_use_without_an_agent_is_above_the_threshold() {
        // U1: T = 0. 6 of 8 cpus are 75 %, 6 of 4 are 150 %.
        let cluster = Cluster::of(2, resources(4, 14_000)).running("/a", 6, resources(1, 1_000));
        let cluster = cluster.with_state(0, AgentState::Draining).with_state(1, AgentState::Draining);
        let (snapshot, policy) = (cluster.snapshot(), policy("new_agent = { cpus = 4, mem = 14000 }").unwrap());
        let pool = Pool::new(&snapshot, &policy);
        let (capacity, step) = scale_up(&pool, pool.observed());
        assert_eq!(capacity.added, 2);
        assert_eq!(step.reason, "cpus (6 used of none) is above 80 %: adds 2 agents, then cpus 75 %");
    }

    #[test]
    fn agents_that_scale_down_took_come_back_before_new_ones() {
        // U1: 7 of 8 cpus are 87.5 %, 7 of 12 are 58.3 %.
        let cluster = Cluster::of(3, resources(4, 14_000)).running("/a", 7, resources(1, 1_000));
        let (snapshot, policy) = (cluster.snapshot(), policy("").unwrap());
        let pool = Pool::new(&snapshot, &policy);
        let (capacity, step) = scale_up(&pool, pool.capacity(1, 0));
        assert_eq!((capacity.removed, capacity.added), (0, 0));
        assert_eq!(step.reason, "cpus 87.5 % is above 80 %: takes back 1 agent that D took out");
        // Of two that were taken out, one is enough.
        let snapshot = cluster.and(1, resources(4, 14_000)).snapshot();
        let pool = Pool::new(&snapshot, &policy);
        let (capacity, step) = scale_up(&pool, pool.capacity(2, 0));
        assert_eq!(capacity.removed, 1);
        assert_eq!(step.reason, "cpus 87.5 % is above 80 %: takes back 1 agent that D took out");
    }

    #[test]
    fn what_asks_for_most_agents_is_named_and_of_equals_the_first() {
        // U1: both are full.
        let snapshot = Cluster::of(2, resources(4, 14_000)).running("/a", 2, resources(4, 14_000)).snapshot();
        let reason = |settings: &str| {
            let policy = policy(settings).unwrap();
            let pool = Pool::new(&snapshot, &policy);
            scale_up(&pool, pool.observed()).1.reason
        };
        assert_eq!(reason(""), "cpus 100 % is above 80 %: adds 1 agent, then cpus 66.7 %");
        let little_mem = reason("new_agent = { cpus = 4, mem = 2000 }");
        assert_eq!(little_mem, "mem 100 % is above 80 %: adds 4 agents, then mem 77.8 %");
    }
}
