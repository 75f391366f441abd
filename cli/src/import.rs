//! `lambda-scale import`: converts the configuration of another autoscaler.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde::de::IgnoredAny;
use shared::config::{Config, Problems};
use thiserror::Error;

use crate::command::{self, CommandError, Ended};
use crate::file::{self, FileError};

/// Convert the configuration of another autoscaler
///
/// Exit codes: 0 success, 1 the file cannot be used, 2 the result would not be valid, or invalid options.
#[derive(Args, Clone, Debug)]
pub struct Options {
    #[command(subcommand)]
    from: From,
}

#[derive(Clone, Debug, Subcommand)]
enum From {
    /// scalepot.yml: a pool for each role, scaled on the CPU utilization of its group
    Scalepot(ScalepotOptions),
}

#[derive(Args, Clone, Debug)]
struct ScalepotOptions {
    /// File to convert
    #[arg(value_name = "FILE", default_value = "scalepot.yml")]
    file: PathBuf,
    /// Auto Scaling group of a role; repeatable [default: the group with the role's name]
    #[arg(long = "group", value_name = "ROLE=GROUP", value_parser = pair)]
    groups: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((role, group)) if !role.is_empty() && !group.is_empty() => Ok((role.to_owned(), group.to_owned())),
        _ => Err("expected ROLE=GROUP; write web=web-asg".to_owned()),
    }
}

/// Why nothing was imported.
#[derive(Debug, Error)]
enum ImportError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(
        "{} is not a valid scalepot.yml: {problem}; write roles: with a name, and a whole number for min and for max, of each",
        path.display()
    )]
    Scalepot { path: PathBuf, problem: String },
    #[error("{} has no roles; write one at least, with name, min, and max", .0.display())]
    NoRoles(PathBuf),
    #[error("--group {0:?}: the file has no such role")]
    UnknownRole(String),
    #[error("--group {0:?} is there twice; leave one out")]
    Twice(String),
    #[error("{} makes no valid configuration, in which pools[0] is its first role", path.display())]
    NotValid { path: PathBuf, source: Problems },
    #[error("cannot print")]
    Print(#[source] io::Error),
}

/// What scalepot reads of its file.
#[derive(Debug, Deserialize)]
struct Scalepot {
    roles: Vec<Role>,
    /// It is a region.
    az: Option<String>,
    #[serde(default = "scale_out_threshold")]
    scale_out_threshold: f64,
    #[serde(default = "scale_down_ratio")]
    scale_down_ratio: f64,
    /// It belongs in each role; written once, it is meant for all.
    cooltime: Option<u32>,
    #[serde(flatten)]
    others: BTreeMap<String, IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Role {
    name: String,
    min: u32,
    max: u32,
    cooltime: Option<u32>,
    /// scalepot has one for all roles, and does not read this one; a pool has its own.
    scale_out_threshold: Option<f64>,
    scale_down_ratio: Option<f64>,
    #[serde(rename = "type")]
    instance_type: Option<String>,
    ami: Option<String>,
    option: Option<String>,
    /// The letter of the availability zone.
    placement: Option<String>,
    #[serde(flatten)]
    others: BTreeMap<String, IgnoredAny>,
}

/// scalepot's default.
fn scale_out_threshold() -> f64 {
    60.0
}

/// scalepot's default.
fn scale_down_ratio() -> f64 {
    0.7
}

/// Runs the subcommand.
#[must_use]
pub fn run(options: &Options) -> ExitCode {
    let From::Scalepot(options) = &options.from;
    let printed = scalepot(options)
        .and_then(|configuration| io::stdout().write_all(configuration.as_bytes()).map_err(ImportError::Print));
    command::exit("import", printed.map(|()| Ended::Well))
}

impl CommandError for ImportError {
    fn is_usage(&self) -> bool {
        matches!(self, Self::NotValid { .. } | Self::UnknownRole(_) | Self::Twice(_))
    }
}

fn scalepot(options: &ScalepotOptions) -> Result<String, ImportError> {
    let path = &options.file;
    let text = file::read(path)?;
    // Without the lines around it, which may hold a secret.
    let read: Scalepot = serde_saphyr::from_str(&text).map_err(|source: serde_saphyr::Error| {
        ImportError::Scalepot { path: path.clone(), problem: source.without_snippet().to_string() }
    })?;
    if let Some((role, _)) = options.groups.iter().find(|(role, _)| !read.roles.iter().any(|known| known.name == *role))
    {
        return Err(ImportError::UnknownRole(role.clone()));
    }
    if read.roles.is_empty() {
        return Err(ImportError::NoRoles(path.clone()));
    }
    let mut groups = BTreeMap::new();
    for (role, group) in &options.groups {
        if groups.insert(role.clone(), group.clone()).is_some() {
            return Err(ImportError::Twice(role.clone()));
        }
    }
    let configuration = configuration(&read, &groups);
    // The output can be used as it is.
    Config::parse(&configuration).map_err(|source| ImportError::NotValid { path: path.clone(), source })?;
    Ok(configuration)
}

fn configuration(scalepot: &Scalepot, groups: &BTreeMap<String, String>) -> String {
    let mut configuration =
        "# From scalepot.yml. The launch template of each group now says how its instances start.\n".to_owned();
    if let Some(region) = &scalepot.az {
        line(&mut configuration, &format!("# Deploy Lambda Scale where the groups are: {}.", one_line(region)));
    }
    left_out(&mut configuration, &scalepot.others);
    line(&mut configuration, "schedule_period = \"1m\"");
    for role in &scalepot.roles {
        let group = groups.get(&role.name).unwrap_or(&role.name);
        line(&mut configuration, "\n[[pools]]");
        line(&mut configuration, &format!("name = {}", quoted(&role.name)));
        line(&mut configuration, &format!("group = {}{}", quoted(group), launch(role, scalepot.az.as_deref())));
        line(&mut configuration, "source = \"cloudwatch\"");
        line(&mut configuration, &format!("min = {}\nmax = {}", role.min, role.max));
        let threshold = (role.scale_out_threshold, scalepot.scale_out_threshold);
        line(&mut configuration, &own_or_common("scale_out_threshold", threshold));
        line(
            &mut configuration,
            &own_or_common("scale_down_ratio", (role.scale_down_ratio, scalepot.scale_down_ratio)),
        );
        if let Some(minutes) = role.cooltime.or(scalepot.cooltime) {
            line(&mut configuration, &format!("cooltime = {minutes}"));
        }
        left_out(&mut configuration, &role.others);
    }
    configuration
}

/// The setting of a role where it has one, with that of all roles, which scalepot applies.
fn own_or_common(name: &str, (own, common): (Option<f64>, f64)) -> String {
    let common = number(common);
    match own.map(number).filter(|own| *own != common) {
        Some(own) => format!("{name} = {own}  # of this role; scalepot applies {common} to all roles"),
        None => format!("{name} = {common}"),
    }
}

/// As TOML has it.
fn number(number: f64) -> String {
    if number.is_nan() { "nan".to_owned() } else { number.to_string() }
}

/// What belongs in the launch template and the group.
fn launch(role: &Role, region: Option<&str>) -> String {
    let zone = role.placement.as_ref().map(|letter| format!("{}{letter}", region.unwrap_or_default()));
    let words: Vec<String> = [&role.instance_type, &role.ami, &role.option, &zone]
        .into_iter()
        .flatten()
        .map(|word| one_line(word))
        .collect();
    if words.is_empty() { String::new() } else { format!("  # {}", words.join(", ")) }
}

fn left_out(configuration: &mut String, others: &BTreeMap<String, IgnoredAny>) {
    for name in others.keys() {
        let why = if SETTINGS.contains(&name.as_str()) { "has no effect in this place" } else { "has no counterpart" };
        line(configuration, &format!("# {} {why} and is omitted.", one_line(name)));
    }
}

/// The settings that scalepot has in another place than those that are left out.
const SETTINGS: [&str; 9] = ["name", "min", "max", "type", "ami", "option", "placement", "az", "roles"];

fn line(configuration: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(configuration, "{text}");
}

/// A comment must not break out of its line.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A JSON string is a TOML string too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}
