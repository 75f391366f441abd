//! The numbered clauses by which everything is decided, as types: docs/algorithm.md (D, H, U, C, L) and docs/acting.md
//! (R, B, A) state them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A rule: the clauses of one letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// D: scale down by percent.
    ScaleDown,
    /// H: application headroom.
    Headroom,
    /// U: scale up by percent.
    ScaleUp,
    /// C: CPU utilization.
    Cpu,
    /// L: limits.
    Limits,
    /// R: decisions that are never applied.
    Refuse,
    /// B: decisions that a later run may apply.
    BackOff,
    /// A: how a decision is applied.
    Apply,
    /// A rule of a custom check, or of a newer version.
    Custom,
}

impl Rule {
    /// Its letter.
    #[must_use]
    pub const fn letter(self) -> &'static str {
        match self {
            Self::ScaleDown => "D",
            Self::Headroom => "H",
            Self::ScaleUp => "U",
            Self::Cpu => "C",
            Self::Limits => "L",
            Self::Refuse => "R",
            Self::BackOff => "B",
            Self::Apply => "A",
            Self::Custom => "custom",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.letter())
    }
}

/// Writes the enum and its two tables from one list, so that no clause is missing from one of them.
macro_rules! clauses {
    ($($clause:ident $rule:ident $meaning:literal,)*) => {
        /// A clause: the paragraph that decided. [`Clause::Custom`] stands for one that this version does not know.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Clause {
            $(#[doc = $meaning] $clause,)*
            /// A clause of a custom check, or of a newer version.
            Custom,
        }

        impl Clause {
            /// Every clause of the two pages, in their order.
            pub const ALL: &'static [Self] = &[$(Self::$clause),*];

            /// Its name as the pages and messages have it, such as `D3`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$clause => stringify!($clause),)*
                    Self::Custom => "custom",
                }
            }

            /// What it is about, in a sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$clause => $meaning,)*
                    Self::Custom => "A clause of a custom check, or of a newer version.",
                }
            }

            /// The rule that it belongs to.
            #[must_use]
            pub const fn rule(self) -> Rule {
                match self {
                    $(Self::$clause => Rule::$rule,)*
                    Self::Custom => Rule::Custom,
                }
            }
        }
    };
}

clauses! {
    D1 ScaleDown "When the pool is under the threshold.",
    D2 ScaleDown "Agents are removed while the pool is under the threshold.",
    D3 ScaleDown "What stops the removal.",
    D4 ScaleDown "No removal on an incomplete snapshot.",
    D5 ScaleDown "A pool without agents or resources.",
    D6 ScaleDown "The fewest agents that the other rules accept.",
    D7 ScaleDown "How many more a scale-down leaves.",
    D8 ScaleDown "Whether agents are closed first.",
    H1 Headroom "How much an application needs to grow.",
    H2 Headroom "What is needed, compared with what is free in total.",
    H3 Headroom "What is needed, placed as whole tasks on single agents.",
    H4 Headroom "Agents that are kept, then agents that are added.",
    H5 Headroom "Tasks that fit no agent, not even an empty one.",
    H6 Headroom "A pool without usable agents.",
    H9 Headroom "What has been learned of the growth of demand.",
    H12 Headroom "Applications of which an agent holds only so many instances, and daemons.",
    U1 ScaleUp "When agents are kept or added.",
    U2 ScaleUp "Resources that a new agent has none of.",
    C1 Cpu "CPU utilization above the threshold.",
    C2 Cpu "CPU utilization below the lower threshold.",
    C3 Cpu "The same load on the agents that stay.",
    C4 Cpu "CPU utilization in between.",
    C5 Cpu "CPU utilization that is not known.",
    L0 Limits "Expired snapshots and paused pools.",
    L1 Limits "The limits min and max.",
    L2 Limits "The step limits.",
    L3 Limits "Partial and blind snapshots.",
    L4 Limits "The state of the decision.",
    L5 Limits "How many agents are wanted before the step limit.",
    R1 Refuse "A decision that is never applied.",
    B1 BackOff "A launch that the snapshot could not count.",
    B2 BackOff "The group is not settled, or its cooldown lasts.",
    B3 BackOff "In-flight capacity covers what is needed, or launches are in progress.",
    B4 BackOff "Auto Scaling asks to wait.",
    B5 BackOff "Launches that fail, instances that never join.",
    A1 Apply "How a decision is applied.",
}

impl Clause {
    /// The clause of that name; [`Clause::Custom`] where there is none.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        Self::ALL.iter().copied().find(|clause| clause.name() == name).unwrap_or(Self::Custom)
    }
}

/// A reason as people read it, its clause first where one decided: `B2: last activity ended 4m ago`.
#[must_use]
pub fn explain(clause: Option<Clause>, reason: &str) -> String {
    match clause {
        Some(clause) => format!("{clause}: {reason}"),
        None => reason.to_owned(),
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Clause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Clause {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Ok(Self::from_name(&name))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Clause {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Clause".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        const MEANING: &str =
            "A clause of docs/algorithm.md or docs/acting.md, such as D3; any other string is that of a custom check.";
        schemars::json_schema!({ "type": "string", "description": MEANING })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clause_bears_its_rules_letter() {
        for clause in Clause::ALL {
            assert!(clause.name().starts_with(clause.rule().letter()), "{clause}");
            assert_eq!(Clause::from_name(clause.name()), *clause);
        }
    }

    #[test]
    fn clauses_of_other_checks_are_read_as_custom() {
        let clauses: Vec<Clause> = serde_json::from_str(r#"["D3","H99","","my rule"]"#).unwrap();
        assert_eq!(clauses, [Clause::D3, Clause::Custom, Clause::Custom, Clause::Custom]);
        assert_eq!(serde_json::to_string(&clauses).unwrap(), r#"["D3","custom","custom","custom"]"#);
    }
}
