//! The search for likely label errors: what the embedded classifier says of rows that it has not learned.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

use tunebench_data::doctor::{Check, Diagnosis, Files, Finding, JudgedRow, JudgedRows, Role, Rows, Severity};
use tunebench_data::{DataError, ExampleId, LabelSet, PromptTemplate, Source, TestSet};
use tunebench_reports::Run;

use super::DataCheck;
use crate::config::Config;
use crate::error::Error;
use crate::guard;
use crate::project::Project;
use crate::texts;
use crate::whole_file::WholeFile;

/// Bytes of all files times labels, beyond which the search would take more than some twenty seconds of one processor: it
/// goes on only if it is asked for by name.
const MAX_WORK: u64 = 450_000_000;
/// Reading a text takes as long as learning so many labels from it.
const READING: u64 = 50;

/// What the search came to.
#[derive(Debug, Default)]
pub struct LabelErrors {
    /// The rows with what is thought of their labels; nothing where no two labels could be told apart.
    pub judged: Option<JudgedRows>,
    /// Why there was no search.
    pub skipped: Option<Finding>,
}

impl LabelErrors {
    /// What there is to say about it.
    pub fn finding(&self) -> Option<Finding> {
        self.skipped.clone().or_else(|| self.judged.as_ref()?.finding())
    }

    /// The likely errors, the surest first.
    pub fn likely(&self) -> impl Iterator<Item = JudgedRow<'_>> {
        self.judged.iter().flat_map(JudgedRows::likely_errors)
    }

    fn skipped(reason: impl std::fmt::Display, cure: &str) -> Self {
        let skipped = Finding {
            severity: Severity::Note,
            check: Check::LabelErrors,
            reason: format!("no label errors were looked for: {reason}"),
            cure: cure.to_owned(),
            rows: Rows::default(),
        };
        Self { judged: None, skipped: Some(skipped) }
    }
}

impl DataCheck {
    /// Looks for likely label errors in all files, by confident learning from the embedded classifier. Nothing is sent.
    ///
    /// Files that are too large for a quick search are passed over, unless `however_long` it takes.
    pub fn label_errors(&self, diagnosis: &Diagnosis, however_long: bool) -> Result<LabelErrors, Error> {
        let sizes = Role::ALL.into_iter().filter_map(|role| self.source(role)?.path.metadata().ok());
        let bytes: u64 = sizes.map(|file| file.len()).sum();
        let labels = diagnosis.files.iter().map(|file| file.labels).max().unwrap_or(0);
        if !however_long && bytes.saturating_mul(labels + READING) > MAX_WORK {
            let reason = format!("{} MB with {labels} labels take a while", bytes / 1_000_000);
            return Ok(LabelErrors::skipped(reason, "`--label-errors FILE` looks for them all the same"));
        }
        cross_validated(&self.files()).map_err(|error| self.failed(error))
    }

    /// Writes the whole ranking as CSV. The data themselves are never written over.
    pub fn write_label_errors(&self, found: &LabelErrors, path: &Path) -> Result<(), Error> {
        let read = self.sources.iter().flatten().map(|source| source.path.as_path());
        guard::refuse_overwrite(read, [&path.to_owned()])?;
        let rows = found.judged.iter().flat_map(JudgedRows::all);
        let written = WholeFile::create(path).and_then(|file| file.write(|out| write_ranking(rows, out)));
        written.map_err(|error| Error::Output {
            message: format!("`{}` can't be written: {error}", path.display()),
            hint: "name a file in an existing folder".to_owned(),
        })
    }
}

/// A search for test rows whose label is likely wrong, on which a verdict should not depend. It takes longer than all else
/// that a short run computes, and is made where there are two models to compare.
pub(crate) struct LabelDoubts {
    train: Option<Source>,
    test: Source,
    labels: LabelSet,
    template: PromptTemplate,
}

impl LabelDoubts {
    /// In the files of a project.
    pub(crate) fn of(project: &Project) -> Self {
        Self {
            train: project.train_source.clone(),
            test: project.test.source().clone(),
            labels: project.test.labels().clone(),
            template: project.config.prompt.own.template(),
        }
    }

    /// In the test file of earlier results, with the training file of a configuration where there is one.
    fn of_results(test: &TestSet, config: &Path) -> Self {
        let config = Config::read(config).ok();
        let train = config.as_ref().and_then(|(config, document)| {
            Some(config.data.source(document.folder(), config.data.train.as_ref()?))
        });
        Self {
            train: train.filter(|train| train.path.exists()),
            test: test.source().clone(),
            labels: test.labels().clone(),
            template: config.map(|(config, _)| config.prompt.own.template()).unwrap_or_default(),
        }
    }

    /// The lines of these rows. None are looked for where that would take more than a few seconds.
    pub(crate) fn test_lines(&self) -> BTreeSet<u64> {
        let Self { train, test, labels, template } = self;
        let sizes = train.iter().chain([test]).filter_map(|source| source.path.metadata().ok());
        let bytes: u64 = sizes.map(|file| file.len()).sum();
        if bytes.saturating_mul(labels.len() as u64 + READING) > MAX_WORK / 4 {
            return BTreeSet::new();
        }
        let (train, test) = (train.as_ref(), Some(test));
        let files = Files { train, validation: None, test, labels: Some(labels), template };
        // Where no two labels can be told apart, nothing is in doubt.
        let found = cross_validated(&files).unwrap_or_default();
        found.likely().filter(|judged| judged.file == Role::Test).map(|judged| judged.row.line).collect()
    }
}

/// The rows whose gold label is in doubt, for a verdict on models of two runs. A run of ours on several models has looked for them;
/// else it is done now, if the test file of one of the runs is still the same.
pub(crate) fn doubted(runs: [&Run; 2], config: &Path) -> Vec<ExampleId> {
    let is_ours = |run: &Run| !run.manifest.data.is_empty();
    let has_looked =
        |run: &Run| is_ours(run) && (run.evaluations.len() > 1 || !run.manifest.doubted.is_empty());
    if let Some(run) = runs.into_iter().find(|run| has_looked(run)) {
        return run.manifest.doubted.clone();
    }
    let Some(test) = runs.into_iter().find_map(|run| texts::test_set(run, config).ok()) else {
        return Vec::new();
    };
    let lines = LabelDoubts::of_results(&test, config).test_lines();
    let rows = test.examples().into_iter().flatten().flatten();
    rows.filter(|row| lines.contains(&row.line)).map(|row| row.id).collect()
}

#[cfg(feature = "local")]
fn cross_validated(files: &Files<'_>) -> Result<LabelErrors, DataError> {
    cross_validated_by(files, None)
}

/// Gives the vectors of texts, one after the other.
#[cfg(feature = "local")]
pub(super) type VectorsOf<'a> = &'a dyn Fn(&[&str]) -> Vec<f32>;

/// By the n-gram classifier, or by that and an encoder together.
#[cfg(feature = "local")]
pub(super) fn cross_validated_by(
    files: &Files<'_>,
    vectors_of: Option<VectorsOf<'_>>,
) -> Result<LabelErrors, DataError> {
    use tunebench_data::doctor::LabelledRows;
    use tunebench_providers::local::{out_of_fold, out_of_fold_in_meaning};

    let Some(rows) = LabelledRows::read(files)? else { return Ok(LabelErrors::default()) };
    let (texts, labels, set, folds) = (rows.texts(), rows.labels(), rows.label_set(), rows.folds());
    let probabilities = match vectors_of {
        None => out_of_fold(&texts, labels, set, folds).map_err(|error| error.to_string()),
        Some(vectors_of) => out_of_fold_in_meaning(&vectors_of(&texts), &texts, labels, set, folds),
    };
    Ok(match probabilities {
        Ok(probabilities) => LabelErrors { judged: Some(rows.judge(&probabilities)), skipped: None },
        Err(error) => LabelErrors::skipped(error, "nothing need be done"),
    })
}

#[cfg(not(feature = "local"))]
fn cross_validated(_files: &Files<'_>) -> Result<LabelErrors, DataError> {
    let reason = "this program was built without the embedded classifier";
    Ok(LabelErrors::skipped(reason, "build it with the feature `local`"))
}

fn write_ranking<'a>(rows: impl Iterator<Item = JudgedRow<'a>>, out: &mut dyn Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record([
        "file",
        "line",
        "likely_error",
        "label",
        "suggested",
        "probability",
        "self_confidence",
        "normalized_margin",
        "text",
    ])?;
    for JudgedRow { file, row, suggested, judgement } in rows {
        csv.write_record([
            &file.to_string(),
            &row.line.to_string(),
            &judgement.likely_error.to_string(),
            &row.label,
            suggested,
            &judgement.probability.to_string(),
            &judgement.self_confidence.to_string(),
            &judgement.normalized_margin.to_string(),
            &row.text,
        ])?;
    }
    csv.flush()
}
