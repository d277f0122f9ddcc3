//! Work that is spread over the processor's cores, so that what comes out depends on the number of workers alone.

use std::thread;

/// As many workers as there are cores.
pub(in super::super) fn workers() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Deals the items out to the workers in turn; each works through its share.
pub(super) fn shared_out<T: Send>(items: Vec<T>, workers: usize, work: impl Fn(Vec<T>) + Sync) {
    let mut shares: Vec<Vec<T>> = (0..workers.clamp(1, items.len().max(1))).map(|_| Vec::new()).collect();
    let count = shares.len();
    items.into_iter().enumerate().for_each(|(i, item)| shares[i % count].push(item));
    let mut shares = shares.into_iter();
    let own = shares.next().unwrap_or_default();
    thread::scope(|scope| {
        shares.for_each(|share| _ = scope.spawn(|| work(share)));
        work(own);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_once() {
        for workers in [1, 2, 7] {
            let mut done = vec![0; 5];
            shared_out(done.iter_mut().collect(), workers, |share| share.into_iter().for_each(|i| *i += 1));
            assert_eq!(done, [1; 5]);
        }
        shared_out(Vec::<&mut i32>::new(), 2, |share| assert!(share.is_empty()));
    }
}
