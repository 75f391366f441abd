//! Marathon, AWS, and messages with anything in them, against the real binaries: what cannot be read changes nothing, within the
//! memory of the smallest function, and the next run works.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::support::{decide, desired, start_faulty};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use shared::contract::{CompletenessLevel, OutcomeAction, ScalingDecision, ScalingOutcome, to_json};
use testbed::faults::{Delivery, Fault, Faults, Trouble};
use testbed::secrets::AWS_SESSION_TOKEN;
use testbed::stack::decode;
use testbed::{CONFIGURATION, Stack, now, stage};
use tokio::time::Instant;
use uuid::Uuid;

/// The memory of the smallest function.
const MAX_KIB: u64 = 128 * 1024;
/// The longest run on a busy machine; each call has its own deadline.
const MAX_TIME: Duration = Duration::from_secs(20);

/// The credentials at Marathon, with characters that URLs encode.
const MARATHON: &str = "reader:c4nary/of+the=Marathon~%4";

const WEB: &str = "[[pools]]\nname = \"web\"\ngroup = \"web-asg\"\nsource = \"cloudwatch\"\nmax = 6\n";

async fn start(test: &str) -> Stack {
    let configuration = CONFIGURATION.replacen("[[pools]]", "[marathon]\nurl = \"http://10.0.0.5:8080\"\n[[pools]]", 1);
    let faults = Faults {
        master_credentials: Some("reader:c4nary/of+the=Master~%3".to_owned()),
        marathon_credentials: Some(MARATHON.to_owned()),
        ..Faults::default()
    };
    drop(fs::remove_dir_all(logs(test)));
    start_faulty(test, stage::binaries().unwrap(), format!("{configuration}\n{WEB}"), faults).await
}

fn logs(test: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(env!("CARGO_CRATE_NAME")).join(test)
}

/// All functions stayed within the memory, a run works, and nothing that was written has a secret.
async fn end(stack: Stack) {
    for function in ["node_gather", "node_process", "node_scale"] {
        let peak = stack.peak_memory_kib(function).unwrap();
        assert!(peak <= MAX_KIB, "{function}: {peak} KiB");
    }
    stack.faults.change(|faults| (faults.calls.clear(), faults.deliveries.clear()));
    let run = stack.run().await.unwrap().remove(0);
    assert_eq!(run.snapshot.completeness.level, CompletenessLevel::Complete, "{:?}", run.snapshot.completeness);
    assert_eq!(stack.leaks().unwrap(), []);
    stack.stop().await;
}

/// Bodies that are the answer to nothing.
fn bodies() -> Vec<(&'static str, Vec<u8>)> {
    let nested =
        |open: &str, close: &str, times: usize| [open.repeat(times), close.repeat(times)].concat().into_bytes();
    let group = "<DescribeAutoScalingGroupsResponse><DescribeAutoScalingGroupsResult><AutoScalingGroups>";
    let laughs =
        "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]><a>&b;</a>";
    // Whoever answers may repeat what was sent.
    let sent = format!("Basic {} x-amz-security-token:{AWS_SESSION_TOKEN}", BASE64_STANDARD.encode(MARATHON));
    vec![
        ("the request as a text", sent.clone().into_bytes()),
        ("the request as a page", format!("<html><body>{MARATHON} {sent}</body></html>").into_bytes()),
        ("the request as a name", format!("{{\"{sent}\":\"{sent}\",\"{MARATHON}\":1}}").into_bytes()),
        ("the request where a list belongs", format!("{{\"queue\":\"{sent}\",\"apps\":\"{MARATHON}\"}}").into_bytes()),
        (
            "the request as an element",
            format!("<DescribeAutoScalingGroupsResponse><a b=\"{sent}\">{sent}").into_bytes(),
        ),
        ("nothing", Vec::new()),
        ("null", b"null".to_vec()),
        ("a number", b"1e999".to_vec()),
        ("a page", b"<html><body>Log in</body></html>".to_vec()),
        ("no text", vec![0xff; 5000]),
        ("a list", b"[{}]".to_vec()),
        ("wrong types", br#"{"queue":{"a":1},"apps":5,"Parameters":"x","MetricDataResults":"y"}"#.to_vec()),
        ("deep lists", nested("[", "]", 10_000)),
        ("deep objects", nested("{\"queue\":", "}", 10_000)),
        (
            "deep elements",
            nested("<DescribeAutoScalingGroupsResponse>", "</DescribeAutoScalingGroupsResponse>", 10_000),
        ),
        ("deep groups", [group.as_bytes(), &nested("<member>", "</member>", 100_000)].concat()),
        ("entities", laughs.as_bytes().to_vec()),
        ("an attribute of 4 MB", format!("<a b=\"{}\"/>", "c".repeat(4 << 20)).into_bytes()),
        ("a text of 4 MB", format!("{{\"queue\":\"{}\"}}", "c".repeat(4 << 20)).into_bytes()),
        ("half of a queue", br#"{"queue":[{"count":1,"app":{"id":"/a""#.to_vec()),
    ]
}

#[tokio::test]
async fn no_answer_of_marathon_stops_a_snapshot() {
    let stack = start("marathon").await;
    for (what, body) in bodies() {
        for path in ["/v2/queue", "/v2/apps"] {
            stack.faults.change(|faults| faults.calls.clear());
            stack.faults.add(Fault::of(path, Trouble::AnswerIs(body.clone())).times(9));
            let (mark, start) = (stack.sns.mark(), Instant::now());
            stack.gather().await.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(start.elapsed() < MAX_TIME, "{what}: {:?}", start.elapsed());
            let snapshot = stack.snapshot("workers", mark).await.unwrap();
            let completeness = &snapshot.completeness;
            // The constraints are asked for now and then only.
            assert!(
                path != "/v2/queue" || completeness.level == CompletenessLevel::Partial,
                "{what}: {completeness:?}"
            );
            let reasons = completeness.reasons.concat();
            assert!(reasons.len() < 3000 && !reasons.contains("cccccccc"), "{what}: {reasons}");
            assert_eq!(snapshot.agents.usable, 60);
            stack.snapshot("web", mark).await.unwrap();
            assert_eq!(stack.leaks().unwrap(), [], "{what}, {path}");
        }
    }
    end(stack).await;
}

#[tokio::test]
async fn no_answer_of_aws_changes_a_group() {
    let stack = start("aws").await;
    let genuine = decide(&stack).await;
    stack.faults.deliver(&stack.topics.decisions, Delivery::Held);
    stack.faults.deliver(&stack.topics.snapshots, Delivery::Held);
    let before = desired(&stack);
    for (number, (what, body)) in bodies().into_iter().enumerate() {
        for action in ["DescribeAutoScalingGroups", "DescribeScalingActivities", "DescribeInstances", "GetMetricData"] {
            stack.faults.change(|faults| faults.calls.clear());
            stack.faults.add(Fault::of(action, Trouble::AnswerIs(body.clone())).times(50));
            let (mark, start) = (stack.sns.mark(), Instant::now());
            stack.gather().await.unwrap_or_else(|error| panic!("{what}, {action}: {error}"));
            let snapshot = stack.snapshot("workers", mark).await.unwrap();
            let is_described = action != "DescribeAutoScalingGroups";
            assert!(is_described || snapshot.completeness.level == CompletenessLevel::Partial, "{what}: {snapshot:?}");
            let reasons = snapshot.completeness.reasons.concat();
            assert!(reasons.len() < 3000, "{what}, {action}: {} bytes", reasons.len());
            stack.snapshot("web", mark).await.unwrap();
            assert!(start.elapsed() < MAX_TIME, "{what}, {action}: {:?}", start.elapsed());
            assert_eq!(stack.leaks().unwrap(), [], "{what}, {action}");

            if action == "DescribeInstances" || action == "GetMetricData" {
                continue;
            }
            let decision = ScalingDecision {
                id: Uuid::from_u128(number as u128 + 7),
                snapshot_taken_at: now(),
                decided_at: now(),
                expires_at: now() + jiff::SignedDuration::from_mins(2),
                delta: 3,
                wanted: 3,
                target: genuine.agents.usable + 3,
                ..genuine.clone()
            };
            let body = to_json(&decision).unwrap();
            let message = stack.sns.publish(&stack.topics.decisions, &body, &[("pool", "workers")]).unwrap();
            let done = stack.sns.deliver(&message).unwrap();
            let invocation = stack.within("end of node_scale", done).await.unwrap().unwrap();
            if let Err(error) = &invocation.result {
                assert_ne!(error.error_type, "Runtime.ExitError", "{what}, {action}: {error}");
                assert!(error.message.len() < 4000, "{what}, {action}: {error}");
            }
            assert_eq!(desired(&stack), before, "{what}, {action}: {invocation:?}");
            assert_eq!(stack.leaks().unwrap(), [], "{what}, {action}");
        }
    }
    end(stack).await;
}

fn packed(part: &[u8], times: usize) -> String {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    (0..times).try_for_each(|_| gzip.write_all(part)).unwrap();
    BASE64_STANDARD.encode(gzip.finish().unwrap())
}

#[tokio::test]
async fn no_message_stops_a_function() {
    let header = |schema: &str| format!("{{\"schema\":\"lambda-scale/{schema}\",\"version\":1,");
    let (snapshot, decision) = (header("cluster-snapshot"), header("scaling-decision"));
    let block = vec![b' '; 1 << 20];
    let plain = [
        "null".to_owned(),
        "\u{0}".to_owned(),
        "[".repeat(10_000),
        "{\"schema\":".repeat(20_000),
        format!("{{\"schema\":\"{}\",\"version\":1}}", "x".repeat(200_000)),
        format!("{snapshot}\"id\":1e999}}"),
        format!("{snapshot}\"agents\":{}", "[".repeat(100_000)),
        format!("{decision}\"id\":\"\\ud800\"}}"),
        format!("{decision}\"delta\":99999999999999999999}}"),
        format!("{decision}\"pool\":\"{}\"}}", "p".repeat(200_000)),
    ];
    let mut bodies: Vec<(String, Option<String>)> = plain.into_iter().map(|body| (body, None)).collect();
    bodies.extend([
        (packed(&block, 64), Some("gzip+base64".to_owned())),
        (packed(&block, 31), Some("gzip+base64".to_owned())),
        (packed(&vec![b'['; 1 << 20], 30), Some("gzip+base64".to_owned())),
        (packed(b"", 1).repeat(5000), Some("gzip+base64".to_owned())),
        ("not base64".to_owned(), Some("gzip+base64".to_owned())),
        ("{}".to_owned(), Some("zstd".repeat(5000))),
    ]);
    // Packing takes seconds, in which the endpoints would not answer to functions that start.
    let stack = start("messages").await;
    let topics = [stack.topics.snapshots.clone(), stack.topics.decisions.clone()];
    topics.iter().for_each(|topic| stack.faults.deliver(topic, Delivery::Held));
    let (mark, before) = (stack.sns.mark(), desired(&stack));
    for (body, encoding) in &bodies {
        let what: String = body.chars().take(60).collect();
        for topic in &topics {
            let attributes: Vec<(&str, &str)> =
                encoding.iter().map(|value| ("content_encoding", value.as_str())).collect();
            let message = stack.sns.publish(topic, body, &attributes).unwrap();
            let done = stack.sns.deliver(&message).unwrap();
            let invocation = stack.within("end of the function", done).await.unwrap().unwrap();
            assert!(invocation.result.is_ok(), "trying again would not help: {what}: {invocation:?}");
            assert_eq!(invocation.attempts, 1, "{what}");
        }
        assert_eq!(stack.leaks().unwrap(), [], "{what}");
    }
    let published = stack.sns.published(&stack.topics.decisions, mark).len();
    assert_eq!(published, bodies.len(), "only those of this test");
    // What is a decision by its header is refused aloud.
    let outcomes: Vec<ScalingOutcome> =
        stack.sns.published(&stack.topics.outcomes, mark).iter().filter_map(decode).collect();
    for outcome in outcomes {
        assert_eq!(outcome.action, OutcomeAction::Refused, "{outcome:?}");
        assert!(outcome.reason.len() < 4000, "{outcome:?}");
    }
    assert_eq!(desired(&stack), before);
    end(stack).await;
}
