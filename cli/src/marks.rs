//! `lambda-scale status`, `pause`, `resume` and `floor`: what stands on a group, and what operators set there. In tags of the
//! group, so that no deployment is needed; node_scale reads them with every decision (docs/acting.md, Marks).

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use aws_sdk_autoscaling::Client;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use node_scale::group::{self, CallError};
use node_scale::marks::{FLOOR, Floor, MarkChange, Marks, PAUSE_UNTIL, Row};
use node_scale::state::{Group, Lifecycle};
use serde::Serialize;
use shared::config::{Config, Problems};
use shared::error::Chain;
use shared::time;
use thiserror::Error;

use crate::page::{Page, Tone};

/// Which groups.
#[derive(Args, Clone, Debug)]
struct Target {
    /// The configuration: the groups of all its pools
    #[arg(long, value_name = "FILE", required_unless_present = "group")]
    config: Option<PathBuf>,
    /// Only the group of this pool; may be given several times
    #[arg(long, value_name = "NAME", requires = "config")]
    pool: Vec<String>,
    /// A group by its own name, without a configuration
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    group: Option<String>,
    /// For people or for programs
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// The form of what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// For programs
    Json,
}

/// See what stands on the groups: their capacity, who paused them, which floor they have, what decisions have wanted for long
///
/// Exit codes of this and of pause, resume and floor: 0 done, 1 a call to AWS failed or there is no such group, 2 the
/// configuration or the call is not valid.
#[derive(Args, Clone, Debug)]
pub struct Status {
    #[command(flatten)]
    target: Target,
}

/// Change nothing on the groups for a time
#[derive(Args, Clone, Debug)]
pub struct Pause {
    /// For how long, such as 2h or 30m
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    lasting: Duration,
    #[command(flatten)]
    target: Target,
}

/// End a pause before its time
#[derive(Args, Clone, Debug)]
pub struct Resume {
    #[command(flatten)]
    target: Target,
}

/// Keep the groups at a minimum of instances for a time, within their own maximum and that of the pool
#[derive(Args, Clone, Debug)]
pub struct SetFloor {
    /// The fewest instances
    #[arg(required_unless_present_any = ["clear"])]
    instances: Option<u32>,
    /// For how long, such as 3h
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, required_unless_present_any = ["clear"])]
    lasting: Option<Duration>,
    /// End a floor before its time
    #[arg(long, conflicts_with_all = ["instances", "lasting"])]
    clear: bool,
    #[command(flatten)]
    target: Target,
}

/// Why a command did not do its work.
#[derive(Debug, Error)]
enum MarksError {
    #[error("cannot read {}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{}", path.display())]
    Config { path: PathBuf, source: Problems },
    #[error("there is no pool {0:?} in the configuration")]
    UnknownPool(String),
    #[error("there is no Auto Scaling group {0:?} in this region")]
    NoGroup(String),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("cannot start")]
    Runtime(#[source] io::Error),
    #[error("cannot write JSON")]
    Json(#[source] serde_json::Error),
    #[error("cannot print")]
    Print(#[source] io::Error),
}

impl MarksError {
    const fn is_usage(&self) -> bool {
        matches!(self, Self::Config { .. } | Self::UnknownPool(_))
    }
}

/// `lambda-scale status`.
#[must_use]
pub fn status(options: &Status) -> ExitCode {
    run("status", &options.target, |_| None)
}

/// `lambda-scale pause`.
#[must_use]
pub fn pause(options: &Pause) -> ExitCode {
    let until = later(options.lasting);
    run("pause", &options.target, |_| Some(MarkChange::Set { key: PAUSE_UNTIL.to_owned(), value: time::format(until) }))
}

/// `lambda-scale resume`.
#[must_use]
pub fn resume(options: &Resume) -> ExitCode {
    run("resume", &options.target, |group| delete(group, PAUSE_UNTIL))
}

/// `lambda-scale floor`.
#[must_use]
pub fn floor(options: &SetFloor) -> ExitCode {
    let set = options.instances.zip(options.lasting).filter(|_| !options.clear);
    let floor = set.map(|(instances, lasting)| Floor { instances, until: later(lasting) });
    run("floor", &options.target, |group| match floor {
        Some(floor) => Some(MarkChange::Set { key: FLOOR.to_owned(), value: floor.to_string() }),
        None => delete(group, FLOOR),
    })
}

/// Deletes a tag that is there.
fn delete(group: &Group, key: &str) -> Option<MarkChange> {
    group.tags.iter().any(|tag| tag.key == key).then(|| MarkChange::Delete { key: key.to_owned() })
}

fn run(command: &str, target: &Target, change: impl Fn(&Group) -> Option<MarkChange>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(MarksError::Runtime);
    match runtime.and_then(|runtime| runtime.block_on(mark(target, change))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "lambda-scale {command}: {}", Chain::new(&error));
            ExitCode::from(if error.is_usage() { 2 } else { 1 })
        }
    }
}

async fn mark(target: &Target, change: impl Fn(&Group) -> Option<MarkChange>) -> Result<(), MarksError> {
    let names = target.groups()?;
    let client = Client::new(&shared::aws::sdk_config().await);
    let mut groups = Vec::new();
    // All are looked at before the first is changed.
    for name in &names {
        groups.push(look(&client, name).await?);
    }
    for (name, group) in names.iter().zip(&mut groups) {
        if let Some(change) = change(group) {
            group::mark(&client, name, &[change]).await?;
            *group = look(&client, name).await?;
        }
    }
    let now = now();
    let stands: Vec<Stands> = groups.iter().map(|group| Stands::new(group, now)).collect();
    match target.output {
        Output::Text => show(&stands).map_err(MarksError::Print),
        Output::Json => {
            let json = serde_json::to_string_pretty(&stands).map_err(MarksError::Json)?;
            writeln!(io::stdout(), "{json}").map_err(MarksError::Print)
        }
    }
}

async fn look(client: &Client, name: &str) -> Result<Group, MarksError> {
    group::group(client, name).await?.ok_or_else(|| MarksError::NoGroup(name.to_owned()))
}

impl Target {
    fn groups(&self) -> Result<Vec<String>, MarksError> {
        let Some(path) = &self.config else { return Ok(self.group.clone().into_iter().collect()) };
        let document =
            std::fs::read_to_string(path).map_err(|source| MarksError::File { path: path.clone(), source })?;
        let config = Config::parse(&document).map_err(|source| MarksError::Config { path: path.clone(), source })?;
        if self.pool.is_empty() {
            return Ok(config.pools.into_iter().map(|policy| policy.group).collect());
        }
        let group = |name: &String| {
            config.pool(name).map(|policy| policy.group.clone()).ok_or_else(|| MarksError::UnknownPool(name.clone()))
        };
        self.pool.iter().map(group).collect()
    }
}

/// What stands on one group.
#[derive(Debug, Serialize)]
struct Stands {
    group: String,
    desired_capacity: i32,
    min_size: i32,
    max_size: i32,
    in_service: usize,
    suspended_processes: Vec<String>,
    paused_until: Option<String>,
    floor: Option<FloorForm>,
    scale_up_held_back_since: Option<String>,
    scale_down_wanted_since: Option<String>,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct FloorForm {
    instances: u32,
    until: String,
}

impl Stands {
    fn new(group: &Group, now: Timestamp) -> Self {
        let marks = Marks::read(&group.tags, now);
        let since = |row: Option<Row>| row.map(|row| time::format(row.since));
        let in_service = |instance: &&node_scale::state::Instance| instance.lifecycle_state == Lifecycle::InService;
        Self {
            group: group.name.clone(),
            desired_capacity: group.desired_capacity,
            min_size: group.min_size,
            max_size: group.max_size,
            in_service: group.instances.iter().filter(in_service).count(),
            suspended_processes: group.suspended_processes.iter().map(|process| process.process_name.clone()).collect(),
            paused_until: marks.pause_until.map(time::format),
            floor: marks.floor.map(|Floor { instances, until }| FloorForm { instances, until: time::format(until) }),
            scale_up_held_back_since: since(marks.scale_up),
            scale_down_wanted_since: since(marks.scale_down),
            notes: marks.problems,
        }
    }
}

fn show(stands: &[Stands]) -> io::Result<()> {
    let page = Page::stdout();
    for (index, stands) in stands.iter().enumerate() {
        if index > 0 {
            page.blank()?;
        }
        page.title(&format!("group {}", stands.group))?;
        let Stands { desired_capacity, min_size, max_size, in_service, .. } = stands;
        page.field(
            "capacity",
            &format!("{desired_capacity} desired, {in_service} in service, {min_size} to {max_size}"),
        )?;
        match &stands.paused_until {
            Some(until) => page.toned("paused", Tone::Bad, &format!("until {until}"))?,
            None => page.field("paused", "no")?,
        }
        if let Some(floor) = &stands.floor {
            page.field("floor", &format!("{} instances until {}", floor.instances, floor.until))?;
        }
        for (name, since) in
            [("held back", &stands.scale_up_held_back_since), ("too many", &stands.scale_down_wanted_since)]
        {
            since.as_ref().map_or(Ok(()), |since| page.field(name, &format!("since {since}")))?;
        }
        if !stands.suspended_processes.is_empty() {
            page.field("suspended", &stands.suspended_processes.join(", "))?;
        }
        stands.notes.iter().try_for_each(|note| page.field("note", note))?;
    }
    Ok(())
}

/// A time that a person gives: more than nothing, and not for ever.
fn duration(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);
    match humantime::parse_duration(text) {
        Ok(duration) if duration.is_zero() || duration > LONGEST => {
            Err("must be more than 0 and at most a year".to_owned())
        }
        Ok(duration) => Ok(duration),
        Err(error) => Err(format!("{error}; write 30m, 2h or 1d")),
    }
}

fn later(by: Duration) -> Timestamp {
    now().checked_add(by).unwrap_or(Timestamp::MAX)
}

#[expect(clippy::disallowed_methods, reason = "operators count from now")]
fn now() -> Timestamp {
    Timestamp::now()
}
