//! D3, 1: agents that stay for what is queued: an instance that no new agent could hold waits for one of those there are.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use shared::contract::{Application, Candidate};
use shared::resources::{Kind, Resources};

use super::capacity::{Pool, free_of};
use super::instance::queued_instance;
use super::new_agent::NewAgent;
use super::scale_down::reason::ForQueued;

/// A queued instance that some of the candidates could hold, and no agent that stays anyway.
struct Waiting<'a> {
    application: &'a Application,
    size: Resources,
    /// Those candidates, by their places.
    holders: Vec<usize>,
}

/// Moves the candidates that stay for what is queued behind the others, and says how many those are, and for what.
pub(super) fn stay_for_queued<'a>(pool: &Pool<'a>, removable: &mut Vec<&'a Candidate>) -> Option<ForQueued> {
    let mut waiting = waiting(pool, removable);
    // What fewest could hold comes first: its agent may hold others as well.
    waiting
        .sort_by_key(|one| (one.holders.len(), Reverse(one.size), &one.application.name, &one.application.framework));
    let mut stay: Vec<(usize, &Application)> = Vec::new();
    for Waiting { application, size, holders } in &waiting {
        if holders.iter().any(|holder| stay.iter().any(|(own, _)| own == holder)) {
            continue;
        }
        let lack = |place: &&usize| removable.get(**place).map(|agent| (lack(agent, size), &agent.agent_id));
        stay.extend(holders.iter().min_by_key(lack).map(|place| (*place, *application)));
    }
    let (first, application) = stay.first()?;
    let hostname = removable.get(*first)?.hostname.clone();
    let staying = ForQueued { agents: stay.len(), hostname, application: application.name.clone() };
    let stays = |place: usize| stay.iter().any(|(own, _)| *own == place);
    let mut places: Vec<usize> = (0..removable.len()).collect();
    places.sort_by_key(|place| stays(*place));
    *removable = places.iter().filter_map(|place| removable.get(*place).copied()).collect();
    Some(staying)
}

/// H5: the sizes of queued instances that no new agent could hold, where the only agents that could are candidates.
fn waiting<'a>(pool: &Pool<'a>, removable: &[&Candidate]) -> Vec<Waiting<'a>> {
    let Some(new_agent) = pool.new_agent else { return Vec::new() };
    let mut sizes: BTreeMap<(Resources, bool), &Application> = BTreeMap::new();
    for application in pool.snapshot.applications.iter().filter(|one| one.queued > 0 && !pool.hosts.is_daemon(one)) {
        let size = queued_instance(application);
        if !new_agent.holds(&size, application.gpu_aware) {
            let first = sizes.entry((size, application.gpu_aware)).or_insert(application);
            if (&application.name, &application.framework) < (&first.name, &first.framework) {
                *first = application;
            }
        }
    }
    let waiting = |((size, is_gpu_aware), application): ((Resources, bool), &'a Application)| {
        let holds = |total, unreserved| NewAgent { total, unreserved }.holds(&size, is_gpu_aware);
        let is_holder = |(_, agent): &(usize, &&Candidate)| holds(agent.total, agent.unreserved);
        let holders: Vec<usize> = removable.iter().enumerate().filter(is_holder).map(|(place, _)| place).collect();
        let all = pool.shapes.iter().filter(|shape| holds(shape.total, shape.unreserved));
        let all = all.map(|shape| u64::from(shape.count)).fold(0, u64::saturating_add);
        let is_only_there = !holders.is_empty() && usize::try_from(all).is_ok_and(|all| all <= holders.len());
        is_only_there.then_some(Waiting { application, size, holders })
    };
    sizes.into_iter().filter_map(waiting).collect()
}

/// How much the agent lacks for such a task: the largest part of a kind of it.
fn lack(agent: &Candidate, size: &Resources) -> u128 {
    let missing = size.saturating_sub(&free_of(agent));
    let part = |kind: Kind| {
        (u128::from(missing.get(kind).thousandths()) << 32).checked_div(size.get(kind).thousandths().into())
    };
    Kind::ALL.into_iter().filter_map(part).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster::{Cluster, NOON, TaskSpec, policy, resources};
    use shared::contract::ScalingDecision;
    use shared::resources::Amount;

    const SMALL: Resources = resources(4, 14_000);
    const LARGE: Resources = resources(8, 28_000);

    /// Agents, the first ones larger, each with as many cpus in use by tasks of 1 cpu.
    fn pool(agents: &[(Resources, usize)]) -> Cluster {
        let mut cluster = agents.iter().fold(Cluster::default(), |cluster, (total, _)| cluster.and(1, *total));
        let framework = cluster.framework_of("/web");
        for (agent, (_, tasks)) in (0..).zip(agents) {
            for _ in 0..*tasks {
                let task = TaskSpec { application: "/web".to_owned(), resources: resources(1, 100) };
                cluster.start_on(agent, framework, task, NOON).unwrap();
            }
        }
        cluster
    }

    /// Each of these runs so much that an instance of 5 cpus has no room.
    fn two_sizes(large: &[usize]) -> Cluster {
        let large = large.iter().map(|tasks| (LARGE, *tasks));
        pool(&large.chain([(SMALL, 2); 10]).collect::<Vec<_>>())
    }

    fn decided(cluster: &Cluster, settings: &str) -> ScalingDecision {
        decided_with_step(cluster, 3, settings)
    }

    fn decided_with_step(cluster: &Cluster, step: u32, settings: &str) -> ScalingDecision {
        let settings = format!(
            "new_agent = {{ cpus = 4, mem = 14000 }}\napplication_headroom_percent = 0\nscale_down_margin = 0\nmin = 0\n\
             scale_down_threshold_percent = 79\nmax_scale_down_step = {step}\n{settings}"
        );
        crate::decide(&cluster.snapshot(), &policy(&settings).unwrap(), NOON).unwrap()
    }

    fn removed(cluster: &Cluster, settings: &str) -> Vec<String> {
        decided(cluster, settings).scale_down_agents.iter().map(|agent| agent.hostname.clone()).collect()
    }

    fn removes(cluster: &Cluster, agent: usize) -> bool {
        removed(cluster, "").contains(&format!("agent-{agent}"))
    }

    #[test]
    fn the_only_agent_that_could_hold_a_queued_instance_stays_d3() {
        let idle = two_sizes(&[3]);
        for placement in ["pack", "sum"] {
            let settings = format!("headroom_placement = \"{placement}\"");
            let first = |cluster: &Cluster| removed(cluster, &settings).first().cloned();
            assert_eq!(first(&idle).as_deref(), Some("agent-0"), "{placement}");
            let waits = idle.clone().queued("/big", 1, resources(6, 100));
            assert_ne!(first(&waits), None, "{placement}");
            assert!(!removed(&waits, &settings).contains(&"agent-0".to_owned()), "{placement}");
        }
        let decision = decided(&idle.queued("/big", 1, resources(6, 100)), "");
        let stays = "agent-0 stays for a queued instance of /big, which a new agent could not hold";
        assert!(decision.steps[0].reason.ends_with(stays), "{}", decision.steps[0].reason);
        assert_eq!(decision.delta, -3, "others go instead");
    }

    #[test]
    fn what_no_agent_or_a_new_one_could_hold_keeps_none_d3() {
        let named = |cluster: Cluster| decided(&cluster, "").steps[0].reason.contains("stays for");
        let queued = |cpus| named(two_sizes(&[4]).queued("/big", 1, resources(cpus, 100)));
        assert_eq!([4, 5, 8, 9].map(queued), [false, true, true, false]);
        assert!(!named(two_sizes(&[4]).queued("/big", 0, resources(5, 100))));
        let equal = pool(&[(SMALL, 2); 10]).queued("/big", 1, resources(5, 100));
        assert!(!named(equal));
    }

    #[test]
    fn of_several_the_one_that_lacks_least_stays_d3() {
        let waits = two_sizes(&[6, 4, 5]).queued("/big", 1, resources(5, 100));
        let snapshot = waits.snapshot();
        let policy = policy("new_agent = { cpus = 4, mem = 14000 }").unwrap();
        let pool = Pool::new(&snapshot, &policy);
        let staying = pool.for_queued.as_ref().unwrap();
        assert_eq!((staying.agents, staying.hostname.as_str()), (1, "agent-1"));
        let last = pool.removable(pool.removable_count()).last().unwrap();
        assert_eq!((last.hostname.as_str(), pool.spare_count() + 1), ("agent-1", pool.removable_count()));
    }

    #[test]
    fn an_agent_that_stays_anyway_keeps_no_other_d3() {
        let mut waits = two_sizes(&[3, 3]).queued("/big", 1, resources(6, 100));
        assert!(removes(&waits, 0) || removes(&waits, 1));
        assert!(decided(&waits, "").steps[0].reason.contains("stays for"));
        waits.protect(1);
        assert!(removes(&waits, 0) && !decided(&waits, "").steps[0].reason.contains("stays for"));
    }

    #[test]
    fn one_agent_stays_for_each_size_at_most_d3() {
        let larger = resources(16, 56_000);
        let stay = |queued: &[u64]| {
            let agents = pool(&[(LARGE, 5), (larger, 13), (LARGE, 5), (SMALL, 3), (SMALL, 3), (SMALL, 3)]);
            let waits = queued
                .iter()
                .fold(agents, |cluster, cpus| cluster.queued(&format!("/big{cpus}"), 3, resources(*cpus, 100)));
            let snapshot = waits.snapshot();
            let policy = policy("new_agent = { cpus = 4, mem = 14000 }").unwrap();
            let pool = Pool::new(&snapshot, &policy);
            pool.for_queued.map(|stay| (stay.agents, stay.hostname, stay.application))
        };
        let one = |agent: &str, application: &str| Some((1, agent.to_owned(), application.to_owned()));
        assert_eq!(stay(&[5]).map(|(agents, ..)| agents), Some(1));
        assert_eq!(stay(&[9]), one("agent-1", "/big9"));
        // The largest agent could hold all of them.
        assert_eq!(stay(&[5, 6, 9, 12]), one("agent-1", "/big12"));
        // Of two sorts, neither could hold what the other could.
        let (much_cpu, much_mem) = (resources(8, 14_000), resources(4, 28_000));
        let waits = pool(&[(much_cpu, 4), (much_mem, 3), (SMALL, 3), (SMALL, 3)])
            .queued("/cpu", 1, resources(6, 100))
            .queued("/mem", 1, resources(1, 28_000));
        let reason = decided(&waits, "").steps.remove(0).reason;
        assert!(reason.contains("2 agents stay for queued instances that a new agent could not hold"), "{reason}");
        assert!(!removes(&waits, 0) && !removes(&waits, 1));
    }

    #[test]
    fn agents_with_gpus_stay_for_those_that_know_of_gpus_d3() {
        let gpus = Resources { gpus: Amount::from_thousandths(1_000), ..LARGE };
        let of = |total, aware: &[&str]| {
            let waits = pool(&[(total, 0), (SMALL, 3), (SMALL, 3), (SMALL, 3)]).gpu_aware(aware);
            let mut snapshot = waits.queued("/ml", 1, resources(5, 100)).gpu_aware(aware).snapshot();
            snapshot.applications.iter_mut().for_each(|one| one.gpu_aware = !aware.is_empty());
            let policy = policy("new_agent = { cpus = 4, mem = 14000 }").unwrap();
            Pool::new(&snapshot, &policy).for_queued.is_some()
        };
        assert_eq!([of(gpus, &["/ml"]), of(gpus, &[]), of(LARGE, &[])], [true, false, true]);
    }

    #[test]
    fn above_the_maximum_those_that_stay_go_last_l1() {
        let waits = two_sizes(&[4]).queued("/big", 1, resources(5, 100));
        let decision = decided_with_step(&waits, 11, "max = 0");
        let names: Vec<&str> = decision.scale_down_agents.iter().map(|agent| agent.hostname.as_str()).collect();
        assert_eq!((names.len(), names.last()), (11, Some(&"agent-0")));
        assert_eq!(decided_with_step(&waits, 11, "max = 1").scale_down_agents.len(), 10);
    }

    #[test]
    fn an_idle_pool_keeps_no_more_than_that_agent_d6() {
        // All but one go; without what waits all do.
        let idle = pool(&[(LARGE, 0), (SMALL, 0), (SMALL, 0), (SMALL, 0)]);
        assert_eq!(decided_with_step(&idle, 9, "").target, 0);
        let decision = decided_with_step(&idle.queued("/big", 1, resources(5, 100)), 9, "");
        assert_eq!((decision.target, decision.needed), (1, Some(1)));
    }
}
