//! Part of version 1: how much the demand of a pool has grown while an instance boots.

use serde::{Deserialize, Serialize};

/// What a pool has learned of the growth of its demand (H7, H8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Growth {
    /// W: the demand, in eighths of a new agent. 0: unknown.
    pub demand: u32,
    /// G: the growth that is expected within a boot time, in eighths of a new agent: one of [`Growth::EDGES`]. `None`: unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grow: Option<u32>,
    /// How many runs have been learned from.
    pub samples: u32,
    /// M: the mean of the demand, where G is of the runs on W's side of it alone. 0: of all runs.
    #[serde(skip_serializing_if = "is_unknown")]
    pub mean: u32,
    /// The highest demand of the last days, in eighths of a new agent: room beyond it is not kept. 0: unknown.
    #[serde(skip_serializing_if = "is_unknown")]
    pub highest: u32,
}

impl Growth {
    /// H8: the growths that are distinguished, in eighths of a new agent. Beyond 4, each but the last is at most half as large again as
    /// the one before.
    pub const EDGES: [u32; 24] =
        [0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 4096];

    /// H9: how much room is kept beyond the demand W: G, but not beyond the highest demand, where that is known.
    #[must_use]
    pub const fn room(&self, grow: u32) -> u32 {
        let up_to_highest = self.highest.saturating_sub(self.demand);
        if self.highest == 0 || grow < up_to_highest { grow } else { up_to_highest }
    }

    /// H9: the growth and the demand, G and W, where both are known.
    #[must_use]
    pub fn known(&self) -> Option<(u32, u32)> {
        let grow = self.grow.filter(|grow| Self::EDGES.contains(grow))?;
        (self.demand > 0).then_some((grow, self.demand))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands the field over by reference")]
const fn is_unknown(eighths: &u32) -> bool {
    *eighths == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_that_is_no_edge_is_unknown_h9() {
        let known = |json: &str| serde_json::from_str::<Growth>(json).unwrap().known();
        assert_eq!(known(r#"{"demand":54,"grow":6,"samples":1000}"#), Some((6, 54)));
        for unknown in [
            r#"{"demand":54,"grow":5,"samples":1000}"#,
            r#"{"demand":0,"grow":6,"samples":1000}"#,
            r#"{"demand":54,"samples":59}"#,
            r#"{"grow":6}"#,
            "{}",
        ] {
            assert_eq!(known(unknown), None, "{unknown}");
        }
        let unlearned = Growth { demand: 54, grow: None, samples: 7, ..Growth::default() };
        assert_eq!(serde_json::to_string(&unlearned).unwrap(), r#"{"demand":54,"samples":7}"#);
    }

    #[test]
    fn no_room_is_kept_beyond_the_highest_demand_h9() {
        let room = |demand, highest| Growth { demand, highest, ..Growth::default() }.room(6);
        assert_eq!(
            [room(54, 0), room(54, 70), room(54, 60), room(54, 58), room(54, 54), room(54, 50)],
            [6, 6, 6, 4, 0, 0]
        );
    }
}
