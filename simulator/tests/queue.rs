//! A pool in which instances wait, through many runs of the whole chain: no belief about new agents makes it grow without end (A),
//! and applications of which an agent holds only so many instances get the agents that they need, and no more (H12).

use std::collections::BTreeMap;
use std::num::{NonZeroU16, NonZeroU32};

use cluster::{Agent, Capacity, Drain, Mode, NOON, resources};
use node_scale::plan::{Change, Increase, PlanResult};
use proptest::prelude::*;
use shared::clause::Clause;
use shared::config;
use shared::contract::ScalingDecision;
use shared::resources::{Amount, Resources};
use simulator::policy::{Exactness, LambdaScale, Orders, Policy, PolicyError, View, Why};
use simulator::trace::{Application, Change as Wanted};
use simulator::{Faults, FirstAgents, MINUTE, Millis, Place, Setup, Start, Workload, run};

/// A pool that starts with some agents, and an application of which it runs as many instances as find room.
struct Scenario {
    setup: Setup,
    pool: config::Policy,
    /// After so many runs, again and again, the oldest of the new agents ends by itself, and the group replaces it.
    interrupted_every: Option<usize>,
}

/// One run.
struct Seen {
    decision: ScalingDecision,
    /// How many agents there are.
    agents: usize,
    /// How many instances wait.
    queued: u32,
    /// How many instances have been requested of the group up to then.
    requested: u32,
}

impl Scenario {
    /// New instances have what `truth` says, and register about so many minutes after their launch.
    fn new(
        first: Vec<FirstAgents>,
        settings: &str,
        truth: Capacity,
        boot: u64,
        application: Application,
        wanted: u32,
    ) -> Self {
        let workload = Workload {
            start: NOON,
            duration: 0,
            changes: vec![Wanted { at: 0, application: 0, instances: wanted }],
            applications: vec![application],
            jobs: Vec::new(),
            agent: truth.total,
        };
        let pool = cluster::policy(settings).unwrap();
        let setup = Setup {
            workload,
            agent: truth,
            start: Start::Agents(first),
            boot: boot * MINUTE,
            min: 0,
            max: 100,
            headroom_percent: 0,
            price: 0,
            place: Place { group: pool.group.clone(), ..Place::default() },
            faults: Faults::default(),
        };
        Self { setup, pool, interrupted_every: None }
    }

    /// So many runs, one a minute.
    fn run(&self, runs: u64) -> Vec<Seen> {
        let workload = Workload { duration: runs * MINUTE, ..self.setup.workload.clone() };
        let setup = Setup { workload, ..self.setup.clone() };
        let inner = LambdaScale::new(self.pool.clone(), true, Exactness::Sampled);
        let mut watched = Watched { inner, scenario: self, requested: 0, seen: Vec::new() };
        run(&setup, "watched", &mut watched, 1).unwrap();
        assert_eq!(watched.seen.len() as u64, runs);
        watched.seen
    }

    /// The last of so many runs.
    fn after(&self, runs: u64) -> Seen {
        self.run(runs).pop().unwrap()
    }
}

/// The project, and what each of its runs comes to.
struct Watched<'s> {
    inner: LambdaScale,
    scenario: &'s Scenario,
    requested: u32,
    seen: Vec<Seen>,
}

impl Watched<'_> {
    fn look(&mut self, decision: ScalingDecision, view: &View<'_>) {
        self.seen.push(Seen {
            decision,
            agents: view.cluster.agents().count(),
            queued: view.waiting().iter().map(|waiting| waiting.instances).sum(),
            requested: self.requested,
        });
    }

    /// The oldest of the new agents ends by itself, and the group replaces it: a Spot interruption.
    fn interrupt(&self, view: &View<'_>, orders: &mut Orders) {
        let is_new = |agent: &&Agent| agent.capacity.total == self.scenario.setup.agent.total;
        let oldest = view.cluster.agents().filter(is_new).min_by_key(|agent| agent.registered_at);
        if let Some(instance) = oldest.and_then(Agent::instance_id) {
            let why = || Why::from("interrupted".to_owned());
            orders.terminate(vec![instance.to_owned()], why());
            orders.set_desired(view.desired, why());
        }
    }
}

impl Policy for Watched<'_> {
    fn period(&self) -> Millis {
        self.inner.period()
    }

    fn act(&mut self, view: &View<'_>, orders: &mut Orders) -> Result<(), PolicyError> {
        self.inner.act(view, orders)?;
        if let Some(decision) = self.inner.decision().cloned() {
            self.look(decision, view);
            if self.scenario.interrupted_every.is_some_and(|runs| self.seen.len().is_multiple_of(runs)) {
                self.interrupt(view, orders);
            }
        } else if let Some(PlanResult::Act(Change::Increase(Increase { from, to, .. }))) =
            self.inner.plan().map(|plan| &plan.result)
        {
            self.requested += u32::try_from(to - from).unwrap();
            self.seen.last_mut().unwrap().requested = self.requested;
        }
        Ok(())
    }
}

/// So many agents, which registered so many minutes ago.
fn agents(count: u32, capacity: &Capacity, minutes: u64) -> FirstAgents {
    FirstAgents { count, capacity: capacity.clone(), age: minutes * MINUTE, mode: Mode::Active }
}

/// The same, all of it reserved for another role.
fn reserved(resources: Resources) -> Capacity {
    Capacity { reserved: BTreeMap::from([("other".to_owned(), resources)]), ..Capacity::of(resources) }
}

fn settings(new_agent: Option<(u64, u64)>) -> String {
    let setting = new_agent.map(|(cpus, mem)| format!("new_agent = {{ cpus = {cpus}, mem = {mem} }}"));
    format!(
        "application_headroom_percent = 0\nmin = 0\nmax = 50\nscale_down_window = \"0s\"\n{}",
        setting.unwrap_or_default()
    )
}

fn big((cpus, mem): (u64, u64)) -> Application {
    Application::new("/db/big", resources(cpus, mem))
}

fn shape() -> impl Strategy<Value = (u64, u64)> {
    (1_u64..9, 1_000_u64..16_000)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// A: an instance that no agent of the group holds buys no more than shows that.
    #[test]
    fn a_wrong_belief_does_not_grow_the_pool_without_end(
        (believed, has, had, task) in (prop::option::of(shape()), shape(), shape(), shape()),
        (is_reserved, count, minutes) in (any::<bool>(), 0_u32..5, 1_u64..200), (queued, boot) in (1_u32..5, 1_u64..6),
    ) {
        let capacity = |(cpus, mem)| Capacity::of(resources(cpus, mem));
        let truth = if is_reserved { reserved(resources(has.0, has.1)) } else { capacity(has) };
        let fits = !is_reserved && task.0 <= has.0 && task.1 <= has.1;
        let old = vec![agents(count, &capacity(had), minutes)];
        // U has reasons of its own to buy: small agents beside large ones that are full.
        let settings = settings(believed) + "\nscale_up_threshold_percent = 100\n";
        let Seen { requested, queued: waiting, .. } =
            Scenario::new(old, &settings, truth, boot, big(task), queued).after(50);
        // One for each instance, three that refute the belief, and one that is tried after an hour.
        let most = queued + 3 + 1;
        prop_assert!(requested <= most || fits, "{requested} requested, {waiting} queued");
        prop_assert!(requested <= 2 * most, "{requested} requested, {waiting} queued");
    }

    /// A: an operator who changes the instance type, and `new_agent` with it, gets what he asks for.
    #[test]
    fn a_new_instance_type_is_found_out(
        had in (1_u64..5, 1_000_u64..8_000), more in (1_u64..4, 1_000_u64..8_000), count in 1_u32..5, queued in 1_u32..5,
        boot in 1_u64..6,
    ) {
        let has = (had.0 + more.0, had.1 + more.1);
        let old = vec![agents(count, &Capacity::of(resources(had.0, had.1)), 61)];
        let truth = Capacity::of(resources(has.0, has.1));
        let last = Scenario::new(old, &settings(Some(has)), truth, boot, big(has), queued).after(50);
        // The instances fill their agents, and U keeps a fifth of the pool free.
        prop_assert_eq!(last.queued, 0);
        prop_assert!(last.requested <= 2 * queued, "{} requested", last.requested);
    }
}

/// Without a setting, the most common shape is believed. Removing one of the new agents would make the older one count again.
#[test]
fn a_queue_that_only_an_older_agent_holds_buys_no_agent_again_and_again_a() {
    let old = vec![agents(1, &Capacity::of(resources(1, 11_565)), 1)];
    let truth = reserved(resources(5, 2_545));
    let last = Scenario::new(old, &settings(None), truth, 1, big((1, 1_000)), 2).after(50);
    assert_eq!((last.requested, last.queued), (2, 1));
}

#[test]
fn a_setting_of_the_nominal_memory_is_corrected_a() {
    let (nominal, has) = ((4, 16_384), (4, 14_861));
    let truth = Capacity::of(resources(has.0, has.1));
    let old = vec![agents(3, &truth, 5)];
    let seen = Scenario::new(old, &settings(Some(nominal)), truth, 2, big((1, 15_500)), 1).run(201);
    let decision = &seen[0].decision;
    assert!(decision.delta <= 0, "{decision:#?}");
    assert_eq!(
        decision.unplaceable[0].reason,
        "needs 15500 MB mem; a new agent should have 16384 MB, but those that registered last have 14861 MB"
    );
    let note = "new_agent says 16384 MB mem, but the agents that registered last have 14861 MB mem without reservations; a new agent counts with that; correct new_agent";
    assert_eq!(decision.notes, [note]);
    // One may be tried in each hour.
    let requested = seen[200].requested;
    assert!((1..=3).contains(&requested), "{requested}");
}

#[test]
fn agents_that_are_all_reserved_buy_no_more_of_them_a() {
    let truth = reserved(resources(4, 14_000));
    let old = vec![agents(3, &truth, 5)];
    let seen = Scenario::new(old, &settings(Some((4, 14_000))), truth, 2, big((1, 1_000)), 4).run(50);
    for Seen { decision, .. } in &seen {
        assert_eq!(decision.unplaceable.len(), 1, "{decision:#?}");
    }
    assert_eq!((seen[49].requested, seen[49].queued), (0, 4));
}

#[test]
fn what_shows_that_a_belief_is_wrong_stays_while_it_is_asked_a() {
    // New agents have 2287 MB, and the oldest 10446: each small one that left would make the large one count again.
    let (had, has) = (Capacity::of(resources(6, 10_446)), Capacity::of(resources(3, 2_287)));
    let old = vec![agents(1, &had, 1)];
    let last = Scenario::new(old, &settings(Some((1, 11_144))), has, 1, big((1, 5_224)), 2).after(55);
    assert_eq!((last.requested, last.queued), (3, 1));
}

/// Only H keeps and adds agents.
const RELAXED: &str = "scale_up_threshold_percent = 100\nscale_down_threshold_percent = 99\nscale_down_margin = 0";

/// Every so many runs one of the new agents ends by itself, and the group replaces it.
const HOURLY: usize = 50;

/// What no agent holds anyway shows nothing by the agents that registered last, so they need not stay for it.
#[test]
fn agents_that_join_each_hour_stay_for_nothing_that_none_holds_a() {
    let small = Capacity::of(resources(4, 14_000));
    for setting in [None, Some((4, 14_000)), Some((4, 16_384))] {
        let old = vec![agents(12, &small, 5)];
        let calm = Scenario::new(old, &settings(setting), small.clone(), 2, big((64, 1_000)), 2);
        let last = Scenario { interrupted_every: Some(HOURLY), ..calm }.after(300);
        // H6: without a setting, the last one shows what an agent is.
        let most = u32::from(setting.is_none());
        assert!(last.agents <= most as usize && last.requested <= 2 * most, "{setting:?}: {} agents", last.agents);
    }
}

/// Three stay at most, each for its own first hour.
#[test]
fn agents_that_join_each_hour_keep_no_others_a() {
    let (small, large) = (Capacity::of(resources(2, 7_000)), Capacity::of(resources(8, 28_000)));
    // One instance runs on the large agent, and one waits.
    let old = vec![agents(1, &large, 600), agents(12, &small, 5)];
    let settings = format!("{}\n{RELAXED}", settings(None));
    let calm = Scenario::new(old, &settings, small, 2, big((8, 28_000)), 2);
    let seen = Scenario { interrupted_every: Some(HOURLY), ..calm }.run(600);
    assert!(seen.iter().all(|seen| seen.queued == 1), "the large agent stays");
    let most = seen[200..].iter().map(|seen| seen.agents).max().unwrap();
    assert!(most <= 1 + 3 && seen[599].requested <= 10, "{most} agents, {} requested", seen[599].requested);
}

/// Old agents with a task each that fills them with memory, of which U knows nothing, some of them drained or deactivated; and new
/// agents that are too small for it. How many new ones are requested in the first hour, and in the ten after it.
fn requested(count: u32, leaving: Option<(u32, Mode)>, queued: u32, percent: u32) -> (u32, u32) {
    let large = Capacity::of(resources(8, 28_000));
    let (left, mode) = leaving.unwrap_or((0, Mode::Active));
    let old = vec![FirstAgents { mode, ..agents(left, &large, 600) }, agents(count - left, &large, 600)];
    let settings = format!(
        "min = 0\nmax = 50\nscale_down_window = \"0s\"\nresources = [\"cpus\"]\n\
         application_headroom_percent = {percent}\n{RELAXED}"
    );
    let truth = Capacity::of(resources(2, 7_000));
    let seen = Scenario::new(old, &settings, truth, 2, big((1, 20_000)), count + queued).run(11 * 60);
    let first = seen[59].requested;
    (first, seen[659].requested - first)
}

#[test]
fn what_only_an_older_agent_holds_buys_no_agent_again_and_again_a() {
    // No task of it ends.
    let draining = Mode::Draining(Drain { since: Some(NOON), max_grace_period: None });
    let closed = Mode::Deactivated;
    for (count, leaving, queued, percent) in [
        (2, Some((1, draining)), 0, 0),
        (2, Some((1, closed)), 0, 0),
        (3, Some((2, closed)), 0, 0),
        (1, None, 1, 0),
        (2, None, 1, 0),
        (1, None, 0, 50),
        (2, None, 0, 50),
        (2, Some((1, draining)), 1, 50),
    ] {
        let (first, later) = requested(count, leaving, queued, percent);
        // In each hour one may be tried.
        assert!(first <= 3 && later <= 10, "{count} {leaving:?} {queued} {percent}: {first}, then {later}");
    }
}

/// With `desired_capacity` the group may end the agent that was tried, and does: it is in the zone with the most instances.
#[test]
fn an_agent_that_is_tried_and_ended_by_the_group_is_tried_once_an_hour_a() {
    let settings = "min = 0\nmax = 7\nscale_down_strategy = \"desired_capacity\"\nscale_down_window = \"0s\"\n\
                    new_agent = { cpus = 8, mem = 32000 }";
    let has = Capacity::of(resources(8, 28_000));
    let mut pool = Scenario::new(vec![agents(2, &has, 600)], settings, has, 3, big((2, 30_000)), 2);
    pool.setup.workload.applications.push(Application::new("/web", resources(1, 3_500)));
    pool.setup.workload.changes.push(Wanted { at: 0, application: 1, instances: 11 });
    let seen = pool.run(10 * 60);
    let requested: Vec<u32> = seen.iter().map(|seen| seen.requested).collect();
    assert!(requested.windows(60).all(|hour| hour[59] - hour[0] <= 1), "one in an hour: {requested:?}");
    assert!(requested[599] >= 9, "one in each hour: {requested:?}");
    // The one that is tried soon goes again, and nothing else waits.
    let with_it = seen.iter().filter(|seen| seen.agents > 2).count();
    assert!(with_it < 60 && seen.iter().all(|seen| seen.agents <= 3 && seen.queued == 2), "{with_it} runs");
}

/// Agents of 1 cpu, an application of which each holds so many instances, and room for five.
fn limited(count: u32, queued: u32, most_per_agent: u32) -> Scenario {
    small(count, queued, |small| Application { most_per_agent: NonZeroU32::new(most_per_agent), ..small })
}

const SETTINGS: &str = "application_headroom_percent = 0\nmin = 0\nmax = 50\nmax_scale_down_step = 100\n\
                        scale_down_window = \"0s\"\nnew_agent = { cpus = 1, mem = 5000 }";

/// The same, and an application of small instances that is like this.
fn small(count: u32, queued: u32, of: impl FnOnce(Application) -> Application) -> Scenario {
    let new = Capacity::of(resources(1, 5_000));
    let size = Resources { cpus: Amount::from_thousandths(200), ..resources(0, 200) };
    Scenario::new(vec![agents(count, &new, 24 * 60)], SETTINGS, new, 2, of(Application::new("/db", size)), queued)
}

#[test]
fn eight_instances_of_at_most_two_on_an_agent_get_four_agents_h12() {
    let seen = limited(0, 8, 2).run(51);
    let first = &seen[0].decision;
    assert_eq!(
        (first.delta, first.steps[1].clause, first.steps[1].application.as_deref()),
        (4, Clause::H4, Some("/db"))
    );
    assert_eq!((seen[50].agents, seen[50].queued, seen[50].requested), (4, 0, 4));
}

/// With room for five on an agent, each finds its port taken on the agent of the first.
#[test]
fn four_instances_with_the_same_host_port_get_four_agents_h12() {
    let seen = small(0, 4, on_a_port).run(51);
    assert_eq!((seen[50].agents, seen[50].queued, seen[50].requested), (4, 0, 4));
}

#[test]
fn four_instances_with_the_same_host_port_keep_four_agents_h12() {
    keep_their_four_agents(&small(9, 4, on_a_port));
}

fn on_a_port(small: Application) -> Application {
    Application { host_port: NonZeroU16::new(80), ..small }
}

#[test]
fn four_unique_instances_keep_their_four_agents_h12() {
    keep_their_four_agents(&limited(9, 4, 1));
}

fn keep_their_four_agents(pool: &Scenario) {
    let seen = pool.run(52);
    for Seen { decision, .. } in &seen[1..51] {
        assert!(decision.target >= 4, "{decision:#?}");
        assert_eq!(decision.needed, Some(4));
    }
    assert_eq!((seen[50].agents, seen[50].queued, seen[50].requested), (4, 0, 0));
    let last = &seen[51].decision;
    assert!(last.steps[0].reason.ends_with("/db needs 4 agents: 4 instances, at most 1 on each agent"), "{last:#?}");
}

/// Four agents run an instance each, and the fifth a task for which it alone has room. Any of the four could hold a second instance by
/// its resources, and none may.
#[test]
fn the_only_hosts_of_instances_are_not_removed_and_bought_again_h12() {
    let pool = |agents: u32| {
        let mut pool = limited(agents, 4, 1);
        pool.pool = cluster::policy(&format!("{SETTINGS}\nscale_down_margin = 0")).unwrap();
        pool.setup.workload.applications.push(Application::new("/web", resources(1, 200)));
        pool.setup.workload.changes.push(Wanted { at: 0, application: 1, instances: 1 });
        pool
    };
    // A sixth agent is a place for one of them, so that one of the six may go.
    for agents in [5, 6] {
        let last = pool(agents).after(200);
        assert_eq!((last.agents, last.queued, last.requested), (5, 0, 0), "{agents}: {:#?}", last.decision);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// H12, D2: the pool comes to rest with all instances placed, on no more agents than they need or there were.
    #[test]
    fn limited_instances_are_placed_on_as_many_agents_as_they_need(
        count in 0_u32..8, queued in 1_u32..12, most_per_agent in 1_u32..5
    ) {
        let last = limited(count, queued, most_per_agent).after(60);
        let needed = queued.div_ceil(most_per_agent.min(5));
        prop_assert_eq!(last.queued, 0);
        prop_assert!(last.agents >= needed as usize && last.requested <= needed, "{} of {}", last.agents, needed);
    }
}
