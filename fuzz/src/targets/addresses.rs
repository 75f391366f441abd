//! Answers of EC2 and of Parameter Store, cut and changed anywhere.

use std::sync::{LazyLock, Mutex, PoisonError};

use serde::de::IgnoredAny;
use shared::aws::{ec2, ssm};

use super::answers::{Answers, block_on};
use super::is_short;
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "addresses",
    run,
    borrowed: &[],
    tokens: &[
        "</DescribeInstancesResponse>",
        "<item>",
        "</item>",
        "<reservationSet>",
        "<instancesSet>",
        "<instanceId>i-1</instanceId>",
        "<privateIpAddress>10.0.0.1</privateIpAddress>",
        "<nextToken>a</nextToken>",
        "<networkInterfaceSet>",
        "<ipv6AddressesSet>",
        "{\"Parameters\":[",
        "\"Name\":\"/a\"",
        "\"Value\":\"b\"",
        "\"InvalidParameters\":[",
        "\"__type\":\"",
        "&lt;",
        "<![CDATA[",
    ],
};

static CLIENTS: LazyLock<Mutex<(Answers, ec2::Client, ssm::Client)>> = LazyLock::new(|| {
    let answers = Answers::default();
    let sdk = answers.sdk();
    Mutex::new((answers, ec2::Client::new(&sdk), ssm::Client::new(&sdk).unwrap()))
});

fn run(bytes: &[u8]) {
    let (answers, ec2, store) = &*CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
    let is_whole = String::from_utf8_lossy(bytes).trim_end().ends_with("</DescribeInstancesResponse>");
    for status in [200, 400] {
        answers.set(status, vec![("", bytes.to_vec())]);
        match block_on(ec2.instances(&[("instance-state-name", &["running"])])) {
            Ok(_) => assert!(is_whole && status == 200),
            Err(error) => is_short(&error),
        }
        match block_on(store.get(&["/a".to_owned()])) {
            Ok(_) => assert!(status == 200 && serde_json::from_slice::<IgnoredAny>(bytes).is_ok()),
            Err(error) => is_short(&error),
        }
    }
}
