//! By how much applications must be able to grow.

use serde::Serialize;

use super::reader::{Section, word};
use super::values::Whole;

/// Application headroom (rule H).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Headroom {
    /// By how much every application must be able to grow at once. 0 turns the rule off.
    #[serde(rename = "application_headroom_percent")]
    pub percent: u32,
    /// How free resources are counted.
    #[serde(rename = "headroom_placement")]
    pub placement: HeadroomPlacement,
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
    Headroom { percent, placement: placement(section) }
}

/// A larger percentage is a typing error: no application grows more than a hundredfold.
pub(super) fn percentage(example: u32) -> Whole {
    Whole::percent(0..=10_000, example)
}

fn placement(section: &mut Section<'_>) -> HeadroomPlacement {
    word(section, "headroom_placement", &[("pack", HeadroomPlacement::Pack), ("sum", HeadroomPlacement::Sum)])
        .unwrap_or(HeadroomPlacement::Pack)
}
