//! CloudWatch Logs with one log group, as far as `FilterLogEvents` shows it: pages of two events, and an empty one before
//! them, as the service may send one at any time.

use std::io;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::faults::FaultPlan;
use super::http::Endpoint;
use super::json;
use super::query::AwsError;
use super::service::{Service, lock, now};

const EVENTS_PER_PAGE: usize = 2;

/// The endpoint.
pub type CloudWatchLogs = Endpoint<Log>;

/// The log group.
#[derive(Debug, Default)]
pub struct Log(Mutex<Written>);

#[derive(Debug, Default)]
struct Written {
    name: String,
    events: Vec<(Timestamp, String)>,
}

impl CloudWatchLogs {
    /// Opens the endpoint, without a log group.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn start(faults: &FaultPlan) -> io::Result<Self> {
        let log = Arc::new(Log::default());
        let routes = Router::new().route("/", post(filter)).with_state(Arc::clone(&log));
        Self::open(Service::CloudWatchLogs, |_, error| json::refusal(error), log, routes, faults).await
    }

    /// Creates the log group, with these lines of so many seconds ago.
    pub fn write(&self, name: &str, lines: &[(i64, &str)]) {
        let at = |ago: i64| now().saturating_sub(SignedDuration::from_secs(ago)).unwrap_or(Timestamp::MIN);
        let mut log = lock(&self.service.0);
        log.name = name.to_owned();
        log.events.extend(lines.iter().map(|(ago, line)| (at(*ago), (*line).to_owned())));
    }
}

async fn filter(State(log): State<Arc<Log>>, headers: HeaderMap, body: Bytes) -> Response {
    let request = json::read(&headers, &body, "Logs_20140328.FilterLogEvents", "logs");
    json::answer(request.and_then(|request| lock(&log.0).page(&request)))
}

impl Written {
    fn page(&self, request: &Value) -> Result<Value, AwsError> {
        if request["logGroupName"] != self.name.as_str() {
            return Err(AwsError::new(400, "ResourceNotFoundException", "The specified log group does not exist."));
        }
        let term = request["filterPattern"].as_str().unwrap_or_default().trim_matches('"');
        let start = request["startTime"].as_i64().unwrap_or(i64::MIN);
        let found = self.events.iter().filter(|(at, line)| at.as_millisecond() >= start && line.contains(term));
        let page: Option<usize> = request["nextToken"].as_str().and_then(|token| token.parse().ok());
        let form = |(at, line): &(Timestamp, String)| json!({ "timestamp": at.as_millisecond(), "message": line });
        let events: Vec<Value> = match page {
            None => Vec::new(),
            Some(page) => found.clone().skip(EVENTS_PER_PAGE * page).take(EVENTS_PER_PAGE).map(form).collect(),
        };
        let next = page.map_or(0, |page| page + 1);
        let mut answer = json!({ "events": events, "searchedLogStreams": [] });
        if EVENTS_PER_PAGE * next < found.count()
            && let Some(answer) = answer.as_object_mut()
        {
            answer.insert("nextToken".to_owned(), next.to_string().into());
        }
        Ok(answer)
    }
}
