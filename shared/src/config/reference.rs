//! References to strings that are kept elsewhere.

use std::fmt;

use toml::Value;

use super::reader::Setting;
use super::shown::type_of;

/// Where a string is kept that does not belong in the configuration.
#[derive(Clone, PartialEq, Eq)]
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

/// Only where it leads to: the rest may be a secret that was written there by mistake.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ssm(_) => "ssm:",
            Self::SecretsManager(_) => "secretsmanager:",
            Self::Env(_) => "env:",
            Self::File(_) => "file:",
        })
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}...")
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

/// A reference to a secret. The zip is no place for one.
pub(super) struct Secret(pub(super) Reference);

impl Setting for Secret {
    const EXPECTED: &'static str = "a reference with ssm:, secretsmanager:, or env:";
    const EXAMPLE: &'static str = Reference::EXAMPLE;
    fn read(value: &Value) -> Option<Self> {
        Reference::read(value).filter(|reference| !matches!(reference, Reference::File(_))).map(Self)
    }
    fn got(value: &Value) -> String {
        let file = value.as_str().is_some_and(|text| text.trim_start().starts_with("file:"));
        if file { "a reference with file:, which is in the zip".to_owned() } else { Reference::got(value) }
    }
}
