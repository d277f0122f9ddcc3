//! What of a configuration must fit together before anything is asked.

use tunebench_data::LabelSet;
use tunebench_providers::SettingError;
use tunebench_reports::{Metric, MetricError};

use super::ModelConfig;
use crate::config::{Config, ConfigError, Document, Evaluation, Step};
use crate::error::Error;
use crate::suggest::metric_hint;

/// A mistake in a setting of the model with this number, if it is one and not a mistake in the data.
pub(crate) fn missetting(document: &Document, model: usize, error: &SettingError) -> Option<ConfigError> {
    let at = |key| [Step::Key("model"), Step::Item(model), Step::Key(key)];
    let place = match error.setting.as_deref()? {
        // The base is not one of the hyperparameters, but is set beside them.
        "base" => at("base").to_vec(),
        setting => [at("tune").as_slice(), &[Step::Key(setting)]].concat(),
    };
    Some(document.setting(&place, error))
}

/// The gate runs when everything has been paid for: too late to learn that it can't judge.
pub(super) fn judging(config: &Config, document: &Document, labels: &LabelSet) -> Result<(), Error> {
    let metric = metric(&config.evaluation, document, labels)?;
    let gate = config.gate.check_together().and_then(|()| config.gate.check_labels(labels));
    gate.and_then(|()| config.gate.check_margin(&metric)).map_err(|mistake| document.gate(&mistake))?;
    Ok(())
}

/// The model that all others are held against must be one of the project's.
pub(super) fn against(
    config: &Config,
    document: &Document,
    models: &[ModelConfig],
) -> Result<(), ConfigError> {
    let Some(name) = &config.evaluation.against else { return Ok(()) };
    let known = models.iter().flat_map(|entry| [Some(&entry.base), entry.tuned.as_ref()]).flatten();
    if known.map(ToString::to_string).any(|model| model == *name) {
        return Ok(());
    }
    let place = [Step::Key("evaluation"), Step::Key("against")];
    let error = document.error(&place, format!("`{name}` is not a base or tuned model of this project"));
    Err(error.hint("name it as under `[[model]]`, with its provider"))
}

/// The figure that decides, checked before anything is asked.
fn metric(evaluation: &Evaluation, document: &Document, labels: &LabelSet) -> Result<Metric, Error> {
    let costs = evaluation.cost.as_ref();
    // Costs that nothing goes by must be right all the same.
    if let Some(costs) = costs {
        let place = [Step::Key("evaluation"), Step::Key("cost")];
        Metric::named("cost", Some(costs), labels)
            .map_err(|error| document.error(&place, error.to_string()))?;
    }
    let Some(name) = &evaluation.primary else { return Ok(Metric::Accuracy) };
    let place = [Step::Key("evaluation"), Step::Key("primary")];
    let metric = Metric::named(name, costs, labels).map_err(|error| {
        let located = document.error(&place, error.to_string());
        match &error {
            MetricError::NoCosts => located.hint("say it in `[evaluation.cost]`, such as `wrong = 1`"),
            other => match metric_hint(other, labels.names().iter().map(String::as_str)) {
                Some(hint) => located.hint(hint),
                None => located,
            },
        }
    })?;
    if evaluation.any_time && !metric.has_looks() {
        let place = [Step::Key("evaluation"), Step::Key("any_time")];
        let error = document
            .error(&place, format!("there is no anytime-valid test of {} (`any_time`)", metric.words()));
        return Err(error.hint("leave it out, or decide by accuracy or by the recall of a label").into());
    }
    Ok(metric)
}
