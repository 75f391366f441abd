//! What everything in the test bed stands on: the services by name, their clock, their locks, and an answer.

use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use jiff::Timestamp;

/// What a test bed serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// STS, IAM, CloudFormation, Lambda, and where credentials come from.
    Account,
    /// Amazon EC2 Auto Scaling.
    AutoScaling,
    /// Amazon CloudWatch.
    CloudWatch,
    /// Amazon CloudWatch Logs.
    CloudWatchLogs,
    /// Amazon EC2.
    Ec2,
    /// Marathon.
    Marathon,
    /// A Mesos master.
    Master,
    /// The Lambda Runtime API.
    RuntimeApi,
    /// Amazon SNS.
    Sns,
    /// AWS Systems Manager, of which only Parameter Store.
    Ssm,
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
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the endpoints stand for the world outside, which has a clock")]
pub fn now() -> Timestamp {
    Timestamp::now()
}
