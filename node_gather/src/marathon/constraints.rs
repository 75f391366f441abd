//! What Marathon's placement constraints and resource roles mean for a pool.
//!
//! Only what decides about agents is kept: how many instances one agent, or agents of one value, may hold, and which names, or values of
//! an attribute, an agent must have. `GROUP_BY` spreads instances over what is there, and keeps some from starting where fewer values,
//! or agents, are there than it asks for.

mod pattern;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use pattern::Pattern;
use serde::de::{IgnoredAny, MapAccess, SeqAccess};
use shared::count::saturated;
use shared::text::clip;

use super::json::{Lenient, Loose, Name, Once, Partly, Text, fields, items};
use crate::mesos::state::as_number;

/// How many constraints of an application are kept. Nobody writes more.
const MAX_CONSTRAINTS: usize = 32;

/// How much of a field or value a reason repeats.
const MAX_SHOWN_CHARS: usize = 50;

/// The fields that differ on every agent.
const FIELDS_OF_ONE_AGENT: [&str; 3] = ["hostname", "@hostname", "instance_id"];

/// The constraints of an application that decide about agents, and what limits its instances like one.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Constraints {
    all: Vec<Constraint>,
    /// Whether an instance needs a fixed port of its host, so that an agent holds one.
    fixed_port: bool,
}

/// A constraint on an attribute, or on the hostname.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Constraint {
    field: String,
    operator: Operator,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Operator {
    /// At most so many instances with the same value: `MAX_PER`, and with 1 `UNIQUE`.
    AtMost(u32),
    /// Instances on agents of so many values before any value has a second one: `GROUP_BY` with a number.
    GroupBy(u32),
    /// This value; without one, that of the instances that run.
    Cluster(Option<String>),
    /// This value.
    Is(String),
    /// A value that the pattern matches as a whole.
    Like(Pattern),
    /// A value that it does not match.
    Unlike(Pattern),
}

/// Why an agent of a pool cannot run an application, even with room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contradiction<'a>(&'a Constraint);

impl Constraints {
    /// How many instances one agent may hold where there are so many in all; `None` where nothing limits them. With `GROUP_BY`,
    /// Marathon starts none on an agent that has one before as many agents have.
    #[must_use]
    pub fn most_per_agent(&self, instances: u32) -> Option<u32> {
        let of = |constraint: &Constraint| match constraint.operator {
            Operator::AtMost(most) => Some(most),
            _ => None,
        };
        let part = Some(self.least_agents()).filter(|agents| *agents > 0).map(|agents| instances.div_ceil(agents));
        let limits = self.on_one_agent().filter_map(of).chain(self.fixed_port.then_some(1));
        limits.chain(part).min().map(|most| most.max(1))
    }

    /// On how many agents instances are to run before any agent has a second one, by `GROUP_BY` with a number; 0 where nothing asks for it.
    #[must_use]
    pub fn least_agents(&self) -> u32 {
        let of = |constraint: &Constraint| match constraint.operator {
            Operator::GroupBy(agents) if agents > 1 => Some(agents),
            _ => None,
        };
        self.on_one_agent().filter_map(of).max().unwrap_or(0)
    }

    /// Whether Marathon would not have started so many on one agent, however many there are in all.
    #[must_use]
    pub fn forbid(&self, instances: u32) -> bool {
        let is_less = |own: &Constraint| matches!(own.operator, Operator::AtMost(most) if most < instances);
        self.on_one_agent().any(is_less) || (self.fixed_port && instances > 1)
    }

    /// The attributes over the values of which instances are spread: of agents of one value only so many hold one, or a part of all.
    pub fn spread_over(&self) -> impl Iterator<Item = &str> {
        let is_spread = |own: &&Constraint| matches!(own.operator, Operator::AtMost(_) | Operator::GroupBy(_));
        self.all.iter().filter(|own| own.is_on_attribute()).filter(is_spread).map(|own| own.field.as_str())
    }

    /// The fields of which all instances have one value, whichever it is.
    pub fn together_in(&self) -> impl Iterator<Item = &str> {
        let is_together = |own: &&Constraint| own.operator == Operator::Cluster(None) && !own.is_of_fault_domain();
        self.all.iter().filter(is_together).map(|own| own.field.as_str())
    }

    /// Whether an agent with these values of a field may run the application, however many of its instances run.
    pub fn admit<'v, V: Iterator<Item = &'v str>>(&'v self, values: impl Fn(&'v str) -> V) -> bool {
        let admits = |own: &'v Constraint| {
            let mut values = values(&own.field).peekable();
            // Marathon admits an agent without the attribute.
            let may_lack = matches!(own.operator, Operator::Unlike(_));
            (may_lack && values.peek().is_none()) || values.any(|value| own.operator.admits(value))
        };
        self.all.iter().filter(|own| own.asks_for_value()).all(admits)
    }

    /// Those of both, each once.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        for constraint in other.all {
            if self.all.len() < MAX_CONSTRAINTS && !self.all.contains(&constraint) {
                self.all.push(constraint);
            }
        }
        Self { fixed_port: self.fixed_port || other.fixed_port, ..self }
    }

    /// Those that can tell agents with these attributes apart.
    #[must_use]
    pub fn among(&self, attributes: &BTreeMap<String, String>) -> Self {
        let all = self.all.iter().filter(|constraint| !attributes.contains_key(&constraint.field));
        Self { all: all.cloned().collect(), ..*self }
    }

    /// Whether there is none, and no fixed port.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.all.is_empty() && !self.fixed_port
    }

    /// The same for instances that also need a fixed port of their host, or not.
    #[must_use]
    pub(super) fn with_fixed_port(self, fixed_port: bool) -> Self {
        Self { fixed_port, ..self }
    }

    /// Whether an instance needs a fixed port of its host, so that an agent holds one.
    #[must_use]
    pub const fn has_fixed_port(&self) -> bool {
        self.fixed_port
    }

    /// The constraint that no new agent with these attributes can meet, if there is one. An attribute that is not among them
    /// may have any value.
    #[must_use]
    pub fn contradicts<'a>(&'a self, attributes: &BTreeMap<String, String>) -> Option<Contradiction<'a>> {
        let contradicts = |constraint: &&Constraint| match attributes.get(&constraint.field) {
            // The agents have the text, or the number.
            Some(value) => {
                let admits = |own: &str| constraint.operator.admits(own);
                !(admits(value) || as_number(value).is_some_and(|number| admits(&number)))
            }
            // Names of agents that run already.
            None => {
                constraint.is_on_one_agent()
                    && matches!(constraint.operator, Operator::Cluster(Some(_)) | Operator::Is(_))
            }
        };
        self.all.iter().find(contradicts).map(Contradiction)
    }

    /// Whether any is on an attribute that agents may share.
    #[must_use]
    pub fn are_on_attributes(&self) -> bool {
        self.all.iter().any(|constraint| !constraint.is_on_one_agent())
    }

    /// Whether any asks for certain values of an attribute.
    #[must_use]
    pub fn ask_for_values(&self) -> bool {
        self.all.iter().any(|constraint| !constraint.is_on_one_agent() && constraint.asks_for_value())
    }

    /// Whether none tells how many agents, or values of an attribute, the instances need.
    #[must_use]
    pub fn say_nothing_of_places(&self) -> bool {
        self.most_per_agent(1).is_none() && !self.are_on_attributes()
    }

    /// Whether all of them ask for agents by name.
    #[must_use]
    pub fn ask_for_names(&self) -> bool {
        !self.all.is_empty() && self.say_nothing_of_places()
    }

    fn on_one_agent(&self) -> impl Iterator<Item = &Constraint> {
        self.all.iter().filter(|constraint| constraint.is_on_one_agent())
    }

    /// The constraint by which all instances run on one agent, if there is one: where one runs, no other agent helps.
    #[must_use]
    pub fn on_one_agent_together(&self) -> Option<Contradiction<'_>> {
        let is_together =
            |own: &&Constraint| own.is_on_one_agent() && matches!(own.operator, Operator::Cluster(_) | Operator::Is(_));
        self.all.iter().find(is_together).map(Contradiction)
    }

    /// How many instances agents can hold in all if they have room, and the constraint that says so. `values` are those of
    /// an attribute that agents may have; `None` where any is possible.
    #[must_use]
    pub fn most_instances<'v>(
        &self,
        values: impl Fn(&str) -> Option<BTreeSet<&'v str>>,
    ) -> Option<(u32, Contradiction<'_>)> {
        let most = |constraint: &Constraint| {
            if constraint.is_on_one_agent() {
                return None;
            }
            let all = values(&constraint.field)?;
            let is_admitted = |value: &&&str| {
                let same = self.all.iter().filter(|other| other.field == constraint.field);
                same.map(|other| &other.operator).all(|operator| operator.admits(value))
            };
            let admitted = saturated(all.iter().filter(is_admitted).count());
            match constraint.operator {
                Operator::AtMost(limit) => Some(limit.saturating_mul(admitted)),
                Operator::GroupBy(least) => (admitted < least).then_some(admitted),
                // Marathon admits an agent without the attribute.
                Operator::Unlike(_) if all.is_empty() => None,
                Operator::Cluster(_) | Operator::Is(_) | Operator::Like(_) | Operator::Unlike(_) => {
                    (admitted == 0).then_some(0)
                }
            }
        };
        let all = self.all.iter().filter_map(|constraint| Some((most(constraint)?, Contradiction(constraint))));
        all.min_by_key(|(most, _)| *most)
    }
}

impl Constraint {
    /// Only the constraints that decide about agents.
    fn new(field: String, operator: &str, value: Option<String>) -> Option<Self> {
        let operator = match (operator, value) {
            ("UNIQUE", _) => Operator::AtMost(1),
            ("MAX_PER", Some(value)) => Operator::AtMost(value.trim().parse().ok().filter(|limit| *limit > 0)?),
            ("GROUP_BY", Some(value)) => Operator::GroupBy(value.trim().parse().ok().filter(|least| *least > 0)?),
            ("CLUSTER", value) => Operator::Cluster(value.filter(|value| !value.is_empty())),
            ("IS", Some(value)) if !value.is_empty() => Operator::Is(value),
            ("LIKE", Some(value)) => Operator::Like(value.into()),
            ("UNLIKE", Some(value)) => Operator::Unlike(value.into()),
            _ => return None,
        };
        Some(Self { field, operator })
    }

    fn is_on_one_agent(&self) -> bool {
        FIELDS_OF_ONE_AGENT.contains(&self.field.as_str())
    }

    /// Whether agents say what they have of it: Marathon's own names, such as `@zone`, are those of fault domains.
    fn is_on_attribute(&self) -> bool {
        !self.is_on_one_agent() && !self.is_of_fault_domain()
    }

    fn is_of_fault_domain(&self) -> bool {
        !self.is_on_one_agent() && self.field.starts_with('@')
    }

    fn asks_for_value(&self) -> bool {
        let of_any = matches!(self.operator, Operator::AtMost(_) | Operator::GroupBy(_) | Operator::Cluster(None));
        !of_any && !self.is_of_fault_domain()
    }
}

impl Operator {
    /// Whether an agent with that value may run the application. A pattern that cannot be compared admits everything.
    fn admits(&self, value: &str) -> bool {
        match self {
            Self::AtMost(_) | Self::GroupBy(_) | Self::Cluster(None) => true,
            Self::Cluster(Some(own)) | Self::Is(own) => is_same(own, value),
            Self::Like(pattern) => pattern.matches(value).unwrap_or(true),
            Self::Unlike(pattern) => !pattern.matches(value).unwrap_or(false),
        }
    }
}

/// Whether two values of an attribute are the same: Mesos has numbers among them, in any form.
fn is_same(one: &str, other: &str) -> bool {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    one == other || number(one).is_some_and(|one| number(other) == Some(one))
}

impl fmt::Display for Contradiction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `a fixed host port, hostname UNIQUE, and 3 more`.
impl fmt::Display for Constraints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const FEW: usize = 2;
        let port = self.fixed_port.then(|| "a fixed host port".to_owned());
        let all = port.into_iter().chain(self.all.iter().map(ToString::to_string));
        let shown = all.take(FEW);
        let count = self.all.len() + usize::from(self.fixed_port);
        let more = count.checked_sub(FEW).filter(|more| *more > 0).map(|more| format!("and {more} more"));
        f.write_str(&shown.chain(more).collect::<Vec<_>>().join(", "))
    }
}

/// `hostname UNIQUE`, `rack CLUSTER r1`.
impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, operator } = self;
        let short = |text: &str| clip(text, MAX_SHOWN_CHARS);
        let field = short(field);
        match operator {
            Operator::AtMost(1) => write!(f, "{field} UNIQUE"),
            Operator::AtMost(limit) => write!(f, "{field} MAX_PER {limit}"),
            Operator::GroupBy(least) => write!(f, "{field} GROUP_BY {least}"),
            Operator::Cluster(None) => write!(f, "{field} CLUSTER"),
            Operator::Cluster(Some(value)) => write!(f, "{field} CLUSTER {}", short(value)),
            Operator::Is(value) => write!(f, "{field} IS {}", short(value)),
            Operator::Like(pattern) => write!(f, "{field} LIKE {}", short(pattern.text())),
            Operator::Unlike(pattern) => write!(f, "{field} UNLIKE {}", short(pattern.text())),
        }
    }
}

impl Loose for Partly<Constraints> {
    const EXPECTED: &'static str = "a list of constraints";

    fn of_list<'de, S: SeqAccess<'de>>(list: S) -> Result<Result<Self, String>, S::Error> {
        let mut constraints = Vec::new();
        let all = items(list, |One(constraint)| {
            constraints.extend(constraint.filter(|_| constraints.len() < MAX_CONSTRAINTS));
        })?;
        Ok(Ok(Self { value: Constraints { all: constraints, fixed_port: false }, problem: all.err() }))
    }
}

/// A constraint; `None` where it does not decide about agents.
struct One(Option<Constraint>);

/// Of an application: `["hostname", "MAX_PER", "2"]`. Of a pod:
/// `{"fieldName": "hostname", "operator": "MAX_PER", "value": "2"}`.
impl Loose for One {
    const EXPECTED: &'static str = "a constraint: a field, an operator, and a value";

    fn of_list<'de, S: SeqAccess<'de>>(mut list: S) -> Result<Result<Self, String>, S::Error> {
        // Without an operator it decides about nothing.
        let Some(Lenient(field)) = list.next_element()? else { return Ok(Ok(Self(None))) };
        let Some(Lenient(operator)) = list.next_element()? else { return Ok(field.map(|Name(_)| Self(None))) };
        let value = list.next_element::<Option<Lenient<Text>>>()?.flatten();
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::of_parts(field, operator, value.map(|Lenient(value)| value).transpose()))
    }

    fn of_object<'de, M: MapAccess<'de>>(object: M) -> Result<Result<Self, String>, M::Error> {
        let (mut field, mut operator, mut value) = (Once::new("fieldName"), Once::new("operator"), Once::new("value"));
        fields(object, &mut [&mut field, &mut operator, &mut value])?;
        Ok(Self::of_parts(field.required(), operator.required(), value.optional()))
    }
}

impl One {
    fn of_parts(
        field: Result<Name, String>,
        operator: Result<Name, String>,
        value: Result<Option<Text>, String>,
    ) -> Result<Self, String> {
        let (Name(field), Name(operator)) = (field?, operator?);
        Ok(Self(Constraint::new(field, &operator, value?.map(|Text(value)| value))))
    }
}

#[cfg(test)]
mod tests;
