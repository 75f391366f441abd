//! A Mesos master's `/state`, as far as it matters how it answers: leading, not leading, without a leader, starting, gone. And its
//! operator API, `POST /api/v1`, for what is done to agents; see `cluster::operator` for the calls.

use std::io;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::Value;

use super::cluster::Cluster;
use super::http::{self, Server, lock, now};

/// How a master answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It leads.
    #[default]
    Leading,
    /// Another one leads, at that host and port.
    Following(String),
    /// There is no leader.
    NoLeader,
    /// It has just been started.
    Starting,
}

/// The endpoint.
#[derive(Clone, Debug)]
pub struct Master {
    inner: Arc<Mutex<Inner>>,
    server: Arc<Server>,
}

#[derive(Debug)]
struct Inner {
    mode: Mode,
    cluster: Cluster,
    requests: usize,
    operations: Vec<Operation>,
    refusals: Vec<(u16, String)>,
    /// What `Authorization` must be, where it must.
    authorization: Option<String>,
}

/// A call of the operator API that came.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// What was posted.
    pub call: Value,
    /// `Authorization`, where there was one.
    pub authorization: Option<String>,
    /// The status it was answered with.
    pub status: u16,
}

impl Master {
    /// Opens the endpoint of a master that leads that cluster.
    ///
    /// # Errors
    /// Where no port can be had.
    pub async fn start(cluster: Cluster) -> io::Result<Self> {
        let inner = Arc::new(Mutex::new(Inner {
            mode: Mode::default(),
            cluster,
            requests: 0,
            operations: Vec::new(),
            refusals: Vec::new(),
            authorization: None,
        }));
        let routes = Router::new()
            .route("/state", get(state))
            .route("/master/state", get(state))
            .route("/api/v1", post(operate))
            .route("/master/api/v1", post(operate))
            .with_state(Arc::clone(&inner));
        Ok(Self { inner, server: Arc::new(Server::start(routes).await?) })
    }

    /// What belongs into `masters` of the configuration.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Its host and port.
    #[must_use]
    pub fn address(&self) -> String {
        self.server.address().to_string()
    }

    /// Changes how it answers.
    pub fn set_mode(&self, mode: Mode) {
        lock(&self.inner).mode = mode;
    }

    /// Answers from now on only whoever comes with these credentials, `principal:secret`.
    pub fn guard(&self, credentials: &str) {
        lock(&self.inner).authorization = Some(format!("Basic {}", BASE64_STANDARD.encode(credentials)));
    }

    /// Looks at the cluster, or changes it.
    pub fn cluster<T>(&self, act: impl FnOnce(&mut Cluster) -> T) -> T {
        act(&mut lock(&self.inner).cluster)
    }

    /// How often `/state` was asked for.
    #[must_use]
    pub fn request_count(&self) -> usize {
        lock(&self.inner).requests
    }

    /// The calls of the operator API so far.
    #[must_use]
    pub fn operations(&self) -> Vec<Operation> {
        lock(&self.inner).operations.clone()
    }

    /// Refuses the next call of the operator API with that status and text.
    pub fn refuse_next_operation(&self, status: u16, text: &str) {
        lock(&self.inner).refusals.push((status, text.to_owned()));
    }

    /// Refuses connections from now on.
    pub fn stop(&self) {
        self.server.stop();
    }
}

async fn state(State(inner): State<Arc<Mutex<Inner>>>, headers: HeaderMap) -> Response {
    let mut inner = lock(&inner);
    inner.requests += 1;
    inner.cluster.tick(now());
    let inner = &*inner;
    closing(
        inner
            .stranger(&headers)
            .or_else(|| inner.mode.refusal("/master/state"))
            .unwrap_or_else(|| http::answer(StatusCode::OK, "application/json", inner.cluster.to_json())),
    )
}

async fn operate(State(inner): State<Arc<Mutex<Inner>>>, headers: HeaderMap, body: Bytes) -> Response {
    let mut inner = lock(&inner);
    let response = inner.stranger(&headers).or_else(|| inner.mode.refusal("/master/api/v1"));
    let call = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let response = response.unwrap_or_else(|| {
        inner.cluster.tick(now());
        let result = match inner.refusals.pop() {
            Some(refusal) => Err(refusal),
            None => inner.cluster.operate(&call, now()),
        };
        match result {
            Ok(()) => http::answer(StatusCode::OK, "application/json", ""),
            Err((status, text)) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
                http::answer(status, "text/plain; charset=utf-8", text)
            }
        }
    });
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| Some(value.to_str().ok()?.to_owned()));
    inner.operations.push(Operation { call, authorization, status: response.status().as_u16() });
    closing(response)
}

impl Inner {
    /// What a master answers to whom it does not know.
    fn stranger(&self, headers: &HeaderMap) -> Option<Response> {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if self.authorization.is_none() || self.authorization.as_deref() == given {
            return None;
        }
        let mut response = http::answer(StatusCode::UNAUTHORIZED, "text/plain; charset=utf-8", "401 Unauthorized.");
        let realm = HeaderValue::from_static(r#"Basic realm="mesos-master-readonly""#);
        response.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
        Some(response)
    }
}

impl Mode {
    /// What a master answers to anything that only a leading one knows.
    fn refusal(&self, path: &str) -> Option<Response> {
        match self {
            Self::Leading => None,
            Self::Following(leader) => {
                let mut response = http::answer(StatusCode::TEMPORARY_REDIRECT, "text/plain", "");
                // Without a scheme, as the real master sends it.
                if let Ok(location) = HeaderValue::try_from(format!("//{leader}{path}")) {
                    response.headers_mut().insert(header::LOCATION, location);
                }
                Some(response)
            }
            Self::NoLeader => Some(http::answer(StatusCode::SERVICE_UNAVAILABLE, "text/plain", "No leader elected")),
            Self::Starting => Some(http::answer(StatusCode::NOT_FOUND, "text/plain", "404 Not Found.")),
        }
    }
}

/// A connection kept open would outlive a master that is stopped.
fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
