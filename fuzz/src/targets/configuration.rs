//! A configuration: it is accepted or refused without repeating a secret, and advice is good.

use shared::config::{Config, Problem};
use shared::random::SplitMix64;
use toml::{Table, Value};

use super::chance;
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "configuration",
    run,
    borrowed: &[("examples", "lambda-scale.toml"), ("testbed/src", "example.toml")],
    tokens: &[
        "[mesos]\n",
        "[[pools]]\n",
        "[marathon]\n",
        "masters = [",
        "timeout = \"10s\"\n",
        "credentials = \"ssm:/a\"\n",
        "min = 5\n",
        "max = \"unlimited\"\n",
        "attributes = { pool = \"a\" }\n",
        "applications.\"/a\" = {",
        "new_agent = { cpus = 4, mem = \"4GB\" }\n",
        "scale_down_strategy = \"drain\"\n",
        "\"http://u:p@10.0.0.5:5050\"",
        "\"\"\"",
        "'''",
        "2026-12-24T18:00:00Z",
        "nan",
        "inf",
        "0x",
        "headroom = ",
        "resources = [\"cpus\"]\n",
        "source = \"cloudwatch\"\n",
        "max_scale_down_step = 3\n",
        "cooldown = \"1h\"\n",
    ],
};

const CANARY: &str = "Zebra7-c4nary";

fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Config::parse(&text) {
        Ok(config) => {
            assert!(!config.pools.is_empty());
            let _ = config.warnings();
        }
        Err(problems) => {
            assert!(!problems.0.is_empty());
            if let Ok(table) = text.parse::<Table>() {
                problems.0.iter().for_each(|problem| advice_is_good(problem, &table));
            }
        }
    }
    no_secret_is_repeated(&text, &mut chance(bytes));
}

/// A secret in place of a text of the configuration, or anywhere in it.
fn no_secret_is_repeated(text: &str, chance: &mut SplitMix64) {
    let quotes: Vec<usize> = text.match_indices('"').map(|(at, _)| at + 1).collect();
    let anywhere = chance.index(text.len() + 1);
    let anywhere = (anywhere..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    let in_text = quotes.get(chance.index(quotes.len())).copied().unwrap_or(anywhere);
    for at in [anywhere, in_text] {
        let secret = format!("{}{CANARY}{}", &text[..at], &text[at..]);
        if let Err(problems) = Config::parse(&secret) {
            for said in [problems.to_string(), format!("{problems:?}")] {
                assert!(!said.contains(CANARY), "{said}\n\n{secret}");
            }
        }
    }
}

/// Whoever writes what an error suggests gets no error of that kind again.
fn advice_is_good(problem: &Problem, table: &Table) {
    let Some((_, suggested)) = problem.text.split_once("; write ") else { return };
    let Some(value) = value(suggested) else { return };
    let mut changed = table.clone();
    let Some(place) = place(&mut changed, &problem.path) else { return };
    *place = value;
    if let Err(problems) = Config::parse(&changed.to_string()) {
        assert!(!problems.0.contains(problem), "{problem}\n\n{changed}");
    }
}

fn value(text: &str) -> Option<Value> {
    format!("x = {text}").parse::<Table>().ok()?.remove("x")
}

/// The value at a path of plain names and indexes, such as `pools[0].min`.
fn place<'a>(table: &'a mut Table, path: &str) -> Option<&'a mut Value> {
    let mut steps = path.split(['.', '[']).map(|step| step.trim_end_matches(']'));
    let mut value = table.get_mut(steps.next()?)?;
    for step in steps {
        value = match value {
            Value::Table(table) => table.get_mut(step)?,
            Value::Array(items) => items.get_mut(step.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(value)
}
