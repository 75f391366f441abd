//! Shared by the unit tests: captured states, a configuration, and JSON with keys in any order.

use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::Value;
use shared::config::Config;
use shared::random::SplitMix64;

/// A time long after the elections in the states of the tests.
pub(crate) fn now() -> Timestamp {
    "2026-11-21T18:00:00Z".parse().unwrap()
}

/// The bytes of every captured state, with its path.
pub(crate) fn captures() -> Vec<(String, Vec<u8>)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/captures");
    let mut found = Vec::new();
    for version in ["1.4.3", "1.11.0"] {
        for entry in std::fs::read_dir(root.join(version)).unwrap() {
            let path = entry.unwrap().path().join("state.json");
            if let Ok(bytes) = std::fs::read(&path) {
                found.push((path.display().to_string(), bytes));
            }
        }
    }
    assert!(found.len() > 40, "{} captures", found.len());
    found.sort();
    found
}

/// The captured state of that version and situation.
pub(crate) fn capture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/captures").join(name).join("state.json");
    std::fs::read(path).unwrap()
}

/// A configuration with one pool, `more` being further lines of it (and further pools).
pub(crate) fn config(more: &str) -> Config {
    let head = "mesos.masters = [\"http://10.0.0.5:5050\"]\n[[pools]]\nname = \"workers\"\ngroup = \"workers\"\n";
    Config::parse(&format!("{head}{more}")).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Writes JSON in any order.
pub(crate) struct Shuffle(pub SplitMix64);

impl Shuffle {
    pub(crate) fn of(seed: u64) -> Self {
        Self(SplitMix64::new(seed))
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0.index(limit)
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        self.0.shuffle(items);
    }

    /// The same JSON with objects and lists in another order.
    pub(crate) fn write(&mut self, value: &Value, output: &mut String) {
        match value {
            Value::Object(map) => {
                let mut entries: Vec<_> = map.iter().collect();
                self.shuffle(&mut entries);
                output.push('{');
                for (place, (key, value)) in entries.into_iter().enumerate() {
                    output.push_str(if place > 0 { "," } else { "" });
                    output.push_str(&Value::from(key.as_str()).to_string());
                    output.push(':');
                    self.write(value, output);
                }
                output.push('}');
            }
            Value::Array(items) => {
                let mut items: Vec<_> = items.iter().collect();
                self.shuffle(&mut items);
                output.push('[');
                for (place, item) in items.into_iter().enumerate() {
                    output.push_str(if place > 0 { "," } else { "" });
                    self.write(item, output);
                }
                output.push(']');
            }
            scalar => output.push_str(&scalar.to_string()),
        }
    }
}
