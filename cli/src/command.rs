//! How every command ends: one runtime, one way to report an error, one meaning of each exit code.

use std::error::Error;
use std::io;
use std::process::ExitCode;

use crate::page;

/// How a command ended that no error stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All went well: exit code 0.
    Well,
    /// The command reported what did not go well: exit code 1.
    Failed,
    /// The user interrupted it: exit code 130, as shells report SIGINT.
    Interrupted,
}

impl Ended {
    /// How a command ended where `is_well` says whether all went well.
    #[must_use]
    pub const fn well_if(is_well: bool) -> Self {
        if is_well { Self::Well } else { Self::Failed }
    }
}

/// Why a command ended early.
pub trait CommandError: Error + 'static {
    /// Whether the user must change the configuration or the call: exit code 2, else 1.
    fn is_usage(&self) -> bool;
}

/// The exit code of a command; reports the error on standard error.
pub fn exit<E: CommandError>(command: &str, ended: Result<Ended, E>) -> ExitCode {
    match ended {
        Ok(Ended::Well) => ExitCode::SUCCESS,
        Ok(Ended::Failed) => ExitCode::from(1),
        Ok(Ended::Interrupted) => ExitCode::from(130),
        // The reader has what it wants, as `head` does.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Where standard error cannot be written, the exit code still says it.
            let _ = page::complain(command, &error);
            ExitCode::from(if error.is_usage() { 2 } else { 1 })
        }
    }
}

/// The exit code of a command that only prints.
pub(crate) fn printed(command: &str, printed: io::Result<()>) -> ExitCode {
    exit(command, printed.map(|()| Ended::Well).map_err(PrintError))
}

/// What a command prints cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write")]
struct PrintError(#[source] io::Error);

impl CommandError for PrintError {
    fn is_usage(&self) -> bool {
        false
    }
}

/// Whether the reader of what the command prints is gone.
pub(crate) fn is_closed_pipe(error: &(dyn Error + 'static)) -> bool {
    let kind = |error: &(dyn Error + 'static)| {
        let io = error.downcast_ref::<io::Error>().map(io::Error::kind);
        io.or_else(|| error.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind))
    };
    let mut next = Some(error);
    while let Some(error) = next {
        if kind(error) == Some(io::ErrorKind::BrokenPipe) {
            return true;
        }
        next = error.source();
    }
    false
}

/// The command as a shell takes it.
#[must_use]
pub fn line() -> String {
    let arguments = std::env::args_os().skip(1);
    let words = arguments.map(|argument| quoted(&argument.to_string_lossy()));
    std::iter::once("lambda-scale".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// A word that a shell takes as one, as it is.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Runs the work of a command that waits for others.
///
/// # Errors
/// What the work returns, or that no runtime could be started.
pub fn block_on<T, E: From<RuntimeError>>(work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RuntimeError)?;
    runtime.block_on(work)
}

/// The command could not start.
#[derive(Debug, thiserror::Error)]
#[error("cannot start")]
pub struct RuntimeError(#[source] io::Error);

/// Runs the work until it ends or the user interrupts it; `None`: interrupted.
pub(crate) async fn until_interrupted<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        result = work => Some(result),
        () = interrupted() => None,
    }
}

/// Ends when the process is asked to end.
async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    // Where signals cannot be awaited, they end the process by themselves.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_a_quoted_word_as_it_is() {
        let words = ["--config", "a b.toml", "it's", "$HOME", "", "target-tracking=65"].map(quoted);
        assert_eq!(words, ["--config", "'a b.toml'", r"'it'\''s'", "'$HOME'", "''", "target-tracking=65"]);
    }
}
