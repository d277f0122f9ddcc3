//! Who is told what happens while a command runs.

use tunebench_providers::ModelRef;

use crate::batch::BatchEvent;
use crate::deploy::DeployEvent;
use crate::evaluate::{Answers, EvalProgress};
use crate::ledger::OrphanedRequests;
use crate::tune::{TuneEvent, TunedModel};

/// Is told what happens, to show it or to record it. What is told here is never needed for the result.
pub trait Listener: Send + Sync {
    /// A model is being tuned.
    fn tuning(&self, base: &ModelRef, event: TuneEvent) {
        let _ = (base, event);
    }

    /// A model has been tuned, or was found to be.
    fn tuned(&self, base: &ModelRef, tuned: &TunedModel) {
        let _ = (base, tuned);
    }

    /// Requests of an earlier command that was killed may have been paid for without an answer.
    fn in_doubt(&self, doubt: &OrphanedRequests) {
        let _ = doubt;
    }

    /// A tuned model is about to be asked for another form of answer than it was taught; both are shown as examples.
    fn taught_otherwise(&self, model: &str, taught: &str, asked: &str) {
        let _ = (model, taught, asked);
    }

    /// So many models are about to be asked, one after the other.
    fn begins(&self, models: usize) {
        let _ = models;
    }

    /// A model is being asked; told some ten times a second.
    fn evaluating(&self, model: &str, tally: &EvalProgress) {
        let _ = (model, tally);
    }

    /// Nothing is asked for now, for this reason; told every second while it lasts.
    fn waiting(&self, reason: &str) {
        let _ = reason;
    }

    /// Something happened to a batch of this model.
    fn batch(&self, model: &str, event: &BatchEvent) {
        let _ = (model, event);
    }

    /// Something happened to the deployment of this model.
    fn deployment(&self, model: &str, event: &DeployEvent) {
        let _ = (model, event);
    }

    /// A model has been asked about every row, or as many as could be.
    fn evaluated(&self, model: &str, answers: &Answers) {
        let _ = (model, answers);
    }
}
