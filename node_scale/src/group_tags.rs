//! The little state that must outlast a run, in tags of the group: read with the describe that is done anyway, written only
//! when it changes (docs/acting.md).
//!
//! | tag | value | written by |
//! |---|---|---|
//! | `lambda-scale/needed` | `<slot> <n1> ... <n6>` | node_scale |
//! | `lambda-scale/scale-up-since` | `<since> <until>` | node_scale |
//! | `lambda-scale/decommission/<instance>` | `<since>` | node_scale |
//! | `lambda-scale/closing-refused` | `<until>` | node_scale |
//! | `lambda-scale/tried` | `<until>` | node_scale |
//! | `lambda-scale/pause-until` | `<until>` | operators |
//! | `lambda-scale/floor` | `<instances> <until>` | operators |
//! | `lambda-scale/managed` | any | operators, for the IAM policy |
//!
//! An expired tag has no effect. One that cannot be read is reported; an operator's then has the safest effect: a pause pauses, a
//! floor stops removals. One of another name has no effect, and is reported with the nearest name.

mod until;

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use shared::group::{CLOSING_REFUSED_TAG, TRIED_TAG};
use shared::text::nearest;
use shared::time;

use crate::state::Tag;

pub use until::Until;

/// The tag of [`GroupTags::needed`].
pub const NEEDED: &str = "lambda-scale/needed";
/// The tag of [`GroupTags::scale_up`].
pub const SCALE_UP_SINCE: &str = "lambda-scale/scale-up-since";
/// The tag of [`GroupTags::closing_refused`].
pub const CLOSING_REFUSED: &str = CLOSING_REFUSED_TAG;
/// The tag of [`GroupTags::tried`].
pub const TRIED: &str = TRIED_TAG;
/// What the names of all these tags begin with.
pub const PREFIX: &str = "lambda-scale/";
/// The tag of [`GroupTags::pause_until`].
pub const PAUSE_UNTIL: &str = "lambda-scale/pause-until";
/// The tag of [`GroupTags::floor`].
pub const FLOOR: &str = "lambda-scale/floor";

/// The names of the tags that operators set, after the prefix: only these are mistyped.
const OF_OPERATORS: [&str; 3] = ["pause-until", "floor", "managed"];

/// What the tags of decommissioning agents begin with; the instance follows.
const DECOMMISSION: &str = "decommission/";

/// What the tags of a group say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupTags {
    /// D6: how many agents were needed lately.
    pub needed: Option<Needs>,
    /// Decisions that add agents and were held back by a launch.
    pub scale_up: Option<Streak>,
    /// No change for a time.
    pub pause: Option<Pause>,
    /// A minimum for a time.
    pub floor: Option<Floor>,
    /// Whether there is a minimum that cannot be read.
    pub floor_is_unreadable: bool,
    /// D8: until when the masters are not asked to close agents, because they refused it. It may be over.
    pub closing_refused: Option<Timestamp>,
    /// A: until when no agent is tried, because one was. It may be over.
    pub tried: Option<Timestamp>,
    /// The instances whose agents node_scale decommissions, and since when; `None` where that cannot be read. Agents that an
    /// operator deactivated are not among them.
    pub decommissioning: BTreeMap<String, Option<Timestamp>>,
    /// What is wrong with tags that cannot be read, or are unknown.
    pub problems: Vec<String>,
}

/// D6: the highest number of agents that was needed in each of the last slots of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// The newest slot: a slot's number is its start, in its own lengths since 1970.
    pub newest: i64,
    /// The slots, newest first; `None` where no decision that arrived said how many, and for those that a short window does not have.
    pub slots: [Option<u32>; SLOTS],
}

impl Needs {
    /// The same, with what the newest slot needed: it keeps the highest number, of decisions and of two stacks with one group.
    #[must_use]
    pub fn with(mut self, needed: u32) -> Self {
        if let Some(slot) = self.slots.first_mut() {
            *slot = Some(slot.unwrap_or(0).max(needed));
        }
        self
    }
}

/// How many slots a window has at most.
pub const SLOTS: usize = 6;

/// Consecutive decisions that add agents, from the first one on. The streak is broken where `until` passes without another
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Streak {
    /// When node_scale received the first one.
    pub since: Timestamp,
    /// When the streak is broken without another one.
    pub until: Timestamp,
}

/// An operator's pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// Until then.
    Until(Until),
    /// Its end cannot be read.
    Unreadable,
}

/// A minimum that an operator set for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floor {
    /// The fewest instances.
    pub instances: u32,
    /// Until when.
    pub until: Until,
}

/// The direction of a process or a cooldown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// More agents.
    Up,
    /// Fewer agents.
    Down,
}

/// A change to the tags of a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TagChange {
    /// Writes a tag.
    Set {
        /// Its name.
        key: String,
        /// Its new value.
        value: String,
    },
    /// Deletes one.
    Delete {
        /// Its name.
        key: String,
    },
}

impl TagChange {
    /// The agent of an instance is decommissioning.
    #[must_use]
    pub fn decommission(instance: &str, since: Timestamp) -> Self {
        Self::Set { key: format!("{PREFIX}{DECOMMISSION}{instance}"), value: time::format(since) }
    }

    /// D8: the masters refuse calls about agents.
    #[must_use]
    pub fn closing_refused(until: Timestamp) -> Self {
        Self::Set { key: CLOSING_REFUSED.to_owned(), value: time::format(until) }
    }

    /// They may be asked again.
    #[must_use]
    pub fn end_closing_refused() -> Self {
        Self::Delete { key: CLOSING_REFUSED.to_owned() }
    }

    /// A: an agent is requested only to see what a new one has.
    #[must_use]
    pub fn tried(until: Timestamp) -> Self {
        Self::Set { key: TRIED.to_owned(), value: time::format(until) }
    }

    /// Another one may be tried.
    #[must_use]
    pub fn end_tried() -> Self {
        Self::Delete { key: TRIED.to_owned() }
    }

    /// It no longer is.
    #[must_use]
    pub fn end_decommission(instance: &str) -> Self {
        Self::Delete { key: format!("{PREFIX}{DECOMMISSION}{instance}") }
    }
}

impl GroupTags {
    /// Reads them among all tags of a group.
    #[must_use]
    pub fn read(tags: &[Tag], now: Timestamp) -> Self {
        let mut found = Self::default();
        for tag in tags {
            let wrong = match tag.key.strip_prefix(PREFIX) {
                Some(name) => found.add(name, tag.value.trim(), now),
                None => name_in_other_letters(&tag.key).map(|_| Wrong::Name),
            };
            found.problems.extend(wrong.map(|wrong| wrong.text(tag)));
        }
        found
    }

    /// Adds a tag by its name after the prefix. Returns what is wrong with it.
    fn add(&mut self, name: &str, value: &str, now: Timestamp) -> Option<Wrong> {
        use Wrong::{Name, Value};
        const NO_EFFECT: &str = "it has no effect; delete it";
        match name {
            "needed" => match Needs::read(value) {
                Some(needs) => self.needed = Some(needs),
                None => return Some(Value("what was needed is unknown; it is written anew")),
            },
            "scale-up-since" => match Streak::read(value) {
                Some(streak) => self.scale_up = streak.unbroken(now),
                None => return Some(Value(NO_EFFECT)),
            },
            "pause-until" => match Until::parse(value) {
                Some(until) => self.pause = (!until.is_over(now)).then_some(Pause::Until(until)),
                None => {
                    self.pause = Some(Pause::Unreadable);
                    return Some(Value("the group is paused; write a time, a date, or forever, or delete the tag"));
                }
            },
            "floor" => match Floor::read(value) {
                Some(floor) => self.floor = Some(floor).filter(|floor| !floor.until.is_over(now)),
                None => {
                    self.floor_is_unreadable = true;
                    return Some(Value(
                        "nothing is removed; write a number and a time, such as 20 2026-12-24T18:00:00Z, or delete the tag",
                    ));
                }
            },
            "closing-refused" => match value.parse() {
                Ok(until) => self.closing_refused = Some(until),
                Err(_) => return Some(Value(NO_EFFECT)),
            },
            "tried" => match value.parse() {
                Ok(until) => self.tried = Some(until),
                Err(_) => return Some(Value(NO_EFFECT)),
            },
            // The IAM policy may require it; it says nothing to this function.
            "managed" => {}
            _ => {
                let Some(instance) = name.strip_prefix(DECOMMISSION) else { return Some(Name) };
                let since = value.parse().ok();
                self.decommissioning.insert(instance.to_owned(), since);
                if since.is_none() {
                    return Some(Value("its agent is not drained; write the time since when it is deactivated"));
                }
            }
        }
        None
    }
}

/// What is wrong with a tag.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    /// Its value cannot be read: what that means, and what to do.
    Value(&'static str),
    /// No tag has its name.
    Name,
}

impl Wrong {
    /// What the note says.
    fn text(self, tag: &Tag) -> String {
        let key = &tag.key;
        match self {
            Self::Value(effect) => {
                let text: String = tag.value.trim().chars().take(60).collect();
                format!("the tag {key} cannot be read, {text:?}: {effect}")
            }
            Self::Name => {
                let name = name_in_other_letters(key).unwrap_or(key);
                let instead = nearest(name, OF_OPERATORS)
                    .first()
                    .map_or_else(|| "delete it".to_owned(), |near| format!("write {PREFIX}{near}"));
                format!("the tag {key} is unknown and has no effect; {instead}")
            }
        }
    }
}

/// The name after the prefix, whether or not that is in small letters.
fn name_in_other_letters(key: &str) -> Option<&str> {
    let (prefix, name) = key.split_at_checked(PREFIX.len())?;
    prefix.eq_ignore_ascii_case(PREFIX).then_some(name)
}

impl Streak {
    /// The streak with one more decision in it; what must be written for that, if anything.
    #[must_use]
    pub fn continued(streak: Option<Self>, now: Timestamp, life: SignedDuration) -> (Self, Option<TagChange>) {
        let until = now.saturating_add(life).unwrap_or(Timestamp::MAX);
        match streak {
            // Written anew only where half of its life is over, so that a streak costs few calls.
            Some(streak) if streak.until.duration_since(now).saturating_mul(2) >= life => (streak, None),
            streak => {
                let streak = Self { since: streak.map_or(now, |streak| streak.since), until };
                (streak, Some(TagChange::Set { key: SCALE_UP_SINCE.to_owned(), value: streak.to_string() }))
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

impl Needs {
    fn read(value: &str) -> Option<Self> {
        let mut words = value.split_whitespace();
        let newest = words.next()?.parse().ok()?;
        let mut slots = [None; SLOTS];
        for slot in &mut slots {
            *slot = match words.next()? {
                "-" => None,
                number => Some(number.parse().ok()?),
            };
        }
        words.next().is_none().then_some(Self { newest, slots })
    }
}

impl Floor {
    fn read(value: &str) -> Option<Self> {
        let (instances, until) = value.split_once(char::is_whitespace)?;
        Some(Self { instances: instances.parse().ok()?, until: Until::parse(until)? })
    }
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Until(Until::Forever) => f.write_str("forever"),
            Self::Until(until) => write!(f, "until {until}"),
            Self::Unreadable => f.write_str("until an operator corrects it"),
        }
    }
}

impl fmt::Display for Streak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", time::format(self.since), time::format(self.until))
    }
}

impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.newest)?;
        self.slots.iter().try_for_each(|slot| match slot {
            Some(needed) => write!(f, " {needed}"),
            None => f.write_str(" -"),
        })
    }
}

impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.instances, self.until)
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
    fn tags_are_read_back_as_they_were_written() {
        let streak = Streak { since: at(-60), until: at(60) };
        let needs = Needs { newest: 12_000_000, slots: [Some(12), None, Some(0), Some(7), None, Some(u32::MAX)] };
        assert_eq!(needs.to_string(), "12000000 12 - 0 7 - 4294967295");
        let floor = Floor { instances: 20, until: Until::Time(at(60)) };
        let tags = [
            tag(SCALE_UP_SINCE, streak),
            tag(NEEDED, needs),
            tag(FLOOR, floor),
            tag(PAUSE_UNTIL, time::format(at(60))),
            tag("lambda-scale/decommission/i-1", time::format(at(-60))),
            tag(CLOSING_REFUSED, time::format(at(60))),
            tag(TRIED, time::format(at(120))),
            tag("Name", "workers"),
            tag("lambda-scale/managed", "true"),
        ];
        let found = GroupTags::read(&tags, at(0));
        let expected = GroupTags {
            needed: Some(needs),
            scale_up: Some(streak),
            pause: Some(Pause::Until(Until::Time(at(60)))),
            floor: Some(floor),
            floor_is_unreadable: false,
            closing_refused: Some(at(60)),
            tried: Some(at(120)),
            decommissioning: [("i-1".to_owned(), Some(at(-60)))].into(),
            problems: Vec::new(),
        };
        assert_eq!(found, expected, "{tags:?}");
        // What has expired has no effect.
        assert_eq!(
            GroupTags::read(&tags, at(60)),
            GroupTags {
                decommissioning: expected.decommissioning,
                needed: expected.needed,
                closing_refused: expected.closing_refused,
                tried: expected.tried,
                ..GroupTags::default()
            }
        );
    }

    #[test]
    fn an_unreadable_tag_has_the_safest_effect_and_a_note() {
        let none = GroupTags::default;
        let paused = || GroupTags { pause: Some(Pause::Unreadable), ..none() };
        let kept = || GroupTags { floor_is_unreadable: true, ..none() };
        for (key, value, expected) in [
            ("lambda-scale/floor", "twenty 2027-01-15T08:00:00Z", kept()),
            ("lambda-scale/floor", "-1 2027-01-15T08:00:00Z", kept()),
            ("lambda-scale/floor", "20", kept()),
            ("lambda-scale/floor", "20 soon", kept()),
            ("lambda-scale/pause-until", "tomorrow", paused()),
            ("lambda-scale/pause-until", "", paused()),
            ("lambda-scale/scale-up-since", "2027-01-15T08:00:00Z", none()),
            (
                "lambda-scale/decommission/i-1",
                "yesterday",
                GroupTags { decommissioning: [("i-1".to_owned(), None)].into(), ..none() },
            ),
            ("lambda-scale/closing-refused", "yes", none()),
            ("lambda-scale/tried", "yes", none()),
            ("lambda-scale/needed", "", none()),
            ("lambda-scale/needed", "12 1 2 3 4 5", none()),
            ("lambda-scale/needed", "12 1 2 3 4 5 6 7", none()),
            ("lambda-scale/needed", "12 1 2 3 4 5 -1", none()),
            ("lambda-scale/needed", "12 1 2 3 4 5 99999999999", none()),
        ] {
            let found = GroupTags::read(&[tag(key, value)], at(0));
            assert_eq!(found.problems.len(), 1, "{key} {value}");
            assert!(found.problems[0].starts_with(&format!("the tag {key} cannot be read, {value:?}: ")), "{found:?}");
            assert_eq!(GroupTags { problems: Vec::new(), ..found }, expected);
        }
    }

    #[test]
    fn a_mistyped_name_has_no_effect_and_a_note_with_the_nearest() {
        let pause = "write lambda-scale/pause-until";
        let (floor, managed) = ("write lambda-scale/floor", "write lambda-scale/managed");
        for (key, instead) in [
            ("lambda-scale/pause-untill", pause),
            ("lambda-scale/pause_until", pause),
            ("lambda-scale/paused", pause),
            ("lambda-scale/pause", pause),
            ("lambda-scale/PauseUntil", pause),
            ("lambda-scale/Pause-Until", pause),
            ("Lambda-Scale/pause-until", pause),
            ("LAMBDA-SCALE/PAUSE_UNTIL", pause),
            ("lambda-scale/Floor", floor),
            ("lambda-scale/flor", floor),
            ("Lambda-Scale/floor", floor),
            ("lambda-scale/manage", managed),
            // What resembles none of them may be of a newer release, or a tag that only node_scale writes.
            ("lambda-scale/owner", "delete it"),
            ("lambda-scale/", "delete it"),
            ("lambda-scale/Needed", "delete it"),
            ("Lambda-Scale/decommission/i-1", "delete it"),
        ] {
            let found = GroupTags::read(&[tag(key, "forever")], at(0));
            let problems = vec![format!("the tag {key} is unknown and has no effect; {instead}")];
            assert_eq!(found, GroupTags { problems, ..GroupTags::default() });
        }
        for of_others in ["lambda-scaler/pause-until", "lambda-scale", "pause-until", "L\u{e4}mbda-scale/floor", ""] {
            assert_eq!(GroupTags::read(&[tag(of_others, "forever")], at(0)), GroupTags::default(), "{of_others}");
        }
    }

    #[test]
    fn a_pause_has_any_form_of_an_end() {
        for value in ["2099-01-01", "2099-01-01T00:00:00", "forever", "9999-12-31T23:59:59Z", "2027-01-15"] {
            let found = GroupTags::read(&[tag(PAUSE_UNTIL, value)], at(0));
            assert!(matches!(found.pause, Some(Pause::Until(_))) && found.problems.is_empty(), "{value}: {found:?}");
        }
        let floor = GroupTags::read(&[tag(FLOOR, "20 forever")], at(0)).floor;
        assert_eq!(floor, Some(Floor { instances: 20, until: Until::Forever }));
        for value in ["2027-01-14", "2027-01-15T08:00:00", "2020-02-02T20:20:20Z"] {
            assert_eq!(GroupTags::read(&[tag(PAUSE_UNTIL, value)], at(0)), GroupTags::default(), "{value}");
        }
    }

    #[test]
    fn a_streak_is_written_at_its_start_and_at_half_its_life() {
        let life = SignedDuration::from_secs(600);
        let (streak, change) = Streak::continued(None, at(0), life);
        assert_eq!(streak, Streak { since: at(0), until: at(600) });
        assert!(change.is_some());
        assert_eq!(Streak::continued(Some(streak), at(300), life), (streak, None));
        let (later, change) = Streak::continued(Some(streak), at(301), life);
        assert_eq!(later, Streak { since: at(0), until: at(901) });
        assert!(change.is_some());
    }
}
