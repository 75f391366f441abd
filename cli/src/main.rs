//! The command line of Lambda Scale.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Simulations allocate for a fifth of their time with that of the C library.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    lambda_scale::main()
}
