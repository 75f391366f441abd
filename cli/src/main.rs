//! The command line of Lambda Scale.

use std::process::ExitCode;

fn main() -> ExitCode {
    lambda_scale::main()
}
