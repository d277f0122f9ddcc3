//! The `Provider` trait and the providers that ship with tunebench.
