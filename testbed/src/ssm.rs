//! Parameter Store of Systems Manager (the service's JSON protocol).
//!
//! Modeled, as documented: `GetParameter` and `GetParameters`, which name what is not there and do not read secrets without
//! decryption; `PutParameter` with versions, of which 100 are kept, and a label that keeps the oldest. Every other action is refused.
//! <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html>

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

/// How many names one call reads.
const MAX_NAMES: usize = 10;
/// How long the value of a standard parameter may be.
const MAX_VALUE: usize = 4096;
/// How many versions are kept.
const MAX_VERSIONS: u32 = 100;

/// The endpoint.
pub type Ssm = Endpoint<Parameters>;

/// What is in the store, by name.
#[derive(Debug, Default)]
pub struct Parameters(Mutex<BTreeMap<String, Parameter>>);

#[derive(Clone, Debug)]
struct Parameter {
    value: String,
    kind: String,
    version: u32,
    /// Whether the oldest version that is kept has a label, which keeps it.
    is_labelled: bool,
}

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

    /// Puts a secret parameter, in place of the one of that name.
    pub fn put(&self, name: &str, value: &str) {
        self.set(name, value, "SecureString");
    }

    /// Puts a plain one.
    pub fn put_text(&self, name: &str, value: &str) {
        self.set(name, value, "String");
    }

    fn set(&self, name: &str, value: &str, kind: &str) {
        let (value, kind) = (value.to_owned(), kind.to_owned());
        lock(&self.service.0).insert(name.to_owned(), Parameter { value, kind, version: 1, is_labelled: false });
    }

    /// Labels the oldest of a hundred versions of a parameter.
    pub fn label_oldest(&self, name: &str) {
        if let Some(parameter) = lock(&self.service.0).get_mut(name) {
            (parameter.version, parameter.is_labelled) = (MAX_VERSIONS, true);
        }
    }

    /// Deletes a parameter.
    pub fn delete(&self, name: &str) {
        lock(&self.service.0).remove(name);
    }

    /// The value of a parameter.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<String> {
        lock(&self.service.0).get(name).map(|parameter| parameter.value.clone())
    }

    /// The names of all parameters.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        lock(&self.service.0).keys().cloned().collect()
    }
}

async fn handle(State(parameters): State<Arc<Parameters>>, headers: HeaderMap, body: Bytes) -> Response {
    let actions = ["GetParameter", "GetParameters", "PutParameter"];
    let request = json::read_any(&headers, &body, "AmazonSSM", &actions, "ssm");
    json::answer(request.and_then(|(action, request)| match action {
        "GetParameters" => parameters.get_all(&request),
        "PutParameter" => parameters.put(&request),
        _ => parameters.get(&request),
    }))
}

fn invalid(message: &str) -> AwsError {
    AwsError::new(400, "ValidationException", message)
}

impl Parameter {
    fn shown(&self, name: &str, request: &Value) -> Result<Value, AwsError> {
        // An encrypted value would be of no use to the caller.
        if self.kind == "SecureString" && request["WithDecryption"] != true {
            return Err(invalid("parameters are encrypted here; set WithDecryption"));
        }
        Ok(json!({ "Name": name, "Type": self.kind, "Value": self.value, "Version": self.version }))
    }
}

impl Parameters {
    fn get(&self, request: &Value) -> Result<Value, AwsError> {
        let name = request["Name"].as_str().unwrap_or_default();
        let found = lock(&self.0).get(name).cloned().ok_or_else(|| AwsError::new(400, "ParameterNotFound", ""))?;
        Ok(json!({ "Parameter": found.shown(name, request)? }))
    }

    fn get_all(&self, request: &Value) -> Result<Value, AwsError> {
        let names: Vec<&str> = request["Names"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if names.is_empty() || names.len() > MAX_NAMES {
            return Err(invalid("Member must have length less than or equal to 10"));
        }
        let parameters = lock(&self.0);
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for name in names {
            match parameters.get(name) {
                Some(parameter) => found.push(parameter.shown(name, request)?),
                None => missing.push(name),
            }
        }
        Ok(json!({ "Parameters": found, "InvalidParameters": missing }))
    }

    fn put(&self, request: &Value) -> Result<Value, AwsError> {
        let text = |key: &str| request[key].as_str().unwrap_or_default();
        let (name, value, kind) = (text("Name"), text("Value"), text("Type"));
        let is_taken = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/');
        if name.is_empty() || !name.chars().all(is_taken) {
            return Err(invalid("Parameter name: can't be prefixed with \"ssm\" or contain other characters"));
        }
        if value.is_empty() || value.len() > MAX_VALUE {
            return Err(invalid("Standard tier parameters support a maximum parameter value of 4096 characters."));
        }
        let mut parameters = lock(&self.0);
        let Some(parameter) = parameters.get_mut(name) else {
            if kind.is_empty() {
                return Err(invalid("A parameter type is required when you create a parameter."));
            }
            let (value, kind) = (value.to_owned(), kind.to_owned());
            parameters.insert(name.to_owned(), Parameter { value, kind, version: 1, is_labelled: false });
            return Ok(json!({ "Version": 1, "Tier": "Standard" }));
        };
        if request["Overwrite"] != true {
            return Err(AwsError::new(400, "ParameterAlreadyExists", "The parameter already exists."));
        }
        if parameter.is_labelled && parameter.version >= MAX_VERSIONS {
            let message = "the oldest version can't be deleted because it has a label associated with it";
            return Err(AwsError::new(400, "ParameterMaxVersionLimitExceeded", message));
        }
        value.clone_into(&mut parameter.value);
        parameter.version += 1;
        Ok(json!({ "Version": parameter.version, "Tier": "Standard" }))
    }
}
