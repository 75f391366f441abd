//! Agents that leave, while anything goes wrong in any order: calls that are refused or lost, a function that ends between two calls,
//! messages that come late or twice, agents that are away, masters that fail over, operators, and instances that end. The checks of
//! the fault simulation look at each call and each event (5.6, I8), and at the pool that has come to rest.

use std::collections::BTreeMap;

use simulator::faults::case::Trouble;
use simulator::faults::{Case, Class, run};
use simulator::{Fault, HOUR, MINUTE};

/// What goes wrong: the number in a day, and the percentage of messages and calls.
const CLASSES: [(Class, u32); 11] = [
    (Class::World(Fault::Disconnect), 72),
    (Class::World(Fault::Partition), 24),
    (Class::World(Fault::Failover), 72),
    (Class::World(Fault::OperatorDeactivates), 144),
    (Class::World(Fault::InstanceEnds), 72),
    (Class::Chain(Trouble::Throttled), 8),
    (Class::Chain(Trouble::LostAnswer), 8),
    (Class::Chain(Trouble::Crash), 8),
    (Class::Chain(Trouble::Duplicate), 15),
    (Class::Chain(Trouble::Delay), 8),
    (Class::Chain(Trouble::ColdStart), 8),
];

/// A pool whose agents are drained, in an hour in which that goes wrong.
fn case(seed: u64, drain_after: &str) -> Case {
    let settings = format!(
        "min = 1\nmax = 20\nscale_down_strategy = \"drain\"\ndrain_after = \"{drain_after}\"\nscale_down_window = \"0s\"\n\
         max_scale_down_step = 3\nnew_agent = {{ cpus = 8, mem = 28000 }}\n"
    );
    Case {
        classes: BTreeMap::from(CLASSES),
        settings,
        sees_queue: true,
        learned: None,
        boot: MINUTE,
        period: MINUTE,
        limits: (1, 20),
        faulty: HOUR,
        ..Case::of(seed)
    }
}

#[test]
fn in_any_order_tags_and_agents_agree() {
    let (mut strikes, mut writes) = (BTreeMap::new(), 0);
    for seed in 0..40 {
        for drain_after in ["2m", "0s", "never"] {
            let case = case(seed, drain_after);
            let outcome = run(&case, None, false);
            assert_eq!(outcome.violation, None, "{case}");
            for (class, count) in outcome.strikes {
                *strikes.entry(class).or_insert(0) += count;
            }
            writes += outcome.writes;
        }
    }
    // Everything has happened often.
    assert!(strikes.len() == CLASSES.len() && strikes.values().all(|count| *count > 30), "{strikes:?}");
    assert!(writes > 40 * 3 * 5, "{writes} writes");
}
