//! The `/state` of a cluster of any size, as a master of Mesos 1.11.0 would write it: about 2.2 KB for each task.
//!
//! [`Spec`] is the cluster as a function of its seed. Nothing of it is kept: [`write()`] computes one agent or task at a time
//! and writes it, so documents of gigabytes need no memory. The same seed writes the same bytes.

mod document;
mod spec;

pub use document::{ELECTED_AT, Totals, write};
pub use spec::Spec;
