//! Applies a scaling decision to the Auto Scaling group.
fn main() {}
