//! What is made from the definition of the command line: completions for shells, and man pages.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use super::args::Cli;
use super::output::Printer;
use crate::error::Error;
use crate::exit;

/// Prints the completions for a shell.
pub(super) fn completions(shell: Shell, printer: Printer) -> Result<u8, Error> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tunebench", &mut script);
    printer.document(&script)?;
    Ok(exit::DONE)
}

/// Writes a page for the program and one for each command.
pub(super) fn pages(folder: &Path) -> Result<u8, Error> {
    fs_err::create_dir_all(folder)?;
    clap_mangen::generate_to(Cli::command().disable_help_subcommand(true), folder)?;
    Ok(exit::DONE)
}
