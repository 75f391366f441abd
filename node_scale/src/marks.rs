//! The little that must outlast a run, in tags of the group: read with the describe that is done anyway, written only when it
//! changes (docs/acting.md, Marks).
//!
//! | tag | value | written by |
//! |---|---|---|
//! | `lambda-scale/scale-down-since` | `<since> <until>` | node_scale |
//! | `lambda-scale/scale-up-since` | `<since> <until>` | node_scale |
//! | `lambda-scale/leaving/<instance>` | `<since>` | node_scale |
//! | `lambda-scale/pause-until` | `<time>` | operators |
//! | `lambda-scale/floor` | `<instances> <until>` | operators |
//!
//! Times are RFC 3339. A mark whose time is over has no effect; one that cannot be read has none either, and is reported.

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use shared::time;

use crate::state::Tag;

/// What the names of all marks begin with.
pub const PREFIX: &str = "lambda-scale/";
/// The tag of [`Marks::pause_until`].
pub const PAUSE_UNTIL: &str = "lambda-scale/pause-until";
/// The tag of [`Marks::floor`].
pub const FLOOR: &str = "lambda-scale/floor";

/// What the tags of agents that leave begin with; the instance follows.
const LEAVING: &str = "leaving/";

/// What stands on a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Decisions that wanted fewer agents.
    pub scale_down: Option<Row>,
    /// Decisions that wanted more agents and were held back by a launch.
    pub scale_up: Option<Row>,
    /// Nothing is changed before.
    pub pause_until: Option<Timestamp>,
    /// A minimum for a time.
    pub floor: Option<Floor>,
    /// The instances whose agents node_scale has told to leave, and since when. Agents that somebody else deactivated are not
    /// among them.
    pub leaving: BTreeMap<String, Timestamp>,
    /// What is wrong with marks that have no effect.
    pub problems: Vec<String>,
}

/// Decisions that said the same without a break: from the first one on. The row is broken where none has said it for so long
/// that `until` is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// When the first one was acted upon.
    pub since: Timestamp,
    /// When the row is broken unless another one comes.
    pub until: Timestamp,
}

/// A minimum that an operator set for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floor {
    /// The fewest instances.
    pub instances: u32,
    /// Until when.
    pub until: Timestamp,
}

/// Of what a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Of decisions that wanted more agents.
    Up,
    /// Of decisions that wanted fewer.
    Down,
}

impl Direction {
    /// The tag of the row.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Up => "lambda-scale/scale-up-since",
            Self::Down => "lambda-scale/scale-down-since",
        }
    }
}

/// A change to the marks of a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MarkChange {
    /// Writes a tag.
    Set {
        /// Its name.
        key: String,
        /// What it then says.
        value: String,
    },
    /// Deletes one.
    Delete {
        /// Its name.
        key: String,
    },
}

impl MarkChange {
    /// Marks the agent of an instance as leaving.
    #[must_use]
    pub fn leaves(instance: &str, since: Timestamp) -> Self {
        Self::Set { key: format!("{PREFIX}{LEAVING}{instance}"), value: time::format(since) }
    }

    /// Takes that mark away.
    #[must_use]
    pub fn stays(instance: &str) -> Self {
        Self::Delete { key: format!("{PREFIX}{LEAVING}{instance}") }
    }
}

impl Marks {
    /// Reads the marks among a group's tags.
    #[must_use]
    pub fn read(tags: &[Tag], now: Timestamp) -> Self {
        let mut marks = Self::default();
        for tag in tags {
            let Some(name) = tag.key.strip_prefix(PREFIX) else { continue };
            let value = tag.value.trim();
            let read = match name {
                "scale-down-since" => Row::read(value).map(|row| marks.scale_down = row.unbroken(now)),
                "scale-up-since" => Row::read(value).map(|row| marks.scale_up = row.unbroken(now)),
                "pause-until" => {
                    value.parse().ok().map(|until: Timestamp| marks.pause_until = (now < until).then_some(until))
                }
                "floor" => Floor::read(value).map(|floor| marks.floor = (now < floor.until).then_some(floor)),
                _ => name.strip_prefix(LEAVING).zip(value.parse().ok()).map(|(instance, since)| {
                    marks.leaving.insert(instance.to_owned(), since);
                }),
            };
            if read.is_none() {
                let text: String = value.chars().take(60).collect();
                marks.problems.push(format!("the tag {} has no effect, {text:?} cannot be read", tag.key));
            }
        }
        marks
    }

    /// The row of that direction.
    #[must_use]
    pub const fn row(&self, direction: Direction) -> Option<Row> {
        match direction {
            Direction::Up => self.scale_up,
            Direction::Down => self.scale_down,
        }
    }
}

impl Row {
    /// The row with one more decision in it; what must be written for that, if anything.
    #[must_use]
    pub fn continued(
        row: Option<Self>,
        direction: Direction,
        now: Timestamp,
        life: SignedDuration,
    ) -> (Self, Option<MarkChange>) {
        let until = now.saturating_add(life).unwrap_or(Timestamp::MAX);
        match row {
            // Written anew only where half of its life is over, so that a row costs few calls.
            Some(row) if row.until.duration_since(now).saturating_mul(2) >= life => (row, None),
            row => {
                let row = Self { since: row.map_or(now, |row| row.since), until };
                (row, Some(MarkChange::Set { key: direction.key().to_owned(), value: row.to_string() }))
            }
        }
    }

    fn read(value: &str) -> Option<Self> {
        let (since, until) = value.split_once(' ')?;
        Some(Self { since: since.parse().ok()?, until: until.trim().parse().ok()? })
    }

    fn unbroken(self, now: Timestamp) -> Option<Self> {
        (self.since <= now && now < self.until).then_some(self)
    }
}

impl Floor {
    fn read(value: &str) -> Option<Self> {
        let (instances, until) = value.split_once(' ')?;
        Some(Self { instances: instances.parse().ok()?, until: until.trim().parse().ok()? })
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", time::format(self.since), time::format(self.until))
    }
}

impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.instances, time::format(self.until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn tag(key: &str, value: impl fmt::Display) -> Tag {
        Tag { key: key.to_owned(), value: value.to_string() }
    }

    #[test]
    fn marks_are_read_back_as_they_were_written() {
        let row = Row { since: at(-60), until: at(60) };
        let floor = Floor { instances: 20, until: at(60) };
        let tags = [
            tag(Direction::Up.key(), row),
            tag(Direction::Down.key(), row),
            tag(FLOOR, floor),
            tag(PAUSE_UNTIL, time::format(at(60))),
            tag("lambda-scale/leaving/i-1", time::format(at(-60))),
            tag("Name", "workers"),
        ];
        let marks = Marks::read(&tags, at(0));
        let expected = Marks {
            scale_down: Some(row),
            scale_up: Some(row),
            pause_until: Some(at(60)),
            floor: Some(floor),
            leaving: [("i-1".to_owned(), at(-60))].into(),
            problems: Vec::new(),
        };
        assert_eq!(marks, expected, "{tags:?}");
        // Whatever has its time behind it has no effect.
        assert_eq!(Marks::read(&tags, at(60)), Marks { leaving: expected.leaving, ..Marks::default() });
    }

    #[test]
    fn what_cannot_be_read_has_no_effect_and_is_told() {
        for (key, value) in [
            ("lambda-scale/floor", "twenty 2027-01-15T08:00:00Z"),
            ("lambda-scale/floor", "-1 2027-01-15T08:00:00Z"),
            ("lambda-scale/floor", "20"),
            ("lambda-scale/pause-until", "tomorrow"),
            ("lambda-scale/pause-until", ""),
            ("lambda-scale/scale-up-since", "2027-01-15T08:00:00Z"),
            ("lambda-scale/leaving/i-1", "yesterday"),
            ("lambda-scale/pause-untill", "2027-01-15T08:00:00Z"),
        ] {
            let marks = Marks::read(&[tag(key, value)], at(0));
            assert_eq!(marks.problems.len(), 1, "{key} {value}");
            assert!(marks.problems[0].starts_with(&format!("the tag {key} has no effect")), "{marks:?}");
            assert_eq!(Marks { problems: Vec::new(), ..marks }, Marks::default());
        }
    }

    #[test]
    fn a_row_is_written_when_it_begins_and_when_half_its_life_is_over() {
        let life = SignedDuration::from_secs(600);
        let (row, change) = Row::continued(None, Direction::Down, at(0), life);
        assert_eq!(row, Row { since: at(0), until: at(600) });
        assert!(change.is_some());
        assert_eq!(Row::continued(Some(row), Direction::Down, at(300), life), (row, None));
        let (later, change) = Row::continued(Some(row), Direction::Down, at(301), life);
        assert_eq!(later, Row { since: at(0), until: at(901) });
        assert!(change.is_some());
    }
}
