//! Marathon's applications and pods, of which the constraints on hosts and the fixed host ports are kept.

use std::io::Read;

use node_gather::marathon::definitions::{Definitions, DefinitionsError, add_apps, add_pods};

use super::{Chunks, is_short};
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "definitions",
    run,
    borrowed: &[],
    tokens: &[
        "{\"apps\":[",
        "\"id\":\"/a\"",
        "\"constraints\":[[\"hostname\",\"UNIQUE\"]]",
        "[\"hostname\",\"MAX_PER\",\"2\"]",
        "\"containers\":[",
        "\"scheduling\":{\"placement\":{\"constraints\":[{\"fieldName\":\"hostname\",\"operator\":\"UNIQUE\"}]}}",
        "\"@hostname\"",
        "\"operator\":\"MAX_PER\",\"value\":\"3\"",
        "\"portDefinitions\":[{\"port\":80}],\"requirePorts\":true",
        "\"container\":{\"portMappings\":[{\"hostPort\":443}]}",
        "\"endpoints\":[{\"hostPort\":53}]",
    ],
};

fn run(bytes: &[u8]) {
    both(bytes, |body, definitions| add_apps(body, definitions));
    both(bytes, |body, definitions| add_pods(body, definitions));
}

/// The whole of the bytes and chunks of them give the same.
fn both(bytes: &[u8], add: impl Fn(&mut dyn Read, &mut Definitions) -> Result<(), DefinitionsError>) {
    let (mut whole, mut again) = (Definitions::default(), Definitions::default());
    let (read, in_chunks) = (add(&mut &*bytes, &mut whole), add(&mut Chunks::of(bytes, 7), &mut again));
    assert_eq!((read.is_ok(), &whole), (in_chunks.is_ok(), &again), "in chunks");
    if let Err(error) = &read {
        is_short(error);
    }
}
