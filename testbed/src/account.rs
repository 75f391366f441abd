//! What an account answers about its callers and its deployments, and where their credentials come from.
//!
//! Modeled, as documented: STS `GetCallerIdentity` and `AssumeRole`; IAM `SimulatePrincipalPolicy`, where everything is allowed but what a test
//! denies; CloudFormation `DescribeStacks`; Lambda `GetFunctionConfiguration`; the credentials of single sign-on
//! (`GetRoleCredentials`), of an instance's metadata (IMDSv2), and of a container. The access key id says which of them gave it.
//!
//! Not modeled: policies, conditions, pages, and every other action, which is refused as `InvalidAction`.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post, put};
use serde_json::{Value, json};

use super::ACCOUNT;
use super::faults::FaultPlan;
use super::http::Endpoint;
use super::query::{AwsError, Namespace, Request};
use super::secrets;
use super::service::{Service, answer, lock};
use super::xml::Xml;

/// Actions that policies allow on one resource only, so that no role may do them on `*`.
const OF_ONE_RESOURCE: [&str; 6] = [
    "autoscaling:SetDesiredCapacity",
    "autoscaling:TerminateInstanceInAutoScalingGroup",
    "autoscaling:CreateOrUpdateTags",
    "autoscaling:DeleteTags",
    "sns:Publish",
    "ssm:GetParameter",
];

const JSON: &str = "application/json";

/// The endpoint.
pub type Account = Endpoint<Known>;

/// What the account has.
#[derive(Debug, Default)]
pub struct Known {
    stacks: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
    functions: Mutex<BTreeMap<String, Function>>,
    denied: Mutex<BTreeSet<(String, String)>>,
}

/// A function of Lambda, as far as its configuration is described.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Function {
    /// The name of its role.
    pub role: String,
    /// Its environment.
    pub variables: BTreeMap<String, String>,
}

impl Function {
    /// The ARN of its role.
    #[must_use]
    pub fn role_arn(&self) -> String {
        format!("arn:aws:iam::{ACCOUNT}:role/{}", self.role)
    }
}

impl Account {
    /// Opens the endpoint, without stacks and functions.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn start(faults: &FaultPlan) -> io::Result<Self> {
        let known = Arc::new(Known::default());
        let routes = Router::new()
            .route("/", post(query))
            .route("/2015-03-31/functions/{name}/configuration", get(function_configuration))
            .route("/federation/credentials", get(sso))
            .route("/latest/api/token", put(async || ([("x-aws-ec2-metadata-token-ttl-seconds", "21600")], "token")))
            .route("/latest/meta-data/iam/security-credentials/", get(async || "instance"))
            .route("/latest/meta-data/iam/security-credentials/instance", get(async || credentials("imds")))
            .route("/container", get(async || credentials("container")))
            .with_state(Arc::clone(&known));
        Self::open(Service::Account, refusal, known, routes, faults).await
    }

    /// Creates a stack with these outputs.
    pub fn create_stack(&self, name: &str, outputs: &[(&str, &str)]) {
        let outputs = outputs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        lock(&self.service.stacks).insert(name.to_owned(), outputs);
    }

    /// Creates a function, or replaces it.
    pub fn create_function(&self, name: &str, function: Function) {
        lock(&self.service.functions).insert(name.to_owned(), function);
    }

    /// Denies an action, such as `autoscaling:SetDesiredCapacity`, to a role.
    pub fn deny(&self, role_arn: &str, action: &str) {
        lock(&self.service.denied).insert((role_arn.to_owned(), action.to_owned()));
    }
}

async fn query(State(known): State<Arc<Known>>, body: Bytes) -> Response {
    let request = Request::read(&body);
    namespace(&request.action).answer(&request.action, known.act(&request).map(Some))
}

fn namespace(action: &str) -> Namespace {
    Namespace(match action {
        "SimulatePrincipalPolicy" => "https://iam.amazonaws.com/doc/2010-05-08/",
        "DescribeStacks" => "http://cloudformation.amazonaws.com/doc/2010-05-15/",
        _ => "https://sts.amazonaws.com/doc/2011-06-15/",
    })
}

fn refusal(action: &str, error: &AwsError) -> Response {
    if action.starts_with('/') { rest_refusal(error) } else { namespace(action).answer(action, Err(error.clone())) }
}

impl Known {
    fn act(&self, request: &Request) -> Result<Xml, AwsError> {
        let mut xml = Xml::default();
        match request.action.as_str() {
            "GetCallerIdentity" => {
                xml.text("Arn", format!("arn:aws:iam::{ACCOUNT}:user/operator"))
                    .text("UserId", "AIDAEXAMPLE")
                    .text("Account", ACCOUNT);
            }
            "AssumeRole" => {
                let role = request.required("RoleArn")?;
                xml.element("Credentials", |xml| {
                    xml.text("AccessKeyId", "assumed")
                        .text("SecretAccessKey", secrets::AWS_SECRET_KEY)
                        .text("SessionToken", secrets::AWS_SESSION_TOKEN)
                        .text("Expiration", "2099-01-01T00:00:00Z");
                })
                .element("AssumedRoleUser", |xml| {
                    xml.text("AssumedRoleId", "AROAEXAMPLE:local").text("Arn", role);
                });
            }
            "SimulatePrincipalPolicy" => {
                let principal = request.required("PolicySourceArn")?;
                let resource = request.members("ResourceArns").first().copied().unwrap_or("*");
                let denied = lock(&self.denied);
                xml.text("IsTruncated", false);
                xml.members("EvaluationResults", request.members("ActionNames"), |xml, action| {
                    let is_denied = denied.contains(&(principal.to_owned(), action.to_owned()))
                        || (resource == "*" && OF_ONE_RESOURCE.contains(&action));
                    xml.text("EvalActionName", action)
                        .text("EvalDecision", if is_denied { "implicitDeny" } else { "allowed" });
                });
            }
            "DescribeStacks" => {
                let name = request.required("StackName")?;
                let stacks = lock(&self.stacks);
                let outputs = stacks.get(name);
                let outputs =
                    outputs.ok_or_else(|| AwsError::validation(format!("Stack with id {name} does not exist")))?;
                xml.members("Stacks", [outputs], |xml, outputs| {
                    xml.text("StackName", name).members("Outputs", outputs, |xml, (key, value)| {
                        xml.text("OutputKey", key).text("OutputValue", value);
                    });
                });
            }
            action => return Err(AwsError::new(400, "InvalidAction", format!("Could not find operation {action}"))),
        }
        Ok(xml)
    }
}

async fn function_configuration(State(known): State<Arc<Known>>, Path(name): Path<String>) -> Response {
    let Some(function) = lock(&known.functions).get(&name).cloned() else {
        let message = format!("Function not found: arn:aws:lambda:{}:{ACCOUNT}:function:{name}", super::REGION);
        return rest_refusal(&AwsError::new(404, "ResourceNotFoundException", message));
    };
    let configuration = json!({"FunctionName": name, "Role": function.role_arn(), "Timeout": 60,
        "Environment": {"Variables": function.variables}});
    answer(StatusCode::OK, JSON, configuration.to_string())
}

/// How services of the REST protocol refuse a call.
fn rest_refusal(error: &AwsError) -> Response {
    answer(error.status(), JSON, json!({"Type": "User", "Message": error.message, "__type": error.code}).to_string())
}

async fn sso(headers: HeaderMap) -> Response {
    if !headers.contains_key("x-amz-sso_bearer_token") {
        return rest_refusal(&AwsError::new(401, "UnauthorizedException", "Session token not found or invalid"));
    }
    let credentials = json!({"roleCredentials": {"accessKeyId": "sso", "secretAccessKey": secrets::AWS_SECRET_KEY, "sessionToken": secrets::AWS_SESSION_TOKEN,
        "expiration": 4_070_908_800_000_i64}});
    answer(StatusCode::OK, JSON, credentials.to_string())
}

/// The credentials of an instance or a container.
fn credentials(source: &str) -> Response {
    let credentials: Value = json!({"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2026-01-01T00:00:00Z",
        "AccessKeyId": source, "SecretAccessKey": secrets::AWS_SECRET_KEY, "Token": secrets::AWS_SESSION_TOKEN, "Expiration": "2099-01-01T00:00:00Z"});
    answer(StatusCode::OK, JSON, credentials.to_string())
}
