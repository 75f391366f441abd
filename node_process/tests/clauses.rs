//! Every clause of docs/algorithm.md is stated there, implemented under its name, and tested under its name.

use std::fs;
use std::path::Path;

use shared::clause::{Clause, Rule};

/// Every clause of the rules that decide. The enum is the list: a clause that is not on the page cannot be named.
fn clauses() -> impl Iterator<Item = Clause> {
    let decides = |clause: &Clause| match clause.rule() {
        Rule::ScaleDown | Rule::Headroom | Rule::ScaleUp | Rule::Cpu | Rule::Limits => true,
        Rule::Refuse | Rule::BackOff | Rule::Apply | Rule::Custom => false,
    };
    Clause::ALL.iter().copied().filter(decides)
}

#[test]
fn every_clause_is_stated_implemented_and_tested() {
    let page = text_of("../docs/algorithm.md");
    let sources = text_of("src/algorithm");
    // Implementation and unit tests share files: what follows `mod tests` tests.
    let (code, unit_tests): (Vec<&str>, Vec<&str>) =
        sources.iter().map(|text| text.split_once("#[cfg(test)]").unwrap_or((text, ""))).unzip();
    let tests = [
        text_of("tests/properties.rs"),
        text_of("tests/packing.rs"),
        text_of("tests/cpu.rs"),
        text_of("tests/scenarios"),
    ]
    .concat();
    let mut missing = Vec::new();
    for clause in clauses() {
        let clause = clause.name();
        if !page.iter().any(|text| text.contains(&format!("**{clause}**"))) {
            missing.push(format!("{clause} is not stated in docs/algorithm.md"));
        }
        if !code.iter().any(|text| cites(text, clause)) {
            missing.push(format!("{clause} is not cited in src/algorithm"));
        }
        if !unit_tests.iter().any(|text| cites(text, clause)) && !tests.iter().any(|text| cites(text, clause)) {
            missing.push(format!("{clause} is not cited in a test"));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Whether the clause stands there as a word, or at the end of a test's name.
fn cites(text: &str, clause: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == clause || word == clause.to_ascii_lowercase())
}

/// The file, or the files of the folder and of those in it.
fn text_of(path: &str) -> Vec<String> {
    fn texts(path: &Path) -> Vec<String> {
        if path.is_file() {
            return vec![fs::read_to_string(path).unwrap()];
        }
        fs::read_dir(path).unwrap().flat_map(|entry| texts(&entry.unwrap().path())).collect()
    }
    texts(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
}
