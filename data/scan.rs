//! Where records begin, and whether their quotes are in order.
//!
//! The CSV reader forgives quotes that are never closed or that close too early: rows then run together
//! without a word. This pass-through watches the bytes on their way to it and says where that happens.

use std::collections::VecDeque;
use std::io::{self, Read};

use memchr::memchr3;

use crate::fault::{QuoteFault, QuoteLines};

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// Between records.
    Outside,
    /// At the first byte of a field.
    FieldStart,
    Plain,
    Quoted,
    /// Behind a quote inside quotes: the field ends, or the quote was doubled.
    QuoteSeen,
}

/// Follows the bytes of a file from record to record.
pub(crate) struct Machine {
    delimiter: u8,
    /// Whether the quote character means anything.
    quotes: bool,
    state: State,
    line: u64,
    after_cr: bool,
    /// The line in which the record that is being read begins.
    current: u64,
    /// The line of the last quote that opened a field.
    opened: u64,
}

/// What a byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The first byte of a record.
    Begins,
    /// The first byte behind a closing quote where none may be.
    Trailing,
    /// Any other.
    Other,
}

impl Machine {
    pub(crate) fn new(delimiter: u8, quotes: bool) -> Self {
        Self { delimiter, quotes, state: State::Outside, line: 1, after_cr: false, current: 1, opened: 1 }
    }

    /// The line in which the record of the last byte begins.
    pub(crate) fn record_line(&self) -> u64 {
        self.current
    }

    /// Where a quoted field that ends on `last` began.
    fn quote(&self, last: u64) -> QuoteLines {
        QuoteLines { opened: self.opened, last }
    }

    /// How many of the bytes that follow change nothing: most of a field.
    pub(crate) fn uneventful(&self, bytes: &[u8]) -> usize {
        let end = match self.state {
            _ if self.after_cr => Some(0),
            State::Plain => memchr3(self.delimiter, b'\n', b'\r', bytes),
            State::Quoted => memchr3(b'"', b'\n', b'\r', bytes),
            State::Outside | State::FieldStart | State::QuoteSeen => Some(0),
        };
        end.unwrap_or(bytes.len())
    }

    /// Takes the next byte.
    pub(crate) fn step(&mut self, byte: u8) -> Step {
        let line_end = byte == b'\n' || byte == b'\r';
        let mut step = Step::Other;
        if self.state == State::Outside && !line_end {
            self.current = self.line;
            self.state = State::FieldStart;
            step = Step::Begins;
        }
        self.state = match (self.state, byte) {
            (State::Quoted, b'"') => State::QuoteSeen,
            (State::Quoted, _) => State::Quoted,
            (State::QuoteSeen, b'"') => State::Quoted,
            (State::FieldStart, b'"') if self.quotes => {
                self.opened = self.line;
                State::Quoted
            }
            (_, b'\n' | b'\r') => State::Outside,
            (_, byte) if byte == self.delimiter => State::FieldStart,
            (State::QuoteSeen, _) => {
                step = Step::Trailing;
                State::Plain
            }
            _ => State::Plain,
        };
        // CR, LF and CR LF each end one line.
        if line_end && !(byte == b'\n' && self.after_cr) {
            self.line += 1;
        }
        self.after_cr = byte == b'\r';
        step
    }
}

/// A reader that passes bytes on and remembers the line each record begins in.
pub(crate) struct Scanner<R> {
    source: R,
    machine: Machine,
    after_line_end: bool,
    starts: VecDeque<u64>,
    /// Broken quotes, and the lines in which their records begin.
    faults: VecDeque<(u64, QuoteFault)>,
}

impl<R: Read> Scanner<R> {
    pub(crate) fn new(source: R, delimiter: u8, quotes: bool) -> Self {
        Self {
            source,
            machine: Machine::new(delimiter, quotes),
            after_line_end: false,
            starts: VecDeque::new(),
            faults: VecDeque::new(),
        }
    }

    /// The line in which the record that has just been read begins, and its first broken quote; to be asked once for
    /// each record.
    ///
    /// Whoever has read a record has read all its bytes through here.
    pub(crate) fn next_start(&mut self) -> (u64, Option<QuoteFault>) {
        let line = self.starts.pop_front().unwrap_or(0);
        let mut first = None;
        while let Some((_, fault)) = self.faults.front().filter(|(of, _)| *of <= line) {
            first.get_or_insert(*fault);
            self.faults.pop_front();
        }
        (line, first)
    }

    pub(crate) fn into_inner(self) -> R {
        self.source
    }

    fn fault(&mut self, kind: impl FnOnce(QuoteLines) -> QuoteFault, last: u64) {
        self.faults.push_back((self.machine.record_line(), kind(self.machine.quote(last))));
    }
}

impl<R: Read> Read for Scanner<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read(out)?;
        let mut rest = &out[..n];
        while let Some((&byte, after)) = rest.split_first() {
            match self.machine.step(byte) {
                Step::Begins => self.starts.push_back(self.machine.record_line()),
                Step::Trailing => self.fault(QuoteFault::Trailing, self.machine.line),
                Step::Other => {}
            }
            rest = &after[self.machine.uneventful(after)..];
        }
        if n == 0 && self.machine.state == State::Quoted && !out.is_empty() {
            // Behind the last line end there is no line.
            let last = self.machine.line - u64::from(self.after_line_end);
            self.fault(QuoteFault::Unclosed, last);
            self.machine.state = State::Outside;
        }
        if let Some(byte) = out[..n].last() {
            self.after_line_end = matches!(byte, b'\n' | b'\r');
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> (Vec<u64>, Vec<(u64, QuoteFault)>) {
        let mut scanner = Scanner::new(text.as_bytes(), b',', true);
        io::copy(&mut scanner, &mut io::sink()).unwrap();
        (scanner.starts.into(), scanner.faults.into())
    }

    #[test]
    fn knows_the_line_of_each_record_whatever_ends_a_line() {
        assert_eq!(scan("a,b\r\n\r\nc,d\ne,\"f\r\ng\"\rh,i").0, [1, 3, 4, 6]);
        assert_eq!(scan("\n\na\n").0, [3]);
        assert_eq!(scan("").0, [0; 0]);
    }

    #[test]
    fn tells_of_quotes_that_swallow_rows() {
        let lines = |opened, last| QuoteLines { opened, last };
        let (unclosed, trailing) = (QuoteFault::Unclosed, QuoteFault::Trailing);
        assert_eq!(scan("a\n\"b,c\nd\n").1, [(2, unclosed(lines(2, 3)))]);
        assert_eq!(scan("a\n\"b,c\nd").1, [(2, unclosed(lines(2, 3)))]);
        assert_eq!(scan("a\n\"b,c\n\"d,e\nf").1, [(2, trailing(lines(2, 3)))]);
        assert_eq!(scan("\"a\nb\",\"c\nd\" e").1, [(1, trailing(lines(2, 3)))]);
        assert_eq!(scan("a\n\"b\"\"c\",\"\"\nd\"e\"").1, []);
    }
}
