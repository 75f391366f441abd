//! Frameworks, as the master lists them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use shared::resources::Amount;

/// The capability of frameworks that are offered agents with gpus.
pub(crate) const GPU_RESOURCES: &str = "GPU_RESOURCES";

/// A framework.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framework {
    /// By which its tasks name it.
    pub number: u32,
    /// Its id.
    pub id: String,
    /// Its name; another framework may have the same.
    pub name: String,
    /// What it can do.
    pub capabilities: Vec<String>,
    /// Where its scheduler runs.
    pub hostname: String,
    /// Its web page.
    pub webui_url: String,
    /// Whether its scheduler is there.
    pub presence: Presence,
    /// As whom its tasks run.
    pub user: String,
    /// For how many seconds its tasks survive it.
    pub failover_timeout: Amount,
    /// Whether its tasks survive their agent's restart.
    pub checkpoint: bool,
    /// When it registered.
    pub registered_at: Timestamp,
    /// As whom it speaks to the master, where it says so.
    pub principal: Option<String>,
    /// The roles that it asks for resources.
    pub roles: Roles,
    /// The applications that are started as its tasks; empty where any other application is.
    pub applications: BTreeSet<String>,
}

/// Whether a framework's scheduler is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is.
    Connected,
    /// It has gone; its tasks run on.
    Disconnected {
        /// Since when.
        since: Timestamp,
    },
    /// It has not come back to a new master, which knows it from the tasks of agents that have.
    Recovered,
}

/// The roles of a framework.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roles {
    /// One, as frameworks without the capability `MULTI_ROLE` name it.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Framework {
    /// Whether it is offered agents with gpus.
    #[must_use]
    pub fn is_gpu_aware(&self) -> bool {
        self.capabilities.iter().any(|capability| capability == GPU_RESOURCES)
    }

    /// Whether it is a Marathon, so that its tasks get ids of that form.
    #[must_use]
    pub fn is_marathon(&self) -> bool {
        self.name.contains("marathon")
    }

    /// The role of its tasks.
    #[must_use]
    pub fn role(&self) -> &str {
        match &self.roles {
            Roles::One(role) => role,
            Roles::Many(roles) => roles.first().map_or("*", String::as_str),
        }
    }
}
