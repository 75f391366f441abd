//! The function as Lambda starts it.

use std::process::ExitCode;

use aws_lambda_events::event::sns::SnsEvent;
use shared::start::{Clock, StartError, serve};

use crate::check::Check;
use crate::config::Settings;
use crate::handler::Handler;

/// Serves events with that check until Lambda ends the process, and fails where the function cannot start.
pub async fn run<C: Check>(check: Result<C, StartError>) -> ExitCode {
    let start = async { Ok(Handler::new(Settings::from_env().await?, check?)) };
    serve(start, async |handler: &Handler<C>, event: SnsEvent, clock: Clock| handler.handle(&event, clock()).await)
        .await
}
