//! The one place that prints: results to stdout, talk to stderr, colour only where it is seen.

use std::io::{self, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use tunebench_data::is_hostile;
use tunebench_reports::render::terminal::Style as TableStyle;

use super::args::Color;
use crate::error::Error;

pub(super) const ERROR: Style = AnsiColor::Red.on_default().bold();
pub(super) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
pub(super) const HINT: Style = AnsiColor::Cyan.on_default().bold();

fn set_columns(variable: &str) -> Option<usize> {
    variable.trim().parse().ok().filter(|columns| *columns > 0)
}

/// The columns that a terminal says it has. Its rows do not matter: it may have columns alone.
#[cfg(unix)]
fn columns(terminal: &io::Stdout) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(terminal).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

#[cfg(not(unix))]
fn columns(_: &io::Stdout) -> Option<usize> {
    None
}

/// Prints, as the user wants it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Printer {
    quiet: bool,
    color: ColorChoice,
}

impl Printer {
    pub(crate) fn new(quiet: bool, color: Color) -> Self {
        let color = match color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        Self { quiet, color }
    }

    /// Whether talk is wanted.
    pub(crate) fn is_quiet(self) -> bool {
        self.quiet
    }

    /// How tables are to look on stdout.
    pub(crate) fn table_style(self) -> TableStyle {
        let stdout = io::stdout();
        let color = match self.color {
            ColorChoice::Auto => AutoStream::choice(&stdout) != ColorChoice::Never,
            choice => choice != ColorChoice::Never,
        };
        TableStyle { width: self.width(), color, wide: false, labels: false, confusion: false }
    }

    /// The command that opens a page in a browser, for whoever sits at a terminal.
    pub(crate) fn open_command(self) -> Option<&'static str> {
        let command = match std::env::consts::OS {
            "macos" => "open",
            "windows" => "start",
            _ => "xdg-open",
        };
        io::stdout().is_terminal().then_some(command)
    }

    /// The columns that output has: those of `COLUMNS`, also in a pipe, else those of the terminal that stdout is; none
    /// where it is no terminal.
    ///
    /// A terminal that says nothing of itself, as in some containers, has 80.
    pub(crate) fn width(self) -> Option<usize> {
        let stdout = io::stdout();
        let set = std::env::var("COLUMNS").ok();
        let of_terminal = || stdout.is_terminal().then(|| columns(&stdout).unwrap_or(80));
        set.as_deref().and_then(set_columns).or_else(of_terminal)
    }

    /// A result.
    pub(crate) fn data(self, text: &str) -> Result<(), Error> {
        let mut stdout = AutoStream::new(io::stdout().lock(), self.color);
        match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Error::OutputClosed),
            other => Ok(other?),
        }
    }

    /// A result that is a file's content, byte by byte.
    pub(crate) fn document(self, bytes: &[u8]) -> Result<(), Error> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Error::OutputClosed),
            other => Ok(other?),
        }
    }

    /// How the work goes on.
    pub(crate) fn note(self, text: &str) {
        if !self.quiet {
            self.talk("", text);
        }
    }

    /// Something the user should know.
    pub(crate) fn warn(self, text: &str) {
        self.talk(&format!("{WARNING}warning:{WARNING:#} "), text);
    }

    /// What to do about it.
    pub(crate) fn hint(self, text: &str) {
        self.talk(&format!("{HINT}hint:{HINT:#} "), text);
    }

    /// Asks what can be answered by yes or no; no answer is no.
    pub(crate) fn ask(self, question: &str) -> Result<bool, Error> {
        let mut stderr = AutoStream::new(io::stderr().lock(), self.color);
        write!(stderr, "{}", harmless(question))?;
        stderr.flush()?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
    }

    /// A line for the program that runs this one, beside a result for another.
    pub(crate) fn command(self, text: &str) {
        self.talk("", text);
    }

    /// Why the command could not do what it was asked to.
    pub(crate) fn error(self, error: &Error) {
        self.talk(&format!("{ERROR}error:{ERROR:#} "), &error.to_string());
        if let Some(hint) = error.hint() {
            self.hint(&hint);
        }
    }

    /// Much of what is said is in the words of servers and files: no character of it may steer the terminal.
    fn talk(self, label: &str, text: &str) {
        let text = harmless(text);
        // There is nowhere left to complain to if stderr fails.
        let _ = writeln!(AutoStream::new(io::stderr().lock(), self.color), "{label}{text}");
    }
}

/// The text with its lines, and without what could steer a terminal.
fn harmless(text: &str) -> String {
    let safe = |c: char| if c != '\n' && is_hostile(c) { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_does_not_steer_the_terminal() {
        assert_eq!(harmless("a\u{1b}[31mb\r\nc\u{202e}d"), "a\u{fffd}[31mb\u{fffd}\nc\u{fffd}d");
    }

    #[test]
    fn a_width_of_nothing_is_not_taken() {
        assert_eq!(
            ["60", " 60\n", "0", "", "-5", "wide"].map(set_columns),
            [Some(60), Some(60), None, None, None, None]
        );
    }
}
