//! Numbers and times as people read them. A number that is none is a dash, never `NaN`.

use jiff::{SignedDuration, Timestamp};

/// Where there is no number.
pub(super) const NONE: &str = "–";

/// With so many decimals, and thin spaces between thousands.
pub(super) fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return NONE.to_owned();
    }
    let text = format!("{:.decimals$}", value.abs());
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    if value < 0.0 && text.bytes().any(|digit| (b'1'..=b'9').contains(&digit)) {
        grouped.push('−');
    }
    for (index, digit) in whole.chars().enumerate() {
        // A number of four digits is read at a glance.
        if index > 0 && (whole.len() - index).is_multiple_of(3) && whole.len() > 4 {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped + rest
}

/// With the decimals that its size needs: `0.05`, `3.4`, `120`.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    let is_whole = (value - value.round()).abs() < 1e-9;
    fixed(
        value,
        if is_whole || size >= 100.0 {
            0
        } else if size >= 1.0 {
            1
        } else {
            2
        },
    )
}

/// A change in percent, with its sign.
pub(super) fn change(percent: f64) -> String {
    if !percent.is_finite() {
        return NONE.to_owned();
    }
    let text = fixed(percent, if percent.abs() >= 1000.0 { 0 } else { 1 });
    let is_plus = percent > 0.0 && text.bytes().any(|digit| (b'1'..=b'9').contains(&digit));
    if is_plus { format!("+{text}%") } else { text + "%" }
}

/// A duration of so many seconds: `45s`, `3m 20s`, `2h 5m`.
pub(super) fn seconds(seconds: f64) -> String {
    if !seconds.is_finite() {
        return NONE.to_owned();
    }
    #[expect(clippy::cast_possible_truncation, reason = "no wait is 2^63 s long, and the cast saturates")]
    let whole = seconds.round() as i64;
    duration(SignedDuration::from_secs(whole))
}

/// The two largest units of a duration.
pub(super) fn duration(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().unsigned_abs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let two = |large: u64, unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large}{unit}"),
        small => format!("{large}{unit} {small}{small_unit}"),
    };
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, minutes) => two(minutes, "m", seconds % 60, "s"),
        (0, hours, minutes) => two(hours, "h", minutes, "m"),
        (days, hours, _) => two(days, "d", hours, "h"),
    }
}

/// `2014-07-01 09:30`, in UTC.
pub(super) fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M").to_string()
}

/// The end of a name that is too long, where the file's name is; whole folders where they fit.
pub(super) fn tail(name: &str, most: usize) -> String {
    let length = name.chars().count();
    if length <= most {
        return name.to_owned();
    }
    let end: String = name.chars().skip(length - most.saturating_sub(1)).collect();
    let whole = end.split_once('/').filter(|(_, file)| !file.is_empty()).map(|(_, file)| format!("…/{file}"));
    whole.unwrap_or_else(|| format!("…{end}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_decimals_that_they_need() {
        let texts = [0.0, 0.051, 3.44, 12.0, 120.4, 1234.5, 98_765.4, 1_234_567.0, -3.25].map(number);
        let expected = ["0", "0.05", "3.4", "12", "120", "1234", "98\u{202f}765", "1\u{202f}234\u{202f}567", "−3.2"];
        assert_eq!(texts, expected);
        assert_eq!([f64::NAN, f64::INFINITY].map(number), [NONE, NONE]);
    }

    #[test]
    fn a_change_has_a_sign_unless_it_is_none() {
        let texts = [12.34, -7.0, 0.0, 0.01, -0.01, 123_456.0, f64::NAN].map(change);
        assert_eq!(texts, ["+12.3%", "−7.0%", "0.0%", "0.0%", "0.0%", "+123\u{202f}456%", NONE]);
    }

    #[test]
    fn durations_have_two_units() {
        let texts = [0.0, 59.6, 200.0, 7500.0, 90_000.0, f64::NAN].map(seconds);
        assert_eq!(texts, ["0s", "1m", "3m 20s", "2h 5m", "1d 1h", NONE]);
    }

    #[test]
    fn a_long_name_keeps_its_end() {
        let names =
            [("a.toml", 6), ("folder/a.toml", 10), ("folder/a.toml", 7), ("a/long-name.toml", 10), ("folder/", 4)];
        let tails = names.map(|(name, most)| tail(name, most));
        assert_eq!(tails, ["a.toml", "…/a.toml", "…a.toml", "…name.toml", "…er/"]);
    }
}
