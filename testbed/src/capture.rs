//! The cluster that the local master leads: a captured one, as if its master had been leading for a day.

use cluster::Cluster;
use cluster::capture::CaptureError;
use jiff::{SignedDuration, Timestamp};

use super::REGION;

/// How long the master has been leading: long enough for a complete snapshot.
const TERM: SignedDuration = SignedDuration::from_hours(24);

/// The captured cluster, with an instance and a zone for every agent that names none.
///
/// # Errors
/// Where the text is no captured `/state`.
pub fn captured(state: &[u8], now: Timestamp) -> Result<Cluster, CaptureError> {
    let elected_at = now.saturating_sub(TERM).unwrap_or(now);
    let mut cluster = Cluster::from_capture(state)?.elected_at(elected_at);
    for (index, agent) in cluster.agents_mut().enumerate() {
        let id = agent.instance_id().map_or_else(|| format!("i-00000000{index:09x}"), str::to_owned);
        let zone = agent.zone().map_or_else(|| format!("{REGION}a"), str::to_owned);
        agent.set_instance(&id, &zone);
    }
    Ok(cluster)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_agent_of_the_capture_has_an_instance() {
        let now = cluster::NOON;
        let named = captured(crate::CAPTURE, now).unwrap();
        assert_eq!((named.agents().count(), named.tasks().count()), (60, 282));
        assert_eq!(now.duration_since(named.master.elected_at), TERM);
        let ids: std::collections::BTreeSet<&str> = named.agents().filter_map(|agent| agent.instance_id()).collect();
        assert_eq!(ids.len(), 60);

        let nameless = String::from_utf8(crate::CAPTURE.to_vec()).unwrap();
        let nameless = nameless.replace("\"instance_id\"", "\"id\"").replace("\"availability_zone\"", "\"zone\"");
        let named = captured(nameless.as_bytes(), now).unwrap();
        let first = named.agents().next().unwrap();
        assert_eq!((first.instance_id(), first.zone()), (Some("i-00000000000000000"), Some("us-east-1a")));
    }
}
