//! Why a state is refused. Cold: a state without faults meets none of them.

use crate::mesos::state::{Fault, StateError};

use super::schema::{Container, Field};
use super::values::MAX_TOKEN_BYTES;

#[cold]
pub(super) fn fault(at: u64, what: &str) -> Box<StateError> {
    Box::new(StateError::Json(Fault::new(format!("at byte {at}: {what}"))))
}

#[cold]
pub(super) fn too_long(at: u64) -> Box<StateError> {
    fault(at, &format!("a number exceeds {MAX_TOKEN_BYTES} bytes"))
}

#[cold]
pub(super) fn too_deep(at: u64) -> Box<StateError> {
    fault(at, &format!("brackets are nested more than {} deep", super::skip::MAX_DEPTH))
}

#[cold]
pub(super) fn invalid_key(at: u64) -> Box<StateError> {
    fault(at, "a key is not a valid string")
}

/// Fields of the document have errors that say what to do.
#[cold]
pub(super) fn repeated_key(container: Container, field: Field, at: u64) -> Box<StateError> {
    match container {
        Container::Document => Box::new(StateError::Twice(field.name())),
        _ => fault(at, &format!("{} occurs twice", field.name())),
    }
}

#[cold]
pub(super) fn missing_key(field: Field) -> Box<StateError> {
    Box::new(StateError::Missing(field.name()))
}
