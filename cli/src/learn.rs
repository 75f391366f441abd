//! `lambda-scale learn`: the history that a pool would have learned from a trace, or from recorded snapshots, so that it need not
//! start with an empty one.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use node_gather::growth::{Demand, History, Observation, Unit, learn};
use serde::Serialize;
use shared::config::{Config, Learning, Policy};
use shared::contract::{ClusterSnapshot, Growth};
use shared::resources::{Amount, Resources};
use shared::text::counted;
use simulator::trace::{self, Options as TraceOptions, TraceError};
use thiserror::Error;

use crate::command::{self, CommandError, Ended};
use crate::config::{self, ConfigError};
use crate::page::Output;
use crate::recorded::{self, RecordedError};

/// What is the master of a trace: one leads from its start to its end.
const LEADER: Option<Timestamp> = None;

/// Print the history of demand that a pool would have learned from a trace or from recorded snapshots
///
/// Exit codes: 0 success, 1 a file cannot be read, 2 invalid trace, configuration, or options.
#[derive(Debug, Args)]
pub struct Options {
    /// Trace of the load, as CSV; docs/simulate.md describes the forms
    #[arg(long, value_name = "FILE", required_unless_present = "from_snapshots")]
    trace: Option<PathBuf>,
    /// Directory of recorded snapshots of the pool, as `RecordSnapshots` writes them, instead of a trace
    #[arg(long, value_name = "DIR", conflicts_with_all = ["trace", "peak_cpus"])]
    from_snapshots: Option<PathBuf>,
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Pool of the configuration [default: the only one]
    #[arg(long, value_name = "NAME")]
    pool: Option<String>,
    /// Peak to which a load series is scaled, in cpus
    #[arg(long, value_name = "CPUS", default_value = "300", value_parser = read_amount)]
    peak_cpus: Amount,
    /// Output format
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// Why there is no history.
#[derive(Debug, Error)]
pub enum LearnError {
    /// The trace cannot be read.
    #[error("cannot read {path}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The trace cannot be used.
    #[error("{path}")]
    Trace {
        /// The file.
        path: String,
        /// Why.
        source: TraceError,
    },
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A recording cannot be read.
    #[error(transparent)]
    Recorded(#[from] RecordedError),
    /// An option does not fit the files.
    #[error("{0}")]
    Usage(String),
    /// Standard output cannot be written.
    #[error("cannot print")]
    Print(#[source] io::Error),
    /// A value has no JSON form.
    #[error("cannot write JSON")]
    Json(#[source] serde_json::Error),
}

impl CommandError for LearnError {
    fn is_usage(&self) -> bool {
        match self {
            Self::Config(error) => error.is_usage(),
            Self::Trace { .. } | Self::Usage(_) => true,
            _ => false,
        }
    }
}

/// Runs the subcommand.
#[must_use]
pub fn run(options: &Options) -> ExitCode {
    command::exit("learn", print(options).map(|()| Ended::Well))
}

/// What has been learned.
#[derive(Debug)]
struct Learned {
    history: History,
    /// The growth of the last run.
    growth: Growth,
}

/// `--output json`.
#[derive(Serialize)]
struct Form<'a> {
    pool: &'a str,
    growth: Growth,
    counts: Vec<[u32; 2]>,
    /// The value of the parameter, as it is stored.
    history: serde_json::Value,
}

fn print(options: &Options) -> Result<(), LearnError> {
    let config = config::read(&options.config)?;
    let policy = pool(options, &config)?;
    let learning = policy.learning.unwrap_or(Learning::SUGGESTED);
    let is_set = policy.learning.is_some();
    let policy = &policy.with(|policy| policy.learning = Some(learning));
    let learned = match (&options.trace, &options.from_snapshots) {
        (Some(path), _) => from_trace(path, options.peak_cpus, policy, learning)?,
        (None, Some(path)) => from_snapshots(path, policy, learning)?,
        (None, None) => return Err(LearnError::Usage("there is no trace; add --trace FILE".to_owned())),
    };
    let text = match options.output {
        Output::Text => text(policy, learning, is_set, &learned),
        Output::Json => {
            let history = serde_json::from_str(&learned.history.to_json()).map_err(LearnError::Json)?;
            let counts = counters(&learned.history).map(|(edge, count)| [edge, count]).collect();
            let form = Form { pool: &policy.pool, growth: learned.growth, counts, history };
            serde_json::to_string_pretty(&form).map_err(LearnError::Json)? + "\n"
        }
    };
    io::stdout().write_all(text.as_bytes()).map_err(LearnError::Print)
}

fn pool<'c>(options: &Options, config: &'c Config) -> Result<&'c Policy, LearnError> {
    let usage = |problem: String| LearnError::Usage(format!("{}: {problem}", options.config.display()));
    match (&options.pool, config.pools.as_slice()) {
        (Some(name), _) => config.pool(name).ok_or_else(|| usage(format!("it has no pool {name:?}"))),
        (None, [only]) => Ok(only),
        (None, pools) => {
            let names: Vec<&str> = pools.iter().map(|policy| policy.pool.as_str()).collect();
            let first = names.first().copied().unwrap_or_default();
            Err(usage(format!("it has the pools {}; add --pool {first}", names.join(", "))))
        }
    }
}

/// What is wanted in each schedule period, as if all of it ran or were queued.
fn from_trace(path: &Path, peak_cpus: Amount, policy: &Policy, learning: Learning) -> Result<Learned, LearnError> {
    let shown = || path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| LearnError::File { path: shown(), source })?;
    let options = TraceOptions { peak_cpus, agent: policy.new_agent, ..TraceOptions::default() };
    let workload = trace::read(&text, &options).map_err(|source| LearnError::Trace { path: shown(), source })?;
    let schedule_period = policy.timing.schedule_period;
    let period = SignedDuration::try_from(schedule_period).unwrap_or(SignedDuration::MAX);
    let minutes = usize::try_from(schedule_period.as_secs() / 60).unwrap_or(1).max(1);
    let unit = Unit(workload.agent);
    let mut learned = Learned { history: History::default(), growth: Growth::default() };
    let mut now = workload.start;
    for taken in workload.demand().into_iter().step_by(minutes) {
        let demand = demand(taken, unit, policy);
        let horizon = learning.horizon(schedule_period);
        let seen = Observation { demand: Some(demand), counts: true, elected_at: LEADER, horizon, period };
        learned.add(&seen, learning, now);
        now = now.saturating_add(period).unwrap_or(Timestamp::MAX);
    }
    Ok(learned)
}

fn demand(taken: Resources, unit: Unit, policy: &Policy) -> Demand {
    Demand { taken, unit, agents: vec![unit], considered: policy.thresholds.considered.clone() }
}

/// What the pool would have learned from its own runs. Queued instances that back off are not in a snapshot.
fn from_snapshots(path: &Path, policy: &Policy, learning: Learning) -> Result<Learned, LearnError> {
    let mut observations = Vec::new();
    recorded::read(path, |snapshot: ClusterSnapshot| {
        if snapshot.pool == policy.pool {
            observations.extend(Observation::of(&snapshot, policy, &[]).map(|seen| (snapshot.taken_at, seen)));
        }
    })?;
    if observations.is_empty() {
        let problem = format!("it has no snapshot of the pool {:?}", policy.pool);
        return Err(LearnError::Usage(format!("{}: {problem}", path.display())));
    }
    // SNS delivers in any order.
    observations.sort_by_key(|(taken_at, _)| *taken_at);
    let mut learned = Learned { history: History::default(), growth: Growth::default() };
    for (taken_at, seen) in &observations {
        learned.add(seen, learning, *taken_at);
    }
    Ok(learned)
}

impl Learned {
    fn add(&mut self, seen: &Observation, learning: Learning, now: Timestamp) {
        self.history = learn(&self.history, seen, now);
        self.growth = self.history.growth(seen.demand.as_ref(), learning.confidence);
    }
}

/// The counters that are not 0: the edge, and how often.
fn counters(history: &History) -> impl Iterator<Item = (u32, u32)> {
    let all = Growth::EDGES.into_iter().zip(history.counts().iter().copied());
    all.filter(|(_, count)| *count > 0)
}

fn text(policy: &Policy, learning: Learning, is_set: bool, learned: &Learned) -> String {
    let Learned { history, growth } = learned;
    let mut text = format!("pool {}, {}\n", policy.pool, counted(growth.samples, "sample"));
    for (edge, count) in counters(history) {
        let agents = format!("{}.{:03}", edge / 8, 125 * (edge % 8));
        text.push_str(&format!("  growth up to {agents} agents  {count:5} runs\n"));
    }
    let confidence = learning.confidence;
    let confidence = if is_set { format!("learn = {confidence}") } else { format!("learn = {confidence} (not set)") };
    text.push_str(&match growth.known() {
        Some((grow, demand)) => {
            let tenths = (1000 * u64::from(grow) + u64::from(demand) / 2) / u64::from(demand);
            let (percent, x) = (format!("{}.{}%", tenths / 10, tenths % 10), policy.headroom.percent);
            format!("  {confidence}: {grow}/8 agents for {demand}/8, headroom {percent}; X is {x}%\n")
        }
        None => format!("  {confidence}: not known; 60 samples and a demand are needed\n"),
    });
    text.push_str(&format!("\n{}\n", history.to_json()));
    text
}

/// `12.5`
fn read_amount(text: &str) -> Result<Amount, String> {
    let amount = text.parse().ok().and_then(Amount::from_units).filter(|amount| !amount.is_zero());
    amount.ok_or_else(|| format!("got {text:?}, expected a number above 0; write 12.5"))
}
