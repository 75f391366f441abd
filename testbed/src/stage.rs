//! One function's process: the real binary, in the environment that Lambda gives it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use tokio::process::Command;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::runtime_api::Function;
use super::{Logs, REGION, StackError, secrets};

/// The variables that a process inherits. Without HOME the SDK finds no profile of the user.
const INHERITED: [&str; 7] =
    ["PATH", "RUST_LOG", "RUST_BACKTRACE", "SSL_CERT_FILE", "SSL_CERT_DIR", "SystemRoot", "LLVM_PROFILE_FILE"];

/// A running function. Its process ends when this is stopped or dropped.
#[derive(Debug)]
pub struct Stage {
    pid: Option<u32>,
    stop: Arc<Notify>,
    watcher: JoinHandle<()>,
}

impl Stage {
    /// Starts the binary of a function, with these variables beside those that Lambda sets.
    ///
    /// # Errors
    /// Where the binary is not there, or does not start.
    pub fn start(
        function: &Function,
        binaries: &Path,
        logs: &Logs,
        variables: &[(&str, &str)],
    ) -> Result<Self, StackError> {
        let name = function.name();
        let binary = binaries.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
        if !binary.is_file() {
            return Err(StackError::NoBinary(binary));
        }
        let failed = |source| StackError::Start { binary: binary.clone(), source };
        let (stdout, stderr) = outputs(name, logs).map_err(failed)?;
        let mut command = Command::new(&binary);
        command
            .env_clear()
            .envs(inherited())
            .envs(lambda_variables(function))
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(failed)?;
        let pid = child.id();
        let function = function.clone();
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let watcher = tokio::spawn(async move {
            let how = tokio::select! {
                status = child.wait() => match status {
                    Ok(status) => format!("the process ended by itself ({status})"),
                    Err(error) => format!("the process is lost: {error}"),
                },
                () = stopped.notified() => {
                    // It can only fail where the process has ended by itself in between.
                    drop(child.kill().await);
                    "the process was stopped".to_owned()
                }
            };
            function.end("Runtime.ExitError", how);
        });
        Ok(Self { pid, stop, watcher })
    }

    /// Ends the process, and waits until it has.
    pub async fn stop(mut self) {
        self.stop.notify_one();
        drop((&mut self.watcher).await);
    }

    /// The most memory the process ever held, where the system tells.
    #[must_use]
    pub fn peak_memory_kib(&self) -> Option<u64> {
        self.memory("VmHWM:")
    }

    /// The memory that the process holds now, where the system tells.
    #[must_use]
    pub fn memory_kib(&self) -> Option<u64> {
        self.memory("VmRSS:")
    }

    fn memory(&self, what: &str) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid?)).ok()?;
        let kib = status.lines().find_map(|line| line.strip_prefix(what))?;
        kib.trim().trim_end_matches("kB").trim_end().parse().ok()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // With the watcher goes the child, and with the child, by `kill_on_drop`, the process.
        self.watcher.abort();
    }
}

/// Where the functions' binaries are: beside this program, or beside the directory of this test.
///
/// # Errors
/// Where the system does not tell which program this is.
pub fn binaries() -> io::Result<PathBuf> {
    let mut directory = std::env::current_exe()?;
    directory.pop();
    // Cargo puts tests and examples into directories of their own.
    if directory.ends_with("deps") || directory.ends_with("examples") {
        directory.pop();
    }
    Ok(directory)
}

/// The variables that the Lambda service itself sets, and credentials that are worth nothing.
fn lambda_variables(function: &Function) -> Vec<(&'static str, String)> {
    let name = function.name();
    vec![
        ("AWS_LAMBDA_RUNTIME_API", function.address()),
        ("AWS_LAMBDA_FUNCTION_NAME", name.to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}")),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "local".to_owned()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", "local".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", secrets::AWS_SECRET_KEY.to_owned()),
        ("AWS_SESSION_TOKEN", secrets::AWS_SESSION_TOKEN.to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("NO_PROXY", "*".to_owned()),
    ]
}

#[expect(clippy::disallowed_methods, reason = "what it hands on, it need not read")]
fn inherited() -> Vec<(&'static str, OsString)> {
    INHERITED.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))).collect()
}

fn outputs(name: &str, logs: &Logs) -> io::Result<(Stdio, Stdio)> {
    match logs {
        Logs::Stderr => Ok((io::stderr().into(), io::stderr().into())),
        Logs::Directory(directory) => {
            fs::create_dir_all(directory)?;
            let file: File = OpenOptions::new().create(true).append(true).open(log_file(directory, name))?;
            Ok((file.try_clone()?.into(), file.into()))
        }
    }
}

/// Where a function's log is.
pub(crate) fn log_file(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}.log"))
}
