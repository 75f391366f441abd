//! The order of the work: fetch the state, then what waits for room, summarize, fit, publish one message per pool, report.

use std::time::Duration;

use jiff::Timestamp;
use shared::config::{Config, Policy};
use shared::contract::{ClusterSnapshot, CompletenessLevel, EncodeError};
use shared::error::Chain;
use shared::resources::Kind;
use shared::sns::{PublishError, Topic};
use shared::telemetry::{self, Metric, PositiveScale, Record, Unit};
use thiserror::Error;

use crate::config::{Settings, SettingsError, from_environment};
use crate::fit::{Fitted, fit};
use crate::marathon::{self, Queue};
use crate::mesos::client::{Client, ClientError, FetchError, Fetched};
use crate::summarize::{SummarizeError, View, summarize};

/// What stays from one event to the next.
#[derive(Debug)]
pub struct Handler {
    config: Config,
    client: Client,
    marathon: Option<marathon::client::Client>,
    topic: Topic,
}

/// Why the function cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// Its environment is not right.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The masters cannot be asked.
    #[error("cannot set up what asks the masters")]
    Client(#[from] ClientError),
    /// Marathon cannot be asked.
    #[error("cannot set up what asks Marathon")]
    Marathon(#[from] marathon::client::ClientError),
}

/// Why a run published nothing, or not for every pool.
#[derive(Debug, Error)]
pub enum GatherError {
    /// The state did not come. Nothing was published.
    #[error("cannot read the state of the cluster")]
    Fetch(#[source] FetchError),
    /// The state does not fit the pools. Nothing was published.
    #[error("cannot tell the pools apart")]
    Summarize(#[source] SummarizeError),
    /// Some pools' snapshots were not published; those of the others were.
    #[error("{} of {pools} snapshots were not published: {}", .failures.len(), list(.failures))]
    Publish {
        /// How many pools there are.
        pools: usize,
        /// The pools that failed.
        failures: Vec<(String, PoolError)>,
    },
}

/// Why the snapshot of one pool was not published.
#[derive(Debug, Error)]
pub enum PoolError {
    /// It does not fit a message.
    #[error("it is not sent")]
    Encode(#[source] EncodeError),
    /// SNS did not take it.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

fn list(failures: &[(String, PoolError)]) -> String {
    let each = failures.iter().map(|(pool, error)| format!("{pool}: {}", Chain::new(error)));
    each.collect::<Vec<_>>().join("; ")
}

impl Handler {
    /// Reads the environment and sets up what every event needs.
    ///
    /// # Errors
    /// Where something is missing or not valid.
    pub async fn from_environment() -> Result<Self, StartError> {
        let sdk = shared::aws::sdk_config().await;
        let Settings { config, topic_arn, credentials, ca_bundle } = from_environment(&sdk).await?;
        let client = Client::new(config.mesos.clone(), credentials.as_ref(), ca_bundle.as_ref())?;
        let settings = config.marathon.as_ref();
        let marathon =
            settings.map(|settings| marathon::client::Client::new(settings, ca_bundle.as_ref())).transpose()?;
        Ok(Self::new(config, client, marathon, Topic::new(aws_sdk_sns::Client::new(&sdk), topic_arn)))
    }

    /// A handler of parts that are there already.
    #[must_use]
    pub const fn new(config: Config, client: Client, marathon: Option<marathon::client::Client>, topic: Topic) -> Self {
        Self { config, client, marathon, topic }
    }

    /// Reads the cluster once and publishes a snapshot of each pool. `now` is when the schedule fired it.
    ///
    /// # Errors
    /// Where the state could not be read, or a snapshot not be published. A failure for one pool does not keep the
    /// others from theirs.
    pub async fn handle(&self, now: Timestamp) -> Result<(), GatherError> {
        let pools = &self.config.pools;
        let Fetched { state, master, bytes, elapsed } =
            self.client.fetch(|| View::new(pools)).await.map_err(GatherError::Fetch)?;
        let queue = self.queue().await;
        let summary = summarize(state, &queue, &master, now).map_err(GatherError::Summarize)?;
        let read = Read { master, bytes, elapsed };
        if summary.agents_of_no_pool > 0 {
            tracing::info!(
                agents = summary.agents_of_no_pool,
                "{} registered agents have the attributes of no pool and are left alone",
                summary.agents_of_no_pool
            );
        }
        let mut failures = Vec::new();
        for (policy, snapshot) in pools.iter().zip(summary.snapshots) {
            if let Err(error) = self.publish(policy, snapshot, &read, &queue).await {
                failures.push((policy.pool.clone(), error));
            }
        }
        if failures.is_empty() {
            return Ok(());
        }
        Err(GatherError::Publish { pools: pools.len(), failures })
    }

    /// What waits is asked for after the state: an instance that starts in between is then missed for a minute, but never
    /// counted twice.
    async fn queue(&self) -> Queue {
        let Some(marathon) = &self.marathon else { return Queue::NotAsked };
        let queue = marathon.queue().await;
        if let Queue::Unknown { reason } = &queue {
            tracing::warn!(reason, "what waits for room is not known, so no agent goes: {reason}");
        }
        queue
    }

    async fn publish(
        &self,
        policy: &Policy,
        snapshot: ClusterSnapshot,
        read: &Read,
        queue: &Queue,
    ) -> Result<(), PoolError> {
        let fitted = fit(&snapshot).map_err(PoolError::Encode)?;
        let report = Report { policy, read, queue, fitted: &fitted };
        let record = report.record();
        let subject = report.subject();
        self.topic.publish(fitted.encoded.clone(), Some(&subject)).await?;
        report.log();
        telemetry::emit(&record);
        Ok(())
    }
}

/// How the state was come by.
struct Read {
    master: String,
    bytes: u64,
    elapsed: Duration,
}

/// What is told of one snapshot.
struct Report<'a> {
    policy: &'a Policy,
    read: &'a Read,
    queue: &'a Queue,
    fitted: &'a Fitted,
}

impl Report<'_> {
    fn subject(&self) -> String {
        let snapshot = &self.fitted.snapshot;
        let (usable, level) = (snapshot.agents.usable, snapshot.completeness.level.name());
        format!("Lambda Scale: {} has {usable} usable agents ({level} view)", snapshot.pool)
    }

    fn log(&self) {
        let ClusterSnapshot { id, pool, agents, completeness, applications, .. } = &self.fitted.snapshot;
        let reasons = completeness.reasons.join("; ");
        tracing::info!(
            %pool,
            snapshot_id = %id,
            master = self.read.master,
            completeness = completeness.level.name(),
            reasons,
            registered = agents.registered,
            usable = agents.usable,
            leaving = agents.leaving(),
            recovered = agents.recovered,
            applications = applications.len(),
            waiting = waiting(&self.fitted.snapshot),
            message_bytes = self.fitted.encoded.body.len(),
            budget_step = %self.fitted.step,
            "pool {pool}: {} of {} registered agents are usable, {} applications, the view is {}{}{reasons}",
            agents.usable,
            agents.registered,
            applications.len(),
            completeness.level.name(),
            if reasons.is_empty() { "" } else { ": " },
        );
    }

    fn record(&self) -> Record<'_> {
        let snapshot = &self.fitted.snapshot;
        let bytes = |name, count: u64| Metric { name, value: count as f64, unit: Unit::Byte(PositiveScale::One) };
        let mut metrics = vec![
            Metric::count("RegisteredAgents", snapshot.agents.registered),
            Metric::count("UsableAgents", snapshot.agents.usable),
            Metric::count("CompletenessLevel", level_number(snapshot.completeness.level)),
            bytes("MessageBytes", u64::try_from(self.fitted.encoded.body.len()).unwrap_or(u64::MAX)),
            bytes("StateBytes", self.read.bytes),
            Metric::seconds("FetchTime", self.read.elapsed.as_secs_f64()),
            Metric::count("BudgetStep", self.fitted.step.rung()),
        ];
        // Where nobody was asked or nobody said, 0 would be a claim.
        if matches!(self.queue, Queue::Known(_)) {
            metrics.push(Metric::count("WaitingInstances", waiting(snapshot)));
        }
        metrics.extend(self.policy.resources.iter().map(|kind| self.utilization(*kind)));
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

    /// What is used and displaced of what the usable agents have; not finite, and so left out, where they have none.
    fn utilization(&self, kind: Kind) -> Metric {
        let resources = &self.fitted.snapshot.resources;
        let used = resources.used.get(kind) + resources.displaced.get(kind);
        let share = used.thousandths() as f64 / resources.total.get(kind).thousandths() as f64;
        let name = match kind {
            Kind::Cpus => "CpusUtilization",
            Kind::Mem => "MemUtilization",
            Kind::Disk => "DiskUtilization",
            Kind::Gpus => "GpusUtilization",
        };
        Metric::percent(name, 100.0 * share)
    }
}

/// How many instances wait for room.
fn waiting(snapshot: &ClusterSnapshot) -> u32 {
    snapshot.applications.iter().fold(0, |sum, application| sum.saturating_add(application.waiting))
}

/// As a number, so that an alarm can be set: 0 complete, 1 partial, 2 blind.
const fn level_number(level: CompletenessLevel) -> u32 {
    match level {
        CompletenessLevel::Complete => 0,
        CompletenessLevel::Partial => 1,
        CompletenessLevel::Blind => 2,
    }
}
