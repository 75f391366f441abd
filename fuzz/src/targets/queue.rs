//! Marathon's launch queue, up to the decision that it leads to.

use node_gather::marathon::Queue;
use node_gather::marathon::queue::parse;
use serde::de::IgnoredAny;
use shared::config::Config;
use std::sync::LazyLock;

use super::{Chunks, is_short, pool};
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "queue",
    run,
    borrowed: &[],
    tokens: &[
        "\"queue\":[",
        "\"count\":",
        "\"delay\":{\"timeLeftSeconds\":0,\"overdue\":true}",
        "\"app\":{",
        "\"pod\":{",
        "\"containers\":[",
        "\"resources\":{",
        "\"constraints\":[[\"hostname\",\"UNIQUE\"]]",
        "\"MAX_PER\"",
        "\"LIKE\"",
        "\"acceptedResourceRoles\":[",
        "\"scheduling\":{\"placement\":{",
        "\"rejectSummaryLastOffers\":[",
        "\"executorResources\":{",
        "\"instances\":",
        "\"ports\":[80],\"requirePorts\":true",
        "\"container\":{\"portMappings\":[{\"hostPort\":443}]}",
        "\"endpoints\":[{\"hostPort\":53}]",
        "\"InsufficientPorts\"",
    ],
};

static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let text = "marathon.url = \"http://10.0.0.6:8080\"\nmesos.masters = [\"http://10.0.0.5:5050\"]\n[[pools]]\nname = \"workers\"\n\
        group = \"mesos-workers\"\nmax = 50\n";
    Config::parse(text).unwrap_or_else(|problems| panic!("{problems}"))
});

/// A cluster with agents and tasks.
const STATE: &[u8] = include_bytes!("../../../tests/captures/1.11.0/02-marathon-apps/state.json");

fn run(bytes: &[u8]) {
    let read = parse(bytes);
    for most in [3, 1000] {
        let again = parse(Chunks::of(bytes, most));
        assert_eq!(read.is_ok(), again.is_ok());
        if let (Ok(read), Ok(again)) = (&read, &again) {
            assert_eq!(read, again, "in chunks of at most {most} bytes");
        }
    }
    let queued = match read {
        Ok(queued) => queued,
        Err(error) => return is_short(&error),
    };
    assert!(queued.iter().all(|queued| queued.instances > 0 && (queued.tasks.is_empty() <= queued.odd.is_some())));
    // What is skipped is checked, too.
    assert!(serde_json::from_slice::<IgnoredAny>(bytes).is_ok(), "it is no JSON");
    let observed = Queue::Known(queued).into();
    let snapshots = node_gather::snapshots(STATE, &observed, &CONFIG, "http://10.0.0.5:5050", pool::now()).unwrap();
    pool::decides(&snapshots[0]);
}
