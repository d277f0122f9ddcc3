//! Whether a training fits into memory.

use std::fs;

use super::super::trainer::Ended;
use super::text_encoder::Encoder;
use super::worker::TOKENS_AT_ONCE;

/// Training that would not fit into memory does not begin. Where nobody tells how much there is, it does.
pub(super) fn check_memory(encoder: &Encoder, tokens: usize, workers: usize) -> Result<(), Ended> {
    let config = &encoder.config;
    let trained = encoder.size() + tokens * config.width - config.vocabulary * config.width;
    // Weights, two moments, and a gradient for each worker.
    let numbers = trained * (3 + workers);
    // What is kept of each block, and what all blocks share.
    let of_a_token = config.blocks * (9 * config.width + config.inner) + 8 * config.width + 2 * config.inner;
    let longest = TOKENS_AT_ONCE.max(config.longest);
    let squares = (config.blocks + 1) * config.heads * longest * longest * 2;
    let needed = 4 * (numbers + workers * (longest * of_a_token + squares));
    match available_memory() {
        Some(available) if needed > available => Err(Ended::Failed(format!(
            "training all layers needs about {} MB of memory, and {} MB are available: take a smaller encoder, or leave it frozen (`tune = {{}}`)",
            needed >> 20,
            available >> 20
        ))),
        _ => Ok(()),
    }
}

/// In bytes, as Linux tells: what the machine has left, and what the limit of the container leaves.
fn available_memory() -> Option<usize> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|told| of_machine(&told));
    let number = |name: &str| {
        let told = fs::read_to_string(format!("/sys/fs/cgroup/memory.{name}")).ok()?;
        told.trim().parse::<usize>().ok()
    };
    let container = number("max").map(|most| most.saturating_sub(number("current").unwrap_or(0)));
    machine.into_iter().chain(container).min()
}

fn of_machine(meminfo: &str) -> Option<usize> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_available_memory_is_read() {
        let told = "MemTotal:       2048 kB\nMemFree:   12 kB\nMemAvailable:     1024 kB\n";
        assert_eq!(of_machine(told), Some(1 << 20));
        assert_eq!(of_machine("MemAvailable: many"), None);
    }
}
