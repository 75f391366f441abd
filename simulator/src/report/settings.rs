//! What made the page: configurations, seeds, version, command.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::figures::{NONE, tail};
use super::markup::{self, Markup, element};
use super::{Contestant, Kind, Report};

/// A configuration: its name, its file's digest, and its pool's settings by key.
struct Configuration<'a> {
    name: &'a str,
    sha256: &'a str,
    settings: Map<String, Value>,
}

pub(super) fn section(report: &Report<'_>) -> Markup {
    let configurations: Vec<Configuration<'_>> = report.contestants.iter().filter_map(configuration).collect();
    let seeds: Vec<String> = report.seeds.iter().map(u64::to_string).collect();
    let facts = [("trace", report.trace), ("seeds", &seeds.join(", ")), ("version", report.version)];
    let facts = facts.into_iter().flat_map(|(name, value)| [element("dt").text(name), element("dd").text(value)]);
    element("section").with("id", "settings").holding([
        element("h2").text("How to make this page"),
        element("pre").class("command").with("tabindex", 0).holding(element("code").text(report.command)),
        element("dl").holding(facts.collect::<Markup>()),
        differing(&configurations),
        configurations.iter().map(all).collect(),
    ])
}

fn configuration<'a>(contestant: &Contestant<'a>) -> Option<Configuration<'a>> {
    let Kind::LambdaScale { settings, config_sha256 } = contestant.kind else { return None };
    let settings = match serde_json::to_value(settings) {
        Ok(Value::Object(settings)) => settings,
        _ => Map::new(),
    };
    Some(Configuration { name: contestant.name, sha256: config_sha256, settings })
}

/// The settings in which the configurations differ, side by side.
fn differing(configurations: &[Configuration<'_>]) -> Markup {
    let keys: BTreeSet<&String> =
        configurations.iter().flat_map(|configuration| configuration.settings.keys()).collect();
    let differs = |key: &&&String| {
        let mut values = configurations.iter().map(|configuration| configuration.settings.get(**key));
        let first = values.next();
        values.any(|value| Some(value) != first)
    };
    let keys: Vec<&&String> = keys.iter().filter(differs).collect();
    if keys.is_empty() {
        return Markup::default();
    }
    let named = |configuration: &Configuration<'_>| {
        markup::column().with("title", configuration.name).text(tail(configuration.name, 26))
    };
    let heads = std::iter::once(markup::column().text("setting")).chain(configurations.iter().map(named));
    let rows = keys.into_iter().map(|key| {
        let value = |configuration: &Configuration<'_>| {
            element("td").text(configuration.settings.get(*key).map_or_else(|| NONE.to_owned(), shown))
        };
        let cells = std::iter::once(markup::row().text(key)).chain(configurations.iter().map(value));
        element("tr").holding(cells.collect::<Markup>())
    });
    markup::table("", "settings that differ", heads, rows.collect::<Markup>())
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Everything that decides about the pool.
fn all(configuration: &Configuration<'_>) -> Markup {
    let Configuration { name, sha256, settings } = configuration;
    let lines: Vec<String> = settings.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    element("details").holding([
        element("summary").text(format_args!("Settings of {name}")),
        element("p").class("note digest").text(format_args!("SHA-256 of the file: {sha256}")),
        element("pre").with("tabindex", 0).holding(element("code").text(lines.join("\n"))),
    ])
}
