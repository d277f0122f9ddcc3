//! The rows as data for the page's script: within the page where they are few, else in files beside it.
//!
//! A file beside the page is a script that calls one function with plain JSON, because a page that was opened from a disk may
//! load scripts and nothing else. In an index every row is a few small numbers, enough to sort and to filter all of them; the texts
//! and answers come in chunks, when they are seen.

use std::collections::HashSet;
use std::io::{self, Write};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tunebench_data::{ExampleId, hex};

use super::super::markup::is_unseen;
use super::table::RowTable;
use super::{LISTED, word};
use crate::{Answer, DisagreementKind, InvalidKind, Report, RowDetails, UnansweredKind};

/// Up to so many bytes of rows stand in the page itself, and no file beside it is needed.
const WITHIN: usize = 1 << 20;

/// The rows of a file beside the page.
pub(super) const CHUNK: usize = 250;

/// Of a row that stands in the page although all rows are beside it: so many characters of its text and of each answer.
const SHORT: usize = 600;

/// What is known of a row beside its predictions.
#[derive(Debug, Clone, Default)]
pub struct RowContent {
    /// The line of the data file where it begins, from 1; 0 where it is not known.
    pub line: u64,
    /// Its text, where that is at hand.
    pub text: Option<String>,
    /// The values of its own columns, one for each.
    pub fields: Vec<String>,
    /// What else is known of its answers, one for each model in the order of the figures.
    pub answers: Vec<Option<RowDetails>>,
}

/// Where rows come from that a page shows.
pub trait RowSource {
    /// The names of the rows' own columns.
    fn columns(&self) -> Vec<String>;

    /// The row with this id. Rows are asked for once each, mostly in the order of the first model's predictions.
    fn row(&mut self, id: ExampleId) -> io::Result<RowContent>;
}

/// Where the files beside a page go.
pub trait RowFiles {
    /// The name of their folder, as the page finds it from where it lies.
    fn folder(&self) -> String;

    /// Writes a file.
    fn put(&mut self, name: &str, write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> io::Result<()>;
}

/// The rows of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRows {
    /// The part within the page: JSON that can stand in HTML.
    pub(super) data: String,
    /// All rows.
    pub(super) total: usize,
    /// How many of them are in the page itself.
    pub(super) within: usize,
    /// The folder with all of them, where they are not all in the page.
    pub(super) beside: Option<String>,
    /// Whether any row has a text.
    pub(super) has_texts: bool,
}

impl PageRows {
    /// Collects all rows of a report. Where they are too large for the page and there is a place for files, all go there, chunk by
    /// chunk; the page then holds those that are most worth reading, and so it does where there is none.
    pub fn collect(
        report: &Report,
        source: &mut dyn RowSource,
        mut files: Option<&mut dyn RowFiles>,
    ) -> io::Result<Self> {
        let table = RowTable::of(report.run, &report.figures);
        let listed: HashSet<_> = report.wanted_texts(LISTED).into_iter().collect();
        let key = key(report);
        let (mut pending, mut short, mut size) = (Vec::new(), Vec::new(), 0);
        let (mut chunks, mut has_texts) = (0, false);
        for row in 0..table.len() {
            let id = table.id(row);
            let content = source.row(id)?;
            has_texts |= content.text.is_some();
            let latency = |model| Some(table.prediction(row, model)?.latency?.as_millis());
            let latencies: Vec<_> = (0..table.models()).map(latency).collect();
            if listed.contains(&id) {
                short.push((row, row_json(id, &shortened(&content), &latencies)));
            }
            let text = row_json(id, &content, &latencies);
            size += text.len();
            pending.push(text);
            while size > WITHIN && pending.len() >= CHUNK {
                let rows: Vec<_> = pending.drain(..CHUNK).collect();
                put_chunk(&mut files, &key, &mut chunks, &rows)?;
            }
        }
        let all = 0..table.len();
        let (shown, rows, beside): (Vec<_>, _, _) = if size <= WITHIN {
            (all.collect(), pending, None)
        } else {
            put_chunk(&mut files, &key, &mut chunks, &pending)?;
            if let Some(files) = &mut files {
                files.put("index.js", &mut |out| {
                    write!(out, "tunebenchRows({key:?},-1,")?;
                    index(out, &table, report, all.clone())?;
                    out.write_all(b");\n")
                })?;
            }
            let (shown, rows) = short.into_iter().unzip();
            (shown, rows, files.map(|files| files.folder()))
        };
        let mut data = Vec::new();
        let mut about = about(report, source.columns(), &key, beside.as_deref());
        about["slices"] = json!(table.properties());
        write!(data, "{{\"about\":{},\"index\":", harmless(&about.to_string()))?;
        index(&mut data, &table, report, shown.iter().copied())?;
        write!(data, ",\"rows\":[{}]}}", rows.join(","))?;
        let data = String::from_utf8_lossy(&data).into_owned();
        Ok(Self { data, total: table.len(), within: shown.len(), beside, has_texts })
    }

    /// The rows of a report that is shown without a folder: with the texts that are at hand.
    pub(in super::super) fn of(report: &Report) -> Self {
        struct Texts<'a>(&'a Report<'a>);
        impl RowSource for Texts<'_> {
            fn columns(&self) -> Vec<String> {
                Vec::new()
            }

            fn row(&mut self, id: ExampleId) -> io::Result<RowContent> {
                Ok(RowContent { text: self.0.texts.get(&id).cloned(), ..RowContent::default() })
            }
        }
        let rows = Self::collect(report, &mut Texts(report), None);
        rows.expect("nothing is read or written here that could fail")
    }
}

/// By which a page knows the files that belong to it.
fn key(report: &Report) -> String {
    let digest = Sha256::digest(report.run.manifest.to_json());
    hex(&digest[..8])
}

/// JSON that can stand in HTML and in a script of any age: no `<`, and nothing that cannot be seen or that turns the reading order
/// of the source.
fn harmless(json: &str) -> String {
    let (mut text, mut rest) = (String::with_capacity(json.len()), json);
    while let Some(at) = rest.find(|c: char| c == '<' || !(' '..='~').contains(&c)) {
        let c = rest[at..].chars().next().unwrap_or_default();
        text.push_str(&rest[..at]);
        if c == '<' || is_unseen(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
        } else {
            text.push(c);
        }
        rest = &rest[at + c.len_utf8()..];
    }
    text.push_str(rest);
    text
}

fn put_chunk(
    files: &mut Option<&mut dyn RowFiles>,
    key: &str,
    chunks: &mut usize,
    rows: &[String],
) -> io::Result<()> {
    if let (Some(files), false) = (files, rows.is_empty()) {
        files.put(&format!("{chunks}.js"), &mut |out| {
            writeln!(out, "tunebenchRows({key:?},{chunks},[{}]);", rows.join(",\n"))
        })?;
        *chunks += 1;
    }
    Ok(())
}

/// What all rows have in common.
fn about(report: &Report, columns: Vec<String>, key: &str, beside: Option<&str>) -> Value {
    let manifest = &report.run.manifest;
    let models: Vec<_> = report.figures.models.iter().map(|model| model.model.as_str()).collect();
    let prompt_of = |model: &&str| {
        manifest
            .model(model)
            .and_then(|record| record.prompt_sha256.as_ref())
            .filter(|sha| manifest.rendered_prompts.contains_key(*sha))
    };
    let spaced = |name: &str| name.replace('_', " ");
    let kinds = DisagreementKind::ALL.iter().map(|kind| json!([kind.name(), word(*kind, models.len())]));
    json!({
        "key": key,
        "beside": beside,
        "chunk": CHUNK,
        "columns": columns,
        "models": models,
        "labels": manifest.labels.names(),
        "invalid": InvalidKind::ALL.iter().map(|kind| spaced(kind.name())).collect::<Vec<_>>(),
        "unanswered": UnansweredKind::ALL.iter().map(|kind| spaced(kind.name())).collect::<Vec<_>>(),
        "kinds": kinds.collect::<Vec<_>>(),
        "prompts": manifest.rendered_prompts,
        "prompt_of": models.iter().map(prompt_of).collect::<Vec<_>>(),
    })
}

/// Of these rows, column by column: gold label, kind, the value of each property by which they are parted, and of each model the answer and its probability in thousandths. An answer
/// is the number of a label; the kinds of invalid answers and then of missing ones count on from there.
fn index(
    out: &mut dyn Write,
    table: &RowTable,
    report: &Report,
    rows: impl Iterator<Item = usize> + Clone,
) -> io::Result<()> {
    let labels = report.run.labels().len();
    let code = |answer: Answer| match answer {
        Answer::Label(label) => label.index(),
        Answer::Invalid(kind) => labels + kind as usize,
        Answer::Unanswered(kind) => labels + InvalidKind::ALL.len() + kind as usize,
    };
    write!(out, "{{\"total\":{},\"gold\":", table.len())?;
    column(out, rows.clone().map(|row| table.gold(row).map(|label| label.index())))?;
    out.write_all(b",\"kind\":")?;
    column(out, rows.clone().map(|row| table.kind(row).map(usize::from)))?;
    out.write_all(b",\"slices\":[")?;
    for property in 0..table.properties().len() {
        out.write_all(if property > 0 { b"," } else { b"" })?;
        column(out, rows.clone().map(table.values(property)))?;
    }
    out.write_all(b"],\"answers\":[")?;
    for model in 0..table.models() {
        out.write_all(if model > 0 { b"," } else { b"" })?;
        column(out, rows.clone().map(|row| table.prediction(row, model).map(|row| code(row.answer))))?;
    }
    out.write_all(b"],\"chances\":[")?;
    for model in 0..table.models() {
        out.write_all(if model > 0 { b"," } else { b"" })?;
        let chance = |row| Some((table.prediction(row, model)?.probability?.get() * 1000.0).round() as usize);
        column(out, rows.clone().map(chance))?;
    }
    out.write_all(b"]}")
}

/// Numbers; -1 where there is none.
fn column(out: &mut dyn Write, numbers: impl Iterator<Item = Option<usize>>) -> io::Result<()> {
    out.write_all(b"[")?;
    for (i, number) in numbers.enumerate() {
        out.write_all(if i > 0 { b"," } else { b"" })?;
        match number {
            Some(number) => write!(out, "{number}")?,
            None => out.write_all(b"-1")?,
        }
    }
    out.write_all(b"]")
}

/// A row: id, line, text, own columns, and of each model its raw answer, latency (ms), tokens in and out, cost ($), version.
fn row_json(id: ExampleId, content: &RowContent, latencies: &[Option<f64>]) -> String {
    let unknown = RowDetails::default();
    let answers = latencies.iter().enumerate().map(|(model, latency)| {
        let known = content.answers.get(model).and_then(Option::as_ref);
        let one = known.unwrap_or(&unknown);
        (&one.answer, latency, one.input_tokens, one.output_tokens, one.cost_usd, &one.model_version)
    });
    let answers: Vec<_> = answers.collect();
    let row = (id.to_string(), content.line, &content.text, &content.fields, answers);
    harmless(&serde_json::to_string(&row).expect("numbers and texts are plain data"))
}

/// A row with the beginnings of its texts.
fn shortened(content: &RowContent) -> RowContent {
    let cut = |text: &String| match text.char_indices().nth(SHORT) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text.clone(),
    };
    let answers = content.answers.iter().map(|details| {
        let details = details.as_ref()?;
        Some(RowDetails { answer: details.answer.as_ref().map(cut), fields: Vec::new(), ..details.clone() })
    });
    RowContent {
        line: content.line,
        text: content.text.as_ref().map(cut),
        fields: content.fields.iter().map(cut).collect(),
        answers: answers.collect(),
    }
}
