//! The summary for programs: all figures of a run as one JSON value with a version.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Candidate, Decision, Renderer};
use crate::{
    CONFIDENCE, Calibration, Caveat, Chances, ClassScores, Clustered, Comparison, Counts, IfRead, Interval,
    InvalidKind, LatencyFigures, ModelFigures, ModelIntervals, NonInferiority, Paired, PairedMetric, Power,
    Repeats, Report, Scores, SeedSpread, SliceFigures, TokenUsage, UnansweredKind, Verdict, WithoutDoubted,
};

/// The version of the form of a [`Summary`]. Fields may be added within a version; none changes its meaning.
pub const SUMMARY_VERSION: u32 = 1;

/// The summary as a format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Json;

impl Renderer for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn extension(&self) -> &'static str {
        "json"
    }

    fn about(&self) -> &'static str {
        "all figures for programs; reports/schemas/summary.schema.json describes it"
    }

    fn render(&self, report: &Report) -> Vec<u8> {
        Summary::new(report).to_json().into_bytes()
    }
}

/// All figures of a run. What is undefined, or withheld for lack of coverage, is `null`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Summary<'a> {
    /// Always [`SUMMARY_VERSION`].
    pub format_version: u32,
    /// The version of the tool that made the run.
    pub tool_version: &'a str,
    /// When the run began, in RFC 3339.
    pub started: &'a str,
    /// When the run ended, in RFC 3339.
    pub finished: Option<&'a str>,
    /// Whether the run came to its end.
    pub complete: bool,
    /// What ended the run before its time, in words.
    pub ended_by: Option<&'a str>,
    /// The share of the rows that must have been answered for a model to get scores.
    pub min_coverage: f64,
    /// The loss of accuracy within which a model counts as no worse; none to ask for differences only.
    pub margin: Option<f64>,
    /// The level of all intervals.
    pub confidence: f64,
    /// What came out, in one or two sentences.
    pub headline: String,
    /// The models that could take the place of another, the one to consider first at the front.
    pub candidates: Vec<Candidate>,
    /// The models so many of whose answers name no label that there is no verdict.
    pub unreadable: Vec<UnreadableModel<'a>>,
    /// The label names, in order.
    pub labels: &'a [String],
    /// The models, each base directly before those tuned from it.
    pub models: Vec<Model<'a>>,
    /// Base and tuned models, row by row.
    pub comparisons: Vec<Pair<'a>>,
    /// What the models make of parts of the rows.
    pub slices: &'a [SliceFigures],
    /// The models that were asked more than once.
    pub repeats: &'a [Repeats],
    /// What to know before believing the figures.
    pub doubts: Vec<DoubtText>,
}

/// A model whose answers were not read.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UnreadableModel<'a> {
    /// Its reference.
    pub model: &'a str,
    /// Its answers that name no label.
    pub unreadable: u64,
    /// All its answers.
    pub answered: u64,
    /// The beginnings of some of them.
    pub examples: Vec<String>,
    /// What most likely helps.
    pub cure: &'a str,
}

/// One model.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Model<'a> {
    /// The model reference.
    pub model: &'a str,
    /// The reference of its base.
    pub tuned_from: Option<&'a str>,
    /// The name under which the same model was asked before, when this is a repeat.
    pub repeat_of: Option<&'a str>,
    /// What it is.
    pub description: Option<&'a str>,
    /// The name of its files, without folder and extension.
    pub file: &'a str,
    /// All rows.
    pub n: u64,
    /// How they came out.
    pub counts: Counts,
    /// The answered share of the rows.
    pub coverage: Option<f64>,
    /// Whether so many were answered that there are scores.
    pub complete: bool,
    /// Why answers were invalid, and how often.
    pub invalid_kinds: &'a BTreeMap<InvalidKind, u64>,
    /// Why answers are missing, and how often.
    pub unanswered_kinds: &'a BTreeMap<UnansweredKind, u64>,
    /// The scores over all labels.
    pub scores: Option<&'a Scores>,
    /// Intervals of some of the scores, by the jackknife over clusters.
    pub intervals: Option<ModelIntervals>,
    /// What the groups of the rows do to the accuracy.
    pub clustered: Option<Clustered>,
    /// What the probabilities of its answers are worth.
    pub calibration: Option<&'a Calibration>,
    /// How long its answers took.
    pub latency: Option<LatencyFigures>,
    /// Tokens of all its answers.
    pub usage: Option<TokenUsage>,
    /// What this run itself paid for the model in dollars; the rest of the cost was paid by earlier runs.
    pub paid_usd: Option<f64>,
    /// The model versions that answered, each with the number of its answers.
    pub answered_by: &'a BTreeMap<String, u64>,
    /// One for each gold label that has rows, in their order.
    pub confusion: Vec<ConfusionRow<'a>>,
}

/// The answers to the rows of one gold label.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ConfusionRow<'a> {
    /// The gold label.
    pub label: &'a str,
    /// How often each label was answered; those never answered are left out.
    pub answers: Vec<AnswerCount<'a>>,
    /// How many answers were invalid.
    pub invalid: u64,
    /// How many rows have no answer.
    pub unanswered: u64,
}

/// How often a label was answered.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AnswerCount<'a> {
    /// The answer.
    pub label: &'a str,
    /// The rows.
    pub rows: u64,
}

/// A base model and a model that was tuned from it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Pair<'a> {
    /// The reference of the base.
    pub base: &'a str,
    /// The reference of the tuned model.
    pub tuned: &'a str,
    /// The compared rows.
    pub n: u64,
    /// How they came out.
    pub rows: Paired,
    /// The figure that decides: `accuracy`, `macro_f1`, `recall:LABEL`, `precision:LABEL` or `cost`.
    pub figure: String,
    /// That figure of base and tuned model.
    pub values: Option<[f64; 2]>,
    /// That of the tuned model minus that of the base.
    pub difference: Option<f64>,
    /// The interval of the difference: that of the test which decides, at the level at which it decides.
    pub difference_interval: Option<Interval>,
    /// The level of that interval.
    pub confidence: Option<f64>,
    /// The same interval, where some clusters have more than one row or answer.
    pub clustered_difference: Option<Interval>,
    /// The clusters of the compared rows: the unit of the decision.
    pub clusters: u64,
    /// How many times they raise the variance of the difference.
    pub design_effect: Option<f64>,
    /// How often base and tuned model were asked.
    pub repeats: [u32; 2],
    /// The two-sided p-value of the test that decides: the score test where the figure is a share of rows, else a t-test over clusters.
    pub score_p: Option<f64>,
    /// The exact two-sided p-value of McNemar's test, where clusters are rows; no verdict goes by it.
    pub mcnemar_p: Option<f64>,
    /// Its mid-p-value.
    pub mcnemar_mid_p: Option<f64>,
    /// The same, adjusted by Holm's method for the number of comparisons: what the verdict goes by.
    pub holm_p: Option<f64>,
    /// Macro-F1 of both over the compared rows.
    pub macro_f1: Option<PairedMetric>,
    /// Whether the tuned model is no worse by the margin, where one is set.
    pub non_inferiority: Option<NonInferiority>,
    /// What so many rows can prove, and how many would decide.
    pub power: Option<Power>,
    /// How likely a gain is, with nothing known before; no verdict goes by it.
    pub chances: Option<Chances>,
    /// How many times the rows of a single look a proof takes, where the test allows for many looks.
    pub price: Option<f64>,
    /// What follows.
    pub verdict: Verdict,
    /// The answers that are missing.
    pub missing: u64,
    /// What the answered rows prove, where the missing answers could turn it.
    pub withheld: Option<Verdict>,
    /// What would follow if unreadable answers had been right, where that is something else.
    pub if_read: Option<IfRead>,
    /// What would follow without the rows whose gold label is in doubt, where that is something else.
    pub without_doubted: Option<WithoutDoubted>,
    /// How far trainings with different seeds lie apart, where there are several.
    pub seeds: Option<&'a SeedSpread>,
}

/// A reason to be careful.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DoubtText {
    /// The word for its kind.
    pub kind: &'static str,
    /// What is the matter.
    pub message: String,
    /// What to do about it.
    pub advice: &'static str,
}

impl<'a> Summary<'a> {
    /// Collects the figures; none is computed here.
    pub fn new(report: &'a Report) -> Self {
        let manifest = &report.run.manifest;
        let Decision { headline, candidates } = Decision::of(report);
        let unreadable = super::unreadable::models(report).into_iter().map(|one| UnreadableModel {
            model: one.model,
            unreadable: one.unreadable,
            answered: one.answered,
            examples: one.examples,
            cure: one.cure,
        });
        Self {
            format_version: SUMMARY_VERSION,
            tool_version: &manifest.tool_version,
            started: &manifest.started,
            finished: manifest.finished.as_deref(),
            complete: manifest.complete,
            ended_by: manifest.ended_by.as_deref(),
            min_coverage: manifest.min_coverage,
            margin: manifest.margin,
            confidence: CONFIDENCE,
            headline,
            candidates,
            unreadable: unreadable.collect(),
            labels: manifest.labels.names(),
            models: report.figures.models.iter().map(|figures| model(report, figures)).collect(),
            comparisons: report.figures.comparisons.iter().map(pair).collect(),
            slices: &report.figures.slices,
            repeats: &report.figures.repeats,
            doubts: doubts(report),
        }
    }

    /// The text: indented, fields in a fixed order, a line break at the end.
    pub fn to_json(&self) -> String {
        // Only a map with keys that are no strings or a failing writer could make this fail; there are none.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

fn model<'a>(report: &'a Report, figures: &'a ModelFigures) -> Model<'a> {
    Model {
        model: &figures.model,
        tuned_from: figures.tuned_from.as_deref(),
        repeat_of: figures.repeat_of.as_deref(),
        description: figures.description.as_deref(),
        file: &figures.file,
        n: figures.counts().rows(),
        counts: figures.counts(),
        coverage: figures.counts().coverage(),
        complete: figures.scores.is_some(),
        invalid_kinds: &figures.invalid,
        unanswered_kinds: &figures.unanswered,
        scores: figures.scores.as_ref(),
        intervals: figures.intervals,
        clustered: figures.clustered,
        calibration: figures.calibration.as_ref(),
        latency: figures.latency,
        usage: figures.usage,
        paid_usd: report.run.manifest.model(&figures.model).and_then(|record| record.paid_usd),
        answered_by: &figures.answered_by,
        confusion: confusion(report, figures),
    }
}

fn confusion<'a>(report: &'a Report, figures: &ModelFigures) -> Vec<ConfusionRow<'a>> {
    let labels = report.run.labels();
    let confusion = &figures.confusion;
    let mut cells = confusion.cells().peekable();
    let mut rows = Vec::new();
    for (gold, name) in labels.iter() {
        let mut answers = Vec::new();
        while let Some((_, answer, rows)) = cells.next_if(|cell| cell.0 == gold) {
            answers.push(AnswerCount { label: labels.name(answer), rows });
        }
        let (invalid, unanswered) = (confusion.invalid(gold), confusion.unanswered(gold));
        if ClassScores::of(confusion, gold).support + unanswered > 0 {
            rows.push(ConfusionRow { label: name, answers, invalid, unanswered });
        }
    }
    rows
}

pub(super) fn doubts(report: &Report) -> Vec<DoubtText> {
    let text =
        |doubt: &Caveat| DoubtText { kind: doubt.name(), message: doubt.to_string(), advice: doubt.advice() };
    report.figures.doubts.iter().map(text).collect()
}

pub(super) fn pair(comparison: &Comparison) -> Pair<'_> {
    Pair {
        base: &comparison.base,
        tuned: &comparison.tuned,
        n: comparison.paired.compared(),
        rows: comparison.paired,
        figure: comparison.metric.name(),
        values: comparison.values,
        difference: comparison.difference,
        difference_interval: comparison.difference_interval,
        confidence: comparison.confidence,
        clustered_difference: comparison.difference_interval.filter(|_| comparison.has_clusters()),
        clusters: comparison.clusters,
        design_effect: comparison.design_effect,
        repeats: comparison.repeats,
        score_p: comparison.p,
        mcnemar_p: comparison.mcnemar_p,
        mcnemar_mid_p: comparison.mcnemar_mid_p,
        holm_p: comparison.holm_p,
        macro_f1: comparison.macro_f1,
        non_inferiority: comparison.non_inferiority,
        power: comparison.power,
        chances: comparison.chances,
        price: comparison.price,
        verdict: comparison.verdict,
        missing: comparison.missing,
        withheld: comparison.withheld,
        if_read: comparison.if_read,
        without_doubted: comparison.without_doubted,
        seeds: comparison.seeds.as_ref(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{predictions, run};

    #[test]
    fn says_the_same_as_the_other_formats() {
        let run = run(
            &["a", "b", "c"],
            vec![
                ("m", None, predictions("aaabbb", "abbabb")),
                ("t", Some("m"), predictions("aaabbb", "aaabb?")),
            ],
        );
        let report = Report::new(&run);
        let value: Value = serde_json::from_str(&Summary::new(&report).to_json()).unwrap();
        assert_eq!(value["format_version"], 1);
        assert_eq!(value["models"][0]["scores"]["accuracy"], json!(0.5));
        assert_eq!(value["models"][0]["scores"]["classes"][2]["scores"]["precision"], Value::Null);
        assert_eq!(
            value["models"][0]["confusion"][0],
            json!({
                "label": "a",
                "answers": [{ "label": "a", "rows": 1 }, { "label": "b", "rows": 2 }],
                "invalid": 0,
                "unanswered": 0,
            })
        );
        assert_eq!(value["models"][1]["scores"], Value::Null);
        assert_eq!(value["models"][1]["unanswered_kinds"], json!({ "network": 1 }));
        assert_eq!(value["comparisons"][0]["verdict"], "incomplete");
        assert_eq!(value["comparisons"][0]["rows"]["only_tuned"], 3);
        assert_eq!(value["doubts"][0]["kind"], "few_rows");
    }
}
