//! Which groups a command is about, and what stands on each of them.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use aws_sdk_autoscaling::Client;
use clap::Args;
use jiff::Timestamp;
use node_scale::group::{self, CallError};
use node_scale::marks::{Floor, Marks, Row};
use node_scale::state::{Group, Instance, Lifecycle};
use serde::Serialize;
use shared::config::Config;
use shared::error::Chain;
use shared::time;
use thiserror::Error;

use crate::config::{self, ConfigError};
use crate::nearest::nearest;
use crate::page::{Output, Page, Tone};

/// Which groups.
#[derive(Args, Clone, Debug)]
pub struct Target {
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

/// Why nothing can be said of a group.
#[derive(Debug, Error)]
pub enum TargetError {
    /// There is no configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It has no such pool.
    #[error("there is no pool {0:?} in the configuration")]
    UnknownPool(String),
    /// There is no such group, or it cannot be looked up.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// AWS did not answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The command could not begin.
    #[error("cannot start")]
    Runtime(#[source] io::Error),
    /// Something has no JSON form.
    #[error("cannot write JSON")]
    Json(#[source] serde_json::Error),
    /// It could not be printed.
    #[error("cannot print")]
    Print(#[from] io::Error),
}

impl TargetError {
    /// Whether whoever called must change what was given (exit code 2).
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        match self {
            Self::Config(error) => error.is_usage(),
            Self::UnknownPool(_) => true,
            _ => false,
        }
    }
}

/// Does the work of a command that returns whether all went well, and tells why it could not.
pub fn run(command: &str, work: impl Future<Output = Result<bool, TargetError>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(TargetError::Runtime);
    match runtime.and_then(|runtime| runtime.block_on(work)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            let _ = writeln!(io::stderr(), "lambda-scale {command}: {}", Chain::new(&error));
            ExitCode::from(if error.is_usage() { 2 } else { 1 })
        }
    }
}

impl Target {
    /// The configuration with the chosen pools alone; `None` where a group was named without one.
    ///
    /// # Errors
    /// Where it cannot be read, is not valid or lacks a pool that was named.
    pub fn config(&self) -> Result<Option<Config>, TargetError> {
        let Some(path) = &self.config else { return Ok(None) };
        let mut config = config::read(path)?;
        if let Some(unknown) = self.pool.iter().find(|name| config.pool(name).is_none()) {
            return Err(TargetError::UnknownPool(unknown.clone()));
        }
        if !self.pool.is_empty() {
            config.pools.retain(|policy| self.pool.contains(&policy.pool));
        }
        Ok(Some(config))
    }

    /// The names of the groups, in the order of the configuration.
    #[must_use]
    pub fn groups(&self, config: Option<&Config>) -> Vec<String> {
        match config {
            Some(config) => config.pools.iter().map(|policy| policy.group.clone()).collect(),
            None => self.group.clone().into_iter().collect(),
        }
    }

    /// Prints what there is to say of each group: as JSON, or as `text` writes it.
    ///
    /// # Errors
    /// Where it cannot be printed.
    pub fn print<T: Serialize>(&self, all: &[T], text: impl Fn(Page, &T) -> io::Result<()>) -> Result<(), TargetError> {
        match self.output {
            Output::Json => {
                let json = serde_json::to_string_pretty(all).map_err(TargetError::Json)?;
                writeln!(io::stdout(), "{json}")?;
            }
            Output::Text => {
                let page = Page::stdout();
                for (index, one) in all.iter().enumerate() {
                    if index > 0 {
                        page.blank()?;
                    }
                    text(page, one)?;
                }
            }
        }
        Ok(())
    }
}

/// Why there is nothing to be seen of a group.
#[derive(Debug, Error)]
pub enum GroupError {
    /// There is none of that name.
    #[error("there is no Auto Scaling group {name:?} in {region}; {hint}")]
    Missing {
        /// The name.
        name: String,
        /// Where it was looked for.
        region: String,
        /// What may have been meant.
        hint: String,
    },
    /// AWS did not answer.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Looks a group up, and where there is none of that name what may have been meant.
///
/// # Errors
/// Where the call fails, or there is none of that name.
pub async fn look(client: &Client, name: &str) -> Result<Group, GroupError> {
    if let Some(group) = group::group(client, name).await? {
        return Ok(group);
    }
    let names = group::names(client).await?;
    let hint = match nearest(name, &names) {
        near if !near.is_empty() => format!("did you mean {}?", near.join(" or ")),
        _ if names.is_empty() => "there is none at all; is the region right, and the account?".to_owned(),
        _ => format!("there are {} others; is the region right, and the account?", names.len()),
    };
    let region = client.config().region().map_or_else(|| "no region".to_owned(), ToString::to_string);
    Err(GroupError::Missing { name: name.to_owned(), region, hint })
}

/// What stands on one group.
#[derive(Debug, Serialize)]
pub struct Stands {
    /// The group's name.
    pub group: String,
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
    /// What stands on that group at that time.
    #[must_use]
    pub fn new(group: &Group, now: Timestamp) -> Self {
        let marks = Marks::read(&group.tags, now);
        let since = |row: Option<Row>| row.map(|row| time::format(row.since));
        let in_service = |instance: &&Instance| instance.lifecycle_state == Lifecycle::InService;
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

    /// Writes it for people.
    ///
    /// # Errors
    /// Where the page cannot be written.
    pub fn show(&self, page: Page) -> io::Result<()> {
        let Self { desired_capacity, min_size, max_size, in_service, .. } = self;
        page.field(
            "capacity",
            &format!("{desired_capacity} desired, {in_service} in service, {min_size} to {max_size}"),
        )?;
        match &self.paused_until {
            Some(until) => page.toned("paused", Tone::Bad, &format!("until {until}"))?,
            None => page.field("paused", "no")?,
        }
        if let Some(floor) = &self.floor {
            page.field("floor", &format!("{} instances until {}", floor.instances, floor.until))?;
        }
        for (name, since) in
            [("held back", &self.scale_up_held_back_since), ("too many", &self.scale_down_wanted_since)]
        {
            since.as_ref().map_or(Ok(()), |since| page.field(name, &format!("since {since}")))?;
        }
        if !self.suspended_processes.is_empty() {
            page.field("suspended", &self.suspended_processes.join(", "))?;
        }
        self.notes.iter().try_for_each(|note| page.field("note", note))
    }
}
