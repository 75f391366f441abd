//! Strings and numbers from their bytes. This module reads the usual ones and leaves all others, and all errors, to
//! serde_json, so that one parser defines what is valid.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use shared::resources::Amount;

/// The longest key, string, or number that is read, in bytes. The longest ones of Mesos, ids and attributes, have a few hundred.
pub(super) const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// Numbers with more digits before the point take the slow path, which reports errors.
const MAX_FAST_DIGITS: usize = 10;

/// What stands for a text that is too long, and for each part of a text that is none.
pub(super) const REPLACEMENT: &str = "\u{FFFD}";

/// The string between two quotes; `None` if it is not valid. Bytes that are not UTF-8, and halves of surrogate pairs, are
/// replaced: masters pass on names and attributes as they got them.
#[inline]
pub(super) fn text(bytes: &[u8], has_escapes: bool) -> Option<Cow<'_, str>> {
    if has_escapes {
        return unescaped(bytes).map(Cow::Owned);
    }
    let text = std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed);
    (!has_control_characters(bytes)).then_some(text)
}

/// Whether a byte is below the blank, eight at a time. JSON requires escapes for these.
#[inline]
fn has_control_characters(bytes: &[u8]) -> bool {
    const BLANKS: u64 = 0x2020_2020_2020_2020;
    const HIGHEST: u64 = 0x8080_8080_8080_8080;
    // The lowest byte below the blank borrows, which sets its highest bit. Bytes beyond ASCII have that bit already and
    // are excluded.
    let any = |word: u64| word.wrapping_sub(BLANKS) & !word & HIGHEST != 0;
    let mut rest = bytes;
    while let Some((word, more)) = rest.split_first_chunk() {
        if any(u64::from_le_bytes(*word)) {
            return true;
        }
        rest = more;
    }
    rest.iter().any(|byte| *byte < b' ')
}

#[cold]
fn unescaped(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let parse = |text: &str| serde_json::from_str(&format!("\"{text}\"")).ok();
    parse(&text).or_else(|| parse(&without_half_surrogates(&text)))
}

/// The same with `\ufffd` in place of each escape that is one half of a surrogate pair without the other.
fn without_half_surrogates(text: &str) -> String {
    let mut mended = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        mended.push_str(before);
        let high = surrogate(escape);
        let low = escape.get(ESCAPE_LENGTH..).and_then(surrogate);
        let length = match (high, low) {
            (Some(Half::High), Some(Half::Low)) => 2 * ESCAPE_LENGTH,
            (Some(_), _) => {
                mended.push_str("\\ufffd");
                rest = escape.get(ESCAPE_LENGTH..).unwrap_or_default();
                continue;
            }
            // A backslash and the byte that it escapes. After it may stand a character of several bytes.
            (None, _) => 1 + escape.chars().nth(1).map_or(0, char::len_utf8),
        };
        mended.push_str(escape.get(..length).unwrap_or_default());
        rest = escape.get(length..).unwrap_or_default();
    }
    mended + rest
}

/// The length of `\ud83e`.
const ESCAPE_LENGTH: usize = 6;

/// The half of a surrogate pair that a text begins with.
fn surrogate(text: &str) -> Option<Half> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    match u16::from_str_radix(digits, 16).ok()? {
        0xD800..=0xDBFF => Some(Half::High),
        0xDC00..=0xDFFF => Some(Half::Low),
        _ => None,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    High,
    Low,
}

/// Any JSON number that fits a double.
pub(super) fn number(bytes: &[u8]) -> Option<f64> {
    serde_json::from_slice(bytes).ok()
}

/// Any JSON number; one that is too large for a double is infinite.
pub(super) fn any_number(bytes: &[u8]) -> Option<f64> {
    let infinite = || {
        let is_number = bytes.first().is_some_and(|byte| matches!(byte, b'-' | b'0'..=b'9'));
        let is_valid = is_number && serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
        is_valid.then_some(if bytes.starts_with(b"-") { f64::NEG_INFINITY } else { f64::INFINITY })
    };
    number(bytes).or_else(infinite)
}

/// Whether a byte can be part of a number, `true`, `false` or `null`.
pub(super) const fn is_of_scalar(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'+' | b'-' | b'_')
}

/// The amount at the beginning of the bytes, and its length, in the form in which masters write nearly all of them:
/// without sign or exponent, and with at most three decimals. `None` for every other form, and if the number may continue
/// in the next chunk.
#[inline(always)]
pub(super) fn plain_amount(bytes: &[u8]) -> Option<(Amount, usize)> {
    let (units, whole) = digits(bytes, MAX_FAST_DIGITS)?;
    // JSON has no leading zeros.
    if whole > 1 && bytes.first() == Some(&b'0') {
        return None;
    }
    if bytes.get(whole) != Some(&b'.') {
        return ends(bytes, whole).then_some((Amount::from_thousandths(units * 1000), whole));
    }
    let (fraction, decimals) = digits(bytes.get(whole + 1..)?, 3)?;
    let scale = match decimals {
        1 => 100,
        2 => 10,
        _ => 1,
    };
    let length = whole + 1 + decimals;
    ends(bytes, length).then_some((Amount::from_thousandths(units * 1000 + fraction * scale), length))
}

/// The number of one to `most` digits, and how many digits it has; `None` if there are more, or if the bytes end with
/// them.
#[inline(always)]
fn digits(bytes: &[u8], most: usize) -> Option<(u64, usize)> {
    let mut number = 0_u64;
    for (count, byte) in bytes.iter().take(most + 1).enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return (count > 0).then_some((number, count));
        }
        number = number * 10 + u64::from(digit);
    }
    None
}

/// Whether the value surely ends after `length` bytes.
#[inline(always)]
fn ends(bytes: &[u8], length: usize) -> bool {
    matches!(bytes.get(length), Some(b',' | b'}'))
}
