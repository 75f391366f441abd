//! AWS' JSON protocol: a JSON object is posted whose action a header names, JSON comes back.

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use super::query::AwsError;
use super::service;

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// The request, where it asks for that action and bears a signature for that service.
pub(crate) fn read(headers: &HeaderMap, body: &[u8], target: &str, service: &str) -> Result<Value, AwsError> {
    let (prefix, action) = target.rsplit_once('.').unwrap_or_default();
    read_any(headers, body, prefix, &[action], service).map(|(_, request)| request)
}

/// The action and the request, where that is one of these actions and bears a signature for that service.
pub(crate) fn read_any<'a>(
    headers: &HeaderMap,
    body: &[u8],
    prefix: &str,
    actions: &[&'a str],
    service: &str,
) -> Result<(&'a str, Value), AwsError> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let asked = header("x-amz-target");
    let action = asked.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.'));
    let Some(action) = actions.iter().find(|known| Some(**known) == action) else {
        return Err(AwsError::new(404, "UnknownOperationException", asked));
    };
    if !header("authorization").contains(&format!("/{service}/aws4_request, SignedHeaders=")) {
        return Err(AwsError::new(403, "MissingAuthenticationToken", "Missing Authentication Token"));
    }
    let request = serde_json::from_slice(body);
    let request = request.map_err(|error| AwsError::new(400, "SerializationException", error.to_string()))?;
    Ok((action, request))
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
