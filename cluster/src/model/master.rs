//! The leading master, as it describes itself.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use node_gather::mesos::state::DEFAULT_AGENT_REREGISTER_TIMEOUT;
use node_gather::mesos::{filters_gpus, to_duration, unreachable_after};

/// Since this capability (Mesos 1.9) agents can be deactivated and drained.
const AGENT_DRAINING: &str = "AGENT_DRAINING";

/// The leading master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Master {
    /// Its version.
    pub version: String,
    /// How that was built.
    pub build: Build,
    /// Its id; those of agents and frameworks begin with it.
    pub id: String,
    /// `master@` with its address and port.
    pub pid: String,
    /// Its hostname.
    pub hostname: String,
    /// When it was started.
    pub started_at: Timestamp,
    /// When it became the leader.
    pub elected_at: Timestamp,
    /// What it can do; empty before Mesos 1.5.
    pub capabilities: Vec<String>,
    /// The cluster's name, where it has one.
    pub cluster: Option<String>,
    /// Its flags, such as `agent_reregister_timeout`.
    pub flags: BTreeMap<String, String>,
}

/// What a master says of how it was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// The commit.
    pub git_sha: String,
    /// The tag; masters built without one do not say.
    pub git_tag: Option<String>,
    /// The day and time as text.
    pub date: String,
    /// The same as a time.
    pub time: Timestamp,
    /// By whom.
    pub user: String,
}

impl Master {
    /// A master of Mesos 1.11.0 that was started and elected then.
    #[must_use]
    pub fn elected(at: Timestamp) -> Self {
        let capabilities = ["AGENT_UPDATE", AGENT_DRAINING, "QUOTA_V2"];
        let flags = [
            ("agent_ping_timeout", "15secs"),
            ("agent_reregister_timeout", "10mins"),
            ("allocation_interval", "1secs"),
            ("authenticate_agents", "false"),
            ("filter_gpu_resources", "true"),
            ("port", "5050"),
            ("quorum", "2"),
            ("recovery_agent_removal_limit", "100%"),
            ("registry", "replicated_log"),
            ("work_dir", "/var/lib/mesos/master"),
        ];
        Self {
            version: "1.11.0".to_owned(),
            build: Build {
                git_sha: "04bc7ee1984d86fbb0bd782ccc69ce44c13ae4b9".to_owned(),
                git_tag: Some("1.11.0".to_owned()),
                date: "2020-11-24 15:38:37".to_owned(),
                time: Timestamp::constant(1_606_232_317, 0),
                user: "ubuntu".to_owned(),
            },
            id: "3c1f0a52-7d1b-4f6e-9a27-5f0c7a9be4d1".to_owned(),
            pid: "master@10.0.0.5:5050".to_owned(),
            hostname: "ip-10-0-0-5.ec2.internal".to_owned(),
            started_at: at,
            elected_at: at,
            capabilities: capabilities.map(str::to_owned).to_vec(),
            cluster: None,
            flags: flags.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        }
    }

    /// Whether agents can be deactivated and drained.
    #[must_use]
    pub fn can_drain(&self) -> bool {
        self.capabilities.iter().any(|capability| capability == AGENT_DRAINING)
    }

    /// How long a newly elected master waits for its agents.
    #[must_use]
    pub fn agent_reregister_timeout(&self) -> Duration {
        let flag =
            ["agent_reregister_timeout", "slave_reregister_timeout"].iter().find_map(|name| self.flags.get(*name));
        flag.and_then(|text| to_duration(text)).unwrap_or(DEFAULT_AGENT_REREGISTER_TIMEOUT)
    }

    /// How long an agent may be disconnected before it is marked unreachable.
    #[must_use]
    pub fn agent_timeout(&self) -> Duration {
        // The defaults of Mesos.
        self.unreachable_after().unwrap_or(Duration::from_secs(75))
    }

    /// Whether it offers agents with gpus to GPU-aware frameworks alone.
    #[must_use]
    pub fn filters_gpus(&self) -> bool {
        filters_gpus(self.flags.get("filter_gpu_resources").map(String::as_str))
    }

    /// The same where the flags say so.
    pub(crate) fn unreachable_after(&self) -> Option<Duration> {
        let flag = |names: [&str; 2]| names.iter().find_map(|name| self.flags.get(*name)).map(String::as_str);
        let timeout = flag(["agent_ping_timeout", "slave_ping_timeout"]);
        unreachable_after(timeout, flag(["max_agent_ping_timeouts", "max_slave_ping_timeouts"]))
    }
}
