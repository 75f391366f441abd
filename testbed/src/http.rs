//! What all endpoints have in common: a free port on 127.0.0.1, and state behind a lock.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::serve::ListenerExt as _;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// More than any AWS service here takes in one request, so that each can refuse in its own words.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// An endpoint that answers until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(routes: Router) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        // Small answers must not wait for acknowledgements; where this cannot be set they are merely slow.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let routes = routes.layer(DefaultBodyLimit::max(MAX_BODY_BYTES));
        let task = tokio::spawn(async move { drop(axum::serve(listener, routes).await) });
        Ok(Self { address, task })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Refuses connections from now on.
    pub(crate) fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// An answer with a body and its type.
pub(crate) fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The value behind a lock. Nothing here can panic while holding one, so a poisoned lock is as good as any.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The clock of all endpoints.
#[expect(clippy::disallowed_methods, reason = "the endpoints stand for the world outside, which has a clock")]
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::now()
}
