//! Snapshots during and after the failovers of real masters, replayed from captures.

use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use node_gather::finding::{Election, Finding};
use node_gather::marathon::Observed;
use node_gather::{ReadError, snapshots};
use shared::config::Config;
use shared::contract::{ClusterSnapshot, CompletenessLevel};

const VERSIONS: [&str; 2] = ["1.4.3", "1.11.0"];

fn read(path: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/captures").join(path)).unwrap()
}

fn config(more: &str) -> Config {
    let head = "mesos.masters = [\"http://10.0.0.5:5050\"]\n[[pools]]\nname = \"workers\"\ngroup = \"workers\"\n";
    Config::parse(&format!("{head}{more}")).unwrap()
}

fn elected_at(state: &[u8]) -> Timestamp {
    take(state, Timestamp::UNIX_EPOCH).unwrap().source.elected_at.unwrap()
}

fn take(state: &[u8], taken_at: Timestamp) -> Result<ClusterSnapshot, ReadError> {
    snapshots(state, &Observed::default(), &config(""), "http://10.0.0.5:5050", taken_at)
        .map(|mut snapshots| snapshots.remove(0))
}

/// The polls of a failover: how long after the master's death, and the answer.
fn timeline(version: &str) -> Vec<(SignedDuration, Vec<u8>)> {
    let polls: serde_json::Value =
        serde_json::from_slice(&read(&format!("{version}/25-failover-timeline/timeline.json"))).unwrap();
    let after = polls.as_array().unwrap().iter().filter_map(|poll| poll["t"].as_f64());
    after
        .enumerate()
        .map(|(place, seconds)| {
            let body = read(&format!("{version}/25-failover-timeline/poll-{:02}.body", place + 1));
            (SignedDuration::try_from(Duration::from_secs_f64(seconds)).unwrap(), body)
        })
        .collect()
}

#[test]
fn during_a_failover_no_snapshot_is_complete() {
    for version in VERSIONS {
        let polls = timeline(version);
        assert_eq!(polls.len(), 9);
        // The new master was elected shortly before the first poll that has a state.
        let (first_answer, state) = &polls[2];
        let died_at = elected_at(state) - *first_answer;
        let mut seen = Vec::new();
        for (after, body) in &polls {
            let snapshot = take(body, died_at + *after);
            seen.push(snapshot.ok().map(|snapshot| {
                let (agents, level) = (snapshot.agents, snapshot.completeness.level);
                assert!(!snapshot.completeness.reasons.is_empty(), "{version} {after}");
                (agents.registered, agents.recovered, level)
            }));
        }
        use CompletenessLevel::{Blind, Partial};
        let expected = [
            None, // connection refused
            None, // 404
            Some((0, 0, Blind)),
            Some((0, 4, Blind)),
            Some((0, 4, Blind)),
            Some((1, 3, Blind)),
            Some((2, 2, Blind)),
            Some((3, 1, Blind)),
            Some((4, 0, Partial)),
        ];
        assert_eq!(seen, expected, "{version}");
    }
}

#[test]
fn a_snapshot_stays_incomplete_until_all_agents_reregister() {
    for version in VERSIONS {
        for (_, body) in timeline(version) {
            if take(&body, Timestamp::UNIX_EPOCH).is_err() {
                continue;
            }
            let much_later = elected_at(&body) + SignedDuration::from_hours(5);
            let snapshot = take(&body, much_later).unwrap();
            let all_back = snapshot.agents.registered == 4;
            let level = snapshot.completeness.level;
            assert_eq!(level == CompletenessLevel::Complete, all_back, "{version}: {:?}", snapshot.completeness);
        }
    }
}

#[test]
fn a_snapshot_is_complete_after_the_agent_reregister_timeout() {
    for version in VERSIONS {
        let (_, body) = timeline(version).pop().unwrap();
        let elected_at = elected_at(&body);
        let level =
            |seconds: i64| take(&body, elected_at + SignedDuration::from_secs(seconds)).unwrap().completeness.level;
        assert_eq!(level(599), CompletenessLevel::Partial, "{version}");
        assert_eq!(level(600), CompletenessLevel::Complete, "{version}");
    }
}

#[test]
fn missing_frameworks_and_agents_reduce_completeness() {
    use CompletenessLevel::{Blind, Partial};
    for version in VERSIONS {
        let recent = Election::Recent { age: SignedDuration::from_secs(5), timeout: Duration::from_secs(600) };
        let missing = |missing| Finding::MissingAgents { missing, known: 4, max_percent: 10 };
        let frameworks = |names: &[&str]| Finding::MissingFrameworks(names.iter().map(|&name| name.into()).collect());
        // The captured 1.11.0 master has recovered no agents; an empty list does not prove an empty cluster.
        let no_agents = if version == "1.4.3" { (missing(4), Blind) } else { (Finding::NoAgents, Partial) };
        for (situation, at_once, hours_later) in [
            ("19-after-master-failover-no-agents-back", (Finding::NoAgentsYet(recent), Blind), no_agents),
            ("19b-after-master-failover-some-agents-back", (missing(2), Blind), (missing(2), Blind)),
            ("19c-after-master-failover-framework-back", (missing(2), Blind), (missing(2), Blind)),
            (
                "19d-after-master-failover-all-agents-back",
                (Finding::RecentElection(recent), Partial),
                (frameworks(&["legacy"]), Partial),
            ),
        ] {
            let body = read(&format!("{version}/{situation}/state.json"));
            let elected_at = elected_at(&body);
            let after = [(SignedDuration::from_secs(5), at_once), (SignedDuration::from_hours(5), hours_later)];
            for (age, (finding, level)) in after {
                let completeness = take(&body, elected_at + age).unwrap().completeness;
                assert_eq!(completeness.level, level, "{version} {situation} after {age}: {completeness:?}");
                let is_found = completeness.reasons.contains(&finding.to_string());
                assert!(is_found, "{version} {situation} after {age}: {completeness:?}");
            }
        }
    }
}

#[test]
fn a_higher_max_missing_agents_percent_makes_the_snapshot_partial() {
    let body = read("1.11.0/19b-after-master-failover-some-agents-back/state.json");
    let taken_at = elected_at(&body) + SignedDuration::from_secs(30);
    let level = |percent: u32| {
        let config = config(&format!("max_missing_agents_percent = {percent}\n"));
        snapshots(body.as_slice(), &Observed::default(), &config, "m", taken_at).unwrap().remove(0).completeness.level
    };
    assert_eq!((level(49), level(50)), (CompletenessLevel::Blind, CompletenessLevel::Partial));
}

#[test]
fn recovered_agents_count_in_their_own_pool() {
    let config = config(
        "attributes = { pool = \"batch\" }\n[[pools]]\nname = \"rest\"\ngroup = \"rest\"\nattributes = { pool = \"rest\" }\n",
    );
    let state = br#"{"elected_time":1.0,"slaves":[
        {"id":"1","active":true,"attributes":{"pool":"batch"},"resources":{"cpus":1.0,"mem":1.0},"used_resources":{}},
        {"id":"2","active":true,"attributes":{"pool":"rest"},"resources":{"cpus":1.0,"mem":1.0},"used_resources":{}}],
        "recovered_slaves":[{"id":"3","attributes":{"pool":"rest"}}],"frameworks":[]}"#;
    let taken_at = "2026-11-21T16:00:00Z".parse().unwrap();
    let levels: Vec<_> = snapshots(&state[..], &Observed::default(), &config, "m", taken_at)
        .unwrap()
        .into_iter()
        .map(|snapshot| (snapshot.pool, snapshot.completeness.level, snapshot.agents.recovered))
        .collect();
    assert_eq!(
        levels,
        [("workers".to_owned(), CompletenessLevel::Complete, 0), ("rest".to_owned(), CompletenessLevel::Blind, 1)]
    );
}
