//! Values of options that several commands take. An error says what was expected, and shows a value.

use std::time::Duration;

/// `2h`, `1h 30m`
///
/// # Errors
/// Where it is not a duration.
pub fn duration(text: &str) -> Result<Duration, String> {
    shared::time::duration(text).ok_or_else(|| format!("got {text:?}, expected a duration; write 30m, 2h, or 1d"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_or_refused_with_an_example() {
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("3"), Err("got \"3\", expected a duration; write 30m, 2h, or 1d".to_owned()));
    }
}
