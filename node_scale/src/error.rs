//! Why an invocation fails.

use shared::contract::EncodeError;
use shared::error::Failure;
use shared::sns::PublishError;
use thiserror::Error;

use crate::group::CallError;
use crate::masters::OperatorError;

/// Why an invocation failed. A retry does no harm: completed actions are visible on the group.
#[derive(Debug, Error)]
pub enum ScaleError {
    /// A call to AWS failed.
    #[error("the pool {pool} was not scaled")]
    Call {
        /// The pool.
        pool: String,
        /// The call.
        source: CallError,
    },
    /// A call to the masters failed.
    #[error("an agent of the pool {pool} was not changed")]
    Operator {
        /// The pool.
        pool: String,
        /// What the masters answered.
        source: OperatorError,
    },
    /// The outcome was not published.
    #[error("the outcome for the pool {pool} was not published")]
    Publish {
        /// The pool.
        pool: String,
        /// What SNS answered.
        source: PublishError,
    },
    /// The outcome has no JSON form.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

impl Failure for ScaleError {
    fn class(&self) -> &'static str {
        match self {
            Self::Call { .. } => "Group.CallFailed",
            Self::Operator { .. } => "Masters.CallFailed",
            Self::Publish { .. } => "Outcome.NotPublished",
            Self::Encode(_) => "Outcome.NotEncoded",
        }
    }
}
