//! `lambda-scale learn`: the history that a pool would have learned from a trace, or from recorded snapshots, so that it need not
//! start with an empty one.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use node_gather::growth::{Demand, History, Observation, Unit, learn};
use serde::Serialize;
use shared::config::{Learning, Policy};
use shared::contract::Growth;
use shared::resources::{Amount, Resources};
use shared::text::counted;
use simulator::trace::Options as TraceOptions;
use thiserror::Error;

use crate::command::{self, CommandError, Ended};
use crate::load::{self, Load, LoadError, LoadOptions};
use crate::page::{self, Output};

/// What is the master of a trace: one leads from its start to its end.
const LEADER: Option<Timestamp> = None;

/// Print the history of demand that a pool would have learned from a trace or from recorded snapshots
///
/// Exit codes: 0 success, 1 a file cannot be read, 2 invalid trace, configuration, or options.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    load: LoadOptions,
    /// Output format
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// Why there is no history.
#[derive(Debug, Error)]
pub enum LearnError {
    /// There is no load, or no configuration.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Standard output cannot be written.
    #[error("cannot print")]
    Print(#[from] io::Error),
}

impl CommandError for LearnError {
    fn is_usage(&self) -> bool {
        matches!(self, Self::Load(error) if error.is_usage())
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
    /// An edge, how many runs, and how many of them from above the mean.
    counts: Vec<[u32; 3]>,
    /// The value of the parameter, as it is stored.
    history: serde_json::Value,
}

fn print(options: &Options) -> Result<(), LearnError> {
    let found = options.load.config()?;
    let config = found.parse().map_err(LoadError::from)?;
    let policy = options.load.pool(&found, &config)?;
    if !policy.source.needs_masters() {
        let place = found.place.display();
        let problem = "source = \"cloudwatch\" tells no demand, so it cannot learn; choose a pool of Mesos";
        return Err(LoadError::Usage(format!("{place}: pool {:?}: {problem}", policy.pool)).into());
    }
    let learning = policy.learning.unwrap_or(Learning::SUGGESTED);
    let is_set = policy.learning.is_some();
    let policy = &policy.with(|policy| policy.learning = Some(learning));
    let learned = match options.load.load()? {
        Load::Trace(path) => from_trace(path, options.load.peak_cpus, policy, learning)?,
        Load::Snapshots(path) => from_snapshots(path, policy, learning)?,
    };
    match options.output {
        Output::Text => io::stdout().write_all(text(policy, learning, is_set, &learned).as_bytes())?,
        Output::Json => {
            let history = serde_json::from_str(&learned.history.to_json()).map_err(io::Error::from)?;
            let counts = counters(&learned.history).collect();
            page::json(&Form { pool: &policy.pool, growth: learned.growth, counts, history })?;
        }
    }
    Ok(())
}

/// What is wanted in each schedule period, as if all of it ran or were queued.
fn from_trace(path: &Path, peak_cpus: Amount, policy: &Policy, learning: Learning) -> Result<Learned, LoadError> {
    let options = TraceOptions { peak_cpus, agent: policy.new_agent, ..TraceOptions::default() };
    let workload = load::workload(path, &options)?;
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
fn from_snapshots(path: &Path, policy: &Policy, learning: Learning) -> Result<Learned, LoadError> {
    let mut observations = Vec::new();
    load::snapshots(path, &policy.pool, |snapshot| {
        observations.extend(Observation::of(&snapshot, policy, &[]).map(|seen| (snapshot.taken_at, seen)));
    })?;
    if observations.is_empty() {
        let problem = format!("it has no snapshot of the pool {:?}", policy.pool);
        return Err(LoadError::Usage(format!("{}: {problem}", path.display())));
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

/// The counters that are not 0: the edge, how often, and how often of them the demand was above its mean.
fn counters(history: &History) -> impl Iterator<Item = [u32; 3]> {
    let counts = history.counts().iter().zip(history.above());
    let all = Growth::EDGES.into_iter().zip(counts).map(|(edge, (count, above))| [edge, *count, *above]);
    all.filter(|[_, count, _]| *count > 0)
}

fn text(policy: &Policy, learning: Learning, is_set: bool, learned: &Learned) -> String {
    let Learned { history, growth } = learned;
    let mut text = format!("pool {}, {}\n", policy.pool, counted(growth.samples, "sample"));
    for [edge, count, above] in counters(history) {
        let agents = format!("{}.{:03}", edge / 8, 125 * (edge % 8));
        let runs = if count == 1 { "run" } else { "runs" };
        let above =
            if above == 0 { String::new() } else { format!(", {above} from above the mean of {}/8", history.mean()) };
        text.push_str(&format!("  growth up to {agents} agents  {count:5} {runs}{above}\n"));
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
