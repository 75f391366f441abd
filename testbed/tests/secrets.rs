//! No secret that a function can read stands in what it writes (I14): not where AWS repeats the request in its refusal, and not
//! where the secret itself is of the wrong form.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::support::{decide, publish, start_faulty};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::SignedDuration;
use serde_json::json;
use shared::contract::ScalingDecision;
use testbed::faults::{Delivery, Fault, FaultPlan, Faults, Trouble};
use testbed::runtime_api::Function;
use testbed::secrets::{AWS_SECRET_KEY, AWS_SESSION_TOKEN, Secrets};
use testbed::ssm::Ssm;
use testbed::stage::{self, Stage};
use testbed::{AwsError, CONFIGURATION, Logs, Stack, now};
use uuid::Uuid;

const MASTER: &str = "c4nary/of+the=Master~%3";
const MARATHON: &str = "c4nary/of+the=Marathon~%4";

/// A pool that uses every service: the queue, CPU utilization, what it learns, and calls to the masters.
fn configuration() -> String {
    let pool = "cpu_utilization = true\nlearn = 95\nmax_scale_down_step = 1\nscale_down_window = \"0s\"\n";
    let configuration = CONFIGURATION.replacen("\"least_loaded\"", "\"drain\"", 1).replacen(
        "[[pools]]",
        "[marathon]\nurl = \"http://10.0.0.5:8080\"\n[[pools]]",
        1,
    );
    format!("{configuration}\n{pool}")
}

async fn start(test: &str) -> Stack {
    drop(fs::remove_dir_all(Path::new(env!("CARGO_TARGET_TMPDIR")).join(env!("CARGO_CRATE_NAME")).join(test)));
    let faults = Faults {
        master_credentials: Some(format!("reader:{MASTER}")),
        marathon_credentials: Some(format!("reader:{MARATHON}")),
        ..Faults::default()
    };
    start_faulty(test, stage::binaries().unwrap(), configuration(), faults).await
}

/// What AWS says of a signature that it does not accept: the whole request as it should have been signed.
fn refusals() -> Vec<AwsError> {
    let canonical = format!(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and \
         signing method. Consult the service documentation for details.\n\nThe Canonical String for this request should have been\n\
         'POST\n/\n\nhost:sns.us-east-1.amazonaws.com\nx-amz-date:20261121T180000Z\nx-amz-security-token:{AWS_SESSION_TOKEN}\n\n\
         host;x-amz-date;x-amz-security-token\ne3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'"
    );
    let encoded: String = url::form_urlencoded::byte_serialize(AWS_SESSION_TOKEN.as_bytes()).collect();
    vec![
        AwsError::new(403, "SignatureDoesNotMatch", canonical),
        AwsError::new(403, "InvalidClientTokenId", format!("No such token: X-Amz-Security-Token={encoded}&Action=a")),
        AwsError::new(400, "ValidationError", format!("{{\"X-Amz-Security-Token\": \"{AWS_SESSION_TOKEN}\"}}")),
        AwsError::new(500, "InternalFailure", format!("x-amz-security-token: {AWS_SESSION_TOKEN}")),
    ]
}

const ACTIONS: [&str; 11] = [
    "DescribeAutoScalingGroups",
    "DescribeScalingActivities",
    "DescribeInstances",
    "GetMetricData",
    "GetParameters",
    "PutParameter",
    "Publish",
    "SetDesiredCapacity",
    "CreateOrUpdateTags",
    "DeleteTags",
    "TerminateInstanceInAutoScalingGroup",
];

#[tokio::test]
async fn a_refusal_of_aws_that_repeats_the_request_leaks_no_token() {
    let stack = start("refusals").await;
    let genuine = decide(&stack).await;
    let mut number = 0;
    for refusal in refusals() {
        for action in ACTIONS {
            let what = format!("{action}: {}", refusal.code);
            stack.faults.change(|faults| faults.calls.clear());
            stack.faults.add(Fault::of(action, Trouble::Refused(refusal.clone())).times(99));
            drop(stack.gather().await);
            for delta in [3, -1] {
                number += 1;
                let target = genuine.agents.usable.saturating_add_signed(delta);
                let decision = ScalingDecision {
                    id: Uuid::from_u128(number),
                    snapshot_taken_at: now(),
                    decided_at: now(),
                    expires_at: now() + SignedDuration::from_mins(2),
                    delta,
                    wanted: delta.unsigned_abs(),
                    target,
                    ..genuine.clone()
                };
                stack.faults.deliver(&stack.topics.decisions, Delivery::Held);
                let message = publish(&stack, &decision);
                let done = stack.sns.deliver(&message).unwrap();
                drop(stack.within("end of node_scale", done).await.unwrap().unwrap());
            }
            assert_eq!(stack.leaks().unwrap(), [], "{what}");
        }
    }
    stack.stop().await;
}

/// The log of a function and what it answered to an event, with these parameters.
async fn written(test: &str, name: &'static str, configuration: &str, parameters: &[(&str, &str)]) -> String {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("secrets").join(test);
    let log = directory.join(format!("{name}.log"));
    drop(fs::remove_file(&log));
    let plan = FaultPlan::default();
    let ssm = Ssm::start(&plan).await.unwrap();
    parameters.iter().for_each(|(name, value)| ssm.put(name, value));
    let function = Function::start(name, 0, &plan).await.unwrap();
    let arn = "arn:aws:sns:us-east-1:123456789012:topic";
    let url = ssm.url();
    let variables = [
        ("SNAPSHOT_TOPIC_ARN", arn),
        ("DECISION_TOPIC_ARN", arn),
        ("OUTCOME_TOPIC_ARN", arn),
        ("LAMBDA_SCALE_CONFIG", configuration),
        ("AWS_ENDPOINT_URL", &url),
        // The SDK then says the most, and nothing of it may be heard.
        ("RUST_LOG", "trace"),
    ];
    let stage = Stage::start(&function, &stage::binaries().unwrap(), &Logs::Directory(directory), &variables).unwrap();
    let event = json!({"id": "a", "time": "2026-11-21T18:00:00Z", "source": "aws.events"});
    let invoked = tokio::time::timeout(Duration::from_secs(30), function.invoke(&event)).await;
    stage.stop().await;
    format!("{invoked:?}\n{}", fs::read_to_string(log).unwrap())
}

/// Credentials and certificates of the wrong form, the secret in them.
fn wrong_values() -> Vec<String> {
    vec![
        MASTER.to_owned(),
        format!(":{MASTER}"),
        format!("reader:{MASTER}\r\nX-Other: {MASTER}"),
        format!("reader:{MASTER}\u{0}"),
        format!("reader:größe {MASTER}"),
        format!("re\tader:{MASTER}"),
        format!("token:{MASTER} {MASTER}\n"),
        format!("Bearer {MASTER}"),
        format!("{{\"principal\": \"reader\", \"secret\": \"{MASTER}\"}}"),
        format!("reader:{}", MASTER.repeat(2000)),
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64_STANDARD.encode(MASTER)),
        format!("-----BEGIN CERTIFICATE-----\n{MASTER}\n-----END CERTIFICATE-----\n"),
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64_STANDARD.encode(MASTER)),
    ]
}

#[tokio::test]
async fn a_secret_of_the_wrong_form_is_reported_without_it() {
    let secrets = Secrets::of_aws().with("the password", MASTER);
    let base = CONFIGURATION.replace("\"least_loaded\"", "\"drain\"").replacen(
        "http://10.0.0.5:5050",
        "http://127.0.0.1:1",
        1,
    );
    for (number, value) in wrong_values().iter().enumerate() {
        for (place, section) in [
            ("master", "[mesos]\ncredentials = \"ssm:/secret\"\n"),
            ("bundle", "[mesos]\nca_bundle = \"ssm:/secret\"\n"),
            ("marathon", "[marathon]\nurl = \"http://127.0.0.1:1\"\ncredentials = \"ssm:/secret\"\n[mesos]\n"),
        ] {
            let configuration = base.replacen("[mesos]\n", section, 1);
            for name in ["node_gather", "node_scale"] {
                let written = written(&format!("{place}-{number}"), name, &configuration, &[("/secret", value)]).await;
                assert!(written.len() > 50, "{written}");
                if let Some(leak) = secrets.find(name, &written) {
                    panic!("{place}, {number}: {leak}");
                }
            }
        }
    }
    // Nor is a configuration repeated that holds the keys of the account.
    for line in [format!("credentials = \"{AWS_SECRET_KEY}\""), format!("timeout = \"{AWS_SESSION_TOKEN}\"")] {
        let configuration = CONFIGURATION.replacen("[mesos]\n", &format!("[mesos]\n{line}\n"), 1);
        for name in ["node_gather", "node_process", "node_scale"] {
            let written = written("account", name, &configuration, &[]).await;
            assert!(written.contains("Configuration.NotValid"), "{written}");
            assert_eq!(secrets.find(name, &written), None);
        }
    }
}
