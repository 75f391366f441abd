//! Changes of an input: of bytes, and of the values of JSON, XML, TOML, and CSV.

use shared::random::SplitMix64;

/// Numbers at which arithmetic breaks.
const NUMBERS: [&str; 16] = [
    "0",
    "-0",
    "-1",
    "1",
    "0.0005",
    "1e999",
    "-1e999",
    "1e308",
    "1e-400",
    "01",
    "2147483647",
    "4294967296",
    "9223372036854775807",
    "18446744073709551616",
    "253402300799999",
    "99999999999999999999999999999999",
];

/// Values in place of another.
const VALUES: [&str; 9] =
    ["null", "true", "[]", "{}", "\"\"", "\"x\"", "[{}]", "\"\\ud800\"", "{\"a\":[{\"b\":null}]}"];

/// The longest input: what is longer is cut.
const MAX_BYTES: usize = 64 * 1024;

/// Another input, from one of the corpus. `other` is a second one, of which parts may be taken.
#[must_use]
pub fn mutated(input: &[u8], other: &[u8], tokens: &[&str], chance: &mut SplitMix64) -> Vec<u8> {
    let mut bytes = input.to_vec();
    let most = chance.pick([1, 3, 8]);
    for _ in 0..=chance.below(most) {
        change(&mut bytes, other, tokens, chance);
        bytes.truncate(MAX_BYTES);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], tokens: &[&str], chance: &mut SplitMix64) {
    let at = chance.index(bytes.len() + 1);
    let most = chance.pick([1, 8, 64, 2000]);
    let end = bytes.len().min(at + chance.index(1 + most));
    match chance.below(12) {
        0 => {
            let bit = 1 << chance.below(8);
            bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= bit);
        }
        1 => {
            let byte = chance.pick([0, b'"', b'\\', b'{', b'}', b'[', b']', b',', b':', b'<', b'>', b'\n', 0x80, 0xff]);
            bytes.splice(at..(at + 1).min(bytes.len()), [byte]);
        }
        2 => drop(bytes.drain(at..end)),
        3 => bytes.truncate(at),
        4 => {
            let part = bytes[at..end].to_vec();
            let to = chance.index(bytes.len() + 1);
            bytes.splice(to..to, part);
        }
        5 => {
            let from = chance.index(other.len() + 1);
            let part = &other[from..other.len().min(from + end - at)];
            bytes.splice(at..end, part.iter().copied());
        }
        6 if !tokens.is_empty() => {
            let token = tokens[chance.index(tokens.len())];
            bytes.splice(at..end.min(at + token.len()), token.bytes());
        }
        7 | 8 => {
            let number = chance.pick(NUMBERS);
            if let Some(range) = run(bytes, at, |byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'e')) {
                bytes.splice(range, number.bytes());
            }
        }
        9 => {
            let value = chance.pick(VALUES);
            if let Some(range) =
                run(bytes, at, |byte| !matches!(byte, b',' | b':' | b'=' | b'\n' | b'[' | b']' | b'{' | b'}'))
            {
                bytes.splice(range, value.bytes());
            }
        }
        10 => {
            let part = bytes[at..end].to_vec();
            let times = chance.pick([2, 10, 300]);
            bytes.splice(at..at, part.repeat(times));
        }
        _ => {
            let random: Vec<u8> = (0..chance.below(8)).map(|_| chance.next_u64().to_le_bytes()[0]).collect();
            bytes.splice(at..at, random);
        }
    }
}

/// The next run of such bytes from a place on.
fn run(bytes: &[u8], from: usize, is_part: impl Fn(u8) -> bool) -> Option<std::ops::Range<usize>> {
    let start = from + bytes[from..].iter().position(|byte| is_part(*byte))?;
    let length = bytes[start..].iter().position(|byte| !is_part(*byte)).unwrap_or(bytes.len() - start);
    Some(start..start + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_change_and_stay_within_their_size() {
        let (mut chance, input) = (SplitMix64::new(1), br#"{"slaves":[{"id":"A","resources":{"cpus":4.0}}]}"#);
        let inputs: Vec<Vec<u8>> =
            (0..1000).map(|_| mutated(input, b"<Tag>other</Tag>", &["frameworks"], &mut chance)).collect();
        assert!(inputs.iter().filter(|bytes| bytes.as_slice() != input).count() > 900);
        assert!(inputs.iter().all(|bytes| bytes.len() <= MAX_BYTES));
        let contains = |text: &str| inputs.iter().any(|bytes| String::from_utf8_lossy(bytes).contains(text));
        assert!(contains("1e999") && contains("frameworks") && contains("<Tag>") && contains("null"));
        assert!(mutated(b"", b"", &[], &mut chance).len() < 100);
    }
}
