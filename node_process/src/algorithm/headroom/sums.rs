//! H2: what is needed and what is free, in total.

use shared::resources::PerKind;

use super::super::capacity::{Capacity, Pool};
use super::super::numbers::agent_count;
use super::balance::{Balance, Sum, agents_for_all, balances, sums};
use super::needs::Need;
use super::report::HeadroomReport;

/// H2, H4: keeps agents while anything is short, then adds as many as cover all that is missing.
pub(super) fn make_room(pool: &Pool<'_>, before: Capacity, needs: &[Need<'_>]) -> HeadroomReport {
    let sums = sums(needs);
    let mut kept = before;
    while kept.removed > 0 && is_short(&sums, &kept) {
        kept = pool.capacity(kept.removed - 1, 0);
    }
    let balances_kept = balances(&sums, &kept);
    let added = agent_count(agents_for_all(&balances_kept, pool.new_agent));
    // H5
    let is_lacking = |balance: &&Balance| balance.agents(pool.new_agent).is_none();
    HeadroomReport {
        before,
        after: pool.capacity(kept.removed, added),
        balances_before: balances(&sums, &before),
        lacking: balances_kept.values().filter(is_lacking).copied().collect(),
        balances_kept,
        tasks: None,
    }
}

/// H4: whether agents that leave that much can stay removed.
pub(super) fn does_without(needs: &[Need<'_>], capacity: &Capacity) -> bool {
    !is_short(&sums(needs), capacity)
}

fn is_short(sums: &PerKind<Sum>, capacity: &Capacity) -> bool {
    balances(sums, capacity).values().any(|balance| balance.missing() > 0)
}

#[cfg(test)]
mod tests {
    use super::super::super::ruling::{Reason, Ruling};
    use super::super::reason::{HeadroomReason, Lack, Need as NeedOf, Needed, Obstacle, Purpose};
    use super::*;
    use cluster::{Cluster, policy, resources};
    use shared::clause::Clause;
    use shared::contract::{AgentState, Application, ClusterSnapshot, TaskGroup};
    use shared::resources::{Amount, Kind, Resources};

    fn headroom(snapshot: &ClusterSnapshot, settings: &str) -> Ruling {
        let policy = policy(&format!("headroom_placement = \"sum\"\n{settings}")).unwrap();
        let pool = Pool::new(snapshot, &policy);
        super::super::make_room(&pool, pool.observed())
    }

    fn reason(ruling: &Ruling) -> &HeadroomReason {
        match &ruling.reason {
            Reason::Headroom(reason) => reason,
            other => panic!("{other:?}"),
        }
    }

    /// So many thousandths of a cpu, displaced, queued, to grow, and free.
    fn cpus([displaced, queued, growth, free]: [u64; 4]) -> Needed {
        let [displaced, queued, growth, free] = [displaced, queued, growth, free].map(Amount::from_thousandths);
        Needed::Of(NeedOf { kind: Kind::Cpus, amount: displaced + queued + growth, displaced, queued, growth, free })
    }

    fn too_large(kind: Kind, needs: Resources, has: Resources) -> Obstacle {
        Obstacle::TooLarge { kind, needs: needs.get(kind), has: has.get(kind) }
    }

    #[test]
    fn every_application_grows_at_once_on_top_of_displaced_tasks_h1_h2() {
        // 12 cpus, 6 used, one agent with 2 more leaves. 6 free ≥ 2 + 50 % of 8, to the thousandth.
        let cluster = Cluster::of(4, resources(4, 14_000))
            .running("/a", 4, resources(1, 100))
            .running("/b", 4, resources(1, 100))
            .with_state(3, AgentState::Draining);
        let settings = "application_headroom_percent = 50";
        let just_enough = headroom(&cluster.snapshot(), settings);
        assert_eq!(reason(&just_enough).needed, cpus([2000, 0, 4000, 6000]));
        assert_eq!((just_enough.capacity.added, just_enough.application.as_deref()), (0, Some("/a")));
        let own = "application_headroom_percent = 50\napplications.\"/b\".application_headroom_percent = 51";
        let one_too_many = headroom(&cluster.snapshot(), own);
        assert_eq!((one_too_many.capacity.added, one_too_many.application.as_deref()), (1, Some("/b")));
    }

    #[test]
    fn the_kind_that_asks_for_most_agents_decides_h4() {
        // Cpus: 8 - 4 = 4 more, one agent; disk: 90 - 10 = 80 more, 20 an agent, four.
        let mut cluster = Cluster::of(5, Resources { disk: Amount::from_thousandths(20_000), ..resources(4, 14_000) });
        cluster = cluster.running("/a", 16, resources(1, 100));
        cluster = cluster.running("/b", 5, Resources { disk: Amount::from_thousandths(18_000), ..Resources::ZERO });
        let settings = "applications.\"/a\".application_headroom_percent = 50\napplications.\"/b\".application_headroom_percent = 100";
        let headroom = headroom(&cluster.snapshot(), settings);
        assert_eq!(headroom.capacity.added, 4);
        assert_eq!((headroom.clause, headroom.application.as_deref()), (Clause::H4, Some("/b")));
    }

    #[test]
    fn a_task_too_large_for_any_agent_is_left_out_h5() {
        // Two groups of one application are too large, in different kinds.
        let mut snapshot = Cluster::of(2, resources(4, 14_000)).running("/a", 1, resources(1, 100)).snapshot();
        let group = |count, resources| TaskGroup { count, resources };
        let tasks = vec![group(1, resources(1, 100)), group(2, resources(6, 100)), group(1, resources(1, 20_000))];
        let sum = tasks.iter().map(|group| group.resources.times(group.count.into())).sum();
        if let Some(application) = snapshot.applications.first_mut() {
            (application.tasks, application.resources) = (tasks, sum);
        }
        let grown = headroom(&snapshot, "application_headroom_percent = 100");
        let has = resources(4, 14_000);
        let obstacles: Vec<&[Obstacle]> =
            reason(&grown).unplaceable.iter().map(|entry| entry.obstacles.as_slice()).collect();
        let expected = [too_large(Kind::Cpus, resources(6, 0), has), too_large(Kind::Mem, resources(0, 20_000), has)];
        assert_eq!(obstacles, [expected]);
        // What is left of the application grows by 1 cpu of 7 free.
        assert_eq!(grown.capacity.added, 0);
        // Without headroom nothing is asked for, and nothing reported.
        assert_eq!(reason(&headroom(&snapshot, "application_headroom_percent = 0")).unplaceable, []);
    }

    #[test]
    fn many_unplaceable_applications_are_counted_h5() {
        let mut snapshot = Cluster::of(1, resources(4, 14_000)).running("/a", 1, resources(1, 100)).snapshot();
        let large = TaskGroup { count: 1, resources: resources(8, 100) };
        let template = snapshot.applications.pop().unwrap();
        snapshot.applications = (0..150)
            .map(|number| Application {
                name: format!("/{number:03}"),
                tasks: vec![large],
                resources: large.resources,
                ..template.clone()
            })
            .collect();
        let headroom = headroom(&snapshot, "");
        let unplaceable = &reason(&headroom).unplaceable;
        assert_eq!(unplaceable.len(), 101);
        let last = unplaceable.last().unwrap();
        assert_eq!((last.application.as_str(), &last.obstacles), ("(other)", &vec![Obstacle::More(50)]));
    }

    #[test]
    fn queued_instances_need_room_beside_growth_h2() {
        // 8 cpus, 4 used, 4 free. 3 · 1 are queued, and 10 % of 4 are to grow: 3.4. With a fourth it is 4.4.
        let cluster = Cluster::of(2, resources(4, 14_000)).running("/a", 4, resources(1, 100));
        let enough = headroom(&cluster.clone().queued("/b", 3, resources(1, 100)).snapshot(), "");
        assert_eq!(reason(&enough).needed, cpus([0, 3000, 400, 4000]));
        assert_eq!((enough.capacity.added, enough.application.as_deref()), (0, Some("/b")));
        let short = headroom(&cluster.clone().queued("/b", 4, resources(1, 100)).snapshot(), "");
        assert_eq!((short.capacity.added, short.clause), (1, Clause::H4));
        let alone =
            headroom(&cluster.queued("/a", 5, resources(1, 100)).snapshot(), "application_headroom_percent = 0");
        assert_eq!((&reason(&alone).needed, alone.capacity.added), (&cpus([0, 5000, 0, 4000]), 1));
    }

    #[test]
    fn a_queued_instance_too_large_for_any_agent_adds_none_h5() {
        // 6 cpus in two tasks of 3 that start together; each alone would fit.
        let mut snapshot = Cluster::of(2, resources(4, 14_000)).queued("/pod", 7, resources(3, 100)).snapshot();
        snapshot.applications[0].queued_tasks[0].count = 2;
        let headroom = headroom(&snapshot, "");
        assert_eq!(headroom.capacity.added, 0);
        let unplaceable = &reason(&headroom).unplaceable[0];
        let expected = too_large(Kind::Cpus, resources(6, 0), resources(4, 0));
        assert_eq!((unplaceable.application.as_str(), &unplaceable.obstacles), ("/pod", &vec![expected]));
    }

    #[test]
    fn a_kind_new_agents_lack_is_named_for_queued_instances_h5() {
        // A large agent has what new ones lack, but not enough of it.
        let gpus = |gpus| Resources { gpus: Amount::from_thousandths(gpus), ..resources(4, 14_000) };
        let one = Resources { gpus: Amount::from_thousandths(1000), ..Resources::ZERO };
        let cluster = Cluster::of(3, resources(4, 14_000)).and(1, gpus(1000)).queued("/ml", 2, one);
        let headroom = headroom(&cluster.snapshot(), "application_headroom_percent = 0");
        assert_eq!((headroom.capacity.added, headroom.clause), (0, Clause::H5));
        let (needs, free) = (Amount::from_thousandths(2000), Amount::from_thousandths(1000));
        let expected = Obstacle::Lacking { kind: Kind::Gpus, needs, purpose: Purpose::Queued, free };
        assert_eq!(reason(&headroom).unplaceable[0].obstacles, [expected]);
    }

    #[test]
    fn queued_instances_scale_up_an_empty_pool_h6() {
        let empty = Cluster::default().queued("/a", 5, resources(1, 100)).snapshot();
        assert_eq!(headroom(&empty, "new_agent = { cpus = 4, mem = 14000 }").capacity.added, 2);
    }

    #[test]
    fn a_first_agent_shows_what_an_agent_is_h6() {
        // Nothing says what an agent would have: one is added for any queue.
        let empty = Cluster::default().queued("/a", 5, resources(1, 100));
        let first = headroom(&empty.snapshot(), "");
        assert_eq!((first.capacity.added, first.clause), (1, Clause::H6));
        assert_eq!((&reason(&first).needed, first.application.as_deref()), (&Needed::FirstAgent(5), Some("/a")));
        assert_eq!(
            first.reason.to_string(),
            "5 instances are queued, and no agent shows what a new one has: adds 1 agent"
        );
        // When it has come, the others follow: 5.5 cpus are two agents.
        let joined = empty.clone().and(1, resources(4, 14_000)).snapshot();
        assert_eq!(headroom(&joined, "").capacity.added, 1);
        // While agents are about to return, they show it. One that decommissions is no reason to guess.
        let mut snapshot = empty.snapshot();
        snapshot.agents.recovered = 1;
        assert_eq!(headroom(&snapshot, "").capacity.added, 0);
        assert_eq!(reason(&headroom(&snapshot, "")).lack, Some(Lack::NewAgentUnknown));
        assert_eq!(headroom(&Cluster::default().snapshot(), "").capacity.added, 0, "nothing is queued");
    }

    #[test]
    fn a_queued_instance_of_unknown_size_counts_as_the_largest_task_h2() {
        // As another gatherer may write it.
        let cluster = Cluster::of(2, resources(4, 14_000)).running("/a", 4, resources(1, 100));
        let mut snapshot = cluster.running("/a", 1, resources(2, 100)).queued("/a", 3, resources(1, 100)).snapshot();
        snapshot.applications[0].queued_tasks.clear();
        let headroom = headroom(&snapshot, "application_headroom_percent = 0");
        assert_eq!((&reason(&headroom).needed, headroom.capacity.added), (&cpus([0, 6000, 0, 2000]), 1));
    }
}
