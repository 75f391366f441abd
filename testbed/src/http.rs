//! What all endpoints have in common: a free port on 127.0.0.1, state behind a lock, a log of the calls, and the faults that
//! calls meet with before the service sees them.

use std::collections::BTreeMap;
use std::fmt;
use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, DATE};
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::serve::ListenerExt as _;
use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::faults::{Arrived, FaultPlan, Trouble};
use super::journal::Journal;
use super::query::{self, AwsError};
use super::service::{Service, answer, lock, now};

/// More than any AWS service here takes in one request, so that each can refuse in its own words.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// A call that came to an endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// When it came.
    pub at: Timestamp,
    /// The action, or the path of a plain GET.
    pub action: String,
    /// The parameters, where a form was posted.
    pub params: BTreeMap<String, String>,
    /// What was posted, where it is JSON.
    pub json: Value,
    /// `Authorization`, where there was one.
    pub authorization: Option<String>,
    /// The status it was answered with; none where no answer was given (yet).
    pub status: Option<u16>,
}

impl Call {
    /// Whether it was answered with success.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// Whether it would change anything, as AWS names its actions.
    #[must_use]
    pub fn is_mutating(&self) -> bool {
        !self.action.starts_with("Describe")
    }

    fn read(service: Service, head: &Parts, body: &Bytes) -> Self {
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let json = serde_json::from_slice(body).unwrap_or(Value::Null);
        let path = || head.uri.path().to_owned();
        let (action, params) = match service {
            Service::AutoScaling | Service::Ec2 | Service::Sns => {
                let request = query::Request::read(body);
                (request.action, request.params)
            }
            Service::CloudWatch | Service::CloudWatchLogs | Service::Ssm => {
                let target = header("x-amz-target").unwrap_or_default();
                let action = target.rsplit_once('.').map_or(target, |(_, action)| action);
                (action.to_owned(), BTreeMap::new())
            }
            Service::Account if head.uri.path() == "/" => {
                let request = query::Request::read(body);
                (request.action, request.params)
            }
            Service::Account | Service::Master | Service::Marathon | Service::RuntimeApi => {
                let kind = json.get("type").and_then(Value::as_str).map(str::to_owned);
                (kind.unwrap_or_else(path), BTreeMap::new())
            }
        };
        let authorization = header("authorization").map(str::to_owned);
        Self { at: now(), action, params, json, authorization, status: None }
    }

    /// The parameters or the JSON of the request.
    fn text(&self) -> String {
        if self.params.is_empty() { self.json.to_string() } else { self.params.values().cloned().collect() }
    }
}

/// How a service refuses an action, in its own format.
pub(crate) type Refusal = fn(&str, &AwsError) -> Response;

/// An endpoint: what a service keeps, and the port that it answers on until all clones are dropped.
pub struct Endpoint<S> {
    pub(crate) service: Arc<S>,
    server: Arc<Server>,
}

struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
    gate: Arc<Gate>,
}

/// What every call passes before the service sees it.
struct Gate {
    service: Service,
    refusal: Refusal,
    faults: FaultPlan,
    calls: Mutex<Journal<Call>>,
    came: Notify,
}

impl<S> Endpoint<S> {
    /// Opens a port for what these routes answer.
    ///
    /// # Errors
    /// Where no port is free.
    pub(crate) async fn open(
        kind: Service,
        refusal: Refusal,
        service: Arc<S>,
        routes: Router,
        faults: &FaultPlan,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        // Small answers must not wait for acknowledgements; where this cannot be set they are merely slow.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let gate = Arc::new(Gate {
            service: kind,
            refusal,
            faults: faults.clone(),
            calls: Mutex::default(),
            came: Notify::new(),
        });
        let routes = routes.layer(from_fn_with_state(Arc::clone(&gate), pass));
        let task = tokio::spawn(async move { drop(axum::serve(listener, routes).await) });
        Ok(Self { service, server: Arc::new(Server { address, task, gate }) })
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// Its host and port.
    #[must_use]
    pub fn address(&self) -> String {
        self.server.address.to_string()
    }

    /// All calls so far that are not forgotten, those that hang included.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.calls_since(0)
    }

    /// Those from that number on.
    #[must_use]
    pub fn calls_since(&self, number: usize) -> Vec<Call> {
        lock(&self.server.gate.calls).since(number).cloned().collect()
    }

    /// How many calls came so far.
    #[must_use]
    pub fn call_count(&self) -> usize {
        lock(&self.server.gate.calls).count()
    }

    /// Waits until that many calls have come, those that hang included.
    pub async fn wait_for_calls(&self, count: usize) {
        loop {
            let came = self.server.gate.came.notified();
            if self.call_count() >= count {
                return;
            }
            came.await;
        }
    }

    /// Forgets the calls so far; their number stays.
    pub fn forget_calls(&self) {
        lock(&self.server.gate.calls).forget();
    }

    /// Refuses connections from now on.
    pub fn stop(&self) {
        self.server.task.abort();
    }
}

impl<S> Clone for Endpoint<S> {
    fn clone(&self) -> Self {
        Self { service: Arc::clone(&self.service), server: Arc::clone(&self.server) }
    }
}

impl<S> fmt::Debug for Endpoint<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {}", self.server.gate.service, self.server.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
        return answer(StatusCode::PAYLOAD_TOO_LARGE, "text/plain", "");
    };
    let call = Call::read(gate.service, &head, &body);
    let action = call.action.clone();
    let (number, trouble) = gate.begin(call);
    let act = next.run(Request::from_parts(head, Body::from(body)));
    let response = match trouble {
        None => act.await,
        Some(Trouble::Refused(error)) => (gate.refusal)(&action, &error),
        Some(Trouble::AnswerLost(error)) => {
            let done = act.await;
            if done.status().is_success() { (gate.refusal)(&action, &error) } else { done }
        }
        Some(Trouble::HangsBefore) => pending().await,
        Some(Trouble::HangsAfter) => {
            drop(act.await);
            pending().await
        }
        Some(Trouble::AnswerCut(bytes)) => cut(act.await, bytes).await,
        Some(Trouble::AnswerIs(body)) => answer(StatusCode::OK, "application/octet-stream", body),
    };
    if let Some(call) = lock(&gate.calls).get_mut(number) {
        call.status = Some(response.status().as_u16());
    }
    gate.dated(response)
}

/// An answer with the first bytes of its body only.
async fn cut(response: Response, bytes: usize) -> Response {
    let (mut head, body) = response.into_parts();
    head.headers.remove(CONTENT_LENGTH);
    let body = to_bytes(body, MAX_BODY_BYTES).await.unwrap_or_default();
    Response::from_parts(head, Body::from(body.slice(..bytes.min(body.len()))))
}

impl Gate {
    /// The answer with the time of a clock that is wrong. (The server sets the right one.)
    fn dated(&self, mut response: Response) -> Response {
        if let Some(ahead) = self.faults.change(|faults| faults.date_ahead_seconds) {
            let time = now().saturating_add(SignedDuration::from_secs(ahead)).unwrap_or(Timestamp::MAX);
            let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&time).ok();
            if let Some(date) = date.and_then(|date| HeaderValue::from_str(&date).ok()) {
                response.headers_mut().insert(DATE, date);
            }
        }
        response
    }

    /// Logs a call, and returns the trouble that it meets.
    fn begin(&self, call: Call) -> (usize, Option<Trouble>) {
        let mut calls = lock(&self.calls);
        let number = calls.count();
        let arrived = Arrived { service: self.service, action: &call.action, number, text: &call.text() };
        let trouble = self.faults.next(&arrived);
        calls.push(call);
        drop(calls);
        self.came.notify_waiters();
        (number, trouble)
    }
}

/// How a service without an error format of its own refuses a call.
pub(crate) fn refusal(error: &AwsError) -> Response {
    answer(error.status(), "text/plain; charset=utf-8", error.message.clone())
}
