//! Texts that are asked about at the same time go through the encoder together: alone, each would have to bring all weights
//! from memory for itself.

use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

/// An answer, and its share of the time that the texts of its batch took.
type Answer = (Vec<f32>, Duration);

/// One text and where its answer will be.
type Waiting = (String, Arc<OnceLock<Answer>>);

/// Collects texts for one model.
#[derive(Debug, Default)]
pub(in super::super) struct Batcher {
    waiting: Mutex<Vec<Waiting>>,
    /// Held by whoever works: the work itself uses all of the processor's cores.
    turn: Mutex<()>,
}

impl Batcher {
    /// What `work`, which answers each text of a list, makes of this one; nothing if the work for others with which this
    /// text went together has failed.
    pub(in super::super) async fn ask(
        &self,
        text: &str,
        work: impl FnOnce(&[&str]) -> Vec<Vec<f32>>,
    ) -> Option<Answer> {
        let answer = Arc::new(OnceLock::new());
        lock(&self.waiting).push((text.to_owned(), answer.clone()));
        // Others of this thread get to add theirs.
        give_way().await;
        if answer.get().is_none() {
            let _turn = lock(&self.turn);
            // Whoever worked meanwhile may have answered this one, too.
            if answer.get().is_none() {
                let batch = std::mem::take(&mut *lock(&self.waiting));
                let texts: Vec<&str> = batch.iter().map(|(text, _)| text.as_str()).collect();
                let begun = Instant::now();
                let found = work(&texts);
                let each = begun.elapsed() / batch.len().max(1) as u32;
                for ((_, answer), found) in batch.iter().zip(found) {
                    let _ = answer.set((found, each));
                }
            }
        }
        answer.get().cloned()
    }
}

/// Lets other tasks of the thread run once.
async fn give_way() {
    let mut given = false;
    let once = std::future::poll_fn(move |context| {
        if std::mem::replace(&mut given, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    });
    pin!(once).await;
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
