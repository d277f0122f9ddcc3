//! tunebench with one more provider: all that a third party's program needs.

use std::process::ExitCode;

use tunebench_providers::Registry;

fn main() -> ExitCode {
    tunebench::cli::main_with(Registry::builtin().with_kind(acme_provider::kind()))
}
