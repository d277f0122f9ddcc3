//! Following a job to its end.

use std::time::Duration;

use tunebench_providers::{FineTuning, Job, ProviderError, Retry};

use super::{PollSchedule, TuneError, TuneEvent, Tuning};
use crate::cancel::Cancel;

/// A job that is done in this program ends within its next step; longer than this nobody waits for it.
const LONGEST_STOP: Duration = Duration::from_secs(30);

/// Follows a job to its end, through whatever the network does meanwhile. When the end is asked for, the job goes on
/// without being watched.
pub async fn watch(
    provider: &dyn FineTuning,
    mut job: Job,
    pace: PollSchedule,
    cancel: &Cancel,
    observe: &mut impl FnMut(TuneEvent),
) -> Result<Job, TuneError> {
    let interval = pace.interval.unwrap_or(provider.poll_interval());
    let started = tokio::time::Instant::now();
    let mut seen = 0;
    loop {
        // Status first: events that come before the end are then all there.
        match provider.job(&job.id).await {
            Ok(now) => job = now,
            Err(error) => unreachable_for_now(error, observe)?,
        }
        match provider.events(&job.id, seen).await {
            Ok(events) => {
                seen += events.len();
                events.into_iter().for_each(|event| observe(TuneEvent::Job(event)));
            }
            Err(error) => unreachable_for_now(error, observe)?,
        }
        if job.status.is_final() {
            return Ok(job);
        }
        if pace.timeout.is_some_and(|timeout| started.elapsed() >= timeout) {
            return Err(TuneError::TimedOut(Box::new(job)));
        }
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = cancel.wait() => return Err(TuneError::Interrupted(Box::new(job))),
        }
    }
}

/// A failed look at a job is no failed job.
fn unreachable_for_now(error: ProviderError, observe: &mut impl FnMut(TuneEvent)) -> Result<(), TuneError> {
    if error.retry == Retry::Never {
        return Err(error.into());
    }
    observe(TuneEvent::Unreachable(error));
    Ok(())
}

impl Tuning<'_> {
    /// Ends a job that would end with this program: it may have something to say of what it leaves.
    pub(super) async fn stop(&self, mut job: Job, seen: usize, observe: &mut impl FnMut(TuneEvent)) -> Job {
        // That it can't be ended, or not looked at, changes nothing: it ends with the program.
        let _ = self.provider.cancel_job(&job.id).await;
        let asked = tokio::time::Instant::now();
        while !job.status.is_final() && asked.elapsed() < LONGEST_STOP {
            tokio::time::sleep(self.provider.poll_interval()).await;
            match self.provider.job(&job.id).await {
                Ok(now) => job = now,
                Err(_) => break,
            }
        }
        let events = self.provider.events(&job.id, seen).await.unwrap_or_default();
        events.into_iter().for_each(|event| observe(TuneEvent::Job(event)));
        job
    }
}
