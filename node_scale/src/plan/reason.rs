//! Why a decision is not applied, as types: every sentence of R1 and of B1 to B5 stands here.

mod no_change;

use std::fmt;

use jiff::SignedDuration;
use shared::clause::{self, Clause};
use shared::text::{MAX_REMOTE_CHARS, clip};
use shared::time::compact;

use super::breaker::Loss;
use super::targets::Skipped;
use super::{MOST_TAGS, NAMED};
use crate::group_tags::{Direction, Pause};
use crate::state::{Activity, ActivityKind};

pub use no_change::NoChange;

/// A reason ready to print: what outcomes, logs and metrics carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The clause that decided; `None` where none did.
    pub clause: Option<Clause>,
    /// A sentence without it.
    pub text: String,
}

impl Reason {
    fn new(clause: Option<Clause>, text: &impl fmt::Display) -> Self {
        Self { clause, text: text.to_string() }
    }
}

impl From<String> for Reason {
    fn from(text: String) -> Self {
        Self { clause: None, text }
    }
}

impl From<&str> for Reason {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl From<&Refusal> for Reason {
    fn from(refusal: &Refusal) -> Self {
        Self::new(Some(refusal.clause()), refusal)
    }
}

impl From<&BackOff> for Reason {
    fn from(back_off: &BackOff) -> Self {
        Self::new(back_off.clause(), back_off)
    }
}

impl From<&NoChange> for Reason {
    fn from(no_change: &NoChange) -> Self {
        Self::new(no_change.clause(), no_change)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&clause::explain(self.clause, &self.text))
    }
}

/// Why a decision is never applied (R1, A1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The message is no decision, for that reason.
    Unreadable(String),
    /// No pool of the configuration has that name.
    UnknownPool(String),
    /// The snapshot is too old.
    Expired {
        /// How old.
        age: SignedDuration,
        /// How old it may be.
        limit: SignedDuration,
    },
    /// The snapshot is dated in the future, by more than clocks differ.
    FromFuture {
        /// By how much.
        ahead: SignedDuration,
    },
    /// There is no group of that name.
    NoGroup(String),
    /// The group is being deleted; its status.
    GroupDeleted(String),
    /// A number of agents has no one capacity.
    MixedWeights,
    /// The masters do not know the calls of the strategy.
    OldMesos {
        /// Their version.
        version: String,
        /// The least that knows them.
        needs: &'static str,
    },
    /// A scale-down names no agent, and the strategy needs names.
    NoAgentNamed,
    /// None of the named agents is certainly an instance of the group.
    NoTarget {
        /// How many agents should be removed.
        count: u32,
        /// Why each was skipped.
        skipped: Vec<Skipped>,
    },
}

impl Refusal {
    /// The clause that decided.
    #[must_use]
    pub const fn clause(&self) -> Clause {
        match self {
            Self::Unreadable(_)
            | Self::UnknownPool(_)
            | Self::Expired { .. }
            | Self::FromFuture { .. }
            | Self::NoGroup(_)
            | Self::GroupDeleted(_)
            | Self::OldMesos { .. }
            | Self::MixedWeights => Clause::R1,
            Self::NoAgentNamed | Self::NoTarget { .. } => Clause::A1,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => f.write_str(why),
            Self::UnknownPool(pool) => {
                write!(f, "the configuration of node_scale has no pool {:?}", clip(pool, MAX_REMOTE_CHARS))
            }
            Self::Expired { age, limit } => {
                write!(f, "expired: snapshot is {} old, limit {}", compact(*age), compact(*limit))
            }
            Self::FromFuture { ahead } => {
                write!(f, "snapshot time is {} in the future; check the clock of its sender", compact(*ahead))
            }
            Self::NoGroup(name) => write!(f, "no Auto Scaling group {name:?} in this region; correct pools.group"),
            Self::GroupDeleted(status) => write!(f, "the group is being deleted ({status})"),
            Self::MixedWeights => f.write_str(
                "the group's instances have different weighted capacities; give the pool a group with equal weights",
            ),
            Self::OldMesos { version, needs } => write!(
                f,
                "scale_down_strategy = \"drain\" needs Mesos {needs} or later, and the master is {}; upgrade the masters, or set \
                 scale_down_strategy = \"least_loaded\"",
                clip(version, 20)
            ),
            Self::NoAgentNamed => f.write_str(
                "the decision names no agent to remove; your check must name them in scale_down_agents, or set \
                 scale_down_strategy = \"desired_capacity\"",
            ),
            Self::NoTarget { count, skipped } => {
                write!(f, "removes 0 of {count} agents{}", skipped_list(skipped))
            }
        }
    }
}

/// Why a decision is postponed to a later run (B1 to B5, and pauses).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackOff {
    /// The configuration pauses the pool.
    PoolPaused,
    /// The group's tag pauses it.
    GroupPaused(Pause),
    /// The group's tag sets a minimum that cannot be read.
    FloorUnreadable,
    /// The decision did not see this activity.
    StartedAfterSnapshot(ActivityRef),
    /// The process for that direction is suspended, and why, as far as Auto Scaling says.
    Suspended(Direction, Option<String>),
    /// The group has more recent activities than are read.
    TooManyActivities(Direction),
    /// An activity runs.
    InProgress(ActivityRef),
    /// An instance is launching or terminating.
    Unsettled(String),
    /// Instances are in flight.
    InFlight(u32),
    /// The group will terminate instances by itself.
    ExcessInstances,
    /// An instance refresh runs.
    InstanceRefresh,
    /// The last activity of that direction is too recent.
    Cooldown {
        /// The direction that waits.
        direction: Direction,
        /// How long ago it ended.
        ago: SignedDuration,
        /// How long ago it must have ended.
        cooldown: SignedDuration,
    },
    /// An agent was tried, and another one would only be tried, too (A).
    Tried {
        /// How long none is.
        retry_in: SignedDuration,
    },
    /// The master may still list an agent that it has lost.
    LostAgentsListed {
        /// How long it lists one.
        unreachable_after: SignedDuration,
        /// How long ago the last activity ended.
        ago: SignedDuration,
        /// How long ago it must have ended.
        cooldown: SignedDuration,
    },
    /// Agents were needed within the window (D6).
    NeededLately {
        /// The most agents that were needed.
        needed: u32,
        /// How many more stay.
        margin: u32,
        /// How many are there.
        agents: u32,
        /// How long the window is.
        window: SignedDuration,
        /// Until the window ends for what needs them.
        retry_in: SignedDuration,
    },
    /// How many agents were needed is not known for the whole window (D6).
    NeedsUnknown {
        /// How many slots are known.
        known: u32,
        /// How many there are.
        slots: u32,
        /// How long the window is.
        window: SignedDuration,
        /// Until the window contains only what the next decisions say.
        retry_in: SignedDuration,
    },
    /// Too few instances may be terminated by the group.
    ScaleInProtection {
        /// How many may.
        removable: u32,
        /// How many should.
        count: u32,
    },
    /// A recent launch whose instance the group does not list.
    UnlistedLaunch(ActivityRef),
    /// A launch runs, and more instances are needed.
    LaunchInProgress {
        /// The launch.
        launch: ActivityRef,
        /// How many more instances are needed.
        missing: u32,
        /// How long the decisions have waited for launches.
        waited: SignedDuration,
        /// How long they wait at most.
        limit: SignedDuration,
    },
    /// Auto Scaling rejected the write for now, with that code.
    Busy(String),
    /// Describing the group took too long, so its state is outdated.
    SlowAnswers(SignedDuration),
    /// What was asked for does not arrive.
    NotArriving {
        /// How many launches in a row brought no agent.
        count: u32,
        /// How long ago the last one was known to have brought none.
        ago: SignedDuration,
        /// Why that one brought none.
        loss: Loss,
        /// When an instance is too old to join.
        join_timeout: SignedDuration,
        /// Until the next try; `None` where the desired capacity asks for enough already.
        retry_in: Option<SignedDuration>,
    },
    /// Too many instances in service are no agents.
    MissingAgents {
        /// How many.
        count: u32,
        /// Which ones, as far as they are listed.
        ids: Vec<String>,
        /// How many are in service.
        of: u32,
        /// How many of them may be none, in percent.
        percent: u32,
    },
    /// An instance beyond the minimum cannot be terminated: that lowers the desired capacity, which is at the minimum and
    /// cannot be raised before.
    NoRoomToTerminate {
        /// The desired capacity.
        desired: i32,
        /// What the pool, the group and the floor require.
        min: i32,
        /// What the pool and the group allow.
        max: i32,
        /// How many capacity units an instance counts for.
        unit: u32,
    },
    /// The group has so many tags that it takes none for another agent.
    TagsFull {
        /// How many tags it has.
        tags: u32,
        /// How many of them are of agents that are decommissioning.
        own: u32,
    },
    /// Decommissioning goes on with a complete snapshot only.
    IncompleteSnapshot,
    /// The masters refused a call about an agent lately, which the decision did not know.
    CallsRefused {
        /// Whether agents are removed as without `learn` meanwhile.
        removes_otherwise: bool,
    },
}

impl BackOff {
    /// The clause that decided; a pause has none.
    #[must_use]
    pub const fn clause(&self) -> Option<Clause> {
        Some(match self {
            Self::PoolPaused | Self::GroupPaused(_) => return None,
            Self::StartedAfterSnapshot(_) => Clause::B1,
            Self::InProgress(_)
            | Self::Unsettled(_)
            | Self::InFlight(_)
            | Self::ExcessInstances
            | Self::InstanceRefresh
            | Self::MissingAgents { .. }
            | Self::LostAgentsListed { .. }
            | Self::FloorUnreadable
            | Self::ScaleInProtection { .. } => Clause::B2,
            Self::Suspended(direction, _) | Self::TooManyActivities(direction) | Self::Cooldown { direction, .. } => {
                match direction {
                    Direction::Up => Clause::B3,
                    Direction::Down => Clause::B2,
                }
            }
            Self::UnlistedLaunch(_) | Self::LaunchInProgress { .. } | Self::Tried { .. } => Clause::B3,
            Self::Busy(_) | Self::SlowAnswers(_) => Clause::B4,
            Self::NotArriving { .. } => Clause::B5,
            Self::NeededLately { .. } | Self::NeedsUnknown { .. } => Clause::D6,
            Self::NoRoomToTerminate { .. } | Self::TagsFull { .. } | Self::IncompleteSnapshot => Clause::A1,
            Self::CallsRefused { .. } => Clause::D8,
        })
    }
}

impl fmt::Display for BackOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PoolPaused => f.write_str("the configuration pauses the pool (pause_until)"),
            Self::GroupPaused(pause) => write!(f, "the group is paused {pause} (tag lambda-scale/pause-until)"),
            Self::FloorUnreadable => f.write_str("the tag lambda-scale/floor cannot be read, so nothing is removed"),
            Self::StartedAfterSnapshot(activity) => {
                write!(f, "{activity} started after the snapshot; the decision is outdated")
            }
            Self::Suspended(direction, reason) => {
                let process = match direction {
                    Direction::Up => "Launch",
                    Direction::Down => "Terminate",
                };
                write!(f, "the process {process} is suspended on the group")?;
                reason.as_ref().map_or(Ok(()), |reason| write!(f, " ({})", clip(reason, MAX_REMOTE_CHARS)))
            }
            Self::TooManyActivities(_) => f.write_str("the group has more recent activities than node_scale reads"),
            Self::InProgress(activity) => write!(f, "{activity} in progress"),
            Self::Unsettled(id) => write!(f, "instance {id} is launching or terminating"),
            Self::InFlight(count) => write!(f, "{} in flight", instances(*count)),
            Self::ExcessInstances => {
                f.write_str("the group has more instances than its desired capacity; it will terminate some")
            }
            Self::InstanceRefresh => f.write_str("instance refresh in progress"),
            Self::Cooldown { direction, ago, cooldown } => {
                let (what, setting) = match direction {
                    Direction::Up => ("launch", "scale_up_cooldown"),
                    Direction::Down => ("activity", "scale_down_cooldown"),
                };
                let (ended, retry) = (compact(*ago), compact(left(*cooldown, *ago)));
                write!(f, "last {what} ended {ended} ago, {setting} = {}; retry in {retry}", compact(*cooldown))
            }
            Self::Tried { retry_in } => {
                let retry = compact(*retry_in);
                write!(
                    f,
                    "an agent was tried within the hour (tag lambda-scale/tried), and this one would only be tried; retry in {retry}"
                )
            }
            Self::LostAgentsListed { unreachable_after, ago, cooldown } => {
                let (listed, ended, retry) =
                    (compact(*unreachable_after), compact(*ago), compact(left(*cooldown, *ago)));
                let cooldown = compact(*cooldown);
                write!(
                    f,
                    "last activity ended {ended} ago; the master lists lost agents for {listed} (agent_ping_timeout), with a \
                     schedule period {cooldown}; retry in {retry}"
                )
            }
            Self::NeededLately { needed, margin, agents, window, retry_in } => {
                let needed = shared::text::counted(*needed, "agent");
                let stay = if *margin > 0 { format!(", {margin} more stay") } else { String::new() };
                let (window, retry) = (compact(*window), compact(*retry_in));
                write!(
                    f,
                    "up to {needed} needed in the last {window} (scale_down_window){stay}: there are {agents}; retry in {retry}"
                )
            }
            Self::NeedsUnknown { known, slots, window, retry_in } => {
                let (window, retry) = (compact(*window), compact(*retry_in));
                write!(
                    f,
                    "how many agents were needed is known for {known} of {slots} slots of the last {window} (scale_down_window); \
                     retry in {retry}"
                )
            }
            Self::ScaleInProtection { removable, count } => {
                write!(f, "{removable} of {count} instances to remove have no scale-in protection")
            }
            Self::UnlistedLaunch(launch) => {
                write!(f, "{launch} is known, but the group does not list its instance yet")
            }
            Self::LaunchInProgress { launch, missing, waited, limit } => {
                let (waited, limit) = (compact(*waited), compact(*limit));
                let more = shared::text::counted(*missing, "more instance");
                write!(f, "{launch} in progress, {more} needed; waited {waited} of max_back_off = {limit}")
            }
            Self::Busy(code) => write!(f, "Auto Scaling returned {code}; the next run retries"),
            Self::SlowAnswers(limit) => {
                let limit = compact(*limit);
                write!(
                    f,
                    "describing the group took longer than {limit}, so its state is outdated; the next run retries"
                )
            }
            Self::NotArriving { count, ago, loss, join_timeout, retry_in } => {
                not_arriving(f, *count, *ago, loss, *join_timeout)?;
                match retry_in {
                    Some(retry_in) => write!(f, "; retry in {}", compact(*retry_in)),
                    None => f.write_str("; the desired capacity asks for them already"),
                }
            }
            Self::MissingAgents { count, ids, of, percent } => {
                write!(
                    f,
                    "{count} of {of} instances in service are no agents, max_missing_agents_percent = {percent}"
                )?;
                if ids.is_empty() {
                    return f.write_str(", and which is not known");
                }
                let named = ids.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
                let more = count.saturating_sub(shared::count::saturated(ids.len().min(NAMED)));
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                write!(f, ": {named}{more}")
            }
            Self::NoRoomToTerminate { desired, min, max, unit } => {
                let needed = min.saturating_add_unsigned(*unit);
                write!(
                    f,
                    "terminating an instance lowers the desired capacity, which is {desired}: at least {min} is required and at \
                     most {max} allowed; raise the maximum of the pool and the group to {needed}"
                )
            }
            Self::TagsFull { tags, own } => {
                let of_agents = if *own > 0 { format!(", {own} for decommissioning agents") } else { String::new() };
                write!(
                    f,
                    "the group has {tags} tags{of_agents}, and no agent is deactivated from {MOST_TAGS} on: delete some that are \
                     not in use"
                )
            }
            Self::IncompleteSnapshot => f.write_str("decommissioning goes on with a complete snapshot only"),
            Self::CallsRefused { removes_otherwise: true } => {
                f.write_str("the masters refused to close agents; the next decision removes them as without learn")
            }
            Self::CallsRefused { removes_otherwise: false } => {
                f.write_str("the masters refused to close agents, which stay until the masters allow it")
            }
        }
    }
}

fn not_arriving(
    f: &mut fmt::Formatter<'_>,
    count: u32,
    ago: SignedDuration,
    loss: &Loss,
    join_timeout: SignedDuration,
) -> fmt::Result {
    let (ago, timeout) = (compact(ago), compact(join_timeout));
    match loss {
        Loss::Failed(message) if count == 1 => write!(f, "1 launch failed, {ago} ago ({message:?})"),
        Loss::Failed(message) => write!(f, "{count} launches failed in a row, the last {ago} ago ({message:?})"),
        Loss::NeverJoined => {
            write!(f, "{} older than join_timeout = {timeout} are not agents; check one", instances(count))
        }
        Loss::Overdue => {
            let launches = launches(count);
            write!(f, "{launches} no agent; the last is in progress for longer than join_timeout = {timeout}")
        }
        Loss::Replaced(id) => {
            let launches = launches(count);
            write!(
                f,
                "{launches} no agent; the last instance {id} was ended, {ago} ago, by a health check or on request"
            )
        }
        Loss::Unfit(id) => {
            let launches = launches(count);
            write!(
                f,
                "{launches} no agent of the pool; that of the last instance {id} has other attributes, or no resources"
            )
        }
    }
}

fn launches(count: u32) -> String {
    if count == 1 { "1 launch brought".to_owned() } else { format!("{count} launches in a row brought") }
}

/// An activity as reasons name it: `launch of i-0abc`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivityRef {
    /// What it does.
    pub kind: ActivityKind,
    /// The instance, where it is known.
    pub instance_id: Option<String>,
}

impl From<&Activity> for ActivityRef {
    fn from(activity: &Activity) -> Self {
        Self { kind: activity.kind, instance_id: activity.instance_id.clone() }
    }
}

impl fmt::Display for ActivityRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instance = self.instance_id.as_deref().unwrap_or("an instance");
        match self.kind {
            ActivityKind::Launch => write!(f, "launch of {instance}"),
            ActivityKind::Attach => write!(f, "attachment of {instance}"),
            ActivityKind::Terminate => write!(f, "termination of {instance}"),
            ActivityKind::WarmPool => write!(f, "warm pool move of {instance}"),
            ActivityKind::Other => write!(f, "activity on {instance}"),
        }
    }
}

/// `; skipped ip-10-0-2-25: i-0abc has scale-in protection`, or nothing.
pub(super) fn skipped_list(skipped: &[Skipped]) -> String {
    match skipped {
        [] => String::new(),
        some => format!("; skipped {}", some.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    }
}

pub(super) fn instances(count: u32) -> String {
    shared::text::counted(count, "instance")
}

/// What is left of a wait.
fn left(whole: SignedDuration, passed: SignedDuration) -> SignedDuration {
    whole.saturating_sub(passed).max(SignedDuration::ZERO)
}
