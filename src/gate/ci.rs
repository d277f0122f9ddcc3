//! What CI systems and people read of a gate: pure functions from a verdict to text.

use serde::Serialize;
use serde_json::json;
use tunebench_data::ExampleId;
use tunebench_reports::Answer;
use tunebench_reports::render::clean;
use tunebench_reports::render::junit::{Case, Document, Reason, Status, Suite};
use tunebench_reports::render::markdown::{code, sentence};

use super::checks::{Checked, Judgement, Outcome};

/// By this line a program finds the comment that it wrote before.
pub const MARKER: &str = "<!-- tunebench:gate -->";
/// Rows that are shown to people, for each model.
const SHOWN: usize = 20;

/// A row that the baseline got right and the model does not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Regressed {
    /// The model.
    pub model: String,
    /// The row, as it is written in files of predictions.
    pub id: String,
    /// Its gold label.
    pub gold: String,
    /// The label that was answered; none where the answer names none.
    pub answered: Option<String>,
    /// Why it names none.
    pub invalid: Option<&'static str>,
}

impl Regressed {
    /// A row, with the answer as text.
    pub fn new<'a>(
        model: &str,
        id: ExampleId,
        gold: &str,
        answer: Answer,
        name: impl Fn(tunebench_data::LabelId) -> &'a str,
    ) -> Self {
        let invalid = match answer {
            Answer::Invalid(kind) => Some(kind.name()),
            Answer::Unanswered(kind) => Some(kind.name()),
            Answer::Label(_) => None,
        };
        let answered = answer.label().map(|label| name(label).to_owned());
        Self { model: model.to_owned(), id: id.to_string(), gold: gold.to_owned(), answered, invalid }
    }

    fn what(&self) -> String {
        match (&self.answered, self.invalid) {
            (Some(label), _) => format!("answered {label}"),
            (None, Some(kind)) => format!("gave an invalid answer ({kind})"),
            (None, None) => "gave no answer".to_owned(),
        }
    }
}

/// A gate that was judged, to be told of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GateReport {
    /// How it came out.
    #[serde(flatten)]
    pub judgement: Judgement,
    /// The exit code of the command.
    pub exit_code: u8,
    /// What a reader should know besides, such as that the prompt is another one.
    pub notes: Vec<String>,
    /// The rows that the baseline got right and a model does not, all of them.
    pub regressed: Vec<Regressed>,
}

impl GateReport {
    /// The headline.
    pub fn headline(&self) -> String {
        let checks = &self.judgement.checks;
        let bad = checks.iter().filter(|check| check.outcome == self.judgement.outcome).count();
        match self.judgement.outcome {
            Outcome::Passed => format!("Gate passed: {} checks", checks.len()),
            outcome => format!("Gate {}: {bad} of {} checks", outcome.name(), checks.len()),
        }
    }

    /// How many checks were adjusted for, where there were several.
    fn adjusted(&self) -> Option<String> {
        let alarms = self.judgement.alarms;
        (alarms > 1).then(|| {
            format!("The {alarms} tests against the baseline are judged together: their p-values are adjusted by Holm's method.")
        })
    }

    /// For people: on a terminal and in a log.
    pub fn text(&self) -> String {
        let mut text = self.headline();
        let mut model = None;
        for check in &self.judgement.checks {
            if model != Some(&check.model) {
                model = Some(&check.model);
                text.push_str(&format!("\n\n {}\n", clean(&check.model)));
            } else {
                text.push('\n');
            }
            let (outcome, name, evidence) =
                (check.outcome.name(), clean(&check.check), clean(&check.evidence));
            text.push_str(&format!("   {outcome:<12} {name}: {evidence}"));
        }
        text.push('\n');
        for line in self.adjusted().iter().chain(&self.notes) {
            text.push_str(&format!("\n {}", clean(line)));
        }
        text
    }

    /// For a comment on a pull request or merge request.
    pub fn markdown(&self) -> String {
        let mut page = format!(
            "{MARKER}\n### {}\n\n| Model | Check | Outcome | Evidence |\n| --- | --- | --- | --- |\n",
            self.headline()
        );
        for Checked { model, check, outcome, evidence, .. } in &self.judgement.checks {
            let outcome = match outcome {
                Outcome::Passed => outcome.name().to_owned(),
                _ => format!("**{}**", outcome.name()),
            };
            page.push_str(&format!(
                "| {} | {} | {outcome} | {} |\n",
                code(model),
                code(check),
                sentence(evidence)
            ));
        }
        for line in self.adjusted().iter().chain(&self.notes) {
            page.push_str(&format!("\n{}\n", sentence(line)));
        }
        if !self.regressed.is_empty() {
            let (rows, shown) = (self.regressed.len(), self.regressed.len().min(SHOWN));
            page.push_str(&format!("\n<details><summary>Right in the baseline, wrong now: {rows} rows, {shown} shown</summary>\n\n"));
            page.push_str("| Row | Gold label | Answer | Model |\n| --- | --- | --- | --- |\n");
            for row in &self.regressed[..shown] {
                let answer = row.answered.as_deref().map_or_else(|| sentence(&row.what()), code);
                page.push_str(&format!(
                    "| {} | {} | {answer} | {} |\n",
                    code(&row.id),
                    code(&row.gold),
                    code(&row.model)
                ));
            }
            page.push_str("\n</details>\n");
        }
        page
    }

    /// For machines.
    pub fn json(&self) -> String {
        // Plain data with string keys.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// For everything that reads JUnit; a case for each check and, if wanted, one for each row that got worse.
    pub fn junit(&self, examples: bool) -> String {
        let mut document = Document { name: "tunebench gate".to_owned(), suites: Vec::new() };
        for check in &self.judgement.checks {
            if document.suites.last().is_none_or(|suite| suite.name != check.model) {
                document.suites.push(Suite { name: check.model.clone(), ..Suite::default() });
            }
            let class = format!("gate.{}", check.model);
            let mut case = Case::new(class, &check.check, status(check));
            case.output = (check.outcome == Outcome::Passed).then(|| check.evidence.clone());
            document.suites.last_mut().into_iter().for_each(|suite| suite.cases.push(case.clone()));
        }
        for row in self.regressed.iter().filter(|_| examples) {
            let name = format!("{} (rows)", row.model);
            if document.suites.last().is_none_or(|suite| suite.name != name) {
                document.suites.push(Suite { name, ..Suite::default() });
            }
            let message = format!("gold label {}, {}", row.gold, row.what());
            let reason = Reason { kind: "regressed".to_owned(), message, text: String::new() };
            // A single row is no reason for a red job: that is what the checks are for.
            let case = Case::new(format!("rows.{}", row.model), &row.id, Status::Skipped(reason));
            document.suites.last_mut().into_iter().for_each(|suite| suite.cases.push(case.clone()));
        }
        document.to_xml()
    }

    /// For GitHub's log: a line for each check that did not pass. `file` is where they are shown.
    pub fn annotations(&self, file: &str) -> Vec<String> {
        let bad = self.judgement.checks.iter().filter(|check| check.outcome != Outcome::Passed);
        bad.map(|check| {
            let title = format!("tunebench gate {}: {}", check.outcome.name(), check.check);
            let message = format!("{}: {}", check.model, check.evidence);
            format!("::error file={},title={}::{}", property(file), property(&title), data(&message))
        })
        .collect()
    }

    /// For GitLab's code quality report: an issue for each check that did not pass.
    pub fn code_quality(&self, file: &str) -> String {
        let bad = self.judgement.checks.iter().filter(|check| check.outcome != Outcome::Passed);
        let issues: Vec<_> = bad
            .map(|check| {
                json!({
                    "description": format!("{}: {} {}: {}", check.model, check.check, check.outcome.name(), check.evidence),
                    "check_name": format!("tunebench-gate/{}", check.check),
                    // The same check of the same model is the same issue in the next pipeline.
                    "fingerprint": ExampleId::of(&check.model, &check.check, 0).to_string(),
                    "severity": if check.outcome == Outcome::Failed { "critical" } else { "major" },
                    "location": { "path": file, "lines": { "begin": 1 } },
                })
            })
            .collect();
        serde_json::to_string_pretty(&issues).unwrap_or_default()
    }
}

fn status(check: &Checked) -> Status {
    let message = check.evidence.clone();
    let reason = Reason { kind: check.outcome.name().to_owned(), message, text: check.evidence.clone() };
    match check.outcome {
        Outcome::Passed => Status::Passed,
        Outcome::Failed => Status::Failed(reason),
        // Whatever is not measured must not look green.
        Outcome::Incomplete | Outcome::Inconclusive => Status::Error(reason),
    }
}

/// The text of a workflow command, as GitHub's own toolkit escapes it (`packages/core/src/command.ts`).
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a workflow command, likewise.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_does_not_leave_its_place() {
        let check = Checked {
            model: "m\n::set-output name=x::y".to_owned(),
            check: "recall:a,b|c%".to_owned(),
            outcome: Outcome::Failed,
            evidence: "50.0 %\r\n<script>".to_owned(),
            p: None,
            holm_p: None,
            rows_to_decide: None,
        };
        let judgement = Judgement { outcome: Outcome::Failed, checks: vec![check], alarms: 0 };
        let told = GateReport { judgement, exit_code: 1, notes: Vec::new(), regressed: Vec::new() };
        let line = "::error file=a%3Ab.toml,title=tunebench gate failed%3A recall%3Aa%2Cb|c%25\
                    ::m%0A::set-output name=x::y: 50.0 %25%0D%0A<script>";
        assert_eq!(told.annotations("a:b.toml"), [line]);
        let markdown = told.markdown();
        assert!(
            markdown.starts_with("<!-- tunebench:gate -->\n### Gate failed: 1 of 1 checks\n"),
            "{markdown}"
        );
        assert!(!markdown.contains("<script>") && !markdown.contains("\n::"), "{markdown}");
        assert!(!told.text().contains("\n::"));
    }
}
