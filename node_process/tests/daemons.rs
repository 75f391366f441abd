//! H12: what daemons take is no load, and no part of an agent that load could take.

use crate::support::milli;
use cluster::{Agent, Cluster, NOON, TaskSpec, policy, resources};
use node_process::{decide, what_if::what_if};
use proptest::prelude::*;
use shared::config::Policy;
use shared::contract::{AgentState, ClusterSnapshot, CompletenessLevel, ScalingDecision};
use shared::resources::{Kind, Resources};

const AGENT: Resources = resources(4, 14_000);
const DAEMON: &str = "/daemon";

/// An idle pool in which each agent runs the daemon.
fn with_daemons(agents: usize, daemon: Resources) -> Cluster {
    daemons_started(Cluster::of(agents, AGENT), daemon)
}

/// The daemon starts on each agent that runs none and has room.
fn daemons_started(mut cluster: Cluster, daemon: Resources) -> Cluster {
    let runs = |agent: &Agent| agent.tasks().iter().any(|task| Cluster::spec_of(task).application == DAEMON);
    let lacks = |agent: &&Agent| agent.is_usable() && !runs(agent) && daemon.fits_in(&agent.free());
    let lacking: Vec<u32> = cluster.agents().filter(lacks).map(|agent| agent.number).collect();
    let framework = cluster.framework_of(DAEMON);
    for number in lacking {
        let spec = TaskSpec { application: DAEMON.to_owned(), resources: daemon };
        cluster.start_on(number, framework, spec, NOON).unwrap();
    }
    cluster
}

fn settings(more: &str) -> Policy {
    let own = format!(
        "min = 1\nmax = 50\napplication_headroom_percent = 0\nmax_scale_up_step = 1000\n{more}\napplications = {{ \"{DAEMON}\" = {{ daemon = true }} }}"
    );
    policy(&own).unwrap()
}

fn snapshot(cluster: &Cluster) -> ClusterSnapshot {
    let mut snapshot = cluster.snapshot();
    let daemons = snapshot.applications.iter_mut().filter(|application| application.name == DAEMON);
    daemons.for_each(|daemon| daemon.max_per_agent = Some(1));
    snapshot
}

fn decided(cluster: &Cluster, policy: &Policy) -> ScalingDecision {
    decide(&snapshot(cluster), policy, NOON).unwrap()
}

/// The cluster after the decision: a daemon goes with its agent, other tasks move, and the new agents are empty.
fn after(cluster: &Cluster, decision: &ScalingDecision) -> Cluster {
    let (stay, unplaced) = crate::support::without(cluster, decision);
    let moving = unplaced.into_iter().filter(|spec| spec.application != DAEMON);
    stay.and(usize::try_from(decision.delta).unwrap_or(0), AGENT).with_tasks(moving)
}

/// What is decided tick by tick, with the daemons started in between, until nothing changes.
fn deltas(mut cluster: Cluster, daemon: Resources, policy: &Policy) -> Vec<i32> {
    let mut deltas = Vec::new();
    for _ in 0..60 {
        let decision = decided(&cluster, policy);
        deltas.push(decision.delta);
        if decision.delta == 0 {
            break;
        }
        cluster = daemons_started(after(&cluster, &decision), daemon);
    }
    deltas
}

const PLACEMENTS: [&str; 2] = ["headroom_placement = \"pack\"", "headroom_placement = \"sum\""];

#[test]
fn daemons_above_the_threshold_buy_no_agent_h12_u1() {
    let daemon = milli(3_400, 1_000);
    for placement in PLACEMENTS {
        let policy = settings(&format!("{placement}\nscale_down_threshold_percent = 1"));
        // 85% of each agent, and 0.3 of what is left.
        let cluster = with_daemons(6, daemon).running("/web", 3, milli(100, 100));
        let decision = decided(&cluster, &policy);
        assert_eq!(decision.delta, 0, "{decision:#?}");
        assert_eq!(decision.steps[0].reason, "cpus 8.3% beside daemons (highest) is not below 1%");
        assert_eq!(decision.steps[2].reason, "cpus 8.3% beside daemons (highest) is not above 80%");
        // It is not even needed: only one of them is.
        assert_eq!(decision.needed, Some(1), "{decision:#?}");
    }
}

#[test]
fn daemons_that_wait_for_room_buy_no_agent_h12_u1() {
    // 994 more are queued, as UNIQUE makes it. The maximum says that it is a daemon, no setting does.
    let cluster = with_daemons(6, milli(3_400, 1_000)).running("/web", 3, milli(100, 100));
    let snapshot = snapshot(&cluster.queued(DAEMON, 994, milli(3_400, 1_000)));
    let policy = policy("min = 1\nmax = 50\napplication_headroom_percent = 0").unwrap();
    let decision = decide(&snapshot, &policy, NOON).unwrap();
    assert_eq!(decision.delta, -1, "{decision:#?}");
}

#[test]
fn an_idle_pool_of_daemons_shrinks_h12_d1() {
    // Also where daemons leave nothing of the cpus.
    for cpus in [100, 2_200, 3_400, 3_999, 4_000] {
        let daemon = milli(cpus, 1_000);
        for placement in PLACEMENTS {
            for considered in ["", "resources = [\"cpus\"]"] {
                let policy = settings(&format!("{placement}\n{considered}"));
                let ticks = deltas(with_daemons(6, daemon), daemon, &policy);
                assert_eq!(ticks, [-1, -1, -1, -1, -1, 0], "{cpus} {placement} {considered}");
            }
        }
    }
}

#[test]
fn an_agent_bought_beside_daemons_is_enough_h12_u1() {
    // The example of the page: 2.5 of 3 cpus, then of 3.6.
    let daemon = milli(3_400, 1_000);
    let loaded = |tasks| with_daemons(5, daemon).running("/web", tasks, milli(100, 100));
    for placement in PLACEMENTS {
        let policy = settings(placement);
        assert_eq!(decided(&loaded(20), &policy).delta, 0);
        let decision = decided(&loaded(25), &policy);
        assert_eq!(decision.delta, 1);
        let reason = "cpus 83.3% beside daemons is above 80%: adds 1 agent, then cpus 69.4%";
        assert_eq!(decision.steps[2].reason, reason);
        // Before its daemon runs, and after.
        let empty = after(&loaded(25), &decision);
        assert_eq!(decided(&empty, &policy).delta, 0);
        assert_eq!(deltas(empty, daemon, &policy), [0]);
        let joined = daemons_started(after(&loaded(25), &decision), daemon);
        let highest = "cpus 69.4% beside daemons (highest) is not above 80%";
        assert_eq!(decided(&joined, &policy).steps[2].reason, highest);
        // 3 of 3 cpus: two agents bring 4.2.
        assert_eq!(deltas(loaded(30), daemon, &policy), [2, 0]);
    }
}

#[test]
fn what_daemons_leave_nothing_of_buys_none_h12_u2() {
    // All cpus are taken, and a task of which no cpu is left for runs from before the daemon.
    let daemon = milli(4_000, 1_000);
    let web = Cluster::of(1, AGENT).running("/web", 1, milli(500, 100));
    let cluster = daemons_started(web.and(5, AGENT), daemon);
    let policy = settings("");
    let decision = decided(&cluster, &policy);
    assert_eq!(decision.delta, -1, "{decision:#?}");
    // One agent has not the room for the daemon, so what it has is left.
    assert_eq!(decision.steps[2].reason, "cpus 12.5% beside daemons (highest) is not above 80%");
    let mut snapshot = snapshot(&cluster);
    snapshot.resources.used = daemon.times(6);
    snapshot.applications[0].task_count = 6;
    snapshot.applications[0].resources = daemon.times(6);
    snapshot.resources.displaced = milli(500, 100);
    let decision = decide(&snapshot, &policy, NOON).unwrap();
    assert_eq!(decision.delta, 0, "{decision:#?}");
    let reason = "cpus (0.5 used, none available) beside daemons is above 80%; \
                  adds none for cpus, which a new agent does not have beside daemons";
    assert_eq!(decision.steps[2].reason, reason);
}

#[test]
fn daemons_on_agents_that_leave_or_are_away_are_no_load_h12() {
    let daemon = milli(3_400, 1_000);
    // 2 of 3 cpus on five agents. The two others run daemons alone.
    let busy = || with_daemons(7, daemon);
    let with_web = |mut cluster: Cluster| {
        for number in 0..20 {
            let spec = TaskSpec { application: "/web".to_owned(), resources: milli(100, 100) };
            let framework = cluster.framework_of("/web");
            cluster.start_on(number / 4, framework, spec, NOON).unwrap();
        }
        cluster
    };
    let policy = settings("");
    let text = "cpus 66.7% beside daemons (highest) is not above 80%";
    let leaving = with_web(busy()).with_state(5, AgentState::Draining).with_state(6, AgentState::Draining);
    let mut away = with_web(busy());
    [5, 6].into_iter().for_each(|number| away.disconnect(number));
    for cluster in [leaving, away] {
        let mut snapshot = snapshot(&cluster);
        snapshot.completeness.level = CompletenessLevel::Complete;
        let decision = decide(&snapshot, &policy, NOON).unwrap();
        assert_eq!((decision.delta, decision.agents.usable), (0, 5), "{decision:#?}");
        assert_eq!(decision.steps[2].reason, text);
        assert_eq!(decision.steps[0].reason, "cpus 66.7% beside daemons (highest) is not below 50%");
    }
}

#[test]
fn what_if_changes_the_load_beside_daemons_h12() {
    let cluster = with_daemons(5, milli(3_400, 1_000)).running("/web", 20, milli(100, 100));
    let answers = what_if(&snapshot(&cluster), &settings(""), NOON).unwrap();
    let told: Vec<String> = answers.iter().map(|answer| format!("{}: {}", answer.change, answer.delta)).collect();
    // 2.4 of 3 cpus are 80%, 1.5 are 50%.
    assert!(told.contains(&"20.1% more load (cpus 80%): 1".to_owned()), "{told:?}");
    assert!(told.iter().any(|told| told.starts_with("25.1% less load (cpus 49.9%)")), "{told:?}");
}

/// U1 said once more, independently: whether so many agents hold the load beside daemons below the threshold.
fn holds(used: &Resources, daemon: &Resources, agents: u32, policy: &Policy) -> bool {
    policy.thresholds.considered.iter().all(|kind: &Kind| {
        let of = |resources: &Resources| i128::from(resources.get(*kind).thousandths());
        let left = i128::from(agents) * (of(&AGENT) - of(daemon));
        100 * of(used) <= i128::from(policy.thresholds.scale_up_percent) * left
    })
}

fn pools() -> impl Strategy<Value = (Cluster, Resources, Resources, Policy)> {
    let daemon = (1_u64..=4_000, 1_u64..14_000);
    let tasks = (0_usize..80, 10_u64..600, 10_u64..2_000);
    let policy = (2_u32..98, 1_u32..40, prop_oneof![Just(0), 0_u32..60], any::<bool>());
    (1_usize..15, daemon, tasks, policy).prop_map(|(agents, daemon, (count, cpus, mem), policy)| {
        let (daemon, task) = (milli(daemon.0, daemon.1), milli(cpus, mem));
        let cluster = with_daemons(agents, daemon).running("/web", count, task);
        let used = cluster.agents().flat_map(Agent::tasks).map(Cluster::spec_of);
        let used = used.filter(|spec| spec.application != DAEMON).map(|spec| spec.resources).sum();
        let (down, gap, headroom, packs) = policy;
        let (up, placement) = ((down + gap).min(100), PLACEMENTS[usize::from(!packs)]);
        let more = format!(
            "{placement}\nscale_down_threshold_percent = {down}\nscale_up_threshold_percent = {up}\nmax_scale_down_step = 1000"
        );
        let policy = settings(&more).with(|policy| {
            policy.headroom.percent = headroom;
            policy.limits.max = None;
        });
        (cluster, daemon, used, policy)
    })
}

proptest! {
    /// What is added is enough, before its daemons run and after, and a pool comes to rest in one direction.
    #[test]
    fn a_pool_with_daemons_comes_to_rest_h12((cluster, daemon, _, policy) in pools()) {
        let first = decided(&cluster, &policy);
        // Headroom fills an empty agent, too, before its daemons start.
        if first.delta > 0 && policy.headroom.percent == 0 {
            prop_assert_eq!(decided(&after(&cluster, &first), &policy).delta, 0, "{:#?}", first);
        }
        let ticks = deltas(cluster, daemon, &policy);
        prop_assert_eq!(ticks.last(), Some(&0), "{:?}", &ticks);
        prop_assert!(first.delta <= 0 || ticks.len() == 2, "{:?}", &ticks);
        prop_assert!(ticks.iter().all(|delta| delta.signum() * first.delta.signum() >= 0), "{:?}", &ticks);
    }

    /// Without headroom as many agents are there as hold the load beside daemons, and none is bought that they do without.
    #[test]
    fn agents_hold_the_load_beside_daemons_h12_u1((cluster, daemon, used, policy) in pools()) {
        let policy = crate::support::by_total(&policy).with(|policy| policy.headroom.percent = 0);
        let decision = decided(&cluster, &policy);
        let lacks = |kind: &Kind| AGENT.get(*kind) == daemon.get(*kind) && !used.get(*kind).is_zero();
        prop_assume!(!policy.thresholds.considered.iter().any(lacks));
        prop_assert!(holds(&used, &daemon, decision.target, &policy), "{:#?}", decision);
        let needs_all = !holds(&used, &daemon, decision.target.saturating_sub(1), &policy);
        prop_assert!(decision.delta <= 0 || needs_all, "{:#?}", decision);
    }

    /// Daemons that take nothing of what is considered change nothing.
    #[test]
    fn daemons_of_no_considered_resource_change_no_percentage_h12(agents in 1_usize..9, tasks in 0_usize..30) {
        let disk = Resources { disk: resources(0, 10).mem, ..Resources::ZERO };
        let pool = |cluster: Cluster| cluster.running("/web", tasks, milli(500, 1_000));
        let plain = pool(Cluster::of(agents, Resources { disk: resources(0, 1_000).mem, ..AGENT }));
        let policy = settings("");
        let beside = daemons_started(plain.clone(), disk);
        prop_assert_eq!(decided(&plain, &policy).delta, decided(&beside, &policy).delta);
    }
}
