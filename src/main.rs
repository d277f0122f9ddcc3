//! The tunebench program.

fn main() {}
