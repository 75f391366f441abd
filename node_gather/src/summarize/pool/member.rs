//! A registered agent that is kept one by one.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use shared::contract::{AgentState, Candidate, TaskGroup};
use shared::resources::Resources;

use crate::members::Placement;
use crate::mesos::state::{Agent, AgentResources, Attributes, Drain, runs_nothing};
use crate::summarize::{Share, task_count};

/// The attribute that may hold the id of an agent's EC2 instance, set by its user data.
const INSTANCE_ID_ATTRIBUTE: &str = "instance_id";

/// A registered agent that is kept one by one.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) names: Names,
    pub(super) ip: Option<IpAddr>,
    pub(super) attributes: Arc<Attributes>,
    pub(super) resources: AgentResources,
    /// Its number, in the order in which ids occurred.
    pub(super) number: u32,
    pub(super) standing: Standing,
    /// The resources of its visible executors and, at the end, of its tasks.
    pub(super) visible: Resources,
    /// At the end: whether it runs a task that is protected, or of a framework of which the scheduler is not connected.
    pub(super) protected: bool,
    /// At the end: whether an instance of an application runs there, or would start there, for which no agent that stays has a place.
    pub(super) sole_host: bool,
    /// At the end: the names of the applications of its tasks, where it is on its way out.
    pub(super) applications: BTreeSet<String>,
    /// At the end: what it has free, where other roles have reservations.
    pub(super) free: Option<Resources>,
    /// When its drain should be over.
    pub(super) drain_due: Option<Timestamp>,
    pub(super) instance: Instance,
}

/// What an agent is called. It is one allocation: a thousand agents are kept until it is known which of them may go.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// Its id, its hostname, and the instance that it names.
    all: Arc<str>,
    id_end: usize,
    hostname_end: usize,
    has_instance: bool,
}

impl Names {
    pub(super) fn of(agent: &Agent) -> Self {
        // The smallest value, so that the order of the document does not matter.
        let instance = agent.attributes.values(INSTANCE_ID_ATTRIBUTE).min();
        let parts = [&agent.id, &agent.hostname, instance.unwrap_or_default()];
        let (id_end, hostname_end) = (agent.id.len(), agent.id.len() + agent.hostname.len());
        Self { all: parts.concat().into(), id_end, hostname_end, has_instance: instance.is_some() }
    }

    pub(super) fn id(&self) -> &str {
        self.all.get(..self.id_end).unwrap_or_default()
    }

    pub(super) fn hostname(&self) -> &str {
        self.all.get(self.id_end..self.hostname_end).unwrap_or_default()
    }

    pub(super) fn instance(&self) -> Option<&str> {
        self.all.get(self.hostname_end..).filter(|_| self.has_instance)
    }
}

/// The id of an agent's instance.
#[derive(Clone, Debug, Default)]
pub(super) enum InstanceId {
    #[default]
    Unknown,
    /// The one that it names.
    Named,
    Other(String),
}

/// What is known of the instance of a member, at the end.
#[derive(Clone, Debug, Default)]
pub(super) struct Instance {
    pub(super) id: InstanceId,
    pub(super) decommission_tag: Option<bool>,
    pub(super) decommission_since: Option<Timestamp>,
    /// Whether an agent that is not connected names it, too.
    pub(super) contested: bool,
    /// Whether it may be terminated.
    pub(super) may_go: bool,
}

impl Instance {
    pub(super) fn of(placement: &Placement<'_>, named: Option<&str>) -> Self {
        let (id, decommission_tag, decommission_since) = match placement {
            Placement::On { instance, is_decommissioning, decommissioning_since, .. } => {
                let is_named = named == Some(&instance.id);
                let id = if is_named { InstanceId::Named } else { InstanceId::Other(instance.id.clone()) };
                (id, Some(*is_decommissioning), *decommissioning_since)
            }
            Placement::NotDescribed => (InstanceId::Named, None, None),
            // The group has no tag for what is no instance of it.
            Placement::Outside => (InstanceId::Unknown, Some(false), None),
            Placement::NotLookedUp | Placement::Unidentified | Placement::Away => (InstanceId::Unknown, None, None),
        };
        let contested = matches!(placement, Placement::On { is_sole: false, .. });
        Self { id, decommission_tag, decommission_since, contested, may_go: placement.may_go() }
    }
}

/// Whether an agent that has so much takes tasks.
#[must_use]
pub fn is_usable(agent: &Agent, total: &Resources) -> bool {
    Standing::of(agent, total) == Standing::Usable
}

/// When the drain of an agent should be over. A new master does not say it of what was drained before it led: that was before
/// the agent registered with it.
pub(super) fn drain_due(agent: &Agent) -> Option<Timestamp> {
    match agent.drain? {
        Drain::Draining => agent.drain_time.due(),
        Drain::Drained => agent.drain_time.due().or(agent.registered_at),
    }
}

/// Whether an agent accepts tasks, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Usable,
    Draining(Drain),
    Deactivated,
    /// The master has lost the connection to it.
    Disconnected,
    /// It has no resources, or its instance is terminating.
    Inactive,
    /// Something about it is impossible, so that what it offers is not known.
    SetAside,
}

impl Standing {
    /// A draining or deactivated agent counts as such even if it is disconnected, too.
    pub(super) fn of(agent: &Agent, total: &Resources) -> Self {
        match agent.drain {
            Some(drain) => Self::Draining(drain),
            None if agent.deactivated => Self::Deactivated,
            None if runs_nothing(total) => Self::Inactive,
            None if agent.active => Self::Usable,
            None => Self::Disconnected,
        }
    }

    /// The same for an agent that is set aside. Other agents than usable ones offer nothing anyway.
    pub(super) const fn set_aside(self) -> Self {
        match self {
            Self::Usable => Self::SetAside,
            other => other,
        }
    }

    /// The same for an agent whose instance is terminating: its tasks must be placed again.
    pub(super) const fn leaving(self) -> Self {
        match self {
            Self::Usable => Self::Inactive,
            other => other,
        }
    }

    /// The state of a candidate; `None` if the agent is not a candidate.
    pub(super) const fn candidate_state(self) -> Option<AgentState> {
        match self {
            Self::Usable => Some(AgentState::Active),
            Self::Draining(Drain::Draining) => Some(AgentState::Draining),
            Self::Draining(Drain::Drained) => Some(AgentState::Drained),
            Self::Deactivated => Some(AgentState::Deactivated),
            Self::Disconnected | Self::Inactive | Self::SetAside => None,
        }
    }
}

impl Member {
    pub(super) fn is_usable(&self) -> bool {
        self.standing == Standing::Usable
    }

    /// What tasks and executors use: as the master reports it, else the visible ones.
    pub(super) fn used(&self) -> Resources {
        self.resources.used.unwrap_or(self.visible)
    }

    /// What a task of the pool's role could take.
    pub(super) fn free(&self) -> Resources {
        self.free.unwrap_or_else(|| self.resources.unreserved.saturating_sub(&self.used()))
    }

    /// Whether nothing of its own keeps it.
    pub(super) fn may_go(&self) -> bool {
        self.is_usable() && self.instance.may_go && !self.protected
    }

    /// Its values of a field that a constraint may name.
    pub(super) fn values(&self, field: &str) -> impl Iterator<Item = &str> {
        let hostname = matches!(field, "hostname" | "@hostname").then(|| self.names.hostname());
        let attributes = self.attributes.values(field).filter(move |_| hostname.is_none());
        hostname.into_iter().chain(attributes)
    }

    /// Of several the smallest, so that their order does not matter.
    pub(super) fn value(&self, field: &str) -> Option<&str> {
        self.values(field).min()
    }

    /// The largest used share of its resources.
    pub(super) fn load(&self) -> Share {
        Share::largest(&self.used(), &self.resources.total)
    }

    /// A member is large, and few are candidates, so that it stays where it is.
    pub(super) fn take_candidate(&mut self, state: AgentState, tasks: Vec<TaskGroup>) -> Candidate {
        let used = self.used();
        let AgentResources { total, unreserved, .. } = self.resources;
        let (instance, applications) = (std::mem::take(&mut self.instance), std::mem::take(&mut self.applications));
        let names = &self.names;
        Candidate {
            instance_id: match instance.id {
                InstanceId::Unknown => None,
                InstanceId::Named => names.instance().map(str::to_owned),
                InstanceId::Other(id) => Some(id),
            },
            decommission_tag: instance.decommission_tag,
            decommission_since: instance.decommission_since,
            contested: instance.contested,
            drain_due: self.drain_due,
            sole_host: self.sole_host,
            agent_id: names.id().to_owned(),
            hostname: names.hostname().to_owned(),
            ip: self.ip,
            state,
            protected: self.protected,
            total,
            unreserved,
            used,
            free: self.free,
            task_count: task_count(&tasks),
            tasks,
            applications: if applications.len() > Candidate::MAX_APPLICATIONS {
                Vec::new()
            } else {
                applications.into_iter().collect()
            },
        }
    }
}
