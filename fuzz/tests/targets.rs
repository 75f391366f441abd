//! Replays the corpus of each target, and then so many changed inputs.
//!
//! `FUZZ_SECONDS=60` goes on for that time with every target; `FUZZ_SEED` starts elsewhere.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a failing test panics")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use fuzz::mutate::mutated;
use fuzz::{TARGETS, Target, corpus};
use shared::random::SplitMix64;
use tokio::time::Instant;

/// How long a target runs by default, in this build without optimization.
const TIME: Duration = Duration::from_millis(1500);
/// How many inputs are enough by default: the same on every machine that is fast enough.
const INPUTS: u64 = 100;

fn target(name: &str) -> Target {
    *TARGETS.iter().find(|target| target.name == name).unwrap()
}

/// Runs a target with one input; where it panics, the input is written down.
fn try_input(target: &Target, bytes: &[u8], origin: &str) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(bytes))).is_err() {
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-found", target.name));
        std::fs::write(&path, bytes).unwrap();
        panic!("{} panics with {}, from {origin}:\n{}", target.name, path.display(), String::from_utf8_lossy(bytes));
    }
}

#[expect(clippy::disallowed_methods, reason = "whoever runs the test says how long")]
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn fuzz(name: &str) {
    let target = target(name);
    let inputs = corpus::load(&target).unwrap();
    assert!(inputs.len() > 1, "{} inputs", inputs.len());
    for (path, bytes) in &inputs {
        try_input(&target, bytes, &path.display().to_string());
    }
    let time = number("FUZZ_SECONDS").map(Duration::from_secs);
    let (first, start, mut count) = (number("FUZZ_SEED").unwrap_or(1), Instant::now(), 0);
    let is_done = |count| time.map_or(count >= INPUTS || start.elapsed() > TIME, |time| start.elapsed() > time);
    while !is_done(count) {
        let mut chance = SplitMix64::stream(first, count, 0);
        let (input, other) = (&inputs[chance.index(inputs.len())].1, &inputs[chance.index(inputs.len())].1);
        let bytes = mutated(input, other, target.tokens, &mut chance);
        try_input(&target, &bytes, &format!("FUZZ_SEED={first}, input {count}"));
        count += 1;
    }
    println!("{name}: {} of the corpus and {count} changed inputs in {:?}", inputs.len(), start.elapsed());
}

/// A test for each target.
macro_rules! targets {
    ($($test:ident: $name:literal),* $(,)?) => {
        $(#[test]
        fn $test() {
            fuzz($name);
        })*

        #[test]
        fn every_target_has_a_test() {
            let mut names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            names.sort_unstable();
            let mut tested = vec![$($name),*];
            tested.sort_unstable();
            assert_eq!(names, tested);
        }
    };
}

targets! {
    any_state_is_read_like_the_reference_in_any_chunks: "state",
    any_queue_gives_a_decision_or_an_error: "queue",
    any_definitions_are_read_or_refused: "definitions",
    any_event_gives_a_result_for_each_record: "event",
    any_message_leads_to_changes_within_the_limits: "message",
    any_configuration_is_refused_without_a_secret: "configuration",
    any_answer_of_auto_scaling_is_whole_or_refused: "group",
    any_answer_of_ec2_is_whole_or_refused: "addresses",
    any_tags_have_their_safest_effect: "tags",
    any_history_is_learned_from_or_refused: "history",
    any_trace_is_read_or_refused: "trace",
}
