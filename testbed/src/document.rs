//! A configuration document, pointed at the local master.

use shared::config::{Config, Problems};
use thiserror::Error;
use url::Url;

/// Why a document cannot be used here.
#[derive(Debug, Error)]
pub enum DocumentError {
    /// It is not valid.
    #[error(transparent)]
    Config(#[from] Problems),
    /// The masters in it were not found.
    #[error(
        "cannot put the local master into the configuration; write masters = [\"...\"] on a line of its own under [mesos]"
    )]
    Masters,
}

/// The document with that master in place of its own, and without what only its own masters need, and its configuration.
/// One without masters, of groups alone, is left as it is.
///
/// # Errors
/// Where the document is not valid, or its masters stand where they cannot be found.
pub(crate) fn localize(document: &str, master: &str) -> Result<(String, Config), DocumentError> {
    let config = Config::parse(document)?;
    if config.mesos.is_none() {
        return Ok((document.to_owned(), config));
    }
    let document = replace_masters(&without(document, &["credentials", "ca_bundle"]), master);
    let document = document.ok_or(DocumentError::Masters)?;
    let config = Config::parse(&document)?;
    let masters = config.mesos.as_ref().map(|mesos| mesos.masters.as_slice());
    let is_local = Url::parse(master).is_ok_and(|master| masters == Some(&[master]));
    if is_local { Ok((document, config)) } else { Err(DocumentError::Masters) }
}

/// The document without the lines of these settings of `[mesos]`.
fn without(document: &str, keys: &[&str]) -> String {
    let stays = |line: &&str| !keys.iter().any(|key| value_start(line, key).is_some());
    document.lines().filter(stays).flat_map(|line| [line, "\n"]).collect()
}

fn replace_masters(document: &str, master: &str) -> Option<String> {
    let mut start = 0;
    for line in document.split_inclusive('\n') {
        if let Some(value) = value_start(line, "masters") {
            let (before, list) = document.split_at_checked(start + value)?;
            let (_, after) = list.split_at_checked(list_end(list)?)?;
            return Some(format!("{before} [{master:?}]{after}"));
        }
        start += line.len();
    }
    None
}

/// Where the value starts, if the line sets this key of `[mesos]`.
fn value_start(line: &str, key: &str) -> Option<usize> {
    let name = line.trim_start();
    let rest = name.strip_prefix("mesos.").unwrap_or(name).strip_prefix(key)?;
    rest.trim_start().starts_with('=').then(|| line.find('='))?.map(|equals| equals + 1)
}

/// Where a list ends: at the bracket that stands in no text and no comment.
fn list_end(list: &str) -> Option<usize> {
    let mut until = None;
    for (index, c) in list.char_indices() {
        match (until, c) {
            (Some(end), c) if end == c => until = None,
            (None, '"' | '\'') => until = Some(c),
            (None, '#') => until = Some('\n'),
            (None, ']') => return Some(index + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASTER: &str = "http://127.0.0.1:12345";

    fn masters_of(mesos: &str) -> Result<Vec<String>, DocumentError> {
        let document = format!("{mesos}\n[[pools]]\nname = \"a\"\ngroup = \"b\"\nmax = 7\n");
        let (_, config) = localize(&document, MASTER)?;
        assert_eq!(config.pools[0].limits.max, Some(7));
        let mesos = config.mesos.unwrap();
        assert_eq!(mesos.credentials, None);
        Ok(mesos.masters.iter().map(Url::to_string).collect())
    }

    #[test]
    fn the_local_master_takes_the_place_of_all_others() {
        for mesos in [
            "[mesos]\nmasters = [\"http://10.0.0.5:5050\"] # one\ncredentials = \"ssm:/a\"",
            "[mesos]\n  masters=[\n \"http://[::1]:5050\", # a]\n 'http://b:5050',\n]\nca_bundle = \"file:ca.pem\"\ntimeout = \"5s\"",
            "mesos.masters = [\"https://a\"]\nmesos.credentials = \"ssm:/a\"",
        ] {
            assert_eq!(masters_of(mesos).unwrap(), ["http://127.0.0.1:12345/"], "{mesos}");
        }
    }

    #[test]
    fn a_document_of_groups_alone_stays_as_it_is() {
        let document = "[[pools]]\nname = \"a\"\ngroup = \"b\"\nsource = \"cloudwatch\"\n";
        let (same, config) = localize(document, MASTER).unwrap();
        assert_eq!((same.as_str(), config.mesos), (document, None));
    }

    #[test]
    fn masters_that_are_not_found_are_told_of() {
        let error = masters_of("mesos = { masters = [\"http://a:5050\"] }").unwrap_err();
        assert!(matches!(error, DocumentError::Masters), "{error}");
        assert!(matches!(masters_of("[mesos]\nmasters = 5").unwrap_err(), DocumentError::Config(_)));
    }
}
