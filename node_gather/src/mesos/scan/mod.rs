//! Reads /state while it arrives, chunk by chunk, and skips most of it.
//!
//! ```text
//!  chunk ──▶ Scanner ──▶ StateMachine: which value is this? ──▶ Builder: values to agents, tasks … ──▶ Sink
//!                        ├─ fast_path: a task in its usual     └─ values: strings and numbers
//!                        │             form, in one step
//!                        ├─ schema: which fields are read
//!                        └─ skip: the rest ── kernel: 64 bytes at once, with SIMD
//! ```
//!
//! Nine tenths of a /state are labels, health checks, and past statuses of tasks, which Lambda Scale does not need. The
//! scanner skips such a value by counting brackets, and skips the rest of a task as soon as it has the fields that it
//! reads. Memory holds one token and what the [`Sink`] keeps.
//!
//! # Guarantees
//!
//! - It accepts what serde_json accepts, and calls the [`Sink`] the same way. (Exception: brackets nested more than 128 deep.)
//! - One odd value of one agent, task, or framework does not refuse the state: an impossible amount is passed on as such, and so
//!   is a field of another type, one that occurs twice, and one that is missing; bytes that are not UTF-8, halves of surrogate
//!   pairs, and texts of more than 64 KiB are replaced by U+FFFD.
//! - The result, good or bad, depends on the bytes alone: not on the chunks, and not on the processor.
//! - Every value that is used is checked: type, range, UTF-8, and that it occurs once. Skipped values are not checked,
//!   the rest of a task included, except that brackets and quotes match. Whether the bytes are those that the master
//!   sent is checked elsewhere: by HTTP's length or gzip's checksum.
//! - The document is complete: it ends with its last bracket, and has agents and frameworks.
//! - After an error, every further call fails.

mod builder;
mod errors;
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

/// How much is read from a source at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// Reads a /state chunk by chunk.
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
    /// `None` after an error.
    machine: Option<Box<StateMachine<S>>>,
}

/// The instructions that examine the bytes.
#[derive(Clone, Copy, Debug)]
enum Processor {
    Vectors(Level),
    #[cfg(test)]
    Bytewise,
}

impl<S: Sink> Scanner<S> {
    /// A scanner for a document of at most `limit` bytes that fills `sink`.
    #[must_use]
    pub fn new(sink: S, limit: u64) -> Self {
        Self::with(Processor::Vectors(Level::new()), sink, limit)
    }

    /// A scanner that uses only what every x86-64 processor has, to measure the gain of wider vectors. On other
    /// processors it equals [`Self::new`].
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

    /// Reads the next bytes of the document.
    ///
    /// # Errors
    /// The document is not a state, or exceeds the limit. Every further call then fails, too.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<(), StateError> {
        let Some(mut machine) = self.machine.take() else { return Err(StateError::Refused) };
        // Bytes within the limit are read first, so that the error does not depend on where chunks end.
        let left = usize::try_from(self.limit - self.bytes).unwrap_or(usize::MAX);
        let (within, beyond) = chunk.split_at_checked(left).unwrap_or((chunk, &[]));
        let mut input = Input::new(within, self.bytes);
        match self.processor {
            // Dispatched once per chunk: everything below is compiled for the processor.
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

    /// The filled sink.
    ///
    /// # Errors
    /// The document is incomplete, or an earlier call failed.
    pub fn finish(self) -> Result<S, StateError> {
        self.machine.ok_or(StateError::Refused)?.finish(self.bytes)
    }
}

/// Reads a /state of at most `limit` bytes to the end of the source, and fills `sink`.
///
/// # Errors
/// The source is not a state. A missing list is an error, not an empty list.
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
