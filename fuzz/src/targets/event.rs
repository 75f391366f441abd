//! The event of SNS that invokes a function.

use aws_lambda_events::event::sns::SnsEvent;
use shared::contract::{ClusterSnapshot, Message, ScalingDecision, ScalingOutcome};
use shared::sns::messages;

use super::is_short;
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "event",
    run,
    borrowed: &[],
    tokens: &[
        "\"Records\":[",
        "\"Sns\":{",
        "\"Message\":\"",
        "\"MessageAttributes\":{",
        "\"content_encoding\":{\"Type\":\"String\",\"Value\":\"gzip+base64\"}",
        "\"TopicArn\":\"",
        "\"EventSource\":\"aws:sns\"",
        "\\\"schema\\\":\\\"lambda-scale/cluster-snapshot\\\"",
        "\\\"version\\\":1",
        "\\\"",
    ],
};

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:decisions";

fn run(bytes: &[u8]) {
    let Ok(event) = serde_json::from_slice::<SnsEvent>(bytes) else { return };
    all::<ClusterSnapshot>(&event);
    all::<ScalingDecision>(&event);
    all::<ScalingOutcome>(&event);
}

fn all<M: Message>(event: &SnsEvent) {
    let own: Vec<_> = messages::<M>(event, Some(TOPIC)).collect();
    let any: Vec<_> = messages::<M>(event, None).collect();
    assert_eq!((own.len(), any.len()), (event.records.len(), event.records.len()), "one result for each record");
    for (own, any) in own.iter().zip(&any) {
        assert!(any.is_ok() || own.is_err(), "what is refused from anywhere is refused from the topic");
        for error in [own, any].into_iter().filter_map(|read| read.as_ref().err()) {
            is_short(error);
        }
    }
}
