//! H in words: what is needed and free, what single agents hold, and what no agent does.

use std::fmt;

use serde::Serialize;
use shared::resources::{Amount, Kind, Resources};
use shared::text::counted;

use super::super::growth::Learned;
use super::super::hosts::reason::HostsNeeded;
use super::super::words::{Change, NO_NEW_AGENT};

/// Why H keeps and adds as many agents as it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeadroomReason {
    /// What is needed in total.
    pub needed: Needed,
    /// H3: what single agents hold; `None` where totals are compared.
    pub placed: Option<Placed>,
    /// What H does.
    pub change: Change,
    /// H3: how many agents the total alone requires, where single tasks require more.
    pub for_total: Option<u64>,
    /// H5: how many tasks find no place that a new agent could not hold either.
    pub unplaced: u64,
    /// H5
    pub lack: Option<Lack>,
    /// H5: how many applications have tasks that fit no agent, not even an empty one.
    pub left_out: u32,
    /// A: whether the agent that H adds is tried for what only a larger one than the last would hold.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_tried: bool,
    /// H12: the application for which H keeps or adds agents, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hosts: Option<HostsNeeded>,
    /// H9: what has been learned, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learned: Option<Learned>,
    /// H5: what of which applications cannot be placed. The decision lists them.
    pub unplaceable: Vec<Unplaceable>,
}

/// What is needed in total, and what is free.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Needed {
    /// H6: the pool is empty, and nothing is to be placed.
    NothingInEmptyPool,
    /// Nothing is displaced or queued, and no application grows.
    Nothing,
    /// H6: so many instances are queued, and no agent shows what a new one has.
    FirstAgent(u64),
    /// Of the kind that decides.
    Of(Need),
}

impl HeadroomReason {
    /// H6: one agent for so many queued instances, of any size.
    pub(super) const fn first_agent(queued: u64) -> Self {
        Self {
            hosts: None,
            needed: Needed::FirstAgent(queued),
            placed: None,
            change: Change { kept: 0, of_removed: 0, added: 1 },
            for_total: None,
            unplaced: 0,
            lack: None,
            is_tried: false,
            left_out: 0,
            learned: None,
            unplaceable: Vec::new(),
        }
    }
}

/// How much of one kind is needed and free.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Need {
    /// The kind.
    pub kind: Kind,
    /// All that is needed.
    pub amount: Amount,
    /// What of it is displaced.
    pub displaced: Amount,
    /// What of it queued instances take.
    pub queued: Amount,
    /// What of it applications need to grow.
    pub growth: Amount,
    /// What is free.
    pub free: Amount,
}

/// H3: whether the tasks fit single agents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Placed {
    /// Whether they do decides nothing.
    Undecisive,
    /// All of them do.
    All(u64),
    /// Some do not, so that agents are kept or added.
    Unfit {
        /// Whether they fit as the agents are, and do not where displaced tasks spread.
        when_spread: bool,
        /// Which ones.
        tasks: Unfit,
    },
}

/// H3: which tasks fit no single agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unfit {
    /// None, but part of what is needed in total must be on agents without gpus.
    OnGpuAgents,
    /// The largest one of an application.
    Largest(Resources),
    /// Some of all those that are placed.
    Some {
        /// How many.
        count: u64,
        /// Of how many.
        of: u64,
        /// What the largest of them takes.
        largest: Resources,
        /// Whether all of them take as much.
        is_one_size: bool,
        /// The empty agents that they require; `None` where a new agent could not hold them.
        agents: Option<EmptyAgents>,
    },
}

/// Empty agents like new ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct EmptyAgents {
    /// How many tasks require.
    pub required: u64,
    /// How many there are.
    pub existing: u64,
}

/// H5: what a new agent does not bring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lack {
    /// Nothing shows what a new agent has.
    NewAgentUnknown,
    /// So much of these kinds is missing, and a new agent has nothing of them.
    Kinds(Vec<(Kind, Amount)>),
}

/// H5: an application of which some task or queued instance cannot be placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unplaceable {
    /// Its name.
    pub application: String,
    /// What prevents it.
    pub obstacles: Vec<Obstacle>,
}

/// H5: why something cannot be placed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Obstacle {
    /// A task is larger than a new agent.
    TooLarge {
        /// In this kind.
        kind: Kind,
        /// What the task needs.
        needs: Amount,
        /// What a new agent has.
        has: Amount,
    },
    /// A: it would fit an agent as it is believed, and the agents that registered last have less.
    NotAsBelieved {
        /// Of this kind.
        kind: Kind,
        /// What the task needs.
        needs: Amount,
        /// What is believed.
        believed: Amount,
        /// What they have.
        has: Amount,
    },
    /// A new agent has gpus, and the framework is not offered such agents.
    KeptOffGpus,
    /// A new agent has nothing of what the application needs.
    Lacking {
        /// Of this kind.
        kind: Kind,
        /// What the application needs.
        needs: Amount,
        /// What for.
        purpose: Purpose,
        /// What is free.
        free: Amount,
    },
    /// So many more applications have obstacles of their own.
    More(u32),
}

/// What an application needs something for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To grow.
    Growth,
    /// For its queued instances.
    Queued,
    /// For both.
    Both,
}

impl Need {
    fn is_short(&self) -> bool {
        self.amount > self.free
    }

    /// Where the amount is not growth alone, its parts.
    fn parts(&self) -> String {
        let parts = [(self.displaced, "displaced"), (self.queued, "queued"), (self.growth, "growth")];
        if parts.iter().all(|(part, word)| part.is_zero() || *word == "growth") {
            return String::new();
        }
        let part = |(part, word): &(Amount, &str)| (!part.is_zero()).then(|| format!("{part} {word}"));
        format!(" ({})", parts.iter().filter_map(part).collect::<Vec<_>>().join(", "))
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, amount, free, .. } = self;
        let (unit, parts) = (kind.unit(), self.parts());
        if self.is_short() {
            write!(f, "headroom needs {}{parts}, but only {free}{unit} free", kind.quantity(*amount))
        } else {
            write!(f, "headroom needs {amount} of {free}{unit} free {kind}{parts}")
        }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnGpuAgents => f.write_str("part of that is on agents with gpus"),
            Self::Largest(resources) => write!(f, "the largest task ({resources}) fits no single agent"),
            Self::Some { count, of, largest, is_one_size, agents } => {
                let (fit, need) = if *count == 1 { ("fits", "needs") } else { ("fit", "need") };
                let up_to = if *is_one_size { "" } else { "up to " };
                write!(f, "{count} of {of} tasks ({up_to}{largest}) {fit} no ")?;
                match agents {
                    Some(EmptyAgents { required, existing }) if *existing > 0 => {
                        let required = counted(*required, "empty agent");
                        write!(f, "agent in use and {need} {required}, {existing} existing")
                    }
                    _ => f.write_str("single agent"),
                }
            }
        }
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewAgentUnknown => f.write_str(NO_NEW_AGENT),
            Self::Kinds(kinds) => {
                let quantities: Vec<String> = kinds.iter().map(|(kind, missing)| kind.quantity(*missing)).collect();
                write!(f, "adds none for the missing {}, which a new agent does not have", quantities.join(" and "))
            }
        }
    }
}

impl fmt::Display for HeadroomReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (need, is_short) = match &self.needed {
            Needed::NothingInEmptyPool => ("the pool is empty, and nothing is to be placed".to_owned(), false),
            Needed::Nothing => {
                ("headroom needs nothing: no task is displaced or queued, and no application grows".to_owned(), false)
            }
            Needed::FirstAgent(queued) => {
                let verb = if *queued == 1 { "is" } else { "are" };
                let queued = counted(*queued, "instance");
                (format!("{queued} {verb} queued, and no agent shows what a new one has"), false)
            }
            Needed::Of(need) => (need.to_string(), need.is_short()),
        };
        f.write_str(&need)?;
        match &self.placed {
            None | Some(Placed::Undecisive) => {}
            Some(Placed::All(1)) => f.write_str("; the task to place fits")?,
            Some(Placed::All(tasks)) => write!(f, "; all {tasks} tasks to place fit")?,
            Some(Placed::Unfit { when_spread, tasks }) => {
                f.write_str(if is_short { ", and " } else { ", but " })?;
                f.write_str(if *when_spread { "where displaced tasks spread, " } else { "" })?;
                tasks.fmt(f)?;
            }
        }
        if let Some(hosts) = &self.hosts {
            write!(f, "; {hosts}")?;
        }
        if self.change.is_some() {
            write!(f, ": {}", self.change)?;
        }
        if self.is_tried {
            f.write_str(" to see what a new agent has, since none has registered for an hour")?;
        }
        match self.for_total {
            None | Some(0) => {}
            Some(agents) => write!(f, "; the total alone requires {}", counted(agents, "agent"))?,
        }
        if self.unplaced > 0 {
            let fit = if self.unplaced == 1 { "fits" } else { "fit" };
            write!(f, "; {} {fit} neither the agents in use nor a new one", counted(self.unplaced, "task"))?;
        }
        if let Some(lack) = &self.lack {
            write!(f, "; {lack}")?;
        }
        if self.left_out > 0 {
            let applications = counted(self.left_out, "application");
            write!(f, "; leaves out tasks of {applications} that fit no agent")?;
        }
        match &self.learned {
            Some(learned) => write!(f, "; {learned}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { kind, needs, has } => {
                write!(f, "needs {}, a new agent has {has}{}", kind.quantity(*needs), kind.unit())
            }
            Self::NotAsBelieved { kind, needs, believed, has } => {
                let (needs, unit) = (kind.quantity(*needs), kind.unit());
                write!(
                    f,
                    "needs {needs}; a new agent should have {believed}{unit}, but those that registered last have {has}{unit}"
                )
            }
            Self::KeptOffGpus => {
                f.write_str("new agents have gpus, and Mesos offers such agents only to frameworks with GPU_RESOURCES")
            }
            Self::Lacking { kind, needs, purpose, free } => {
                let purpose = match purpose {
                    Purpose::Growth => "to grow",
                    Purpose::Queued => "for queued instances",
                    Purpose::Both => "to grow and for queued instances",
                };
                write!(f, "needs {} {purpose}, {free}{} free, a new agent has none", kind.quantity(*needs), kind.unit())
            }
            Self::More(1) => f.write_str("1 more application has unplaceable tasks"),
            Self::More(applications) => write!(f, "{applications} more applications have unplaceable tasks"),
        }
    }
}

impl fmt::Display for Unplaceable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let obstacles: Vec<String> = self.obstacles.iter().map(ToString::to_string).collect();
        f.write_str(&obstacles.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(units: u64) -> Amount {
        Amount::from_thousandths(1000 * units)
    }

    fn need(kind: Kind, [displaced, queued, growth]: [u64; 3], free: u64) -> Needed {
        let [displaced, queued, growth] = [displaced, queued, growth].map(amount);
        Needed::Of(Need { kind, amount: displaced + queued + growth, displaced, queued, growth, free: amount(free) })
    }

    fn adds(added: u32) -> Change {
        Change { added, ..Change::default() }
    }

    fn reason(needed: Needed, change: Change) -> HeadroomReason {
        HeadroomReason {
            needed,
            placed: None,
            change,
            for_total: None,
            unplaced: 0,
            lack: None,
            left_out: 0,
            is_tried: false,
            hosts: None,
            learned: None,
            unplaceable: Vec::new(),
        }
    }

    const TASK: Resources =
        Resources { cpus: Amount::from_thousandths(3000), mem: Amount::from_thousandths(1_000_000), ..Resources::ZERO };

    #[test]
    fn needs_are_compared_with_what_is_free_h2_h6() {
        let none = Change::default();
        for (needed, change, text) in [
            (Needed::NothingInEmptyPool, none, "the pool is empty, and nothing is to be placed"),
            (Needed::Nothing, none, "headroom needs nothing: no task is displaced or queued, and no application grows"),
            (need(Kind::Cpus, [0, 0, 3], 10), none, "headroom needs 3 of 10 free cpus"),
            (
                need(Kind::Mem, [2, 3, 4], 10),
                none,
                "headroom needs 9 of 10 MB free mem (2 displaced, 3 queued, 4 growth)",
            ),
            (
                need(Kind::Mem, [0, 0, 13_300], 7000),
                adds(1),
                "headroom needs 13300 MB mem, but only 7000 MB free: adds 1 agent",
            ),
            (
                need(Kind::Gpus, [0, 2, 0], 1),
                Change { kept: 1, of_removed: 1, added: 1 },
                "headroom needs 2 gpus (2 queued), but only 1 free: keeps the agent D removed and adds 1",
            ),
        ] {
            assert_eq!(reason(needed, change).to_string(), text);
        }
    }

    #[test]
    fn every_way_to_fit_single_agents_has_a_sentence_h3() {
        let some = |count, is_one_size, agents| Unfit::Some { count, of: 25, largest: TASK, is_one_size, agents };
        let agents = |required, existing| Some(EmptyAgents { required, existing });
        let unfit = |tasks| Placed::Unfit { when_spread: false, tasks };
        for (free, placed, text) in [
            (10, Placed::Undecisive, ""),
            (10, Placed::All(1), "; the task to place fits"),
            (10, Placed::All(25), "; all 25 tasks to place fit"),
            (10, unfit(Unfit::OnGpuAgents), ", but part of that is on agents with gpus"),
            (10, unfit(Unfit::Largest(TASK)), ", but the largest task (3 cpus, 1000 MB) fits no single agent"),
            (10, unfit(some(1, true, agents(1, 0))), ", but 1 of 25 tasks (3 cpus, 1000 MB) fits no single agent"),
            (
                10,
                unfit(some(3, false, agents(2, 1))),
                ", but 3 of 25 tasks (up to 3 cpus, 1000 MB) fit no agent in use and need 2 empty agents, 1 existing",
            ),
            (
                10,
                Placed::Unfit { when_spread: true, tasks: some(1, true, None) },
                ", but where displaced tasks spread, 1 of 25 tasks (3 cpus, 1000 MB) fits no single agent",
            ),
            (2, unfit(Unfit::Largest(TASK)), ", and the largest task (3 cpus, 1000 MB) fits no single agent"),
        ] {
            let reason = HeadroomReason { placed: Some(placed), ..reason(need(Kind::Cpus, [0, 0, 3], free), adds(0)) };
            let text = match free {
                10 => format!("headroom needs 3 of 10 free cpus{text}"),
                _ => format!("headroom needs 3 cpus, but only 2 free{text}"),
            };
            assert_eq!(reason.to_string(), text);
        }
    }

    #[test]
    fn what_no_agent_holds_is_named_after_what_is_done_h3_h5() {
        let reason = reason(need(Kind::Cpus, [0, 0, 3], 10), adds(3));
        let ending = |reason: HeadroomReason| {
            let text = reason.to_string();
            text.strip_prefix("headroom needs 3 of 10 free cpus: adds 3 agents").unwrap().to_owned()
        };
        assert_eq!(ending(HeadroomReason { for_total: Some(0), ..reason.clone() }), "");
        assert_eq!(
            ending(HeadroomReason { for_total: Some(2), ..reason.clone() }),
            "; the total alone requires 2 agents"
        );
        assert_eq!(
            ending(HeadroomReason { unplaced: 1, left_out: 2, ..reason.clone() }),
            "; 1 task fits neither the agents in use nor a new one; leaves out tasks of 2 applications that fit no agent"
        );
        let lack = Some(Lack::Kinds(vec![(Kind::Disk, amount(16)), (Kind::Gpus, amount(1))]));
        assert_eq!(
            ending(HeadroomReason { lack, ..reason.clone() }),
            "; adds none for the missing 16 MB disk and 1 gpus, which a new agent does not have"
        );
        assert_eq!(
            ending(HeadroomReason { lack: Some(Lack::NewAgentUnknown), ..reason }),
            "; adds none, since nothing shows what a new agent has; set new_agent"
        );
    }

    #[test]
    fn every_obstacle_has_a_sentence_h5() {
        let lacking = |purpose| Obstacle::Lacking { kind: Kind::Gpus, needs: amount(2), purpose, free: amount(1) };
        let obstacles = vec![
            Obstacle::TooLarge { kind: Kind::Cpus, needs: amount(6), has: amount(4) },
            Obstacle::TooLarge { kind: Kind::Mem, needs: amount(20_000), has: amount(14_000) },
            Obstacle::NotAsBelieved {
                kind: Kind::Mem,
                needs: amount(15_500),
                believed: amount(16_384),
                has: amount(14_861),
            },
            Obstacle::KeptOffGpus,
            lacking(Purpose::Growth),
            lacking(Purpose::Queued),
            lacking(Purpose::Both),
            Obstacle::More(1),
            Obstacle::More(50),
        ];
        let text = Unplaceable { application: "/a".to_owned(), obstacles }.to_string();
        assert_eq!(
            text.split("; ").collect::<Vec<_>>(),
            [
                "needs 6 cpus, a new agent has 4",
                "needs 20000 MB mem, a new agent has 14000 MB",
                "needs 15500 MB mem",
                "a new agent should have 16384 MB, but those that registered last have 14861 MB",
                "new agents have gpus, and Mesos offers such agents only to frameworks with GPU_RESOURCES",
                "needs 2 gpus to grow, 1 free, a new agent has none",
                "needs 2 gpus for queued instances, 1 free, a new agent has none",
                "needs 2 gpus to grow and for queued instances, 1 free, a new agent has none",
                "1 more application has unplaceable tasks",
                "50 more applications have unplaceable tasks",
            ]
        );
    }
}
