//! What a base takes: its limits, as the service states them, and whether what the user set lies in them.

use serde_json::Value;

use super::jobs::Order;
use crate::SettingError;

/// The limits of one base; none where the service does not say.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Limits {
    epochs: Option<u64>,
    evals: Option<u64>,
    checkpoints: Option<u64>,
    rate: (Option<f64>, Option<f64>),
    rank: Option<u64>,
    batch: (Option<u64>, Option<u64>),
}

impl Limits {
    /// From the answer of `GET /v1/fine-tunes/models/limits`.
    pub(super) fn read(value: &Value) -> Self {
        let whole = |pointer: &str| value.pointer(pointer).and_then(Value::as_u64);
        let number = |pointer: &str| value.pointer(pointer).and_then(Value::as_f64);
        Self {
            epochs: whole("/max_num_epochs"),
            evals: whole("/max_num_evals"),
            checkpoints: whole("/max_num_checkpoints"),
            rate: (number("/min_learning_rate"), number("/max_learning_rate")),
            rank: whole("/lora_training/max_rank"),
            batch: (whole("/lora_training/min_batch_size"), whole("/lora_training/max_batch_size")),
        }
    }

    /// Whether the service will take an order.
    pub(super) fn check(&self, order: &Order) -> Result<(), SettingError> {
        let wrong = |name: &str, base: &str, bound: String| {
            Err(SettingError::at(name, format!("`{name}` for {base} must be {bound}")))
        };
        let base = order.base.as_str();
        for (name, set, most) in [
            ("n_epochs", Some(order.epochs), self.epochs),
            ("n_evals", order.evals, self.evals),
            ("n_checkpoints", Some(order.checkpoints), self.checkpoints),
            ("lora_r", order.rank, self.rank),
            ("batch_size", order.batch, self.batch.1),
        ] {
            if let (Some(set), Some(most)) = (set, most)
                && set > most
            {
                return wrong(name, base, format!("at most {most}"));
            }
        }
        if let (Some(set), Some(least)) = (order.batch, self.batch.0)
            && set < least
        {
            return wrong("batch_size", base, format!("at least {least}"));
        }
        let (least, most) = self.rate;
        match () {
            () if least.is_some_and(|least| order.rate < least) => {
                wrong("learning_rate", base, format!("at least {:e}", least.unwrap_or_default()))
            }
            () if most.is_some_and(|most| order.rate > most) => {
                wrong("learning_rate", base, format!("at most {:e}", most.unwrap_or_default()))
            }
            () => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::TuningSpec;

    #[test]
    fn what_lies_outside_is_named_with_the_bound() {
        let limits = Limits::read(&json!({
            "max_num_epochs": 20, "max_num_evals": 10, "max_num_checkpoints": 5, "min_learning_rate": 1e-6,
            "max_learning_rate": 0.01, "lora_training": {"max_rank": 64, "min_batch_size": 8, "max_batch_size": 64},
        }));
        for (set, words) in [
            (json!({"n_epochs": 21}), "`n_epochs` for b must be at most 20"),
            (json!({"batch_size": 4}), "`batch_size` for b must be at least 8"),
            (json!({"lora_r": 128}), "at most 64"),
            (json!({"learning_rate": 0.1}), "`learning_rate` for b must be at most 1e-2"),
            (json!({"learning_rate": 1e-9}), "at least 1e-6"),
            (json!({}), ""),
            (json!({"n_epochs": 20, "batch_size": "max"}), ""),
        ] {
            let spec = TuningSpec::new("b", set.as_object().cloned().unwrap(), 1);
            let said = limits.check(&Order::read(&spec).unwrap()).err().map(|error| error.message);
            assert!(said.as_deref().unwrap_or_default().contains(words), "{set}: {said:?}");
            assert_eq!(said.is_none(), words.is_empty(), "{set}");
        }
        assert_eq!(Limits::read(&json!(null)), Limits::default());
    }
}
