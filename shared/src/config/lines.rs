//! On which line of a configuration something stands.

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

/// The line, from 1 on, of a key in a table that is somewhere below `root`, which was parsed from `source`.
pub(super) fn line_of(source: &str, root: &Table, table: &Table, key: &str) -> Option<usize> {
    let place = place_of(root, table)?;
    let document = DeTable::parse(source).ok()?;
    let mut found = document.get_ref();
    for step in &place {
        let (_, value) = found.iter().find(|(name, _)| name.get_ref() == step.key)?;
        let value = match step.index {
            Some(index) => value.get_ref().as_array()?.get(index)?,
            None => value,
        };
        found = match value.get_ref() {
            DeValue::Table(table) => table,
            _ => return None,
        };
    }
    let (name, _) = found.iter().find(|(name, _)| name.get_ref() == key)?;
    Some(position(source, name.span().start).0)
}

/// Line and column, from 1 on, of the character at a byte.
pub(super) fn position(source: &str, at: usize) -> (usize, usize) {
    let before = source.get(..at).unwrap_or(source);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// A step down from a table: a key, and a place in the list that is there.
struct Step<'a> {
    key: &'a str,
    index: Option<usize>,
}

/// The steps to a table, found by its identity.
fn place_of<'a>(root: &'a Table, table: &Table) -> Option<Vec<Step<'a>>> {
    if std::ptr::eq(root, table) {
        return Some(Vec::new());
    }
    let below = |key: &'a str, index: Option<usize>, value: &'a Value| {
        let mut steps = place_of(value.as_table()?, table)?;
        steps.insert(0, Step { key, index });
        Some(steps)
    };
    root.iter().find_map(|(key, value)| match value {
        Value::Array(items) => items.iter().enumerate().find_map(|(index, item)| below(key, Some(index), item)),
        _ => below(key, None, value),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "a = 1\n[b]\n\"c d\" = 2\n[[e]]\n[[e]]\nf = { g = 3,\n h = 4 }\n";

    #[test]
    fn a_key_is_found_wherever_it_is() {
        let root: Table = SOURCE.parse().unwrap();
        let second = root["e"][1].as_table().unwrap();
        let inline = second["f"].as_table().unwrap();
        for (table, key, line) in [
            (&root, "a", 1),
            (&root, "b", 2),
            (root["b"].as_table().unwrap(), "c d", 3),
            (second, "f", 6),
            (inline, "h", 7),
        ] {
            assert_eq!(line_of(SOURCE, &root, table, key), Some(line), "{key}");
        }
        assert_eq!(line_of(SOURCE, &root, &root, "z"), None);
        assert_eq!(line_of(SOURCE, &root, &Table::new(), "a"), None, "a table of another configuration");
    }

    #[test]
    fn a_position_counts_lines_and_characters_from_one() {
        assert_eq!([0, 3, 5, 7].map(|at| position("ab\n\u{e9}c\n", at)), [(1, 1), (2, 1), (2, 2), (3, 1)]);
        assert_eq!(position("ab", 99), (1, 3));
    }
}
