//! A configuration, pointed at the local endpoints.

use shared::config::{Config, Problems};
use thiserror::Error;
use toml::{Table, Value};

/// Why a configuration cannot be used here.
#[derive(Debug, Error)]
pub enum ConfigurationError {
    /// It is not valid.
    #[error(transparent)]
    Config(#[from] Problems),
    /// It cannot be read as TOML.
    #[error("cannot point the configuration at the local endpoints")]
    Toml(#[from] toml::de::Error),
}

/// Where the endpoints are that a configuration names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Local<'a> {
    /// The masters' URLs.
    pub(crate) masters: &'a [String],
    /// Where the master's credentials are, if it asks for any.
    pub(crate) credentials: Option<&'a str>,
    /// Marathon's URL.
    pub(crate) marathon: &'a str,
    /// Where its credentials are, if it asks for any.
    pub(crate) marathon_credentials: Option<&'a str>,
}

/// The configuration with the local endpoints in place of its own, and without what only its own need. Sections that it does
/// not have are not added.
///
/// # Errors
/// Where it is not valid.
pub(crate) fn localize(configuration: &str, local: Local<'_>) -> Result<(String, Config), ConfigurationError> {
    // Problems are those of the configuration as its author wrote it.
    Config::parse(configuration)?;
    let mut configuration: Table = configuration.parse()?;
    if let Some(Value::Table(mesos)) = configuration.get_mut("mesos") {
        mesos.insert("masters".to_owned(), Value::Array(local.masters.iter().map(|url| url.as_str().into()).collect()));
        mesos.remove("credentials");
        mesos.remove("ca_bundle");
        if let Some(credentials) = local.credentials {
            mesos.insert("credentials".to_owned(), credentials.into());
        }
    }
    if let Some(Value::Table(marathon)) = configuration.get_mut("marathon") {
        marathon.remove("credentials");
        marathon.insert("url".to_owned(), local.marathon.into());
        if let Some(credentials) = local.marathon_credentials {
            marathon.insert("credentials".to_owned(), credentials.into());
        }
    }
    let configuration = configuration.to_string();
    let config = Config::parse(&configuration)?;
    Ok((configuration, config))
}

#[cfg(test)]
mod tests {
    use shared::config::Reference;

    use super::*;

    const LOCAL: Local<'_> =
        Local { masters: &[], credentials: None, marathon: "http://127.0.0.1:8080", marathon_credentials: None };
    const POOL: &str = "[[pools]]\nname = \"a\"\ngroup = \"b\"\nmax = 7\n";

    fn localized(sections: &str, local: Local<'_>) -> Config {
        let masters = ["http://127.0.0.1:12345".to_owned()];
        let (_, config) = localize(&format!("{sections}\n{POOL}"), Local { masters: &masters, ..local }).unwrap();
        assert_eq!(config.pools[0].limits.max, Some(7));
        config
    }

    #[test]
    fn the_local_master_takes_the_place_of_all_others() {
        for mesos in [
            "[mesos]\nmasters = [\"http://10.0.0.5:5050\"] # one\ncredentials = \"ssm:/a\"",
            "[mesos]\n  masters=[\n \"http://[::1]:5050\", # a]\n 'http://b:5050',\n]\nca_bundle = \"file:ca.pem\"\ntimeout = \"5s\"",
            "mesos.masters = [\"https://a\"]\nmesos.credentials = \"ssm:/a\"",
            "mesos = { masters = [\"http://a:5050\"] }",
        ] {
            let mesos = localized(mesos, LOCAL).mesos.unwrap();
            let masters: Vec<&str> = mesos.masters.iter().map(|master| master.as_str()).collect();
            assert_eq!((masters, mesos.credentials), (vec!["http://127.0.0.1:12345/"], None));
        }
    }

    #[test]
    fn credentials_and_marathon_are_the_local_ones() {
        let local = Local { credentials: Some("ssm:/local"), marathon_credentials: Some("ssm:/marathon"), ..LOCAL };
        let config = localized("mesos.masters = [\"http://a\"]\nmarathon.url = \"https://b\"", local);
        assert_eq!(config.mesos.unwrap().credentials, Some(Reference::Ssm("/local".to_owned())));
        let marathon = config.marathon.unwrap();
        assert_eq!(marathon.urls[0].as_str(), "http://127.0.0.1:8080/");
        assert_eq!(marathon.credentials, Some(Reference::Ssm("/marathon".to_owned())));
    }

    #[test]
    fn a_configuration_of_groups_alone_gets_no_master() {
        let groups = POOL.replace("max", "source = \"cloudwatch\"\nmax");
        let (_, config) = localize(&groups, LOCAL).unwrap();
        assert_eq!((config.mesos, config.marathon), (None, None));
    }

    #[test]
    fn problems_are_those_of_the_configuration() {
        let error = localize(&format!("[mesos]\nmasters = 5\n{POOL}"), LOCAL).unwrap_err();
        assert!(matches!(error, ConfigurationError::Config(_)), "{error}");
    }
}
