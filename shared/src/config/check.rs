//! Who decides for a pool.

use serde::Serialize;

use super::reader::{Section, word};

/// Who decides for a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckKind {
    /// The algorithm of `node_process`.
    Standard,
    /// Somebody's own function, which publishes decisions itself.
    Custom,
}

/// Reads who decides.
pub(super) fn check(section: &mut Section<'_>) -> CheckKind {
    word(section, "check", &[("standard", CheckKind::Standard), ("custom", CheckKind::Custom)])
        .unwrap_or(CheckKind::Standard)
}
