//! The Lambda function that applies scaling decisions.

use aws_lambda_events::event::sns::SnsEvent;
use jiff::Timestamp;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use node_scale::handler::Handler;
use shared::error::Chain;
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let handler = &Handler::from_environment().await.map_err(|error| Chain::new(&error))?;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<SnsEvent>| {
        #[expect(clippy::disallowed_methods, reason = "the one clock of this stage")]
        let clock = Timestamp::now;
        handler.handle(&event.payload, clock).await.map_err(|error| Error::from(Chain::new(&error)))
    }))
    .await
}
