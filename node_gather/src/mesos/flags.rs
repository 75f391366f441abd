//! The flags of a master that matter here.

use std::time::Duration;

use serde::Deserialize;

use super::forms::to_duration;
use super::state::Master;

/// How often a master pings an agent, and how many pings may remain unanswered: Mesos's defaults.
const PING_TIMEOUT: Duration = Duration::from_secs(15);
const MAX_PING_TIMEOUTS: u32 = 5;

/// The flags as /state has them: text, under their names since Mesos 1.4, or the older ones.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Flags {
    pub(super) agent_reregister_timeout: Option<String>,
    pub(super) slave_reregister_timeout: Option<String>,
    pub(super) agent_ping_timeout: Option<String>,
    pub(super) slave_ping_timeout: Option<String>,
    pub(super) max_agent_ping_timeouts: Option<String>,
    pub(super) max_slave_ping_timeouts: Option<String>,
    pub(super) filter_gpu_resources: Option<String>,
}

impl Flags {
    /// Sets what follows from them.
    pub(super) fn apply(&self, master: &mut Master) {
        let timeout = text(&self.agent_reregister_timeout, &self.slave_reregister_timeout);
        if let Some(timeout) = timeout.and_then(to_duration) {
            master.agent_reregister_timeout = timeout;
        }
        let timeout = text(&self.agent_ping_timeout, &self.slave_ping_timeout);
        let pings = text(&self.max_agent_ping_timeouts, &self.max_slave_ping_timeouts);
        master.unreachable_after = unreachable_after(timeout, pings);
        master.filters_gpus = filters_gpus(self.filter_gpu_resources.as_deref());
    }
}

/// After how long without an answer an agent becomes unreachable, by the flags `agent_ping_timeout` and
/// `max_agent_ping_timeouts`; `None` where both say nothing.
#[must_use]
pub fn unreachable_after(timeout: Option<&str>, pings: Option<&str>) -> Option<Duration> {
    let timeout = timeout.and_then(to_duration);
    let pings = pings.and_then(|pings| pings.trim().parse::<u32>().ok());
    if timeout.is_none() && pings.is_none() {
        return None;
    }
    Some(timeout.unwrap_or(PING_TIMEOUT).saturating_mul(pings.unwrap_or(MAX_PING_TIMEOUTS)))
}

/// Whether the master offers agents with gpus to frameworks with `GPU_RESOURCES` alone, by the flag `filter_gpu_resources`: it
/// does unless told otherwise.
#[must_use]
pub fn filters_gpus(flag: Option<&str>) -> bool {
    flag != Some("false")
}

fn text<'a>(new: &'a Option<String>, old: &'a Option<String>) -> Option<&'a str> {
    new.as_deref().or(old.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_says_when_an_agent_becomes_unreachable() {
        let seconds = |json: &str| {
            let mut master = Master::default();
            serde_json::from_str::<Flags>(json).unwrap().apply(&mut master);
            master.unreachable_after.map(|after| after.as_secs())
        };
        assert_eq!(seconds(r#"{"agent_ping_timeout":"15secs","max_agent_ping_timeouts":"5"}"#), Some(75));
        assert_eq!(seconds(r#"{"agent_ping_timeout":"1mins"}"#), Some(300));
        assert_eq!(seconds(r#"{"max_agent_ping_timeouts":"20"}"#), Some(300));
        assert_eq!(seconds(r#"{"slave_ping_timeout":"30secs","max_slave_ping_timeouts":"3"}"#), Some(90));
        assert_eq!(seconds(r#"{"agent_ping_timeout":"soon","max_agent_ping_timeouts":"-1"}"#), None);
        assert_eq!(seconds(r#"{"agent_ping_timeout":"soon","max_agent_ping_timeouts":"6"}"#), Some(90));
        assert_eq!(seconds("{}"), None);
        // Beyond all measure it stays a number.
        let long = r#"{"agent_ping_timeout":"99999999weeks","max_agent_ping_timeouts":"4294967295"}"#;
        assert!(seconds(long) > Some(1 << 40));
    }
}
