//! Reads a TOML table key by key and remembers the known keys, so that at the end every unknown key can be reported
//! together with every wrong value.

use std::cell::RefCell;

use toml::{Table, Value};

use super::lines::line_of;
use super::problem::Problem;
use super::shown::{shown, shown_word, type_of, typed};
use crate::text::nearest;

/// Collects what is wrong while a configuration is read.
#[derive(Debug)]
pub(super) struct Report<'a> {
    problems: RefCell<Vec<Problem>>,
    source: &'a str,
    root: &'a Table,
}

impl<'a> Report<'a> {
    /// A report about the configuration that this source was parsed to.
    pub(super) fn new(source: &'a str, root: &'a Table) -> Self {
        Self { problems: RefCell::default(), source, root }
    }

    pub(super) fn add(&self, path: impl Into<String>, text: impl Into<String>) {
        self.problems.borrow_mut().push(Problem { path: path.into(), text: text.into() });
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems.into_inner()
    }
}

/// What is wrong with a value, in the form of every such message.
pub(super) fn instead_of(got: &str, expected: &str, write: &str) -> String {
    format!("got {got}, expected {expected}; write {write}")
}

/// A type that a value of the configuration can be read into.
pub(super) trait Setting: Sized {
    /// What is expected: `a size`.
    const EXPECTED: &'static str;

    /// What to write, itself valid: `"4GiB"`.
    const EXAMPLE: &'static str;

    /// The value, if it is one of this type.
    fn read(value: &Value) -> Option<Self>;

    /// A wrong value in its message.
    fn got(value: &Value) -> String {
        shown(value)
    }
}

/// One table of the configuration.
pub(super) struct Section<'a> {
    path: String,
    table: &'a Table,
    known: Vec<&'static str>,
    report: &'a Report<'a>,
}

impl<'a> Section<'a> {
    pub(super) fn new(path: &str, table: &'a Table, report: &'a Report<'a>) -> Self {
        Self { path: path.to_owned(), table, known: Vec::new(), report }
    }

    /// The path of one of its keys.
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The place of a key that is a name of the reader's own: by its line, because it may be anything.
    pub(super) fn place_of(&self, name: &str) -> String {
        let Report { source, root, .. } = self.report;
        match line_of(source, root, self.table, name) {
            Some(line) if self.path.is_empty() => format!("line {line}"),
            Some(line) => format!("{}, line {line}", self.path),
            None => self.path.clone(),
        }
    }

    /// The place of an application: by its name where that looks like one, else by its line.
    pub(super) fn name_of(&self, application: &str) -> String {
        if application.starts_with('/') {
            self.path_of(&format!("{application:?}"))
        } else {
            self.place_of(application)
        }
    }

    pub(super) fn report(&self) -> &'a Report<'a> {
        self.report
    }

    /// Reports that the value of a key is wrong.
    pub(super) fn problem(&self, key: &str, text: impl Into<String>) {
        self.report.add(self.path_of(key), text);
    }

    /// Reports the value of a key with what was expected, and what to write.
    pub(super) fn wrong(&self, key: &str, expected: &str, write: &str) {
        let got = self.table.get(key).map_or_else(|| "the default".to_owned(), shown);
        self.problem(key, instead_of(&got, expected, write));
    }

    /// Reports that a key is missing, with what was expected, and what to write.
    pub(super) fn missing(&self, key: &str, expected: &str, write: &str) {
        self.problem(key, format!("missing, expected {expected}; write {write}"));
    }

    /// The value of a key as it stands.
    pub(super) fn value(&mut self, key: &'static str) -> Option<&'a Value> {
        self.known.push(key);
        self.table.get(key)
    }

    /// The value of a key, if it is there and right. `remedy` has what is expected instead of a wrong value, and what to
    /// write.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Value) -> Option<T>,
        remedy: impl FnOnce(&Value) -> (String, String),
    ) -> Option<T> {
        let value = self.value(key)?;
        let found = read(value);
        if found.is_none() {
            let (expected, write) = remedy(value);
            self.wrong(key, &expected, &write);
        }
        found
    }

    /// The value of a key, if it is there and of its type.
    pub(super) fn optional<T: Setting>(&mut self, key: &'static str) -> Option<T> {
        let value = self.value(key)?;
        let read = T::read(value);
        if read.is_none() {
            self.problem(key, instead_of(&T::got(value), T::EXPECTED, T::EXAMPLE));
        }
        read
    }

    /// The value of a key, or what stands for it where it is absent (or wrong, which is then reported).
    pub(super) fn or<T: Setting>(&mut self, key: &'static str, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    /// The strings of the list under a key, if it is there and one. `example` is one of them as the configuration has it.
    pub(super) fn list(&mut self, key: &'static str, example: &str) -> Option<Vec<String>> {
        let value = self.value(key)?;
        let Some(items) = value.as_array() else {
            self.problem(key, instead_of(type_of(value), "a list", &format!("[{example}]")));
            return None;
        };
        let mut strings = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match String::read(item) {
                Some(text) => strings.push(text),
                None => self.problem(&format!("{key}[{index}]"), instead_of(type_of(item), String::EXPECTED, example)),
            }
        }
        (strings.len() == items.len()).then_some(strings)
    }

    /// The table under a key, if it is there and a table.
    pub(super) fn section(&mut self, key: &'static str, example: &str) -> Option<Section<'a>> {
        let value = self.value(key)?;
        let table = value.as_table();
        if table.is_none() {
            self.problem(key, instead_of(type_of(value), "a table", example));
        }
        Some(Section::new(&self.path_of(key), table?, self.report))
    }

    /// The table itself, for keys that are the reader's own names.
    pub(super) fn table(&self) -> &'a Table {
        self.table
    }

    /// Reports every unknown key: a typing error with the known one, any other by its line, because it may be anything.
    pub(super) fn finish(self) {
        for key in self.table.keys().filter(|key| !self.known.contains(&key.as_str())) {
            match typed(key, &self.known) {
                Some(known) => self.problem(key, format!("unknown setting; did you mean {known:?}?")),
                None => {
                    let known = self.known.join(", ");
                    self.report.add(self.place_of(key), format!("unknown setting; leave it out; known here: {known}"));
                }
            }
        }
    }
}

/// One of a few words; any other value is reported with all of them.
pub(super) fn word<T: Copy>(section: &mut Section<'_>, key: &'static str, words: &[(&str, T)]) -> Option<T> {
    let find = |value: &Value| {
        let text = value.as_str()?.trim();
        words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning)
    };
    let value = section.value(key)?;
    let found = find(value);
    if found.is_none() {
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let (expected, write) = one_of(&names, value.as_str().unwrap_or_default());
        section.problem(key, instead_of(&shown_word(value, &names), &expected, &write));
    }
    found
}

/// What is expected instead of a word that is none of these (`"pack" or "sum"`), and the nearest of them.
pub(super) fn one_of(words: &[&str], got: &str) -> (String, String) {
    let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    let expected = match &quoted[..] {
        [first, second] => format!("{first} or {second}"),
        [others @ .., last] if !others.is_empty() => format!("{}, or {last}", others.join(", ")),
        _ => quoted.join(""),
    };
    let write = nearest(got, words.iter().copied()).first().or(words.first()).map(|word| format!("{word:?}"));
    (expected, write.unwrap_or_default())
}
