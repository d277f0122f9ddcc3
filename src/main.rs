//! The tunebench program.

use std::process::ExitCode;

fn main() -> ExitCode {
    tunebench::cli::main_with(tunebench_providers::Registry::builtin())
}
