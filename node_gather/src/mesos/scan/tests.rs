//! Compares the scanner with its reference, for every available instruction set, and for documents cut anywhere.

mod documents;
mod fast_path;
mod outcomes;
mod parts;
mod texts;

use fearless_simd::Level;

use super::*;
use crate::mesos::json;
use crate::mesos::record::Record;
use crate::testing::Shuffle;

/// All available instruction sets.
fn processors() -> Vec<Processor> {
    let level = Level::new();
    let mut found = vec![Processor::Bytewise, Processor::Vectors(level)];
    #[cfg(target_arch = "x86_64")]
    found.extend(
        [
            level.as_sse2().map(Level::Sse2),
            level.as_sse4_2().map(Level::Sse4_2),
            level.as_avx2().map(Level::Avx2),
            level.as_avx512().map(Level::Avx512),
        ]
        .into_iter()
        .flatten()
        .map(Processor::Vectors),
    );
    found
}

/// Scans the bytes in chunks of 1 to `most` bytes.
fn scan(
    processor: Processor,
    bytes: &[u8],
    limit: u64,
    chance: &mut Shuffle,
    most: usize,
) -> Result<Record, StateError> {
    let mut scanner = Scanner::with(processor, Record::default(), limit);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (chunk, more) = rest.split_at(rest.len().min(1 + chance.below(most)));
        scanner.feed(chunk)?;
        rest = more;
    }
    scanner.finish()
}

/// A comparable description of the result.
fn outcome(read: &Result<Record, StateError>) -> String {
    format!("{read:?}")
}

/// The one result of scanning the bytes with every instruction set, whole and cut in several ways.
fn scan_every_way(bytes: &[u8], seed: u64) -> Result<Record, StateError> {
    scan_every_way_within(bytes, u64::MAX, seed)
}

fn scan_every_way_within(bytes: &[u8], limit: u64, seed: u64) -> Result<Record, StateError> {
    let mut chance = Shuffle::of(seed);
    let whole = scan(Processor::Vectors(Level::new()), bytes, limit, &mut chance, usize::MAX);
    let expected = outcome(&whole);
    for processor in processors() {
        for most in [chance.below(10), 10 + chance.below(200), chance.below(65_536)] {
            let cut = outcome(&scan(processor, bytes, limit, &mut chance, 1 + most));
            assert_eq!(cut, expected, "{processor:?}, chunks of at most 1 + {most}, seed {seed}:\n{}", shown(bytes));
        }
    }
    whole
}

/// Asserts that the scanner reads the bytes like the reference. Whether they are a state.
fn agrees_with_the_reference(bytes: &[u8], seed: u64) -> bool {
    let (reference, scanned) = (json::read_mended(bytes, Record::default()), scan_every_way(bytes, seed));
    match (&reference, &scanned) {
        (Ok(_), _) | (_, Ok(_)) => assert_eq!(outcome(&scanned), outcome(&reference), "{}", shown(bytes)),
        // The wording of errors differs.
        (Err(expected), Err(error)) => assert_eq!(
            std::mem::discriminant(error),
            std::mem::discriminant(expected),
            "{error:?} instead of {expected:?}:\n{}",
            shown(bytes)
        ),
    }
    scanned.is_ok()
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(20_000).collect()
}
