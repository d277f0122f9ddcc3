//! The wish of a user to end the work, told to all that take part in it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Tells the parts of a program that the user wants it to end. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    requested: AtomicBool,
    changed: Notify,
    last_words: Mutex<Option<String>>,
}

impl Cancel {
    /// Asks for the end.
    pub fn request(&self) {
        self.state.requested.store(true, Ordering::SeqCst);
        self.state.changed.notify_waiters();
    }

    /// Whether the end was asked for.
    pub fn requested(&self) -> bool {
        self.state.requested.load(Ordering::SeqCst)
    }

    /// What is to be said if the program is ended at once, where something outlives it; none from when on nothing does.
    pub fn last_words(&self, words: Option<String>) {
        *self.state.last_words.lock().unwrap_or_else(PoisonError::into_inner) = words;
    }

    /// Takes out what is to be said when the program is ended at once.
    pub fn take_last_words(&self) -> Option<String> {
        self.state.last_words.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Returns when the end is asked for.
    pub async fn wait(&self) {
        let changed = self.state.changed.notified();
        tokio::pin!(changed);
        // Listen first, look second: a request in between is not missed.
        changed.as_mut().enable();
        if !self.requested() {
            changed.await;
        }
    }
}
