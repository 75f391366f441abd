//! Reads all sources, and makes the snapshots of the pools.

use std::time::Duration;

use aws_config::SdkConfig;
use jiff::Timestamp;
use secrecy::SecretString;
use shared::config::{Config, Policy};
use shared::contract::ClusterSnapshot;
use thiserror::Error;

use crate::groups::{self, Groups};
use crate::marathon::{self, Observed, Queue};
use crate::mesos::client::{Client, ClientError, FetchError, Fetched};
use crate::summarize::{ClusterState, SeenAttributes, summarize};
use crate::{autoscaling, cloudwatch};

/// The clients of the sources that the configuration needs.
#[derive(Debug, Default)]
pub struct Sources {
    /// The masters.
    pub mesos: Option<Client>,
    /// Marathon.
    pub marathon: Option<marathon::client::Client>,
    /// CloudWatch.
    pub cloudwatch: Option<cloudwatch::Client>,
    /// Auto Scaling.
    pub auto_scaling: Option<autoscaling::Client>,
}

/// Why the client of a source cannot be set up.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The masters.
    #[error("cannot set up the client of the masters")]
    Client(#[from] ClientError),
    /// CloudWatch.
    #[error("cannot set up the client of CloudWatch")]
    CloudWatch(#[from] shared::aws::call::SetUpError),
    /// Marathon.
    #[error("cannot set up the client of Marathon")]
    Marathon(#[from] marathon::client::ClientError),
}

/// Why there are no snapshots of the pools of the Mesos cluster.
#[derive(Debug, Error)]
pub enum ObserveError {
    /// The state could not be read.
    #[error("cannot read the state of the cluster")]
    Fetch(#[source] FetchError),
}

/// The result of one run over all sources.
#[derive(Debug)]
pub struct Observation {
    /// A snapshot of each pool, in the order of the configuration; if the cluster failed, without those of its pools.
    pub snapshots: Vec<ClusterSnapshot>,
    /// How the state was read; `None` if no pool has a master, or reading failed.
    pub read: Option<Read>,
    /// Why the pools of the cluster have no snapshot.
    pub failure: Option<ObserveError>,
}

/// How the state was read, and what is in no snapshot.
#[derive(Debug)]
pub struct Read {
    /// The URL of the leading master.
    pub master: String,
    /// The size of the state, decoded.
    pub bytes: u64,
    /// How long it took to read it.
    pub elapsed: Duration,
    /// The queued instances.
    pub queue: Queue,
    /// How many registered agents belong to no pool.
    pub agents_of_no_pool: u32,
    /// Their attributes.
    pub attributes_of_no_pool: SeenAttributes,
}

impl Sources {
    /// The clients that the configuration needs. `credentials` and `ca_bundle` are the contents that its settings refer to.
    ///
    /// # Errors
    /// A client cannot be set up.
    pub fn new(
        config: &Config,
        sdk: &SdkConfig,
        credentials: Option<&SecretString>,
        ca_bundle: Option<&SecretString>,
    ) -> Result<Self, SourceError> {
        let mesos = config.mesos.as_ref();
        let mesos = mesos.map(|mesos| Client::new(mesos.clone(), credentials, ca_bundle)).transpose()?;
        let settings = config.marathon.as_ref();
        let marathon = settings.map(|settings| marathon::client::Client::new(settings, ca_bundle)).transpose()?;
        let asks_cpu = config.pools.iter().any(|policy| policy.source.cpu().is_some());
        let cloudwatch = asks_cpu.then(|| cloudwatch::Client::new(sdk)).transpose()?;
        let asks_sizes = config.pools.iter().any(|policy| policy.source.needs_group_size());
        let auto_scaling = asks_sizes.then(|| autoscaling::Client::new(aws_sdk_autoscaling::Client::new(sdk)));
        Ok(Self { mesos, marathon, cloudwatch, auto_scaling })
    }

    /// Observes all pools once. `now` is the time of the run.
    pub async fn observe(&self, config: &Config, now: Timestamp) -> Observation {
        // First, because the state ages faster than an average over ten minutes.
        let groups = self.groups(config, now).await;
        let (cluster, read, failure) = match self.cluster(config, now).await {
            Ok(None) => (Vec::new(), None, None),
            Ok(Some((snapshots, read))) => (snapshots, Some(read), None),
            Err(error) => (Vec::new(), None, Some(error)),
        };
        Observation { snapshots: groups::complete(config, cluster, &groups, now), read, failure }
    }

    /// What CloudWatch and Auto Scaling report about groups, for the pools that need it. A failure becomes a finding in
    /// their snapshots.
    async fn groups(&self, config: &Config, now: Timestamp) -> Groups {
        let names = |asks: fn(&Policy) -> bool| -> Vec<&str> {
            config.pools.iter().filter(|policy| asks(policy)).map(|policy| policy.group.as_str()).collect()
        };
        let mut groups = Groups::default();
        if let Some(cloudwatch) = &self.cloudwatch {
            let names = names(|policy| policy.source.cpu().is_some());
            let known = cloudwatch.cpu_utilization(&names, now).await;
            groups.cpu = names.iter().map(|name| (*name).to_owned()).zip(known).collect();
        }
        if let Some(auto_scaling) = &self.auto_scaling {
            let names = names(|policy| policy.source.needs_group_size());
            let known = auto_scaling.sizes(&names).await;
            groups.size = names.iter().map(|name| (*name).to_owned()).zip(known).collect();
        }
        groups
    }

    /// The snapshots of the pools of the Mesos cluster, and how they were read; `None` if there is no such pool.
    async fn cluster(
        &self,
        config: &Config,
        now: Timestamp,
    ) -> Result<Option<(Vec<ClusterSnapshot>, Read)>, ObserveError> {
        let Some(mesos) = &self.mesos else { return Ok(None) };
        let pools = config.mesos_pools();
        let Fetched { state, master, bytes, elapsed } =
            mesos.fetch(|| ClusterState::new(&pools)).await.map_err(ObserveError::Fetch)?;
        let marathon = Observed::from(self.queue().await);
        let summary = summarize(state, &marathon, &master, now);
        if summary.agents_of_no_pool > 0 {
            tracing::info!(
                agents = summary.agents_of_no_pool,
                "{} registered agents belong to no pool and are ignored; their attributes: {}",
                summary.agents_of_no_pool,
                summary.attributes_of_no_pool
            );
        }
        let read = Read {
            master,
            bytes,
            elapsed,
            queue: marathon.queue,
            agents_of_no_pool: summary.agents_of_no_pool,
            attributes_of_no_pool: summary.attributes_of_no_pool,
        };
        Ok(Some((summary.snapshots, read)))
    }

    /// The queue is read after the state: an instance that starts in between is missed until the next run, but never
    /// counted twice.
    async fn queue(&self) -> Queue {
        let Some(marathon) = &self.marathon else { return Queue::NotAsked };
        let queue = marathon.queue().await;
        if let Queue::Unknown { reason } = &queue {
            tracing::warn!(reason, "queued instances are unknown, so no agent is removed: {reason}");
        }
        queue
    }
}
