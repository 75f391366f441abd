//! Wrong configurations, generated: every place of a configuration with every setting gets every kind of wrong value.

use toml::{Table, Value};

use super::{Config, Problems};

/// One step down in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

pub(super) type Place = Vec<Step>;

/// The configuration with every setting, and others that have what it excludes.
pub(super) fn bases() -> Vec<Table> {
    let everything: String = include_str!("../../../../examples/lambda-scale.toml")
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|setting| setting.contains(" = ")).unwrap_or(line))
        .flat_map(|line| [line, "\n"])
        .collect();
    let drain = format!(
        "{}scale_down_strategy = \"drain\"\ndrain_after = \"5m\"\ndrain_grace = \"2m\"\n[[pools]]\nname = \"b\"\n\
         group = \"b\"\nsource = \"cloudwatch\"\nmin = 0\nmax = 3\nscale_out_threshold = 60\nscale_down_ratio = 0.7\ncooltime = 5",
        super::SMALLEST
    );
    [everything.as_str(), &drain, super::SMALLEST, super::CLOUDWATCH].map(|text| text.parse().unwrap()).into()
}

/// Every place of a configuration: tables, lists, and what is in them.
pub(super) fn places(table: &Table) -> Vec<Place> {
    let mut all = Vec::new();
    for (key, value) in table {
        let place = vec![Step::Key(key.clone())];
        below(value, &place, &mut all);
    }
    all
}

fn below(value: &Value, place: &[Step], all: &mut Vec<Place>) {
    all.push(place.to_vec());
    let step = |step| [place, &[step]].concat();
    match value {
        Value::Table(table) => table.iter().for_each(|(key, value)| below(value, &step(Step::Key(key.clone())), all)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| below(item, &step(Step::Index(index)), all));
        }
        _ => {}
    }
}

/// What is at a place.
pub(super) fn at<'a>(table: &'a mut Table, place: &[Step]) -> Option<&'a mut Value> {
    let [Step::Key(first), rest @ ..] = place else { return None };
    rest.iter().try_fold(table.get_mut(first)?, |value, step| match step {
        Step::Key(key) => value.as_table_mut()?.get_mut(key),
        Step::Index(index) => value.as_array_mut()?.get_mut(*index),
    })
}

/// The table that a place is in, and its key there.
pub(super) fn owner<'a>(table: &'a mut Table, place: &[Step]) -> Option<(&'a mut Table, String)> {
    match place {
        [Step::Key(key)] => Some((table, key.clone())),
        [owner @ .., Step::Key(key)] => Some((at(table, owner)?.as_table_mut()?, key.clone())),
        _ => None,
    }
}

/// Takes what is at a place out of the configuration.
pub(super) fn remove(table: &mut Table, place: &[Step]) {
    match place {
        [owner @ .., Step::Index(index)] => {
            at(table, owner).unwrap().as_array_mut().unwrap().remove(*index);
        }
        _ => {
            let (owner, key) = owner(table, place).unwrap();
            owner.remove(&key);
        }
    }
}

pub(super) fn problems(table: &Table) -> Vec<super::Problem> {
    match Config::parse(&table.to_string()) {
        Ok(_) => Vec::new(),
        Err(Problems(problems)) => problems,
    }
}
