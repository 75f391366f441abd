//! Requests to CloudWatch that the local one does not answer.

use std::time::Duration;

use jiff::Timestamp;
use node_gather::cloudwatch::Client;
use node_gather::groups::Cpu;
use testbed::cloudwatch::CloudWatch;
use testbed::faults::{Fault, FaultPlan, Trouble};

#[tokio::test]
async fn a_silent_cloudwatch_ends_at_the_timeout() {
    let faults = FaultPlan::default();
    faults.add(Fault::of("GetMetricData", Trouble::HangsBefore));
    let cloudwatch = CloudWatch::start(&faults).await.unwrap();
    let client = Client::new(&testbed::sdk_config(&cloudwatch.url())).unwrap().with_timeout(Duration::from_millis(50));
    let known = client.cpu_utilization(&["a", "b"], Timestamp::UNIX_EPOCH).await;
    let late = Cpu::Unknown { reason: "CloudWatch did not answer within 50 ms".to_owned() };
    assert_eq!(known, [late.clone(), late]);
}
