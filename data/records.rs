//! The records of a text as bytes: where each begins and ends, and whether its quotes are in order.
//!
//! Every reader of rows, and every writer of copies, gets its records here, so that all of them number lines alike.

use std::io::{self, BufRead, BufReader};

use crate::error::QuoteFault;
use crate::format::Format;
use crate::input::Input;
use crate::record_ends::{Machine, Step};

/// A record with the line end behind it and the empty lines that follow; an element of a JSON array without what parts it
/// from the next. In UTF-8 unless the file is broken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// Where it begins, from 1.
    pub(crate) line: u64,
    pub(crate) bytes: Vec<u8>,
    /// Its first broken quote: the CSV reader would forgive it, and rows would run together without a word.
    pub(crate) quote: Option<QuoteFault>,
}

/// The records of a text, read as they are asked for.
pub(crate) struct Records {
    input: BufReader<Input>,
    cutter: Cutter,
    /// What was read of the record behind the one that was given last.
    next: Record,
    ended: bool,
}

/// Says where records begin and end.
enum Cutter {
    Delimited(Machine),
    /// Every line is a record.
    Lines {
        line: u64,
    },
    Values(Values),
}

impl Records {
    /// Cuts a text of this format; `delimiter` and `quotes` are those of CSV. `line` is the number of the line that
    /// `input` begins with.
    pub(crate) fn new(
        input: BufReader<Input>,
        format: Format,
        delimiter: u8,
        quotes: bool,
        line: u64,
    ) -> Self {
        let cutter = match format {
            Format::Csv | Format::Tsv => Cutter::Delimited(Machine::new(delimiter, quotes, line)),
            Format::Json => Cutter::Values(Values { line, ..Values::default() }),
            _ => Cutter::Lines { line },
        };
        Self { input, cutter, next: Record::default(), ended: false }
    }

    /// Puts the next record in the place of `record`; `false` behind the last one.
    pub(crate) fn read(&mut self, record: &mut Record) -> io::Result<bool> {
        record.bytes.clear();
        record.quote = None;
        match &mut self.cutter {
            Cutter::Lines { line } => {
                record.line = *line;
                *line += 1;
                Ok(self.input.read_until(b'\n', &mut record.bytes)? > 0)
            }
            Cutter::Values(values) => values.read(&mut self.input, record),
            Cutter::Delimited(_) => self.read_delimited(record),
        }
    }

    fn read_delimited(&mut self, record: &mut Record) -> io::Result<bool> {
        let Cutter::Delimited(machine) = &mut self.cutter else { return Ok(false) };
        // The first byte of a record ends the one before it.
        std::mem::swap(&mut self.next, record);
        let mut begun = !record.bytes.is_empty();
        while !self.ended {
            let chunk = self.input.fill_buf()?;
            if chunk.is_empty() {
                self.ended = true;
                if begun && record.quote.is_none() {
                    record.quote = machine.unclosed();
                }
                break;
            }
            let (mut used, mut complete) = (0, false);
            while let Some(&byte) = chunk.get(used) {
                let step = machine.step(byte);
                used += 1;
                if step == Step::Begins {
                    if begun {
                        self.next.line = machine.record_line();
                        self.next.bytes.push(byte);
                        complete = true;
                        break;
                    }
                    begun = true;
                    record.line = machine.record_line();
                }
                let more = machine.uneventful(&chunk[used..]);
                // What stands before the first record is no record's.
                if begun {
                    record.bytes.push(byte);
                    record.bytes.extend_from_slice(&chunk[used..used + more]);
                }
                used += more;
                if let Step::Trailing(fault) = step {
                    record.quote.get_or_insert(fault);
                }
            }
            self.input.consume(used);
            if complete {
                break;
            }
        }
        Ok(begun)
    }

    /// Whether the file is plain UTF-8 without a mark, so that the records are its very bytes.
    pub(crate) fn is_plain(&self) -> bool {
        self.input.get_ref().is_plain()
    }

    /// After the last record: the SHA-256 of the file.
    pub(crate) fn into_hex(self) -> io::Result<String> {
        self.input.into_inner().into_hex()
    }
}

/// The elements of a JSON array, or values that follow each other; over any number of lines.
#[derive(Default)]
struct Values {
    line: u64,
    /// Whether the outermost bracket has been seen.
    in_array: bool,
    /// Brackets that are open within the element.
    depth: u32,
    in_string: bool,
    escaped: bool,
}

impl Values {
    fn read(&mut self, input: &mut impl BufRead, record: &mut Record) -> io::Result<bool> {
        loop {
            let chunk = input.fill_buf()?;
            if chunk.is_empty() {
                return Ok(!record.bytes.is_empty());
            }
            let mut used = 0;
            let mut complete = false;
            for &byte in chunk {
                used += 1;
                if record.bytes.is_empty() {
                    self.before(byte, record);
                } else {
                    complete = self.within(byte, record);
                }
                self.line += u64::from(byte == b'\n');
                if complete {
                    break;
                }
            }
            input.consume(used);
            if complete {
                return Ok(true);
            }
        }
    }

    /// Takes a byte that stands before an element.
    fn before(&mut self, byte: u8, record: &mut Record) {
        match byte {
            b'[' if !self.in_array => self.in_array = true,
            b',' | b']' | b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => {
                record.line = self.line;
                record.bytes.push(byte);
                self.depth = u32::from(matches!(byte, b'{' | b'['));
                self.in_string = byte == b'"';
                self.escaped = false;
            }
        }
    }

    /// Takes a byte of an element; whether it is complete.
    fn within(&mut self, byte: u8, record: &mut Record) -> bool {
        if self.in_string {
            record.bytes.push(byte);
            self.in_string = byte != b'"' || self.escaped;
            self.escaped = byte == b'\\' && !self.escaped;
            return false;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' if self.depth > 0 => {
                self.depth -= 1;
                record.bytes.push(byte);
                return self.depth == 0;
            }
            b',' | b']' | b'\n' if self.depth == 0 => return true,
            _ => {}
        }
        record.bytes.push(byte);
        false
    }
}
