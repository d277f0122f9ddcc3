//! The results folder of a run: what is written there, and how it is read back.
//!
//! ```text
//! manifest.json            how the run was made; written last, so that a folder with a manifest is whole
//! report.html              the report as a page
//! report.md                the report for a pull request
//! summary.json             all figures, for programs
//! summary.csv              a row for each model
//! per_class.csv            a row for each model and label
//! comparisons.csv          a row for each fine-tuned model against its base
//! slices.csv               a row for each part of the rows and each model
//! confusion/MODEL.csv      gold labels down, answers across
//! predictions/MODEL.csv    a row for each example; all other figures are made from these
//! losses/MODEL.csv         a row for each training step of a fine-tuned model, where its provider tells
//! texts.csv                the texts of the rows, so that the page can be made again anywhere
//! report-rows/             the rows for the page, where they are too many to stand in it
//! against.html             the page of this run beside an earlier one, where it was asked for, and its rows likewise
//! runs/ID/                 earlier runs, with the same files; see [`history`]
//! ```

pub mod history;
#[cfg(feature = "parquet")]
mod parquet;
mod rows;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::evaluate::KeptRows;
use tunebench_reports::render::Renderer;
use tunebench_reports::render::csv::{self, Details, DetailsReader, ReadError};
use tunebench_reports::render::html::Html;
use tunebench_reports::render::json::Json;
use tunebench_reports::render::markdown::Markdown;
use tunebench_reports::{
    Clusters, Evaluation, LossPoint, Manifest, ManifestError, ModelRecord, PastRun, Prediction, Report, Run,
    Slices,
};

use crate::whole_file::WholeFile;
use history::KeptRun;

const MANIFEST: &str = "manifest.json";
/// The page.
pub(crate) const PAGE: &str = "report.html";
/// The page of a run beside an earlier one.
pub(crate) const AGAINST: &str = "against.html";
/// The reports that are written beside the data.
const REPORTS: [(&str, &dyn Renderer); 3] =
    [(PAGE, &Html), ("report.md", &Markdown { marker: None }), ("summary.json", &Json)];
/// The figures in files for programs.
const FIGURES: [&str; 4] = ["summary.csv", "per_class.csv", "comparisons.csv", "slices.csv"];
/// The folders with a file for each model.
const PER_MODEL: [&str; 3] = ["confusion", "predictions", "losses"];
/// The texts of the rows.
const TEXTS: &str = "texts.csv";

/// How many unreadable answers of a model tell what they look like.
const UNREADABLE: usize = 20;

/// A results folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Results {
    folder: PathBuf,
    /// Whether what is in the folder is of another run.
    of_another: Cell<bool>,
    /// Whether a new run goes here.
    created: bool,
    /// The models of the new run whose predictions have been written, by the names of their files.
    kept: RefCell<BTreeSet<String>>,
    /// Where that run was moved to.
    made_room: RefCell<Option<PathBuf>>,
}

/// Why a results folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// The folder or a file in it can't be written or read.
    #[error("results folder: {0}")]
    Io(#[from] io::Error),
    /// There is no run in the folder.
    #[error("`{}` holds no results", .0.display())]
    None(PathBuf),
    /// The manifest is damaged or of another version.
    #[error("`{}`: {error}", .path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        error: ManifestError,
    },
    /// A file of losses is damaged.
    #[error("`{}`: {error}", .path.display())]
    Losses {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: String,
    },
    /// A file of predictions is damaged.
    #[error("`{}`: {error}", .path.display())]
    Predictions {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: ReadError,
    },
}

impl ResultsError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::None(_) => {
                Some("make some with `tunebench run`, or name another folder with `--results DIR`".into())
            }
            Self::Io(_) => Some("name another folder with `--results DIR`".into()),
            Self::Losses { .. } => Some("take the file away: the report then lacks one curve".into()),
            Self::Manifest { .. } | Self::Predictions { .. } => None,
        }
    }
}

impl Results {
    /// Makes the folder and tries to write there, so that a bad path fails before the long work.
    pub fn create(folder: &Path) -> Result<Self, ResultsError> {
        fs_err::create_dir_all(folder)?;
        tempfile::tempfile_in(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            of_another: Cell::new(true),
            created: true,
            kept: RefCell::default(),
            made_room: RefCell::default(),
        })
    }

    /// A folder with results in it.
    pub fn open(folder: &Path) -> Result<Self, ResultsError> {
        let results = Self {
            folder: folder.to_owned(),
            of_another: Cell::new(false),
            created: false,
            kept: RefCell::default(),
            made_room: RefCell::default(),
        };
        if results.folder.join(MANIFEST).exists() {
            Ok(results)
        } else {
            Err(ResultsError::None(results.folder))
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a model of a run, without figures: they can be made from it. `kept` is what else is known of the model's
    /// rows; what was written of other models of the run stays.
    pub fn keep(&self, run: &Run, model: usize, kept: &mut KeptRows) -> Result<(), ResultsError> {
        self.clear(run, &[TEXTS])?;
        if let (Some(evaluation), Some(record)) = (run.evaluations.get(model), run.manifest.models.get(model))
        {
            let columns = kept.columns();
            let rows = Box::new(kept.rows()?);
            // Row by row: as bytes, a million predictions would take more memory than the rest of the program.
            self.stream(&format!("predictions/{}.csv", record.file), |out| {
                csv::predictions_to(out, evaluation, run.labels(), Some(Details { columns, rows }))
            })?;
            self.kept.borrow_mut().insert(record.file.clone());
        }
        self.put(MANIFEST, run.manifest.to_json().as_bytes())
    }

    /// Writes the figures of a run, and the predictions of its models that were not [kept](Self::keep) here.
    pub fn write(&self, report: &Report) -> Result<(), ResultsError> {
        self.write_but(report, false)
    }

    /// The same, but the page that is there stays as it is.
    pub fn write_but_page(&self, report: &Report) -> Result<(), ResultsError> {
        self.write_but(report, true)
    }

    /// Whether there is a page.
    pub fn has_page(&self) -> bool {
        self.folder.join(PAGE).exists()
    }

    /// Writes the page of this run beside an earlier one; its path.
    pub fn write_against(&self, report: &Report) -> Result<PathBuf, ResultsError> {
        self.put(AGAINST, &Html.render(report))?;
        Ok(self.folder.join(AGAINST))
    }

    fn write_but(&self, report: &Report, keep_page: bool) -> Result<(), ResultsError> {
        let run = report.run;
        self.clear(run, if keep_page { &[PAGE, TEXTS, AGAINST] } else { &[TEXTS, AGAINST] })?;
        for (evaluation, record) in run.evaluations.iter().zip(&run.manifest.models) {
            let file = format!("predictions/{}.csv", record.file);
            if self.created && !self.kept.borrow().contains(&record.file) {
                self.stream(&file, |out| csv::predictions_to(out, evaluation, run.labels(), None))?;
            }
        }
        for record in &run.manifest.models {
            if let Some(model) = report.figures.model(&record.model) {
                let file = format!("confusion/{}.csv", record.file);
                self.stream(&file, |out| csv::confusion_to(out, report, model))?;
            }
        }
        for (name, table) in FIGURES.into_iter().zip([
            csv::summary(report),
            csv::per_class(report),
            csv::comparisons(report),
            csv::slices(report),
        ]) {
            self.put(name, &table)?;
        }
        for (name, renderer) in REPORTS {
            if !keep_page || name != PAGE {
                self.put(name, &renderer.render(report))?;
            }
        }
        if !run.manifest.texts {
            self.remove(TEXTS)?;
        }
        self.put(MANIFEST, run.manifest.to_json().as_bytes())
    }

    /// The run that was in the folder before the one that was written there, where it is kept.
    pub fn before(&self) -> Option<KeptRun> {
        let place = self.made_room.borrow().clone()?;
        history::list(&self.folder).into_iter().find(|run| run.folder == place)
    }

    /// How the models of the run did in earlier runs that are kept.
    pub fn past(&self, run: &Run) -> Vec<(String, PastRun)> {
        history::past(&self.folder, run)
    }

    /// Puts the losses of a model's training beside its figures.
    pub fn add_losses(&self, file: &str, losses: &Path) -> Result<(), ResultsError> {
        let losses = fs_err::read(losses)?;
        self.put(&format!("losses/{file}.csv"), &losses)
    }

    /// The loss curves of the run's models, by the model's reference.
    pub fn losses(&self, manifest: &Manifest) -> Result<BTreeMap<String, Vec<LossPoint>>, ResultsError> {
        let mut losses = BTreeMap::new();
        for record in &manifest.models {
            let path = self.folder.join("losses").join(format!("{}.csv", record.file));
            if path.exists() {
                let points = LossPoint::read(&fs_err::read(&path)?);
                let points =
                    points.map_err(|error| ResultsError::Losses { path, error: error.to_string() })?;
                losses.insert(record.model.clone(), points);
            }
        }
        Ok(losses)
    }

    /// Reads the run back.
    pub fn read(&self) -> Result<Run, ResultsError> {
        let manifest = self.manifest()?;
        let (mut shared, mut parts): (Option<Arc<Clusters>>, Option<Arc<Slices>>) = (None, None);
        let read = |record: &ModelRecord| {
            let path = self.folder.join("predictions").join(format!("{}.csv", record.file));
            let bytes = fs_err::read(&path)?;
            let csv::PredictionRows { predictions, clusters, slices } =
                csv::read_predictions(&bytes[..], &manifest.labels)
                    .map_err(|error| ResultsError::Predictions { path, error })?;
            let (model, tuned_from) = (record.model.clone(), record.tuned_from.clone());
            // Models that were asked about the same rows have the same clusters.
            let clusters = clusters.map(|clusters| match &shared {
                Some(shared) if **shared == clusters => shared.clone(),
                _ => shared.insert(Arc::new(clusters)).clone(),
            });
            let slices = slices.map(|slices| match &parts {
                Some(shared) if **shared == slices => shared.clone(),
                _ => parts.insert(Arc::new(slices)).clone(),
            });
            Ok::<_, ResultsError>(Evaluation { model, tuned_from, predictions, clusters, slices })
        };
        let evaluations = manifest.models.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Run { manifest, evaluations })
    }

    /// Writes the predictions of all models to one Parquet file.
    #[cfg(feature = "parquet")]
    pub fn write_parquet(&self, manifest: &Manifest, out: &mut (impl io::Write + Send)) -> io::Result<()> {
        parquet::write(&self.folder, manifest, out).map_err(io::Error::other)
    }

    /// What is known of a model's rows beside its predictions, read one by one.
    pub fn details(&self, model: &ModelRecord) -> Result<DetailsReader<File>, ResultsError> {
        let path = self.folder.join("predictions").join(format!("{}.csv", model.file));
        Ok(DetailsReader::new(fs_err::File::open(&path)?.into_file())?)
    }

    /// Some answers that name no label, of each model that has so many of them that there is no verdict.
    pub fn unreadable_answers(&self, report: &Report) -> Result<BTreeMap<String, Vec<String>>, ResultsError> {
        let mut found = BTreeMap::new();
        for model in report.unreadable_models() {
            let run = report.run;
            let evaluation = run.evaluations.iter().find(|evaluation| evaluation.model == model);
            let (Some(evaluation), Some(record)) = (evaluation, run.manifest.model(model)) else { continue };
            let unreadable = |row: &Prediction| row.answer.is_unreadable();
            let wanted: BTreeSet<_> =
                evaluation.predictions.iter().filter(unreadable).map(|row| row.id).collect();
            let mut details = self.details(record)?;
            let mut answers = Vec::new();
            while let Some((id, row)) = details.next_row()?
                && answers.len() < UNREADABLE
            {
                answers.extend(row.answer.filter(|_| wanted.contains(&id)));
            }
            found.insert(model.to_owned(), answers);
        }
        Ok(found)
    }

    /// How the run was made.
    pub(crate) fn manifest(&self) -> Result<Manifest, ResultsError> {
        let path = self.folder.join(MANIFEST);
        Manifest::from_json(&fs_err::read(&path)?).map_err(|error| ResultsError::Manifest { path, error })
    }

    /// Takes away the manifest, the figures, and the files of models that `run` does not have; of another run all files, which
    /// are kept among the earlier ones. Nothing else in the folder is touched.
    fn clear(&self, run: &Run, untouched: &[&str]) -> Result<(), ResultsError> {
        let of_another = self.of_another.replace(false);
        let Ok(old) = self.manifest() else { return Ok(()) };
        if of_another {
            return self.make_room(&old);
        }
        // What `run` has for each model takes the place of what is there.
        let stays: Vec<_> = files(&run.manifest).filter(|name| name.contains('/')).collect();
        fs_err::remove_file(self.folder.join(MANIFEST))?;
        let goes = |name: &String| !stays.contains(name) && !untouched.contains(&name.as_str());
        files(&old).filter(goes).try_for_each(|name| self.remove(&name))?;
        Ok(())
    }

    /// Moves another run that is still in the folder to the earlier ones.
    fn make_room_for(&self, run: &Run) -> Result<(), ResultsError> {
        if self.of_another.get() { self.clear(run, &[]) } else { Ok(()) }
    }

    /// Moves a run to the earlier ones.
    fn make_room(&self, old: &Manifest) -> Result<(), ResultsError> {
        let place = history::place_for(&self.folder, old);
        for part in PER_MODEL {
            fs_err::create_dir_all(place.join(part))?;
        }
        // A folder with a manifest is whole: it goes first here, and counts last there.
        let waiting = place.join("manifest.json.part");
        fs_err::rename(self.folder.join(MANIFEST), &waiting)?;
        for name in files(old) {
            match fs_err::rename(self.folder.join(&name), place.join(&name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        for page in [PAGE, AGAINST] {
            let rows = rows::folder_of(page);
            match fs_err::rename(self.folder.join(&rows), place.join(&rows)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        fs_err::rename(waiting, place.join(MANIFEST))?;
        *self.made_room.borrow_mut() = Some(place);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), ResultsError> {
        match fs_err::remove_file(self.folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn put(&self, name: &str, content: &[u8]) -> Result<(), ResultsError> {
        self.stream(name, |out| out.write_all(content))
    }

    /// Writes a file whole or not at all.
    fn stream(
        &self,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), ResultsError> {
        let path = self.folder.join(name);
        let folder = path.parent().unwrap_or(&self.folder);
        fs_err::create_dir_all(folder)?;
        Ok(WholeFile::create(&path)?.write(write)?)
    }
}

/// All files of a run, its manifest apart.
fn files(manifest: &Manifest) -> impl Iterator<Item = String> + '_ {
    let reports = REPORTS.into_iter().map(|(name, _)| name);
    let whole = reports.chain(FIGURES).chain([TEXTS, AGAINST]).map(str::to_owned);
    let of_model = |model: &ModelRecord| PER_MODEL.map(|part| format!("{part}/{}.csv", model.file));
    whole.chain(manifest.models.iter().flat_map(of_model))
}
