//! L: limits.

use jiff::Timestamp;
use shared::clause::Clause;
use shared::contract::{CompletenessLevel, ScalingState, Step};

use super::capacity::{Capacity, Pool, count, counted, step};

/// What D, H and U made of the pool.
pub(super) struct Wanted {
    pub(super) after_scale_down: Capacity,
    pub(super) is_kept_by_min: bool,
    pub(super) capacity: Capacity,
}

/// What is left of it within the limits.
pub(super) struct Limited {
    pub(super) delta: i32,
    /// How many agents leave: `-delta` where that is positive.
    pub(super) removed: usize,
    pub(super) state: ScalingState,
    pub(super) step: Step,
}

/// The change, on its way through the limits.
struct Change {
    delta: i64,
    clause: Clause,
    reasons: Vec<String>,
    /// Whether nothing may be changed at all (L0, L3).
    is_held: bool,
    /// Whether `max` kept agents back that were wanted.
    is_kept_by_max: bool,
}

/// L1 to L4.
pub(super) fn limit(pool: &Pool<'_>, wanted: &Wanted, now: Timestamp) -> Limited {
    let mut change = Change {
        delta: i64::from(wanted.capacity.added) - i64::from(count(wanted.capacity.removed)),
        clause: Clause::L1,
        reasons: Vec::new(),
        is_held: false,
        is_kept_by_max: false,
    };
    keep_within_min_and_max(pool, wanted, &mut change);
    keep_within_steps(pool, &mut change);
    hold_what_may_not_be_done(pool, &mut change);
    hold_while_paused(pool, now, &mut change);

    // Below zero it is no more than the agents that are named.
    let delta = i32::try_from(change.delta).unwrap_or(i32::MAX);
    let state = state(wanted, &change);
    if change.reasons.is_empty() {
        change.reasons.push(within(pool, &change));
    }
    let after = pool.agents().saturating_add_signed(delta);
    Limited {
        delta,
        removed: usize::try_from(delta.min(0).unsigned_abs()).unwrap_or(usize::MAX),
        state,
        step: step(change.clause, wanted.capacity.agents, after, change.reasons.join("; ")),
    }
}

impl Change {
    fn becomes(&mut self, delta: i64, clause: Clause, reason: String) {
        self.delta = delta;
        self.clause = clause;
        self.reasons.push(reason);
    }
}

/// L1: recovered agents are about to return, so they count towards `min`, but no task can be given to them yet.
fn keep_within_min_and_max(pool: &Pool<'_>, wanted: &Wanted, change: &mut Change) {
    let agents = i64::from(pool.agents());
    let recovered = i64::from(pool.snapshot.agents.recovered);
    let target = agents + change.delta;
    if let Some(max) = pool.policy.limits.max.filter(|max| target > i64::from(*max)) {
        // Agents that D left in the pool were not asked for by H or U.
        change.is_kept_by_max = wanted.capacity.agents > wanted.after_scale_down.agents;
        change.becomes(i64::from(max) - agents, Clause::L1, format!("{} wanted, max is {max}", counted_agents(target)));
    }
    let min = i64::from(pool.policy.limits.min);
    if agents + recovered + change.delta < min {
        let have = counted_agents(agents + change.delta);
        change.becomes(min - agents - recovered, Clause::L1, format!("{have}{}, min is {min}", returning(pool)));
    }
}

/// L2: how far one decision may go.
fn keep_within_steps(pool: &Pool<'_>, change: &mut Change) {
    if pool.policy.source.moves_by_one() && change.delta.abs() > 1 {
        let (more, delta) = (if change.delta.is_positive() { "more" } else { "fewer" }, change.delta.signum());
        let reason = format!("{} {more} wanted, one at a time by CPU utilization", change.delta.abs());
        change.becomes(delta, Clause::L2, reason);
    }
    let step = i64::from(pool.policy.limits.max_scale_up_step);
    if change.delta > step {
        let reason = format!("{} more wanted, max_scale_up_step is {step}", change.delta);
        change.becomes(step, Clause::L2, reason);
    }
    let step = i64::from(pool.scale_down_step());
    if -change.delta > step {
        let reason = match pool.snapshot.agents.decommissioning() {
            0 => format!("{} fewer wanted, max_scale_down_step is {step}", -change.delta),
            leaving => format!(
                "{} fewer wanted, max_scale_down_step is {} and {leaving} leaving already",
                -change.delta, pool.policy.limits.max_scale_down_step
            ),
        };
        change.becomes(-step, Clause::L2, reason);
    }
    keep_to_candidates(pool, change);
}

/// L2: a decision names every agent that is to leave, so it cannot take more than are named to it. Of a pool that is no
/// part of a Mesos cluster nobody can name any.
fn keep_to_candidates(pool: &Pool<'_>, change: &mut Change) {
    if !pool.policy.source.needs_masters() {
        return;
    }
    let Ok(fewer) = usize::try_from(-change.delta) else { return };
    if fewer > pool.removable_count() {
        let named = count(pool.removable_count());
        let reason =
            format!("only {} can be chosen: the others run protected tasks or are not named", counted(named, "agent"));
        change.becomes(-i64::from(named), Clause::L2, reason);
    }
    let Ok(named) = usize::try_from(-change.delta) else { return };
    if let Some(limit) = pool.policy.limits.max_scale_down_tasks
        && pool.moves_too_many_tasks(named)
    {
        let allowed = (0..named).rev().find(|removed| !pool.moves_too_many_tasks(*removed)).unwrap_or_default();
        let reason = format!(
            "{} would have to move, max_scale_down_tasks is {limit}",
            counted(pool.moving_tasks(named), "task")
        );
        change.becomes(-i64::from(count(allowed)), Clause::L2, reason);
    }
}

/// L3: what cannot be seen is not acted upon.
fn hold_what_may_not_be_done(pool: &Pool<'_>, change: &mut Change) {
    let completeness = &pool.snapshot.completeness;
    let what = match completeness.level {
        CompletenessLevel::Partial if change.delta < 0 => "no agent is taken out",
        CompletenessLevel::Blind => "nothing is changed",
        _ => return,
    };
    let cause = completeness.reasons.first().map(|reason| format!(" ({reason})")).unwrap_or_default();
    change.is_held = true;
    change.becomes(0, Clause::L3, format!("the snapshot is {}{cause}: {what}", completeness.level.name()));
}

/// L0: the other steps are reported all the same, so that one sees what the pause holds back.
fn hold_while_paused(pool: &Pool<'_>, now: Timestamp, change: &mut Change) {
    if let Some(until) = pool.policy.timing.pause_until.filter(|_| pool.policy.timing.is_paused(now)) {
        change.is_held = true;
        change.becomes(0, Clause::L0, format!("paused until {}: nothing is changed", shared::time::format(until)));
    }
}

/// L4
const fn state(wanted: &Wanted, change: &Change) -> ScalingState {
    let is_kept_by_min = wanted.is_kept_by_min && wanted.capacity.agents == wanted.after_scale_down.agents;
    if change.is_held {
        ScalingState::Held
    } else if change.is_kept_by_max {
        ScalingState::MaxLimit
    } else if is_kept_by_min && change.delta <= 0 {
        ScalingState::MinLimit
    } else {
        match change.delta {
            0 => ScalingState::Normal,
            1.. => ScalingState::ScaleUp,
            _ => ScalingState::ScaleDown,
        }
    }
}

fn within(pool: &Pool<'_>, change: &Change) -> String {
    let target = counted_agents(i64::from(pool.agents()) + change.delta);
    let (returning, min) = (returning(pool), pool.policy.limits.min);
    match pool.policy.limits.max {
        Some(max) => format!("{target}{returning}, within min {min} and max {max}"),
        None => format!("{target}{returning}, not below min {min}"),
    }
}

fn returning(pool: &Pool<'_>) -> String {
    match pool.snapshot.agents.recovered {
        0 => String::new(),
        recovered => format!(" and {recovered} about to return"),
    }
}

fn counted_agents(agents: i64) -> String {
    counted(agents.unsigned_abs(), if agents < 0 { "agents below none" } else { "agent" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster::{Cluster, NOON, policy, resources};
    use shared::contract::ClusterSnapshot;

    /// What the limits make of a pool of so many agents, `removed` of which D took out, and `added` H and U want.
    fn limited(agents: usize, removed: usize, added: u32, settings: &str) -> (i32, ScalingState) {
        let snapshot = Cluster::of(agents, resources(4, 14_000)).snapshot();
        let policy = policy(settings).unwrap();
        let pool = Pool::new(&snapshot, &policy);
        let wanted = Wanted {
            after_scale_down: pool.capacity(removed, 0),
            is_kept_by_min: false,
            capacity: pool.capacity(removed, added),
        };
        let limited = limit(&pool, &wanted, NOON);
        (limited.delta, limited.state)
    }

    #[test]
    fn steps_limit_what_min_and_max_leave() {
        // L1, L2
        assert_eq!(limited(2, 0, 0, "min = 20\nmax_scale_up_step = 5"), (5, ScalingState::ScaleUp));
        assert_eq!(limited(9, 0, 0, "max = 4\nmax_scale_down_step = 3"), (-3, ScalingState::ScaleDown));
        assert_eq!(limited(9, 0, 0, "max = 4\nmax_scale_down_step = 9"), (-5, ScalingState::ScaleDown));
    }

    #[test]
    fn what_was_there_and_wanted_is_told() {
        // L1
        let told = |agents: usize, recovered: u32, (removed, added): (usize, u32), settings: &str| {
            let mut snapshot = Cluster::of(agents, resources(4, 14_000)).snapshot();
            snapshot.agents.recovered = recovered;
            let policy = policy(settings).unwrap();
            let pool = Pool::new(&snapshot, &policy);
            let (after_scale_down, capacity) = (pool.observed(), pool.capacity(removed, added));
            let Limited { delta, step: Step { clause, reason, .. }, .. } =
                limit(&pool, &Wanted { after_scale_down, is_kept_by_min: false, capacity }, NOON);
            format!("{clause} {delta:+}: {reason}")
        };
        assert_eq!(told(5, 0, (0, 3), "max = 6"), "L1 +1: 8 agents wanted, max is 6");
        assert_eq!(told(2, 1, (0, 3), "min = 8"), "L1 +5: 5 agents and 1 about to return, min is 8");
        // L2: just as many as a step allows are no more.
        assert_eq!(told(5, 0, (0, 3), "max_scale_up_step = 3"), "L1 +3: 8 agents, not below min 1");
        assert_eq!(told(5, 0, (3, 0), "max_scale_down_step = 3"), "L1 -3: 2 agents, not below min 1");
        assert_eq!(told(5, 0, (0, 3), "max_scale_up_step = 2"), "L2 +2: 3 more wanted, max_scale_up_step is 2");
        assert_eq!(told(5, 0, (3, 0), "max_scale_down_step = 2"), "L2 -2: 3 fewer wanted, max_scale_down_step is 2");
    }

    #[test]
    fn too_many_agents_go_only_as_far_as_they_may_be_chosen() {
        // L2: five agents with two tasks each, and max is 1.
        let mut snapshot = Cluster::of(5, resources(4, 14_000)).running("/a", 10, resources(1, 1_000)).snapshot();
        let told = |snapshot: &ClusterSnapshot, settings: &str| {
            let policy = policy(&format!("max = 1\nmax_scale_down_step = 9\n{settings}")).unwrap();
            let pool = Pool::new(snapshot, &policy);
            let wanted = Wanted { after_scale_down: pool.observed(), is_kept_by_min: false, capacity: pool.observed() };
            let Limited { delta, step, .. } = limit(&pool, &wanted, NOON);
            (delta, step.reason)
        };
        assert_eq!(told(&snapshot, ""), (-4, "5 agents wanted, max is 1".to_owned()));
        assert_eq!(told(&snapshot, "max_scale_down_tasks = 8").0, -4);
        let (delta, reason) = told(&snapshot, "max_scale_down_tasks = 5");
        assert_eq!(delta, -2, "two agents have 4 tasks, three have 6");
        assert!(reason.ends_with("; 8 tasks would have to move, max_scale_down_tasks is 5"), "{reason}");
        snapshot.scale_down_candidates.iter_mut().skip(1).for_each(|candidate| candidate.protected = true);
        let (delta, reason) = told(&snapshot, "");
        assert_eq!(delta, -1);
        assert!(
            reason.ends_with("; only 1 agent can be chosen: the others run protected tasks or are not named"),
            "{reason}"
        );
        assert_eq!(told(&snapshot, "max_scale_down_tasks = 1").0, 0);
    }

    #[test]
    fn the_state_says_whether_max_kept_agents_that_were_wanted() {
        // L4: with a delta of either sign, but not for agents that are merely still there.
        assert_eq!(limited(5, 0, 3, "max = 6"), (1, ScalingState::MaxLimit));
        assert_eq!(limited(5, 0, 3, "max = 5"), (0, ScalingState::MaxLimit));
        assert_eq!(limited(5, 0, 3, "max = 4"), (-1, ScalingState::MaxLimit));
        assert_eq!(limited(5, 0, 1, "max = 6"), (1, ScalingState::ScaleUp));
        assert_eq!(limited(9, 1, 0, "max = 6\nmax_scale_down_step = 2"), (-2, ScalingState::ScaleDown));
    }
}
