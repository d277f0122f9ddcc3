//! What a command may spend, and in which way: what the command line says of that.

use crate::budget::Caps;

/// What a command may spend, and what it asks anew.
#[derive(Debug, Clone, Default)]
pub struct Spending {
    /// The most that may be spent.
    pub caps: Caps,
    /// Whether answers that are there already do not count.
    pub fresh: bool,
    /// How often each row is asked about; 0 counts as 1.
    pub repeats: u32,
    /// Whether and how it asks in batches.
    pub batching: Batching,
}

/// Whether and how a command asks in batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Batching {
    /// Whether it does, whatever the configuration says.
    pub on: bool,
    /// Whether it ends without waiting for what it has handed in.
    pub no_wait: bool,
    /// Whether files at the provider stay there.
    pub keep_files: bool,
    /// Whether it only comes back to batches that are there.
    pub only_come_back: bool,
}
