//! From a snapshot to a message within the size limit of SNS.
//!
//! Each step gives up some precision, always to the safe side, and says so in the message. Nothing is truncated.

use shared::contract::{AgentShape, AgentState, ClusterSnapshot, EncodeError, Encoded, encode};
use shared::count::saturated;
use shared::resources::{Amount, Resources};

use crate::summarize::{fold_smallest, merge_shapes};

/// The fractions of an agent shape's total to which `free` is rounded down, one after the other.
const FREE_FLOORS: [u32; 3] = [64, 32, 16];

/// The fractions of the largest agent to which shapes are rounded down, one after the other. At the last one there are
/// hardly any.
const SHAPE_PARTS: [u32; 5] = [64, 16, 4, 2, 1];

/// So many shapes are no reason to round totals: these fit with any applications.
const MAX_SHAPES: usize = 2000;

/// More shapes than this are rounded before the snapshot is written for the first time.
const MAX_WRITTEN_SHAPES: usize = 100_000;

/// How many decommissioning agents a snapshot lists.
const MAX_DECOMMISSIONING: usize = 500;

/// What made a snapshot fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: plain JSON.
    Plain,
    /// Compressed.
    Packed,
    /// `free` was rounded down to this fraction of the total.
    FreeFloor(u32),
    /// In addition, total and unreserved resources were rounded down to so many parts of the largest agent.
    Shapes(u32),
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
            Self::Shapes(_) => 5,
            Self::Folded(_) => 6,
        }
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Plain => f.write_str("plain"),
            Self::Packed => f.write_str("packed"),
            Self::FreeFloor(floor) => write!(f, "free rounded down to 1/{floor}"),
            Self::Shapes(parts) => write!(f, "agents rounded down to 1/{parts} of the largest one"),
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
    let listed;
    let mut snapshot = snapshot;
    if snapshot.scale_down_candidates.len() > MAX_DECOMMISSIONING {
        listed = with_few_decommissioning(snapshot.clone());
        snapshot = &listed;
    }
    // More shapes cannot fit as they are, and writing them out would take the memory of the function.
    let may_fit = snapshot.agent_shapes.len() <= MAX_WRITTEN_SHAPES;
    if may_fit && let Some(fitted) = try_fit(snapshot, None)? {
        return Ok(fitted);
    }
    let mut last = if may_fit { snapshot.clone() } else { with_coarse_shapes(snapshot, 64) };
    for floor in FREE_FLOORS.into_iter().filter(|_| may_fit) {
        // Each time from the original snapshot: rounding twice would lose more than the message says.
        last = with_free_floor(snapshot.clone(), floor);
        if let Some(fitted) = try_fit(&last, Some(Step::FreeFloor(floor)))? {
            return Ok(fitted);
        }
    }
    // Where nearly every agent has a total of its own, equal free resources do not make shapes equal.
    if last.agent_shapes.len() > MAX_SHAPES {
        for parts in SHAPE_PARTS {
            last = with_coarse_shapes(snapshot, parts);
            if let Some(fitted) = try_fit(&last, Some(Step::Shapes(parts)))? {
                return Ok(fitted);
            }
            if last.agent_shapes.len() <= MAX_SHAPES {
                break;
            }
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

/// The snapshot with the first of its decommissioning agents, and the number of the others. Those that Lambda Scale
/// itself decommissions come first: they are few, and `node_scale` goes on with them.
fn with_few_decommissioning(mut snapshot: ClusterSnapshot) -> ClusterSnapshot {
    let all = std::mem::take(&mut snapshot.scale_down_candidates);
    let (mut kept, mut decommissioning): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|candidate| candidate.state == AgentState::Active);
    decommissioning.sort_by_key(|candidate| candidate.decommission_tag != Some(true));
    let omitted = decommissioning.split_off(decommissioning.len().min(MAX_DECOMMISSIONING));
    kept.extend(decommissioning);
    snapshot.scale_down_candidates = kept;
    snapshot.decommissioning_omitted = saturated(omitted.len());
    snapshot.identified()
}

/// The snapshot with all resources of agents rounded down to multiples of `1/parts` of the largest total, so that shapes
/// become equal. The candidates are rounded alike, because they are found among the shapes. The sums stay exact.
fn with_coarse_shapes(exact: &ClusterSnapshot, parts: u32) -> ClusterSnapshot {
    let totals = exact.agent_shapes.iter().map(|shape| shape.total);
    let largest = totals
        .fold(Resources::ZERO, |largest, total| Resources::from_fn(|kind| largest.get(kind).max(total.get(kind))));
    let rounded = |resources: &Resources| floor_to(resources, &largest, parts);
    let coarse = |shape: &AgentShape| AgentShape {
        count: shape.count,
        total: rounded(&shape.total),
        unreserved: rounded(&shape.unreserved),
        free: rounded(&shape.free),
    };
    let agent_shapes = merge_shapes(exact.agent_shapes.iter().map(coarse).collect());
    let mut snapshot = ClusterSnapshot { agent_shapes, ..exact.clone() };
    for candidate in &mut snapshot.scale_down_candidates {
        let reserved = candidate.total.saturating_sub(&candidate.unreserved);
        let free = || candidate.unreserved.saturating_sub(&candidate.used.saturating_sub(&reserved));
        candidate.free = Some(rounded(&candidate.free.unwrap_or_else(free)));
        candidate.total = rounded(&candidate.total);
        candidate.unreserved = rounded(&candidate.unreserved);
    }
    snapshot.free_floor = Some(parts);
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
