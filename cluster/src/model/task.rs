//! Tasks and executors.

use jiff::Timestamp;
use node_gather::mesos::names::Mark;
use shared::resources::Resources;
use uuid::Uuid;

use super::{Framework, Ports};

/// What a task is started from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskSpec {
    /// The application that it belongs to: with a leading `/` one of Marathon's.
    pub application: String,
    /// What it takes.
    pub resources: Resources,
}

/// A task on an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// In the order of their start; no other task has it.
    pub number: u64,
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The number of its framework.
    pub framework: u32,
    /// The id of its executor; empty where it has none of its own.
    pub executor_id: String,
    /// How far it is.
    pub state: TaskState,
    /// What it takes.
    pub resources: Resources,
    /// The ports that it takes.
    pub ports: Ports,
    /// The role whose resources it takes.
    pub role: String,
    /// When it started; nothing is known of that while it is staged.
    pub started_at: Timestamp,
    /// The id of its container.
    pub container: Uuid,
    /// Whether a health check finds it well.
    pub is_healthy: bool,
    /// Its labels.
    pub labels: Vec<(String, String)>,
}

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// The agent has been asked to start it.
    Staging,
    /// Its executor starts it.
    Starting,
    /// It runs.
    Running,
    /// It is being ended.
    Killing,
    /// It has ended well.
    Finished,
    /// It has failed.
    Failed,
    /// It was ended.
    Killed,
    /// It is gone.
    Lost,
}

impl TaskState {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Staging,
        Self::Starting,
        Self::Running,
        Self::Killing,
        Self::Finished,
        Self::Failed,
        Self::Killed,
        Self::Lost,
    ];

    /// The word that Mesos uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Staging => "TASK_STAGING",
            Self::Starting => "TASK_STARTING",
            Self::Running => "TASK_RUNNING",
            Self::Killing => "TASK_KILLING",
            Self::Finished => "TASK_FINISHED",
            Self::Failed => "TASK_FAILED",
            Self::Killed => "TASK_KILLED",
            Self::Lost => "TASK_LOST",
        }
    }

    /// Whether a task in this state takes resources. One that has ended stays in the list until its end is acknowledged.
    #[must_use]
    pub const fn takes_resources(self) -> bool {
        matches!(self, Self::Staging | Self::Starting | Self::Running | Self::Killing)
    }
}

/// An executor that takes resources of its own, such as a pod's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executor {
    /// Its id.
    pub id: String,
    /// The number of its framework.
    pub framework: u32,
    /// What it takes.
    pub resources: Resources,
    /// The role whose resources it takes.
    pub role: String,
}

impl Task {
    /// A running task of that framework. `number` is unique.
    pub(super) fn new(spec: TaskSpec, framework: &Framework, number: u64, now: Timestamp) -> Self {
        let TaskSpec { application, resources } = spec;
        let (id, name) = if framework.is_marathon() {
            let path = application.strip_prefix('/').unwrap_or(&application);
            let name: Vec<&str> = path.rsplit('/').collect();
            (format!("{}.instance-{}._app.1", path.replace('/', "_"), uuid(number)), name.join("."))
        } else {
            (format!("{application}:{}", uuid(number)), application)
        };
        Self {
            number,
            id,
            name,
            framework: framework.number,
            executor_id: String::new(),
            state: TaskState::Running,
            resources,
            ports: Ports::NONE,
            role: framework.role().to_owned(),
            started_at: now,
            container: Uuid::from_u64_pair(0x636f_6e74_6100_4000, (1 << 63) | number),
            is_healthy: false,
            labels: Vec::new(),
        }
    }

    /// Another task of the same application.
    pub(super) fn renumbered(&self, number: u64, now: Timestamp) -> Self {
        let container = Uuid::from_u64_pair(0x636f_6e74_6100_4000, (1 << 63) | number);
        Self { number, id: renamed(&self.id, number), container, started_at: now, ..self.clone() }
    }

    /// The application that it belongs to, by the rules of `node_gather`.
    #[must_use]
    pub fn application(&self) -> String {
        Mark::of(self.id.as_bytes(), self.name.as_bytes()).application()
    }
}

fn uuid(number: u64) -> Uuid {
    Uuid::from_u64_pair(0x6c6f_6361_6c00_4000, (1 << 63) | number)
}

/// The id of another task of the same application: with another UUID, where it has one.
fn renamed(id: &str, number: u64) -> String {
    const UUID_CHARS: usize = 36;
    let uuid = uuid(number);
    let starts = 0..=id.len().saturating_sub(UUID_CHARS);
    let old = starts.filter_map(|start| id.get(start..start + UUID_CHARS)).find(|part| Uuid::parse_str(part).is_ok());
    match old {
        Some(old) => id.replace(old, &uuid.to_string()),
        None => format!("{id}.{uuid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_task_of_an_application_has_another_uuid() {
        let id = "core_app39.instance-380d1cd4-bf53-4fab-b071-797a94ed0244._app.1";
        let other = renamed(id, 7);
        assert!(other.starts_with("core_app39.instance-6c6f6361-") && other.ends_with("._app.1"), "{other}");
        assert!(renamed("batch-1", 7).starts_with("batch-1."));
        assert!(renamed("", 7).starts_with('.'));
    }
}
