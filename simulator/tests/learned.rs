//! What a pool learns (H7 to H11), in a closed loop: it serves demand that it does not see, it does not turn on noise, it waits no
//! longer than a boot, it ends no job, and what it has learned may be lost at any time.

use cluster::Capacity;
use jiff::{SignedDuration, Timestamp};
use node_gather::growth::History;
use shared::clause::Clause;
use shared::config::Confidence;
use shared::random::SplitMix64;
use shared::resources::{Amount, Resources};
use simulator::policy::{Exactness, LambdaScale, Orders, Policy, PolicyError, View};
use simulator::trace::{Application, Change, Job};
use simulator::{ActionKind, DAY, Fault, Faults, HOUR, MINUTE, Millis, Place, Run, Setup, Start, Workload, run};

use crate::{loads, turns};

/// The default of `boot_time`.
const BOOT: Millis = 3 * MINUTE;

/// The default of `scale_down_window` with `learn`, in minutes.
const WINDOW: usize = 4;

fn resources(cpus: u64, mem: u64) -> Resources {
    Resources {
        cpus: Amount::from_thousandths(1_000 * cpus),
        mem: Amount::from_thousandths(1_000 * mem),
        ..Resources::ZERO
    }
}

/// Two applications, each with so many instances of one cpu from each of these times on, on agents of 8.
fn load(duration: Millis, changes: impl IntoIterator<Item = (Millis, [u32; 2])>) -> Workload {
    let application = |name: &str| Application::new(name, resources(1, 3_000));
    let change = |(at, instances): (Millis, [u32; 2])| {
        (0..).zip(instances).map(move |(application, instances)| Change { at, application, instances })
    };
    Workload {
        start: Timestamp::from_second(1_767_225_600).unwrap(),
        duration,
        applications: vec![application("/a"), application("/b")],
        changes: changes.into_iter().flat_map(change).collect(),
        jobs: Vec::new(),
        agent: resources(8, 28_000),
    }
}

/// A pool that learns, where neither `max` nor a step is in the way.
fn settings(settings: &str) -> shared::config::Policy {
    unseen_settings(&format!("{settings}\n[marathon]\nurl = \"http://10.0.0.5:8080\""))
}

/// The same where nothing shows the queue.
fn unseen_settings(settings: &str) -> shared::config::Policy {
    cluster::policy(&format!("min = 1\nmax = 200\nlearn = {}\n{settings}", Confidence::SUGGESTED)).unwrap()
}

fn simulated(workload: Workload, pool: &shared::config::Policy, policy: &mut dyn Policy, faults: Faults) -> Run {
    let setup = Setup {
        agent: Capacity::of(workload.agent),
        start: Start::Demand,
        boot: BOOT,
        min: 1,
        max: 200,
        headroom_percent: 10,
        price: 384,
        place: Place { group: pool.group.clone(), ..Place::default() },
        workload,
        faults,
    };
    run(&setup, "learned", policy, 1).unwrap()
}

/// The same with Marathon's queue, and nothing that goes wrong.
fn seen(workload: Workload, pool: &shared::config::Policy) -> Run {
    simulated(workload, pool, &mut LambdaScale::new(pool.clone(), true, Exactness::Sampled), Faults::default())
}

/// How many turns there were since it was measured.
fn turns(run: &Run) -> usize {
    turns::turns(&run.actions, run.from)
}

/// Every two minutes another number of instances, at most so many percent from 100.
fn noise(days: u64, percent: u32) -> Workload {
    let mut random = SplitMix64::new(percent.into());
    let mut any = || 100 - percent + u32::try_from(random.below(u64::from(2 * percent + 1))).unwrap();
    load(days * DAY, (0..days * DAY / (2 * MINUTE)).map(|step| (step * 2 * MINUTE, [any(), any()])).collect::<Vec<_>>())
}

/// Demand ends at capacity where nothing shows the queue, so its growth is learned to be 0. U buys what waits all the same.
#[test]
fn demand_of_three_times_the_capacity_is_served_without_a_queue_h11() {
    for (step, agents) in [(10, 3), (100, 11), (1, 3)] {
        // Five hours of a constant load, and then three times what its agents hold.
        let full = 4 * agents;
        let changes = [(0, [full, full]), (5 * HOUR, [3 * full, 3 * full])];
        let pool = unseen_settings(&format!("max_scale_up_step = {step}"));
        let mut policy = LambdaScale::new(pool.clone(), false, Exactness::Sampled);
        let run = simulated(load(9 * HOUR, changes), &pool, &mut policy, Faults::default());
        let jump_at = usize::try_from(5 * HOUR / MINUTE).unwrap();
        assert_eq!(run.series.waiting[jump_at - 1], 0);
        let served = run.series.waiting[jump_at..].iter().rposition(|waiting| *waiting > 0).unwrap();
        // Jump / step boots, at least 12, and three more.
        let most = (2 * agents / step).max(12) + 3;
        assert!(served as u64 <= u64::from(most) * (BOOT / MINUTE), "step {step}: {:?}", run.series.waiting);
    }
}

/// Five days, after one that is not measured.
#[test]
fn constant_load_with_noise_turns_three_times_in_five_days_at_most_d7() {
    let run = seen(noise(6, 1), &settings(""));
    assert!(turns(&run) <= 3, "{:?}", run.actions);
    assert!(run.measurements.waiting_task_seconds < 1.0, "{}", run.measurements.waiting_task_seconds);
}

/// Where a task takes half an agent, whether there is room for it depends on where all others lie.
#[test]
fn large_tasks_with_noise_turn_three_times_in_five_days_at_most_d7() {
    let run = seen(loads::noise(6 * DAY, 1), &settings(""));
    assert!(turns(&run) <= 3, "{:?}", run.actions);
}

/// A pool whose history is another one from that run on.
struct Lost {
    policy: LambdaScale,
    at: Timestamp,
    history: Option<History>,
}

impl Policy for Lost {
    fn period(&self) -> Millis {
        self.policy.period()
    }

    fn act(&mut self, view: &View<'_>, orders: &mut Orders) -> Result<(), PolicyError> {
        if view.now >= self.at
            && let Some(history) = self.history.take()
        {
            self.policy.set_history(history);
        }
        self.policy.act(view, orders)
    }
}

#[test]
fn a_lost_history_removes_no_agent_while_the_window_remembers_d8() {
    // A load that triples for ten minutes of each hour.
    let hours = (0..10).map(|hour| hour * HOUR);
    let changes = hours.flat_map(|at| [(at, [12, 12]), (at + 10 * MINUTE, [36, 12]), (at + 20 * MINUTE, [12, 12])]);
    let workload = load(10 * HOUR, changes);
    let pool = settings("");
    let simulate = |minute: u64, history: Option<History>| {
        let at = workload.start + SignedDuration::from_mins(i64::try_from(minute).unwrap());
        let policy = LambdaScale::new(pool.clone(), true, Exactness::Sampled);
        let mut policy = Lost { policy, at, history };
        simulated(workload.clone(), &pool, &mut policy, Faults::default())
    };
    let kept = simulate(0, None);
    for minute in (6 * 60..7 * 60).step_by(6) {
        let lost = simulate(minute, Some(History::default()));
        // As long as the window surely remembers: of its three slots one has just begun.
        let first = usize::try_from(minute).unwrap();
        for now in first..first + WINDOW * 2 / 3 {
            let anyway = kept.series.usable[now..=now + WINDOW].iter().min().unwrap();
            assert!(lost.series.usable[now] >= *anyway, "lost at {minute}, at {now}: {:?}", lost.actions);
        }
    }
}

/// Where neither `max` nor a step is in the way: a boot takes five quarters of the mean at most, and a request two runs.
#[test]
fn nothing_waits_longer_than_a_boot_and_two_runs() {
    // One application ten times as large for an hour, and deployments that double the other one for ten minutes.
    let mut changes = vec![(0, [12, 40])];
    for hour in (1..40).step_by(2) {
        changes.extend([(hour * HOUR, [12, 80]), (hour * HOUR + 10 * MINUTE, [12, 40])]);
    }
    changes.extend([(40 * HOUR + 7 * MINUTE, [120, 40]), (41 * HOUR + 7 * MINUTE, [12, 40])]);
    let pool = settings("max_scale_up_step = 100");
    let run = seen(load(44 * HOUR, changes), &pool);
    let most = (BOOT * 5 / 4 + 2 * MINUTE) / 1000;
    assert!(run.measurements.wait_max_s <= most as f64, "{:?}", run.worst_waits.first());
    assert!(run.measurements.wait_max_s > 0.0, "something waits");
}

#[test]
fn no_job_is_stopped_where_agents_are_never_drained_d8() {
    let mut random = SplitMix64::new(3);
    // In waves of an hour, jobs of up to two hours.
    let mut jobs: Vec<Job> = (0..600)
        .map(|number| Job {
            submitted: number / 100 * 3 * HOUR + random.below(HOUR),
            duration: MINUTE + random.below(2 * HOUR),
            application: 1,
        })
        .collect();
    jobs.sort();
    let workload = Workload { jobs, ..load(20 * HOUR, [(0, [20, 0])]) };
    let run = seen(workload, &settings("drain_after = \"never\""));
    let gone = run.actions.iter().filter(|action| action.kind == ActionKind::Close).map(|action| action.agents);
    let removed: u32 = gone.sum();
    assert!(run.measurements.killed_tasks < 1.0 && run.measurements.killed_task_seconds < 1.0);
    assert!(removed > 20, "{removed} left");
}

/// A failover hides what runs, and shows it again: that is no growth. In between a real one goes on, and is served.
#[test]
fn a_failover_in_the_middle_of_growth_is_not_learned_h10() {
    let constant = load(12 * HOUR, [(0, [40, 40])]);
    let ramp = load(12 * HOUR, (0..12 * 12).map(|step| (step * 5 * MINUTE, [40 + u32::try_from(step).unwrap(), 40])));
    for (workload, most) in [(constant, 0), (ramp, 2)] {
        let pool = settings("");
        let mut policy = LambdaScale::new(pool.clone(), true, Exactness::Sampled);
        let faults = Faults::default().with(Fault::Failover, 24);
        let run = simulated(workload, &pool, &mut policy, faults);
        let highest = policy.history().counts().iter().rposition(|count| *count > 0).unwrap();
        // One instance more is one eighth of an agent.
        assert!(highest <= most, "{:?}", policy.history());
        assert!(policy.history().samples() > 150, "{:?}", policy.history());
        // What agents lost that did not come back is wanted again; none of the ramp waits.
        assert!(run.series.waiting.iter().rev().take(60).all(|waiting| *waiting == 0), "{:?}", run.series.waiting);
    }
}

/// The type of new instances changes several times a day, to half of everything, to twice as much, and back.
#[test]
fn a_changed_instance_type_keeps_what_was_learned_h7() {
    let changes: Vec<_> = (0..72)
        .flat_map(|step| [(step * 20 * MINUTE, [20, 40]), (step * 20 * MINUTE + 10 * MINUTE, [36, 40])])
        .collect();
    let pool = settings("max_scale_up_step = 100");
    let mut policy = LambdaScale::new(pool.clone(), true, Exactness::Sampled);
    let faults = Faults::default().with(Fault::InstanceType, 6);
    let run = simulated(load(DAY, changes), &pool, &mut policy, faults);
    assert!(policy.history().samples() > 600, "{:?}", policy.history());
    let most = (BOOT * 5 / 4 + 2 * MINUTE) / 1000;
    assert!(run.measurements.wait_max_s <= most as f64, "{:?}", run.worst_waits.first());
    assert!(run.measurements.flaps <= 144.0, "{}", run.measurements.flaps);
}

/// A pool that shrinks: what becomes of closed agents later is not counted under what the decision of that minute says.
#[test]
fn what_is_closed_goes_by_the_clause_of_closed_agents_a1() {
    let waves = (0..8).flat_map(|wave| [(wave * 3 * HOUR, [120, 60]), ((wave * 3 + 1) * HOUR, [60, 30])]);
    let run = seen(load(DAY, waves), &settings("max_scale_up_step = 100"));
    let clauses = |kind: ActionKind| -> Vec<Option<Clause>> {
        run.actions.iter().filter(|action| action.kind == kind).map(|action| action.clause).collect()
    };
    let drained = clauses(ActionKind::Drain);
    assert!(!drained.is_empty() && drained.iter().all(|clause| *clause == Some(Clause::A1)), "{drained:?}");
    let gone = clauses(ActionKind::ScaleDown);
    assert!(gone.contains(&Some(Clause::A1)) && !gone.contains(&Some(Clause::L1)), "{gone:?}");
    let closed = clauses(ActionKind::Close);
    assert!(!closed.is_empty() && closed.iter().all(|clause| *clause != Some(Clause::A1)), "{closed:?}");
}
