//! CloudWatch Logs with one log group, as far as `FilterLogEvents` shows it: pages of two events, and an empty one before
//! them, as the service may send one at any time.

use std::io;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::post;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::http::{self, Server, lock, now};

const EVENTS_PER_PAGE: usize = 2;

/// The endpoint.
#[derive(Clone, Debug)]
pub struct CloudWatchLogs {
    log: Arc<Mutex<Log>>,
    server: Arc<Server>,
}

#[derive(Debug, Default)]
struct Log {
    name: String,
    events: Vec<(Timestamp, String)>,
    refusal: Option<&'static str>,
}

impl CloudWatchLogs {
    /// Opens the endpoint, without a log group.
    ///
    /// # Errors
    /// Where no port can be had.
    pub async fn start() -> io::Result<Self> {
        let log = Arc::new(Mutex::new(Log::default()));
        let routes = Router::new().route("/", post(filter)).with_state(Arc::clone(&log));
        Ok(Self { log, server: Arc::new(Server::start(routes).await?) })
    }

    /// Where it is spoken to.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Creates the log group, with these lines of so many seconds ago.
    pub fn write(&self, name: &str, lines: &[(i64, &str)]) {
        let at = |ago: i64| now().saturating_sub(SignedDuration::from_secs(ago)).unwrap_or(Timestamp::MIN);
        let mut log = lock(&self.log);
        log.name = name.to_owned();
        log.events.extend(lines.iter().map(|(ago, line)| (at(*ago), (*line).to_owned())));
    }

    /// Refuses all calls from now on, with that code.
    pub fn refuse(&self, code: &'static str) {
        lock(&self.log).refusal = Some(code);
    }
}

async fn filter(State(log): State<Arc<Mutex<Log>>>, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_known = header("x-amz-target") == "Logs_20140328.FilterLogEvents"
        && header("authorization").contains("/logs/aws4_request");
    let request = &serde_json::from_slice(&body).unwrap_or(Value::Null);
    let log = lock(&log);
    let answer = match log.refusal {
        _ if !is_known => Err("UnknownOperationException"),
        Some(code) => Err(code),
        None if request["logGroupName"] != log.name.as_str() => Err("ResourceNotFoundException"),
        None => Ok(log.page(request)),
    };
    let (status, body) = match answer {
        Ok(page) => (StatusCode::OK, page),
        Err(code) => (StatusCode::BAD_REQUEST, json!({ "__type": code, "message": "refused" })),
    };
    http::answer(status, "application/x-amz-json-1.1", body.to_string())
}

impl Log {
    fn page(&self, request: &Value) -> Value {
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
        answer
    }
}
