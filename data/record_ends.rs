//! Where the records of delimited text begin, and whether their quotes are in order.

use memchr::memchr3;

use crate::error::{QuoteFault, QuoteLines};

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
    after_line_end: bool,
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
    Trailing(QuoteFault),
    /// Any other.
    Other,
}

impl Machine {
    /// `line` is the number of the first line.
    pub(crate) fn new(delimiter: u8, quotes: bool, line: u64) -> Self {
        let (current, opened) = (line, line);
        Self {
            delimiter,
            quotes,
            state: State::Outside,
            line,
            after_cr: false,
            after_line_end: false,
            current,
            opened,
        }
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
    pub(crate) fn uneventful(&mut self, bytes: &[u8]) -> usize {
        let end = match self.state {
            _ if self.after_cr => Some(0),
            State::Plain => memchr3(self.delimiter, b'\n', b'\r', bytes),
            State::Quoted => memchr3(b'"', b'\n', b'\r', bytes),
            State::Outside | State::FieldStart | State::QuoteSeen => Some(0),
        };
        let end = end.unwrap_or(bytes.len());
        self.after_line_end &= end == 0;
        end
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
                step = Step::Trailing(QuoteFault::Trailing(self.quote(self.line)));
                State::Plain
            }
            _ => State::Plain,
        };
        // CR, LF and CR LF each end one line.
        if line_end && !(byte == b'\n' && self.after_cr) {
            self.line += 1;
        }
        self.after_cr = byte == b'\r';
        self.after_line_end = line_end;
        step
    }

    /// The quote that is open where the text ends, if one is.
    pub(crate) fn unclosed(&self) -> Option<QuoteFault> {
        // Behind the last line end there is no line.
        let last = self.line - u64::from(self.after_line_end);
        (self.state == State::Quoted).then(|| QuoteFault::Unclosed(self.quote(last)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines in which records begin, and the broken quotes.
    fn scan(text: &str) -> (Vec<u64>, Vec<QuoteFault>) {
        let mut machine = Machine::new(b',', true, 1);
        let (mut lines, mut faults) = (Vec::new(), Vec::new());
        for byte in text.bytes() {
            match machine.step(byte) {
                Step::Begins => lines.push(machine.record_line()),
                Step::Trailing(fault) => faults.push(fault),
                Step::Other => {}
            }
        }
        faults.extend(machine.unclosed());
        (lines, faults)
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
        assert_eq!(scan("a\n\"b,c\nd\n").1, [unclosed(lines(2, 3))]);
        assert_eq!(scan("a\n\"b,c\nd").1, [unclosed(lines(2, 3))]);
        assert_eq!(scan("a\n\"b,c\n\"d,e\nf").1, [trailing(lines(2, 3))]);
        assert_eq!(scan("\"a\nb\",\"c\nd\" e").1, [trailing(lines(2, 3))]);
        assert_eq!(scan("a\n\"b\"\"c\",\"\"\nd\"e\"").1, []);
    }
}
