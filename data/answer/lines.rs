//! An answer that stands on a line of its own, introduced as one, below or among other lines.

use super::fold::trim;
use super::introduction::negates;
use super::{AnswerError, AnswerParser, Reading};
use crate::{LabelId, LabelSet};

/// A line that is not blank.
struct Line<'a> {
    text: &'a str,
    reading: Reading,
}

impl AnswerParser {
    /// The label that the lines name in the form `Category: x`: as the last of them, or as a field among fields.
    pub(super) fn of_lines(&self, said: &str, labels: &LabelSet) -> Result<LabelId, AnswerError> {
        let lines: Vec<&str> = said.lines().map(trim).filter(|line| !line.is_empty()).collect();
        if lines.len() < 2 {
            return Err(AnswerError::NoLabel);
        }
        if let Some(label) = self.below_a_sentence(&lines, labels) {
            return label;
        }
        let lines = self.read_lines(&lines, labels);
        let mut named = lines.iter().filter(|line| line.reading.introduced).map(|line| line.reading.label);
        let first =
            named.find(|label| *label != Err(AnswerError::NoLabel)).unwrap_or(Err(AnswerError::NoLabel))?;
        if named.any(|label| label != Ok(first) && label != Err(AnswerError::NoLabel)) {
            return Err(AnswerError::Ambiguous);
        }
        let ends_so =
            lines.last().is_some_and(|line| line.reading.introduced && line.reading.label == Ok(first));
        if ends_so {
            return Ok(first);
        }
        if !lines.iter().all(|line| line.reading.introduced || field(line.text).is_some()) {
            return Err(AnswerError::NoLabel);
        }
        let mut values = lines.iter().filter_map(|line| field(line.text));
        match values.any(|value| self.read(value, labels).label.is_ok_and(|other| other != first)) {
            true => Err(AnswerError::Ambiguous),
            false => Ok(first),
        }
    }

    /// The label on the second of two lines, of which the first speaks of it: `Here is the category:`.
    fn below_a_sentence(&self, lines: &[&str], labels: &LabelSet) -> Option<Result<LabelId, AnswerError>> {
        let [sentence, answer] = lines else { return None };
        let speaks = sentence.trim_end_matches(['*', '_']).ends_with([':', '：'])
            && self.introductions.is_mentioned(sentence)
            && !negates(sentence);
        let label = self.read(answer, labels).label;
        (speaks && label != Err(AnswerError::NoLabel)).then_some(label)
    }

    /// Reads each line; an introduction on a line of its own belongs to the next one.
    fn read_lines<'a>(&self, lines: &[&'a str], labels: &LabelSet) -> Vec<Line<'a>> {
        let mut read = Vec::with_capacity(lines.len());
        let mut introduced = false;
        for &text in lines {
            if !introduced && self.introductions.is_one(text) && labels.get(text).is_none() {
                introduced = true;
                continue;
            }
            let mut reading = self.read(text, labels);
            reading.introduced |= std::mem::take(&mut introduced);
            read.push(Line { text, reading });
        }
        read
    }
}

/// The value of a line such as `Confidence: high`.
fn field(line: &str) -> Option<&str> {
    let (name, value) = line.split_once([':', '：'])?;
    (name.split_whitespace().count() <= 4).then_some(trim(value))
}
