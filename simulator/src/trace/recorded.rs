//! Intent from recorded snapshots: in each, what runs of an application and what is queued of it is what was wanted.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use shared::contract::{AgentShape, Application as Recorded, ClusterSnapshot, CompletenessLevel};
use shared::count::saturated;
use shared::resources::Resources;
use shared::text::counted;

use super::{Application, Change, Options, TraceError, Workload};
use crate::{MINUTE, Millis};

/// Collects the snapshots of one pool, in any order.
#[derive(Debug, Default)]
pub struct Recording {
    /// How many instances of each application were wanted, by time: by their places in `applications`.
    wanted: BTreeMap<Timestamp, BTreeMap<usize, u32>>,
    applications: Vec<Application>,
    places: BTreeMap<(String, Resources), usize>,
    names: BTreeSet<String>,
    /// The agents of the latest snapshot.
    latest: Option<(Timestamp, Vec<AgentShape>)>,
    incomplete: u64,
}

impl Recording {
    /// Adds a snapshot. One that is not complete may lack tasks, so what was wanted before holds on.
    pub fn add(&mut self, snapshot: &ClusterSnapshot) {
        if snapshot.completeness.level != CompletenessLevel::Complete {
            self.incomplete += 1;
            return;
        }
        let mut wanted: BTreeMap<usize, u32> = BTreeMap::new();
        for application in &snapshot.applications {
            let running = application.tasks.iter().map(|group| (group.resources, group.count));
            let queued = application.queued_tasks.iter();
            let queued = queued.map(|group| (group.resources, group.count.saturating_mul(application.queued)));
            for (resources, count) in running.chain(queued) {
                // Simulated agents have cpus and mem.
                let resources = Resources { cpus: resources.cpus, mem: resources.mem, ..Resources::ZERO };
                if !resources.is_zero() && count > 0 {
                    let sum = wanted.entry(self.place(application, resources)).or_default();
                    *sum = sum.saturating_add(count);
                }
            }
        }
        self.wanted.insert(snapshot.taken_at, wanted);
        let is_later = self.latest.as_ref().is_none_or(|(known, _)| *known < snapshot.taken_at);
        if is_later && !snapshot.agent_shapes.is_empty() {
            self.latest = Some((snapshot.taken_at, snapshot.agent_shapes.clone()));
        }
    }

    /// How many snapshots were left out because they were not complete.
    #[must_use]
    pub const fn incomplete(&self) -> u64 {
        self.incomplete
    }

    /// The place of an application's tasks of that size. Tasks of another size are an application of their own.
    fn place(&mut self, application: &Recorded, resources: Resources) -> usize {
        let own = application.name.trim_start_matches('/');
        let name = if application.name.starts_with('/') {
            format!("/{own}")
        } else {
            format!("/{}/{own}", application.framework)
        };
        *self.places.entry((name.clone(), resources)).or_insert_with(|| {
            let size = format!("{}-{}", resources.cpus, resources.mem).replace('.', "-");
            let name = if self.names.contains(&name) { format!("{name}/{size}") } else { name };
            self.names.insert(name.clone());
            self.applications.push(Application::new(name, resources));
            self.applications.len() - 1
        })
    }

    /// The workload from the first snapshot to the last.
    ///
    /// # Errors
    /// There are fewer than two complete snapshots, or no agents and no option that says what one has.
    pub fn into_workload(self, options: &Options) -> Result<Workload, TraceError> {
        let too_short = |count: usize| TraceError::TooShort {
            got: counted(saturated(count), "complete snapshot"),
            least: "2 complete snapshots of the pool",
        };
        let bounds = self.wanted.first_key_value().zip(self.wanted.last_key_value());
        let Some(((start, _), (end, _))) = bounds.filter(|_| self.wanted.len() > 1) else {
            return Err(too_short(self.wanted.len()));
        };
        let (start, end) = (*start, *end);
        let since = |time: Timestamp| -> Millis {
            Millis::try_from(time.as_millisecond().saturating_sub(start.as_millisecond())).unwrap_or_default()
        };
        let mut changes = Vec::new();
        let mut before = vec![0; self.applications.len()];
        for (time, wanted) in &self.wanted {
            // A change took place within the minute before; the simulated runs follow half a minute later.
            let at = since(*time) / MINUTE * MINUTE;
            for (application, before) in before.iter_mut().enumerate() {
                let instances = wanted.get(&application).copied().unwrap_or(0);
                if *before != instances {
                    *before = instances;
                    changes.push(Change { at, application, instances });
                }
            }
        }
        let commonest = self.latest.as_ref().and_then(|(_, shapes)| commonest(shapes));
        let agent = options.agent.or(commonest).ok_or_else(|| TraceError::TooShort {
            got: "snapshots without usable agents".to_owned(),
            least: "one agent, or an option that says what an agent has",
        })?;
        let duration = since(end) / MINUTE * MINUTE + MINUTE;
        let applications = self.applications;
        let workload = Workload { start, duration, applications, changes, jobs: Vec::new(), agent };
        workload.bounded("leave out the snapshots with so many")
    }
}

/// What most agents offer to tasks.
fn commonest(shapes: &[AgentShape]) -> Option<Resources> {
    let mut counts: BTreeMap<Resources, u32> = BTreeMap::new();
    for AgentShape { count, unreserved, .. } in shapes {
        let offered = Resources { cpus: unreserved.cpus, mem: unreserved.mem, ..Resources::ZERO };
        *counts.entry(offered).or_default() += count;
    }
    counts.into_iter().max_by_key(|(offered, count)| (*count, *offered)).map(|(offered, _)| offered)
}

#[cfg(test)]
mod tests {
    use cluster::{Cluster, NOON, resources};
    use jiff::SignedDuration;
    use shared::contract::AgentState;

    use super::*;

    fn at(minute: i64, cluster: &Cluster) -> ClusterSnapshot {
        ClusterSnapshot { taken_at: NOON + SignedDuration::from_mins(minute), ..cluster.snapshot() }
    }

    #[test]
    fn what_runs_and_what_is_queued_was_wanted() {
        let busy =
            Cluster::of(2, resources(4, 14_000)).and(1, resources(8, 28_000)).running("/web", 6, resources(1, 2_000));
        let more = busy.clone().queued("/web", 3, resources(1, 2_000)).running("cron", 2, resources(1, 500));
        let other = Cluster::of(2, resources(4, 14_000)).running("/web", 1, resources(2, 2_000));
        let mut partial = at(3, &Cluster::of(2, resources(4, 14_000)));
        partial.completeness.level = CompletenessLevel::Partial;
        let mut recording = Recording::default();
        for snapshot in [at(5, &other), at(0, &busy), at(2, &more), partial] {
            recording.add(&snapshot);
        }
        assert_eq!(recording.incomplete(), 1);
        let workload = recording.into_workload(&Options::default()).unwrap();
        let names: Vec<(&str, String)> =
            workload.applications.iter().map(|of| (of.name.as_str(), of.resources.to_string())).collect();
        let expected =
            [("/web", "2 cpus, 2000 MB"), ("/web/1-2000", "1 cpus, 2000 MB"), ("/jobs/cron", "1 cpus, 500 MB")];
        assert_eq!(names, expected.map(|(name, size)| (name, size.to_owned())));
        let changes: Vec<(u64, usize, u32)> =
            workload.changes.iter().map(|change| (change.at / MINUTE, change.application, change.instances)).collect();
        assert_eq!(changes, [(0, 1, 6), (2, 1, 9), (2, 2, 2), (5, 0, 1), (5, 1, 0), (5, 2, 0)]);
        assert_eq!((workload.duration, workload.agent), (6 * MINUTE, resources(4, 14_000)));
        assert_eq!(workload.start, NOON);
    }

    #[test]
    fn a_recording_needs_two_complete_snapshots_with_agents() {
        let workload = |snapshots: &[ClusterSnapshot]| {
            let mut recording = Recording::default();
            snapshots.iter().for_each(|snapshot| recording.add(snapshot));
            recording.into_workload(&Options::default()).map_err(|error| error.to_string())
        };
        let some = Cluster::of(1, resources(4, 14_000));
        let none = some.clone().with_state(0, AgentState::Deactivated);
        assert_eq!(
            workload(&[at(0, &some)]).unwrap_err(),
            "the trace has 1 complete snapshot, expected at least 2 complete snapshots of the pool"
        );
        assert!(workload(&[at(0, &none), at(1, &none)]).unwrap_err().contains("without usable agents"));
        assert!(workload(&[at(0, &none), at(1, &some)]).is_ok());
    }
}
