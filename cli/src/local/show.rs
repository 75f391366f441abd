//! How a run is shown: to a person, or as one JSON object for each scene.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};

use serde_json::{Value, json};
use shared::contract;
use shared::contract::{ClusterSnapshot, Message, OutcomeAction};
use shared::resources::Kind;

use super::script::{Played, Scene};
use super::stack::{Logs, Setup, Stack};

/// Lines end about here, so that they fit most windows.
const WIDTH: usize = 108;
/// Where the words of a line start, right of its label.
const INDENT: usize = 13;

/// Where a reader goes from here.
const NEXT: [&str; 4] = [
    "make test                    all tests, with this chain under duplicates, delays and faults",
    "lambda-scale explain --help  what would be done with the /state of your own cluster, and why",
    "docs/                        the algorithm clause by clause, every setting, operations",
    "README.md, \"Deploy\"          to your own account, with a dry run first",
];

/// The words that lines start with, and how they are coloured.
#[derive(Clone, Copy)]
enum Tone {
    Plain,
    Title,
    Good,
    Bad,
    Quiet,
}

/// Where a run is shown.
pub(super) struct Show {
    json: bool,
    colour: bool,
    calls: BTreeMap<u32, BTreeMap<String, u32>>,
}

impl Show {
    pub(super) fn new(json: bool) -> Self {
        Self { json, colour: !json && io::stdout().is_terminal(), calls: BTreeMap::new() }
    }

    /// Before anything is started: what helps where it does not.
    pub(super) fn start(&self, setup: &Setup) -> io::Result<()> {
        if self.json {
            return match &setup.logs {
                Logs::Directory(directory) => writeln!(io::stderr(), "logs: {}", directory.display()),
                Logs::Stderr => Ok(()),
            };
        }
        self.line(Tone::Title, "lambda-scale local: the three functions on a captured cluster")?;
        self.line(Tone::Plain, "No AWS account is needed, and nothing leaves this machine.")?;
        if let Logs::Directory(directory) = &setup.logs {
            self.field("logs", &directory.display().to_string())?;
        }
        Ok(())
    }

    /// What was started.
    pub(super) fn stack(&self, stack: &Stack) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        let (agents, tasks, version) =
            stack.master.cluster(|cluster| (cluster.agent_count(), cluster.task_count(), cluster.version().to_owned()));
        self.field("cluster", &format!("{agents} agents, {tasks} tasks, Mesos {version} at {}", stack.master.url()))?;
        for policy in &stack.config.pools {
            let group = &policy.group;
            let limits = stack.auto_scaling.group(group, |group| (group.desired(), group.min, group.max));
            if let Some((desired, min, max)) = limits {
                let at = stack.auto_scaling.url();
                let headroom = policy.application_headroom_percent;
                let (down, up) = (policy.scale_down_threshold_percent, policy.scale_up_threshold_percent);
                self.field("group", &format!("{group}: desired {desired}, min {min}, max {max} at {at}"))?;
                self.field(
                    "policy",
                    &format!(
                        "pool {}: down below {down} %, up above {up} %, every application able to grow by {headroom} %",
                        policy.pool
                    ),
                )?;
            }
        }
        Ok(())
    }

    /// A scene, when it is over.
    pub(super) fn scene(&mut self, scene: &Scene) -> io::Result<()> {
        self.calls.insert(scene.number, scene.calls.clone());
        if self.json {
            return writeln!(io::stdout(), "{}", to_json(scene));
        }
        self.line(Tone::Plain, "")?;
        self.line(Tone::Title, &format!("{}. {}", scene.number, scene.title))?;
        self.field("", &scene.story)?;
        for played in &scene.pools {
            self.played(played)?;
        }
        let change = scene.changed_after_ms.map(|ms| format!("; desired capacity changed after {ms} ms"));
        let took = scene.took_ms;
        self.field("time", &format!("{took} ms from the event to the outcome{}", change.unwrap_or_default()))?;
        if scene.differs.is_empty() {
            return self.toned("ok", Tone::Good, scene.must);
        }
        self.toned("DIFFERS", Tone::Bad, &format!("must be: {}", scene.must))?;
        scene.differs.iter().try_for_each(|difference| self.toned("", Tone::Bad, &format!("but was: {difference}")))
    }

    fn played(&self, played: &Played) -> io::Result<()> {
        if let Some(snapshot) = &played.snapshot {
            self.field("seen", &seen(snapshot))?;
            for reason in &snapshot.completeness.reasons {
                self.field("", &format!("{}: {reason}", snapshot.completeness.level.name()))?;
            }
        }
        let decision = &played.decision;
        if played.snapshot.is_some() {
            for step in &decision.steps {
                let application = step.application.as_ref().map(|name| format!(" [{name}]")).unwrap_or_default();
                let (before, after) = (step.agents_before, step.agents_after);
                self.toned(
                    &format!("  {}", step.clause),
                    Tone::Plain,
                    &format!("{before} -> {after} agents: {}{application}", step.reason),
                )?;
            }
            for unplaceable in &decision.unplaceable {
                self.field("", &format!("unplaceable: {}: {}", unplaceable.application, unplaceable.reason))?;
            }
        }
        let wanted = match decision.delta {
            0 => "no change".to_owned(),
            delta => format!("{delta:+}, to {} agents", decision.target),
        };
        self.toned("decision", Tone::Title, &format!("{}: {wanted}", decision.state.name()))?;
        let (from, to) = played.desired;
        let done = format!("{}: desired capacity of {} {from} -> {to}", played.outcome.action.name(), played.group);
        let tone = if played.outcome.action == OutcomeAction::Failed { Tone::Bad } else { Tone::Title };
        self.toned("done", tone, &done)?;
        // An outcome that repeats the last step in full says enough without it.
        let reason = &played.outcome.reason;
        let repeated = decision.steps.last().and_then(|step| reason.strip_suffix(&step.reason));
        self.field("", repeated.map_or(reason.as_str(), |reason| reason.trim_end_matches([':', ' '])))
    }

    /// After the last scene.
    pub(super) fn end(&self, stack: &Stack, all_well: bool) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        self.line(Tone::Plain, "")?;
        self.line(Tone::Title, "Summary")?;
        for (number, calls) in &self.calls {
            let calls: Vec<String> = calls.iter().map(|(action, count)| format!("{count} {action}")).collect();
            let calls = if calls.is_empty() { "none".to_owned() } else { calls.join(", ") };
            self.field(&format!("calls in {number}"), &calls)?;
        }
        let peaks: Vec<String> = [&stack.gather, &stack.process, &stack.scale]
            .into_iter()
            .filter_map(|function| {
                let kib = stack.peak_memory_kib(function.name())?;
                Some(format!("{} {}.{} MB", function.name(), kib / 1024, kib % 1024 * 10 / 1024))
            })
            .collect();
        if !peaks.is_empty() {
            self.field("peak memory", &format!("{} (a Lambda has 128 MB)", peaks.join(", ")))?;
        }
        match all_well {
            true => self.toned("result", Tone::Good, "every scene ended as it must")?,
            false => self.toned("result", Tone::Bad, "not every scene ended as it must; see DIFFERS above")?,
        }
        self.line(Tone::Plain, "")?;
        self.line(Tone::Title, "Where to go next")?;
        NEXT.iter().try_for_each(|line| self.field("", line))
    }

    /// A line with a label, wrapped.
    fn field(&self, label: &str, text: &str) -> io::Result<()> {
        self.toned(label, Tone::Plain, text)
    }

    fn toned(&self, label: &str, tone: Tone, text: &str) -> io::Result<()> {
        for (index, line) in wrap(text, WIDTH - INDENT - 2).into_iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            let label = self.coloured(Tone::Quiet, &format!("{label:<INDENT$}"));
            writeln!(io::stdout(), "  {label}{}", self.coloured(tone, &line))?;
        }
        Ok(())
    }

    fn line(&self, tone: Tone, text: &str) -> io::Result<()> {
        writeln!(io::stdout(), "{}", self.coloured(tone, text))
    }

    fn coloured(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            _ if !self.colour => return text.to_owned(),
            Tone::Plain => return text.to_owned(),
            Tone::Title => 1,
            Tone::Good => 32,
            Tone::Bad => 31,
            Tone::Quiet => 2,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// A snapshot in a line.
fn seen(snapshot: &ClusterSnapshot) -> String {
    let agents = &snapshot.agents;
    let mut words = vec![format!("{} agents, {} usable", agents.registered, agents.usable)];
    let others = [
        (agents.draining, "draining"),
        (agents.deactivated, "deactivated"),
        (agents.inactive, "inactive"),
        (agents.recovered, "not back yet"),
        (agents.unreachable, "unreachable"),
    ];
    words.extend(others.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")));
    words.push(format!("{} tasks of {} applications", task_count(snapshot), snapshot.applications.len()));
    for (kind, tenths) in utilizations(snapshot) {
        words.push(format!("{kind} {}.{} %", tenths / 10, tenths % 10));
    }
    words.push(format!("view {}", snapshot.completeness.level.name()));
    words.join(", ")
}

fn task_count(snapshot: &ClusterSnapshot) -> u64 {
    snapshot.applications.iter().map(|application| u64::from(application.task_count)).sum()
}

/// What is used of what there is, in tenths of a percent.
fn utilizations(snapshot: &ClusterSnapshot) -> impl Iterator<Item = (Kind, u64)> {
    let resources = snapshot.resources;
    let used = resources.used + resources.displaced;
    [Kind::Cpus, Kind::Mem].into_iter().filter_map(move |kind| {
        let total = resources.total.get(kind).thousandths();
        let rounded = used.get(kind).thousandths().saturating_mul(1000).saturating_add(total / 2);
        Some((kind, rounded.checked_div(total)?))
    })
}

fn to_json(scene: &Scene) -> Value {
    let message = |value: Result<Value, contract::EncodeError>| value.unwrap_or_default();
    let pools: Vec<Value> = scene
        .pools
        .iter()
        .map(|played| {
            json!({
                "pool": played.decision.pool,
                "group": played.group,
                "seen": played.snapshot.as_ref().map(seen_json),
                "decision": message(contract::to_value(&played.decision)),
                "outcome": message(contract::to_value(&played.outcome)),
                "desired": {"before": played.desired.0, "after": played.desired.1},
            })
        })
        .collect();
    json!({
        "scene": scene.number,
        "title": scene.title,
        "story": scene.story,
        "pools": pools,
        "calls": scene.calls,
        "took_ms": scene.took_ms,
        "changed_after_ms": scene.changed_after_ms,
        "must": scene.must,
        "differs": scene.differs,
    })
}

/// A snapshot without its lists, which are long.
fn seen_json(snapshot: &ClusterSnapshot) -> Value {
    json!({
        "schema": ClusterSnapshot::SCHEMA,
        "id": snapshot.id,
        "taken_at": shared::time::format(snapshot.taken_at),
        "agents": snapshot.agents,
        "resources": snapshot.resources,
        "task_count": task_count(snapshot),
        "application_count": snapshot.applications.len(),
        "completeness": snapshot.completeness,
    })
}

/// The text in lines of at most that many characters, where its words allow.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                lines.push(std::mem::take(&mut line));
            } else if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    if lines.is_empty() { vec![String::new()] } else { lines }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("unbreakable", 4), ["unbreakable"]);
        assert_eq!(wrap("a  b", 80), ["a  b"]);
        assert_eq!(wrap("", 80), [""]);
    }
}
