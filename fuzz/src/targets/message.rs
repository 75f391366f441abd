//! The body of a message: a line that says how it is packed, and then the message.
//!
//! A snapshot, however odd, gives a decision that can be sent, or none; a decision, however odd, a change within the limits.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;

use shared::contract::{
    ClusterSnapshot, DecodeError, GZIP_BASE64, Message, ScalingDecision, ScalingOutcome, decode, encode, to_json,
    unpack_all,
};

use super::{is_short, pool};
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "message",
    run,
    borrowed: &[],
    tokens: &[
        "plain\n",
        "gzip\n",
        "packed\n",
        "\"schema\":\"lambda-scale/cluster-snapshot\"",
        "\"schema\":\"lambda-scale/scaling-decision\"",
        "\"schema\":\"lambda-scale/scaling-outcome\"",
        "\"version\":1",
        "\"version\":2",
        "\"agents\":{",
        "\"candidates\":[",
        "\"applications\":[",
        "\"tasks\":[",
        "\"resources\":{\"cpus\":",
        "\"completeness\":{\"level\":\"complete\"",
        "\"group\":{",
        "\"agent_shapes\":[",
        "\"scale_down_agents\":[",
        "\"delta\":",
        "\"decommissioning_agents\":[",
        "\"9999-12-31T23:59:59Z\"",
        "\"-009999-01-01T00:00:00Z\"",
        "null",
    ],
};

fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (packing, body) = text.split_once('\n').unwrap_or_default();
    let (body, encoding) = match packing {
        "plain" => (body.to_owned(), None),
        "gzip" => (packed(body.as_bytes()), Some(GZIP_BASE64)),
        "packed" => (body.trim_end().to_owned(), Some(GZIP_BASE64)),
        other => (body.to_owned(), Some(other)),
    };
    if encoding == Some(GZIP_BASE64)
        && let Err(error) = unpack_all(&body)
    {
        is_short(&error);
    }
    if let Some(snapshot) = read::<ClusterSnapshot>(&body, encoding) {
        pool::decides(&snapshot);
    }
    if let Some(decision) = read::<ScalingDecision>(&body, encoding) {
        for policy in pool::POLICIES.iter() {
            let now = decision.snapshot_taken_at;
            drop(pool::plans(&decision, Some(&pool::at_rest(pool::group())), policy, now));
            drop(pool::plans(&decision, None, policy, now));
        }
    }
    drop(read::<ScalingOutcome>(&body, encoding));
}

/// The message, which is the same after it is written and read again.
fn read<M: Message>(body: &str, encoding: Option<&str>) -> Option<M> {
    let message: M = match decode(body, encoding) {
        Ok(message) => message,
        Err(error) => {
            is_short(&error);
            let is_header = matches!(error, DecodeError::WrongSchema { .. } | DecodeError::UnknownVersion { .. });
            assert!(!is_header || !error.to_string().is_empty());
            return None;
        }
    };
    let written = to_json(&message).unwrap();
    // Times are written in milliseconds.
    assert_eq!(to_json(&decode::<M>(&written, None).unwrap()).unwrap(), written);
    if let Ok(sent) = encode(&message) {
        let encoding = sent.is_packed().then_some(GZIP_BASE64);
        assert_eq!(to_json(&decode::<M>(&sent.body, encoding).unwrap()).unwrap(), written);
    }
    Some(message)
}

fn packed(plain: &[u8]) -> String {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(plain).unwrap();
    BASE64_STANDARD.encode(gzip.finish().unwrap())
}
