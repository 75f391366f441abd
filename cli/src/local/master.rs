//! A Mesos master's `/state`, as far as it matters how it answers: leading, not leading, without a leader, starting, gone.

use std::io;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::get;

use super::cluster::Cluster;
use super::http::{self, Server, lock};

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
}

impl Master {
    /// Opens the endpoint of a master that leads that cluster.
    ///
    /// # Errors
    /// Where no port can be had.
    pub async fn start(cluster: Cluster) -> io::Result<Self> {
        let inner = Arc::new(Mutex::new(Inner { mode: Mode::default(), cluster, requests: 0 }));
        let routes =
            Router::new().route("/state", get(state)).route("/master/state", get(state)).with_state(Arc::clone(&inner));
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

    /// Looks at the cluster, or changes it.
    pub fn cluster<T>(&self, act: impl FnOnce(&mut Cluster) -> T) -> T {
        act(&mut lock(&self.inner).cluster)
    }

    /// How often `/state` was asked for.
    #[must_use]
    pub fn request_count(&self) -> usize {
        lock(&self.inner).requests
    }

    /// Refuses connections from now on.
    pub fn stop(&self) {
        self.server.stop();
    }
}

async fn state(State(inner): State<Arc<Mutex<Inner>>>) -> Response {
    let mut inner = lock(&inner);
    inner.requests += 1;
    let mut response = match &inner.mode {
        Mode::Leading => http::answer(StatusCode::OK, "application/json", inner.cluster.to_json()),
        Mode::Following(leader) => {
            let mut response = http::answer(StatusCode::TEMPORARY_REDIRECT, "text/plain", "");
            // Without a scheme, as the real master sends it.
            if let Ok(location) = HeaderValue::try_from(format!("//{leader}/master/state")) {
                response.headers_mut().insert(header::LOCATION, location);
            }
            response
        }
        Mode::NoLeader => http::answer(StatusCode::SERVICE_UNAVAILABLE, "text/plain", "No leader elected"),
        Mode::Starting => http::answer(StatusCode::NOT_FOUND, "text/plain", "404 Not Found."),
    };
    // A connection kept open would outlive a master that is stopped.
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
