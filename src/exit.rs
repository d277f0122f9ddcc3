//! What the exit codes of the program mean. Scripts rely on them: a code is never given another meaning.

/// Done; a gate passed.
pub const DONE: u8 = 0;
/// A gate failed: a regression or a missed threshold, shown with the evidence.
pub const FAILED: u8 = 1;
/// The command, the configuration or the data is wrong.
pub const USAGE: u8 = 2;
/// Incomplete: provider unavailable, budget reached, coverage too low, interrupted.
pub const INCOMPLETE: u8 = 3;
/// Inconclusive: too few rows to decide.
pub const INCONCLUSIVE: u8 = 4;
