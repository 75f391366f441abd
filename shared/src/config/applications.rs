//! Settings of single applications, by name.

use std::collections::BTreeMap;

use serde::Serialize;
use toml::Value;

use super::headroom::percentage;
use super::reader::{Section, instead_of};
use super::shown::type_of;

/// The settings of one application in a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ApplicationSettings {
    /// By how much it must be able to grow, where that is not the pool's percentage.
    #[serde(rename = "application_headroom_percent", skip_serializing_if = "Option::is_none")]
    pub headroom_percent: Option<u32>,
    /// Whether its queued instances count.
    pub count_queued: bool,
    /// H12: whether it runs on every agent, where its instances are not to say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daemon: Option<bool>,
}

impl Default for ApplicationSettings {
    /// Those of an application that the configuration does not name.
    fn default() -> Self {
        Self { headroom_percent: None, count_queued: true, daemon: None }
    }
}

/// Reads the settings of all applications.
pub(super) fn applications(section: &mut Section<'_>) -> BTreeMap<String, ApplicationSettings> {
    let Some(section) = section.section("applications", r#"{ "/shop/web" = { application_headroom_percent = 50 } }"#)
    else {
        return BTreeMap::new();
    };
    let mut applications = BTreeMap::new();
    for (name, value) in section.table() {
        let path = section.name_of(name);
        if let Some(problem) = problem_with_name(name) {
            section.report().add(path, problem);
            continue;
        }
        let Some(table) = value.as_table() else {
            let text = instead_of(type_of(value), "a table", "{ application_headroom_percent = 50 }");
            section.report().add(path, text);
            continue;
        };
        let mut inner = Section::new(&path, table, section.report());
        if table.is_empty() {
            section
                .report()
                .add(path, instead_of("no setting", "one or more", "{ application_headroom_percent = 50 }"));
        }
        let headroom_percent = percentage(50).read(&mut inner, "application_headroom_percent");
        let count_queued = inner.or("count_queued", true);
        let daemon = inner.optional("daemon");
        inner.finish();
        applications.insert(name.clone(), ApplicationSettings { headroom_percent, count_queued, daemon });
    }
    applications
}

/// Reads a list of names of applications.
pub(super) fn names(section: &mut Section<'_>, key: &'static str) -> Vec<String> {
    let names = section.list(key, EXAMPLE).unwrap_or_default();
    for (index, name) in names.iter().enumerate() {
        if let Some(problem) = problem_with_name(name) {
            section.problem(&format!("{key}[{index}]"), problem);
        }
    }
    names
}

const EXAMPLE: &str = r#""/db/primary""#;

/// What is wrong with the name of an application: no task would ever bear it. Only a name that begins like one is repeated.
fn problem_with_name(name: &str) -> Option<String> {
    const EXPECTED: &str = "the id of an application, which begins with \"/\"";
    let begins_like_one = name.starts_with('/');
    let got = if begins_like_one { Value::from(name).to_string() } else { "a string".to_owned() };
    if name.contains('*') {
        let expected = "the whole name of one application, because names are not patterns";
        let write = if begins_like_one { quoted(&name.replace('*', "primary")) } else { EXAMPLE.to_owned() };
        return Some(instead_of(&got, expected, &write));
    }
    if begins_like_one {
        let is_id = name.len() > 1 && !name.ends_with('/');
        return (!is_id).then(|| instead_of(&got, EXPECTED, &quoted(name)));
    }
    if name.trim().is_empty() || name.ends_with('/') {
        return Some(instead_of(&got, EXPECTED, EXAMPLE));
    }
    Some(format!("got {got}, expected {EXPECTED}; put that before it"))
}

/// The id that the name most likely means, as the configuration has it.
fn quoted(name: &str) -> String {
    let id = name.trim_matches(|c: char| c == '/' || c.is_whitespace());
    if id.is_empty() { EXAMPLE.to_owned() } else { Value::from(format!("/{id}")).to_string() }
}
