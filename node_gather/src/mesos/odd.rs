//! Fields of one agent, task, or framework that do not have the form that masters send.
//!
//! They do not refuse the state: nothing is known of what they say, and everything else is read.

use std::fmt;

/// A field that cannot be read. Of several, the least is kept, so that their order does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OddField {
    /// Its path in the document.
    pub path: &'static str,
    /// What is odd about it.
    pub oddity: Oddity,
}

/// What is odd about a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Oddity {
    /// It must be there, and is not.
    Missing,
    /// It occurs again; which one counts is not known.
    Repeated,
    /// Its value is of another type.
    Type {
        /// Of which.
        found: &'static str,
        /// Of which it should be.
        expected: &'static str,
    },
}

impl OddField {
    /// Keeps it, unless a lesser one is kept.
    pub fn keep_in(self, least: &mut Option<Self>) {
        *least = Some(least.map_or(self, |least| least.min(self)));
    }
}

impl fmt::Display for OddField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, oddity } = self;
        match oddity {
            Oddity::Missing => write!(f, "{path} is missing"),
            Oddity::Repeated => write!(f, "{path} occurs twice"),
            Oddity::Type { found, expected } => write!(f, "{path} is {found}, expected {expected}"),
        }
    }
}
