//! One function's Lambda Runtime API, and the queue of events before it.
//!
//! Modeled as documented: the long poll for the next invocation with its headers, the answer or error posted back, an
//! error at start, and asynchronous invocation, which runs a failed event again (here after moments, at AWS after one and
//! two minutes). One process polls one function, so that there is never more than one invocation at a time.
//!
//! Not modeled: timeouts (callers that wait for an invocation set their own), throttling, the age limit of events, destinations,
//! extensions, response streaming.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

use super::faults::FaultPlan;
use super::http::{self, Endpoint};
use super::journal::Journal;
use super::service::{self, Service, lock, now};
use super::{ACCOUNT, REGION};

/// How long a function may take, as its deadline header says: the timeout of a function that sets none.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How long a failed event waits before it runs again.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The request's id, the same in every attempt.
    pub request_id: String,
    /// How often the function ran for it.
    pub attempts: u32,
    /// How long the last attempt took, from when the function was given the event until it answered.
    pub took: Duration,
    /// The function's answer, or its last error.
    pub result: Result<String, FunctionError>,
}

/// A function's failure.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{function} failed: {error_type}: {message}")]
pub struct FunctionError {
    /// Which function.
    pub function: &'static str,
    /// Its class of error.
    pub error_type: String,
    /// What it said.
    pub message: String,
}

/// A function as its invokers and its runtime see it.
pub type Function = Endpoint<Queue>;

/// The events of a function: those that wait, and what became of the others.
#[derive(Debug)]
pub struct Queue {
    name: &'static str,
    retries: u32,
    state: Mutex<Events>,
    wake: Notify,
    /// How many events are done.
    done: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Events {
    issued: u64,
    /// The trace id of every invocation, where they are not to differ.
    trace_id: Option<String>,
    waiting: VecDeque<Event>,
    running: HashMap<String, Event>,
    history: Journal<Invocation>,
    /// Why the function runs no more.
    ended: Option<FunctionError>,
}

#[derive(Debug)]
struct Event {
    request_id: String,
    payload: Bytes,
    attempts: u32,
    given: Instant,
    done: oneshot::Sender<Invocation>,
}

impl Function {
    /// Opens the Runtime API of a function; failed events run again up to `retries` times.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn start(name: &'static str, retries: u32, faults: &FaultPlan) -> io::Result<Self> {
        let queue = Arc::new(Queue {
            name,
            retries,
            state: Mutex::new(Events::default()),
            wake: Notify::new(),
            done: watch::Sender::new(0),
        });
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(init_error))
            .with_state(Arc::clone(&queue));
        Self::open(Service::RuntimeApi, |_, error| http::refusal(error), queue, routes, faults).await
    }

    /// The function's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.service.name
    }

    /// Gives every invocation from now on that trace id, where Lambda would give each its own.
    pub fn trace_as(&self, id: &str) {
        lock(&self.service.state).trace_id = Some(id.to_owned());
    }

    /// Puts an event into the queue. The receiver gets the result.
    pub fn enqueue(&self, payload: &Value) -> oneshot::Receiver<Invocation> {
        let (done, result) = oneshot::channel();
        let mut state = lock(&self.service.state);
        state.issued += 1;
        let request_id = format!("00000000-0000-4000-8000-{:012}", state.issued);
        let event =
            Event { request_id, payload: Bytes::from(payload.to_string()), attempts: 0, given: Instant::now(), done };
        match state.ended.clone() {
            Some(error) => state.close(event, Err(error)),
            None => state.waiting.push_back(event),
        }
        drop(state);
        self.service.count_done();
        self.service.wake.notify_one();
        result
    }

    /// Runs the function for an event, and waits until it is done.
    ///
    /// # Errors
    /// Where the function fails in every attempt, or runs no more.
    pub async fn invoke(&self, payload: &Value) -> Result<Invocation, FunctionError> {
        let lost = |_| FunctionError {
            function: self.name(),
            error_type: "Runtime.Gone".to_owned(),
            message: "the event was lost".to_owned(),
        };
        let invocation = self.enqueue(payload).await.map_err(lost)?;
        match invocation.result.clone() {
            Ok(_) => Ok(invocation),
            Err(error) => Err(error),
        }
    }

    /// What became of all events so far that are done and not forgotten.
    #[must_use]
    pub fn history(&self) -> Vec<Invocation> {
        lock(&self.service.state).history.since(0).cloned().collect()
    }

    /// Forgets what became of the events so far; their number stays.
    pub fn forget_history(&self) {
        lock(&self.service.state).history.forget();
    }

    /// Waits until that many events are done.
    pub async fn wait_until_done(&self, count: usize) {
        // The sender lives in what `self` holds, so this can only end well.
        drop(self.service.done.subscribe().wait_for(|done| *done >= count).await);
    }

    /// Why the function runs no more, where it does not.
    #[must_use]
    pub fn ended(&self) -> Option<FunctionError> {
        lock(&self.service.state).ended.clone()
    }

    /// Fails all events, now and later: the function's process is gone.
    pub(crate) fn end(&self, error_type: &str, message: String) {
        self.service.end(error_type, message);
    }
}

impl Queue {
    fn end(&self, error_type: &str, message: String) {
        let mut state = lock(&self.state);
        let error = FunctionError { function: self.name, error_type: error_type.to_owned(), message };
        // What ended a function first is the reason for all that follows.
        let error = state.ended.get_or_insert(error).clone();
        let waiting: Vec<Event> = state.waiting.drain(..).collect();
        let running: Vec<Event> = state.running.drain().map(|(_, event)| event).collect();
        for event in waiting.into_iter().chain(running) {
            state.close(event, Err(error.clone()));
        }
        drop(state);
        self.count_done();
    }

    fn count_done(&self) {
        let done = lock(&self.state).history.count();
        self.done.send_replace(done);
    }

    /// Ends one attempt: the event is done, or waits to run again.
    fn finish(self: &Arc<Self>, id: &str, result: Result<String, FunctionError>) -> bool {
        let mut state = lock(&self.state);
        let Some(event) = state.running.remove(id) else { return false };
        if result.is_ok() || event.attempts > self.retries {
            state.close(event, result);
            drop(state);
            self.count_done();
        } else {
            let queue = Arc::clone(self);
            tokio::spawn(async move {
                tokio::time::sleep(RETRY_PAUSE * event.attempts).await;
                lock(&queue.state).waiting.push_back(event);
                queue.wake.notify_one();
            });
        }
        true
    }
}

impl Events {
    fn close(&mut self, event: Event, result: Result<String, FunctionError>) {
        let took = event.given.elapsed();
        let invocation = Invocation { request_id: event.request_id, attempts: event.attempts, took, result };
        self.history.push(invocation.clone());
        // Nobody need wait for it.
        drop(event.done.send(invocation));
    }
}

async fn next(State(queue): State<Arc<Queue>>) -> Response {
    loop {
        let woken = queue.wake.notified();
        {
            let mut state = lock(&queue.state);
            if let Some(mut event) = state.waiting.pop_front() {
                event.attempts += 1;
                event.given = Instant::now();
                let response = invocation(queue.name, state.trace_id.as_deref(), &event);
                state.running.insert(event.request_id.clone(), event);
                return response;
            }
        }
        woken.await;
    }
}

fn invocation(function: &str, trace_id: Option<&str>, event: &Event) -> Response {
    let deadline = now().as_millisecond().saturating_add(i64::try_from(TIMEOUT.as_millis()).unwrap_or(i64::MAX));
    let seconds = now().as_second();
    let serial = event.request_id.rsplit('-').next().unwrap_or_default();
    let own_trace_id = || format!("Root=1-{seconds:08x}-{serial:0>24};Parent={serial:0>16};Sampled=0");
    let mut response = service::answer(StatusCode::OK, "application/json", event.payload.clone());
    let headers = [
        ("lambda-runtime-aws-request-id", event.request_id.clone()),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        ("lambda-runtime-invoked-function-arn", format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}")),
        ("lambda-runtime-trace-id", trace_id.map_or_else(own_trace_id, str::to_owned)),
    ];
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// What a runtime reports of an error.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ErrorReport {
    error_type: String,
    error_message: String,
}

impl ErrorReport {
    fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_else(|_| Self {
            error_type: "Runtime.Unknown".to_owned(),
            error_message: String::from_utf8_lossy(body).into_owned(),
        })
    }
}

async fn response(State(queue): State<Arc<Queue>>, Path(id): Path<String>, body: Bytes) -> Response {
    accepted(queue.finish(&id, Ok(String::from_utf8_lossy(&body).into_owned())))
}

async fn error(State(queue): State<Arc<Queue>>, Path(id): Path<String>, body: Bytes) -> Response {
    let ErrorReport { error_type, error_message: message } = ErrorReport::read(&body);
    accepted(queue.finish(&id, Err(FunctionError { function: queue.name, error_type, message })))
}

async fn init_error(State(queue): State<Arc<Queue>>, body: Bytes) -> Response {
    let report = ErrorReport::read(&body);
    queue.end(&report.error_type, report.error_message);
    accepted(true)
}

fn accepted(known: bool) -> Response {
    if known {
        service::answer(StatusCode::ACCEPTED, "application/json", r#"{"status":"OK"}"#)
    } else {
        let body = r#"{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}"#;
        service::answer(StatusCode::BAD_REQUEST, "application/json", body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn next_id(function: &Function) -> String {
        let url = format!("http://{}/2018-06-01/runtime/invocation/next", function.address());
        let answer = reqwest::get(url).await.unwrap();
        for header in ["lambda-runtime-deadline-ms", "lambda-runtime-invoked-function-arn", "lambda-runtime-trace-id"] {
            assert!(answer.headers().contains_key(header), "{header}");
        }
        answer.headers()["lambda-runtime-aws-request-id"].to_str().unwrap().to_owned()
    }

    async fn post(function: &Function, path: &str, body: &str) -> u16 {
        let url = format!("http://{}/2018-06-01/runtime/{path}", function.address());
        reqwest::Client::new().post(url).body(body.to_owned()).send().await.unwrap().status().as_u16()
    }

    const ERROR: &str = r#"{"errorType":"Boom","errorMessage":"it broke"}"#;

    #[tokio::test]
    async fn a_failed_event_runs_again_with_the_same_id() {
        let function = Function::start("f", 1, &FaultPlan::default()).await.unwrap();
        let done = function.enqueue(&serde_json::json!({}));
        let id = next_id(&function).await;
        assert_eq!(post(&function, &format!("invocation/{id}/error"), ERROR).await, 202);
        assert_eq!(next_id(&function).await, id);
        assert_eq!(post(&function, &format!("invocation/{id}/response"), "7").await, 202);
        let invocation = done.await.unwrap();
        assert_eq!((invocation.attempts, invocation.result), (2, Ok("7".to_owned())));
        assert_eq!(post(&function, &format!("invocation/{id}/response"), "7").await, 400, "it is done");
    }

    #[tokio::test]
    async fn the_last_error_is_the_result() {
        let function = Function::start("f", 0, &FaultPlan::default()).await.unwrap();
        let done = function.enqueue(&serde_json::json!({}));
        let id = next_id(&function).await;
        post(&function, &format!("invocation/{id}/error"), ERROR).await;
        assert_eq!(done.await.unwrap().result.unwrap_err().to_string(), "f failed: Boom: it broke");
        function.wait_until_done(1).await;
        assert_eq!(function.history().len(), 1);
    }

    #[tokio::test]
    async fn the_poll_waits_for_an_event() {
        let function = Function::start("f", 0, &FaultPlan::default()).await.unwrap();
        let poll = tokio::spawn({
            let function = function.clone();
            async move { next_id(&function).await }
        });
        tokio::task::yield_now().await;
        drop(function.enqueue(&serde_json::json!({})));
        assert!(!poll.await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_function_that_cannot_start_fails_all_its_events() {
        let function = Function::start("f", 1, &FaultPlan::default()).await.unwrap();
        let waiting = function.enqueue(&serde_json::json!({}));
        post(&function, "init/error", ERROR).await;
        assert!(waiting.await.unwrap().result.is_err());
        assert!(function.invoke(&serde_json::json!({})).await.is_err(), "nor does it run later");
        assert_eq!(function.ended().unwrap().message, "it broke");
    }
}
