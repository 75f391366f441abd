//! By how much applications must be able to grow.

use std::collections::BTreeMap;

use serde::Serialize;

use super::reader::{Section, instead_of, type_of, word};
use super::values::Whole;

/// Application headroom (rule H).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Headroom {
    /// By how much every application must be able to grow at once. 0 turns the rule off.
    #[serde(rename = "application_headroom_percent")]
    pub percent: u32,
    /// How free resources are counted.
    #[serde(rename = "headroom_placement")]
    pub placement: HeadroomPlacement,
    /// Applications with a percentage of their own.
    pub applications: BTreeMap<String, u32>,
}

impl Headroom {
    /// The headroom of the application of that name, in percent.
    #[must_use]
    pub fn percent_of(&self, application: &str) -> u32 {
        self.applications.get(application).copied().unwrap_or(self.percent)
    }
}

/// How the room for applications to grow is counted (clauses H2, H3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HeadroomPlacement {
    /// Whole tasks on single agents.
    Pack,
    /// The plain total of what is free.
    Sum,
}

/// Reads the headroom.
pub(super) fn headroom(section: &mut Section<'_>) -> Headroom {
    let percent = percentage(10).read(section, "application_headroom_percent").unwrap_or(10);
    Headroom { percent, placement: placement(section), applications: applications(section) }
}

/// A larger percentage is a typing error: no application grows more than a hundredfold.
fn percentage(example: u32) -> Whole {
    Whole::percent(0..=10_000, example)
}

fn placement(section: &mut Section<'_>) -> HeadroomPlacement {
    word(section, "headroom_placement", &[("pack", HeadroomPlacement::Pack), ("sum", HeadroomPlacement::Sum)])
        .unwrap_or(HeadroomPlacement::Pack)
}

fn applications(section: &mut Section<'_>) -> BTreeMap<String, u32> {
    let Some(section) = section.section("applications", r#"{ "/shop/web" = { application_headroom_percent = 50 } }"#)
    else {
        return BTreeMap::new();
    };
    let mut applications = BTreeMap::new();
    for (name, value) in section.table() {
        let path = section.path_of(&format!("{name:?}"));
        let Some(table) = value.as_table() else {
            let text = instead_of(type_of(value), "a table", "{ application_headroom_percent = 50 }");
            section.report().add(path, text);
            continue;
        };
        let mut inner = Section::new(&path, table, section.report());
        if let Some(percent) = percentage(50).required(&mut inner, "application_headroom_percent") {
            applications.insert(name.clone(), percent);
        }
        inner.finish();
    }
    applications
}
