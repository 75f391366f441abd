//! D6 and D7 in the world: pools whose load goes up and down by a percent, run after run. What is removed must not be added again.

use cluster::{Capacity, Mode, NOON, policy, resources};
use jiff::SignedDuration;
use shared::random::SplitMix64;
use shared::resources::{Amount, Kind, Resources};
use simulator::policy::{Exactness, LambdaScale};
use simulator::trace::{Application, Change as Wanted};
use simulator::{DAY, Faults, FirstAgents, MINUTE, Millis, Place, Setup, Start, Workload, run};

use crate::turns;

/// For so many runs the load stays as it is, and the pool comes to rest: some windows, and one for each agent that goes.
const RESTING: usize = 200;
/// The last of them, which change nothing.
const QUIET: usize = 40;
/// For so many runs it then goes up and down.
const NOISY: usize = 200;
const SIZES: usize = 8;

/// How many instances of each of eight sizes are wanted.
struct Load {
    sizes: [Resources; SIZES],
    counts: [u32; SIZES],
}

impl Load {
    /// As much as takes that part of the cpus, as long as there is as much of everything.
    fn generated(random: &mut SplitMix64, total: &Resources, percent: u64) -> Self {
        let sizes = std::array::from_fn(|_| {
            let cpus = random.pick([50, 100, 250, 500, 1_000, 2_000, 4_000]);
            let mem = random.pick([32, 128, 512, 1_024, 2_048, 4_096, 8_192, 20_000]);
            Resources { cpus: Amount::from_thousandths(cpus), ..resources(0, mem) }
        });
        let mut load = Self { sizes, counts: [0; SIZES] };
        loop {
            let size = random.index(SIZES);
            load.counts[size] += 1;
            let all = load.all();
            if !all.fits_in(total) {
                load.counts[size] -= 1;
                return load;
            }
            if all.cpus.thousandths() * 100 >= total.cpus.thousandths() * percent {
                return load;
            }
        }
    }

    fn all(&self) -> Resources {
        self.sizes.iter().zip(self.counts).map(|(size, count)| size.times(count.into())).sum()
    }

    /// Instances end or start until the load is as near to so many thousandths of what it was as they allow. It passes that
    /// in no kind, so those that are large stay.
    fn vary(&mut self, base: &Resources, thousandths: u64, random: &mut SplitMix64) {
        let goal = Resources::from_fn(|kind: Kind| {
            Amount::from_thousandths(base.get(kind).thousandths() * thousandths / 1_000)
        });
        loop {
            let too_much = self.all().saturating_sub(&goal);
            let ends = |size: &usize| self.sizes[*size].fits_in(&too_much);
            // Each instance is as likely as any other.
            let ending: Vec<usize> =
                (0..SIZES).filter(ends).flat_map(|size| vec![size; self.counts[size] as usize]).collect();
            if ending.is_empty() {
                break;
            }
            self.counts[ending[random.index(ending.len())]] -= 1;
        }
        loop {
            let all = self.all();
            let fitting: Vec<usize> = (0..SIZES).filter(|size| (all + self.sizes[*size]).fits_in(&goal)).collect();
            if fitting.is_empty() {
                break;
            }
            self.counts[fitting[random.index(fitting.len())]] += 1;
        }
    }

    fn wanted(&self, at: Millis) -> impl Iterator<Item = Wanted> {
        let counts = self.counts.into_iter().enumerate();
        counts.map(move |(application, instances)| Wanted { at, application, instances })
    }
}

/// A pool of 10 to 100 agents that are a third to three quarters full of tasks of eight sizes.
fn generated(seed: u64) -> Setup {
    let mut random = SplitMix64::new(seed);
    let count = 10 + u32::try_from(random.below(91)).unwrap();
    let agent = random.pick([resources(16, 62_000), resources(8, 30_000), resources(8, 62_000)]);
    let percent = 33 + random.below(43);
    let mut load = Load::generated(&mut random, &agent.times(count.into()), percent);
    let applications = load.sizes.iter().enumerate();
    let applications = applications.map(|(number, size)| Application::new(format!("/app/{number}"), *size)).collect();
    let (base, mut changes) = (load.all(), load.wanted(0).collect::<Vec<_>>());
    for run in RESTING..RESTING + NOISY {
        load.vary(&base, 990 + random.below(21), &mut random);
        changes.extend(load.wanted(run as Millis * MINUTE));
    }
    let duration = (RESTING + NOISY) as Millis * MINUTE;
    let workload = Workload { start: NOON, duration, changes, applications, jobs: Vec::new(), agent };
    let first = FirstAgents { count, capacity: Capacity::of(agent), age: DAY, mode: Mode::Active };
    Setup {
        workload,
        agent: Capacity::of(agent),
        start: Start::Agents(vec![first]),
        boot: 3 * MINUTE,
        min: 0,
        max: 1_000,
        headroom_percent: 0,
        price: 0,
        place: Place { group: "workers-asg".to_owned(), ..Place::default() },
        faults: Faults::default(),
    }
}

/// How often a pool turns, after it has come to rest.
fn turns_of(seed: u64, settings: &str) -> usize {
    let pool = policy(&format!("max = 1000\n{settings}")).unwrap();
    let mut policy = LambdaScale::new(pool, true, Exactness::Sampled);
    let run = run(&generated(seed), "noise", &mut policy, seed).unwrap();
    assert_eq!(run.series.usable.len(), RESTING + NOISY);
    let after = |runs: usize| NOON + SignedDuration::from_mins(i64::try_from(runs).unwrap());
    let quiet = after(RESTING - QUIET)..after(RESTING);
    let restless = run.actions.iter().find(|action| quiet.contains(&action.at));
    assert!(restless.is_none(), "seed {seed} does not come to rest: {restless:?}");
    turns::turns(&run.actions, after(RESTING))
}

/// So many pools are looked at.
const POOLS: u64 = if cfg!(debug_assertions) { 5 } else { 20 };

fn turns(settings: &str) -> Vec<usize> {
    (0..POOLS).map(|seed| turns_of(seed, settings)).collect()
}

#[test]
fn a_percent_of_noise_turns_no_pool_d7() {
    for settings in ["", "scale_down_threshold_percent = 79"] {
        let turns = turns(settings);
        assert!(turns.iter().all(|turns| *turns == 0), "turns of pools with 10% headroom: {turns:?}, {settings}");
    }
}

#[test]
fn noise_turns_hardly_any_pool_that_must_double_d7() {
    let turns = turns("application_headroom_percent = 100");
    let turned = turns.iter().filter(|turns| **turns > 0).count();
    assert!(turned <= 1, "turns of pools with 100% headroom: {turns:?}");
}

#[test]
fn without_margin_and_window_noise_turns_pools_again_and_again() {
    let turns = turns("scale_down_margin = 0\nscale_down_window = \"0s\"\napplication_headroom_percent = 100");
    assert!(turns.iter().sum::<usize>() > 10 * turns.len(), "nothing is to be seen here: {turns:?}");
}
