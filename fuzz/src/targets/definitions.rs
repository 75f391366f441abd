//! Marathon's applications and pods, of which the constraints on hosts are kept.

use std::io::Read;

use node_gather::marathon::definitions::{DefinitionsError, HostLimits, add_apps, add_pods};

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
    ],
};

fn run(bytes: &[u8]) {
    both(bytes, |body, limits| add_apps(body, limits));
    both(bytes, |body, limits| add_pods(body, limits));
}

/// The whole of the bytes and chunks of them give the same.
fn both(bytes: &[u8], add: impl Fn(&mut dyn Read, &mut HostLimits) -> Result<(), DefinitionsError>) {
    let (mut limits, mut again) = (HostLimits::new(), HostLimits::new());
    let (read, in_chunks) = (add(&mut &*bytes, &mut limits), add(&mut Chunks::of(bytes, 7), &mut again));
    assert_eq!((read.is_ok(), &limits), (in_chunks.is_ok(), &again), "in chunks");
    if let Err(error) = &read {
        is_short(error);
    }
}
