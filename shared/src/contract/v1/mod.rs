//! Version 1 of the three messages. Frozen: a change that an older reader would misunderstand is a new version in a new
//! file; a field that it may ignore can be added here.

mod decision;
mod outcome;
mod snapshot;

pub use decision::*;
pub use outcome::*;
pub use snapshot::*;
