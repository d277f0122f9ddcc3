//! What is worth a reader's eyes, where there is too much for a page: the same choice in every format for people.

use tunebench_data::LabelId;

use crate::{Confusion, Figures, ModelFigures};

/// More labels than this fill more than a screen.
const SCREENFUL: usize = 40;

/// How many are shown of those.
const LOWEST: usize = 20;

/// How many confusions are listed.
const CONFUSIONS: usize = 12;

/// The models whose labels are shown: each base beside the model tuned from it, then those that are compared with none.
pub(super) fn label_groups(figures: &Figures) -> Vec<Vec<&ModelFigures>> {
    let pairs = figures.comparisons.iter().filter(|comparison| comparison.is_own_base(figures));
    let pairs = pairs.filter_map(|c| Some(vec![figures.model(&c.base)?, figures.model(&c.tuned)?]));
    let alone = varied(figures).into_iter().filter(|model| !is_compared(model, figures));
    pairs.chain(alone.map(|model| vec![model])).collect()
}

/// The models whose confusions are shown: not one with one answer to everything, such as a floor, unless it is compared.
pub(super) fn varied(figures: &Figures) -> Vec<&ModelFigures> {
    let varied = |model: &&ModelFigures| {
        let mut answers = model.confusion.cells().map(|(_, answer, _)| answer);
        let first = answers.next();
        is_compared(model, figures) || answers.any(|answer| Some(answer) != first)
    };
    figures.models.iter().filter(varied).collect()
}

fn is_compared(model: &ModelFigures, figures: &Figures) -> bool {
    figures.comparisons.iter().any(|c| c.base == model.model || c.tuned == model.model)
}

/// The labels to show of one model, or of a base and the model tuned from it, and in words in which order they stand.
pub(super) fn labels(labels: usize, models: &[&ModelFigures]) -> (Vec<LabelId>, String) {
    let mut all = all_labels(labels);
    let Some(model) = models.last().filter(|_| labels > SCREENFUL) else {
        return (all, "In the order of the label set.".to_owned());
    };
    // What is undefined has no place among the lowest.
    let f1 = |label: LabelId| {
        let class = model.scores.as_ref().map(|scores| scores.classes[label.index()]);
        class.and_then(|class| class.scores.f1).unwrap_or(f64::INFINITY)
    };
    all.sort_by(|&a, &b| f1(a).total_cmp(&f1(b)).then(a.cmp(&b)));
    all.truncate(LOWEST);
    let whose = if model.tuned_from.is_some() { " of the tuned model" } else { "" };
    let order = format!(
        "The {LOWEST} of {labels} labels with the lowest F1{whose}, lowest first; all are in the CSV of the labels."
    );
    (all, order)
}

/// All labels, in the order of the label set.
pub(super) fn all_labels(labels: usize) -> Vec<LabelId> {
    (0..labels).map(|i| LabelId(i as u32)).collect()
}

/// The rows of a label, answered or not, in the model with most of them.
pub(super) fn rows(models: &[&ModelFigures], label: LabelId) -> u64 {
    models.iter().map(|m| m.confusion.support(label) + m.confusion.unanswered(label)).max().unwrap_or(0)
}

/// Rows of one gold label that got one and the same wrong answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConfusedPair {
    pub(super) gold: LabelId,
    /// None for invalid answers.
    pub(super) answer: Option<LabelId>,
    pub(super) rows: u64,
}

impl ConfusedPair {
    /// The share of the gold label's answered rows.
    pub(super) fn share(&self, confusion: &Confusion) -> f64 {
        self.rows as f64 / confusion.support(self.gold) as f64
    }
}

/// The most frequent mistakes of a model.
pub(super) struct Mistakes {
    /// Most rows first; of equally many, those of the smaller gold label.
    pub(super) listed: Vec<ConfusedPair>,
    /// How many there are, the unlisted included.
    kinds: usize,
    /// The rows of all of them.
    rows: u64,
}

impl Mistakes {
    pub(super) fn of(confusion: &Confusion) -> Self {
        let wrong = confusion.cells().filter(|(gold, answer, _)| gold != answer);
        let wrong = wrong.map(|(gold, answer, rows)| ConfusedPair { gold, answer: Some(answer), rows });
        let invalid = all_labels(confusion.labels()).into_iter();
        let invalid = invalid.map(|gold| ConfusedPair { gold, answer: None, rows: confusion.invalid(gold) });
        let mut listed: Vec<_> = wrong.chain(invalid).filter(|mistake| mistake.rows > 0).collect();
        listed.sort_by_key(|&ConfusedPair { gold, answer, rows }| {
            (std::cmp::Reverse(rows), confusion.support(gold), gold, answer)
        });
        let (kinds, rows) = (listed.len(), listed.iter().map(|mistake| mistake.rows).sum());
        listed.truncate(CONFUSIONS);
        Self { listed, kinds, rows }
    }

    /// How much of all is listed, in words.
    pub(super) fn note(&self) -> String {
        let (kinds, rows) = (self.kinds, self.rows);
        if kinds == self.listed.len() {
            return format!("All confusions: {rows} wrong rows. The matrix is in the CSV.");
        }
        let listed: u64 = self.listed.iter().map(|mistake| mistake.rows).sum();
        format!(
            "The {} most frequent of {kinds} confusions, {listed} of {rows} wrong rows; the matrix is in the CSV.",
            self.listed.len()
        )
    }
}
