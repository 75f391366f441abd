//! Rules that one run shows, through hundreds of runs of the whole chain: what keeps agents ends, and so does what adds them.

use std::fmt::Write as _;
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use cluster::{Capacity, Drain, Mode, NOON, resources};
use jiff::SignedDuration;
use node_scale::plan::Plan;
use shared::clause::Clause;
use shared::config;
use shared::contract::ScalingDecision;
use shared::random::SplitMix64;
use shared::resources::{Amount, Resources};
use simulator::policy::{Exactness, LambdaScale, Orders, Policy, PolicyError, View, Why};
use simulator::trace::{Application, Change as Wanted};
use simulator::{Fault, Faults, FirstAgents, Launches, MINUTE, Millis, Place, Setup, Start, Workload, run};

/// An agent of the group.
const AGENT: Resources = resources(4, 14_000);

/// How many loads are tried.
const SEEDS: u64 = if cfg!(debug_assertions) { 10 } else { 100 };

/// Only H keeps and adds agents.
const EXACT: &str = "scale_up_threshold_percent = 100\nscale_down_threshold_percent = 99\nscale_down_margin = 0\n\
                     application_headroom_percent = 0\nmin = 0\n";

/// A pool in which applications have phases.
struct Pool {
    setup: Setup,
    settings: config::Policy,
    /// In this run the least loaded agent ends, and the group does not replace it.
    lost_in: Option<usize>,
}

/// What a run came to.
struct Seen {
    decision: ScalingDecision,
    plan: Plan,
    /// How many agents there are.
    agents: usize,
    /// How many of them have more than a new one.
    large: usize,
    /// How many of them are deactivated.
    closed: usize,
    /// How many instances wait.
    queued: u32,
    /// The desired capacity that the run found.
    desired: u32,
}

/// All runs.
struct Ran(Vec<Seen>);

impl Pool {
    fn new(first: Vec<FirstAgents>, settings: &str) -> Self {
        let settings = cluster::policy(&format!("new_agent = {{ cpus = 4, mem = 14000 }}\n{EXACT}{settings}")).unwrap();
        let workload = Workload {
            start: NOON,
            duration: 0,
            changes: Vec::new(),
            applications: Vec::new(),
            jobs: Vec::new(),
            agent: AGENT,
        };
        let setup = Setup {
            workload,
            agent: Capacity::of(AGENT),
            start: Start::Agents(first),
            boot: 2 * MINUTE,
            min: 0,
            max: 100,
            headroom_percent: 0,
            price: 0,
            place: Place { group: settings.group.clone(), ..Place::default() },
            faults: Faults::none(),
        };
        Self { setup, settings, lost_in: None }
    }

    /// From such runs on so many instances of an application are wanted.
    fn with(mut self, application: Application, phases: &[(u64, u32)]) -> Self {
        let workload = &mut self.setup.workload;
        let number = workload.applications.len();
        workload.applications.push(application);
        let change =
            |(runs, instances): &(u64, u32)| Wanted { at: runs * MINUTE, application: number, instances: *instances };
        workload.changes.extend(phases.iter().map(change));
        workload.changes.sort();
        self
    }

    /// So many runs, one a minute.
    fn run(mut self, runs: u64, seed: u64) -> Ran {
        self.setup.workload.duration = runs * MINUTE;
        let inner = LambdaScale::new(self.settings.clone(), true, Exactness::Sampled);
        let mut watched = Watched { inner, decision: None, lost_in: self.lost_in, seen: Vec::new() };
        run(&self.setup, "rules", &mut watched, seed).unwrap();
        assert_eq!(watched.seen.len() as u64, runs);
        Ran(watched.seen)
    }
}

/// The project, and what each of its runs comes to.
struct Watched {
    inner: LambdaScale,
    decision: Option<ScalingDecision>,
    lost_in: Option<usize>,
    seen: Vec<Seen>,
}

impl Policy for Watched {
    fn period(&self) -> Millis {
        self.inner.period()
    }

    fn act(&mut self, view: &View<'_>, orders: &mut Orders) -> Result<(), PolicyError> {
        self.inner.act(view, orders)?;
        if let Some(decision) = self.inner.decision() {
            self.decision = Some(decision.clone());
            return Ok(());
        }
        if self.lost_in == Some(self.seen.len()) {
            let instance = view.cluster.agents().next().unwrap().instance_id().unwrap();
            orders.terminate(vec![instance.to_owned()], Why::from("lost".to_owned()));
        }
        self.seen.push(Seen {
            decision: self.decision.take().unwrap(),
            plan: self.inner.plan().unwrap().clone(),
            agents: view.cluster.registered().count(),
            large: view.cluster.registered().filter(|agent| agent.capacity.total.cpus > AGENT.cpus).count(),
            closed: view.cluster.registered().filter(|agent| agent.mode == Mode::Deactivated).count(),
            queued: view.waiting().iter().map(|waiting| waiting.instances).sum(),
            desired: view.desired,
        });
        Ok(())
    }
}

impl Ran {
    /// What each run saw, where it is not what the one before saw.
    fn told(&self) -> String {
        let mut told = String::new();
        let line = |seen: &Seen| {
            let Seen { decision, plan, agents, large, closed, queued, desired } = seen;
            let steps: Vec<&str> = decision.steps.iter().map(|step| step.reason.as_str()).collect();
            format!(
                "{agents} agents, {large} large, {closed} closed, {queued} queued, desired {desired}, needed {:?}: {:+}: {}; {}; never joined {}",
                decision.needed,
                decision.delta,
                steps.join("; "),
                plan.result.reason(),
                plan.never_joined
            )
        };
        let mut last = String::new();
        for (run, seen) in self.0.iter().enumerate() {
            let line = line(seen);
            if line != last {
                writeln!(told, "{run:4}: {line}").unwrap();
            }
            last = line;
        }
        told
    }

    fn last(&self) -> &Seen {
        self.0.last().unwrap()
    }

    /// How often the desired capacity turns.
    fn turns(&self) -> usize {
        let changes = self.0.windows(2).map(|pair| pair[1].desired.cmp(&pair[0].desired));
        let ways: Vec<_> = changes.filter(|way| way.is_ne()).collect();
        ways.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }
}

/// So many agents, registered two hours ago.
fn agents(count: u32, total: Resources) -> FirstAgents {
    FirstAgents { count, capacity: Capacity::of(total), age: 120 * MINUTE, mode: Mode::Active }
}

fn milli(cpus: u64, mem: u64) -> Resources {
    Resources { cpus: Amount::from_thousandths(cpus), ..resources(0, mem) }
}

/// An application of which an agent holds so many instances.
fn limited(name: &str, most: u32, cpus: u64) -> Application {
    Application { most_per_agent: NonZeroU32::new(most), ..Application::new(name, milli(cpus, 100)) }
}

/// An application whose instances need the same port of their host.
fn with_host_port(name: &str, cpus: u64) -> Application {
    Application { host_port: NonZeroU16::new(80), ..Application::new(name, milli(cpus, 100)) }
}

/// The least loaded of twelve agents runs a task for which no other has room, or two of them run more tasks than may move.
#[test]
fn an_agent_that_cannot_go_stops_no_other_until_its_tasks_end_d3() {
    let large_task = (1, resources(24, 400), "", resources(5, 100), 1);
    let many_tasks = (2, resources(24, 88_000), "max_scale_down_tasks = 4\n", milli(600, 14_500), 10);
    for (count, large, settings, size, instances) in [large_task, many_tasks] {
        for seed in 1..5 {
            let pool = Pool::new(vec![agents(count, large), agents(12 - count, AGENT)], settings)
                .with(Application::new("/large", size), &[(0, instances), (200, 0)])
                .with(Application::new("/web", resources(1, 3_000)), &[(0, 40), (10, 22)]);
            let ran = pool.run(400, seed);
            let (kept, last) = (&ran.0[199], ran.last());
            assert!(ran.0[..200].iter().all(|seen| seen.large == count as usize), "{}", ran.told());
            assert!(kept.agents <= 6 + count as usize, "{}", ran.told());
            assert!(last.agents < kept.agents && last.queued == 0, "{}", ran.told());
            // Two large agents take the other tasks, too.
            assert!(last.large == 0 || count > 1, "{}", ran.told());
        }
    }
}

/// An instance that only two of the agents could hold waits until their tasks end, while the load falls.
#[test]
fn the_last_agent_that_could_hold_a_queued_instance_stays_until_it_runs_d3() {
    for (seed, settings) in (1..9).zip(["", "headroom_placement = \"sum\"\n"].into_iter().cycle()) {
        // The load falls to what six agents hold at the twentieth run, and the instance is given up at the two hundredth.
        let pool = Pool::new(vec![agents(2, resources(8, 28_000)), agents(10, AGENT)], settings)
            .with(Application::new("/web", resources(1, 3_000)), &[(0, 54), (20, 26)])
            .with(Application::new("/big", resources(7, 24_000)), &[(10, 1), (200, 0)]);
        let ran = pool.run(300, seed);
        let waits = &ran.0[11..199];
        assert!(waits.iter().all(|seen| seen.large > 0), "{}", ran.told());
        assert!(waits.last().is_some_and(|seen| seen.agents < 12), "{}", ran.told());
        // Totals first ask for an agent.
        assert!(ran.turns() <= 1, "{}", ran.told());
    }
}

/// A task that only the first agent would hold, which is the least loaded one.
#[test]
fn with_sum_a_task_that_fits_one_agent_alone_is_never_stopped_d3() {
    for strategy in ["", "scale_down_strategy = \"drain\"\ndrain_after = \"5m\"\n"] {
        for seed in 1..5 {
            let settings = format!("headroom_placement = \"sum\"\n{strategy}");
            let pool = Pool::new(vec![agents(1, resources(16, 56_000)), agents(8, AGENT)], &settings)
                .with(Application::new("/large", resources(5, 6_000)), &[(0, 1), (200, 0)])
                .with(Application::new("/web", resources(1, 3_000)), &[(1, 30), (20, 10)]);
            let ran = pool.run(300, seed);
            let runs = &ran.0[2..200];
            assert!(runs.iter().all(|seen| seen.large == 1 && seen.queued == 0), "{}", ran.told());
            assert!(runs.last().is_some_and(|seen| seen.agents < 6 && seen.closed <= 1), "{}", ran.told());
            assert!(ran.turns() <= 1, "{}", ran.told());
        }
    }
}

/// An operator drains two of twelve agents, and the tasks of one never stop. The load falls at the tenth run.
#[test]
fn an_agent_that_drains_for_ever_holds_no_other_for_ever_d3() {
    let ran = |since: Option<i64>, grace: u64, settings: &str| {
        let since = since.map(|minutes| NOON - SignedDuration::from_mins(minutes));
        let drain = Drain { since, max_grace_period: Some(Duration::from_mins(grace)) };
        let first = |count, mode| FirstAgents { mode, ..agents(count, AGENT) };
        Pool::new(
            vec![first(10, Mode::Active), first(1, Mode::Draining(drain)), first(1, Mode::Drained(drain))],
            &format!("max_scale_down_step = 1\n{settings}"),
        )
        .with(Application::new("/web", resources(1, 3_000)), &[(0, 38), (10, 6)])
        .run(240, 1)
    };
    let note = |of: &[String]| of.iter().any(|note| note.contains("drain") && note.contains("not end"));
    for settings in ["", "scale_down_strategy = \"drain\"\n"] {
        // The drain should end an hour after it began, so that the window is over in run 75.
        for (since, grace, ends) in [(0, 60, 75), (30, 60, 45), (30, 0, 0)] {
            let ran = ran(Some(since), grace, settings);
            for (run, seen) in ran.0.iter().enumerate() {
                let is_over = run >= ends;
                assert_eq!(note(&seen.decision.notes), is_over, "{run}: {}", ran.told());
                assert_eq!(note(&seen.plan.notes), is_over, "{run}: {}", ran.told());
                assert_eq!(seen.plan.stranded, u32::from(is_over), "{run}: {}", ran.told());
                // Of agents without a task a tenth may go, rounded up.
                assert!(is_over || seen.agents >= 11, "{run}: {}", ran.told());
            }
            // It stays, and so does what was drained.
            assert_eq!(ran.last().agents, 4, "{}", ran.told());
        }
        // Without the time at which it began, it is awaited.
        let ran = ran(None, 0, settings);
        assert!(ran.0.iter().all(|seen| seen.agents >= 11 && !note(&seen.plan.notes)), "{}", ran.told());
    }
}

/// So many instances of applications of which an agent holds one or two: they need four agents.
fn on_four_hosts() -> [(u32, Application); 3] {
    [(4, limited("/db", 1, 500)), (8, limited("/db", 2, 500)), (4, with_host_port("/db", 500))]
}

/// Six agents, of which an application needs four, beside a load that needs fewer from the tenth run on.
fn four_hosts(application: Application, phases: &[(u64, u32)]) -> Pool {
    Pool::new(vec![agents(6, AGENT)], "")
        .with(application, phases)
        .with(Application::new("/web", resources(1, 1_000)), &[(0, 10), (10, 2)])
}

#[test]
fn a_limited_application_keeps_its_agents_through_a_low_load_h12() {
    for (instances, limited) in on_four_hosts() {
        let ran = four_hosts(limited, &[(0, instances)]).run(300, 1);
        assert!(ran.0.iter().all(|seen| seen.agents >= 4), "{}", ran.told());
        assert_eq!((ran.last().agents, ran.last().queued, ran.turns()), (4, 0, 0), "{}", ran.told());
    }
}

/// The other agents have room, and hold as many of it as they may.
#[test]
fn a_limited_application_that_loses_an_agent_is_served_again_h12() {
    for (instances, limited) in on_four_hosts() {
        let ran = Pool { lost_in: Some(100), ..four_hosts(limited, &[(0, instances)]) }.run(300, 1);
        assert!(ran.0[101..].iter().any(|seen| seen.queued > 0), "{}", ran.told());
        assert!(ran.0[110..].iter().all(|seen| seen.agents == 4 && seen.queued == 0), "{}", ran.told());
        assert_eq!(ran.turns(), 1, "{}", ran.told());
    }
}

#[test]
fn a_limited_application_whose_instances_end_turns_no_pool_h12() {
    for (place, (instances, limited)) in on_four_hosts().into_iter().enumerate() {
        let mut pool = four_hosts(limited, &[(0, instances)]);
        pool.setup.faults = Faults::none().with(Fault::InstanceEnds, 96);
        let ran = pool.run(600, place as u64);
        assert!(ran.0.iter().filter(|seen| seen.queued > 0).count() > 20, "{}", ran.told());
        assert!(ran.0[100..].iter().all(|seen| seen.desired <= 5) && ran.turns() <= 4, "{}", ran.told());
    }
}

/// Marathon stops an instance before it starts another, or the other way round, again and again.
#[test]
fn a_rolling_restart_of_a_limited_application_ends_at_the_same_size_h12() {
    for (instances, limited) in on_four_hosts() {
        for other in [instances - 1, instances + 1] {
            let restart = (0..8).map(|step| (100 + 3 * step, if step % 2 == 0 { other } else { instances }));
            let phases: Vec<(u64, u32)> = [(0, instances)].into_iter().chain(restart).collect();
            let ran = four_hosts(limited.clone(), &phases).run(300, 1);
            let most_desired = 4 + u32::from(other > instances);
            assert!(ran.0[90..].iter().all(|seen| (4..=most_desired).contains(&seen.desired)), "{}", ran.told());
            assert_eq!((ran.last().agents, ran.last().queued), (4, 0), "{}", ran.told());
            assert!(ran.turns() <= 2, "{}", ran.told());
        }
    }
}

/// Each instance of the load takes an agent, and so would each of a thousand others.
fn beside_a_daemon(daemon: Application, settings: &str) -> Ran {
    let phases = [(0, 12), (20, 5), (120, 15), (220, 8)];
    let settings = format!("max = 20\nmax_scale_down_step = 3\n{settings}");
    Pool::new(vec![agents(12, AGENT)], &settings)
        .with(daemon, &[(0, 1_000)])
        .with(Application::new("/whole", milli(3_500, 12_000)), &phases)
        .run(320, 1)
}

#[test]
fn a_daemon_of_a_thousand_instances_buys_and_keeps_no_agent_h12() {
    let is_said = "applications.\"/telegraf\".daemon = true\n";
    let unique = || limited("/telegraf", 1, 100);
    let on_a_port = || with_host_port("/telegraf", 100);
    for (daemon, settings) in [(unique(), ""), (unique(), is_said), (on_a_port(), ""), (on_a_port(), is_said)] {
        let ran = beside_a_daemon(daemon, settings);
        for (run, wanted) in [(19, 12), (119, 5), (219, 15), (319, 8)] {
            assert_eq!(ran.0[run].agents, wanted, "{}", ran.told());
        }
        assert!(ran.0.iter().all(|seen| seen.desired <= 15) && ran.turns() == 2, "{}", ran.told());
    }
}

#[test]
fn what_is_said_to_be_no_daemon_has_all_agents_that_the_pool_may_have_h12() {
    let ran = beside_a_daemon(limited("/telegraf", 1, 100), "applications.\"/telegraf\".daemon = false\n");
    assert!(ran.0[30..].iter().all(|seen| seen.agents == 20), "{}", ran.told());
}

#[test]
fn beside_agents_without_identity_what_never_joins_is_bought_one_by_one_b5() {
    for unnamed in [1, 3, 10] {
        let mut pool =
            Pool::new(vec![agents(10, AGENT)], "").with(Application::new("/whole", resources(4, 14_000)), &[(0, 16)]);
        pool.setup.place.unnamed = unnamed;
        pool.setup.place.launches = Launches { network_from: 200 * MINUTE, ..Launches::default() };
        let ran = pool.run(400, 1);
        let starved = &ran.0[..200];
        assert!(starved.iter().all(|seen| seen.agents == 10 && seen.desired <= 20), "{}", ran.told());
        let note = |seen: &Seen| seen.plan.notes.iter().any(|note| note.contains("give them the attribute"));
        assert!(
            starved[60..].iter().all(|seen| seen.plan.never_joined > 0 && note(seen)),
            "{:?}\n{}",
            starved[199].plan.notes,
            ran.told()
        );
        assert!(starved.iter().any(|seen| seen.plan.result.reason().clause == Some(Clause::B5)), "{}", ran.told());
        assert!(ran.last().agents >= 16 && ran.last().queued == 0, "{}", ran.told());
    }
}

/// The group has as many instances as it may, or its launches fail. The load falls after the second trial, an hour after the first.
#[test]
fn agents_do_not_wait_for_a_trial_that_is_not_to_be_had_a() {
    for (max, faults) in [(6, Faults::none()), (50, Faults::none().with(Fault::FailedLaunch, 100))] {
        let mut pool = Pool::new(vec![agents(6, resources(4, 14_861))], "scale_down_window = \"0s\"\n")
            .with(Application::new("/big", resources(1, 15_500)), &[(0, 1)])
            .with(Application::new("/web", resources(1, 1_000)), &[(0, 22), (66, 2)]);
        pool.settings = pool.settings.with(|policy| policy.new_agent = Some(resources(4, 16_384)));
        pool.setup.agent = Capacity::of(resources(4, 14_861));
        (pool.setup.max, pool.setup.faults) = (max, faults);
        let ran = pool.run(240, 1);
        assert!(ran.0[..66].iter().all(|seen| seen.agents == 6), "{}", ran.told());
        let tries = ran.0[..66].iter().filter(|seen| seen.decision.tries).count();
        assert!((2..10).contains(&tries), "{tries}: {}", ran.told());
        assert!(ran.0[110..].iter().all(|seen| seen.agents <= 2), "{}", ran.told());
    }
}

/// No launch arrives until the last phase, and the load turns: where closed agents are, nothing waits for longer than two runs.
#[test]
fn nothing_waits_beside_closed_agents_while_launches_fail_a1() {
    const PHASE: u64 = 20;
    let settings = "scale_down_strategy = \"drain\"\ndrain_after = \"never\"\nscale_down_window = \"0s\"\nmax_scale_down_step = 3\n";
    let mut closed_runs = 0;
    for seed in 1..=SEEDS {
        let mut random = SplitMix64::new(seed);
        let phases: Vec<(u64, u32)> =
            (0..12).map(|phase| (PHASE * phase, random.pick([4, 8, 12, 16, 20, 24, 32]))).collect();
        let mut pool =
            Pool::new(vec![agents(8, AGENT)], settings).with(Application::new("/web", resources(2, 7_000)), &phases);
        pool.setup.faults = Faults::none().with(Fault::FailedLaunch, 100);
        let ran = pool.run(12 * PHASE, seed);
        closed_runs += ran.0.iter().filter(|seen| seen.closed > 0).count();
        let waits = |seen: &Seen| seen.queued > 0 && seen.closed > 0;
        assert!(!ran.0.windows(3).any(|runs| runs.iter().all(waits)), "{seed}: {}", ran.told());
    }
    assert!(closed_runs > 20 * usize::try_from(SEEDS).unwrap(), "{closed_runs}");
}
