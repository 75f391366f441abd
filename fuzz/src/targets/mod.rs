//! What must hold for any bytes, for each kind of input.

pub(crate) mod addresses;
mod answers;
pub(crate) mod configuration;
pub(crate) mod definitions;
pub(crate) mod event;
pub(crate) mod group;
pub(crate) mod history;
pub(crate) mod message;
mod pool;
pub(crate) mod queue;
pub(crate) mod state;
pub(crate) mod tags;
pub(crate) mod trace;

use std::io::{self, Read};

use shared::error::Chain;
use shared::random::SplitMix64;

/// A longer error would fill a log.
const MAX_ERROR_CHARS: usize = 4000;

/// Chance that follows from the input, so that the same input always does the same.
fn chance(bytes: &[u8]) -> SplitMix64 {
    let seed = bytes.iter().fold(bytes.len() as u64, |seed, byte| seed.rotate_left(5) ^ u64::from(*byte));
    SplitMix64::new(seed)
}

/// Bytes that arrive in chunks of random sizes.
struct Chunks<'a> {
    rest: &'a [u8],
    most: u64,
    chance: SplitMix64,
}

impl<'a> Chunks<'a> {
    fn of(bytes: &'a [u8], most: u64) -> Self {
        Self { rest: bytes, most, chance: chance(bytes) }
    }

    fn next_size(&mut self) -> usize {
        1 + usize::try_from(self.chance.below(self.most)).unwrap_or_default()
    }
}

impl Read for Chunks<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.next_size().min(buffer.len()).min(self.rest.len());
        let (chunk, rest) = self.rest.split_at(count);
        buffer[..count].copy_from_slice(chunk);
        self.rest = rest;
        Ok(count)
    }
}

/// An error can be printed, and is short.
fn is_short(error: &(dyn std::error::Error + 'static)) {
    let text = Chain::new(error).to_string();
    assert!(text.chars().count() <= MAX_ERROR_CHARS, "an error of {} characters: {text}", text.chars().count());
}
