//! The figure that two models are compared by, and what wrong answers cost where that is the figure.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tunebench_data::{LabelId, LabelSet};

use crate::{Answer, Prediction};

/// How the names of figures of one label begin.
const RECALL: &str = "recall:";
const PRECISION: &str = "precision:";

/// What wrong answers cost, in any unit; a right one costs nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Costs {
    /// A wrong label of which nothing else is said, at least 0.
    pub wrong: f64,
    /// An answer that names no label, where nothing else is said; where not set, as a wrong label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invalid: Option<f64>,
    /// By gold label, and then by the label that was answered.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub of: BTreeMap<String, BTreeMap<String, f64>>,
    /// An answer that names no label, by gold label.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub invalid_of: BTreeMap<String, f64>,
}

impl Default for Costs {
    fn default() -> Self {
        let (of, invalid_of) = Default::default();
        Self { wrong: 1.0, invalid: None, of, invalid_of }
    }
}

/// Costs by the labels of a label set.
#[derive(Debug, Clone, PartialEq)]
pub struct CostMatrix {
    costs: Costs,
    of: HashMap<(LabelId, LabelId), f64>,
    invalid_of: HashMap<LabelId, f64>,
    /// The most that an answer to a row of this gold label can cost, where that is more than elsewhere.
    most_of: HashMap<LabelId, f64>,
}

impl CostMatrix {
    fn new(costs: &Costs, labels: &LabelSet) -> Result<Self, MetricError> {
        let id = |label: &str| labels.get(label).ok_or_else(|| MetricError::CostLabel(label.to_owned()));
        let amount = |cost: f64| match cost.is_finite() && cost >= 0.0 {
            true => Ok(cost),
            false => Err(MetricError::Amount(cost)),
        };
        amount(costs.wrong)?;
        costs.invalid.map(amount).transpose()?;
        let (mut of, mut invalid_of) = (HashMap::new(), HashMap::new());
        for (gold, answers) in &costs.of {
            for (answer, cost) in answers {
                if gold == answer {
                    return Err(MetricError::Right(gold.clone()));
                }
                of.insert((id(gold)?, id(answer)?), amount(*cost)?);
            }
        }
        for (gold, cost) in &costs.invalid_of {
            invalid_of.insert(id(gold)?, amount(*cost)?);
        }
        let mut most_of: HashMap<LabelId, f64> = HashMap::new();
        let own = of.iter().map(|((gold, _), cost)| (*gold, *cost));
        for (gold, cost) in own.chain(invalid_of.iter().map(|(gold, cost)| (*gold, *cost))) {
            let most = most_of.entry(gold).or_default();
            *most = most.max(cost);
        }
        Ok(Self { costs: costs.clone(), of, invalid_of, most_of })
    }

    /// What an answer to a row of this gold label costs; none for no answer.
    pub fn of(&self, gold: LabelId, answer: Answer) -> Option<f64> {
        match answer {
            Answer::Label(label) if label == gold => Some(0.0),
            Answer::Label(label) => Some(self.of.get(&(gold, label)).copied().unwrap_or(self.costs.wrong)),
            Answer::Invalid(_) => Some(self.invalid_of.get(&gold).copied().unwrap_or_else(|| self.invalid())),
            Answer::Unanswered(_) => None,
        }
    }

    /// The most that an answer to a row of this gold label can cost.
    pub fn most_of(&self, gold: LabelId) -> f64 {
        let own = self.most_of.get(&gold).copied().unwrap_or_default();
        own.max(self.costs.wrong).max(self.invalid())
    }

    /// The most that any answer can cost.
    pub fn most(&self) -> f64 {
        self.most_of.values().copied().fold(self.costs.wrong.max(self.invalid()), f64::max)
    }

    fn invalid(&self) -> f64 {
        self.costs.invalid.unwrap_or(self.costs.wrong)
    }
}

/// A label, by its place and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedLabel {
    /// Its place in the label set.
    pub id: LabelId,
    /// Its name.
    pub name: Arc<str>,
}

/// The figure that decides a comparison.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Metric {
    /// The share of right answers.
    #[default]
    Accuracy,
    /// The mean F1 of the gold labels; see [`Scores::macro_average`](crate::Scores::macro_average).
    MacroF1,
    /// Of the rows of a label, the share that was found.
    Recall(NamedLabel),
    /// Of the rows answered with a label, the share that was right.
    Precision(NamedLabel),
    /// The mean cost of an answer: the only figure of which less is better.
    Cost(Arc<CostMatrix>),
}

/// Why a text names no figure to compare by.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MetricError {
    /// It is none of the figures.
    #[error(
        "`{0}` is not a figure to compare by; expected accuracy, macro_f1, recall:LABEL, precision:LABEL or cost"
    )]
    Unknown(String),
    /// The data has no such label.
    #[error("`{0}` is not a label of this data")]
    Label(String),
    /// A cost names a label that the data does not have.
    #[error("the costs name `{0}`, which is not a label of this data")]
    CostLabel(String),
    /// A cost is no amount.
    #[error("a cost is {0}, not a number of at least 0")]
    Amount(f64),
    /// A cost is given for the right answer.
    #[error("the costs give one to `{0}` for rows of `{0}`: a right answer costs nothing")]
    Right(String),
    /// Nothing says what answers cost.
    #[error("the cost of wrong answers is not set")]
    NoCosts,
}

impl Metric {
    /// The figure of this [name](Self::name). `costs` are those to use where it is the cost.
    pub fn named(name: &str, costs: Option<&Costs>, labels: &LabelSet) -> Result<Self, MetricError> {
        let label = |label: &str| {
            let id = labels.get(label).ok_or_else(|| MetricError::Label(label.to_owned()))?;
            Ok(NamedLabel { id, name: labels.name(id).into() })
        };
        if let Some(name) = name.strip_prefix(RECALL) {
            return Ok(Self::Recall(label(name)?));
        }
        if let Some(name) = name.strip_prefix(PRECISION) {
            return Ok(Self::Precision(label(name)?));
        }
        match name {
            "accuracy" => Ok(Self::Accuracy),
            "macro_f1" => Ok(Self::MacroF1),
            "cost" => Ok(Self::Cost(Arc::new(CostMatrix::new(costs.ok_or(MetricError::NoCosts)?, labels)?))),
            other => Err(MetricError::Unknown(other.to_owned())),
        }
    }

    /// Whether it is one of the forms of a name; labels are not looked up.
    pub fn is_name(name: &str) -> bool {
        ["accuracy", "macro_f1", "cost"].contains(&name)
            || name.starts_with(RECALL)
            || name.starts_with(PRECISION)
    }

    /// Whether there is a test of it that may be looked at again and again.
    pub fn has_looks(&self) -> bool {
        matches!(self, Self::Accuracy | Self::Recall(_))
    }

    /// Its name in settings and in files for programs.
    pub fn name(&self) -> String {
        match self {
            Self::Accuracy => "accuracy".to_owned(),
            Self::MacroF1 => "macro_f1".to_owned(),
            Self::Recall(label) => format!("{RECALL}{}", label.name),
            Self::Precision(label) => format!("{PRECISION}{}", label.name),
            Self::Cost(_) => "cost".to_owned(),
        }
    }

    /// Its name in sentences.
    pub fn words(&self) -> String {
        match self {
            Self::Accuracy => "accuracy".to_owned(),
            Self::MacroF1 => "macro-F1".to_owned(),
            Self::Recall(label) => format!("recall of {}", label.name),
            Self::Precision(label) => format!("precision of {}", label.name),
            Self::Cost(_) => "expected cost".to_owned(),
        }
    }

    /// Whether it is a share, 0 to 1, rather than an amount.
    pub fn is_share(&self) -> bool {
        !matches!(self, Self::Cost(_))
    }

    /// From a difference of the figure to a gain, or back: of costs less is better.
    pub fn gain(&self, difference: f64) -> f64 {
        // Adding zero turns -0.0 into 0.0.
        if self.is_share() { difference } else { 0.0 - difference }
    }

    /// What a row adds to a figure that is a mean over rows, so that more is better; none where the row is not in that
    /// mean or has no answer.
    pub(crate) fn of_row(&self, row: &Prediction) -> Option<f64> {
        match self {
            Self::Recall(label) if row.gold != label.id => None,
            Self::Cost(costs) => costs.of(row.gold, row.answer).map(|cost| -cost),
            _ if !row.is_answered() => None,
            _ => Some(f64::from(u8::from(row.answer.label() == Some(row.gold)))),
        }
    }

    /// The same if the row's answer were right, or as wrong as can be.
    pub(crate) fn of_row_if(&self, row: &Prediction, right: bool) -> Option<f64> {
        match self {
            Self::Recall(label) if row.gold != label.id => None,
            Self::Cost(costs) => Some(if right { 0.0 } else { -costs.most_of(row.gold) }),
            _ => Some(f64::from(u8::from(right))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InvalidKind;
    use crate::testing::labels;

    fn costs(text: &str) -> Costs {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn every_name_reads_back() {
        let labels = labels(&["a", "b:c"]);
        for name in ["accuracy", "macro_f1", "recall:a", "recall:b:c", "precision:a", "cost"] {
            let metric = Metric::named(name, Some(&Costs::default()), &labels).unwrap();
            assert!(metric.name() == name && Metric::is_name(name));
        }
        for (name, costs, error) in [
            ("f1", None, MetricError::Unknown("f1".to_owned())),
            ("recall:x", None, MetricError::Label("x".to_owned())),
            ("cost", None, MetricError::NoCosts),
            ("cost", Some(r#"{"of":{"a":{"x":1}}}"#), MetricError::CostLabel("x".to_owned())),
            ("cost", Some(r#"{"of":{"a":{"a":1}}}"#), MetricError::Right("a".to_owned())),
            ("cost", Some(r#"{"invalid_of":{"a":-1}}"#), MetricError::Amount(-1.0)),
        ] {
            let costs = costs.map(self::costs);
            assert_eq!(Metric::named(name, costs.as_ref(), &labels), Err(error), "{name}");
        }
    }

    #[test]
    fn the_most_particular_cost_counts() {
        let labels = labels(&["a", "b", "c"]);
        let costs = costs(r#"{"wrong":2,"invalid":3,"of":{"a":{"b":5}},"invalid_of":{"b":0.5}}"#);
        let Ok(Metric::Cost(costs)) = Metric::named("cost", Some(&costs), &labels) else { panic!() };
        let [a, b, c] = [0, 1, 2].map(LabelId);
        let invalid = Answer::Invalid(InvalidKind::Empty);
        for (gold, answer, cost) in [
            (a, Answer::Label(a), 0.0),
            (a, Answer::Label(b), 5.0),
            (a, Answer::Label(c), 2.0),
            (b, Answer::Label(a), 2.0),
            (a, invalid, 3.0),
            (b, invalid, 0.5),
        ] {
            assert_eq!(costs.of(gold, answer), Some(cost));
        }
        assert_eq!([a, b, c].map(|gold| costs.most_of(gold)), [5.0, 3.0, 3.0]);
        assert_eq!(costs.most(), 5.0);
    }
}
