//! Reads a TOML table key by key and remembers the known keys, so that at the end every unknown key can be reported
//! together with every wrong value.

use std::cell::RefCell;

use toml::{Table, Value};

use super::problem::Problem;

/// Collects what is wrong while a document is read.
#[derive(Debug, Default)]
pub(super) struct Report(RefCell<Vec<Problem>>);

impl Report {
    pub(super) fn add(&self, path: impl Into<String>, text: impl Into<String>) {
        self.0.borrow_mut().push(Problem { path: path.into(), text: text.into() });
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.0.into_inner()
    }
}

/// A type that a value of the document can be read into.
pub(super) trait Setting: Sized {
    /// What to write, with an example: `a whole number of percent; write 85`.
    const EXPECTED: &'static str;

    /// The value, if it is one of this type.
    fn read(value: &Value) -> Option<Self>;

    /// What to write instead of this very value, where a guess can be made.
    fn remedy(_value: &Value) -> Option<String> {
        None
    }
}

/// One table of the document.
pub(super) struct Section<'a> {
    path: String,
    table: &'a Table,
    known: Vec<&'static str>,
    report: &'a Report,
}

impl<'a> Section<'a> {
    pub(super) fn new(path: &str, table: &'a Table, report: &'a Report) -> Self {
        Self { path: path.to_owned(), table, known: Vec::new(), report }
    }

    /// The path of one of its keys.
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(super) fn report(&self) -> &'a Report {
        self.report
    }

    /// Says that the value of a key is wrong.
    pub(super) fn problem(&self, key: &str, text: impl Into<String>) {
        self.report.add(self.path_of(key), text);
    }

    /// The value of a key as it stands.
    pub(super) fn value(&mut self, key: &'static str) -> Option<&'a Value> {
        self.known.push(key);
        self.table.get(key)
    }

    /// The value of a key, if it is there and right.
    pub(super) fn optional<T: Setting>(&mut self, key: &'static str) -> Option<T> {
        let value = self.value(key)?;
        let read = T::read(value);
        if read.is_none() {
            let expected = T::remedy(value).unwrap_or_else(|| T::EXPECTED.to_owned());
            self.problem(key, format!("{} is not {expected}", shorten(value)));
        }
        read
    }

    /// The value of a key, or what stands for it where it is absent (or wrong, which is then reported).
    pub(super) fn or<T: Setting>(&mut self, key: &'static str, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    /// The value of a key that must be there.
    pub(super) fn required<T: Setting>(&mut self, key: &'static str) -> Option<T> {
        if !self.table.contains_key(key) {
            self.known.push(key);
            self.problem(key, format!("missing; expected {}", T::EXPECTED));
            return None;
        }
        self.optional(key)
    }

    /// The table under a key, if it is there and a table.
    pub(super) fn section(&mut self, key: &'static str) -> Option<Section<'a>> {
        let value = self.value(key)?;
        let table = value.as_table();
        if table.is_none() {
            self.problem(key, format!("{} is not a table", shorten(value)));
        }
        Some(Section::new(&self.path_of(key), table?, self.report))
    }

    /// The table itself, for keys that are the reader's own names.
    pub(super) fn table(&self) -> &'a Table {
        self.table
    }

    /// Reports every unknown key, with the nearest known one.
    pub(super) fn finish(self) {
        for key in self.table.keys().filter(|key| !self.known.contains(&key.as_str())) {
            let nearest = self
                .known
                .iter()
                .map(|known| (strsim::jaro_winkler(key, known), known))
                .max_by(|a, b| a.0.total_cmp(&b.0))
                .filter(|(similarity, _)| *similarity > 0.7);
            let remedy = match nearest {
                Some((_, known)) => format!("did you mean {known:?}?"),
                None => format!("known here: {}", self.known.join(", ")),
            };
            self.problem(key, format!("unknown setting; {remedy}"));
        }
    }
}

/// A value as it stands in the document, cut to a length that fits a line.
pub(super) fn shorten(value: &Value) -> String {
    const MAX_CHARS: usize = 60;
    let text = value.to_string();
    if text.chars().count() <= MAX_CHARS {
        return text;
    }
    text.chars().take(MAX_CHARS).chain("...".chars()).collect()
}

/// One of a few words; what is none of them is reported with all of them.
pub(super) fn word<T: Copy>(section: &mut Section<'_>, key: &'static str, words: &[(&str, T)]) -> Option<T> {
    let text: String = section.optional(key)?;
    let found = words.iter().find(|(word, _)| *word == text);
    if found.is_none() {
        let known: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        section.problem(key, format!("{text:?} is not one of {}", known.join(", ")));
    }
    found.map(|(_, value)| *value)
}
