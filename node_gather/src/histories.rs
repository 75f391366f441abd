//! Keeps what pools have learned (H7, H8): in memory, and in a plain parameter of Systems Manager for each pool, so that a cold
//! start does not forget it.
//!
//! A history that cannot be read is unknown in this run, and nothing is written over it. One that is lost or corrupt starts anew.
//! A failure here fails nothing else.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use jiff::Timestamp;
use shared::aws::call::SetUpError;
use shared::aws::ssm::{self, MAX_NAMES, StoreError};
use shared::config::{Config, Policy};
use shared::contract::{ClusterSnapshot, Growth};

use crate::growth::{History, Observation, ParseError, learn};
use crate::observe::Read;

/// For reading all of them at a cold start, and for writing those that are due. The group waits for neither: the state of the
/// cluster is read meanwhile, and the snapshots are published before.
const TIMEOUT: Duration = Duration::from_secs(3);

/// How long the value of a standard parameter may be. A history has some 400 bytes.
const MAX_BYTES: usize = 4096;

/// How many runs pass from one write to the next at most, and how much time: a function that runs rarely starts cold each time.
const MAX_RUNS: i64 = 5;
const WRITE_PERIOD: Duration = Duration::from_secs(300);

/// The name of the parameter with the history of a pool. What a name cannot have is written `_xx`, in hexadecimal. The name of the
/// stack stays as the permission has it.
#[must_use]
pub fn parameter_name(stack: &str, pool: &str) -> String {
    let mut name = format!("/lambda-scale/{stack}/");
    for byte in pool.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-') {
            name.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(name, "_{byte:02x}");
        }
    }
    name
}

/// Reads a stored history.
///
/// # Errors
/// Where it is none, or one of a newer release.
pub fn parse(text: &str) -> Result<History, ParseError> {
    if text.len() > MAX_BYTES {
        return Err(ParseError::Corrupt(format!("it has {} bytes, more than {MAX_BYTES}", text.len())));
    }
    History::parse(text)
}

/// The histories of the pools that learn.
#[derive(Debug, Default)]
pub struct Histories {
    /// `None`: nothing says where they are kept, so a cold start forgets them.
    store: Option<Store>,
    kept: Mutex<BTreeMap<String, Kept>>,
}

#[derive(Debug)]
struct Store {
    client: ssm::Client,
    stack: String,
}

/// What is known of the history of a pool.
#[derive(Debug)]
struct Kept {
    /// `None`: it could not be read, or a newer release wrote it. It must not be overwritten.
    history: Option<History>,
    /// When it was read or written last.
    stored_at: Timestamp,
    /// What went wrong with it, until it has been read and written.
    problem: Option<String>,
}

impl Kept {
    const fn unknown(problem: String, now: Timestamp) -> Self {
        Self { history: None, stored_at: now, problem: Some(problem) }
    }

    /// What a stored text, or its absence, says.
    fn read(text: Option<&str>, now: Timestamp) -> Self {
        let known = |history, problem| Self { history: Some(history), stored_at: now, problem };
        match text.map(parse) {
            None => known(History::default(), None),
            Some(Ok(history)) => known(history, None),
            Some(Err(error @ ParseError::Corrupt(_))) => {
                known(History::default(), Some(format!("{error}; it starts anew")))
            }
            Some(Err(error @ ParseError::Newer(_))) => {
                Self::unknown(format!("{error}; deploy that release again, or delete the parameter"), now)
            }
        }
    }
}

impl Histories {
    /// Those of the pools that learn, kept under the name of the stack.
    ///
    /// # Errors
    /// Where the SDK found no region or no credentials.
    pub fn new(config: &Config, sdk: &SdkConfig, stack: Option<String>) -> Result<Self, SetUpError> {
        let learns = learning(config).next().is_some();
        let store = match stack.filter(|_| learns) {
            Some(stack) => Some(Store { client: ssm::Client::new(sdk)?, stack }),
            None => None,
        };
        Ok(Self { store, kept: Mutex::default() })
    }

    /// Reads those that are not known: all at a cold start, later those that could not be read.
    pub async fn read(&self, config: &Config, now: Timestamp) {
        let pools: Vec<&str> = {
            let kept = self.lock();
            let is_unknown = |pool: &&str| kept.get(*pool).is_none_or(|kept| kept.history.is_none());
            learning(config).map(|policy| policy.pool.as_str()).filter(is_unknown).collect()
        };
        for pools in pools.chunks(MAX_NAMES) {
            let found = self.read_some(pools, now).await;
            for (pool, kept) in pools.iter().zip(found) {
                match (&kept.problem, &kept.history) {
                    (Some(problem), _) => tracing::warn!(pool, reason = problem, "history of {pool}: {problem}"),
                    (None, Some(history)) => {
                        tracing::info!(pool, "history of {pool}: {} samples", history.samples());
                    }
                    (None, None) => {}
                }
                self.lock().insert((*pool).to_owned(), kept);
            }
        }
    }

    async fn read_some(&self, pools: &[&str], now: Timestamp) -> Vec<Kept> {
        let Some(Store { client, stack }) = &self.store else {
            let problem = "the environment variable LAMBDA_SCALE_STACK is not set, so a cold start forgets it";
            let kept = |_: &&str| Kept { problem: Some(problem.to_owned()), ..Kept::read(None, now) };
            return pools.iter().map(kept).collect();
        };
        let names: Vec<String> = pools.iter().map(|pool| parameter_name(stack, pool)).collect();
        let read = within(client.get(&names)).await;
        let kept = |name: &String| match &read {
            Ok(values) => Kept::read(values.get(name).map(String::as_str), now),
            Err(error) => Kept::unknown(error.to_string(), now),
        };
        names.iter().map(kept).collect()
    }

    /// The snapshot of a run with what its pool has learned, that run included.
    #[must_use]
    pub fn add_growth(
        &self,
        policy: &Policy,
        snapshot: ClusterSnapshot,
        read: Option<&Read>,
        now: Timestamp,
    ) -> ClusterSnapshot {
        let backing_off = read.map_or(&[][..], |read| read.backing_off(&policy.pool));
        let Some(seen) = Observation::of(&snapshot, policy, backing_off) else { return snapshot };
        ClusterSnapshot { growth: self.learn(policy, &seen, now), ..snapshot }.identified()
    }

    /// Learns from a run, and says what the snapshot of the pool says about it. Where the history is not known, growth is unknown.
    pub fn learn(&self, policy: &Policy, seen: &Observation, now: Timestamp) -> Option<Growth> {
        let confidence = policy.learning?.confidence;
        let mut kept = self.lock();
        let history = kept.get_mut(&policy.pool).and_then(|kept| kept.history.as_mut());
        let Some(history) = history else {
            return Some(History::default().growth(seen.demand.as_ref(), confidence));
        };
        *history = learn(history, seen, now);
        Some(history.growth(seen.demand.as_ref(), confidence))
    }

    /// Writes those that are due.
    pub async fn write(&self, config: &Config, now: Timestamp) {
        let Some(Store { client, stack }) = &self.store else { return };
        let due: Vec<(&str, String)> = {
            let kept = self.lock();
            let due = |policy: &&Policy| kept.get(&policy.pool).is_some_and(|kept| is_due(policy, kept.stored_at, now));
            let text = |policy: &Policy| kept.get(&policy.pool)?.history.as_ref().map(History::to_json);
            let due = learning(config).filter(due);
            due.filter_map(|policy| Some((policy.pool.as_str(), text(policy)?))).collect()
        };
        for (pool, text) in due {
            let written = within(client.put(&parameter_name(stack, pool), &text)).await;
            let problem = written.err().map(|error| error.to_string());
            if let Some(problem) = &problem {
                tracing::warn!(pool, reason = problem, "the history of {pool} was not written: {problem}");
            }
            if let Some(kept) = self.lock().get_mut(pool) {
                if problem.is_none() {
                    kept.stored_at = now;
                }
                kept.problem = problem;
            }
        }
    }

    /// What is wrong with the history of a pool.
    #[must_use]
    pub fn problem(&self, pool: &str) -> Option<String> {
        self.lock().get(pool)?.problem.clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn learning(config: &Config) -> impl Iterator<Item = &Policy> {
    config.pools.iter().filter(|policy| policy.learning.is_some())
}

/// Whether a history is to be written in this run. The pools of an account take turns: Systems Manager takes few writes a second.
/// A write that was missed is made up for.
fn is_due(policy: &Policy, stored_at: Timestamp, now: Timestamp) -> bool {
    let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX).max(1);
    let period = millis(policy.timing.schedule_period);
    // Rounded up.
    let runs = ((millis(WRITE_PERIOD) - 1) / period + 1).clamp(1, MAX_RUNS);
    let run = now.as_millisecond().div_euclid(period);
    let turn = policy.pool.bytes().fold(0_i64, |turn, byte| (31 * turn + i64::from(byte)) % 1_000_003);
    let missed = now.as_millisecond().saturating_sub(stored_at.as_millisecond()) > period.saturating_mul(runs + 1);
    (run + turn).rem_euclid(runs) == 0 || missed
}

async fn within<T>(call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let late = || StoreError::Call(format!("Systems Manager did not answer within {} ms", TIMEOUT.as_millis()));
    tokio::time::timeout(TIMEOUT, call).await.unwrap_or_else(|_| Err(late()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::SignedDuration;
    use shared::config::Config;

    use super::*;

    #[test]
    fn a_parameter_has_a_name_that_systems_manager_takes() {
        assert_eq!(parameter_name("lambda-scale", "workers"), "/lambda-scale/lambda-scale/workers");
        assert_eq!(parameter_name("s", "a/b_c d:é"), "/lambda-scale/s/a_2fb_5fc_20d_3a_c3_a9");
        // No two pools have the same one.
        assert_ne!(parameter_name("s", "a_2fb"), parameter_name("s", "a/b"));
        assert_eq!(parameter_name("my_stack", "a"), "/lambda-scale/my_stack/a");
    }

    fn policy(pool: &str, period: &str) -> Policy {
        let configuration = format!(
            "schedule_period = {period:?}\n[mesos]\nmasters = [\"http://10.0.0.5:5050\"]\n[[pools]]\nname = {pool:?}\n\
             group = \"a\"\nlearn = 98\njoin_timeout = \"4h\"\nscale_down_cooldown = \"2h\"\n"
        );
        Config::parse(&configuration).unwrap().pools.remove(0)
    }

    /// In which of so many runs a history is written.
    fn written(policy: &Policy, runs: i64, offset: SignedDuration, lost: &[i64]) -> Vec<i64> {
        let period = SignedDuration::try_from(policy.timing.schedule_period).unwrap();
        let start = Timestamp::from_second(1_800_000_000).unwrap() + offset;
        let mut stored_at = start;
        let mut written = Vec::new();
        for run in 0..runs {
            let now = start + period * i32::try_from(run).unwrap();
            if is_due(policy, stored_at, now) && !lost.contains(&run) {
                stored_at = now;
                written.push(run);
            }
        }
        written
    }

    #[test]
    fn a_history_is_written_every_fifth_run() {
        let workers = written(&policy("workers", "1m"), 50, SignedDuration::ZERO, &[]);
        assert_eq!(workers.len(), 10);
        assert!(workers.windows(2).all(|pair| pair[1] - pair[0] == 5), "{workers:?}");
        // Pools take turns.
        let first: BTreeSet<i64> = ["a", "b", "c", "d", "e"]
            .iter()
            .map(|pool| written(&policy(pool, "1m"), 5, SignedDuration::ZERO, &[])[0])
            .collect();
        assert_eq!(first.len(), 5);
        // One that failed is made up for within two runs.
        let failed = written(&policy("workers", "1m"), 50, SignedDuration::ZERO, &workers[2..3]);
        assert!(failed.windows(2).all(|pair| pair[1] - pair[0] <= 7), "{failed:?}");
    }

    #[test]
    fn a_function_that_runs_rarely_writes_more_often() {
        let often = |period| written(&policy("workers", period), 60, SignedDuration::from_secs(17), &[]).len();
        assert_eq!([often("1m"), often("2m"), often("3m"), often("5m"), often("1h")], [12, 20, 30, 60, 60]);
    }

    #[test]
    fn what_is_stored_is_read_as_it_can_be() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let read = |text: Option<&str>| {
            let kept = Kept::read(text, now);
            (kept.history.map(|history| history.samples()), kept.problem)
        };
        assert_eq!(read(None), (Some(0), None), "lost, or never written");
        assert_eq!(read(Some(&History::default().to_json())), (Some(0), None));
        for corrupt in ["", "{", "[]", "null", "{\"version\":1}", &"x".repeat(5000), &format!("{}x", "{".repeat(4095))]
        {
            let (samples, problem) = read(Some(corrupt));
            assert!(
                samples == Some(0) && problem.as_ref().is_some_and(|text| text.ends_with("it starts anew")),
                "{problem:?}"
            );
        }
        let (samples, problem) = read(Some("{\"version\":2}"));
        assert!(samples.is_none() && problem.unwrap().contains("version 2"), "it must not be overwritten");
    }
}
