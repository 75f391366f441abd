//! D: scale down by percent.

use shared::clause::Clause;
use shared::config::HeadroomPlacement;
use shared::contract::{CompletenessLevel, Step};
use shared::resources::Kind;

use super::capacity::{Capacity, Pool, Utilization, count, counted, step};
use super::packing;

/// What D made of the pool.
pub(super) struct ScaledDown {
    pub(super) capacity: Capacity,
    pub(super) step: Step,
    /// Whether `min` alone kept the next agent (L4).
    pub(super) is_kept_by_min: bool,
}

/// Why D takes out no further agent.
enum Stop {
    NotComplete,
    Empty,
    NotUnder(Utilization),
    NoCandidate,
    Min,
    Step,
    Tasks { moving: u64, limit: u32 },
    WouldRise(Utilization),
    NoRoom,
}

/// D2: takes out one agent after another, the least loaded first, until something stops it.
pub(super) fn scale_down(pool: &Pool<'_>) -> ScaledDown {
    let mut removed = 0;
    let stop = loop {
        match stop_before(pool, removed) {
            Some(stop) => break stop,
            None => removed += 1,
        }
    };
    let capacity = pool.capacity(removed, 0);
    let step = step(clause(removed, &stop), pool.agents(), capacity.agents, reason(pool, removed, &stop));
    ScaledDown { capacity, step, is_kept_by_min: matches!(stop, Stop::Min) }
}

/// Whether anything forbids one agent less than these; the order is that of the page.
fn stop_before(pool: &Pool<'_>, removed: usize) -> Option<Stop> {
    let now = pool.capacity(removed, 0);
    let then = pool.capacity(removed + 1, 0);
    // D4
    if pool.snapshot.completeness.level != CompletenessLevel::Complete {
        return Some(Stop::NotComplete);
    }
    // D5
    if now.agents == 0 || pool.considered().all(|kind| now.total.get(kind).is_zero()) {
        return Some(Stop::Empty);
    }
    // D1
    if let Some(utilization) = not_under(pool, &now) {
        return Some(Stop::NotUnder(utilization));
    }
    // D2, D3
    if removed >= pool.removable_count() {
        return Some(Stop::NoCandidate);
    }
    if then.agents < pool.policy.limits.min {
        return Some(Stop::Min);
    }
    if count(removed + 1) > pool.scale_down_step() {
        return Some(Stop::Step);
    }
    if let Some(limit) = pool.policy.limits.max_scale_down_tasks
        && pool.moves_too_many_tasks(removed + 1)
    {
        return Some(Stop::Tasks { moving: pool.moving_tasks(removed + 1), limit });
    }
    if let Some(utilization) = risen(pool, &then) {
        return Some(Stop::WouldRise(utilization));
    }
    let has_room =
        pool.policy.headroom.placement == HeadroomPlacement::Sum || packing::moved_tasks_have_room(pool, &then);
    (!has_room).then_some(Stop::NoRoom)
}

/// D1: the highest considered resource, of those there are, that is not below the threshold.
fn not_under(pool: &Pool<'_>, capacity: &Capacity) -> Option<Utilization> {
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
    pool.considered().map(|kind: Kind| capacity.utilization(pool, kind))
}

const fn clause(removed: usize, stop: &Stop) -> Clause {
    match stop {
        Stop::NotComplete => Clause::D4,
        _ if removed > 0 => Clause::D2,
        Stop::Empty => Clause::D5,
        Stop::NotUnder(_) => Clause::D1,
        _ => Clause::D3,
    }
}

fn reason(pool: &Pool<'_>, removed: usize, stop: &Stop) -> String {
    match (removed, stop) {
        (0, Stop::NotComplete | Stop::Empty | Stop::NotUnder(_)) => obstacle(pool, removed, stop),
        (0, _) => format!("{}, but {}", under(pool), obstacle(pool, removed, stop)),
        _ => format!("{}: takes out {}; then {}", under(pool), names(pool, removed), obstacle(pool, removed, stop)),
    }
}

/// The highest of what is considered stands for all.
fn under(pool: &Pool<'_>) -> String {
    let threshold = pool.policy.thresholds.scale_down_percent;
    match pool.observed().highest(pool) {
        Some(highest) => format!("{} is below {threshold} %", highest.beside(threshold)),
        None => format!("the pool is below {threshold} %"),
    }
}

fn obstacle(pool: &Pool<'_>, removed: usize, stop: &Stop) -> String {
    let policy = pool.policy;
    match stop {
        Stop::NotComplete => {
            let completeness = &pool.snapshot.completeness;
            let cause = completeness.reasons.first().map(|reason| format!(" ({reason})")).unwrap_or_default();
            format!("the snapshot is {}{cause}: no agent is taken out", completeness.level.name())
        }
        Stop::Empty if pool.agents() == 0 => "there is no usable agent to take out".to_owned(),
        Stop::Empty if pool.capacity(removed, 0).agents == 0 => "no agent is left".to_owned(),
        Stop::Empty => "no agent is left that has any of what is considered".to_owned(),
        Stop::NotUnder(utilization) => {
            let threshold = policy.thresholds.scale_down_percent;
            format!("{} is not below {threshold} %", utilization.beside(threshold))
        }
        Stop::NoCandidate => {
            "no further agent can be chosen: those left run protected tasks or are not named".to_owned()
        }
        Stop::Min => format!("min is {}", policy.limits.min),
        Stop::Step => format!(
            "max_scale_down_step is {}{}",
            policy.limits.max_scale_down_step,
            match pool.snapshot.agents.decommissioning() {
                0 => String::new(),
                leaving => format!(" and {} leaving already", counted_are(leaving)),
            }
        ),
        Stop::Tasks { moving, limit } => format!(
            "with {} {} would have to move, max_scale_down_tasks is {limit}",
            if removed == 0 { "the next agent" } else { "one agent more" },
            counted(*moving, "task")
        ),
        Stop::WouldRise(utilization) => {
            let threshold = policy.thresholds.scale_up_percent;
            format!("one agent less would bring {}, above {threshold} %", utilization.beside(threshold))
        }
        Stop::NoRoom => format!(
            "with {} its tasks, and those that must move anyway, would not all have room on single agents that stay",
            if removed == 0 { "the next agent" } else { "one agent more" },
        ),
    }
}

fn counted_are(agents: u32) -> String {
    format!("{} {}", counted(agents, "agent"), if agents == 1 { "is" } else { "are" })
}

/// The agents by name, where they are few.
fn names(pool: &Pool<'_>, removed: usize) -> String {
    const FEW: usize = 3;
    let mut names: Vec<&str> = pool.removable(removed).take(FEW).map(|candidate| candidate.hostname.as_str()).collect();
    if removed > FEW {
        names.push("...");
    }
    format!("{} ({})", counted(count(removed), "agent"), names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster::{Cluster, policy, resources};
    use shared::contract::AgentState;

    fn removed(cluster: &Cluster, settings: &str) -> (usize, String) {
        let (snapshot, policy) = (cluster.snapshot(), policy(settings).unwrap());
        let scaled = scale_down(&Pool::new(&snapshot, &policy));
        (scaled.capacity.removed, scaled.step.reason)
    }

    #[test]
    fn what_stops_first_is_named() {
        // D3: min, step, tasks, threshold, in this order.
        let cluster = Cluster::of(4, resources(4, 14_000)).running("/a", 7, resources(1, 1_000));
        let all = "min = 4\nmax_scale_down_tasks = 0\nscale_up_threshold_percent = 51";
        assert_eq!(removed(&cluster, all).1, "cpus 43.8 % is below 50 %, but min is 4");
        let next = all.replace("min = 4", "min = 3");
        assert_eq!(
            removed(&cluster, &next).1,
            "cpus 43.8 % is below 50 %, but with the next agent 1 task would have to move, max_scale_down_tasks is 0"
        );
        let next = next.replace("tasks = 0", "tasks = 1");
        assert_eq!(
            removed(&cluster, &next).1,
            "cpus 43.8 % is below 50 %, but one agent less would bring cpus 58.3 %, above 51 %"
        );
        assert_eq!(removed(&cluster, "").0, 1);
    }

    #[test]
    fn only_active_and_unprotected_agents_are_taken_out() {
        // D3: one of the three is protected, one is on its way out already.
        let mut cluster = Cluster::of(3, resources(4, 14_000)).with_state(2, AgentState::Draining);
        cluster.protect(0);
        let (removed, reason) = removed(&cluster, "min = 0\nmax_scale_down_step = 9");
        assert_eq!(removed, 1);
        assert!(
            reason.starts_with("cpus 0 % is below 50 %: takes out 1 agent (agent-1); then no further agent"),
            "{reason}"
        );
    }

    #[test]
    fn a_kind_that_the_pool_has_not_is_not_judged() {
        // D1, D5: no agent has gpus.
        let idle = Cluster::of(3, resources(4, 14_000));
        assert_eq!(removed(&idle, r#"resources = ["cpus", "gpus"]"#).0, 1);
        assert_eq!(removed(&idle, r#"resources = ["gpus"]"#).1, "no agent is left that has any of what is considered");
    }
}
