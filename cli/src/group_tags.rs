//! `lambda-scale pause`, `resume`, and `floor`: what operators set on a group, as group tags. No deployment is needed: node_scale
//! reads the tags with every decision (docs/acting.md, Group tags).

use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgGroup, Args};
use jiff::Timestamp;
use node_scale::group;
use node_scale::group_tags::{FLOOR, Floor, PAUSE_UNTIL, TagChange, Until};
use node_scale::state::Group;

use crate::command::{self, Ended};
use crate::credentials;
use crate::target::{GroupStatus, Target, TargetError, describe};
use crate::values;

/// Pause scaling for a time
#[derive(Args, Clone, Debug)]
#[command(group(ArgGroup::new("end").args(["lasting", "until"]).required(true)))]
pub struct Pause {
    /// How long, such as 2h or 30m
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    lasting: Option<Duration>,
    /// Until when: a time, a date (UTC, its end), or forever
    #[arg(long, value_name = "TIME", value_parser = until)]
    until: Option<Until>,
    #[command(flatten)]
    target: Target,
}

/// End a pause now
#[derive(Args, Clone, Debug)]
pub struct Resume {
    #[command(flatten)]
    target: Target,
}

/// Set a temporary minimum of instances, within the maximums of group and pool
#[derive(Args, Clone, Debug)]
pub struct SetFloor {
    /// Minimum number of instances
    #[arg(required_unless_present_any = ["clear"])]
    instances: Option<u32>,
    /// How long, such as 3h
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, required_unless_present_any = ["clear"])]
    lasting: Option<Duration>,
    /// End a floor now
    #[arg(long, conflicts_with_all = ["instances", "lasting"])]
    clear: bool,
    #[command(flatten)]
    target: Target,
}

/// `lambda-scale pause`.
#[must_use]
pub fn pause(options: &Pause) -> ExitCode {
    let Some(until) = options.until.or_else(|| options.lasting.map(later)) else { return ExitCode::FAILURE };
    run("pause", &options.target, |_| Some(TagChange::Set { key: PAUSE_UNTIL.to_owned(), value: until.to_string() }))
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
        Some(floor) => Some(TagChange::Set { key: FLOOR.to_owned(), value: floor.to_string() }),
        None => delete(group, FLOOR),
    })
}

/// Deletes a tag where the group has it.
fn delete(group: &Group, key: &str) -> Option<TagChange> {
    group.tags.iter().any(|tag| tag.key == key).then(|| TagChange::Delete { key: key.to_owned() })
}

fn run(command: &str, target: &Target, change: impl Fn(&Group) -> Option<TagChange>) -> ExitCode {
    command::exit(command, command::block_on(change_tags(target, change)))
}

async fn change_tags(target: &Target, change: impl Fn(&Group) -> Option<TagChange>) -> Result<Ended, TargetError> {
    let sdk = shared::aws::sdk_config().await;
    let names = target.groups(target.config(&sdk).await?.as_ref());
    credentials::check(&sdk).await?;
    let client = group::client(&sdk);
    let mut groups = Vec::new();
    // No group is changed where one of them does not exist.
    for name in &names {
        groups.push(describe(&client, name).await?);
    }
    for (name, group) in names.iter().zip(&mut groups) {
        if let Some(change) = change(group) {
            group::write_tags(&client, name, &[change]).await?;
            *group = describe(&client, name).await?;
        }
    }
    let now = now();
    let groups: Vec<GroupStatus> = groups.iter().map(|group| GroupStatus::new(group, now)).collect();
    target.print(&groups, |page, status| {
        page.title(&format!("group {}", status.group))?;
        status.show(page)
    })?;
    Ok(Ended::Well)
}

/// A time that is not over.
fn until(text: &str) -> Result<Until, String> {
    match Until::parse(text) {
        None => Err(format!("got {text:?}, expected a time, a date, or forever; write 2026-12-24T18:00:00Z")),
        Some(until) if until.is_over(now()) => {
            Err(format!("got {text:?}, which is over, expected a later time; write forever, or a date"))
        }
        Some(until) => Ok(until),
    }
}

/// More than nothing, and at most a year.
fn duration(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);
    match values::duration(text)? {
        duration if duration.is_zero() || duration > LONGEST => {
            Err(format!("got {text:?}, expected more than 0s and at most a year; write 2h"))
        }
        duration => Ok(duration),
    }
}

fn later(by: Duration) -> Until {
    now().checked_add(by).map_or(Until::Forever, Until::Time)
}

#[expect(clippy::disallowed_methods, reason = "operators count from now")]
fn now() -> Timestamp {
    Timestamp::now()
}
