//! Text output: lines with a label, wrapped, colored on a terminal.

use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use clap::ValueEnum;

/// Lines end about here, so that they fit most windows.
const WIDTH: usize = 112;
/// The width of a label, such as `each rule alone`.
const INDENT: usize = 17;

/// Output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Text
    Text,
    /// JSON
    Json,
}

/// How text is colored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Not at all.
    Plain,
    /// Bold.
    Title,
    /// Green.
    Good,
    /// Yellow.
    Held,
    /// Red.
    Bad,
    /// Dim.
    Quiet,
}

/// Standard output as a page.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    color: bool,
}

impl Page {
    /// A page that is colored where standard output is a terminal.
    #[must_use]
    pub fn stdout() -> Self {
        Self { color: io::stdout().is_terminal() }
    }

    /// An empty line.
    ///
    /// # Errors
    /// Where standard output cannot be written, as in all of its functions.
    pub fn blank(self) -> io::Result<()> {
        writeln!(io::stdout())
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
        writeln!(io::stdout(), "{}", self.colored(Tone::Title, text))
    }

    /// A line with a label, wrapped.
    ///
    /// # Errors
    /// See [`Page::blank`].
    pub fn field(self, label: &str, text: &str) -> io::Result<()> {
        self.toned(label, Tone::Plain, text)
    }

    /// The same with colored words.
    ///
    /// # Errors
    /// See [`Page::blank`].
    pub fn toned(self, label: &str, tone: Tone, text: &str) -> io::Result<()> {
        for (index, line) in wrap(text, WIDTH - INDENT - 2).into_iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            let label = self.colored(Tone::Quiet, &format!("{label:<INDENT$}"));
            writeln!(io::stdout(), "  {label}{}", self.colored(tone, &line))?;
        }
        Ok(())
    }

    fn colored(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            _ if !self.color => return text.to_owned(),
            Tone::Plain => return text.to_owned(),
            Tone::Title => 1,
            Tone::Good => 32,
            Tone::Held => 33,
            Tone::Bad => 31,
            Tone::Quiet => 2,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// The text in lines of at most that many characters, where its words allow.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                lines.push(std::mem::take(&mut line));
            } else if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    if lines.is_empty() { vec![String::new()] } else { lines }
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
        assert_eq!(wrap("a  b", 80), ["a  b"]);
        assert_eq!(wrap("", 80), [""]);
    }
}
