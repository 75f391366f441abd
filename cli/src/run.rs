//! `lambda-scale run`: the chain in one process, against the real masters and the real group. The functions' own code, without
//! a deployment; nothing is changed without `--apply`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use aws_config::SdkConfig;
use clap::Args;
use jiff::Timestamp;
use node_gather::config::SettingsError as GatherSettingsError;
use node_gather::look::{Look, LookError, Read, SourceError, Sources};
use node_scale::config::SettingsError as ScaleSettingsError;
use node_scale::handler::{Applied, Handler};
use serde::Serialize;
use shared::config::{Config, Policy};
use shared::contract::{ClusterSnapshot, OutcomeAction, ScalingDecision, ScalingOutcome, WithHeader, with_header};
use shared::error::Chain;
use thiserror::Error;

use crate::account;
use crate::config::{self, ConfigError};
use crate::page::{Output, Page, Tone};
use crate::target::{GroupError, look};

/// Look at the masters, decide and, with --apply, change the groups: the three functions in one process
///
/// Without --apply nothing is changed anywhere. Needs the rights of the functions in AWS: credentials and region as any tool of
/// AWS takes them.
///
/// Exit codes: 0 done, 1 the masters, AWS or a file did not do as they should, 2 the configuration or the call is not valid,
/// 130 interrupted.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Look once and end; the default
    #[arg(long, conflicts_with = "every")]
    once: bool,
    /// Look again and again, such as every 1m, until interrupted
    #[arg(long, value_name = "DURATION", value_parser = period)]
    every: Option<Duration>,
    /// Change the groups; without it everything is a dry run
    #[arg(long)]
    apply: bool,
    /// For people, or for programs: a JSON object in a line for each pool
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

fn period(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(period) if period >= Duration::from_secs(1) => Ok(period),
        _ => Err("write a duration of a second or more, such as 1m or 30s".to_owned()),
    }
}

/// Why a run ended.
#[derive(Debug, Error)]
enum RunError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("no region is set; set AWS_REGION, or AWS_PROFILE to a profile that has one")]
    NoRegion,
    #[error(transparent)]
    Group(#[from] GroupError),
    #[error(transparent)]
    GatherSettings(#[from] GatherSettingsError),
    #[error(transparent)]
    ScaleSettings(#[from] ScaleSettingsError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Look(#[from] LookError),
    #[error("cannot start")]
    Runtime(#[source] io::Error),
    #[error("cannot write JSON")]
    Json(#[source] serde_json::Error),
    #[error("cannot print")]
    Print(#[from] io::Error),
}

impl RunError {
    const fn is_usage(&self) -> bool {
        matches!(self, Self::Config(error) if error.is_usage())
    }
}

/// The exit code where somebody interrupted, as shells report SIGINT.
const INTERRUPTED: u8 = 130;

/// Runs the subcommand.
#[must_use]
pub fn run(options: &Options) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::Runtime);
    let work = async {
        tokio::select! {
            result = chain(options) => result.map(Some),
            () = crate::interrupt::interrupted() => Ok(None),
        }
    };
    match runtime.and_then(|runtime| runtime.block_on(work)) {
        Ok(Some(true)) => ExitCode::SUCCESS,
        Ok(Some(false)) => ExitCode::from(1),
        Ok(None) => ExitCode::from(INTERRUPTED),
        Err(error) => {
            let _ = writeln!(io::stderr(), "lambda-scale run: {}", Chain::new(&error));
            ExitCode::from(if error.is_usage() { 2 } else { 1 })
        }
    }
}

/// Everything that is needed for a look.
struct Stages {
    config: Config,
    sources: Sources,
    scale: Handler,
    output: Output,
}

/// Whether every pool was answered.
async fn chain(options: &Options) -> Result<bool, RunError> {
    let mut config = config::read(&options.config)?;
    config.dry_run |= !options.apply;
    let sdk = shared::aws::sdk_config().await;
    find_groups(&sdk, &config).await?;
    let (credentials, ca_bundle) = node_gather::config::secrets(&sdk, &config).await?;
    let sources = Sources::new(&config, &sdk, credentials.as_ref(), ca_bundle.as_ref())?;
    let scale = Handler::from_config(config.clone(), &sdk, None, None).await?;
    let stages = Stages { config, sources, scale, output: options.output };
    let Some(period) = options.every else { return stages.tick().await };
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        // As with the functions, the next tick makes good what this one could not.
        if let Err(error) = stages.tick().await {
            writeln!(io::stderr(), "lambda-scale run: {}", Chain::new(&error))?;
        }
        writeln!(io::stdout())?;
    }
}

/// A wrong name is found before anything is asked of the masters, and with it what may have been meant.
async fn find_groups(sdk: &SdkConfig, config: &Config) -> Result<(), RunError> {
    sdk.region().ok_or(RunError::NoRegion)?;
    let client = aws_sdk_autoscaling::Client::new(sdk);
    for policy in &config.pools {
        look(&client, &policy.group).await?;
    }
    Ok(())
}

/// What came of one pool.
struct Answer<'a> {
    policy: &'a Policy,
    snapshot: ClusterSnapshot,
    decision: Option<ScalingDecision>,
    applied: Option<Applied>,
}

impl Stages {
    /// Looks, decides and applies once, for every pool.
    async fn tick(&self) -> Result<bool, RunError> {
        let Look { snapshots, read, failure } = self.sources.look(&self.config, now()).await;
        let mut is_whole = true;
        for (index, snapshot) in snapshots.into_iter().enumerate() {
            let Some(policy) = self.config.pool(&snapshot.pool) else { continue };
            let answer = self.answer(policy, snapshot).await;
            is_whole &= answer.applied.as_ref().is_some_and(|applied| applied.error.is_none());
            match self.output {
                Output::Json => json(&answer)?,
                Output::Text => {
                    if index > 0 {
                        Page::stdout().blank()?;
                    }
                    text(&answer, read.as_ref().filter(|_| policy.source.is_mesos()))?;
                }
            }
        }
        failure.map_or(Ok(is_whole), |failure| Err(RunError::Look(failure)))
    }

    async fn answer<'a>(&self, policy: &'a Policy, snapshot: ClusterSnapshot) -> Answer<'a> {
        // Read a moment ago, so it has not expired.
        let decision = node_process::decide(&snapshot, policy, now()).ok();
        let applied = match &decision {
            Some(decision) => Some(self.scale.apply(decision, now).await),
            None => None,
        };
        Answer { policy, snapshot, decision, applied }
    }
}

#[derive(Serialize)]
struct Form<'a> {
    snapshot: WithHeader<'a, ClusterSnapshot>,
    decision: Option<WithHeader<'a, ScalingDecision>>,
    outcome: Option<WithHeader<'a, ScalingOutcome>>,
}

fn json(answer: &Answer<'_>) -> Result<(), RunError> {
    let form = Form {
        snapshot: with_header(&answer.snapshot),
        decision: answer.decision.as_ref().map(with_header),
        outcome: answer.applied.as_ref().map(|applied| with_header(&applied.outcome)),
    };
    let line = serde_json::to_string(&form).map_err(RunError::Json)?;
    writeln!(io::stdout(), "{line}")?;
    Ok(())
}

fn text(answer: &Answer<'_>, read: Option<&Read>) -> io::Result<()> {
    let page = Page::stdout();
    let Answer { policy, snapshot, decision, applied } = answer;
    page.title(&format!("pool {}, Auto Scaling group {}", policy.pool, policy.group))?;
    page.field("from", &account::source(snapshot))?;
    account::sight(page, snapshot)?;
    if let Some(read) = read.filter(|_| snapshot.agents.registered == 0) {
        account::nobody(page, policy, read.agents_of_no_pool, &read.attributes_of_no_pool)?;
    }
    if let Some(decision) = decision {
        account::steps(page, decision)?;
        account::verdict(page, decision)?;
    }
    let Some(Applied { outcome, error }) = applied else { return Ok(()) };
    let tone = match outcome.action {
        OutcomeAction::Failed => Tone::Bad,
        OutcomeAction::ScaledUp | OutcomeAction::ScaledDown => Tone::Good,
        _ => Tone::Title,
    };
    let change = match (outcome.from, outcome.to) {
        (Some(from), Some(to)) if from != to => format!(", desired capacity {from} -> {to}"),
        (Some(from), _) => format!(", desired capacity {from}"),
        _ => String::new(),
    };
    page.toned("outcome", tone, &format!("{}{change}", outcome.action.name()))?;
    page.field("", &outcome.reason)?;
    outcome.notes.iter().try_for_each(|note| page.field("", &format!("note: {note}")))?;
    match error {
        Some(error) => page.toned("", Tone::Bad, &Chain::new(error).to_string()),
        None => Ok(()),
    }
}

#[expect(clippy::disallowed_methods, reason = "the clock of this command")]
fn now() -> Timestamp {
    Timestamp::now()
}
