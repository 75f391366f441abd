//! Advice is itself valid: every suggestion of every error is applied, and accepted.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::Problem;
use super::mutations::{Place, Step, at, bases, owner, places, problems, remove};

/// Values of every type, and what people write in place of the right ones.
fn wrong_values() -> Vec<Value> {
    let values = r#"
        values = [true, false, -1, 0, 1, 5, 30, 99, 100, 600, 100000, 9000000000, 0.8, 0.001, 1.0, 12.5, -0.5, 1e3, nan, inf,
        2026-12-24T18:00:00Z, "", " ", "unlimited", "none", "never", "0.8", "85%", "85 %", "10", "-1", "1e3", "10m", "90s", "1 h",
        "400 days", "4GB", "512 MiB", "tomorrow", "cpu", "memory", "drained", "sums", "Mesos", "cloud-watch", "fd00::5",
        "fd00::5:5050", "http://fd00::5:5050", "http://fd00::5:5050/mesos", "10.0.0.5:5050", "localhost:5050", "master", "ftp://a",
        "http://", "http://a?b=c", "http://a/b#c", "http://me:secret@10.0.0.5:5050", "file:secret.txt", "ssm:", "hunter2", ":a",
        "a b", "a:b", "größe", [], [1], [true, "a"], ["cpus", "cpus"], ["a"], [[]], [{}], {}, { a = 1 }, { cpus = 4 }]
    "#;
    let Some(Value::Array(mut values)) = values.parse::<Table>().unwrap().remove("values") else { unreachable!() };
    values.push("x".repeat(300).into());
    values
}

/// One change that an error asks for.
#[derive(Debug)]
enum Remedy {
    Write(Value),
    Set(Place, Value),
    LeaveOut,
    /// The credentials of a URL.
    RemoveThem,
    /// The slash before the name of an application.
    PutBefore,
    Rename(String),
}

/// The place that the path of an error names; `None`: it names a line.
fn place(path: &str) -> Option<Place> {
    let mut place = Place::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (key, after) = quoted.split_once('"')?;
            place.push(Step::Key(key.to_owned()));
            rest = after;
        } else if let Some(index) = rest.strip_prefix('[') {
            let (index, after) = index.split_once(']')?;
            place.push(Step::Index(index.parse().ok()?));
            rest = after;
        } else {
            let end = rest.find(['.', '[', ' ', ',']).unwrap_or(rest.len());
            let (key, after) = rest.split_at(end);
            place.push(Step::Key(key.to_owned()));
            rest = after;
        }
        if rest.starts_with([' ', ',']) {
            return None;
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
    }
    Some(place)
}

fn value(text: &str) -> Option<Value> {
    if text == "[[pools]] with name and group" {
        return value(r#"[{ name = "workers", group = "mesos-workers" }]"#);
    }
    format!("x = {text}").parse::<Table>().ok()?.remove("x")
}

/// The value that a text begins with, and what follows it.
fn leading_value(text: &str) -> Option<(Value, &str)> {
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8()).rev();
    ends.into_iter().find_map(|end| Some((value(&text[..end])?, &text[end..])))
}

fn remedies(problem: &Problem, own: &[Step]) -> Vec<Remedy> {
    let text = problem.text.as_str();
    let mut found = Vec::new();
    for (at, _) in text.match_indices("write ") {
        let mut rest = &text[at + "write ".len()..];
        if let Some((key, assigned)) = rest.split_once(" = ").filter(|(key, _)| !key.contains([' ', '"', '{', '['])) {
            let siblings = if key.contains('.') { &[][..] } else { &own[..own.len() - 1] };
            let place = [siblings, &place(key).unwrap()].concat();
            found.push(Remedy::Set(place, leading_value(assigned).unwrap().0));
            continue;
        }
        while let Some((value, after)) = leading_value(rest) {
            found.push(Remedy::Write(value));
            let Some(next) = after.strip_prefix(" or ") else { break };
            rest = next;
        }
    }
    if text.contains("leave it out") {
        found.push(Remedy::LeaveOut);
    }
    if text.contains("put that before it") {
        found.push(Remedy::PutBefore);
    }
    if text.contains("remove them") {
        found.push(Remedy::RemoveThem);
    }
    if let Some((_, known)) = text.split_once("did you mean ") {
        found.push(Remedy::Rename(known.trim_end_matches('?').trim_matches('"').to_owned()));
    }
    found
}

fn apply(remedy: &Remedy, table: &Table, own: &[Step]) -> Table {
    let mut table = table.clone();
    match remedy {
        Remedy::Write(value) => match at(&mut table, own) {
            // `[[pools]]` is the list and a pool of it.
            Some(found) if matches!((own.last(), value), (Some(Step::Index(_)), Value::Array(_))) => {
                *found = value.as_array().unwrap()[0].clone();
            }
            Some(found) => *found = value.clone(),
            None => {
                // A setting that is missing, perhaps with its section.
                if let [Step::Key(section), Step::Key(_)] = own {
                    table.entry(section.clone()).or_insert_with(|| Table::new().into());
                }
                let (owner, key) = owner(&mut table, own).unwrap();
                owner.insert(key, value.clone());
            }
        },
        Remedy::RemoveThem => without_credentials(&mut table, own),
        Remedy::PutBefore => match at(&mut table, own) {
            Some(Value::String(name)) => name.insert(0, '/'),
            _ => {
                let (owner, key) = owner(&mut table, own).unwrap();
                let value = owner.remove(&key).unwrap();
                owner.insert(format!("/{key}"), value);
            }
        },
        Remedy::Set(place, value) => {
            without_credentials(&mut table, own);
            let (owner, key) = owner(&mut table, place).unwrap();
            owner.insert(key, value.clone());
        }
        Remedy::LeaveOut => remove(&mut table, own),
        Remedy::Rename(known) => {
            let (owner, key) = owner(&mut table, own).unwrap();
            let value = owner.remove(&key).unwrap();
            owner.insert(known.clone(), value);
        }
    }
    table
}

/// What is stored elsewhere, or removed, is no longer in the URL.
fn without_credentials(table: &mut Table, own: &[Step]) {
    if let Some(Value::String(url)) = at(table, own)
        && let Some((scheme, rest)) = url.split_once("://")
        && let Some((_, host)) = rest.split_once('@')
    {
        *url = format!("{scheme}://{host}");
    }
}

/// What has no remedy that a program could apply: the author must choose a name or attributes.
fn must_be_chosen(problem: &Problem) -> bool {
    problem.text.contains("of its own")
}

/// The setting that an error names by its line: the wrong one, or what is in it.
fn named_by_its_line(table: &Table, wrong: &[Step], path: &str) -> Place {
    let (owner, _) = path.split_once(", line ").unwrap_or(("", path));
    if place(owner).as_deref() != Some(wrong) {
        return wrong.to_vec();
    }
    let inner = at(&mut table.clone(), wrong).and_then(|value| value.as_table()?.keys().next().cloned());
    wrong.iter().cloned().chain(inner.map(Step::Key)).collect()
}

/// Whether a place has one value, by which no other setting counts.
fn is_single(table: &Table, place: &[Step]) -> bool {
    const OTHERS_COUNT_BY: [&str; 4] = ["source", "cpu_utilization", "scale_down_strategy", "check"];
    let is_value = !matches!(at(&mut table.clone(), place), Some(Value::Table(_) | Value::Array(_)));
    is_value && !OTHERS_COUNT_BY.iter().any(|key| place.last() == Some(&Step::Key((*key).to_owned())))
}

/// What was checked, and the suggestions that were not accepted, each once.
#[derive(Default)]
struct Checked {
    count: usize,
    failures: BTreeSet<String>,
}

impl Checked {
    /// Applies every suggestion for a configuration in which one place is wrong.
    ///
    /// A single value must then be the last problem. A list, a table, and a setting by which others count may hide more.
    fn check(&mut self, table: &Table, wrong: &[Step], is_single: bool) {
        let before = problems(table);
        for problem in before.iter().filter(|problem| !must_be_chosen(problem)) {
            let own = place(&problem.path).unwrap_or_else(|| named_by_its_line(table, wrong, &problem.path));
            let remedies = remedies(problem, &own);
            if remedies.is_empty() {
                self.failures.insert(format!("no remedy: {problem}"));
            }
            for remedy in remedies {
                let after = problems(&apply(&remedy, table, &own));
                let is_alone = before.len() == 1 && is_single && !after.is_empty();
                if is_alone || after.iter().any(|other| other.path == problem.path) {
                    self.failures.insert(format!("{problem}\n  {remedy:?} leads to {after:?}"));
                }
                self.count += 1;
            }
        }
    }

    #[track_caller]
    fn all_accepted(self, at_least: usize) {
        let failures: Vec<String> = self.failures.into_iter().collect();
        assert!(failures.is_empty(), "{}", failures.join("\n"));
        assert!(self.count >= at_least, "{}", self.count);
    }
}

#[test]
fn every_suggestion_for_every_wrong_value_at_every_place_is_accepted() {
    let mut checked = Checked::default();
    for base in bases() {
        assert_eq!(problems(&base), []);
        for place in places(&base) {
            for wrong in wrong_values() {
                let mut table = base.clone();
                *at(&mut table, &place).unwrap() = wrong;
                checked.check(&table, &place, is_single(&base, &place) && is_single(&table, &place));
            }
            let mut table = base.clone();
            remove(&mut table, &place);
            checked.check(&table, &place, false);
        }
    }
    checked.all_accepted(5000);
}

#[test]
fn every_misspelled_setting_has_a_suggestion_that_is_accepted() {
    let mut checked = Checked::default();
    for base in bases() {
        for place in places(&base) {
            let mut misspelled = place.clone();
            let Some(Step::Key(key)) = misspelled.last_mut() else { continue };
            *key = format!("{key}s");
            let mut table = base.clone();
            let (owner, key) = owner(&mut table, &place).unwrap();
            let value = owner.remove(&key).unwrap();
            owner.insert(format!("{key}s"), value);
            checked.check(&table, &misspelled, false);
        }
    }
    checked.all_accepted(50);
}
