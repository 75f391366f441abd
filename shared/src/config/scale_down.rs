//! How agents are removed, and which never are.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use toml::Value;

use super::applications::names;
use super::check::CheckKind;
use super::limits::{StepLimit, read_step};
use super::reader::{Section, word};
use super::source::PoolSource;
use super::values::{MINUTE, Span, Whole};

const DEFAULT_WINDOW: Duration = Duration::from_secs(15 * 60);

/// Room for growth is kept anyway, and closed agents can be reactivated, so a shorter memory does. Measured in
/// docs/design/learned-headroom.md; with a schedule of a minute, a shorter one is the same, since three slots have 80 seconds each.
const LEARNED_WINDOW: Duration = Duration::from_secs(4 * 60);

/// How agents are removed, and which never are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScaleDown {
    /// How.
    #[serde(rename = "scale_down_strategy")]
    pub strategy: ScaleDownStrategy,
    /// Whose agents are never chosen.
    pub protected: Protected,
    /// D7: how many agents more than needed a scale-down leaves.
    #[serde(rename = "scale_down_margin")]
    pub margin: u32,
    /// D6: over how long a scale-down leaves the highest number of agents that were needed; zero: only what is needed now.
    #[serde(rename = "scale_down_window")]
    pub window: Duration,
    /// D8: how agents are removed where the masters cannot close them; `None`: in no other way.
    #[serde(skip)]
    pub fallback: Option<Removal>,
}

/// How agents are removed, and how many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removal {
    /// How.
    pub strategy: ScaleDownStrategy,
    /// How many, those already decommissioning included.
    pub step: StepLimit,
}

impl Removal {
    /// Agents without a task may be removed at once up to this share of the pool: nothing moves.
    const EMPTY: StepLimit = StepLimit::Percent(10);

    /// D3: how many agents may be decommissioning at once in a pool of so many, where so many of them run no task.
    #[must_use]
    pub fn at_once(&self, agents: u32, empty: u32) -> u32 {
        self.step.of(agents).max(empty.min(Self::EMPTY.of(agents)))
    }
}

/// How agents leave (section "Apply" of docs/acting.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ScaleDownStrategy {
    /// Just the instances of the agents that the decision names are terminated.
    LeastLoaded,
    /// The desired capacity is lowered and the group's termination policy chooses.
    DesiredCapacity,
    /// The agents that the decision names are deactivated, then drained, and their instances terminated once no task runs there.
    Drain {
        /// How long a deactivated agent can still be reactivated; `None`: it is never drained, and its tasks end by themselves.
        after: Option<Duration>,
        /// What tasks get between SIGTERM and SIGKILL.
        grace: Duration,
    },
}

impl ScaleDownStrategy {
    /// Whether it removes the agents that the decision names; otherwise the group chooses.
    #[must_use]
    pub const fn names_agents(self) -> bool {
        match self {
            Self::LeastLoaded | Self::Drain { .. } => true,
            Self::DesiredCapacity => false,
        }
    }

    /// Whether agents are decommissioning for some runs before their instances are terminated.
    #[must_use]
    pub const fn decommissions(self) -> bool {
        match self {
            Self::Drain { .. } => true,
            Self::LeastLoaded | Self::DesiredCapacity => false,
        }
    }

    /// D3: how many agents may be decommissioning at once in any pool; `None` where none ever is for longer than a
    /// run. Each has a tag on the group until it is gone, and a group has at most 50 tags.
    #[must_use]
    pub const fn most_decommissioning(self) -> Option<u32> {
        match self {
            Self::Drain { .. } => Some(20),
            Self::LeastLoaded | Self::DesiredCapacity => None,
        }
    }

    /// The release of Mesos that it needs, where that version is known to be older: masters have the calls of the operator API
    /// about agents since Mesos 1.9.
    #[must_use]
    pub fn needs_newer_mesos(self, version: &str) -> Option<&'static str> {
        let mut parts = version.trim().split(['.', '-', '+']).map(str::parse::<u32>);
        let (Some(Ok(major)), Some(Ok(minor))) = (parts.next(), parts.next()) else { return None };
        (self.needs_operator_api() && (major, minor) < (1, 9)).then_some("1.9")
    }

    /// Whether it needs the operator API of the masters.
    #[must_use]
    pub const fn needs_operator_api(self) -> bool {
        match self {
            Self::Drain { .. } => true,
            Self::LeastLoaded | Self::DesiredCapacity => false,
        }
    }
}

impl ScaleDown {
    /// D3: whether an agent that Lambda Scale deactivated then, and that is not drained, counts against the step. With
    /// `drain_after = "never"` a task may run for days, and a drain may wait for room: an agent that has been closed for longer than
    /// the window beyond `drain_after` stops no other. Without a window the default counts: the step must limit something.
    #[must_use]
    pub fn counts_against_step(&self, since: Option<Timestamp>, now: Timestamp) -> bool {
        // After a change of the strategy, nothing brings it back.
        let after = match self.strategy {
            ScaleDownStrategy::Drain { after, .. } => after,
            ScaleDownStrategy::LeastLoaded | ScaleDownStrategy::DesiredCapacity => None,
        };
        let closed = since.map_or(SignedDuration::ZERO, |since| now.duration_since(since));
        closed <= self.patience(after.unwrap_or(Duration::ZERO))
    }

    /// D3: whether a drain that should have ended then no longer counts against the step. A task may never end.
    #[must_use]
    pub fn is_drain_overdue(&self, due: Timestamp, now: Timestamp) -> bool {
        now.duration_since(due) > self.patience(Duration::ZERO)
    }

    /// For how long an agent on its way out stops others: the window beyond that time.
    fn patience(&self, time: Duration) -> SignedDuration {
        let window = if self.window.is_zero() { DEFAULT_WINDOW } else { self.window };
        SignedDuration::try_from(time.saturating_add(window)).unwrap_or(SignedDuration::MAX)
    }
}

/// Frameworks and applications whose agents are never chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Protected {
    /// Names of frameworks.
    pub frameworks: Vec<String>,
    /// Names of applications.
    pub applications: Vec<String>,
}

/// Reads the strategy and what goes with it.
pub(super) fn scale_down(section: &mut Section<'_>, check: CheckKind, source: PoolSource, learns: bool) -> ScaleDown {
    let strategy = strategy(section, check, learns);
    let protected = protected(section, strategy);
    let margin = Whole::at_least(0, 1).read(section, "scale_down_margin").unwrap_or(1);
    let window = if learns { LEARNED_WINDOW } else { DEFAULT_WINDOW };
    let window = Span::any(window).read(section, "scale_down_window").unwrap_or(window);
    // Without masters only the size of the group is known, so no instance can be named to it.
    let strategy = if source.needs_masters() { strategy } else { ScaleDownStrategy::DesiredCapacity };
    ScaleDown { strategy, protected, margin, window, fallback: fallback(section, check, learns) }
}

/// D8: without `learn` the pool would have the strategy `least_loaded`, and a step of 1 if the configuration has none. Whoever
/// writes how agents are removed, or that no task is ever stopped, wants no other way.
fn fallback(section: &Section<'_>, check: CheckKind, learns: bool) -> Option<Removal> {
    let is_never = section.table().get("drain_after").and_then(Value::as_str).is_some_and(is_never);
    let is_chosen = section.table().contains_key("scale_down_strategy") || is_never;
    let step = section.table().get("max_scale_down_step").and_then(read_step).unwrap_or(StepLimit::Agents(1));
    let removal = Removal { strategy: ScaleDownStrategy::LeastLoaded, step };
    (learns && check == CheckKind::Standard && !is_chosen).then_some(removal)
}

fn is_never(text: &str) -> bool {
    text.trim() == "never"
}

/// A custom check may name no agents, so its group chooses unless the configuration says otherwise. A pool that learns closes
/// agents (D8).
fn strategy(section: &mut Section<'_>, check: CheckKind, learns: bool) -> ScaleDownStrategy {
    let after = drain_after(section);
    let grace = Span::any(2 * MINUTE).read(section, "drain_grace");
    let drain =
        ScaleDownStrategy::Drain { after: after.unwrap_or(Some(5 * MINUTE)), grace: grace.unwrap_or(2 * MINUTE) };
    let default = match check {
        CheckKind::Standard if learns => drain,
        CheckKind::Standard => ScaleDownStrategy::LeastLoaded,
        CheckKind::Custom => ScaleDownStrategy::DesiredCapacity,
    };
    let strategies = [
        ("least_loaded", ScaleDownStrategy::LeastLoaded),
        ("desired_capacity", ScaleDownStrategy::DesiredCapacity),
        ("drain", drain),
    ];
    let strategy = word(section, "scale_down_strategy", &strategies).unwrap_or(default);
    for (key, is_there) in [("drain_after", after.is_some()), ("drain_grace", grace.is_some())] {
        if is_there && strategy != drain {
            section.problem(key, "needs scale_down_strategy = \"drain\"; leave it out, or write that too");
        }
    }
    strategy
}

/// A duration, or `"never"`: `Some(None)`.
fn drain_after(section: &mut Section<'_>) -> Option<Option<Duration>> {
    if section.table().get("drain_after").and_then(Value::as_str).is_some_and(is_never) {
        section.value("drain_after");
        return Some(None);
    }
    Span::any(5 * MINUTE).or_never().read(section, "drain_after").map(Some)
}

fn protected(section: &mut Section<'_>, strategy: ScaleDownStrategy) -> Protected {
    let Some(mut inner) = section.section("protected", r#"{ frameworks = ["kafka"] }"#) else {
        return Protected::default();
    };
    let frameworks = inner.list("frameworks", r#""kafka""#).unwrap_or_default();
    let applications = names(&mut inner, "applications");
    inner.finish();
    if !strategy.names_agents() {
        section.problem(
            "protected",
            "cannot be kept with scale_down_strategy = \"desired_capacity\": the group chooses the instance, regardless of its tasks; \
             leave it out and set scale-in protection on the instances, or write scale_down_strategy = \"least_loaded\"",
        );
    }
    Protected { frameworks, applications }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn agents_without_tasks_go_up_to_a_tenth_at_once_d3() {
        let removal = |step| Removal { strategy: ScaleDownStrategy::LeastLoaded, step };
        let one = removal(StepLimit::Agents(1));
        assert_eq!([0, 1, 3, 9].map(|empty| one.at_once(50, empty)), [1, 1, 3, 5]);
        assert_eq!(removal(StepLimit::Percent(20)).at_once(50, 50), 10, "the setting is larger");
    }

    #[test]
    fn a_pool_that_learns_and_cannot_close_agents_removes_them_as_without_it_d8() {
        let policy = |settings: &str| {
            let mesos = "[mesos]\nmasters = [\"http://10.0.0.5:5050\"]\n[[pools]]\nname = \"a\"\ngroup = \"b\"\n";
            Config::parse(&format!("{mesos}{settings}")).unwrap().pools.remove(0)
        };
        let (least_loaded, quarter) = (ScaleDownStrategy::LeastLoaded, StepLimit::Percent(25));
        let learning = policy("learn = 98");
        let removal = learning.removal(true);
        assert!(removal.strategy.decommissions() && removal.step == quarter);
        assert_eq!(learning.removal(false), Removal { strategy: least_loaded, step: StepLimit::Agents(1) });
        let stepped = policy("learn = 98\nmax_scale_down_step = 3\ndrain_after = \"10m\"");
        assert_eq!([true, false].map(|closes| stepped.removal(closes).step), [StepLimit::Agents(3); 2]);
        assert_eq!(stepped.removal(false).strategy, least_loaded);
        // Whoever says how agents are removed is not overruled; without `learn` nothing depends on it.
        for settings in [
            "learn = 98\ndrain_after = \"never\"",
            "learn = 98\nscale_down_strategy = \"drain\"",
            "learn = 98\nscale_down_strategy = \"desired_capacity\"",
            "learn = 98\ncheck = \"custom\"",
            "scale_down_strategy = \"drain\"",
            "",
        ] {
            let policy = policy(settings);
            assert_eq!(policy.removal(false), policy.removal(true), "{settings}");
        }
        let closes = |policy: &super::super::Policy| {
            [("1.11.0", false), ("1.8.1", false), ("1.11.0", true), ("", false)]
                .map(|(version, is_refused)| policy.closes(version, is_refused))
        };
        assert_eq!(closes(&learning), [true, false, false, true]);
        assert_eq!(closes(&policy("scale_down_strategy = \"drain\"")), [false; 4], "not by what has been learned");
        assert_eq!(closes(&policy("learn = 98\nscale_down_strategy = \"least_loaded\"")), [false; 4]);
    }
}
