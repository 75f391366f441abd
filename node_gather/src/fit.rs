//! From a snapshot to a message within the size limit of SNS.
//!
//! Each step gives up some precision, always to the safe side, and says so in the message. Nothing is truncated.

use shared::contract::{AgentShape, ClusterSnapshot, EncodeError, Encoded, encode};
use shared::resources::{Amount, Resources};

use crate::summarize::{fold_smallest, merge_shapes};

/// The fractions of an agent shape's total to which `free` is rounded down, one after the other.
const FREE_FLOORS: [u32; 3] = [64, 32, 16];

/// What made a snapshot fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: plain JSON.
    Plain,
    /// Compressed.
    Packed,
    /// `free` was rounded down to this fraction of the total.
    FreeFloor(u32),
    /// In addition, all but so many applications were folded into `(other)`.
    Folded(usize),
}

impl Step {
    /// The number of the step, from 0.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Plain => 0,
            Self::Packed => 1,
            Self::FreeFloor(floor) => match floor {
                64 => 2,
                32 => 3,
                _ => 4,
            },
            Self::Folded(_) => 5,
        }
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Plain => f.write_str("plain"),
            Self::Packed => f.write_str("packed"),
            Self::FreeFloor(floor) => write!(f, "free rounded down to 1/{floor}"),
            Self::Folded(kept) => write!(f, "all but {kept} applications folded"),
        }
    }
}

/// A message that fits.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// The snapshot as it is in the message.
    pub snapshot: ClusterSnapshot,
    /// The message.
    pub encoded: Encoded,
    /// What was done to make it fit.
    pub step: Step,
}

/// Writes the snapshot, going up the ladder until it fits.
///
/// # Errors
/// Where it is too large even at the end, or has no JSON form.
pub fn fit(snapshot: &ClusterSnapshot) -> Result<Fitted, EncodeError> {
    if let Some(fitted) = try_fit(snapshot, None)? {
        return Ok(fitted);
    }
    let mut last = snapshot.clone();
    for floor in FREE_FLOORS {
        // Each time from the original snapshot: rounding twice would lose more than the message says.
        last = with_free_floor(snapshot.clone(), floor);
        if let Some(fitted) = try_fit(&last, Some(Step::FreeFloor(floor)))? {
            return Ok(fitted);
        }
    }
    let mut keep = last.applications.len();
    while keep > 0 {
        keep /= 2;
        last.applications = fold_smallest(last.applications, keep);
        last = last.identified();
        if let Some(fitted) = try_fit(&last, Some(Step::Folded(keep)))? {
            return Ok(fitted);
        }
    }
    // The error says how large the message still is.
    encode(&last).map(|encoded| Fitted { snapshot: last, encoded, step: Step::Folded(0) })
}

/// The message; `None` if it is too large. Without a given step, it is plain or packed.
fn try_fit(snapshot: &ClusterSnapshot, step: Option<Step>) -> Result<Option<Fitted>, EncodeError> {
    match encode(snapshot) {
        Ok(encoded) => {
            let step = step.unwrap_or(if encoded.is_packed() { Step::Packed } else { Step::Plain });
            Ok(Some(Fitted { snapshot: snapshot.clone(), encoded, step }))
        }
        Err(EncodeError::TooLarge { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The snapshot with `free` rounded down to multiples of `1/floor` of each shape's total, so that shapes become equal.
/// The result never exceeds the actual free resources.
fn with_free_floor(mut snapshot: ClusterSnapshot, floor: u32) -> ClusterSnapshot {
    let floored = |shape: &AgentShape| AgentShape { free: floor_to(&shape.free, &shape.total, floor), ..*shape };
    snapshot.agent_shapes = merge_shapes(snapshot.agent_shapes.iter().map(floored).collect());
    snapshot.free_floor = Some(floor);
    snapshot.identified()
}

fn floor_to(free: &Resources, total: &Resources, floor: u32) -> Resources {
    Resources::from_fn(|kind| {
        let (free, total, floor) = (free.get(kind).thousandths(), total.get(kind).thousandths(), u64::from(floor));
        // At most 10^15 thousandths times 64: no overflow.
        let parts = (free * floor).checked_div(total).unwrap_or(0);
        Amount::from_thousandths(parts * total / floor)
    })
}

#[cfg(test)]
mod tests;
