//! What a user calls a job or its model: with the provider in front, or without where one alone can be meant.

use tunebench_providers::{JobId, ModelRef};

use crate::error::Error;
use crate::ledger::Ledger;
use crate::providers::Providers;

/// The job or model with its provider: as it is written, or else whichever provider knows it, the ledger being asked first.
pub(super) async fn resolve(
    name: &str,
    providers: &Providers,
    ledger: Option<&Ledger>,
) -> Result<ModelRef, Error> {
    if let Ok(full) = name.parse::<ModelRef>()
        && providers.get(&full).is_some()
    {
        return Ok(full);
    }
    let records = ledger.map(Ledger::jobs).transpose()?.unwrap_or_default();
    let named = records.into_iter().find(|record| {
        record.id.as_ref().is_some_and(|id| id.0 == name) || record.tuned_model.as_deref() == Some(name)
    });
    let owner = match named {
        Some(record) => Some(record.order.provider),
        None => asked_for(name, providers).await,
    };
    if let Some(Ok(full)) = owner.map(|owner| ModelRef::new(&owner, name)) {
        return Ok(full);
    }
    match name.parse::<ModelRef>() {
        Ok(full) => Err(Error::unknown_provider(&full, providers)),
        Err(_) => Err(Error::Model {
            message: format!("no provider whose key is set knows a job `{name}`"),
            hint: Some("name it as PROVIDER/JOB, as `tunebench jobs list` does".to_owned()),
        }),
    }
}

/// The first provider that has a job of this name, of those that can be asked.
async fn asked_for(job: &str, providers: &Providers) -> Option<String> {
    for (name, provider) in providers.iter() {
        let Some(tuning) = provider.fine_tuning() else { continue };
        let usable = provider.info().access.is_granted();
        if usable && tuning.job(&JobId(job.to_owned())).await.is_ok_and(|found| found.id.0 == job) {
            return Some(name.to_owned());
        }
    }
    None
}
