//! What a command takes for a model that was measured: one of the results at hand, of another folder with results, or of
//! another tool's file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use tunebench_data::ExampleId;
use tunebench_reports::foreign::{self, ForeignError};
use tunebench_reports::{ComparisonSide, Evaluation, Run};

use crate::history;
use crate::results::{Results, ResultsError};
use crate::suggest::did_you_mean;

/// How every SQLite database begins, and so every ledger.
const SQLITE: &[u8] = b"SQLite format 3\0";

/// Why an operand names no model that was measured.
#[derive(Debug, thiserror::Error)]
pub enum OperandError {
    /// There is nothing of this name.
    #[error("`{operand}` is neither a model in `{}` nor a file or folder with results", .results.display())]
    Unknown {
        /// What was asked for.
        operand: String,
        /// The results at hand.
        results: PathBuf,
        /// The models in there.
        models: Vec<String>,
    },
    /// The model is not in the file or folder.
    #[error("there is no model `{model}` in `{}`", .path.display())]
    NoModel {
        /// The file or folder.
        path: PathBuf,
        /// What was asked for.
        model: String,
        /// The models in there.
        models: Vec<String>,
    },
    /// There are several models, and none was named.
    #[error("`{}` has {} models", .path.display(), .models.len())]
    Several {
        /// The file or folder.
        path: PathBuf,
        /// The models in there.
        models: Vec<String>,
    },
    /// A ledger does not know which answers are right.
    #[error("`{}` is a ledger: it keeps answers by what was asked, without texts and gold labels", .0.display())]
    Ledger(PathBuf),
    /// The file is not the results of another tool, or can't be read as such.
    #[error("`{}`: {error}", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: ForeignError,
    },
    /// A results folder can't be read.
    #[error(transparent)]
    Results(#[from] ResultsError),
}

impl OperandError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let list = |models: &[String]| format!("there is {}", quoted(models.iter().map(String::as_str)));
        match self {
            Self::Unknown { operand, models, .. } | Self::NoModel { model: operand, models, .. } => {
                let meant = did_you_mean(operand, models.iter().map(String::as_str));
                meant.or_else(|| (!models.is_empty()).then(|| list(models)))
            }
            Self::Several { path, models } => {
                let named: Vec<_> = models.iter().map(|model| format!("{}:{model}", path.display())).collect();
                Some(format!("name one of them: {}", quoted(named.iter().map(String::as_str))))
            }
            Self::Ledger(_) => Some(
                "evaluate with it, which asks for no answer anew: `tunebench eval --state-dir FOLDER --results DIR`, \
                 FOLDER being where the ledger lies; then compare with `DIR`"
                    .to_owned(),
            ),
            Self::Foreign { error, .. } => error.hint().map(str::to_owned),
            Self::Results(error) => error.hint(),
        }
    }
}

fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A run that was read, whoever made it.
#[derive(Debug)]
pub struct Source {
    /// The run.
    pub run: Run,
    /// The texts of its rows, where they came with it.
    pub texts: BTreeMap<ExampleId, String>,
    /// The folder that it was read from, if it is one of ours.
    pub results: Option<Results>,
}

impl Source {
    /// Those of these texts that are kept with the run.
    pub fn known_texts(&self, wanted: &BTreeSet<ExampleId>) -> BTreeMap<ExampleId, String> {
        match &self.results {
            Some(results) => results.texts(wanted),
            None => self.texts.clone(),
        }
    }
}

/// A model that was measured.
#[derive(Debug, Clone)]
pub struct Measured {
    /// The run that it is in.
    pub source: Rc<Source>,
    at: usize,
}

impl Measured {
    /// The model's rows.
    pub fn evaluation(&self) -> &Evaluation {
        &self.source.run.evaluations[self.at]
    }

    /// The model as one side of a comparison, under this name.
    pub(super) fn side<'a>(&'a self, name: &'a str) -> ComparisonSide<'a> {
        ComparisonSide { name, run: &self.source.run, evaluation: self.evaluation() }
    }
}

/// Reads another tool's file.
pub fn read_foreign(path: &Path) -> Result<Source, OperandError> {
    let bytes = fs_err::read(path).map_err(ResultsError::from)?;
    // lm-eval puts the samples of a model into a folder with the model's name.
    let folder = path.parent().and_then(Path::file_name).or_else(|| path.file_stem());
    let name = folder.map_or_else(|| "model".into(), |name| name.to_string_lossy());
    let foreign = foreign::read(&bytes, &name)
        .map_err(|error| OperandError::Foreign { path: path.to_owned(), error })?;
    Ok(Source { run: foreign.run, texts: foreign.texts, results: None })
}

/// Finds models by what the user calls them; what was read once is not read again.
#[derive(Debug)]
pub struct Finder {
    results: PathBuf,
    read: BTreeMap<PathBuf, Rc<Source>>,
}

impl Finder {
    /// `results` is the folder in which a plain model reference is looked for.
    pub fn new(results: &Path) -> Self {
        Self { results: results.to_owned(), read: BTreeMap::new() }
    }

    /// Finds `MODEL` in the results at hand, or else `PATH` or `PATH:MODEL`.
    pub fn find(&mut self, operand: &str) -> Result<Measured, OperandError> {
        let results = self.results.clone();
        let at_hand = self.read(&results);
        if let Ok(source) = &at_hand
            && let Some(at) = position(source, operand)
        {
            return Ok(Measured { source: source.clone(), at });
        }
        let Some((path, model)) = split(operand).or_else(|| of_run(&self.results, operand)) else {
            return match at_hand {
                Ok(source) => Err(OperandError::Unknown {
                    operand: operand.to_owned(),
                    results,
                    models: models(&source),
                }),
                Err(OperandError::Results(ResultsError::None(_))) => {
                    Err(OperandError::Unknown { operand: operand.to_owned(), results, models: Vec::new() })
                }
                Err(other) => Err(other),
            };
        };
        let source = self.read(&path)?;
        let at = match (model, &source.run.evaluations[..]) {
            (Some(model), _) => position(&source, model).ok_or_else(|| OperandError::NoModel {
                path,
                model: model.to_owned(),
                models: models(&source),
            })?,
            (None, [_]) => 0,
            (None, _) => return Err(OperandError::Several { path, models: models(&source) }),
        };
        Ok(Measured { source, at })
    }

    fn read(&mut self, path: &Path) -> Result<Rc<Source>, OperandError> {
        if let Some(source) = self.read.get(path) {
            return Ok(source.clone());
        }
        let source = if path.is_file() {
            if is_sqlite(path) {
                return Err(OperandError::Ledger(path.to_owned()));
            }
            read_foreign(path)?
        } else {
            let results = Results::open(path)?;
            Source { run: results.read()?, texts: BTreeMap::new(), results: Some(results) }
        };
        let source = Rc::new(source);
        self.read.insert(path.to_owned(), source.clone());
        Ok(source)
    }
}

/// The folder of an earlier run, and what follows its id.
fn of_run<'a>(results: &Path, operand: &'a str) -> Option<(PathBuf, Option<&'a str>)> {
    let (id, model) = operand.split_once(':').map_or((operand, None), |(id, model)| (id, Some(model)));
    Some((history::find(results, id)?.folder, model))
}

/// The longest part before a colon that is a path, and what follows. A model reference may hold colons itself.
fn split(operand: &str) -> Option<(PathBuf, Option<&str>)> {
    let whole = Path::new(operand);
    if whole.exists() {
        return Some((whole.to_owned(), None));
    }
    let mut colons = operand.rmatch_indices(':').map(|(at, _)| (&operand[..at], &operand[at + 1..]));
    let (path, model) = colons.find(|(path, _)| !path.is_empty() && Path::new(path).exists())?;
    Some((path.into(), Some(model)))
}

fn position(source: &Source, model: &str) -> Option<usize> {
    source.run.evaluations.iter().position(|evaluation| evaluation.model == model)
}

fn models(source: &Source) -> Vec<String> {
    source.run.evaluations.iter().map(|evaluation| evaluation.model.clone()).collect()
}

fn is_sqlite(path: &Path) -> bool {
    let mut start = [0; SQLITE.len()];
    File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == SQLITE
}
