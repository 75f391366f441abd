//! Applies a scaling decision to the Auto Scaling group.
//!
//! ```text
//! ScalingDecision ─▶ handler ─▶ plan::admit ─▶ group (describe) ─▶ plan::plan ─▶ apply (group, masters) ─▶ report ─▶ ScalingOutcome
//! ```
//!
//! [`plan`] is pure: from a decision, the group as it is and the policy it says what is to be done and why. `handler`
//! does the IO around it in that order and ends every record in exactly one outcome. The one write comes last, so an
//! invocation that fails anywhere can run again.

pub mod group_tags;
pub mod plan;
pub mod state;

#[cfg(feature = "lambda")]
mod apply;
#[cfg(feature = "lambda")]
pub mod config;
#[cfg(feature = "lambda")]
pub mod ec2;
#[cfg(feature = "lambda")]
pub mod error;
#[cfg(feature = "lambda")]
pub mod group;
#[cfg(feature = "lambda")]
pub mod handler;
#[cfg(feature = "lambda")]
pub mod masters;
#[cfg(feature = "lambda")]
mod outcome;
#[cfg(feature = "lambda")]
mod report;
