#![allow(clippy::indexing_slicing, clippy::string_slice, reason = "a test fails by panicking")]

use cluster::{Cluster, NOON, resources};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use shared::contract::{ClusterSnapshot, Encoded, ScalingDecision, encode};
use shared::error::Chain;
use std::io::Write as _;

use super::*;

fn snapshot(agents: usize) -> ClusterSnapshot {
    Cluster::of(agents, resources(4, 14_000)).snapshot()
}

/// What SNS delivers of a message.
fn envelope(message: &Encoded) -> String {
    let attributes =
        message.attributes.iter().map(|(name, value)| ((*name).to_owned(), json!({"Type": "String", "Value": value})));
    json!({
        "Type": "Notification", "MessageId": "719a6bbf", "TopicArn": "arn:aws:sns:eu-west-1:123456789012:s", "Subject": "a \"b\" {c",
        "Message": message.body, "Timestamp": "2026-11-21T16:00:00.000Z", "UnsubscribeURL": "https://sns/?Action=Unsubscribe",
        "MessageAttributes": attributes.collect::<serde_json::Map<_, _>>(),
    })
    .to_string()
}

/// The same message packed, as a large one is.
fn packed(message: &Encoded) -> Encoded {
    let mut body = message.body.clone();
    // Packing is for messages beyond the limit, and white space makes any message one of these.
    body.insert_str(1, &" ".repeat(contract::WIRE_BUDGET_BYTES));
    let mut attributes = message.attributes.clone();
    attributes.push((CONTENT_ENCODING, GZIP_BASE64.to_owned()));
    Encoded { body: base64(&gzip(body.as_bytes())), attributes }
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(plain).unwrap();
    gzip.finish().unwrap()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = |chunk: &[u8]| {
        let bits = chunk.iter().chain(&[0, 0]).take(3).fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        let digits: String = (0..4).map(|at| char::from(DIGITS[bits >> (18 - 6 * at) & 63])).collect();
        format!("{}{}", &digits[..=chunk.len()], "=".repeat(3 - chunk.len()))
    };
    bytes.chunks(3).map(digits).collect()
}

/// The agents of every snapshot in the text.
fn agents(text: &str) -> Result<Vec<u32>, (u64, RecordError)> {
    // A small buffer: records end anywhere in it.
    let mut records = Records::new(io::BufReader::with_capacity(7, text.as_bytes()));
    let mut found = Vec::new();
    loop {
        let next = records.next().and_then(|record| record.map(messages::<ClusterSnapshot>).transpose());
        match next.map_err(|error| (records.number(), error))? {
            Some(snapshots) => found.extend(snapshots.iter().map(|snapshot| snapshot.agents.usable)),
            None => return Ok(found),
        }
    }
}

#[test]
fn every_form_of_a_record_has_its_message() {
    let plain = |count: usize| encode(&snapshot(count)).unwrap();
    type Form = fn(&Encoded) -> String;
    let forms: [(&str, Form); 5] = [
        ("an envelope", envelope),
        ("an envelope of a packed message", |message| envelope(&packed(message))),
        ("an envelope without attributes", |message| envelope(&Encoded { attributes: Vec::new(), ..packed(message) })),
        ("a raw message", |message| message.body.clone()),
        ("a raw packed message", |message| packed(message).body),
    ];
    for (name, form) in forms {
        let all: Vec<String> = (1..=4).map(|count| form(&plain(count))).collect();
        for separator in ["", "\n", "\r\n", " \n\n"] {
            assert_eq!(agents(&all.join(separator)).unwrap(), [1, 2, 3, 4], "{name}, separated by {separator:?}");
        }
        assert_eq!(agents(&format!("\n{}\n", all.concat())).unwrap(), [1, 2, 3, 4], "{name}");
    }
    let mixed: String = forms.iter().zip(1..).map(|((_, form), count)| form(&plain(count))).collect();
    assert_eq!(agents(&mixed).unwrap(), [1, 2, 3, 4, 5]);
    assert_eq!(agents("").unwrap(), [0; 0]);
}

#[test]
fn messages_of_other_kinds_are_passed_over() {
    let snapshot = snapshot(3);
    let decision = node_process::decide(&snapshot, &cluster::policy("").unwrap(), NOON).unwrap();
    let both = [envelope(&encode(&decision).unwrap()), envelope(&encode(&snapshot).unwrap())].concat();
    let confirmation = r#"{"Type":"SubscriptionConfirmation","Message":"You have chosen to subscribe"}"#;
    let other = r#"{"schema":"lambda-scale/scaling-outcome","version":9}"#;
    assert_eq!(agents(&format!("{both}{confirmation}{other}")).unwrap(), [3]);
    let decisions: Vec<ScalingDecision> = messages(envelope(&encode(&decision).unwrap()).as_bytes()).unwrap();
    assert_eq!(decisions, [decision]);
}

#[test]
fn a_broken_record_says_which_one_and_what_to_do() {
    let whole = envelope(&encode(&snapshot(2)).unwrap());
    let truncated = &whole[..whole.len() - 1];
    let newer = r#"{"schema":"lambda-scale/cluster-snapshot","version":9}"#;
    let packed = packed(&encode(&snapshot(2)).unwrap()).body;
    for (record, words) in [
        (truncated, "the file ends within the record; download it again"),
        ("[1]", "starts with '[', expected the { of a JSON object; is the file a recording?"),
        (
            "{\"schema\":\ngarbage\n{\"a\":1}\n",
            "is not JSON; download the file again: expected value at line 2 column 1",
        ),
        ("{\"schema\": \"garbage\n{\"a\":1}\n", "is not JSON; download the file again: control character"),
        ("{\"a\":1,\n", "the file ends within the record; download it again"),
        ("{]}", "is not JSON; download the file again: key must be a string"),
        (r#"{"rawData":"e30="}"#, "has neither a schema nor the Message of SNS; copy only the objects under recorded/"),
        (
            newer,
            "its message cannot be used; remove the record, or use the release that wrote it: the lambda-scale/cluster-snapshot",
        ),
        (
            &packed[..packed.len() / 2],
            "its message cannot be used; remove the record, or use the release that wrote it: the message",
        ),
    ] {
        let (number, error) = agents(&format!("{whole}\n{record}")).unwrap_err();
        let told = Chain::new(&error).to_string();
        assert!(number == 2 && told.starts_with(words), "record {number}: {told}");
    }
    let endless = format!("{{\"a\":\"{}", "x".repeat(MAX_RECORD_BYTES));
    assert!(matches!(agents(&endless), Err((1, RecordError::TooLarge))));
}
