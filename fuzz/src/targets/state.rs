//! `/state` of a master: the scanner reads what `serde_json` reads, in any chunks.

use std::sync::LazyLock;

use node_gather::marathon::Observed;
use node_gather::mesos::json;
use node_gather::mesos::scan::{self, Scanner};
use node_gather::mesos::state::StateError;
use node_gather::summarize::{ClusterState, summarize};
use shared::config::{Config, Policy};

use super::{Chunks, is_short, pool};
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "state",
    run,
    borrowed: &[("tests/captures", "state.json")],
    tokens: &[
        "\"slaves\":[",
        "\"frameworks\":[",
        "\"recovered_slaves\":[",
        "\"orphan_tasks\":[",
        "\"tasks\":[",
        "\"executors\":[",
        "\"attributes\":{",
        "\"resources\":{",
        "\"reserved_resources\":{",
        "\"used_resources\":{",
        "\"flags\":{",
        "\"active\":false",
        "\"deactivated\":true",
        "\"drain_info\":{",
        "\"capabilities\":[\"MULTI_ROLE\"]",
        "\"elected_time\":",
        "\"role\":\"*\"",
        "\"TASK_RUNNING\"",
        "\"TASK_UNREACHABLE\"",
        "\\u0000",
        "\\ud83e\\udd80",
        "\\\"",
    ],
};

/// Two pools of their attributes, and one of all agents: no configuration may have all three.
static POOLS: LazyLock<Vec<Policy>> = LazyLock::new(|| {
    let config = Config::parse(
        r#"
        [mesos]
        masters = ["http://10.0.0.5:5050"]
        [[pools]]
        name = "others"
        group = "others"
        attributes = { pool = "others" }
        resources = ["cpus", "mem", "disk", "gpus"]
        [[pools]]
        name = "workers"
        group = "workers"
        attributes = { pool = "workers" }
        protected = { frameworks = ["chronos"] }
        "#,
    );
    let mut pools = config.unwrap_or_else(|problems| panic!("{problems}")).mesos_pools();
    let all = pools[0].with(|policy| policy.attributes.clear());
    pools.push(all);
    pools
});

/// The snapshots, or the error, as text.
fn outcome(read: Result<ClusterState, StateError>) -> Result<String, StateError> {
    let snapshots = summarize(read?, &Observed::default(), "http://10.0.0.5:5050", pool::now()).snapshots;
    Ok(serde_json::to_string(&snapshots).unwrap())
}

fn run(bytes: &[u8]) {
    let pools = POOLS.as_slice();
    let scanned = outcome(scan::read(bytes, ClusterState::new(pools), u64::MAX));
    if let Err(error) = &scanned {
        is_short(error);
    }
    for most in [3, 100, 5000] {
        let mut chunks = Chunks::of(bytes, most);
        let mut scanner = Scanner::new(ClusterState::new(pools), u64::MAX);
        let mut fed = Ok(());
        while fed.is_ok() && !chunks.rest.is_empty() {
            let (chunk, rest) = chunks.rest.split_at(chunks.next_size().min(chunks.rest.len()));
            fed = scanner.feed(chunk);
            chunks.rest = rest;
        }
        let cut = outcome(fed.and_then(|()| scanner.finish()));
        assert_eq!(format!("{cut:?}"), format!("{scanned:?}"), "in chunks of at most {most} bytes");
    }
    // What the reference refuses may have its fault in a value that the scanner skips, which it does not check.
    if let Ok(reference) = outcome(json::read_mended(bytes, ClusterState::new(pools))) {
        assert_eq!(scanned.unwrap(), reference);
    }
}
