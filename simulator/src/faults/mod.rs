//! Thousands of small worlds in which anything goes wrong, and what must hold in all of them.
//!
//! ```text
//!  seed ──▶ Case ──▶ world::World ──events──▶ Chain: node_gather ─▶ node_process ─▶ node_scale, step by step
//!             │          ▲                      │    messages and calls that are lost, doubled, late, torn
//!             └─ faults ─┘                      └──▶ Checks: what was planned and written, against what was read ──▶ Violation
//! ```
//!
//! A seed turns each class of faults on with a probability of one half, and gives it a rate of its own. Most failures need two or
//! three classes at once, and hardly any needs all: a world with everything on never gets far enough. After hours of faults
//! comes calm: they end, what people did is undone, the demand stays. From the end of the longest hold on, nothing may wait that
//! can be placed, and what is not needed must go. Then demand grows once more, and must be served as fast as the steps allow.
//!
//! - [`case`]: what a seed stands for, as options that can be read and taken away
//! - `chain`: the three stages as a [`Policy`](crate::policy::Policy); `scale` is an invocation of node_scale, call by call
//! - `learning`: what a pool learns, and where it is stored; `view`: what a master shows to one who may not see all
//! - `checks`: what must hold; `counts`: what they count; `tags`: what they read in the tags of a group; `deactivated`: whose agents
//!   were deactivated by whom
//! - [`canary`]: wrong variants of the product that the checks must catch
//! - [`shrink`]: fewer classes and less time, as long as a case still fails
//!
//! docs/design/fault-simulation.md says why, and lists the invariants.

pub mod canary;
pub mod case;
mod chain;
mod checks;
mod counts;
mod deactivated;
mod learning;
mod scale;
pub mod shrink;
mod tags;
mod view;

use std::collections::BTreeMap;

use crate::policy::Policy as _;
use crate::world::World;
use crate::{MINUTE, Millis};

pub use canary::Canary;
pub use case::{Case, Class};
use chain::Chain;

/// Something that must hold, and did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The name of the invariant, such as `I4 complete`.
    pub invariant: &'static str,
    /// When.
    pub at: Millis,
    /// What was wrong.
    pub what: String,
}

/// What came of a case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The first violation.
    pub violation: Option<Violation>,
    /// What happened, a line each; empty unless it was asked for.
    pub history: Vec<String>,
    /// How often each class struck.
    pub strikes: BTreeMap<Class, u64>,
    /// How many runs of node_gather there were.
    pub runs: u64,
    /// How often the group or its agents were changed.
    pub writes: u64,
}

/// Runs a case to its end, or to its first violation.
#[must_use]
pub fn run(case: &Case, canary: Option<Canary>, keeps_history: bool) -> Outcome {
    let setup = case.setup();
    let mut chain = Chain::new(case, canary, keeps_history);
    let mut world = World::new(&setup, chain.period(), case.seed);
    let mut is_calm = false;
    loop {
        let at = match world.step(&mut chain) {
            Ok(Some(at)) => at,
            Ok(None) => break,
            Err(error) => {
                chain.violate("I10 finite", error.to_string());
                break;
            }
        };
        for fault in world.struck() {
            chain.note_strike(Class::World(*fault), at);
        }
        chain.check_world(&world, at);
        if at >= case.faulty && !is_calm {
            is_calm = true;
            world.end_faults();
            chain.end_faults(at);
        }
        if is_calm && chain.has_settled() {
            chain.grow(case, &mut world, at);
        }
        if chain.is_over() || case.until.is_some_and(|until| at >= until) {
            break;
        }
    }
    chain.finish()
}

/// A time of a history.
pub(crate) fn clock(at: Millis) -> String {
    let (minutes, seconds) = (at / MINUTE, at % MINUTE / 1000);
    format!("{:02}:{:02}:{seconds:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_history_each_time() {
        let case = Case { until: Some(40 * MINUTE), ..Case::of(7) };
        let first = run(&case, None, true);
        assert!(first.history.len() > 40 && first.runs > 5, "{first:?}");
        assert_eq!(first, run(&case, None, true));
    }

    #[test]
    fn what_shows_a_canary_is_no_violation_without_it() {
        for canary in
            [Canary::NoDuplicateGuard, Canary::MembersByCounting, Canary::TrialForgotten, Canary::TagsNeverEnd]
        {
            for seed in 0..8 {
                let case = canary.case(Case::of(seed));
                assert_ne!(case, Case::of(seed));
                assert_eq!(run(&case, None, false).violation, None, "{canary}, seed {seed}");
            }
        }
    }

    #[test]
    fn a_canary_is_caught_and_its_case_made_smaller() {
        let case = Case::of(0);
        let violation = run(&case, Some(Canary::NoPause), false).violation.unwrap();
        assert_eq!(violation.invariant, "pause");
        let smaller = shrink::shrink(&case, Some(Canary::NoPause));
        assert!(smaller.classes.len() < case.classes.len().min(6), "{smaller}");
        assert_eq!(run(&smaller, Some(Canary::NoPause), false).violation.unwrap().invariant, "pause");
    }
}
