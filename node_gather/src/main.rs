//! The function `node_gather`: reads the Mesos master's /state and publishes one cluster snapshot per pool.

use std::process::ExitCode;

use node_gather::config::Settings;
use node_gather::handler::Handler;
use serde::de::IgnoredAny;
use shared::start::{Clock, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let start = async { Settings::from_env().await.map(Handler::new) };
    // The event does not matter: a schedule sends its own, a test `{}`.
    serve(start, async |handler: &Handler, _: IgnoredAny, clock: Clock| handler.handle(clock()).await).await
}
