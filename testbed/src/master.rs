//! A Mesos master: its `/state`, and the calls of its operator API, `POST /api/v1`, that change agents. It can lead, follow,
//! have no leader, be starting, or ask for credentials; see [`Faults`](crate::faults::Faults).

use std::io;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use cluster::Cluster;
use serde_json::Value;

use super::faults::{FaultPlan, Mode};
use super::http::{self, Call, Endpoint};
use super::operator;
use super::service::{self, Service, lock, now};

/// The endpoint.
pub type Master = Endpoint<Leader>;

/// A cluster that several endpoints show.
pub type SharedCluster = Arc<Mutex<Cluster>>;

/// A master and its cluster.
#[derive(Debug)]
pub struct Leader {
    cluster: SharedCluster,
    faults: FaultPlan,
}

impl Master {
    /// Opens the endpoint of a master that leads that cluster.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn start(cluster: Cluster, faults: &FaultPlan) -> io::Result<Self> {
        let leader = Arc::new(Leader { cluster: Arc::new(Mutex::new(cluster)), faults: faults.clone() });
        let routes = Router::new()
            .route("/state", get(state))
            .route("/master/state", get(state))
            .route("/api/v1", post(operate))
            .route("/master/api/v1", post(operate))
            .with_state(Arc::clone(&leader));
        Self::open(Service::Master, |_, error| http::refusal(error), leader, routes, faults).await
    }

    /// Looks at the cluster, or changes it.
    pub fn cluster<T>(&self, act: impl FnOnce(&mut Cluster) -> T) -> T {
        act(&mut lock(&self.service.cluster))
    }

    /// The cluster itself, for another endpoint.
    #[must_use]
    pub fn shared_cluster(&self) -> SharedCluster {
        Arc::clone(&self.service.cluster)
    }

    /// The calls of the operator API so far.
    #[must_use]
    pub fn operations(&self) -> Vec<Call> {
        self.calls().into_iter().filter(|call| !call.json.is_null()).collect()
    }
}

async fn state(State(leader): State<Arc<Leader>>, headers: HeaderMap) -> Response {
    let answer = || {
        let mut cluster = lock(&leader.cluster);
        cluster.advance(now());
        service::answer(StatusCode::OK, "application/json", cluster.to_state_json())
    };
    closing(leader.refusal(&headers, "/master/state").unwrap_or_else(answer))
}

async fn operate(State(leader): State<Arc<Leader>>, headers: HeaderMap, body: Bytes) -> Response {
    let act = || {
        let call = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let mut cluster = lock(&leader.cluster);
        cluster.advance(now());
        match operator::operate(&mut cluster, &call, now()) {
            Ok(()) => service::answer(StatusCode::OK, "application/json", ""),
            Err((status, text)) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
                service::answer(status, "text/plain; charset=utf-8", text)
            }
        }
    };
    closing(leader.refusal(&headers, "/master/api/v1").unwrap_or_else(act))
}

impl Leader {
    /// The answer to a caller without credentials, or while the master does not lead.
    fn refusal(&self, headers: &HeaderMap, path: &str) -> Option<Response> {
        let (mode, credentials) =
            self.faults.change(|faults| (faults.master.clone(), faults.master_credentials.clone()));
        credentials.and_then(|credentials| unauthorized(&credentials, headers)).or_else(|| mode.refusal(path))
    }
}

/// The answer to a caller without those credentials.
pub(super) fn unauthorized(credentials: &str, headers: &HeaderMap) -> Option<Response> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if given == Some(&format!("Basic {}", BASE64_STANDARD.encode(credentials))) {
        return None;
    }
    let mut response = service::answer(StatusCode::UNAUTHORIZED, "text/plain; charset=utf-8", "401 Unauthorized.");
    let realm = HeaderValue::from_static(r#"Basic realm="mesos-master-readonly""#);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
    Some(response)
}

impl Mode {
    /// The answer of a master that does not lead.
    fn refusal(&self, path: &str) -> Option<Response> {
        match self {
            Self::Leading => None,
            Self::Following(leader) => {
                let mut response = service::answer(StatusCode::TEMPORARY_REDIRECT, "text/plain", "");
                // Without a scheme, as the real master sends it.
                if let Ok(location) = HeaderValue::try_from(format!("//{leader}{path}")) {
                    response.headers_mut().insert(header::LOCATION, location);
                }
                Some(response)
            }
            Self::NoLeader => Some(service::answer(StatusCode::SERVICE_UNAVAILABLE, "text/plain", "No leader elected")),
            Self::Starting => Some(service::answer(StatusCode::NOT_FOUND, "text/plain", "404 Not Found.")),
        }
    }
}

/// A connection kept open would outlive a master that is stopped.
fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
