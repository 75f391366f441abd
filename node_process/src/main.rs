//! The Lambda function `node_process`: reads cluster snapshots from a topic and publishes scaling decisions.
//!
//! For a custom check, copy this file and pass your own [`Check`](node_process::Check).

use std::process::ExitCode;

use node_process::{Standard, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    run(Ok(Standard)).await
}
