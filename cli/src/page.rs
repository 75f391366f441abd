//! Text output: lines with a label, wrapped to the width of the terminal, in its own colors.
//!
//! `anstream` decides whether there are colors: none where standard output is no terminal, or with `NO_COLOR`, `CLICOLOR=0`, or `TERM=dumb`.

use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use serde::Serialize;
use shared::error::Chain;
use textwrap::{WordSeparator, WordSplitter, WrapAlgorithm};

/// Lines end about here where standard output is no terminal, so that they fit most windows.
const WIDTH: usize = 112;
/// A terminal may be narrower or wider; lines are not: below this every word stands alone, above it no eye finds the next line.
const MIN_WIDTH: usize = 50;
const MAX_WIDTH: usize = 140;
/// What the columns of a table need.
pub const TABLE_WIDTH: usize = 80;
/// The width of a label, such as `each rule alone`.
const INDENT: usize = 17;
/// What stands before a label.
const MARGIN: usize = 2;

/// Output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people: as wide as the terminal
    Text,
    /// For programs: everything
    Json,
}

/// How a word is colored: with the terminal's own palette, so that it can be read on a light and on a dark background. Sentences are not
/// colored, and nothing is dim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Not at all.
    Plain,
    /// Bold, the whole text.
    Title,
    /// Green: as it should be.
    Good,
    /// Yellow: held, or a warning.
    Held,
    /// Red: acts, or failed.
    Bad,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Title => Style::new().bold(),
            Self::Good => AnsiColor::Green.on_default(),
            // Yellow letters vanish on white, in most palettes.
            Self::Held => AnsiColor::Black.on(AnsiColor::Yellow),
            Self::Bad => AnsiColor::Red.on_default(),
        }
    }
}

/// Standard output as a page.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    width: usize,
}

impl Page {
    /// A page as wide as the terminal.
    #[must_use]
    pub fn stdout() -> Self {
        Self { width: terminal().map_or(WIDTH, |width| width.clamp(MIN_WIDTH, MAX_WIDTH)) }
    }

    /// An empty line.
    ///
    /// # Errors
    /// Where standard output cannot be written, as in all of its functions.
    pub fn blank(self) -> io::Result<()> {
        writeln!(io::stdout())
    }

    /// The beginning of a page that replaces the one before: a clear terminal, or an empty line where there is none.
    ///
    /// # Errors
    /// See [`Page::blank`].
    pub fn again(self) -> io::Result<()> {
        if io::stdout().is_terminal() { write!(io::stdout(), "\x1b[H\x1b[2J\x1b[3J") } else { self.blank() }
    }

    /// A line without a label.
    ///
    /// # Errors
    /// See [`Page::blank`].
    pub fn line(self, text: &str) -> io::Result<()> {
        writeln!(io::stdout(), "{text}")
    }

    /// The title of a section.
    ///
    /// # Errors
    /// See [`Page::blank`].
    pub fn title(self, text: &str) -> io::Result<()> {
        writeln!(anstream::stdout(), "{}", painted(Tone::Title, text))
    }

    /// A line with a label, wrapped.
    ///
    /// # Errors
    /// See [`Page::blank`].
    pub fn field(self, label: &str, text: &str) -> io::Result<()> {
        self.painted(label, Tone::Plain, text, Tone::Plain)
    }

    /// The same where the text begins with a state, such as `held, stays at 0 agents`: that is colored.
    ///
    /// # Errors
    /// See [`Page::blank`].
    pub fn toned(self, label: &str, tone: Tone, text: &str) -> io::Result<()> {
        self.painted(label, Tone::Plain, text, tone)
    }

    /// The same where the label is a state, such as `warning`: that is colored.
    ///
    /// # Errors
    /// See [`Page::blank`].
    pub fn flagged(self, label: &str, tone: Tone, text: &str) -> io::Result<()> {
        self.painted(label, tone, text, Tone::Plain)
    }

    fn painted(self, label: &str, label_tone: Tone, text: &str, text_tone: Tone) -> io::Result<()> {
        let mut out = anstream::stdout().lock();
        // What fills its column stands alone: `D1  10000 -> 10000`, or a long name.
        let is_long = label.chars().count() >= INDENT;
        if is_long {
            writeln!(out, "{:MARGIN$}{}", "", painted(label_tone, label))?;
        }
        let label = if is_long { "" } else { label };
        for (index, line) in wrap(text, self.width - INDENT - MARGIN).into_iter().enumerate() {
            let is_first = index == 0;
            let label = if is_first { label } else { "" };
            let pad = " ".repeat(INDENT.saturating_sub(label.chars().count()));
            let label = if label.is_empty() { String::new() } else { painted(label_tone, label) };
            let line = match text_tone {
                Tone::Plain => line,
                Tone::Title => painted(text_tone, &line),
                _ if is_first => {
                    let (state, rest) = line.split_at(line.find([',', ':', ';']).unwrap_or(line.len()));
                    format!("{}{rest}", painted(text_tone, state))
                }
                _ => line,
            };
            writeln!(out, "{:MARGIN$}{label}{pad}{line}", "")?;
        }
        Ok(())
    }
}

fn painted(tone: Tone, text: &str) -> String {
    let style = tone.style();
    format!("{style}{text}{style:#}")
}

/// The text in lines of at most that many characters, where its words allow. Names of hosts and settings are never broken, not at
/// their hyphens either: they are copied.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let options = textwrap::Options::new(width)
        .break_words(false)
        .word_splitter(WordSplitter::NoHyphenation)
        .word_separator(WordSeparator::AsciiSpace)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    let lines = textwrap::wrap(text, options);
    lines.into_iter().map(std::borrow::Cow::into_owned).collect()
}

/// Reports an error of a command on standard error: in lines as wide as the terminal, or in one line where it is none.
///
/// # Errors
/// Where standard error cannot be written.
pub fn complain(command: &str, error: &(dyn Error + 'static)) -> io::Result<()> {
    let text = format!("lambda-scale {command}: {}", Chain::new(error));
    let width = terminal_size::terminal_size_of(io::stderr()).map(|(width, _)| usize::from(width.0).max(MIN_WIDTH));
    writeln!(io::stderr(), "{}", width.map_or_else(|| text.clone(), |width| wrap(&text, width).join("\n")))
}

/// The width of a table: that of the terminal, but no less than its columns need.
#[must_use]
pub fn table_width() -> usize {
    terminal().map_or(TABLE_WIDTH, |width| width.clamp(TABLE_WIDTH, MAX_WIDTH))
}

/// The width of the terminal, where standard output is one.
fn terminal() -> Option<usize> {
    terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0))
}

/// Prints a document as JSON.
///
/// # Errors
/// Where standard output cannot be written.
pub fn json<T: Serialize + ?Sized>(document: &T) -> io::Result<()> {
    let json = serde_json::to_string_pretty(document)?;
    writeln!(io::stdout(), "{json}")
}

/// Prints a document as one line of JSON.
///
/// # Errors
/// Where standard output cannot be written.
pub fn json_line<T: Serialize + ?Sized>(document: &T) -> io::Result<()> {
    let json = serde_json::to_string(document)?;
    writeln!(io::stdout(), "{json}")
}

/// Whether a file can be written there, without a change to it.
///
/// # Errors
/// Why not, such as a directory that does not exist.
pub fn can_write(path: &Path) -> io::Result<()> {
    let is_new = !path.exists();
    OpenOptions::new().append(true).create(true).open(path)?;
    if is_new { fs::remove_file(path) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("unbreakable", 4), ["unbreakable"]);
        assert_eq!(wrap("ip-10-0-2-25.ec2.internal", 9), ["ip-10-0-2-25.ec2.internal"]);
        assert_eq!(wrap("a  b", 80), ["a  b"]);
        assert_eq!(wrap("one\ntwo", 80), ["one", "two"]);
        assert_eq!(wrap("", 80), [""]);
    }
}
