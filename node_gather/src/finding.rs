//! What reduces the completeness of a snapshot. Every sentence about it stands here.

use std::cmp::Reverse;
use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::fmt::friendly::{Spacing, SpanPrinter};
use shared::contract::{Completeness, CompletenessLevel};
use shared::resources::{Amount, Kind};

use crate::members::Cause;
use crate::mesos::state::{ImpossibleAmount, OddField};

/// How many agents or frameworks a reason names.
pub const MAX_NAMES: usize = 3;

/// Compact, such as `3m20s`.
const DURATION: SpanPrinter = SpanPrinter::new().spacing(Spacing::None);

/// Something that the snapshot lacks or may lack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// No agent of the pool is registered, and agents may still re-register.
    NoAgentsYet(Election),
    /// Agents may still re-register, and with them frameworks and tasks.
    RecentElection(Election),
    /// No agent of the pool is registered or recovered. An empty list does not prove an empty cluster.
    NoAgents,
    /// Agents that were registered before the failover.
    MissingAgents {
        /// How many of them have not re-registered.
        missing: u64,
        /// How many the master knows, the registered ones included.
        known: u64,
        /// More missing agents than this percentage make the snapshot blind.
        max_percent: u32,
    },
    /// The master counts more agents than it lists.
    UnlistedAgents {
        /// How many it counts.
        counted: u32,
        /// How many it lists.
        listed: u32,
    },
    /// The names of frameworks that have not re-registered since the failover.
    MissingFrameworks(Vec<String>),
    /// The master does not report the used resources of so many agents.
    UnreportedUse(u32),
    /// So many tasks run on agents that the master does not list.
    TasksOnUnlistedAgents(u32),
    /// Agents on which the pool cannot rely.
    AgentsSetAside {
        /// How many.
        agents: usize,
        /// How many agents of the pool are registered.
        registered: u32,
        /// The ids of the first [`MAX_NAMES`] of them whose reason is known, and that reason.
        first: Vec<(String, SetAside)>,
    },
    /// Agents whose attributes cannot be read, so that they may belong to the pool.
    AgentsOfUnknownPool {
        /// How many.
        agents: u32,
        /// The id of one of them.
        id: String,
        /// What cannot be read.
        field: OddField,
    },
    /// Frameworks of which something cannot be read, so that tasks may be missing.
    OddFrameworks(Vec<(String, OddField)>),
    /// Agents use more than the visible tasks and executors.
    HiddenUse {
        /// Of which resource.
        kind: Kind,
        /// What agents use.
        used: Amount,
        /// What visible tasks and executors use.
        visible: Amount,
    },
    /// Marathon did not list the queued instances.
    UnknownQueue {
        /// Why.
        reason: String,
    },
    /// Entries of Marathon's queue that cannot be read, and have not been there for long.
    OddQueue {
        /// How many.
        entries: usize,
        /// The first of them.
        application: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Definitions of applications that cannot be read, and were configured lately.
    OddDefinitions {
        /// How many.
        definitions: usize,
        /// The first of them.
        application: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Marathon did not list the constraints of applications.
    UnknownConstraints {
        /// Why.
        reason: String,
    },
    /// CloudWatch did not report the CPU utilization of the group.
    UnknownCpu {
        /// Why.
        reason: String,
    },
    /// Auto Scaling did not describe the group, so its instances are not known.
    UnknownGroup {
        /// The group.
        group: String,
        /// Why.
        reason: String,
    },
    /// EC2 did not report the addresses of the instances.
    UnknownAddresses {
        /// Why.
        reason: String,
    },
    /// Agents that are disconnected. The cluster may be divided.
    DisconnectedAgents {
        /// How many.
        disconnected: u32,
        /// How many the master lists.
        registered: u32,
        /// More than this percentage make the snapshot partial.
        max_percent: u32,
    },
    /// Agents whose instances are not known. They are never removed, and that is all.
    UnidentifiedAgents {
        /// How many.
        agents: u32,
        /// Why, for one of them.
        cause: Cause,
    },
    /// Auto Scaling did not report the size of the group.
    UnknownSize {
        /// The group.
        group: String,
        /// Why.
        reason: String,
    },
}

/// Why no pool can rely on an agent. The others are counted as usual: one agent never stops a pool.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SetAside {
    /// It has the attributes of two pools, which would both count it.
    TwoPools {
        /// The first of the pools.
        first: String,
        /// Another of them.
        second: String,
    },
    /// Its id occurs twice.
    ListedTwice,
    /// A resource has an impossible amount, so that what it has free is not known.
    Amount {
        /// Of what.
        owner: Owner,
        /// The amount.
        amount: ImpossibleAmount,
    },
    /// A field cannot be read, so that it is not known what it can do or what runs on it.
    Odd {
        /// Whose.
        owner: Owner,
        /// The field.
        field: OddField,
    },
}

/// Whose amount is impossible, or whose field cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// The agent's own.
    Agent,
    /// That of a task with this id, shortened.
    Task(String),
    /// That of an executor.
    Executor,
}

impl Owner {
    /// How many bytes of a task's id are kept: more than an id needs.
    const MAX_ID_BYTES: usize = 200;

    /// The task with that id.
    #[must_use]
    pub fn task(id: &[u8]) -> Self {
        Self::Task(String::from_utf8_lossy(id.get(..Self::MAX_ID_BYTES).unwrap_or(id)).into_owned())
    }
}

/// An election after which agents may still re-register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Election {
    /// The master does not report its time.
    Unknown,
    /// It was less than the timeout ago.
    Recent {
        /// How long ago; negative where the clock is behind the master's.
        age: SignedDuration,
        /// The master's `agent_reregister_timeout`.
        timeout: Duration,
    },
}

impl Finding {
    /// What the finding makes of the snapshot.
    #[must_use]
    pub const fn level(&self) -> CompletenessLevel {
        match self {
            Self::NoAgentsYet(_) | Self::UnknownSize { .. } => CompletenessLevel::Blind,
            Self::MissingAgents { missing, known, max_percent } if is_above(*missing, *known, *max_percent) => {
                CompletenessLevel::Blind
            }
            Self::AgentsSetAside { agents, registered, .. } if is_most(*agents, *registered) => {
                CompletenessLevel::Blind
            }
            Self::MissingAgents { .. }
            | Self::AgentsSetAside { .. }
            | Self::RecentElection(_)
            | Self::NoAgents
            | Self::UnlistedAgents { .. }
            | Self::MissingFrameworks(_)
            | Self::UnreportedUse(_)
            | Self::TasksOnUnlistedAgents(_)
            | Self::AgentsOfUnknownPool { .. }
            | Self::OddFrameworks(_)
            | Self::HiddenUse { .. }
            | Self::UnknownQueue { .. }
            | Self::OddQueue { .. }
            | Self::OddDefinitions { .. }
            | Self::UnknownConstraints { .. }
            | Self::UnknownCpu { .. }
            | Self::UnknownGroup { .. }
            | Self::UnknownAddresses { .. }
            | Self::DisconnectedAgents { .. } => CompletenessLevel::Partial,
            Self::UnidentifiedAgents { .. } => CompletenessLevel::Complete,
        }
    }

    /// Adds the finding to those of a snapshot, as the last one.
    pub fn add_to(&self, completeness: &mut Completeness) {
        completeness.level = completeness.level.max(self.level());
        completeness.reasons.push(self.to_string());
    }
}

/// The completeness of a snapshot with these findings. The worst comes first: it decides, and others quote it.
#[must_use]
pub fn completeness(mut findings: Vec<Finding>) -> Completeness {
    findings.sort_by_key(|finding| Reverse(finding.level()));
    let mut completeness = Completeness { level: CompletenessLevel::Complete, reasons: Vec::new() };
    findings.iter().for_each(|finding| finding.add_to(&mut completeness));
    completeness
}

const fn is_above(missing: u64, known: u64, max_percent: u32) -> bool {
    100 * missing > max_percent as u64 * known
}

/// What is wrong with most agents of a pool is no exception: new ones would be alike, and bought without end.
const fn is_most(set_aside: usize, registered: u32) -> bool {
    2 * set_aside as u64 > registered as u64
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAgentsYet(election) => write!(f, "no agent of the pool is registered, and {election}"),
            Self::RecentElection(election) => write!(f, "{election}; frameworks and tasks may be missing"),
            Self::NoAgents => f.write_str(
                "no agent of the pool is registered or recovered; an empty list does not prove an empty cluster",
            ),
            Self::MissingAgents { missing, known, max_percent } => {
                write!(f, "{missing} of {known} agents have not re-registered since the failover")?;
                if is_above(*missing, *known, *max_percent) {
                    write!(f, ", more than max_missing_agents_percent = {max_percent}")?;
                }
                Ok(())
            }
            Self::UnlistedAgents { counted, listed } => {
                write!(f, "the master counts {counted} registered agents but lists {listed}")
            }
            Self::MissingFrameworks(names) => {
                let named = names.iter().take(MAX_NAMES).map(String::as_str).collect::<Vec<_>>().join(", ");
                write!(f, "frameworks have not re-registered since the failover: {named}")?;
                and_more(f, names.len(), MAX_NAMES)
            }
            Self::AgentsSetAside { agents, registered, first } => {
                let quoted = |(id, reason): &(String, SetAside)| format!("{id:?} {reason}");
                let named = first.iter().map(quoted).collect::<Vec<_>>().join("; ");
                write!(f, "{agents} of {registered} agents are not usable")?;
                if first.is_empty() {
                    return Ok(());
                }
                write!(f, ": {named}")?;
                and_more(f, *agents, first.len())
            }
            Self::UnreportedUse(agents) => write!(
                f,
                "agents whose used resources the master does not report: {agents}; \
                 their visible tasks and executors are counted instead"
            ),
            Self::TasksOnUnlistedAgents(tasks) => write!(f, "tasks on agents that the master does not list: {tasks}"),
            Self::AgentsOfUnknownPool { agents, id, field } => {
                write!(
                    f,
                    "{agents} {} belong to the pool: {id:?}: {field}",
                    if *agents == 1 { "agent may" } else { "agents may" }
                )
            }
            Self::OddFrameworks(frameworks) => {
                let quoted = |(name, field): &(String, OddField)| format!("{name:?} ({field})");
                let named = frameworks.iter().take(MAX_NAMES).map(quoted).collect::<Vec<_>>().join(", ");
                write!(f, "frameworks that cannot be read completely: {named}")?;
                and_more(f, frameworks.len(), MAX_NAMES)
            }
            Self::HiddenUse { kind, used, visible } => write!(
                f,
                "agents use {}, visible tasks and executors {visible}{}; \
                 allow the principal to view all tasks and executors",
                kind.quantity(*used),
                kind.unit()
            ),
            Self::UnknownQueue { reason } => write!(f, "queued instances are unknown: {reason}"),
            Self::OddQueue { entries, application, problem } => write!(
                f,
                "{entries} {} of Marathon's queue cannot be read, such as that of {application}: {problem}; \
                 no agent is removed for an hour",
                if *entries == 1 { "entry" } else { "entries" }
            ),
            Self::OddDefinitions { definitions, application, problem } => write!(
                f,
                "definitions of applications cannot be read: {definitions}, such as that of {application}: {problem}; \
                 no agent is removed for an hour"
            ),
            Self::UnknownConstraints { reason } => write!(f, "constraints of applications are unknown: {reason}"),
            Self::UnknownCpu { reason } => write!(f, "the group's CPU utilization is unknown: {reason}"),
            Self::UnknownGroup { group, reason } => write!(f, "the instances of group {group} are unknown: {reason}"),
            Self::UnknownAddresses { reason } => write!(f, "the addresses of instances are unknown: {reason}"),
            Self::DisconnectedAgents { disconnected, registered, max_percent } => write!(
                f,
                "{disconnected} of {registered} agents are disconnected, more than max_missing_agents_percent = {max_percent}"
            ),
            Self::UnidentifiedAgents { agents: 1, cause } => write!(f, "1 agent is not identified and stays: {cause}"),
            Self::UnidentifiedAgents { agents, cause } => {
                write!(f, "{agents} agents are not identified and stay: {cause}")
            }
            Self::UnknownSize { group, reason } => write!(f, "the size of group {group} is unknown: {reason}"),
        }
    }
}

fn and_more(f: &mut fmt::Formatter<'_>, all: usize, named: usize) -> fmt::Result {
    match all.saturating_sub(named) {
        0 => Ok(()),
        more => write!(f, ", and {more} more"),
    }
}

impl fmt::Display for SetAside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TwoPools { first, second } => write!(
                f,
                "has the attributes of pools {first:?} and {second:?}; give the pools attributes that exclude each other"
            ),
            Self::ListedTwice => f.write_str("is listed twice"),
            Self::Amount { owner: Owner::Agent, amount } => write!(f, "reports its resources wrongly: {amount}"),
            Self::Amount { owner: Owner::Task(id), amount } => {
                write!(f, "runs task {id:?} with wrong resources: {amount}")
            }
            Self::Amount { owner: Owner::Executor, amount } => {
                write!(f, "runs an executor with wrong resources: {amount}")
            }
            Self::Odd { owner: Owner::Agent, field } => write!(f, "cannot be read: {field}"),
            Self::Odd { owner: Owner::Task(id), field } => write!(f, "runs task {id:?} that cannot be read: {field}"),
            Self::Odd { owner: Owner::Executor, field } => write!(f, "runs an executor that cannot be read: {field}"),
        }
    }
}

impl fmt::Display for Election {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |age: SignedDuration| {
            DURATION.duration_to_string(&SignedDuration::from_secs(age.as_secs().saturating_abs()))
        };
        match self {
            Self::Unknown => f.write_str("the master does not report when it was elected"),
            Self::Recent { age, .. } if age.is_negative() => {
                write!(f, "the master's election is {} in the future; check the clocks", seconds(*age))
            }
            Self::Recent { age, timeout } => write!(
                f,
                "the master was elected {} ago, less than its agent_reregister_timeout of {}",
                seconds(*age),
                DURATION.unsigned_duration_to_string(timeout)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The one place that compares the sentences; all other tests compare findings.
    #[test]
    fn each_finding_is_one_sentence() {
        let timeout = Duration::from_secs(600);
        let recent = |seconds| Election::Recent { age: SignedDuration::from_secs(seconds), timeout };
        let missing = |missing| Finding::MissingAgents { missing, known: 4, max_percent: 25 };
        let frameworks = |names: &[&str]| Finding::MissingFrameworks(names.iter().map(|&name| name.into()).collect());
        let reason = || "status 503".to_owned();
        let amount = |units| Amount::from_units(units).unwrap();
        let mut odd = crate::mesos::state::RawResources::default();
        odd.number(Kind::Mem, -1.0);
        let odd = |owner| SetAside::Amount { owner, amount: odd.impossible().unwrap().clone() };
        let two_pools = SetAside::TwoPools { first: "a".to_owned(), second: "b".to_owned() };
        let all = [two_pools, SetAside::ListedTwice, odd(Owner::Agent), odd(Owner::task(b"t")), odd(Owner::Executor)];
        assert_eq!(
            all[3..].iter().map(SetAside::to_string).collect::<Vec<_>>(),
            [
                "runs task \"t\" with wrong resources: got -1 mem, expected an amount from 0 to 1000000000",
                "runs an executor with wrong resources: got -1 mem, expected an amount from 0 to 1000000000"
            ]
        );
        let field = OddField { path: "tasks[].id", oddity: crate::mesos::state::Oddity::Repeated };
        let odd = |owner| SetAside::Odd { owner, field }.to_string();
        assert_eq!(odd(Owner::task(b"t")), "runs task \"t\" that cannot be read: tasks[].id occurs twice");
        assert_eq!(odd(Owner::Executor), "runs an executor that cannot be read: tasks[].id occurs twice");
        let set_aside = |agents: usize| {
            let first = all[..agents.min(MAX_NAMES)].iter().enumerate();
            let first = first.map(|(place, reason)| (format!("S{place}"), reason.clone())).collect();
            Finding::AgentsSetAside { agents, registered: 9, first }
        };
        for (finding, sentence) in [
            (
                Finding::NoAgentsYet(recent(200)),
                "no agent of the pool is registered, and the master was elected 3m20s ago, \
                 less than its agent_reregister_timeout of 10m",
            ),
            (
                Finding::RecentElection(recent(-5)),
                "the master's election is 5s in the future; check the clocks; frameworks and tasks may be missing",
            ),
            (
                Finding::RecentElection(Election::Unknown),
                "the master does not report when it was elected; frameworks and tasks may be missing",
            ),
            (
                Finding::NoAgents,
                "no agent of the pool is registered or recovered; an empty list does not prove an empty cluster",
            ),
            (missing(1), "1 of 4 agents have not re-registered since the failover"),
            (
                missing(2),
                "2 of 4 agents have not re-registered since the failover, more than max_missing_agents_percent = 25",
            ),
            (Finding::UnlistedAgents { counted: 3, listed: 1 }, "the master counts 3 registered agents but lists 1"),
            (frameworks(&["a", "b", "c"]), "frameworks have not re-registered since the failover: a, b, c"),
            (
                frameworks(&["a", "b", "c", "d", "e"]),
                "frameworks have not re-registered since the failover: a, b, c, and 2 more",
            ),
            (
                Finding::UnreportedUse(1),
                "agents whose used resources the master does not report: 1; \
                 their visible tasks and executors are counted instead",
            ),
            (
                Finding::AgentsOfUnknownPool { agents: 2, id: "S0".to_owned(), field },
                "2 agents may belong to the pool: \"S0\": tasks[].id occurs twice",
            ),
            (
                Finding::OddFrameworks(vec![("f".to_owned(), field); 4]),
                "frameworks that cannot be read completely: \"f\" (tasks[].id occurs twice), \
                 \"f\" (tasks[].id occurs twice), \"f\" (tasks[].id occurs twice), and 1 more",
            ),
            (
                set_aside(1),
                "1 of 9 agents are not usable: \"S0\" has the attributes of pools \"a\" and \"b\"; \
                 give the pools attributes that exclude each other",
            ),
            (
                set_aside(5),
                "5 of 9 agents are not usable: \"S0\" has the attributes of pools \"a\" and \"b\"; \
                 give the pools attributes that exclude each other; \"S1\" is listed twice; \"S2\" reports its resources \
                 wrongly: got -1 mem, expected an amount from 0 to 1000000000, and 2 more",
            ),
            (Finding::AgentsSetAside { agents: 5, registered: 9, first: Vec::new() }, "5 of 9 agents are not usable"),
            (Finding::TasksOnUnlistedAgents(7), "tasks on agents that the master does not list: 7"),
            (
                Finding::HiddenUse { kind: Kind::Cpus, used: amount(2.0), visible: amount(1.5) },
                "agents use 2 cpus, visible tasks and executors 1.5; \
                 allow the principal to view all tasks and executors",
            ),
            (
                Finding::HiddenUse { kind: Kind::Mem, used: amount(64.0), visible: Amount::ZERO },
                "agents use 64 MB mem, visible tasks and executors 0 MB; \
                 allow the principal to view all tasks and executors",
            ),
            (Finding::UnknownQueue { reason: reason() }, "queued instances are unknown: status 503"),
            (Finding::UnknownConstraints { reason: reason() }, "constraints of applications are unknown: status 503"),
            (Finding::UnknownCpu { reason: reason() }, "the group's CPU utilization is unknown: status 503"),
            (
                Finding::UnknownGroup { group: "web".to_owned(), reason: reason() },
                "the instances of group web are unknown: status 503",
            ),
            (Finding::UnknownAddresses { reason: reason() }, "the addresses of instances are unknown: status 503"),
            (
                Finding::DisconnectedAgents { disconnected: 6, registered: 10, max_percent: 10 },
                "6 of 10 agents are disconnected, more than max_missing_agents_percent = 10",
            ),
            (
                Finding::UnidentifiedAgents {
                    agents: 2,
                    cause: Cause::SharedInstance { instance: "i-1".to_owned(), agents: 2 },
                },
                "2 agents are not identified and stay: 2 agents claim i-1",
            ),
            (
                Finding::UnidentifiedAgents { agents: 1, cause: Cause::NoName { hostname: "a1".to_owned() } },
                "1 agent is not identified and stays: no attribute instance_id, hostname, or address names the instance of a1",
            ),
            (
                Finding::UnknownSize { group: "web".to_owned(), reason: reason() },
                "the size of group web is unknown: status 503",
            ),
        ] {
            assert_eq!(finding.to_string(), sentence);
        }
    }

    #[test]
    fn the_worst_finding_comes_first_and_decides() {
        let missing = |missing| Finding::MissingAgents { missing, known: 4, max_percent: 25 };
        let Completeness { level, reasons } = completeness(vec![Finding::NoAgents, missing(2)]);
        assert_eq!(level, CompletenessLevel::Blind);
        assert_eq!(reasons, [missing(2).to_string(), Finding::NoAgents.to_string()]);
        assert_eq!((missing(1).level(), missing(2).level()), (CompletenessLevel::Partial, CompletenessLevel::Blind));
        assert_eq!(completeness(Vec::new()).level, CompletenessLevel::Complete);
    }
}
