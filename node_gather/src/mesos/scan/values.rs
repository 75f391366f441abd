//! Strings and numbers from their bytes. This module reads the usual ones and leaves all others, and all errors, to
//! serde_json, so that one parser defines what is valid.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use shared::resources::Amount;

use super::kernel::place;

/// The longest key, string, or number that is read, in bytes. The longest ones of Mesos, ids and attributes, have a few hundred.
pub(super) const MAX_TOKEN_BYTES: usize = 64 * 1024;

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

/// The same where all bytes are plain ASCII.
#[inline]
pub(super) fn plain_text(bytes: &[u8]) -> Option<Cow<'_, str>> {
    std::str::from_utf8(bytes).ok().map(Cow::Borrowed)
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
/// without sign or exponent, with at most seven digits before the point and three after it. `None` for every other form, and
/// if the number may continue in the next chunk.
///
/// No branch depends on the number of digits, which differs from task to task: the processor would mispredict it, and lose the
/// time of reading the whole amount.
#[inline(always)]
pub(super) fn plain_amount(bytes: &[u8]) -> Option<(Amount, usize)> {
    let text = first_bytes(bytes);
    let whole = Digits::of(low_word(text));
    if whole.count == 0 || whole.count == WORD_BYTES || (whole.count > 1 && whole.begins_with_zero()) {
        return None;
    }
    let (units, rest) = (whole.number(), text >> (8 * whole.count));
    // Nearly all amounts of some kinds.
    let [first, second, third, ..] = rest.to_le_bytes();
    if (first, second) == (b'.', b'0') && matches!(third, b',' | b'}') {
        return Some((Amount::from_thousandths(units * 1000), whole.count + 2));
    }
    let (fraction, length) = if first == b'.' {
        let decimals = Digits::of(low_word(rest >> 8));
        if decimals.count == 0 {
            return None;
        }
        (decimals.thousandths()?, whole.count + 1 + decimals.count)
    } else {
        (0, whole.count)
    };
    let ends = matches!(low_byte(text >> (8 * length)), b',' | b'}');
    ends.then_some((Amount::from_thousandths(units * 1000 + fraction), length))
}

const WORD_BYTES: usize = 8;

/// The first sixteen bytes, the first one lowest: more than a plain amount and the byte after it have. After the end, no byte
/// ends an amount.
#[inline(always)]
fn first_bytes(bytes: &[u8]) -> u128 {
    match bytes.first_chunk() {
        Some(first) => u128::from_le_bytes(*first),
        None => bytes.iter().rev().fold(0, |word, byte| word << 8 | u128::from(*byte)),
    }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "these bytes are meant")]
const fn low_word(bytes: u128) -> u64 {
    bytes as u64
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "that byte is meant")]
const fn low_byte(bytes: u128) -> u8 {
    bytes as u8
}

/// The digits at the beginning of eight bytes.
#[derive(Clone, Copy, Debug)]
struct Digits {
    /// How many there are.
    count: usize,
    /// The value of each, the first one lowest; any value after these.
    values: u64,
}

impl Digits {
    #[inline(always)]
    fn of(word: u64) -> Self {
        const EACH: u64 = 0x0101_0101_0101_0101;
        let values = word ^ (b'0' as u64 * EACH);
        // Adding sets the highest bit of each value above nine; one that has the bit already is none of a digit.
        let others = (((values & (0x7F * EACH)) + ((0x7F - 9) * EACH)) | values) & (0x80 * EACH);
        Self { count: place(others) / 8, values }
    }

    #[inline(always)]
    const fn begins_with_zero(self) -> bool {
        self.values & 0xFF == 0
    }

    /// The number that they are, of one to seven digits.
    #[inline(always)]
    const fn number(self) -> u64 {
        // Zeros before the first digit change nothing.
        let digits = self.values << (8 * (WORD_BYTES - self.count));
        // Neighbors are joined: to four numbers below 100, two below 10,000, and one.
        let pairs = (digits.wrapping_mul(10) + (digits >> 8)) & 0x00FF_00FF_00FF_00FF;
        let fours = (pairs.wrapping_mul(100) + (pairs >> 16)) & 0x0000_FFFF_0000_FFFF;
        (fours.wrapping_mul(10_000) + (fours >> 32)) & 0xFFFF_FFFF
    }

    /// The thousandths that they are after a point; `None` if there are more than three.
    #[inline(always)]
    const fn thousandths(self) -> Option<u64> {
        if self.count > 3 {
            return None;
        }
        let digits = self.values & !(u64::MAX << (8 * self.count));
        Some((digits & 0xFF) * 100 + (digits >> 8 & 0xFF) * 10 + (digits >> 16))
    }
}
