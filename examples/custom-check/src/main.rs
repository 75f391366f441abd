//! `node_process` with business hours. Deploy it instead of `node_process`; the other functions do not change.

use std::process::ExitCode;

use custom_check::BusinessHours;
use node_process::run;
use shared::aws;
use shared::start::StartError;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let hours = aws::variable("BUSINESS_HOURS").unwrap_or_default();
    run(hours.parse::<BusinessHours>().map_err(StartError::check)).await
}
