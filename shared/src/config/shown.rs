//! What a message shows of a value. A configuration may hold a secret anywhere, by mistake, so a string is shown only where it
//! cannot be one: an amount with its unit, or a typing error of a known word.

use toml::Value;

use crate::text::nearest;

/// The type of a value, for messages that do not repeat the value.
pub(super) const fn type_of(value: &Value) -> &'static str {
    match value {
        Value::String(text) if text.is_empty() => "an empty string",
        Value::String(_) => "a string",
        Value::Integer(_) => "an integer",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "a boolean",
        Value::Datetime(_) => "a time",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

/// A value as the configuration has it, or its type.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if is_amount(text) => value.to_string(),
        Value::String(_) | Value::Array(_) | Value::Table(_) => type_of(value).to_owned(),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => value.to_string(),
    }
}

/// The same for a value that should be one of these words.
pub(super) fn shown_word(value: &Value, words: &[&str]) -> String {
    if value.as_str().is_some_and(|text| typed(text, words).is_some()) { value.to_string() } else { shown(value) }
}

/// The known word that a text is a typing error of: so near to it that it can hold nothing else.
pub(super) fn typed<'a>(text: &str, words: &[&'a str]) -> Option<&'a str> {
    const MAX_EDITS: usize = 3;
    let edits = |word: &&str| strsim::osa_distance(text, word);
    let near = nearest(text, words.iter().copied()).first().copied();
    // Of a short word, two swapped letters are a large part.
    near.filter(|word| edits(word) <= MAX_EDITS).or_else(|| words.iter().copied().find(|word| edits(word) <= 1))
}

/// Whether a text is made of numbers and units: `85 %`, `1h 30m`, `4GB`.
fn is_amount(text: &str) -> bool {
    const MAX_CHARS: usize = 20;
    let units = text.split(|c: char| !c.is_ascii_alphabetic()).filter(|unit| !unit.is_empty());
    text.len() <= MAX_CHARS
        && text.contains(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || " .,+-%".contains(c))
        && units.into_iter().all(|unit| UNITS.contains(&unit.to_ascii_lowercase().as_str()))
}

const UNITS: [&str; 37] = [
    "e", "ms", "s", "sec", "secs", "second", "seconds", "m", "min", "mins", "minute", "minutes", "h", "hr", "hrs",
    "hour", "hours", "d", "day", "days", "w", "week", "weeks", "b", "k", "kb", "kib", "mb", "mib", "g", "gb", "gib",
    "t", "tb", "tib", "percent", "cpus",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_and_other_strings_are_not() {
        for text in ["85%", "0.8", "1h 30m", "400 days", "4GB", "-1", "1e3", "1,5"] {
            assert_eq!(shown(&text.into()), format!("{text:?}"));
        }
        for text in ["hunter2", "5ecret", "canary-5ecret", "tomorrow", "12345678901234567890 s", "5 s\n"] {
            assert_eq!(shown(&text.into()), "a string", "{text}");
        }
        assert_eq!(shown(&"".into()), "an empty string");
        assert_eq!(shown(&Value::Array(vec!["a".into()])), "a list");
        assert_eq!(shown(&0.8.into()), "0.8");
    }

    #[test]
    fn a_word_is_shown_only_next_to_a_known_one() {
        let words = ["least_loaded", "desired_capacity", "drain"];
        let shown = |text: &str| shown_word(&text.into(), &words);
        assert_eq!(shown("drained"), "\"drained\"");
        assert_eq!(shown("drain-hunter2"), "a string");
        assert_eq!(shown("hunter2"), "a string");
    }
}
