//! The attributes of agents of no pool, so that an operator sees which ones the configuration should have.

use std::collections::BTreeMap;
use std::fmt;

use crate::mesos::state::Attributes;

/// How many names are kept, and how many values of each.
const MAX_NAMES: usize = 20;
const MAX_VALUES: usize = 3;

/// Some of the attributes of agents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenAttributes(BTreeMap<String, Values>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Values {
    some: Vec<String>,
    are_more: bool,
}

impl SeenAttributes {
    pub(super) fn add(&mut self, attributes: &Attributes) {
        for (name, value) in attributes.iter() {
            if !self.0.contains_key(name) && self.0.len() == MAX_NAMES {
                continue;
            }
            let values = self.0.entry(name.to_owned()).or_default();
            if values.some.iter().any(|known| known == value) {
                continue;
            }
            if values.some.len() < MAX_VALUES { values.some.push(value.to_owned()) } else { values.are_more = true }
        }
    }
}

/// `asg = web, workers; instance_id = i-1, i-2, i-3, ...`
impl fmt::Display for SeenAttributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (index, (name, values)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            let more = if values.are_more { ", ..." } else { "" };
            write!(f, "{separator}{name} = {}{more}", values.some.join(", "))?;
        }
        Ok(())
    }
}
