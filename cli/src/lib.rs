//! The command line of Lambda Scale: `Command` lists the commands, and each has a module:
//!
//! - [`check`]: validate a configuration
//! - [`explain`]: decide on a saved /state, and explain the decision
//! - [`doctor`]: check whether it will work in this account
//! - [`generate`]: write a /state of any size
//! - [`import`]: convert the configuration of another autoscaler
//! - [`status`]: show the groups, their agents, and the last decisions
//! - [`group_tags`]: pause and resume groups, set floors
//! - [`replay`]: decide on recorded snapshots again
//! - [`learn`]: the history that a pool would have learned
//! - [`local`]: run the three functions on a captured cluster, on this machine
//! - [`run`]: run the chain in one process, against real masters and groups
//! - [`schema`]: the configuration and the messages as JSON Schema
//! - [`simulate`]: run weeks of a workload against a configuration, and against what one would use instead
//! - [`manual`]: completions for shells, and manual pages
//!
//! What they have in common: [`config`] reads the configuration, [`file`] other files, [`values`] the values of options, [`saved`] files and the `/state` of masters, [`recorded`] recorded messages,
//! [`load`] the load of a trace or of recorded snapshots,
//! [`decide`] decides, [`credentials`] finds the account, [`target`] finds the groups, [`deployed`] what a stack runs,
//! [`render`] and [`page`] print, [`command`] ends a command with its exit code.

pub mod check;
pub mod command;
pub mod config;
pub mod credentials;
pub mod decide;
pub mod decisions;
pub mod deployed;
pub mod doctor;
mod doubt;
pub mod explain;
pub mod file;
pub mod generate;
pub mod group_tags;
pub mod import;
pub mod learn;
pub mod load;
pub mod local;
pub mod manual;
pub mod page;
pub mod recorded;
pub mod render;
pub mod replay;
pub mod run;
pub mod saved;
pub mod schema;
pub mod simulate;
pub mod status;
pub mod target;
pub mod values;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

/// Sizes the EC2 Auto Scaling group behind an Apache Mesos cluster
#[derive(Parser)]
#[command(name = "lambda-scale", version, arg_required_else_help = true, max_term_width = 120)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(check::Options),
    Doctor(doctor::Options),
    Explain(explain::Options),
    Generate(generate::Options),
    Import(import::Options),
    Learn(learn::Options),
    Local(local::Options),
    Run(run::Options),
    Replay(replay::Options),
    Simulate(simulate::Options),
    Status(status::Options),
    Pause(group_tags::Pause),
    Resume(group_tags::Resume),
    Floor(group_tags::SetFloor),
    Schema(schema::Options),
    Completions(manual::Completions),
    Man(manual::Man),
}

/// Runs the command of the process.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Check(options) => check::run(&options),
        Command::Doctor(options) => doctor::run(&options),
        Command::Explain(options) => explain::run(&options),
        Command::Generate(options) => generate::run(&options),
        Command::Import(options) => import::run(&options),
        Command::Learn(options) => learn::run(&options),
        Command::Local(options) => local::run(&options),
        Command::Run(options) => run::run(&options),
        Command::Replay(options) => replay::run(&options),
        Command::Simulate(options) => simulate::run(&options),
        Command::Status(options) => status::run(&options),
        Command::Pause(options) => group_tags::pause(&options),
        Command::Resume(options) => group_tags::resume(&options),
        Command::Floor(options) => group_tags::floor(&options),
        Command::Schema(options) => schema::run(&options),
        Command::Completions(options) => manual::completions(&options, Cli::command()),
        Command::Man(options) => manual::man(&options, Cli::command()),
    }
}
