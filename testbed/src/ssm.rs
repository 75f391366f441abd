//! Parameter Store of Systems Manager (the service's JSON protocol).
//!
//! Modeled, as documented: `GetParameter` with the value decrypted, and `ParameterNotFound`. Every other action is refused.
//! <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html>

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use serde_json::{Value, json};

use super::faults::FaultPlan;
use super::http::Endpoint;
use super::json;
use super::query::AwsError;
use super::service::{Service, lock};

/// The endpoint.
pub type Ssm = Endpoint<Parameters>;

/// What is in the store: values by name.
#[derive(Debug, Default)]
pub struct Parameters(Mutex<BTreeMap<String, String>>);

impl Ssm {
    /// Opens the endpoint, without parameters.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn start(faults: &FaultPlan) -> io::Result<Self> {
        let parameters = Arc::new(Parameters::default());
        let routes = Router::new().route("/", post(handle)).with_state(Arc::clone(&parameters));
        Self::open(Service::Ssm, |_, error| json::refusal(error), parameters, routes, faults).await
    }

    /// Puts a parameter, in place of the one of that name.
    pub fn put(&self, name: &str, value: &str) {
        lock(&self.service.0).insert(name.to_owned(), value.to_owned());
    }
}

async fn handle(State(parameters): State<Arc<Parameters>>, headers: HeaderMap, body: Bytes) -> Response {
    let request = json::read(&headers, &body, "AmazonSSM.GetParameter", "ssm");
    json::answer(request.and_then(|request| parameters.get(&request)))
}

impl Parameters {
    fn get(&self, request: &Value) -> Result<Value, AwsError> {
        let name = request["Name"].as_str().unwrap_or_default();
        let value = lock(&self.0).get(name).cloned().ok_or_else(|| AwsError::new(400, "ParameterNotFound", ""))?;
        // An encrypted value would be of no use to the caller.
        if request["WithDecryption"] != true {
            return Err(AwsError::new(400, "ValidationException", "parameters are encrypted here; set WithDecryption"));
        }
        Ok(json!({ "Parameter": { "Name": name, "Type": "SecureString", "Value": value, "Version": 1 } }))
    }
}
