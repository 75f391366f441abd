//! Reads /state while it arrives, chunk by chunk, without looking at most of it.
//!
//! ```text
//!  chunk ──▶ Scanner ──▶ StateMachine: which value is this? ──▶ Builder: values to agents, tasks … ──▶ Sink
//!                        ├─ usual: a task as it nearly      └─ values: texts and numbers
//!                        │         always is, in one go
//!                        ├─ places: what is wanted
//!                        └─ skip: over the rest ── kernel: 64 bytes at once, by the processor's vectors
//! ```
//!
//! Nine tenths of a /state are labels, health checks and past statuses of tasks, which nobody asks for. So this is less
//! a parser than a way not to look: a value that is not wanted is skipped by counting its brackets, and a task is left
//! as soon as all that is wanted of it is known. Memory holds one token and what the [`Sink`] keeps.
//!
//! # What it promises
//!
//! - What serde_json would take is taken, and the [`Sink`] is given the same. (But for brackets nested more than 128 deep,
//!   wanted tokens of more than 64 KiB, and lists in place of objects, which serde takes as its own form of a struct.)
//! - The outcome depends on the bytes alone, right or wrong: not on how they were cut into chunks, nor on the processor.
//! - Everything that is used is checked: its type, its range, its text, and that it is there once. What is skipped is
//!   not, the rest of a task included: an error in there goes unnoticed unless brackets and quotes do not match. That
//!   the bytes are those the master sent is for others to say: HTTP's length or gzip's checksum.
//! - The document is whole: it ends with its last bracket, and has its agents and frameworks.
//! - A scanner that has failed goes on failing.

mod builder;
mod fast_path;
mod input;
mod kernel;
mod schema;
mod skip;
mod state_machine;
mod values;

#[cfg(test)]
mod tests;

use std::io::{self, Read};

use fearless_simd::{Level, dispatch};

use self::input::Input;
use self::kernel::Vectors;
use self::state_machine::StateMachine;
use super::state::{Sink, StateError};

/// As much as is asked of a source at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// Reads a /state that is given to it piece by piece.
///
/// ```
/// # use node_gather::mesos::scan::Scanner;
/// # use node_gather::summarize::ClusterState;
/// let mut scanner = Scanner::new(ClusterState::new(&[]), 1 << 20);
/// scanner.feed(br#"{"version":"1.11.0","slaves":[],"framew"#)?;
/// scanner.feed(br#"orks":[],"completed_frameworks":[{}]}"#)?;
/// assert_eq!(scanner.finish()?.registered_agents(), 0);
/// # Ok::<(), node_gather::mesos::state::StateError>(())
/// ```
#[derive(Debug)]
pub struct Scanner<S> {
    processor: Processor,
    limit: u64,
    bytes: u64,
    /// `None` once it has failed.
    machine: Option<Box<StateMachine<S>>>,
}

/// By what the bytes are looked at.
#[derive(Clone, Copy, Debug)]
enum Processor {
    Vectors(Level),
    #[cfg(test)]
    Bytewise,
}

impl<S: Sink> Scanner<S> {
    /// A scanner for a document of at most `limit` bytes, which `sink` is to take.
    #[must_use]
    pub fn new(sink: S, limit: u64) -> Self {
        Self::with(Processor::Vectors(Level::new()), sink, limit)
    }

    /// The same with no more than any x86-64 processor has, to measure what the wider vectors bring. On other processors
    /// it is no different from [`Self::new`].
    #[cfg(feature = "reference")]
    #[must_use]
    pub fn without_avx(sink: S, limit: u64) -> Self {
        let level = Level::new();
        #[cfg(target_arch = "x86_64")]
        let level = level.as_sse2().map_or(level, Level::Sse2);
        Self::with(Processor::Vectors(level), sink, limit)
    }

    fn with(processor: Processor, sink: S, limit: u64) -> Self {
        Self { processor, limit, bytes: 0, machine: Some(Box::new(StateMachine::new(sink))) }
    }

    /// Takes in the next bytes of the document.
    ///
    /// # Errors
    /// Where they show that it is no state, or has more bytes than the limit. Every further call then fails too.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<(), StateError> {
        let Some(mut machine) = self.machine.take() else { return Err(StateError::Refused) };
        // What is within the limit is looked at first, so that the error does not depend on where chunks end.
        let left = usize::try_from(self.limit - self.bytes).unwrap_or(usize::MAX);
        let (within, beyond) = chunk.split_at_checked(left).unwrap_or((chunk, &[]));
        let mut input = Input::new(within, self.bytes);
        match self.processor {
            // Once for a chunk, and everything below is compiled for the processor at hand.
            Processor::Vectors(level) => dispatch!(level, simd => machine.feed(Vectors(simd), &mut input)),
            #[cfg(test)]
            Processor::Bytewise => machine.feed(kernel::Bytewise, &mut input),
        }
        .map_err(|error| *error)?;
        self.bytes = input.position();
        if !beyond.is_empty() {
            return Err(StateError::TooLarge { limit: self.limit });
        }
        self.machine = Some(machine);
        Ok(())
    }

    /// The sink, if that was all of the document.
    ///
    /// # Errors
    /// Where the document does not end there, or has been refused already.
    pub fn finish(self) -> Result<S, StateError> {
        self.machine.ok_or(StateError::Refused)?.finish(self.bytes)
    }
}

/// Gives the sink a whole /state of at most `limit` bytes, to the end of the source.
///
/// # Errors
/// Where it is not one: nothing is ever taken for granted, an absent list is no empty list.
pub fn read<S: Sink>(mut source: impl Read, sink: S, limit: u64) -> Result<S, StateError> {
    let mut scanner = Scanner::new(sink, limit);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = match source.read(&mut buffer) {
            Ok(0) => return scanner.finish(),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(StateError::Io(error)),
        };
        scanner.feed(buffer.get(..count).unwrap_or_default())?;
    }
}
