//! Reads all sources, and makes the snapshots of the pools.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::SdkConfig;
use jiff::Timestamp;
use secrecy::SecretString;
use shared::config::{Config, Policy};
use shared::contract::{ClusterSnapshot, TaskGroup};
use shared::start::Secrets;
use thiserror::Error;

use crate::groups::{self, Cpu, Groups};
use crate::marathon::definitions::Definitions;
use crate::marathon::{self, Answer, Observed, Queue};
use crate::members::{Description, Descriptions, Group, Lookup};
use crate::mesos::client::{Client, ClientError, FetchError, Fetched};
use crate::summarize::{ClusterState, SeenAttributes, summarize};
use crate::{addresses, autoscaling, cloudwatch};

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
    /// EC2.
    pub ec2: Option<addresses::Client>,
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
    /// By pool: queued instances that its snapshot does not count, but that are part of its demand (H7).
    pub backing_off: BTreeMap<String, Vec<TaskGroup>>,
    /// How many registered agents belong to no pool.
    pub agents_of_no_pool: u32,
    /// Their attributes.
    pub attributes_of_no_pool: SeenAttributes,
}

impl Sources {
    /// The clients that the configuration needs, with the secrets that its settings refer to.
    ///
    /// # Errors
    /// A client cannot be set up.
    pub fn new(
        config: &Config,
        sdk: &SdkConfig,
        secrets: &Secrets,
        marathon_credentials: Option<&SecretString>,
    ) -> Result<Self, SourceError> {
        let (credentials, ca_bundle) = (secrets.credentials.as_ref(), secrets.ca_bundle.as_ref());
        let mesos = config.mesos.as_ref();
        let mesos = mesos.map(|mesos| Client::new(mesos.clone(), credentials, ca_bundle)).transpose()?;
        let marathon = config.marathon.as_ref();
        let marathon =
            marathon.map(|marathon| marathon::client::Client::new(marathon, marathon_credentials, ca_bundle));
        let marathon = marathon.transpose()?;
        let asks_cpu = config.pools.iter().any(|policy| policy.source.cpu().is_some());
        let cloudwatch = asks_cpu.then(|| cloudwatch::Client::new(sdk)).transpose()?;
        let auto_scaling = Some(autoscaling::Client::new(sdk));
        let ec2 = mesos.is_some().then(|| addresses::Client::new(sdk));
        Ok(Self { mesos, marathon, cloudwatch, auto_scaling, ec2 })
    }

    /// Observes all pools once. `now` is the time of the run.
    pub async fn observe(&self, config: &Config, now: Timestamp) -> Observation {
        let pools = config.mesos_pools();
        // First, because the state ages faster than an average over ten minutes.
        let cpu = self.cpu(config, now).await;
        let definitions = self.definitions(now).await;
        let (fetched, failure) = match self.fetch(&pools).await {
            Ok(fetched) => (fetched, None),
            Err(error) => (None, Some(error)),
        };
        // The groups come after the state: an instance that joins in between counts as in flight, and never as missing.
        let (queue, groups) = tokio::join!(self.queue(fetched.is_some()), self.describe(config));
        let mut described = Descriptions { groups, lookup: Lookup::NotAsked };
        if let Some(Fetched { state, .. }) = &fetched {
            described.lookup = self.lookup(state, &described, now).await;
        }
        let cluster =
            fetched.map(|fetched| snapshots(fetched, Observed { queue, definitions }, described.clone(), now));
        let (cluster, read) = cluster.map_or_else(Default::default, |(snapshots, read)| (snapshots, Some(read)));
        Observation { snapshots: groups::complete(config, cluster, &Groups { cpu, described }, now), read, failure }
    }

    /// What CloudWatch reports about the groups of the pools that need it. A failure becomes a finding in their snapshots.
    async fn cpu(&self, config: &Config, now: Timestamp) -> BTreeMap<String, Cpu> {
        let Some(cloudwatch) = &self.cloudwatch else { return BTreeMap::new() };
        let pools = config.pools.iter().filter(|policy| policy.source.cpu().is_some());
        let names: Vec<&str> = pools.map(|policy| policy.group.as_str()).collect();
        let known = cloudwatch.cpu_utilization(&names, now).await;
        names.iter().map(|name| (*name).to_owned()).zip(known).collect()
    }

    /// Describes the groups of all pools at once. A failure becomes a finding in their snapshots.
    async fn describe(&self, config: &Config) -> BTreeMap<String, Description> {
        let Some(auto_scaling) = &self.auto_scaling else { return BTreeMap::new() };
        let names: Vec<&str> = config.pools.iter().map(|policy| policy.group.as_str()).collect();
        let known = auto_scaling.describe(&names).await;
        names.iter().map(|name| (*name).to_owned()).zip(known).collect()
    }

    /// Looks the addresses of instances up, where nothing else identifies some agent of their pool.
    async fn lookup(&self, state: &ClusterState, described: &Descriptions, now: Timestamp) -> Lookup {
        let groups: Vec<(&str, &Group)> =
            state.groups_by_address().filter_map(|name| Some((name, described.group(name)?))).collect();
        match &self.ec2 {
            Some(ec2) if !groups.is_empty() => ec2.lookup(&groups, now).await,
            Some(_) | None => Lookup::NotAsked,
        }
    }

    /// The state of the Mesos cluster; `None` if no pool is in one.
    async fn fetch(&self, pools: &[Policy]) -> Result<Option<Fetched<ClusterState>>, ObserveError> {
        let Some(mesos) = &self.mesos else { return Ok(None) };
        mesos.fetch(|| ClusterState::new(pools)).await.map(Some).map_err(ObserveError::Fetch)
    }

    /// How many instances of which applications one agent may hold.
    async fn definitions(&self, now: Timestamp) -> Answer<Definitions> {
        let Some(marathon) = &self.marathon else { return Answer::NotAsked };
        let definitions = marathon.definitions(now).await;
        if let Answer::Unknown { reason } = &definitions {
            tracing::warn!(reason, "constraints of applications are unknown, so no agent is removed: {reason}");
        }
        definitions
    }

    /// The queue is read after the state: an instance that starts in between is missed until the next run, but never
    /// counted twice.
    async fn queue(&self, is_state_known: bool) -> Queue {
        let Some(marathon) = self.marathon.as_ref().filter(|_| is_state_known) else { return Queue::NotAsked };
        let queue = marathon.queue().await;
        if let Queue::Unknown { reason } = &queue {
            tracing::warn!(reason, "queued instances are unknown, so no agent is removed: {reason}");
        }
        queue
    }
}

impl Read {
    /// H7: queued instances of a pool that back off.
    #[must_use]
    pub fn backing_off(&self, pool: &str) -> &[TaskGroup] {
        self.backing_off.get(pool).map_or(&[], Vec::as_slice)
    }
}

/// The snapshots of the pools of the Mesos cluster, and how they were read.
fn snapshots(
    fetched: Fetched<ClusterState>,
    marathon: Observed,
    described: Descriptions,
    now: Timestamp,
) -> (Vec<ClusterSnapshot>, Read) {
    let Fetched { state, master, bytes, elapsed } = fetched;
    let state = state.with_descriptions(described);
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
        backing_off: summary.backing_off,
        agents_of_no_pool: summary.agents_of_no_pool,
        attributes_of_no_pool: summary.attributes_of_no_pool,
    };
    (summary.snapshots, read)
}
