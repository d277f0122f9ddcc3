//! What a server of OpenAI's shape is known for: its address, its models, its limits.

use super::hosts::Host;
use super::settings::Settings;
use super::{OpenAiProvider, models};
use crate::catalog::Catalog;
use crate::{ModelInfo, ProviderFacts, ProviderInfo};

impl OpenAiProvider {
    pub(super) fn snapshot(&self) -> ProviderInfo {
        let settings = &self.connection.settings;
        ProviderInfo::default()
            .base_url(shown_url(settings))
            .answer_settings(&self.answer_settings)
            .access(self.connection.access())
            .models(self.known_models())
            .facts(facts(settings))
    }

    fn known_models(&self) -> Vec<ModelInfo> {
        let settings = &self.connection.settings;
        let own_way = self.dashscope.is_some() || self.together.is_some();
        if let Some(host) = settings.host.as_ref().filter(|_| own_way) {
            let tunable = Catalog::built_in().iter().filter(|known| known.host == host.name && known.tunable);
            return tunable.map(|known| ModelInfo::new(&known.id).tunable()).collect();
        }
        if !settings.official {
            return Vec::new();
        }
        let known = models::KNOWN.iter().map(|(model, description)| {
            let mut info = ModelInfo::new(*model);
            info.tunable = models::is_tunable(model);
            info.probabilities = model.starts_with("decisions/");
            info.shutdown_date = models::shutdown_date(model).map(|date| date.to_string());
            info.described(description)
        });
        known.collect()
    }
}

/// The address without user name and password; with the name of a variable where that is not set.
fn shown_url(settings: &Settings) -> String {
    if let (Some(host), Some(_)) = (&settings.host, &settings.missing) {
        return host.base_url.clone();
    }
    let mut url = settings.base_url.clone();
    // Neither can fail for an address that has a host, and such addresses alone are taken.
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    url.into()
}

fn facts(settings: &Settings) -> ProviderFacts {
    let batch = settings.takes_batches().map(|batch| (batch.rows as u64, batch.bytes));
    let Some(Host { limits, tuning, source, checked, .. }) = &settings.host else {
        return ProviderFacts { batch, ..ProviderFacts::default() };
    };
    let tuning = tuning.as_ref().map(|tuning| match (&tuning.then, tuning.unasked) {
        (_, true) => "by its own API".to_owned(),
        (Some(then), false) => format!("with `fine_tuning = true`; {then}"),
        (None, false) => "with `fine_tuning = true`".to_owned(),
    });
    ProviderFacts {
        requests_per_minute: limits.requests_per_minute,
        limits: limits.note.clone(),
        batch,
        tuning,
        source: Some(source.clone()),
        checked: Some(checked.clone()),
    }
}
