//! What was found.

use serde::Serialize;

use crate::page::Tone;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// As it should be, and could be better.
    Advice,
    /// Works, and may surprise.
    Warning,
    /// Does not work, or would hurt.
    Problem,
}

impl Level {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Advice => "advice",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }

    pub(super) const fn tone(self) -> Tone {
        match self {
            Self::Ok => Tone::Plain,
            Self::Advice => Tone::Good,
            Self::Warning => Tone::Held,
            Self::Problem => Tone::Bad,
        }
    }
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) level: Level,
    pub(super) text: String,
}

impl Finding {
    pub(super) fn ok(text: impl Into<String>) -> Self {
        Self { level: Level::Ok, text: text.into() }
    }

    pub(super) fn advice(text: impl Into<String>) -> Self {
        Self { level: Level::Advice, text: text.into() }
    }

    pub(super) fn warning(text: impl Into<String>) -> Self {
        Self { level: Level::Warning, text: text.into() }
    }

    pub(super) fn problem(text: impl Into<String>) -> Self {
        Self { level: Level::Problem, text: text.into() }
    }
}

/// The checks of one subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Section {
    pub(super) title: String,
    pub(super) findings: Vec<Finding>,
}

impl Section {
    pub(super) fn new(title: &str, findings: Vec<Finding>) -> Self {
        Self { title: title.to_owned(), findings }
    }
}
