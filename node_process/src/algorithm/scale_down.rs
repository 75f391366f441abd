//! D: scale down by percent.

pub(super) mod reason;

use shared::clause::Clause;
use shared::count::saturated;
use shared::resources::Resources;

use super::capacity::{Capacity, Pool, ScaleDownStep};
use super::growth;
use super::headroom;
use super::needed;
use super::numbers::last;
use super::ruling::Ruling;
use super::utilization::Utilization;
use super::words::Incomplete;
use reason::{ScaleDownReason, Stop};

/// D2: removes one agent after another, the least loaded first, until something stops it.
pub(super) fn scale_down(pool: &Pool<'_>, before: Capacity) -> Ruling {
    let load = pool.load + headroom::queued(pool);
    let step = pool.scale_down_step();
    let mut removed = before.removed;
    let stop = loop {
        match stop_before(pool, &load, &step, removed) {
            Some(stop) => break stop,
            None => removed += 1,
        }
    };
    let (removed, stop) = with_room(pool, removed, stop);
    let (removed, stop) = with_margin(pool, removed, stop);
    let (removed, stop) = without_crowding(pool, removed, stop);
    let clause = clause(removed, &stop);
    let reason = ScaleDownReason {
        highest: pool.observed().highest(pool, &pool.load),
        threshold_percent: (!growth::replaces_threshold(pool)).then_some(pool.policy.thresholds.scale_down_percent),
        removed: saturated(removed),
        beside_daemons: pool.has_daemons(),
        for_queued: pool.for_queued.clone(),
        stop,
    };
    Ruling::new(clause, before, pool.capacity(removed, before.added), reason)
}

/// D3: as many of them as leave room for their tasks.
fn with_room(pool: &Pool<'_>, removed: usize, stop: Stop) -> (usize, Stop) {
    if removed == 0 {
        return (removed, stop);
    }
    let headroom = pool.headroom();
    let have_room = last(removed, |removed| headroom.moved_tasks_have_room(pool, removed));
    if have_room < removed { (have_room, Stop::NoRoom) } else { (removed, stop) }
}

/// D7: as many of them as leave the agents that are needed, and the margin.
fn with_margin(pool: &Pool<'_>, removed: usize, stop: Stop) -> (usize, Stop) {
    if removed == 0 {
        return (removed, stop);
    }
    let spare = needed::spare(pool);
    let margin = needed::margin(pool, removed);
    let most = spare.saturating_sub(usize::try_from(margin).unwrap_or(usize::MAX));
    // Where all agents are needed, or there is no margin, the rule that needs them says best why.
    let others_say_why = spare == 0 || margin == 0;
    if removed <= most || others_say_why {
        return (removed, stop);
    }
    (most, Stop::Margin { needed: pool.capacity(spare, 0).agents, margin })
}

/// D7: as many of them as leave room wherever tasks go.
fn without_crowding(pool: &Pool<'_>, removed: usize, stop: Stop) -> (usize, Stop) {
    if removed == 0 {
        return (removed, stop);
    }
    let stay_clear = needed::without_crowding(pool, removed);
    if stay_clear < removed { (stay_clear, Stop::Crowded) } else { (removed, stop) }
}

/// Whether anything forbids one agent fewer than these; the order is that of the page.
fn stop_before(pool: &Pool<'_>, load: &Resources, step: &ScaleDownStep, removed: usize) -> Option<Stop> {
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
    if !growth::replaces_threshold(pool)
        && let Some(utilization) = not_below(pool, &now)
    {
        return Some(Stop::NotBelow(utilization));
    }
    // H12. Its agents are no candidates either, and this says why.
    if let Some(needed) = pool.hosts.needed.as_ref().filter(|needed| then.agents < needed.hosts) {
        return Some(Stop::Hosts(needed.clone()));
    }
    // D2, D3
    if removed >= pool.spare_count() && pool.for_queued.is_some() {
        return Some(Stop::ForQueued);
    }
    if removed >= pool.removable_count() {
        return Some(Stop::NoCandidate);
    }
    if then.agents < policy.limits.min {
        return Some(Stop::Min(policy.limits.min));
    }
    if saturated(removed + 1) > step.agents {
        return Some(Stop::Step(step.reason));
    }
    if let Some(max) = policy.limits.max_scale_down_tasks
        && pool.moves_too_many_tasks(removed + 1)
    {
        return Some(Stop::Tasks { moving: pool.moving_tasks(removed + 1), max });
    }
    let to = risen(pool, load, &then)?;
    Some(Stop::WouldRise { to, threshold_percent: policy.thresholds.scale_up_percent })
}

/// D1: the highest considered resource, of those there are, that is not below the threshold.
fn not_below(pool: &Pool<'_>, capacity: &Capacity) -> Option<Utilization> {
    utilizations(pool, &pool.load, capacity)
        .filter(|utilization| !utilization.total.is_zero())
        .filter(|utilization| !utilization.is_below(pool.policy.thresholds.scale_down_percent))
        .reduce(Utilization::higher)
}

/// D3: the highest considered resource that would be above the threshold at which U puts agents back.
fn risen(pool: &Pool<'_>, load: &Resources, capacity: &Capacity) -> Option<Utilization> {
    utilizations(pool, load, capacity)
        .filter(|utilization| utilization.is_above(pool.policy.thresholds.scale_up_percent))
        .reduce(Utilization::higher)
}

fn utilizations(pool: &Pool<'_>, load: &Resources, capacity: &Capacity) -> impl Iterator<Item = Utilization> {
    pool.considered().map(|kind| capacity.utilization(load, kind))
}

const fn clause(removed: usize, stop: &Stop) -> Clause {
    match stop {
        Stop::Incomplete(_) => Clause::D4,
        _ if removed > 0 => Clause::D2,
        Stop::NoAgent | Stop::NoConsideredResource => Clause::D5,
        Stop::NotBelow(_) => Clause::D1,
        Stop::Crowded | Stop::Margin { .. } => Clause::D7,
        Stop::NoCandidate
        | Stop::ForQueued
        | Stop::Min(_)
        | Stop::Hosts(_)
        | Stop::Step(_)
        | Stop::Tasks { .. }
        | Stop::WouldRise { .. }
        | Stop::NoRoom => Clause::D3,
    }
}

#[cfg(test)]
mod tests {
    use super::super::ruling::Reason;
    use super::super::step::{StepBy, StepReason};
    use super::*;
    use cluster::{Cluster, TaskSpec, policy, resources};
    use shared::config::StepLimit;
    use shared::contract::{AgentState, ClusterSnapshot};
    use shared::resources::Amount;

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
        let reason = StepReason { max: StepLimit::Agents(1), by: StepBy::Setting, decommissioning: 1 };
        assert_eq!(removed(&draining, &step), (0, Stop::Step(reason)));
        assert_eq!(removed(&cluster, &next), (0, Stop::Tasks { moving: 1, max: 0 }));
        let next = next.replace("tasks = 0", "tasks = 1");
        // 7 of 12 cpus are 58.3%.
        let (removed_agents, stop) = removed(&cluster, &next);
        let Stop::WouldRise { to, threshold_percent: 51 } = stop else { panic!("{stop:?}") };
        assert_eq!((removed_agents, to.used, to.total), (0, resources(7, 0).cpus, resources(12, 0).cpus));
        assert_eq!(removed(&cluster, ""), (1, Stop::NotBelow(to)));
    }

    #[test]
    fn an_agent_that_an_operator_deactivated_stops_nothing_d3() {
        let idle = Cluster::of(5, resources(4, 14_000)).running("/a", 5, resources(1, 1_000));
        let mut snapshot = idle.clone().with_state(4, AgentState::Deactivated).snapshot();
        let policy = policy("scale_down_margin = 0").unwrap();
        let removed = |snapshot: &ClusterSnapshot| {
            let pool = Pool::new(snapshot, &policy);
            scale_down(&pool, pool.observed()).capacity.removed
        };
        assert_eq!(removed(&snapshot), 1);
        // With our tag it is one of ours, and uses up the step.
        for agent in &mut snapshot.scale_down_candidates {
            agent.decommission_tag = Some(agent.state == AgentState::Deactivated);
        }
        assert_eq!(removed(&snapshot), 0);
        // And so does one that drains, whoever drains it.
        assert_eq!(removed(&idle.with_state(4, AgentState::Draining).snapshot()), 0);
    }

    #[test]
    fn a_step_may_be_a_percentage_d3() {
        // Each of 30 agents runs a task, a tenth are three.
        let busy = Cluster::of(30, resources(4, 14_000)).running("/a", 30, resources(1, 1_000));
        let quiet = "scale_down_threshold_percent = 79\nmax_scale_down_step = \"10%\"";
        assert_eq!(removed(&busy, quiet).0, 3);
        assert_eq!(removed(&busy, &quiet.replace("10%", "1%")).0, 1);
        // Without a task a tenth go at once, at any step; with `drain` no more than 20.
        let idle = |agents| Cluster::of(agents, resources(4, 14_000));
        let (removed_agents, stop) = removed(&idle(30), "max_scale_down_step = 1");
        let step = |by| Stop::Step(StepReason { max: StepLimit::Agents(1), by, decommissioning: 0 });
        assert_eq!((removed_agents, stop), (3, step(StepBy::Empty)));
        let (snapshot, policy) =
            (idle(300).snapshot(), policy("scale_down_strategy = \"drain\"\nmax_scale_down_step = 50").unwrap());
        assert_eq!(Pool::new(&snapshot, &policy).scale_down_step().agents, 20);
    }

    #[test]
    fn agents_stay_where_small_tasks_would_crowd_out_a_large_one_d7() {
        // Agents of 4 cpus; tasks, each (how many, cpus); headroom; how many agents leave.
        for (agents, tasks, percent, expected) in [
            (9, &[(3, 3), (10, 1)][..], 0, 1),
            (13, &[(1, 3), (17, 1)], 0, 4),
            (14, &[(8, 2), (8, 1)], 100, 0),
            (15, &[(7, 1), (3, 3)], 25, 6),
            (11, &[(4, 2), (2, 1), (1, 2)], 100, 3),
            (12, &[(4, 2), (2, 1), (1, 2)], 100, 4),
        ] {
            let cluster =
                (0..).zip(tasks).fold(Cluster::of(agents, resources(4, 14_000)), |cluster, (n, (count, cpus))| {
                    cluster.running(&format!("/a{n}"), *count, resources(*cpus, 100))
                });
            let settings = format!(
                "max_scale_down_step = 9\nscale_down_threshold_percent = 79\napplication_headroom_percent = {percent}"
            );
            assert_eq!(removed(&cluster, &settings), (expected, Stop::Crowded), "{agents} {tasks:?}");
            // Totals do not tell, and without a margin nothing has to stay clear.
            for setting in ["headroom_placement = \"sum\"", "scale_down_margin = 0"] {
                let (more, stop) = removed(&cluster, &format!("{settings}\n{setting}"));
                assert!(more >= expected && stop != Stop::Crowded, "{setting}: {more}, {stop:?}");
            }
        }
    }

    #[test]
    fn a_scale_down_leaves_the_margin_d7() {
        // 16 of 40 cpus; to grow by 100 % takes 8 agents.
        let cluster = Cluster::of(10, resources(4, 14_000)).running("/a", 16, resources(1, 100));
        let settings = "application_headroom_percent = 100\nmax_scale_down_step = 9";
        let margin = |margin| removed(&cluster, &format!("{settings}\nscale_down_margin = {margin}"));
        assert_eq!(margin(1), (1, Stop::Margin { needed: 8, margin: 1 }));
        assert_eq!(margin(2), (0, Stop::Margin { needed: 8, margin: 2 }));
        let (removed_agents, stop) = margin(0);
        assert!(removed_agents == 2 && matches!(stop, Stop::NotBelow(_)), "{stop:?}");
        // Of eight all are needed, and H says so.
        let eight = Cluster::of(8, resources(4, 14_000)).running("/a", 16, resources(1, 100));
        let (removed_agents, stop) = removed(&eight, &format!("{settings}\nscale_down_threshold_percent = 79"));
        assert!(removed_agents > 0 && !matches!(stop, Stop::Margin { .. }), "{stop:?}");
        let policy = policy(&format!("{settings}\nscale_down_threshold_percent = 79")).unwrap();
        assert_eq!(crate::decide(&eight.snapshot(), &policy, cluster::NOON).unwrap().delta, 0);
    }

    #[test]
    fn an_idle_pool_has_no_margin_d7() {
        // No task: it goes to `min`, and to 0.
        let mut cluster = Cluster::of(4, resources(4, 14_000));
        let policy = policy("min = 0\nscale_down_margin = 3").unwrap();
        for left in (0..4).rev() {
            let decision = crate::decide(&cluster.snapshot(), &policy, cluster::NOON).unwrap();
            assert_eq!((decision.target, decision.needed), (left, Some(0)), "{:#?}", decision.steps);
            let gone = cluster.agent_by_id(&decision.scale_down_agents[0].agent_id).map(|agent| agent.number).unwrap();
            cluster.remove(gone);
        }
        // One cpu of four would not do ten points earlier: 25 % are below 70 %, but three of four are not.
        let one = |tasks| Cluster::of(2, resources(4, 14_000)).running("/a", tasks, resources(1, 100));
        assert_eq!(removed(&one(1), "scale_down_threshold_percent = 79").0, 1);
        let (removed_agents, stop) = removed(&one(3), "scale_down_threshold_percent = 79");
        assert_eq!((removed_agents, stop), (0, Stop::Margin { needed: 1, margin: 1 }));
    }

    #[test]
    fn a_disconnected_agent_buys_nothing_and_removes_nothing_d6_h1() {
        let with_lost = |agents, used: usize, lost: u64| {
            let mut snapshot =
                Cluster::of(agents, resources(4, 14_000)).running("/a", used, resources(1, 100)).snapshot();
            snapshot.resources.displaced = resources(lost, 100);
            snapshot.resources.disconnected = resources(lost, 100);
            let policy = policy("").unwrap();
            let decision = crate::decide(&snapshot, &policy, cluster::NOON).unwrap();
            snapshot.resources.disconnected = Resources::ZERO;
            let displaced = crate::decide(&snapshot, &policy, cluster::NOON).unwrap();
            (decision.delta, decision.needed, displaced.delta)
        };
        // 12 of 16 cpus run. With 4 that are away it would be all.
        assert_eq!(with_lost(4, 12, 4), (0, Some(5), 1));
        // 4 of 24 cpus run. With 8 that are away, half is used, and no agent goes.
        assert_eq!(with_lost(6, 4, 8), (0, Some(4), 0));
        assert_eq!(with_lost(6, 4, 0), (-1, Some(2), -1));
    }

    #[test]
    fn an_agent_that_an_operator_has_drained_stops_nothing_d3() {
        let idle = Cluster::of(9, resources(4, 14_000)).running("/a", 9, resources(1, 1_000));
        let delta = |state: AgentState, tag: Option<bool>| {
            let mut snapshot = idle.clone().and(1, resources(4, 14_000)).with_state(9, state).snapshot();
            snapshot.scale_down_candidates.iter_mut().for_each(|agent| agent.decommission_tag = tag);
            let decision =
                crate::decide(&snapshot, &policy("max_scale_down_step = 1").unwrap(), cluster::NOON).unwrap();
            (decision.delta, decision.decommissioning())
        };
        assert_eq!(delta(AgentState::Drained, Some(false)), (-1, 0));
        assert_eq!(delta(AgentState::Deactivated, Some(false)), (-1, 0));
        // Its tasks are still being stopped; it is ours; it is not known whose it is.
        assert_eq!(delta(AgentState::Draining, Some(false)), (0, 1));
        assert_eq!(delta(AgentState::Drained, Some(true)), (0, 1));
        assert_eq!(delta(AgentState::Drained, None), (0, 1));
    }

    #[test]
    fn a_drain_that_does_not_end_stops_no_other_for_long_d3() {
        let idle = Cluster::of(9, resources(4, 14_000)).running("/a", 9, resources(1, 1_000));
        let decided = |state: AgentState, tag: Option<bool>, seconds_ago: Option<i64>, settings: &str| {
            let mut snapshot = idle.clone().and(1, resources(4, 14_000)).with_state(9, state).snapshot();
            let due = seconds_ago.map(|ago| snapshot.taken_at - jiff::SignedDuration::from_secs(ago));
            for agent in snapshot.scale_down_candidates.iter_mut().filter(|agent| agent.state != AgentState::Active) {
                (agent.decommission_tag, agent.drain_due) = (tag, due);
            }
            let policy = policy(&format!("max_scale_down_step = 1\n{settings}")).unwrap();
            let decision = crate::decide(&snapshot, &policy, cluster::NOON).unwrap();
            let named = decision.notes.iter().any(|note| note.contains("the drain of ") && note.contains("not end"));
            (decision.delta, decision.decommissioning(), named)
        };
        let (stops, stopped) = ((0, 1, false), (-1, 0, true));
        // Whoever drains it.
        for tag in [None, Some(false), Some(true)] {
            let of = |seconds_ago| decided(AgentState::Draining, tag, seconds_ago, "");
            assert_eq!([-60, 0, 900].map(|ago| of(Some(ago))), [stops; 3]);
            assert_eq!([901, 86_400].map(|ago| of(Some(ago))), [stopped; 2]);
            assert_eq!(of(None), stops, "it is not known when it began");
        }
        let window = |settings: &str, ago: i64| decided(AgentState::Draining, Some(false), Some(ago), settings);
        assert_eq!([300, 301].map(|ago| window("scale_down_window = \"5m\"", ago)), [stops, stopped]);
        assert_eq!([900, 901].map(|ago| window("scale_down_window = \"0s\"", ago)), [stops, stopped]);
        // What is drained, and nothing says whose it is. Ours ends.
        assert_eq!(decided(AgentState::Drained, None, Some(901), ""), (-1, 0, false));
        assert_eq!(decided(AgentState::Drained, Some(true), Some(901), ""), stops);
    }

    /// Nothing brings it back, and nothing ends its tag, after a change of the strategy.
    #[test]
    fn an_agent_that_another_strategy_has_closed_stops_nothing_for_long_d3() {
        let idle = Cluster::of(9, resources(4, 14_000)).running("/a", 9, resources(1, 1_000));
        let delta = |minutes: i64| {
            let mut snapshot =
                idle.clone().and(1, resources(4, 14_000)).with_state(9, AgentState::Deactivated).snapshot();
            let since = snapshot.taken_at - jiff::SignedDuration::from_mins(minutes);
            for agent in snapshot.scale_down_candidates.iter_mut().filter(|agent| agent.state != AgentState::Active) {
                (agent.decommission_tag, agent.decommission_since) = (Some(true), Some(since));
            }
            crate::decide(&snapshot, &policy("max_scale_down_step = 1").unwrap(), cluster::NOON).unwrap().delta
        };
        assert_eq!((delta(15), delta(16)), (0, -1));
    }

    /// A large agent runs a task that no other has room for. Each of the others runs one of a cpu.
    #[test]
    fn an_agent_that_cannot_go_stops_no_other_d3() {
        let large = |cpus| {
            let mut cluster = Cluster::of(1, resources(32, 112_000)).running("/large", 1, resources(cpus, 14_000));
            cluster = cluster.and(11, resources(4, 14_000));
            let framework = cluster.framework_of("/web");
            for agent in 1..12 {
                let task = TaskSpec { application: "/web".to_owned(), resources: resources(1, 500) };
                cluster.start_on(agent, framework, task, cluster::NOON);
            }
            cluster
        };
        let decided = |cpus, settings: &str| {
            let settings = format!("max_scale_down_step = 3\nscale_down_margin = 0\n{settings}");
            let decision = crate::decide(&large(cpus).snapshot(), &policy(&settings).unwrap(), cluster::NOON).unwrap();
            let named = decision.scale_down_agents.iter().any(|agent| agent.agent_id.ends_with("-S0"));
            (decision.delta, named)
        };
        assert_eq!((decided(6, ""), decided(4, "")), ((-3, false), (-3, false)));
        // Where totals are compared, the task needs no room of its own, but an agent that would hold it if it were empty.
        let sum = "headroom_placement = \"sum\"";
        assert_eq!((decided(6, sum), decided(4, sum)), ((-3, false), (-3, true)));
        // Neither does one with many small tasks, of which no more than so many may move.
        let many = || {
            let mut cluster = Cluster::of(6, resources(4, 14_000));
            let framework = cluster.framework_of("/web");
            for (agent, count, size) in
                [(0, 11, resources(0, 50)), (1, 1, resources(1, 500)), (2, 1, resources(1, 500))]
            {
                for _ in 0..count {
                    let task = TaskSpec { application: "/web".to_owned(), resources: size };
                    cluster.start_on(agent, framework, task, cluster::NOON);
                }
            }
            cluster
        };
        let moved = |limit: u32| {
            let settings =
                format!("max_scale_down_tasks = {limit}\nmax_scale_down_step = 9\nmin = 0\nscale_down_margin = 0");
            crate::decide(&many().snapshot(), &policy(&settings).unwrap(), cluster::NOON).unwrap().delta
        };
        assert!(moved(10) < -3, "{}", moved(10));
    }

    /// The least loaded agent runs a task for which an agent with gpus alone has room.
    #[test]
    fn room_beside_gpus_is_none_for_other_frameworks_d3() {
        let mut cluster = Cluster::of(4, resources(8, 28_000)).running("/large", 1, resources(3, 100));
        let framework = cluster.framework_of("/large");
        for agent in 1..4 {
            for mem in [12_000, 12_000, 100] {
                let task = TaskSpec { application: "/web".to_owned(), resources: resources(2, mem) };
                cluster.start_on(agent, framework, task, cluster::NOON);
            }
        }
        let gpus = Amount::from_thousandths(1000);
        cluster = cluster.and(1, Resources { gpus, ..resources(8, 28_000) });
        cluster.protect(4);
        let named = |cluster: &Cluster| {
            let policy = policy("scale_down_threshold_percent = 79\nscale_down_margin = 0").unwrap();
            let snapshot = cluster.snapshot();
            let pool = Pool::new(&snapshot, &policy);
            pool.removable(pool.removable_count()).any(|agent| agent.agent_id.ends_with("-S0"))
        };
        assert!(!named(&cluster), "Mesos does not offer it that agent");
        assert!(named(&cluster.gpu_aware(&["/large", "/web"])));
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
