//! What must hold after every event, in random small worlds.

use std::num::NonZeroU32;

use cluster::{Capacity, Mode, resources};
use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::fault::{Fault, Faults, Unit};
use crate::policy::{Exactness, LambdaScale, TargetTracking};
use crate::setup::{FirstAgents, Place, Start};
use crate::trace::{Application, Change, Job, Workload};
use crate::{HOUR, SECOND};

impl World<'_> {
    /// What is wrong with it, where something is.
    pub(crate) fn problem(&self) -> Option<String> {
        let full = self.pool.cluster().agents().find(|agent| !agent.used().fits_in(&agent.capacity.total));
        if let Some(agent) = full {
            return Some(format!("agent {} runs {} of {}", agent.number, agent.used(), agent.capacity.total));
        }
        let instances = self.pool.group().instances();
        let without = self.pool.cluster().agents().find(|agent| {
            !instances.iter().any(|of| {
                Some(of.id.as_str()) == agent.instance_id()
                    && (of.state.is_capacity() || of.state == group::Lifecycle::Standby)
            })
        });
        // An image with another instance's id in it says nothing about the agent's own.
        if let Some(agent) = without.filter(|_| self.setup.faults.rate(Fault::SharedIdentity) == 0) {
            return Some(format!("agent {} has no instance in service", agent.number));
        }
        // A rebalance has one more for a time.
        if self.pool.instances() > self.setup.max + u32::from(self.setup.faults.rate(Fault::Rebalance) > 0) {
            return Some(format!("{} instances, max is {}", self.pool.instances(), self.setup.max));
        }
        let placed: shared::resources::Resources = self.pool.cluster().agents().map(cluster::Agent::used).sum();
        if placed != self.scheduler.placed() {
            return Some(format!("{placed} run, not {}", self.scheduler.placed()));
        }
        self.scheduler.problem(self.pool.cluster())
    }
}

fn setup(workload: Workload) -> Setup {
    Setup {
        agent: Capacity::of(workload.agent),
        start: Start::Demand,
        boot: 3 * MINUTE,
        min: 1,
        max: 12,
        headroom_percent: 10,
        price: 384,
        place: Place { group: "workers-asg".to_owned(), ..Place::default() },
        workload,
        faults: Faults::default(),
    }
}

/// Three hours of two services and some jobs.
fn workload() -> impl Strategy<Value = Workload> {
    let change = (0..180_u64, 0..2_usize, 0..20_u32);
    let job = (0..10_800_u64, 1..3_600_u64);
    (prop::collection::vec(change, 1..30), prop::collection::vec(job, 0..30)).prop_map(|(changes, jobs)| {
        let mut changes: Vec<Change> = changes
            .into_iter()
            .map(|(minute, application, instances)| Change { at: minute * MINUTE, application, instances })
            .collect();
        changes.sort();
        let jobs = jobs.into_iter().map(|(at, run)| Job { submitted: at * 1000, duration: run * 1000, application: 2 });
        let mut jobs: Vec<Job> = jobs.collect();
        jobs.sort();
        let application = |name: &str, cpus, mem| Application::new(name, resources(cpus, mem));
        Workload {
            start: Timestamp::constant(1_767_225_600, 0),
            duration: 180 * MINUTE,
            applications: vec![
                application("/web", 1, 3500),
                application("/db", 2, 6000),
                application("/jobs/3", 3, 2000),
            ],
            changes,
            jobs,
            agent: resources(8, 28_000),
        }
    })
}

fn ours(settings: &str) -> LambdaScale {
    let pool = cluster::policy(&format!("min = 1\nmax = 12\n{settings}")).unwrap();
    LambdaScale::new(pool, true, Exactness::Sampled)
}

fn holds_after_every_event(workload: &Workload, policy: &mut dyn Policy, seed: u64) {
    let setup = setup(workload.clone());
    let mut world = World::new(&setup, policy.period(), seed);
    assert_eq!(world.problem(), None, "at the start");
    while let Some(at) = world.step(policy).unwrap() {
        assert_eq!(world.problem(), None, "after {at} ms");
    }
}

#[test]
fn what_no_agent_holds_starts_no_agents() {
    let application = |name: &str, cpus| Application::new(name, resources(cpus, 1000));
    let change = |application, instances| Change { at: 0, application, instances };
    let setup = setup(Workload {
        start: Timestamp::constant(1_767_225_600, 0),
        duration: MINUTE,
        applications: vec![application("/web", 4), application("/large", 9)],
        changes: vec![change(0, 4), change(1, 5)],
        jobs: Vec::new(),
        agent: resources(8, 28_000),
    });
    let world = World::new(&setup, MINUTE, 1);
    // Two hold all of /web, and the third shows that no agent holds /large.
    assert_eq!((world.instances(), world.scheduler.waiting()), (3, 5));
}

#[test]
fn a_large_start_has_at_most_a_hundredth_more_agents() {
    let large = setup(Workload {
        start: Timestamp::constant(1_767_225_600, 0),
        duration: MINUTE,
        applications: vec![Application::new("/web", resources(8, 1000))],
        changes: vec![Change { at: 0, application: 0, instances: 555 }],
        jobs: Vec::new(),
        agent: resources(8, 28_000),
    });
    let start = |max| {
        let setup = Setup { max, ..large.clone() };
        let world = World::new(&setup, MINUTE, 1);
        (world.instances(), world.scheduler.waiting())
    };
    let (agents, waiting) = start(1000);
    assert!((555..=560).contains(&agents) && waiting == 0, "{agents} agents, {waiting} waiting");
    assert_eq!(start(503), (503, 52), "never above the maximum");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn what_is_wanted_is_placed_or_waits_after_every_event(workload in workload(), seed in any::<u64>()) {
        holds_after_every_event(&workload, &mut TargetTracking::new(65), seed);
        holds_after_every_event(&workload, &mut ours(""), seed);
        holds_after_every_event(&workload, &mut ours("scale_down_strategy = \"drain\""), seed);
    }

    #[test]
    fn the_same_seed_gives_the_same_run(workload in workload(), seed in any::<u64>()) {
        let setup = setup(workload);
        let runs = [(); 2].map(|()| crate::run(&setup, "ours", &mut ours(""), seed).unwrap());
        let [first, second] = &runs;
        prop_assert_eq!(first, second);
        prop_assert_eq!(serde_json::to_string(first).unwrap(), serde_json::to_string(second).unwrap());
    }
}

#[test]
fn a_wait_lasts_from_wanted_to_placed() {
    // Two agents' worth from the tenth minute on, one agent that is full.
    let changes =
        [(0, 4), (10, 8)].map(|(minute, instances)| Change { at: minute * MINUTE, application: 0, instances });
    let workload = Workload {
        start: Timestamp::constant(1_767_225_600, 0),
        duration: 30 * MINUTE,
        applications: vec![Application::new("/web", resources(2, 7000))],
        changes: changes.to_vec(),
        jobs: Vec::new(),
        agent: resources(8, 28_000),
    };
    let mut setup = setup(workload);
    (setup.min, setup.max) = (1, 2);
    /// Requests a second agent in the twelfth minute.
    struct Late;
    impl Policy for Late {
        fn period(&self) -> Millis {
            MINUTE
        }
        fn act(&mut self, view: &View<'_>, orders: &mut Orders) -> Result<(), PolicyError> {
            if view.elapsed >= 12 * MINUTE && view.desired == 1 {
                assert_eq!(
                    (view.waiting()[0].instances, view.waiting()[0].since),
                    (4, view.now - jiff::SignedDuration::from_secs(150))
                );
                orders.set_desired(2, "late".to_owned());
            }
            Ok(())
        }
    }
    let run = crate::run(&setup, "late", &mut Late, 7).unwrap();
    let action = &run.actions[0];
    assert_eq!((action.kind, action.from, action.to, action.reason.as_str()), (ActionKind::ScaleUp, 1, 2, "late"));
    let waits: Vec<i64> = run.worst_waits.iter().map(|wait| (wait.to - wait.from).as_secs()).collect();
    let boot = waits[0] - 150;
    assert!((135..=225).contains(&boot), "{waits:?}");
    assert_eq!(waits, [150 + boot; 4]);
    let text = |value: f64| format!("{value:.0}");
    // While the second agent boots the group is at its maximum.
    let measured = &run.measurements;
    let lengths = u64::try_from(waits[0]).unwrap();
    assert_eq!(
        text(measured.waiting_task_seconds / 100.0),
        format!("{:.0}", f64::from(u32::try_from(4 * lengths).unwrap()) / 100.0)
    );
    assert_eq!(text(measured.waited_percent), "50");
    assert!(measured.waiting_at_max_task_seconds < measured.waiting_task_seconds);
    assert_eq!(run.series.waiting[9..13], [0, 4, 4, 4]);
}

#[test]
fn a_killed_job_starts_again_from_0() {
    let workload = Workload {
        start: Timestamp::constant(1_767_225_600, 0),
        duration: 60 * MINUTE,
        applications: vec![Application::new("/jobs/8", resources(8, 7000))],
        changes: Vec::new(),
        jobs: vec![
            Job { submitted: 0, duration: 20 * MINUTE, application: 0 },
            Job { submitted: 0, duration: 20 * MINUTE, application: 0 },
        ],
        agent: resources(8, 28_000),
    };
    let setup = setup(workload);
    /// Terminates the first agent after ten minutes.
    struct Rude(bool);
    impl Policy for Rude {
        fn period(&self) -> Millis {
            10 * MINUTE
        }
        fn act(&mut self, view: &View<'_>, orders: &mut Orders) -> Result<(), PolicyError> {
            if view.elapsed > 10 * MINUTE && !self.0 {
                self.0 = true;
                orders.terminate(vec![view.agents()[0].instance.to_owned()], "rude".to_owned());
            }
            Ok(())
        }
    }
    let run = crate::run(&setup, "rude", &mut Rude(false), 1).unwrap();
    assert_eq!(run.actions[0].killed_jobs, 1);
    let ran = run.measurements.killed_task_seconds;
    assert_eq!(format!("{ran:.0}"), "630");
    // It waits until the other has ended, and then runs for twenty minutes.
    let demand: Vec<usize> = [2, 1]
        .iter()
        .map(|agents| run.series.demand.iter().filter(|demand| **demand == agents * 1000).count())
        .collect();
    assert_eq!(demand, [20, 20], "{:?}", run.series.demand);
}

/// Often enough that each class strikes some times within hours.
fn rate(fault: Fault) -> u32 {
    match fault.unit() {
        Unit::PercentOfLaunches => 40,
        Unit::ADay => 48,
    }
}

/// Three hours in which the load of `/web` rises and falls every twenty minutes.
fn waves() -> Workload {
    let wave = |step: u64| Change {
        at: step * 20 * MINUTE,
        application: 0,
        instances: if step.is_multiple_of(2) { 6 } else { 30 },
    };
    let job = |number: u64| Job { submitted: number * 300_000, duration: 900_000, application: 1 };
    Workload {
        start: Timestamp::constant(1_767_225_600, 0),
        duration: 180 * MINUTE,
        applications: vec![
            Application::new("/web", resources(1, 3500)),
            Application::new("jobs-2", resources(2, 3500)),
        ],
        changes: (0..9).map(wave).collect(),
        jobs: (0..30).map(job).collect(),
        agent: resources(8, 28_000),
    }
}

/// Three hours with these faults: what strikes, by the time at which it does; after each event all must hold.
fn struck(faults: &Faults, seed: u64) -> (World<'static>, Vec<(Millis, Fault)>) {
    let setup = Box::leak(Box::new(Setup { faults: faults.clone(), ..setup(waves()) }));
    let mut policy =
        ours("scale_down_window = \"0s\"\nscale_down_threshold_percent = 70\nscale_up_threshold_percent = 90");
    let mut world = World::new(setup, policy.period(), seed);
    let mut strikes = Vec::new();
    while let Some(at) = world.step(&mut policy).unwrap() {
        assert_eq!(world.problem(), None, "after {at} ms, {faults}, seed {seed}");
        strikes.extend(world.struck.iter().map(|fault| (at, *fault)));
    }
    (world, strikes)
}

#[test]
fn every_class_strikes_alone_without_harm_to_the_world() {
    for fault in Fault::ALL {
        let mut count = 0;
        for seed in 0..4 {
            let (_, strikes) = struck(&Faults::default().with(fault, rate(fault)), seed);
            assert!(strikes.iter().all(|(_, struck)| *struck == fault), "{strikes:?}");
            count += strikes.len();
        }
        assert!(count >= 4, "{}: {count}", fault.name());
    }
}

#[test]
fn all_classes_together_leave_what_is_wanted_placed_or_waiting() {
    let all = Fault::ALL.into_iter().fold(Faults::default(), |faults, fault| faults.with(fault, rate(fault) / 4));
    for seed in 0..8 {
        assert!(struck(&all, seed).1.len() > 10);
    }
}

#[test]
fn a_class_that_is_switched_off_changes_nothing_about_the_others() {
    let timed = || Fault::ALL.into_iter().filter(|fault| fault.unit() == Unit::ADay);
    let all = timed().fold(Faults::default(), |faults, fault| faults.with(fault, 48));
    let of_all = struck(&all, 5).1;
    for off in timed() {
        let without = struck(&all.clone().with(off, 0), 5).1;
        let expected: Vec<(Millis, Fault)> = of_all.iter().copied().filter(|(_, fault)| *fault != off).collect();
        assert_eq!(without, expected, "without {}", off.name());
    }
}

#[test]
fn a_failover_shows_recovered_agents_until_they_are_back() {
    let faults = Faults::default().with(Fault::Failover, 48);
    let setup = Setup { faults, ..setup(waves()) };
    let mut policy = ours("");
    let mut world = World::new(&setup, policy.period(), 2);
    let (mut recovered, mut late, mut elected) = (0, 0, 0);
    let first = world.pool.cluster().master.elected_at;
    while world.step(&mut policy).unwrap().is_some() {
        let cluster = world.pool.cluster();
        recovered = recovered.max(cluster.agents().filter(|agent| !agent.is_registered()).count());
        let away = cluster.frameworks().any(|framework| framework.presence != Presence::Connected);
        late += usize::from(away && cluster.agents().all(cluster::Agent::is_registered));
        elected = elected.max((cluster.master.elected_at - first).as_secs());
    }
    assert!(
        recovered > 1 && late > 0 && elected > i64::try_from(BEFORE / SECOND).unwrap(),
        "{recovered} {late} {elected}"
    );
}

#[test]
fn pools_of_cpu_utilization_follow_what_is_allocated() {
    let config = "min = 1\nmax = 12\nsource = \"cloudwatch\"\nscale_down_strategy = \"desired_capacity\"\n";
    for config in [config, "min = 1\nmax = 12\ncpu_utilization = true\n"] {
        let pool = cluster::policy(config).unwrap();
        let workload = Workload {
            changes: [(0, 6), (60, 40), (150, 6)]
                .map(|(minute, instances)| Change { at: minute * MINUTE, application: 0, instances })
                .to_vec(),
            jobs: Vec::new(),
            duration: 360 * MINUTE,
            ..waves()
        };
        let setup = setup(workload);
        let run = crate::run(&setup, "cpu", &mut LambdaScale::new(pool, true, Exactness::Always), 1).unwrap();
        let at = |minute: usize| run.series.usable[minute];
        assert!(at(149) >= 7 && at(359) <= 3, "{config}: {} then {}", at(149), at(359));
    }
}

#[test]
fn jobs_of_a_framework_of_their_own_wait_unseen() {
    let setup = setup(Workload {
        changes: vec![Change { at: 0, application: 0, instances: 8 }],
        jobs: (0..6).map(|_| Job { submitted: 30 * MINUTE, duration: HOUR, application: 1 }).collect(),
        ..waves()
    });
    /// Sees what waits.
    struct Watch(u32);
    impl Policy for Watch {
        fn period(&self) -> Millis {
            MINUTE
        }
        fn act(&mut self, view: &View<'_>, _: &mut Orders) -> Result<(), PolicyError> {
            self.0 = self.0.max(view.to_place().iter().map(|group| group.count).sum());
            Ok(())
        }
    }
    let mut watch = Watch(0);
    let run = crate::run(&setup, "watch", &mut watch, 1).unwrap();
    assert!(watch.0 == 0 && run.series.waiting.contains(&6), "{:?}", run.series.waiting);
}

#[test]
fn a_world_starts_with_the_agents_of_its_setup_and_minds_limits_weights_and_the_warm_pool() {
    let small = Capacity::of(resources(4, 14_000));
    let limited = Application { most_per_agent: NonZeroU32::new(2), ..Application::new("/web", resources(1, 3500)) };
    let workload = Workload {
        start: Timestamp::constant(1_767_225_600, 0),
        duration: 120 * MINUTE,
        applications: vec![limited],
        changes: vec![
            Change { at: 0, application: 0, instances: 4 },
            Change { at: 10 * MINUTE, application: 0, instances: 11 },
        ],
        jobs: Vec::new(),
        agent: resources(8, 28_000),
    };
    let first = |count, mode| FirstAgents { count, capacity: small.clone(), age: 30 * MINUTE, mode };
    let place = Place { weight: NonZeroU32::new(3), warm: 2, ..setup(workload.clone()).place };
    let start = Start::Agents(vec![first(2, Mode::Active), first(1, Mode::Deactivated)]);
    let setup = Setup { start, place, ..setup(workload) };
    let mut world = World::new(&setup, MINUTE, 1);
    let agents: Vec<_> = world.pool.cluster().agents().map(|agent| (agent.capacity.clone(), agent.mode)).collect();
    assert_eq!(agents, [Mode::Active, Mode::Active, Mode::Deactivated].map(|mode| (small.clone(), mode)));
    let group = world.pool.group();
    assert_eq!((group.desired(), group.min, group.max, world.scheduler.waiting()), (9, 3, 37, 0));
    let mut policy = ours("");
    while world.step(&mut policy).unwrap().is_some() {
        assert_eq!(world.problem(), None);
        assert!(world.pool.cluster().agents().all(|agent| agent.tasks().len() <= 2));
        assert_eq!(world.pool.group().desired() % 3, 0);
    }
    let instances = world.pool.group().instances();
    let warm = instances.iter().filter(|of| of.state == group::Lifecycle::WarmedStopped).count();
    // Six agents hold eleven instances, and the one that was deactivated stays so.
    assert!(world.scheduler.waiting() == 0 && world.pool.instances() >= 6 && warm == 2, "{instances:?}");
    assert!(instances.iter().all(|of| of.weight == 3));
    let kinds: BTreeSet<String> = world.pool.group().activities().map(|of| format!("{:?}", of.kind)).collect();
    assert!(kinds.contains("LaunchFromWarmPool"), "{kinds:?}");
}

#[test]
fn a_world_takes_over_a_cluster_with_what_runs_on_it() {
    let mut cluster = Cluster::of(3, resources(8, 28_000)).running("/web", 9, resources(2, 7_000));
    let away = cluster.agents().next().unwrap().number;
    cluster.disconnect(away);
    let workload = Workload {
        start: cluster.master.elected_at + jiff::SignedDuration::from_hours(1),
        duration: 60 * MINUTE,
        applications: Vec::new(),
        changes: Vec::new(),
        jobs: Vec::new(),
        agent: resources(8, 28_000),
    };
    let setup = Setup { start: Start::Cluster(Box::new(cluster)), ..setup(workload) };
    let mut world = World::new(&setup, MINUTE, 1);
    assert_eq!((world.problem(), world.pool.desired(), world.scheduler.placed()), (None, 3, resources(18, 63_000)));
    let mut policy = ours("scale_down_margin = 0");
    while let Some(at) = world.step(&mut policy).unwrap() {
        assert_eq!(world.problem(), None);
        let is_away = world.pool.cluster().agent(away).is_some_and(|agent| !agent.is_active());
        assert!(at == RETURN || is_away == (at < RETURN), "{at}");
    }
    assert_eq!((world.scheduler.waiting(), world.scheduler.placed()), (0, resources(18, 63_000)));
}
