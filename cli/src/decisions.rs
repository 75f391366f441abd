//! The last decisions and their outcomes, from the log of node_scale.

use aws_config::SdkConfig;
use aws_sdk_autoscaling::error::ProvideErrorMetadata as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::aws::call::{Call, Protocol, Service, SetUpError};
use shared::clause::Clause;
use shared::error::Chain;
use thiserror::Error;

/// An hour of 100 pools at one run a minute has 6,000 events; a page has up to 10,000, and can be empty.
const MAX_PAGES: usize = 20;

/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html>
const FILTER_LOG_EVENTS: Service = Service {
    name: "cloudwatch_logs",
    host: "logs",
    operation: "FilterLogEvents",
    protocol: Protocol::Json { content_type: "application/x-amz-json-1.1", target: "Logs_20140328.FilterLogEvents" },
};

/// A decision and its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// When node_scale handled it.
    #[serde(rename(deserialize = "timestamp"))]
    pub at: Timestamp,
    /// Its group.
    pub group: String,
    /// Its id.
    pub decision_id: Option<String>,
    /// The decision in a word.
    pub state: String,
    /// What was done.
    pub action: String,
    /// The desired capacity before.
    pub from: Option<i32>,
    /// The desired capacity after.
    pub to: Option<i32>,
    /// The clause that decided, where one did.
    pub clause: Option<Clause>,
    /// Why.
    pub reason: String,
}

/// Why the last decisions are not known.
#[derive(Debug, Error)]
pub enum LogError {
    /// There is no such log.
    #[error("no log group {0}; name your stack with --stack")]
    NoLog(String),
    /// The client cannot be set up.
    #[error("cannot set up the client of CloudWatch Logs")]
    SetUp(#[from] SetUpError),
    /// The call failed.
    #[error("FilterLogEvents of {log} failed ({code}){hint}: {cause}")]
    Call {
        /// The log group.
        log: String,
        /// The code that AWS gave.
        code: String,
        /// What to do.
        hint: &'static str,
        /// The error and its causes.
        cause: String,
    },
    /// The answer cannot be read.
    #[error("cannot read the answer of CloudWatch Logs")]
    Json(#[from] serde_json::Error),
}

/// The log of node_scale in a stack of that name.
#[must_use]
pub fn log_group(stack: &str) -> String {
    format!("/aws/lambda/{stack}/node_scale")
}

/// The decisions since then, for all groups, the oldest first.
///
/// # Errors
/// Where the log cannot be read.
pub async fn since(sdk: &SdkConfig, log: &str, since: Timestamp) -> Result<Vec<Decided>, LogError> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Request<'a> {
        log_group_name: &'a str,
        start_time: i64,
        filter_pattern: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_token: Option<String>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Page {
        #[serde(default)]
        events: Vec<Event>,
        next_token: Option<String>,
    }
    #[derive(Deserialize)]
    struct Event {
        message: String,
    }
    let call = Call::new(sdk, FILTER_LOG_EVENTS)?;
    let mut decided = Vec::new();
    let mut request = Request {
        log_group_name: log,
        start_time: since.as_millisecond(),
        // Every outcome's line has this word; other lines with it are dropped below.
        filter_pattern: "\"outcome\"",
        next_token: None,
    };
    for _ in 0..MAX_PAGES {
        let answer = call.send(serde_json::to_string(&request)?).await.map_err(|error| match error.code() {
            Some("ResourceNotFoundException") => LogError::NoLog(log.to_owned()),
            code => LogError::Call {
                log: log.to_owned(),
                code: code.unwrap_or("no answer").to_owned(),
                hint: code.map_or("", hint),
                cause: Chain::new(&error).to_string(),
            },
        })?;
        let Page { events, next_token } = serde_json::from_str(&answer)?;
        decided.extend(events.iter().filter_map(|event| read(&event.message)));
        request.next_token = next_token;
        if request.next_token.is_none() {
            break;
        }
    }
    decided.sort_by_key(|decided| decided.at);
    Ok(decided)
}

fn hint(code: &str) -> &'static str {
    match code {
        "AccessDeniedException" => "; your role needs the permission logs:FilterLogEvents",
        _ => "",
    }
}

/// A line of the log, where it is an outcome's.
fn read(line: &str) -> Option<Decided> {
    #[derive(Deserialize)]
    struct Line {
        message: String,
        #[serde(flatten)]
        decided: Decided,
    }
    let line: Line = serde_json::from_str(line).ok()?;
    (line.message == "outcome").then_some(line.decided)
}

/// Consecutive decisions with the same state and action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// How many.
    pub count: usize,
    /// When the first one was.
    pub since: Timestamp,
    /// The last one.
    pub last: &'a Decided,
}

/// The decisions in rows, the last one first.
#[must_use]
pub fn rows<'a>(decided: impl IntoIterator<Item = &'a Decided>) -> Vec<Row<'a>> {
    let mut rows: Vec<Row<'a>> = Vec::new();
    for decided in decided {
        match rows.last_mut() {
            Some(row) if (&row.last.state, &row.last.action) == (&decided.state, &decided.action) => {
                row.count += 1;
                row.last = decided;
            }
            _ => rows.push(Row { count: 1, since: decided.at, last: decided }),
        }
    }
    rows.reverse();
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTCOME: &str = r#"{"timestamp":"2026-11-21T18:00:00.123456Z","level":"INFO","pool":"workers","group":"mesos-workers",
        "decision_id":"7d444840-9dc0-51d1-b245-5ffdce74fad2","state":"scale_up","action":"scaled_up","clause":"A1",
        "dry_run":false,"from":10,"to":12,"instances":"","reason":"increases desired capacity 10 -> 12","notes":"","message":"outcome"}"#;

    #[test]
    fn a_line_of_the_log_is_read_and_others_are_passed_over() {
        let decided = read(OUTCOME).unwrap();
        assert_eq!(decided.clause, Some(Clause::A1));
        assert_eq!((decided.state.as_str(), decided.action.as_str()), ("scale_up", "scaled_up"));
        assert_eq!((decided.from, decided.to, decided.group.as_str()), (Some(10), Some(12), "mesos-workers"));
        for line in ["START RequestId: 1 Version: $LATEST", "{}", &OUTCOME.replace("\"outcome\"", "\"an outcome\"")] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    #[test]
    fn the_same_again_is_one_row() {
        let at = |minute: i64, action: &str| {
            let mut decided = read(OUTCOME).unwrap();
            decided.at = Timestamp::from_second(60 * minute).unwrap();
            decided.action = action.to_owned();
            decided
        };
        let all = [at(1, "none"), at(2, "none"), at(3, "scaled_up"), at(4, "none")];
        let told: Vec<(usize, i64, i64)> = rows(&all)
            .iter()
            .map(|row| (row.count, row.since.as_second() / 60, row.last.at.as_second() / 60))
            .collect();
        assert_eq!(told, [(1, 4, 4), (1, 3, 3), (2, 1, 2)]);
    }
}
