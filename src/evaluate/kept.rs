//! What a model said about each row, kept in a file until its predictions are written: answers come in any order, and
//! together they are too large for memory. Five bytes a row are kept here.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use tunebench_reports::RowDetails;

/// The details of the rows of one model.
#[derive(Debug)]
pub struct KeptRows {
    file: BufWriter<File>,
    /// How much has been written.
    end: u64,
    /// Where the details of each row begin: see [`place_at`]. Those of rows that are yet to come take no memory.
    places: Vec<[u8; 5]>,
    /// The rows' own columns: in which row each was met first, and at which place there.
    columns: Vec<((usize, usize), String)>,
    /// The line that was written last, for its room.
    line: Vec<u8>,
}

impl KeptRows {
    /// For so many rows; the file is in `folder` and has no name there.
    pub fn new(folder: &Path, rows: usize) -> io::Result<Self> {
        let file = BufWriter::new(tempfile::tempfile_in(folder)?);
        Ok(Self { file, end: 0, places: vec![[0; 5]; rows], columns: Vec::new(), line: Vec::new() })
    }

    /// Keeps the details of a row; of two for the same row, the later ones count.
    pub fn put(&mut self, index: usize, details: &RowDetails) -> io::Result<()> {
        let Some(place) = self.places.get_mut(index) else { return Ok(()) };
        self.line.clear();
        serde_json::to_writer(&mut self.line, details)?;
        self.line.push(b'\n');
        *place = place_at(self.end)?;
        self.file.write_all(&self.line)?;
        self.end += self.line.len() as u64;
        for (at, (name, _)) in details.fields.iter().enumerate() {
            let met = (index, at);
            match self.columns.iter_mut().find(|(_, known)| known == name) {
                Some((first, _)) => *first = met.min(*first),
                None => self.columns.push((met, name.clone())),
            }
        }
        Ok(())
    }

    /// The rows' own columns, in the order in which the data has them.
    pub fn columns(&self) -> Vec<String> {
        let mut columns: Vec<_> = self.columns.iter().collect();
        columns.sort();
        columns.into_iter().map(|(_, name)| name.clone()).collect()
    }

    /// The details of all rows, in their order; those of a row of which nothing is kept are empty.
    pub fn rows(&mut self) -> io::Result<impl Iterator<Item = io::Result<RowDetails>> + '_> {
        self.file.flush()?;
        let mut file = BufReader::with_capacity(1 << 16, self.file.get_ref());
        file.seek(SeekFrom::Start(0))?;
        let (mut at, mut line) = (0u64, Vec::new());
        Ok(self.places.iter().map(move |place| {
            let Some(place) = place_of(*place) else { return Ok(RowDetails::default()) };
            // Mostly the rows lie in their order, and what is read ahead stays of use.
            file.seek_relative(place.wrapping_sub(at) as i64)?;
            line.clear();
            at = place + file.read_until(b'\n', &mut line)? as u64;
            Ok(serde_json::from_slice(&line)?)
        }))
    }
}

/// A place in a file of less than a terabyte, and one more: zero is no place.
fn place_at(place: u64) -> io::Result<[u8; 5]> {
    match (place + 1).to_le_bytes() {
        [a, b, c, d, e, 0, 0, 0] => Ok([a, b, c, d, e]),
        _ => Err(io::Error::new(io::ErrorKind::FileTooLarge, "a terabyte of answers")),
    }
}

/// The place that was kept; none of a row of which nothing is kept.
fn place_of([a, b, c, d, e]: [u8; 5]) -> Option<u64> {
    u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]).checked_sub(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn places_are_kept_up_to_a_terabyte() {
        let most = (1 << 40) - 2;
        for place in [0, 1, 255, 256, 4_294_967_296, most] {
            assert_eq!(place_of(place_at(place).unwrap()), Some(place));
        }
        assert_eq!(place_at(most + 1).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(place_of([0; 5]), None);
    }

    proptest! {
        #[test]
        fn rows_come_back_in_their_order_whatever_the_order_of_the_answers(
            answers in prop::collection::vec((0usize..20, "\\PC*", prop::option::of(any::<u64>())), 0..60),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let mut kept = KeptRows::new(folder.path(), 20).unwrap();
            let mut expected = vec![RowDetails::default(); 20];
            for (index, answer, tokens) in answers {
                let fields = vec![("ticket".to_owned(), answer.clone())];
                let details = RowDetails { answer: Some(answer), input_tokens: tokens, fields, ..RowDetails::default() };
                kept.put(index, &details).unwrap();
                expected[index] = details;
            }
            for _ in 0..2 {
                let rows: Vec<_> = kept.rows().unwrap().collect::<io::Result<_>>().unwrap();
                prop_assert_eq!(&rows, &expected);
            }
            prop_assert!(kept.columns().len() <= 1);
        }
    }

    #[test]
    fn own_columns_stand_as_the_data_has_them_whoever_answers_first() {
        let folder = tempfile::tempdir().unwrap();
        let mut kept = KeptRows::new(folder.path(), 3).unwrap();
        let row = |names: &[&str]| RowDetails {
            fields: names.iter().map(|name| ((*name).to_owned(), String::new())).collect(),
            ..RowDetails::default()
        };
        kept.put(2, &row(&["late", "b"])).unwrap();
        kept.put(0, &row(&["a", "b"])).unwrap();
        assert_eq!(kept.columns(), ["a", "b", "late"]);
    }
}
