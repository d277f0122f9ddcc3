//! The data of a project, looked over before any money moves: its own findings and those of the providers.

#[cfg(feature = "local")]
mod in_meaning;
mod label_errors;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tunebench_data::doctor::{
    Change, Check, Diagnosis, Files, Finding, FixOptions, Role, Rows, Severity, examine,
};
use tunebench_data::{DataError, LabelSet, Prompt, PromptTemplate, Source};
use tunebench_providers::Registry;

use crate::config::{Config, Document, Step};
use crate::error::Error;
use crate::guard;
use crate::project::{Overrides, entries, missetting};
use crate::providers::Providers;
use crate::whole_file::WholeFile;

#[cfg(feature = "local")]
pub use in_meaning::Reader;
pub use label_errors::LabelErrors;
pub(crate) use label_errors::{LabelDoubts, doubted};

/// The name of the log that lies beside cleaned copies.
const LOG: &str = "changes.csv";

/// A project whose data may be bad.
pub struct DataCheck {
    config: Config,
    document: Document,
    sources: [Option<Source>; 3],
    labels: Option<LabelSet>,
    template: PromptTemplate,
}

/// Cleaned copies of the data, and what was done to them.
pub struct FixedData {
    /// The copies, and beside them the log of all changes.
    pub patient: DataCheck,
    /// All changes, file by file.
    pub changes: Vec<Change>,
    /// Where each change is told.
    pub log: PathBuf,
}

impl DataCheck {
    /// Reads the configuration at `path`, and no data yet. Where files are named besides and nothing is at the usual
    /// path, no configuration is needed.
    pub fn open(path: &Path, overrides: Overrides) -> Result<Self, Error> {
        let named = overrides.train.is_some() || overrides.test.is_some();
        let missing = path == Path::new(Config::USUAL_NAME) && path.symlink_metadata().is_err();
        let (config, document) = if named && missing {
            (Config::of_nothing(), Document::empty(path))
        } else {
            Config::read(path)?
        };
        let folder = document.folder();
        let source = |overriding: Option<PathBuf>, configured: Option<&PathBuf>| match overriding {
            Some(path) => Ok::<_, io::Error>(Some(config.data.source(folder, &std::path::absolute(path)?))),
            None => Ok(configured.map(|path| config.data.source(folder, path))),
        };
        let sources = [
            source(overrides.train, config.data.train.as_ref())?,
            source(None, config.data.validation.as_ref())?,
            source(overrides.test, Some(&config.data.test).filter(|path| !path.as_os_str().is_empty()))?,
        ];
        let place = [Step::Key("data"), Step::Key("labels")];
        let labels = config.data.labels.clone().map(LabelSet::new).transpose();
        let labels = labels.map_err(|error| document.error(&place, error.to_string()))?;
        let template = config.prompt.own.template();
        Ok(Self { sources, labels, template, config, document })
    }

    /// Whether there is a configuration.
    pub fn is_configured(&self) -> bool {
        !self.config.models.is_empty()
    }

    /// The file in a role.
    pub fn source(&self, role: Role) -> Option<&Source> {
        self.sources[role as usize].as_ref()
    }

    /// Looks at the data alone.
    pub fn examine(&self) -> Result<Diagnosis, Error> {
        examine(&self.files()).map_err(|error| self.failed(error))
    }

    /// What the providers would say of the data; asks none of them, and needs no key.
    ///
    /// Data that can't be read is passed over: [`examine`](Self::examine) tells of it. An error is a mistake in the
    /// configuration.
    pub fn provider_limits(&self, registry: &Registry, state_dir: &Path) -> Result<Vec<Finding>, Error> {
        let (config, document) = (&self.config, &self.document);
        let providers = Providers::open(&config.providers, document, registry, state_dir)?;
        let entries = entries(config, document, &providers)?;
        let Some(source) =
            self.source(Role::Train).filter(|_| entries.iter().any(|entry| entry.tune.is_some()))
        else {
            return Ok(Vec::new());
        };
        let Ok(train) = source.load(self.labels.as_ref()) else { return Ok(Vec::new()) };
        let prompt = Prompt::new(self.template.clone(), train.labels)
            .map_err(|error| document.error(&[Step::Key("prompt")], error.to_string()))?;
        let mut findings = Vec::<Finding>::new();
        for (i, entry) in entries.iter().enumerate() {
            let tuning = providers.get(&entry.base).and_then(|slot| slot.provider.fine_tuning());
            let Some((tuning, spec)) = tuning.zip(entry.tune.as_ref()) else { continue };
            let Err(error) = tuning.check(spec, &train.examples, &prompt) else { continue };
            if let Some(mistake) = missetting(document, i, &error) {
                return Err(mistake.into());
            }
            findings.push(Finding {
                severity: Severity::Error,
                check: Check::ProviderLimits,
                reason: format!("{} can't be tuned: {}", entry.base, error.message),
                cure: "correct the data; there may be more such rows".into(),
                rows: Rows::default(),
            });
        }
        Ok(findings)
    }

    /// Writes cleaned copies of the files into a folder, with a log of every change. The files themselves are only read.
    pub fn cure(self, folder: &Path) -> Result<FixedData, Error> {
        let treatment = FixOptions::new(&self.files()).map_err(|error| self.failed(error))?;
        let log = folder.join(LOG);
        let mut copies = Vec::new();
        for role in Role::ALL {
            let Some(source) = self.source(role) else { continue };
            let mut name = PathBuf::from(role.to_string());
            name.set_extension(source.copy_extension());
            copies.push((role, source, folder.join(name)));
        }
        fs_err::create_dir_all(folder)?;
        let read = self.sources.iter().flatten().map(|source| source.path.as_path());
        guard::refuse_overwrite(read, copies.iter().map(|(.., path)| path).chain([&log]))?;
        let mut sources = self.sources.clone();
        for (role, source, path) in copies {
            WholeFile::create(&path)?.write(|out| treatment.write(role, source, out))?;
            sources[role as usize] = Some(source.copied_to(path));
        }
        WholeFile::create(&log)?.write(|out| write_log(&treatment.changes, out))?;
        Ok(FixedData { patient: Self { sources, ..self }, changes: treatment.changes, log })
    }

    /// A file that can't be used at all, with the place in the configuration that names it.
    fn failed(&self, error: DataError) -> Error {
        let is = |role: &Role| {
            self.source(*role).is_some_and(|source| Some(source.path.as_path()) == error.path())
        };
        let role = Role::ALL.into_iter().find(is).unwrap_or(Role::Test);
        Error::data(error, &self.document, &role.to_string())
    }

    fn files(&self) -> Files<'_> {
        let [train, validation, test] = self.sources.each_ref().map(Option::as_ref);
        Files { train, validation, test, labels: self.labels.as_ref(), template: &self.template }
    }
}

fn write_log(changes: &[Change], out: &mut dyn Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(["file", "line", "action", "check", "reason"])?;
    for change in changes {
        let Change { file, line, action, check, reason } = change;
        csv.write_record([
            &file.to_string(),
            &line.to_string(),
            &action.to_string(),
            &check.to_string(),
            reason,
        ])?;
    }
    csv.flush()
}
