//! Ctrl-C: the first ends the work in good order, the second at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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

    /// From now on Ctrl-C asks for the end, and `tell` says so; a second one ends the program where it stands.
    ///
    /// To be called inside a tokio runtime.
    pub(crate) fn on_ctrl_c(&self, tell: impl Fn() + Send + 'static) {
        let cancel = self.clone();
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                if cancel.requested() {
                    // The user asked twice; nothing may stand in the way.
                    std::process::exit(crate::exit::INCOMPLETE.into());
                }
                cancel.request();
                tell();
            }
        });
    }
}
