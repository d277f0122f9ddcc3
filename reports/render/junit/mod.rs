//! JUnit XML: a case for each model and each comparison, for the test page of a CI service.

mod document;

pub use document::{Case, Document, Reason, Status, Suite};

use super::{Renderer, evidence, outcome_words, verdict_phrase};
use crate::{Caveat, Comparison, ModelFigures, Report, Verdict};

/// The report as JUnit XML.
///
/// A run that was cut short, or joined from too few parts, has an error of its own. A model passes when it was measured, and is an error when too few of its rows were answered. A comparison passes
/// when the tuned model is better or no worse, fails when it is worse, is skipped when nothing is proven, and is an error
/// when too few rows were answered by both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JUnit;

impl Renderer for JUnit {
    fn name(&self) -> &'static str {
        "junit"
    }

    fn extension(&self) -> &'static str {
        "xml"
    }

    fn about(&self) -> &'static str {
        "JUnit XML, a case for each model and each comparison"
    }

    fn render(&self, report: &Report) -> Vec<u8> {
        let manifest = &report.run.manifest;
        let suite = |name: &str, cases| Suite {
            name: name.to_owned(),
            timestamp: Some(manifest.started.clone()),
            properties: vec![("tool_version".to_owned(), manifest.tool_version.clone())],
            cases,
            output: None,
        };
        let models = report.figures.models.iter().map(model).collect();
        let mut comparisons =
            suite("comparisons", report.figures.comparisons.iter().map(comparison).collect());
        let doubts: Vec<_> = report.figures.doubts.iter().map(|d| format!("{d} {}", d.advice())).collect();
        comparisons.output = (!doubts.is_empty()).then(|| doubts.join("\n"));
        let mut suites = vec![suite("models", models), comparisons];
        if !manifest.complete {
            suites.insert(0, suite("run", vec![incomplete(&report.figures.doubts)]));
        }
        Document { name: "tunebench".to_owned(), suites }.to_xml().into_bytes()
    }
}

/// The case of a run that is not complete: whatever was measured, it must not look green.
fn incomplete(doubts: &[Caveat]) -> Case {
    let why = doubts
        .iter()
        .find(|doubt| matches!(doubt, Caveat::RunCutShort { .. } | Caveat::ShardsMissing { .. }));
    let message = why.map_or_else(|| "The run is not complete.".to_owned(), ToString::to_string);
    let text = why.map_or("", Caveat::advice).to_owned();
    let reason = Reason { kind: "incomplete".to_owned(), message, text };
    Case::new("tunebench.run", "complete", Status::Error(reason))
}

fn model(figures: &ModelFigures) -> Case {
    let counts = figures.counts();
    let mut properties = vec![
        ("rows".to_owned(), counts.rows().to_string()),
        ("answered".to_owned(), counts.answered().to_string()),
        ("invalid".to_owned(), counts.invalid.to_string()),
    ];
    let status = match &figures.scores {
        Some(scores) => {
            let interval = scores.accuracy_interval;
            let numbers = [
                ("accuracy", scores.accuracy),
                ("accuracy_low", interval.map(|interval| interval.low)),
                ("accuracy_high", interval.map(|interval| interval.high)),
                ("macro_f1", scores.macro_average.f1),
            ];
            properties.extend(known(&numbers));
            Status::Passed
        }
        None => Status::Error(Reason {
            kind: "incomplete".to_owned(),
            message: format!("only {} of {} rows were answered", counts.answered(), counts.rows()),
            text: String::new(),
        }),
    };
    Case { properties, ..Case::new("tunebench.models", &figures.model, status) }
}

fn comparison(comparison: &Comparison) -> Case {
    let reason = || Reason {
        kind: comparison.verdict.name().to_owned(),
        message: format!("{}: {}", verdict_phrase(comparison), evidence(comparison)),
        text: outcome_words(&comparison.paired),
    };
    let status = match comparison.verdict {
        Verdict::Better | Verdict::NoWorse => Status::Passed,
        Verdict::Worse => Status::Failed(reason()),
        Verdict::NotProven => Status::Skipped(reason()),
        Verdict::Incomplete | Verdict::Unreadable => Status::Error(reason()),
    };
    let interval = comparison.difference_interval;
    let mut properties = vec![("verdict".to_owned(), comparison.verdict.name().to_owned())];
    properties.extend(known(&[
        ("difference", comparison.difference),
        ("difference_low", interval.map(|interval| interval.low)),
        ("difference_high", interval.map(|interval| interval.high)),
        ("mcnemar_p", comparison.mcnemar_p),
        ("score_p", comparison.p),
        ("holm_p", comparison.holm_p),
    ]));
    let name = format!("{} against {}", comparison.tuned, comparison.base);
    Case { properties, ..Case::new("tunebench.comparisons", name, status) }
}

/// Those of the figures that are defined, with all their digits.
fn known(figures: &[(&str, Option<f64>)]) -> Vec<(String, String)> {
    let known = figures.iter().filter(|(_, figure)| figure.is_some());
    known.map(|(name, figure)| ((*name).to_owned(), super::csv::number(*figure))).collect()
}
