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
    /// How many runs that was learned from.
    pub samples: u32,
}

impl Growth {
    /// H8: the growths that are distinguished, in eighths of a new agent. Beyond 4, each but the last is at most half as large again as
    /// the one before.
    pub const EDGES: [u32; 24] =
        [0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 4096];

    /// H9: the growth and the demand, G and W, where both are known.
    #[must_use]
    pub fn known(&self) -> Option<(u32, u32)> {
        let grow = self.grow.filter(|grow| Self::EDGES.contains(grow))?;
        (self.demand > 0).then_some((grow, self.demand))
    }
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
        let unlearned = Growth { demand: 54, grow: None, samples: 7 };
        assert_eq!(serde_json::to_string(&unlearned).unwrap(), r#"{"demand":54,"samples":7}"#);
    }
}
