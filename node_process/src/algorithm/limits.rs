//! L: limits.

pub(super) mod reason;

use jiff::Timestamp;
use shared::clause::Clause;
use shared::contract::{CompletenessLevel, ScalingState};
use shared::count::saturated;

use super::capacity::{Capacity, Pool};
use super::numbers::agent_count;
use super::ruling::{Reason, Ruling};
use super::words::Incomplete;
use reason::{Limit, Limited, LimitsReason};

/// The change in the number of agents, on its way through the limits.
struct Change {
    delta: i64,
    clause: Clause,
    limited: Vec<Limited>,
}

/// L1 to L3: what the limits leave of what the rules require.
pub(super) fn limit(pool: &Pool<'_>, rulings: &[Ruling], now: Timestamp) -> Ruling {
    let required = required(pool, rulings);
    let mut change = Change::of(&required);
    keep_within_min_and_max(pool, &mut change);
    keep_to_one(pool, &mut change);
    keep_within_steps(pool, &mut change);
    hold_while_incomplete(pool, &mut change);
    hold_while_paused(pool, now, &mut change);

    let reason = if change.limited.is_empty() { within(pool) } else { LimitsReason::Limited(change.limited) };
    // Below zero it is no more than the agents that are named.
    let removed = usize::try_from(change.delta.min(0).unsigned_abs()).unwrap_or(usize::MAX);
    let added = agent_count(change.delta.max(0).unsigned_abs().into());
    Ruling::new(change.clause, required, pool.capacity(removed, added), reason)
}

/// L5: how many agents to add, were it not for the step limit.
pub(super) fn wanted(pool: &Pool<'_>, rulings: &[Ruling], now: Timestamp) -> u32 {
    let mut change = Change::of(&required(pool, rulings));
    keep_within_min_and_max(pool, &mut change);
    keep_to_one(pool, &mut change);
    hold_while_incomplete(pool, &mut change);
    hold_while_paused(pool, now, &mut change);
    agent_count(change.delta.max(0).unsigned_abs().into())
}

/// L4
pub(super) fn state(pool: &Pool<'_>, rulings: &[Ruling], limited: &Ruling) -> ScalingState {
    let Reason::Limits(reason) = &limited.reason else { return ScalingState::Normal };
    let required = required(pool, rulings).agents;
    // What D left in the pool, no rule asked for.
    let fewest = rulings.iter().map(Ruling::agents_after).fold(pool.agents(), u32::min);
    let is_held = reason.limits().any(|limit| matches!(limit, Limit::Incomplete(_) | Limit::Paused { .. }));
    let is_max = reason.limits().any(|limit| matches!(limit, Limit::Max(_))) && required > fewest;
    let is_min = rulings.iter().any(|ruling| ruling.reason.is_min()) && required == fewest;
    let Capacity { removed, added, .. } = limited.capacity;
    if is_held {
        ScalingState::Held
    } else if is_max {
        ScalingState::MaxLimit
    } else if is_min && added == 0 {
        ScalingState::MinLimit
    } else if added > 0 {
        ScalingState::ScaleUp
    } else if removed > 0 {
        ScalingState::ScaleDown
    } else {
        ScalingState::Normal
    }
}

/// What the last rule made of the pool.
fn required(pool: &Pool<'_>, rulings: &[Ruling]) -> Capacity {
    rulings.last().map_or_else(|| pool.observed(), |ruling| ruling.capacity)
}

impl Change {
    fn of(required: &Capacity) -> Self {
        let delta = i64::from(required.added) - i64::from(saturated(required.removed));
        Self { delta, clause: Clause::L1, limited: Vec::new() }
    }

    fn becomes(&mut self, delta: i64, clause: Clause, by: Limit) {
        self.limited.push(Limited { from: self.delta, to: delta, by });
        self.delta = delta;
        self.clause = clause;
    }
}

/// L1: recovered and disconnected agents are expected to return, so they count towards `min`, but no task can be given to them
/// yet.
fn keep_within_min_and_max(pool: &Pool<'_>, change: &mut Change) {
    let agents = i64::from(pool.agents());
    let recovered = pool.snapshot.agents.returning();
    let target = agents + change.delta;
    if let Some(max) = pool.policy.limits.max.filter(|max| target > i64::from(*max)) {
        change.becomes(i64::from(max) - agents, Clause::L1, Limit::Max(max));
    }
    let min = i64::from(pool.policy.limits.min);
    if agents + i64::from(recovered) + change.delta < min {
        let limit = Limit::Min { min: pool.policy.limits.min, recovered };
        change.becomes(min - agents - i64::from(recovered), Clause::L1, limit);
    }
}

/// L2: a pool of CloudWatch moves by one agent.
fn keep_to_one(pool: &Pool<'_>, change: &mut Change) {
    if pool.policy.source.moves_by_one() && change.delta.abs() > 1 {
        change.becomes(change.delta.signum(), Clause::L2, Limit::CloudWatch);
    }
}

/// L2: how far one decision may go.
fn keep_within_steps(pool: &Pool<'_>, change: &mut Change) {
    let step = i64::from(pool.scale_up_step());
    if change.delta > step {
        change.becomes(step, Clause::L2, Limit::ScaleUpStep(pool.policy.limits.max_scale_up_step));
    }
    let step = pool.scale_down_step();
    if -change.delta > i64::from(step.agents) {
        change.becomes(-i64::from(step.agents), Clause::L2, Limit::ScaleDownStep(step.reason));
    }
    // Where no agent is named, the group chooses.
    if pool.policy.source.names_agents() {
        keep_to_candidates(pool, change);
    }
}

/// L2: a decision names every agent that it removes, so it cannot remove more than the snapshot names.
fn keep_to_candidates(pool: &Pool<'_>, change: &mut Change) {
    let Ok(fewer) = usize::try_from(-change.delta) else { return };
    if fewer > pool.removable_count() {
        change.becomes(-i64::from(saturated(pool.removable_count())), Clause::L2, Limit::Candidates);
    }
    let Ok(named) = usize::try_from(-change.delta) else { return };
    if let Some(max) = pool.policy.limits.max_scale_down_tasks
        && pool.moves_too_many_tasks(named)
    {
        let allowed = (0..named).rev().find(|removed| !pool.moves_too_many_tasks(*removed)).unwrap_or_default();
        let limit = Limit::ScaleDownTasks { max, moving: pool.moving_tasks(named) };
        change.becomes(-i64::from(saturated(allowed)), Clause::L2, limit);
    }
}

/// L3: what the snapshot may miss is not acted upon.
fn hold_while_incomplete(pool: &Pool<'_>, change: &mut Change) {
    if let Some(incomplete) = Incomplete::of(pool)
        && (incomplete.level == CompletenessLevel::Blind || change.delta < 0)
    {
        change.becomes(0, Clause::L3, Limit::Incomplete(incomplete));
    }
}

/// L0: the other steps are reported all the same, so that one sees what the pause holds back.
fn hold_while_paused(pool: &Pool<'_>, now: Timestamp, change: &mut Change) {
    if let Some(until) = pool.policy.timing.pause_until.filter(|_| pool.policy.timing.is_paused(now)) {
        change.becomes(0, Clause::L0, Limit::Paused { until });
    }
}

const fn within(pool: &Pool<'_>) -> LimitsReason {
    LimitsReason::Within {
        min: pool.policy.limits.min,
        max: pool.policy.limits.max,
        recovered: pool.snapshot.agents.returning(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::cpu::reason::{CpuLevel, CpuReason, Effect};
    use super::super::step::{StepBy, StepReason};
    use super::*;
    use cluster::{Cluster, NOON, policy, resources};
    use shared::config::StepLimit;
    use shared::contract::ClusterSnapshot;

    /// Rulings after which `removed` agents are removed, and `added` are added.
    fn rulings(pool: &Pool<'_>, removed: usize, added: u32) -> Vec<Ruling> {
        let reason = CpuReason { level: CpuLevel::Unknown, effect: Effect::NoChange };
        let (observed, down) = (pool.observed(), pool.capacity(removed, 0));
        vec![
            Ruling::new(Clause::D2, observed, down, reason),
            Ruling::new(Clause::H4, down, pool.capacity(removed, added), reason),
        ]
    }

    fn delta(ruling: &Ruling) -> i64 {
        i64::from(ruling.capacity.added) - i64::from(saturated(ruling.capacity.removed))
    }

    /// What the limits make of a pool of so many agents, of which D removed `removed` and H and U add `added`.
    fn limited(agents: usize, removed: usize, added: u32, settings: &str) -> (i64, ScalingState) {
        let snapshot = Cluster::of(agents, resources(4, 14_000)).snapshot();
        let policy = policy(settings).unwrap();
        let pool = Pool::new(&snapshot, &policy);
        let rulings = rulings(&pool, removed, added);
        let limited = limit(&pool, &rulings, NOON);
        (delta(&limited), state(&pool, &rulings, &limited))
    }

    /// The limits that changed it, with the change before and after each.
    fn limits_of(snapshot: &ClusterSnapshot, (removed, added): (usize, u32), settings: &str) -> (Clause, Vec<Limited>) {
        let policy = policy(settings).unwrap();
        let pool = Pool::new(snapshot, &policy);
        let ruling = limit(&pool, &rulings(&pool, removed, added), NOON);
        match ruling.reason {
            Reason::Limits(LimitsReason::Limited(limited)) => (ruling.clause, limited),
            Reason::Limits(LimitsReason::Within { .. }) => (ruling.clause, Vec::new()),
            other => panic!("{other:?}"),
        }
    }

    fn change(from: i64, to: i64, by: Limit) -> Vec<Limited> {
        vec![Limited { from, to, by }]
    }

    #[test]
    fn steps_limit_what_min_and_max_leave_l1_l2() {
        assert_eq!(limited(2, 0, 0, "min = 20\nmax_scale_up_step = 5"), (5, ScalingState::ScaleUp));
        assert_eq!(limited(9, 0, 0, "max = 4\nmax_scale_down_step = 3"), (-3, ScalingState::ScaleDown));
        assert_eq!(limited(9, 0, 0, "max = 4\nmax_scale_down_step = 9"), (-5, ScalingState::ScaleDown));
    }

    #[test]
    fn each_limit_says_what_it_limits_l1_l2() {
        let limits = |agents: usize, recovered: u32, rules: (usize, u32), settings: &str| {
            let mut snapshot = Cluster::of(agents, resources(4, 14_000)).snapshot();
            snapshot.agents.recovered = recovered;
            limits_of(&snapshot, rules, settings)
        };
        assert_eq!(limits(5, 0, (0, 3), "max = 6"), (Clause::L1, change(3, 1, Limit::Max(6))));
        let min = Limit::Min { min: 8, recovered: 1 };
        assert_eq!(limits(2, 1, (0, 3), "min = 8"), (Clause::L1, change(3, 5, min)));
        // Just as many as a step allows are no more.
        assert_eq!(limits(5, 0, (0, 3), "max_scale_up_step = 3"), (Clause::L1, Vec::new()));
        assert_eq!(limits(5, 0, (3, 0), "max_scale_down_step = 3"), (Clause::L1, Vec::new()));
        assert_eq!(
            limits(5, 0, (0, 3), "max_scale_up_step = 2"),
            (Clause::L2, change(3, 2, Limit::ScaleUpStep(StepLimit::Agents(2))))
        );
        let reason = StepReason { max: StepLimit::Agents(2), by: StepBy::Setting, decommissioning: 0 };
        let step = Limit::ScaleDownStep(reason);
        assert_eq!(limits(5, 0, (3, 0), "max_scale_down_step = 2"), (Clause::L2, change(-3, -2, step)));
    }

    #[test]
    fn no_more_agents_are_removed_than_are_candidates_l2() {
        // Five agents with two tasks each, and max is 1.
        let mut snapshot = Cluster::of(5, resources(4, 14_000)).running("/a", 10, resources(1, 1_000)).snapshot();
        let limits = |snapshot: &ClusterSnapshot, settings: &str| {
            limits_of(snapshot, (0, 0), &format!("max = 1\nmax_scale_down_step = 9\n{settings}")).1
        };
        let max = change(0, -4, Limit::Max(1));
        let and = |next: Limited| [max.clone(), vec![next]].concat();
        assert_eq!(limits(&snapshot, ""), max);
        assert_eq!(limits(&snapshot, "max_scale_down_tasks = 8"), max);
        // Two agents have 4 tasks, three have 6.
        let tasks = Limited { from: -4, to: -2, by: Limit::ScaleDownTasks { max: 5, moving: 8 } };
        assert_eq!(limits(&snapshot, "max_scale_down_tasks = 5"), and(tasks));
        snapshot.scale_down_candidates.iter_mut().skip(1).for_each(|candidate| candidate.protected = true);
        let candidates = Limited { from: -4, to: -1, by: Limit::Candidates };
        assert_eq!(limits(&snapshot, ""), and(candidates));
        let last = limits(&snapshot, "max_scale_down_tasks = 1").pop().unwrap();
        assert_eq!(last, Limited { from: -1, to: 0, by: Limit::ScaleDownTasks { max: 1, moving: 2 } });
    }

    #[test]
    fn max_is_the_state_where_it_keeps_agents_that_are_needed_l4() {
        // With a delta of either sign, but not for agents that are merely still there.
        assert_eq!(limited(5, 0, 3, "max = 6"), (1, ScalingState::MaxLimit));
        assert_eq!(limited(5, 0, 3, "max = 5"), (0, ScalingState::MaxLimit));
        assert_eq!(limited(5, 0, 3, "max = 4"), (-1, ScalingState::MaxLimit));
        assert_eq!(limited(5, 0, 1, "max = 6"), (1, ScalingState::ScaleUp));
        assert_eq!(limited(9, 1, 0, "max = 6\nmax_scale_down_step = 2"), (-2, ScalingState::ScaleDown));
    }
}
