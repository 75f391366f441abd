//! What is wrong in a configuration.

use std::fmt;

use thiserror::Error;

use crate::text::counted;

/// One thing that is wrong in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, such as `pools[0].min`.
    pub path: String,
    /// What was found, what was expected, and what to write instead.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.text) } else { write!(f, "{}: {}", self.path, self.text) }
    }
}

/// Everything that is wrong in a configuration, in its order. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in the configuration", counted(self.0.len(), "problem"))?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}
