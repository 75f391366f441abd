//! What a pool has learned, as it is stored.

use jiff::SignedDuration;
use node_gather::growth::{Demand, History, Observation, Unit, learn};
use shared::resources::{Kind, Resources};

use super::{is_short, pool};
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "history",
    run,
    borrowed: &[],
    tokens: &[
        "\"version\":1",
        "\"version\":2",
        "\"at\":",
        "\"elected_at\":null",
        "\"horizon\":",
        "\"agent\":{\"cpus\":4,\"mem\":16000}",
        "\"row\":[",
        "\"counts\":[",
        "\"above\":[",
        "\"day\":",
        "9999-12-31T23:59:59Z",
    ],
};

fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let history = match History::parse(&text) {
        Ok(history) => history,
        Err(error) => return is_short(&error),
    };
    // Times are stored in milliseconds.
    let stored = history.to_json();
    assert_eq!(History::parse(&stored).map(|history| history.to_json()), Ok(stored));
    let resources: Resources = serde_json::from_str(r#"{"cpus":4,"mem":16000}"#).unwrap();
    let demand = Demand {
        taken: resources.times(7),
        unit: Unit(resources),
        agents: vec![Unit(resources)],
        considered: vec![Kind::Cpus, Kind::Mem],
    };
    let period = SignedDuration::from_mins(1);
    let mut learned = history;
    for run in 0..20 {
        let counts = run % 7 != 6;
        let seen = Observation { demand: Some(demand.clone()), counts, elected_at: None, horizon: 5, period };
        learned = learn(&learned, &seen, pool::now() + period * run);
        let stored = learned.to_json();
        let read = History::parse(&stored).map(|history| history.to_json());
        assert_eq!(read, Ok(stored), "what is learned can be stored");
    }
    assert!(learned.samples() > 0, "no history keeps a pool from learning");
}
