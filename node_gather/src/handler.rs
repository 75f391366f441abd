//! The order of the work: observe, fit, publish one message per pool, log.

use jiff::Timestamp;
use shared::config::Policy;
use shared::contract::{ClusterSnapshot, CompletenessLevel, EncodeError};
use shared::error::{Chain, Failure};
use shared::metric::{Figure, Metric};
use shared::resources::Kind;
use shared::sns::PublishError;
use shared::telemetry::{self, Record};
use thiserror::Error;

use crate::config::Settings;
use crate::fit::{Fitted, fit};
use crate::marathon::Queue;
use crate::observe::{Observation, ObserveError, Read};

/// What lives from one event to the next.
#[derive(Debug)]
pub struct Handler(Settings);

/// Why a run published nothing, or not for every pool.
#[derive(Debug, Error)]
pub enum GatherError {
    /// The cluster could not be observed. No snapshot of its pools was published.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// The snapshots of some pools were not published; the others were.
    #[error("{} of {pools} snapshots were not published: {}", .failures.len(), list(.failures))]
    Publish {
        /// How many pools there are.
        pools: usize,
        /// The pools that failed.
        failures: Vec<(String, PoolError)>,
    },
}

impl Failure for GatherError {
    fn class(&self) -> &'static str {
        match self {
            Self::Observe(ObserveError::Fetch(_)) => "Masters.NoState",
            Self::Publish { .. } => "Snapshot.NotPublished",
        }
    }
}

/// Why the snapshot of one pool was not published.
#[derive(Debug, Error)]
pub enum PoolError {
    /// It does not fit a message.
    #[error("cannot encode the snapshot")]
    Encode(#[source] EncodeError),
    /// SNS did not accept it.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

fn list(failures: &[(String, PoolError)]) -> String {
    let each = failures.iter().map(|(pool, error)| format!("{pool}: {}", Chain::new(error)));
    each.collect::<Vec<_>>().join("; ")
}

impl Handler {
    /// The handler with these settings.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        Self(settings)
    }

    /// Observes once and publishes a snapshot of each pool. `now` is the time of the run.
    ///
    /// # Errors
    /// The state could not be read, or a snapshot not be published. A failure for one pool does not affect the others,
    /// and a failure of the masters does not affect pools without a master.
    pub async fn handle(&self, now: Timestamp) -> Result<(), GatherError> {
        let Settings { config, sources, histories, .. } = &self.0;
        let (observation, ()) = tokio::join!(sources.observe(config, now), histories.read(config, now));
        let Observation { snapshots, read, failure } = observation;
        let failure = failure.map(GatherError::Observe);
        let mut failures = Vec::new();
        for snapshot in snapshots {
            let Some(policy) = config.pool(&snapshot.pool) else { continue };
            let read = read.as_ref().filter(|_| policy.source.needs_masters());
            let snapshot = histories.add_growth(policy, snapshot, read, now);
            if let Err(error) = self.publish(policy, snapshot, read).await {
                failures.push((policy.pool.clone(), error));
            }
        }
        histories.write(config, now).await;
        self.report_histories(now);
        let pools = config.pools.len();
        let unpublished = (!failures.is_empty()).then_some(GatherError::Publish { pools, failures });
        match (failure, unpublished) {
            (None, None) => Ok(()),
            (None, Some(error)) | (Some(error), None) => Err(error),
            (Some(error), Some(unpublished)) => {
                tracing::error!(reason = %Chain::new(&unpublished), "snapshots of pools without a master were not published either");
                Err(error)
            }
        }
    }

    /// Whether what pools have learned is kept.
    fn report_histories(&self, now: Timestamp) {
        for policy in self.0.config.pools.iter().filter(|policy| policy.learning.is_some()) {
            let problem = self.0.histories.problem(&policy.pool);
            let failed = Metric::HistoryFailed.of(u32::from(problem.is_some()));
            let properties = problem.into_iter().map(|problem| ("HistoryProblem", problem)).collect();
            telemetry::emit(&Record { at: now, pool: &policy.pool, properties, metrics: vec![failed] });
        }
    }

    async fn publish(&self, policy: &Policy, snapshot: ClusterSnapshot, read: Option<&Read>) -> Result<(), PoolError> {
        let fitted = fit(&snapshot).map_err(PoolError::Encode)?;
        let report = Report { policy, read, fitted: &fitted };
        let record = report.record();
        let subject = report.subject();
        self.0.snapshot_topic.publish(fitted.encoded.clone(), Some(&subject)).await?;
        report.log();
        telemetry::emit(&record);
        Ok(())
    }
}

/// The log line and the metrics of one snapshot.
struct Report<'a> {
    policy: &'a Policy,
    read: Option<&'a Read>,
    fitted: &'a Fitted,
}

impl Report<'_> {
    fn subject(&self) -> String {
        let snapshot = &self.fitted.snapshot;
        let (usable, level) = (snapshot.agents.usable, snapshot.completeness.level.name());
        format!("Lambda Scale: {} has {usable} usable agents ({level} snapshot)", snapshot.pool)
    }

    fn log(&self) {
        let ClusterSnapshot { id, pool, agents, completeness, applications, .. } = &self.fitted.snapshot;
        let reasons = completeness.reasons.join("; ");
        tracing::info!(
            %pool,
            snapshot_id = %id,
            master = self.read.map(|read| read.master.as_str()),
            cpu_utilization_percent = self.fitted.snapshot.cpu_utilization_percent,
            completeness = completeness.level.name(),
            reasons,
            registered = agents.registered,
            usable = agents.usable,
            decommissioning = agents.decommissioning(),
            recovered = agents.recovered,
            applications = applications.len(),
            queued = queued(&self.fitted.snapshot),
            message_bytes = self.fitted.encoded.body.len(),
            budget_step = %self.fitted.step,
            "pool {pool}: {} of {} registered agents are usable, {} applications, the snapshot is {}{}{reasons}",
            agents.usable,
            agents.registered,
            applications.len(),
            completeness.level.name(),
            if reasons.is_empty() { "" } else { ": " },
        );
    }

    fn record(&self) -> Record<'_> {
        let snapshot = &self.fitted.snapshot;
        let bytes = |metric: Metric, count: u64| metric.of(count as f64);
        let mut metrics = vec![
            Metric::RegisteredAgents.of(snapshot.agents.registered),
            Metric::UsableAgents.of(snapshot.agents.usable),
            Metric::CompletenessLevel.of(level_number(snapshot.completeness.level)),
            bytes(Metric::MessageBytes, u64::try_from(self.fitted.encoded.body.len()).unwrap_or(u64::MAX)),
            Metric::MessageSizeStep.of(self.fitted.step.number()),
        ];
        if let Some(read) = self.read {
            metrics.push(bytes(Metric::StateBytes, read.bytes));
            metrics.push(Metric::FetchTime.of(read.elapsed.as_secs_f64()));
            // If the queue is unknown, the metric is absent: 0 would be a claim.
            if matches!(read.queue, Queue::Known(_)) {
                metrics.push(Metric::QueuedInstances.of(queued(snapshot)));
            }
        }
        metrics.extend(snapshot.group.as_ref().map(|group| Metric::UnknownInstances.of(group.unknown)));
        if let Some(growth) = &snapshot.growth {
            let known = growth.known();
            metrics.extend((growth.demand > 0).then(|| Metric::Demand.of(growth.demand)));
            metrics.extend(known.map(|(grow, _)| Metric::Growth.of(grow)));
            metrics.push(Metric::GrowthSamples.of(growth.samples));
        }
        metrics.extend(snapshot.cpu_utilization_percent.map(|percent| Metric::GroupCpuUtilization.of(percent)));
        metrics.extend(self.policy.thresholds.considered.iter().map(|kind| self.utilization(*kind)));
        Record {
            at: snapshot.taken_at,
            pool: &snapshot.pool,
            properties: vec![
                ("SnapshotId", snapshot.id.to_string()),
                ("Completeness", snapshot.completeness.level.name().to_owned()),
                ("Reasons", snapshot.completeness.reasons.join("; ")),
            ],
            metrics,
        }
    }

    /// Used and displaced resources, divided by the total of the usable agents; not finite, and so omitted, if that is 0.
    fn utilization(&self, kind: Kind) -> Figure {
        let resources = &self.fitted.snapshot.resources;
        let used = resources.used.get(kind) + resources.displaced.get(kind);
        let share = used.thousandths() as f64 / resources.total.get(kind).thousandths() as f64;
        Metric::Utilization(kind).of(100.0 * share)
    }
}

/// How many instances are queued.
fn queued(snapshot: &ClusterSnapshot) -> u32 {
    snapshot.applications.iter().fold(0, |sum, application| sum.saturating_add(application.queued))
}

/// As a number, so that an alarm can be set: 0 complete, 1 partial, 2 blind.
const fn level_number(level: CompletenessLevel) -> u32 {
    match level {
        CompletenessLevel::Complete => 0,
        CompletenessLevel::Partial => 1,
        CompletenessLevel::Blind => 2,
    }
}
