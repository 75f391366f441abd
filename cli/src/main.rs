//! The command line of Lambda Scale: one module for each command.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use lambda_scale::{check, explain, generate, group_tags, import, local, manual, run, status};

/// Sizes the EC2 Auto Scaling group behind an Apache Mesos cluster
#[derive(Parser)]
#[command(name = "lambda-scale", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(check::Options),
    Explain(explain::Options),
    Generate(generate::Options),
    Import(import::Options),
    Local(local::Options),
    Run(run::Options),
    Status(status::Options),
    Pause(group_tags::Pause),
    Resume(group_tags::Resume),
    Floor(group_tags::SetFloor),
    Completions(manual::Completions),
    Man(manual::Man),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Check(options) => check::run(&options),
        Command::Explain(options) => explain::run(&options),
        Command::Generate(options) => generate::run(&options),
        Command::Import(options) => import::run(&options),
        Command::Local(options) => local::run(&options),
        Command::Run(options) => run::run(&options),
        Command::Status(options) => status::run(&options),
        Command::Pause(options) => group_tags::pause(&options),
        Command::Resume(options) => group_tags::resume(&options),
        Command::Floor(options) => group_tags::floor(&options),
        Command::Completions(options) => manual::completions(&options, Cli::command()),
        Command::Man(options) => manual::man(&options, Cli::command()),
    }
}
