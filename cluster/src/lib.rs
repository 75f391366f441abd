//! A typed model of a Mesos cluster and of its Auto Scaling group: what tests and the test bed act on.
//!
//! - [`Cluster`]: a master, agents, frameworks, tasks, and Marathon's queue; what happens to them is a method
//! - [`example`]: clusters in a few words
//! - [`render`]: the `/state` of that cluster, and [`queue`] what Marathon answers, as they write it
//! - [`capture`]: a cluster from the `/state` of a real master
//! - [`generate`]: the `/state` of a cluster of any size, from a seed
//! - [`group`]: an Auto Scaling group: instances, launches and terminations that take their time, limits, activities
//! - [`observe`]: the snapshots that `node_gather` makes of it
//!
//! Nothing here reads a clock, a network, or the environment: time is an argument, and what looks random follows from a seed.
//! What is free on an agent, which agents are usable, and in which order they are candidates is `node_gather`'s to say; this
//! crate asks its code.

pub mod capture;
pub mod example;
pub mod generate;
pub mod group;
mod model;
pub mod observe;
pub mod queue;
mod reader;
pub mod render;

pub use example::{NOON, agent_ref, decision, group_snapshot, policy, resources};
pub use model::{
    Agent, Attribute, Attributes, Build, Capacity, Cluster, Connection, Definition, Drain, Executor, Framework, Master,
    Mode, OperateError, Operation, Placement, Ports, Presence, QueuedInstances, Roles, Task, TaskSpec, TaskState,
};
pub use reader::Reader;
