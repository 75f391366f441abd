//! Applies a scaling decision to the Auto Scaling group.
//!
//! ```text
//! ScalingDecision ─▶ handler ─▶ plan::admit ─▶ group (describe) ─▶ plan::plan ─▶ group (write), masters ─▶ ScalingOutcome
//! ```
//!
//! [`plan`] is pure: from a decision, the group as it is and the policy it says what is to be done and why. `handler`
//! does the IO around it in that order and ends every record in exactly one outcome. The last thing it does is the one
//! write, so an invocation that dies anywhere can simply run again.

pub mod marks;
pub mod plan;
pub mod state;

#[cfg(feature = "lambda")]
pub mod config;
#[cfg(feature = "lambda")]
pub mod ec2;
#[cfg(feature = "lambda")]
pub mod group;
#[cfg(feature = "lambda")]
pub mod handler;
#[cfg(feature = "lambda")]
pub mod masters;
#[cfg(feature = "lambda")]
mod outcome;
