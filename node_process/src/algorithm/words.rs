//! Phrases that the reasons of several rules share.

use std::fmt;

use serde::Serialize;
use shared::contract::{Completeness, CompletenessLevel};
use shared::count::saturated;
use shared::text::counted;

use super::capacity::{Capacity, Pool};

/// H12: of what is left where daemons have taken theirs.
pub(super) const BESIDE_DAEMONS: &str = " beside daemons";

/// What a rule changes: agents that it keeps, and agents that it adds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Change {
    /// How many of them D had removed.
    pub kept: u32,
    /// How many were removed before this rule.
    pub of_removed: u32,
    /// How many it adds.
    pub added: u32,
}

impl Change {
    pub(super) fn between(before: &Capacity, after: &Capacity) -> Self {
        Self {
            kept: saturated(before.removed.saturating_sub(after.removed)),
            of_removed: saturated(before.removed),
            added: after.added.saturating_sub(before.added),
        }
    }

    /// Whether it changes anything.
    pub(super) const fn is_some(&self) -> bool {
        self.kept > 0 || self.added > 0
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kept, of_removed, added } = *self;
        match (kept, of_removed) {
            (0, _) => {}
            (1, 1) => f.write_str("keeps the agent D removed")?,
            (kept, removed) if kept == removed => write!(f, "keeps the {kept} agents D removed")?,
            (kept, removed) => write!(f, "keeps {kept} of the {removed} agents D removed")?,
        }
        match (kept, added) {
            (_, 0) => Ok(()),
            (0, added) => write!(f, "adds {}", counted(added, "agent")),
            (_, added) => write!(f, " and adds {added}"),
        }
    }
}

/// A snapshot that misses something, and the first thing that it misses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Incomplete {
    /// How much it misses.
    pub level: CompletenessLevel,
    /// What it misses, as node_gather says it.
    pub cause: Option<String>,
}

impl Incomplete {
    /// `None` where the snapshot is complete.
    pub(super) fn of(pool: &Pool<'_>) -> Option<Self> {
        let Completeness { level, reasons } = &pool.snapshot.completeness;
        (*level != CompletenessLevel::Complete).then(|| Self { level: *level, cause: reasons.first().cloned() })
    }
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the snapshot is {}", self.level.name())?;
        match &self.cause {
            Some(cause) => write!(f, " ({cause})"),
            None => Ok(()),
        }
    }
}

/// Neither a setting nor an agent shows what a new agent has.
pub(super) const NO_NEW_AGENT: &str = "adds none, since nothing shows what a new agent has; set new_agent";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_names_what_it_keeps_before_what_it_adds() {
        for (kept, of_removed, added, text) in [
            (0, 0, 0, ""),
            (0, 3, 1, "adds 1 agent"),
            (1, 1, 0, "keeps the agent D removed"),
            (1, 1, 71, "keeps the agent D removed and adds 71"),
            (2, 2, 0, "keeps the 2 agents D removed"),
            (1, 3, 0, "keeps 1 of the 3 agents D removed"),
        ] {
            assert_eq!(Change { kept, of_removed, added }.to_string(), text);
        }
    }

    #[test]
    fn an_incomplete_snapshot_names_its_first_cause() {
        let (level, cause) = (CompletenessLevel::Partial, Some("1 of 4 agents has not re-registered".to_owned()));
        let text = "the snapshot is partial (1 of 4 agents has not re-registered)";
        assert_eq!(Incomplete { level, cause }.to_string(), text);
        assert_eq!(Incomplete { level: CompletenessLevel::Blind, cause: None }.to_string(), "the snapshot is blind");
    }
}
