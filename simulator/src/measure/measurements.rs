//! The measurements of one run, by the names of docs/simulate.md.

use std::collections::BTreeMap;

use serde::Serialize;
use shared::clause::Clause;

/// Writes the struct and its list of names from one table, so that neither lacks a measurement.
macro_rules! measurements {
    ($($name:ident $meaning:literal,)*) => {
        /// A measurement that is one number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[expect(non_camel_case_types, reason = "the names of docs/simulate.md")]
        pub enum Measurement {
            $(#[doc = $meaning] $name,)*
        }

        impl Measurement {
            /// Every one, in the order in which they are always listed.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// What it means.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => $meaning,)*
                }
            }
        }

        /// The measurements of one run. They are computed at its end from whole numbers.
        #[derive(Clone, Debug, Default, PartialEq, Serialize)]
        pub struct Measurements {
            $(#[doc = $meaning] pub $name: f64,)*
            /// For how many minutes a change was put off, by clause.
            pub back_off_minutes: BTreeMap<Clause, u64>,
        }

        impl Measurements {
            /// One of them.
            #[must_use]
            pub const fn get(&self, measurement: Measurement) -> f64 {
                match measurement {
                    $(Measurement::$name => self.$name,)*
                }
            }
        }
    };
}

measurements! {
    agent_hours "Hours of instances, each from its launch until it is terminated.",
    cost "What they cost.",
    unused_cost "The part of the cost that nothing was allocated for.",
    oracle_agent_hours "The hours that the oracle takes.",
    regret_percent "How much more than the oracle that is.",
    waiting_task_seconds "How long instances of applications waited for room, together.",
    waiting_at_max_task_seconds "The part of it while the group was at its maximum.",
    waited_percent "How many of the instances waited at all.",
    wait_p50_s "Half of the instances waited no longer.",
    wait_p95_s "95% of the instances waited no longer.",
    wait_p99_s "99% of the instances waited no longer.",
    wait_max_s "The longest wait.",
    minutes_with_waiting "For how long something waited.",
    utilization_mean "The mean allocated share of the usable agents, in percent.",
    utilization_p95 "95% of the minutes had no higher one.",
    slack_percent "How much of the agent-hours was not demanded.",
    headroom_violation_minutes "For how long applications could not have grown at once by the percentage that the first configuration promises.",
    scale_ups "How many actions added agents.",
    scale_downs "How many actions removed agents.",
    agents_added "How many agents were requested.",
    agents_removed "How many agents were removed.",
    flaps "How often an action reversed the direction of one within 30 minutes.",
    moved_tasks "How many tasks of services the policy ended.",
    killed_tasks "How many jobs the policy ended; they started again from 0.",
    killed_task_seconds "How long these jobs had run.",
}
