//! What a stack runs: its three functions, their roles, and their settings, so that an operator needs no copy of the configuration.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_autoscaling::error::ProvideErrorMetadata as _;
use serde::Deserialize;
use shared::aws::call::{Call, Protocol, Service, SetUpError};
use shared::aws::{FetchError, Name, parameter};
use shared::config::{Config, Problems};
use shared::error::Chain;
use shared::start::{CONFIG_VARIABLE, DRY_RUN_VARIABLE};
use thiserror::Error;
use url::form_urlencoded::Serializer;

/// A function of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Reads the cluster.
    Gather,
    /// Decides.
    Process,
    /// Updates the group.
    Scale,
}

impl Stage {
    /// All, in the order of the chain.
    pub const ALL: [Self; 3] = [Self::Gather, Self::Process, Self::Scale];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gather => "node_gather",
            Self::Process => "node_process",
            Self::Scale => "node_scale",
        }
    }

    /// The output of the stack that names the function.
    const fn output(self) -> &'static str {
        match self {
            Self::Gather => "NodeGatherFunction",
            Self::Process => "NodeProcessFunction",
            Self::Scale => "NodeScaleFunction",
        }
    }
}

/// What a stack runs.
#[derive(Debug)]
pub struct Deployed {
    /// The functions.
    pub functions: BTreeMap<Stage, Function>,
    /// The settings, those of `node_scale`.
    pub config: Config,
    /// Whether all functions have the same.
    pub is_same: bool,
}

impl Deployed {
    /// Whether it has the settings of a configuration. A dry run is often a variable of the functions alone.
    #[must_use]
    pub fn has_settings_of(&self, config: &Config) -> bool {
        Config { dry_run: config.dry_run, ..self.config.clone() } == *config
    }
}

/// Why it is not known what a stack runs.
#[derive(Debug, Error)]
pub enum DeployedError {
    /// Neither a stack nor the Terraform module has that name.
    #[error(
        "there is no stack {stack:?} in this account and region, and no function {function:?}; check the name, the account, and the region"
    )]
    Missing {
        /// The stack.
        stack: String,
        /// The function that Terraform would have created.
        function: String,
    },
    /// A call failed.
    #[error("{action} failed ({code}){hint}: {cause}")]
    Call {
        /// The action.
        action: &'static str,
        /// The code that AWS gave.
        code: String,
        /// What to do.
        hint: String,
        /// The error and its causes.
        cause: String,
    },
    /// A call cannot be made.
    #[error(transparent)]
    SetUp(#[from] SetUpError),
    /// The function has no configuration, or one that only the function can read.
    #[error("the function {0} keeps its configuration in its zip; use --config")]
    Elsewhere(String),
    /// The parameter with the configuration cannot be read.
    #[error("cannot read the configuration of the stack")]
    Fetch(#[source] FetchError),
    /// The configuration is not valid.
    #[error("the configuration of the stack is not valid")]
    Config(#[source] Problems),
    /// An answer cannot be read.
    #[error("cannot read the answer of Lambda")]
    Json(#[from] serde_json::Error),
}

const DESCRIBE_STACKS: Service =
    Service { name: "cloudformation", host: "cloudformation", operation: "DescribeStacks", protocol: Protocol::Query };
const GET_FUNCTION_CONFIGURATION: Service =
    Service { name: "lambda", host: "lambda", operation: "GetFunctionConfiguration", protocol: Protocol::Get };

/// Reads what a stack runs, deployed by CloudFormation or by the Terraform module.
///
/// # Errors
/// Where it cannot be read.
pub async fn read(sdk: &SdkConfig, stack: &str) -> Result<Deployed, DeployedError> {
    let outputs = outputs(sdk, stack).await?;
    let mut functions = BTreeMap::new();
    for stage in Stage::ALL {
        let name = outputs.get(stage.output()).cloned().unwrap_or_else(|| format!("{stack}-{}", stage.name()));
        let function = match function(sdk, &name).await {
            Err(DeployedError::Call { code, .. }) if code == "ResourceNotFoundException" => {
                return Err(DeployedError::Missing { stack: stack.to_owned(), function: name });
            }
            function => function?,
        };
        functions.insert(stage, function);
    }
    let setting = |stage: Stage| functions.get(&stage).and_then(|function| function.variable(CONFIG_VARIABLE));
    let is_same = Stage::ALL.iter().all(|stage| setting(*stage) == setting(Stage::Scale));
    let text = match setting(Stage::Scale) {
        Some(value) => match value.strip_prefix("ssm:") {
            Some(name) => parameter(sdk, name, Name::shown(name)).await.map_err(DeployedError::Fetch)?,
            None if value.starts_with("file:") => return Err(DeployedError::Elsewhere(stack.to_owned())),
            None => value.to_owned(),
        },
        None => return Err(DeployedError::Elsewhere(stack.to_owned())),
    };
    let mut config = Config::parse(&text).map_err(DeployedError::Config)?;
    let is_dry = functions.get(&Stage::Scale).and_then(|function| function.variable(DRY_RUN_VARIABLE)) == Some("true");
    config.dry_run |= is_dry;
    Ok(Deployed { functions, config, is_same })
}

/// The outputs of a stack of CloudFormation; none where there is no such stack.
async fn outputs(sdk: &SdkConfig, stack: &str) -> Result<BTreeMap<String, String>, DeployedError> {
    let request = form("DescribeStacks", "2010-05-15", &[("StackName", stack)]);
    match Call::new(sdk, DESCRIBE_STACKS)?.send(request).await {
        Ok(answer) => {
            let output = |member: &str| Some((element(member, "OutputKey")?, element(member, "OutputValue")?));
            Ok(answer.split("<member>").filter_map(output).collect())
        }
        // So it says that there is no such stack.
        Err(error) if error.code() == Some("ValidationError") => Ok(BTreeMap::new()),
        Err(error) => Err(failed("cloudformation:DescribeStacks", error.code(), Chain::new(&error).to_string())),
    }
}

/// A function, as far as it matters.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Function {
    /// The ARN of its role.
    pub role: String,
    #[serde(default)]
    environment: Environment,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Environment {
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

impl Function {
    /// A variable of its environment, where it is set to something.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.environment.variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }
}

async fn function(sdk: &SdkConfig, name: &str) -> Result<Function, DeployedError> {
    let path = format!("/2015-03-31/functions/{name}/configuration");
    match Call::new(sdk, GET_FUNCTION_CONFIGURATION)?.send(path).await {
        Ok(answer) => Ok(serde_json::from_str(&answer)?),
        Err(error) => Err(failed("lambda:GetFunctionConfiguration", error.code(), Chain::new(&error).to_string())),
    }
}

fn failed(action: &'static str, code: Option<&str>, cause: String) -> DeployedError {
    let code = code.unwrap_or("no answer").to_owned();
    let is_denied = code.starts_with("AccessDenied");
    let hint = if is_denied { format!("; you need the permission {action}") } else { String::new() };
    DeployedError::Call { action, code, hint, cause }
}

/// A request of the Query protocol.
pub(crate) fn form(action: &str, version: &str, parameters: &[(&str, &str)]) -> String {
    let mut form = Serializer::new(String::new());
    form.append_pair("Action", action).append_pair("Version", version).extend_pairs(parameters);
    form.finish()
}

/// The text of the first element of that name. What is read so are names and words of AWS, which need no escapes.
pub(crate) fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text.to_owned())
}
