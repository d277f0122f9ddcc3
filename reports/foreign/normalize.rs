//! From what a tool tells of each row to a run: labels discovered, answers read, rows named by their content.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;
use tunebench_data::{AnswerError, ExampleId, LabelId, LabelSet, Prompt, PromptTemplate};

use super::{Foreign, ForeignError, Tool};
use crate::{
    Answer, Clustering, DEFAULT_MIN_COVERAGE, Evaluation, InvalidKind, Latency, MANIFEST_VERSION, Manifest,
    ModelRecord, Prediction, Predictions, Run, UnansweredKind, slugs,
};

/// The longest gold answer that is still taken for a label, in characters.
const LONGEST_LABEL: usize = 200;

/// From so many rows on, so large a share of gold answers that differ is taken for free text.
const FREE_TEXT: (usize, f64) = (100, 0.75);

/// Fields that hold the text to classify, by the names that people give them, the most usual first.
const TEXT_FIELDS: [&str; 8] =
    ["text", "input", "message", "sentence", "question", "query", "content", "prompt"];

/// A row, as a tool tells it.
pub(super) struct Row {
    /// The gold label.
    pub(super) gold: String,
    /// The text, where it is there and no doubt about which it is.
    pub(super) text: Option<String>,
    /// The tool's own name of the row, the same in all of its files on the same data.
    pub(super) key: String,
    /// What came of it.
    pub(super) said: Said,
    /// How long the model took.
    pub(super) latency: Option<Latency>,
}

/// What a model said, as its tool judged it.
pub(super) enum Said {
    /// The gold label.
    Right,
    /// Something else. Why it is no label, where the tool knows.
    Wrong(String, Option<InvalidKind>),
    /// Nothing.
    Nothing(UnansweredKind),
}

/// Gathers the rows of all models of a file.
pub(super) struct Rows {
    tool: Tool,
    models: Vec<String>,
    rows: Vec<(usize, Row)>,
    labels: BTreeSet<String>,
    /// Whether a wrong answer that has the form of a label is one, though no row has it as its gold label.
    answers_are_labels: bool,
}

/// How a run was made, as far as the tool tells.
pub(super) struct Origin {
    /// The tool's version, where it is told.
    pub(super) version: Option<String>,
    /// When it began, in RFC 3339.
    pub(super) started: Option<String>,
    /// Whether it came to its end.
    pub(super) complete: bool,
}

impl Rows {
    pub(super) fn new(tool: Tool) -> Self {
        Self {
            tool,
            models: Vec::new(),
            rows: Vec::new(),
            labels: BTreeSet::new(),
            answers_are_labels: false,
        }
    }

    /// Adds labels that may have no row.
    pub(super) fn allow(&mut self, labels: &[String]) {
        self.labels.extend(labels.iter().map(|label| label.trim().to_owned()));
    }

    /// Takes wrong answers that have the form of a label for labels: the tool has found them in what was said.
    pub(super) fn answers_are_labels(&mut self) {
        self.answers_are_labels = true;
    }

    /// Adds a row of a model; `place` names the record in messages.
    pub(super) fn add(
        &mut self,
        model: &str,
        row: Row,
        place: impl Fn() -> String,
    ) -> Result<(), ForeignError> {
        let gold = row.gold.trim();
        if gold.is_empty() {
            return Err(self.record(place(), "the gold label is empty"));
        }
        if gold.chars().any(char::is_control) || gold.chars().nth(LONGEST_LABEL).is_some() {
            let start: String = gold.chars().take(40).collect();
            let reason =
                format!("{}: the gold answer `{}…` is free text, not a label", place(), start.escape_debug());
            return Err(ForeignError::Task { tool: self.tool, reason });
        }
        if !self.labels.contains(gold) {
            self.labels.insert(gold.to_owned());
        }
        let model = self.models.iter().position(|known| known == model).unwrap_or_else(|| {
            self.models.push(model.to_owned());
            self.models.len() - 1
        });
        self.rows.push((model, Row { gold: gold.to_owned(), ..row }));
        Ok(())
    }

    pub(super) fn record(&self, place: String, problem: impl Into<String>) -> ForeignError {
        ForeignError::Record { tool: self.tool, place, problem: problem.into() }
    }

    /// Makes the run.
    pub(super) fn finish(self, origin: Origin) -> Result<Foreign, ForeignError> {
        let Self { tool, models, rows, labels, answers_are_labels } = self;
        let task = |reason: String| ForeignError::Task { tool, reason };
        let golds: HashSet<&str> = rows.iter().map(|(_, row)| row.gold.as_str()).collect();
        let first = rows.iter().filter(|(model, _)| *model == 0).count();
        if first >= FREE_TEXT.0 && golds.len() as f64 > FREE_TEXT.1 * first as f64 {
            return Err(task(format!("{first} rows have {} different gold answers", golds.len())));
        }
        let mut labels =
            LabelSet::new(labels.into_iter().collect()).map_err(|error| task(error.to_string()))?;
        if answers_are_labels {
            labels = with_answered(labels, rows.iter().map(|(_, row)| &row.said));
        }
        let reader = Reader::new(&labels);
        let mut texts = BTreeMap::new();
        let mut seen = vec![HashMap::new(); models.len()];
        let mut predictions = vec![Predictions::default(); models.len()];
        let mut clusterings: Vec<_> = models.iter().map(|_| Clustering::default()).collect();
        for (model, row) in rows {
            let gold = labels.get(&row.gold).expect("every gold label was put into the set");
            let content = match &row.text {
                Some(text) => ExampleId::of(text, &row.gold, 0),
                None => ExampleId::of(&row.key, "", 0),
            };
            let repetition: &mut u32 = seen[model].entry(content).or_default();
            let id = match &row.text {
                Some(text) => ExampleId::of(text, &row.gold, *repetition),
                None if *repetition > 0 => {
                    let problem = format!("duplicate for the model `{}`, without a text", models[model]);
                    return Err(ForeignError::Record { tool, place: row.key, problem });
                }
                None => content,
            };
            *repetition += 1;
            let answer = reader.answer(gold, &row.said);
            match &row.text {
                Some(text) => clusterings[model].push(None, text),
                None => clusterings[model].push_group(None),
            }
            predictions[model].push(Prediction {
                id,
                gold,
                answer,
                probability: None,
                gold_probability: None,
                latency: row.latency,
            });
            texts.extend(row.text.map(|text| (id, text)));
        }
        let manifest = manifest(tool, origin, labels, &models);
        let evaluations = models.into_iter().zip(predictions).zip(clusterings);
        let evaluations = evaluations.map(|((model, predictions), clustering)| Evaluation {
            model,
            tuned_from: None,
            predictions,
            clusters: clustering.finish().map(Arc::new),
            slices: None,
        });
        Ok(Foreign { tool, run: Run { manifest, evaluations: evaluations.collect() }, texts })
    }
}

/// The labels, and those wrong answers that have their form: one line of no more words than the longest label.
fn with_answered<'a>(labels: LabelSet, said: impl Iterator<Item = &'a Said>) -> LabelSet {
    let reader = Reader::new(&labels);
    let words = |text: &str| text.split_whitespace().count();
    let longest = labels.names().iter().map(|label| words(label)).max().unwrap_or_default();
    let mut all: Vec<String> = labels.names().iter().map(ToString::to_string).collect();
    let mut known: HashSet<String> = HashSet::new();
    for one in said {
        let Said::Wrong(text, None) = one else { continue };
        let answer = text.trim();
        let has_form = (1..=longest).contains(&words(answer))
            && !answer.chars().any(char::is_control)
            && answer.chars().nth(LONGEST_LABEL).is_none();
        if has_form
            && reader.read(answer) == Err(AnswerError::NoLabel)
            // One label in two spellings is one.
            && known.insert(answer.to_lowercase())
        {
            all.push(answer.to_owned());
        }
    }
    all.sort_unstable();
    LabelSet::new(all).unwrap_or(labels)
}

fn manifest(tool: Tool, origin: Origin, labels: LabelSet, models: &[String]) -> Manifest {
    let version = origin.version.map_or_else(|| tool.to_string(), |version| format!("{tool} {version}"));
    let record = |(model, file): (&String, String)| ModelRecord {
        model: model.clone(),
        tuned_from: None,
        repeat_of: None,
        earlier: None,
        seed_of: None,
        file,
        asked: None,
        prompt_sha256: None,
        description: Some(format!("measured by {version}")),
        answered_by: BTreeMap::new(),
        usage: None,
        paid_usd: None,
        rows: None,
        job_id: None,
        hyperparameters: Value::Null,
    };
    Manifest {
        texts: true,
        rendered_prompts: Default::default(),
        models: models.iter().zip(slugs(models)).map(record).collect(),
        format_version: MANIFEST_VERSION,
        started: origin.started.unwrap_or_default(),
        finished: None,
        complete: origin.complete,
        ended_by: None,
        min_coverage: DEFAULT_MIN_COVERAGE,
        against: None,
        primary: None,
        costs: None,
        any_time: false,
        margin: None,
        max_unreadable: crate::MAX_UNREADABLE,
        shard: None,
        missing_shards: Vec::new(),
        seed: 0,
        data: Vec::new(),
        overlap: None,
        doubted: Vec::new(),
        labels,
        prompt: Value::Null,
        tool_version: version,
    }
}

/// Reads wrong answers as our own runs read theirs.
struct Reader {
    labels: LabelSet,
    /// None where a label could be mistaken for a tag; then labels are known letter for letter only.
    prompt: Option<Prompt>,
}

impl Reader {
    fn new(labels: &LabelSet) -> Self {
        let prompt = Prompt::new(PromptTemplate::default(), labels.clone()).ok();
        Self { labels: labels.clone(), prompt }
    }

    fn read(&self, text: &str) -> Result<LabelId, AnswerError> {
        match &self.prompt {
            Some(prompt) => prompt.parse(text),
            None => self.labels.get(text.trim()).ok_or(AnswerError::NoLabel),
        }
    }

    fn answer(&self, gold: LabelId, said: &Said) -> Answer {
        let (text, reason) = match said {
            Said::Right => return Answer::Label(gold),
            Said::Nothing(kind) => return Answer::Unanswered(*kind),
            Said::Wrong(text, reason) => (text, *reason),
        };
        match self.read(text) {
            Ok(label) if label != gold => Answer::Label(label),
            // Read by our more lenient rules it would be right, but the tool has judged.
            Ok(_) => Answer::Invalid(InvalidKind::NoLabel),
            Err(error) => Answer::Invalid(reason.unwrap_or(match error {
                AnswerError::Empty => InvalidKind::Empty,
                AnswerError::Ambiguous => InvalidKind::Ambiguous,
                AnswerError::Unfinished => InvalidKind::Truncated,
                _ => InvalidKind::NoLabel,
            })),
        }
    }
}

/// The field that holds the text to classify: the only one besides the gold label, else the one with a usual name.
pub(super) fn text_among<'a>(
    fields: impl IntoIterator<Item = (&'a String, &'a Value)>,
    gold: &str,
) -> Option<String> {
    let fields: Vec<(&str, &str)> = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
        .filter(|(_, value)| value.trim() != gold.trim() && !value.trim().is_empty())
        .collect();
    let usual = || TEXT_FIELDS.iter().find_map(|name| fields.iter().find(|(field, _)| field == name));
    match &fields[..] {
        [(_, text)] => Some((*text).to_owned()),
        _ => usual().map(|(_, text)| (*text).to_owned()),
    }
}

/// A word, a number or a truth value, as it would stand in a text.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
