//! Whether a failed request is sent again, and when.
//!
//! Refusals for the rate are not failures of a row: they use up no attempt. How often a row is tried follows from how much
//! fails: a row that fails while others succeed has a reason of its own, and a server that fails half of the time still
//! answers every row in the end. What is spent on repeats is bounded for the run as a whole.
//!
//! Here a row waits for its own next attempt, and fails where a provider asks for more than [`LONGEST_RETRY_AFTER`]. The
//! pause of all requests of a model after refusals in a row is `../governor/pause.rs`.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tunebench_providers::{Cause, ProviderError, Retry};

use crate::cancel::Cancel;

/// The longest wait that is granted to a provider that asks for one (`Retry-After`): for a row, and for a pause of all requests.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(120);

/// How often and how soon to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Requests for one row, the first included, while other rows get their answers; refusals for the rate are not
    /// counted. Where many requests fail, a row has more: see `chance`.
    pub attempts: u32,
    /// The most requests for one row, however much fails.
    pub most_attempts: u32,
    /// The longest wait before the second attempt; it doubles for each further one.
    pub first_delay: Duration,
    /// The longest wait of our own choice.
    pub longest_delay: Duration,
    /// The same, while other requests get their answers.
    pub longest_delay_between_answers: Duration,
    /// The longest wait before a row that was refused for the rate queues again, if nobody says how long; it doubles.
    pub limited_delay: Duration,
    /// The longest wait that a provider may ask for (`Retry-After`). Above, the row fails and says so.
    pub longest_after: Duration,
    /// How long a row may be refused for the rate without an answer in between.
    pub longest_limited: Duration,
    /// An attempt without an answer is dropped after this time.
    pub timeout: Duration,
    /// The same failure, so many times in a row for one row while other rows get their answers, is taken to be
    /// deterministic.
    pub same_failure: u32,
    /// Retries that a run may make for each answer, and beyond.
    pub budget_per_answer: u64,
    /// Retries that a run may make whatever its answers.
    pub budget_base: u64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 5,
            most_attempts: 20,
            first_delay: Duration::from_millis(500),
            longest_delay: Duration::from_secs(30),
            longest_delay_between_answers: Duration::from_secs(4),
            limited_delay: Duration::from_millis(25),
            longest_after: LONGEST_RETRY_AFTER,
            longest_limited: Duration::from_secs(15 * 60),
            // Providers have time-outs of their own, which are shorter.
            timeout: Duration::from_secs(600),
            same_failure: 4,
            budget_per_answer: 3,
            budget_base: 50,
        }
    }
}

/// A row that fails by bad luck, so often in a row, is so rare: then it is taken to fail for a reason of its own.
const RARE: f64 = 1e-5;
/// How fast older attempts lose weight in the share that fails: half after some 70.
const DECAY: f64 = 0.99;
/// How long after an answer others are still taken to come.
const QUIET: Duration = Duration::from_secs(3);
/// The share of failures from which nothing seems to get through.
const HOPELESS: f64 = 0.9;

/// Why there is no answer. `H` is what ends more than the row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure<H> {
    /// The provider failed for this row.
    Provider(ProviderError),
    /// Neither this row nor another can be asked any more.
    Aborted(H),
    /// The user asked for the end.
    Cancelled,
}

/// What to do after a failed attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Try again after this time.
    Again(Duration),
    /// The row has failed for good, for this reason.
    GiveUp(ProviderError),
    /// So much fails that going on would be a waste: the run ends, for this reason.
    End(ProviderError),
}

/// The retries of one model.
#[derive(Debug)]
pub struct Retries {
    policy: RetryPolicy,
    seed: u64,
    counts: Mutex<Counts>,
}

#[derive(Debug, Clone, Default)]
struct Counts {
    answers: u64,
    last_answer: Option<Instant>,
    retries: u64,
    /// The shares of late that failed and that were refused for the rate.
    failing: RecentShare,
    limited: RecentShare,
    /// Rows that wait to be tried again, and what the last of them failed with.
    waiting: usize,
    last_failure: String,
}

/// Which share of the latest attempts came out in one way; each attempt weighs less with every later one.
#[derive(Debug, Clone, Copy, Default)]
struct RecentShare {
    /// The weight of those that did.
    hits: f64,
    /// The weight of all.
    total: f64,
}

/// Rows that wait to be tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingRows {
    /// How many.
    pub rows: usize,
    /// What the last of them failed with.
    pub last_failure: String,
}

impl fmt::Display for WaitingRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, last_failure } = self;
        let rows = if *rows == 1 { "1 row waits".to_owned() } else { format!("{rows} rows wait") };
        write!(f, "{rows} to be tried again; the last failure: {last_failure}")
    }
}

/// The attempts of one row so far.
#[derive(Debug, Clone, Default)]
pub struct Attempts {
    row: u64,
    /// Attempts that failed, refusals for the rate apart.
    failed: u32,
    /// The last failure, and how often it came in a row.
    same: Option<(Cause, String, u32)>,
    limited_since: Option<Instant>,
    /// Refusals for the rate, and those of them between which other rows got their answers.
    limited: u32,
    limited_alone: u32,
    /// Answers of the run when this row was refused last.
    answers: u64,
}

impl Retries {
    /// For a run whose waits are drawn from `seed`.
    ///
    /// Each wait depends on seed, row and attempt alone, so that it is the same in whatever order answers come.
    pub fn new(policy: RetryPolicy, seed: u64) -> Self {
        Self { policy, seed, counts: Mutex::default() }
    }

    /// The policy.
    pub fn policy(&self) -> &RetryPolicy {
        &self.policy
    }

    /// Retries made so far, refusals for the rate apart.
    pub fn made(&self) -> u64 {
        self.counts().retries
    }

    /// Rows that wait to be tried again; none while others get their answers.
    pub fn waiting(&self) -> Option<WaitingRows> {
        let counts = self.counts();
        let quiet = counts.last_answer.is_none_or(|at| at.elapsed() >= QUIET);
        let last_failure = || counts.last_failure.clone();
        (counts.waiting > 0 && quiet)
            .then(|| WaitingRows { rows: counts.waiting, last_failure: last_failure() })
    }

    /// Makes attempts until one succeeds or there is no point in more, or `cancel` asks for the end.
    ///
    /// `attempt` does all that belongs to one: it passes the governor, reserves money, and sends, with the sending
    /// alone under [`Retries::in_time`]. The whole may be dropped at any await.
    pub async fn run<T, H, A>(
        &self,
        row: u64,
        cancel: &Cancel,
        mut attempt: impl FnMut() -> A,
    ) -> Result<T, Failure<H>>
    where
        A: Future<Output = Result<T, Failure<H>>>,
        H: From<ProviderError>,
    {
        let mut attempts = Attempts { row, ..Attempts::default() };
        loop {
            let error = match attempt().await {
                Err(Failure::Provider(error)) => error,
                Ok(answer) => {
                    self.answered();
                    return Ok(answer);
                }
                ended => return ended,
            };
            let message = error.message.clone();
            match self.next(&mut attempts, error) {
                Next::GiveUp(error) => return Err(Failure::Provider(error)),
                Next::End(error) => return Err(Failure::Aborted(error.into())),
                Next::Again(delay) => {
                    let _waits = Waits::new(self, message);
                    tokio::select! {
                        () = tokio::time::sleep(delay) => {}
                        () = cancel.wait() => return Err(Failure::Cancelled),
                    }
                }
            }
        }
    }

    /// Gives up a request that has no answer in time.
    pub async fn in_time<T>(
        &self,
        call: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let timeout = self.policy.timeout;
        match tokio::time::timeout(timeout, call).await {
            Ok(result) => result,
            Err(_) => {
                let message = format!("no answer within {}", span(timeout));
                Err(ProviderError::new(Cause::Network, message))
            }
        }
    }

    fn answered(&self) {
        let mut counts = self.counts();
        counts.answers += 1;
        counts.last_answer = Some(Instant::now());
        counts.failing.note(false);
        counts.limited.note(false);
    }

    /// Decides what follows a failed attempt.
    pub fn next(&self, attempts: &mut Attempts, error: ProviderError) -> Next {
        let Retry::Later { after } = error.retry else { return Next::GiveUp(error) };
        if let Some(after) = after.filter(|&after| after > self.policy.longest_after) {
            let most = span(self.policy.longest_after);
            return give_up(error, format_args!("asks to wait {}, and {most} is the most", span(after)));
        }
        if error.cause == Cause::RateLimit {
            return self.limited(attempts, error, after);
        }
        let policy = &self.policy;
        let mut counts = self.counts();
        counts.failing.note(true);
        attempts.limited_since = None;
        attempts.failed += 1;
        let same = attempts.note(&error);
        let by_chance = if counts.answers == 0 { 0 } else { chance(counts.failing.get()) };
        let least = if same >= policy.same_failure { policy.same_failure } else { policy.attempts };
        if attempts.failed >= by_chance.clamp(least, policy.most_attempts) {
            return match same {
                same if same == attempts.failed => {
                    give_up(error, format_args!("the same {same} times in a row"))
                }
                _ => give_up(error, format_args!("{} attempts", attempts.failed)),
            };
        }
        if counts.retries >= policy.budget_base + policy.budget_per_answer * counts.answers {
            let Counts { retries, answers, .. } = *counts;
            return Next::End(ending(error, retries, answers));
        }
        counts.retries += 1;
        let failing = if counts.answers == 0 { 1.0 } else { counts.failing.get() };
        Next::Again(self.delay(attempts, after, failing))
    }

    /// The governor makes all rows wait together where that is called for; the row itself waits as long as it was asked
    /// to, or for a moment.
    fn limited(&self, attempts: &mut Attempts, error: ProviderError, after: Option<Duration>) -> Next {
        let mut counts = self.counts();
        counts.limited.note(true);
        let now = Instant::now();
        let since = *attempts.limited_since.get_or_insert(now);
        let limited = now.saturating_duration_since(since);
        if limited >= self.policy.longest_limited {
            return give_up(error, format_args!("refused for {}", span(limited)));
        }
        // While no other row gets through, it says nothing of this one.
        attempts.limited += 1;
        attempts.limited_alone += u32::from(attempts.limited == 1 || counts.answers > attempts.answers);
        attempts.answers = counts.answers;
        let most =
            chance(counts.limited.get()).clamp(2 * self.policy.attempts, 2 * self.policy.most_attempts);
        if attempts.limited_alone > most {
            let times = attempts.limited;
            return give_up(error, format_args!("refused {times} times, while other rows were answered"));
        }
        let delay = self.backoff(self.policy.limited_delay, attempts.limited, attempts);
        Next::Again(after.map_or(delay, |after| after + delay.min(self.policy.first_delay)))
    }

    fn delay(&self, attempts: &Attempts, after: Option<Duration>, failing: f64) -> Duration {
        let policy = &self.policy;
        let delay = self.backoff(policy.first_delay, attempts.failed, attempts);
        let longest =
            if failing < HOPELESS { policy.longest_delay_between_answers } else { policy.longest_delay };
        match after {
            // Those who are asked to wait the same time need not come at the same moment.
            Some(after) => delay.max(after + delay.min(policy.first_delay)),
            None => delay.min(longest),
        }
    }

    /// "Full jitter": evenly between nothing and the doubling bound (M. Brooker, "Exponential Backoff And Jitter",
    /// AWS Architecture Blog, 2015), and never sooner than the provider asks.
    fn backoff(&self, first: Duration, times: u32, attempts: &Attempts) -> Duration {
        let doublings = times.saturating_sub(1).min(20);
        let bound = (first * 2u32.pow(doublings)).min(self.policy.longest_delay);
        bound.mul_f64(draw(self.seed, attempts.row, attempts.failed + attempts.limited))
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a row among those that wait.
struct Waits<'a>(&'a Retries);

impl<'a> Waits<'a> {
    fn new(retries: &'a Retries, failure: String) -> Self {
        let mut counts = retries.counts();
        counts.waiting += 1;
        counts.last_failure = failure;
        Self(retries)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.counts().waiting -= 1;
    }
}

impl RecentShare {
    fn note(&mut self, hit: bool) {
        self.hits = DECAY * self.hits + f64::from(u8::from(hit));
        self.total = DECAY * self.total + 1.0;
    }

    /// One more attempt than were made is taken to have come out well, so that a single one does not rule.
    fn get(self) -> f64 {
        self.hits / (self.total + 1.0)
    }
}

/// How often in a row a request may fail by chance, where this share of all requests fails: a server that fails half of
/// the time fails some row of a hundred thousand 17 times in a row.
fn chance(failing: f64) -> u32 {
    (RARE.ln() / failing.clamp(1e-9, 0.999).ln()).ceil() as u32
}

fn ending(mut error: ProviderError, retries: u64, answers: u64) -> ProviderError {
    error.message = format!(
        "the provider fails too often: {retries} retries for {answers} answers; the last failure: {}",
        error.message
    );
    error.hint =
        error.hint.or_else(|| Some("run the same command again later: what was answered is kept".into()));
    error
}

impl Attempts {
    /// Counts a failure; gives how often the very same one came in a row.
    fn note(&mut self, error: &ProviderError) -> u32 {
        match &mut self.same {
            Some((cause, message, times)) if *cause == error.cause && *message == error.message => {
                *times += 1;
                *times
            }
            same => {
                *same = Some((error.cause, error.message.clone(), 1));
                1
            }
        }
    }
}

fn give_up(mut error: ProviderError, why: std::fmt::Arguments<'_>) -> Next {
    error.message = format!("{} ({why})", error.message);
    Next::GiveUp(error)
}

/// A figure from 0 to 1 by `SplitMix64` (Steele, Lea and Flood, OOPSLA 2014), for one attempt of one row.
fn draw(seed: u64, row: u64, attempt: u32) -> f64 {
    let mut z = seed
        ^ row.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ u64::from(attempt).wrapping_mul(0xd1b5_4a32_d192_ed03);
    for _ in 0..2 {
        z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
    }
    (z >> 11) as f64 / (1u64 << 53) as f64
}

fn span(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        seconds @ 1..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}
