//! Runs the simulations on all processors, shows how far they are, and stops at Ctrl-C.

use std::io::{self, IsTerminal as _, Write as _};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use simulator::policy::{Exactness, LambdaScale, Policy};
use simulator::{Run, RunError, oracle, run_watched};

use super::SimulateError;
use super::options::{Contestant, Kind};
use crate::command;

/// How often the progress is shown.
const SHOWN_EVERY: Duration = Duration::from_millis(200);

/// The whole of a run's progress.
const WHOLE: usize = 1000;

/// What has been simulated.
pub(super) struct Finished {
    /// The seeds with which every contestant has run; where there is none, the first.
    pub(super) seeds: Vec<u64>,
    /// For each contestant its runs with these seeds; none where it has not run with the first.
    pub(super) runs: Vec<Vec<Run>>,
    pub(super) is_interrupted: bool,
}

/// Runs every contestant with every seed: all of them with the first, then all with the second, so that an interruption leaves
/// what can be compared.
pub(super) fn run(contestants: &[Contestant], seeds: &[u64], exactness: Exactness) -> Result<Finished, SimulateError> {
    let jobs: Vec<Job<'_>> = seeds
        .iter()
        .enumerate()
        .flat_map(|(place, seed)| {
            contestants.iter().map(move |contestant| Job { contestant, seed: *seed, is_first: place == 0 })
        })
        .collect();
    let progress = Shared::new(jobs.len());
    let is_interrupted = thread::scope(|scope| {
        let workers = thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
        for _ in 0..workers {
            scope.spawn(|| work(&jobs, exactness, &progress));
        }
        command::block_on::<_, SimulateError>(async { Ok(watch(&progress).await) })
    });
    let results = progress.results.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut ended: Vec<Option<Run>> = Vec::with_capacity(results.len());
    for result in results {
        ended.push(match result {
            Some(Ok(run)) => Some(run),
            Some(Err(RunError::Stopped)) | None => None,
            Some(Err(error)) => return Err(error.into()),
        });
    }
    let (seeds, runs) = comparable(ended, contestants.len(), seeds);
    Ok(Finished { seeds, runs, is_interrupted: is_interrupted? })
}

/// Of runs by seed, then by contestant: the seeds with which every contestant has run, else the first, and the runs with these
/// by contestant.
fn comparable<T>(mut ended: Vec<Option<T>>, contestants: usize, seeds: &[u64]) -> (Vec<u64>, Vec<Vec<T>>) {
    let complete = ended.chunks(contestants.max(1)).take_while(|of_seed| of_seed.iter().all(Option::is_some)).count();
    let kept = complete.max(1);
    ended.truncate(kept * contestants);
    let mut runs: Vec<Vec<T>> = (0..contestants).map(|_| Vec::new()).collect();
    for (place, run) in ended.into_iter().enumerate() {
        if let Some((of, run)) = runs.get_mut(place % contestants.max(1)).zip(run) {
            of.push(run);
        }
    }
    (seeds.iter().take(kept).copied().collect(), runs)
}

/// A run to be simulated.
struct Job<'c> {
    contestant: &'c Contestant,
    seed: u64,
    /// Whether it is of the first seed. The others lose their samples: a year has half a million.
    is_first: bool,
}

/// What the threads have in common.
struct Shared {
    next: AtomicUsize,
    /// In thousandths of a run.
    done: AtomicUsize,
    ended: AtomicUsize,
    count: usize,
    stop: AtomicBool,
    results: Mutex<Vec<Option<Result<Run, RunError>>>>,
}

impl Shared {
    fn new(count: usize) -> Self {
        Self {
            next: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            count,
            stop: AtomicBool::new(false),
            results: Mutex::new((0..count).map(|_| None).collect()),
        }
    }

    fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire) == self.count
    }
}

/// Takes one job after the other.
fn work(jobs: &[Job<'_>], exactness: Exactness, shared: &Shared) {
    loop {
        let place = shared.next.fetch_add(1, Ordering::Relaxed);
        let Some(Job { contestant, seed, is_first }) = jobs.get(place) else { return };
        let result = simulate(contestant, *seed, exactness, shared);
        let result = if *is_first { result } else { result.map(Run::without_series) };
        if let Some(own) = shared.results.lock().unwrap_or_else(PoisonError::into_inner).get_mut(place) {
            *own = Some(result);
        }
        shared.ended.fetch_add(1, Ordering::Release);
    }
}

fn simulate(contestant: &Contestant, seed: u64, exactness: Exactness, shared: &Shared) -> Result<Run, RunError> {
    let Contestant { name, kind, setup, .. } = contestant;
    let mut policy: Box<dyn Policy> = match kind {
        Kind::LambdaScale(policy, sees_queue) => Box::new(LambdaScale::new((**policy).clone(), *sees_queue, exactness)),
        Kind::Baseline(baseline) => match baseline.policy() {
            Some(policy) => policy,
            None => return Ok(oracle::run(setup, name, seed)),
        },
    };
    let mut known = 0;
    run_watched(setup, name, &mut *policy, seed, &mut |progress| {
        let share = progress.elapsed.saturating_mul(WHOLE as u64) / progress.duration.max(1);
        let share = usize::try_from(share).unwrap_or(WHOLE);
        shared.done.fetch_add(share - known, Ordering::Relaxed);
        known = share;
        if shared.stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
}

/// Shows the progress until all jobs have ended. Whether the user interrupted them.
async fn watch(shared: &Shared) -> bool {
    let shows = io::stderr().is_terminal();
    let ended = async {
        while !shared.is_ended() {
            tokio::time::sleep(if shows { SHOWN_EVERY } else { SHOWN_EVERY / 20 }).await;
            if shows {
                let percent = 100 * shared.done.load(Ordering::Relaxed) / (WHOLE * shared.count).max(1);
                // The simulation goes on where its progress cannot be shown.
                let _ = write!(io::stderr(), "\rsimulating: {percent}% of {} runs ", shared.count);
            }
        }
    };
    let is_interrupted = command::until_interrupted(ended).await.is_none();
    shared.stop.store(true, Ordering::Relaxed);
    if shows {
        let _ = write!(io::stderr(), "\r{:40}\r", "");
    }
    is_interrupted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interruption_leaves_the_seeds_with_which_all_have_run() {
        let (a, b) = (Some("a"), Some("b"));
        assert_eq!(comparable(vec![a, b, a, b], 2, &[1, 2]), (vec![1, 2], vec![vec!["a", "a"], vec!["b", "b"]]));
        assert_eq!(comparable(vec![a, b, None, b], 2, &[1, 2]), (vec![1], vec![vec!["a"], vec!["b"]]));
        assert_eq!(comparable(vec![None, b, None, None], 2, &[1, 2]), (vec![1], vec![vec![], vec!["b"]]));
        assert_eq!(comparable::<u8>(Vec::new(), 0, &[1]), (vec![1], Vec::new()));
    }
}
