//! The function `node_scale`: applies scaling decisions to the Auto Scaling group.

use std::process::ExitCode;

use aws_lambda_events::event::sns::SnsEvent;
use node_scale::config::Settings;
use node_scale::handler::Handler;
use shared::start::{Clock, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let start = async { Settings::from_env().await.map(Handler::new) };
    serve(start, async |handler: &Handler, event: SnsEvent, clock: Clock| handler.handle(&event, clock).await).await
}
