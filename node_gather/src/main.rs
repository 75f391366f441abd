//! The function `node_gather`: reads the Mesos master's /state and publishes one cluster snapshot per pool.

use jiff::Timestamp;
use lambda_runtime::{LambdaEvent, service_fn};
use node_gather::handler::Handler;
use serde::de::IgnoredAny;
use shared::error::Chain;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::telemetry::init();
    let handler = Handler::from_environment().await.map_err(|error| Chain::new(&error))?;
    // The event does not matter: a schedule sends its own, a test `{}`.
    let serve = async |_: LambdaEvent<IgnoredAny>| {
        handler.handle(now()).await.map_err(|error| lambda_runtime::Error::from(Chain::new(&error)))
    };
    lambda_runtime::run(service_fn(serve)).await
}

#[expect(clippy::disallowed_methods, reason = "the one reading of the clock in a run")]
fn now() -> Timestamp {
    Timestamp::now()
}
