//! Whether all that a plan needs is there, keys, logins and models: asked before the first request is paid for.

use std::collections::BTreeSet;

use tunebench_providers::{Access, Cause, ModelRef, ProviderError, Retry};

use super::Session;
use crate::error::Error;
use crate::plan::{Plan, Step, Work};
use crate::tune::TuningState;

impl Session<'_> {
    /// Looks at each key and login, and up each model, that the plan needs; costs nothing. All that is missing is told at once.
    pub async fn check_ready(&self, plan: &Plan) -> Result<(), Error> {
        let (mut seen, mut missing) = (BTreeSet::new(), Vec::new());
        for step in plan.steps.iter().filter(|step| needs_provider(step)) {
            let provider = self.project.candidate(&step.model)?.provider;
            // One key is missing once, however many models it is for.
            if let Some(error) = without_access(&provider.info().access) {
                if seen.insert(step.model.provider().to_owned()) {
                    missing.push(Error::provider(&step.model, error));
                }
                continue;
            }
            let is_asked = matches!(&step.work, Work::Evaluate(requests) if !requests.to_be_tuned);
            if !is_asked || !seen.insert(step.model.to_string()) {
                continue;
            }
            match provider.model_info(step.model.model()).await {
                Err(error) if error.retry == Retry::Never => {
                    missing.push(Error::provider(&step.model, self.with_origin(&step.model, error)?));
                }
                // A provider that is not reached for this may be for the rows, with repeats.
                Ok(_) | Err(_) => {}
            }
        }
        match missing.pop() {
            None => Ok(()),
            Some(only) if missing.is_empty() => Err(only),
            Some(last) => {
                missing.push(last);
                Err(Error::NotReady(missing))
            }
        }
    }

    /// Of a model that is gone, which job of ours made it, and how to have it made anew.
    fn with_origin(&self, model: &ModelRef, mut error: ProviderError) -> Result<ProviderError, Error> {
        let Some(ledger) = self.known_answers()?.filter(|_| error.cause == Cause::NotFound) else {
            return Ok(error);
        };
        let made = ledger.jobs()?.into_iter().find(|record| {
            record.order.provider == model.provider() && record.tuned_model.as_deref() == Some(model.model())
        });
        if let Some(id) = made.and_then(|record| record.id) {
            error.message = format!("it was tuned by job {} and is gone: {}", id.0, error.message);
            error.hint = Some(format!(
                "remove its record with `tunebench jobs delete {model}`; `tunebench tune` then trains anew"
            ));
        }
        Ok(error)
    }
}

/// Whether a step cannot be done without its provider.
fn needs_provider(step: &Step) -> bool {
    let goes_on = matches!(&step.work, Work::Train { standing: TuningState::UnderWay(_), .. });
    step.sends() || goes_on && !step.in_process
}

fn without_access(access: &Access) -> Option<ProviderError> {
    let error = |message: String, hint: String| Some(ProviderError::new(Cause::Access, message).hint(hint));
    match access {
        Access::Missing(variable) => error(
            format!("there is no key in {variable}"),
            format!("set {variable} in the environment or in `.env`; where a server wants none, set `api_key_env = \"none\"`"),
        ),
        Access::LoggedOut(command) => {
            error("not logged in".to_owned(), format!("log in with `{command}`"))
        }
        Access::Withheld(reason) => error(
            reason.clone(),
            "put a key for this address into the same `.env`, or name address and key in the provider's settings".to_owned(),
        ),
        _ => None,
    }
}
