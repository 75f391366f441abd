//! The groups that a command is about, and the status of each.

use std::io;

use aws_config::SdkConfig;
use aws_sdk_autoscaling::Client;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use jiff::Timestamp;
use node_scale::group::{self, CallError};
use node_scale::group_tags::{Floor, GroupTags, Pause, SLOTS};
use node_scale::state::{Group, Instance};
use serde::Serialize;
use shared::config::Config;
use shared::group::Lifecycle;
use shared::text::{counted, nearest};
use shared::time;
use thiserror::Error;

use crate::command::{CommandError, RuntimeError};
use crate::config::{self, ConfigError, ConfigOption, PoolError};
use crate::credentials::{self, NoAccount};
use crate::deployed::{self, DeployedError};
use crate::page::{self, Output, Page, Tone};

/// The options that choose groups.
#[derive(Args, Clone, Debug)]
pub struct Target {
    #[command(flatten)]
    config: ConfigOption,
    /// Only the group of this pool; repeatable
    #[arg(long, value_name = "NAME", conflicts_with = "group")]
    pool: Vec<String>,
    /// Name of a group, instead of a configuration
    #[arg(long, value_name = "NAME", conflicts_with = "config", value_parser = NonEmptyStringValueParser::new())]
    group: Option<String>,
    /// Name of the deployed stack; without --config and --group, its settings name the groups
    #[arg(long, value_name = "NAME")]
    stack: Option<String>,
    /// Output format
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Whether it is printed again and again: each time on a clear terminal, or as one line of JSON.
    #[arg(skip)]
    is_watched: bool,
}

/// Why a group's command failed.
#[derive(Debug, Error)]
pub enum TargetError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It has no such pool.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// It is not known what the stack runs.
    #[error(transparent)]
    Deployed(#[from] DeployedError),
    /// No call to AWS can be made.
    #[error(transparent)]
    NoAccount(#[from] NoAccount),
    /// The group does not exist, or cannot be described.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// A call to AWS failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The command could not start.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// Standard output cannot be written.
    #[error("cannot print")]
    Print(#[from] io::Error),
}

impl CommandError for TargetError {
    fn is_usage(&self) -> bool {
        match self {
            Self::Config(error) => error.is_usage(),
            Self::Pool(_) => true,
            _ => false,
        }
    }
}

impl Target {
    /// The configuration with the chosen pools only; `None` where `--group` names a group.
    ///
    /// # Errors
    /// Where it cannot be read, is not valid, or lacks a chosen pool.
    pub async fn config(&self, sdk: &SdkConfig) -> Result<Option<Config>, TargetError> {
        if self.group.is_some() {
            return Ok(None);
        }
        let (mut config, place) = match &self.stack {
            Some(stack) if !self.config.is_given() => {
                credentials::check(sdk).await?;
                (deployed::read(sdk, stack).await?.config, format!("the stack {stack}"))
            }
            _ => {
                let found = self.config.find().await?;
                (found.parse()?, found.place.display().to_string())
            }
        };
        for name in &self.pool {
            config::pool(&config, &place, name)?;
        }
        if !self.pool.is_empty() {
            config.pools.retain(|policy| self.pool.contains(&policy.pool));
        }
        Ok(Some(config))
    }

    /// The same, printed again and again.
    #[must_use]
    pub fn watched(self) -> Self {
        Self { is_watched: true, ..self }
    }

    /// The name of the stack, where nothing else is said.
    #[must_use]
    pub fn stack(&self) -> &str {
        self.stack.as_deref().unwrap_or("lambda-scale")
    }

    /// The names of the groups, in the order of the configuration.
    #[must_use]
    pub fn groups(&self, config: Option<&Config>) -> Vec<String> {
        match config {
            Some(config) => config.pools.iter().map(|policy| policy.group.clone()).collect(),
            None => self.group.clone().into_iter().collect(),
        }
    }

    /// Prints an entry for each group: as JSON, or as `text` writes it.
    ///
    /// # Errors
    /// Where it cannot be printed.
    pub fn print<T: Serialize>(&self, all: &[T], text: impl Fn(Page, &T) -> io::Result<()>) -> Result<(), TargetError> {
        match self.output {
            Output::Json if self.is_watched => page::json_line(all)?,
            Output::Json => page::json(all)?,
            Output::Text => {
                let page = Page::stdout();
                if self.is_watched {
                    page.again()?;
                }
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

/// Why a group cannot be described.
#[derive(Debug, Error)]
pub enum GroupError {
    /// No group has that name.
    #[error("no Auto Scaling group {name:?} in {region}; {hint}")]
    Missing {
        /// The name.
        name: String,
        /// The region.
        region: String,
        /// The nearest names, or what to check.
        hint: String,
    },
    /// A call to AWS failed.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Describes a group; the error names the groups with the nearest names.
///
/// # Errors
/// Where the call fails, or no group has that name.
pub async fn describe(client: &Client, name: &str) -> Result<Group, GroupError> {
    if let Some(group) = group::group(client, name).await? {
        return Ok(group);
    }
    let names = group::names(client).await?;
    let hint = match nearest(name, names.iter().map(String::as_str)) {
        near if !near.is_empty() => format!("did you mean {}?", near.join(" or ")),
        _ if names.is_empty() => "the region has no group; check the region and the account".to_owned(),
        _ => format!("the region has {} other groups; check the name, the region, and the account", names.len()),
    };
    let region = client.config().region().map_or_else(|| "an unknown region".to_owned(), ToString::to_string);
    Err(GroupError::Missing { name: name.to_owned(), region, hint })
}

/// The status of one group.
#[derive(Debug, Serialize)]
pub struct GroupStatus {
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
    /// The highest number of agents that was needed in each slot of the window, the newest first, as the group's tag has them.
    needed: Option<[Option<u32>; SLOTS]>,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct FloorForm {
    instances: u32,
    until: String,
}

impl GroupStatus {
    /// The status of that group at that time.
    #[must_use]
    pub fn new(group: &Group, now: Timestamp) -> Self {
        let tags = GroupTags::read(&group.tags, now);
        let in_service = |instance: &&Instance| instance.lifecycle_state == Lifecycle::InService;
        Self {
            group: group.name.clone(),
            desired_capacity: group.desired_capacity,
            min_size: group.min_size,
            max_size: group.max_size,
            in_service: group.instances.iter().filter(in_service).count(),
            suspended_processes: group.suspended_processes.iter().map(|process| process.process_name.clone()).collect(),
            paused_until: tags.pause.map(|pause| match pause {
                Pause::Until(until) => until.to_string(),
                Pause::Unreadable => "unreadable".to_owned(),
            }),
            floor: tags.floor.map(|Floor { instances, until }| FloorForm { instances, until: until.to_string() }),
            scale_up_held_back_since: tags.scale_up.map(|streak| time::format(streak.since)),
            needed: tags.needed.map(|needs| needs.slots),
            notes: tags.problems,
        }
    }

    /// What an operator should fix, as `node_scale` reports it.
    pub fn set_notes(&mut self, notes: Vec<String>) {
        self.notes = notes;
    }

    /// Prints it.
    ///
    /// # Errors
    /// Where the page cannot be written.
    pub fn show(&self, page: Page) -> io::Result<()> {
        let Self { desired_capacity, min_size, max_size, in_service, .. } = self;
        page.field(
            "capacity",
            &format!("desired {desired_capacity}, in service {in_service}, min {min_size}, max {max_size}"),
        )?;
        match &self.paused_until {
            Some(until) => page.flagged("paused", Tone::Held, &shown(until))?,
            None => page.field("paused", "no")?,
        }
        if let Some(floor) = &self.floor {
            page.field("floor", &format!("{} {}", counted(floor.instances, "instance"), shown(&floor.until)))?;
        }
        if let Some(since) = &self.scale_up_held_back_since {
            page.field("scale-up held", &format!("since {since}"))?;
        }
        if !self.suspended_processes.is_empty() {
            page.field("suspended", &self.suspended_processes.join(", "))?;
        }
        self.notes.iter().try_for_each(|note| page.field("note", note))
    }
}

/// `until 2026-12-24T18:00:00.000Z`, `forever`, or what an operator must do.
fn shown(until: &str) -> String {
    match until {
        "forever" => until.to_owned(),
        "unreadable" => "until an operator corrects the tag".to_owned(),
        time => format!("until {time}"),
    }
}
