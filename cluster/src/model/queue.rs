//! What Marathon knows of applications, and what its launch queue holds.

use std::time::Duration;

use shared::resources::Resources;

/// Instances of one application that are to be launched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedInstances {
    /// The application's id.
    pub application: String,
    /// How many.
    pub instances: u32,
    /// What one of them takes: one task of an application, several of a pod.
    pub tasks: Vec<Resources>,
    /// For how long its launches are still put off, because instances failed.
    pub delay: Duration,
    /// How many of the last offers were declined, by Marathon's reasons.
    pub declines: Vec<(String, u32)>,
}

/// Where an application may run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definition {
    /// How many containers an instance has, where it is one of a pod.
    pub containers: Option<u32>,
    /// Its constraints: field, operator, and value.
    pub constraints: Vec<Vec<String>>,
    /// The port of its host that an instance needs, if there is one.
    pub host_port: Option<u16>,
    /// The roles whose resources it accepts; empty where it does not say.
    pub accepted_roles: Vec<String>,
}

impl QueuedInstances {
    /// What one instance takes in all.
    #[must_use]
    pub fn resources(&self) -> Resources {
        self.tasks.iter().copied().sum()
    }
}
