//! U in words: what is above the threshold, and what that takes.

use std::fmt;

use serde::Serialize;
use shared::resources::Kind;
use shared::text::counted;

use super::super::utilization::Utilization;
use super::super::words::{BESIDE_DAEMONS, Change, NO_NEW_AGENT};

/// Why U keeps and adds as many agents as it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScaleUpReason {
    /// `scale_up_threshold_percent`.
    pub threshold_percent: u32,
    /// How many queued instances count as used: they will be there.
    #[serde(skip_serializing_if = "is_none")]
    pub queued: u64,
    /// Whether the percentages are of what daemons leave (H12).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub beside_daemons: bool,
    /// What the considered resources say.
    #[serde(flatten)]
    pub finding: Finding,
}

/// Whether a considered resource is above the threshold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// No considered resource is used, and there is none.
    Unused,
    /// U1: the highest of them is not.
    NotAbove(Utilization),
    /// U1, U2: some are.
    Above(Above),
}

/// What is above the threshold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Above {
    /// What requires most agents; where none can be added, the first.
    pub binding: Utilization,
    /// What U does.
    pub change: Change,
    /// The binding one afterwards.
    pub then: Utilization,
    /// U2
    pub lack: Option<Lack>,
}

/// U2: what a new agent does not bring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lack {
    /// Nothing shows what a new agent has.
    NewAgentUnknown,
    /// It has none of these.
    Kinds(Vec<Kind>),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands the field over by reference")]
const fn is_none(count: &u64) -> bool {
    *count == 0
}

impl fmt::Display for ScaleUpReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.threshold_percent;
        let beside = if self.beside_daemons { BESIDE_DAEMONS } else { "" };
        let queued = match self.queued {
            0 => beside.to_owned(),
            queued => format!("{beside} with {}", counted(queued, "queued instance")),
        };
        match &self.finding {
            Finding::Unused => write!(f, "no considered resource is used{beside}"),
            Finding::NotAbove(highest) => {
                write!(f, "{}{queued} (highest) is not above {percent}%", highest.beside(percent))
            }
            Finding::Above(Above { binding, change, then, lack }) => {
                write!(f, "{}{queued} is above {percent}%", binding.beside(percent))?;
                if change.is_some() {
                    write!(f, ": {change}")?;
                }
                if change.added > 0 {
                    write!(f, ", then {}", then.beside(percent))?;
                }
                match lack {
                    None => Ok(()),
                    Some(Lack::NewAgentUnknown) => write!(f, "; {NO_NEW_AGENT}"),
                    Some(Lack::Kinds(kinds)) => {
                        let kinds: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
                        write!(f, "; adds none for {}, which a new agent does not have{beside}", kinds.join(" and "))
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::resources::Amount;

    fn cpus(used: u64, total: u64) -> Utilization {
        let amount = |cpus: u64| Amount::from_thousandths(1000 * cpus);
        Utilization { kind: Kind::Cpus, used: amount(used), total: amount(total) }
    }

    #[test]
    fn every_finding_has_a_sentence_u1_u2() {
        let above = |(kept, added), lack| {
            let change = Change { kept, of_removed: kept, added };
            Finding::Above(Above { binding: cpus(9, 10), change, then: cpus(9, 12), lack })
        };
        for (finding, text) in [
            (Finding::Unused, "no considered resource is used"),
            (Finding::NotAbove(cpus(8, 10)), "cpus 80% (highest) is not above 80%"),
            (above((0, 2), None), "cpus 90% is above 80%: adds 2 agents, then cpus 75%"),
            (above((1, 0), None), "cpus 90% is above 80%: keeps the agent D removed"),
            (above((1, 2), None), "cpus 90% is above 80%: keeps the agent D removed and adds 2, then cpus 75%"),
            (
                above((0, 0), Some(Lack::NewAgentUnknown)),
                "cpus 90% is above 80%; adds none, since nothing shows what a new agent has; set new_agent",
            ),
            (
                above((0, 0), Some(Lack::Kinds(vec![Kind::Disk, Kind::Gpus]))),
                "cpus 90% is above 80%; adds none for disk and gpus, which a new agent does not have",
            ),
        ] {
            assert_eq!(
                ScaleUpReason { threshold_percent: 80, queued: 0, beside_daemons: false, finding }.to_string(),
                text
            );
        }
        let reason = |queued, beside_daemons, finding| {
            ScaleUpReason { threshold_percent: 80, queued, beside_daemons, finding }.to_string()
        };
        let with_queued = |finding| reason(2, false, finding);
        let expected = "cpus 90% with 2 queued instances is above 80%: adds 2 agents, then cpus 75%";
        assert_eq!(with_queued(above((0, 2), None)), expected);
        let expected = "cpus 80% with 2 queued instances (highest) is not above 80%";
        assert_eq!(with_queued(Finding::NotAbove(cpus(8, 10))), expected);
        let expected = "cpus 90% beside daemons with 2 queued instances is above 80%: adds 2 agents, then cpus 75%";
        assert_eq!(reason(2, true, above((0, 2), None)), expected);
        let expected = "cpus 80% beside daemons (highest) is not above 80%";
        assert_eq!(reason(0, true, Finding::NotAbove(cpus(8, 10))), expected);
        let expected =
            "cpus 90% beside daemons is above 80%; adds none for disk, which a new agent does not have beside daemons";
        assert_eq!(reason(0, true, above((0, 0), Some(Lack::Kinds(vec![Kind::Disk])))), expected);
    }
}
