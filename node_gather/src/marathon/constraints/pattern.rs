//! A pattern that a value must match as a whole, or must not.

use std::cmp::Ordering;
use std::sync::OnceLock;

use regex_lite::Regex;

/// A longer pattern is not compared: it takes memory and time.
const MAX_PATTERN_BYTES: usize = 500;

/// A pattern of Java, which is compiled when it is first compared.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    text: String,
    /// `None` where it is no pattern here.
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it matches the whole value; `None` where it is no pattern here.
    pub(super) fn matches(&self, value: &str) -> Option<bool> {
        let compile = || {
            let text = Some(&self.text).filter(|text| text.len() <= MAX_PATTERN_BYTES)?;
            Regex::new(&format!("^(?:{text})$")).ok()
        };
        Some(self.compiled.get_or_init(compile).as_ref()?.is_match(value))
    }
}

impl From<String> for Pattern {
    fn from(text: String) -> Self {
        Self { text, compiled: OnceLock::new() }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl PartialOrd for Pattern {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pattern {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}
