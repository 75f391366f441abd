//! Looks for inputs that make a reader of Lambda Scale panic, give two answers, or print a secret.
//!
//! A [`Target`] reads one kind of input and asserts what must hold for any bytes. Two drivers look for inputs that break it:
//!
//! - `tests/targets.rs`: replays the corpus, and then changes it at random ([`mutate`]). It is part of `make test`.
//! - `guided/`: libFuzzer, which follows the branches that an input takes. `make fuzz` runs it.
//!
//! What a driver finds is mended, gets a test beside the code, and stays in the corpus.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "an input that breaks an expectation must panic: that is how a driver sees it"
)]

pub mod corpus;
pub mod mutate;
mod targets;

/// One kind of input.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its folder in the corpus.
    pub name: &'static str,
    /// Reads an input, and panics where something does not hold.
    pub run: fn(&[u8]),
    /// Files outside of this crate that belong to its corpus: a folder of the repository, and how the names end.
    pub borrowed: &'static [(&'static str, &'static str)],
    /// Texts with a meaning to its reader.
    pub tokens: &'static [&'static str],
}

/// All of them.
pub const TARGETS: [Target; 11] = [
    targets::state::TARGET,
    targets::queue::TARGET,
    targets::definitions::TARGET,
    targets::event::TARGET,
    targets::message::TARGET,
    targets::configuration::TARGET,
    targets::group::TARGET,
    targets::addresses::TARGET,
    targets::tags::TARGET,
    targets::history::TARGET,
    targets::trace::TARGET,
];
