//! The columns of the predictions' CSV that no figure is made from: see [`RowDetails`].

use std::borrow::Cow;
use std::collections::HashSet;
use std::io;

use ::csv::{Reader, ReaderBuilder, StringRecord};
use tunebench_data::ExampleId;

use super::csv::number;
use super::predictions::{COLUMNS, SLICE};
use crate::RowDetails;

/// The columns, in their order; the rows' own columns follow.
const DETAILS: [&str; 6] = ["line", "input_tokens", "output_tokens", "cost_usd", "model_version", "answer"];

/// What goes before the name of an own column that is also one of ours.
const OWN: &str = "own_";

/// The names of all columns of details: of an own column that has a name of ours, `own_` and its name.
pub(super) fn header(own: &[String]) -> Vec<String> {
    let mut taken: HashSet<String> = COLUMNS.iter().chain(&DETAILS).map(|name| (*name).to_owned()).collect();
    let mut names: Vec<String> = DETAILS.map(str::to_owned).to_vec();
    for name in own {
        let mut name = name.clone();
        while name.starts_with(SLICE) || !taken.insert(name.clone()) {
            name.insert_str(0, OWN);
        }
        names.push(name);
    }
    names
}

/// The cells of a row under that header.
pub(super) fn cells<'a>(row: &'a RowDetails, own: &'a [String]) -> impl Iterator<Item = Cow<'a, str>> {
    let count = |tokens: Option<u64>| Cow::from(tokens.map(|tokens| tokens.to_string()).unwrap_or_default());
    let text = |text: &'a Option<String>| Cow::from(text.as_deref().unwrap_or_default());
    let line = if row.line == 0 { Cow::from("") } else { row.line.to_string().into() };
    let known = [
        line,
        count(row.input_tokens),
        count(row.output_tokens),
        number(row.cost_usd).into(),
        text(&row.model_version),
        text(&row.answer),
    ];
    let of_row = |name: &String| row.fields.iter().find(|(field, _)| field == name);
    known.into_iter().chain(own.iter().map(move |name| of_row(name).map_or("", |(_, value)| value).into()))
}

/// Reads the details of a file of predictions, one row after the other.
pub struct DetailsReader<R> {
    csv: Reader<R>,
    header: StringRecord,
    record: StringRecord,
}

impl<R: io::Read> DetailsReader<R> {
    /// For a file that [`predictions_to`](super::csv::predictions_to) wrote.
    pub fn new(source: R) -> io::Result<Self> {
        let mut csv = ReaderBuilder::new().flexible(true).from_reader(source);
        let header = csv.headers()?.clone();
        Ok(Self { csv, header, record: StringRecord::new() })
    }

    /// The rows' own columns.
    pub fn columns(&self) -> Vec<String> {
        let own =
            |name: &&str| !COLUMNS.contains(name) && !DETAILS.contains(name) && !name.starts_with(SLICE);
        self.header.iter().filter(own).map(str::to_owned).collect()
    }

    /// The next row. What cannot be read counts as unknown: no figure depends on it.
    pub fn next_row(&mut self) -> io::Result<Option<(ExampleId, RowDetails)>> {
        if !self.csv.read_record(&mut self.record)? {
            return Ok(None);
        }
        let mut row = RowDetails::default();
        let mut id = ExampleId(0);
        for (name, cell) in self.header.iter().zip(&self.record) {
            match name {
                "id" => id = cell.parse().unwrap_or(id),
                "line" => row.line = cell.parse().unwrap_or_default(),
                "input_tokens" => row.input_tokens = cell.parse().ok(),
                "output_tokens" => row.output_tokens = cell.parse().ok(),
                "cost_usd" => row.cost_usd = cell.parse().ok().filter(|cost: &f64| cost.is_finite()),
                "model_version" => row.model_version = (!cell.is_empty()).then(|| cell.to_owned()),
                "answer" => row.answer = (!cell.is_empty()).then(|| cell.to_owned()),
                name if COLUMNS.contains(&name) || name.starts_with(SLICE) => {}
                name => row.fields.push((name.to_owned(), cell.to_owned())),
            }
        }
        Ok(Some((id, row)))
    }
}
