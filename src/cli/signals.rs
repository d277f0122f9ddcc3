//! Ctrl-C and the signals that end a program: the first ends the work cleanly, the second at once.

use crate::cancel::Cancel;
use crate::exit;

/// From now on Ctrl-C asks for the end, and so do the signals by which a system ends a program: SIGTERM and, where the
/// terminal goes away, SIGHUP. `tell` is given what to say of it. Ctrl-C or SIGTERM for a second time ends the program
/// where it stands.
///
/// To be called inside a tokio runtime.
#[expect(clippy::exit, reason = "whoever asks twice wants no more work done")]
pub(super) fn end_on_signals(cancel: Cancel, tell: impl Fn(&str) + Send + 'static) {
    // Before the task is spawned: on a busy machine a signal may come before its first turn, and would kill.
    let Ok(mut signals) = Signals::listen() else { return };
    tokio::spawn(async move {
        let mut seen = Vec::new();
        while let Some(signal) = signals.next().await {
            // Shells and the system both say that the terminal has gone.
            if seen.contains(&signal) && signal != Signal::HangUp {
                cancel.take_last_words().iter().for_each(|words| tell(words));
                std::process::exit(exit::INCOMPLETE.into());
            }
            seen.push(signal);
            if !cancel.requested() {
                cancel.request();
                tell(signal.meaning());
            }
        }
    });
}

/// What asks for the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    Interrupt,
    Terminate,
    HangUp,
}

impl Signal {
    fn meaning(self) -> &'static str {
        match self {
            Self::Interrupt => "finishing requests in flight; press Ctrl-C again to end at once",
            Self::Terminate => "asked to end (SIGTERM): finishing requests in flight",
            Self::HangUp => "the terminal was closed (SIGHUP): finishing requests in flight",
        }
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    /// None where the user wants hang-ups ignored.
    hang_up: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: if ignores_hang_ups() { None } else { Some(signal(SignalKind::hangup())?) },
        })
    }

    async fn next(&mut self) -> Option<Signal> {
        let hang_up = async {
            match &mut self.hang_up {
                Some(hang_up) => hang_up.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            signal = self.interrupt.recv() => signal.map(|()| Signal::Interrupt),
            signal = self.terminate.recv() => signal.map(|()| Signal::Terminate),
            signal = hang_up => signal.map(|()| Signal::HangUp),
        }
    }
}

/// Whether the program was started under `nohup` or the like: then it is to go on without its terminal. Linux tells, in
/// the lowest bit of a mask (proc(5)); elsewhere nobody does without unsafe code.
#[cfg(unix)]
fn ignores_hang_ups() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// What the console tells: keys, its window being closed, and the machine going down.
#[cfg(windows)]
struct Signals {
    interrupt: tokio::signal::windows::CtrlC,
    terminate: tokio::signal::windows::CtrlBreak,
    close: tokio::signal::windows::CtrlClose,
    shutdown: tokio::signal::windows::CtrlShutdown,
}

#[cfg(windows)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown};

        Ok(Self {
            interrupt: ctrl_c()?,
            terminate: ctrl_break()?,
            close: ctrl_close()?,
            shutdown: ctrl_shutdown()?,
        })
    }

    async fn next(&mut self) -> Option<Signal> {
        tokio::select! {
            signal = self.interrupt.recv() => signal.map(|()| Signal::Interrupt),
            signal = self.terminate.recv() => signal.map(|()| Signal::Terminate),
            signal = self.shutdown.recv() => signal.map(|()| Signal::Terminate),
            signal = self.close.recv() => signal.map(|()| Signal::HangUp),
        }
    }
}
