//! AWS' JSON protocol: a JSON object is posted whose action a header names, JSON comes back.

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use super::query::AwsError;
use super::service;

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// The request, where it asks for that action and bears a signature for that service.
pub(crate) fn read(headers: &HeaderMap, body: &[u8], target: &str, service: &str) -> Result<Value, AwsError> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if header("x-amz-target") != target {
        return Err(AwsError::new(404, "UnknownOperationException", header("x-amz-target")));
    }
    if !header("authorization").contains(&format!("/{service}/aws4_request, SignedHeaders=")) {
        return Err(AwsError::new(403, "MissingAuthenticationToken", "Missing Authentication Token"));
    }
    serde_json::from_slice(body).map_err(|error| AwsError::new(400, "SerializationException", error.to_string()))
}

/// What a service answers.
pub(crate) fn answer(result: Result<Value, AwsError>) -> Response {
    match result {
        Ok(value) => service::answer(StatusCode::OK, CONTENT_TYPE, value.to_string()),
        Err(error) => refusal(&error),
    }
}

/// A refusal.
pub(crate) fn refusal(error: &AwsError) -> Response {
    // Services put a namespace before the code, which readers drop.
    let kind = format!("com.amazonaws#{}", error.code);
    service::answer(error.status(), CONTENT_TYPE, json!({ "__type": kind, "message": error.message }).to_string())
}
