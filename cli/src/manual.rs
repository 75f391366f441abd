//! `lambda-scale completions` and `lambda-scale man`: the command line's own documentation.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::command;

/// Print completions for a shell
#[derive(Args, Clone, Debug)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

/// Print the manual page, or write the pages of all commands to a directory
///
/// Exit codes: 0 success, 1 the directory cannot be written.
#[derive(Args, Clone, Debug)]
pub struct Man {
    /// Directory, such as /usr/local/share/man/man1
    #[arg(value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
}

/// `lambda-scale completions`.
#[must_use]
pub fn completions(options: &Completions, mut command: Command) -> ExitCode {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut command, name, &mut script);
    command::printed("completions", io::stdout().write_all(&script))
}

/// `lambda-scale man`.
#[must_use]
pub fn man(options: &Man, command: Command) -> ExitCode {
    let written = match &options.directory {
        None => clap_mangen::Man::new(command).render(&mut io::stdout()),
        Some(directory) => fs::create_dir_all(directory).and_then(|()| clap_mangen::generate_to(command, directory)),
    };
    command::printed(
        &options
            .directory
            .as_ref()
            .map_or_else(|| "man".to_owned(), |directory| format!("man: {}", directory.display())),
        written,
    )
}
