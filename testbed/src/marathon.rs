//! Marathon's launch queue: `GET /v2/queue`, which tests fill.

use std::io;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use super::faults::FaultPlan;
use super::http::{self, Endpoint};
use super::service::{self, Service, lock};

/// The endpoint.
pub type Marathon = Endpoint<Queue>;

/// The launch queue, as JSON.
#[derive(Debug)]
pub struct Queue(Mutex<Vec<u8>>);

impl Marathon {
    /// Opens the endpoint, with an empty queue.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn start(faults: &FaultPlan) -> io::Result<Self> {
        let queue = Arc::new(Queue(Mutex::new(br#"{"queue":[]}"#.to_vec())));
        let routes = Router::new().route("/v2/queue", get(answer)).with_state(Arc::clone(&queue));
        Self::open(Service::Marathon, |_, error| http::refusal(error), queue, routes, faults).await
    }

    /// Replaces the queue.
    pub fn set_queue(&self, json: impl Into<Vec<u8>>) {
        *lock(&self.service.0) = json.into();
    }
}

async fn answer(State(queue): State<Arc<Queue>>) -> Response {
    service::answer(StatusCode::OK, "application/json", lock(&queue.0).clone())
}
