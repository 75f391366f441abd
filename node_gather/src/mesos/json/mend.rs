//! Replaces what is no text within the strings of a document, in one pass over its bytes.

/// What stands for a byte sequence that is not UTF-8, and for one half of a surrogate pair.
const REPLACEMENT: &str = "\u{FFFD}";

/// The document with all of its strings valid, if it is valid otherwise.
pub(super) fn mended(bytes: &[u8]) -> Vec<u8> {
    let text: Vec<char> = String::from_utf8_lossy(bytes).chars().collect();
    let mut mended = String::new();
    let mut at = 0;
    while let Some(&character) = text.get(at) {
        let length = match character {
            '\\' => escape(&text, at),
            _ => Some(1),
        };
        match length {
            Some(length) => mended.extend(text.iter().skip(at).take(length)),
            None => mended.push_str(REPLACEMENT),
        }
        at += length.unwrap_or(6);
    }
    mended.into_bytes()
}

/// The number of characters of the escape there; `None` for half of a surrogate pair.
fn escape(text: &[char], at: usize) -> Option<usize> {
    match (unit(text, at), unit(text, at + 6)) {
        (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => Some(12),
        (Some(0xD800..=0xDFFF), _) => None,
        _ => Some(2),
    }
}

/// The UTF-16 unit that is escaped there.
fn unit(text: &[char], at: usize) -> Option<u32> {
    let ['\\', 'u', digits @ ..] = text.get(at..at + 6)? else { return None };
    digits.iter().try_fold(0, |unit, digit| Some(unit * 16 + digit.to_digit(16)?))
}
