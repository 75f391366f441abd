//! The function as Lambda starts it.

use aws_lambda_events::event::sns::SnsEvent;
use jiff::Timestamp;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use shared::error::Chain;
use shared::telemetry;

use crate::check::Check;
use crate::config::Settings;
use crate::handler::Handler;

/// Serves events with that check until Lambda ends the process.
///
/// # Errors
/// Where the function cannot start.
pub async fn run(check: impl Check) -> Result<(), Chain> {
    telemetry::init();
    let settings = Settings::from_environment().await.map_err(|error| Chain::new(&error))?;
    let handler = Handler::new(settings, check);
    let handle = |event: LambdaEvent<SnsEvent>| {
        let handler = &handler;
        async move { handler.handle(&event.payload, now()).await.map_err(|error| Error::from(Chain::new(&error))) }
    };
    lambda_runtime::run(service_fn(handle)).await.map_err(|error| Chain::new(&*error))
}

#[expect(clippy::disallowed_methods, reason = "the edge of the function: the clock is read once for an event")]
fn now() -> Timestamp {
    Timestamp::now()
}
