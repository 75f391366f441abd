//! Agents that leave, while anything goes wrong in any order: `plan` against a model of the cluster and its group, run by run.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

#[path = "support/decommission_world.rs"]
mod decommission_world;

use std::collections::BTreeMap;

use cluster::Mode;
use decommission_world::World;

/// How many runs things go wrong in, and how many follow.
const FAULTY: usize = 60;
const CALM: usize = 60;

/// Runs a world through faults, then until it must have settled.
fn settles(seed: u64, settings: &str, events: &mut BTreeMap<&'static str, u32>) {
    let mut world = World::new(seed, settings);
    (0..FAULTY).for_each(|_| world.run());
    world.has_faults = false;
    world.everything_returns();
    world.wanted = 6;
    for run in 0..CALM {
        if settings.contains("never") && run == CALM / 2 {
            // A closed agent waits for its tasks, for as long as they run.
            world.all_tasks_end();
        }
        world.run();
    }
    let history = world.history();
    assert_eq!(world.tags(), [""; 0], "seed {seed}: every tag ends\n{history}");
    assert!(world.ours.iter().all(|id| world.has_tag(id)), "seed {seed}\n{history}");
    let deactivated = world.cluster.agents().filter(|agent| agent.mode != Mode::Active);
    for id in deactivated.filter_map(|agent| agent.instance_id()) {
        assert!(world.theirs.contains(id), "seed {seed}: {id} stays deactivated, and is no operator's\n{history}");
    }
    let usable = world.cluster.agents().filter(|agent| agent.is_usable()).count();
    assert_eq!(usable, 6, "seed {seed}\n{history}");
    let plan = world.plan.as_ref().unwrap();
    assert!(plan.stranded == 0 && plan.agents.is_empty(), "seed {seed}: {plan:?}\n{history}");
    for (event, count) in world.events {
        *events.entry(event).or_default() += count;
    }
}

#[test]
fn in_any_order_tags_and_agents_agree() {
    let mut events = BTreeMap::new();
    for seed in 0..40 {
        settles(seed, "drain_after = \"2m\"", &mut events);
        settles(seed, "drain_after = \"0s\"", &mut events);
        settles(seed, "drain_after = \"never\"", &mut events);
    }
    // Everything has happened often.
    assert!(events.len() >= 8 && events.values().all(|count| *count > 30), "{events:?}");
}
