//! `node_process` with business hours. Deploy it instead of `node_process`; the other functions do not change.

use custom_check::BusinessHours;
use node_process::run;
use shared::aws;
use shared::error::Chain;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Chain> {
    let hours = aws::variable("BUSINESS_HOURS").unwrap_or_default();
    run(hours.parse::<BusinessHours>().map_err(|error| Chain::new(&error))?).await
}
