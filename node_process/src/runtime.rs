//! The function as Lambda starts it.

use aws_lambda_events::event::sns::SnsEvent;
use shared::error::Chain;
use shared::start::{Clock, serve};

use crate::check::Check;
use crate::config::Settings;
use crate::handler::Handler;

/// Serves events with that check until Lambda ends the process.
///
/// # Errors
/// Where the function cannot start.
pub async fn run<C: Check>(check: C) -> Result<(), Chain> {
    let start = async { Settings::from_env().await.map(|settings| Handler::new(settings, check)) };
    serve(start, async |handler: &Handler<C>, event: SnsEvent, clock: Clock| handler.handle(&event, clock()).await)
        .await
}
