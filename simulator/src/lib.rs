//! Weeks of a cluster under a policy, in seconds: what it costs, and who waits.
//!
//! ```text
//!  trace ──▶ Workload ─┐                                   ┌─▶ Measurements
//!                      ├─▶ run(Setup, Policy): the world ──┼─▶ Series, a sample a minute
//!  configuration ──────┘                                   └─▶ Actions and holds, with clause and reason
//! ```
//!
//! - [`trace`]: reads a trace, and turns it into a [`Workload`]: which instances are wanted when, and which jobs run for how long
//! - [`mod@run`]: the event loop. The world is a [`cluster::Cluster`] and a [`cluster::group::Group`] in which time passes: agents
//!   boot and join late, Marathon places what is wanted on the offers of agents in random order, and what no agent has room for
//!   waits
//! - [`policy`]: what decides. [`policy::Policy`] is the trait: at each of its periods a policy sees a [`policy::View`] of the
//!   world and gives [`policy::Orders`]. [`policy::LambdaScale`] is the project's own code, `summarize`, `decide`, and `plan`, on
//!   real messages; the others are what one would use instead
//! - [`setup`]: what is simulated: the workload, the agents, the limits
//! - [`fault`]: what goes wrong meanwhile
//! - [`faults`]: thousands of worlds in which anything goes wrong, and what must hold in all of them
//! - [`measure`], [`results`]: what comes of it: [`Run`] holds [`Measurements`], a [`Series`], the [`Action`]s and the [`Hold`]s
//! - [`summary`]: several runs of a policy as mean, least, and largest
//! - [`report`]: all of it as one HTML page
//!
//! Nothing here reads a clock, a network, or the environment, and nothing is shared between runs. What looks random follows from
//! the seed, with a stream for each concern: placement never changes when boot times do. No state has a float or depends on
//! the order of a hash map, so the same seed gives the same bytes on every machine.
//!
//! docs/simulate.md defines traces and measurements, docs/design/simulator.md says why the world is as it is.

pub mod fault;
pub mod faults;
pub mod measure;
pub mod moved;
pub mod oracle;
pub mod policy;
pub mod report;
pub mod results;
pub mod run;
pub mod setup;
pub mod summary;
pub mod trace;
mod world;

pub use fault::{Fault, Faults};
pub use measure::{Action, ActionKind, Hold, Measurements, Series, Wait};
pub use results::Run;
pub use run::{Progress, RunError, run, run_watched};
pub use setup::{FirstAgents, Launches, Place, Setup, Start};
pub use trace::{Application, Workload};

/// A time of a simulation, in milliseconds since its start.
pub type Millis = u64;

/// A second.
pub const SECOND: Millis = 1000;
/// A minute.
pub const MINUTE: Millis = 60 * SECOND;
/// An hour.
pub const HOUR: Millis = 60 * MINUTE;
/// A day.
pub const DAY: Millis = 24 * HOUR;
