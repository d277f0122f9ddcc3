//! The request for a fine-tuning job: a base, data, and what the user set in the `tune` table.
//!
//! Pure translation. Fields of the discovery document of `aiplatform` v1 (2026-11-06).

use serde_json::{Map, Value, json};

use super::jobs::MARK;
use super::models::{self, Traits};
use crate::{JobRequest, SettingError, TuningSpec};

/// The sizes of the adapter, which are names on the wire: their numbers there are others (4 would ask for sixteen).
pub(super) const ADAPTERS: [(u64, &str); 6] = [
    (1, "ADAPTER_SIZE_ONE"),
    (2, "ADAPTER_SIZE_TWO"),
    (4, "ADAPTER_SIZE_FOUR"),
    (8, "ADAPTER_SIZE_EIGHT"),
    (16, "ADAPTER_SIZE_SIXTEEN"),
    (32, "ADAPTER_SIZE_THIRTY_TWO"),
];

/// The longest name for people.
const LONGEST_NAME: usize = 128;
/// Of a label's key and of its value.
const LONGEST_LABEL: usize = 63;

/// The body of `POST …/tuningJobs`. What the user leaves out, the service chooses.
pub(super) fn order(request: &JobRequest) -> Result<Value, SettingError> {
    let own = Own::read(&request.spec)?;
    let mut spec = Map::new();
    spec.insert("trainingDatasetUri".into(), request.training_file.0.as_str().into());
    if let Some(file) = &request.validation_file {
        spec.insert("validationDatasetUri".into(), file.0.as_str().into());
    }
    if !own.numbers.is_empty() {
        spec.insert("hyperParameters".into(), own.numbers.into());
    }
    if let Some(last_only) = own.export_last_checkpoint_only {
        spec.insert("exportLastCheckpointOnly".into(), last_only.into());
    }
    let mut labels = own.labels;
    labels.insert(MARK.into(), request.mark.0.as_str().into());
    labels.insert("tool".into(), "tunebench".into());
    let short = request.mark.0.get(..8).unwrap_or(&request.mark.0);
    let mut body = json!({
        "baseModel": request.spec.base,
        "tunedModelDisplayName": own.display_name.unwrap_or_else(|| format!("tunebench-{short}")),
        "labels": labels,
        "supervisedTuningSpec": spec,
    });
    if let Some(account) = own.service_account {
        body["serviceAccount"] = account.into();
    }
    if let Some(key) = own.kms_key {
        body["encryptionSpec"] = json!({"kmsKeyName": key});
    }
    Ok(body)
}

/// What the user set, checked.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// `hyperParameters`, as the wire has them.
    numbers: Map<String, Value>,
    labels: Map<String, Value>,
    display_name: Option<String>,
    export_last_checkpoint_only: Option<bool>,
    service_account: Option<String>,
    kms_key: Option<String>,
}

impl Own {
    /// Reads the `tune` table of a model.
    pub(super) fn read(spec: &TuningSpec) -> Result<Self, SettingError> {
        let mut own = Self::default();
        for (name, value) in &spec.hyperparameters {
            own.set(spec, name, value)
                .map_err(|wanted| SettingError::at(name, format!("`{name}` must be {wanted}")))?;
            if !KNOWN.contains(&name.as_str()) {
                return Err(SettingError::unknown("hyperparameter", name, KNOWN));
            }
        }
        Ok(own)
    }

    fn set(&mut self, spec: &TuningSpec, name: &str, value: &Value) -> Result<(), String> {
        let owned = || value.as_str().filter(|text| !text.is_empty()).map(str::to_owned).ok_or("a string");
        match name {
            "epoch_count" => {
                let epochs = value.as_u64().filter(|epochs| (1..=100).contains(epochs));
                // 64-bit integers are texts on the wire.
                let epochs = epochs.ok_or("a whole number from 1 to 100")?.to_string();
                self.numbers.insert("epochCount".into(), epochs.into());
            }
            "learning_rate_multiplier" => {
                let multiplier = value.as_f64().filter(|number| *number > 0.0 && number.is_finite());
                self.numbers
                    .insert("learningRateMultiplier".into(), multiplier.ok_or("a number above 0")?.into());
            }
            "adapter_size" => {
                let name = adapter(value, &spec.base)?;
                self.numbers.insert("adapterSize".into(), name.into());
            }
            "display_name" => {
                let name = owned()?;
                let fits = name.chars().count() <= LONGEST_NAME;
                self.display_name = Some(fits.then_some(name).ok_or("a string of 1 to 128 characters")?);
            }
            "export_last_checkpoint_only" => {
                self.export_last_checkpoint_only = Some(value.as_bool().ok_or("true or false")?);
            }
            "labels" => self.labels = labels(value)?,
            "service_account" => self.service_account = Some(owned()?),
            "kms_key" => self.kms_key = Some(owned()?),
            _ => {}
        }
        Ok(())
    }
}

/// What a `tune` table may hold.
const KNOWN: [&str; 8] = [
    "adapter_size",
    "display_name",
    "epoch_count",
    "export_last_checkpoint_only",
    "kms_key",
    "labels",
    "learning_rate_multiplier",
    "service_account",
];

fn adapter(value: &Value, base: &str) -> Result<&'static str, String> {
    let largest = Traits::of(Some(base)).largest_adapter().unwrap_or(32);
    let found = value.as_u64().and_then(|size| ADAPTERS.iter().find(|(known, _)| *known == size));
    found.filter(|(size, _)| *size <= largest).map(|(_, name)| *name).ok_or_else(|| {
        let sizes: Vec<_> = ADAPTERS.iter().map(|(size, _)| size).filter(|size| **size <= largest).collect();
        format!("one of {}", sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
    })
}

fn labels(value: &Value) -> Result<Map<String, Value>, String> {
    let wanted = "a table of strings: lower-case letters, digits, `_` and `-`, at most 63 characters each, and at most 60 \
                  of them";
    let plain = |text: &str| {
        let mut bytes = text.bytes();
        text.len() <= LONGEST_LABEL
            && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
    };
    let table = value.as_object().filter(|table| table.len() <= 60).ok_or(wanted)?;
    let fits = table.iter().all(|(key, value)| {
        key.starts_with(|c: char| c.is_ascii_lowercase()) && plain(key) && value.as_str().is_some_and(plain)
    });
    if fits { Ok(table.clone()) } else { Err(wanted.to_owned()) }
}

/// Refuses a base that can't be tuned.
pub(super) fn check_base(base: &str) -> Result<(), SettingError> {
    if base.contains('/') {
        let message = format!(
            "`{base}` can't be fine-tuned by this name: write the model's bare name, such as `gemini-3.5-flash`"
        );
        return Err(SettingError::at("base", message));
    }
    if Traits::of(Some(base)).largest_adapter().is_none() {
        let message = format!(
            "`{base}` cannot be tuned; Google tunes {}. If that has changed, set `check_models = false`",
            models::tunable().join(", ")
        );
        return Err(SettingError::at("base", message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FileId, JobMark};

    fn spec(hyperparameters: Value) -> TuningSpec {
        TuningSpec::new("gemini-3.5-flash", hyperparameters.as_object().cloned().unwrap(), 7)
    }

    #[test]
    fn an_order_says_all_that_was_set() {
        let spec = spec(
            json!({"epoch_count": 3, "learning_rate_multiplier": 0.5, "adapter_size": 4, "display_name": "bank",
            "labels": {"team": "cards"}, "export_last_checkpoint_only": false}),
        );
        let request = JobRequest::new(spec, FileId("gs://b/t".into()), JobMark("0123456789ab".into()));
        assert_eq!(
            order(&request.validation_file(FileId("gs://b/v".into()))).unwrap(),
            json!({
                "baseModel": "gemini-3.5-flash", "tunedModelDisplayName": "bank",
                "labels": {"team": "cards", "tool": "tunebench", "tunebench_mark": "0123456789ab"},
                "supervisedTuningSpec": {
                    "trainingDatasetUri": "gs://b/t", "validationDatasetUri": "gs://b/v", "exportLastCheckpointOnly": false,
                    "hyperParameters": {
                        "epochCount": "3", "learningRateMultiplier": 0.5, "adapterSize": "ADAPTER_SIZE_FOUR",
                    },
                },
            })
        );
    }

    #[test]
    fn what_is_left_out_the_service_chooses() {
        let request =
            JobRequest::new(spec(json!({})), FileId("gs://b/t".into()), JobMark("0123456789ab".into()));
        let order = order(&request).unwrap();
        assert_eq!(order["supervisedTuningSpec"], json!({"trainingDatasetUri": "gs://b/t"}));
        assert_eq!(order["tunedModelDisplayName"], "tunebench-01234567");
    }

    #[test]
    fn wrong_hyperparameters_are_named() {
        for (name, value) in [
            ("epoch_count", json!(0)),
            ("epoch_count", json!("3")),
            ("learning_rate_multiplier", json!(0)),
            ("adapter_size", json!(3)),
            ("adapter_size", json!(32)),
            ("adapter_size", json!("ADAPTER_SIZE_FOUR")),
            ("display_name", json!("x".repeat(129))),
            ("labels", json!({"Team": "cards"})),
            ("labels", json!({"team": "Cards!"})),
            ("export_last_checkpoint_only", json!(1)),
            ("service_account", json!("")),
            ("n_epochs", json!(3)),
        ] {
            let error = Own::read(&spec(json!({name: value.clone()}))).unwrap_err();
            assert_eq!(error.setting.as_deref(), Some(name), "{value}");
        }
        for base in [
            "gemini-3.8-flash",
            "publishers/google/models/gemini-3.5-flash",
            "projects/p/locations/us/endpoints/1",
        ] {
            assert_eq!(check_base(base).unwrap_err().setting.as_deref(), Some("base"));
        }
        check_base("gemini-2.5-flash-lite").unwrap();
    }
}
