//! References to strings that are kept elsewhere.

use std::fmt;

use serde::Serialize;
use toml::Value;

use super::reader::{Setting, type_of};

/// Where a string is kept that does not belong in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Reference {
    /// A parameter of AWS Systems Manager.
    Ssm(String),
    /// A secret of AWS Secrets Manager.
    SecretsManager(String),
    /// An environment variable.
    Env(String),
    /// A file, relative to the working directory (in a Lambda: the zip).
    File(String),
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ssm(name) => write!(f, "ssm:{name}"),
            Self::SecretsManager(name) => write!(f, "secretsmanager:{name}"),
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{path}"),
        }
    }
}

impl Setting for Reference {
    const EXPECTED: &'static str = "a reference with ssm:, secretsmanager:, env:, or file:";
    const EXAMPLE: &'static str = r#""ssm:/lambda-scale/mesos""#;
    fn read(value: &Value) -> Option<Self> {
        let (kind, name) = value.as_str()?.trim().split_once(':')?;
        let name = Some(name.trim()).filter(|name| !name.is_empty())?.to_owned();
        match kind {
            "ssm" => Some(Self::Ssm(name)),
            "secretsmanager" => Some(Self::SecretsManager(name)),
            "env" => Some(Self::Env(name)),
            "file" => Some(Self::File(name)),
            _ => None,
        }
    }
    fn got(value: &Value) -> String {
        // It may be the secret itself.
        type_of(value).to_owned()
    }
}
