//! Whether the masters answer, one leads, and Marathon is read.

use std::time::Duration;

use jiff::Timestamp;
use node_gather::marathon::Queue;
use node_gather::observe::{Observation, Read};
use shared::config::Mesos;
use shared::error::Chain;
use shared::text::{authority, counted};
use tokio::net::TcpStream;
use url::Url;

use super::finding::Finding;

/// How long a master may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(3);

/// A clock of the cluster that is further ahead than this makes messages that are refused.
const MAX_AHEAD_SECONDS: i64 = 30;

pub(super) async fn findings(mesos: &Mesos, observation: &Observation, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    match (&observation.read, &observation.failure) {
        (Some(read), _) => findings.extend(leader(mesos, read)),
        (None, Some(failure)) => findings.push(Finding::problem(Chain::new(failure).to_string())),
        (None, None) => {}
    }
    // A master that is down is noticed only when the leader fails, which is too late.
    if mesos.masters.len() > 1 {
        for master in &mesos.masters {
            if let Err(reason) = connect(master).await {
                let host = authority(master);
                findings.push(Finding::warning(format!(
                    "the master {host} does not answer ({reason}); a failover to it stops scaling"
                )));
            }
        }
    }
    if let Some(ahead) = ahead(observation, now) {
        let text =
            format!("the clock of the cluster is {ahead}s ahead of this machine's; set both, for example with chrony");
        findings.push(Finding::warning(text));
    }
    findings
}

fn leader(mesos: &Mesos, read: &Read) -> Vec<Finding> {
    let Read { master, bytes, elapsed, queue, .. } = read;
    let text =
        format!("{master} leads; its /state has {} KB, read in {} ms", bytes.div_ceil(1000), elapsed.as_millis());
    let mut findings = vec![Finding::ok(text)];
    if *elapsed > mesos.timeout / 2 {
        let timeout = mesos.timeout.as_secs();
        findings.push(Finding::warning(format!(
            "reading /state takes more than half of mesos.timeout = {timeout}s; raise it"
        )));
    }
    match queue {
        Queue::Known(queued) => {
            let entries = u64::try_from(queued.len()).unwrap_or(u64::MAX);
            findings.push(Finding::ok(format!("Marathon's queue is read: {}", counted(entries, "application"))));
        }
        Queue::Unknown { reason } => {
            findings.push(Finding::problem(format!("{reason}; until it is known, no agent is removed")));
        }
        Queue::NotAsked => {}
    }
    findings
}

async fn connect(master: &Url) -> Result<(), String> {
    let host = master.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = master.port_or_known_default().unwrap_or(5050);
    match tokio::time::timeout(CONNECT, TcpStream::connect((host, port))).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no connection within {} s", CONNECT.as_secs())),
    }
}

/// By how many seconds the cluster is ahead, where some agent registered in the future.
fn ahead(observation: &Observation, now: Timestamp) -> Option<i64> {
    let times = observation.snapshots.iter().flat_map(|snapshot| {
        let registered = snapshot.latest_agents.iter().map(|agent| agent.registered_at);
        registered.chain(snapshot.source.elected_at)
    });
    times.max().map(|latest| latest.duration_since(now).as_secs()).filter(|ahead| *ahead > MAX_AHEAD_SECONDS)
}
