//! The command line of Lambda Scale.
fn main() {}
