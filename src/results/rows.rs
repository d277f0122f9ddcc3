//! The rows of a results folder for its page: texts, own columns and raw answers, read as they are asked for, and the files beside
//! the page that they go into.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use csv::{Reader, StringRecord};
use tunebench_data::ExampleId;
use tunebench_reports::render::csv::DetailsReader;
use tunebench_reports::render::html::{PageRows, RowContent, RowFiles, RowSource};
use tunebench_reports::{ModelRecord, Report, RowDetails, Run};

use super::{Results, ResultsError, TEXTS};

/// What the folder with the rows of a page adds to the page's name.
const ROWS: &str = "-rows";

/// The name of the folder with the rows of a page.
pub(super) fn folder_of(page: &str) -> String {
    format!("{}{ROWS}", page.trim_end_matches(".html"))
}

impl Results {
    /// Keeps the texts of the run's rows; others are passed over.
    pub fn keep_texts<E: From<ResultsError>>(
        &self,
        run: &Run,
        texts: impl IntoIterator<Item = Result<(ExampleId, String), E>>,
    ) -> Result<(), E> {
        self.make_room_for(run)?;
        let (mut wanted, mut failed) = (WantedIds::of(run), None);
        let texts = texts.into_iter().map_while(|text| text.map_err(|error| failed = Some(error)).ok());
        let written = self.stream(TEXTS, |out| {
            let mut writer = csv::Writer::from_writer(out);
            writer.write_record(["id", "text"])?;
            for (id, text) in texts.filter(|(id, _)| wanted.holds(*id)) {
                writer.write_record([&id.to_string(), &text])?;
            }
            writer.flush()
        });
        match failed {
            Some(error) => Err(error),
            None => Ok(written?),
        }
    }

    /// All texts that are kept, one after the other.
    pub fn every_text(&self) -> impl Iterator<Item = Result<(ExampleId, String), ResultsError>> {
        let reader = Reader::from_path(self.folder().join(TEXTS)).ok();
        let rows = reader.into_iter().flat_map(Reader::into_deserialize::<(String, String)>);
        // What can't be read is looked for in the test file.
        rows.filter_map(Result::ok).filter_map(|(id, text)| Some(Ok((id.parse().ok()?, text))))
    }

    /// Those of these texts that are kept.
    pub fn texts(&self, wanted: &BTreeSet<ExampleId>) -> BTreeMap<ExampleId, String> {
        self.every_text().filter_map(Result::ok).filter(|(id, _)| wanted.contains(id)).collect()
    }

    /// All rows of a report as its page shows them; those that have no room in the page are written beside it. `page` is the name
    /// of the page in this folder. Of each model of the report `models` tells where its answers are kept, and by which name;
    /// texts are looked for in this folder first.
    pub fn page_rows<'a>(
        &self,
        report: &Report,
        page: &str,
        models: impl Fn(&str) -> Option<(&'a Results, &'a ModelRecord)>,
    ) -> Result<PageRows, ResultsError> {
        let folder = self.folder().join(folder_of(page));
        match fs_err::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let mut answers = Vec::new();
        for model in &report.figures.models {
            let kept = models(&model.model).and_then(|(results, record)| results.details(record).ok());
            answers.push(kept.map(|reader| KeptAnswers { reader, waiting: HashMap::new() }));
        }
        let texts = if report.run.manifest.texts { KeptTexts::open(self.folder()) } else { None };
        let columns = answers.iter().flatten().map(|model| model.reader.columns());
        let columns = columns.max_by_key(Vec::len).unwrap_or_default();
        let mut rows = StoredRows { texts, answers, columns };
        let mut files = BesidePage { results: self, folder: folder_of(page) };
        Ok(PageRows::collect(report, &mut rows, Some(&mut files))?)
    }
}

/// The rows of a run. Texts mostly come in the order of the first model's rows: only where one does not, an index is made.
struct WantedIds<'a> {
    run: &'a Run,
    next: usize,
    sorted: Vec<ExampleId>,
}

impl<'a> WantedIds<'a> {
    fn of(run: &'a Run) -> Self {
        Self { run, next: 0, sorted: Vec::new() }
    }

    fn holds(&mut self, id: ExampleId) -> bool {
        let first = self.run.evaluations.first().map(|first| &first.predictions);
        if first.and_then(|first| first.get(self.next)).is_some_and(|row| row.id == id) {
            self.next += 1;
            return true;
        }
        if self.sorted.is_empty() {
            let rows = self.run.evaluations.iter().flat_map(|evaluation| &evaluation.predictions);
            self.sorted.extend(rows.map(|row| row.id));
            self.sorted.sort_unstable();
            self.sorted.dedup();
        }
        self.sorted.binary_search(&id).is_ok()
    }
}

/// The rows of a folder.
struct StoredRows {
    texts: Option<KeptTexts>,
    answers: Vec<Option<KeptAnswers>>,
    columns: Vec<String>,
}

impl RowSource for StoredRows {
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    fn row(&mut self, id: ExampleId) -> io::Result<RowContent> {
        let mut answers = Vec::with_capacity(self.answers.len());
        for model in &mut self.answers {
            answers.push(match model {
                Some(model) => model.find(id)?,
                None => None,
            });
        }
        let known = || answers.iter().flatten();
        let value = |column: &String| {
            let cells = known().flat_map(|details| &details.fields);
            cells.filter(|(name, _)| name == column).map(|(_, value)| value.clone()).next()
        };
        let fields = self.columns.iter().map(|column| value(column).unwrap_or_default()).collect();
        let line = known().map(|details| details.line).find(|line| *line > 0).unwrap_or(0);
        let text = match &mut self.texts {
            Some(texts) => texts.find(id)?,
            None => None,
        };
        Ok(RowContent { line, text, fields, answers })
    }
}

/// The answers of a model. They are mostly asked for in the order in which they stand; what was passed over waits.
struct KeptAnswers {
    reader: DetailsReader<File>,
    waiting: HashMap<ExampleId, RowDetails>,
}

impl KeptAnswers {
    fn find(&mut self, id: ExampleId) -> io::Result<Option<RowDetails>> {
        if let Some(found) = self.waiting.remove(&id) {
            return Ok(Some(found));
        }
        while let Some((other, details)) = self.reader.next_row()? {
            if other == id {
                return Ok(Some(details));
            }
            self.waiting.insert(other, details);
        }
        Ok(None)
    }
}

/// The texts of rows. They are mostly asked for in the order in which they stand; what was passed over waits.
struct KeptTexts {
    reader: Reader<File>,
    record: StringRecord,
    waiting: HashMap<ExampleId, String>,
}

impl KeptTexts {
    /// None where no texts are kept.
    fn open(folder: &Path) -> Option<Self> {
        let reader = Reader::from_path(folder.join(TEXTS)).ok()?;
        Some(Self { reader, record: StringRecord::new(), waiting: HashMap::new() })
    }

    fn find(&mut self, id: ExampleId) -> io::Result<Option<String>> {
        if let Some(found) = self.waiting.remove(&id) {
            return Ok(Some(found));
        }
        while self.reader.read_record(&mut self.record)? {
            let known = self.record.get(0).and_then(|id| id.parse().ok()).zip(self.record.get(1));
            let Some((other, text)) = known else { continue };
            if other == id {
                return Ok(Some(text.to_owned()));
            }
            self.waiting.insert(other, text.to_owned());
        }
        Ok(None)
    }
}

/// The folder beside a page.
struct BesidePage<'a> {
    results: &'a Results,
    folder: String,
}

impl RowFiles for BesidePage<'_> {
    fn folder(&self) -> String {
        self.folder.clone()
    }

    fn put(&mut self, name: &str, write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        match self.results.stream(&format!("{}/{name}", self.folder), |out| write(out)) {
            Err(ResultsError::Io(error)) => Err(error),
            Err(other) => Err(io::Error::other(other)),
            Ok(()) => Ok(()),
        }
    }
}
