//! Turns a cluster snapshot into a scaling decision.
fn main() {}
