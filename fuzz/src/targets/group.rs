//! Answers of Auto Scaling, cut and changed anywhere: its group, activities, and instance refreshes, each after a line `---`.

use std::sync::{LazyLock, Mutex, PoisonError};

use jiff::SignedDuration;
use node_gather::autoscaling;
use node_gather::members::Description;
use node_scale::group::{client, describe};

use super::answers::{Answers, block_on};
use super::{is_short, pool};
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "group",
    run,
    borrowed: &[],
    tokens: &[
        "\n---\n",
        "<DescribeAutoScalingGroupsResponse>",
        "</DescribeAutoScalingGroupsResponse>",
        "<member>",
        "</member>",
        "<Tags>",
        "<Key>lambda-scale/pause-until</Key>",
        "<Value>forever</Value>",
        "<NextToken>a</NextToken>",
        "<DesiredCapacity>",
        "<Instances>",
        "<LifecycleState>Terminating:Wait</LifecycleState>",
        "<StatusCode>Failed</StatusCode>",
        "<StartTime>2026-11-21T18:00:00Z</StartTime>",
        "<ErrorResponse><Error><Code>Throttling</Code>",
        "<WeightedCapacity>4</WeightedCapacity>",
        "&amp;",
        "&#x0;",
        "<!--",
        "<![CDATA[",
    ],
};

const NAME: &str = "mesos-workers";
const CLOSING: &str = "</DescribeAutoScalingGroupsResponse>";

/// Setting the clients up takes longer than their calls.
struct Clients {
    answers: Answers,
    gather: autoscaling::Client,
    scale: aws_sdk_autoscaling::Client,
}

static CLIENTS: LazyLock<Mutex<Clients>> = LazyLock::new(|| {
    let answers = Answers::default();
    let sdk = answers.sdk();
    Mutex::new(Clients { gather: autoscaling::Client::new(&sdk), scale: client(&sdk), answers })
});

fn run(bytes: &[u8]) {
    let clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mut parts = text.split("\n---\n").map(|part| part.as_bytes().to_vec());
    let mut part = |action| (action, parts.next().unwrap_or_default());
    let parts =
        vec![part("DescribeAutoScalingGroups"), part("DescribeScalingActivities"), part("DescribeInstanceRefreshes")];
    let is_whole = String::from_utf8_lossy(&parts[0].1).trim_end().ends_with(CLOSING);
    for status in [200, 400] {
        clients.answers.set(status, parts.clone());
        let described = block_on(clients.gather.describe(&[NAME, "other"]));
        let known = described.iter().filter(|description| matches!(description, Description::Known(_))).count();
        assert!(described.len() == 2 && (known == 0 || (is_whole && status == 200)), "{described:?}");

        match block_on(describe(&clients.scale, NAME, pool::now() - SignedDuration::from_hours(1), true)) {
            Ok(state) => {
                assert!(is_whole && status == 200, "{state:?}");
                for (policy, delta) in pool::POLICIES.iter().flat_map(|policy| [(policy, 3), (policy, -3)]) {
                    drop(pool::plans(&pool::decision(delta), state.as_ref(), policy, pool::now()));
                }
            }
            Err(error) => is_short(&error),
        }
    }
}
