//! How a run is printed: as text, or as one line of JSON for each scene.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use serde_json::{Value, json};
use shared::contract;
use shared::contract::{ClusterSnapshot, Message, OutcomeAction, Step};
use testbed::{Logs, Setup, Stack};

use crate::page::{Page, Tone};
use crate::render::{self, task_count};

use super::scene::{Played, Scene};

/// What to do after the run.
fn next() -> [(String, &'static str); 4] {
    let program = std::env::args().next().unwrap_or_else(|| "lambda-scale".to_owned());
    [
        ("make test".to_owned(), "all tests, with this chain under duplicates, delays and faults"),
        (format!("{program} explain --help"), "the decision on the /state of your own cluster, and why"),
        ("docs/".to_owned(), "the algorithm clause by clause, every setting, operations"),
        ("README.md, \"Deploy\"".to_owned(), "to your own account, with a dry run first"),
    ]
}

/// Where a run is printed.
pub(super) struct Show {
    json: bool,
    page: Page,
    calls: BTreeMap<u32, BTreeMap<String, u32>>,
}

impl Show {
    pub(super) fn new(json: bool) -> Self {
        Self { json, page: Page::stdout(), calls: BTreeMap::new() }
    }

    /// Before anything starts: what helps if that fails.
    pub(super) fn start(&self, setup: &Setup) -> io::Result<()> {
        if self.json {
            return match &setup.logs {
                Logs::Directory(directory) => writeln!(io::stderr(), "logs: {}", directory.display()),
                Logs::Stderr => Ok(()),
            };
        }
        self.page.title("lambda-scale local: the three functions on a captured cluster")?;
        self.page.line("No AWS account is needed, and nothing leaves this machine.")?;
        if let Logs::Directory(directory) = &setup.logs {
            self.page.field("logs", &directory.display().to_string())?;
        }
        Ok(())
    }

    /// What has started.
    pub(super) fn stack(&self, stack: &Stack) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        let (agents, tasks, version) = stack
            .master
            .cluster(|cluster| (cluster.registered().count(), cluster.tasks().count(), cluster.master.version.clone()));
        self.page
            .field("cluster", &format!("{agents} agents, {tasks} tasks, Mesos {version} at {}", stack.master.url()))?;
        for policy in &stack.config.pools {
            let group = &policy.group;
            let limits = stack.auto_scaling.group(group, |group| (group.desired(), group.min, group.max));
            if let Some((desired, min, max)) = limits {
                let at = stack.auto_scaling.url();
                let headroom = policy.headroom.percent;
                let (down, up) = (policy.thresholds.scale_down_percent, policy.thresholds.scale_up_percent);
                self.page.field("group", &format!("{group}: desired {desired}, min {min}, max {max} at {at}"))?;
                self.page.field(
                    "policy",
                    &format!(
                        "pool {}: remove below {down}%, add above {up}%, {headroom}% headroom for every application",
                        policy.pool
                    ),
                )?;
            }
        }
        Ok(())
    }

    /// A scene, after it.
    pub(super) fn scene(&mut self, scene: &Scene) -> io::Result<()> {
        self.calls.insert(scene.number, scene.calls.clone());
        if self.json {
            return writeln!(io::stdout(), "{}", to_json(scene));
        }
        self.page.blank()?;
        self.page.title(&format!("{}. {}", scene.number, scene.title))?;
        self.page.field("", &scene.story)?;
        for played in &scene.pools {
            self.played(played)?;
        }
        let change = scene.changed_after_ms.map(|ms| format!("; desired capacity changed after {ms} ms"));
        let took = scene.took_ms;
        self.page.field("time", &format!("{took} ms from the event to the outcome{}", change.unwrap_or_default()))?;
        if scene.differs.is_empty() {
            return self.page.flagged("ok", Tone::Good, scene.must);
        }
        self.page.flagged("DIFFERS", Tone::Bad, &format!("expected: {}", scene.must))?;
        scene.differs.iter().try_for_each(|difference| self.page.field("", &format!("got: {difference}")))
    }

    fn played(&self, played: &Played) -> io::Result<()> {
        let decision = &played.decision;
        if let Some(snapshot) = &played.snapshot {
            render::observed(self.page, snapshot)?;
            render::steps(self.page, decision)?;
        }
        render::decision(self.page, decision, None)?;
        let (from, to) = played.desired;
        let done = format!("{}: desired capacity of {} {from} -> {to}", played.outcome.action.name(), played.group);
        let tone = if played.outcome.action == OutcomeAction::Failed { Tone::Bad } else { Tone::Title };
        self.page.toned("outcome", tone, &done)?;
        // Where a decision is held, its last step says the same.
        let outcome = &played.outcome;
        let is_step = |step: &Step| outcome.clause == Some(step.clause) && outcome.reason == step.reason;
        if decision.steps.last().is_some_and(is_step) {
            return Ok(());
        }
        self.page.field("", &outcome.explanation())
    }

    /// After the last scene.
    pub(super) fn end(&self, stack: &Stack, all_well: bool) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        self.page.blank()?;
        self.page.title("Summary")?;
        for (number, calls) in &self.calls {
            let calls: Vec<String> = calls.iter().map(|(action, count)| format!("{count} {action}")).collect();
            let calls = if calls.is_empty() { "none".to_owned() } else { calls.join(", ") };
            self.page.field(&format!("calls in {number}"), &calls)?;
        }
        let peaks: Vec<String> = [&stack.gather, &stack.process, &stack.scale]
            .into_iter()
            .filter_map(|function| {
                let kib = stack.peak_memory_kib(function.name())?;
                Some(format!("{} {}.{} MB", function.name(), kib / 1024, kib % 1024 * 10 / 1024))
            })
            .collect();
        if !peaks.is_empty() {
            self.page.field("peak memory", &format!("{} (a Lambda has 128 MB)", peaks.join(", ")))?;
        }
        match all_well {
            true => self.page.flagged("result", Tone::Good, "every scene ended as expected")?,
            false => self.page.flagged("result", Tone::Bad, "not every scene ended as expected; see DIFFERS above")?,
        }
        self.page.blank()?;
        self.page.title("Where to go next")?;
        let next = next();
        let width = next.iter().map(|(place, _)| place.len()).max().unwrap_or_default();
        next.iter().try_for_each(|(place, what)| self.page.line(&format!("  {place:<width$}  {what}")))
    }
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
                "observed": played.snapshot.as_ref().map(observed_json),
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
fn observed_json(snapshot: &ClusterSnapshot) -> Value {
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
