//! Generated clusters and policies, and the cluster as it would be after a decision.

use cluster::{Agent, Cluster, Connection, NOON, TaskSpec, policy, resources};
use std::time::Duration;

use proptest::prelude::*;
use shared::config::{
    ApplicationSettings, Confidence, Headroom, HeadroomPlacement, Learning, Policy, StepLimit, Thresholds,
};
use shared::contract::{
    AgentCounts, AgentShape, AgentState, Application, Candidate, ClusterSnapshot, Completeness, CompletenessLevel,
    Growth, PoolResources, ScalingDecision, TaskGroup,
};
use shared::resources::{Amount, Kind, Resources};

/// So many thousandths of a cpu, and so much mem.
pub(crate) fn milli(cpus: u64, mem: u64) -> Resources {
    Resources { cpus: Amount::from_thousandths(cpus), ..resources(0, mem) }
}

/// Tasks of a few applications, most of them small.
pub(crate) fn tasks(most: usize) -> impl Strategy<Value = Vec<TaskSpec>> {
    let task = (0_usize..4, 50_u64..2500, 32_u64..4000, 1_usize..6);
    prop::collection::vec(task, 0..most).prop_map(|groups| {
        let start = |(application, cpus, mem, count): (usize, u64, u64, usize)| {
            let name = ["/shop/web", "/shop/db", "/batch", "/ml"][application];
            vec![TaskSpec { application: name.to_owned(), resources: milli(cpus, mem) }; count]
        };
        groups.into_iter().flat_map(start).collect()
    })
}

/// A cluster of equal agents without reservations.
pub(crate) fn homogeneous() -> impl Strategy<Value = Cluster> {
    let agents = prop::collection::vec((prop::bool::weighted(0.1), prop::bool::weighted(0.1)), 0..12);
    let queued = prop::collection::btree_map("/(batch|new)", (0_u32..5, (50_u64..2500, 32_u64..4000)), 0..2);
    let sizes = (2_u64..9, 1000_u64..16_000);
    (agents, sizes, tasks(12), tasks(2), queued).prop_map(|(agents, (cpus, mem), tasks, displaced, queued)| {
        let mut cluster = Cluster::of(agents.len(), resources(cpus, mem));
        cluster = cluster.with_tasks(tasks);
        displaced.into_iter().for_each(|spec| cluster.displace(spec));
        for (application, (instances, (cpus, mem))) in queued {
            cluster = cluster.queued(&application, instances, milli(cpus, mem));
        }
        for (number, (protected, leaving)) in (0..).zip(agents) {
            if protected {
                cluster.protect(number);
            }
            if leaving {
                cluster = cluster.with_state(number, AgentState::Draining);
            }
        }
        cluster
    })
}

/// A cluster of agents of several shapes, some with reservations.
pub(crate) fn mixed() -> impl Strategy<Value = Cluster> {
    let group = (1_usize..5, 1_u64..9, 500_u64..16_000, 0_u64..2);
    (homogeneous(), prop::collection::vec(group, 0..3), tasks(6)).prop_map(|(mut cluster, groups, tasks)| {
        for (count, cpus, mem, reserved) in groups {
            cluster = cluster.and_reserved(count, resources(cpus, mem), resources(reserved, 0));
        }
        cluster.with_tasks(tasks)
    })
}

/// A cluster of agents of several shapes, some with reservations, some with gpus, and applications that use them.
pub(crate) fn gpus_too() -> impl Strategy<Value = Cluster> {
    let group = (0_usize..4, 1_u64..9, 500_u64..16_000, 1_u64..5);
    let tasks = (0_usize..4, 50_u64..2500, 0_u64..3, 0_u32..3);
    (mixed(), group, tasks, prop::bool::ANY).prop_map(|(cluster, group, tasks, aware)| {
        let (agents, cpus, mem, gpus) = group;
        let (running, cpu, gpu, queued) = tasks;
        let of =
            |resources: Resources, gpus: u64| Resources { gpus: Amount::from_thousandths(1000 * gpus), ..resources };
        let mut cluster = cluster.and(agents, of(resources(cpus, mem), gpus));
        if aware {
            cluster = cluster.gpu_aware(&["/ml", "/ml/train"]);
        }
        let task = TaskSpec { application: "/ml/train".to_owned(), resources: of(milli(cpu, 100), gpu) };
        cluster = cluster.with_tasks(vec![task; running]);
        cluster.queued("/ml/infer", queued, of(milli(cpu, 200), gpu))
    })
}

/// The policy with one of three ways to say what a new agent has: like the first agent, like the last, of its own.
pub(crate) fn with_one_of(policy: &Policy, cluster: &Cluster, which: usize) -> Policy {
    let shape = match which {
        0 => connected(cluster).next().map(|agent| agent.capacity.total),
        1 => connected(cluster).last().map(|agent| agent.capacity.total),
        _ => None,
    };
    Policy { new_agent: Some(shape.unwrap_or(resources(3, 8000))), ..policy.clone() }
}

/// The agents but for the one that is disconnected, which only holds displaced tasks.
pub(crate) fn connected(cluster: &Cluster) -> impl DoubleEndedIterator<Item = &Agent> {
    cluster.agents().filter(|agent| agent.connection == Connection::Connected)
}

/// Any policy; without limits on a single step or on the size of the pool.
pub(crate) fn unlimited_policy() -> impl Strategy<Value = Policy> {
    let considered = prop::sample::select(vec![vec![Kind::Cpus], vec![Kind::Mem], vec![Kind::Mem, Kind::Cpus]]);
    let placement = prop::sample::select(vec![HeadroomPlacement::Pack, HeadroomPlacement::Sum]);
    (1_u32..99, 1_u32..60, 0_u32..150, prop::option::of(0_u32..300), considered, placement).prop_map(
        |(down, gap, percent, own, considered, placement)| {
            policy("").unwrap().with(|policy| {
                policy.limits.min = 0;
                policy.limits.max = None;
                policy.limits.max_scale_up_step = StepLimit::UNLIMITED;
                policy.limits.max_scale_down_step = StepLimit::UNLIMITED;
                policy.thresholds =
                    Thresholds { scale_down_percent: down, scale_up_percent: (down + gap).min(100), considered };
                let own = ApplicationSettings { headroom_percent: own, ..ApplicationSettings::default() };
                policy.applications = [("/batch".to_owned(), own)].into();
                policy.headroom = Headroom { percent, placement };
            })
        },
    )
}

/// Any policy with limits on the size of the pool.
pub(crate) fn bounded_policy() -> impl Strategy<Value = Policy> {
    (unlimited_policy(), 0_u32..8, prop::option::of(0_u32..12)).prop_map(|(policy, min, more)| {
        policy.with(|policy| {
            policy.limits.min = min;
            policy.limits.max = more.map(|more| min + more);
        })
    })
}

/// Any policy with limits on everything.
pub(crate) fn limited_policy() -> impl Strategy<Value = Policy> {
    let learns = prop::bool::weighted(0.3);
    (bounded_policy(), 1_u32..8, 1_u32..5, prop::option::of(0_u32..30), learns).prop_map(
        |(policy, up, down, tasks, learns)| {
            policy.with(|policy| {
                let learning = Learning { confidence: Confidence::SUGGESTED, boot_time: Duration::from_secs(180) };
                policy.learning = learns.then_some(learning);
                policy.limits.max_scale_up_step = StepLimit::Agents(up);
                policy.limits.max_scale_down_step = StepLimit::Agents(down);
                policy.limits.max_scale_down_tasks = tasks;
            })
        },
    )
}

/// The policy, with totals compared.
pub(crate) fn by_total(policy: &Policy) -> Policy {
    policy.with(|policy| policy.headroom.placement = HeadroomPlacement::Sum)
}

/// The policy, with single tasks placed.
pub(crate) fn by_tasks(policy: &Policy) -> Policy {
    policy.with(|policy| policy.headroom.placement = HeadroomPlacement::Pack)
}

/// The policy, which also knows what a new agent has: an empty pool could not grow otherwise.
pub(crate) fn with_new_agent(policy: &Policy, cluster: &Cluster) -> Policy {
    let shape = connected(cluster).next().map_or(resources(4, 8000), |agent| agent.capacity.total);
    Policy { new_agent: Some(shape), ..policy.clone() }
}

/// The cluster as it would be after the decision: the agents have gone and their tasks moved, or empty ones came.
pub(crate) fn after(cluster: &Cluster, policy: &Policy, decision: &ScalingDecision) -> Cluster {
    let (stay, unplaced) = without(cluster, decision);
    stay.and(usize::try_from(decision.delta).unwrap_or(0), policy.new_agent.unwrap()).with_tasks(unplaced)
}

/// The cluster without the agents that the decision removes, and what must be placed. An agent that is disconnected may come
/// back at any time, with its tasks.
pub(crate) fn without(cluster: &Cluster, decision: &ScalingDecision) -> (Cluster, Vec<TaskSpec>) {
    let goes = |agent: &Agent| decision.scale_down_agents.iter().any(|gone| gone.agent_id == agent.id);
    let gone: Vec<u32> = cluster.agents().filter(|agent| goes(agent)).map(|agent| agent.number).collect();
    let mut stay = cluster.clone();
    let gone: Vec<Agent> = gone.into_iter().filter_map(|number| stay.remove(number)).collect();
    let tasks = gone.iter().flat_map(Agent::tasks).map(Cluster::spec_of).collect();
    (stay, tasks)
}

/// The same cluster with what is queued started, where there is room; the rest stays queued.
pub(crate) fn started(mut cluster: Cluster) -> Cluster {
    for mut queued in std::mem::take(&mut cluster.queue) {
        let [resources] = queued.tasks[..] else { panic!("{queued:?} is a pod") };
        let spec = TaskSpec { application: queued.application.clone(), resources };
        while queued.instances > 0 && cluster.start(spec.clone(), NOON).is_ok() {
            queued.instances -= 1;
        }
        if queued.instances > 0 {
            cluster.queue.push(queued);
        }
    }
    cluster
}

/// Whatever a message may hold, sensible or not.
pub(crate) fn any_snapshot() -> impl Strategy<Value = ClusterSnapshot> {
    let shapes = prop::collection::vec((any_count(), any_resources(), any_resources(), any_resources()), 0..5);
    let sums = (any_resources(), any_resources(), any_resources(), any_resources());
    let candidates = prop::collection::vec(any_candidate(), 0..6);
    let applications = prop::collection::vec(any_application(), 0..5);
    (any_counts(), shapes, sums, candidates, applications, any_level(), any_growth()).prop_map(
        |(agents, shapes, (total, used, displaced, disconnected), candidates, applications, level, growth)| {
            ClusterSnapshot {
                growth,
                agents,
                agent_shapes: shapes
                    .into_iter()
                    .map(|(count, total, unreserved, free)| AgentShape { count, total, unreserved, free })
                    .collect(),
                resources: PoolResources { total, used, displaced, disconnected },
                scale_down_candidates: candidates,
                applications,
                completeness: Completeness { level, reasons: vec!["3 agents have not come back".to_owned()] },
                ..Cluster::default().snapshot()
            }
        },
    )
}

fn any_growth() -> impl Strategy<Value = Option<Growth>> {
    let grow = prop::option::of(prop_oneof![prop::sample::select(Growth::EDGES.to_vec()), any::<u32>()]);
    let growth = (any_count(), grow, any_count(), any_count(), any_count());
    let growth =
        growth.prop_map(|(demand, grow, samples, mean, highest)| Growth { demand, grow, samples, mean, highest });
    prop::option::of(growth)
}

fn any_count() -> impl Strategy<Value = u32> {
    prop_oneof![0_u32..20, any::<u32>(), Just(u32::MAX)]
}

fn any_amount() -> impl Strategy<Value = Amount> {
    prop_oneof![Just(0), 0_u64..20_000, any::<u64>(), Just(u64::MAX)].prop_map(Amount::from_thousandths)
}

pub(crate) fn any_resources() -> impl Strategy<Value = Resources> {
    prop::collection::vec(any_amount(), Kind::ALL.len())
        .prop_map(|amounts| Resources::from_fn(|kind| amounts[kind as usize]))
}

pub(crate) fn any_level() -> impl Strategy<Value = CompletenessLevel> {
    prop::sample::select(vec![CompletenessLevel::Complete, CompletenessLevel::Partial, CompletenessLevel::Blind])
}

fn any_counts() -> impl Strategy<Value = AgentCounts> {
    prop::array::uniform8(any_count()).prop_map(
        |[registered, usable, draining, deactivated, inactive, disconnected, recovered, unreachable]| AgentCounts {
            registered,
            usable,
            draining,
            deactivated,
            inactive,
            disconnected,
            recovered,
            unreachable,
        },
    )
}

fn any_groups() -> impl Strategy<Value = Vec<TaskGroup>> {
    let group = (any_count(), any_resources()).prop_map(|(count, resources)| TaskGroup { count, resources });
    prop::collection::vec(group, 0..3)
}

fn any_candidate() -> impl Strategy<Value = Candidate> {
    let states = vec![AgentState::Active, AgentState::Active, AgentState::Deactivated, AgentState::Draining];
    (0_u32..6, prop::sample::select(states), any::<bool>(), prop::array::uniform3(any_resources()), any_count())
        .prop_map(|(number, state, protected, [total, unreserved, used], task_count)| Candidate {
            agent_id: format!("S{number}"),
            hostname: format!("agent-{number}"),
            ip: None,
            instance_id: None,
            decommission_tag: None,
            decommission_since: None,
            contested: false,
            sole_host: false,
            drain_due: None,
            state,
            protected,
            total,
            unreserved,
            used,
            free: None,
            task_count,
            tasks: Vec::new(),
            applications: Vec::new(),
        })
}

fn any_application() -> impl Strategy<Value = Application> {
    // H12: some are daemons.
    let max_per_agent = prop::option::weighted(0.5, any_count());
    (0_u32..3, any_count(), any_resources(), any_groups(), any_count(), any_groups(), max_per_agent).prop_map(
        |(number, task_count, resources, tasks, queued, queued_tasks, max_per_agent)| Application {
            framework: "marathon".to_owned(),
            name: format!("/{number}"),
            task_count,
            resources,
            tasks,
            queued,
            queued_tasks,
            gpu_aware: false,
            max_per_agent,
            in_all_pools: None,
        },
    )
}
